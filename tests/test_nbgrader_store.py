"""nbgrader's autograde and `gradus grade` share one store: what one has graded costs the other nothing."""

import csv
import shutil
import sqlite3

import pytest

from gradus.classroom.course_folder import HOW_TO_LOAD, build_course
from gradus.classroom.grade.store import Store
from gradus.classroom.nbgrader.settings import read_settings, settings_around
from gradus.errors import CourseError
from tests.kits import forget_graders
from tests.nbgrader_class import NOT_ONE_COLUMN, SQUARED
from tests.nbgrader_course import as_bytes, filled, right_answers
from tests.test_cli import gradus

TAKEN, GRADED = "was taken from the store of grades", "was graded at the level"


@pytest.fixture
def classroom(shared_classroom, tmp_path, monkeypatch):
    """A course with four hand-ins, in whose folder one works."""
    own = shared_classroom.copied(tmp_path)
    released, right = own.released(), right_answers(own.kit, "demo")
    own.hand_in("ann", filled(released, right))
    own.hand_in("ben", filled(released, {**right, "double": SQUARED}), {"helper.py": "x = 1\n"})
    own.hand_in("cid", filled(released, {**right, "row_means": NOT_ONE_COLUMN}))
    own.hand_in("dot", b"%PDF-1.7 my homework")
    monkeypatch.chdir(own.folder)
    yield own
    forget_graders()


MARKS = {"ann": 7, "ben": 5, "cid": 6, "dot": 0}


def autograde(classroom, *words):
    """Run it; how many were taken from the store, and how many were graded."""
    done = classroom.nbgrader("autograde", "demo", *words)
    assert done.returncode == 0, done.stdout
    assert classroom.scores() == MARKS
    return done.stdout.count(TAKEN), done.stdout.count(GRADED), done.stdout


def test_what_gradus_grade_has_graded_nbgrader_takes_from_the_store(classroom):
    out = gradus("grade", "submitted", "--csv", "points.csv")
    assert "of 7 points the median is 5.5, 1 has all" in out
    with (classroom.folder / "points.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["student"]: int(row["demo"]) for row in csv.DictReader(file)} == MARKS
    before = {mark.student: mark.graded.seed for mark in Store(stored(classroom)).marks()}
    assert autograde(classroom)[:2] == (4, 0)
    assert {m.student: m.graded.seed for m in Store(stored(classroom)).marks()} == before
    assert autograde(classroom, "--force")[:2] == (4, 0)
    assert classroom.nbgrader("generate_feedback", "demo").returncode == 0
    assert "`x` was squared" in classroom.feedback("ben")
    assert "is not a notebook" in classroom.feedback("dot")


def stored(classroom):
    return classroom.folder / "gradus-grades.db"


def test_what_nbgrader_has_graded_is_known_explained_and_replayed(classroom):
    assert autograde(classroom)[:2] == (0, 4)
    assert "4 are graded already" in gradus("grade", "submitted")
    out = gradus("explain", "cid", "demo")
    assert "cid, demo: 6 of 7 points" in out
    assert "-1  hidden, failed: A row of one number is its own mean." in out
    assert "every check agrees" in gradus("replay", "ben", "demo")


def test_a_store_that_cannot_be_used_costs_nobody_a_mark(classroom):
    stored(classroom).write_bytes(b"not a database, but long enough to be one" * 100)
    taken, graded, log = autograde(classroom)
    assert (taken, graded) == (0, 4)
    assert log.count("cannot be used as the store of grades") == 1
    assert "this run goes on without it" in log
    stored(classroom).unlink()
    stored(classroom).mkdir()
    assert autograde(classroom, "--force", "--student", "ann")[:2] == (0, 1)


def test_a_damaged_report_is_graded_anew(classroom):
    gradus("grade", "submitted")
    with sqlite3.connect(stored(classroom)) as connection:
        connection.execute("update graded set report = 'half a rep'")
    taken, graded, log = autograde(classroom)
    assert (taken, graded) == (0, 4)
    assert "is damaged" in log
    assert autograde(classroom, "--force")[:2] == (4, 0)


def test_no_store_is_used_where_none_is_wanted_and_another_where_it_is_named(classroom):
    with (classroom.folder / "nbgrader_config.py").open("a") as file:
        file.write('c.GradusExecute.store = ""\n')
    assert autograde(classroom)[:2] == (0, 4)
    assert not stored(classroom).exists()
    with (classroom.folder / "nbgrader_config.py").open("a") as file:
        file.write('c.GradusExecute.store = "elsewhere.db"\n')
    autograde(classroom, "--force", "--student", "ann")
    assert [m.student for m in Store(classroom.folder / "elsewhere.db").marks()] == ["ann"]


# Settings


def test_a_course_and_its_kit_can_be_moved_together(classroom, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moved").mkdir()
    for name in ("kit", "course"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    moved = type(classroom)(classroom.kit, tmp_path / "moved" / "course", "demo")
    assert str(tmp_path / "kit") not in (moved.folder / "gradus_course.toml").read_text("utf-8")
    done = moved.nbgrader("autograde", "demo", "--student", "ann")
    assert done.returncode == 0, done.stdout
    assert moved.scores()["ann"] == 7
    monkeypatch.chdir(moved.folder / "submitted" / "ann")  # with a course.toml below
    assert settings_around().course().root == tmp_path / "moved" / "kit"


def test_an_instructors_own_config_stays_and_is_told_how_to_load_gradus(classroom, monkeypatch):
    config = classroom.folder / "nbgrader_config.py"
    own = "c = get_config()\nc.CourseDirectory.course_id = 'own'\n"
    config.write_text(own, "utf-8")
    monkeypatch.chdir(classroom.kit.root)
    out = gradus("course", str(classroom.folder), code=1)
    assert "is yours and was left as it is" in out
    assert config.read_text("utf-8") == own
    config.write_text(own + HOW_TO_LOAD, "utf-8")
    gradus("course", str(classroom.folder))
    assert config.read_text("utf-8") == own + HOW_TO_LOAD
    done = classroom.nbgrader("autograde", "demo", "--student", "ann")
    assert (done.returncode, done.stdout.count(GRADED)) == (0, 1)


def test_what_an_earlier_gradus_wrote_is_replaced(classroom):
    config = classroom.folder / "nbgrader_config.py"
    new = config.read_text("utf-8")
    words = "nbgrader's settings for this gradus course. `gradus course` wrote it, and replaces it"
    config.write_text(f'"""{words} when run again."""\nc = get_config()\n', "utf-8")
    build_course(classroom.kit, classroom.folder, "a-course")
    assert config.read_text("utf-8") == new


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limit = 'much'", r"`limit` must be of type float or int, got 'much'"),
        ("limit = true", r"`limit` must be of type float or int, got True"),
        ("limits = 3", r"no setting 'limits'. There are: course_id, kit"),
        ("kit = ", r"cannot be read"),
    ],
)
def test_settings_that_are_damaged_are_told(tmp_path, text, words):
    (tmp_path / "gradus_course.toml").write_text(text, "utf-8")
    with pytest.raises(CourseError, match=words):
        read_settings(tmp_path)


def test_a_kit_that_is_gone_is_told(classroom):
    shutil.rmtree(classroom.kit.root)
    with pytest.raises(CourseError, match=r"gradus_course.toml: there is no kit in .*/kit"):
        gradus("grade", "submitted")


def test_a_limit_of_the_course_is_kept_and_counts(classroom):
    path = classroom.folder / "gradus_course.toml"
    path.write_text(path.read_text("utf-8").replace("limit = 600.0", "limit = 90"), "utf-8")
    build_course(classroom.kit, classroom.folder, "a-course")
    assert read_settings(classroom.folder).limit == 90.0
    gradus("grade", "submitted/ann", "demo")
    assert autograde_one(classroom, "ann") == 1


def autograde_one(classroom, student):
    done = classroom.nbgrader("autograde", "demo", "--student", student)
    assert done.returncode == 0, done.stdout
    return done.stdout.count(TAKEN)


def test_bytes_of_a_notebook_may_differ(classroom):
    gradus("grade", "submitted")
    path = classroom.handed_in("ann")
    notebook = filled(classroom.released(), right_answers(classroom.kit, "demo"))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 5
    path.write_bytes(as_bytes(notebook))
    assert autograde_one(classroom, "ann") == 1
