"""What a real GPU says when devices are mixed."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from gradus.simulated_gpu.places import Place

SAME = "Expected all tensors to be on the same device"

# The kernel that a function ends in, and what it calls the function's tensors, in the kernel's order.
# Source: the operator schemas of ATen/native/native_functions.yaml.
_KERNELS: dict[Any, tuple[str, tuple[tuple[int, str], ...]]] = {
    F.linear: ("addmm", ((2, "self"), (0, "mat1"), (1, "mat2"))),
    torch.addmm: ("addmm", ((0, "self"), (1, "mat1"), (2, "mat2"))),
    torch.mm: ("mm", ((0, "self"), (1, "mat2"))),
    torch.bmm: ("bmm", ((0, "self"), (1, "mat2"))),
    torch.mv: ("addmv_", ((0, "mat"), (1, "vec"))),
    F.embedding: ("_index_select", ((1, "self"), (0, "index"))),
    torch.index_select: ("_index_select", ((0, "self"), (2, "index"))),
    torch.Tensor.index_select: ("_index_select", ((0, "self"), (2, "index"))),
    torch.gather: ("gather", ((0, "self"), (2, "index"))),
    torch.Tensor.gather: ("gather", ((0, "self"), (2, "index"))),
    F.cross_entropy: ("nll_loss_forward", ((0, "self"), (1, "target"), (2, "weight"))),
    F.nll_loss: ("nll_loss_forward", ((0, "self"), (1, "target"), (2, "weight"))),
    F.layer_norm: ("_native_layer_norm", ((0, "input"), (2, "weight"), (3, "bias"))),
    F.batch_norm: ("_cudnn_batch_norm", ((0, "input"), (3, "weight"), (4, "bias"))),
}
_MATMULS = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__)
_CONVOLUTIONS = (
    torch.conv1d,
    torch.conv2d,
    torch.conv3d,
    torch.conv_transpose1d,
    torch.conv_transpose2d,
)
_LISTS = {
    torch.cat: "cat",
    torch.stack: "cat",
    torch.concat: "cat",
    torch.hstack: "cat",
    torch.vstack: "cat",
}


def mixed(
    func: Callable[..., Any],
    args: Sequence[Any],
    tensors: Sequence[torch.Tensor],
    place_of: Callable[[torch.Tensor], Place],
) -> RuntimeError:
    """The error that a call with tensors on several devices raises, with a note on where they come from."""
    places = [place_of(tensor) for tensor in tensors]
    common = next((p.device for p in places if p.device.type != "cpu"), places[0].device)
    error = RuntimeError(_text(func, args, tensors, place_of, common))
    stray = next(p for p in places if p.device != common)
    explain(error, stray)
    return error


def explain(error: Exception, place: Place) -> None:
    """Add to an error which line made the tensor that is elsewhere."""
    if place.device.type != "cpu":
        return
    if place.origin is not None:
        note = f"the tensor on the CPU was made at {place.origin}"
    else:
        note = "the tensor on the CPU was given to your code and not moved: x = x.to(device)"
    if sys.version_info >= (3, 11):
        error.add_note(note)
    else:
        vars(error)["__notes__"] = [note]


def _text(
    func: Callable[..., Any],
    args: Sequence[Any],
    tensors: Sequence[torch.Tensor],
    place_of: Callable[[torch.Tensor], Place],
    common: torch.device,
) -> str:
    devices = [place_of(tensor).device for tensor in tensors]
    if func in _CONVOLUTIONS and len(tensors) > 1:
        names = [
            _type_name(tensor, device) for tensor, device in zip(tensors, devices, strict=True)
        ]
        if devices[0] != devices[1]:
            return f"Input type ({names[0]}) and weight type ({names[1]}) should be the same"
        return f"Input type ({names[0]}) and bias type ({names[-1]}) should be the same"
    if func is torch.einsum:
        tensors = args = [x for x in tensors if x.dim()]
        func = torch.bmm
    if func in _MATMULS and all(tensor.dim() > 1 for tensor in tensors):
        func = torch.mm if all(tensor.dim() == 2 for tensor in tensors) else torch.bmm
    kernel, order = _KERNELS.get(func, ("", ()))
    first: torch.device | None = None
    for index, name in order:
        value = args[index] if index < len(args) else None
        if not isinstance(value, torch.Tensor):
            continue
        device = place_of(value).device
        first = device if first is None else first
        if device != first:
            return (
                f"{SAME}, but got {name} is on {device}, different from other tensors on {first} "
                f"(when checking argument in method wrapper_CUDA_{kernel})"
            )
    if func in _LISTS:
        other = next(device for device in devices if device != devices[0])
        return (
            f"{SAME}, but got tensors is on {other}, different from other tensors on {devices[0]} "
            f"(when checking argument in method wrapper_CUDA_{_LISTS[func]})"
        )
    other = next(device for device in devices if device != common)
    return f"{SAME}, but found at least two devices, {common} and {other}!"


def _type_name(tensor: torch.Tensor, device: torch.device) -> str:
    name: str = tensor.type()
    return name.replace("torch.", f"torch.{device.type}.") if device.type != "cpu" else name


def of_rnn(
    args: Sequence[Any], place_of: Callable[[torch.Tensor], Place], states: Sequence[torch.Tensor]
) -> RuntimeError | None:
    """What an RNN's kernel says where its input, its state or its weights are on several devices."""
    at = place_of(args[0])
    lists = [a for a in args if isinstance(a, list | tuple)]
    weights = [w for items in lists for w in items if isinstance(w, torch.nn.Parameter)]
    for kind, others in (("hidden", states), ("parameter", weights)):
        for other in others:
            place = place_of(other)
            if place.device != at.device:
                error = RuntimeError(
                    f"Input and {kind} tensors are not at the same device, found input tensor at "
                    f"{at.device} and {kind} tensor at {place.device}"
                )
                explain(error, place if at.device.type != "cpu" else at)
                return error
    return None
