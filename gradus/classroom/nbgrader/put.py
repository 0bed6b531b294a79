"""What was handed in comes into nbgrader's submitted/: whole or not at all, and over nothing but its own."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradus.classroom.grade.answer import TIMESTAMP, read_answer
from gradus.classroom.nbgrader.module_notebook import module_named, module_notebook
from gradus.classroom.nbgrader.modules import released_notebook, show_module
from gradus.classroom.nbgrader.settings import CourseSettings
from gradus.classroom.odd_files import odd_kind, odd_student
from gradus.classroom.placing.place import HandedIn
from gradus.course import Course
from gradus.errors import SubmissionError
from gradus.files import write_whole
from gradus.shown import shown_name

NOTES = Path(".gradus", "submitted")  # in the course: what was put there, by its hash
_LONGEST_TIMESTAMP = 1000


@dataclass
class Put:
    """What became of each hand-in."""

    new: list[HandedIn] = field(default_factory=list)
    replaced: list[HandedIn] = field(default_factory=list)
    same: list[HandedIn] = field(default_factory=list)
    refused: list[tuple[HandedIn, str]] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """What there is in the course now, and what to do next."""
        counts = [(self.new, "new"), (self.replaced, "replaced"), (self.same, "as before")]
        words = ", ".join(f"{len(them)} {kind}" for them, kind in counts if them)
        yield f"in the course's submitted/: {words or 'nothing'}"
        again = {one.topic for one in self.replaced}
        for topic in dict.fromkeys(one.topic for one in (*self.new, *self.replaced, *self.same)):
            force = " --force" if topic in again else ""  # else nbgrader keeps the mark of before
            yield f"there, for the gradebook: nbgrader autograde {topic}{force}"


def put_all(settings: CourseSettings, course: Course, found: Sequence[HandedIn]) -> Put:
    """Put answers into `submitted/STUDENT/TOPIC/` of an nbgrader course, where autograde takes them from.

    A notebook gets the name that nbgrader asks for; beside a `.py` comes a notebook that shows it. What lies
    there already is replaced where gradus has put it there and nobody has touched it since, and stays else.

    Args:
        settings: Of the course.
        course: Its kit.
        found: What was handed in.

    Raises:
        GradusError: If a topic is not released.
        OSError: If there is no room, or nothing may be written there.
    """
    released = {
        topic: released_notebook(settings.folder, topic)
        for topic in dict.fromkeys(one.topic for one in found)
    }
    put = Put()
    for one in found:
        place = settings.folder / "submitted" / one.student / one.topic
        note = settings.folder / NOTES / one.student / f"{one.topic}.txt"
        try:
            kind = _put(one, course, place, note, released[one.topic])
        except SubmissionError as error:
            put.refused.append((one, str(error)))
        else:
            getattr(put, kind).append(one)
    return put


def _put(one: HandedIn, course: Course, place: Path, note: Path, released: Path) -> str:
    """The name of the list of `Put` that it belongs to."""
    if odd := odd_student(one.student):
        raise SubmissionError(odd)
    for path in (place.parent, place):
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise SubmissionError(f"{_shown(path)} is a link or no folder. Move it away.")
    if place.exists() and one.file.parent.resolve() == place.resolve():
        return _name_it(one, place, released)
    wanted = _wanted(one, course)
    there = dict(_content(place)) if place.exists() else None
    notes = note.read_text("utf-8").split() if note.is_file() else []
    kind = "new"
    if there is not None:
        kind = "same" if _hash(there) == _hash(_hashes(wanted)) else "replaced"
        if kind == "replaced" and _hash(there) not in notes:
            raise SubmissionError(
                f"{_shown(place)} holds something else, which is not from gradus or was changed since. "
                "Nothing was put there. Move it away, and run this again."
            )
    if kind != "same":
        write_whole(note, "\n".join([*notes, _hash(_hashes(wanted))]) + "\n")
        _write(wanted, one, place, note.parents[2], released)
    elif one.file.suffix.lower() == ".py":
        _show(place, place / next(iter(wanted)), released)
    return kind


def _name_it(one: HandedIn, place: Path, released: Path) -> str:
    """What lies in its place: autograde looks for one name alone."""
    if one.file.suffix.lower() == ".py":
        _show(place, one.file, released)
    elif one.file.name != released.name:
        if (place / released.name).exists():
            raise SubmissionError(
                f"{_shown(place)} holds {released.name} too, which autograde takes. Remove one of them."
            )
        write_whole(place / released.name, one.file.read_bytes())
    return "same"


def _show(place: Path, module: Path, released: Path) -> None:
    if not show_module(place, module, released):
        raise SubmissionError(
            f"{_shown(place)} holds {released.name} too, which autograde takes. Remove one of them."
        )


def _wanted(one: HandedIn, course: Course) -> dict[str, bytes]:
    """The files that are to lie there, the answer first."""
    answer = read_answer(course, one.topic, one.file, one.folder)
    files = {answer.name: one.file.read_bytes(), **answer.others}
    timestamp = one.folder / TIMESTAMP if one.folder is not None else None
    if timestamp is not None and timestamp.is_file() and not timestamp.is_symlink():
        with timestamp.open("rb") as file:
            files[TIMESTAMP] = file.read(_LONGEST_TIMESTAMP)
    return files


def _write(
    files: Mapping[str, bytes], one: HandedIn, place: Path, scratch: Path, released: Path
) -> None:
    """Write a folder beside its place first: it is there whole, or as it was."""
    with tempfile.TemporaryDirectory(prefix="new-", dir=scratch) as temporary:
        new, old = Path(temporary, "new"), Path(temporary, "old")
        for name, data in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if one.file.suffix.lower() == ".py":
            name, data = next(iter(files.items()))
            text = module_notebook(json.loads(released.read_text("utf-8")), name, data)
            (new / released.name).write_text(text, encoding="utf-8")
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            place.rename(old)
        try:
            new.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _content(place: Path) -> Iterator[tuple[str, str]]:
    """The files of a folder with their hashes, without hidden ones and notebooks that gradus made."""
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place)
        if any(part.startswith(".") for part in name.parts):
            continue
        mode = path.lstat().st_mode
        if kind := odd_kind(mode):
            raise SubmissionError(f"{_shown(path)} is {kind}. Move it away, and run this again.")
        if path.is_file():
            data = path.read_bytes()
            made = path.suffix == ".ipynb" and module_named(data.decode("utf-8", "replace"))
            if not made:
                yield name.as_posix(), hashlib.sha256(data).hexdigest()


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def _hash(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(hashes.items())).encode()).hexdigest()


def _shown(path: Path) -> str:
    return shown_name(path.as_posix())
