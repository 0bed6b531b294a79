"""Hold a worker's whole tree of processes to a size where no control group does: by watching it."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gradus.sandbox.groups import Group
from gradus.sandbox.limits import MEBIBYTE, Limits
from gradus.sandbox.tasks import LINUX, descendants, psutil_or_none

POLL_SECONDS = 0.05
SOCKET = 212_992  # what lies in one, where the system does not tell; no worker can make it more
# Of /proc/PID/status: kinds of pages that only the process's own end would free
HELD = ("RssAnon:", "RssShmem:", "VmSwap:", "HugetlbPages:", "VmPTE:")
SHARES = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")  # of smaps_rollup: a page once, whoever has it
ALONE = ("HugetlbPages:", "VmPTE:")  # in HELD, and not in SHARES


def probe(*, groups: bool = True) -> str:
    """What would hold a worker to its memory here, in words."""
    group = Group.make(Limits()) if groups else None
    if group is not None:
        group.close()
    return described(group)


def described(group: Group | None) -> str:
    """What holds a worker to its memory, and what it does not hold."""
    if group is not None:
        return f"held by a control group ({group.version}, {group.place.words})"
    if not LINUX:
        return "watched" if psutil_or_none() is not None else "only each process by itself"
    return (
        f"watched every {POLL_SECONDS * 1000:.0f} ms: a burst of many processes within that time "
        "passes, and pipes hold up to 64 MB; a control group would count them (GRADUS_CGROUP)"
    )


@dataclass(frozen=True)
class Watched:
    """What a watchdog holds a tree of processes to.

    `sockets`: the tree has a network of its own, and what lies in its sockets counts. `processes`: how many
    there may be, where the system itself does not hold the tree to it. `group`: counts memory in its stead.
    """

    memory: int
    group: Group | None = None
    sockets: bool = False
    processes: int | None = None


class Watchdog:
    """A thread of the judge that adds up what a tree of processes holds, and ends it above a limit.

    Where a control group counts, it ends the whole tree as soon as the kernel has ended one process of it.

    Anonymous, shared, swapped and huge pages, page tables and sockets count, a page once however many
    processes have it. What a tree takes within `POLL_SECONDS` is not seen; one process alone is stopped by
    its own rlimit.
    """

    def __init__(
        self, root: int, limit: Watched, end: Callable[[], object], *, whole: bool
    ) -> None:
        """Watch the descendants of process `root`, and with `whole` also itself; `end` stops the worker."""
        self.exceeded = False
        self.too_many = False
        self._root, self._limit, self._end, self._whole = root, limit, end, whole
        self._kills = limit.group.kills() if limit.group is not None else 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gradus-memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._over.set()
        self._thread.join()
        self.exceeded = self.exceeded or self._was_killed()

    def _was_killed(self) -> bool:
        return self._limit.group is not None and self._limit.group.kills() > self._kills

    def _is_greedy(self, processes: list[int]) -> bool:
        limit = self._limit
        if limit.group is not None:
            return self._was_killed()
        held = in_sockets(self._root) if limit.sockets else 0
        return held + used(processes, limit.memory - held) > limit.memory

    def _watch(self) -> None:
        limit = self._limit.processes
        while not self._over.wait(POLL_SECONDS):
            processes = [*([self._root] if self._whole else []), *descendants(self._root)]
            self.exceeded = self._is_greedy(processes)
            self.too_many = limit is not None and len(processes) > limit
            if self.exceeded or self.too_many:
                with contextlib.suppress(Exception):  # it ended meanwhile
                    self._end()
                return


def used(processes: list[int], limit: int) -> int:
    """Bytes that `processes` hold together: exact only where a quick upper bound lies above `limit`."""
    if not LINUX:
        return sum(_resident(process) for process in processes)
    bound = [_fields(f"/proc/{process}/status", HELD) for process in processes]
    total = sum(size or 0 for size in bound)
    if total <= limit:
        return total
    exact = 0
    for process, size in zip(processes, bound, strict=True):
        shares = _fields(f"/proc/{process}/smaps_rollup", SHARES)
        alone = _fields(f"/proc/{process}/status", ALONE) or 0
        exact += shares + alone if shares is not None else (size or 0)
    return exact


def in_sockets(process: int) -> int:
    """Bytes that may lie in the sockets of the network that `process` is in.

    Sockets whose descriptors are under way to another process count too. A few MB are of the zygote's.
    """
    count, size = 0, SOCKET
    with contextlib.suppress(OSError, ValueError, IndexError):
        size = int(Path("/proc/sys/net/core/wmem_default").read_text("ascii"))
    with contextlib.suppress(OSError, ValueError, IndexError):
        first = Path(f"/proc/{process}/net/sockstat").read_text("ascii").splitlines()[0]
        count = int(first.split()[2])  # "sockets: used 12"
    return max(0, count * size - 4 * MEBIBYTE)


def _fields(file: str, names: tuple[str, ...]) -> int | None:
    """The sum of some lines of a file of /proc, in bytes: 0 if the process has ended, None if it hides."""
    try:
        lines = Path(file).read_text("ascii", "replace").splitlines()
    except PermissionError:
        return None
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(names))


def _resident(process: int) -> int:
    psutil = psutil_or_none()
    if psutil is None:
        return 0
    try:
        return int(psutil.Process(process).memory_info().rss)
    except psutil.Error:
        return 0
