"""Commands of students: progress, hint, doctor."""

from typing import Annotated

import typer

from gradus import __version__
from gradus.cli.app import NOT_YET, TopicOrTask, app, console, styled
from gradus.course import find_course


@app.callback(invoke_without_command=True)
def overview_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Your progress over all topics."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is not None:
        return
    from gradus.cli.shown import overview
    from gradus.student.progress import progress

    course = find_course()
    for line in overview(course, progress(course)):
        typer.echo(line)


@app.command(rich_help_panel="For students")
def hint(
    target: TopicOrTask,
    again: Annotated[bool, typer.Option("--again", help="Only those shown before.")] = False,
) -> None:
    """One more hint for a task each time."""
    from gradus.student.hints import next_hint
    from gradus.student.targets import find_task

    course = find_course()
    topic, task = find_task(course, target, "hint")
    hints = next_hint(course, topic, task, again=again)
    for number, text in enumerate(hints.shown, start=1):
        newest = number == len(hints.shown)
        typer.echo(styled(f"{number} of {hints.total}: {text}", bold=newest, dim=not newest))
    if hints.note:
        typer.echo(hints.note)
    if len(hints.shown) == hints.total:
        typer.echo(styled("That was the last hint.", dim=True))


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
