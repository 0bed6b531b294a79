"""Functions that read a tensor: where it is, what is in it, its gradients."""

import functools
from typing import Any

import torch

from gradus.simulated_gpu.backward import note_gradient
from gradus.simulated_gpu.mode import SimulatedGPU, rule
from gradus.simulated_gpu.places import Place

_T: Any = torch.Tensor
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


@rule(_T.device.__get__)
def _device_of(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> torch.device:
    return gpu.places.device(args[0])


@rule(_T.is_cuda.__get__)
def _is_cuda(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> bool:
    return gpu.places.device(args[0]).type == "cuda"


@rule(_T.is_cpu.__get__)
def _is_cpu(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> bool:
    return gpu.places.device(args[0]).type == "cpu"


@rule(_T.get_device, torch.get_device)
def _get_device(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> int:
    device = gpu.places.device(args[0])
    return device.index if device.type == "cuda" else -1


@rule(_T.shape.__get__, _T.dtype.__get__, _T.requires_grad.__get__, _T.is_leaf.__get__)
@rule(_T.ndim.__get__, _T.grad_fn.__get__, _T.layout.__get__, _T.is_sparse.__get__)
@rule(_T.is_meta.__get__, _T._version.__get__)
@rule(_T.size, _T.dim, _T.numel, _T.stride, _T.is_contiguous, _T.is_floating_point, _T.data_ptr)
@rule(_T.is_complex, _T.__len__, _T.untyped_storage, _T.element_size, torch.is_grad_enabled)
@rule(
    torch.is_floating_point, _T.item, _T.tolist, _T.__bool__, _T.__float__, _T.__int__, _T.__index__
)
@rule(_T.requires_grad_, _T.retain_grad, _T.backward)
@rule(_T.copy_, _T.data.__set__)  # from whichever device
def _just_run(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    return func(*args, **kwargs)


@rule(_T.data.__get__, _T.T.__get__, _T.mT.__get__, _T.H.__get__, _T.mH.__get__)
@rule(_T.real.__get__, _T.imag.__get__)
def _part(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    return gpu.settle(func(*args), gpu.places.of(args[0]))


@rule(_T.grad.__get__)
def _grad_of(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    gradient = func(*args)
    return None if gradient is None else gpu.places.note(gradient, gpu.places.of(args[0]))


@rule(_T.numpy, _T.__array__)
def _numpy(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    device = gpu.places.device(args[0])
    if device.type == "cuda":
        if kwargs.get("force"):
            return func(*args, **kwargs)
        raise TypeError(
            f"can't convert {device} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )
    return func(*args, **kwargs)


@rule(_T.apply_, _T.map_)
def _apply(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    if gpu.places.device(args[0]).type == "cuda":
        raise TypeError(f"{func.__name__} is only implemented on CPU tensors")
    return func(*args, **kwargs)


@rule(_T.is_pinned)
def _is_pinned(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> bool:
    return gpu.places.of(args[0]).pinned


@rule(_T.__repr__)
def _repr(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> str:
    text: str = func(*args, **kwargs)
    device = gpu.places.device(args[0])
    return (
        f"{text[:-1]}, device='{device}')" if device.type == "cuda" and text[-1:] == ")" else text
    )


@rule(_T.__format__)
def _format(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> str:
    if args[0].dim() and gpu.places.device(args[0]).type == "cuda":
        func, args = _T.__repr__, args[:1]
        return str(_repr(gpu, func, args, {}))
    return str(func(*args, **kwargs))


@rule(torch.autograd.grad)
def _grad(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    inputs: Any = kwargs["inputs"] if "inputs" in kwargs else args[1]
    found = func(*args, **kwargs)
    if isinstance(inputs, dict):
        return {name: _at_home(gpu, found[name], inputs[name]) for name in found}
    inputs = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    return tuple(_at_home(gpu, g, x) for g, x in zip(found, inputs, strict=True))


def _at_home(gpu: SimulatedGPU, gradient: Any, x: Any) -> Any:
    """A gradient where its input lives; behind a move between devices it may be the tensor that came in."""
    if not isinstance(gradient, torch.Tensor) or not isinstance(x, torch.Tensor):
        return gradient
    place = gpu.places.of(x)
    if gpu.places.device(gradient) != place.device:
        gradient = gradient.clone()
    return gpu.places.note(gradient, place)


@rule(_T.register_hook)
def _register_hook(gpu: SimulatedGPU, func: Any, args: Args, kwargs: Kwargs) -> Any:
    x, hook = args[0], args[1] if len(args) > 1 else kwargs["hook"]
    place = Place(gpu.places.device(x))
    return func(x, functools.wraps(hook)(lambda g: hook(note_gradient(gpu, g, place))))
