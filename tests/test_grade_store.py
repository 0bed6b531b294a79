"""The store of `gradus grade` where something is wrong with it, or with the disk that it is on."""

import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

from gradus.classroom.grade import database
from gradus.classroom.grade.store import Store
from gradus.engine.apart import can_contain
from gradus.errors import GradusError
from tests.class_runs import WORKER, ClassRun, count, hand_in, until
from tests.kits import answers, write_kit
from tests.test_cli import gradus

NUMBERED = "def double(x):\n    return 2 * x  # {}"
SLOW = "import time\n\ndef double(x):\n    time.sleep(0.6)\n    return 2 * x  # {}"
on_linux = pytest.mark.skipif(not can_contain(), reason="it looks for workers of Linux")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A kit that several tests share: each hands in a folder of its own, and has a store of its own."""
    return write_kit(tmp_path_factory.mktemp("store") / "kit")


@pytest.fixture
def one(kit, tmp_path, monkeypatch):
    """A class of one; the words of a command that grades it into `grades.db`."""
    monkeypatch.chdir(kit.root)
    hand_in(tmp_path / "in", {"ann": answers()})
    return "grade", str(tmp_path / "in"), "--allow-unsandboxed", "--store"


def alone():
    """A command that runs another one with disks of its own; none where that is not allowed."""
    for words in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        mount = "mount -t tmpfs none /mnt"
        if (
            shutil.which(words[0])
            and not subprocess.run([*words, "sh", "-c", mount], check=False).returncode
        ):
            return words
    return []


ALONE = alone() if sys.platform == "linux" else []
needs_disks = pytest.mark.skipif(not ALONE, reason="no disk can be mounted here")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.mkdir(), r"unable to open.*Is there such a folder"),
        (lambda path: path.write_text("no database" * 200), r"not a database.*--store FILE"),
        (
            lambda path: sqlite3.connect(path).execute("create table marks (student)"),
            r"is a database of something else \(marks\). --store FILE names another one",
        ),
    ],
    ids=["a folder", "a text", "another database"],
)  # fmt: skip
def test_what_is_no_store_is_told_before_anything_is_graded(one, tmp_path, make, why):
    make(tmp_path / "grades.db")
    with pytest.raises(GradusError, match=why):
        gradus(*one, str(tmp_path / "grades.db"))


def test_a_store_in_a_folder_that_is_not_there(one, tmp_path):
    with pytest.raises(GradusError, match=r"unable to open.*Is there such a folder"):
        gradus(*one, str(tmp_path / "none" / "grades.db"))


def test_a_store_of_another_version_is_told(one, tmp_path):
    path = tmp_path / "grades.db"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 1")
    with pytest.raises(GradusError, match=r"another version of gradus \(its format is 1, this one"):
        gradus(*one, str(path))
    with sqlite3.connect(path) as connection:
        assert connection.execute("pragma user_version").fetchone() == (1,)


def held(path, seconds):
    """A process that holds a store locked for so long; it has begun."""
    code = (
        f"import sqlite3, time; c = sqlite3.connect({str(path)!r}); c.execute('BEGIN EXCLUSIVE'); "
        f"print(flush=True); time.sleep({seconds}); c.rollback()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_a_store_that_is_locked_for_long_is_told(one, tmp_path, monkeypatch):
    path = tmp_path / "grades.db"
    Store(path).close()
    monkeypatch.setattr(database, "WAIT_SECONDS", 1.0)
    with held(path, 600) as holder:
        with pytest.raises(
            GradusError, match=r"is locked.*Another process holds it. Close what has"
        ):
            gradus(*one, str(path))
        holder.kill()


def test_a_store_that_is_locked_for_a_moment_is_waited_for(one, tmp_path):
    path = tmp_path / "grades.db"
    Store(path).close()
    with held(path, 2):
        assert "1 graded, of 7 points" in gradus(*one, str(path))
    assert count(path) == 1


def test_the_file_is_whole_when_the_command_has_ended(one, tmp_path):
    gradus(*one, str(tmp_path / "grades.db"))
    assert [path.name for path in tmp_path.glob("grades.db*")] == ["grades.db"]  # it can be copied


def test_a_new_answer_without_a_mark_has_not_that_of_the_old_one(one, tmp_path):
    store, points = str(tmp_path / "grades.db"), tmp_path / "points.csv"
    gradus(*one, store)
    os.truncate(tmp_path / "in" / "ann" / "demo.py", 0)
    (tmp_path / "in" / "ann" / "demo.py").unlink()
    (tmp_path / "in" / "ann" / "demo.py").symlink_to(tmp_path / "points.csv")
    out = gradus(*one, store, "--csv", str(points), code=1)
    assert "is a link" in out
    assert "7 points" not in out
    assert "7" not in points.read_text("utf-8-sig")


@on_linux
def test_a_store_that_is_deleted_while_the_class_is_graded(kit, tmp_path):
    hand_in(tmp_path / "in", {f"s{n}": answers(double=SLOW.format(n)) for n in range(3)})
    store = tmp_path / "grades.db"
    words = (str(tmp_path / "in"), "--jobs", "1", "--store", str(store))
    with ClassRun(kit, *words) as run:
        until(lambda: count(store) >= 1 and run.grading(WORKER))
        for path in tmp_path.glob("grades.db*"):
            path.unlink()
        said = run.end(2)
    assert "grades.db: the store was deleted or replaced while it was used" in said
    assert "Graded, and not kept: s" in said
    with ClassRun(kit, *words) as run:
        run.end(0)
    assert count(store) == 3


def with_disk(kit, tmp_path, script):
    """Run a script that mounts disks; `grade` in it is the command. What was said."""
    words = f"{sys.executable} -m gradus.cli grade {tmp_path / 'in'} --allow-unsandboxed --jobs 1"
    text = f'grade() {{ {words} "$@" 2>&1; echo "code $?"; }}\nmkdir disk\n{script}'
    done = subprocess.run(
        [*ALONE, "sh", "-c", text], cwd=kit.root, capture_output=True, text=True, check=False
    )
    shutil.rmtree(kit.root / "disk")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout
    return done.stdout


@needs_disks
def test_a_disk_that_is_full(kit, tmp_path):
    hand_in(tmp_path / "in", {f"s{n}": answers(double=NUMBERED.format(n)) for n in range(12)})
    script = f"""
    mount -t tmpfs -o size=400k none disk
    head -c 200k /dev/zero > disk/other
    grade --store disk/grades.db
    rm disk/other
    mount -o remount,size=20m disk
    echo and again
    grade --store disk/grades.db --csv {tmp_path}/points.csv
    """
    first, again = with_disk(kit, tmp_path, script).split("and again")
    assert "code 2" in first
    assert "disk/grades.db: cannot be used as the store of grades" in first
    assert "Make room" in first
    assert "Graded, and not kept: s" in first
    kept = int(again.strip().partition(" are graded already")[0])
    assert 0 < kept < 12
    assert "code 0" in again
    lines = (tmp_path / "points.csv").read_text("utf-8-sig").split()[1:]
    assert lines == sorted(f'"s{n}",7,7' for n in range(12))


@needs_disks
def test_a_temporary_folder_that_is_full(kit, tmp_path):
    hand_in(tmp_path / "in", {"ann": answers(), "ben": answers(double=NUMBERED.format(1))})
    for name in ("ann", "ben"):
        (tmp_path / "in" / name / "more.bin").write_bytes(os.urandom(1_000_000))
    script = f"""
    mount -t tmpfs -o size=600k none disk
    TMPDIR=disk grade --store {tmp_path}/grades.db
    mount -o remount,size=200m disk
    echo and again
    TMPDIR=$PWD/disk grade --store {tmp_path}/grades.db
    """
    first, again = with_disk(kit, tmp_path, script).split("and again")
    assert "there is no room for what is graded" in first
    assert "Make room, or set TMPDIR" in first
    assert "code 2" in first
    assert "code 0" in again


@needs_disks
def test_a_store_that_cannot_be_written_to(kit, tmp_path):
    hand_in(tmp_path / "in", {"ann": answers()})
    script = """
    mount -t tmpfs none disk
    grade --store disk/grades.db
    mount -o remount,ro disk
    echo and again
    grade --store disk/grades.db
    """
    first, again = with_disk(kit, tmp_path, script).split("and again")
    assert "code 0" in first
    assert "code 2" in again
    assert "may you write there? --store FILE names another one" in again
