"""What the processes that grade one answer have written so far, and what is left to be done."""

import time
from collections.abc import Iterable, Sequence

from gradus.engine import ended as ended_in
from gradus.engine.ended import Ended, condemned, patience
from gradus.engine.job import Graded, Job
from gradus.errors import GraderError
from gradus.grading.journal import FAULT, GPU_LOST, Journal, Line
from gradus.grading.report import Report
from gradus.grading.results import Results
from gradus.submission.status import Status

_LOST = (Status.FAILED.value, Status.ERROR.value, Status.TIMEOUT.value)


def report_of(lines: Iterable[Line], *, hidden: bool = False, seed: int = 0) -> Report:
    """What the cases came to that these lines tell of; without a topic where there is none."""
    results = Results(Journal(), hidden=hidden, seed=seed)
    for line in lines:
        if line["event"] == "finished":
            results.record(line["node"], line["data"])
    return results.report()


class Progress:
    """One answer on its way.

    Args:
        topic: What it answers.
        job: What is asked for.
        nodes: Node ids of the cases that are to run; None where the process alone knows them.
        behind_wall: Whether the answer is.
    """

    def __init__(
        self,
        topic: str,
        job: Job,
        nodes: Sequence[str] | None = None,
        *,
        behind_wall: bool = False,
    ) -> None:
        self.topic, self.job = topic, job
        self.lines: list[Line] = []  # what a further process has to know
        self.over = False  # whether the last case has been judged
        self.deadline = 0.0  # when the next line is due
        self._nodes, self._behind_wall = nodes, behind_wall
        self._last: Line = {"event": ""}
        self._processes = 0

    def begin(self) -> None:
        """A process begins, or the next one goes on where the last one came to."""
        self._last, self._processes = {"event": ""}, self._processes + 1
        self._wait()

    def left(self) -> list[str]:
        """Node ids of the cases that are known and have not been judged."""
        done = {line["node"] for line in self.lines if line["event"] == "finished"}
        return [node for node in self._nodes or () if node not in done]

    def take(self, line: Line) -> None:
        """Take a line of the process.

        Raises:
            GraderError: If it tells of an error in gradus itself.
        """
        if line["event"] == FAULT:
            raise GraderError(f"{self.topic}: gradus itself failed.\n{line['text'][-3000:]}")
        if self._nodes is not None and line.get("node", self._nodes[0]) not in self._nodes:
            return  # no case of this job: what was forked is in the power of the answer
        self.over |= line["event"] == "end"
        if line["event"] == "report":
            return
        self._last = line
        if line["event"] in ("finished", "lost place"):
            self.lines.append(line)
        self._wait()

    def _wait(self) -> None:
        job = self.job
        self.deadline = time.monotonic() + patience(
            self._last,
            statement_seconds=job.statement_seconds,
            grace=job.grace,
            behind_wall=self._behind_wall,
        )

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
                f"{self.topic}: the checks did not get through ({self._processes} processes for "
                f"one submission; the last: {ended.words()})."
            )
        self.lines.append(line)
        if line["event"] == "finished" and self._nodes is not None:
            self.over = self.job.enough or not self.left()
        return line

    def doubtful(self) -> list[str]:
        """Node ids of the cases of which the reference has to tell whether the answer is to blame.

        Those whose process was lost; and where limits were measured with the reference, lost cases that have
        none: the reference did not pass them.
        """
        return [
            line["node"]
            for line in self.lines
            if line["event"] == "finished"
            and ({"lost", "if_broken"} & line["data"].keys() or self._lost_by_reference(line))
        ]

    def _lost_by_reference(self, line: Line) -> bool:
        limits = self.job.limits
        return bool(limits) and line["node"] not in limits and line["data"]["status"] in _LOST

    def condemn(self, node: str) -> None:
        """The reference fails a case too: its check is broken, and the answer is not to blame."""
        for line in self.lines:
            if line["event"] == "finished" and line["node"] == node:
                line["data"] = condemned(line["data"])

    def report(self) -> Report:
        """What was found out.

        Raises:
            GraderError: If no check was run.
        """
        report = report_of(self.lines, hidden=self.job.hidden, seed=self.job.seed)
        if not report.topics:
            raise GraderError(f"{self.topic}: pytest ran no check.")
        return report

    def graded(self) -> Graded:
        """The result.

        Raises:
            GraderError: If no check was run.
        """
        cases = {line["node"]: line["data"] for line in self.lines if line["event"] == "finished"}
        return Graded(self.job, self.report(), cases)
