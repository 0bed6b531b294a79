"""`gradus check`: grade one's answers, and read the first thing to fix."""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from gradus.cli.app import BROKEN, INTERRUPTED, NOT_YET, TopicOrTask, app, console
from gradus.course import find_course
from gradus.errors import GradusError


class Device(str, Enum):
    """Where checks that take a device can run."""

    CPU = "cpu"
    SIMULATED = "simulated"
    CUDA = "cuda"


@app.command(rich_help_panel="For students")
def check(
    target: TopicOrTask,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all that is wrong, not only the first.")
    ] = False,
    submission: Annotated[
        Path | None,
        typer.Option(help="A file or folder to check in place of exercises/."),
    ] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Run hidden checks too.")] = False,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Run the submission in a sandbox (docs/security.md).")
    ] = False,
    device: Annotated[
        list[Device] | None,
        typer.Option(help="Run checks that take a device on this one only (repeatable)."),
    ] = None,
) -> None:
    """Run the checks of a topic or of one task; a crash or hang costs only the check that it is in."""
    from gradus.engine import one_thread
    from gradus.student.targets import find_target, own_file

    one_thread()
    course = find_course()
    topic, task = find_target(course, target)
    tasks = [task] if task else []
    heard = Heard(topic)
    heard.say("starting")

    from gradus.engine.apart import grade_apart
    from gradus.engine.progress import report_of
    from gradus.grading.devices import problem
    from gradus.grading.remembered.kept import keep
    from gradus.student.outcome import Asked, outcome
    from gradus.submission.reading import find_submission
    from gradus.submission.status import Status

    devices = [chosen.value for chosen in device or ()]
    if lacking := problem(devices):
        raise GradusError(lacking)
    named = own_file(course, target[0])  # a notebook too
    notebook = named if named is not None and named.suffix == ".ipynb" else None
    where = submission.resolve() if submission else notebook
    stopped = False
    try:
        report = grade_apart(
            course, topic, where, hidden=hidden, isolated=isolated, tasks=tasks, devices=devices,
            listen=heard.take,
        )  # fmt: skip
    except KeyboardInterrupt:
        report = report_of(heard.lines, hidden=hidden)
        stopped = True
        if not report.topics:
            raise
    finally:
        heard.say("")
    notes = keep(course, report) if submission is None else []
    result = report.topic(topic)
    more = [f" --submission {submission}"] if submission else []
    more += [" --isolated"] if isolated else []
    asked = Asked(
        tasks, everything, "".join(more), heard.printed, stopped=stopped,
        file=find_submission(where or course.exercises, topic),
    )  # fmt: skip
    out = console()
    for line in outcome(result, asked):
        out.print(line.text, style=line.style, markup=False, soft_wrap=True)
    for note in notes:
        out.print(note, markup=False, soft_wrap=True)
    chosen = [t for t in result.tasks if not tasks or t.name in tasks]
    if stopped:
        raise typer.Exit(INTERRUPTED)
    if any(c.status is Status.BROKEN for t in chosen for c in t.checks):
        raise typer.Exit(BROKEN)
    if not all(t.earned == t.possible and t.complete for t in chosen):
        raise typer.Exit(NOT_YET)


class Heard:
    """Keeps what comes while an answer is graded, and tells on a terminal how far it has come.

    Args:
        topic: What is graded.
    """

    def __init__(self, topic: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self.printed: dict[tuple[str, str], str] = {}  # check and case -> what student code printed
        self._topic, self._output = topic, sys.stderr
        self._case: dict[str, Any] = {}

    def take(self, line: dict[str, Any]) -> None:
        """Take a line of the engine's."""
        if line["event"] == "started":
            self._case = line["data"]
            self.say(f"{self._case['check'].removeprefix('test_').replace('_', ' ')}")
        elif line["event"] == "finished":
            self.lines.append(line)
        elif line["event"] == "report" and self._case:  # with what student code printed
            text = "".join(part for name, part in line["report"].get("sections", ()) if part)
            if text:
                self.printed[self._case["check"], self._case["id"]] = text

    def say(self, words: str) -> None:
        """Show what is being done in place of what was shown before; nothing where there is no terminal."""
        if self._output is not None and self._output.isatty():
            count = f" {len(self.lines)} cases done," if self.lines else ""
            text = f"{self._topic}:{count} {words}"[:78] if words else ""
            self._output.write(f"\r\x1b[K{text}")
            self._output.flush()
