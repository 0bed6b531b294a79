"""`gradus update`: what a newer kit has comes into a student's course, and the student's work stays."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version

from gradus import __version__
from gradus.course import Course
from gradus.errors import CourseError, GradusError
from gradus.files import write_whole
from gradus.student.course.course_files import EXERCISES, THRESHOLDS, course_files, tables_of
from gradus.student.course.init import find_kit
from gradus.student.course.made import Made, read_made, sha256, write_made


@dataclass
class Update:
    """What an update did, by the files' paths in the course."""

    before: str  # the version of the kit that the course was from; "" where nobody knows
    brought: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # exercises with work in them
    outdated: list[str] = field(default_factory=list)  # of these, those that the kit has anew
    replaced: dict[str, Path] = field(default_factory=dict)  # -> where the student's own is kept
    topics: tuple[str, ...] = ()  # new ones


def update(course: Course, source: Path | None = None) -> Update:
    """Bring a course what the kit has that it was made from; `source` names another one from now on.

    An exercise that differs from what was once written is work, and stays. Whatever else the student has
    changed is kept as a backup. It can be stopped at any moment, and run again.

    Raises:
        CourseError: If this is no course that `gradus init` made, or its kit is not here.
        GradusError: If the kit is older than the course or lacks a file, or a file cannot be written.
    """
    _refuse(course)
    made = read_made(course) or Made("", course.topics, None, {})
    _require_newer(course, made.version)
    place = source or (Path(made.kit) if made.kit else None)
    try:
        kit = find_kit(place)
    except CourseError as error:
        if source is None and place is not None:
            raise CourseError(
                f"{course.root}: was made from the kit {place}, which is not there now. "
                "Where is it? gradus update --from KIT"
            ) from error
        raise
    chosen = tuple(t for t in kit.topics if made.topics is None or t in made.topics)
    own = [topic for topic in course.topics if topic not in chosen]
    files = course_files(kit, chosen, own)
    _keep_bars(course, files, own)
    done = Update(made.version, topics=tuple(t for t in chosen if t not in course.topics))
    try:
        for path, data in files.items():
            _bring(course, path, data, made.files.get(path), done)
        known = {**made.files, **{path: sha256(data) for path, data in files.items()}}
        where = str(place.resolve()) if place else None
        note = Made(__version__, made.topics, where, known)
        if note != made:
            write_made(course, note)
    except OSError as error:
        raise GradusError(
            f"{error.filename or course.root}: cannot be written to ({error.strerror or error}). "
            "Nothing is lost; when it can be, run gradus update again."
        ) from error
    return done


def _refuse(course: Course) -> None:
    """Raise where the files do not come from `gradus init`."""
    if (course.root / "solutions").is_dir():
        raise CourseError(
            f"{course.root}: is a kit with its solutions, not a course made by gradus init. "
            "Bring it up to date with git pull, then pip install -e . in it."
        )
    if course.exercises == course.root:
        raise CourseError(
            f"{course.root}: was handed out by an instructor, and not made by gradus init. "
            "A newer one comes from there; for a course of your own: gradus init DIR"
        )


def _require_newer(course: Course, version: str) -> None:
    try:
        is_older = Version(__version__) < Version(version)
    except InvalidVersion:
        return  # nobody knows
    if is_older:
        raise GradusError(
            f"{course.root}: is from the kit {version}, and the installed one is {__version__}, which is "
            "older. Nothing was changed. To get the newer one: pip install --upgrade gradus-kit"
        )


def _keep_bars(course: Course, files: dict[str, bytes], own: list[str]) -> None:
    """Bars of topics that only the course has go on being there."""
    path = course.root / THRESHOLDS
    if own and path.exists():
        text = "\n" + tables_of(path.read_text(encoding="utf-8"), own)  # one may stand at the top
        first_table = "\n[" + text.partition("\n[")[2]
        if first_table != "\n[":
            files[THRESHOLDS] = files.get(THRESHOLDS, b"") + first_table.encode("utf-8")


def _bring(course: Course, path: str, new: bytes, written: str | None, done: Update) -> None:
    """Bring one file, unless it is work.

    Args:
        course: Where to.
        path: Of the file, in the course.
        new: What the kit has.
        written: The hash of what was written there before, by `init` or the last update.
        done: What is noted.
    """
    place = course.root / path
    there = _read(place) if place.exists() else None
    if there == new:
        return
    is_changed = there is not None and sha256(there) != written
    if is_changed and path.startswith(f"{EXERCISES}/"):
        done.kept.append(path)
        if sha256(new) != written:
            done.outdated.append(path)
        return
    if is_changed and there is not None:
        done.replaced[path] = _back_up(course, place, there)
    else:
        done.brought.append(path)
    write_whole(place, new)


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise GradusError(
            f"{place}: cannot be read ({error.strerror or error}), so nobody knows whether it is work. "
            "It is as it was. When it can be read, run gradus update again."
        ) from error


def _back_up(course: Course, place: Path, data: bytes) -> Path:
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    backup = course.state / "backups" / f"{place.stem}-{now}{place.suffix}"
    write_whole(backup, data, sync=True)
    return backup


def by_room(paths: list[str]) -> Mapping[str, int]:
    """How many files of each folder: `{"graders": 3, "README.md": 1}`."""
    found: dict[str, int] = {}
    for path in paths:
        room = path.partition("/")[0]
        found[room] = found.get(room, 0) + 1
    return found
