"""The reference with every result spoiled: NaN for each number, nothing for each container, or both.

It stands for a worker that was taken over and answers with what no comparison notices: `x > limit` is false
for NaN, `all([])` is true, and a mean over nothing is NaN. The reference still runs, so that only what it
gives back is wrong; what it does to the objects that a check passes in stays right.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from gradus.submission.calls import Observed, StudentFunction, Submission

Spoil = Callable[[Any], Any]


def with_nan(value: Any) -> Any:
    """The same with NaN in place of every floating number, all the way down."""
    if isinstance(value, torch.Tensor):
        return value * torch.nan if value.is_floating_point() or value.is_complex() else value
    if isinstance(value, np.ndarray):
        return np.full_like(value, np.nan) if value.dtype.kind == "f" else value
    if isinstance(value, float | int | np.number) and not isinstance(value, bool):
        return math.nan
    return _inside(value, with_nan)


def with_nothing(value: Any) -> Any:
    """An empty container or tensor for each; what is no container stays."""
    if isinstance(value, torch.Tensor):
        return value.flatten()[:0]
    if isinstance(value, np.ndarray):
        return value.reshape(-1)[:0]
    if isinstance(value, str | bytes | dict | list | set) or type(value) is tuple:
        return type(value)()
    return value


def with_hollow(value: Any) -> Any:
    """As many parts as there should be, but each list and tensor inside is empty."""
    if isinstance(value, torch.Tensor) and value.dim():
        return value[:0]
    if isinstance(value, list) and not any(isinstance(part, list | tuple | dict) for part in value):
        return []
    return _inside(value, with_hollow)


def _inside(value: Any, spoil: Spoil) -> Any:
    if isinstance(value, dict):
        return (
            type(value)({key: spoil(part) for key, part in value.items()})
            if type(value) is dict
            else value
        )
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(spoil, value))
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(map(spoil, value))
    return value


WAYS = {"nan": with_nan, "nothing": with_nothing, "hollow": with_hollow}


class Spoiling:
    """A pytest plugin: while a check runs, what it gets from the submission is spoiled."""

    def __init__(self, spoil: Spoil, *, probes: bool, calls: bool) -> None:
        self.spoil, self.probes, self.calls = spoil, probes, calls
        self._depth = (
            0  # only what leaves the submission is spoiled, not what its parts give each other
        )
        self._classes: dict[type, type] = {}
        self.spoiled: dict[str, int] = {}  # check -> how many values were made others
        self._check = ""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Around each check."""
        self._check = item.originalname
        with pytest.MonkeyPatch.context() as patch:
            self._install(patch)
            yield

    def _install(self, patch: pytest.MonkeyPatch) -> None:
        probe, call, observe = (
            Submission.probe,
            StudentFunction.call_with,
            StudentFunction.observe_with,
        )

        def spoiled_probe(this: Submission, *words: Any) -> Any:
            with self._inner():
                result = probe(this, *words)
            return self._spoiled(result) if self.probes else result

        def spoiled_call(this: StudentFunction, *words: Any) -> Any:
            with self._inner():
                result = call(this, *words)
            return self.leaving(result) if self.calls else result

        def spoiled_observe(this: StudentFunction, *words: Any) -> Observed:
            with self._inner():
                seen = observe(this, *words)
            return (
                dataclasses.replace(seen, result=self.leaving(seen.result)) if self.calls else seen
            )

        patch.setattr(Submission, "probe", spoiled_probe)
        patch.setattr(StudentFunction, "call_with", spoiled_call)
        patch.setattr(StudentFunction, "observe_with", spoiled_observe)

    @contextmanager
    def _inner(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def leaving(self, value: Any) -> Any:
        """What the check gets in place of a value: data spoiled, objects that spoil what they give."""
        if self._depth:
            return value
        if isinstance(value, torch.nn.Module):
            value.register_forward_hook(lambda module, args, result: self.leaving(result))
            return value
        if _is_students(value):
            kind = type(value)
            if kind not in self._classes:
                self._classes[kind] = self._spoiling_class(kind)
            try:
                value.__class__ = self._classes[kind]
            except TypeError:  # another layout: slots, a tuple
                return value
            return value
        return self._spoiled(value)

    def _spoiled(self, value: Any) -> Any:
        spoiled = self.spoil(value)
        if _differ(value, spoiled):
            self.spoiled[self._check] = self.spoiled.get(self._check, 0) + 1
        return spoiled

    def _spoiling_class(self, kind: type) -> type:
        names = {
            name
            for base in kind.__mro__[:-1]
            for name, member in vars(base).items()
            if callable(member) and name not in _KEPT
        }
        members = {
            name: self._method(getattr(kind, name))
            for name in names
            if callable(getattr(kind, name))
        }
        members["__getattribute__"] = self._reading(kind)
        return type(kind.__name__, (kind,), members)

    def _method(self, method: Any) -> Any:
        @functools.wraps(method)
        def spoiled(*args: Any, **kwargs: Any) -> Any:
            with self._inner():
                result = method(*args, **kwargs)
            return self.leaving(result)

        return spoiled

    def _reading(self, kind: type) -> Any:
        def read(this: Any, name: str) -> Any:
            value = kind.__getattribute__(this, name)
            if self._depth or name.startswith("__") or callable(value):
                return value
            return self.leaving(value)

        return read


_KEPT = {
    "__init__",
    "__new__",
    "__class__",
    "__init_subclass__",
    "__getattribute__",
    "__setattr__",
    "__del__",
    "__hash__",
}
_KEPT |= {
    "__len__",
    "__bool__",
    "__repr__",
    "__str__",
    "__sizeof__",
    "__dir__",
    "__format__",
    "__reduce__",
}


def _is_students(value: Any) -> bool:
    """Whether a value is an object of a class of the submission's."""
    return type(value).__module__.startswith("submission_") and not isinstance(
        value, type | BaseException
    )


def _differ(value: Any, spoiled: Any) -> bool:
    """Whether spoiling has changed anything."""
    if isinstance(value, torch.Tensor):
        return spoiled is not value and (value.shape != spoiled.shape or value.numel() > 0)
    if isinstance(value, np.ndarray):
        return spoiled is not value
    if type(value) is not type(spoiled) or (
        isinstance(value, list | tuple | dict) and len(value) != len(spoiled)
    ):
        return True
    if isinstance(value, dict):
        return any(_differ(value[key], spoiled[key]) for key in value)
    if isinstance(value, list | tuple):
        return any(map(_differ, value, spoiled))
    return spoiled is not value
