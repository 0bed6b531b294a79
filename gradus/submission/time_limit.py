"""A time limit for code that has no other."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class LoadTimeout(BaseException):
    """A statement of the submission ran longer than it may while the file was being loaded."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `LoadTimeout` inside the block when it runs longer; no limit where signals cannot serve."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise LoadTimeout

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
