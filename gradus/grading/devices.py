"""The devices that a check which takes `device` runs on: the CPU, and a GPU, real or simulated."""

import contextlib
import os
from collections.abc import Collection, Sequence
from typing import Any

import pytest

CPU, SIMULATED, CUDA = "cpu", "simulated", "cuda"
CHOICES = (CPU, SIMULATED, CUDA)


def cuda_is_there() -> bool:
    """Whether torch finds a CUDA device. To ask does not start CUDA: no fork could use it then."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    import torch

    return torch.cuda.is_available()


def problem(wanted: Sequence[str]) -> str:
    """What is wrong with the devices that are asked for, and what to do; "" where nothing is."""
    memory = os.environ.get("GRADUS_GPU_MEMORY", "1")
    try:
        enough = 0 < float(memory) < float("inf")
    except ValueError:
        enough = False
    if not enough:
        return (
            f"GRADUS_GPU_MEMORY={memory}: how many GiB of a GPU a check may take, for instance 8."
        )
    if CUDA not in wanted:
        return ""
    if cuda_is_there():
        return ""
    return (
        "--device cuda: torch finds no CUDA device here (`gradus doctor` says more). "
        "--device simulated finds most mistakes without one."
    )


def parameters(
    wanted: Sequence[str], *, isolated: bool, allowed: Sequence[str] = CHOICES
) -> list[Any]:
    """Parameters for the `device` fixture.

    Args:
        wanted: Devices that were asked for. None: the CPU and a GPU, a simulated one where there is no other.
        isolated: Whether marks are given behind the wall: the same on every machine, so not on a card
            unless that is asked for.
        allowed: Devices that the check can run on.
    """
    real = cuda_is_there() and not isolated
    chosen = [name for name in CHOICES if name in wanted] or [CPU, CUDA if real else SIMULATED]
    marks = {CUDA: [pytest.mark.gpu]}
    return [pytest.param(name, marks=marks.get(name, ())) for name in chosen if name in allowed]


def not_remembered(wanted: Sequence[str]) -> str:
    """What a student is told of a run on devices that were chosen; "" where none were.

    An answer may be right on one device and wrong on another.
    """
    chosen = [name for name in CHOICES if name in wanted]
    return f"not remembered: checked on {' and '.join(chosen)} alone." if chosen else ""


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
        from gradus.submission.gpu import limited_memory

        return limited_memory()
    if case == CPU:
        return contextlib.nullcontext()
    from gradus.simulated_gpu.simulation import simulated_gpu

    return simulated_gpu(filenames)
