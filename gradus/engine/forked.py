"""Grade one answer in a forked child; this process becomes the warm judge."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gradus.course import Course
from gradus.engine import one_thread
from gradus.engine.job import Graded, Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.engine.replay import Replay
from gradus.grading.plugin import session_of
from gradus.grading.report import Report


def grade_forked(
    course: Course,
    topic: str,
    submission: Path | None = None,
    *,
    hidden: bool = False,
    tasks: Sequence[str] = (),
    seed: int = 0,
    workdir: Path | None = None,
    show: bool = False,
    devices: Sequence[str] = (),
) -> Report:
    """Grade in a child of this process: `gradus.engine.apart.grade_apart`, with a fork.

    Raises:
        GraderError: If pytest could not run the checks; carries the end of its output.
    """
    folder = workdir or course.root
    job = Job(submission, tasks=tasks, hidden=hidden, seed=seed, folder=folder, reports=True)

    def use(judge: WarmJudge) -> Report:
        found: list[Graded] = list(judge.grade([job], listen=Replay(judge).take))
        report = session_of(judge.config).results.report()
        return replace(report, topics=(found[0].result,))

    options = ["--gradus-seed", str(seed)]
    options += ["--submission", str(submission)] if submission is not None else []
    options += [word for task in tasks for word in ("--task", task)]
    if "torch" not in sys.modules:
        one_thread()
    with _inside(course.root):
        return with_judge(
            course, topic, use, tasks=tasks, devices=devices, hidden=hidden, options=options,
            show=show,
        )  # fmt: skip


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
