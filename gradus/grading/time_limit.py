"""A check's time limit, kept by pytest-timeout's clock, without its list of every thread's stack."""

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FrameType
from typing import Any

import pytest
from pytest_timeout import is_debugging

from gradus.grading.cut_short import cut_short
from gradus.grading.own_process import end_process, is_supervised, owns_process
from gradus.grading.session import GradingSession
from gradus.grading.thread_limit import ThreadLimit, is_inside
from gradus.submission.time_limit import (
    ENDLESS,
    SWALLOWED,
    TICK,
    UNHEARD,
    Patience,
    Strikes,
    ended_by,
)
from gradus.submission.watch import Watch


def set_timer(item: pytest.Item, settings: Any, session: GradingSession) -> bool:
    """Fail a check when its time is over; the words are those that pytest-timeout uses.

    The threads of this process are gradus's own (the memory watchdog): a student has no use for their stacks.
    Code that swallows the failure is struck again; when nothing stops it, the process is ended.
    """
    end = partial(cut_short, session, item, settings.timeout)
    known: Any = item
    # `cancel_timeout` is where pytest-timeout looks for it.
    if settings.method != "signal" or threading.current_thread() is not threading.main_thread():
        known.cancel_timeout = _thread_timer(item, settings, end)
    else:
        known.cancel_timeout = _signal_timer(item, settings, end)
    return True


def _left_alone(settings: Any) -> bool:
    """Whether somebody debugs."""
    return not settings.disable_debugger_detection and is_debugging()


def _thread_timer(
    item: pytest.Item, settings: Any, end: Callable[[str], Any]
) -> Callable[[], None]:
    def give_up(why: str) -> None:
        # A supervisor waits for a long call to end before it takes the process for lost.
        if owns_process(item.config) and (why == SWALLOWED or not is_supervised(item.config)):
            end(why)

    debugging = partial(_left_alone, settings)
    return ThreadLimit(settings.timeout, str(item.path), debugging, give_up).cancel


def _signal_timer(
    item: pytest.Item, settings: Any, end: Callable[[str], Any]
) -> Callable[[], None]:
    patience, strikes = Patience(settings.timeout), Strikes()
    watch: Watch | None = None

    def give_up(why: str) -> None:
        signal.setitimer(
            signal.ITIMER_REAL, 0
        )  # no further strike while table and report are written
        end(why)

    def over(signum: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if watch is not None:
            watch.heard()
        if not is_inside(frame, str(item.path)):  # pytest is busy, with its report perhaps
            if not strikes.given:
                signal.setitimer(signal.ITIMER_REAL, TICK)
            return
        if patience.waits(frame):
            return
        if _left_alone(settings):
            if watch is not None:
                watch.cancel()
            return
        if not strikes.strike() and owns_process(item.config):
            give_up(SWALLOWED)
        pytest.fail(f"Timeout (>{settings.timeout}s) of a check")

    def cancel() -> None:
        if watch is not None:
            watch.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    signal.signal(signal.SIGALRM, over)
    if owns_process(item.config) and not is_supervised(item.config):
        watch = Watch(settings.timeout, over, partial(give_up, UNHEARD))
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    return cancel


def loading_may_end(config: pytest.Config) -> AbstractContextManager[None]:
    """Inside the block, a statement of a submission's file that nothing stops ends pytest's own process."""
    if not owns_process(config):
        return nullcontext()
    return ended_by(partial(end_process, config, ENDLESS), watched=not is_supervised(config))
