"""A class is graded while processes are killed, the command is ended, and files change under it."""

import contextlib
import csv
import re
import signal
import subprocess
import sys
import time
import zipfile

import psutil
import pytest

from gradus.classroom.grade.answer import unpack
from gradus.classroom.grade.scratch import PREFIX
from gradus.classroom.grade.store import Store
from gradus.engine.apart import can_contain
from tests.class_runs import JUDGE, WORKER, ClassRun, count, hand_in, until
from tests.kits import GRADER, SOLUTION, answers, write_kit
from tests.terminal import NEEDS_TMUX, Terminal

pytestmark = pytest.mark.skipif(
    not can_contain(), reason="it looks for judges and workers of Linux"
)
SLOW = "import time\n\ndef double(x):\n    time.sleep(0.6)\n    return 2 * x  # {}"
ENDLESS = "def double(x):\n    while True:\n        pass"
POOL = "multiprocessing.spawn"
SOON = 30.0  # seconds; 2 on an idle machine, and what it ends here would take minutes


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A kit that several tests share: each hands in a folder of its own, and has a store of its own."""
    return write_kit(tmp_path_factory.mktemp("faults") / "kit")


@pytest.fixture
def own(tmp_path):
    """A kit that a test changes."""
    return write_kit(tmp_path / "kit")


def points_of(path):
    """Points by student, from a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row["total"] for row in csv.DictReader(file)}


def grade(course, folder, temporary, *words, code=0):
    """Grade a class that a run before did not get through; what was said, and points."""
    path = temporary / "points.csv"
    store = str(temporary / "grades.db")
    with ClassRun(course, str(folder), "--store", store, "--csv", str(path), *words) as run:
        return run.end(code), points_of(path)


def kill_last(processes):
    """Kill the one that was started last; whether there was one."""
    with contextlib.suppress(psutil.Error):  # it has ended meanwhile
        for process in processes[-1:]:
            process.kill()
            return True
    return False


@pytest.mark.parametrize("what", [JUDGE, WORKER, POOL], ids=["judge", "worker", "pool"])
def test_a_process_that_is_killed_costs_nobody_a_point(kit, tmp_path, what):
    hand_in(tmp_path / "in", {n: answers(double=SLOW.format(n)) for n in ("ann", "ben")})
    store, points = tmp_path / "grades.db", tmp_path / "points.csv"
    words = ("--jobs", "1", "--store", str(store), "--csv", str(points))
    with ClassRun(kit, str(tmp_path / "in"), *words, temporary=tmp_path / "tmp") as run:
        until(lambda: run.grading(WORKER))
        time.sleep(0.5)  # it has begun with a check
        until(lambda: kill_last(run.find(what) if what == POOL else run.grading(what)))
        said = run.end(0)
        until(lambda: not run.left())
    assert points_of(points) == {"ann": "7", "ben": "7"}, said
    assert "no mark" not in said
    assert count(store) == 2
    assert not list((tmp_path / "tmp").iterdir())


def test_an_answer_that_kills_itself_has_its_mark_all_the_same(kit, tmp_path):
    text = "import os, signal\n\ndef double(x):\n    os.kill(os.getpid(), signal.SIGKILL)"
    hand_in(tmp_path / "in", {"ann": answers(double=text)})
    said, points = grade(kit, tmp_path / "in", tmp_path)
    assert points == {"ann": "4"}
    assert "odd: ann, demo: double crashes its process" in said


@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_run_that_is_ended_goes_on_where_it_was(kit, tmp_path, end):
    class_of = {f"s{n}": answers(double=SLOW.format(n)) for n in range(6)}
    hand_in(tmp_path / "in", class_of)
    store, temporary = tmp_path / "grades.db", tmp_path / "tmp"
    words = (str(tmp_path / "in"), "--jobs", "2", "--store", str(store))
    with ClassRun(kit, *words, temporary=temporary) as run:
        until(lambda: count(store) >= 2 and run.grading(WORKER))
        run.send(getattr(signal, end))
        said = run.end(-signal.SIGKILL if end == "SIGKILL" else 130)
        until(lambda: not run.left())
    assert ("the same command goes on" in said) == (end != "SIGKILL")
    kept = count(store)
    assert 2 <= kept < 6
    if end == "SIGKILL":  # nobody was left to do it; the next run does
        assert list(temporary.glob(f"{PREFIX}*"))
    else:
        assert not list(temporary.iterdir())
    with ClassRun(kit, *words, "--csv", str(tmp_path / "all.csv"), temporary=temporary) as run:
        said = run.end(0)
    assert f"{kept} are graded already" in said
    assert points_of(tmp_path / "all.csv") == dict.fromkeys(class_of, "7")
    assert count(store) == 6
    assert not list(temporary.iterdir())


def big_zip(path):
    """A zip that takes long to unpack."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(40_000):
            archive.writestr(f"s{number}/demo.py", "x = 1\n")


def test_ctrl_c_while_a_large_zip_is_placed(kit, tmp_path):
    big_zip(tmp_path / "in.zip")
    words = (str(tmp_path / "in.zip"), "--store", str(tmp_path / "grades.db"))
    with ClassRun(kit, *words, temporary=tmp_path / "tmp") as run:
        until(lambda: list((tmp_path / "tmp").glob(f"{PREFIX}*/*/*")))
        run.send(signal.SIGINT)
        run.end(130)
    assert not list((tmp_path / "tmp").iterdir())


def test_ctrl_c_while_the_reference_is_measured(own, tmp_path):
    slow = SOLUTION.replace(
        "    return 2 * x", "    import time\n    time.sleep(9)\n    return 2 * x"
    )
    assert slow != SOLUTION
    own.solution("demo").write_text(slow, "utf-8")
    hand_in(tmp_path / "in", {"ann": answers()})
    words = (str(tmp_path / "in"), "--store", str(tmp_path / "grades.db"))
    stopped_soon(own, words, tmp_path)


def test_ctrl_c_in_the_middle_of_a_check(kit, tmp_path):
    hand_in(tmp_path / "in", {"ann": answers(double=ENDLESS)})
    stopped_soon(kit, (str(tmp_path / "in"), "--store", str(tmp_path / "grades.db")), tmp_path)


def stopped_soon(course, words, folder):
    with ClassRun(course, *words, temporary=folder / "tmp") as run:
        until(lambda: run.grading(WORKER))
        time.sleep(0.5)
        run.send(signal.SIGINT)
        until(lambda: not run.runs(), SOON)
        assert "goes on" in run.end(130)
        until(lambda: not run.left())
    assert not list((folder / "tmp").iterdir())


def test_ctrl_c_while_another_process_holds_the_store(kit, tmp_path):
    hand_in(tmp_path / "in", {"ann": answers()})
    store = tmp_path / "grades.db"
    Store(store).close()
    hold = (
        f"import sqlite3, time; c = sqlite3.connect({str(store)!r}); c.execute('BEGIN EXCLUSIVE')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"{hold}; print(flush=True); time.sleep(600)"],
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with ClassRun(kit, str(tmp_path / "in"), "--store", str(store)) as run:
            until(lambda: opened(run, store))
            run.send(signal.SIGINT)
            until(lambda: not run.runs(), SOON / 2)  # it would wait for 30
            run.end(130)
        holder.kill()


def opened(run, path):
    """Whether a run has a file open."""
    try:
        return str(path) in {file.path for file in psutil.Process(run.number).open_files()}
    except psutil.Error:
        return False


def test_two_runs_at_once_share_the_work(kit, tmp_path):
    class_of = {f"s{n}": answers(double=SLOW.format(n)) for n in range(10)}
    hand_in(tmp_path / "in", class_of)
    store = tmp_path / "grades.db"
    words = (str(tmp_path / "in"), "--jobs", "1", "--store", str(store), "--csv")
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    with ClassRun(kit, *words, str(first)) as one, ClassRun(kit, *words, str(second)) as other:
        said = [one.end(0), other.end(0)]
    assert all("were graded by another run meanwhile" in text for text in said), said
    assert points_of(first) == points_of(second) == dict.fromkeys(class_of, "7")
    assert count(store) == 10


def test_what_is_changed_or_deleted_before_its_turn(kit, tmp_path):
    right = {f"s{n}": answers(double=SLOW.format(n)) for n in range(5)}
    hand_in(tmp_path / "in", right)
    store, points = tmp_path / "grades.db", tmp_path / "points.csv"
    words = (str(tmp_path / "in"), "--jobs", "1", "--store", str(store), "--csv", str(points))
    with ClassRun(kit, *words) as run:
        until(lambda: run.grading(WORKER))  # one was read
        for name in ("s0", "s1"):
            (tmp_path / "in" / name / "demo.py").unlink()
        changed = "def double(x): return x**2  # {}"
        hand_in(tmp_path / "in", {n: answers(double=changed.format(n)) for n in ("s2", "s3", "s4")})
        said = run.end(1)
    assert "no mark: s0, demo: " in said or "no mark: s1, demo: " in said
    known = points_of(points)
    assert "" in known.values()
    assert sorted(filter(None, known.values())) in (["5", "5", "5", "7"], ["5", "5", "7"])
    for mark in Store(store).marks():  # the mark is that of what was graded
        was_right = mark.graded.report.topic("demo").earned == 7
        file = unpack(mark.graded.answer, tmp_path / "kept" / mark.student)
        assert was_right == ("time.sleep" in file.read_text("utf-8"))


def test_a_grader_that_is_edited_while_the_class_is_graded(own, tmp_path):
    hand_in(tmp_path / "in", {f"s{n}": answers(double=SLOW.format(n)) for n in range(3)})
    store = tmp_path / "grades.db"
    words = (str(tmp_path / "in"), "--jobs", "1", "--store", str(store))
    with ClassRun(own, *words) as run:
        until(lambda: count(store) >= 1 and run.grading(WORKER))
        time.sleep(0.5)
        edited = GRADER.replace('task("double", points=2', 'task("double", points=4')
        own.grader("demo").write_text(edited, "utf-8")
        run.end(0)
    before = count(store)
    earned = [short.outline.earned for short in Store(store).shorts()]
    assert sorted(earned) == [7, 9, 9]  # nothing is kept of an answer that met both
    said, points = grade(own, tmp_path / "in", tmp_path)
    assert "2 are graded already" in said
    assert set(points.values()) == {"9"}
    assert count(store) == before + 1


@NEEDS_TMUX
def test_a_terminal_shows_how_far_it_is(kit, tmp_path):
    class_of = {f"s{n}": answers(double=SLOW.format(n)) for n in range(6)}
    hand_in(tmp_path / "in", {**class_of, "tim": answers(double=ENDLESS)})
    command = (
        f"gradus grade {tmp_path}/in --allow-unsandboxed --jobs 1 --store {tmp_path}/grades.db"
    )
    with Terminal(kit.root) as terminal:
        terminal.type(f"clear; {command}")
        terminal.press("Enter")
        screen = terminal.sees(" of 7 graded, ", " a minute, ", " left")
        (line,) = [row for row in screen.splitlines() if " of 7 graded" in row]
        assert re.fullmatch(r"[2-6] of 7 graded, \d+ a minute, \d+ (s|min) left", line.strip())
        screen = terminal.sees("odd: tim, demo: double takes too long", "7 graded, of 7 points")
    assert " of 7 graded" not in screen  # the line is gone
