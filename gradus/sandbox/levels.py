"""How well this machine can shut a submission in: tried out, once, and said in words."""

import functools
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from enum import Enum

from gradus.sandbox import memory
from gradus.sandbox.bubblewrap import command, environment
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.identity import Identity, identities
from gradus.sandbox.orders import Orders
from gradus.sandbox.remedies import remedy_for
from gradus.sandbox.shown import user_packages

__all__ = ["Isolation", "Level", "SandboxError", "describe", "probe_level"]

PROBE_SECONDS = 60.0


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
    identity: Identity | None = None  # of those that were tried, where there is a sandbox

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
    why = ""
    for identity in identities():
        try:
            line = command(words(Orders(user=identity.becomes, probe=True)), identity=identity)
        except SandboxError as error:
            return describe(Level.PROCESS, filtered=bare, why=str(error))
        inside, said = _try(identity.started(line), namespace=True)
        if inside:
            return describe(Level.SANDBOX, filtered=True, identity=identity)
        if said.startswith("filter: "):
            why, _, remedy = said.removeprefix("filter: ").partition(": ")
            return describe(
                Level.NAMESPACES, filtered=False, why=why, remedy=remedy, identity=identity
            )
        why = why or said
    return describe(
        Level.PROCESS, filtered=bare, why=why or bare_why, remedy=remedy_for(why or "unknown")
    )


def words(orders: Orders) -> list[str]:
    """The command line of a zygote, in a sandbox or without one."""
    alone = ["-s"] if user_packages() is None else []
    return [sys.executable, *alone, "-m", "gradus.sandbox.zygote", orders.text()]


def describe(
    level: Level,
    *,
    filtered: bool,
    why: str = "",
    remedy: str = "",
    once: bool = False,
    identity: Identity | None = None,
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
        "memory": memory.probe(groups=not once),
        "user": identity.words if identity is not None else "the judge's own",
    }
    if level is not Level.SANDBOX:
        details["why"] = why or "this level was asked for"
    if remedy:
        details["remedy"] = remedy
    return Isolation(level, details, identity)


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
