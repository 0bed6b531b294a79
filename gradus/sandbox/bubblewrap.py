"""The command line of bubblewrap: what a sandboxed process sees of this machine."""

import os
import shutil
import site
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from gradus.sandbox.errors import SandboxError
from gradus.sandbox.identity import Identity, identities
from gradus.sandbox.limits import Limits
from gradus.sandbox.shown import import_path, user_packages, views

__all__ = ["SandboxError", "command", "environment"]

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",  # Debian's numpy finds its BLAS through it
    "/sys/devices/system/cpu",  # torch asks which instructions there are
)
# Bubblewrap leaves open to a root without rights what an ordinary user cannot write anyway.
READ_ONLY_IN_PROC = ("/proc/sys",)
COVERED_IN_PROC = (
    *("acpi", "asound", "bus", "fs", "irq", "kcore", "keys", "key-users", "kmsg", "kpagecount"),
    *("kpageflags", "latency_stats", "mtrr", "sched_debug", "scsi", "slabinfo", "sysrq-trigger"),
    *("timer_list", "vmallocinfo"),
)
FIXED = {
    "HOME": "/scratch",
    "TMPDIR": "/tmp",  # the sandbox's own, of a set size
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "USER": "student",
    "LOGNAME": "student",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_TRIM_THRESHOLD_": "268435456",  # freed memory is kept: to get it anew costs more than a copy
    "MALLOC_MMAP_THRESHOLD_": "134217728",
}
PASSED_ON = ("PYTHONHASHSEED", "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG")


def environment(scratch: str = "/scratch", temporary: str = "/tmp") -> dict[str, str]:
    """The whole environment of a sandboxed process: nothing of the judge's own but `PASSED_ON`."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if user_packages() is not None and site.USER_BASE is not None:
        passed["PYTHONUSERBASE"] = site.USER_BASE
    passed["PYTHONPATH"] = import_path()
    if sys.platform == "win32":  # Python does not start without it
        passed["SYSTEMROOT"] = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return {**FIXED, "HOME": scratch, "TMPDIR": temporary, **passed}


def command(
    words: Sequence[str],
    *,
    readable: Iterable[Path] = (),
    hidden: Iterable[Path] = (),
    limits: Limits | None = None,
    information: int | None = None,
    identity: Identity | None = None,
) -> list[str]:
    """The command line that runs `words` as process 1 of a sandbox of its own.

    No network; a /proc, /dev, hostname and message queues of its own; the system, this Python, the folder of
    this package and `readable` can be read, and nothing of `hidden` that is not one of these; only /scratch,
    /tmp and /dev/shm can be written, in memory and up to a size.

    Args:
        readable: Files and folders, by absolute path; they appear at the same path.
        hidden: Files and folders that are covered wherever they would be seen.
        information: A descriptor that bubblewrap writes the number of the process to.
        identity: Who the process is; the best for this one's rights if None.

    Raises:
        SandboxError: If there is no bubblewrap, if a path would show too much, or if Python cannot be shown
            without something that is to be hidden.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxError("sandbox: bubblewrap is missing; apt install bubblewrap")
    limits = limits or Limits()
    identity = identity or identities()[0]
    line = [found, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    line += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1"]
    line += ["--cap-drop", "ALL", *identity.options]
    line.append("--clearenv")
    for name, value in environment().items():
        line += ["--setenv", name, value]
    line += ["--proc", "/proc", "--dev", "/dev"]
    # /dev/zero mapped as shared memory escapes every count of a process's memory; /dev/full cannot be mapped
    zeros = "/dev/full" if Path("/dev/full").exists() else "/dev/null"
    line += ["--dev-bind", zeros, "/dev/zero"]
    line += _proc()
    for place, size in (
        ("/scratch", limits.scratch),
        ("/tmp", limits.temporary),
        ("/dev/shm", limits.shared),
    ):
        line += ["--perms", "1777", "--size", str(size), "--tmpfs", place]
    line += _system()
    covered = _mounts(line, readable, hidden)
    for device in sorted(Path("/dev").glob("nvidia*")):
        line += ["--dev-bind", str(device), str(device)]
    for place in ("/dev", *map(str, covered), "/"):
        line += ["--remount-ro", place]
    line += ["--chdir", "/scratch"]
    if information is not None:
        line += ["--info-fd", str(information)]
    return [*line, "--", *words]


def _proc() -> list[str]:
    """Close what is left of /proc."""
    line: list[str] = []
    for place in READ_ONLY_IN_PROC:
        line += ["--ro-bind", place, place]
    for path in (Path("/proc", name) for name in COVERED_IN_PROC):
        if path.is_dir():
            line += ["--tmpfs", str(path), "--remount-ro", str(path)]
        elif path.exists():
            line += ["--ro-bind", "/dev/null", str(path)]
    return line


def _mounts(line: list[str], readable: Iterable[Path], hidden: Iterable[Path]) -> list[Path]:
    """Add what is shown and covered to `line`; the folders that cover something."""
    system = [path for path in map(Path, SYSTEM) if path.is_dir() and not path.is_symlink()]
    files = [(path, True) for path in map(Path, SYSTEM_FILES) if path.exists()]
    made = {Path("/"), Path("/tmp"), Path("/dev"), Path("/dev/shm")}
    covered = []
    for path, is_shown in [*files, *views(system, readable, hidden).steps]:
        for outer in reversed(path.parents):
            if outer not in made:  # or bubblewrap makes it for its own user alone
                line += ["--perms", "0755", "--dir", str(outer)]
                made.add(outer)
        if is_shown:
            line += ["--ro-bind", str(path), str(path)]
        elif path.is_dir():
            line += ["--perms", "0755", "--tmpfs", str(path)]
            covered.append(path)
        else:
            line += ["--ro-bind", "/dev/null", str(path)]
    return covered


def _system() -> list[str]:
    line: list[str] = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            line += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            line += ["--ro-bind", name, name]
    return line
