"""What a worker tells of its file and its calls: believed as far as it is well-formed."""

import sys
from typing import Any

from gradus.submission.loader import MOST_NAMES, MOST_TOLD
from gradus.submission.status import Problem, Status
from gradus.wall.wire.nodes import WireError

MOST_LETTERS = 200  # of a name


def read_told(told: Any) -> tuple[list[Problem], list[str]]:
    """The problems and the names of a loaded file.

    Raises:
        TypeError: If it is malformed.
        ValueError: If it is malformed.
    """
    problems, names, _ = _list(told)  # no traceback of this process has its file names
    if len(_list(problems)) > MOST_TOLD + 1:
        raise ValueError("more problems than are told")
    read = [
        Problem(_text(where), _text(text), _names(missing), _kind(kind))
        for where, text, missing, kind in map(_list, _list(problems))
    ]
    return read, [_text(name) for name in _list(names)]


def read_record(told: Any) -> tuple[str, str | None]:
    """A call as a message shows it, and what it returned.

    Raises:
        WireError: If it is malformed.
    """
    if type(told) is not list or len(told) != 2:
        raise WireError("a malformed call")
    text, returned = told
    if type(text) is not str or not (returned is None or type(returned) is str):
        raise WireError("a malformed call")
    return text, returned


def write_output(told: dict[str, Any], most: int) -> int:
    """Print what the submission printed, at most so many characters; how many it were."""
    written = 0
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        text = told.get(name)
        if type(text) is str and text:
            text = text[: most - written].encode("utf-8", "replace").decode()
            written += len(text)
            stream.write(text)
    return written


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise TypeError("no list")
    return value


def _names(value: Any) -> tuple[str, ...]:
    return tuple(_text(name)[:MOST_LETTERS] for name in _list(value)[:MOST_NAMES])


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("no text")
    return value[:10_000].encode("utf-8", "backslashreplace").decode()


def _kind(value: object) -> Status:
    kind = Status(value)
    return kind if kind in (Status.TODO, Status.TIMEOUT) else Status.ERROR
