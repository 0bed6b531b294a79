"""The checks of one topic, collected and warm: what a forked child finds when it begins."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gradus.errors import GraderError
from gradus.grading.items import limit_of
from gradus.grading.plugin import session_of
from gradus.submission.loader import load_submission
from gradus.submission.status import Status

LEAST_SECONDS = 5.0  # for a case of a mutant: a busy machine is slow at times
TIMES = 20  # ... or so many times what the reference took


@dataclass(frozen=True)
class Ran:
    """One case of a check, as it ended."""

    check: str
    task: str
    status: Status
    message: str
    seconds: float


@dataclass
class Collected:
    """pytest's items of one topic. They may be run again and again, each time for another submission."""

    config: pytest.Config
    topic: str
    items: Sequence[pytest.Item]
    seconds: dict[str, float] = field(default_factory=dict)  # node id -> what the reference took
    _last: dict[str, Any] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a case's result where it comes by (this is pytest's hook)."""
        self._last.update(getattr(report, "gradus", None) or {})

    def load(self, path: Path, seconds: float) -> None:
        """Let `path` be what the checks are given from now on."""
        loaded = load_submission(path, self.topic, seconds=seconds, keyboard=False, shown=path.name)
        session_of(self.config).submissions.given[self.topic] = loaded

    def run(self, item: pytest.Item, following: pytest.Item | None) -> Ran:
        """Run one case; `following` is the next one, for which shared fixtures are kept."""
        self._last.clear()
        begun = time.perf_counter()
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        seconds = time.perf_counter() - begun
        if not self._last:
            raise GraderError(f"{item.nodeid}: pytest ran it and gave no result.")
        status, message = Status(self._last["status"]), self._last["message"]
        return Ran(self._last["check"], task_of(item), status, message, seconds)

    def run_reference(self, path: Path) -> None:
        """Run every case for the reference, which warms everything up, and note how long each takes.

        Raises:
            GraderError: If one does not pass.
        """
        self.load(path, 60.0)
        for item, following in zip(self.items, [*self.items[1:], None], strict=True):
            ran = self.run(item, following)
            self.seconds[item.nodeid] = ran.seconds
            if ran.status not in (Status.PASSED, Status.NOT_RUN):
                raise GraderError(
                    f"{ran.check} does not pass for the reference ({ran.status.value}); mend that first.\n"
                    f"{ran.message}"
                )

    def for_task(self, task: str, tasks: Iterable[str]) -> list[pytest.Item]:
        """The cases of these tasks, those of `task` first, quick ones before slow ones."""
        chosen = [item for item in self.items if task_of(item) in set(tasks)]
        return sorted(chosen, key=lambda i: (task_of(i) != task, self.seconds[i.nodeid], i.nodeid))

    def limit(self, item: pytest.Item) -> float:
        """Seconds for a case of a mutant: many times the reference's, never more than the check's own."""
        enough = max(LEAST_SECONDS, TIMES * self.seconds[item.nodeid])
        return min(enough, limit_of(item) or enough)


def task_of(item: pytest.Item) -> str:
    """The task that a case belongs to."""
    mark = item.get_closest_marker("task")
    assert mark is not None
    return str(mark.args[0])
