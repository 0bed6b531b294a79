"""A time limit for code that has no other."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CELL_SECONDS = 20.0  # of one statement, while a file is loaded
IMPORT_SECONDS = 60.0  # that a limit waits for an import to end
TICK = 0.1  # seconds between two looks


class Patience:
    """Lets an import come to its end: a package like torch that is left half imported is of no use any more."""

    def __init__(self) -> None:
        self._waited = 0.0

    def waits(self, frame: FrameType | None) -> bool:
        """Whether the code at `frame` is importing something; the alarm then comes again soon."""
        while frame is not None and frame.f_code.co_name != "_find_and_load":
            frame = frame.f_back
        if frame is None or self._waited > IMPORT_SECONDS:
            return False
        self._waited += TICK
        signal.setitimer(signal.ITIMER_REAL, TICK)
        return True


class LoadTimeout(BaseException):
    """A statement of the submission ran longer than it may while the file was being loaded."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `LoadTimeout` inside the block when it runs longer; no limit where signals cannot serve."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    patience = Patience()

    def stop(signum: int, frame: FrameType | None) -> None:
        if not patience.waits(frame):
            raise LoadTimeout

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
