"""Every file of what was handed in, those in zips too; what cannot be read is said, and nothing is followed."""

import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradus.classroom.odd_files import odd_kind
from gradus.classroom.placing.zips import OF_CLASS, OF_STUDENT, Limits, unpack
from gradus.shown import shown_name
from gradus.submission.reading import most_bytes, too_large

ANSWERS = (".ipynb", ".py")
ZIP = ".zip"
_OTHER_ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz")
_IGNORED = {"__MACOSX", "__pycache__", "env", "node_modules", "site-packages", "venv"}
_OF_A_KIT = {"datasets", "graders", "solutions"}  # beside a course.toml
_ZIPS_IN_ZIPS = 3
_DEEPEST = 40  # folders
_JUNCTION = 0xA0000003


@dataclass(frozen=True)
class Unplaced:
    """Something that is nobody's answer: how a person names it, and a sentence that says what to do."""

    path: str
    why: str


@dataclass(frozen=True)
class Found:
    """A plain file, or a folder: what it is called below the place that was given, and where it can be read.

    A zip counts as a folder: `("alice.zip", "tensors.py")` lies in one.
    """

    names: tuple[str, ...]
    path: Path
    is_folder: bool = False


def walk(place: Path, scratch: Path, above: tuple[str, ...] = ()) -> Iterator[Found | Unplaced]:
    """Every file and folder of a place, in order of names; the place itself where it is a file.

    Left out without a word: what starts with a dot, caches, virtual environments, and what a kit holds
    besides exercises.

    Args:
        place: A folder, a zip or a file, as the instructor names it: it may be a link.
        scratch: Where zips are unpacked.
        above: What a person calls the place in front of names in it.

    Raises:
        GradusError: If the disk is full.
    """
    place = place.resolve()
    walker = _Walker(scratch, above, place.name)
    if place.is_dir():
        yield from walker.folder(place, ())
    elif place.suffix.lower() == ZIP and place.is_file():
        yield from walker.unpacked(place, (), OF_CLASS)
    else:
        yield from walker.file(place, (place.name,))


def shown_path(names: tuple[str, ...]) -> str:
    """How a person names it: `a.zip: inner/name`."""
    text = ""
    for name in names:
        text += ("" if not text else ": " if text.endswith(ZIP) else "/") + shown_name(name)
    return text


class _Walker:
    """Goes through one place."""

    def __init__(self, scratch: Path, above: tuple[str, ...], place: str) -> None:
        self._scratch, self._above, self._place = scratch, above, place
        self._called: dict[Path, str] = {}  # what was unpacked -> its name in the zip

    def folder(self, folder: Path, names: tuple[str, ...]) -> Iterator[Found | Unplaced]:
        shown = self._shown(names)
        if len(names) > _DEEPEST:
            yield Unplaced(shown, "lies too deep in other folders. Move it up.")
            return
        try:
            with os.scandir(folder) as entries:
                paths = [Path(entry.path) for entry in entries]
        except OSError as error:
            yield Unplaced(shown, f"cannot be read ({error.strerror}). Change its permissions.")
            return
        here = {path.name for path in paths}
        if "pyvenv.cfg" in here:
            return
        left_out = _IGNORED | (_OF_A_KIT if "course.toml" in here else set())
        for name, path in sorted((self._called.get(path, path.name), path) for path in paths):
            if not name.startswith(".") and name not in left_out:
                yield from self.file(path, (*names, name))

    def file(self, path: Path, names: tuple[str, ...]) -> Iterator[Found | Unplaced]:
        ending, shown = Path(names[-1]).suffix.lower(), self._shown(names)
        try:
            about = path.lstat()
        except OSError as error:
            yield Unplaced(shown, f"cannot be read ({error.strerror}). Change its permissions.")
            return
        kind = "a link" if _is_junction(about) else odd_kind(about.st_mode)
        if kind:
            yield Unplaced(shown, f"is {kind}, which is never followed. Ask for the file itself.")
        elif stat.S_ISDIR(about.st_mode):
            yield Found(names, path, is_folder=True)
            yield from self.folder(path, names)
        elif ending == ZIP:
            yield Found(names, path, is_folder=True)
            yield from self.unpacked(path, names, OF_STUDENT)
        elif ending in _OTHER_ARCHIVES:
            why = f"is an archive of a kind that is not read ({ending}). Unpack it."
            yield Unplaced(shown, why)
        elif ending in ANSWERS and about.st_size > most_bytes(path):
            yield Unplaced(shown, too_large(path, about.st_size))
        elif not os.access(path, os.R_OK):
            yield Unplaced(shown, "may not be read by you. Change its permissions.")
        else:
            yield Found(names, path)

    def unpacked(
        self, archive: Path, names: tuple[str, ...], limits: Limits
    ) -> Iterator[Found | Unplaced]:
        if sum(name.lower().endswith(ZIP) for name in names) > _ZIPS_IN_ZIPS:
            why = "is a zip in a zip in a zip in a zip. Unpack it and give the folder."
            yield Unplaced(self._shown(names), why)
            return
        self._scratch.mkdir(parents=True, exist_ok=True)
        into = Path(tempfile.mkdtemp(dir=self._scratch))
        for entry in unpack(archive, into, limits):
            if entry.path is None:
                yield Unplaced(self._shown((*names, *entry.names)), entry.why)
                continue
            path = entry.path
            for name in reversed(entry.names):
                self._called[path] = name
                path = path.parent
        yield from self.folder(into, names)

    def _shown(self, names: tuple[str, ...]) -> str:
        return shown_path((*self._above, *names)) or shown_name(self._place)


def _is_junction(about: os.stat_result) -> bool:
    """Whether it is Windows' own kind of link to a folder."""
    return getattr(about, "st_reparse_tag", 0) == _JUNCTION
