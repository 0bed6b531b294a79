"""What stands in the judge for a student's object: it forwards what is asked of it, and decides nothing.

Nothing that ends in a verdict or a number is forwarded: no comparison, truth, conversion or arithmetic, and
none of a tensor's own methods such as `max`. An object whose `==` is always true, whose `float()` is the
expected value, or that is zero whatever is taken from it, is only an object here.
"""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gradus.wall.wire.kinds import FORWARDED, KNOWN, OPERATORS
from gradus.wall.wire.nodes import WireError
from gradus.wall.wire.peer import Asking

# Methods of tensors that end in a verdict or a number, as in `(got - want).abs().max()`.
_NAMES = (
    "abs absolute all allclose amax amin any aminmax argmax argmin cosine_similarity count_nonzero "
    "cumsum diff dist eq equal ge greater gt isclose isfinite isinf isnan item le less lt max mean "
    "median min msort nanmean nansum ne neg norm numel prod quantile square std sub sum tolist "
    "unique var argsort argwhere bmm cdist div divide dot floor_divide fmax fmin fmod inner kthvalue "
    "logical_and logical_not logical_or logical_xor matmul maximum minimum mm mode mul multiply mv "
    "nonzero pow remainder sgn sign sort subtract topk trace true_divide vdot"
)
_VERDICTS = frozenset(_NAMES.split())
_NUMBERS = (torch.Tensor, np.ndarray, np.generic, int, float, complex)
_DATA = (*_NUMBERS, str, bytes, list, tuple, dict, set)
_CLASSES = 1_000  # kinds of proxies that are kept
_LONGEST = 200  # characters of a name


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
        found = self._judge.request("get", self, name)
        if name in _VERDICTS and found is not None and not isinstance(found, _DATA):
            kind = type(self).__name__  # it is no tensor, and what its method says decides nothing
            raise AttributeError(f"{kind!r} object has no attribute {name!r}")
        return found

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


def _operator(name: str) -> Callable[..., Any]:
    """An operator between objects of the submission's, which gives an object again."""
    forward = _forward(name)

    def method(self: Any, *others: Any) -> Any:
        if not all(isinstance(other, Remote) for other in others):
            return NotImplemented  # what is expected does not go to the submission to be subtracted there
        result = forward(self, *others)
        if not isinstance(result, Remote):
            raise TypeError(
                f"an object of the submission's gave data for __{name}__: where data is expected, compare "
                "with assert_matches"
            )
        return result

    method.__name__ = f"__{name}__"
    return method


def _len(self: Any) -> Any:
    return self._judge.request("special", self, "len", [], {})  # Python itself asks for an int


def _iter(self: Any) -> Any:
    return self._judge.request("special", self, "iter", [], {})  # ... and for an iterator


def _next(self: Any) -> Any:
    found = self._judge.request("next", self)
    if type(found) is not list or len(found) > 1:
        raise self._judge.loses(WireError("a malformed item"))
    if not found:
        raise StopIteration
    return found[0]


_METHODS: dict[str, Callable[..., Any]] = {
    **{name: _forward(name) for name in FORWARDED},
    **{name: _operator(name) for name in OPERATORS},
    "len": _len,
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
    if type(can) is not list or not set(can) <= set(FORWARDED):
        raise WireError("an unknown ability")
    can = [word for word in FORWARDED if word in set(can)]  # each once: the key is kept
    if not all(type(word) is str and len(word) <= _LONGEST for word in (name, module)):
        raise WireError("a malformed name")  # nor are megabytes, or tensors
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


def proxy_for(judge: Asking, node: dict[str, Any]) -> Remote:
    """A new proxy, of what the worker tells of its object.

    Raises:
        WireError: If that is malformed.
    """
    name, module = node["type"], node["module"]
    if type(name) is not str or type(module) is not str or "\0" in name:
        raise WireError("a malformed name")
    kind = proxy_class(Remote, name[:200], module[:200], node["known"], list(node["can"]))
    proxy: Remote = kind(judge, node["n"])
    return proxy
