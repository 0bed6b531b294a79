"""A check's time limit, kept by pytest-timeout's clock, without its list of every thread's stack."""

import contextlib
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FrameType
from typing import Any, NoReturn

import pytest
from pytest_timeout import is_debugging

from gradus.submission.time_limit import ENDLESS, Patience, Strikes, ended_by

_exit = os._exit  # the real one: `exits_intercepted` takes its place while a submission runs


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
            end_process(item.config, f"check {item.nodeid}", settings.timeout)
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


def loading_may_end(config: pytest.Config) -> AbstractContextManager[None]:
    """Inside the block, a statement of a submission's file that nothing stops ends pytest's own process."""
    return ended_by(partial(end_process, config)) if owns_process(config) else nullcontext()


def owns_process(config: pytest.Config) -> bool:
    """Whether this process is there for pytest alone; a notebook or a tool brings plugins of its own."""
    return not config.invocation_params.plugins


def end_process(config: pytest.Config, what: str, seconds: float) -> NoReturn:
    """Tell what does not stop, on the stderr that pytest was started with, and end the process."""
    with contextlib.suppress(Exception):  # whatever becomes of the words, the process ends
        capture: Any = config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=True)
        words = (
            f"\ngradus: {what} does not stop after {seconds:g} s: its code swallows every exception "
            "(a bare `except:`?). This pytest run ends here.\n"
        )
        sys.stdout.flush()
        os.write(2, words.encode(errors="replace"))
    _exit(ENDLESS)
