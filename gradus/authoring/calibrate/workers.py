"""Processes that measure side by side."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradus
from gradus.course import Course
from gradus.errors import GraderError, GradusError

Tries = dict[str, list[dict[str, float]]]  # case of a check -> what each of its tries reached


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Job:
    """One answer, one check, one seed."""

    about: str
    source: str
    check: str
    seed: int
    threads: int = 1


class Worker:
    """One measuring process."""

    def __init__(self, course: Course, topic: str, python: str) -> None:
        self._python, self._topic = python, topic
        self._folder = tempfile.TemporaryDirectory(prefix="gradus-")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        words = [python, "-m", "gradus.authoring.calibrate.worker", str(course.root), topic]
        settings = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}  # a job may set more
        try:
            self._process = subprocess.Popen(
                words, cwd=course.root, env={**os.environ, **settings}, text=True, encoding="utf-8",
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            )  # fmt: skip
        except OSError as error:
            self._errors.close()
            self._folder.cleanup()
            raise GradusError(f"{python}: cannot be started ({error}).") from error
        try:
            self.greeting = self._answer()
        except GradusError:
            self.close()
            raise
        ours = str(Path(gradus.__file__).parent)
        if self.greeting["gradus"] != ours:
            self.close()
            raise GradusError(
                f"{python}: has the gradus of {self.greeting['gradus']}, not that of {ours}. "
                f"Install this kit there: {python} -m pip install -e '.[instructor]'"
            )

    def measure(self, job: Job) -> Tries:
        """Run a job.

        Raises:
            GraderError: If the answer did not get as far as its bars.
        """
        path = Path(self._folder.name, f"{self._topic}.py")
        path.write_text(job.source, encoding="utf-8")
        words = {"path": str(path), "check": job.check, "seed": job.seed, "threads": job.threads}
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: the answer will say why
            self._process.stdin.write(json.dumps(words) + "\n")
            self._process.stdin.flush()
        try:
            tries: Tries = self._answer()["tries"]
        except GradusError as error:
            raise GraderError(f"{job.check}, {job.about}, seed {job.seed}: {error}") from error
        return tries

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            told = self._errors.read().decode("utf-8", "replace")[-2000:].strip()
            raise GradusError(
                f"{self._python}: the measuring process ended with code {self._process.returncode}. "
                f"It needs gradus and torch.\n{told}"
            )
        answer: dict[str, Any] = json.loads(line)
        if "problem" in answer:
            raise GradusError(answer["problem"])
        return answer

    def kill(self) -> None:
        """End the process at once; what it was doing is told as lost."""
        self._process.kill()

    def close(self) -> None:
        """End the process and give back what it used."""
        self.kill()
        self._process.communicate()
        self._errors.close()
        self._folder.cleanup()


class Pool:
    """Up to `size` workers with the same interpreter, started when they are needed."""

    def __init__(
        self, course: Course, topic: str, python: str = sys.executable, size: int = 1
    ) -> None:
        self._start = lambda: Worker(course, topic, python)
        self._size = size
        self._workers = [self._start()]
        self._threads: list[threading.Thread] = []

    @property
    def torch(self) -> str:
        """The version of torch that measures."""
        return str(self._workers[0].greeting["torch"])

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The answers that are marked for calibration."""
        answers: list[dict[str, Any]] = self._workers[0].greeting["answers"]
        return answers

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Tries]]:
        """Every job with its result, as soon as it is done; one with several threads has the machine alone.

        Raises:
            GradusError: If an answer did not get as far as its bars, or a worker was lost.
        """
        yield from self._side_by_side([job for job in jobs if job.threads == 1], self._size)
        yield from self._side_by_side([job for job in jobs if job.threads > 1], 1)

    def _side_by_side(self, jobs: Sequence[Job], size: int) -> Iterator[tuple[Job, Tries]]:
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[Job, Tries] | GradusError] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)

        def work(worker: Worker) -> None:
            try:
                while True:
                    job = waiting.get_nowait()
                    done.put((job, worker.measure(job)))
            except queue.Empty:
                return
            except GradusError as error:
                done.put(error)

        while len(self._workers) < min(size, len(jobs)):
            self._workers.append(self._start())
        for worker in self._workers[:size]:
            self._threads.append(threading.Thread(target=work, args=(worker,), daemon=True))
            self._threads[-1].start()
        for _ in jobs:
            result = done.get()
            if isinstance(result, GradusError):
                raise result
            yield result

    def close(self) -> None:
        """End every worker at once."""
        for worker in self._workers:
            worker.kill()
        for thread in self._threads:
            thread.join()
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
