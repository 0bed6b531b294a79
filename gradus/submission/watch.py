"""Keeps a time limit where code takes away the alarm that it is kept by: a thread that sees to the alarm."""

import _thread
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

MARGIN = 5.0  # seconds beyond a limit without a word of the alarm
_TICK = 0.5


class Watch:
    """Rings the alarm anew when it was put off, and calls `end` when it can no longer ring.

    It counts its own ticks: time in which the whole process stood still is nobody's. A call of a C function
    that takes long only delays the alarm, and is waited for.
    """

    def __init__(
        self, seconds: float, handler: Callable[..., object], end: Callable[[], object]
    ) -> None:
        self._left, self._handler, self._end = seconds + MARGIN, handler, end
        self._rung = False  # since the alarm was heard last
        self._over = threading.Event()
        self._lock = threading.RLock()  # the alarm may ring in `cancel`
        # No `threading.Thread`: those are a student's to look at, and to patch.
        _thread.start_new_thread(self._count, ())

    def heard(self) -> None:
        """The alarm has rung; what is to be done about the code is done where it rings."""
        self._left, self._rung = MARGIN, False

    def cancel(self) -> None:
        """The code has come to its end. From here on no alarm is rung."""
        with self._lock:
            self._over.set()

    def _count(self) -> None:
        # Where code blocks signals, the alarm reaches the process through this thread.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        while not self._over.wait(_TICK):
            self._left -= _TICK
            if self._left > 0:
                continue
            with self._lock:
                if self._over.is_set():
                    return
                if not self._can_ring():
                    self._end()
                    return
                self._left, self._rung = MARGIN, True
                os.kill(os.getpid(), signal.SIGALRM)

    def _can_ring(self) -> bool:
        if signal.getsignal(signal.SIGALRM) is not self._handler:
            return False
        return not (
            self._rung and _is_blocked()
        )  # it waits in the system, where no signal wakes it


def _is_blocked() -> bool:
    """Whether the main thread takes no alarm. Only Linux tells."""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")  # of the main thread
        mask = status.partition("SigBlk:")[2].split()[0]
    except (OSError, IndexError):
        return False
    return bool(int(mask, 16) >> (signal.SIGALRM - 1) & 1)
