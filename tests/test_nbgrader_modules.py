"""A `.py` in nbgrader's gradebook: its mark, its feedback, and what may not be overwritten on the way."""

import csv
import json
import shutil

import nbformat
import pytest

from gradus.classroom.nbgrader.module_notebook import blocks, module_named, module_notebook
from gradus.errors import GradusError
from tests.kits import answers, forget_graders
from tests.nbgrader_class import SQUARED
from tests.nbgrader_course import as_bytes, cell_of, filled, right_answers
from tests.test_cli import gradus

HELPED = "from helper import twice\n" + answers(double="def double(x):\n    return twice(x)")
NO_SYNTAX = answers(row_means="def row_means(table:\n    return")
CLASS = {
    "ann": answers(),
    "ben": answers(double=SQUARED),
    "eva": NO_SYNTAX,
    "fay": "",
    "gus": "def double(x): return 2 * x\n\n\nSECRET = 'of gus'\n",
}
POINTS = {"ann": 7, "ben": 5, "cid": 7, "dot": 5, "eva": 5, "fay": 0, "gus": 3, "hal": 7}


@pytest.fixture(scope="module")
def classroom(shared_classroom, tmp_path_factory):
    yield shared_classroom.copied(tmp_path_factory.mktemp("modules"))
    forget_graders()


def hand_in(folder, classroom):
    """A class: `.py` alone, with a helper, notebooks, one under another name."""
    folder.mkdir()
    for name, text in CLASS.items():
        (folder / f"{name}_demo.py").write_text(text, "utf-8")
    (folder / "cid").mkdir()
    (folder / "cid" / "demo.py").write_text(HELPED, "utf-8")
    (folder / "cid" / "helper.py").write_text("def twice(x):\n    return 2 * x\n", "utf-8")
    released, right = classroom.released(), right_answers(classroom.kit, "demo")
    squared = filled(released, {**right, "double": SQUARED})
    for name, notebook in {"dot": squared, "hal": filled(released, right)}.items():
        (folder / name).mkdir()
        (folder / name / "demo (1).ipynb").write_bytes(as_bytes(notebook))
    return folder


@pytest.fixture(scope="module")
def graded(classroom, tmp_path_factory):
    """The class in the gradebook: what was said, and nbgrader's log."""
    folder = hand_in(tmp_path_factory.mktemp("in") / "class", classroom)
    csv_file = folder.parent / "points.csv"
    out = gradus("grade", str(folder), "--nbgrader", str(classroom.folder), "--csv", str(csv_file))
    done = classroom.nbgrader("autograde", "demo")
    assert done.returncode == 0, done.stdout
    assert classroom.nbgrader("generate_feedback", "demo").returncode == 0
    return folder, csv_file, out, done.stdout


def test_the_gradebook_has_the_marks_of_gradus_grade_and_graded_nothing_again(classroom, graded):
    _, csv_file, out, log = graded
    with csv_file.open(encoding="utf-8-sig", newline="") as file:
        points = {row["student"]: int(row["demo"]) for row in csv.DictReader(file)}
    assert points == POINTS
    assert classroom.marks() == points
    assert "in the course's submitted/: 8 new" in out
    assert "nbgrader autograde demo\n" in out
    assert log.count("was taken from the store") == 8
    assert "was graded at the level" not in log


def test_feedback_shows_the_students_code_points_and_messages(classroom, graded):
    page = classroom.feedback("ben")
    assert "was handed in, and is what is graded" in page
    assert "double: 1 of 3 points" in page
    assert "`x` was squared" in page
    assert cell_of(graded_notebook(classroom, "ben"), "double").source == SQUARED
    page = classroom.feedback("gus")
    assert "of gus" in page
    assert "demo.py defines no Affine." in page


def graded_notebook(classroom, student):
    path = classroom.folder / "autograded" / student / "demo" / "demo.ipynb"
    return nbformat.read(path, as_version=4)


def test_what_cannot_be_loaded_stands_below_the_task_that_it_costs(classroom, graded):
    notebook = graded_notebook(classroom, "eva")
    (error,) = cell_of(notebook, "row_means").outputs
    assert error.output_type == "error"
    assert "SyntaxError" in error.evalue
    assert not cell_of(notebook, "double").outputs
    assert "row_means: 0 of 2 points" in classroom.feedback("eva")
    assert (
        "demo.py defines no double." in cell_of(graded_notebook(classroom, "fay"), "double").source
    )
    assert "is empty" in classroom.feedback("fay")


def test_a_module_and_its_helper_lie_in_submitted_as_they_were(classroom, graded):
    place = classroom.folder / "submitted" / "cid" / "demo"
    assert {path.name for path in place.iterdir()} == {"demo.py", "helper.py", "demo.ipynb"}
    assert (place / "demo.py").read_text("utf-8") == HELPED


def test_in_submitted_too_the_module_counts_and_not_the_notebook_that_shows_it(
    classroom, graded, monkeypatch
):
    monkeypatch.chdir(classroom.folder)
    out = gradus("grade", "submitted", "demo")
    assert "8 are graded already" in out
    assert "was taken" not in out


def test_a_grade_of_the_gradebook_is_explained(classroom, graded, monkeypatch):
    monkeypatch.chdir(classroom.folder)
    assert "ben, demo: 5 of 7 points" in gradus("explain", "ben", "demo")
    assert "every check agrees" in gradus("replay", "cid", "demo")


def test_a_second_run_changes_nothing_and_a_new_answer_takes_the_place_of_the_old(
    classroom, graded, monkeypatch
):
    folder = graded[0]
    monkeypatch.chdir(folder)
    words = ["grade", ".", "--nbgrader", str(classroom.folder)]
    assert "submitted/: 8 as before" in gradus(*words)
    (folder / "ben_demo.py").write_text(answers(), "utf-8")
    out = gradus(*words)
    assert "submitted/: 1 replaced, 7 as before" in out
    assert "nbgrader autograde demo --force" in out
    assert classroom.nbgrader("autograde", "demo", "--force").returncode == 0
    assert classroom.scores() == {**POINTS, "ben": 7}
    assert "return 2 * x\n" in cell_of(graded_notebook(classroom, "ben"), "double").source


# What lies there already


@pytest.fixture
def course(shared_classroom, tmp_path):
    yield shared_classroom.copied(tmp_path)
    forget_graders()


def put(course, folder, code=0):
    return gradus("grade", str(folder), "--nbgrader", str(course.folder), code=code)


@pytest.fixture
def ann(tmp_path):
    (tmp_path / "in" / "ann").mkdir(parents=True)
    (tmp_path / "in" / "ann" / "demo.py").write_text(answers(), "utf-8")
    return tmp_path / "in"


def test_what_somebody_else_put_there_stays(course, ann):
    course.hand_in("ann", course.released())
    before = course.handed_in("ann").read_bytes()
    out = put(course, ann, code=1)
    assert "not put into the gradebook: ann, demo: " in out
    assert "holds something else" in out
    assert course.handed_in("ann").read_bytes() == before
    shutil.rmtree(course.folder / "submitted")
    put(course, ann)
    (course.handed_in("ann").parent / "note.txt").write_text("by hand", "utf-8")
    (ann / "ann" / "demo.py").write_text(answers(double=SQUARED), "utf-8")
    assert "holds something else" in put(course, ann, code=1)
    assert (course.handed_in("ann").parent / "demo.py").read_text("utf-8") == answers()


def test_links_are_not_followed(course, ann, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (course.folder / "submitted").mkdir()
    (course.folder / "submitted" / "ann").symlink_to(tmp_path / "elsewhere")
    assert "is a link or no folder" in put(course, ann, code=1)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_topic_that_is_not_released_and_a_folder_that_is_no_course_are_told(
    course, ann, tmp_path
):
    shutil.rmtree(course.release)
    with pytest.raises(GradusError, match="run: nbgrader generate_assignment demo"):
        put(course, ann)
    (course.folder / "gradus_course.toml").unlink()
    with pytest.raises(GradusError, match="is no nbgrader course of gradus's"):
        put(course, ann)


@pytest.mark.parametrize("both", [False, True])
def test_a_module_that_somebody_put_into_submitted_is_graded_by_autograde_alone(course, both):
    place = course.folder / "submitted" / "ann" / "demo"
    place.mkdir(parents=True)
    (place / "demo.py").write_text(answers(double=SQUARED), "utf-8")
    if both:
        course.hand_in("ben", course.released())
    done = course.nbgrader("autograde", "demo")
    assert done.returncode == 0, done.stdout
    assert course.scores() == {"ann": 5, **({"ben": 0} if both else {})}
    (place / "demo.py").write_text(answers(), "utf-8")
    assert course.nbgrader("autograde", "demo", "--force", "--student", "ann").returncode == 0
    assert course.scores()["ann"] == 7


def test_a_students_own_notebook_is_graded_where_a_module_lies_beside_it(course):
    right = right_answers(course.kit, "demo")
    course.hand_in("ann", filled(course.released(), right), {"demo.py": "x = 1\n"})
    assert course.nbgrader("autograde", "demo").returncode == 0
    assert course.scores() == {"ann": 7}


def test_a_class_in_submitted_itself_is_put_into_the_gradebook(course, monkeypatch):
    for name, file in {"ann": "demo.py", "ben": "my demo.py"}.items():
        place = course.folder / "submitted" / name / "demo"
        place.mkdir(parents=True)
        (place / file).write_text(answers(double=SQUARED), "utf-8")
    right = filled(course.released(), right_answers(course.kit, "demo"))
    course.hand_in("cid", right)
    course.handed_in("cid").rename(course.handed_in("cid").with_name("demo (2).ipynb"))
    monkeypatch.chdir(course.folder)
    assert "3 as before" in gradus("grade", "submitted", "--nbgrader", ".")
    done = course.nbgrader("autograde", "demo")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("was taken from the store") == 3
    assert course.scores() == {"ann": 5, "ben": 5, "cid": 7}


# The notebook for people


def test_every_line_of_code_is_shown_once(shared_classroom):
    released = json.loads((shared_classroom.release / "demo.ipynb").read_text("utf-8"))
    text = "@wraps(print)\ndef double(\n    x,\n):\n    '''\ndef row_means\n    '''\n# in it\n    return x\n"
    text += "\n\n# above\nif True:\n    y = 1\nelse:\n    y = 2\n\nAffine = None\n# at the end"
    found = [(b.name, b.lines.start, b.lines.stop) for b in blocks(text)]
    assert found == [("double", 1, 10), ("", 13, 17), ("Affine", 18, 19), ("", 0, 0)]
    notebook = module_notebook(released, "demo.py", text.encode())
    assert module_named(notebook) == "demo.py"
    shown = nbformat.reads(notebook, as_version=4)
    assert cell_of(shown, "double").source + "\n" == text.partition("\n\n\n")[0] + "\n"
    assert cell_of(shown, "Affine").source == "Affine = None"
    rest = shown.cells[1].source
    assert rest == "# above\nif True:\n    y = 1\nelse:\n    y = 2\n\n# at the end"


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"x = '\0'", b"(" * 300_000, b""])
def test_what_cannot_be_shown_is_said(shared_classroom, data):
    released = json.loads((shared_classroom.release / "demo.ipynb").read_text("utf-8"))
    shown = nbformat.reads(module_notebook(released, "demo.py", data), as_version=4)
    nbformat.validate(shown)
    assert "demo.py " in shown.cells[1].source
    assert cell_of(shown, "double").source == "# demo.py defines no double."


@pytest.mark.parametrize("name", ["../../../x.py", "/etc/x.py", "x.txt", 5, None, "a\0.py"])
def test_a_mark_that_a_student_wrote_leads_nowhere(name):
    text = json.dumps({"cells": [], "metadata": {"gradus": {"module": name}}})
    assert module_named(text) == ""
