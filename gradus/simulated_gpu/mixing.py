"""Functions that take tensors of several devices, or say in words of their own that they do not."""

from typing import Any

import torch

from gradus.simulated_gpu import errors
from gradus.simulated_gpu.mode import SimulatedGPU, rule, tensors_in
from gradus.simulated_gpu.places import Place

_T: Any = torch.Tensor
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


@rule(_T.grad.__set__)
def _set_grad(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    x, grad = args
    if isinstance(grad, torch.Tensor):
        here, there = gpu.places.device(x), gpu.places.of(grad)
        if there.device != here:
            error = RuntimeError(
                f"assigned grad has data located on a different device: expected {here}, "
                f"got {there.device}"
            )
            errors.explain(error, there)
            raise error
    return func(*args)


@rule(_T.record_stream)
def _record_stream(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> None:
    """Nothing waits here."""


@rule(_T.__getitem__)
def _get_item(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    place = gpu.places.of(args[0])
    _require_indices(gpu, tensors_in([args[1]]), place)
    return gpu.settle(func(*args), place)


@rule(_T.__setitem__, _T.index_put_)
def _set_item(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    x, index, value = args[:3]
    place, indices = gpu.places.of(x), tensors_in([index])
    _require_indices(gpu, indices, place)
    if indices and isinstance(value, torch.Tensor) and value.dim():
        there = gpu.places.of(value)
        if there.device != place.device:
            raise errors.mixed(func, (), [x, value], gpu.places.of)
    return func(*args, **kwargs)


def _require_indices(gpu: SimulatedGPU, indices: list[torch.Tensor], place: Place) -> None:
    for index in indices:
        there = gpu.places.of(index)
        if there.device != place.device and there.device.type != "cpu":
            error = RuntimeError(
                "indices should be either on cpu or on the same device as the indexed tensor "
                f"({place.device})"
            )
            errors.explain(error, place)
            raise error


# Sequences of unequal lengths: their lengths and batch sizes stay on the CPU


@rule(torch._VF._pack_padded_sequence)
def _pack(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    lengths = gpu.places.of(args[1])
    if lengths.device.type != "cpu":
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{args[1].dim()}D {lengths.device} {args[1].type().split('.')[-1].replace('Tensor', '')} tensor"
        )
    data, sizes = func(*args, **kwargs)
    return gpu.settle(data, gpu.places.of(args[0])), sizes


@rule(torch._VF._pad_packed_sequence)
def _unpack(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    padded, lengths = func(*args, **kwargs)
    return gpu.settle(padded, gpu.places.of(args[0])), lengths


@rule(torch._VF.lstm, torch._VF.gru, torch._VF.rnn_tanh, torch._VF.rnn_relu)
def _rnn(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    packed = isinstance(args[1], torch.Tensor) and args[1].dtype == torch.int64
    states = tensors_in([args[2] if packed else args[1]])
    error = errors.of_rnn(args, gpu.places.of, states)
    if error is not None:
        raise error
    return gpu.settle(func(*args, **kwargs), gpu.places.of(args[0]))


@rule(torch.ctc_loss, torch.nn.functional.ctc_loss)
def _ctc_loss(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    return gpu.settle(func(*args, **kwargs), gpu.places.of(args[0]))  # targets may be on the CPU
