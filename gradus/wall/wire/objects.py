"""Whole objects from the judge to the worker: the trusted direction, so they may be pickled.

Functions and classes of a grader file go by value. Tensors inside go beside the pickle, as shared tensors:
what the student's code does to a model's weights shows in the judge's model.
"""

import copy
import functools
import inspect
import io
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import cloudpickle
import torch
from torch import nn

from gradus.wall.wire.snapshot import same_bits

_SOMEWHERE = "check"  # what the submission is told of the file that a function comes from
_PARTS = (torch.Tensor, torch.Generator)
# Most of what a model is pickled from, and never a part: asking `isinstance` of each is what takes long.
_NO_PARTS = frozenset(
    {str, int, float, bool, bytes, dict, list, tuple, set, type, type(None), OrderedDict}
)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, is_part: Callable[[Any], bool], parts: list[Any]) -> None:
        super().__init__(file, protocol=5)
        self._is_part, self._parts = is_part, parts
        self._places: dict[int, int] = {}  # id(part) -> its place in `parts`

    def reducer_override(self, obj: Any) -> Any:
        """Leave out where a function stands: `test_name.<locals>.f` would name a hidden check."""
        if isinstance(obj, types.FunctionType):
            self.globals_ref.setdefault(id(obj.__globals__), {"__name__": _SOMEWHERE})
        reduced = super().reducer_override(obj)
        if isinstance(obj, types.FunctionType) and isinstance(reduced, tuple):
            make, (code, *rest), (state, slots), *others = reduced
            slots = {**slots, "__qualname__": obj.__name__, "__module__": _SOMEWHERE}
            return make, (_without_place(code), *rest), (state, slots), *others
        return reduced

    def persistent_id(self, value: Any) -> int | None:
        if type(value) in _NO_PARTS:
            return None
        if not isinstance(value, _PARTS) and not self._is_part(value):
            return None
        if id(value) not in self._places:
            self._places[id(value)] = len(self._parts)
            self._parts.append(value)
        return self._places[id(value)]


def _without_place(code: types.CodeType) -> types.CodeType:
    """The same code without the names of its file and of what it is inside, and without its line."""
    inner = tuple(_without_place(c) if isinstance(c, types.CodeType) else c for c in code.co_consts)
    names: dict[str, Any] = {"co_qualname": code.co_name} if hasattr(code, "co_qualname") else {}
    return code.replace(co_consts=inner, co_filename=f"<{_SOMEWHERE}>", co_firstlineno=1, **names)


def dump(objects: list[Any], is_part: Callable[[Any], bool]) -> tuple[bytes, list[Any]]:
    """Pickle objects together; returns the bytes and the parts that are sent beside them.

    Raises:
        TypeError: If one cannot be pickled.
    """
    file, parts = io.BytesIO(), list[Any]()
    try:
        _Pickler(file, is_part, parts).dump(objects)
    except Exception as error:  # pickling runs the objects' own code
        kinds = ", ".join(sorted({type(value).__name__ for value in objects}))
        raise TypeError(
            f"this check gives the submission something that cannot be sent to another process "
            f"({kinds}: {type(error).__name__}: {error}). Make it inside a probe instead: "
            "submission.probe(function, ...)"
        ) from error
    return file.getvalue(), parts


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, parts: list[Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._parts = parts

    def persistent_load(self, pid: Any) -> Any:
        return self._parts[pid]


def load(data: bytes, parts: list[Any]) -> list[Any]:
    """The objects of `dump`, in the worker. Never used on what a worker sends."""
    objects: list[Any] = _Unpickler(data, parts).load()
    return objects


def send_by_value(modules: Iterable[types.ModuleType]) -> None:
    """Have functions and classes of these modules pickled by value: the worker cannot import them."""
    for module in modules:
        if sys.modules.get(module.__name__) is module:
            cloudpickle.register_pickle_by_value(module)


def import_name(value: Any) -> str | None:
    """`module:name` of a function or class that the worker can import too."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(name, str) or not name.isidentifier():
        return None
    if not isinstance(module, str):
        module = "builtins" if isinstance(value, types.BuiltinFunctionType) else None
    root = (module or "").partition(".")[0]
    if root not in _IMPORTABLE and root not in sys.stdlib_module_names:
        return None
    for place in (module, "torch", "torch.nn.functional"):
        if place and getattr(sys.modules.get(place), name, None) is value:
            return f"{place}:{name}"
    return None


_IMPORTABLE = {"torch", "torchvision", "numpy", "sklearn", "builtins"}


def is_callback(value: Any) -> bool:
    """Whether the judge runs it when the student's code calls it, so that what it notes stays here."""
    if isinstance(value, types.FunctionType | types.MethodType | functools.partial):
        return True
    if isinstance(value, type | nn.Module) or not callable(value):
        return False
    return isinstance(value, types.BuiltinFunctionType) or not _installed(type(value))


def is_iterator(value: Any) -> bool:
    """Whether it hands out items one by one, and cannot be copied."""
    if isinstance(value, type):
        return False
    return inspect.isgenerator(value) or (hasattr(value, "__next__") and hasattr(value, "__iter__"))


def _installed(kind: type) -> bool:
    root = kind.__module__.partition(".")[0]
    return root in _IMPORTABLE or root in sys.stdlib_module_names


def state_of(value: Any) -> Any:
    """What of a whole object changes beside its tensors, as plain data; None where nothing does."""
    if isinstance(value, nn.Module):
        return [part.training for part in value.modules()]
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, torch.optim.Optimizer):
        return value.state_dict()
    return None


def noted(state: Any, number: Callable[[torch.Tensor], int | None]) -> Any:
    """A copy of a `state_of` to compare with later; a shared tensor is noted by its number alone.

    What becomes of its values is told anyway.
    """
    if isinstance(state, torch.Tensor):
        shared = number(state)
        return copy.deepcopy(state) if shared is None else ("shared", shared)
    if type(state) in (list, tuple):
        return [noted(part, number) for part in state]
    if type(state) is dict:
        return {key: noted(part, number) for key, part in state.items()}
    return copy.deepcopy(state)


def set_state(value: Any, state: Any) -> None:
    """Take over a `state_of`.

    Raises:
        ValueError: If it does not fit; other exceptions of torch's likewise.
    """
    if isinstance(value, nn.Module):
        for part, training in zip(value.modules(), state, strict=True):
            part.training = bool(training)
    elif isinstance(value, torch.Generator):
        value.set_state(state)
    elif isinstance(value, torch.optim.Optimizer):
        value.load_state_dict(state)


def same_state(a: Any, b: Any) -> bool:
    """Whether two states are equal, tensors bit by bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and same_bits(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same_state, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same_state(a[key], b[key]) for key in a)
    return bool(a == b)
