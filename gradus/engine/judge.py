"""A warm judge: pytest with the checks of one topic collected, which forks once for each answer."""

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import pytest

from gradus.engine import ended as ended_in
from gradus.engine.child import FAULT, grade_and_end
from gradus.engine.children import Child, Children, fork
from gradus.engine.ended import Ended, patience
from gradus.engine.job import Graded, Job
from gradus.errors import GraderError
from gradus.grading.items import task_of
from gradus.grading.journal import GPU_LOST, Journal, Line
from gradus.grading.marks import is_hidden
from gradus.grading.results import Results
from gradus.sandbox.limits import tasks_of_user

LISTEN = Callable[[Job, Line], object]


class WarmJudge:
    """Grades answers to one topic, each in a forked child.

    It runs none of the answer's code itself, and never starts CUDA: a process that has done so cannot be
    forked any more.
    """

    def __init__(self, topic: str, session: pytest.Session) -> None:
        self.topic, self.config = topic, session.config
        self.items: Sequence[pytest.Item] = tuple(session.items)

    def grade(
        self,
        jobs: Iterable[Job],
        *,
        at_once: int = 1,
        listen: LISTEN = lambda job, line: None,
        tick: Callable[[], object] = lambda: None,
    ) -> Iterator[Graded]:
        """Grade answers, several at a time, and give each result as soon as it is there.

        Args:
            jobs: What to grade; asked for the next one only when there is a place for it.
            at_once: How many children at a time.
            listen: Called with every line that a child writes.
            tick: Called several times a second.

        Raises:
            GraderError: If the checks of an answer could not be run through; not for what the answer does.
        """
        waiting = iter(jobs)
        runs: dict[int, _Run] = {}  # by pipe
        children = Children()
        gc.collect()
        gc.freeze()  # what the children never change stays shared with them
        try:
            while True:
                while len(children) < at_once and (job := next(waiting, None)) is not None:
                    self._start(_Run(self, job, self.chosen(job)), runs, children)
                if not children:
                    return
                for child, lines in children.wait():
                    run = runs[child.pipe]
                    for line in lines:
                        listen(run.job, line)
                        run.take(line, child)
                    if not run.over and not child.closed and time.monotonic() <= child.deadline:
                        continue
                    del runs[child.pipe]
                    lost = run.charge(children.remove(child))
                    if lost is not None:
                        listen(run.job, lost)
                    if run.over:
                        yield run.graded()
                    else:
                        self._start(run, runs, children)
                tick()
        finally:
            children.close()
            gc.unfreeze()

    def _start(self, run: "_Run", runs: dict[int, "_Run"], children: Children) -> None:
        child = run.start()
        runs[child.pipe] = run
        children.add(child)

    def chosen(self, job: Job) -> list[pytest.Item]:
        """The cases of a job.

        Raises:
            GraderError: If there are none.
        """
        if job.cases is not None:
            known = {item.nodeid: item for item in self.items}
            items = [known[name] for name in job.cases]
        else:
            items = [item for item in self.items if _is_asked(item, job)]
        if not items:
            raise GraderError(
                f"{self.topic}: none of its checks is asked for (tasks: {job.tasks})."
            )
        return items


def _is_asked(item: pytest.Item, job: Job) -> bool:
    wanted = not job.tasks or task_of(item) in job.tasks
    return wanted and (job.hidden or not is_hidden(item))


class _Run:
    """One job: what its processes have written, and what is left to be done."""

    def __init__(self, judge: WarmJudge, job: Job, items: Sequence[pytest.Item]) -> None:
        self.job, self._judge, self._items = job, judge, items
        self._others = tasks_of_user(os.getuid()) if job.memory is not None else 0
        self._lines: list[Line] = []
        self._last: Line = {"event": ""}
        self._processes = 0
        self.over = False  # whether the last case has been judged

    def start(self) -> Child:
        """Fork a process that goes on where the last one came to."""
        items = self._left()
        self._last, self._processes = {"event": ""}, self._processes + 1
        config = self._judge.config
        work = partial(grade_and_end, config, items, self.job, tuple(self._lines), self._others)
        return fork(work, self._patience())

    def _left(self) -> list[pytest.Item]:
        done = {line["node"] for line in self._lines if line["event"] == "finished"}
        return [item for item in self._items if item.nodeid not in done]

    def _patience(self) -> float:
        job = self.job
        return patience(self._last, statement_seconds=job.statement_seconds, grace=job.grace)

    def take(self, line: Line, child: Child) -> None:
        """Take a line of the process.

        Raises:
            GraderError: If it tells of an error in gradus itself.
        """
        if line["event"] == FAULT:
            raise GraderError(f"{self._judge.topic}: gradus itself failed.\n{line['text'][-3000:]}")
        self.over |= line["event"] == "end"
        if line["event"] == "report":
            return
        self._last = line
        if line["event"] in ("finished", "lost place"):
            self._lines.append(line)
        child.deadline = time.monotonic() + self._patience()

    def charge(self, ended: Ended) -> Line | None:
        """What is lost with a process that did not come to its end; None for one that did, or is not to blame.

        Raises:
            GraderError: If nothing of the answer's was running.
        """
        if self.over or ended.code == GPU_LOST:
            return None
        line = ended.charge(self._last)
        if line is None or self._processes > ended_in.RESTARTS:
            raise GraderError(
                f"{self._judge.topic}: the checks did not get through ({self._processes} processes for "
                f"one submission; the last: {ended.words()})."
            )
        self._lines.append(line)
        if line["event"] == "finished":
            self.over = self.job.enough or not self._left()
        return line

    def graded(self) -> Graded:
        """The result."""
        results = Results(Journal(), hidden=self.job.hidden, seed=self.job.seed)
        cases = {}
        for line in self._lines:
            if line["event"] == "finished":
                results.record(line["node"], line["data"])
                cases[line["node"]] = line["data"]
        report = results.report()
        if not report.topics:
            raise GraderError(f"{self._judge.topic}: pytest ran no check.")
        return Graded(self.job, report.topic(self._judge.topic), cases)
