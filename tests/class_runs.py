"""`gradus grade` as a process of its own, for tests: started, watched, and whatever it has started."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from gradus.course import Course

PATIENCE = 120.0  # seconds until something has to have happened, on a busy machine
JUDGE, WORKER = "process:collected", "worker.serve:serve"  # in the command line of their sandboxes


def hand_in(folder: Path, texts: dict[str, str]) -> None:
    """A folder for each student, with an answer to `demo`."""
    for student, text in texts.items():
        (folder / student).mkdir(parents=True, exist_ok=True)
        (folder / student / "demo.py").write_text(text, encoding="utf-8")


def count(store: Path) -> int:
    """How many grades are in a store."""
    if not store.exists():
        return 0
    try:
        with sqlite3.connect(store) as connection:
            return int(connection.execute("select count(*) from graded").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # it is being made


def until(what: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it does not come to pass"
        time.sleep(0.05)


class ClassRun:
    """A run of `gradus grade` in a kit.

    Args:
        course: The kit.
        words: What follows `gradus grade`.
        around: A command that runs it.
        temporary: Where it makes temporary files.
    """

    def __init__(
        self,
        course: Course,
        *words: str,
        around: Sequence[str] = (),
        temporary: Path | None = None,
    ) -> None:
        def hear() -> None:  # a shell lets what it starts in the background ignore Ctrl+C
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        command = [*around, sys.executable, "-m", "gradus.cli", "grade", *words]
        env = {**os.environ, "PYTEST_ADDOPTS": ""}
        if temporary is not None:
            temporary.mkdir(exist_ok=True)
            env["TMPDIR"] = str(temporary)
        self._started: set[psutil.Process] = set()
        self._process = subprocess.Popen(
            [*command, "--allow-unsandboxed"], cwd=course.root, env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=hear,
        )  # fmt: skip

    def __enter__(self) -> "ClassRun":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def started(self) -> set[psutil.Process]:
        """Every process that it has started until now, and that was seen here."""
        with contextlib.suppress(psutil.Error):
            self._started |= set(psutil.Process(self._process.pid).children(recursive=True))
        return self._started

    def find(self, what: str) -> list[psutil.Process]:
        """Its processes with these words in the command line, the ones that were started last at the end."""
        found = []
        for process in self.started():
            try:
                if what in " ".join(process.cmdline()) and process.status() != "zombie":
                    found.append(process)
            except psutil.Error:
                continue
        return sorted(found, key=lambda process: (process.create_time(), process.pid))

    def grading(self, what: str) -> list[psutil.Process]:
        """Judges or workers that were forked for one answer."""
        inner = self.find(what)
        numbers, found = {process.pid for process in inner}, []
        for process in inner:
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                found += [process] if {one.pid for one in process.parents()[1:2]} & numbers else []
        return found

    @property
    def number(self) -> int:
        """Its process id."""
        return self._process.pid

    def runs(self) -> bool:
        """Whether it has not come to its end."""
        return self._process.poll() is None

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.started()
        self._process.send_signal(number)

    def end(self, code: int | None = None) -> str:
        """Wait for its end; all that it said.

        Args:
            code: The exit code that it must have.
        """
        said, _ = self._process.communicate(timeout=PATIENCE)
        assert "Traceback" not in said, said
        assert code is None or self._process.returncode == code, said
        return said

    def left(self) -> list[psutil.Process]:
        """What it has started and what runs still."""
        found = []
        for process in self._started:
            with contextlib.suppress(psutil.Error):
                found += [process] if process.status() != "zombie" and process.is_running() else []
        return found
