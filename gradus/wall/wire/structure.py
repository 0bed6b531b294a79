"""What a module is made of, as both sides tell it: submodules, parameters and buffers by number."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from gradus.wall.wire.kinds import describe_type

Buffer = tuple[nn.Module, str, torch.Tensor | None]  # where it is, and what was there
Parameter = tuple[str, nn.Module, str, torch.Tensor | None]  # likewise, with its path in front


def buffers_of(module: nn.Module) -> list[Buffer]:
    """Every buffer of a module and of what is in it."""
    return [(part, *buffer) for part in module.modules() for buffer in part._buffers.items()]


def keep_buffer(module: nn.Module, name: str, buffer: torch.Tensor | None) -> None:
    """Let `buffer` be that of the module again, with what has taken its place since."""
    new = module._buffers.get(name)
    if buffer is not None and new is not None and new is not buffer:
        buffer.data, module._buffers[name] = new.detach(), buffer


def parameters_of(module: nn.Module) -> list[Parameter]:
    """Every parameter's path, the module that it is in, its name there and itself."""
    return [
        (f"{path}.{name}" if path else name, part, name, parameter)
        for path, part in module.named_modules(remove_duplicate=False)
        for name, parameter in part._parameters.items()
    ]


def replaced(known: list[Parameter]) -> Iterator[tuple[str, torch.Tensor | None]]:
    """Path and what is there now, where another parameter has taken a place; noted in `known`."""
    for place, (path, part, name, parameter) in enumerate(known):
        now = part._parameters.get(name)
        if now is not parameter:
            known[place] = path, part, name, now
            yield path, now


def structure(module: nn.Module, number: Callable[[Any], int], share: Callable[[Any], int]) -> Any:
    """What a module is made of: its submodules with their parameters and buffers, by number.

    Args:
        module: The student's.
        number: Gives the number of an object.
        share: Shares a tensor and gives its number.
    """
    parts = []
    for path, part in module.named_modules(remove_duplicate=False):
        tensors = [
            [kind, name, share(tensor), name not in part._non_persistent_buffers_set]
            for kind, members in (("p", part._parameters), ("b", part._buffers))
            for name, tensor in members.items()
            if tensor is not None and not is_lazy(tensor)
        ]
        about = describe_type(part)
        parts.append([path, number(part), part.training, about, tensors])
    return parts


def fingerprint(module: nn.Module) -> list[Any]:
    """Changes when the module's structure, or the mode of a part, does."""
    marks: list[Any] = []
    for part in module.modules():
        marks += [id(part), part.training]
        marks += [id(x) for x in (*part._parameters.values(), *part._buffers.values())]
    return marks
