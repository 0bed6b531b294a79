"""Hold a worker's whole tree of processes to a size: by a control group that was granted, or by watching it."""

import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus.sandbox.limits import MEBIBYTE, Limits

POLL_SECONDS = 0.05
ZYGOTE = 768 * MEBIBYTE  # what a group allows for torch itself, which counts in it
LINUX = sys.platform == "linux"
GRANTED = (
    "GRADUS_CGROUP"  # environment variable: the folder of a control group for gradus to divide
)


def probe(*, granted: bool = True) -> str:
    """What would hold a worker to its memory here: "cgroup v1", "cgroup v2", "watchdog" or "none"."""
    group = Group.make(Limits()) if granted else None
    if group is not None:
        group.close()
        return f"cgroup {group.version}"
    return "watchdog" if LINUX or _psutil() is not None else "none"


@dataclass(frozen=True)
class Group:
    """A control group of one slot's own: the kernel ends the greediest process in it at the limit.

    It is made only below a group that somebody has handed over (`GRADUS_CGROUP` names its folder; with
    version 2 it must have no process of its own): other groups have another master, such as systemd.
    """

    folder: Path
    version: str  # "v1" or "v2"

    @classmethod
    def make(cls, limits: Limits) -> "Group | None":
        """A new group; None where none was granted or the grant does not serve."""
        parent = _granted()
        if parent is None:
            return None
        version = "v2" if (parent / "cgroup.controllers").exists() else "v1"
        folder = parent / f"gradus-{os.getpid()}-{time.monotonic_ns()}"
        try:
            if version == "v2":
                with contextlib.suppress(OSError):  # already so, or the group has processes
                    (parent / "cgroup.subtree_control").write_text("+memory +pids", "ascii")
            folder.mkdir()
        except OSError:
            return None
        group = cls(folder, version)
        size = limits.memory + ZYGOTE
        try:
            if version == "v2":
                group._set("memory.max", size)
                group._set("pids.max", limits.processes + 2)  # bubblewrap and the zygote
                with contextlib.suppress(OSError):  # a kernel without swap lacks it
                    group._set("memory.swap.max", 0)
            else:
                group._set("memory.limit_in_bytes", size)
                with contextlib.suppress(OSError):
                    group._set("memory.memsw.limit_in_bytes", size)
        except OSError:
            group.close()
            return None
        return group

    def _set(self, name: str, value: int) -> None:
        with (self.folder / name).open("r+" if (self.folder / name).exists() else "x") as file:
            file.write(str(value))

    def entered(self, words: list[str]) -> list[str]:
        """The command line that runs `words` in this group from their first instruction on."""
        script = 'echo $$ > "$0" && exec "$@"'
        return ["/bin/sh", "-c", script, str(self.folder / "cgroup.procs"), *words]

    def kills(self) -> int:
        """How many processes the kernel has ended here for want of memory."""
        name = "memory.events" if self.version == "v2" else "memory.oom_control"
        with contextlib.suppress(OSError, ValueError):
            lines = (self.folder / name).read_text("ascii").splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        return 0

    def close(self) -> None:
        """Remove the group; its processes must have ended."""
        for _ in range(50):  # the kernel lets go of the last process a little after it has ended
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)
            else:
                return


def _granted() -> Path | None:
    """The folder below which groups may be made."""
    named = os.environ.get(GRANTED)
    return Path(named) if named and Path(named).is_dir() else None


class Watchdog:
    """A thread of the judge that adds up what a tree of processes holds, and ends it above a limit.

    Anonymous and shared memory counts, a page once however many processes have it. What a tree takes
    within `POLL_SECONDS` is not seen; one process alone is stopped by its own rlimit.
    """

    def __init__(self, root: int, limit: int, end: Callable[[], object], *, whole: bool) -> None:
        """Watch the descendants of process `root`, and with `whole` also itself; `end` stops the worker."""
        self.exceeded = False
        self._root, self._limit, self._end, self._whole = root, limit, end, whole
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="gradus-memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            processes = [*([self._root] if self._whole else []), *descendants(self._root)]
            if used(processes, self._limit) > self._limit:
                self.exceeded = True
                with contextlib.suppress(Exception):  # it ended meanwhile
                    self._end()
                return


def descendants(root: int) -> list[int]:
    """The processes that `root` has started, and they, and so on."""
    if not LINUX:
        psutil = _psutil()
        if psutil is None:
            return []
        try:
            return [child.pid for child in psutil.Process(root).children(recursive=True)]
        except psutil.Error:
            return []
    found: list[int] = []
    waiting = [root]
    while waiting:
        tasks = Path(f"/proc/{waiting.pop()}/task")
        with contextlib.suppress(OSError):  # it has ended since its parent was asked
            for task in tasks.iterdir():
                with contextlib.suppress(OSError):
                    words = (task / "children").read_text("ascii").split()
                    found += map(int, words)
                    waiting += map(int, words)
    return found


def used(processes: list[int], limit: int) -> int:
    """Bytes that `processes` hold together: exact only where a quick upper bound lies above `limit`."""
    if not LINUX:
        return sum(_resident(process) for process in processes)
    bound = [_fields(f"/proc/{process}/status", ("RssAnon:", "RssShmem:")) for process in processes]
    total = sum(size or 0 for size in bound)
    if total <= limit:
        return total
    exact = 0
    for process, size in zip(processes, bound, strict=True):
        shares = _fields(f"/proc/{process}/smaps_rollup", ("Pss_Anon:", "Pss_Shmem:"))
        exact += shares if shares is not None else (size or 0)
    return exact


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
    psutil = _psutil()
    if psutil is None:
        return 0
    try:
        return int(psutil.Process(process).memory_info().rss)
    except psutil.Error:
        return 0


def _psutil() -> Any:
    """The library psutil, which tells of processes where there is no /proc; None where it is missing."""
    try:
        return importlib.import_module("psutil")
    except ImportError:
        return None
