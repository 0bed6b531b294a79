"""What runs in a warm process: the checks of a topic are collected once, and each answer asked for is graded.

`python -m gradus.engine.warm_process ROOT TOPIC`. Requests come on stdin, one line of JSON each: `tasks`, and
`submission`, a path or null. A further request ends the one that is being graded. What is said goes to stdout:
`ready`, then lines of the journal, and at the end `report`, or `failed` with the words for a person.
"""

import json
import os
import select
import sys
from pathlib import Path
from typing import Any

from gradus.course import Course, load_course
from gradus.engine import one_thread
from gradus.engine.apart import can_fork
from gradus.errors import GradusError

DONE, FAILED, READY = "report-is-there", "failed", "ready"


class _Asked(Exception):
    """Something else is asked for, or nothing any more."""


class _Requests:
    """The requests, as they come in."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._text = descriptor, b""
        self._over = False

    def next(self) -> dict[str, Any] | None:
        """The latest request, waited for; None when there will be none."""
        while b"\n" not in self._text and not self._over:
            self._read()
        *lines, self._text = self._text.split(b"\n")
        found: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
        return found

    def give_way(self) -> None:
        """To be called while an answer is graded: stop it where something else is asked for.

        Raises:
            _Asked: If so.
        """
        while select.select([self._descriptor], [], [], 0)[0] and not self._over:
            self._read()
        if b"\n" in self._text or self._over:
            raise _Asked

    def _read(self) -> None:
        data = os.read(self._descriptor, 1 << 16)
        self._text += data
        self._over |= not data


def main() -> None:
    """Serve until stdin is closed."""
    one_thread()
    requests, output = _Requests(os.dup(0)), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)

    def say(event: str, **data: Any) -> None:
        text = json.dumps({"event": event, **data}).encode() + b"\n"
        while text:
            text = text[os.write(output, text) :]

    course = load_course(Path(sys.argv[1]))
    os.chdir(course.root)
    try:
        _serve(course, sys.argv[2], requests, say)
    except GradusError as error:
        say(FAILED, text=str(error))


def _serve(course: Course, topic: str, requests: _Requests, say: Any) -> None:
    from gradus.engine.here import run_here
    from gradus.engine.job import Graded, Job
    from gradus.engine.judge import WarmJudge
    from gradus.engine.loop import with_judge
    from gradus.grading.remembered.kept import keep
    from gradus.grading.report_file import to_json

    def graded(judge: WarmJudge, job: Job) -> Graded:
        if not can_fork():
            return run_here(judge, job)  # and then the process has served
        (found,) = judge.grade(
            [job],
            listen=lambda job, line: say(**line),
            tick=requests.give_way,
        )
        return found

    def use(judge: WarmJudge) -> None:
        say(READY)
        while (asked := requests.next()) is not None:
            path = asked["submission"]
            job = Job(
                Path(path) if path else None, tasks=asked["tasks"], folder=course.root, reports=True
            )
            try:
                report = graded(judge, job).report
            except _Asked:
                continue
            except GradusError as error:
                say(FAILED, text=str(error))
                continue
            say(DONE, text=to_json(report), notes=keep(course, report))
            if not can_fork():
                return

    with_judge(course, topic, use, hidden=False)


if __name__ == "__main__":
    main()
