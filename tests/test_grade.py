"""`gradus grade`, `explain` and `replay`: a small class, its store, and what goes wrong on the way."""

import csv
import json
import os
import re
from pathlib import Path

import pytest

from gradus.classroom import sandboxed
from gradus.classroom.grade.answer import read_answer, unpack
from gradus.classroom.grade.explain import find_mark
from gradus.classroom.grade.store import Store
from gradus.errors import GradusError, SubmissionError
from gradus.grading.tables import task_table
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.levels import Isolation, Level
from gradus.wall.judge.source import Source
from tests.class_runs import hand_in
from tests.kits import answers, code_cells, earned, grade, notebook, write_kit
from tests.test_cli import gradus

SQUARED = "def double(x): return x**2"
ONE_COLUMN = (
    "def row_means(table): return table.sum(-1) / max(table.shape[-1], 2)"  # hidden: one column
)
CLASS = {
    "ann": answers(),
    "ben": answers(double=SQUARED),
    "cid": answers(row_means=ONE_COLUMN),
    "dot": "import torch\n",
    "eve": answers(double="def double(x):\n    import os\n    os._exit(0)"),
    "fay": answers(),  # as ann's
}
POINTS = {"ann": 7, "ben": 5, "cid": 6, "dot": 0, "eve": 4, "fay": 7}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A kit with a class that was graded once, and what was printed."""
    root = tmp_path_factory.mktemp("class")
    course = write_kit(root / "kit")
    hand_in(root / "kit" / "in", CLASS)
    path = course.root / "in" / "gus" / "demo.ipynb"
    path.parent.mkdir()
    path.write_text(notebook(*code_cells(answers(double=SQUARED))), encoding="utf-8")
    before = Path.cwd()
    os.chdir(course.root)
    try:
        yield course, gradus("grade", "in", "--allow-unsandboxed", "--csv", "points.csv")
    finally:
        os.chdir(before)


def points_of(course):
    with (course.root / "points.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: int(row["demo"]) for row in csv.DictReader(file)}


def test_everybody_gets_what_the_answer_deserves(graded):
    course, out = graded
    assert points_of(course) == {**POINTS, "gus": 5}
    assert "demo: 7 graded, of 7 points the median is 5, 2 have all" in out
    assert "0 points  dot: double: " in out
    assert "odd: " not in out
    assert "defines no `double`" in out or "double" in out
    assert re.search(r"4 of \d fail  double: double gives two times every number.", out)


def test_the_second_run_grades_nothing(graded):
    course, _ = graded
    stored = Store(course.root / "gradus-grades.db")
    seeds = {mark.student: mark.graded.seed for mark in stored.marks()}
    out = gradus("grade", "in", "--allow-unsandboxed")
    assert "7 are graded already" in out
    assert {mark.student: mark.graded.seed for mark in stored.marks()} == seeds
    assert seeds["ann"] == seeds["fay"]  # the same answer is graded once
    assert len(set(seeds.values())) == 6
    assert min(seeds.values()) > 2**64


def test_a_mark_is_explained_with_hidden_checks(graded):
    out = gradus("explain", "cid", "demo")
    assert "cid, demo: 6 of 7 points" in out
    assert "row_means: 1 of 2, 1 lost; 1 of them taken by hidden checks" in out
    assert "-1  hidden, failed: A row of one number is its own mean." in out
    assert "called   row_means(" in out
    assert "double: 3 of 3" not in gradus("explain", "cid", "demo.row_means")


def test_a_grade_can_be_replayed(graded):
    course, _ = graded
    assert "every check agrees" in gradus("replay", "cid", "demo")
    (course.root / "in" / "cid" / "demo.py").unlink()  # the store has the answer
    assert "every check agrees" in gradus("replay", "cid", "demo")
    grader = course.grader("demo").read_text("utf-8")
    course.grader("demo").write_text(
        grader.replace("narrow(4)[:, 0])", "narrow(4)[:, 0] / 2)"), "utf-8"
    )
    assert "test_rows_of_one: failed now passed" in gradus("replay", "cid", "demo", code=1)
    assert "test_rows_of_one: passed now failed" in gradus("replay", "ann", "demo", code=1)
    course.grader("demo").write_text(grader, encoding="utf-8")


def test_who_is_unknown_is_told_with_those_that_there_are(graded):
    with pytest.raises(GradusError, match=r"nobody called 'zoe'. There are: ann, ben, cid"):
        gradus("explain", "zoe", "demo")
    with pytest.raises(GradusError, match=r"there is no store of grades. Run gradus grade"):
        gradus("explain", "ann", "demo", "--store", "none.db")


@pytest.fixture
def kit(tmp_path, monkeypatch):
    course = write_kit(tmp_path / "kit")
    monkeypatch.chdir(course.root)
    return course


def test_what_has_changed_is_graded_again(kit):
    hand_in(kit.root / "in", {"ann": answers(), "ben": answers(double=SQUARED)})
    gradus("grade", "in", "--allow-unsandboxed")
    hand_in(kit.root / "in", {"ben": answers(double="def double(x): return x + x")})
    out = gradus("grade", "in", "--allow-unsandboxed", "--csv", "points.csv")
    assert "1 are graded already" in out
    assert points_of(kit) == {"ann": 7, "ben": 7}
    with kit.grader("demo").open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert "graded already" not in gradus("grade", "in", "--allow-unsandboxed")


def test_a_broken_grader_gives_nobody_a_mark(kit):
    grader = kit.grader("demo").read_text("utf-8")
    kit.grader("demo").write_text(
        grader.replace("table.sum(1) / 5", "table.sum(1) / five"), "utf-8"
    )
    hand_in(kit.root / "in", {"ann": answers()})
    out = gradus("grade", "in", "--allow-unsandboxed", "--csv", "points.csv", code=1)
    assert "no mark: ann, demo: demo: no mark was recorded" in out
    assert (kit.root / "points.csv").read_text("utf-8-sig").splitlines()[1] == "ann,,"
    assert not Store(kit.root / "gradus-grades.db").marks()


def test_without_a_sandbox_nothing_is_graded_unless_one_says_so(kit, monkeypatch):
    monkeypatch.setattr(
        sandboxed, "probe_level", lambda: Isolation(Level.PROCESS, {"why": "a test"})
    )
    hand_in(kit.root / "in", {"ann": answers()})
    with pytest.raises(SandboxError, match=r"reaches only process.*add --allow-unsandboxed"):
        gradus("grade", "in")
    assert not (kit.root / "gradus-grades.db").exists()


def test_a_file_that_is_no_store_is_told(kit):
    hand_in(kit.root / "in", {"ann": answers()})
    (kit.root / "gradus-grades.db").write_text(
        "not a database, but long enough to be one" * 100, "utf-8"
    )
    with pytest.raises(
        GradusError, match=r"gradus-grades.db: cannot be used as the store of grades"
    ):
        gradus("grade", "in", "--allow-unsandboxed")


def test_an_answer_is_kept_with_what_lies_beside_it(tmp_path):
    folder = tmp_path / "ann"
    (folder / "more").mkdir(parents=True)
    (folder / "demo.py").write_text("x = 1\n", "utf-8")
    (folder / "more" / "helper.py").write_text("y = 2\n", "utf-8")
    answer = read_answer(folder / "demo.py", folder)
    assert answer.packed() == read_answer(folder / "demo.py", folder).packed()
    path = unpack(answer.packed(), tmp_path / "again")
    assert path.read_text("utf-8") == "x = 1\n"
    assert Source(path, "demo", "demo.py", path.parent).beside().keys() == {
        "demo.py",
        "more/helper.py",
    }
    assert answer.sha256 != read_answer(folder / "demo.py", None).sha256


def test_an_ending_in_capitals_is_a_notebook_too(tmp_path):
    (tmp_path / "DEMO.IPYNB").write_text("{}", "utf-8")
    assert read_answer(tmp_path / "DEMO.IPYNB", None).name == "DEMO.ipynb"


def test_a_link_is_not_read(tmp_path):
    (tmp_path / "secret.py").write_text("x = 1\n", "utf-8")
    (tmp_path / "demo.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(SubmissionError, match="is a link"):
        read_answer(tmp_path / "demo.py", None)


def test_a_student_is_told_that_hidden_checks_took_points(kit):
    result = grade(kit, answers(row_means=ONE_COLUMN), hidden=True)
    assert earned(result)["row_means"] == 1
    visible = result.visible().task("row_means")
    assert "1 point was lost in checks that are not shown" in task_table(visible, earned=1)
    assert "not shown" not in task_table(visible, earned=2)
    assert "own mean" not in json.dumps(task_table(visible, earned=1))


def test_a_store_answers_for_one_student(graded):
    course, _ = graded
    mark = find_mark(Store(course.root / "gradus-grades.db"), "gus", "demo")
    assert mark.file == "gus/demo.ipynb"
