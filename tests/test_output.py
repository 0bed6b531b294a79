"""What a grading run shows and hands on: the terminal, JUnit files, the debugger; elsewhere nothing."""

import subprocess
import sys
from xml.etree import ElementTree

import pytest

from tests.kits import CASES, GRADER, answers

WRONG_MEANS = "def row_means(table): return table.mean()"


def test_the_end_of_the_output_tells_points_and_the_next_step(kit, run_pytest):
    text = answers(
        double="def double(x): return x**2", row_means="def row_means(table): return table.mean(0)"
    )
    kit.exercise("demo").write_text(text, encoding="utf-8")
    run = run_pytest()
    run.stdout.fnmatch_lines(
        [
            "*gradus: demo*",
            "  double       1 / 3*",
            "  row_means    0 / 2    ..........  row_means gives one mean for each row.",
            "  Affine       2 / 2    ##########  done",
            "  total        3 / 7",
            "next: double",
            "  gradus check demo.double",
            "  gradus hint demo.double",
        ]
    )
    assert run.stdout.str().count("`x` was squared") == 1  # not once for each size
    assert "Traceback" not in run.stdout.str()
    assert "FAILED graders" not in run.stdout.str()


def test_a_finished_topic_is_said_to_be_done(kit, run_pytest):
    kit.exercise("demo").write_text(answers(), encoding="utf-8")
    run_pytest().stdout.fnmatch_lines(["  total        7 / 7", "demo is done."])


def test_stubs_are_no_failures_to_read_about(run_pytest):
    run = run_pytest()
    run.stdout.fnmatch_lines(["  double       0 / 3    ..........  TODO", "next: double"])
    assert "FAILURES" not in run.stdout.str()
    assert f"{CASES} todo" in run.stdout.str()


def test_an_unloadable_file_is_told_once(kit, run_pytest):
    kit.exercise("demo").write_text("import torch\ndef double(:\n", encoding="utf-8")
    run = run_pytest()
    assert run.stdout.str().count("SyntaxError") == 1
    run.stdout.fnmatch_lines(["exercises/demo.py:2: SyntaxError: *", "  total        0 / 7"])


def test_a_syntax_error_in_one_task_is_told_once(kit, run_pytest):
    wrong = answers(double="def double(x):\n    return (2 * x")
    kit.exercise("demo").write_text(wrong, encoding="utf-8")
    run = run_pytest()
    assert run.stdout.str().count("SyntaxError") == 1
    run.stdout.fnmatch_lines(["exercises/demo.py:*: SyntaxError: *", "  total        4 / 7"])


def test_a_broken_grader_is_no_students_task(kit, run_pytest):
    grader = GRADER.replace("table.sum(1) / 5", "table.sum(1) / five")
    kit.grader("demo").write_text(grader, encoding="utf-8")
    kit.exercise("demo").write_text(answers(), encoding="utf-8")
    words = "row_means: the grader is broken, not your answer. Tell your instructor."
    run_pytest().stdout.fnmatch_lines([words])


def test_junit_reports_hold_tasks_points_and_messages(graded):
    graded(answers(row_means=WRONG_MEANS), "--junitxml=junit.xml")
    cases = {c.get("name"): c for c in ElementTree.parse("junit.xml").iter("testcase")}
    assert len(cases) == CASES
    properties = {
        p.get("name"): p.get("value") for p in cases["test_affine_learns"].iter("property")
    }
    assert properties == {"gradus_task": "Affine", "gradus_points": "1"}
    [failure] = cases["test_one_mean_for_each_row[cpu]"].iter("failure")
    assert "expected shape (3,)" in failure.text


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # torch
def test_a_debugger_stops_where_the_check_failed(kit, pytester, monkeypatch):
    pytest.importorskip("pexpect")
    (kit.root / "wrong.py").write_text(answers(row_means=WRONG_MEANS), encoding="utf-8")
    monkeypatch.chdir(kit.root)
    words = "graders/test_demo.py -k row --pdb --submission=wrong.py -p no:cacheprovider"
    child = pytester.spawn_pytest(words, expect_timeout=120)
    child.expect(r"expected shape \(3,\)")
    child.expect(r"\(Pdb\)")
    child.sendline("p tuple(table.shape)")
    child.expect(r"\(3, 5\)")
    child.sendline("quit")
    child.expect("1 failed|Quitting|Exit")
    child.wait()


CONFTEST = """\
import sys

def pytest_sessionfinish():
    assert "gradus.grading.plugin" in sys.modules
    assert not {"torch", "nbformat", "gradus.grading.session"} & set(sys.modules)
"""


def test_the_plugin_is_inert_in_other_projects(tmp_path):
    (tmp_path / "test_other.py").write_text("def test_it(): pass\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gradus" not in done.stdout.partition("collected")[2]
