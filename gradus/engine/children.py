"""Forked children: start one, hear from several, end those that hang."""

import contextlib
import json
import os
import select
import selectors
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from gradus.engine.ended import Ended
from gradus.grading.journal import Line

TICK = 0.2  # seconds between two looks at children that say nothing
LEAVE_SECONDS = 2.0  # for a child that has closed its pipe to come to its end
LONGEST = 64 << 20  # bytes of one line: a child that writes more has been taken over


@dataclass
class Child:
    """One process."""

    pid: int
    pipe: int
    closed: bool = False  # it will write no more
    _text: bytes = b""
    _status: int | None = None

    def hear(self) -> Iterator[Line]:
        """The lines that have come. After one that is none, no more is believed."""
        data = os.read(self.pipe, 1 << 16)
        *lines, self._text = (self._text + data).split(b"\n")
        self.closed = not data or len(self._text) > LONGEST
        for text in lines:
            try:
                line = json.loads(text)
                _ = line["event"]
            except (ValueError, TypeError, KeyError, RecursionError):
                self.closed = True
                return
            yield line

    def rest(self) -> Iterator[Line]:
        """The lines that are still in the pipe of a process that is gone."""
        while not self.closed and select.select([self.pipe], [], [], 0)[0]:
            yield from self.hear()
        self.closed = True

    def has_exited(self) -> bool:
        """Whether the process is gone; something that it forked may still hold the pipe open."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def end(self) -> Ended:
        """Kill it with all that it started; how it ended."""
        hung = not self.has_exited() and not self.closed
        until = time.monotonic() + (0 if hung else LEAVE_SECONDS)
        while not self.has_exited() and time.monotonic() < until:
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if not self.has_exited():
            os.kill(self.pid, signal.SIGKILL)
            _, self._status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        assert self._status is not None
        return Ended(os.waitstatus_to_exitcode(self._status), hung)


def fork(function: Callable[[int], NoReturn]) -> Child:
    """Call a function that does not return in a child, with the writing end of a pipe."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():  # Python 3.12 warns of every thread, whatever it does
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reading)
        function(writing)
    os.close(writing)
    return Child(pid, reading)


class Children:
    """Several children, of whom one hears at once."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}  # by pipe

    def __len__(self) -> int:
        return len(self._children)

    def add(self, child: Child) -> None:
        """Listen to one more."""
        self._children[child.pipe] = child
        self._selector.register(child.pipe, selectors.EVENT_READ)

    def wait(self) -> Iterator[tuple[Child, list[Line]]]:
        """What came within `TICK` seconds, child by child."""
        ready = {key.fd for key, _ in self._selector.select(TICK)}
        for child in list(self._children.values()):
            # Asked again: who goes through this may have taken long over another child.
            if child.pipe in ready or select.select([child.pipe], [], [], 0)[0]:
                yield child, list(child.hear())
            elif child.has_exited():
                yield child, list(child.rest())
            else:
                yield child, []

    def remove(self, child: Child) -> Ended:
        """End one."""
        self._selector.unregister(child.pipe)
        del self._children[child.pipe]
        return child.end()

    def close(self) -> None:
        """End all."""
        for child in list(self._children.values()):
            self.remove(child)
        self._selector.close()
