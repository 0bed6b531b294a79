"""What `torch.cuda`, `torch.accelerator` and their like are, while the simulated GPU is on."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from gradus.simulated_gpu.mode import COUNT, NAME, SimulatedGPU

MEMORY = 8 << 30  # bytes
CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Properties:
    """What `torch.cuda.get_device_properties` tells."""

    name: str = NAME
    major: int = CAPABILITY[0]
    minor: int = CAPABILITY[1]
    total_memory: int = MEMORY
    multi_processor_count: int = 1


class Queue:
    """What has been asked for and waited for: an event is reached once somebody has waited for it."""

    def __init__(self) -> None:
        self.waits = 0

    def wait(self, *args: Any, **kwargs: Any) -> None:
        """Wait until everything that was asked for is done."""
        self.waits += 1


def event_class(queue: Queue) -> type:
    """`torch.cuda.Event` over a queue."""

    class Event:
        def __init__(self, enable_timing: bool = False, *args: Any, **kwargs: Any) -> None:
            self._timing = enable_timing
            self._time: float | None = None
            self._waits = 0

        def record(self, stream: Any = None) -> None:
            self._time, self._waits = time.perf_counter(), queue.waits

        def synchronize(self) -> None:
            queue.wait()

        def wait(self, stream: Any = None) -> None:
            pass

        def query(self) -> bool:
            return self._time is None or queue.waits > self._waits

        def elapsed_time(self, end: "Event") -> float:
            """Milliseconds between two events."""
            if not self._timing or not end._timing:
                raise RuntimeError(
                    "Both events must be created with argument 'enable_timing=True'."
                )
            if self._time is None or end._time is None:
                raise RuntimeError("Both events must be recorded before calculating elapsed time.")
            if not end.query():
                raise RuntimeError("CUDA error: device not ready")
            return (end._time - self._time) * 1e3

    return Event


def stream_class(queue: Queue, event: type) -> type:
    """`torch.cuda.Stream` over a queue."""

    class Stream:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            pass

        def __enter__(self) -> "Stream":
            return self

        def __exit__(self, *words: object) -> None:
            pass

        def is_capturing(self) -> bool:
            return False

        def query(self) -> bool:
            return True

        def synchronize(self) -> None:
            queue.wait()

        def wait_stream(self, other: Any) -> None:
            pass

        def wait_event(self, event: Any) -> None:
            pass

        def record_event(self, wanted: Any = None) -> Any:
            recorded = event(enable_timing=True) if wanted is None else wanted
            recorded.record(self)
            return recorded

    return Stream


def generator_class(gpu: SimulatedGPU) -> type:
    """`torch.Generator`: one for a device of the GPU is a CPU's that says otherwise."""
    real: Any = torch.Generator

    class Meta(type(real)):  # type: ignore[misc]
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, real)

    class Generator(real, metaclass=Meta):  # type: ignore[misc]
        def __new__(cls, device: Any = "cpu") -> Any:
            made = real.__new__(cls)
            made._place = gpu.resolve(device)
            return made

        def __init__(self, device: Any = "cpu") -> None:
            pass

        @property
        def device(self) -> torch.device:
            place: torch.device = self._place
            return place

    return Generator


def replacements(gpu: SimulatedGPU) -> Iterator[tuple[ModuleType | type, str, Any]]:
    """Whose attribute, its name, and its value."""
    queue = Queue()
    event = event_class(queue)
    stream = stream_class(queue, event)

    @contextlib.contextmanager
    def on(device: Any) -> Iterator[None]:
        before = gpu.current
        chosen = gpu.resolve("cuda" if device is None else device)
        gpu.current = before if chosen.index is None else chosen.index
        try:
            yield
        finally:
            gpu.current = before

    def synchronize(device: Any = None) -> None:
        if device is not None and gpu.resolve(device).type != "cuda":
            raise ValueError(f"Expected a cuda device, but got: {device}")
        queue.wait()

    def set_device(device: Any) -> None:
        gpu.current = gpu.resolve(device).index or 0

    def allocated(device: Any = None) -> int:
        return gpu.places.allocated(gpu.resolve("cuda" if device is None else device))

    def seed(number: int) -> None:
        torch.default_generator.manual_seed(number)

    def states(*args: Any) -> list[torch.Tensor]:
        return [torch.default_generator.get_state()] * COUNT

    def set_state(state: torch.Tensor, *args: Any) -> None:
        torch.default_generator.set_state(state)

    def set_states(new: list[torch.Tensor]) -> None:
        torch.default_generator.set_state(new[0])

    common: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: COUNT,
        "synchronize": synchronize,
        "current_stream": lambda *args: stream(),
    }
    cuda: dict[str, Any] = {
        **common,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "_lazy_init": lambda: None,
        "current_device": lambda: gpu.current,
        "set_device": set_device,
        "device": on,
        "get_device_name": lambda *args: NAME,
        "get_device_properties": lambda *args: Properties(),
        "get_device_capability": lambda *args: CAPABILITY,
        "is_bf16_supported": lambda *args, **kwargs: True,
        "mem_get_info": lambda *args: (MEMORY - allocated(*args), MEMORY),
        "memory_allocated": allocated,
        "memory_reserved": allocated,
        "max_memory_allocated": allocated,
        "max_memory_reserved": allocated,
        "reset_peak_memory_stats": lambda *args: None,
        "empty_cache": lambda: None,
        "ipc_collect": lambda: None,
        "manual_seed": seed,
        "manual_seed_all": seed,
        "seed": torch.seed,
        "get_rng_state": lambda *args: torch.default_generator.get_state(),
        "get_rng_state_all": states,
        "set_rng_state": set_state,
        "set_rng_state_all": set_states,
        "is_current_stream_capturing": lambda: False,
        "default_stream": lambda *args: stream(),
        "stream": lambda chosen=None: contextlib.nullcontext(),
        "Stream": stream,
        "Event": event,
    }
    for name, value in cuda.items():
        yield torch.cuda, name, value
    accelerator = {
        **common,
        "current_accelerator": lambda check_available=False: torch.device("cuda"),
        "current_device_index": lambda: gpu.current,
        "current_device_idx": lambda: gpu.current,
        "set_device_index": set_device,
        "set_device_idx": set_device,
        "device_index": on,
    }
    for name, value in accelerator.items():
        if hasattr(getattr(torch, "accelerator", None), name):
            yield torch.accelerator, name, value
    yield torch, "Generator", generator_class(gpu)
