"""The wall of one grading run: submissions in one sandbox after another, and what the sandbox reached."""

import atexit
from collections.abc import Sequence
from pathlib import Path

from gradus.isolation.host import Host, Source
from gradus.isolation.slot import Slot

_slots: dict[tuple[Path, ...], Slot] = {}


def warm_slot(readable: Sequence[Path]) -> Slot:
    """This process's slot for workers that may read these folders; it stays warm between runs."""
    key = tuple(path.absolute() for path in readable)
    if key not in _slots:
        _slots[key] = Slot(key)
        atexit.register(_slots[key].close)
    return _slots[key]


class Wall:
    """Gives hosts of submissions; one of them has a worker at a time.

    Args:
        root: Of the kit. The student's code may read and import its `datasets/`, and nothing else of it.
    """

    def __init__(self, root: Path) -> None:
        datasets = root / "datasets"
        readable = [datasets] if datasets.is_dir() else []
        self._import_from = [root] if readable else []
        self._slot = warm_slot(readable)
        self._hosts: dict[Source, Host] = {}
        self._active: Host | None = None

    def reached(self) -> dict[str, str]:
        """What the sandbox reaches on this machine, in words: the level, and what is shut off."""
        isolation = self._slot.isolation
        return {"level": str(isolation.level), **isolation.details}

    def host(self, source: Source) -> Host:
        """The host of a submission; that of another one loses its worker."""
        known = self._hosts.get(source)
        if known is None or known is not self._active:
            self.close()
        if known is None:
            known = self._hosts[source] = Host(self._slot, source, self._import_from)
        self._active = known
        return known

    def close(self) -> None:
        """End the worker that there is. The sandbox stays warm."""
        if self._active is not None:
            self._active.close()
            self._active = None
