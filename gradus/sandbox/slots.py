"""The slots of this process, one for each set of readable folders and limits, kept warm. Imports no torch."""

import atexit
import concurrent.futures
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from gradus.sandbox.endings import Ended
from gradus.sandbox.levels import Isolation, Level
from gradus.sandbox.limits import Limits
from gradus.sandbox.orders import Ready
from gradus.sandbox.slot import Slot, Worker

_slots: dict[Any, "WarmSlot"] = {}


class Running(Protocol):
    """A running submission, wherever it was started."""

    socket: socket.socket  # the judge's end of its channel

    def interrupt(self) -> bool:
        """Have it stop what it is doing; False when there is nothing to interrupt."""

    def stop(self) -> Ended:
        """End it, and say how it ended."""


class Workers(Protocol):
    """Where a judge's workers come from, one at a time."""

    @property
    def isolation(self) -> Isolation:
        """The level that they run at, in words."""

    def start_worker(self) -> Running:
        """A new worker."""


class WarmSlot(Slot):
    """A slot for workers that all run the same function; the first may be started ahead of its use."""

    def __init__(
        self,
        readable: Sequence[Path],
        serve: str,
        *,
        hidden: Sequence[Path] = (),
        level: Level | None = None,
        limits: Limits | None = None,
        ready: Ready | None = None,
    ) -> None:
        """`serve` is what its workers run: "module:function" or "/path/to/file.py:function"."""
        super().__init__(readable, limits, level, hidden=hidden, ready=ready)
        self._serve = serve
        self._ahead: concurrent.futures.Future[Worker] | None = None

    def start_ahead(self) -> None:
        """Begin to start a worker; the next `start_worker` waits for it, and raises what went wrong."""
        if self._ahead is None and self._host is None:
            executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="gradus-slot")
            self._ahead = executor.submit(self.start, self._serve)
            executor.shutdown(wait=False)

    def start_worker(self) -> Worker:
        """The worker that was started ahead, or a new one.

        Raises:
            SandboxError: As `start` does.
        """
        ahead, self._ahead = self._ahead, None
        return self.start(self._serve) if ahead is None else ahead.result()

    def close(self) -> None:
        """End everything."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            concurrent.futures.wait([ahead])
        super().close()


def warm_slot(
    readable: Sequence[Path],
    serve: str,
    *,
    hidden: Sequence[Path] = (),
    level: Level | None = None,
    limits: Limits | None = None,
    ready: Ready | None = None,
) -> WarmSlot:
    """This process's slot for workers that run `serve`; closed when this process ends.

    Args:
        readable: What they may read.
        serve: "module:function" or "/path/to/file.py:function".
        hidden: What they may not, wherever it lies.
        level: This one and no other; the best that there is if None.
        limits: What a worker may use; the usual ones if None.
        ready: What is made once, ahead of all workers.

    Raises:
        SandboxError: If that level is out of reach here; with why, and the remedy.
    """
    key = tuple(readable), tuple(hidden), serve, level, limits, ready
    if key not in _slots:
        slot = WarmSlot(readable, serve, hidden=hidden, level=level, limits=limits, ready=ready)
        if level is not None:
            _ = slot.isolation  # raises here what `start` would raise later
        _slots[key] = slot
        atexit.register(slot.close)
    return _slots[key]
