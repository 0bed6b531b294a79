"""The reference's code of a task, for who has solved it."""

import re

from gradus.course import Course
from gradus.errors import GradusError
from gradus.student.progress import State, progress
from gradus.student.work.fresh import source_of
from gradus.topic import BEGIN, END, without_effort

_NOT_SHOWN = re.compile(rf"^[ \t]*(?:{BEGIN}|{END}|# HINT: .*)\n", re.MULTILINE)


def solution(course: Course, topic: str, task: str, *, anyway: bool = False) -> str:
    """The reference's code, without marks and hints.

    Raises:
        GradusError: If there is no solution here, or the student's code has not all points and `anyway`
            is not given.
    """
    if course.source(topic) is None:
        raise GradusError(
            f"{course.root}: no solution of {topic} here: neither this folder nor the installed gradus "
            "has it. Ask your instructor."
        )
    text = source_of(course, topic).require(task).source
    if not anyway:
        _require_done(course, topic, task)
    return _NOT_SHOWN.sub("", without_effort(text)).strip("\n") + "\n"


def _require_done(course: Course, topic: str, task: str) -> None:
    [known] = [t for t in progress(course, [topic])[0].tasks if t.task.name == task]
    if known.state is State.DONE:
        return
    name = f"{topic}.{task}"
    missing = known.task.points - known.earned
    why = {
        State.EDITED: "your code was not checked as it is now",
        State.OPEN: "it is not tried yet",
    }.get(known.state, f"{missing} of {known.task.points} points are missing")
    raise GradusError(
        f"{name}: {why}.\n"
        f"The solution is shown after full marks, or with --anyway.\nA hint: gradus hint {name}"
    )
