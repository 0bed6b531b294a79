"""Endless loops that swallow the time limit's exception: struck again, and in the end the process goes."""

import subprocess
import sys
from pathlib import Path

import pytest

from gradus.course import Course
from gradus.grading import supervise
from gradus.submission.loader import load_submission
from tests.kits import answers, copy_kit, earned, grade, message, statuses, with_cell

pytest.importorskip("fcntl", reason="keeps time with the signals of POSIX")

SWALLOWS = """\
def row_means(table):
    while True:
        try:
            while True:
                table = table + 1
        except:
            pass
"""
SLOW_HANDLER = SWALLOWS.replace("pass", "__import__('time').sleep(0.5)")
WHOLE_CELL = (
    "while True:\n    try:\n        while True:\n            n = 1\n    except:\n        pass"
)


@pytest.fixture(scope="module")
def quick_kit(shared_kit, tmp_path_factory) -> Course:
    """A kit whose check of `row_means` may take one second."""
    course = copy_kit(shared_kit, tmp_path_factory.mktemp("quick") / "kit")
    grader = course.grader("demo")
    mark = '@pytest.mark.task("row_means", points=2)'
    text = grader.read_text(encoding="utf-8")
    grader.write_text(text.replace(mark, f"@pytest.mark.timeout(1)\n{mark}"), encoding="utf-8")
    return course


def run_plain(course: Course, path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *words, "-p", "no:cacheprovider", "graders/test_demo.py"]
    return subprocess.run(
        [*command, f"--submission={path}"],
        cwd=course.root,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_plain_pytest_ends_and_names_the_check_that_nothing_stops(quick_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(answers(row_means=SWALLOWS), encoding="utf-8")
    done = run_plain(quick_kit, path, "-m", "pytest")
    assert done.returncode not in (0, 1)
    assert "gradus: check graders/test_demo.py::test_one_mean_for_each_row[cpu]" in done.stderr
    assert "does not stop after 1 s: its code swallows every exception" in done.stderr


RUN_WITH_SHORT_LOADS = """
import pytest
from gradus.submission.loader import load_submission
load_submission.__kwdefaults__["seconds"] = 1.0
raise SystemExit(pytest.main())
"""


def test_plain_pytest_ends_and_names_the_statement_that_nothing_stops(quick_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(with_cell(WHOLE_CELL), encoding="utf-8")
    done = run_plain(quick_kit, path, "-c", RUN_WITH_SHORT_LOADS)
    assert done.returncode not in (0, 1)
    assert "gradus: the code at " in done.stderr
    assert "demo.py:2" in done.stderr
    assert "does not stop after 1 s: its code swallows every exception" in done.stderr


def test_a_check_that_nothing_stops_is_a_timeout_and_the_others_are_graded(quick_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(answers(row_means=SWALLOWS), encoding="utf-8")
    result = supervise.grade_apart(quick_kit, "demo", path, workdir=tmp_path).topic("demo")
    assert statuses(result)["one_mean_for_each_row"] == "timeout"
    assert "it does not stop: its code swallows every exception" in message(
        result, "one_mean_for_each_row"
    )
    assert earned(result) == {"double": 3, "row_means": 0, "Affine": 2}


def test_a_strike_in_the_handler_stops_the_loop(quick_kit):
    result = grade(quick_kit, answers(row_means=SLOW_HANDLER))
    assert statuses(result)["one_mean_for_each_row"] == "timeout"
    assert earned(result) == {"double": 3, "row_means": 0, "Affine": 2}


def test_a_strike_in_the_handler_stops_a_loop_of_the_file_itself(shared_kit, monkeypatch):
    monkeypatch.setitem(load_submission.__kwdefaults__, "seconds", 1.0)
    cell = WHOLE_CELL.replace("pass", "__import__('time').sleep(0.5)")
    result = grade(shared_kit, with_cell(cell))
    assert [problem.kind.value for problem in result.problems] == ["timeout"]
    assert earned(result) == {"double": 3, "row_means": 2, "Affine": 2}
