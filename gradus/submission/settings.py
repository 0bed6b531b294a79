"""Global settings of torch and Python that student code may change: its own, until the check ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils import _device

STREAMS = ("stdin", "stdout", "stderr")
_inference: list[
    object
] = []  # guards of torch's: one that goes away would bring back what was before it


@dataclass(frozen=True)
class Settings:
    """What is set in this process. Grad mode is not among them: it is part of what a call does."""

    dtype: torch.dtype
    device: torch.device | None  # the default one, where one was set
    threads: int
    deterministic: bool
    inference: bool
    recursion: int
    streams: tuple[Any, ...]

    @classmethod
    def now(cls) -> "Settings":
        """As they are."""
        return cls(
            torch.get_default_dtype(),
            _device.CURRENT_DEVICE,  # `torch.get_default_device` asks a simulated GPU
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_inference_mode_enabled(),
            sys.getrecursionlimit(),
            tuple(getattr(sys, name) for name in STREAMS),
        )

    def put(self, now: "Settings | None" = None) -> None:
        """Have them hold again; `now`: what holds, where that is known."""
        now = Settings.now() if now is None else now
        if now.inference != self.inference:
            guard = torch.inference_mode(self.inference)
            guard.__enter__()
            _inference.append(guard)
        if now.dtype != self.dtype:
            torch.set_default_dtype(self.dtype)
        if now.device != self.device:
            torch.set_default_device(self.device)
        if now.threads != self.threads:
            torch.set_num_threads(self.threads)
        if now.deterministic != self.deterministic:
            torch.use_deterministic_algorithms(self.deterministic)
        if now.recursion != self.recursion:
            sys.setrecursionlimit(self.recursion)
        for name, stream in zip(STREAMS, self.streams, strict=True):
            setattr(sys, name, stream)

    def lent(self) -> "Settings":
        """The same, with streams that can be closed without harm."""
        lent = tuple(None if stream is None else Lent(stream) for stream in self.streams)
        return replace(self, streams=lent)


class Lent:
    """A stream that student code may close: it is then closed for that code alone."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._closed = stream, False

    def __getattr__(self, name: str) -> Any:
        if self._closed:
            raise ValueError("I/O operation on closed file.")
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    @property
    def buffer(self) -> "Lent":
        """The stream of bytes below: what is wrapped around it closes it when it is thrown away."""
        return Lent(self._stream.buffer)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed or bool(self._stream.closed)

    def close(self) -> None:
        """Close it for whom it was lent to."""
        self._closed = True

    def detach(self) -> None:
        """Nothing: the stream below stays whose it is.

        Raises:
            OSError: Always, as where there is nothing below.
        """
        raise OSError("this stream cannot be detached")


class StudentSettings:
    """What student code has set since the check began: it holds while that code runs, and only then."""

    def __init__(self) -> None:
        self._theirs: Settings | None = None

    def forget(self) -> None:
        """A new check begins."""
        self._theirs = None

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Around student code."""
        ours = Settings.now()
        (self._theirs or ours.lent()).put(ours)
        now = None
        try:
            yield
        finally:
            try:
                now = self._theirs = Settings.now()
            finally:
                ours.put(now)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Give back grad mode and every setting at the end."""
    grad, before = torch.is_grad_enabled(), Settings.now()
    try:
        yield
    finally:
        before.put()
        torch.set_grad_enabled(grad)


def seed_for_loading() -> None:
    """Seed torch as it is whenever a submission is loaded: what it draws then is the same each time."""
    torch.default_generator.manual_seed(0)
