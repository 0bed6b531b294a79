"""What a summary of a class needs of one report: a few words in place of hundreds of cases."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gradus.grading.report import LABEL, TopicResult
from gradus.submission.status import Status

LONGEST = 240  # characters of a reason, in which a student's words may stand
ENDS = "the whole process"  # in the messages of checks whose process was lost


@dataclass(frozen=True)
class Outline:
    """One answer's grade in short.

    Args:
        earned: Points.
        possible: Points that a right answer earns.
        why: Of an answer that earns nothing: the first thing that is wrong, in one line.
        tried: The tasks that are no longer as handed out.
        failed: Of those, the checks that did not pass: task and title.
        seconds: That the checks took; without what a process needs to start.
    """

    earned: int
    possible: int
    why: str = ""
    tried: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0


def outline_of(result: TopicResult) -> Outline:
    """The outline of one topic's result."""
    tried = [task for task in result.tasks if task.status is not Status.TODO]
    failed = [
        (task.name, check.check.title)
        for task in tried
        for check in task.checks
        if check.status is not Status.PASSED
    ]
    why = "" if result.earned else _why(result)
    names = tuple(task.name for task in tried)
    seconds = round(sum(case.seconds for check in result.checks() for case in check.cases), 2)
    return Outline(result.earned, result.possible, why, names, tuple(failed), seconds)


def odd_in(result: TopicResult) -> str:
    """What is odd about an answer, for who watches a class being graded: it hangs, or crashes."""
    slow = dict.fromkeys(c.check.task for c in result.checks() if c.status is Status.TIMEOUT)
    ends = dict.fromkeys(c.check.task for c in result.checks() if ENDS in c.message)
    parts = [(slow, "takes too long"), (ends, "crashes its process")]
    return "; ".join(f"{', '.join(tasks)} {what}" for tasks, what in parts if tasks)


def to_text(outline: Outline) -> str:
    """The outline in one line, for the store."""
    text = json.dumps(list(vars(outline).values()), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()  # a student's words may hold half an emoji


def from_text(text: str) -> Outline:
    """The outline that `to_text` made this line of.

    Raises:
        ValueError: If it did not.
    """
    earned, possible, why, tried, failed, seconds = json.loads(text)
    pairs = tuple((task, title) for task, title in failed)
    return Outline(earned, possible, why, tuple(tried), pairs, seconds)


def _why(result: TopicResult) -> str:
    """The first thing that is wrong, in one line."""
    problem = next((one for one in result.problems if one.kind is not Status.TODO), None)
    if problem is not None:
        return f"{problem.where}: {next(iter(problem.message.splitlines()), '')}"[:LONGEST]
    statuses = {check.status for check in result.checks()}
    if statuses <= {Status.TODO, Status.NOT_RUN}:
        return "nothing but the stub"
    lost = (c for c in result.checks() if c.status not in (Status.PASSED, Status.TODO))
    first = next(lost, None)
    if first is None:
        return ""
    return f"{first.check.task}: {_said(first.message.splitlines()) or first.check.title}"[:LONGEST]


def _said(rows: Sequence[str]) -> str:
    """What was wrong in a message, without its lines of code."""
    for number, row in enumerate(rows):
        if row.startswith(("  problem", "  raised", "  stopped")):
            words = [row[LABEL:]]
            for more in rows[number + 1 :]:
                if not more.startswith(" " * LABEL) or more[LABEL:].startswith(" "):
                    break
                words.append(more[LABEL:])
            return " ".join(words)
    return ""
