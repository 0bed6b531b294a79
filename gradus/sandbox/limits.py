"""What a submission may use, and the part of it that a process can be held to by itself (rlimits)."""

import contextlib
import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path

from gradus.errors import GradusError

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class Limits:
    """What one worker, with everything that it starts, may use. Sizes in bytes, the rest are counts.

    Raises:
        GradusError: If a limit is not a positive whole number.
    """

    memory: int = 4 * GIBIBYTE  # of the whole tree of processes, beyond what importing torch takes
    scratch: int = 256 * MEBIBYTE  # the working folder
    temporary: int = 64 * MEBIBYTE  # /tmp
    shared: int = 512 * MEBIBYTE  # /dev/shm: DataLoader workers hand tensors over there
    file_size: int = 256 * MEBIBYTE
    files: int = (
        100_000  # in the three folders together: an empty file takes the kernel's memory too
    )
    processes: int = 64  # and threads
    open_files: int = 256  # of one process
    cpu_seconds: int = 3600  # of one process: the judge's own time limits end it long before

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or value <= 0:
                raise GradusError(
                    f"Limits: {field.name} is {value!r}; give a whole number above zero"
                )


def apply(limits: Limits, *, others: int = 0) -> None:
    """Hold this process, and what it will start, to `limits`. Where a system lacks a limit it is left out.

    `others` is how many processes and threads of the same user run elsewhere: the system counts them too.
    """
    if sys.platform == "win32":
        return
    import resource

    ceilings = {
        "RLIMIT_CORE": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_FSIZE": limits.file_size,
        "RLIMIT_NPROC": limits.processes + others,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_SIGPENDING": 1024,  # signals and timers in the kernel
    }
    if not Path("/dev/nvidiactl").exists():  # CUDA reserves far more addresses than there is memory
        ceilings["RLIMIT_AS"] = _address_space() + limits.memory
        ceilings["RLIMIT_MEMLOCK"] = MEBIBYTE
    for name, ceiling in ceilings.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        value = ceiling if hard == resource.RLIM_INFINITY else min(ceiling, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows RLIMIT_AS and refuses it
            resource.setrlimit(kind, (value, value))


def _address_space() -> int:
    """Bytes of addresses this process has in use: torch's libraries alone are a gibibyte or more."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    except OSError:
        return 2 * GIBIBYTE


def tasks_of_user(user: int) -> int:
    """How many processes and threads of `user` run on this machine, as far as /proc shows them."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == user:
                count += len(list((folder / "task").iterdir()))
    return count
