"""What was measured, in a file: a run that was killed goes on where it was."""

import ast
import hashlib
import json
from functools import lru_cache
from pathlib import Path

import gradus
from gradus.authoring.calibrate.workers import Job, Tries
from gradus.course import Course
from gradus.grading.grader_file import defined_by, reached_from
from gradus.grading.journal import read_journal


class Results:
    """`.gradus/calibration/<topic>.jsonl`: one line for every job that was done.

    A result is known again while its code is the same: that of the answer, of the check with its helpers,
    and of the data sets. Comments and other checks may change.
    """

    def __init__(self, course: Course, topic: str) -> None:
        self.path = course.state / "calibration" / f"{topic}.jsonl"
        self._grader = course.grader(topic)
        self._data = [ast.dump(ast.parse(p.read_bytes())) for p in _data_sets(course)]
        lines = list(read_journal(self.path)) if self.path.exists() else []
        self._known: dict[str, Tries] = {line["key"]: line["tries"] for line in lines}
        self.versions = {str(line["torch"]) for line in lines}
        # A line that was cut off would spoil the next one.
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        new.replace(self.path)

    def get(self, job: Job, torch: str) -> Tries | None:
        """The result of a job under that version of torch, if it was done before."""
        return self._known.get(self._key(job, torch))

    def keep(self, job: Job, torch: str, tries: Tries) -> None:
        """Write a result, at once."""
        key = self._key(job, torch)
        about = f"{job.about}, {job.check}, seed {job.seed}"  # for a person who reads the file
        with self.path.open("a", encoding="utf-8") as file:
            line = {"key": key, "about": about, "torch": torch, "tries": tries}
            file.write(json.dumps(line) + "\n")
        self._known[key] = tries
        self.versions.add(torch)

    def _key(self, job: Job, torch: str) -> str:
        code = (_code(job.source), _code_of_check(self._grader, job.check), *self._data)
        words = (*code, gradus.__version__, job.seed, job.threads, torch)
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def _data_sets(course: Course) -> list[Path]:
    return sorted((course.root / "datasets").glob("*.py"))


@lru_cache(maxsize=64)
def _code(source: str) -> str:
    return ast.dump(ast.parse(source))


@lru_cache(maxsize=64)
def _code_of_check(grader: Path, check: str) -> str:
    """A check and every helper that it uses, without comments."""
    body = ast.parse(grader.read_bytes()).body
    used = reached_from([node for node in body if check in defined_by(node)], body) | {check}
    return "\n".join(ast.dump(node) for node in body if defined_by(node) & used)
