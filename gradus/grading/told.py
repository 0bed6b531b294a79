"""What a run has told already: of one check with many cases, one message is enough."""

from collections.abc import Iterable

import pytest

from gradus.grading.failure import Verdict
from gradus.grading.grader_file import read_checks
from gradus.grading.report import Check
from gradus.submission.status import Status


class Told:
    """Messages of one run, each with the case that has told it first.

    Args:
        lost: Grader file and name of the checks that an earlier process was lost in.
        timed_out: Those that ran out of time there.
    """

    def __init__(
        self, lost: Iterable[tuple[str, str]] = (), timed_out: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._by = {(*check, Status.ERROR.value): "" for check in lost}  # what -> node id
        self._timed_out = set(timed_out)

    def elsewhere(self, item: pytest.Item, check: Check, status: Status) -> bool:
        """Whether another case of the check has ended so."""
        return self._by.get((str(item.path), check.name, status.value), item.nodeid) != item.nodeid

    def task_timed_out(self, item: pytest.Item, check: Check) -> bool:
        """Whether another check of the task ran out of time."""
        grader = str(item.path)
        names = {name for path, name in self._timed_out if path == grader} - {check.name}
        return bool(names) and any(
            other.name in names and other.task == check.task for other in read_checks(item.path)
        )

    def before(self, item: pytest.Item, check: Check, verdict: Verdict) -> bool:
        """Whether another case has told the same, of the check or of the line that is the cause; notes it."""
        same = {(str(item.path), check.name, verdict.status.value)}
        task = "" if verdict.anywhere else check.task
        same |= {(str(item.path), task, verdict.cause)} if verdict.cause else set()
        if verdict.status is Status.TIMEOUT:
            self._timed_out.add((str(item.path), check.name))
        # The same case tells it again where a plugin runs it again and drops what came before.
        before = any(self._by.get(key, item.nodeid) != item.nodeid for key in same)
        self._by = {**dict.fromkeys(same, item.nodeid), **self._by}
        return before
