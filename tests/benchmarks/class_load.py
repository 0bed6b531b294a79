"""`gradus grade` under load: `python tests/benchmarks/class_load.py [STUDENTS]`, by default 2,000.

A fifth of the class is really graded, each answer another one, and gives the time. What so many still to
be graded take is measured in runs of the whole class and of a quarter of it, which are stopped by Ctrl+C when
some are graded. For the second run the store gets a grade for everybody, copied from one that was graded.
Each run is the command itself, in a process of its own; memory is that process's, without those that grade.
"""

import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from gradus.classroom.grade.grading import Settings, plan
from gradus.classroom.grade.store import Store, Whose
from gradus.classroom.placing.place import place
from gradus.course import Course
from tests.kits import answers, write_kit

STUDENTS = 2000
SOME = 12  # grades, until a run that tells memory is stopped
ROUNDS = 3
GOOD = (0, 1)  # exit codes: some tasks are answered wrong


@dataclass(frozen=True)
class Run:
    """One run of the command: seconds, and how many grades there were when, and memory in bytes."""

    seconds: float
    seen: list[tuple[float, int, int]]

    @property
    def memory(self) -> int:
        """The most that the process had at a time."""
        return max(memory for _, _, memory in self.seen)

    def seconds_until(self, count: int) -> float:
        """From the first grade until there are so many."""
        first = next(when for when, graded, _ in self.seen if graded)
        return next(when for when, graded, _ in self.seen if graded >= count) - first


def hand_in(course: Course, folder: str, count: int) -> None:
    """A class in which no two answers are the same."""
    for number in range(count):
        place_of_one = course.root / folder / f"student{number:05d}"
        place_of_one.mkdir(parents=True)
        text = answers(double=f"def double(x):\n    return {2 + number % 3 % 2} * x  # {number}")
        (place_of_one / "demo.py").write_text(text, "utf-8")


def run(course: Course, folder: str, store: str, until: int | None = None) -> Run:
    """Grade a class; `until`: stop when there are so many grades."""
    words = [sys.executable, "-m", "gradus.cli", "grade", folder, "--allow-unsandboxed"]
    start, seen = time.perf_counter(), []
    with subprocess.Popen(
        [*words, "--store", store], cwd=course.root, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        looked_at = psutil.Process(process.pid)
        while process.poll() is None:
            time.sleep(0.02)
            try:
                memory = looked_at.memory_info().rss
            except psutil.Error:
                break
            count = graded(course.root / store)
            seen.append((time.perf_counter() - start, count, memory))
            if until is not None and count >= until:
                process.send_signal(signal.SIGINT)
                until = None
        said = b"".join(part for part in process.communicate() if part)
    seconds = time.perf_counter() - start
    if process.returncode not in (*GOOD, 130):
        sys.exit(f"gradus grade failed ({process.returncode}):\n{said.decode()[-2000:]}")
    return Run(seconds, seen)


def graded(store: Path) -> int:
    """How many grades are in a store."""
    if not store.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            return int(connection.execute("select count(*) from graded").fetchone()[0])
    except sqlite3.Error:
        return 0  # it is being made


def fill(course: Course, folder: str, store: str, one: str) -> None:
    """Give everybody a grade: that of some student, under the key of the own answer."""
    grades = Store(course.root / store)
    (known,) = Store(course.root / one).marks("student00000", "demo")
    with tempfile.TemporaryDirectory() as scratch:
        where = course.root / folder
        placing = place([where], course, ["demo"], Path(scratch))
        work = plan(course, placing.found, grades, Settings(1))
    for key, whose in work.left.items():
        mine = [Whose(student.student, student.topic, key, "demo.py") for student in whose]
        grades.keep(replace(known.graded, key=key), mine)
    grades.close()


def main(count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="gradus-bench-") as folder:
        course = write_kit(Path(folder) / "kit")
        few, quarter = max(count // 5, 40), count // 4
        for name, of in (("one", 1), ("few", few), ("quarter", quarter), ("all", count)):
            hand_in(course, name, of)
        run(course, "one", "one.db")  # also measures the limits, once
        whole = run(course, "few", "few.db")
        middle = whole.seconds_until(few // 2)
        ratio = (whole.seconds_until(few) - middle) / middle
        print(
            f"{count:,} submissions: ratio of the time per submission, second half / first half: "
            f"{ratio:.2f} (goal about 1; {few} really graded)",
            flush=True,
        )
        at_half = next(m for _, graded, m in whole.seen if graded >= few // 2)
        print(
            f"memory when {few} are graded / {few // 2}: {whole.memory / at_half:.2f} (goal about 1)"
        )
        large = run(course, "all", "all.db", until=SOME)
        small = run(course, "quarter", "quarter.db", until=SOME)
        print(
            f"memory at {count:,} / at {quarter:,}: {large.memory / small.memory:.2f} (goal about 1; "
            f"{large.memory / 2**20:.0f} MiB)",
            flush=True,
        )
        fill(course, "all", "all.db", "one.db")
        again = [
            run(course, "all", "all.db").seconds - run(course, "one", "one.db").seconds
            for _ in range(ROUNDS)
        ]
        each = 1000 * statistics.median(again) / count
        print(f"second run, nothing changed, ms a submission: {each:.2f} (goal 2)")


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STUDENTS)
