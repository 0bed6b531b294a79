"""How well this machine can shut a submission in: tried out, once, and said in words."""

import functools
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from gradus.sandbox import memory
from gradus.sandbox.bubblewrap import SandboxError, command, environment
from gradus.sandbox.orders import Orders

__all__ = ["Isolation", "Level", "SandboxError", "describe", "probe_level", "unused_user"]

PROBE_SECONDS = 60.0
FIRST_UNUSED_USER = 1_000_000_000  # far above what systems and directories give out


class Level(str, Enum):
    """How a submission is shut in, best first."""

    SANDBOX = "sandbox"  # bubblewrap, system-call filter and limits
    NAMESPACES = "namespaces"  # bubblewrap and limits
    PROCESS = "process"  # a process of its own, with such limits as the system has

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Isolation:
    """The level that is reached here.

    `details` says in words what that means: files, network, system calls, memory, user; and below
    `Level.SANDBOX` also why it is no better, and the remedy.
    """

    level: Level
    details: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.level} ({'; '.join(f'{name}: {text}' for name, text in self.details.items())})"
        )


@functools.cache
def probe_level() -> Isolation:
    """Try bubblewrap with the flags that are used, and the filter; takes about a second, once."""
    bare, bare_why = _try([], namespace=False)
    if sys.platform != "linux":
        return describe(Level.PROCESS, filtered=False, why=f"{platform.system()} has no bubblewrap")
    if shutil.which("bwrap") is None:
        why, remedy = "bubblewrap is missing", "apt install bubblewrap"
        return describe(Level.PROCESS, filtered=bare, why=why, remedy=remedy)
    try:
        orders = Orders(user=unused_user(), probe=True)
        inside, why = _try(command(words(orders)), namespace=True)
    except SandboxError as error:
        return describe(Level.PROCESS, filtered=bare, why=str(error))
    if inside:
        return describe(Level.SANDBOX, filtered=True)
    if why.startswith("filter: "):
        why, _, remedy = why.removeprefix("filter: ").partition(": ")
        return describe(Level.NAMESPACES, filtered=False, why=why, remedy=remedy)
    return describe(Level.PROCESS, filtered=bare, why=why or bare_why, remedy=_remedy(why))


def words(orders: Orders) -> list[str]:
    """The command line of a zygote, in a sandbox or without one."""
    return [sys.executable, "-s", "-m", "gradus.sandbox.zygote", orders.text()]


def unused_user() -> int | None:
    """A number that no user has and no other slot draws, where this process may become anybody."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    first, last = 60_001, 65_000  # what a container with a map of its own still knows
    for line in Path("/proc/self/uid_map").read_text("ascii").splitlines():
        inside, _, count = (int(word) for word in line.split())
        if inside <= FIRST_UNUSED_USER and inside + count > 2 * FIRST_UNUSED_USER:
            first, last = FIRST_UNUSED_USER, 2 * FIRST_UNUSED_USER
    return first + secrets.randbelow(last - first)


def describe(
    level: Level, *, filtered: bool, why: str = "", remedy: str = "", once: bool = False
) -> Isolation:
    """`level` in words. `filtered`: the filter is loaded. `once`: a new process for each worker."""
    boxed = level is not Level.PROCESS
    details = {
        "files": "only the system, Python and what the grader names can be read; "
        "only a scratch folder can be written"
        if boxed
        else "everything that the judge may read and write",
        "network": "none" if boxed or filtered else "open",
        "system calls": "filtered (seccomp)" if filtered else "all",
        "memory": memory.probe(granted=not once),
        "user": _user(boxed),
    }
    if level is not Level.SANDBOX:
        details["why"] = why or "this level was asked for"
    if remedy:
        details["remedy"] = remedy
    return Isolation(level, details)


def _user(boxed: bool) -> str:
    if not boxed:
        return "the judge's own"
    return "one of its own" if unused_user() is not None else "the judge's own, without its rights"


def _try(line: list[str], *, namespace: bool) -> tuple[bool, str]:
    """Run a probing zygote; whether it reached all it was asked for, and why not."""
    with tempfile.TemporaryDirectory(prefix="gradus-") as folder:
        orders = Orders(namespace=namespace, folders=(folder,), probe=True)
        try:
            done = subprocess.run(
                line or words(orders),
                env=environment(folder, folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return False, f"{(line or words(orders))[0]} does not run ({error})"
    try:
        lacking = str(json.loads(done.stdout)["lacking"])
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines()
        return False, said[-1] if said else f"it ended with exit code {done.returncode}"
    return not lacking, f"filter: {lacking}" if lacking else ""


def _remedy(why: str) -> str:
    """What to do about bubblewrap's own words."""
    if "Unknown option" in why:
        return "install bubblewrap 0.8 or newer (Ubuntu 24.04, Debian 12)"
    if "No space left" in why or "user.max_user_namespaces" in why:
        return "sysctl -w user.max_user_namespaces=15000, or run as root"
    if "permission" in why.lower() or "permitted" in why.lower():
        return (
            "allow user namespaces (sysctl -w kernel.unprivileged_userns_clone=1; on Ubuntu 24.04 "
            "kernel.apparmor_restrict_unprivileged_userns=0; in Docker --security-opt seccomp=unconfined "
            "--security-opt systempaths=unconfined), or run as root"
        )
    return "run `bwrap --unshare-all --ro-bind / / true` to see what it lacks"
