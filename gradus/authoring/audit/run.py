"""Grade mutants: each is an answer for the engine's warm judge."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from gradus.authoring.audit.mutants import Mutant
from gradus.authoring.notice import tasks_that_may_notice
from gradus.course import Course
from gradus.engine.here import run_here
from gradus.engine.job import Graded, Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.errors import GraderError, GradusError
from gradus.grading.devices import CPU, SIMULATED
from gradus.grading.items import limit_of, task_of
from gradus.sandbox.limits import GIBIBYTE
from gradus.submission.status import Status
from gradus.topic import Topic

MEMORY = 2 * GIBIBYTE  # beyond what the warm process holds
LOAD_SECONDS = 5.0  # of one statement of the mutant's file
GRACE = 5.0  # seconds beyond a case's limit: then it hangs where no signal of Python's reaches it
LEAST_SECONDS = 5.0  # for a case of a mutant: a busy machine is slow at times
TIMES = 20  # ... or so many times what the reference took
FINE = (Status.PASSED.value, Status.NOT_RUN.value)


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
        audit = _Audit(course, topic, mutants, seed, Path(folder))

        def use(judge: WarmJudge) -> list[Outcome]:
            outcomes: dict[int, Outcome] = {}
            for graded in judge.grade(audit.jobs(judge), at_once=jobs, tick=tick):
                number, outcome = audit.outcome(graded)
                outcomes[number] = outcome
                on_outcome(outcome)
            return [outcomes[number] for number in range(len(mutants))]

        return with_judge(
            course,
            topic.name,
            use,
            devices=(CPU, SIMULATED),  # CUDA cannot be used in a forked process
            options=["--basetemp", str(Path(folder, "pytest")), "-p", "no:faulthandler"],
        )


class _Audit:
    """What is to be done for each mutant."""

    def __init__(
        self, course: Course, topic: Topic, mutants: Sequence[Mutant], seed: int, folder: Path
    ) -> None:
        self._reference = course.solution(topic.name)
        self._topic, self._mutants, self._seed, self._folder = topic, mutants, seed, folder
        grader = course.grader(topic.name)
        mistakes = course.root / "tests" / "mistakes" / f"{topic.name}.py"
        self._noticing = {
            task: tasks_that_may_notice(topic, task, grader, mistakes) for task in topic.tasks
        }

    def jobs(self, judge: WarmJudge) -> Iterator[Job]:
        """A job for each mutant, after a run of the reference that warms everything up.

        Raises:
            GraderError: If a check does not pass for the reference.
        """
        items = [item for item in judge.items if item.get_closest_marker("gpu") is None]
        seconds: dict[str, float] = {}
        cases = [item.nodeid for item in items]
        reference = Job(self._reference, cases=cases, hidden=True, seed=self._seed)
        for node, case in run_here(judge, reference).cases.items():
            if case["status"] not in FINE:
                raise GraderError(
                    f"{case['check']} does not pass for the reference ({case['status']}): fix that "
                    f"first.\n{case['message']}"
                )
            seconds[node] = case["seconds"]
        limits = {item.nodeid: _limit(item, seconds[item.nodeid]) for item in items}
        numbered = enumerate(self._mutants)
        return (self._job(number, mutant, items, seconds, limits) for number, mutant in numbered)

    def _job(
        self,
        number: int,
        mutant: Mutant,
        items: Sequence[pytest.Item],
        seconds: Mapping[str, float],
        limits: Mapping[str, float],
    ) -> Job:
        """Cases of the mutant's own task first, quick ones before slow ones."""
        folder = self._folder / str(number)
        folder.mkdir()
        path = folder / f"{self._topic.name}.py"
        path.write_text(mutant.source(self._topic), encoding="utf-8")
        noticing = set(self._noticing[mutant.task])
        chosen = [item for item in items if task_of(item) in noticing]
        chosen.sort(key=lambda i: (task_of(i) != mutant.task, seconds[i.nodeid], i.nodeid))
        return Job(
            path,
            cases=[item.nodeid for item in chosen],
            hidden=True,
            seed=self._seed,
            folder=folder,
            enough=True,
            limits=limits,
            statement_seconds=LOAD_SECONDS,
            grace=GRACE,
            memory=MEMORY,
        )

    def outcome(self, graded: Graded) -> tuple[int, Outcome]:
        """What became of a mutant, and its number."""
        assert graded.job.folder is not None
        number = int(graded.job.folder.name)
        mutant = self._mutants[number]
        tasks = {check.check.name: check.check.task for check in graded.result.checks()}
        for case in graded.cases.values():
            if case["status"] not in FINE:
                status, name = Status(case["status"]), case["check"]
                return number, Outcome(mutant, status, name, tasks[name], case["message"])
        return number, Outcome(mutant, Status.PASSED)


def _limit(item: pytest.Item, seconds: float) -> float:
    """Seconds for a case of a mutant: many times the reference's, never more than the check's own."""
    enough = max(LEAST_SECONDS, TIMES * seconds)
    return min(enough, limit_of(item) or enough)
