"""Copies of what a check passes to a student's code: what that does to them never reaches the check."""

import copy
from typing import Any

import torch
from torch.utils.data import DataLoader

# What code that it is passed to could change behind a check's back, weights and data included.
KINDS = (torch.nn.Module, torch.optim.Optimizer, DataLoader)


def copies(value: Any, *, probe: bool = False, lend: bool = False) -> Any:
    """Copies of data and of objects such as models and loaders, all the way down.

    Functions, classes, iterators, generators and other objects are passed as they are.

    Args:
        value: What a check passes.
        probe: Tensors that gradients end up in are passed as they are too, and expanded ones stay so.
        lend: Models, optimizers and loaders are passed as they are, too: what becomes of them shows.

    Raises:
        TypeError: If a model, optimizer or loader cannot be copied.
    """
    return _Copier(probe=probe, lend=lend).copy(value)


class _Copier:
    """Copies what is passed in one call: what two arguments share, their copies share."""

    def __init__(self, *, probe: bool, lend: bool) -> None:
        self._probe, self._lend = probe, lend
        self._memo: dict[int, Any] = {}

    def copy(self, value: Any) -> Any:
        """The copy of one value."""
        if isinstance(value, torch.Tensor):
            return _tensor_copy(value, probe=self._probe)
        if isinstance(value, tuple):
            items = [self.copy(item) for item in value]
            if hasattr(value, "_fields"):
                return type(value)(*items)
            torchs = type(value) is torch.Size or type(value).__module__ == "torch.return_types"
            return type(value)(items) if torchs else tuple(items)
        if type(value) is list:
            return [self.copy(item) for item in value]
        if type(value) is dict:
            return {key: self.copy(item) for key, item in value.items()}
        if type(value).__module__ == "numpy":
            return copy.copy(value)
        return (
            deep_copy(value, self._memo) if not self._lend and isinstance(value, KINDS) else value
        )


def deep_copy(value: Any, memo: dict[int, Any]) -> Any:
    """A deep copy of an object; `memo` is that of `copy.deepcopy`.

    Raises:
        TypeError: If it cannot be copied; with what the author of the check can do.
    """
    try:
        return copy.deepcopy(value, memo)
    except Exception as error:  # copying runs the object's own code
        raise TypeError(
            f"this check gives the submission a {type(value).__name__} that cannot be copied "
            f"({type(error).__name__}: {error}). Make it inside a probe, or mark the check with "
            "@pytest.mark.trains: then the submission gets the check's own"
        ) from error


def _tensor_copy(tensor: torch.Tensor, *, probe: bool) -> torch.Tensor:
    """The same values and, where possible, the same strides; part of the graph if the tensor is."""
    if probe and tensor.requires_grad and tensor.is_leaf:
        return tensor
    if tensor.requires_grad or tensor.layout is not torch.strided:
        return tensor.clone()
    if is_expanded(tensor):
        return unexpanded(tensor).clone().expand(tensor.shape) if probe else tensor.clone()
    twin = torch.empty_strided(
        tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device
    )
    return twin.copy_(tensor)


def is_expanded(tensor: torch.Tensor) -> bool:
    """Whether elements of a tensor share memory, as `expand` makes them."""
    return any(
        step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True)
    )


def unexpanded(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor that `expand` made this one of."""
    for dim, step in enumerate(tensor.stride()):
        if step == 0 and tensor.shape[dim] > 1:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor
