"""Functions that move tensors between devices."""

from typing import Any

import torch

from gradus.simulated_gpu.mode import SimulatedGPU, rule
from gradus.simulated_gpu.places import CPU, Place

_T: Any = torch.Tensor
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def move(gpu: SimulatedGPU, x: torch.Tensor, device: torch.device, **changes: Any) -> torch.Tensor:
    """`x` on a device; itself where it lives there and nothing else changes."""
    source = gpu.places.of(x)
    if x.is_meta or device.type == "meta":
        moved = x.to(device if device.type == "meta" else CPU, **changes)
        return moved if device.type == "meta" else gpu.places.note(moved, Place(device))
    if source.device == device:
        return gpu.settle(x.to(**changes), source) if changes else x
    moved = x.to(**{**changes, "copy": True})
    place = Place(device) if device.type != "cpu" else gpu.places.here()
    return gpu.places.note(moved, place)


@rule(_T.to)
def _to(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    x, words, named = args[0], list(args[1:]), dict(kwargs)
    other = words[0] if words and isinstance(words[0], torch.Tensor) else named.get("other")
    copy: dict[str, Any] = {"copy": True} if named.pop("copy", False) else {}
    if other is not None:
        return move(gpu, x, gpu.places.device(other), dtype=other.dtype, **copy)
    if words and type(words[0]) is int:
        words[0] = torch.device("cuda", words[0])
    if type(named.get("device")) is int:
        named["device"] = torch.device("cuda", named["device"])
    device, dtype, _, layout = torch._C._nn._parse_to(*words, **named)
    if dtype is not None:
        copy["dtype"] = dtype
    if layout is not None:
        copy["memory_format"] = layout
    return move(gpu, x, gpu.places.device(x) if device is None else gpu.resolve(device), **copy)


@rule(_T.cuda)
def _cuda(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    device = kwargs.get("device", args[1] if len(args) > 1 else None)
    resolved = gpu.resolve("cuda" if device is None else device)
    if resolved.type != "cuda":
        raise ValueError(f"Invalid device, must be cuda device, got {resolved}")
    return move(gpu, args[0], resolved)


@rule(_T.cpu)
def _cpu(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    return move(gpu, args[0], CPU)


@rule(_T.__deepcopy__)
def _deepcopy(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Its second argument, the memo, holds all that was copied before it, from whichever device."""
    place = gpu.places.of(args[0])
    copied = gpu.settle(func(*args, **kwargs), place)
    with torch._C.DisableTorchFunction():
        gradient = copied.grad
    if gradient is not None:
        gpu.settle(gradient, place)
    return copied


@rule(_T.pin_memory)
def _pin_memory(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    place = gpu.places.of(args[0])
    if place.device.type != "cpu":
        raise RuntimeError(f"cannot pin '{args[0].type()}' only dense CPU tensors can be pinned")
    return gpu.places.note(args[0].clone(), Place(CPU, place.origin, pinned=True))


@rule(_T.type)
def _type(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    place = gpu.places.of(args[0])
    wanted = args[1] if len(args) > 1 else kwargs.get("dtype")
    if wanted is None:
        name: str = func(args[0])
        return name.replace("torch.", "torch.cuda.") if place.device.type == "cuda" else name
    if isinstance(wanted, str):
        device = torch.device("cuda", gpu.current) if "cuda" in wanted else CPU
        changed = move(gpu, args[0], device)
        return gpu.settle(changed.type(wanted.replace(".cuda", "")), gpu.places.of(changed))
    return gpu.settle(func(*args, **kwargs), place)
