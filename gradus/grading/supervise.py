"""Grade one topic in a process of its own, which may crash, exit or hang without harm to the rest."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gradus.course import Course
from gradus.errors import GraderError
from gradus.grading.journal import GPU_LOST, read_journal
from gradus.grading.own_process import SUPERVISOR
from gradus.grading.report import Report
from gradus.grading.report_file import read_report
from gradus.grading.run import arguments
from gradus.submission import time_limit
from gradus.submission.status import Status

RESTARTS = 100  # each check can lose one process: more than any topic has
START_SECONDS = 180.0  # to start Python and import torch on a slow and busy machine
GRACE_SECONDS = 30.0  # beyond a limit of its own before a process is killed
END_SECONDS = 10.0  # from the report to the end of the process: it has a summary to print


@dataclass(frozen=True)
class _Ended:
    code: int
    output: str
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


def grade_apart(
    course: Course,
    topic: str,
    submission: Path | None = None,
    *,
    hidden: bool = False,
    isolated: bool = False,
    tasks: Sequence[str] = (),
    seed: int = 0,
    workdir: Path | None = None,
    show: bool = False,
    devices: Sequence[str] = (),
    limit: float | None = None,
) -> Report:
    """Grade in a process of its own; when it is lost, what it was doing is charged and the rest goes on.

    A check that ends its process, or hangs beyond every time limit, is an `error` or a `timeout`; the
    other checks keep their points. `workdir` is the working folder of the student's code; modules that lie
    there do not stand before the grader's own. With `isolated` the submission runs behind the wall, in a
    third process, for at most `limit` seconds in all. With `show`, pytest's output goes to this terminal.

    Raises:
        GraderError: If pytest could not run the checks; carries the end of its output.
    """
    with tempfile.TemporaryDirectory(prefix="gradus-") as folder:
        journal, result = Path(folder, "journal.jsonl"), Path(folder, "report.json")
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        words += [f"--rootdir={course.root}", *_configuration(course)]
        words += arguments(
            course, topic, submission, hidden=hidden, isolated=isolated, tasks=tasks, seed=seed,
            devices=devices, limit=limit,
        )  # fmt: skip
        words += ["--gradus-journal", str(journal), "--gradus-report", str(result)]
        words += ["--gradus-workdir", str(workdir)] if workdir is not None else []
        ended = _Ended(0, "")
        for _ in range(RESTARTS + 1):
            ended = _supervise(words, journal, result, course.root, show)
            if result.exists() and ended.code == pytest.ExitCode.INTERNAL_ERROR:
                break  # what such a report leaves out is not the student's loss
            if result.exists():
                return read_report(result)
            if ended.code != GPU_LOST and not _charge(journal, ended):
                break
        raise GraderError(
            f"{course.grader(topic)}: pytest did not get through (exit code {ended.code}).\n"
            f"{ended.output[-3000:]}"
        )


def _configuration(course: Course) -> list[str]:
    """The kit's own pytest settings, whatever the working folder is."""
    settings = course.root / "pyproject.toml"
    return ["-c", str(settings)] if settings.exists() else []


def _supervise(words: list[str], journal: Path, result: Path, cwd: Path, show: bool) -> _Ended:
    """Run one process until it ends, or until its journal has been silent for longer than it may.

    With the report all is said: a process that student code keeps from ending is not waited for.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment[SUPERVISOR] = str(os.getpid())
    with tempfile.TemporaryFile() as sink:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=None if show else sink,
            stderr=None if show else subprocess.STDOUT,
            start_new_session=True,
        )
        hung = False
        try:
            seen, since, patience = 0, time.monotonic(), START_SECONDS
            told = False
            while process.poll() is None and not hung:
                size = journal.stat().st_size if journal.exists() else 0
                if size != seen and not told:
                    seen, since, patience = size, time.monotonic(), _patience(journal)
                if result.exists() and not told:
                    told, since, patience = True, time.monotonic(), END_SECONDS
                hung = time.monotonic() - since > patience
                time.sleep(0.02)
        finally:
            _kill_tree(process)  # and what the submission left running
            process.wait()
        sink.seek(0, os.SEEK_END)
        sink.seek(max(0, sink.tell() - 100_000))
        return _Ended(process.returncode, sink.read().decode("utf-8", "replace"), hung)


def _patience(journal: Path) -> float:
    """Seconds until the next line of the journal is due."""
    lines = list(read_journal(journal))
    last = lines[-1] if lines else {"event": ""}
    if last["event"] == "started":
        return float(last["limit"]) + GRACE_SECONDS
    return (
        time_limit.CELL_SECONDS if last["event"] == "loading" else START_SECONDS
    ) + GRACE_SECONDS


def _kill_tree(process: "subprocess.Popen[bytes]") -> None:
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()


def _charge(journal: Path, ended: _Ended) -> bool:
    """Note what lost the process, so that the next one goes on behind it; False when nothing was running."""
    lines = list(read_journal(journal)) if journal.exists() else []
    if not lines:
        return False
    last, line = lines[-1], None
    if last["event"] == "loading":
        line = {"event": "lost place", "place": last["place"], "why": f"{ended.words()}; left out"}
    if last["event"] == "started":
        line = {"event": "finished", "node": last["node"], "data": _lost(last["data"], ended)}
    if line is not None:
        with journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return line is not None


def _lost(data: dict[str, Any], ended: _Ended) -> dict[str, Any]:
    """The result of a case whose process was lost."""
    title, *rest = data["message"].splitlines()
    message = "\n".join([title, f"  problem  {ended.words()}", *rest])
    status = Status.TIMEOUT if ended.hung or ended.endless else Status.ERROR
    return {**data, "status": status.value, "message": message, "lost": True}
