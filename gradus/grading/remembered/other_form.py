"""A topic is a module and a notebook: which of the two a student works in, where one was graded."""

from collections.abc import Callable, Mapping
from pathlib import Path

from gradus.course import Course
from gradus.grading.remembered.memory import TaskCode


def newer_form(
    course: Course, topic: str, graded: Path, codes: Callable[[Path], Mapping[str, TaskCode]]
) -> Path | None:
    """The topic's other file, where it was saved later and holds answers that the graded one has not.

    Args:
        course: The course.
        topic: One of its topics.
        graded: The file that was graded.
        codes: Reads the code of each task in a file.
    """
    other = next((path for path in course.forms(topic) if path != graded), None)
    if other is None or not graded.is_file():
        return None
    if other.stat().st_mtime_ns <= graded.stat().st_mtime_ns:
        return None
    mine = codes(graded)
    answers = {task: code for task, code in codes(other).items() if not code.todo}
    return other if any(mine.get(task) != code for task, code in answers.items()) else None


def words(course: Course, other: Path) -> str:
    """One line for the student about such a file."""
    shown = other.relative_to(course.root).as_posix()
    return f"the newer file has other answers: gradus check {shown}"
