"""pytest's loop, for one answer: in the warm judge's own process or in a child of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from gradus.engine.job import Job
from gradus.grading.journal import Journal
from gradus.grading.plugin import SESSION
from gradus.grading.session import GradingSession


class Running:
    """Makes pytest grade one answer, and keeps what its cases came to; a plugin of pytest's.

    Args:
        config: Of the pytest that has the checks collected.
        job: What is graded.
        journal: Where each step is told.
    """

    def __init__(self, config: pytest.Config, job: Job, journal: Journal | None = None) -> None:
        self._job = job
        self._lost = False  # whether a case did not pass
        self.cases: dict[str, Mapping[str, Any]] = {}  # node id -> data of the cases that ran
        options: Any = config.option
        options.submission, options.hidden = job.submission, job.hidden
        options.gradus_seed = job.seed
        self.session = config.stash[SESSION] = GradingSession(config, journal)
        if job.statement_seconds is not None:
            self.session.submissions.statement_seconds = job.statement_seconds

    def run(self, items: Sequence[pytest.Item]) -> None:
        """Run the cases, in this order."""
        for item, following in zip(items, [*items[1:], None], strict=False):
            with self._limited(item):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            item.user_properties.clear()  # the next answer's are its own
            item._report_sections.clear()
            if self._lost and self._job.enough:
                return

    @contextmanager
    def _limited(self, item: pytest.Item) -> Iterator[None]:
        limit = self._job.limits.get(item.nodeid)
        if limit is None:
            yield
            return
        item.add_marker(pytest.mark.timeout(limit), append=False)
        try:
            yield
        finally:
            del item.own_markers[0]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a case came to."""
        self._lost |= report.failed
        data: dict[str, Any] | None = getattr(report, "gradus", None)
        if data is not None:
            self.cases[report.nodeid] = data
