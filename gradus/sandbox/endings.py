"""How a worker ended, and why a level was not had, in words."""

import contextlib
import signal
from dataclasses import dataclass

from gradus.sandbox.fork_server import Stopped
from gradus.sandbox.levels import Isolation, Level
from gradus.sandbox.limits import GIBIBYTE, MEBIBYTE, Limits

CPU = getattr(signal, "SIGXCPU", None)


@dataclass(frozen=True)
class Ended:
    """How a worker ended. `words` tell the student, `code` is negative for a signal, None if it still ran."""

    words: str
    code: int | None
    over_memory: bool = False


def out_of_reach(level: Level, best: Isolation, *, fork_server: bool) -> str:
    """Why a level that was asked for cannot be had, and what to do."""
    words = f"sandbox: level {level} was asked for, and here is only {best.level}"
    if not fork_server:
        return f"sandbox: level {level} was asked for, and here is only process: no fork server"
    why, remedy = best.details.get("why", ""), best.details.get("remedy", "")
    return f"{words}: {why}{f'; {remedy}' if remedy else ''}"


def ended(stopped: Stopped | None, limits: Limits, *, over_memory: bool, too_many: bool) -> Ended:
    """How a worker ended, in words."""
    code = stopped.code if stopped is not None else None
    if over_memory:
        return Ended(
            f"it took more than {_size(limits.memory)} of memory and was stopped", code, True
        )
    if too_many:
        return Ended(f"it started more than {limits.processes} processes", code)
    if stopped is None:
        return Ended("it was lost together with its sandbox", None)
    if stopped.overfull:
        return Ended(f"it made more than {limits.files} files and was stopped", code)
    if code is None:
        return Ended("it was still running and was stopped", None)
    if CPU is not None and code == -CPU:
        return Ended(
            f"it used more than {limits.cpu_seconds} s of processor time and was stopped", code
        )
    if code < 0:
        with contextlib.suppress(ValueError):
            return Ended(f"it crashed the whole process ({signal.Signals(-code).name})", code)
    return Ended(f"it ended the whole process (exit code {code})", code)


def _size(size: int) -> str:
    if size >= GIBIBYTE:
        return f"{size / GIBIBYTE:.3g} GB"
    return f"{size / MEBIBYTE:.3g} MB"
