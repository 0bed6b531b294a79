"""What a grading run found out: cases, checks, tasks and topics, and how they add up to points."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gradus.errors import ReportError
from gradus.shown import safe
from gradus.submission.status import Problem, Status

NO_WALL = {"level": "none"}  # the student's code ran in the process of the checks
NOT_TRIED = "not run: another "  # begins the words of a case that an earlier one has decided
LABEL = 11  # width of the column of labels (`called`, `expected`) in a message


@dataclass(frozen=True)
class Check:
    """A check as its grader file declares it."""

    topic: str
    name: str
    task: str
    points: int
    title: str
    hidden: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Case:
    """One run of a check: a parameter set or a device. `of` is how many its check has."""

    check: str
    id: str
    status: Status
    message: str = ""
    seconds: float = 0.0
    of: int = 1


@dataclass(frozen=True)
class CheckResult:
    """A check and its cases; complete only when every case ran."""

    check: Check
    cases: tuple[Case, ...] = ()

    @property
    def status(self) -> Status:
        """The worst of the cases; `not run` while one is missing and none failed."""
        missing = not self.cases or len(self.cases) < self.cases[0].of
        return Status.worst(
            [*(case.status for case in self.cases), *([Status.NOT_RUN] if missing else [])]
        )

    @property
    def message(self) -> str:
        """The message of the first case that did not pass."""
        return next((case.message for case in self.cases if case.status is self.status), "")


@dataclass(frozen=True)
class TaskResult:
    """A task's checks and the points that they earn together.

    Public checks add their points. A hidden check adds nothing to what is possible; where it does not
    pass, its points are taken away, never below zero.
    """

    name: str
    checks: tuple[CheckResult, ...]

    @property
    def possible(self) -> int:
        """Points that a right answer earns."""
        return sum(result.check.points for result in self.checks if not result.check.hidden)

    @property
    def earned(self) -> int:
        """Points earned; every check that did not pass counts as lost."""
        points = sum(
            result.check.points * (not result.check.hidden) * (result.status is Status.PASSED)
            for result in self.checks
        )
        lost = sum(
            result.check.points
            for result in self.checks
            if result.check.hidden and result.status is not Status.PASSED
        )
        return max(0, points - lost)

    @property
    def complete(self) -> bool:
        """Whether every check ran."""
        return all(result.status is not Status.NOT_RUN for result in self.checks)

    @property
    def status(self) -> Status:
        """`todo` when nothing but the stub was found, else the worst of the checks."""
        found = [result.status for result in self.checks]
        ran = [status for status in found if status is not Status.NOT_RUN]
        return Status.worst(ran) if ran else Status.NOT_RUN


@dataclass(frozen=True)
class TopicResult:
    """A topic: its tasks in teaching order, and what could not be loaded."""

    name: str
    tasks: tuple[TaskResult, ...]
    problems: tuple[Problem, ...] = ()
    submission: str = ""
    sha256: str = ""
    isolation: dict[str, str] = field(default_factory=lambda: dict(NO_WALL))

    @property
    def earned(self) -> int:
        """Points earned over all tasks."""
        return sum(task.earned for task in self.tasks)

    @property
    def possible(self) -> int:
        """Points that a right submission earns."""
        return sum(task.possible for task in self.tasks)

    @property
    def complete(self) -> bool:
        """Whether every check of every task ran."""
        return all(task.complete for task in self.tasks)

    def task(self, name: str) -> TaskResult:
        """The result of one task.

        Raises:
            ReportError: If the topic has no such task.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        raise ReportError(
            f"{self.name}: no task {name!r}. There are: {', '.join(t.name for t in self.tasks)}."
        )

    def checks(self) -> list[CheckResult]:
        """Every check result, in order."""
        return [result for task in self.tasks for result in task.checks]

    def visible(self) -> "TopicResult":
        """The same without hidden checks: what may be shown to the student."""
        return replace(
            self,
            tasks=tuple(
                replace(task, checks=tuple(c for c in task.checks if not c.check.hidden))
                for task in self.tasks
            ),
        )


@dataclass(frozen=True)
class Report:
    """The outcome of one run of the graders."""

    topics: tuple[TopicResult, ...]
    seed: int = 0
    hidden: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    created: str = ""

    def topic(self, name: str) -> TopicResult:
        """The result of one topic.

        Raises:
            ReportError: If the report does not hold it.
        """
        for topic in self.topics:
            if topic.name == name:
                return topic
        raise ReportError(f"the report holds no topic {name!r}.")


def assemble(
    topic: str,
    checks: Sequence[Check],
    cases: Iterable[Case],
    problems: Iterable[Problem] = (),
    **about: Any,
) -> TopicResult:
    """Put cases under the checks that the grader file declares: a check without a case did not run.

    Here words of a submission's enter a report: from now on they are safe to show.
    """
    known: dict[str, Any] = {
        name: safe(value) if isinstance(value, str) else value for name, value in about.items()
    }
    by_check: dict[str, list[Case]] = {}
    for case in cases:
        by_check.setdefault(case.check, []).append(
            replace(case, id=safe(case.id), message=safe(case.message))
        )
    tasks: dict[str, list[CheckResult]] = {}
    for check in checks:
        result = CheckResult(check, tuple(by_check.get(check.name, ())))
        tasks.setdefault(check.task, []).append(result)
    return TopicResult(
        topic,
        tuple(TaskResult(name, tuple(results)) for name, results in tasks.items()),
        tuple(dict.fromkeys(_safe_problem(problem) for problem in problems)),
        **known,
    )


def _safe_problem(problem: Problem) -> Problem:
    names = tuple(safe(name) for name in problem.names)
    return replace(problem, where=safe(problem.where), message=safe(problem.message), names=names)
