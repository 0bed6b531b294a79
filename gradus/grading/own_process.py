"""The process that pytest was started in: how it comes to its end, whatever a submission has left in it."""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gradus.sandbox.child import PDEATHSIG, prctl

SUPERVISOR = "GRADUS_SUPERVISOR"  # names the process that waits for this one
OWN = pytest.StashKey[bool]()  # set where a process was forked for this one run, and is supervised
_exit = os._exit  # the real one: `exits_intercepted` takes its place while a submission runs


def owns_process(config: pytest.Config) -> bool:
    """Whether this process is there for pytest alone; a notebook or a tool brings plugins of its own."""
    return OWN in config.stash or not config.invocation_params.plugins


def is_supervised(config: pytest.Config) -> bool:
    """Whether another process waits for this one, and ends it when it hangs."""
    return OWN in config.stash or config.getoption("--gradus-journal") is not None


def end_with_supervisor() -> None:
    """Let this process end when the one that supervises it does: nobody else would stop an endless loop."""
    supervisor = int(os.environ.get(SUPERVISOR, "0"))
    if supervisor:
        end_with_parent(supervisor)


def end_with_parent(parent: int | None = None) -> None:
    """Let this process end when its parent does, by its process id the one that it has now if None."""
    if os.name != "posix":
        return
    supervisor = os.getppid() if parent is None else parent
    prctl(PDEATHSIG, getattr(signal, "SIGKILL", 0))  # Linux; the thread is for other systems

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(0.5)
        _exit(1)

    threading.Thread(target=watch, name="gradus-supervisor", daemon=True).start()


def end_process(config: pytest.Config, code: int, what: str, seconds: float, why: str) -> NoReturn:
    """Tell what does not stop, on the stderr that pytest was started with, and end the process."""
    with contextlib.suppress(Exception):  # whatever becomes of the words, the process ends
        capture: Any = config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=True)
        words = f"\ngradus: {what} does not stop after {seconds:g} s: {why}. This pytest run ends here.\n"
        sys.stdout.flush()
        os.write(2, words.encode(errors="replace"))
    _exit(code)


def leave_after_student_code(config: pytest.Config, code: int, *, worker: bool) -> None:
    """End the process, where pytest (or one of its workers) is all that runs in it.

    All is reported by now. What student code has left may run for ever: threads, `atexit` handlers, objects
    with `__del__`, processes of multiprocessing. Python would wait for all of them.
    """
    alone = worker or (owns_process(config) and _is_main_program())
    if not alone or _is_measured():
        return
    with contextlib.suppress(Exception):
        for child in multiprocessing.active_children():
            child.kill()
        config.get_terminal_writer().flush()
        logging.shutdown()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            if stream is not None:
                stream.flush()
    _exit(code)


def _is_measured() -> bool:
    """Whether a tool looks on that writes down what it saw when Python ends."""
    return "coverage" in sys.modules or bool(sys.gettrace() or sys.getprofile())


def _is_main_program() -> bool:
    """Whether nothing comes after pytest: it was not called by a program that goes on."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    name = spec.name if spec is not None else Path(str(getattr(main, "__file__", ""))).stem
    names = {name, Path(sys.argv[0]).stem} if name == "__main__" else {name}
    return bool(names & {"pytest.__main__", "pytest", "py.test"})
