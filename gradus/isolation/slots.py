"""The slots of this process, one for each `datasets/`, warm between grading runs. Imports no torch."""

import atexit
import concurrent.futures
from pathlib import Path

from gradus.isolation.orders import SERVE
from gradus.isolation.slot import Slot, Worker

_slots: dict[tuple[Path, ...], "WarmSlot"] = {}  # what submissions may read -> the slot


class WarmSlot(Slot):
    """A slot whose first worker may be started while the judge is still importing torch itself."""

    _ahead: "concurrent.futures.Future[Worker] | None" = None

    def start_ahead(self) -> None:
        """Begin to start a worker; the next `start` waits for it, and raises what went wrong."""
        if self._ahead is None and self._host is None:
            executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="gradus-slot")
            self._ahead = executor.submit(super().start)
            executor.shutdown(wait=False)

    def start(self, serve: str = SERVE) -> Worker:
        """The worker that was started ahead, or a new one."""
        ahead, self._ahead = self._ahead, None
        return super().start(serve) if ahead is None else ahead.result()

    def close(self) -> None:
        """End everything."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            concurrent.futures.wait([ahead])
        super().close()


def slot_of(root: Path) -> WarmSlot:
    """This process's slot for a kit: of all its rooms, submissions may read `datasets/`."""
    datasets = root / "datasets"
    readable = (datasets,) if datasets.is_dir() else ()
    if readable not in _slots:
        _slots[readable] = WarmSlot(readable)
        atexit.register(_slots[readable].close)
    return _slots[readable]
