"""Which tasks a file defines and which it answers, read as text: nothing of a student's is parsed or run."""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradus.course import Course
from gradus.errors import GradusError
from gradus.grading.grader_file import tasks_in
from gradus.submission.encoding import decode_source
from gradus.submission.notebook_source import notebook_cells
from gradus.submission.reading import defined_in, read_source
from gradus.topic import todo_line


@dataclass(frozen=True)
class Content:
    """The tasks of a topic that a file defines, and how many of them are no longer as handed out."""

    defined: int
    answered: int


def tasks_of(course: Course, topic: str) -> tuple[str, ...]:
    """The tasks of a topic; none where its grader is missing or damaged, which grading will say."""
    with contextlib.suppress(GradusError):
        return tuple(tasks_in(course.grader(topic)))
    return ()


def content_of(path: Path, tasks: Collection[str]) -> Content:
    """What a file holds of a topic."""
    text = _text(path)
    defined = set(defined_in(text)) & set(tasks)
    return Content(len(defined), sum(todo_line(task).strip() not in text for task in defined))


def topic_by_content(path: Path, course: Course, topics: Sequence[str]) -> str | None:
    """The topic whose tasks a file defines: at least half of them, and more than of any other's."""
    text = _text(path)
    names = set(defined_in(text))
    counts = []
    for topic in topics:
        tasks = tasks_of(course, topic)
        count = len(names & set(tasks))
        if count and 2 * count >= len(tasks):
            counts.append((count, topic))
    counts.sort()
    if not counts or (len(counts) > 1 and counts[-1][0] == counts[-2][0]):
        return None
    return counts[-1][1]


def _text(path: Path) -> str:
    """The code of a file; nothing where it cannot be read, which grading will say."""
    try:
        data = read_source(path, path.stem, path.name)
        text = decode_source(data, python=path.suffix.lower() == ".py")
        if path.suffix.lower() == ".py":
            return text
        cells = notebook_cells(text)[1]
        code = [cell["source"] for cell in cells if cell.get("cell_type") == "code"]
        return "\n".join("".join(source) for source in code)
    except GradusError:
        return ""
