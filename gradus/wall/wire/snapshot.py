"""What a tensor holds, bit by bit: to see later whether it has changed."""

from typing import Any

import torch

from gradus.simulated_gpu.active import device_of

SMALL = 16_384  # elements of a tensor that is compared through NumPy


class Snapshot:
    """The bits of a tensor at some moment, to be compared with what it holds later."""

    def __init__(self, tensor: torch.Tensor) -> None:
        with torch._C.DisableTorchFunction():
            self._like = tensor.shape, tensor.dtype, device_of(tensor)
            self._view = _small_view(tensor)
            small = self._view is not None
            self._pointer = tensor.data_ptr() if small else 0
            self._bits: Any = self._view.tobytes() if small else tensor.detach().clone()

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor is still the same, bit by bit."""
        with torch._C.DisableTorchFunction():
            if (tensor.shape, tensor.dtype, device_of(tensor)) != self._like:
                return False
            if self._view is None:
                return _equal_bits(tensor, self._bits)
            if self._is_at(tensor):
                return bool(self._view.tobytes() == self._bits)
            view = _small_view(tensor)
            return view is not None and bool(view.tobytes() == self._bits)

    def renewed(self, tensor: torch.Tensor) -> "Snapshot":
        """A snapshot of the tensor now: this one, where it has only changed its values."""
        with torch._C.DisableTorchFunction():
            same = (tensor.shape, tensor.dtype, device_of(tensor)) == self._like
            if same and self._view is not None and self._is_at(tensor):
                self._bits = self._view.tobytes()
                return self
        return Snapshot(tensor)

    def _is_at(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor of the same shape lies where the view looks, element by element."""
        return tensor.data_ptr() == self._pointer and tensor.is_contiguous()


def _small_view(tensor: torch.Tensor) -> Any:
    """The memory of a small tensor as a NumPy array, ten times as quick to compare."""
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return None
    if tensor.numel() > SMALL or not tensor.is_contiguous():
        return None
    try:
        return tensor.detach().numpy()
    except (TypeError, RuntimeError):  # bfloat16, conjugated
        return None


def same_bits(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    """Whether two tensors agree in shape, dtype, device and every bit; None agrees with None."""
    if a is None or b is None:
        return a is b
    with torch._C.DisableTorchFunction():
        if a.shape != b.shape or a.dtype != b.dtype or device_of(a) != device_of(b):
            return False
        return _equal_bits(a, b)


def _equal_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.is_meta or torch.equal(_bits(a), _bits(b))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bits of a tensor: NaN equals itself, and -0.0 differs from 0.0."""
    dense = tensor.detach().to_dense().contiguous()  # strided ones are as they are
    flat = dense.as_strided((dense.numel(),), (1,)).view(torch.uint8)
    return flat.view(torch.int64) if flat.numel() % 8 == 0 and flat.numel() else flat
