"""Where the workers of a kit's submissions come from, and what they may not see. Imports no torch."""

import os
import site
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradus.sandbox.levels import Level
from gradus.sandbox.shown import import_folders, user_packages
from gradus.sandbox.slots import WarmSlot, warm_slot

SERVE = "gradus.wall.worker.serve:serve"  # what a worker runs
PACKAGE = Path(__file__).parent.parent
MARKS = ("course.toml", "gradebook.db", "nbgrader_config.py")  # of a kit, or a course of nbgrader's
ROOMS = (
    *("graders", "solutions"),
    *("source", "release", "submitted", "autograded", "feedback", "gradebook.db"),
)
SKIPPED = ("__pycache__",)


def slot_of(root: Path, level: Level | None = None) -> WarmSlot:
    """This process's slot for a kit: of all its rooms, submissions may read `datasets/`.

    Args:
        root: Of the kit.
        level: This one and no other; the best that there is if None.

    Raises:
        SandboxError: If that level is out of reach here; with why, and the remedy.
    """
    datasets = root / "datasets"
    readable = (datasets,) if datasets.is_dir() else ()
    return warm_slot(readable, SERVE, hidden=hidden_from_submissions(root), level=level)


def hidden_from_submissions(root: Path) -> tuple[Path, ...]:
    """The kit, and every kit or course that lies where Python's own folders are shown to submissions."""
    found = dict.fromkeys([root.absolute(), *(root.absolute() / name for name in ROOMS)])
    kept = {path.resolve() for path in _shown_folders()}
    for start, depth in _places():
        for folder, names in _folders(start, depth):
            found.update(dict.fromkeys(_kit_in(folder, names, kept)))
    found.update(dict.fromkeys(_installed_kits()))
    return tuple(path for path in found if path.exists())


def _installed_kits() -> Iterator[Path]:
    """Kits that came with a wheel, wherever a Python that is shown keeps packages: this one or another."""
    prefixes = [*_prefixes(), Path("/usr"), Path("/usr/local")]
    folders = [f for prefix in prefixes for f in prefix.glob("lib*/python3*/*-packages")]
    own = user_packages()
    for folder in (*folders, *import_folders(), *([own] if own is not None else [])):
        if (folder / "gradus" / "kit" / "course.toml").is_file():
            yield folder / "gradus" / "kit"
    for folder in dict.fromkeys([PACKAGE.parent, *import_folders()]):
        if (folder / "course.toml").is_file():  # a checkout that gradus is run from
            yield folder


def _places() -> Iterator[tuple[Path, int]]:
    """Where kits might have come to lie, and how deep to look: packages have thousands of folders."""
    for folder in _shown_folders():
        yield folder, 20 if folder == PACKAGE else 1 if folder in _prefixes() else 2
    for system in ("/usr/src", "/usr/local", "/usr/local/src", "/usr/share", "/usr/local/share"):
        yield Path(system), 1
    for prefix in _prefixes():
        yield prefix / "share", 3
        yield prefix / "lib", 1


def _prefixes() -> list[Path]:
    return list(dict.fromkeys(map(Path, (sys.prefix, sys.base_prefix, sys.exec_prefix))))


def _shown_folders() -> list[Path]:
    """Folders that Python imports from, and so are shown."""
    told = [Path(word) for word in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    folders = [*_prefixes(), *map(Path, site.getsitepackages()), PACKAGE]
    folders += [path for path in told if path.is_absolute()]
    return [path for path in dict.fromkeys(folders) if path.is_dir()]


def _folders(start: Path, depth: int) -> Iterator[tuple[Path, set[str]]]:
    """`start` and the folders below it with the names in them, without following links."""
    try:
        entries = list(os.scandir(start))
    except OSError:
        return
    yield start, {entry.name for entry in entries}
    for entry in entries if depth else ():
        if entry.is_dir(follow_symlinks=False) and not _is_skipped(entry.name):
            yield from _folders(Path(entry.path), depth - 1)


def _is_skipped(name: str) -> bool:
    return name in SKIPPED or name.endswith((".dist-info", ".egg-info"))


def _kit_in(folder: Path, names: set[str], kept: set[Path]) -> Sequence[Path]:
    """What of this folder is of a kit: all of it, or its rooms where Python itself needs the folder."""
    rooms = _rooms(folder, names)
    if names.intersection(MARKS):
        return rooms if folder.resolve() in kept else [folder, *rooms]
    return [path for path in rooms if path.name in ("graders", "solutions") and _is_kits(path)]


def _rooms(folder: Path, names: set[str]) -> list[Path]:
    return [folder / name for name in ROOMS if name in names]


def _is_kits(folder: Path) -> bool:
    """Whether graders/ or solutions/ are a kit's own, which holds files; and not some library's package."""
    return PACKAGE in folder.parents or not (folder / "__init__.py").exists()
