"""Exceptions across the wall: described where they are raised, rebuilt as their like on the other side."""

import builtins
from collections.abc import Collection
from typing import Any

import torch

from gradus.submission.calls import StudentError
from gradus.submission.exits import SubmissionExit
from gradus.submission.raised import Frame, Raised, raised
from gradus.submission.status import Status
from gradus.wall.wire.nodes import WireError

_KNOWN: dict[str, type[Exception]] = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and name != "ExceptionGroup"
} | {"OutOfMemoryError": torch.OutOfMemoryError}
_LONGEST = 4_000  # characters of a text
_MOST_FRAMES = 20


class Originals:
    """Exceptions of this side that went across, so that one that comes back is itself again."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, BaseException]] = []
        self._next = 0  # no id(): an address is none of the other side's business

    def keep(self, error: BaseException) -> int:
        """A number for an exception. It lets go of its frames: they hold on to whatever was sent."""
        for kept in _chain(error):
            kept.__traceback__ = None
        self._next += 1
        self._kept = [*self._kept[-15:], (self._next, error)]
        return self._next

    def clear(self) -> None:
        """Forget them all. Their numbers are not given again."""
        self._kept.clear()

    def find(self, number: object) -> BaseException | None:
        """The exception of a number, where it is one of the last few."""
        if type(number) is not int:
            return None
        return next((error for known, error in self._kept if known == number), None)


def _chain(error: BaseException | None) -> list[BaseException]:
    """An exception, and those that led to it."""
    chain: list[BaseException] = []
    waiting = [error]
    while waiting and len(chain) < 100:
        one = waiting.pop()
        if one is not None and not any(one is other for other in chain):
            chain.append(one)
            waiting += [one.__cause__, one.__context__]
    return chain


def describe_exception(
    error: BaseException, filenames: Collection[str], originals: Originals
) -> dict[str, Any]:
    """What the other side needs to know of an exception, as plain data."""
    came = raised(error, filenames)
    try:
        message = str(error)
    except Exception:  # the exception's own __str__ may be broken
        message = ""
    return {
        "type": type(error).__name__[:200],
        "module": type(error).__module__[:200],
        "known": [kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KNOWN],
        "message": message[:_LONGEST],
        "kind": error.kind.value if isinstance(error, StudentError) else None,
        "text": came.text[:_LONGEST],
        "frames": [
            [f.filename, f.line_number, f.function, f.line[:200]]
            for f in came.frames[-_MOST_FRAMES:]
        ],
        "number": originals.keep(error),
        "back": getattr(error, "number_elsewhere", None),
    }


def rebuild_exception(node: Any, originals: Originals) -> BaseException:
    """The exception to raise on this side.

    Its type has the same name and is a subclass of the nearest built-in exception. What would end or
    steer the program is a `SubmissionExit`; an exception that began on this side comes back as itself.

    Raises:
        WireError: If `node` describes none.
    """
    if not isinstance(node, dict):
        raise WireError("no exception")
    try:
        name, module = _text(node["type"]), _text(node["module"])
        message = _text(node["message"])
        if not all(type(node[part]) is list for part in ("known", "frames")):
            raise WireError("a malformed exception")
        known = [_KNOWN[word] for word in node["known"] if word in _KNOWN]
        frames = tuple(
            Frame(_text(file), _number(line), _text(function), _text(source))
            for file, line, function, source in node["frames"]
        )
        came = Raised(_text(node["text"]), frames)
        kind = None if node["kind"] is None else Status(_text(node["kind"]))
        number, back = node["number"], node["back"]
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise WireError("a malformed exception") from None
    error = originals.find(back)
    if error is None:
        error = _like(name, module, message, known, kind)
    known_error: Any = error
    known_error.raised_elsewhere = came
    known_error.number_elsewhere = number
    return error


def _like(
    name: str, module: str, message: str, known: list[type[Exception]], kind: Status | None
) -> BaseException:
    if kind is not None:
        told = (Status.TODO, Status.TIMEOUT)
        return StudentError(message, kind if kind in told else Status.ERROR)
    if not known:
        return SubmissionExit(message or name)
    base: Any = known[0]
    methods = {"__str__": lambda self: message, "__module__": module}
    error: BaseException = base.__new__(type(name.replace("\0", " "), (base,), methods), message)
    return error


def _number(value: object) -> int:
    if type(value) is not int:
        raise WireError("a malformed exception")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 4 * _LONGEST:
        raise WireError("a malformed exception")
    return value.encode("utf-8", "backslashreplace").decode()
