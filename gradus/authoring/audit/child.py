"""What a forked child does: grade one mutant, tell the parent how it went, end."""

import contextlib
import json
import os
import signal
import traceback
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gradus.authoring.audit.collected import Collected
from gradus.sandbox import limits
from gradus.sandbox.child import PDEATHSIG, prctl
from gradus.submission.status import Status

MEMORY = 2 * limits.GIBIBYTE  # beyond what the warm process holds
LOAD_SECONDS = 5.0  # of one statement of the mutant's file


def grade_and_end(
    collected: Collected,
    items: list[pytest.Item],
    submission: Path,
    processes: int,
    answer: int,
) -> NoReturn:
    """Write one line to the pipe `answer` before each case, and a last one with the outcome.

    Args:
        collected: The checks.
        items: Those that may notice this mutant, in the order in which they are to run.
        submission: The mutant's file, alone in a folder that becomes the working folder.
        processes: How many processes of this user run elsewhere.
        answer: The writing end of a pipe.
    """
    leave = os._exit  # exits_intercepted takes its place while a check runs
    try:
        os.setpgid(0, 0)
        prctl(PDEATHSIG, signal.SIGKILL)
        null = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(null, standard)
        limits.apply(limits.Limits(memory=MEMORY), others=processes)
        os.chdir(submission.parent)
        _say(answer, _outcome(collected, items, submission, answer))
    except BaseException:  # the tool's own fault: it must not look like a mutant that was noticed
        with contextlib.suppress(BaseException):
            _say(answer, {"status": Status.BROKEN.value, "message": traceback.format_exc()})
    leave(0)


def _outcome(
    collected: Collected, items: list[pytest.Item], submission: Path, answer: int
) -> dict[str, Any]:
    _say(answer, {"check": "loading the file", "limit": 20 * LOAD_SECONDS})
    collected.load(submission, LOAD_SECONDS)
    for item, following in zip(items, [*items[1:], None], strict=True):
        limit = collected.limit(item)
        item.add_marker(pytest.mark.timeout(limit), append=False)
        _say(answer, {"check": item.name, "limit": limit})
        ran = collected.run(item, following)
        if ran.status not in (Status.PASSED, Status.NOT_RUN):
            return {
                "status": ran.status.value,
                "check": ran.check,
                "task": ran.task,
                "message": ran.message,
            }
    return {"status": Status.PASSED.value}


def _say(answer: int, line: dict[str, Any]) -> None:
    os.write(answer, json.dumps(line).encode() + b"\n")
