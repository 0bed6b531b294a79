"""The devices that a check which takes `device` runs on: the CPU, and a GPU, real or simulated."""

import contextlib
import gc
import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest

CPU, SIMULATED, CUDA = "cpu", "simulated", "cuda"
CHOICES = (CPU, SIMULATED, CUDA)
MEMORY = 4.0  # GiB of a real GPU that a check may take; GRADUS_GPU_MEMORY says otherwise


def require(wanted: Sequence[str], *, isolated: bool) -> None:
    """See that the devices are there.

    Raises:
        pytest.UsageError: If a real GPU is asked for, and there is none, or none behind the wall.
    """
    if CUDA not in wanted:
        return
    import torch

    if isolated:
        raise pytest.UsageError(
            "--device cuda: no GPU can be reached from the sandbox. Leave out --isolated, or choose "
            "--device simulated."
        )
    if not torch.cuda.is_available():
        raise pytest.UsageError(
            "--device cuda: torch finds no CUDA device here (`gradus doctor` says more). "
            "--device simulated finds most mistakes without one."
        )


def parameters(wanted: Sequence[str], *, isolated: bool) -> list[Any]:
    """Parameters for the `device` fixture.

    Args:
        wanted: Devices that were asked for; none: the CPU and a GPU, a simulated one where there is no other.
        isolated: Whether submissions run in a sandbox, from which no real GPU can be reached.
    """
    import torch

    real = torch.cuda.is_available() and not isolated
    chosen = [name for name in CHOICES if name in wanted] or [CPU, CUDA if real else SIMULATED]
    marks = {CUDA: [pytest.mark.gpu]}
    return [pytest.param(name, marks=marks.get(name, ())) for name in chosen]


def torch_name(case: str) -> str:
    """What torch calls a case's device."""
    return CPU if case == CPU else CUDA


def case_of(item: pytest.Item) -> str:
    """The device of a check's case; the CPU where it takes none."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("device", CPU)) if callspec is not None else CPU


def without_device(name: str) -> str:
    """The name of a case, the same for all devices."""
    for device in (SIMULATED, CUDA):
        name = name.replace(device, CPU)
    return name


def present(
    item: pytest.Item, filenames: Collection[str]
) -> contextlib.AbstractContextManager[object]:
    """Around a case: its device is there.

    Args:
        item: The case.
        filenames: The student's files, for messages.
    """
    case = case_of(item)
    if case == CUDA:
        return _limited_memory()
    if case == CPU:
        return contextlib.nullcontext()
    from gradus.simulated_gpu.simulation import simulated_gpu

    return simulated_gpu(filenames)


@contextlib.contextmanager
def _limited_memory() -> Iterator[None]:
    """Let a check run out of memory before the GPU does, and give back what it took."""
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    limit = float(os.environ.get("GRADUS_GPU_MEMORY", MEMORY)) * 2**30
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
    try:
        yield
    finally:
        if torch.cuda.memory_reserved() > limit / 4:
            gc.collect()
            with contextlib.suppress(RuntimeError):  # a GPU that is lost
                torch.cuda.empty_cache()


def gpu_is_lost() -> bool:
    """Whether the GPU no longer answers this process: an assertion that failed on it ends all work there."""
    import torch

    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False
