"""`gradus watch`: each save is graded at once."""

import sys
from typing import Annotated

import typer

from gradus.cli.app import app
from gradus.course import Course, find_course
from gradus.errors import GradusError


@app.command(rich_help_panel="For students")
def watch(
    target: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC[.TASK]]", help="What to begin with."),
    ] = None,
) -> None:
    """Grade the task that has changed whenever a file of exercises/ is saved."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise GradusError("watch needs a terminal. Without one: gradus check TOPIC.TASK")
    try:
        from gradus.student.watch.watching import Watching
    except ModuleNotFoundError as error:
        raise GradusError(f"watch needs {error.name}: pip install {error.name}") from error
    from gradus.student.targets import find_target

    course = find_course()
    topic, task = find_target(course, target) if target else (_first(course), None)
    Watching(course, topic, task).run()
    typer.echo("")


def _first(course: Course) -> str:
    """The topic whose exercise was saved last."""
    forms = [
        (path.stat().st_mtime, -number, topic)
        for number, topic in enumerate(course.topics)
        for path in (course.exercise(topic), course.exercise(topic).with_suffix(".ipynb"))
        if path.exists()
    ]
    return max(forms)[2] if forms else course.topics[0]
