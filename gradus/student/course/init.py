"""`gradus init`: a student's course out of a kit, whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from gradus import __version__
from gradus.course import FILE, NOTE, Course, installed_kit, load_course
from gradus.errors import CourseError, GradusError
from gradus.files import write_whole
from gradus.student.course import made
from gradus.student.course.course_files import course_files
from gradus.student.course.made import Made


def find_kit(folder: Path | str | None) -> Course:
    """The kit in a folder, or the installed one.

    Raises:
        CourseError: If there is no kit, or it has no solutions.
    """
    if folder is None:
        kit = installed_kit()
        if kit is None:
            raise CourseError(
                "this installation of gradus carries no kit. Install it again: "
                "pip install --force-reinstall --no-deps gradus-kit"
            )
        return kit
    root = Path(folder).resolve()
    if not (root / FILE).is_file():
        raise CourseError(f"{root}: is not a kit: there is no {FILE} in it.")
    return load_course(root)


def make_course(folder: Path, kit: Course, topics: Sequence[str], source: Path | None) -> Course:
    """Write a course with these topics of a kit (all when empty), in the kit's order.

    Args:
        folder: Where; it is made, and may be there if it is empty.
        kit: Where the files come from.
        topics: Of the kit; all when empty.
        source: The kit's folder where it is not the installed one: `gradus update` asks it again.

    Raises:
        GradusError: If the kit has no such topic or lacks a file, or `folder` cannot be used.
    """
    for topic in topics:
        kit.require(topic)
    chosen = tuple(topic for topic in kit.topics if not topics or topic in topics)
    place = Path(os.path.abspath(folder))  # noqa: PTH100  as it was named, in messages too
    _refuse(place)
    files = course_files(kit, chosen)
    known = {path: made.sha256(data) for path, data in files.items()}
    note = Made(
        __version__, chosen if topics else None, str(source.resolve()) if source else None, known
    )
    try:
        _write(place, {f".gradus/{NOTE}": made.to_json(note), **files})
    except OSError as error:
        raise GradusError(
            f"{place}: the course cannot be written here ({error.strerror or error}). "
            "Choose a folder that you may write to, for instance in your home folder."
        ) from error
    return load_course(place)


def _refuse(place: Path) -> None:
    """Raise where a course would hide something, or lie in another one."""
    if (place / FILE).is_file():
        raise GradusError(
            f"{place}: there is a gradus course already. To bring a newer kit into it: "
            "cd there, then gradus update. For a second course, name another folder."
        )
    if place.exists() and not place.is_dir():
        raise GradusError(f"{place}: is a file. Name a new folder.")
    with contextlib.suppress(PermissionError):  # told where it is written to
        if place.is_dir() and any(place.iterdir()):
            raise GradusError(f"{place}: is not empty. Name a new folder, or an empty one.")
    for around in place.resolve().parents:
        if (around / FILE).is_file() and not (around / "solutions").is_dir():  # a kit may hold one
            raise GradusError(
                f"{place}: lies inside the course {around}. Name a folder outside of it; "
                "to bring a newer kit into that course: cd there, then gradus update."
            )


def _write(place: Path, files: Mapping[str, bytes]) -> None:
    """Write all files elsewhere, and then put them in their place at once."""
    place.parent.mkdir(parents=True, exist_ok=True)
    is_there = place.is_dir()
    around = place if is_there and not _moves_into(place) else place.parent
    holder = Path(tempfile.mkdtemp(prefix=f".{place.name}-", suffix=".new", dir=around))
    try:
        new = holder / "course"
        for path, data in files.items():
            write_whole(new / path, data)
        if is_there:  # it may be somebody's working folder: it stays, and gets the files
            for part in sorted(new.iterdir(), key=_first_the_note):
                part.rename(place / part.name)
        else:
            new.rename(place)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def _moves_into(place: Path) -> bool:
    """Whether what is written beside a folder can be moved into it: not where a disk is mounted there."""
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", suffix=".new", dir=place.parent))
    except OSError:
        return False
    inside = place / beside.name
    try:
        beside.rename(inside)
    except OSError:
        beside.rmdir()
        return False
    inside.rmdir()
    return True


def _first_the_note(path: Path) -> int:
    """With these two first, `gradus update` can complete what was interrupted."""
    first = [".gradus", FILE]
    return first.index(path.name) if path.name in first else len(first)
