"""Build an nbgrader course: `gradus course DIR`, then nbgrader's stock commands take over."""

import datetime
import json
import shutil
from pathlib import Path

from gradus.classroom.nbgrader.settings import FILE as SETTINGS
from gradus.classroom.nbgrader.settings import (
    STORE,
    CourseSettings,
    kit_of,
    read_settings,
    write_settings,
)
from gradus.classroom.rebuild import rebuild
from gradus.classroom.release import release_files
from gradus.course import FILE, Course
from gradus.errors import GradusError

CONFIG_FILE = "nbgrader_config.py"
BUILT, BACKUPS = ".gradus/source", ".gradus/backups"  # in the course's folder
LOADS = "configure(c, __file__)"  # the line that makes a course gradus's
HOW_TO_LOAD = f"from gradus.classroom.nbgrader.config import configure\n\n{LOADS}\n"
CONFIG = f'''\
"""nbgrader's settings for this course. Yours go below: `gradus course` writes this file once."""

from gradus.classroom.nbgrader.config import configure

c = get_config()  # noqa: F821
{LOADS}  # what gradus needs; its own settings stand in {SETTINGS}
'''
# Of earlier versions, which wrote it anew each time.
_OLD = '"""nbgrader\'s settings for this gradus course. `gradus course` wrote it, and replaces it'

READ_ME = """\
A gradus course for nbgrader. In this folder, for each assignment (one per topic):

    nbgrader generate_assignment {topic}      release/{topic}/ is what students get
    nbgrader autograde {topic}                grades submitted/STUDENT/{topic}/{topic}.ipynb
    nbgrader generate_feedback {topic}
    nbgrader export                           grades.csv

or all of it in formgrader: `jupyter lab`, then Nbgrader > Formgrader.
The checks, hidden ones too, stay in the kit, which {settings} names. `gradus grade submitted` grades many at
once, and much quicker; nbgrader autograde then takes the marks from gradus-grades.db.
"""


def build_course(
    course: Course,
    folder: Path,
    course_id: str,
    topics: tuple[str, ...] = (),
    *,
    allow_unsandboxed: bool = False,
) -> list[str]:
    """Write `gradus_course.toml`, `source/<topic>/` for each topic, and settings of nbgrader's where there are
    none; returns what was kept of an instructor's changes, in lines.

    What lies beside a notebook is copied into the release by nbgrader, so it holds only what students
    may have: public checks, data sets, hints. Submissions and the gradebook are left alone. With
    `allow_unsandboxed`, submissions are graded where there is no sandbox, too.

    Raises:
        GradusError: If the kit's notebooks are missing, or `folder` lies in the kit's own rooms.
    """
    chosen = topics or course.topics
    for topic in chosen:
        course.require(topic)
    folder = folder.resolve()
    if folder == course.root or folder in course.root.parents:
        raise GradusError(f"{folder}: is the kit or holds it. Choose a new folder for the course.")
    if (folder / FILE).is_file():
        raise GradusError(
            f"{folder}: is a student's course (it has a {FILE}). Choose a new folder for the class."
        )
    folder.mkdir(parents=True, exist_ok=True)
    limit = read_settings(folder).limit if (folder / SETTINGS).is_file() else 600.0
    write_settings(CourseSettings(folder, course_id, kit_of(course), allow_unsandboxed, limit))
    config = folder / CONFIG_FILE
    if not config.exists() or config.read_text("utf-8", "replace").startswith(_OLD):
        _write(config, CONFIG)
    _write(folder / "README.txt", READ_ME.format(topic=chosen[0], settings=SETTINGS))
    told = [_write_assignment(course, topic, folder) for topic in chosen]
    return [line for lines in told for line in lines]


def _write_assignment(course: Course, topic: str, folder: Path) -> list[str]:
    """Write `source/<topic>/`; what was kept of an instructor's changes, in lines."""
    notebook = course.solution(topic).with_suffix(".ipynb")
    if not notebook.exists():
        raise GradusError(f"{notebook}: is missing. Run `gradus export` in the kit first.")
    for name, content in release_files(course, topic).items():
        _write(folder / "source" / topic / name, content())
    new = notebook.read_text(encoding="utf-8")
    path, last = folder / "source" / topic / f"{topic}.ipynb", folder / BUILT / f"{topic}.ipynb"
    edited = path.read_text("utf-8", "replace") if path.is_file() else ""
    built = last.read_text("utf-8") if last.is_file() else new
    made, told = new, list[str]()
    if edited and edited not in (new, built):
        made, told = _with_changes(topic, built, edited, new)
        if made != edited:
            now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
            backup = f"{BACKUPS}/{topic}-{now}.ipynb"
            _write(folder / backup, edited)
            told.append(f"{topic}: the notebook as it was lies in {backup}")
    _write(path, made)
    _write(last, new)
    return told


def _with_changes(topic: str, built: str, edited: str, new: str) -> tuple[str, list[str]]:
    """A new notebook with an instructor's changes in it, and what is said of them."""
    try:
        last, own = (json.loads(text)["cells"] for text in (built, edited))
        notebook = json.loads(new)
        made = rebuild(last, own, notebook["cells"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return new, [f"{topic}: your notebook could not be read, and was replaced"]
    told = [f"{topic}: kept: {', '.join(made.kept)}"] if made.kept else []
    if made.conflicts:
        both = ", ".join(made.conflicts)
        told.append(f"{topic}: changed by you and in the kit, now as in the kit: {both}")
    text = json.dumps({**notebook, "cells": made.cells}, indent=1, ensure_ascii=False) + "\n"
    return text, told


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def clean(folder: Path) -> None:
    """Remove what a course build and nbgrader's commands wrote into `folder`, and the gradebook."""
    for name in ("source", "release", "submitted", "autograded", "feedback", ".gradus"):
        shutil.rmtree(folder / name, ignore_errors=True)
    stores = (STORE, f"{STORE}-wal", f"{STORE}-shm")
    for name in ("gradebook.db", CONFIG_FILE, SETTINGS, "README.txt", "grades.csv", *stores):
        (folder / name).unlink(missing_ok=True)
    (folder / ".nbgrader.log").unlink(missing_ok=True)


def loads_gradus(folder: Path) -> bool:
    """Whether the course's `nbgrader_config.py` loads gradus's settings: an instructor's own may not."""
    config = folder / CONFIG_FILE
    return config.is_file() and LOADS in config.read_text("utf-8", "replace")
