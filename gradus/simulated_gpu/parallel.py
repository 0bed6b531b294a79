"""What `torch.nn.parallel` is built of: parts of a batch and copies of tensors on several devices."""

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import torch
from torch.nn.parallel import _functions, comm

from gradus.simulated_gpu.mode import SimulatedGPU


def replacements(gpu: SimulatedGPU) -> Iterator[tuple[ModuleType, str, Any]]:
    """Whose attribute, its name, and its value."""

    def on(device: Any) -> torch.device:
        if device == -1:  # torch's number for the CPU
            return torch.device("cpu")
        return gpu.resolve("cuda" if device is None else device)

    def scatter(
        x: torch.Tensor, devices: Sequence[Any], chunk_sizes: Any = None, dim: int = 0, *words: Any
    ) -> tuple[torch.Tensor, ...]:
        whole = chunk_sizes is None
        parts = torch.chunk(x, len(devices), dim) if whole else torch.split(x, chunk_sizes, dim)
        return tuple(part.to(on(device)) for part, device in zip(parts, devices, strict=False))

    def gather(xs: Sequence[torch.Tensor], dim: int = 0, destination: Any = None) -> torch.Tensor:
        return torch.cat([x.to(on(destination)) for x in xs], dim)

    def broadcast(xs: Sequence[torch.Tensor], devices: Sequence[Any], *words: Any) -> Any:
        return tuple(tuple(x.to(on(device)) for x in xs) for device in devices)

    def add(xs: Sequence[Sequence[torch.Tensor]], destination: Any = None, *words: Any) -> Any:
        at = on(destination)
        return tuple(torch.stack([x.to(at) for x in same]).sum(0) for same in zip(*xs, strict=True))

    yield _functions, "_get_stream", lambda device: torch.cuda.current_stream()
    yield comm, "scatter", scatter
    yield comm, "gather", gather
    yield comm, "broadcast_coalesced", broadcast
    yield comm, "reduce_add_coalesced", add
