"""Keep a submission from ending the process that grades it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


class SubmissionExit(BaseException):
    """The student's code did what would have ended the whole run: `os._exit`, `os.abort`, `pytest.exit`."""

    def __repr__(self) -> str:
        return str(self)


class ProcessLost(BaseException):
    """The student's process ended, or talks nonsense. No `except Exception` of a check may hide it."""


@contextmanager
def exits_intercepted() -> Iterator[None]:
    """Turn `os._exit` and `os.abort` into `SubmissionExit` in this thread of this process.

    Forked children (DataLoader workers) and other threads keep the real ones: they need them.
    A convenience for honest mistakes, not a wall.
    """
    owner, thread = os.getpid(), threading.get_ident()
    real_exit, real_abort = os._exit, os.abort

    def guarded_exit(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) == (owner, thread):
            raise SubmissionExit(f"os._exit({status})")
        real_exit(status)

    def guarded_abort(*ignored: Any) -> NoReturn:
        if (os.getpid(), threading.get_ident()) == (owner, thread):
            raise SubmissionExit("os.abort()")
        real_abort()

    os._exit, os.abort = guarded_exit, guarded_abort
    try:
        yield
    finally:
        os._exit, os.abort = real_exit, real_abort
