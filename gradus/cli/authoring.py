"""Commands of authors: export, new."""

from typing import Annotated

import typer

from gradus.cli.app import NOT_YET, TopicName, app
from gradus.course import find_course


@app.command(rich_help_panel="For authors")
def export(
    check: Annotated[bool, typer.Option("--check", help="Only say what is stale.")] = False,
) -> None:
    """Write stubs and notebooks from solutions/."""
    from gradus.authoring.export import export as write_files
    from gradus.authoring.export import stale

    course = find_course()
    if check:
        files = list(stale(course))
        for path in files:
            typer.echo(f"{path.relative_to(course.root)} is stale; run `gradus export`")
        raise typer.Exit(NOT_YET if files else 0)
    for path in write_files(course):
        typer.echo(f"wrote {path.relative_to(course.root)}")


@app.command(rich_help_panel="For authors")
def new(topic: TopicName) -> None:
    """Write the files of a new topic, to be filled in."""
    from gradus.authoring.new import new_topic

    course = find_course()
    for path in new_topic(course, topic):
        typer.echo(f"wrote {path.relative_to(course.root)}")
    typer.echo(f"next: fill them in, gradus export, pytest tests -k {topic}")
