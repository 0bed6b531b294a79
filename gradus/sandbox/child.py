"""What becomes of a process that is forked, or started, to be a worker."""

import contextlib
import ctypes
import functools
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from gradus.sandbox import limits
from gradus.sandbox.orders import Orders

CHANNEL = 3  # the only descriptor that a worker has besides 0-2
PDEATHSIG, DUMPABLE, SUBREAPER = 1, 4, 36  # options of prctl


def become(user: int | None) -> None:
    """Give up being root, for good."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)  # drops the last capabilities with it


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, where the system is Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def be_worker(channel: int, serve: str, orders: Orders) -> NoReturn:
    """The rest of a forked child's life."""
    code = 70
    try:
        os.setsid()
        if not orders.namespace:
            prctl(PDEATHSIG, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(null, standard)
        os.dup2(channel, CHANNEL)
        os.closerange(CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))  # the control socket among them
        prctl(DUMPABLE, 1)  # or its own files in /proc would belong to root
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(
                "1000", "ascii"
            )  # it goes before the zygote
        limits.apply(orders.limits, others=orders.others)
        os.chdir(orders.scratch)
        function(serve)(CHANNEL)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        os._exit(code & 0xFF)


@functools.cache
def function(path: str) -> Callable[..., None]:
    """The function at "module:name", or at "/path/to/file.py:name"."""
    place, _, name = path.rpartition(":")
    if not place.endswith(".py"):
        found: Callable[..., None] = getattr(importlib.import_module(place), name)
        return found
    spec = importlib.util.spec_from_file_location(Path(place).stem, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    served: Callable[..., None] = getattr(module, name)
    return served
