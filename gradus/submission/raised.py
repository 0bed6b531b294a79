"""What student code raised, in words: the text, and the lines of the student's own files on the way."""

import os
import re
import sys
import traceback
from collections.abc import Collection
from dataclasses import dataclass

from gradus.submission.exits import SubmissionExit

# What differs from run to run: addresses, and folders of `tempfile`. Reports of the same answer are the same.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{4,}")
_FOLDERS = filter(None, (*map(os.environ.get, ("TMPDIR", "TEMP", "TMP")), "/tmp", "/var/tmp"))
_ANY = "|".join(re.escape(folder.rstrip("/\\")) for folder in _FOLDERS)
_TEMPORARY = re.compile(rf"(?:{_ANY})[/\\]tmp[a-z0-9_]{{8}}\b")


@dataclass(frozen=True)
class Frame:
    """A line of the student's that an exception passed through."""

    filename: str
    line_number: int
    function: str
    line: str

    def __str__(self) -> str:
        where = f"{self.filename}:{self.line_number} in {self.function}"
        return f"{where}\n    {self.line}" if self.line else where


@dataclass(frozen=True)
class Raised:
    """An exception as a student reads of it. Frames are in the order of the calls."""

    text: str
    frames: tuple[Frame, ...] = ()


def raised(error: BaseException, filenames: Collection[str]) -> Raised:
    """Describe an exception; one that comes from another process says itself what it is."""
    known: Raised | None = getattr(error, "raised_elsewhere", None)
    if known is not None:
        return known
    frames = [
        Frame(frame.filename, frame.lineno or 0, frame.name, frame.line or "")
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename in filenames
    ]
    return Raised(raised_text(error), tuple(frames))


def raised_text(error: BaseException) -> str:
    """What was raised, and where it is no way to answer, what to do instead."""
    if isinstance(error, SystemExit | SubmissionExit):
        return f"it ends the program ({error!r}): return a value, or raise an exception"
    if steers_pytest(error):
        return f"it steers pytest ({type(error).__name__}): return a value instead"
    notes = getattr(error, "__notes__", ()) if sys.version_info < (3, 11) else ()
    text = "\n".join(["".join(traceback.format_exception_only(error)).strip(), *notes])
    return _TEMPORARY.sub("<temporary>", _ADDRESS.sub("", text))


def steers_pytest(error: BaseException) -> bool:
    """Whether it is one of pytest's own: skip, xfail, fail, exit. (pytest need not be imported.)"""
    return any(kind.__module__ == "_pytest.outcomes" for kind in type(error).__mro__)
