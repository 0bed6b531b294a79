"""`gradus watch`: each save is graded at once."""

import sys
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from gradus.cli.app import app
from gradus.cli.completion import targets
from gradus.course import Course, find_course
from gradus.errors import GradusError


@app.command(rich_help_panel="For students")
def watch(
    target: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TOPIC[.TASK]]", help="What to begin with.", autocompletion=targets
        ),
    ] = None,
) -> None:
    """Grade the task that has changed whenever a file of exercises/ is saved."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise GradusError("watch needs a terminal. Without one: gradus check TOPIC.TASK")
    try:
        from gradus.student.watch.watching import Show, Watching
    except ModuleNotFoundError as error:
        raise GradusError(f"watch needs {error.name}: pip install {error.name}") from error
    from gradus.student.targets import find_target

    course = find_course()
    topic, task = find_target(course, target) if target else (where_to_begin(course), None)
    shown: dict[str, Show] = {
        "h": partial(_hints, course),
        "l": partial(_tasks, course),
        "s": partial(_solution, course),
    }
    Watching(course, topic, task, shown).run()
    typer.echo("")


def _hints(course: Course, topic: str, task: str) -> Iterator[str]:
    """One more hint each time."""
    from gradus.student.hints import next_hint

    found = next_hint(course, topic, task)
    for number, text in enumerate(found.shown, start=1):
        yield f"{number} of {found.total}: {text}"
    if len(found.shown) == found.total:
        yield "That was the last hint."


def _tasks(course: Course, topic: str, task: str) -> Iterator[str]:
    from gradus.cli.shown import tasks
    from gradus.student.progress import progress

    return tasks(progress(course, [topic]))


def _solution(course: Course, topic: str, task: str) -> list[str]:
    from gradus.student.work.solution import solution

    return solution(course, topic, task).splitlines()


def where_to_begin(course: Course) -> str:
    """The topic that one has begun and not finished; of several, the one whose file was saved last."""
    from gradus.student.progress import State, progress

    left = [topic for topic in progress(course) if topic.next_task is not None]
    begun = [topic for topic in left if any(task.state is not State.OPEN for task in topic.tasks)]
    if begun:
        return max(begun, key=lambda topic: _saved(course, topic.topic.name)).topic.name
    return left[0].topic.name if left else course.topics[0]


def _saved(course: Course, topic: str) -> float:
    return max((path.stat().st_mtime for path in course.forms(topic)), default=0.0)
