"""A real GPU: how much of its memory a check may take, and whether it still answers."""

import contextlib
import gc
import os
from collections.abc import Iterator

import torch

MEMORY = 4.0  # GiB that a check may take; the environment variable GRADUS_GPU_MEMORY says otherwise


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Let a check run out of memory before the GPU does, and give back what it took."""
    total = torch.cuda.get_device_properties(0).total_memory
    limit = float(os.environ.get("GRADUS_GPU_MEMORY", MEMORY)) * 2**30
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
    try:
        yield
    finally:
        if torch.cuda.memory_reserved() > limit / 4:
            gc.collect()
            with contextlib.suppress(RuntimeError):  # it does not answer
                torch.cuda.empty_cache()


def gpu_is_lost() -> bool:
    """Whether the GPU no longer answers this process: an assertion that failed on it ends all work there."""
    try:
        torch.cuda.synchronize()
    except (RuntimeError, AssertionError):  # AssertionError: a torch without CUDA
        return True
    return False
