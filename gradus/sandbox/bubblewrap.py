"""The command line of bubblewrap: what a sandboxed process sees of this machine."""

import os
import shutil
import site
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from gradus.errors import GraderError
from gradus.sandbox.limits import Limits

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",  # Debian's numpy finds its BLAS through it
    "/sys/devices/system/cpu",  # torch asks which instructions there are
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
TOO_MUCH = (
    "/",
    "/home",
    "/root",
    "/tmp",
    "/etc",
    "/var",
    "/opt",
    "/proc",
    "/dev",
    "/sys",
    "/scratch",
)


class SandboxError(GraderError):
    """The sandbox could not be set up as it was asked for."""


def environment(scratch: str = "/scratch", temporary: str = "/tmp") -> dict[str, str]:
    """The whole environment of a sandboxed process: nothing of the judge's own but `PASSED_ON`."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if site.ENABLE_USER_SITE and site.USER_BASE and Path(site.getusersitepackages()).is_dir():
        passed["PYTHONUSERBASE"] = site.USER_BASE
    if sys.platform == "win32":  # Python does not start without it
        passed["SYSTEMROOT"] = os.environ.get("SYSTEMROOT", r"C:\Windows")
    return {**FIXED, "HOME": scratch, "TMPDIR": temporary, **passed}


def command(
    words: Sequence[str],
    *,
    readable: Iterable[Path] = (),
    limits: Limits | None = None,
    information: int | None = None,
) -> list[str]:
    """The command line that runs `words` as process 1 of a sandbox of its own.

    No network; a /proc, /dev, hostname and message queues of its own; the system, Python's prefixes, the
    folder of this package and `readable` can be read; only /scratch, /tmp and /dev/shm can be written, in
    memory and up to a size. As root no user namespace is made: the process keeps the two capabilities
    by which it becomes another user, and gives them up when it has.

    Args:
        readable: Files and folders, by absolute path; they appear at the same path.
        information: A descriptor that bubblewrap writes the number of the process to.

    Raises:
        SandboxError: If there is no bubblewrap, or if a path would show too much.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxError("sandbox: bubblewrap is missing; apt install bubblewrap")
    limits = limits or Limits()
    line = [found, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    line += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1"]
    line += ["--cap-drop", "ALL"]
    if os.geteuid() == 0:
        line += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        line += ["--unshare-user", "--disable-userns"]
    line.append("--clearenv")
    for name, value in environment().items():
        line += ["--setenv", name, value]
    line += ["--proc", "/proc", "--dev", "/dev"]
    for place, size in (
        ("/scratch", limits.scratch),
        ("/tmp", limits.temporary),
        ("/dev/shm", limits.shared),
    ):
        line += ["--perms", "1777", "--size", str(size), "--tmpfs", place]
    line += _system()
    files = [path for path in map(Path, SYSTEM_FILES) if path.exists()]
    made = {Path("/"), Path("/tmp"), Path("/dev"), Path("/dev/shm")}
    for path in [*files, *_sorted_paths([*_python(), *readable])]:
        for outer in reversed(path.parents):
            if outer not in made:  # or bubblewrap makes it for its own user alone
                line += ["--perms", "0755", "--dir", str(outer)]
                made.add(outer)
        line += ["--ro-bind", str(path), str(path)]
    for device in sorted(Path("/dev").glob("nvidia*")):
        line += ["--dev-bind", str(device), str(device)]
    line += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/scratch"]
    if information is not None:
        line += ["--info-fd", str(information)]
    return [*line, "--", *words]


def _system() -> list[str]:
    line: list[str] = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            line += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            line += ["--ro-bind", name, name]
    return line


def _python() -> list[Path]:
    """Where this Python, its packages and this package lie: the folders themselves, never what is around."""
    paths = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix)}
    if site.ENABLE_USER_SITE:
        paths.add(Path(site.getusersitepackages()))
    paths.add(Path(__file__).parent.parent)
    link = Path(sys.executable)
    for _ in range(40):  # an environment's python is a chain of links, each of which must be there
        paths.add(link)
        if not link.is_symlink():
            break
        link = Path(os.path.normpath(link.parent / link.readlink()))
    return [path for path in paths if path.exists()]


def _sorted_paths(paths: Iterable[Path]) -> list[Path]:
    """Absolute paths, outer ones first, without those that an outer one already shows.

    Raises:
        SandboxError: If one is missing or would show far more than was meant.
    """
    shown: list[Path] = []
    every = {Path(os.path.abspath(path)) for path in paths}  # noqa: PTH100  links are kept as they are
    for path in sorted(every, key=lambda path: len(path.parts)):
        if str(path) in TOO_MUCH or path == Path.home():
            raise SandboxError(
                f"sandbox: {path} would be readable by submissions, and that is too much; "
                "name the files that they need, or install Python and gradus in a folder of their own"
            )
        if not path.exists():
            raise SandboxError(f"sandbox: {path} is to be readable by submissions and is not there")
        outer = [Path("/usr"), *shown]
        if not any(path == one or one in path.parents for one in outer):
            shown.append(path)
    return shown
