"""How long each case of a topic may take for a class, from what the reference takes on this machine."""

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from gradus.course import Course
from gradus.engine.depends import depends_on
from gradus.engine.job import Job
from gradus.engine.spawned import grade_spawned
from gradus.errors import GraderError
from gradus.files import write_whole
from gradus.grading.journal import Line
from gradus.submission.status import Status

TIMES = 20  # as long as the reference: a right answer may be a plain loop, on a busy machine
LEAST_SECONDS = 2.0
FIRST_TIMES = (
    3  # as long as the slowest of the quick cases: what is done once, such as an import, may fall
)
QUICK_SECONDS = 10.0  # ... to any case. Quick is what has no longer limit than this

_known: dict[str, dict[str, float]] = {}  # what this process has measured or read, by key


Heard = Callable[[Job], Iterable[Line]]


def limits(
    course: Course,
    topic: str,
    heard: Heard | None = None,
    *,
    devices: Sequence[str] = (),
    isolated: bool = True,
) -> dict[str, float]:
    """Seconds for each case of a topic, hidden ones too, by node id; never above the check's own limit.

    The reference is run once on this machine, and again when grader, reference, data or versions have
    changed; `.gradus/limits/TOPIC.json` keeps what came out. Where the kit has no reference, or it does not
    pass a case, there is no entry: the check's own limit holds.

    Args:
        course: The kit.
        topic: One of its topics.
        heard: Grades an answer, and gives the lines of its journal; a process that is started if None.
        devices: That checks run on; those of a plain pytest run when empty.
        isolated: Whether the reference runs behind the wall, as the answers will.
    """
    if not course.solution(topic).exists():
        return {}

    def spawned(job: Job) -> list[Line]:
        lines: list[Line] = []
        grade_spawned(course, topic, job, isolated=isolated, devices=devices, listen=lines.append)
        return lines

    key = _key(course, topic, devices, isolated)
    if key not in _known:
        path = course.state / "limits" / f"{topic}.json"
        found = _read(path, key)
        if found is None:
            found = _measured(course, topic, heard or spawned)
            _keep(path, key, found)
        _known[key] = found
    return dict(_known[key])


def _measured(course: Course, topic: str, heard: Heard) -> dict[str, float]:
    with contextlib.suppress(GraderError):  # it will come again, where an answer is graded
        return _from_lines(heard(Job(course.solution(topic), hidden=True)))
    return {}


def _from_lines(lines: Iterable[Line]) -> dict[str, float]:
    """Limits from the journal of a run of the reference."""
    own: dict[str, float] = {}
    took: dict[str, float] = {}
    checks: dict[str, str] = {}
    for line in lines:
        if line["event"] == "started":
            own[line["node"]] = line["limit"]
        elif line["event"] == "finished" and line["data"]["status"] == Status.PASSED.value:
            took[line["node"]] = line["data"]["seconds"]
            checks[line["node"]] = line["data"]["check"]
    slowest: dict[str, float] = {}  # of a check: another seed may make another case the slow one
    for node, seconds in took.items():
        slowest[checks[node]] = max(seconds, slowest.get(checks[node], 0.0))
    first = max((took[node] for node in took if 0 < own[node] <= QUICK_SECONDS), default=0.0)
    least = max(LEAST_SECONDS, FIRST_TIMES * first)
    enough = {node: max(least, TIMES * slowest[checks[node]]) for node in took}
    return {node: round(min(s, own[node] or s), 1) for node, s in enough.items()}


def _key(course: Course, topic: str, devices: Sequence[str], isolated: bool) -> str:
    """Everything that a time depends on, as a hash."""
    machine = platform.node(), os.cpu_count(), str(course.root)
    return depends_on(course, topic, machine, list(devices), isolated)


def _read(path: Path, key: str) -> dict[str, float] | None:
    """What was kept for this key; None where nothing was, or for another one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        seconds = {str(node): float(limit) for node, limit in data["seconds"].items()}
        return seconds if data["key"] == key else None
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None


def _keep(path: Path, key: str, found: Mapping[str, float]) -> None:
    """Write a file, whole or not at all. Where a kit cannot be written to, each process measures anew."""
    if not found:
        return
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps({"key": key, "seconds": dict(found)}, indent=1).encode())
