"""Grade one answer apart from this process: forked, started anew, or shut in. Imports no torch."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gradus.course import Course
from gradus.engine.job import Job
from gradus.grading.journal import Line
from gradus.grading.report import Report

SPAWN = "GRADUS_SPAWN"  # set: processes are started also where they could be forked


def can_fork() -> bool:
    """Whether student code can be run in forks of a warm process: macOS's own libraries do not allow it."""
    return hasattr(os, "fork") and os.uname().sysname != "Darwin"


def can_contain() -> bool:
    """Whether the process that judges can be shut in: it needs the sandbox's fork server."""
    return sys.platform == "linux" and can_fork()


def grade_apart(
    course: Course,
    topic: str,
    submission: Path | None = None,
    *,
    hidden: bool = False,
    isolated: bool = False,
    tasks: Sequence[str] = (),
    seed: int = 0,
    workdir: Path | None = None,
    devices: Sequence[str] = (),
    limit: float | None = None,
    measured: bool = False,
    listen: Callable[[Line], object] = lambda line: None,
) -> Report:
    """Grade in a process of its own; when it is lost, what it was doing is charged and the rest goes on.

    A check that ends its process, or hangs beyond every time limit, is an `error` or a `timeout`; the
    other checks keep their points. `workdir` is the working folder of the student's code; modules that lie
    there do not stand before the grader's own. With `isolated` the submission runs behind the wall, in a
    third process, for at most `limit` seconds in all; the process that judges it is shut in too, where this
    system can do it. With `measured`, cases have the limits of `gradus.engine.limits`, for which the
    reference is run first, once on this machine. `listen` is called with every line of the journal; those of
    the event `report` are there only where the answer is graded in a fork.

    Raises:
        GraderError: If pytest could not run the checks; carries the end of its output.
    """
    job = Job(submission, tasks=tasks, hidden=hidden, seed=seed, folder=workdir)
    spawn = bool(os.environ.get(SPAWN))
    if isolated and not spawn and can_contain():
        from gradus.engine.contained.contained import contained_judge
        from gradus.submission.reading import find_submission
        from gradus.wall.judge.budget import SECONDS

        if submission is None:
            own = find_submission(course.exercises, topic)
            job = replace(job, submission=own, folder=own.parent)
        judge = contained_judge(course, topic, devices=devices)
        if measured:
            from gradus.engine.limits import limits

            job = replace(job, limits=limits(course, topic, judge.heard, devices=devices))
        return judge.grade(job, limit=limit or SECONDS, listen=listen)
    if measured:
        from gradus.engine.limits import limits

        job = replace(job, limits=limits(course, topic, isolated=isolated, devices=devices))
    if isolated or spawn or not can_fork():
        from gradus.engine.spawned import grade_spawned

        return grade_spawned(
            course, topic, job, isolated=isolated, limit=limit, devices=devices, listen=listen
        )
    from gradus.engine.forked import grade_forked

    return grade_forked(course, topic, job, devices=devices, listen=listen)
