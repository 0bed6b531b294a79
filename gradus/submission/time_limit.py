"""A time limit for code that has no other."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

CELL_SECONDS = 20.0  # of one statement, while a file is loaded
IMPORT_SECONDS = 60.0  # that a limit waits for an import to end
TICK = 0.1  # seconds between two looks
CLEANING_SECONDS = 1.0  # from the first strike to the second: `finally` blocks may need some time
STRIKES = 40  # before the process is ended
ENDLESS = 76  # exit code of a process that ended itself, since nothing else stopped its code

_exit = os._exit  # the real one: `exits_intercepted` takes its place while a submission runs


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
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `LoadTimeout` inside the block when it runs longer; no limit where signals cannot serve.

    A block that swallows it is struck again. Inside pytest's own process, one that nothing stops ends
    the process.
    """
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    patience, strikes = Patience(), Strikes()
    owner = sys._getframe(2)  # behind this one and contextlib's: where the block stands
    inside = True

    def stop(signum: int, frame: FrameType | None) -> None:
        if not inside or patience.waits(frame):
            return
        if not strikes.strike():
            config = _config_around(owner)
            if config is not None and owns_process(config):
                end_process(f"the code at {_place(frame, owner)}", seconds, config)
        raise LoadTimeout

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        inside = False  # a strike that comes from here on hits nothing
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(frame: FrameType | None, owner: FrameType) -> str:
    """The statement of the block's code that was running: the outermost frame behind its owner."""
    while frame is not None and frame.f_back is not None and frame.f_back is not owner:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "?"


def _config_around(frame: FrameType | None) -> Any:
    """pytest's configuration, where the code at `frame` runs for one of pytest's items."""
    while frame is not None:
        config = getattr(frame.f_locals.get("item"), "config", None)
        if hasattr(config, "invocation_params"):
            return config
        frame = frame.f_back
    return None


def owns_process(config: Any) -> bool:
    """Whether this process is there for pytest alone; a notebook or a tool brings plugins of its own."""
    return not config.invocation_params.plugins


def end_process(what: str, seconds: float, config: Any) -> NoReturn:
    """Tell what does not stop, on the stderr that pytest was started with, and end the process."""
    with contextlib.suppress(Exception):  # whatever becomes of the words, the process ends
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=True)
        words = (
            f"\ngradus: {what} does not stop after {seconds:g} s: its code swallows every exception "
            "(a bare `except:`?). This pytest run ends here.\n"
        )
        sys.stdout.flush()
        os.write(2, words.encode(errors="replace"))
    _exit(ENDLESS)
