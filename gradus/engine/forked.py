"""Grade one answer in a forked child; this process becomes the warm judge."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gradus.course import Course
from gradus.engine.job import Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.grading.journal import Line
from gradus.grading.report import Report


def grade_forked(
    course: Course,
    topic: str,
    job: Job,
    *,
    devices: Sequence[str] = (),
    listen: Callable[[Line], object] = lambda line: None,
) -> Report:
    """Grade in a child of this process: `gradus.engine.apart.grade_apart`, with a fork.

    Raises:
        GraderError: If pytest could not run the checks; carries the end of its output.
    """
    job = replace(job, folder=job.folder or course.root, reports=True)

    def use(judge: WarmJudge) -> Report:
        (graded,) = judge.grade([job], listen=lambda job, line: listen(line))
        return graded.report

    options = [word for task in job.tasks for word in ("--task", task)]  # an unknown one is told
    with _inside(course.root):
        return with_judge(
            course, topic, use, tasks=job.tasks, devices=devices, hidden=job.hidden, options=options
        )


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
