"""The last results of each task on this machine, and of which code: `.gradus/progress/<topic>.json`.

One memory for modules and notebooks. A result counts while the student's code is the one that was graded;
of a task's last codes the results are kept, so that what is undone needs no new check.
"""

import contextlib
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradus.course import Course, find_course
from gradus.errors import CourseError
from gradus.files import write_whole
from gradus.grading.remembered.checks_code import checks_codes
from gradus.grading.report import Case, Check, CheckResult, TaskResult
from gradus.submission.status import Status

VERSION = 2
KEPT = 4  # codes of one task whose results are kept, of a module and of a notebook each
_ABOUT = ("code", "grader", "file", "when")


@dataclass(frozen=True)
class TaskCode:
    """The code of one task: a hash of it and of the helpers that it names; `todo` while the stub is there."""

    digest: str
    todo: bool


@dataclass(frozen=True)
class Remembered:
    """What one code of a task came to: each check's status and points, without words."""

    result: TaskResult
    code: str  # its hash
    grader: str  # the hash of its checks
    file: str  # that it was in, from the course's root
    when: str  # in ISO format, with the time zone


def now() -> str:
    """The time, as reports have it."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def is_own(submission: Path) -> bool:
    """Whether a file is one that a student of its course works in, and not somebody's submission."""
    with contextlib.suppress(CourseError):
        forms = find_course(submission.resolve().parent).forms(submission.stem)
        return submission.resolve() in [path.resolve() for path in forms]
    return False


def remember(
    course: Course,
    topic: str,
    tasks: tuple[TaskResult, ...],
    codes: Mapping[str, TaskCode],
    file: Path,
    when: str,
) -> None:
    """Keep the results of tasks. A check that was left out keeps what it came to for the same code.

    The stub earns no points: where it seems to, other code did, which would be lost out of sight.

    Raises:
        OSError: If they cannot be written down.
    """
    known, graders = remembered(course, topic), checks_codes(course.grader(topic))
    for task in tasks:
        if task.name not in codes or task.status is Status.NOT_RUN:
            continue
        if codes[task.name].todo and task.earned:
            continue
        code, before = codes[task.name].digest, known.get(task.name, [])
        grader = graders.get(task.name, "")
        same = next((old for old in before if (old.code, old.grader) == (code, grader)), None)
        shown = file.relative_to(course.root).as_posix()
        newest = Remembered(_completed(task, same), code, grader, shown, when)
        known[task.name] = _last_ones([newest, *(old for old in before if old.code != code)])
    data = {name: [_to_data(record) for record in records] for name, records in known.items()}
    text = json.dumps({"version": VERSION, "tasks": data}, indent=1) + "\n"
    write_whole(_path(course, topic), text)


def _last_ones(records: list[Remembered]) -> list[Remembered]:
    """Those of each file that are kept: what is tried in a notebook pushes nothing of the module's out."""
    kept = []
    for number, record in enumerate(records):
        newer = sum(other.file == record.file for other in records[:number])
        kept += [record] if newer < KEPT else []
    return kept


def not_kept(course: Course, error: OSError) -> str:
    """What a student is told where results cannot be written down."""
    return f"not remembered: {course.state} cannot be written to ({error.strerror})."


def remembered(course: Course, topic: str) -> dict[str, list[Remembered]]:
    """What is known of each task of a topic, the newest first; nothing where the file is damaged."""
    try:
        data = json.loads(_path(course, topic).read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            return {}
        return {
            name: [_from_data(topic, name, record) for record in records]
            for name, records in data["tasks"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # it is begun anew


def _path(course: Course, topic: str) -> Path:
    return course.state / "progress" / f"{topic}.json"


def _completed(task: TaskResult, same: Remembered | None) -> TaskResult:
    earlier = {c.check.name: c for c in same.result.checks} if same is not None else {}
    checks = []
    for found in map(_essence, task.checks):
        old = earlier.get(found.check.name)
        keep = found.status is Status.NOT_RUN and old is not None and old.check == found.check
        checks.append(old if keep and old is not None else found)
    return replace(task, checks=tuple(checks))


def _essence(found: CheckResult) -> CheckResult:
    """A check without its words and its cases."""
    check = found.check
    bare = Check(check.topic, check.name, check.task, check.points, "", check.hidden)
    return _result(bare, found.status)


def _result(check: Check, status: Status) -> CheckResult:
    ran = status is not Status.NOT_RUN
    return CheckResult(check, (Case(check.name, "", status),) if ran else ())


def _to_data(record: Remembered) -> dict[str, Any]:
    checks = [
        [c.check.name, c.check.points, c.check.hidden, c.status.value] for c in record.result.checks
    ]
    about = {name: getattr(record, name) for name in _ABOUT}
    return {**about, "checks": checks}


def _from_data(topic: str, task: str, data: dict[str, Any]) -> Remembered:
    checks = [
        _result(Check(topic, str(name), task, int(points), "", bool(hidden)), Status(status))
        for name, points, hidden, status in data["checks"]
    ]
    about = (str(data[name]) for name in _ABOUT)
    return Remembered(TaskResult(task, tuple(checks)), *about)
