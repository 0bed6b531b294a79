"""Commands of students: progress, hint, reset, doctor."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gradus import __version__
from gradus.cli.app import NOT_YET, TopicName, TopicOrTask, app, console
from gradus.course import find_course
from gradus.errors import GradusError


@app.callback(invoke_without_command=True)
def progress(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Your progress over all topics."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is not None:
        return
    from gradus.student.progress import overview

    lines = overview(find_course())
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("topic", "points", "", "last check", "next task"):
        table.add_column(name, no_wrap=True)
    for line in lines:
        if line.result is None:
            table.add_row(escape(line.topic), "", "", line.note, "")
            continue
        share = line.result.earned / max(1, line.result.possible)
        colour = "green" if share == 1 else "yellow"
        table.add_row(
            escape(line.topic),
            f"{line.result.earned} / {line.result.possible}",
            f"[{colour}]{'#' * int(10 * share):.<10}[/]",
            line.checked + (" edited" if line.changed else ""),
            escape(line.next_task or "done"),
        )
    out = console()
    out.print(table)
    begun = next((line for line in lines if line.result is None or line.next_task), None)
    if begun is not None:
        target = f"{begun.topic}.{begun.next_task}" if begun.next_task else begun.topic
        out.print(f"next: gradus check {target}", markup=False)


@app.command(rich_help_panel="For students")
def hint(
    target: TopicOrTask,
    again: Annotated[bool, typer.Option("--again", help="Only those shown before.")] = False,
) -> None:
    """One more hint for a task each time."""
    from gradus.grading.grader_file import tasks_in
    from gradus.student.hints import next_hint
    from gradus.student.targets import find_target

    course = find_course()
    topic, task = find_target(course, target)
    if task is None:
        tasks = ", ".join(tasks_in(course.grader(topic)))
        raise GradusError(
            f"{topic}: name one of its tasks, such as gradus hint {topic}.TASK: {tasks}."
        )
    hints = next_hint(course, topic, task, again=again)
    out = console()
    for number, text in enumerate(hints.shown, start=1):
        style = "bold" if number == len(hints.shown) else "dim"
        out.print(f"{number} of {hints.total}: {text}", style=style, markup=False)
    if len(hints.shown) == hints.total:
        out.print("That was the last hint.", style="dim")


@app.command(rich_help_panel="For students")
def reset(topic: TopicName) -> None:
    """Bring exercises/TOPIC.py back to its start; your work is kept as a backup."""
    from gradus.authoring.export import stub_text
    from gradus.student.reset import reset as reset_exercise
    from gradus.topic import Topic

    course = find_course()
    course.require(topic)
    source = course.solution(topic)
    stub = stub_text(Topic.load(source)) if source.exists() else None
    backup = reset_exercise(course, topic, stub)
    typer.echo(f"exercises/{topic}.py is as it was at the start.")
    if backup is not None:
        typer.echo(f"Your work is kept in {backup.relative_to(course.root)}")


@app.command(rich_help_panel="For students")
def doctor() -> None:
    """Look over this machine's setup: what is wrong, and the command that fixes it."""
    from gradus.student.doctor import Level, examine

    out = console()
    colours = {Level.OK: "green", Level.NOTE: "yellow", Level.BAD: "red"}
    bad = False
    for finding in examine():
        bad |= finding.level is Level.BAD
        out.print(f"[{colours[finding.level]}]{finding.level.value:<5}[/]{finding.what}: ", end="")
        out.print(finding.words, markup=False)
        if finding.remedy:
            out.print(f"     -> {finding.remedy}", markup=False, style="bold", soft_wrap=True)
    raise typer.Exit(NOT_YET if bad else 0)
