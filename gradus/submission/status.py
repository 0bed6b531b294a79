"""How a check can end, and what can be wrong with a file that was handed in."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Status(str, Enum):
    """How a check ended. Only `passed` earns points."""

    PASSED = "passed"
    FAILED = "failed"  # the answer is wrong
    TODO = "todo"  # the stub is still there
    ERROR = "error"  # the student's code raised, exited or could not be loaded
    TIMEOUT = "timeout"
    BROKEN = "broken"  # the grader itself failed: nobody's answer was judged
    NOT_RUN = "not run"  # not selected, or the run ended first

    @classmethod
    def worst(cls, statuses: Iterable["Status"]) -> "Status":
        """The status of a check from those of its cases."""
        found = set(statuses)
        order = (cls.BROKEN, cls.TIMEOUT, cls.ERROR, cls.FAILED, cls.TODO, cls.NOT_RUN, cls.PASSED)
        return next((status for status in order if status in found), cls.NOT_RUN)


@dataclass(frozen=True)
class Problem:
    """Something that kept (a part of) a submission from being loaded."""

    where: str
    message: str
    names: tuple[str, ...] = ()  # functions and classes that are missing because of it
    kind: Status = Status.ERROR

    def as_data(self) -> list[Any]:
        """Plain data, for JSON."""
        return [self.where, self.message, list(self.names), self.kind.value]
