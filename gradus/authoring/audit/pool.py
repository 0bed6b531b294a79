"""Forked children, a few at a time: start one, hear from all, end those that hang."""

import contextlib
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from gradus.submission.status import Status

GRACE = 5.0  # seconds beyond a case's limit: then it hangs where no signal of Python's reaches it
TICK = 0.2  # seconds between two looks at children that say nothing


@dataclass
class _Child:
    """One process, and what it said so far."""

    number: int
    pid: int
    pipe: int
    deadline: float
    text: bytes = b""
    last: dict[str, Any] = field(default_factory=dict)

    def hear(self) -> bool:
        """Read what there is; True when it has told its outcome, or can say no more."""
        data = os.read(self.pipe, 65536)
        *lines, self.text = (self.text + data).split(b"\n")
        for line in lines:
            self.last = json.loads(line)
            if "limit" in self.last:
                self.deadline = time.monotonic() + self.last["limit"] + GRACE
        return not data or "status" in self.last

    def end(self) -> dict[str, Any]:
        """Kill it with all that it started; its outcome."""
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pipe)
        if "status" in self.last:
            return self.last
        hung = time.monotonic() > self.deadline
        status = Status.TIMEOUT if hung else Status.ERROR
        return {**self.last, "status": status.value}


def in_children(
    jobs: int, work: Iterable[Callable[[int], NoReturn]], tick: Callable[[], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Call each function in a forked child with the writing end of a pipe; the outcomes as they come.

    Args:
        jobs: How many children at a time.
        work: What to do; a function does not return. It writes JSON lines: `{"limit": seconds}` when it
            begins something, and at last one with a `status`.
        tick: Called several times a second.

    Yields:
        The function's number in `work`, and its last line. For a child that was lost or hung: the last that
        it said, with the status `error` or `timeout`.
    """
    waiting = enumerate(work)
    children: dict[int, _Child] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                while len(children) < jobs and (following := next(waiting, None)) is not None:
                    child = _fork(*following)
                    children[child.pipe] = child
                    selector.register(child.pipe, selectors.EVENT_READ)
                if not children:
                    return
                ready = [key.fd for key, _ in selector.select(TICK)]
                now = time.monotonic()
                ended = [c for c in children.values() if c.pipe in ready and c.hear()]
                ended += [c for c in children.values() if c not in ended and now > c.deadline]
                for child in ended:
                    selector.unregister(child.pipe)
                    del children[child.pipe]
                    yield child.number, child.end()
                tick()
        finally:
            for child in children.values():
                child.end()


def _fork(number: int, function: Callable[[int], NoReturn]) -> _Child:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        function(writing)
    os.close(writing)
    return _Child(number, pid, reading, time.monotonic() + 60 + GRACE)
