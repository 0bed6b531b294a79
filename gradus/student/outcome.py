"""What `gradus check` and `gradus watch` say of a grade: the points, and the first thing to fix, whole."""

import contextlib
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gradus.grading.report import LABEL, NOT_TRIED, Case, CheckResult, TaskResult, TopicResult
from gradus.shown import continued, safe
from gradus.submission.status import Problem, Status

WIDTH = 79
PRINTED = 8  # lines of what student code printed: the last ones
PROBLEMS = 2  # statements that were left out: the first ones
WORDS = {
    Status.PASSED: ("done", "green"),
    Status.BROKEN: ("broken", "bold red"),
    Status.TODO: ("todo", "yellow"),
    Status.NOT_RUN: ("not run", ""),
}
WRONG = ("wrong", "red")
ORDER = ("done", "broken", "wrong", "not run", "todo")


@dataclass(frozen=True)
class Line:
    """A line of text and its style, as rich calls it."""

    text: str = ""
    style: str = ""


@dataclass(frozen=True)
class Asked:
    """What was asked for, and what was heard meanwhile.

    Args:
        tasks: Those that were asked for; all when empty.
        everything: Whether every message is to be shown.
        more: Words that a command lacks which repeats a check: ` --submission demo.py`.
        printed: What student code printed, by grader's check and case.
        file: What was graded, for a person to find lines in.
        stopped: Whether Ctrl+C ended it.
        how_all: How to see everything; the command if empty.
    """

    tasks: Sequence[str] = ()
    everything: bool = False
    more: str = ""
    printed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    file: Path | None = None
    stopped: bool = False
    how_all: str = ""


def outcome(result: TopicResult, asked: Asked) -> list[Line]:
    """The lines for a terminal of 80 columns.

    The first thing to fix comes last, where a screen ends; with `everything`, all that is wrong comes
    before the overview.
    """
    lines = list(_lines(result, asked))
    while lines and not lines[-1].text:
        lines.pop()
    return lines


def _lines(result: TopicResult, asked: Asked) -> Iterator[Line]:
    tasks = [task for task in result.tasks if not asked.tasks or task.name in asked.tasks]
    failures = list(_failures(tasks, result.problems))
    if not asked.everything:
        yield from _overview(result, tasks)
        yield Line()
    yield from _problems(result.problems, len(result.problems) if asked.everything else PROBLEMS)
    for check, case in failures if asked.everything else failures[:1]:
        yield from _message(check, case, asked)
        yield Line()
    if asked.everything:
        yield from _overview(result, tasks)
    yield from _what_next(result, tasks, asked, len(failures))


def _overview(result: TopicResult, tasks: Sequence[TaskResult]) -> Iterator[Line]:
    """Points, and the tasks by what has become of them."""
    earned, possible = sum(t.earned for t in tasks), sum(t.possible for t in tasks)
    name = f"{result.name}.{tasks[0].name}" if len(tasks) == 1 else result.name
    yield Line(f"{name}: {earned} of {possible} points   {result.submission}", "bold")
    groups: dict[str, list[str]] = {}
    styles = {}
    for task in tasks:
        status = (
            task.status if task.complete or task.status is not Status.PASSED else Status.NOT_RUN
        )
        word, styles[word] = WORDS.get(status, WRONG)
        whole = word in ("done", "todo")
        points = f"{task.possible}" if whole else f"{task.earned}/{task.possible}"
        groups.setdefault(word, []).append(f"{task.name} {points}".replace(" ", "\0"))
    if len(tasks) > 1:
        for word in ORDER:
            if word in groups:
                rows = textwrap.wrap(
                    ", ".join(groups[word]), WIDTH - LABEL,
                    break_long_words=False, break_on_hyphens=False,
                )  # fmt: skip
                for number, row in enumerate(rows):
                    label = word if number == 0 else ""
                    yield Line(f"  {label:<{LABEL - 2}}{row}".replace("\0", " "), styles[word])
    if result.isolation["level"] != "none":
        rest = [result.isolation[name] for name in ("why", "remedy") if name in result.isolation]
        yield Line(f"  isolation: {'; '.join([result.isolation['level'], *rest])}")


def _problems(problems: Sequence[Problem], most: int) -> Iterator[Line]:
    """What of the file could not be used."""
    for problem in problems[:most]:
        style = "yellow" if problem.kind is Status.TODO else "red"
        for row in continued(f"{problem.where}: {problem.message}").splitlines():
            yield Line(row, style)
    if len(problems) > most:
        yield Line(f"... and {len(problems) - most} more that could not be loaded (--all)", "red")
    if problems:
        yield Line()


def _failures(
    tasks: Iterable[TaskResult], problems: Sequence[Problem]
) -> Iterator[tuple[CheckResult, Case]]:
    """Every check that is wrong, with the case that tells it, but those whose cause is told as a problem."""
    told = [_flat(problem.message.splitlines()[0]) for problem in problems if problem.message]
    for task in tasks:
        for check in task.checks:
            if check.status not in (Status.PASSED, Status.TODO, Status.NOT_RUN):
                case = next(case for case in check.cases if case.status is check.status)
                if not any(text in _flat(case.message) for text in (*told, NOT_TRIED)):
                    yield check, case


def _flat(text: str) -> str:
    """A text without the line breaks of its columns."""
    return " ".join(text.split())


def _message(check: CheckResult, case: Case, asked: Asked) -> Iterator[Line]:
    rows = case.message.splitlines()
    title = next((n for n, row in enumerate(rows) if row.startswith(" ")), len(rows))
    for number, row in enumerate(rows):
        if row.startswith("  hint") and asked.printed.get((check.check.name, case.id)):
            yield from _printed(asked.printed[check.check.name, case.id])
        last = asked.more if number == len(rows) - 1 else ""
        yield Line(row + last, "bold red" if number < title else "")


def _printed(text: str) -> Iterator[Line]:
    """The end of what student code printed."""
    rows = text.rstrip().splitlines()
    if len(rows) > PRINTED:
        rows = [f"  ({len(rows) - PRINTED + 1} lines more)", *rows[-PRINTED + 1 :]]
    for number, row in enumerate(rows):
        label = "printed" if number == 0 else ""
        yield Line(f"  {label:<{LABEL - 2}}{row.removeprefix('  ')[: WIDTH - LABEL]}".rstrip())


def _what_next(
    result: TopicResult, tasks: Sequence[TaskResult], asked: Asked, failures: int
) -> Iterator[Line]:
    """The last lines: what else is wrong, or what to do next."""
    name = f"{result.name}.{tasks[0].name}" if len(tasks) == 1 else result.name
    more = 0 if asked.everything else failures - 1
    if more > 0:
        checks = "1 more check fails" if more == 1 else f"{more} more checks fail"
        how = asked.how_all or f"to see all: gradus check {name}{asked.more} --all"
        yield Line(f"{checks}; {how}")
    broken = next((task for task in tasks if task.status is Status.BROKEN), None)
    if broken is not None:
        yield Line(
            f"{broken.name}: the grader is broken, not your answer. Tell your instructor.", "bold"
        )
        return
    if all(task.status is Status.PASSED and task.complete for task in tasks):
        yield Line(f"{name} is done.", "bold green")
        return
    fine = (Status.TODO, Status.NOT_RUN, Status.PASSED)
    if any(task.status not in fine for task in tasks) or asked.stopped:
        if not failures and result.problems:  # all of them come from what could not be loaded
            yield Line(f"Fix this first, then: gradus check {name}{asked.more}")
        return
    todo = next((task for task in tasks if task.status is Status.TODO), None)
    if todo is not None:
        yield Line(f"next: {todo.name}{_place(todo.name, asked.file)}", "bold")
        yield Line(f"  gradus check {result.name}.{todo.name}")
        yield Line(f"  gradus hint {result.name}.{todo.name}")


def _place(task: str, file: Path | None) -> str:
    """Where a module still says `TODO: task`: `  exercises/cnn.py:12`."""
    if file is None or file.suffix != ".py" or not file.is_file():
        return ""
    with contextlib.suppress(ValueError):  # on another drive
        file = Path(os.path.relpath(file))
    for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), start=1):
        if f'"TODO: {task}"' in line:
            return safe(f"   {file}:{number}")
    return ""
