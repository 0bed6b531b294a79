"""Progress over all topics, from the last reports on this machine."""

import datetime
import hashlib
from dataclasses import dataclass

from gradus.course import Course
from gradus.errors import ReportError
from gradus.grading.memory import last_report_path
from gradus.grading.report import TopicResult
from gradus.grading.report_file import read_report
from gradus.submission.reading import find_submission
from gradus.submission.status import Status


@dataclass(frozen=True)
class Line:
    """A topic in the overview. `result` is None when it was never checked here."""

    topic: str
    result: TopicResult | None
    checked: str = ""
    changed: bool = False  # the exercise was edited since
    note: str = ""

    @property
    def next_task(self) -> str | None:
        """The first task that is not done."""
        if self.result is None:
            return None
        open_tasks = (
            t.name for t in self.result.tasks if t.status is not Status.PASSED or not t.complete
        )
        return next(open_tasks, None)


def overview(course: Course) -> list[Line]:
    """One line for every topic of the course."""
    return [_line(course, topic) for topic in course.topics]


def _line(course: Course, topic: str) -> Line:
    path = last_report_path(course, topic)
    if not path.exists():
        return Line(topic, None)
    try:
        report = read_report(path)
        result = report.topic(topic)
    except ReportError:
        return Line(topic, None, note="the last report is damaged; check again")
    exercise = find_submission(course.exercises, topic)
    now = hashlib.sha256(exercise.read_bytes()).hexdigest() if exercise.exists() else ""
    return Line(topic, result, _when(report.created), changed=now != result.sha256)


def _when(created: str) -> str:
    try:
        then = datetime.datetime.fromisoformat(created).astimezone()
    except ValueError:
        return ""
    return then.strftime("%Y-%m-%d %H:%M")
