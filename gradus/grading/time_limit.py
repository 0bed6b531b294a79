"""A check's time limit, kept by pytest-timeout's clock, without its list of every thread's stack."""

import signal
from types import FrameType
from typing import Any

import pytest
from pytest_timeout import is_debugging

from gradus.submission.time_limit import Patience, Strikes, end_process, owns_process


def set_timer(item: pytest.Item, settings: Any) -> bool:
    """Fail a check when its time is over; the words are those that pytest-timeout uses.

    The threads of this process are gradus's own (the memory watchdog): a student has no use for their stacks.
    Code that swallows the failure is struck again; when nothing stops it, the process is ended.
    """
    patience, strikes = Patience(), Strikes()

    def over(signum: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if strikes.given and not _inside(frame, str(item.path)):
            return  # the check has ended, and pytest is busy with its report
        if patience.waits(frame):
            return
        if not settings.disable_debugger_detection and is_debugging():
            return
        if not strikes.strike() and owns_process(item.config):
            end_process(f"check {item.nodeid}", settings.timeout, item.config)
        pytest.fail(f"Timeout (>{settings.timeout}s) of a check")

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    known: Any = item
    known.cancel_timeout = cancel  # where pytest-timeout looks for it
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    return True


def _inside(frame: FrameType | None, grader: str) -> bool:
    """Whether the code at `frame` was called by the grader's file."""
    while frame is not None and frame.f_code.co_filename != grader:
        frame = frame.f_back
    return frame is not None
