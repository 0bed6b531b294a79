"""A time limit that a thread keeps, all that there is on Windows: an over-run costs its check alone."""

import subprocess
import sys

import pytest

from gradus.course import Course
from gradus.engine import ended
from gradus.engine.apart import SPAWN, grade_apart
from gradus.grading.report_file import read_report
from gradus.submission import time_limit
from tests.kits import GRADER, POINTS, answers, earned, message, statuses, write_kit

THREAD = "--timeout-method=thread"
MARK = '@pytest.mark.task("row_means", points=2)'
DEFINE = "def row_means(table):"
LOOPS = f"{DEFINE}\n    while True: pass"
SWALLOWS_SOME = (
    f"{DEFINE}\n    while True:\n        try: n = sum(range(9))\n        except Exception: pass"
)
WAITS = f"{DEFINE}\n    import threading\n    threading.Lock().acquire(); threading.Event().wait()"
WRONG = "def double(x): return x"


@pytest.fixture(scope="module")
def quick_kit(tmp_path_factory) -> Course:
    """A kit whose public check of `row_means` may take one second."""
    grader = GRADER.replace(MARK, f"@pytest.mark.timeout(1)\n{MARK}")
    return write_kit(tmp_path_factory.mktemp("quick") / "kit", grader=grader)


def run(course: Course, folder, text: str, *words: str):
    """Plain pytest on an answer, and its report."""
    path, report = folder / "demo.py", folder / "report.json"
    path.write_text(text, encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider", THREAD, f"--submission={path}", *words]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "graders", *options, f"--gradus-report={report}"],
        cwd=course.root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done, read_report(report).topic("demo")


@pytest.mark.parametrize("text", [LOOPS, SWALLOWS_SOME], ids=["loops", "swallows some"])
def test_a_loop_costs_its_check_alone(quick_kit, tmp_path, text):
    done, result = run(quick_kit, tmp_path, answers(row_means=text))
    assert done.returncode == 1, done.stdout + done.stderr
    assert earned(result) == {**POINTS, "row_means": 0}
    assert result.complete
    assert "stopped after 1.0s: is there an endless loop? it was at demo.py" in message(
        result, "one_mean_for_each_row"
    )
    assert "  row_means    0 / 2    ..........  timeout" in done.stdout
    assert "Stack of" not in done.stdout + done.stderr


def test_where_nothing_interrupts_the_code_table_and_report_are_written_first(quick_kit, tmp_path):
    done, result = run(quick_kit, tmp_path, answers(double=WRONG, row_means=WAITS))
    assert done.returncode == time_limit.ENDLESS
    assert statuses(result) == {
        "twice_every_number": "failed",
        "double_leaves_its_input": "passed",
        "one_mean_for_each_row": "timeout",
        "affine_computes": "not run",
        "affine_learns": "not run",
    }
    assert "called   double(float32 tensor (1,))" in done.stdout
    assert "  row_means    0 / 2    ..........  timeout" in done.stdout
    sentence = "test_one_mean_for_each_row[cpu] does not stop after 1 s: it waits where nothing can"
    assert sentence in done.stderr


def test_with_workers_the_run_goes_on_in_another(quick_kit, tmp_path):
    pytest.importorskip("xdist")
    done, result = run(quick_kit, tmp_path, answers(row_means=WAITS), "-n", "1")
    assert statuses(result)["one_mean_for_each_row"] == "timeout", done.stdout
    assert earned(result) == {**POINTS, "row_means": 0}


def test_a_started_process_that_nothing_interrupts_is_replaced(quick_kit, tmp_path, monkeypatch):
    monkeypatch.setenv(SPAWN, "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", THREAD)
    monkeypatch.setattr(ended, "GRACE_SECONDS", 2.0)
    path = tmp_path / "demo.py"
    path.write_text(answers(row_means=WAITS), encoding="utf-8")
    result = grade_apart(quick_kit, "demo", path, workdir=tmp_path).topic("demo")
    assert earned(result) == {**POINTS, "row_means": 0}
    assert "it hung, and nothing could interrupt it" in message(result, "one_mean_for_each_row")
    path.write_text(answers(row_means=LOOPS), encoding="utf-8")
    result = grade_apart(quick_kit, "demo", path, workdir=tmp_path).topic("demo")
    assert earned(result) == {**POINTS, "row_means": 0}
    assert "is there an endless loop?" in message(result, "one_mean_for_each_row")
