"""Grade one topic in a process that is started for it, where none can be forked."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gradus.course import Course
from gradus.engine import ended as ended_in
from gradus.engine.ended import Ended, condemned
from gradus.engine.ended import patience as patience_after
from gradus.engine.job import Job
from gradus.errors import GraderError
from gradus.grading.journal import GPU_LOST, Line, read_journal
from gradus.grading.own_process import SUPERVISOR
from gradus.grading.report import Report
from gradus.grading.report_file import read_report
from gradus.grading.run import NAMED, NO_OTHERS, arguments, configuration
from gradus.submission.status import Status

LEFT_OUT = ("-p", "no:cacheprovider", "-p", "no:faulthandler")  # stacks say less than our message
END_SECONDS = 10.0  # from the report to the end of the process: it has a summary to print


def grade_spawned(
    course: Course,
    topic: str,
    job: Job,
    *,
    isolated: bool = False,
    limit: float | None = None,
    devices: Sequence[str] = (),
    listen: Callable[[Line], object] = lambda line: None,
) -> Report:
    """Grade in a process that is started for it: `gradus.engine.apart.grade_apart`, without a fork.

    At the end `listen` is called with every line of the journal.

    Raises:
        GraderError: If pytest could not run the checks; carries the end of its output.
    """
    with tempfile.TemporaryDirectory(prefix="gradus-") as folder:
        journal, result = Path(folder, "journal.jsonl"), Path(folder, "report.json")
        words = [sys.executable, "-m", "pytest", "-q", *LEFT_OUT]
        words += [*configuration(course, course.root), *NAMED]
        words += arguments(
            course, topic, job.submission, hidden=job.hidden, isolated=isolated, tasks=job.tasks,
            cases=job.cases or (), seed=job.seed, devices=devices, limit=limit, cwd=course.root,
        )  # fmt: skip

        def passes(node: str) -> bool:
            reference = course.solution(topic)
            if job.submission == reference or not reference.exists():
                return True
            alone = replace(job, submission=reference, cases=[node], folder=None)
            report = grade_spawned(course, topic, alone, isolated=isolated, devices=devices)
            cases = [case for check in report.topic(topic).checks() for case in check.cases]
            return all(case.status is Status.PASSED for case in cases)

        words += ["--gradus-journal", str(journal), "--gradus-report", str(result)]
        words += ["--gradus-workdir", str(job.folder)] if job.folder is not None else []
        if job.limits:
            path = Path(folder, "limits.json")
            path.write_text(json.dumps(dict(job.limits)), encoding="utf-8")
            words += ["--gradus-limits", str(path)]
        ended, output = Ended(0), ""
        for _ in range(ended_in.RESTARTS + 1):
            ended, output = _supervise(words, journal, result, course.root, isolated)
            if result.exists() and ended.code == pytest.ExitCode.INTERNAL_ERROR:
                break  # what such a report leaves out is not the student's loss
            if result.exists():
                for line in read_journal(journal):
                    listen(line)
                return read_report(result)
            if ended.code != GPU_LOST and not _charge(journal, ended, passes):
                break
        raise GraderError(
            f"{course.grader(topic)}: pytest did not get through (exit code {ended.code}).\n"
            f"{output[-3000:]}"
        )


def _supervise(
    words: list[str], journal: Path, result: Path, cwd: Path, isolated: bool
) -> tuple[Ended, str]:
    """Run one process until it ends, or until its journal has been silent for longer than it may.

    Returns how it ended, and the end of its output.

    With the report all is said: a process that student code keeps from ending is not waited for.
    """
    settings = {
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        SUPERVISOR: str(os.getpid()),
    }
    environment = {**os.environ, **NO_OTHERS, **settings}
    with tempfile.TemporaryFile() as sink:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        hung = False
        try:
            due = partial(patience_after, behind_wall=isolated)
            seen, since, patience = 0, time.monotonic(), due({"event": ""})
            told = False
            while process.poll() is None and not hung:
                size = journal.stat().st_size if journal.exists() else 0
                if size != seen and not told:
                    seen, since, patience = size, time.monotonic(), due(_last(journal))
                if result.exists() and not told:
                    told, since, patience = True, time.monotonic(), END_SECONDS
                hung = time.monotonic() - since > patience
                time.sleep(0.02)
        finally:
            _kill_tree(process)  # and what the submission left running
            process.wait()
        sink.seek(0, os.SEEK_END)
        sink.seek(max(0, sink.tell() - 100_000))
        return Ended(process.returncode, hung), sink.read().decode("utf-8", "replace")


def _kill_tree(process: "subprocess.Popen[bytes]") -> None:
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()


def _last(journal: Path) -> Line:
    """The last line of a journal."""
    lines = list(read_journal(journal)) if journal.exists() else []
    return lines[-1] if lines else {"event": ""}


def _charge(journal: Path, ended: Ended, passes: Callable[[str], bool]) -> bool:
    """Note what lost the process, so that the next one goes on behind it; False when nothing was running.

    `passes` tells whether the reference passes a case: where it does not, the check is to blame.
    """
    line = ended.charge(_last(journal))
    if line is not None:
        lost = line["event"] == "finished" and line["data"]["status"] != Status.BROKEN.value
        if lost and not passes(line["node"]):
            line["data"] = condemned(line["data"])
        with journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return line is not None
