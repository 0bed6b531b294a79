"""Commands that make a student's course from a kit, and keep it current."""

from pathlib import Path
from typing import Annotated

import typer

from gradus import __version__
from gradus.cli.app import app
from gradus.shown import safe

From = Annotated[
    Path | None,
    typer.Option("--from", metavar="KIT", help="A kit's folder (default: the installed kit)."),
]


@app.command(rich_help_panel="For students")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic (repeatable).")] = None,
    source: From = None,
) -> None:
    """Make a course of your own: exercises, checks and data in a new folder."""
    from gradus.student.course.init import find_kit, make_course

    course = make_course(folder, find_kit(source), topic or (), source)
    first = course.topics[0]
    count = f"{len(course.topics)} topics" if len(course.topics) > 1 else f"the topic {first}"
    typer.echo(f"{safe(str(folder))}: a course with {count} (kit {__version__}).")
    place = str(folder)
    quoted = f'"{place}"' if set(place) & set(" []()'&;*?$") else place
    typer.echo(f"next: cd {safe(quoted)}")
    typer.echo(f"      open exercises/{first}.py (or .ipynb), answer, then: gradus check {first}")


@app.command(rich_help_panel="For students")
def update(source: From = None) -> None:
    """Bring your course what a newer kit has; your work stays as it is."""
    from gradus.course import find_course
    from gradus.student.course.update import by_room
    from gradus.student.course.update import update as bring

    done = bring(find_course(), source)
    if done.brought:
        rooms = by_room(done.brought).items()
        files = ", ".join(f"{n} in {room}/" if "." not in room else room for room, n in rooms)
        typer.echo(f"brought from the kit {__version__}: {files}")
    if done.topics:
        typer.echo(f"new topics: {', '.join(done.topics)}")
    for path, backup in done.replaced.items():
        typer.echo(f"{path}: was changed here. The kit's is back; yours is {backup.name}")
        typer.echo("  in .gradus/backups/")
    if done.kept:
        typer.echo(f"your work stays as it is: {', '.join(done.kept)}")
    for topic in dict.fromkeys(Path(path).stem for path in done.outdated):
        typer.echo(f"  the kit has {topic} anew. To start from that: gradus reset {topic}")
    if done.outdated:
        typer.echo("  (reset keeps your work as a backup)")
    if not (done.brought or done.replaced or done.outdated):
        typer.echo(f"all else is as in the kit {__version__}." if done.kept else "nothing is new.")
