"""Look at what was handed in before nbgrader reads or copies any of it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.utils import parse_utc

from gradus.classroom.grade.answer import TIMESTAMP
from gradus.classroom.odd_files import odd_kind, odd_student
from gradus.errors import SubmissionError
from gradus.shown import shown_name

MOST_NAMED = 5
_LONGEST_TIMESTAMP = 1000  # characters; nbgrader writes about 35


def require_plain_files(folder: Path, submitted: Path | None = None) -> None:
    """Refuse links, special files, and what nbgrader cannot read.

    A link shows what it leads to; a device or a pipe may never end; at the rest nbgrader would stop with an
    error that names no student.

    Args:
        folder: What one student handed in for one assignment.
        submitted: The folder of all students: no folder below it on the way to `folder` may be a link.

    Raises:
        SubmissionError: If there is any, at any depth; names them.
    """
    odd = [f"{shown_name(name)} is {kind}" for name, kind in _odd(folder, submitted)]
    if odd:
        more = f" and {len(odd) - MOST_NAMED} more" if len(odd) > MOST_NAMED else ""
        raise SubmissionError(
            f"{shown_name(str(folder))}: holds links, special files or unreadable ones: "
            f"{', '.join(odd[:MOST_NAMED])}{more}. Nothing of this submission was read, and no mark was "
            "recorded. Look at it, put plain files in their place or remove them, and run autograde again."
        )


def _odd(folder: Path, submitted: Path | None) -> Iterator[tuple[str, str]]:
    for above in _way_to(folder, submitted):
        kind = odd_kind(above.lstat().st_mode)
        if kind:
            yield str(above), kind
            return  # what lies below is not the student's
    for path in sorted(folder.rglob("*")):
        name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
        kind = odd_kind(mode)
        if not kind and not os.access(path, os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)):
            kind = "not readable"
        if not kind and stat.S_ISDIR(mode) and path.suffix == ".ipynb" and path.parent == folder:
            kind = "a folder, not a notebook"
        if not kind and name == TIMESTAMP:
            kind = "a folder, not a text" if stat.S_ISDIR(mode) else _odd_timestamp(path)
        if kind:
            yield name, kind


def _way_to(folder: Path, submitted: Path | None) -> list[Path]:
    """The folders from `submitted` down to `folder`, itself included."""
    if submitted is None or submitted not in folder.parents:
        return [folder.parent, folder]
    between = [path for path in folder.parents if submitted in path.parents]
    return [*reversed(between), folder]


def _odd_timestamp(path: Path) -> str:
    """Why nbgrader could not take the time from this file; it takes none from an empty one."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST_TIMESTAMP).strip()
        if text:
            parse_utc(text)
    except Exception:  # dateutil raises several kinds
        return "no date in UTF-8 text"
    return ""


def refuse_links(autograde: Any) -> None:
    """Let nbgrader's converter report a submission that holds links, and go on with the next one.

    nbgrader has no hook that can refuse: it goes on after an exception in `pre_convert_hook`.

    Args:
        autograde: nbgrader's `Autograde`, before it starts.
    """
    begin = autograde.init_destination

    def begin_with_plain_files(assignment_id: str, student_id: str) -> Any:
        if odd := odd_student(student_id):
            raise SubmissionError(odd)
        coursedir = autograde.coursedir
        submitted = Path(coursedir.root, coursedir.submitted_directory)
        require_plain_files(Path(autograde._format_source(assignment_id, student_id)), submitted)
        return begin(assignment_id, student_id)

    autograde.init_destination = begin_with_plain_files
