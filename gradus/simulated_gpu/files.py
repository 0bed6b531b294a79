"""Checkpoints: a file says which device its tensors were saved from, and is loaded there again."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from gradus.simulated_gpu.mode import SimulatedGPU
from gradus.simulated_gpu.places import Place

_PRIORITY = 5  # before torch's own, for the CPU (10) and CUDA (20)


@contextlib.contextmanager
def locations_of(gpu: SimulatedGPU) -> Iterator[None]:
    """Let `torch.save` and `torch.load` know of the simulated GPU."""

    def tag(storage: Any) -> str | None:
        place = gpu.places.of_storage(_untyped(storage))
        return str(place.device) if place.device.type == "cuda" else None

    def restore(storage: Any, location: str) -> Any:
        if not location.startswith("cuda"):
            return None
        device = torch.device(location)
        if (
            device.type == "cuda"
            and device.index is not None
            and device.index >= torch.cuda.device_count()
        ):
            raise RuntimeError(
                f"Attempting to deserialize object on CUDA device {device.index} but "
                f"torch.cuda.device_count() is {torch.cuda.device_count()}. Please use torch.load "
                "with map_location to map your storages to an existing device."
            )
        gpu.places.note_storage(_untyped(storage), Place(gpu.resolve(device)))
        return storage

    registry: list[Any] = torch.serialization._package_registry
    entry = (_PRIORITY, tag, restore)
    registry.insert(0, entry)
    try:
        yield
    finally:
        registry.remove(entry)


def _untyped(storage: Any) -> Any:
    return getattr(storage, "_untyped_storage", storage)
