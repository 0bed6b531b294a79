"""What stands in the judge for a student's object: it forwards what is asked of it, and decides nothing.

Comparisons, truth and conversion to numbers are never forwarded: an object whose `==` is always true, or
whose `float()` is the expected value, is only an object here.
"""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gradus.wall.wire.kinds import FORWARDED, KNOWN
from gradus.wall.wire.nodes import WireError
from gradus.wall.wire.peer import Asking

_COMPARING = ("add", "sub", "truediv", "floordiv", "mod", "pow")  # `got - want` is a comparison
_CLASSES = 1_000  # kinds of proxies that are kept


class Remote:
    """An object of the student's, in the worker."""

    def __init__(self, judge: Asking, number: int) -> None:
        vars(self).update(_judge=judge, _number=number)
        if number in judge.dead:  # the worker has not been told yet that the last one was dropped
            judge.dead.remove(number)
        weakref.finalize(self, judge.dead.append, number)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in _READABLE:
            raise AttributeError(name)
        return self._judge.request("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._judge.request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._judge.request("delete", self, name)

    def __dir__(self) -> list[str]:
        names = self._judge.request("dir", self)
        return [str(name) for name in names]

    def __repr__(self) -> str:
        return str(self._judge.request("repr", self))

    def __copy__(self) -> Any:
        return self._judge.request("copy", self, False)

    def __deepcopy__(self, memo: object) -> Any:
        return self._judge.request("copy", self, True)

    def __reduce__(self) -> Any:
        raise TypeError(
            "an object of the submission's cannot be pickled or saved here: use submission.probe"
        )


def asks_through(proxy: Remote) -> Asking:
    """The conversation that a proxy belongs to. (Its attributes are the student's object's.)"""
    asking: Asking = vars(proxy)["_judge"]
    return asking


def number_of(proxy: Remote) -> int:
    """The number of the object that a proxy stands for."""
    number: int = vars(proxy)["_number"]
    return number


_READABLE = {"__name__", "__doc__", "__qualname__", "__module__"}


def _forward(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        copies = name == "call"
        return self._judge.request("special", self, name, list(args), kwargs, copies=copies)

    method.__name__ = f"__{name}__"
    return method


def _arithmetic(name: str) -> Callable[..., Any]:
    """An operator. With a check's own value it gives an object again: a difference that is data compares."""
    forward = _forward(name)

    def method(self: Any, other: Any) -> Any:
        result = forward(self, other)
        if not isinstance(result, Remote) and not isinstance(other, Remote):
            raise TypeError(
                f"an object of the submission's gave data for __{name}__ with a value of the check's: "
                "where data is expected, compare with assert_matches"
            )
        return result

    method.__name__ = f"__{name}__"
    return method


def _len(self: Any) -> int:
    length = self._judge.request("special", self, "len", [], {})
    if type(length) is not int:
        raise WireError("a length that is no int")
    return length


def _contains(self: Any, item: object) -> bool:
    return self._judge.request("special", self, "contains", [item], {}) is True


def _iter(self: Any) -> Iterator[Any]:
    iterator = self._judge.request("special", self, "iter", [], {})
    if not isinstance(iterator, Remote | Iterator):
        raise WireError("an iterator that is none")
    return iterator


def _next(self: Any) -> Any:
    found = self._judge.request("next", self)
    if type(found) is not list or len(found) > 1:
        raise WireError("a malformed item")
    if not found:
        raise StopIteration
    return found[0]


_METHODS: dict[str, Callable[..., Any]] = {
    **{name: _forward(name) for name in FORWARDED},
    **{f"{side}{name}": _arithmetic(f"{side}{name}") for name in _COMPARING for side in ("", "r")},
    "len": _len,
    "contains": _contains,
    "iter": _iter,
    "next": _next,
}
_kinds: dict[tuple[Any, ...], type] = {}


def proxy_class(base: type, name: str, module: str, known: str | None, can: list[str]) -> type:
    """The class of a proxy: it has the student's type's name and just the abilities of it.

    Args:
        base: `Remote`, or the class for modules.
        name: Of the student's type, for messages.
        module: Of the student's type.
        known: Name of the nearest type of torch's or Python's that it is a subclass of.
        can: Which of `FORWARDED` it has.

    Raises:
        WireError: If one of them is not known.
    """
    if known is not None and (known not in KNOWN or _is_module(KNOWN[known]) != _is_module(base)):
        raise WireError("an unknown type")
    if not set(can) <= set(FORWARDED):
        raise WireError("an unknown ability")
    key = (base, name, module, known, *can)
    if key not in _kinds:
        if len(_kinds) >= _CLASSES:
            _kinds.clear()
        members: dict[str, Any] = {f"__{word}__": _METHODS[word] for word in can}
        members["__module__"] = module
        members["__doc__"] = property(lambda self: self.__getattr__("__doc__"))
        if known is not None:
            claimed = KNOWN[known]
            members["__class__"] = property(lambda self: claimed)
        _kinds[key] = type(name, (base,), members)
    return _kinds[key]


def _is_module(kind: type) -> bool:
    return issubclass(kind, torch.nn.Module)
