"""Keep what a run found out about a student's own files, and say what there is to say of it."""

import contextlib
import hashlib
from functools import partial
from pathlib import Path

from gradus.course import Course
from gradus.grading.remembered import memory
from gradus.grading.remembered.other_form import newer_form, words
from gradus.grading.remembered.task_code import codes_in_file
from gradus.grading.report import Report


def keep(course: Course, report: Report) -> list[str]:
    """Remember a run, but of a file that was changed meanwhile.

    Returns:
        Notes for its end: where nothing can be kept, and where the other form of a topic is newer.
    """
    notes = []
    for topic in report.topics:
        tasks = [task.name for task in topic.tasks]
        for path in course.forms(topic.name):
            if _sha256(path) != topic.sha256:
                continue
            try:
                codes = codes_in_file(path, tasks)
                memory.remember(course, topic.name, topic.tasks, codes, path, report.created)
            except OSError as error:
                notes.append(memory.not_kept(course, error))
            with contextlib.suppress(OSError):  # it is gone
                other = newer_form(course, topic.name, path, partial(codes_in_file, tasks=tasks))
                notes += [words(course, other)] if other is not None else []
    return list(dict.fromkeys(notes))


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""  # what cannot be read is not what was graded
