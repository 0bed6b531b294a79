"""Keep a submission from ending the process that grades it."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

LEAST_DEPTH = (
    1_000  # Python's own recursion limit: below it pytest, which stands on the same stack, ends
)


class SubmissionExit(BaseException):
    """The student's code did what would have ended the whole run: `os._exit`, `os.abort`, `pytest.exit`."""

    def __repr__(self) -> str:
        return str(self)


class ProcessLost(BaseException):
    """The student's process ended, or talks nonsense. No `except Exception` of a check may hide it."""


@contextmanager
def exits_intercepted() -> Iterator[None]:
    """Turn `os._exit` and `os.abort` into `SubmissionExit` in this thread of this process.

    A recursion limit below `LEAST_DEPTH` is not taken over: how much of it is left depends on who calls.

    Forked children (DataLoader workers) and other threads keep the real ones: they need them.
    A convenience for honest mistakes, not a wall.
    """
    owner, thread = os.getpid(), threading.get_ident()
    real_exit, real_abort, real_limit = os._exit, os.abort, sys.setrecursionlimit

    def guarded_exit(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) == (owner, thread):
            raise SubmissionExit(f"os._exit({status})")
        real_exit(status)

    def guarded_abort(*ignored: Any) -> NoReturn:
        if (os.getpid(), threading.get_ident()) == (owner, thread):
            raise SubmissionExit("os.abort()")
        real_abort()

    def guarded_limit(limit: int) -> None:
        real_limit(max(limit, LEAST_DEPTH))

    os._exit, os.abort, sys.setrecursionlimit = guarded_exit, guarded_abort, guarded_limit
    try:
        yield
    finally:
        os._exit, os.abort, sys.setrecursionlimit = real_exit, real_abort, real_limit
