"""`with simulated_gpu():`: this process has a GPU, whether there is one or not."""

import contextlib
import functools
import threading
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

import torch
import torch.utils.checkpoint
import torch.utils.data
from torch.utils import _device
from torch.utils._device import DeviceContext

from gradus.simulated_gpu import (
    backward,
    cuda_api,
    files,
    making,
    mixing,
    moving,
    parallel,
    reading,
)
from gradus.simulated_gpu.active import ACTIVE, active
from gradus.simulated_gpu.mode import SimulatedGPU
from gradus.simulated_gpu.replaced import replaced

Change = tuple[Any, str, Any]  # whose attribute, its name, and its value

RULES_OF = (making, mixing, moving, reading)  # rules are known once their module is imported


@contextlib.contextmanager
def simulated_gpu(filenames: Collection[str] = ()) -> Iterator[SimulatedGPU]:
    """Give this process two simulated GPUs, `cuda:0` and `cuda:1`.

    Tensors made inside must not be used outside: there they are tensors of the CPU.

    Args:
        filenames: The student's files: an error says which of their lines made a tensor.
    """
    gpu = SimulatedGPU(filenames)
    default = _device.CURRENT_DEVICE
    with contextlib.ExitStack() as stack:
        parts = (cuda_api, parallel, backward)
        changes = chain.from_iterable(part.replacements(gpu) for part in parts)
        stack.enter_context(replaced(changes))
        stack.enter_context(replaced(_in_threads(gpu)))
        stack.enter_context(replaced(_autocast_as_on_gpus(gpu)))
        stack.enter_context(replaced(_without_a_card()))
        stack.enter_context(files.locations_of(gpu))
        stack.enter_context(gpu)
        ACTIVE.append(gpu)
        try:
            yield gpu
        finally:
            ACTIVE.remove(gpu)
            if default != _device.CURRENT_DEVICE:
                torch.set_default_device(default)


def _in_threads(gpu: SimulatedGPU) -> Iterator[Change]:
    """Threads see the GPU too: torch's modes belong to a thread."""
    run = threading.Thread.run

    @functools.wraps(run)
    def with_gpu(thread: threading.Thread) -> None:
        if active() is not gpu:
            run(thread)
            return
        with gpu.everywhere():
            run(thread)

    yield threading.Thread, "run", with_gpu


def _autocast_as_on_gpus(gpu: SimulatedGPU) -> Iterator[Change]:
    """`torch.autocast("cuda")` lowers the precision here too, of what is on the GPU."""
    autocast: Any = torch.amp.autocast_mode.autocast
    enter, leave = autocast.__enter__, autocast.__exit__

    def enter_both(self: Any) -> Any:
        gpu.autocast.extend([self.device] * bool(self._enabled))
        if self.device == "cuda":
            self._on_cpu = autocast(
                "cpu",
                dtype=self.fast_dtype,
                enabled=self._enabled,
                cache_enabled=self._cache_enabled,
            )
            enter(self._on_cpu)
        return enter(self)

    def leave_both(self: Any, *words: Any) -> Any:
        found = leave(self, *words)
        if self._enabled and self.device in gpu.autocast:
            gpu.autocast.remove(self.device)
        beside = self.__dict__.pop("_on_cpu", None)
        if beside is not None:
            leave(beside, *words)
        return found

    yield autocast, "__enter__", enter_both
    yield autocast, "__exit__", leave_both


def _without_a_card() -> Iterator[Change]:
    """Leave out what needs a card: compiling functions, pinning batches, asking cuDNN."""

    def compiled(model: Any = None, *examples: Any, **settings: Any) -> Any:
        return (lambda found: found) if model is None else model

    def pinned(data: Any, device: Any = None) -> Any:
        return data

    def cudnn_is_acceptable(tensor: torch.Tensor) -> bool:
        return False

    def metadata(tensor: torch.Tensor) -> dict[str, Any]:
        return {"shape": tensor.shape, "dtype": tensor.dtype}

    def run(mode: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))

    checkpointing = torch.utils.checkpoint
    compared = {**checkpointing._allowed_determinism_checks_to_fns, "default": metadata}
    yield torch, "compile", compiled
    yield torch.jit, "script", compiled
    yield torch.jit, "trace", compiled
    yield torch.utils.data._utils.pin_memory, "pin_memory", pinned
    yield torch.backends.cudnn, "is_acceptable", cudnn_is_acceptable
    yield DeviceContext, "__torch_function__", run  # `making` asks for its device
    yield checkpointing, "_allowed_determinism_checks_to_fns", compared  # read with the mode aside
