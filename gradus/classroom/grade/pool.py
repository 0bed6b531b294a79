"""Processes that grade answers, several at a time; one that is lost costs nobody a grade."""

import os
import secrets
import signal
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from gradus.classroom.grade.answer import unpack
from gradus.course import load_course
from gradus.engine import one_thread
from gradus.errors import GradusError
from gradus.grading.own_process import end_with_parent
from gradus.grading.report import Report
from gradus.grading.report_file import from_json, to_json

ALONE = 2  # times that an answer whose process was lost is tried again, alone


@dataclass(frozen=True)
class Asked:
    """One answer that is to be graded.

    Args:
        key: Of the answer and all that its grade depends on.
        topic: Its topic.
        answer: Packed.
        seed: Of the random inputs; a secret one is drawn if None.
        limit: Seconds that it may take in all.
        devices: That checks run on; those of a plain pytest run when empty.
    """

    key: str
    topic: str
    answer: bytes
    seed: int | None = None
    limit: float = 600.0
    devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answered:
    """What became of it: a report, or why there is none."""

    asked: Asked
    seed: int
    seconds: float
    report: Report | None
    problem: str = ""


def grade_all(root: Path, answers: Iterable[Asked], jobs: int) -> Generator[Answered, None, None]:
    """Grade answers with a kit, `jobs` at a time, and give each result as soon as it is there.

    An answer whose process is lost is tried again, alone.
    """
    waiting = iter(answers)
    while True:
        again, lost = yield from _in_one_pool(root, waiting, jobs)
        for asked in lost:
            yield from _alone(root, asked)
        if not again:
            return


def _in_one_pool(
    root: Path, waiting: Iterator[Asked], jobs: int
) -> Generator[Answered, None, tuple[bool, list[Asked]]]:
    """As `grade_all`; returns whether there is more to do, and the answers that were lost."""
    context = get_context("spawn")
    free: SimpleQueue[int] = context.SimpleQueue()
    for number in _of_their_own(jobs):
        free.put(number)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(free,))
    running: dict[Future[tuple[int, float, str, str]], Asked] = {}
    try:
        while True:
            while len(running) < jobs and (asked := next(waiting, None)) is not None:
                try:
                    running[pool.submit(_grade, str(root), asked)] = asked
                except BrokenProcessPool:  # one of them ended while it had nothing to do
                    return True, [asked, *running.values()]
            if not running:
                return False, []
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                asked = running.pop(future)
                try:
                    yield _answered(asked, future.result())
                except BrokenProcessPool:
                    return True, [asked, *running.values()]
    finally:
        _end(pool)


def _alone(root: Path, asked: Asked) -> Iterator[Answered]:
    for _ in range(ALONE):
        _, lost = yield from _in_one_pool(root, iter([asked]), 1)
        if not lost:
            return
    why = "infrastructure: the process that graded it ended each time. Grade it again, alone."
    yield Answered(asked, 0, 0.0, None, why)


def _end(pool: ProcessPoolExecutor) -> None:
    """End the processes at once, also in the middle of an answer: what they start ends with them."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def grade_one(root: Path, asked: Asked) -> Answered:
    """Grade one answer in this process, whose judges stay warm for the next one."""
    return _answered(asked, _grade(str(root), asked))


def _of_their_own(jobs: int) -> list[int]:
    """A processor for each process, where there are enough.

    A judge and its worker take turns, several times in a millisecond. On one processor that costs a tenth less
    than on two.
    """
    if not hasattr(os, "sched_setaffinity"):
        return []
    there = sorted(os.sched_getaffinity(0))
    return there[:jobs] if 1 < jobs <= len(there) else []


def _begin(free: "SimpleQueue[int]") -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the process that started this one
    end_with_parent()
    if not free.empty():
        os.sched_setaffinity(0, {free.get()})
    one_thread()


def _grade(root: str, asked: Asked) -> tuple[int, float, str, str]:
    """Grade one answer, in a process of the pool: seed, seconds, report, and why there is none."""
    from gradus.engine.apart import grade_apart

    seed = secrets.randbits(128) if asked.seed is None else asked.seed
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gradus-") as scratch:
        try:
            file = unpack(asked.answer, Path(scratch))
            report = grade_apart(
                load_course(Path(root)), asked.topic, file, hidden=True, isolated=True, seed=seed,
                workdir=Path(scratch), limit=asked.limit, measured=True, devices=asked.devices,
            )  # fmt: skip
        except (GradusError, OSError) as error:
            return seed, time.perf_counter() - start, "", str(error)
    return seed, time.perf_counter() - start, to_json(report), ""


def _answered(asked: Asked, found: tuple[int, float, str, str]) -> Answered:
    seed, seconds, text, problem = found
    return Answered(asked, seed, seconds, from_json(text) if text else None, problem)


def processors() -> int:
    """How many answers at a time are graded unless one says otherwise."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
