"""A kit of one's own, from `gradus new` in an empty folder to the marks of a class."""

import json
import shutil

import nbformat
import pytest

from gradus.course import load_course
from gradus.errors import CourseError
from tests.kits import forget_graders
from tests.nbgrader_course import Classroom, as_bytes, filled, right_answers
from tests.test_cli import gradus


@pytest.fixture
def kit(tmp_path, monkeypatch):
    folder = tmp_path / "kit"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for topic in ("sums", "words"):
        gradus("new", topic)
    yield load_course(folder)
    forget_graders()


def test_a_folder_with_other_files_does_not_become_a_kit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CourseError, match=r"no course\.toml"):
        gradus("new", "sums")
    assert not (tmp_path / "course.toml").exists()


def test_two_topics_in_one_assignment_are_graded_by_their_names(kit, tmp_path):
    gradus("export")
    out = gradus("check", "sums", "--submission", "solutions/sums.py", "--hidden")
    assert "sums" in out
    gradus("course", "../course")
    course = tmp_path / "course"
    assert 'kit = "../kit"' in (course / "gradus_course.toml").read_text("utf-8")
    week = course / "source" / "week1"
    for topic in kit.topics:
        shutil.copytree(course / "source" / topic, week, dirs_exist_ok=True)
        shutil.rmtree(course / "source" / topic)
    (week / "course.toml").write_text('topics = ["sums", "words"]\n', "utf-8")
    classroom = Classroom(kit, course, "week1")
    # The first command makes the database, also where no virtual environment is activated.
    done = classroom.nbgrader("generate_assignment", "week1", path="/usr/bin:/bin")
    assert done.returncode == 0, done.stdout
    place = course / "submitted" / "ann" / "week1"
    shutil.copytree(classroom.release, place)
    released = nbformat.read(place / "sums.ipynb", as_version=4)
    (place / "sums.ipynb").write_bytes(as_bytes(filled(released, right_answers(kit, "sums"))))
    done = classroom.nbgrader("autograde", "week1")
    assert done.returncode == 0, done.stdout
    possible = {
        topic: sum(
            cell.metadata.get("nbgrader", {}).get("points", 0)
            for cell in nbformat.read(place / f"{topic}.ipynb", as_version=4).cells
        )
        for topic in kit.topics
    }
    assert classroom.scores() == {"ann": possible["sums"]}
    assert json.loads((place / "hints.json").read_text("utf-8"))
