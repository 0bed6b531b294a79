"""`make bench-class`: what a class costs, side by side with stock nbgrader in one run.

    python tests/benchmarks/classroom.py [NOTEBOOKS [ROUNDS [SUBMISSIONS]]]

The class hands in the reference of `tensors`, each student with a line of its own, since the same answer is
graded once. Stock nbgrader grades a plain course: the same notebooks' tasks, one assert cell for each.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook

from gradus.classroom.course_folder import build_course
from gradus.classroom.demo import nbgrader_environment
from gradus.classroom.grade.store import Store
from gradus.classroom.grade.summary import result_of
from gradus.course import find_course
from gradus.topic import Topic

TOPIC = "tensors"
STORE = "gradus-grades.db"
FEW = "few"  # a folder with a third of the class
X = "torch.tensor([[1.0, 2.0], [3.0, 4.0]])"
SETUP = """
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
"""
ASSERTS = {
    "from_rows": "assert from_rows([[1, 2]]).shape == (1, 2)",
    "number_grid": "assert number_grid(2, 3).tolist() == [[0, 1, 2], [3, 4, 5]]",
    "standardize": f"assert torch.allclose(standardize({X}), torch.tensor([-1.0, 1.0]))",
    "pairwise_distances": f"assert pairwise_distances({X}, {X}).diagonal().abs().max() < 1e-6",
    "split_heads": "assert split_heads(torch.zeros(2, 3, 4), 2).shape == (2, 2, 3, 2)",
    "merge_heads": "assert merge_heads(torch.zeros(2, 2, 3, 2)).shape == (2, 3, 4)",
    "one_hot": "assert one_hot(torch.tensor([1]), 3).tolist() == [[0.0, 1.0, 0.0]]",
    "masked_mean": f"assert masked_mean({X}, {X} > 2).tolist() == [0.0, 3.5]",
    "gather_rows": "assert gather_rows(torch.zeros(2, 3, 4), torch.zeros(2, 1).long()).shape == (2, 1, 4)",
    "best_of": f"assert best_of({X})[1].tolist() == [1, 1]",
    "join_and_split": f"assert len(join_and_split([{X}, {X}], 0, 2)) == 2",
    "low_rank": f"assert torch.allclose(low_rank({X}, 2), {X}, atol=1e-5)",
    "scale_": f"x = {X}\nassert scale_(x, 2.0) is x",
    "share_with_numpy": f"assert share_with_numpy({X}).shape == (2, 2)",
}


def main(notebooks: int = 30, rounds: int = 3, submissions: int = 2000) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        ours, stock = Path(scratch, "gradus"), Path(scratch, "stock")
        _our_course(ours, notebooks)
        _stock_course(stock, notebooks)
        _grade(ours, "warm.db", FEW)  # the limits of the checks are measured once on a machine
        times = [_round(ours, stock) for _ in range(rounds)]
        for folder in (ours, stock):
            _require_full_marks(folder)
        graded, few, known, from_store, plain = (
            statistics.median(column) for column in zip(*times, strict=True)
        )
        print(f"nbgrader rate: {plain / graded:.1f} (goal 8)")
        one = (graded - few) / (notebooks - notebooks // 3)
        print(f"nbgrader rate in a long class, without the start: {plain / notebooks / one:.1f}")
        print(
            f"nbgrader autograde answered from the store, rate: {plain / from_store:.1f} (goal 3)"
        )
        print(f"gradus grade, {notebooks} notebooks of {TOPIC}, s: {graded:.1f}")
        print(f"stock nbgrader autograde, {notebooks} notebooks, s: {plain:.1f}")
        print(f"gradus grade, nothing changed, s: {known:.2f}")
        print(f"overhead of a submission, ms: {1e3 * _overhead(ours / STORE):.0f} (goal 150)")
    load = Path(__file__).with_name("class_load.py")
    subprocess.run([sys.executable, str(load), str(submissions)], check=True)


def _round(ours: Path, stock: Path) -> tuple[float, float, float, float, float]:
    """Seconds: graded anew, a third of it, nothing to grade, nbgrader from the store, stock nbgrader."""
    for store in (STORE, "few.db"):
        (ours / store).unlink(missing_ok=True)
    return (
        _grade(ours, STORE),
        _grade(ours, "few.db", FEW),
        _grade(ours, STORE),
        _nbgrader(ours, "autograde", TOPIC, "--force"),
        _nbgrader(stock, "autograde", TOPIC, "--force"),
    )


def _grade(folder: Path, store: str, submitted: str = "submitted") -> float:
    words = ["grade", submitted, TOPIC, "--store", store]
    return _seconds([sys.executable, "-m", "gradus.cli", *words], folder)


def _nbgrader(folder: Path, *words: str) -> float:
    return _seconds([sys.executable, "-m", "nbgrader", *words], folder)


def _seconds(words: Sequence[str], folder: Path) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        words, cwd=folder, env=nbgrader_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - start


def _overhead(store: Path) -> float:
    """Seconds that a submission takes beyond those of its checks."""
    marks = Store(store).marks()
    beyond = []
    for mark in marks:
        cases = [case.seconds for check in result_of(mark).checks() for case in check.cases]
        beyond.append(mark.graded.seconds - sum(cases))
    return statistics.median(beyond)


def _require_full_marks(folder: Path) -> None:
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        for one in gradebook.assignment_submissions(TOPIC):
            assert one.score == one.max_score > 0, (folder, one.student_id, one.score)


def _our_course(folder: Path, notebooks: int) -> None:
    build_course(find_course(Path(__file__).parent), folder, "ours", (TOPIC,))
    _hand_in(folder, notebooks, _references())
    for student in sorted((folder / "submitted").iterdir())[: notebooks // 3]:
        shutil.copytree(student, folder / FEW / student.name)


def _stock_course(folder: Path, notebooks: int) -> None:
    cells: list[Any] = [_cell("setup", SETUP, locked=True)]
    for name, text in _references().items():
        cells.append(_cell(name, text, solution=True))
        cells.append(_cell(f"test-{name}", ASSERTS[name], grade=True, locked=True, points=1))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    place = folder / "source" / TOPIC
    place.mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, place / f"{TOPIC}.ipynb")
    settings = "c = get_config()\nc.CourseDirectory.course_id = 'stock'\n"
    (folder / "nbgrader_config.py").write_text(settings, encoding="utf-8")
    _hand_in(folder, notebooks, _references())


def _cell(name: str, source: str, **about: object) -> Any:
    flags = {"grade": False, "solution": False, "locked": False, "task": False, **about}
    metadata = {"nbgrader": {"schema_version": 3, "grade_id": name, **flags}}
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def _references() -> dict[str, str]:
    course = find_course(Path(__file__).parent)
    tasks = Topic.load(course.solution(TOPIC)).tasks
    return {name: task.source for name, task in tasks.items()}


def _hand_in(folder: Path, notebooks: int, answers: dict[str, str]) -> None:
    _nbgrader(folder, "generate_assignment", TOPIC)
    released = nbformat.read(folder / "release" / TOPIC / f"{TOPIC}.ipynb", as_version=4)
    for cell in released.cells:
        cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    (own,) = (
        c for c in released.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "scale_"
    )
    text = own.source
    for number in range(notebooks):
        own.source = f"# number {number}\n{text}"
        place = folder / "submitted" / f"student{number:03}" / TOPIC
        place.mkdir(parents=True)
        nbformat.write(released, place / f"{TOPIC}.ipynb")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
