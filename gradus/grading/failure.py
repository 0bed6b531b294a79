"""Say how a check ended and why: whose fault an exception is, and the text that the student reads."""

import textwrap
from dataclasses import dataclass

import pytest

from gradus.checks.outcomes import Failure, Mismatch
from gradus.errors import GraderError
from gradus.grading.report import LABEL, Check
from gradus.shown import safe
from gradus.submission.calls import StudentError, Submission, access_of
from gradus.submission.debugger import QUIT
from gradus.submission.describe import shortened
from gradus.submission.exits import ProcessLost
from gradus.submission.raised import Frame, Raised, raised
from gradus.submission.status import Status
from gradus.submission.time_limit import LoadTimeout

WIDTH = 79
FRAMES = 3
NO_KEYBOARD = "a debugger is called here, and there is no keyboard. With one: pytest -k {task}"


@dataclass(frozen=True)
class Verdict:
    """How a case ended. `certain` is False where only the reference can tell whose fault it was."""

    status: Status
    lines: tuple[tuple[str, str], ...]
    certain: bool = True
    cause: str = ""  # the line of student code that raised or hung: told once for a task
    anywhere: bool = False  # whether the cause is the same for all tasks: told once


class NotTried(Exception):
    """A case that is lost before it begins. A fixture raises it: of other exceptions pytest is not rid."""

    def __init__(self, message: str, kind: Status = Status.ERROR) -> None:
        super().__init__(message)
        self.kind = kind


def judge(error: BaseException, submission: Submission) -> Verdict:
    """Classify what a check raised."""
    came = raised(error, access_of(submission).loaded.filenames)
    frames = came.frames
    record = access_of(submission).last_call
    called = ("called", record.text) if record else ("", "")
    if isinstance(error, StudentError | NotTried):
        kind = error.kind if error.kind in (Status.TODO, Status.TIMEOUT) else Status.ERROR
        return Verdict(kind, (("problem", str(error)),), cause=str(error), anywhere=True)
    if isinstance(error, ProcessLost):
        return Verdict(Status.ERROR, (("problem", str(error)),))
    if isinstance(error, GraderError):
        return Verdict(Status.BROKEN, (("problem", str(error)),))
    if isinstance(error, LoadTimeout) or _is_timeout(error):
        place = f"it was at {frames[-1]}" if frames else ""
        limit = str(error).partition("(>")[2].partition(")")[0] or "the time limit"
        return Verdict(
            Status.TIMEOUT,
            (called, ("stopped", f"after {limit}: is there an endless loop?"), ("", place)),
            cause="timeout" if frames else "",
        )
    if isinstance(error, Mismatch):
        notes = tuple(("", note) for note in error.notes)
        return Verdict(
            Status.FAILED, (called, ("expected", error.expected), ("got", error.got), *notes)
        )
    if isinstance(error, Failure):
        return Verdict(Status.FAILED, (called, ("problem", str(error))))
    if isinstance(error, NotImplementedError) and frames and _is_stub(error, frames[-1]):
        return Verdict(Status.TODO, (("", str(error) or "TODO"),))
    if frames:
        cause = f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].line_number}"
        quits = came.text.startswith(QUIT)
        what = ("problem", NO_KEYBOARD) if quits else ("raised", came.text)
        rows = (what, *(("", str(frame)) for frame in frames[-FRAMES:]))
        return Verdict(Status.ERROR, (called, *rows), cause=cause)
    if isinstance(error, AssertionError):
        return Verdict(Status.FAILED, (called, ("problem", _assertion_text(error))))
    return Verdict(
        Status.BROKEN,
        (called, *_unusable(came, record.returned if record else None)),
        certain=False,
    )


def _is_stub(error: NotImplementedError, frame: Frame) -> bool:
    """Whether the student's own line says that there is no answer yet; torch raises such errors too."""
    return str(error).startswith("TODO") or frame.line.lstrip().startswith("raise")


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, pytest.fail.Exception) and str(error).startswith("Timeout (")


def _unusable(error: Raised, returned: str | None) -> tuple[tuple[str, str], ...]:
    came = (("returned", returned),) if returned else ()
    return (*came, ("problem", f"the check could not go on with this: {error.text}"))


def _assertion_text(error: AssertionError) -> str:
    text = str(error) or "an assertion of the check does not hold"
    return text.partition("\nassert ")[0]


def with_reference_verdict(verdict: Verdict, reference_passes: bool | None) -> Verdict:
    """Settle an uncertain verdict: where the reference passes the same check, the answer is to blame.

    None: there is no reference on this machine (a student's copy); then the answer is taken to be at
    fault, since it is the only thing that was written since the graders were tested.
    """
    if verdict.certain:
        return verdict
    if reference_passes is False:
        lines = (
            *verdict.lines,
            ("", "This check is BROKEN: it fails for the reference too. It is not your fault."),
        )
        return Verdict(Status.BROKEN, lines)
    return Verdict(Status.FAILED, verdict.lines)


def message_text(
    check: Check, verdict: Verdict, hint: str, again: str, *, simulated: bool = False
) -> str:
    """The whole message: the claim, what happened, a hint, and the command that shows it again."""
    lines = textwrap.wrap(check.title, WIDTH)
    rows = [*verdict.lines]
    if verdict.status in (Status.FAILED, Status.ERROR, Status.TIMEOUT):
        rows += [("device", "a simulated GPU (docs/gpu.md)")] if simulated else []
        rows += [("hint", hint)]
    rows += [("again", again)]
    for label, text in rows:
        if text:
            told = text.format(task=check.task) if text == NO_KEYBOARD else shortened(text)
            lines += _row(label, told)
    return safe("\n".join(lines))


def _row(label: str, text: str) -> list[str]:
    rows: list[str] = []
    for part in text.splitlines():
        keep = part.startswith("    ")  # source lines are not wrapped
        indent = part[: len(part) - len(part.lstrip())]
        rows += (
            [part]
            if keep or label == "again"
            else textwrap.wrap(
                part, WIDTH - LABEL - 2, subsequent_indent=indent, break_long_words=False,
                break_on_hyphens=False, drop_whitespace=True,
            )
            or [""]
        )  # fmt: skip
    return [
        f"  {label if index == 0 else '':<{LABEL - 2}}{row}".rstrip()
        for index, row in enumerate(rows)
    ]
