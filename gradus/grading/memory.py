"""The last results on this machine, by topic, for `gradus` to show: `.gradus/reports/<topic>.json`."""

from dataclasses import replace
from pathlib import Path

from gradus.course import Course
from gradus.errors import ReportError
from gradus.files import write_whole
from gradus.grading.report import Check, CheckResult, Report, TaskResult
from gradus.grading.report_file import read_report, to_json
from gradus.submission.status import Status


def last_report_path(course: Course, topic: str) -> Path:
    """Where the last results of a topic are kept."""
    return course.state / "reports" / f"{topic}.json"


def remember(course: Course, report: Report) -> None:
    """Keep a run's results; checks that it left out keep their earlier ones.

    Raises:
        OSError: If the kit cannot be written to.
    """
    for topic in report.topics:
        path = last_report_path(course, topic.name)
        try:
            before = read_report(path).topic(topic.name)
        except ReportError:
            before = None
        if before is not None:
            earlier = {result.check: result for result in before.checks()}
            tasks = tuple(
                TaskResult(task.name, tuple(_newer(result, earlier) for result in task.checks))
                for task in topic.tasks
            )
            topic = replace(topic, tasks=tasks)  # the same topic, completed
        write_whole(path, (to_json(replace(report, topics=(topic,))) + "\n").encode("utf-8"))


def _newer(result: CheckResult, earlier: dict[Check, CheckResult]) -> CheckResult:
    if result.status is Status.NOT_RUN:
        return earlier.get(result.check, result)
    return result
