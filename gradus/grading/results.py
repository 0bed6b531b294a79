"""What the cases of one pytest run came to: kept as they come in, put together, written down."""

import contextlib
import functools
import importlib.metadata
import importlib.util
import platform
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradus import __version__
from gradus.course import find_course
from gradus.errors import CourseError
from gradus.grading.devices import not_remembered
from gradus.grading.grader_file import read_checks, topic_of
from gradus.grading.journal import Journal
from gradus.grading.remembered import memory
from gradus.grading.remembered.kept import keep
from gradus.grading.report import Case, Report, TopicResult, assemble
from gradus.grading.report_file import to_json
from gradus.submission.status import Problem, Status


class Results:
    """Cases by grader file and node id, with what could not be loaded."""

    def __init__(self, journal: Journal, *, hidden: bool, seed: int) -> None:
        self._journal, self._hidden, self._seed = journal, hidden, seed
        self._cases: dict[str, dict[str, Case]] = {}  # grader file -> node id -> case
        self._problems: dict[str, list[Problem]] = {}
        self._about: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []  # for the end of the run
        for nodeid, data in journal.finished():  # by an earlier process of this run, which was lost
            self.record(nodeid, data)

    def nodes(self) -> set[str]:
        """Node ids of all cases that are known."""
        return {nodeid for cases in self._cases.values() for nodeid in cases}

    def record(self, nodeid: str, data: dict[str, Any]) -> None:
        """Keep a case; a broken teardown replaces a pass."""
        grader = data["grader"]
        fields = ("check", "id", "message", "seconds", "of")
        case = Case(**{name: data[name] for name in fields}, status=Status(data["status"]))
        self._cases.setdefault(grader, {})[nodeid] = case
        self._problems[grader] = [
            Problem(where, message, tuple(names), Status(kind))
            for where, message, names, kind in data["problems"]
        ]
        about = ("submission", "sha256", "isolation")
        self._about[grader] = {name: data[name] for name in about}
        self._journal.finish(nodeid, data)

    def report(self) -> Report:
        """Everything found out so far. A check that has not run is there, as `not run`."""
        topics = []
        for grader, cases in self._cases.items():
            path = Path(grader)
            checks = [check for check in read_checks(path) if self._hidden or not check.hidden]
            topics.append(
                assemble(
                    topic_of(path),
                    checks,
                    cases.values(),
                    self._problems[grader],
                    **self._about[grader],
                )
            )
        return Report(
            tuple(sorted(topics, key=self._teaching_order)),
            seed=self._seed,
            hidden=self._hidden,
            versions=versions(),
            created=memory.now(),
        )

    def _teaching_order(self, topic: TopicResult) -> tuple[int, str]:
        """Where a topic stands in its course; those of no course come last, by name."""
        for grader in self._cases:
            if topic_of(Path(grader)) == topic.name:
                with contextlib.suppress(CourseError, ValueError):
                    return find_course(Path(grader).parent).topics.index(topic.name), topic.name
        return sys.maxsize, topic.name

    def write(self, path: Path | None, *, own_work: bool, devices: Sequence[str] = ()) -> None:
        """Write the report to a file; with `own_work` (exercises/) remember the results for `gradus`.

        What was found on `devices` that were chosen is not remembered, which a note says.
        """
        if not self._journal.is_owned:
            return
        report = self.report()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(to_json(report) + "\n", encoding="utf-8")
        if own_work and devices:
            self.notes.append(not_remembered(devices))
        elif own_work:
            for course in dict.fromkeys(find_course(Path(grader).parent) for grader in self._cases):
                self.notes += keep(course, report)
        self._journal.end()


def versions() -> dict[str, str]:
    """What the run ran on."""
    return {
        "gradus": __version__,
        "python": platform.python_version(),
        "torch": _torch(),
        "pytest": importlib.metadata.version("pytest"),
    }


@functools.cache
def _torch() -> str:
    """The version of torch that would be imported: with the platform, which the package's own data lack."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    return str(runpy.run_path(str(Path(spec.origin).with_name("version.py")))["__version__"])
