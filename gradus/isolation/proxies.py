"""What stands in the judge for a student's object: it forwards what is asked of it, and decides nothing.

Comparisons, truth and conversion to numbers are never forwarded: an object whose `==` is always true, or
whose `float()` is the expected value, is only an object here.
"""

import types
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from gradus.isolation.wire import WireError

if TYPE_CHECKING:
    from gradus.isolation.judge import Judge

# Types that a proxy says it is an instance of (`isinstance`), where the student's object is.
KNOWN: dict[str, type] = {
    **{
        f"torch.nn.{name}": kind
        for name, kind in vars(torch.nn).items()
        if isinstance(kind, type) and issubclass(kind, torch.nn.Module)
    },
    **{
        f"torch.optim.{name}": kind
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type)
    },
    "torch.utils.data.Dataset": Dataset,
    "torch.utils.data.IterableDataset": IterableDataset,
    "torch.utils.data.DataLoader": DataLoader,
    "torch.utils.data.Sampler": Sampler,
    "builtins.function": types.FunctionType,
    "builtins.generator": types.GeneratorType,
}

_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_COMPARING = ("add", "sub", "truediv", "floordiv", "mod", "pow")  # `got - want` is a comparison
FORWARDED = (
    *("call", "len", "getitem", "setitem", "contains", "iter", "next", "enter", "exit"),
    *("neg", "pos", "abs", *_BINARY, *(f"r{name}" for name in _BINARY)),
)
_CLASSES = 1_000  # kinds of proxies that are kept


class Remote:
    """An object of the student's, in the worker."""

    def __init__(self, judge: "Judge", number: int) -> None:
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


def describe_type(value: Any) -> dict[str, Any]:
    """What a proxy is made from, told by the worker."""
    kind = type(value)
    known = next((name for base in kind.__mro__ if (name := _known_name(base))), None)
    can = [word for word in FORWARDED if hasattr(kind, f"__{word}__")]
    if isinstance(value, type):
        can = ["call"]
    name = getattr(kind, "__name__", "object")
    return {
        "type": str(name)[:200],
        "module": str(getattr(kind, "__module__", ""))[:200],
        "known": known,
        "can": can,
    }


def _known_name(kind: type) -> str | None:
    return _NAMES.get(kind)


_NAMES = {kind: name for name, kind in KNOWN.items()}
