"""Lets pytest show what happened in a child, as if it had happened in its own process."""

from typing import Any

import pytest

from gradus.engine.job import Job
from gradus.engine.judge import WarmJudge
from gradus.grading.journal import Line


class Replay:
    """Hands the reports of children to the plugins of the warm judge's pytest.

    Args:
        judge: Whose children are listened to.
    """

    def __init__(self, judge: WarmJudge) -> None:
        self._config = judge.config
        self._items = {item.nodeid: item for item in judge.items}

    def take(self, job: Job, line: Line) -> None:
        """Show what a line of a child's tells."""
        hook = self._config.hook
        if line["event"] == "started":
            item = self._items[line["node"]]
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        elif line["event"] == "report":
            self._show(self._read(line["report"]))
        elif line["event"] == "finished" and line["data"].get("lost"):
            self._show(self._of_lost(line))

    def _show(self, report: pytest.TestReport) -> None:
        item = self._items[report.nodeid]
        hook = self._config.hook
        hook.pytest_runtest_logreport(report=report)
        if report.when == "teardown" or getattr(report, "gradus", {}).get("lost"):
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _read(self, data: dict[str, Any]) -> pytest.TestReport:
        if data["outcome"] == "skipped" and isinstance(data["longrepr"], list):
            data["longrepr"] = tuple(data["longrepr"])  # JSON has none
        hook = self._config.hook
        report: pytest.TestReport = hook.pytest_report_from_serializable(
            config=self._config, data=data
        )
        return report

    def _of_lost(self, line: Line) -> pytest.TestReport:
        item = self._items[line["node"]]
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed",
            longrepr=line["data"]["message"],
            when="call",
        )
        known: Any = report
        known.gradus = {**line["data"], "repeated": False}
        return report
