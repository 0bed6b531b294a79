"""What `gradus check` shows: the points, and the first thing to fix, whole; once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gradus import cli
from tests.kits import answers, write_kit
from tests.terminal import NEEDS_TMUX, Terminal

SQUARED = "def double(x): return x**2"
MEAN = "def row_means(table): return table.mean()"


@pytest.fixture
def kit(tmp_path, monkeypatch):
    """A small kit of its own, with the working folder in it."""
    course = write_kit(tmp_path / "kit")
    monkeypatch.chdir(course.root)
    return course


def check(kit, text, *words, code=1):
    """Write an answer, check it, and return the lines that are shown."""
    if text is not None:
        kit.exercise("demo").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(cli.app, ["check", *(words or ["demo"])])
    assert done.exit_code == code, done.output
    return done.output.splitlines()


def test_points_come_first_and_then_the_first_failure_whole(kit):
    lines = check(kit, answers(double=SQUARED, row_means=MEAN))
    assert lines[:4] == [
        "demo: 3 of 7 points   exercises/demo.py",
        "  done     Affine 2",
        "  wrong    double 1/3, row_means 0/2",
        "",
    ]
    assert lines[4] == "double gives two times every number."
    assert "           `x` was squared" in lines
    assert "  again    gradus check demo.double" in lines
    assert lines[-1] == "1 more check fails; to see all: gradus check demo --all"
    assert "row_means gives one mean for each row." not in lines


def test_all_shows_every_failure_and_the_points_at_the_end(kit):
    lines = check(kit, answers(double=SQUARED, row_means=MEAN), "demo", "--all")
    assert lines[0] == "double gives two times every number."
    assert "row_means gives one mean for each row." in lines
    assert lines[-1] == "  wrong    double 1/3, row_means 0/2"


def test_of_one_task_only_its_points_are_shown(kit):
    lines = check(kit, answers(double=SQUARED, row_means=MEAN), "row_means")
    assert lines[0] == "demo.row_means: 0 of 2 points   exercises/demo.py"
    assert lines[2] == "row_means gives one mean for each row."


def test_what_cannot_be_loaded_is_told_once(kit):
    lines = check(kit, answers(double="def double(x):\n    return (2 * x"))
    assert sum("SyntaxError" in line for line in lines) == 1
    assert lines[-1] == "Fix this first, then: gradus check demo"


def test_a_stub_is_told_where_to_begin(kit):
    lines = check(kit, None)
    number = 1 + kit.exercise("demo").read_text("utf-8").splitlines().index(
        '    raise NotImplementedError("TODO: double")'
    )
    assert lines[1] == "  todo     double 3, row_means 2, Affine 2"
    assert lines[-3:] == [
        f"next: double   exercises/demo.py:{number}",
        "  gradus check demo.double",
        "  gradus hint demo.double",
    ]


def test_the_place_of_a_todo_is_told_from_where_one_stands(kit, monkeypatch):
    monkeypatch.chdir(kit.root / "exercises")
    assert any(line.startswith("next: double   demo.py:") for line in check(kit, None))


@pytest.mark.parametrize("text", ["", "def double(x):\n  if x:\n return 2 * x\n"])
def test_a_file_that_cannot_be_used_is_told_once(kit, text):
    lines = check(kit, text)
    words = "is empty" if not text else "IndentationError"
    assert sum(words in line for line in lines) == 1
    assert lines[-1] == "Fix this first, then: gradus check demo"


def test_what_student_code_printed_stands_in_the_failure(kit):
    prints = "def double(x):\n    for number in range(20): print('number', number)\n    return x**2"
    lines = check(kit, answers(double=prints))
    assert "  printed  (13 lines more)" in lines
    assert "           | number 19" in lines
    assert lines.index("           | number 19") < lines.index("  hint     Two times, not squared.")


def test_the_line_to_repeat_names_the_other_file(kit, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(answers(double=SQUARED), encoding="utf-8")
    lines = check(kit, None, "demo", "--submission", str(path))
    assert f"  again    gradus check demo.double --submission {path}" in lines


def test_a_breakpoint_says_how_to_use_it(kit):
    text = " ".join(
        " ".join(check(kit, answers(double="def double(x):\n    breakpoint()"))).split()
    )
    assert "a debugger is called here, and there is no keyboard. With one: pytest -k double" in text


@NEEDS_TMUX
def test_a_breakpoint_works_with_pytest(kit):
    text = answers(double="def double(x):\n    breakpoint()\n    return 2 * x")
    kit.exercise("demo").write_text(text, encoding="utf-8")
    with Terminal(kit.root) as terminal:
        terminal.type("pytest -k test_double_leaves_its_input")
        terminal.press("Enter")
        terminal.sees("-> return 2 * x", last="(Pdb)")
        terminal.type("p x.shape")
        terminal.press("Enter")
        terminal.sees("torch.Size([3])", last="(Pdb)")


@NEEDS_TMUX
def test_q_in_a_debugger_ends_the_run(kit):
    text = answers(double="def double(x):\n    breakpoint()\n    return 2 * x")
    kit.exercise("demo").write_text(text, encoding="utf-8")
    with Terminal(kit.root) as terminal:
        terminal.type("pytest -k double")
        terminal.press("Enter")
        terminal.sees(last="(Pdb)")
        terminal.type("q")
        terminal.press("Enter")
        assert "ends the program" not in terminal.sees("Quitting debugger", last="ready$")


def test_a_students_run_waits_for_one_time_out_of_a_task(kit):
    grader = kit.grader("demo").read_text("utf-8")
    quick = grader.replace(
        "import pytest\n", "import pytest\npytestmark = pytest.mark.timeout(1)\n", 1
    )
    kit.grader("demo").write_text(quick, encoding="utf-8")
    hangs = "def double(x):\n    while True: pass"
    lines = check(kit, answers(double=hangs, row_means=MEAN), "demo", "--all")
    assert sum("is there an endless loop?" in line for line in lines) == 1
    assert lines[-1] == "  wrong    double 0/3, row_means 0/2"
    path = kit.root / "other.py"
    path.write_text(answers(double=hangs), encoding="utf-8")
    lines = check(
        kit, None, "double", "--all", "--submission", str(path)
    )  # a grade: nothing is left out
    assert sum("is there an endless loop?" in line for line in lines) == 2


def test_ctrl_c_shows_what_there_is(kit):
    waits = "def row_means(table):\n    import time\n    open('it runs', 'w').close()\n    time.sleep(60)"
    kit.exercise("demo").write_text(answers(double=SQUARED, row_means=waits), encoding="utf-8")
    words = [sys.executable, "-m", "gradus.cli", "check", "demo"]

    def hear() -> None:  # a shell lets what it starts in the background ignore Ctrl+C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear
    ) as running:
        while not Path("it runs").exists() and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        shown, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert shown.startswith("demo: 1 of 7 points")
    assert "double gives two times every number." in shown
    assert "not run  row_means 0/2, Affine 0/2" in shown
    assert "gradus: stopped by Ctrl+C before it was done." in said
    assert "Traceback" not in said


def test_what_a_terminal_cannot_show_is_written_out(kit):
    wrong = "def double(x): raise ValueError('\u4e2d')"
    kit.exercise("demo").write_text(answers(double=wrong), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "check", "double"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "raised   ValueError: \\u4e2d" in done.stdout
    assert not done.stderr


@NEEDS_TMUX
def test_the_first_failure_fits_a_screen(kit):
    kit.exercise("demo").write_text(answers(double=SQUARED, row_means=MEAN), encoding="utf-8")
    with Terminal(kit.root) as terminal:
        screen = terminal.run("gradus check demo", "1 more check fails")
    assert "demo: 3 of 7 points" in screen
    assert "  called   double(" in screen
    assert "starting" not in screen
