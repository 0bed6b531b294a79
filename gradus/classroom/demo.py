"""A small class to try everything on: six submissions, graded by nbgrader, and the gradebook."""

import copy
import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from gradus.classroom import course_folder
from gradus.course import Course
from gradus.errors import GradusError
from gradus.grading.grader_file import read_checks
from gradus.sandbox.levels import Level, probe_level
from gradus.topic import Topic, todo_line

KILL = "import os; os.kill(os.getpid(), 9)"


@dataclass(frozen=True)
class Student:
    """One submission of the demo: what it is like, and the notebook that it hands in."""

    name: str
    about: str
    notebook: Any


@dataclass(frozen=True)
class Mark:
    """A line of the gradebook."""

    student: str
    score: float
    max_score: float


def make_class(course: Course, topic: str, release: Any) -> list[Student]:
    """Six submissions: perfect, partial, untouched, crashing, with a syntax error, and hanging."""
    source = Topic.load(course.solution(topic))
    answers = {name: task.source.rstrip("\n") for name, task in source.tasks.items()}
    tasks = list(answers)
    cheap = [
        name for name, _ in Counter(c.task for c in read_checks(course.grader(topic))).most_common()
    ]
    crash, hang = (
        cheap[-1],
        cheap[-2],
    )  # each check that is lost costs a new process, or its time limit
    stubs = {task: _cell(release, task).source for task in tasks}
    half = {task: answers[task] for task in tasks[: len(tasks) // 2]}
    broken = {
        **answers,
        tasks[1]: answers[tasks[1]].replace("):", ")", 1).replace(") ->", ") ->>", 1),
    }
    return [
        Student("perfect", "every task right", _filled(release, answers)),
        Student("partial", f"the first {len(half)} of {len(tasks)} tasks", _filled(release, half)),
        Student("untouched", "the release as it came", _filled(release, {})),
        Student(
            "crashing", f"{crash} kills Python",
            _filled(release, {**answers, crash: _with_body(stubs, crash, KILL)}),
        ),
        Student("syntax-error", f"{tasks[1]} does not compile", _filled(release, broken)),
        Student(
            "hanging", f"{hang} never ends",
            _filled(release, {**answers, hang: _with_body(stubs, hang, "while True: pass")}),
        ),
    ]  # fmt: skip


def _cell(notebook: Any, grade_id: str) -> Any:
    return next(
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


def _with_body(stubs: dict[str, str], task: str, body: str) -> str:
    return stubs[task].replace(todo_line(task), body)


def _filled(release: Any, answers: dict[str, str]) -> Any:
    notebook = copy.deepcopy(release)
    for task, text in answers.items():
        _cell(notebook, task).source = text
    return notebook


def run_demo(
    course: Course,
    folder: Path,
    topic: str,
    say: Callable[[str], None],
) -> tuple[list[Student], list[Mark]]:
    """Build the course and the class in `folder`, have nbgrader grade it, and read the gradebook.

    Raises:
        GradusError: If one of nbgrader's commands fails; carries the end of its log.
    """
    course_folder.clean(folder)
    say(f"building a course with the topic {topic} in {folder}")
    sandboxed = probe_level().level is Level.SANDBOX
    if not sandboxed:  # the class is made up here: nobody's code but ours
        say("this machine has no sandbox (gradus doctor tells why); the demo goes on without one")
    course_folder.build_course(
        course, folder, "gradus-demo", (topic,), allow_unsandboxed=not sandboxed
    )
    say("nbgrader generate_assignment")
    _nbgrader(folder, "generate_assignment", topic)
    release_folder = folder / "release" / topic
    release = nbformat.read(release_folder / f"{topic}.ipynb", as_version=4)
    students = make_class(course, topic, release)
    for student in students:
        place = folder / "submitted" / student.name / topic
        shutil.copytree(release_folder, place)
        nbformat.write(student.notebook, place / f"{topic}.ipynb")
    about = {student.name: student.about for student in students}
    started: list[str] = []

    def follow(line: str) -> None:
        name = next((name for name in about if f"/autograded/{name}/" in line), "")
        if " Autograding " in line and name:
            started.append(name)
            say(f"nbgrader autograde   {len(started)} of {len(about)}: {name} ({about[name]})")

    _nbgrader(folder, "autograde", topic, follow=follow)
    say("nbgrader generate_feedback, nbgrader export")
    _nbgrader(folder, "generate_feedback", topic)
    _nbgrader(folder, "export")
    return students, read_gradebook(folder / "grades.csv")


def read_gradebook(path: Path) -> list[Mark]:
    """The marks that `nbgrader export` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Mark(row["student_id"], float(row["score"]), float(row["max_score"]))
            for row in csv.DictReader(file)
        ]


def nbgrader_environment() -> dict[str, str]:
    """The environment for nbgrader's commands: they call `alembic` by name, also where no venv is active."""
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "JUPYTER_PLATFORM_DIRS": "1"}


def _nbgrader(folder: Path, *words: str, follow: Callable[[str], None] = lambda line: None) -> None:
    """Run one of nbgrader's commands in the course; `follow` is given each line of its log."""
    log = []
    with subprocess.Popen(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=folder,
        env=nbgrader_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            log.append(line)
            follow(line)
    if process.returncode != 0:
        raise GradusError(f"nbgrader {' '.join(words)} failed:\n{''.join(log)[-3000:]}")
