"""Where tensors live on a simulated GPU: a note for each piece of memory, and which line asked for it."""

import linecache
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.multiprocessing import reductions

StorageWeakRef: Any = reductions.StorageWeakRef
CPU = torch.device("cpu")
DEEPEST = 40  # frames that are looked at in search of a student's line
_PURGE = 4096  # notes, before those of freed memory are looked for


@dataclass(frozen=True)
class Origin:
    """The line of the student's that made a tensor."""

    filename: str
    line_number: int

    def __str__(self) -> str:
        line = linecache.getline(self.filename, self.line_number).strip()
        return f"{self.filename}:{self.line_number}" + (f"\n    {line}" if line else "")


@dataclass(frozen=True)
class Place:
    """Where memory lives. `origin` is only known of memory of the CPU."""

    device: torch.device
    origin: Origin | str | None = None
    pinned: bool = False


ELSEWHERE = Place(CPU)  # memory that nothing is known of


class Places:
    """Notes where storages live. A view has the place of what it is a view of.

    Args:
        filenames: The student's files.
    """

    def __init__(self, filenames: Collection[str] = ()) -> None:
        self._filenames = filenames
        self._known: dict[int, tuple[Any, Place]] = {}  # address of a storage -> its place
        self._without_storage: dict[int, tuple[torch.Tensor, Place]] = {}  # sparse ones, by id
        self._purge_at = _PURGE
        self.unknown = (
            ELSEWHERE  # what nothing is known of; in a backward pass, where the loss lives
        )

    def of(self, tensor: torch.Tensor) -> Place:
        """Where a tensor lives."""
        storage = storage_of(tensor)
        if storage is None:
            found = self._without_storage.get(id(tensor))
            return found[1] if found is not None else self.unknown
        known = self._known.get(storage._cdata)
        return known[1] if known is not None else self.unknown

    def device(self, tensor: torch.Tensor) -> torch.device:
        """The device that a tensor lives on."""
        return tensor.device if tensor.is_meta else self.of(tensor).device

    def note(self, tensor: torch.Tensor, place: Place) -> torch.Tensor:
        """Let a tensor's memory live somewhere; the tensor."""
        storage = storage_of(tensor)
        if storage is None:
            self._without_storage[id(tensor)] = (tensor, place)
        else:
            self.note_storage(storage, place)
        return tensor

    def note_storage(self, storage: Any, place: Place) -> None:
        """Let memory live somewhere."""
        key = storage._cdata
        known = self._known.get(key)
        if known is None:
            self._known[key] = (StorageWeakRef(storage), place)
            if len(self._known) > self._purge_at:
                self._purge()
                self._purge_at = 2 * len(self._known) + _PURGE
        elif known[1] is not place:
            self._known[key] = (known[0], place)

    def of_storage(self, storage: Any) -> Place:
        """Where memory lives."""
        known = self._known.get(storage._cdata)
        return known[1] if known is not None else ELSEWHERE

    @contextmanager
    def assuming(self, place: Place) -> Iterator[None]:
        """Take memory that nothing is known of to live somewhere."""
        before, self.unknown = self.unknown, place
        try:
            yield
        finally:
            self.unknown = before

    def here(self) -> Place:
        """Memory of the CPU, asked for by the line of the student's that runs now."""
        if not self._filenames:
            return ELSEWHERE
        frame = sys._getframe(1)
        for _ in range(DEEPEST):
            if frame.f_code.co_filename in self._filenames:
                return Place(CPU, Origin(frame.f_code.co_filename, frame.f_lineno))
            if frame.f_back is None:
                break
            frame = frame.f_back
        return ELSEWHERE

    def allocated(self, device: torch.device) -> int:
        """Bytes of the memory that lives on a device."""
        self._purge()
        alive = (ref for ref, place in self._known.values() if place.device == device)
        return sum(torch.UntypedStorage._new_with_weak_ptr(ref.cdata).nbytes() for ref in alive)

    def _purge(self) -> None:
        for key in list(self._known):
            if self._known[key][0].expired():
                del self._known[key]


def storage_of(tensor: torch.Tensor) -> Any:
    """A tensor's memory; None where it has none of its own (sparse ones, lazy parameters)."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    try:
        return tensor.untyped_storage()
    except (NotImplementedError, RuntimeError, ValueError):
        return None
