"""What a worker tells of an object that only it has: the name of its type, and what can be done with it."""

import types
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

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

# What a proxy can do: special methods that end neither in a verdict nor in a number, but for a length.
OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "neg", "pos")
FORWARDED = ("call", "len", "getitem", "setitem", "iter", "next", "enter", "exit", *OPERATORS)


def describe_type(value: Any) -> dict[str, Any]:
    """What a proxy is made from, told by the worker."""
    kind = type(value)
    known = next((name for base in kind.__mro__ if (name := _known_name(base))), None)
    can = [word for word in FORWARDED if _has(kind, f"__{word}__")]
    if isinstance(value, type):
        can = ["call"]
    name = getattr(kind, "__name__", "object")
    return {
        "type": str(name)[:200],
        "module": str(getattr(kind, "__module__", ""))[:200],
        "known": known,
        "can": can,
    }


def _has(kind: type, name: str) -> bool:
    """Whether objects of a class have a special method; `hasattr` would find the class's own `__call__`."""
    found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    return found is not None


def _known_name(kind: type) -> str | None:
    return _NAMES.get(kind)


_NAMES = {kind: name for name, kind in KNOWN.items()}
