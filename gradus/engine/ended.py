"""How a process that graded an answer came to its end, in words, and what it is charged with."""

import contextlib
import signal
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradus.grading.journal import Line
from gradus.grading.report import LABEL
from gradus.submission import time_limit
from gradus.submission.status import Status

START_SECONDS = 180.0  # to start Python and import torch on a slow and busy machine
LOAD_SECONDS = 900.0  # to load a submission behind the wall, where it has 600 s, on such a machine
RESTARTS = 100  # for one answer: each case, and each statement of its file, can lose a process
BROKEN = "This check is BROKEN: it ends so for the reference too. It is not your fault."
GRACE_SECONDS = 30.0  # beyond a limit of its own before a process is killed


@dataclass(frozen=True)
class Ended:
    """The end of a process.

    Args:
        code: Its exit code; minus the signal's number where one ended it.
        hung: Whether it had to be killed, since it said nothing for longer than it may.
    """

    code: int
    hung: bool = False

    @property
    def endless(self) -> bool:
        """Whether it ended itself, since nothing else stopped the code that it ran."""
        return self.code == time_limit.ENDLESS

    def words(self) -> str:
        """How the process ended, for the student."""
        if self.hung:
            return "it hung, and nothing could interrupt it"
        if self.endless:
            return "it does not stop: its code swallows every exception (a bare `except:`?)"
        if self.code < 0:
            with contextlib.suppress(ValueError):
                return f"it crashed the whole process ({signal.Signals(-self.code).name})"
        return f"it ended the whole process (exit code {self.code})"

    def charge(self, last: Line) -> Line | None:
        """The line of a journal that says what was lost with the process; None when nothing was running.

        Args:
            last: The last line that the process wrote.
        """
        if last["event"] == "loading":
            why = f"{self.words()}; left out"
            return {"event": "lost place", "place": last["place"], "why": why}
        if last["event"] == "reference":
            return {
                "event": "finished",
                "node": last["node"],
                "data": {**last["data"], "lost": True},
            }
        if last["event"] == "started":
            return {"event": "finished", "node": last["node"], "data": self._lost(last["data"])}
        return None

    def _lost(self, data: dict[str, Any]) -> dict[str, Any]:
        """The result of a case whose process was lost."""
        lines = data["message"].splitlines()
        place = _labels(lines)
        message = "\n".join([*lines[:place], f"  problem  {self.words()}", *lines[place:]])
        status = Status.TIMEOUT if self.hung or self.endless else Status.ERROR
        return {**data, "status": status.value, "message": message, "lost": True}


def _labels(lines: Sequence[str]) -> int:
    """Where a message's labels begin, behind its title, which may take several lines."""
    return next((n for n, line in enumerate(lines) if line.startswith("  ")), len(lines))


def condemned(data: dict[str, Any]) -> dict[str, Any]:
    """The result of a case that the reference does not pass either; `data` is what the answer came to."""
    if "if_broken" in data:
        return {**data, "status": Status.BROKEN.value, "message": data["if_broken"]}
    lines = data["message"].splitlines()
    if not any(line.startswith("  problem") for line in lines):
        lines.insert(_labels(lines), "  problem  it does not pass")
    place = next(n for n, line in enumerate(lines, 1) if line.startswith("  problem"))
    rows = textwrap.wrap(BROKEN, 79 - LABEL)
    rest = [line for line in lines[place:] if not line.startswith("  hint")]
    message = "\n".join([*lines[:place], *(" " * LABEL + row for row in rows), *rest])
    return {**data, "status": Status.BROKEN.value, "message": message}


def patience(
    last: Line,
    *,
    statement_seconds: float | None = None,
    grace: float | None = None,
    behind_wall: bool = False,
) -> float:
    """Seconds until a process that wrote this line last has to write the next one.

    Where the submission is behind the wall, no line tells how it is loaded, or loaded anew.
    """
    more = GRACE_SECONDS if grace is None else grace
    if last["event"] in ("started", "reference"):
        return float(last["limit"]) + more
    if last["event"] == "loading":
        return (time_limit.CELL_SECONDS if statement_seconds is None else statement_seconds) + more
    return (LOAD_SECONDS if behind_wall else START_SECONDS) + more
