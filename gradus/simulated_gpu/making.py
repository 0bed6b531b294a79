"""Functions that make tensors: on the device that they are asked for, or on that of their like."""

from typing import Any

import torch
from torch.utils import _device

from gradus.simulated_gpu.mode import SimulatedGPU, require_generator, rule
from gradus.simulated_gpu.places import CPU, Place, storage_of

_T: Any = torch.Tensor
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

_MAKE = _device._device_constructors()
_MAKE_LIKE = (
    *(torch.empty_like, torch.zeros_like, torch.ones_like, torch.full_like, torch.rand_like),
    *(torch.randn_like, torch.randint_like, _T.new_empty, _T.new_zeros, _T.new_ones, _T.new_full),
    *(_T.new_tensor, _T.new_empty_strided),
)
_COPY_DATA = (
    torch.tensor,
    torch.as_tensor,
    torch.asarray,
)  # their device is that of a tensor given


@rule(*_MAKE, torch.from_numpy)
def _make(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    data = args[0] if args else kwargs.get("data", kwargs.get("obj"))
    given = data if func in _COPY_DATA and isinstance(data, torch.Tensor) else None
    device, like = kwargs.get("device"), given
    if func is torch.sparse_coo_tensor:
        like = args[1] if len(args) > 1 else kwargs.get("values")
    if isinstance(like, torch.Tensor) and device is None:
        place = gpu.places.of(like)
    else:
        place = _place(gpu, _device.CURRENT_DEVICE if device is None else device)
    return _made(gpu, func, args, kwargs, place, given)


@rule(*_MAKE_LIKE)
def _make_like(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    like, device = args[0] if args else kwargs["input"], kwargs.get("device")
    place = gpu.places.of(like) if device is None else _place(gpu, device)
    if place.device.type == "cpu":
        place = gpu.places.here()
    return _made(gpu, func, args, kwargs, place, None)


def _place(gpu: SimulatedGPU, device: Any) -> Place:
    device = CPU if device is None else gpu.resolve(device)
    return gpu.places.here() if device.type == "cpu" else Place(device)


def _made(
    gpu: SimulatedGPU,
    func: Any,
    args: Args,
    kwargs: Kwargs,
    place: Place,
    given: torch.Tensor | None,
) -> Any:
    if kwargs.get("generator") is not None:
        require_generator(kwargs["generator"], place.device)
    if place.device.type == "meta":
        return func(*args, **kwargs)
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": CPU}
    if kwargs.get("pin_memory"):
        place, kwargs = Place(CPU, place.origin, pinned=True), {**kwargs, "pin_memory": False}
    made = func(*args, **kwargs)
    if given is not None and _same_memory(made, given):
        if place.device == gpu.places.device(given):
            return made
        made = made.clone()  # as_tensor(x, device=...) moves
    return gpu.places.note(made, place)


def _same_memory(a: torch.Tensor, b: torch.Tensor) -> bool:
    one, other = storage_of(a), storage_of(b)
    return one is not None and other is not None and one._cdata == other._cdata
