"""Copies of what a check passes to a student's code: what that does to them never reaches the check."""

import copy
from typing import Any

import torch


def copies(value: Any, *, probe: bool = False) -> Any:
    """Copies of data, all the way down; functions, modules and generators are passed as they are.

    For a `probe`, tensors that gradients end up in are passed as they are too, and expanded ones stay so.
    """
    if isinstance(value, torch.Tensor):
        return _tensor_copy(value, probe=probe)
    if isinstance(value, tuple):
        items = [copies(item, probe=probe) for item in value]
        if hasattr(value, "_fields"):
            return type(value)(*items)
        torchs = type(value) is torch.Size or type(value).__module__ == "torch.return_types"
        return type(value)(items) if torchs else tuple(items)
    if type(value) is list:
        return [copies(item, probe=probe) for item in value]
    if type(value) is dict:
        return {key: copies(item, probe=probe) for key, item in value.items()}
    if type(value).__module__ == "numpy":
        return copy.copy(value)
    return value


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
