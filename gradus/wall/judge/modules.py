"""A student's `nn.Module` in the judge: a real module with the same parameters and buffers.

Parameters and buffers are shared tensors, so optimizers, `state_dict`, `load_state_dict` and `.to` of the
judge's own torch work on them; `forward` runs in the worker, and gradients come back across the wall.
"""

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import torch
from torch import nn

from gradus.wall.judge.proxies import Remote, proxy_class
from gradus.wall.wire.nodes import WireError
from gradus.wall.wire.structure import keep_buffer

_OWN = {"training", "_structure"}


class RemoteModule(Remote, nn.Module):
    """Stands for one module of the student's, or one inside it."""

    def __init__(self, judge: Any, number: int) -> None:
        nn.Module.__init__(self)
        Remote.__init__(self, judge, number)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the student's module."""
        return self._judge.request("call", self, list(args), kwargs, copies=True)

    def train(self, mode: bool = True) -> Any:
        """Call the student's `train`, which may do more than set flags."""
        if "_number" in vars(self):
            self._judge.request("train", self, bool(mode))
        return self

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
        """Serve `.double()` and `.to()`: buffers stay the shared tensors that they are, as parameters do."""
        before = dict(self._buffers)
        nn.Module._apply(self, fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in before.items():
            keep_buffer(self, name, buffer)
        return self

    def __getattr__(self, name: str) -> Any:
        try:
            return nn.Module.__getattr__(self, name)
        except AttributeError:
            return Remote.__getattr__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN or name in vars(self):
            object.__setattr__(self, name, value)
        else:
            self._judge.request("set", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._judge.request("delete", self, name)

    def __repr__(self) -> str:
        return str(self._judge.request("repr", self))

    __dir__ = Remote.__dir__


def build(
    judge: Any, parts: Any, get: Callable[[int], torch.Tensor], there: MutableMapping[int, Any]
) -> "RemoteModule":
    """Make the judge's module of a `structure`, or bring the one that is there up to date.

    Args:
        judge: Answers for the module.
        parts: The structure.
        get: Gives the shared tensor of a number.
        there: The proxies that there are, by number; new ones are added.

    Raises:
        WireError: If the structure is malformed.
    """
    if type(parts) is not list or not parts or len(parts) > 100_000:
        raise WireError("a malformed module")
    made: dict[str, RemoteModule] = {}
    for path, number, _, about, _ in parts:
        module = there.get(number)
        if not isinstance(module, RemoteModule):
            if type(number) is not int or type(path) is not str:
                raise WireError("a malformed module")
            can = [word for word in about["can"] if word != "call"]
            kind = proxy_class(RemoteModule, about["type"], about["module"], about["known"], can)
            module = there[number] = kind(judge, number)
        made[path] = module  # all of them, before one lets go of its parts
    for path, _, training, _, tensors in parts:
        module = made[path]
        module.training = training is True
        vars(module)["_modules"], vars(module)["_parameters"] = {}, {}
        vars(module)["_buffers"], vars(module)["_non_persistent_buffers_set"] = {}, set()
        _fill(module, tensors, get)
        parent, _, name = path.rpartition(".")
        if path:
            made[parent]._modules[name] = module
    return made[""]


def _fill(
    module: nn.Module, tensors: Iterator[list[Any]], get: Callable[[int], torch.Tensor]
) -> None:
    for kind, name, number, persistent in tensors:
        if type(name) is not str:
            raise WireError("a malformed module")
        tensor = get(number)
        if kind == "p" and isinstance(tensor, nn.Parameter):
            module._parameters[name] = tensor
        elif kind == "b":
            module._buffers[name] = tensor
            if not persistent:
                module._non_persistent_buffers_set.add(name)
        else:
            raise WireError("a malformed module")


def replace(module: Any, path: Any, parameter: Any) -> None:
    """Take over that another parameter has taken a place in a module of the check's.

    Args:
        module: What was given to the submission: a copy, unless the check lends its own.
        path: The parameter's, as `named_parameters` has it.
        parameter: What is there now.

    Raises:
        WireError: If that is not possible.
    """
    if not isinstance(module, nn.Module) or isinstance(module, RemoteModule):
        raise WireError("a parameter of no module that was given")
    above, _, name = path.rpartition(".")
    part = dict(module.named_modules(remove_duplicate=False))[above]  # no attribute is asked for
    if isinstance(part, RemoteModule):
        return  # the submission's own, in the check's: its structure is told anyway
    if name not in part._parameters or not isinstance(parameter, nn.Parameter | None):
        raise WireError("a malformed parameter")
    part._parameters[name] = parameter
