"""What a shell offers where a topic or a task is to be named. Never an error: nothing is offered then."""

import typer

from gradus.course import find_course
from gradus.errors import GradusError


def targets(context: typer.Context, incomplete: str) -> list[str]:
    """Topics and tasks: `cnn`, `cnn.conv2d`, `conv2d`; behind a topic, its tasks."""
    from gradus.student.index import index

    try:
        known = {
            name: [t.name for t in topic.tasks] for name, topic in index(find_course()).items()
        }
    except (GradusError, OSError):
        return []
    given = list(context.params.get("target") or ())
    topic, dot, _ = incomplete.partition(".")
    if given:
        names = known.get(given[0], []) if len(given) == 1 else []
    elif dot:
        names = [f"{topic}.{task}" for task in known.get(topic, [])]
    else:
        names = [*known, *(task for tasks in known.values() for task in tasks)]
    return [name for name in names if name.startswith(incomplete)]


def topics(incomplete: str) -> list[str]:
    """Topics alone."""
    try:
        return [name for name in find_course().topics if name.startswith(incomplete)]
    except (GradusError, OSError):
        return []
