"""What gradus knows of an nbgrader course, in a file of its own: `gradus_course.toml`. Imports no nbgrader."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus.course import FILE as KIT_FILE
from gradus.course import PACKAGE, Course, find_whole_kit, installed_kit, load_course
from gradus.errors import CourseError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "gradus_course.toml"
STORE = "gradus-grades.db"
_TEXT = """\
# What gradus knows of this nbgrader course; nbgrader_config.py loads it. `gradus course` writes it.
course_id = {course_id}
{kit}
allow_unsandboxed = {allow}        # true: grade also where there is no sandbox
limit = {limit}                     # seconds that one answer may take in all
"""


@dataclass(frozen=True)
class CourseSettings:
    """An nbgrader course that gradus grades.

    Args:
        folder: The course's.
        course_id: nbgrader's name of it.
        kit: The root of the kit whose checks grade it; None: of the installed one.
        allow_unsandboxed: Whether to grade where there is no sandbox.
        limit: Seconds that one answer may take in all.
    """

    folder: Path
    course_id: str = "gradus"
    kit: Path | None = None
    allow_unsandboxed: bool = False
    limit: float = 600.0

    @property
    def store(self) -> Path:
        """Where the grades of this course are kept."""
        return self.folder / STORE

    def course(self) -> Course:
        """The kit whose checks grade it.

        Raises:
            CourseError: If it is not where it was.
        """
        found = load_course(self.kit) if self.kit and (self.kit / KIT_FILE).is_file() else None
        if self.kit is None:
            found = installed_kit()
        if found is None:
            raise CourseError(
                f"{self.folder / FILE}: there is no kit in {self.kit or 'this installation'}. Where it "
                "was moved, set `kit` to its folder, or run `gradus course` there again."
            )
        return found


def write_settings(settings: CourseSettings) -> None:
    """Write the file. A kit beside the course is named from there, so that both can be moved.

    Raises:
        OSError: If it cannot be written.
    """
    kit = "# kit = ...    the one that was installed with gradus"
    if settings.kit is not None:
        kit = f"kit = {json.dumps(_seen_from(settings.folder, settings.kit), ensure_ascii=False)}"
    text = _TEXT.format(
        course_id=json.dumps(settings.course_id, ensure_ascii=False),
        kit=kit,
        allow=json.dumps(settings.allow_unsandboxed),
        limit=json.dumps(settings.limit),
    )
    (settings.folder / FILE).write_text(text, encoding="utf-8")


def kit_of(course: Course) -> Path | None:
    """What the settings of a course say of its kit."""
    return None if PACKAGE in course.root.parents else course.root.resolve()


def _seen_from(folder: Path, kit: Path) -> str:
    try:
        return Path(os.path.relpath(kit, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return kit.as_posix()


def read_settings(folder: Path) -> CourseSettings:
    """Read a course's settings.

    Raises:
        CourseError: If there are none, or the file is damaged; says what to do.
    """
    path = folder / FILE
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CourseError(
            f"{folder}: has no {FILE}, so it is no nbgrader course of gradus's. "
            f"Make one: gradus course {folder}"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CourseError(
            f"{path}: cannot be read ({error}). Repair or delete it, and run `gradus course`."
        ) from error
    known: dict[str, Any] = {"folder": folder}
    for name, kinds in _KINDS.items():
        if name in found:
            value = found.pop(name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                what = " or ".join(kind.__name__ for kind in kinds)
                raise CourseError(f"{path}: `{name}` must be of type {what}, got {value!r}.")
            known[name] = value
    if found:
        raise CourseError(
            f"{path}: no setting {next(iter(found))!r}. There are: {', '.join(_KINDS)}."
        )
    if "kit" in known:
        known["kit"] = (folder / known["kit"]).resolve()
    if "limit" in known:
        known["limit"] = float(known["limit"])
    return CourseSettings(**known)


_KINDS: dict[str, tuple[type, ...]] = {
    "course_id": (str,),
    "kit": (str,),
    "allow_unsandboxed": (bool,),
    "limit": (float, int),
}


def settings_around(start: Path | None = None) -> CourseSettings | None:
    """The settings of the course that the working folder lies in; None where that is none, or a kit's own.

    Raises:
        CourseError: If they are damaged.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return read_settings(folder)
        if (folder / KIT_FILE).is_file() and (folder / "solutions").is_dir():
            return None
    return None


def kit_of_class(settings: CourseSettings | None) -> Course:
    """The kit that grades: a course's own, else the one around the working folder, else the installed one.

    Raises:
        CourseError: If there is none.
    """
    return settings.course() if settings is not None else find_whole_kit()
