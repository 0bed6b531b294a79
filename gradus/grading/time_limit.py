"""A check's time limit, kept by pytest-timeout's clock, without its list of every thread's stack."""

import signal
from types import FrameType
from typing import Any

import pytest
from pytest_timeout import is_debugging

from gradus.submission.time_limit import Patience


def set_timer(item: pytest.Item, settings: Any) -> bool:
    """Fail a check when its time is over; the words are those that pytest-timeout uses.

    The threads of this process are gradus's own (the memory watchdog): a student has no use for their stacks.
    """
    patience = Patience()

    def over(signum: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if patience.waits(frame):
            return
        if settings.disable_debugger_detection or not is_debugging():
            pytest.fail(f"Timeout (>{settings.timeout}s) of a check")

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    known: Any = item
    known.cancel_timeout = cancel  # where pytest-timeout looks for it
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    return True
