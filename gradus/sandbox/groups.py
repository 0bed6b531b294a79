"""Control groups: the kernel itself holds a sandbox to its memory. Where there is one to be had, and how."""

import contextlib
import functools
import os
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from gradus.sandbox.group_places import Place, candidates, divided, read
from gradus.sandbox.limits import MEBIBYTE, Limits

ZYGOTE = 768 * MEBIBYTE  # what a group allows for torch until it is known what torch takes
SLACK = 128 * MEBIBYTE  # for what a zygote imports later
TRY_SECONDS = 20.0
# The remover outlives a judge that is killed: it removes the group when the judge's end of its pipe closes.
REMOVER = (
    'read -r x; i=0; while [ -d "$0" ] && [ $i -lt 200 ]; '
    'do rmdir "$0" && exit; sleep 0.05; i=$((i+1)); done'
)
ENTER = 'echo 0 > "$0" && exec "$@"'


@functools.cache
def best_place() -> Place | None:
    """The best place for groups that was tried here and works; None where there is none."""
    for found in candidates():
        group = Group.below(found, Limits())
        if group is None:
            continue
        try:
            if group.works():
                return found
        finally:
            group.close()
    return None


@dataclass(frozen=True)
class Group:
    """A control group of one slot's own: the kernel ends the greediest process in it at the limit.

    It ends with the slot, also where this process is killed before it could remove it.
    """

    place: Place
    limits: Limits
    folder: Path | None  # None until a group of systemd's has its process
    remover: "subprocess.Popen[bytes] | None" = None

    @property
    def version(self) -> str:
        """Of control groups: "v1" or "v2"."""
        return self.place.version

    @classmethod
    def make(cls, limits: Limits) -> "Group | None":
        """A new group; None where there is none to be had, or when it could not be made after all."""
        found = best_place()
        return None if found is None else cls.below(found, limits)

    @classmethod
    def below(cls, place: Place, limits: Limits) -> "Group | None":
        """A new group at one place; None when that fails."""
        if place.folder is None:
            return cls(place, limits, None)
        folder = place.folder / f"gradus-{os.getpid()}-{time.monotonic_ns()}"
        if not divided(place):
            return None
        try:
            folder.mkdir()
        except OSError:
            return None
        group = cls(place, limits, folder)
        try:
            group.hold(limits.memory + ZYGOTE)
            with contextlib.suppress(OSError):
                _set(folder / "pids.max", limits.processes + 4)  # bubblewrap, the zygote
            shell = ["/bin/sh", "-c", REMOVER, str(folder)]
            pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
            remover = subprocess.Popen(
                shell, stdin=pipe, stdout=nothing, stderr=nothing, start_new_session=True, cwd="/"
            )
        except OSError:
            group.close()
            return None
        return replace(group, remover=remover)

    def hold(self, size: int) -> None:
        """Let it have so many bytes.

        Raises:
            OSError: If the kernel does not take the limit.
        """
        if self.folder is None:
            return
        names = (
            ("memory.max", "memory.swap.max")
            if self.version == "v2"
            else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        )
        with contextlib.suppress(OSError):  # both together may never be less than memory alone
            _set(self.folder / names[1], 0 if self.version == "v2" else size)
        _set(self.folder / names[0], size)
        with contextlib.suppress(OSError):  # a kernel without swap lacks it
            _set(self.folder / names[1], 0 if self.version == "v2" else size)

    def settle(self) -> None:
        """Now the zygote has imported torch: from here on only what a worker takes is new."""
        if self.folder is None:
            return
        names = ("anon", "shmem") if self.version == "v2" else ("total_rss", "total_shmem")
        taken = 0
        for line in read(self.folder / "memory.stat").splitlines():
            name, _, value = line.partition(" ")
            taken += int(value) if name in names else 0
        with contextlib.suppress(OSError):
            self.hold(taken + SLACK + self.limits.memory)

    def entered(self, words: list[str]) -> list[str]:
        """The command line that runs `words` in this group from their first instruction on."""
        if self.folder is not None:
            return ["/bin/sh", "-c", ENTER, str(self.folder / "cgroup.procs"), *words]
        size, tasks = self.limits.memory + ZYGOTE, self.limits.processes + 4
        options = [f"MemoryMax={size}", "MemorySwapMax=0", f"TasksMax={tasks}"]
        return [*self.place.systemd, *[f"--property={option}" for option in options], *words]

    def of_process(self, process: int) -> "Group":
        """This group, with the folder that systemd has made for it: the one that `process` is in."""
        if self.folder is not None:
            return self
        for line in read(Path(f"/proc/{process}/cgroup")).splitlines():
            if line.startswith("0::"):
                return replace(self, folder=Path("/sys/fs/cgroup", line[3:].lstrip("/")))
        return self

    def works(self) -> bool:
        """Whether a process can be run in it, and is in it then."""
        try:
            done = subprocess.run(
                self.entered(["/bin/cat", "/proc/self/cgroup"]),
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=TRY_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        if self.folder is not None:
            return self.folder.name in done.stdout
        own = read(Path("/proc/self/cgroup"))
        return done.returncode == 0 and ".scope" in done.stdout and done.stdout != own

    def kills(self) -> int:
        """How many processes the kernel has ended here for want of memory."""
        if self.folder is None:
            return 0
        name = "memory.events" if self.version == "v2" else "memory.oom_control"
        with contextlib.suppress(ValueError):
            lines = read(self.folder / name).splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        return 0

    def close(self) -> None:
        """Remove the group; its processes must have ended."""
        if self.folder is None or self.place.folder is None:
            return  # systemd removes it with its last process
        for _ in range(50):  # the kernel lets go of the last process a little after it has ended
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.01)
            else:
                break
        if self.remover is not None and self.remover.stdin is not None:
            self.remover.stdin.close()
            self.remover.wait()


def _set(file: Path, value: int) -> None:
    with file.open("r+" if file.exists() else "x") as opened:
        opened.write(str(value))
