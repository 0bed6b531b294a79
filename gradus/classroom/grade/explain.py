"""Why a mark is what it is: every check, hidden ones too, with its message; and the same grade once more."""

import difflib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradus.classroom.grade.answer import dependencies, key_of, opened
from gradus.classroom.grade.pool import Asked, grade_all
from gradus.classroom.grade.store import Mark, Store
from gradus.classroom.grade.summary import result_of
from gradus.course import Course
from gradus.errors import GradusError
from gradus.grading.report import CheckResult, TaskResult, TopicResult
from gradus.submission.status import Status

_ABOUT = 13  # width of the column of labels at the top
_MOST_NEAR, _MOST_NAMED = 3, 20


def find_mark(store: Store, student: str, topic: str) -> Mark:
    """A student's mark in a topic.

    Raises:
        GradusError: If the store has none; names what it has, and who comes near.
    """
    marks = store.marks(student)
    if not marks:
        marks = store.marks(_same_letters(store, student))
    found = next((mark for mark in marks if mark.topic == topic), None)
    if found is not None:
        return found
    there = ", ".join(mark.topic for mark in marks)
    raise GradusError(f"{store.path}: no grade of {topic} for {student!r}. There are: {there}.")


def _same_letters(store: Store, student: str) -> str:
    """A student of this name in another form of its letters: macOS takes letters of names apart.

    Raises:
        GradusError: If there is none.
    """
    everybody = store.students()
    composed = unicodedata.normalize("NFC", student)
    same = [name for name in everybody if unicodedata.normalize("NFC", name) == composed]
    if len(same) == 1:
        return same[0]
    if not everybody:
        raise GradusError(f"{store.path}: nobody has a grade yet. Run gradus grade.")
    near = same or _near(composed, everybody)
    remedy = f"Is {' or '.join(map(repr, near))} meant?" if near else _those(everybody)
    raise GradusError(
        f"{store.path}: nobody called {student!r} has a grade. {remedy} Who handed in nothing that could be "
        "graded is named by gradus grade, with the reason."
    )


def _near(student: str, everybody: Sequence[str]) -> list[str]:
    """Those who may be meant: by a part of the name, else by letters."""
    plain = {unicodedata.normalize("NFC", name).casefold(): name for name in reversed(everybody)}
    word = student.casefold()
    near = [name for one, name in reversed(plain.items()) if word.strip() and word in one]
    return (near or [plain[one] for one in difflib.get_close_matches(word, plain)])[:_MOST_NEAR]


def _those(everybody: Sequence[str]) -> str:
    more = ", ..." if len(everybody) > _MOST_NAMED else ""
    return f"There are: {', '.join(everybody[:_MOST_NAMED])}{more}."


def explanation(mark: Mark, task: str | None = None) -> Iterator[str]:
    """Every check of a mark's topic or of one task: points, whether it is hidden, and what it said.

    Raises:
        ReportError: If there is no such task.
    """
    result = result_of(mark)
    report = mark.graded.report
    yield f"{mark.student}, {mark.topic}: {result.earned} of {result.possible} points"
    yield f"  file       {mark.file}"
    yield f"  graded     {report.created}, in {mark.graded.seconds:.1f} s"
    yield f"  seed       {mark.graded.seed}"
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield f"  with       {versions}; isolation: {result.isolation['level']}"
    for problem in result.problems:
        words = f"{problem.where}: {problem.message}".replace("\n", f"\n{' ' * _ABOUT}")
        yield f"  not loaded {words}"
    for one in [result.task(task)] if task else result.tasks:
        yield ""
        yield from _of_task(one)


def _of_task(task: TaskResult) -> Iterator[str]:
    public = sum(
        c.check.points for c in task.checks if c.status is Status.PASSED and not c.check.hidden
    )
    hidden = public - task.earned
    taken = f"; {hidden} of them taken by hidden checks" if hidden else ""
    lost = task.possible - task.earned
    yield f"{task.name}: {task.earned} of {task.possible}" + (
        f", {lost} lost{taken}" if lost else ""
    )
    for check in task.checks:
        sign = "+" if check.status is Status.PASSED else "-"
        points = f"{sign}{check.check.points}" if not check.check.hidden or sign == "-" else " 0"
        kind = "hidden, " if check.check.hidden else ""
        yield f"{points:>3}  {kind}{check.status.value}: {check.check.title}"
        if check.status not in (Status.PASSED, Status.TODO):
            yield from (f"   {row}" for row in _rows(check))


def _rows(check: CheckResult) -> list[str]:
    """The message without its title, and without the lines that are for the student."""
    rows = [row for row in check.message.splitlines() if row.startswith(" ")]
    return [row for row in rows if not row.startswith(("  hint", "  again"))]


@dataclass(frozen=True)
class Replayed:
    """What a second grade with the same seed gave.

    Args:
        points: Of the second one.
        differences: Checks that do not agree, one a line.
        notes: What may be the reason, or differs in words alone.
    """

    points: int
    differences: list[str]
    notes: list[str]


def replay(course: Course, mark: Mark) -> Replayed:
    """Grade a stored answer again with its seed.

    Raises:
        GradusError: If it cannot be graded.
    """
    graded = mark.graded
    asked = Asked(graded.key, graded.topic, graded.answer, graded.seed)
    (again,) = grade_all(course.root, [asked], 1)
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
    notes = [
        f"{name} {version} graded it, and {again.report.versions.get(name)} now"
        for name, version in graded.report.versions.items()
        if again.report.versions.get(name) != version
    ]
    depends = dependencies(course, mark.topic, asked.limit, asked.devices)
    if not notes and key_of(mark.topic, opened(graded.answer), depends) != graded.key:
        notes.append(
            "the checks, the reference, the data or --limit are not those of the mark; "
            "gradus grade grades the class anew"
        )
    if any("timeout" in row for row in found):
        notes.append("whether a check is a timeout depends on the machine and on what else it does")
    if found and not notes:
        notes.append(
            "nothing else has changed: the answer gives other results each time (random, time), "
            "or this machine had less time or memory for it"
        )
    if not found and _plain(before) != _plain(now):
        notes.append("some messages have other words")
    return Replayed(now.earned, found, notes)


def _pairs(before: TopicResult, now: TopicResult) -> Iterator[tuple[str, str, list[str]]]:
    statuses = {check.check.name: check.status.value for check in now.checks()}
    for check in before.checks():
        name = check.check.name
        yield name, check.status.value, [statuses[name]] if name in statuses else []


def _plain(result: TopicResult) -> list[tuple[str, str]]:
    """Messages by case."""
    return [
        (f"{case.check}[{case.id}]", case.message)
        for check in result.checks()
        for case in check.cases
    ]
