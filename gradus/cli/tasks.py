"""Commands of students for topics and tasks: list, reset, restore, solution."""

from typing import Annotated

import typer

from gradus.cli.app import OneTopic, TopicOrTask, app, console, styled
from gradus.cli.completion import topics
from gradus.course import find_course


@app.command("list", rich_help_panel="For students")
def list_tasks(topic: OneTopic = None) -> None:
    """All tasks: what is done, points, minutes and difficulty."""
    from gradus.cli.shown import tasks
    from gradus.student.progress import progress

    course = find_course()
    chosen = [course.require(topic)] if topic else course.topics
    for line in tasks(progress(course, chosen)):
        typer.echo(line)


@app.command(rich_help_panel="For students")
def reset(
    target: TopicOrTask,
    notebook: Annotated[
        bool, typer.Option("--notebook", help="The notebook, not the .py.")
    ] = False,
) -> None:
    """Start a topic or one task again; your work is kept as a backup."""
    from gradus.student.targets import find_target, own_file
    from gradus.student.work.reset import NOTEBOOK, form_of, reset_task, reset_topic

    course = find_course()
    topic, task = find_target(course, target)
    named = own_file(course, target[0])
    notebook = notebook or (named is not None and named.suffix == NOTEBOOK)
    form = form_of(course, topic, task, notebook=notebook)
    done = reset_task(course, topic, task, form) if task else reset_topic(course, topic, form)
    what = f"{task} in " if task else ""
    typer.echo(f"{what}{done.file.relative_to(course.root).as_posix()} is as it was at the start.")
    if done.note:
        typer.echo(done.note)
    if done.backup is not None:
        typer.echo(f"Your work is kept in {done.backup.relative_to(course.root).as_posix()}")
        typer.echo(f"To have it back: gradus restore {topic}")
    other = [path for path in course.forms(topic) if path != done.file]
    if other and form != NOTEBOOK:
        shown = other[0].relative_to(course.root).as_posix()
        typer.echo(
            styled(f"{shown} is as it was: gradus reset {' '.join(target)} --notebook", dim=True)
        )


@app.command(rich_help_panel="For students")
def restore(
    wanted: Annotated[
        str | None, typer.Argument(metavar="[TOPIC | FILE]", autocompletion=topics)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only show what is kept.")] = False,
) -> None:
    """Bring your newest backup back; what is there now is kept, so that it can be undone."""
    from gradus.student.work.backups import backups
    from gradus.student.work.backups import restore as bring_back

    course = find_course()
    if listed:
        known = backups(course, course.require(wanted) if wanted else None)
        for backup in known:
            typer.echo(f"{backup.when.strftime('%Y-%m-%d %H:%M:%S')}  {backup.path.name}")
        if known:
            typer.echo(f"to bring one of them back: gradus restore {known[-1].path.name}")
        if not known:
            typer.echo("nothing is kept yet: gradus reset keeps what it replaces.")
        return
    file, backup, kept = bring_back(course, wanted)
    day = backup.when.strftime("%Y-%m-%d %H:%M:%S")
    typer.echo(f"{file.relative_to(course.root).as_posix()} is as it was kept on {day}.")
    if kept is not None:
        typer.echo(f"What was there: {kept.relative_to(course.root).as_posix()}")


@app.command(rich_help_panel="For students")
def solution(
    target: TopicOrTask,
    anyway: Annotated[bool, typer.Option("--anyway", help="Before full marks, too.")] = False,
) -> None:
    """Show the solution of a task that you have solved."""
    from gradus.student.targets import find_task
    from gradus.student.work.solution import solution as solved

    course = find_course()
    topic, task = find_task(course, target, "solution")
    code = solved(course, topic, task, anyway=anyway)
    out = console()
    if not out.is_terminal:
        typer.echo(code, nl=False)
        return
    from rich.syntax import Syntax

    out.print(Syntax(code, "python", theme="ansi_dark", background_color="default", word_wrap=True))
