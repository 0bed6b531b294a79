"""`gradus demo`: a class of six through nbgrader gets the marks that it deserves, each time anew."""

import os
import shutil
import subprocess
import sys

import pytest

from gradus.classroom.demo import run_demo
from gradus.engine.here import grade_here
from tests.kits import GRADER, forget_graders, write_kit

QUICK = GRADER.replace("@pytest.mark.task(", "@pytest.mark.timeout(3)\n@pytest.mark.task(")
DESERVED = {
    "perfect": 7,
    "partial": 3,  # double
    "untouched": 0,
    "crashing": 5,  # without Affine
    "syntax-error": 5,  # without row_means
    "hanging": 5,  # without row_means
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    kit = write_kit(tmp_path_factory.mktemp("demo"), grader=QUICK)
    said = []
    students, marks = run_demo(kit, kit.root / "demo", "demo", said.append)
    yield kit, students, marks, said
    forget_graders()


def test_each_of_the_six_gets_the_mark_that_it_deserves(demo):
    _, students, marks, _ = demo
    assert {student.name for student in students} == set(DESERVED)
    assert {mark.student: mark.score for mark in marks} == DESERVED
    assert {mark.max_score for mark in marks} == {7.0}


def test_pytest_gives_the_same_points_for_the_same_notebooks(demo):
    kit, *_ = demo
    handed_in = kit.root / "demo" / "submitted"
    earned = {
        name: grade_here(kit, "demo", handed_in / name / "demo" / "demo.ipynb", hidden=True).earned
        for name in DESERVED
        if name != "crashing"  # it would take this process with it
    }
    assert {**earned, "crashing": 5} == DESERVED


def test_the_crash_is_a_real_one(demo):
    kit, *_ = demo
    page = kit.root / "demo" / "feedback" / "crashing" / "demo" / "demo.html"
    assert "it crashed the whole process (SIGKILL)" in page.read_text(encoding="utf-8")


def test_a_person_who_waits_is_told_what_happens(demo):
    *_, said = demo
    assert said[0].startswith("building a course with the topic demo")
    assert [line[:29] for line in said if "autograde" in line] == [
        f"nbgrader autograde   {n} of 6: " for n in range(1, 7)
    ]


def test_a_second_run_begins_anew_and_prints_the_same_marks_without_a_sandbox_too(demo, tmp_path):
    kit, *_ = demo
    for name in ("sh", "ldconfig", "gcc"):  # but no bwrap
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "demo", "--topic", "demo"],
        cwd=kit.root,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "this machine has no sandbox" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    printed = {words[0]: words[1:3] for words in lines if words and words[0] in DESERVED}
    assert printed == {name: [str(points), "7"] for name, points in DESERVED.items()}
    assert done.stdout.endswith("demo/feedback/STUDENT/demo/demo.html\n")
