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
    """Take over from another process which line made a tensor of the CPU."""
    gpu = active()
    if gpu is not None:
        gpu.places.note(tensor, Place(CPU, origin))


def nothing_assumed() -> contextlib.AbstractContextManager[None]:
    """Take tensors that nothing is known of to live on the CPU, in a backward pass too."""
    gpu = active()
    return contextlib.nullcontext() if gpu is None else gpu.places.assuming(ELSEWHERE)
