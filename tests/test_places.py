"""Where gradus is used: a kit that cannot be written to, and a folder that an instructor handed out."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from gradus.classroom.course_folder import build_course
from gradus.course import load_course
from gradus.student.progress import progress
from tests.kits import answers, code_cells, notebook
from tests.test_cli import gradus


@pytest.fixture
def handed_out(kit, tmp_path, monkeypatch):
    """What a student gets of an nbgrader course, with the working folder in it."""
    build_course(kit, tmp_path / "course", "test")
    folder = tmp_path / "release"
    shutil.copytree(tmp_path / "course" / "source" / "demo", folder)
    shutil.copy(kit.exercise("demo").with_suffix(".ipynb"), folder)
    monkeypatch.chdir(folder)
    return load_course(folder)


def test_a_handed_out_notebook_is_graded_where_it_lies(handed_out, capfd):
    gradus("check", "demo", code=1)
    (handed_out.root / "demo.ipynb").write_text(notebook(*code_cells(answers())), encoding="utf-8")
    gradus("check", "demo.ipynb", "double")
    assert "there is no file" not in capfd.readouterr().out
    (topic,) = progress(handed_out)
    assert topic.last is not None
    assert topic.edited() == ["row_means", "Affine"]
    assert topic.earned == 3
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "demo is done" in done.stdout


def test_its_hints_are_those_that_were_handed_out(handed_out):
    assert "1 of 2" in gradus("hint", "double")
    (handed_out.root / "hints.json").write_text(json.dumps({"demo": {"double": ["no"]}}), "utf-8")
    assert "1 of 1: no" in gradus("hint", "double", "--again")


def test_a_module_may_lie_there_too(handed_out, capfd):
    (handed_out.root / "demo.ipynb").unlink()
    (handed_out.root / "demo.py").write_text(answers(), encoding="utf-8")
    gradus("check", "demo")


def test_where_exercises_are_a_file_in_the_root_is_none_of_them(kit):
    (kit.root / "demo.py").write_text(answers(), encoding="utf-8")
    assert kit.exercises == kit.root / "exercises"
    assert kit.exercise("demo") == kit.root / "exercises" / "demo.py"


def test_a_kit_that_cannot_be_written_to_grades_and_says_what_it_cannot_keep(
    kit, monkeypatch, capfd
):
    monkeypatch.chdir(kit.root)
    kit.state.write_text("in the way: not even an administrator can make the folder", "utf-8")
    out = gradus("check", "demo", code=1)
    told = re.findall(r"not remembered: \S+ cannot be written to \(.+\)\.", out)
    assert len(told) == 1
    assert "next: double" in out
    assert "1 of 2" in gradus("hint", "double")
    assert "next: gradus check demo" in gradus()
