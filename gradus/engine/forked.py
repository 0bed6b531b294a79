"""Grade one answer in a forked child; this process becomes the warm judge."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gradus.course import Course
from gradus.engine.job import Graded, Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.engine.replay import Replay
from gradus.grading.plugin import session_of
from gradus.grading.report import Report


def grade_forked(
    course: Course,
    topic: str,
    job: Job,
    *,
    devices: Sequence[str] = (),
    show: bool = False,
) -> Report:
    """Grade in a child of this process: `gradus.engine.apart.grade_apart`, with a fork.

    Raises:
        GraderError: If pytest could not run the checks; carries the end of its output.
    """
    job = replace(job, folder=job.folder or course.root, reports=True)

    def use(judge: WarmJudge) -> Report:
        found: list[Graded] = list(judge.grade([job], listen=Replay(judge).take))
        report = session_of(judge.config).results.report()
        return replace(report, topics=(found[0].result,))

    options = ["--gradus-seed", str(job.seed)]
    options += ["--submission", str(job.submission)] if job.submission is not None else []
    options += [word for task in job.tasks for word in ("--task", task)]
    with _inside(course.root):
        return with_judge(
            course, topic, use, tasks=job.tasks, devices=devices, hidden=job.hidden,
            options=options, show=show,
        )  # fmt: skip


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
