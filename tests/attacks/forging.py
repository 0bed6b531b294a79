"""Forging points: a small kit, and what it takes to grade cheats against it on either side of the wall.

A cheat is a submission that answers a task wrong and tries to get its points anyway. Run as a program, this
file grades cheats in this process, each in a fork of its own, since a cheat that wins poisons its process:

    python -m tests.attacks.forging KIT NAME...      prints {name: {task: points}} as JSON
"""

import atexit
import contextlib
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gradus.grading.session  # noqa: F401  imports torch, which forks then have
from gradus.course import Course, load_course
from gradus.engine.here import grade_here
from gradus.errors import GradusError
from gradus.grading.report import TopicResult
from gradus.grading.report_file import read_report
from tests.attacks.attacked_kit import RIGHT, TASKS, WRONG
from tests.kits import forget_graders

IN_PROCESS, ON_THE_WIRE, NOWHERE = "in-process", "on the wire", "nowhere"


@dataclass(frozen=True)
class Cheat:
    """A way to get points without an answer.

    Attributes:
        name: What it does.
        text: Comes after the wrong answers, in the submission.
        tasks: Which it is after.
        wins: Where it works when there is no wall: in the judge's own process; `ON_THE_WIRE` has no such
            form; `NOWHERE` says that it does not work without the wall either.
        costs_honest: Why the right answer beside it loses its points too, where that is its own doing.
        why: Why it works nowhere.
    """

    name: str
    text: str
    tasks: tuple[str, ...] = TASKS
    wins: str = IN_PROCESS
    costs_honest: str = ""
    why: str = ""

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def hand_in(course: Course, text: str) -> Path:
    """The path of a submission outside the kit."""
    path = course.root.parent / "handed_in" / "demo.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def grade_text(
    course: Course, text: str, tasks: tuple[str, ...], *words: str
) -> tuple[dict[str, int], TopicResult]:
    """Points by task, as the report on disk has them, and the result.

    Raises:
        GradusError: If no report was written.
    """
    report = course.root.parent / "report.json"
    report.unlink(missing_ok=True)
    options = [f"--gradus-report={report}", *words]
    forget_graders()
    result = grade_here(
        course, "demo", hand_in(course, text), tasks=("honest", *tasks), options=options
    )
    topic = read_report(report).topic("demo")
    return {task.name: task.earned for task in topic.tasks}, result


def control(course: Course, cheat: Cheat) -> dict[str, int]:
    """Points by task where the judge and the cheat share a process, in a fork of this one."""
    with tempfile.TemporaryDirectory(prefix="control-") as folder:
        root = Path(folder).resolve() / "kit"
        shutil.copytree(course.root, root)
        child = os.fork()
        if child == 0:
            _grade_and_end(load_course(root), cheat)
        os.waitpid(child, 0)
        with contextlib.suppress(GradusError, OSError):
            topic = read_report(root.parent / "report.json").topic("demo")
            return {task.name: task.earned for task in topic.tasks}
    return {}


def _grade_and_end(course: Course, cheat: Cheat) -> None:
    """Grade, and end this process as Python would."""
    atexit._clear()  # what is the parent's is not ended here
    signal.alarm(20)  # for a cheat that hangs
    try:
        os.chdir(course.root.parent)
        with contextlib.suppress(BaseException):
            grade_text(course, WRONG + cheat.text, cheat.tasks)
        atexit._run_exitfuncs()
    finally:
        os._exit(0)


def main(words: list[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """Grade cheats by name."""
    from tests.attacks.test_forging import CHEATS

    course = load_course(Path(words[0]))
    grade_text(course, RIGHT, TASKS)  # what is imported now need not be imported in each fork
    gc.freeze()
    for cheat in CHEATS:
        if cheat.name in words[1:]:
            yield cheat.name, control(course, cheat)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dict(main(sys.argv[1:]))))
