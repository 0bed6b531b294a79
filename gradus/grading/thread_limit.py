"""A check's time limit where no signal can keep it (Windows): a thread raises the failure in pytest's own.

pytest-timeout's own way there is to end the process, and with it the table and the report.
"""

import _thread
import ctypes
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from gradus.submission.time_limit import (
    CLEANING_SECONDS,
    IMPORT_SECONDS,
    MORE_SECONDS,
    STRIKES,
    SWALLOWED,
    TICK,
    is_importing,
)
from gradus.submission.watch import MARGIN

BLOCKED = "it waits where nothing can interrupt it (a sleep, a lock, one long call?)"


class ThreadLimit:
    """Counts the time of one check, and strikes the thread that made this when it is over.

    Args:
        seconds: That the check has.
        grader: Its file. Only code that this file has called is struck: the rest is pytest's.
        debugging: Whether somebody debugs, and the check is to be left alone.
        end: Called with the reason when nothing stops the code.
    """

    def __init__(
        self,
        seconds: float,
        grader: str,
        debugging: Callable[[], bool],
        end: Callable[[str], object],
    ) -> None:
        self._seconds, self._grader, self._debugging, self._end = seconds, grader, debugging, end
        self._target = threading.get_ident()
        self._heard = 0  # how many strikes have come to the code
        self._over = threading.Event()
        self._lock = threading.RLock()
        self._exception = self._failure()
        _thread.start_new_thread(self._count, ())  # no `threading.Thread`: see Watch

    def _failure(self) -> type[BaseException]:
        """The exception. Python makes one without arguments when it raises it in another thread."""
        words = f"Timeout (>{self._seconds}s) of a check"

        def made(error: Any) -> None:
            self._heard += 1
            pytest.fail.Exception.__init__(error, words)

        return type("Timeout", (pytest.fail.Exception,), {"__init__": made})

    def cancel(self) -> None:
        """The check has come to its end."""
        with self._lock:
            self._over.set()

    def _count(self) -> None:
        if self._over.wait(self._seconds) or self._debugging():
            return
        given, silent, importing = 0, 0.0, 0.0
        more = min(self._seconds, MORE_SECONDS)
        while not self._over.is_set():
            with self._lock:
                if self._over.is_set():
                    return
                wait = TICK
                frame = sys._current_frames().get(self._target)
                if not is_inside(frame, self._grader):
                    pass  # pytest is busy with its report
                elif is_importing(frame) and importing <= IMPORT_SECONDS:
                    importing += TICK
                elif importing and more:
                    wait, more = more, 0.0  # the import may have taken all that there was
                elif given > self._heard:
                    silent += TICK
                    if silent > MARGIN:
                        self._end(BLOCKED)
                        return
                elif given >= STRIKES:
                    self._end(SWALLOWED)
                    return
                else:
                    self._strike()
                    given, silent = given + 1, 0.0
            self._over.wait(CLEANING_SECONDS if given == self._heard == 1 else wait)

    def _strike(self) -> None:
        target, exception = ctypes.c_ulong(self._target), ctypes.py_object(self._exception)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(target, exception)


def is_inside(frame: FrameType | None, grader: str) -> bool:
    """Whether the code at `frame` was called by the grader's file."""
    while frame is not None and frame.f_code.co_filename != grader:
        frame = frame.f_back
    return frame is not None
