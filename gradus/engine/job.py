"""What the engine is asked for, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradus.grading.report import Report, TopicResult


@dataclass(frozen=True)
class Job:
    """One answer, and what is to be run on it.

    Args:
        submission: A file or folder; the one in exercises/ if None.
        tasks: Only these; all when empty.
        cases: Node ids of cases of these tasks, in the order in which they are to run; None: all, as pytest
            has them.
        hidden: Whether hidden checks are run too.
        seed: Of the random inputs.
        folder: The working folder of the student's code; the kit's root if None.
        enough: Whether to stop behind the first case that does not pass.
        limits: Seconds for cases, by node id, where a check's own limit is not to hold.
        statement_seconds: For each statement while the file is loaded; the usual limit if None.
        grace: Seconds beyond a limit before the process is killed.
        reports: Whether the lines hold pytest's reports too, and with them what student code printed.
        memory: Bytes that the process may take beyond what the warm judge holds; None: no limit.
    """

    submission: Path | None
    tasks: Sequence[str] = ()
    cases: Sequence[str] | None = None
    hidden: bool = False
    seed: int = 0
    folder: Path | None = None
    enough: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)
    statement_seconds: float | None = None
    grace: float | None = None
    reports: bool = False
    memory: int | None = None


@dataclass(frozen=True)
class Graded:
    """What became of a job: its report, and the data of every case that ran, by node id, in that order."""

    job: Job
    report: Report
    cases: Mapping[str, Mapping[str, Any]]

    @property
    def result(self) -> TopicResult:
        """The one topic of the report."""
        return self.report.topics[0]
