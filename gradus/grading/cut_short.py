"""The end of a pytest run whose check nothing stops: what is known is written down before the process goes."""

import _thread
import contextlib
from time import sleep
from typing import Any, NoReturn

import pytest

from gradus.grading.failure import Verdict
from gradus.grading.own_process import end_process, is_supervised
from gradus.grading.session import GradingSession
from gradus.submission.status import Status
from gradus.submission.time_limit import ENDLESS

WRITE_SECONDS = 20.0  # for table and report; then the process goes without them


def cut_short(session: GradingSession, item: pytest.Item, seconds: float, why: str) -> NoReturn:
    """End the process, after a table and a report in which this check is a timeout and the rest has not run.

    May be called from any thread. A supervisor is told by the exit code alone: it has the rest in its journal.
    With pytest-xdist a worker sends its result, and the run goes on in another.
    """
    config = item.config
    if not is_supervised(config):
        _thread.start_new_thread(_end_later, (item, seconds, why))
        with contextlib.suppress(BaseException):
            capture: Any = config.pluginmanager.getplugin("capturemanager")
            if capture is not None:
                capture.suspend_global_capture(in_=True)
            _tell(session, item, seconds, why)
    _end(item, seconds, why)


def _end_later(item: pytest.Item, seconds: float, why: str) -> None:
    sleep(WRITE_SECONDS)
    _end(item, seconds, why)


def _end(item: pytest.Item, seconds: float, why: str) -> NoReturn:
    end_process(item.config, ENDLESS, f"check {item.nodeid}", seconds, why)


def _tell(session: GradingSession, item: pytest.Item, seconds: float, why: str) -> None:
    """Let pytest and its plugins know of the check, and that the session is over."""
    lost = Verdict(Status.TIMEOUT, (("stopped", f"after {seconds:g}s: {why}"),))
    data = session.data(item, lost, seconds)
    report = pytest.TestReport(
        nodeid=item.nodeid, location=item.location, keywords={}, outcome="failed",
        longrepr=data["message"], when="call",
    )  # fmt: skip
    known: Any = report
    known.gradus = {**data, "repeated": False}
    item.ihook.pytest_runtest_logreport(report=report)
    plugins = item.config.pluginmanager
    if not hasattr(item.config, "workerinput"):
        # Not pytest's own: it would run what fixtures still have to do, and the check is in the middle.
        finish = plugins.subset_hook_caller("pytest_sessionfinish", [plugins.getplugin("runner")])
        finish(session=item.session, exitstatus=pytest.ExitCode.TESTS_FAILED)
