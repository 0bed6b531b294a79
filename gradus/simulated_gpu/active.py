"""Whether this process has a simulated GPU now."""

import contextlib

import torch

from gradus.simulated_gpu.mode import SimulatedGPU
from gradus.simulated_gpu.places import CPU, ELSEWHERE, Place

ACTIVE: list[SimulatedGPU] = []  # the last one counts


def active() -> SimulatedGPU | None:
    """The simulated GPU that this process has now."""
    return ACTIVE[-1] if ACTIVE else None


def made_at(tensor: torch.Tensor) -> str:
    """The line of the student's that made a tensor of the CPU, in words; "" where that is not known."""
    gpu = active()
    origin = None if gpu is None else gpu.places.of(tensor).origin
    return "" if origin is None else str(origin)


def note_origin(tensor: torch.Tensor, origin: str) -> None:
    """Take over from another process a tensor of the CPU, and which line made it, where that is known."""
    gpu = active()
    if gpu is not None:
        gpu.places.note(tensor, Place(CPU, origin) if origin else ELSEWHERE)


def device_of(tensor: torch.Tensor) -> torch.device:
    """`tensor.device`, also where torch functions are disabled."""
    gpu = active()
    return tensor.device if gpu is None else gpu.places.device(tensor)


def nothing_assumed() -> contextlib.AbstractContextManager[None]:
    """Take tensors that nothing is known of to live on the CPU, in a backward pass too."""
    gpu = active()
    return contextlib.nullcontext() if gpu is None else gpu.places.assuming(ELSEWHERE)
