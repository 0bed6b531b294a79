"""`gradus grade`, `explain` and `replay`: a small class, its store, and what goes wrong on the way."""

import csv
import json
import os
import re
from pathlib import Path

import nbformat
import pytest

from gradus.classroom import sandboxed
from gradus.classroom.grade.answer import read_answer, unpack
from gradus.classroom.grade.explain import find_mark
from gradus.classroom.grade.store import Store
from gradus.engine.here import grade_here
from gradus.errors import GradusError, SubmissionError
from gradus.grading.tables import task_table
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.levels import Isolation, Level
from gradus.submission.reading import read_source
from gradus.wall.judge.source import MOST_BYTES, MOST_FILES, Source
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
    # The reference does not pass it either.
    assert "test_rows_of_one: passed now broken" in gradus("replay", "ann", "demo", code=1)
    course.grader("demo").write_text(grader, encoding="utf-8")


def test_who_is_unknown_is_told_with_those_that_there_are(graded):
    with pytest.raises(
        GradusError, match=r"nobody called 'zoe' has a grade. There are: ann, ben, cid"
    ):
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
    assert (kit.root / "points.csv").read_text("utf-8-sig").splitlines()[1] == '"ann","",""'
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


def test_an_answer_is_kept_with_what_lies_beside_it(kit, tmp_path):
    folder = tmp_path / "ann"
    (folder / "more").mkdir(parents=True)
    (folder / "demo.py").write_text("x = 1\n", "utf-8")
    (folder / "more" / "helper.py").write_text("y = 2\n", "utf-8")
    answer = read_answer(kit, "demo", folder / "demo.py", folder)
    assert answer.packed() == read_answer(kit, "demo", folder / "demo.py", folder).packed()
    path = unpack(answer.packed(), tmp_path / "again")
    assert path.read_text("utf-8") == "x = 1\n"
    assert Source(path, "demo", "demo.py", path.parent).beside().keys() == {
        "demo.py",
        "more/helper.py",
    }
    assert answer.sha256 != read_answer(kit, "demo", folder / "demo.py", None).sha256


def test_an_ending_in_capitals_is_a_notebook_too(kit, tmp_path):
    (tmp_path / "DEMO.IPYNB").write_text("{}", "utf-8")
    assert read_answer(kit, "demo", tmp_path / "DEMO.IPYNB", None).name == "demo.ipynb"


def test_what_no_grade_depends_on_changes_no_answer(kit, tmp_path):
    """Outputs, words, ids, the name of the file, and what a release and nbgrader put beside it."""
    (kit.root / "datasets").mkdir()
    (kit.root / "datasets" / "ring.py").write_text("SIZE = 8\n", "utf-8")
    cells = code_cells(answers())
    plain = json.loads(notebook(*cells))
    plain["cells"].insert(1, {"cell_type": "markdown", "metadata": {}, "source": "one"})
    folder = tmp_path / "ann"
    folder.mkdir()
    (folder / "demo.ipynb").write_text(json.dumps(plain), "utf-8")
    first = read_answer(kit, "demo", folder / "demo.ipynb", folder)
    plain["metadata"]["kernelspec"] = {"name": "another"}
    plain["cells"][1].update(cell_type="raw", source="two", attachments={})
    for cell in plain["cells"]:
        cell.pop("id", None)
        cell["metadata"]["collapsed"] = True
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "7\n"}]
            cell["source"] = "".join(cell["source"])
    (folder / "demo.ipynb").unlink()
    (folder / "My demo (1).ipynb").write_text(json.dumps(plain, indent=1), "utf-8")
    left_out = "course.toml hints.json timestamp.txt graders/test_demo.py datasets/ring.py"
    for name in (*left_out.split(), "old.ipynb", ".ipynb_checkpoints/a.py", "__pycache__/a.pyc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("anything", "utf-8")
    again = read_answer(kit, "demo", folder / "My demo (1).ipynb", folder)
    assert again == first
    assert again.sha256 == first.sha256


def test_what_a_grade_may_depend_on_changes_an_answer(kit, tmp_path):
    cells = code_cells(answers())
    first = json.loads(notebook(*cells))
    seen = set()

    def see(change=lambda cells: None, beside=()):
        changed = json.loads(json.dumps(first))
        change(changed["cells"])
        folder = tmp_path / str(len(seen))
        for name in beside:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("x = 1\n", "utf-8")
        folder.mkdir(exist_ok=True)
        (folder / "demo.ipynb").write_text(json.dumps(changed), "utf-8")
        seen.add(read_answer(kit, "demo", folder / "demo.ipynb", folder).sha256)

    see()
    see(lambda cells: cells[1].update(source="x = 1"))
    see(lambda cells: cells[1].update(cell_type="markdown"))
    see(lambda cells: cells.insert(0, {"cell_type": "raw", "metadata": {}, "source": ""}))
    see(lambda cells: cells.append(cells[1]))
    see(lambda cells: cells[1]["metadata"].update(tags=["picture"]))
    see(beside=["helper.py"])
    see(beside=["datasets/own.py"])  # the kit has none of that name
    see(beside=["graders/own.py"])
    see(beside=["numbers.csv"])
    assert len(seen) == 10


def test_what_is_no_notebook_is_an_answer_as_it_is(kit, tmp_path):
    for text in (b"", b"%PDF-1.7 my homework", b'{"nbformat": 4, "cells": []}', b"\xff\xfe{}"):
        (tmp_path / "demo.ipynb").write_bytes(text)
        assert read_answer(kit, "demo", tmp_path / "demo.ipynb", None).data == text


def test_a_notebook_of_before_2015_is_an_answer_like_a_new_one(kit, tmp_path):
    new = nbformat.reads(notebook(*code_cells(answers())), as_version=4)
    (tmp_path / "demo.ipynb").write_text(nbformat.writes(new), "utf-8")
    now = read_answer(kit, "demo", tmp_path / "demo.ipynb", None)
    (tmp_path / "demo.ipynb").write_text(nbformat.writes(new, version=3), "utf-8")
    assert read_answer(kit, "demo", tmp_path / "demo.ipynb", None) == now


def test_a_name_that_a_file_beside_it_has_is_not_given_twice(kit, tmp_path):
    folder = tmp_path / "ann"
    folder.mkdir()
    for name in ("demo.py", "demo (1).py"):
        (folder / name).write_text(f"x = '{name}'\n", "utf-8")
    answer = read_answer(kit, "demo", folder / "demo (1).py", folder)
    assert answer.name == "demo (1).py"
    assert list(answer.others) == ["demo.py"]
    assert unpack(answer.packed(), tmp_path / "again").name == "demo (1).py"


def test_a_link_is_not_read(kit, tmp_path):
    (tmp_path / "secret.py").write_text("x = 1\n", "utf-8")
    (tmp_path / "demo.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(SubmissionError, match="is a link"):
        read_answer(kit, "demo", tmp_path / "demo.py", None)


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


def test_of_much_that_lies_beside_an_answer_its_code_comes_first(kit, tmp_path):
    tmp_path = tmp_path / "in"
    tmp_path.mkdir()
    (tmp_path / "data").mkdir()
    for number in range(MOST_FILES + 1):
        (tmp_path / "data" / f"{number}.txt").write_text("x", "utf-8")
    (tmp_path / "demo.py").write_text("import zebra\n", "utf-8")
    (tmp_path / "zebra.py").write_text("y = 2\n", "utf-8")
    with (tmp_path / "data.bin").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "aa.py")
    others = read_answer(kit, "demo", tmp_path / "demo.py", tmp_path).others
    assert "zebra.py" in others
    assert "data.bin" not in others
    assert len(others) <= MOST_FILES


def test_a_check_that_the_reference_does_not_pass_gives_nobody_a_mark(kit):
    grader = kit.grader("demo").read_text("utf-8")
    kit.grader("demo").write_text(grader.replace("2 * x, suspects", "3 * x, suspects"), "utf-8")
    hand_in(
        kit.root / "in", {"ann": answers(), "ben": answers(double="def double(x): return 3 * x")}
    )
    out = gradus("grade", "in", "--allow-unsandboxed", code=1)
    assert re.search(r"no mark: ann, demo: .*check test_\w+ is broken", out)
    assert "it ends so for the reference too" in out


def test_outputs_of_a_notebook_may_be_large(kit):
    made = json.loads(notebook(*code_cells(answers(double=SQUARED))))
    stream = {"output_type": "stream", "name": "stdout", "text": "n" * 20_000_000}
    next(c for c in made["cells"] if c["cell_type"] == "code")["outputs"] = [stream]
    path = kit.root / "in" / "ann" / "demo.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(made), encoding="utf-8")
    gradus("grade", "in", "--allow-unsandboxed", "--csv", "points.csv")
    assert points_of(kit) == {"ann": 5}
    assert grade_here(kit, "demo", path, hidden=True).earned == 5
    large = b"1 " * 3_000_000
    path.write_bytes(large)
    with pytest.raises(SubmissionError, match="is not a notebook"):
        read_source(path, "demo", "demo.ipynb")
