"""Grades a stranger's answer with a judge that is shut in as the answer is, in another sandbox."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gradus.course import Course
from gradus.engine.contained.believed import believed
from gradus.engine.contained.desk import Desk
from gradus.engine.contained.talk import Nonsense, Talk
from gradus.engine.ended import Ended
from gradus.engine.job import Job
from gradus.engine.progress import Progress
from gradus.errors import GraderError, SubmissionError
from gradus.grading.journal import FAULT, Line
from gradus.grading.report import Report
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.levels import Level
from gradus.sandbox.limits import Limits
from gradus.sandbox.orders import Ready
from gradus.sandbox.slots import WarmSlot, warm_slot
from gradus.shown import safe
from gradus.submission.reading import show_path
from gradus.submission.status import Status
from gradus.wall.judge.budget import SECONDS, reached
from gradus.wall.judge.source import Source
from gradus.wall.slots import hidden_from_submissions, slot_of
from gradus.wall.wire.limits import MAX_BODY

Listen = Callable[[Line], object]
PROCESS = "gradus.engine.contained.process"
MORE_SECONDS = 600.0  # for the checks' own work, beyond what the submission may take
MOST_WARM = 4  # judges of topics that wait for the next answer: each takes some 200 MB


class ContainedJudge:
    """Grades answers to one topic, one after another, each with a judge and a worker of its own.

    Both are forks of processes that are kept warm, in two sandboxes. The judge's shows it the kit's graders
    and data sets. A judge that an answer has taken over can make up the report of that one answer, and show
    what it knows in it: hidden checks, and their inputs.

    Args:
        course: The kit.
        topic: One of its topics.
        devices: That checks run on; those of a plain pytest run when empty.

    Raises:
        SandboxError: If a sandbox would show too much.
    """

    def __init__(self, course: Course, topic: str, *, devices: Sequence[str] = ()) -> None:
        self.course, self.topic = course, course.require(topic)
        about = {"root": str(course.root), "topic": topic, "devices": list(devices)}
        ready = Ready(f"{PROCESS}:collected", json.dumps(about), memory_files=True)
        self._judges: WarmSlot = warm_slot(
            tuple(_read_by_judges(course)),
            f"{PROCESS}:serve",
            hidden=hidden_from_submissions(course.root),
            limits=Limits(file_size=2 * MAX_BODY),
            ready=ready,
        )
        self._workers: WarmSlot = slot_of(course.root)
        self._judges.start_ahead()
        self._workers.start_ahead()

    def grade(
        self, job: Job, *, limit: float = SECONDS, listen: Listen = lambda line: None
    ) -> Report:
        """Grade one answer.

        Args:
            job: What is graded. `folder` is what was handed in together, the submission among it.
            limit: Seconds that the submission may take in all.
            listen: Called with every line that its judges say.

        Raises:
            GraderError: If the checks could not be run through; not for what the answer does.
            SandboxError: If there is no sandbox to be had.
        """
        assert job.submission is not None
        path, folder = job.submission, job.folder
        source = Source(path, self.topic, show_path(path, folder), folder)
        answer = self._run(job, source, limit, listen)
        doubtful, reference = answer.doubtful(), self.course.solution(self.topic)
        if doubtful and reference.exists():
            alone = dataclasses.replace(job, submission=reference, folder=None, cases=doubtful)
            right = Source(reference, self.topic, reference.name, handed_in=False)
            passed = {
                line["node"]
                for line in self._run(alone, right, limit).lines
                if line["event"] == "finished" and line["data"]["status"] == Status.PASSED.value
            }
            for node in set(doubtful) - passed:
                answer.condemn(node)
        return answer.report()

    def heard(self, job: Job) -> list[Line]:
        """Grade a trusted answer, and give every line that its judges have said; errors as `grade` has them."""
        assert job.submission is not None
        lines: list[Line] = []
        path = job.submission
        self._run(job, Source(path, self.topic, path.name, handed_in=False), SECONDS, lines.append)
        return lines

    def close(self) -> None:
        """End the judges' sandbox; that of the submissions serves other topics too."""
        self._judges.close()

    def _run(
        self, job: Job, source: Source, limit: float, listen: Listen = lambda line: None
    ) -> Progress:
        """One pair of processes after another, until all cases have been judged."""
        answer = Progress(self.topic, job, behind_wall=True)
        until = time.monotonic() + 2 * limit + MORE_SECONDS
        told, data = self._told(job, source, limit)
        known = {
            "grader": str(self.course.grader(self.topic)),
            "isolation": self._isolation(limit),
        }
        while not answer.over:
            try:
                judge = self._judges.start_worker()
            except SandboxError as error:
                raise GraderError(f"{self.topic}: no judge could be started. {error}") from error
            talk = Talk(judge.socket)
            desk = Desk(talk, self._workers)
            answer.begin()
            hung = False
            try:
                with contextlib.suppress(OSError):  # it has ended: its code will tell
                    talk.say({**told, "past": answer.lines}, data=data)
                    hung = not self._hear(answer, talk, desk, until, known, listen)
            except Nonsense as error:
                raise GraderError(
                    f"{self.topic}: the judge of this submission sent something that is not a result "
                    f"({error}). The submission may have taken it over: read the submission."
                ) from error
            finally:
                # Judge and worker can pass each other open folders. Both are killed before anything is
                # emptied, and the worker's folders are emptied once more: the judge may have written there.
                judge.kill()
                desk.kill()
                desk.close()
                self._workers.sweep()
                ended = judge.stop()
            answer.charge(Ended(ended.code if ended.code is not None else -9, hung))
        return answer

    def _hear(
        self,
        answer: Progress,
        talk: Talk,
        desk: Desk,
        until: float,
        known: dict[str, Any],
        listen: Listen,
    ) -> bool:
        """Hear a judge, and serve it, until it has ended or said all; False if its time is over."""
        while not answer.over:
            lines = talk.lines(min(answer.deadline, until) - time.monotonic())
            if lines is None:
                return True
            for said in lines:
                if time.monotonic() >= until:
                    return False
                if "ask" in said:
                    desk.serve(said["ask"])
                else:
                    line = believed(said.get("line"), **known)
                    if line["event"] == FAULT:
                        raise GraderError(
                            f"{self.topic}: gradus itself failed in the judge of this submission. If it does "
                            f"so for this one alone, read the submission.\n{safe(line['text'][-3000:])}"
                        )
                    answer.take(line)
                    listen(line)
            if time.monotonic() >= min(answer.deadline, until):
                return False
        return True

    def _isolation(self, limit: float) -> dict[str, str]:
        is_boxed = self._judges.isolation.level is not Level.PROCESS
        judge = f"{'in a sandbox of its own, ' if is_boxed else ''}one process for each submission"
        return {**reached(self._workers.isolation, limit), "judge": judge}

    def _told(self, job: Job, source: Source, limit: float) -> tuple[dict[str, Any], bytes]:
        """What a judge is told, and the files that follow."""
        problem, files = "", dict[str, bytes]()
        try:
            files = {"": source.read(), **source.beside()}
        except SubmissionError as error:
            problem = str(error)
        isolation = self._workers.isolation
        told = {
            "job": {
                "tasks": list(job.tasks),
                "cases": None if job.cases is None else list(job.cases),
                "hidden": job.hidden,
                "seed": job.seed,
                "limits": dict(job.limits),
            },
            "source": {"name": source.path.name, "shown": source.shown, "problem": problem},
            "level": str(isolation.level),
            "details": isolation.details,
            "limit": limit,
            "files": [(name, len(data)) for name, data in files.items()],
        }
        return told, b"".join(files.values())


def contained_judge(course: Course, topic: str, *, devices: Sequence[str] = ()) -> ContainedJudge:
    """This process's judge of a topic, warm; a new one where a grader, a data set or the kit has changed."""
    key = course.root, topic, tuple(devices)
    state = _state(course)
    known = _judges.get(key)
    if known is None or known[0] != state:
        if known is not None:
            known[1].close()
        known = state, ContainedJudge(course, topic, devices=devices)
    _judges.pop(key, None)
    _judges[key] = known  # the last one is the one used last
    while len(_judges) > MOST_WARM:
        _judges.pop(next(iter(_judges)))[1].close()
    return known[1]


_judges: dict[tuple[Path, str, tuple[str, ...]], tuple[Any, ContainedJudge]] = {}


def _read_by_judges(course: Course) -> list[Path]:
    """What of a kit graders may need; not its solutions, and nothing that somebody has handed in."""
    names = ("graders", "datasets", "course.toml", "pyproject.toml")
    found = [course.root / name for name in names if (course.root / name).exists()]
    return [*found, *sorted(course.root.glob("*.py"))]


def _state(course: Course) -> list[tuple[str, int, int]]:
    """What a warm judge has read: it is started anew when any of it is changed."""
    found = []
    for place in _read_by_judges(course):
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                about = path.stat()
                found.append((str(path), about.st_mtime_ns, about.st_size))
    return found
