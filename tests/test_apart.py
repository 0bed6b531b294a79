"""Grading in a process of its own, forked or started: what a submission does to it costs one check, no more."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradus.course import Course
from gradus.engine import ended, spawned
from gradus.engine.apart import SPAWN, grade_apart
from gradus.errors import GraderError
from gradus.grading.report import TopicResult
from gradus.submission import time_limit
from tests.kits import (
    GRADER,
    POINTS,
    answers,
    earned,
    grade,
    message,
    problems,
    statuses,
    write_kit,
)

fcntl = pytest.importorskip("fcntl", reason="loses processes in the ways of POSIX")

SOLUTION = '''\
# %%
def act(how: str) -> int:
    """Return 1, whatever is asked for."""
    ### BEGIN SOLUTION
    # HINT: One.
    return 1
    ### END SOLUTION


# %%
def rest() -> int:
    """Return 2."""
    ### BEGIN SOLUTION
    # HINT: Two.
    return 2
    ### END SOLUTION
'''

ACTS = ("exit", "segfault", "kill", "interrupt", "end pytest", "hang", "return")
ACT_CHECK = '''
@pytest.mark.task("act")
@pytest.mark.timeout(2)
@pytest.mark.parametrize("case", [1, 2])
def test_{name}(submission, case):
    """act returns 1 when asked to {how}."""
    assert submission.act("{how}") == 1

'''
ACT_GRADER = '"""Checks."""\n\nimport pytest\n\n'
ACT_GRADER += "".join(ACT_CHECK.format(name=how.replace(" ", "_"), how=how) for how in ACTS)
ACT_GRADER += '''
@pytest.mark.task("rest", points=5)
def test_rest(submission):
    """rest returns 2."""
    assert submission.rest() == 2
'''

HANG = """\
import ctypes, os, signal
def hang():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        ctypes.CDLL(None).pause()
"""
HOSTILE = f"""
{HANG}
import pytest
def act(how):
    with open("calls.txt", "a") as file:
        file.write(how + ",")
    if how == "exit":
        ctypes.CDLL(None)._exit(0)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "end pytest":
        pytest.exit("enough")
    if how == "hang":
        hang()
    return 1

def rest():
    return 2
"""

AT_IMPORT = f"""
{HANG}
ctypes.CDLL(None)._exit(0)
ctypes.string_at(0)
raise KeyboardInterrupt
hang()
def act(how):
    return 1

def rest():
    return 2
"""


@pytest.fixture(scope="module", params=["forked", "spawned"], autouse=True)
def mode(request):
    """How the process comes into being."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "spawned":
            patch.setenv(SPAWN, "1")
        yield request.param


@pytest.fixture(scope="module")
def quick():
    """Patience for tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ended, "GRACE_SECONDS", 2.0)
        patch.setattr(time_limit, "CELL_SECONDS", 2.0)
        yield


@pytest.fixture(scope="module")
def act_kit(tmp_path_factory) -> Course:
    return write_kit(tmp_path_factory.mktemp("act"), solution=SOLUTION, grader=ACT_GRADER)


def graded_apart(course: Course, text: str, folder: Path, **options: object) -> TopicResult:
    path = folder / "demo.py"
    path.write_text(text, encoding="utf-8")
    return grade_apart(course, "demo", path, workdir=folder, **options).topic("demo")


@pytest.fixture(scope="module")
def hostile(act_kit, quick, mode, tmp_path_factory) -> tuple[TopicResult, str]:
    """What became of HOSTILE, and the calls of `act` that were made."""
    folder = tmp_path_factory.mktemp("hostile")
    result = graded_apart(act_kit, HOSTILE, folder)
    return result, (folder / "calls.txt").read_text(encoding="utf-8")


LOST = {
    "exit": ("error", "it ended the whole process (exit code 0)"),
    "segfault": ("error", "it crashed the whole process (SIGSEGV)"),
    "kill": ("error", "it crashed the whole process (SIGKILL)"),
    "interrupt": ("error", "it ends the program (KeyboardInterrupt())"),
    "end_pytest": ("error", "it ends the program (Exit('enough'))"),
    "hang": ("timeout", "it hung, and nothing could interrupt it"),
}


@pytest.mark.parametrize("check", LOST)
def test_a_check_that_loses_its_process_is_charged_and_says_how(hostile, check):
    status, words = LOST[check]
    assert statuses(hostile[0])[check] == status
    assert words in message(hostile[0], check)


def test_checks_that_lose_no_process_keep_their_points(hostile):
    assert earned(hostile[0]) == {"act": 1, "rest": 5}
    assert hostile[0].complete


def test_a_check_that_lost_its_process_is_not_tried_with_further_cases(hostile):
    calls = hostile[1].split(",")
    assert {how: calls.count(how) for how in ("exit", "segfault", "kill", "hang", "return")} == {
        "exit": 1, "segfault": 1, "kill": 1, "hang": 1, "return": 2,
    }  # fmt: skip


def test_statements_that_lose_the_process_when_loaded_are_left_out(act_kit, quick, tmp_path):
    result = graded_apart(act_kit, AT_IMPORT, tmp_path)
    assert [text.partition(": ")[2] for text in problems(result)] == [
        "it ended the whole process (exit code 0); left out",
        "it crashed the whole process (SIGSEGV); left out",
        "KeyboardInterrupt",
        "it hung, and nothing could interrupt it; left out",
    ]
    assert earned(result) == {"act": len(ACTS), "rest": 5}


LEFT_BEHIND = """
import subprocess, fcntl
file = open("lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
child = subprocess.Popen(["sleep", "600"], pass_fds=[file.fileno()])
open("made.txt", "w").write("made")
import helper
"""


def free(path: Path) -> bool:
    """Whether no process holds the lock any more; waits a while, since dying takes time."""
    with path.open() as file:
        for _ in range(300):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.1)
            else:
                return True
    return False


def test_files_of_the_submission_do_not_stand_before_the_graders_and_no_process_is_left(
    shared_kit, tmp_path
):
    for name in ("random", "torch", "pytest", "conftest", "gradus", "json", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hijacked')\n", encoding="utf-8")
    (tmp_path / "helper.py").write_text("two = 2\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    text = answers(double=f"{LEFT_BEHIND}\ndef double(x): return helper.two * x")
    result = graded_apart(shared_kit, text, tmp_path, hidden=True, seed=5)
    assert (earned(result), problems(result)) == (POINTS, [])
    assert (tmp_path / "made.txt").exists()
    assert free(tmp_path / "lock")


def test_one_task_can_be_graded_apart(shared_kit, tmp_path):
    result = graded_apart(shared_kit, answers(), tmp_path, tasks=["Affine"])
    assert earned(result) == {"double": 0, "row_means": 0, "Affine": 2}


def test_a_grader_that_does_not_run_is_an_error_with_its_output(kit, tmp_path):
    kit.grader("demo").write_text(f"import no_such_module\n{GRADER}", encoding="utf-8")
    with pytest.raises(
        GraderError,
        match=r"(?s)pytest (did not get through \(exit code 2\)|ran no check).*no_such_module",
    ):
        graded_apart(kit, answers(), tmp_path)


def test_a_submission_that_loses_too_many_processes_is_an_error(act_kit, tmp_path, monkeypatch):
    monkeypatch.setattr(ended, "RESTARTS", 0)
    with pytest.raises(GraderError, match=r"did not get through \(.*(exit code -9|SIGKILL)"):
        graded_apart(act_kit, "import os\nos.kill(os.getpid(), 9)", tmp_path)


NO_TORCH = """
import sys
from pathlib import Path
from gradus.course import load_course
from gradus.engine.apart import grade_apart
root, path = map(Path, sys.argv[1:3])
result = grade_apart(load_course(root), "demo", path, isolated=sys.argv[3:] == ["isolated"]).topic("demo")
print(result.earned, "torch" in sys.modules)
"""


@pytest.mark.parametrize("wall", ["in this process", "isolated"])
def test_a_process_that_only_supervises_does_not_import_torch(shared_kit, tmp_path, mode, wall):
    if mode == "forked" and wall != "isolated":
        pytest.skip("the warm judge, which supervises, has torch imported for all children")
    path = tmp_path / "demo.py"
    path.write_text(answers(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, str(shared_kit.root), str(path), wall],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == [str(sum(POINTS.values())), "False"], done.stderr


STAYS = """
import sys, threading, time
sys.modules["coverage"] = sys  # pytest then leaves its end to Python, which waits for the thread
threading.Thread(target=time.sleep, args=(1e8,)).start()
"""


def test_the_report_is_taken_where_the_process_does_not_end(shared_kit, tmp_path, monkeypatch):
    monkeypatch.setattr(spawned, "END_SECONDS", 1.0)
    result = graded_apart(shared_kit, f"{answers()}\n{STAYS}", tmp_path)
    assert (earned(result), problems(result)) == (POINTS, [])


LOOPS = """
import fcntl, os
file = open("lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
open("made.txt", "w").write("made")
while True:
    pass
"""
SUPERVISES = """
import sys
from pathlib import Path
from gradus.course import load_course
from gradus.engine.apart import grade_apart
root, path = map(Path, sys.argv[1:])
grade_apart(load_course(root), "demo", path, workdir=path.parent)
"""


def test_the_process_ends_with_the_one_that_supervises_it(shared_kit, tmp_path):
    path = tmp_path / "demo.py"
    path.write_text(LOOPS, encoding="utf-8")
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISES, str(shared_kit.root), str(path)]
    )
    try:
        while not (tmp_path / "made.txt").exists():
            assert supervisor.poll() is None
            time.sleep(0.1)
    finally:
        supervisor.kill()
        supervisor.wait()
    assert free(tmp_path / "lock")


def test_the_kit_may_lie_where_the_path_means_something_to_pytest(tmp_path, monkeypatch):
    course = write_kit(tmp_path / "a [b]::c $HOME @d" / "kit")
    folder = tmp_path / "[x]::y"
    folder.mkdir()
    assert earned(graded_apart(course, answers(), folder)) == POINTS
    monkeypatch.chdir(course.root / "exercises")  # where a notebook runs
    assert earned(grade(course, answers())) == POINTS
    assert message(
        graded_apart(course, answers(double="def double(x): return x"), folder),
        "twice_every_number",
    )


BREAKS = (
    "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_logreport(report): 1 / 0\n"
)


def test_a_plugin_that_happens_to_be_installed_has_no_part_in_a_grade(shared_kit, tmp_path, mode):
    site = tmp_path / "site"
    about = site / "breaks-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "breaks.py").write_text(BREAKS, encoding="utf-8")
    (about / "METADATA").write_text("Name: breaks\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[pytest11]\nbreaks = breaks\n", encoding="utf-8")
    path = tmp_path / "demo.py"
    path.write_text(answers(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "check", "demo", "--submission", str(path)],
        cwd=shared_kit.root, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demo: 7 of 7 points" in done.stdout


CRASHES = '''
import ctypes

def test_x(submission):
    """double is tried."""
    if submission.double(1) != 2:
        raise RuntimeError("where even the check does not know")
    ctypes.CDLL(None)._exit(0)
'''


def test_a_process_that_the_reference_ends_is_no_students_loss(kit, tmp_path):
    grader = GRADER + CRASHES.replace("def test_x", '@pytest.mark.task("double")\ndef test_x')
    kit.grader("demo").write_text(grader, encoding="utf-8")
    result = graded_apart(kit, answers(double="def double(x): return 3 * x"), tmp_path)
    assert statuses(result)["x"] == "broken"
    assert "tried on the reference, and that ended or hung the process" in message(result, "x")
    assert result.complete


CRASHES_ALWAYS = '''
import os

@pytest.mark.task("double")
def test_x(submission):
    """double is tried."""
    assert submission.double(1) == 2
    os.kill(os.getpid(), 9)
'''


def test_a_process_that_a_check_itself_ends_is_no_students_loss(kit, tmp_path, mode):
    kit.grader("demo").write_text(GRADER + CRASHES_ALWAYS, encoding="utf-8")
    result = graded_apart(kit, answers(), tmp_path)
    assert statuses(result)["x"] == "broken"
    assert "for the reference too" in message(result, "x")
    assert result.complete
    assert result.task("row_means").earned == 2


CRASHES_AT_ONCE = "def double(x):\n    import ctypes\n    ctypes.string_at(0)"
LONG_TITLE = (
    '    """double is tried, and the sentence that says so is so long that it takes two lines."""\n'
)


def test_how_a_process_ended_stands_below_the_whole_title(kit, tmp_path):
    grader = GRADER.replace('    """double leaves its input as it was."""\n', LONG_TITLE)
    assert grader != GRADER
    kit.grader("demo").write_text(grader, encoding="utf-8")
    text = message(
        graded_apart(kit, answers(double=CRASHES_AT_ONCE), tmp_path), "double_leaves_its_input"
    )
    assert " ".join(text.split()).startswith(
        "double is tried, and the sentence that says so is so long that it takes two lines. "
        "problem it crashed the whole process (SIGSEGV) hint"
    )


def test_what_a_crash_looks_like(shared_kit, tmp_path, mode):
    """No stacks of C or of pytest's own; cases that are not tried any more are not shown."""
    path = tmp_path / "demo.py"
    wrong = "def row_means(table): return table"
    path.write_text(answers(double=CRASHES_AT_ONCE, row_means=wrong), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "check", "demo", "--all", "--submission", str(path)],
        cwd=shared_kit.root, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "it crashed the whole process (SIGSEGV)" in done.stdout
    assert done.stdout.count("expected shape (3,)") == 1
    assert "ERROR at setup" not in done.stdout
    assert "Fatal Python error" not in done.stdout + done.stderr


def test_a_process_that_the_submission_forks_does_not_speak_for_it(shared_kit, tmp_path):
    forks = "def double(x):\n    import os\n    if os.fork() == 0: return x\n    return 2 * x"
    result = graded_apart(shared_kit, answers(double=forks), tmp_path)
    assert earned(result) == POINTS
    assert result.complete


CLOSES_DESCRIPTORS = """
import os
def double(x):
    os.closerange(3, 300)
    return 2 * x
"""
COUNTS_DESCRIPTORS = """
import os
def is_open(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False
def double(x):
    raise ValueError([number for number in range(1_000) if is_open(number)])
"""


def test_a_forked_child_has_no_descriptors_of_its_parents(shared_kit, tmp_path, mode):
    if mode == "forked":
        assert (
            earned(graded_apart(shared_kit, answers(double=CLOSES_DESCRIPTORS), tmp_path)) == POINTS
        )
        result = graded_apart(shared_kit, answers(double=COUNTS_DESCRIPTORS), tmp_path)
        found = message(result, "double_leaves_its_input")
        assert re.search(r"ValueError: \[0, 1, 2, 9\d\d\]", found), found
