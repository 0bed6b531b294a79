"""A check's time limit, kept by pytest-timeout's clock, without its list of every thread's stack."""

import signal
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FrameType
from typing import Any

import pytest
from pytest_timeout import is_debugging

from gradus.grading.own_process import end_process, is_supervised, owns_process
from gradus.submission.time_limit import (
    ENDLESS,
    SWALLOWED,
    UNHEARD,
    Patience,
    Strikes,
    ended_by,
)
from gradus.submission.watch import Watch


def set_timer(item: pytest.Item, settings: Any) -> bool:
    """Fail a check when its time is over; the words are those that pytest-timeout uses.

    The threads of this process are gradus's own (the memory watchdog): a student has no use for their stacks.
    Code that swallows the failure is struck again; when nothing stops it, the process is ended.
    """
    patience, strikes = Patience(), Strikes()
    end = partial(end_process, item.config, ENDLESS, f"check {item.nodeid}", settings.timeout)
    watch: Watch | None = None

    def over(signum: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if watch is not None:
            watch.heard()
        if strikes.given and not _inside(frame, str(item.path)):
            return  # the check has ended, and pytest is busy with its report
        if patience.waits(frame):
            return
        if not settings.disable_debugger_detection and is_debugging():
            if watch is not None:
                watch.cancel()
            return
        if not strikes.strike() and owns_process(item.config):
            end(SWALLOWED)
        pytest.fail(f"Timeout (>{settings.timeout}s) of a check")

    def cancel() -> None:
        if watch is not None:
            watch.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    known: Any = item
    known.cancel_timeout = cancel  # where pytest-timeout looks for it
    signal.signal(signal.SIGALRM, over)
    if owns_process(item.config) and not is_supervised(item.config):
        watch = Watch(settings.timeout, over, partial(end, UNHEARD))
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    return True


def _inside(frame: FrameType | None, grader: str) -> bool:
    """Whether the code at `frame` was called by the grader's file."""
    while frame is not None and frame.f_code.co_filename != grader:
        frame = frame.f_back
    return frame is not None


def loading_may_end(config: pytest.Config) -> AbstractContextManager[None]:
    """Inside the block, a statement of a submission's file that nothing stops ends pytest's own process."""
    if not owns_process(config):
        return nullcontext()
    return ended_by(partial(end_process, config, ENDLESS), watched=not is_supervised(config))
