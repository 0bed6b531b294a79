"""Grade mutants: pytest collects the checks once, then every mutant gets a forked copy of the warm process."""

import contextlib
import gc
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from gradus.authoring.audit.child import grade_and_end
from gradus.authoring.audit.collected import Collected
from gradus.authoring.audit.mutants import Mutant
from gradus.authoring.audit.pool import in_children
from gradus.authoring.notice import tasks_that_may_notice
from gradus.course import Course
from gradus.errors import GraderError, GradusError
from gradus.grading.devices import CPU, SIMULATED
from gradus.grading.run import QUIET, arguments
from gradus.sandbox.limits import tasks_of_user
from gradus.submission.status import Status
from gradus.topic import Topic


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant. `passed`: it survived every check; `check` is the one that noticed it."""

    mutant: Mutant
    status: Status
    check: str = ""
    task: str = ""
    message: str = ""

    @property
    def survived(self) -> bool:
        """Whether no check noticed it."""
        return self.status is Status.PASSED

    @property
    def elsewhere(self) -> bool:
        """Whether only a check of another task noticed it."""
        return bool(self.task) and self.task != self.mutant.task


def grade_mutants(
    course: Course,
    topic: Topic,
    mutants: Sequence[Mutant],
    *,
    jobs: int,
    seed: int = 0,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    tick: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Run the checks on every mutant, hidden ones too; the outcomes in the order of the mutants.

    Args:
        course: The kit.
        topic: Its topic that the mutants belong to.
        mutants: What to grade.
        jobs: How many at a time.
        seed: Of the random inputs.
        on_outcome: Called with each outcome as it comes.
        tick: Called several times a second meanwhile.

    Raises:
        GraderError: If pytest could not collect the checks, or the reference does not pass them all.
        GradusError: If this system cannot fork.
    """
    if not hasattr(os, "fork"):
        raise GradusError(
            "the audit forks a warm process for every mutant, which this system cannot do. "
            "Run it on Linux or macOS, or in WSL."
        )
    torch.set_num_threads(1)  # what a grader computes while it is imported must start no others
    with tempfile.TemporaryDirectory(prefix="gradus-audit-") as folder:
        audit = _Audit(course, topic, mutants, jobs, Path(folder), on_outcome, tick)
        return audit.run(seed)


class _Audit:
    """A pytest plugin that runs the mutants where pytest would run the tests."""

    def __init__(
        self,
        course: Course,
        topic: Topic,
        mutants: Sequence[Mutant],
        jobs: int,
        folder: Path,
        on_outcome: Callable[[Outcome], None],
        tick: Callable[[], None],
    ) -> None:
        self._course, self._topic, self._mutants = course, topic, mutants
        self._jobs, self._folder = jobs, folder
        self._on_outcome, self._tick = on_outcome, tick
        self._outcomes: dict[int, Outcome] = {}
        grader = course.grader(topic.name)
        mistakes = course.root / "tests" / "mistakes" / f"{topic.name}.py"
        self._noticing = {
            task: tasks_that_may_notice(topic, task, grader, mistakes) for task in topic.tasks
        }
        self._failure: BaseException | None = None
        self._ran = False

    def run(self, seed: int) -> list[Outcome]:
        """Start pytest, which comes back to `pytest_runtestloop`."""
        words = arguments(self._course, self._topic.name, None, hidden=True, seed=seed)
        words += ["--device", CPU, "--device", SIMULATED]  # CUDA cannot be used in a forked process
        words += ["--basetemp", str(self._folder / "pytest"), "-p", "no:faulthandler", *QUIET]
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            pytest.main(words, plugins=[self])
        if self._failure is not None:
            raise self._failure
        if not self._ran:
            raise GraderError(
                f"{self._course.grader(self._topic.name)}: pytest ran no check.\n"
                f"{output.getvalue()[-2000:]}"
            )
        return [self._outcomes[number] for number in range(len(self._mutants))]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the reference, then the mutants."""
        if session.testsfailed or not session.items:
            return True  # told by `run`, with pytest's words
        self._ran = True
        try:
            self._grade(session)
        except BaseException as error:  # pytest would print it; the caller is to have it
            self._failure = error
        return True

    def _grade(self, session: pytest.Session) -> None:
        items = [item for item in session.items if item.get_closest_marker("gpu") is None]
        collected = Collected(session.config, self._topic.name, items)
        session.config.pluginmanager.register(collected)
        collected.run_reference(self._course.solution(self._topic.name))
        gc.collect()
        gc.freeze()  # what the children never change stays shared with them
        others = tasks_of_user(os.getuid())
        try:
            work = (self._work(collected, number, others) for number in range(len(self._mutants)))
            for number, line in in_children(self._jobs, work, self._tick):
                self._keep(number, line)
        finally:
            gc.unfreeze()

    def _work(self, collected: Collected, number: int, others: int) -> Callable[[int], NoReturn]:
        """What the child of one mutant does."""
        mutant = self._mutants[number]
        folder = self._folder / str(number)
        folder.mkdir()
        path = folder / f"{self._topic.name}.py"
        path.write_text(mutant.source(self._topic), encoding="utf-8")
        items = collected.for_task(mutant.task, self._noticing[mutant.task])
        return partial(grade_and_end, collected, items, path, others)

    def _keep(self, number: int, line: dict[str, Any]) -> None:
        known = {name: line.get(name, "") for name in ("check", "task", "message")}
        outcome = Outcome(self._mutants[number], Status(line["status"]), **known)
        self._outcomes[number] = outcome
        self._on_outcome(outcome)
