"""What the keys of `gradus watch` show in place of a grade."""

from gradus.course import Course
from gradus.student.hints import next_hint
from gradus.student.outcome import Line


def hints(course: Course, topic: str, task: str) -> list[Line]:
    """One more hint each time.

    Raises:
        TopicError: If there are no hints here.
    """
    found = next_hint(course, topic, task)
    lines = [Line(f"{n} of {found.total}: {text}") for n, text in enumerate(found.shown, start=1)]
    return [
        *lines,
        *([Line("That was the last hint.", "dim")] if len(lines) == found.total else []),
    ]


KEYS = {"h": hints}
