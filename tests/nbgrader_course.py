"""A real nbgrader course over a kit, driven by nbgrader's own commands, and notebooks to hand in."""

import copy
import csv
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import nbformat
from nbgrader.api import Gradebook

from gradus.classroom.course_folder import build_course
from gradus.classroom.demo import nbgrader_environment
from gradus.course import Course
from gradus.topic import Topic
from tests.kits import copy_kit


@dataclass(frozen=True)
class Classroom:
    """An nbgrader course with one assignment, which is released."""

    kit: Course
    folder: Path
    topic: str

    @classmethod
    def build(cls, kit: Course, folder: Path) -> "Classroom":
        """What an instructor does before a class starts: build, then release the kit's first topic."""
        classroom = cls(kit, folder, kit.topics[0])
        build_course(kit, folder, "a-course", kit.topics[:1])
        done = classroom.nbgrader("generate_assignment", classroom.topic)
        assert done.returncode == 0, done.stdout
        return classroom

    def copied(self, folder: Path) -> "Classroom":
        """The same course over a copy of the kit, in another place: quicker than to build and release anew."""
        kit = copy_kit(self.kit, folder / "kit")
        shutil.copytree(self.folder, folder / "course")
        build_course(kit, folder / "course", "a-course", kit.topics[:1])  # settings name the kit
        return Classroom(kit, folder / "course", self.topic)

    def nbgrader(
        self, *words: str, cwd: Path | None = None, path: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run one of nbgrader's commands; its log is in `stdout`. `path` is where programs are looked for."""
        search = {} if path is None else {"PATH": path}
        return subprocess.run(
            [sys.executable, "-m", "nbgrader", *words],
            cwd=cwd or self.folder,
            env={**self._environment(), **search},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )

    @contextmanager
    def formgrader(self) -> Iterator[Callable[[str], Any]]:
        """Start a Jupyter server in the course; yields what posts to formgrader, as its buttons do."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [
            "--allow-root",
            "--no-browser",
            f"--port={port}",
            "--IdentityProvider.token=a-secret",
        ]
        words += ["--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}"]
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *words],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def post(place: str) -> Any:
            address = f"http://127.0.0.1:{port}/formgrader/api/{place}"
            headers = {"Authorization": "token a-secret"}
            with urlopen(Request(address, b"", headers, method="POST")) as answer:
                return json.load(answer)

        post.address = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]
        try:
            while server.poll() is None:
                with (
                    suppress(ConnectionRefusedError),
                    socket.create_connection(("127.0.0.1", port)),
                ):
                    break
                time.sleep(0.1)
            yield post
        finally:
            server.terminate()
            server.wait()

    def _environment(self) -> dict[str, str]:
        """Without the settings of the person who runs the tests."""
        own = self.folder.parent / "jupyter"
        names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        return {**nbgrader_environment(), **{name: str(own / name) for name in names}}

    @property
    def release(self) -> Path:
        """What students get."""
        return self.folder / "release" / self.topic

    def released(self) -> Any:
        """The notebook that students get."""
        return nbformat.read(self.release / f"{self.topic}.ipynb", as_version=4)

    def handed_in(self, student: str) -> Path:
        """A student's notebook."""
        return self.folder / "submitted" / student / self.topic / f"{self.topic}.ipynb"

    def hand_in(self, student: str, notebook: Any, files: dict[str, str] | None = None) -> None:
        """Hand in a notebook (or any bytes in its place) in a copy of the released folder."""
        path = self.handed_in(student)
        shutil.copytree(self.release, path.parent)
        path.write_bytes(notebook if isinstance(notebook, bytes) else as_bytes(notebook))
        for name, text in (files or {}).items():
            place = path.parent / name
            place.parent.mkdir(exist_ok=True)
            place.write_text(text, encoding="utf-8")

    def feedback(self, student: str) -> str:
        """The page that a student gets back."""
        path = self.folder / "feedback" / student / self.topic / f"{self.topic}.html"
        return path.read_text(encoding="utf-8")

    def scores(self) -> dict[str, float]:
        """Every student's score in the gradebook, without the start of one of nbgrader's commands."""
        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as gradebook:
            submissions = gradebook.assignment_submissions(self.topic)
            return {submission.student_id: submission.score for submission in submissions}

    def marks(self) -> dict[str, float]:
        """Every student's score, as `nbgrader export` writes it."""
        done = self.nbgrader("export")
        assert done.returncode == 0, done.stdout
        with (self.folder / "grades.csv").open(newline="", encoding="utf-8") as file:
            return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


def as_bytes(notebook: Any) -> bytes:
    """A notebook file."""
    return json.dumps(notebook).encode()


def cell_of(notebook: Any, grade_id: str) -> Any:
    """The cell with nbgrader's id `grade_id`."""
    return next(
        cell
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


def filled(released: Any, answers: dict[str, str]) -> Any:
    """The released notebook with these answers (task -> text of its cell) in it."""
    notebook = copy.deepcopy(released)
    for task, text in answers.items():
        cell_of(notebook, task).source = text
    return notebook


def right_answers(kit: Course, topic: str) -> dict[str, str]:
    """The reference's answer to every task, without nbgrader's marks."""
    tasks = Topic.load(kit.solution(topic)).tasks.values()
    marks = ("### BEGIN SOLUTION", "### END SOLUTION", "# HINT:")
    return {
        task.name: "\n".join(
            line for line in task.source.splitlines() if not line.strip().startswith(marks)
        )
        for task in tasks
    }
