"""Many answers to one topic, graded by one warm judge."""

import contextlib
import os
import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from gradus.course import Course
from gradus.engine.here import run_here
from gradus.engine.job import Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.grading.devices import CPU, SIMULATED, case_of
from gradus.grading.items import check_of, task_of
from gradus.grading.report import TopicResult
from gradus.submission.status import Status

Sides = dict[bool, TopicResult]  # in a fork (`False`), and maybe behind the wall (`True`)


@dataclass(frozen=True)
class Wanted:
    """An answer to `task`, and the tasks to grade in a fork of this process and `behind` the wall.

    The checks in `slow` are left out, those in `slow_behind` behind the wall; random inputs are those of
    `seed`. A wrong answer meets the CPU alone; only where that does not notice it it meets the simulated GPU
    too, and then what is slow. One loss is `enough`: the checks after it are left out.
    """

    path: Path
    task: str
    tasks: Sequence[str]
    right: bool
    behind: Sequence[str] = ()
    slow: frozenset[str] = frozenset()
    slow_behind: frozenset[str] = frozenset()
    seed: int = 0
    enough: bool = False


def only(result: TopicResult, tasks: Sequence[str]) -> TopicResult:
    """The part of a result that is about these tasks."""
    return replace(result, tasks=tuple(task for task in result.tasks if task.name in tasks))


def like(result: TopicResult, other: TopicResult) -> TopicResult:
    """The part of a result that is about the tasks of another one, without checks that did not run there."""
    tasks = []
    for task, there in zip(
        only(result, [task.name for task in other.tasks]).tasks, other.tasks, strict=True
    ):
        pairs = zip(task.checks, there.checks, strict=True)
        checks = tuple(one if twin.cases else twin for one, twin in pairs)
        tasks.append(replace(task, checks=checks))
    return replace(result, tasks=tuple(tasks))


def lost(result: TopicResult) -> dict[str, list[str]]:
    """Messages of the checks that ran and did not pass, by task."""
    fine = (Status.PASSED, Status.NOT_RUN)
    found = {
        task.name: [c.message for c in task.checks if c.status not in fine] for task in result.tasks
    }
    return {task: messages for task, messages in found.items() if messages}


def grade_many(course: Course, topic: str, wanted: Sequence[Wanted]) -> list[Sides]:
    """For each submission its results in a fork of this process, and behind the wall where that is wanted.

    Hidden checks are run too. Devices are the CPU and the simulated GPU, which both sides have everywhere.
    """
    return with_judge(course, topic, partial(_both_sides, wanted), devices=(CPU, SIMULATED))


def _both_sides(wanted: Sequence[Wanted], judge: WarmJudge) -> list[Sides]:
    """In forks of this process; and in this process, where the submission runs behind the wall."""
    sides = []
    for one, here in zip(*_here(judge, wanted), strict=True):
        sides.append({False: here})
        if one.behind:
            one = replace(one, tasks=one.behind, slow=one.slow | one.slow_behind)
            behind = run_here(judge, _job(judge, one), isolated=True).result
            sides[-1][True] = only(behind, one.tasks)
    return sides


def _first(judge: WarmJudge, wanted: Sequence[Wanted]) -> list[TopicResult]:
    """The first result of each: of those where one loss is enough in one fork for all of them.

    That takes half the time. One that ends its process, and those behind it, are graded anew.
    """
    jobs = [_job(judge, one) for one in wanted]
    quick = [number for number, one in enumerate(wanted) if one.enough]
    found = dict(zip(quick, _in_one_fork(judge, [jobs[n] for n in quick]), strict=False))
    rest = [number for number in range(len(wanted)) if number not in found]
    found.update(zip(rest, (g.result for g in judge.grade(jobs[n] for n in rest)), strict=True))
    return [only(found[number], one.tasks) for number, one in enumerate(wanted)]


def _in_one_fork(judge: WarmJudge, jobs: Sequence[Job]) -> list[TopicResult]:
    """The results that one fork of this process comes to, up to the answer that ends it."""
    with tempfile.TemporaryFile() as file:
        pid = os.fork()
        if pid == 0:
            try:
                for job in jobs:
                    pickle.dump(run_here(judge, job).result, file)
                    file.flush()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        file.seek(0)
        results: list[TopicResult] = []
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            while True:
                results.append(pickle.load(file))
        return results


def _here(judge: WarmJudge, wanted: Sequence[Wanted]) -> tuple[list[Wanted], list[TopicResult]]:
    """What each met in the end, and its result."""
    met, results = list(wanted), _first(judge, wanted)
    in_part = [n for n, one in enumerate(wanted) if not (one.right or one.enough)]
    for more in ({"right": True}, {"slow": frozenset()}):
        missed = [n for n in in_part if wanted[n].task not in lost(results[n])]
        if not missed:
            break
        for number in missed:
            met[number] = replace(met[number], **more)
        again = judge.grade(_job(judge, met[number]) for number in missed)
        for number, graded in zip(missed, again, strict=True):
            results[number] = only(graded.result, met[number].tasks)
    return met, results


def _job(judge: WarmJudge, wanted: Wanted) -> Job:
    """Where one loss is enough, all cases in one go: those that are left out at first come last."""
    cases = [item for item in judge.items if task_of(item) in wanted.tasks]
    if wanted.enough:
        cases.sort(key=lambda item: (_is_slow(item, wanted), case_of(item) != CPU))
    else:
        cases = [item for item in cases if not _is_left_out(item, wanted)]
    return Job(
        wanted.path, cases=[item.nodeid for item in cases], hidden=True, seed=wanted.seed,
        folder=wanted.path.parent, enough=wanted.enough,
    )  # fmt: skip


def _is_left_out(item: pytest.Item, wanted: Wanted) -> bool:
    return _is_slow(item, wanted) or not (wanted.right or case_of(item) == CPU)


def _is_slow(item: pytest.Item, wanted: Wanted) -> bool:
    return check_of(item).name in wanted.slow
