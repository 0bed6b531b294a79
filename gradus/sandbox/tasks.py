"""The processes that a process has started, as far as this system tells."""

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LINUX = sys.platform == "linux"


def descendants(root: int) -> list[int]:
    """The processes that `root` has started, and they, and so on."""
    if not LINUX:
        psutil = psutil_or_none()
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


def last_number() -> int:
    """The number of the newest process or thread of this namespace, ended or not; 0 without /proc."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/loadavg").read_text("ascii").split()[4])
    return 0


def marks_of_self() -> list[str]:
    """What a worker may be able to change of this process, where both are a root without rights."""
    marks = []
    for name in ("oom_score_adj", "comm", "timerslack_ns", "coredump_filter"):
        with contextlib.suppress(OSError):
            marks.append(Path("/proc/self", name).read_text("utf-8", "replace"))
    return marks


def reap_all(deadline: float, kill: Callable[[], None]) -> list[str]:
    """Wait until there is no process left; says so if there still is one."""
    kill()
    while time.monotonic() < deadline:
        try:
            process, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if process == 0:
            kill()
            time.sleep(0.001)
    return ["processes are left that cannot be killed"]


def psutil_or_none() -> Any:
    """The library psutil, which tells of processes where there is no /proc; None where it is missing."""
    try:
        return importlib.import_module("psutil")
    except ImportError:
        return None
