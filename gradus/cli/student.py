"""Commands of students: progress, check, hint, doctor."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gradus import __version__
from gradus.cli.app import BROKEN, NOT_YET, TopicOrTask, app, console, styled
from gradus.course import find_course
from gradus.errors import GradusError


class Device(str, Enum):
    """Where checks that take a device can run."""

    CPU = "cpu"
    SIMULATED = "simulated"
    CUDA = "cuda"


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
def check(
    target: TopicOrTask,
    submission: Annotated[
        Path | None,
        typer.Option(help="A file or folder to check in place of exercises/."),
    ] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Run hidden checks too.")] = False,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Run the submission in a sandbox (docs/security.md).")
    ] = False,
    device: Annotated[
        list[Device] | None,
        typer.Option(help="Run checks that take a device on this one only (repeatable)."),
    ] = None,
) -> None:
    """Run the checks of a topic or of one task; a crash or hang costs only the check that it is in."""
    from gradus.engine import one_thread
    from gradus.engine.apart import grade_apart
    from gradus.grading.devices import problem
    from gradus.student.targets import find_target, own_file
    from gradus.submission.status import Status

    one_thread()
    course = find_course()
    topic, task = find_target(course, target)
    tasks = [task] if task else []
    named = own_file(course, target[0])
    notebook = named if named is not None and named.suffix == ".ipynb" else None
    where = submission.resolve() if submission else notebook
    devices = [chosen.value for chosen in device or ()]
    if lacking := problem(devices):
        raise GradusError(lacking)
    report = grade_apart(
        course, topic, where, hidden=hidden, isolated=isolated, tasks=tasks, show=True,
        devices=devices,
    )  # fmt: skip
    chosen = [t for t in report.topic(topic).tasks if not tasks or t.name in tasks]
    if any(c.status is Status.BROKEN for t in chosen for c in t.checks):
        raise typer.Exit(BROKEN)
    if not all(t.earned == t.possible and t.complete for t in chosen):
        raise typer.Exit(NOT_YET)


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
