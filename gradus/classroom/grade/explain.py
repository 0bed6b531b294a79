"""Why a mark is what it is: every check, hidden ones too, with its message; and the same grade once more."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gradus.classroom.grade.pool import Asked, grade_all
from gradus.classroom.grade.store import Mark, Store
from gradus.classroom.grade.summary import result_of
from gradus.errors import GradusError
from gradus.grading.report import CheckResult, TaskResult, TopicResult
from gradus.submission.status import Status


def find_mark(store: Store, student: str, topic: str) -> Mark:
    """A student's mark in a topic.

    Raises:
        GradusError: If the store has none; names what it has.
    """
    marks = store.marks(student)
    found = next((mark for mark in marks if mark.topic == topic), None)
    if found is not None:
        return found
    if marks:
        there = ", ".join(mark.topic for mark in marks)
        raise GradusError(f"{store.path}: no grade of {topic} for {student!r}. There are: {there}.")
    everybody = store.students()
    there = ", ".join(everybody[:20]) + (", ..." if len(everybody) > 20 else "")
    raise GradusError(
        f"{store.path}: nobody called {student!r}. There are: {there or 'none; run gradus grade'}."
    )


def explanation(mark: Mark, task: str | None = None) -> Iterator[str]:
    """Every check of a mark's topic or of one task: points, whether it is hidden, and what it said.

    Raises:
        ReportError: If there is no such task.
    """
    result = result_of(mark)
    report = mark.graded.report
    yield f"{mark.student}, {mark.topic}: {result.earned} of {result.possible} points"
    yield f"  file       {mark.file}"
    yield f"  graded     {report.created}, in {mark.graded.seconds:.1f} s, seed {mark.graded.seed}"
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield f"  with       {versions}; isolation: {result.isolation['level']}"
    for problem in result.problems:
        yield f"  not loaded {problem.where}: {problem.message}"
    for one in [result.task(task)] if task else result.tasks:
        yield ""
        yield from _of_task(one)


def _of_task(task: TaskResult) -> Iterator[str]:
    hidden = sum(c.check.points for c in _lost(task) if c.check.hidden)
    taken = f"; {hidden} of them taken by hidden checks" if hidden else ""
    lost = task.possible - task.earned
    yield f"{task.name}: {task.earned} of {task.possible}" + (
        f", {lost} lost{taken}" if lost else ""
    )
    for check in task.checks:
        sign = "+" if check.status is Status.PASSED else "-"
        points = f"{sign}{check.check.points}" if not check.check.hidden or sign == "-" else " 0"
        kind = "hidden, " if check.check.hidden else ""
        yield f"  {points:>3}  {kind}{check.status.value}: {check.check.title}"
        if check.status not in (Status.PASSED, Status.TODO):
            yield from (f"         {row}" for row in _rows(check))


def _lost(task: TaskResult) -> list[CheckResult]:
    return [check for check in task.checks if check.status is not Status.PASSED]


def _rows(check: CheckResult) -> list[str]:
    """The message without its title, and without the lines that are for the student."""
    rows = [row for row in check.message.splitlines() if row.startswith(" ")]
    return [row for row in rows if not row.startswith(("  hint", "  again"))]


def replay(root: Path, mark: Mark) -> list[str]:
    """Grade a stored answer again with its seed; what differs now, empty where all agree.

    Raises:
        GradusError: If it cannot be graded.
    """
    graded = mark.graded
    asked = Asked(graded.key, graded.topic, graded.answer, graded.seed)
    (again,) = grade_all(root, [asked], 1)
    if again.report is None:
        raise GradusError(f"{mark.student}, {mark.topic}: {again.problem}")
    before, now = result_of(mark), again.report.topic(mark.topic)
    found = [
        f"{name}: {ours} now {'/'.join(theirs) or 'gone'}"
        for name, ours, theirs in _pairs(before, now)
        if theirs != [ours]
    ]
    new = {c.check.name for c in now.checks()} - {c.check.name for c in before.checks()}
    found += [f"{name}: is new" for name in sorted(new)]
    if not found and _plain(before) != _plain(now):
        found.append("every check agrees, and some messages have other words")
    return found


def _pairs(before: TopicResult, now: TopicResult) -> Iterator[tuple[str, str, list[str]]]:
    statuses = {check.check.name: check.status.value for check in now.checks()}
    for check in before.checks():
        name = check.check.name
        yield name, check.status.value, [statuses[name]] if name in statuses else []


def _plain(result: TopicResult) -> list[tuple[str, str]]:
    """Messages by case, without what a run alone knows."""
    return [
        (f"{case.check}[{case.id}]", replace(case, seconds=0.0).message)
        for check in result.checks()
        for case in check.cases
    ]
