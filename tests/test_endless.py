"""Endless loops that swallow the time limit's exception: struck again, and in the end the process goes."""

import subprocess
import sys
from pathlib import Path

import pytest

from gradus.course import Course
from gradus.engine.apart import grade_apart
from gradus.submission import time_limit
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


REPORTS_SLOWLY = """
import time, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call):
    time.sleep(0.5 if call.when == "call" else 0)
"""


def test_a_limit_that_ends_while_pytest_makes_the_report_strikes_nobody(quick_kit, tmp_path):
    path, busy = tmp_path / "demo.py", quick_kit.root / "graders" / "conftest.py"
    late = (
        "def row_means(table):\n    import time\n    time.sleep(0.8)\n    raise ValueError('late')"
    )
    path.write_text(answers(row_means=late), encoding="utf-8")
    busy.write_text(REPORTS_SLOWLY, encoding="utf-8")
    try:
        result = grade_apart(quick_kit, "demo", path, workdir=tmp_path).topic("demo")
    finally:
        busy.unlink()
    assert "ValueError: late" in message(result, "one_mean_for_each_row")
    assert earned(result) == {"double": 3, "row_means": 0, "Affine": 2}


def test_plain_pytest_ends_and_names_the_check_that_nothing_stops(quick_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(answers(row_means=SWALLOWS), encoding="utf-8")
    done = run_plain(quick_kit, path, "-m", "pytest")
    assert done.returncode not in (0, 1)
    assert "gradus: check graders/test_demo.py::test_one_mean_for_each_row[cpu]" in done.stderr
    assert "does not stop after 1 s: its code swallows every exception" in done.stderr
    assert "  row_means    0 / 2    ..........  timeout" in done.stdout
    assert "  total        3 / 5       (1 other tasks not run)" in done.stdout


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


IMPORTS = """\
def row_means(table):
    import slow
    import time
    time.sleep(0.5)
    return table.mean(dim=-1)
"""


def test_a_function_named_as_python_s_own_import_has_no_more_time(quick_kit, tmp_path):
    text = "def row_means(table):\n    def _find_and_load():\n        while True: pass\n    _find_and_load()\n"
    (tmp_path / "demo.py").write_text(answers(row_means=text), encoding="utf-8")
    done = run_plain(quick_kit, tmp_path / "demo.py", "-m", "pytest")
    assert "is there an endless loop?" in done.stdout


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_an_import_that_takes_all_of_the_time_costs_no_points(quick_kit, tmp_path, method):
    """The first use of something may fall to any check, on a machine that is busy."""
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(2)\n", encoding="utf-8")
    path = tmp_path / "demo.py"
    text = f"import sys\nsys.path.append({str(tmp_path)!r})\n{IMPORTS}"
    path.write_text(answers(row_means=text), encoding="utf-8")
    done = run_plain(quick_kit, path, "-m", "pytest", f"--timeout-method={method}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_check_that_nothing_stops_is_a_timeout_and_the_others_are_graded(quick_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(answers(row_means=SWALLOWS), encoding="utf-8")
    result = grade_apart(quick_kit, "demo", path, workdir=tmp_path).topic("demo")
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


LOOP = "n = 0\n    while True:\n        n += 1"
MASK = "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())"
DEAF = {  # code that no strike reaches
    "ignored": "signal.signal(signal.SIGALRM, signal.SIG_IGN)",
    "another handler": "signal.signal(signal.SIGALRM, lambda *words: None)",
    "masked": f"{MASK}; __import__('time').sleep(1e8)",
}
PUT_OFF = {
    "no alarm": "signal.alarm(0)",
    "no timer": "signal.setitimer(signal.ITIMER_REAL, 0)",
    "masked": MASK,
    "masked, and no alarm": f"signal.alarm(0); {MASK}",
}
UNHEARD = "does not stop after 1 s: no signal reaches its code"
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells which signals are masked"
)


ALL_DEAF = [pytest.param(how, marks=on_linux) if how == "masked" else how for how in DEAF]


@pytest.mark.parametrize("how", ALL_DEAF)
def test_plain_pytest_ends_where_no_signal_reaches_a_check(quick_kit, tmp_path, how):
    path = tmp_path / "demo.py"
    text = f"import signal\ndef row_means(table):\n    {DEAF[how]}\n    {LOOP}"
    path.write_text(answers(row_means=text), encoding="utf-8")
    done = run_plain(quick_kit, path, "-m", "pytest")
    assert done.returncode == time_limit.ENDLESS
    assert f"::test_one_mean_for_each_row[cpu] {UNHEARD}" in done.stderr
    assert "stopped  after 1s: no signal reaches its code" in done.stdout


@pytest.mark.parametrize("how", ALL_DEAF)
def test_plain_pytest_ends_where_no_signal_reaches_a_statement(quick_kit, tmp_path, how):
    path = tmp_path / "demo.py"
    statement = f"import signal\nif True:\n    {DEAF[how]}\n    {LOOP}"
    path.write_text(with_cell(statement), encoding="utf-8")
    done = run_plain(quick_kit, path, "-c", RUN_WITH_SHORT_LOADS)
    assert done.returncode == time_limit.ENDLESS
    assert UNHEARD in done.stderr
    assert "gradus: the code at " in done.stderr


@pytest.mark.parametrize("how", PUT_OFF)
def test_an_alarm_that_was_put_off_is_rung_anew(quick_kit, tmp_path, how):
    path = tmp_path / "demo.py"
    text = f"import signal\ndef row_means(table):\n    {PUT_OFF[how]}\n    {LOOP}"
    path.write_text(answers(row_means=text), encoding="utf-8")
    done = run_plain(quick_kit, path, "-m", "pytest")
    assert done.returncode == 1
    assert "is there an endless loop?" in done.stdout


LEFT = {  # what keeps Python from ending
    "a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(1e8,)).start()",
    "a loop in a thread": "import threading\ndef on():\n    while True: pass\n"
    "threading.Thread(target=on).start()",
    "at exit": "import atexit\n@atexit.register\ndef on():\n    while True: pass",
    "an object": "class Stays:\n    def __del__(self):\n        while True: pass\nstays = Stays()",
    "a process": "import multiprocessing, time\n"
    "multiprocessing.get_context('fork').Process(target=time.sleep, args=(1e8,)).start()",
}


@pytest.mark.parametrize("what", LEFT)
@pytest.mark.filterwarnings("ignore")
def test_pytest_ends_whatever_a_submission_leaves_running(shared_kit, tmp_path, what):
    path = tmp_path / "demo.py"
    path.write_text(with_cell(LEFT[what]), encoding="utf-8")
    done = run_plain(shared_kit, path, "-m", "pytest")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout.rstrip().splitlines()[-1].startswith("=")
    )  # the last line of pytest's summary


def test_pytest_with_workers_ends_too(shared_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(with_cell(LEFT["a thread"]), encoding="utf-8")
    done = run_plain(shared_kit, path, "-m", "pytest", "-n", "1")
    assert done.returncode == 0


GOES_ON = """
import pytest
code = pytest.main()
print("went on", int(code))
"""


def test_a_program_that_calls_pytest_goes_on(shared_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(answers(), encoding="utf-8")
    done = run_plain(shared_kit, path, "-c", GOES_ON)
    assert done.stdout.endswith("went on 0\n")


def test_a_profiler_may_write_what_it_saw(shared_kit, tmp_path):
    path, profile = tmp_path / "demo.py", tmp_path / "profile"
    path.write_text(answers(), encoding="utf-8")
    run_plain(shared_kit, path, "-m", "cProfile", "-o", str(profile), "-m", "pytest")
    assert profile.exists()
