"""The simulated GPU: sees every torch call, and lets it run, move or fail as a real one would.

Each tensor is a real tensor of the CPU, with true values and torch's own autograd; a note for its memory
says where it lives. What is not simulated: running out of memory, rounding of other kernels, asynchrony,
`torch.compile` (functions run uncompiled), kernels written in CUDA.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import overrides
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from gradus.simulated_gpu import errors
from gradus.simulated_gpu.places import CPU, ELSEWHERE, Place, Places

COUNT = 2  # devices: a `.cuda()` that is meant for one of them may be wrong for the other
NAME = "Simulated GPU"

_OutOfRange: Any = getattr(torch, "AcceleratorError", RuntimeError)  # torch < 2.8 has no such class

Rule = Callable[["SimulatedGPU", Any, tuple[Any, ...], dict[str, Any]], Any]
RULES: dict[Any, Rule] = {}  # functions that do not just run where their tensors live
_ANYWHERE = {  # they may see tensors of several devices
    "_has_compatible_shallow_copy_type",
    "_group_tensors_by_device_and_dtype",
    "is_same_size",
    "is_set_to",
}
_WHOLE = {  # a number on the CPU is no number here, but a tensor with no dims
    *(torch.cat, torch.stack, torch.hstack, torch.vstack, torch.concat, torch.dot, torch.gather),
}


def rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Let a rule decide about functions."""

    def put(decide: Rule) -> Rule:
        RULES.update(dict.fromkeys(functions, decide))
        return decide

    return put


class SimulatedGPU(TorchFunctionMode):
    """The mode behind `simulated_gpu()`.

    Args:
        filenames: The student's files: an error says which of their lines made a tensor.
    """

    def __init__(self, filenames: Collection[str] = ()) -> None:
        super().__init__()
        self.places = Places(filenames)
        self._threads = threading.local()
        self._process = os.getpid()
        self.autocast: list[str] = []  # kinds of device whose precision is lowered now

    @property
    def current(self) -> int:
        """The number of the device that `cuda` means in this thread."""
        return getattr(self._threads, "current", 0)

    @current.setter
    def current(self, index: int) -> None:
        self._threads.current = index

    def resolve(self, wanted: Any) -> torch.device:
        """A device with its number.

        Raises:
            RuntimeError: If there is no such device.
        """
        device = torch.device("cuda", wanted) if type(wanted) is int else torch.device(wanted)
        if device.type == "cuda":
            if device == torch.device("cuda"):
                device = torch.device("cuda", self.current)
            if device.index >= COUNT:
                raise _OutOfRange(
                    "CUDA error: invalid device ordinal\n"
                    "GPU device may be out of range, do you have enough GPUs?"
                )
            if os.getpid() != self._process:
                raise RuntimeError(
                    "Cannot re-initialize CUDA in forked subprocess. To use CUDA with "
                    "multiprocessing, you must use the 'spawn' start method"
                )
        elif device.type not in ("cpu", "meta"):
            raise RuntimeError(f"PyTorch is not linked with support for {device.type} devices")
        return device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one torch function."""
        kwargs = kwargs or {}
        decide = RULES.get(func)
        if decide is not None:
            return decide(self, func, args, kwargs)
        return self.run(func, args, kwargs)

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function where its tensors live; what it returns lives there too.

        Raises:
            RuntimeError: If they live on several devices.
        """
        tensors = tensors_in(args)
        if kwargs:
            tensors += tensors_in(tuple(kwargs.values()))
        if not tensors:
            return func(*args, **kwargs)
        place = self.common(func, args, tensors)
        generator = kwargs.get("generator")
        if generator is not None:
            require_generator(generator, place.device)
        if self.autocast and place.device.type not in self.autocast:
            with torch._C.DisableTorchFunction(), torch.autocast("cpu", enabled=False):
                return self.settle(func(*args, **kwargs), place)
        return self.settle(func(*args, **kwargs), place)

    def settle(self, result: Any, place: Place) -> Any:
        """Let what a function returned live somewhere; the result."""
        if isinstance(result, torch.Tensor):
            known = place.device is CPU and self.places.unknown is ELSEWHERE
            if not known or place.origin is not None:
                self.places.note(result, place)
        elif isinstance(result, list | tuple):
            for item in result:
                self.settle(item, place)
        elif isinstance(result, dict):
            for item in result.values():
                self.settle(item, place)
        return result

    def common(self, func: Any, args: tuple[Any, ...], tensors: list[torch.Tensor]) -> Place:
        """Where a function runs.

        Raises:
            RuntimeError: If its tensors live on several devices.
        """
        of = self.places.of
        first = of(tensors[0])
        for tensor in tensors[1:]:
            place = of(tensor)
            if place.device != first.device:
                return self._of_several(func, args, tensors)
            if place.origin is not None and first.origin is None:
                first = place
        return first

    def _of_several(self, func: Any, args: tuple[Any, ...], tensors: list[torch.Tensor]) -> Place:
        """Where a function runs whose tensors live on several devices: numbers on the CPU may go along."""
        of, name = self.places.of, getattr(func, "__name__", "")
        places = [of(tensor) for tensor in tensors]
        chosen = next((place for place in places if place.device.type != "cpu"), places[0])
        if name in _ANYWHERE or name.startswith("_foreach"):
            return chosen
        tied = [
            place
            for place, tensor in zip(places, tensors, strict=True)
            if place.device.type != "cpu" or tensor.dim() or func in _WHOLE
        ]
        if changes_first(name) and places[0] not in tied:
            tied.append(places[0])  # a number on the CPU cannot hold a result of the GPU's
        if any(place.device != chosen.device for place in tied):
            raise errors.mixed(func, args, tensors, of)
        return chosen

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """See torch calls also where torch has put the mode aside, in a thread or a backward pass."""
        modes: Any = overrides._get_current_function_mode_stack
        if self in modes():
            yield
        else:
            with self:
                yield


def tensors_in(values: tuple[Any, ...] | list[Any]) -> list[torch.Tensor]:
    """The tensors of a call, however they are nested."""
    found: list[torch.Tensor] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, PackedSequence):
            found.append(value.data)
        elif isinstance(value, list | tuple):
            found += tensors_in(value)
        elif isinstance(value, dict):
            found += tensors_in(tuple(value.values()))
    return found


def changes_first(name: str) -> bool:
    """Whether a function changes its first argument, by its name: `add_`, `__iadd__`."""
    if name.startswith("__"):
        return name.startswith("__i") and name not in _NO_CHANGE
    return name.endswith("_") and not name.startswith("_")


_NO_CHANGE = {"__int__", "__invert__", "__index__", "__iter__"}


def require_generator(generator: Any, device: torch.device) -> None:
    """Raise what torch raises for a generator of another device."""
    there = generator.device
    if there.type != device.type:
        raise RuntimeError(
            f"Expected a '{device.type}' device type for generator but found '{there.type}'"
        )
