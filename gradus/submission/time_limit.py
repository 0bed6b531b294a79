"""A time limit for code that has no other."""

import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import NoReturn

from gradus.submission.watch import Watch

CELL_SECONDS = 20.0  # of one statement, while a file is loaded
IMPORT_SECONDS = 60.0  # that a limit waits for an import to end
MORE_SECONDS = 4.0  # behind an import that ended after the limit; less than `watch.MARGIN`
TICK = 0.1  # seconds between two looks
CLEANING_SECONDS = 1.0  # from the first strike to the second: `finally` blocks may need some time
STRIKES = 40  # before the process is ended
ENDLESS = 76  # exit code of a process that ended itself, since nothing else stopped its code

SWALLOWED = "its code swallows every exception (a bare `except:`?)"
UNHEARD = "no signal reaches its code (does it change signal handlers, the alarm or the mask?)"

End = Callable[[str, float, str], NoReturn]  # gets what does not stop, the seconds it had, and why
_end_of_process: list[tuple[End, bool]] = []  # the innermost `ended_by` is the last

_IMPORTS: CodeType = importlib._bootstrap._find_and_load.__code__  # type: ignore[attr-defined]


def is_importing(frame: FrameType | None) -> bool:
    """Whether the code at `frame` runs while something is imported."""
    while frame is not None and frame.f_code is not _IMPORTS:
        frame = frame.f_back
    return frame is not None


class Patience:
    """Lets an import come to its end: a package like torch that is left half imported is of no use any more.

    Code that goes on behind it gets some more time, once: all that it had may have been the import's.
    """

    def __init__(self, seconds: float) -> None:
        self._waited, self._more = 0.0, min(seconds, MORE_SECONDS)

    def waits(self, frame: FrameType | None) -> bool:
        """Whether the code at `frame` is to be let alone for now; the alarm then comes again."""
        if self._waited > IMPORT_SECONDS:
            return False
        if is_importing(frame):
            self._waited += TICK
            signal.setitimer(signal.ITIMER_REAL, TICK)
            return True
        more, self._more = self._more if self._waited else 0.0, 0.0
        if more:
            signal.setitimer(signal.ITIMER_REAL, more)
        return more > 0


class Strikes:
    """Code whose time is over is struck again and again: a bare `except:` swallows some exceptions.

    A strike that lands in the handler itself gets through. With `except: pass` none may ever do so.
    """

    def __init__(self) -> None:
        self.given = 0

    def strike(self) -> bool:
        """Count a strike and set the clock for the next one; False when there were enough of them."""
        signal.setitimer(signal.ITIMER_REAL, TICK if self.given else CLEANING_SECONDS)
        self.given += 1
        return self.given <= STRIKES


class LoadTimeout(BaseException):
    """A statement of the submission ran longer than it may while the file was being loaded."""


@contextmanager
def ended_by(end: End, *, watched: bool = False) -> Iterator[None]:
    """Inside the block, `end` ends the process when the code under a time limit swallows every strike.

    If `watched`, also when no strike reaches it.
    """
    _end_of_process.append((end, watched))
    try:
        yield
    finally:
        _end_of_process.pop()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `LoadTimeout` inside the block when it runs longer; no limit where signals cannot serve.

    A block that swallows it is struck again. One that nothing stops ends the process, where the process
    belongs to a run that said how (`ended_by`).
    """
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    patience, strikes = Patience(seconds), Strikes()
    owner = sys._getframe(2)  # behind this one and contextlib's: where the block stands
    owner_thread = threading.get_ident()
    inside = True
    end, watched = _end_of_process[-1] if _end_of_process else (None, False)
    watch: Watch | None = None

    def stop(signum: int, frame: FrameType | None) -> None:
        if watch is not None:
            watch.heard()
        if not inside or patience.waits(frame):
            return
        if not strikes.strike() and end is not None:
            end(f"the code at {_place(frame, owner)}", seconds, SWALLOWED)
        raise LoadTimeout

    def unheard() -> None:
        frame = sys._current_frames().get(owner_thread)
        if inside and end is not None:
            end(f"the code at {_place(frame, owner)}", seconds, UNHEARD)

    if watched:
        watch = Watch(seconds, stop, unheard)
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        inside = False  # a strike that comes from here on hits nothing
        if watch is not None:
            watch.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(frame: FrameType | None, owner: FrameType) -> str:
    """The statement of the block's code that was running: the outermost frame behind its owner."""
    while frame is not None and frame.f_back is not None and frame.f_back is not owner:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "?"
