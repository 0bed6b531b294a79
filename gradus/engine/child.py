"""What a forked child does: grade one answer, tell the warm judge every step, end."""

import contextlib
import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import jaxtyping  # noqa: F401  (most answers import it: once here, for every child)
import pytest

from gradus.engine.job import Job
from gradus.engine.running import Running
from gradus.grading import time_limit  # noqa: F401  (as every check does)
from gradus.grading.journal import FAULT, Journal, Line
from gradus.grading.own_process import OWN
from gradus.sandbox import limits
from gradus.sandbox.child import PDEATHSIG, prctl
from gradus.submission.debugger import let_debuggers_quit

OUT_OF_THE_WAY = 900  # the least number of the pipe's descriptor


def grade_and_end(
    config: pytest.Config,
    items: Sequence[pytest.Item],
    job: Job,
    past: Sequence[Line],
    others: int,
    pipe: int,
) -> NoReturn:
    """Run the checks on an answer, write a line for each step, and end the process.

    Args:
        config: Of the warm pytest, which has the checks collected.
        items: The cases that are to be run, in this order.
        job: What is graded.
        past: The lines that earlier processes for this answer wrote.
        others: How many processes of this user run elsewhere (for the limit on their number).
        pipe: Where the lines go.
    """
    leave = os._exit  # `exits_intercepted` takes its place while a check runs
    journal = Journal.in_pipe(_alone(pipe), past)
    try:
        _become_child(job, others)
        own_run(config, job, journal).run(items)
        journal.end()
    except BaseException:  # the tool's own fault: nothing of it is the answer's
        with contextlib.suppress(BaseException):
            journal.write(FAULT, text=traceback.format_exc())
    leave(0)


def _alone(pipe: int) -> int:
    """Close what else was inherited, such as the terminal; the pipe, where student code seldom closes it."""
    import fcntl  # Windows has none, and forks nothing

    keep_still()  # faulthandler has a descriptor
    with contextlib.suppress(OSError):  # so many may not be open here
        pipe = fcntl.fcntl(pipe, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)
    os.closerange(3, pipe)
    os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))
    return pipe


def keep_still() -> None:
    """Let Python write nothing of its own accord."""
    faulthandler.disable()  # its stacks are those of pytest and gradus; the message says what happened
    sys.dont_write_bytecode = True


def _become_child(job: Job, others: int) -> None:
    os.setpgid(0, 0)
    prctl(PDEATHSIG, signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.close(null)
    # "" is the working folder, and so the student's: modules there must not stand before the grader's.
    sys.path[:] = [folder for folder in sys.path if folder]
    if job.memory is not None:
        limits.apply(limits.Limits(memory=job.memory), others=others)
    if job.folder is not None:
        os.chdir(job.folder)


def own_run(config: pytest.Config, job: Job, journal: Journal) -> Running:
    """Make a forked process of the warm judge's ready for its one answer.

    Args:
        config: Of the warm pytest, which has the checks collected.
        job: What is graded.
        journal: Hands every step on.
    """
    config.stash[OWN] = True
    let_debuggers_quit()
    for name in ("terminalreporter", "lfplugin", "nfplugin", "stepwiseplugin"):  # the parent's
        if config.pluginmanager.hasplugin(name):
            config.pluginmanager.unregister(name=name)
    running = Running(config, job, journal)
    config.pluginmanager.register(running)
    if job.reports:
        config.pluginmanager.register(_Telling(config, journal))
    return running


class _Telling:
    """A pytest plugin: every report goes to the warm judge."""

    def __init__(self, config: pytest.Config, journal: Journal) -> None:
        self._config, self._journal = config, journal

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send a report on, before the line that says that its case has ended."""
        hook = self._config.hook
        data = hook.pytest_report_to_serializable(config=self._config, report=report)
        self._journal.write("report", report=data)
