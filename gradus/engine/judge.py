"""A warm judge: pytest with the checks of one topic collected, which forks once for each answer."""

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gradus.engine.child import grade_and_end
from gradus.engine.children import Child, Children, fork
from gradus.engine.job import Graded, Job
from gradus.engine.progress import Progress
from gradus.errors import GraderError
from gradus.grading.items import task_of
from gradus.grading.journal import Line
from gradus.grading.marks import is_hidden
from gradus.sandbox.limits import tasks_of_user
from gradus.submission.status import Status

LISTEN = Callable[[Job, Line], object]


class WarmJudge:
    """Grades answers to one topic, each in a forked child.

    It runs none of the answer's code itself, and never starts CUDA: a process that has done so cannot be
    forked any more.

    Args:
        topic: Of the checks.
        session: pytest's, which has them collected.
        reference: Tried where an answer loses a process: the check may be to blame.
    """

    def __init__(self, topic: str, session: pytest.Session, reference: Path | None = None) -> None:
        self.topic, self.config = topic, session.config
        self.items: Sequence[pytest.Item] = tuple(session.items)
        self._reference = reference if reference is not None and reference.exists() else None
        self._is_grading = self._has_graded = False
        self._passes: dict[
            tuple[str, int], bool
        ] = {}  # case and seed -> whether the reference does

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
        outermost, self._is_grading = not self._is_grading, True
        if outermost:
            if not self._has_graded:
                gc.collect()  # 0.1 s
            self._has_graded = True
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
                        run.take(line)
                    if not run.over and not child.closed and time.monotonic() <= run.deadline:
                        continue
                    del runs[child.pipe]
                    lost = run.charge(children.remove(child))
                    if lost is not None:
                        self._blame(run, lost)
                        listen(run.job, lost)
                    if run.over:
                        yield run.graded()
                    else:
                        self._start(run, runs, children)
                tick()
        finally:
            children.close()
            if outermost:
                gc.unfreeze()
                self._is_grading = False

    def _blame(self, run: "_Run", lost: Line) -> None:
        """A process was lost in a case: where the reference loses it there too, its check is broken."""
        job, reference = run.job, self._reference
        if lost["event"] != "finished" or lost["data"]["status"] == Status.BROKEN.value:
            return
        if reference is None or job.submission == reference:
            return
        key = lost["node"], job.seed
        if key not in self._passes:
            alone = replace(job, submission=reference, cases=[lost["node"]], reports=False)
            (graded,) = self.grade([alone])
            self._passes[key] = all(
                case["status"] == Status.PASSED.value for case in graded.cases.values()
            )
        if not self._passes[key]:
            run.condemn(lost["node"])

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


class _Run(Progress):
    """One job, graded by forks of the warm judge."""

    def __init__(self, judge: WarmJudge, job: Job, items: Sequence[pytest.Item]) -> None:
        super().__init__(judge.topic, job, [item.nodeid for item in items])
        self._config, self._items = judge.config, {item.nodeid: item for item in items}
        self._others = tasks_of_user(os.getuid()) if job.memory is not None else 0

    def start(self) -> Child:
        """Fork a process that goes on where the last one came to."""
        self.begin()
        items = [self._items[node] for node in self.left()]
        work = partial(
            grade_and_end, self._config, items, self.job, tuple(self.lines), self._others
        )
        return fork(work)
