"""The end of a grading run in the terminal: points by task, and what to do next."""

import shutil
from collections.abc import Iterable
from typing import Any

from gradus.grading.report import Report, TaskResult, TopicResult
from gradus.shown import continued
from gradus.submission.status import Status

MARKUP: dict[Status, dict[str, bool]] = {
    Status.PASSED: {"green": True},
    Status.TODO: {"yellow": True},
    Status.NOT_RUN: {},
    Status.BROKEN: {"red": True, "bold": True},
}
BAR = 10


def write_summary(terminal: Any, report: Report, notes: Iterable[str] = ()) -> None:
    """Write a section for every topic of the report, named with the file that was graded; then the notes."""
    for topic in report.topics:
        title = f"gradus: {topic.name}" + (f", {topic.submission}" if topic.submission else "")
        terminal.section(title, sep="=", bold=True)
        _write_problems(terminal, topic)
        shown = [task for task in topic.tasks if task.status is not Status.NOT_RUN] or topic.tasks
        width = max(len(task.name) for task in shown)
        for task in shown:
            _write_task(terminal, task, width)
        total = f"{sum(t.earned for t in shown):>4} / {sum(t.possible for t in shown)}"
        left_out = len(topic.tasks) - len(shown)
        rest = f"       ({left_out} other tasks not run)" if left_out else ""
        terminal.write_line(f"  {'total':<{max(width, 5)}} {total}{rest}", bold=True)
        if topic.isolation["level"] != "none":
            terminal.write_line(f"  isolation: {_isolation(topic.isolation)}")
        for line in next_steps(topic):
            terminal.write_line(line)
    for note in notes:
        terminal.write_line(note, yellow=True)


def _isolation(reached: dict[str, str]) -> str:
    """The level, and where it is not the best, why, and what to do."""
    rest = [reached[name] for name in ("why", "remedy") if name in reached]
    return f"{reached['level']}" + (f" ({'; '.join(rest)})" if rest else "")


def _write_problems(terminal: Any, topic: TopicResult) -> None:
    for problem in topic.problems:
        yellow = problem.kind is Status.TODO
        words = continued(f"{problem.where}: {problem.message}")
        terminal.write_line(words, yellow=yellow, red=not yellow)
    if topic.problems:
        terminal.write_line("")


def _write_task(terminal: Any, task: TaskResult, width: int) -> None:
    points = f"{task.earned:>4} / {task.possible:<4}"
    line = f"  {task.name:<{width}} {points} {bar(task)}  {_words(task, width)}"
    terminal.write_line(line.rstrip(), **MARKUP.get(task.status, {"red": True}))


def bar(task: TaskResult) -> str:
    """Ten places, as many filled as the share of points earned."""
    full = BAR * task.earned // task.possible if task.possible else 0
    return "#" * full + "." * (BAR - full)


def _words(task: TaskResult, width: int) -> str:
    if task.status is Status.PASSED and task.complete:
        return "done"
    lost = [c for c in task.checks if c.status not in (Status.PASSED, Status.NOT_RUN)]
    if not lost:
        left = sum(c.status is Status.NOT_RUN for c in task.checks)
        return f"{left} of {len(task.checks)} checks not run"
    if task.status is Status.TODO:
        return "TODO"
    first = next(c for c in lost if c.status is task.status)
    more = f" (+{len(lost) - 1} more)" if len(lost) > 1 else ""
    words = "" if task.status is Status.FAILED else f"{task.status.value}: "
    taken = len(f"  {'':<{width}}    0 / 0     {'':<{BAR}}  {words}{more} ")
    room = max(12, shutil.get_terminal_size().columns - taken)
    title = first.check.title
    return words + (title if len(title) <= room else title[: room - 3] + "...") + more


def next_steps(topic: TopicResult) -> list[str]:
    """One or two lines: the first task that is not done, and the commands for it."""
    for task in topic.tasks:
        if task.status is Status.BROKEN:
            return [
                "",
                f"{task.name}: the grader is broken, not your answer. Tell your instructor.",
            ]
    for task in topic.tasks:
        if task.status not in (Status.PASSED, Status.NOT_RUN):
            target = f"{topic.name}.{task.name}"
            return ["", f"next: {task.name}", f"  gradus check {target}", f"  gradus hint {target}"]
    if not topic.complete:
        return ["", f"not all checks have run; the whole topic: gradus check {topic.name}"]
    return ["", f"{topic.name} is done."]
