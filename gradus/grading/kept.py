"""Keep what a run found out about a student's own files, and say what there is to say of it."""

from functools import partial

from gradus.course import Course
from gradus.grading import memory
from gradus.grading.other_form import newer_form, words
from gradus.grading.report import Report
from gradus.grading.task_code import codes_in_file


def keep(course: Course, report: Report) -> list[str]:
    """Remember a run; notes for its end: where nothing can be kept, where the other form is newer."""
    try:
        graded = memory.remember(course, report)
    except OSError as error:
        return [memory.not_kept(course, error)]
    notes = []
    for topic, path in graded.items():
        tasks = [task.name for task in report.topic(topic).tasks]
        other = newer_form(course, topic, path, partial(codes_in_file, tasks=tasks))
        notes += [words(course, other)] if other is not None else []
    return notes
