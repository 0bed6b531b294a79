"""`gradus doctor` finds what is wrong and names the command that mends it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradus.student.doctor import Finding, Level, _writable

ROOT = Path(__file__).parent.parent


STAND_INS = {  # for packages that a test is not about: importing the real ones takes seconds
    "torch": "__version__ = '2'\nclass cuda: is_available = bool\nclass version: cuda = None\n",
    "torchvision": "__version__ = '0'\n",
    "nbgrader": "import sys\nsys.modules['nbgrader.apps'] = sys\n",
}


def doctor(cwd, *, real=False, **broken):
    """Run the command where importing the named packages fails with the given message."""
    environment = {**os.environ, "COLUMNS": "200"}
    if not real:
        raising = {name: f"raise RuntimeError({text!r})\n" for name, text in broken.items()}
        for name, text in {**STAND_INS, **raising}.items():
            place = cwd / "shadow" / name
            place.mkdir(parents=True)
            (place / "__init__.py").write_text(text, encoding="utf-8")
        environment["PYTHONPATH"] = str(cwd / "shadow")
    return subprocess.run(
        [sys.executable, "-m", "gradus.cli", "doctor"],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A kit without topics."""
    (tmp_path / "course.toml").write_text("topics = []\n", encoding="utf-8")
    return tmp_path


def test_a_working_setup_is_found_to_work(folder):
    done = doctor(folder, real=True)
    assert done.returncode == 0, done.stdout
    for name in ("Python", "torch", "CUDA", "torchvision", "pytest", "nbgrader", "kit"):
        assert f"{name}: " in done.stdout
    assert "bad " not in done.stdout


def test_the_torchvision_mismatch_is_explained(folder):
    done = doctor(folder, torchvision="operator torchvision::nms does not exist")
    assert done.returncode == 0
    assert "compiled operators were built for another torch" in done.stdout
    assert "pip install --force-reinstall torch torchvision" in done.stdout


def test_a_torch_that_does_not_import_is_bad_and_can_be_mended(folder):
    done = doctor(folder, torch="libcudart.so.13: cannot open shared object file")
    assert done.returncode == 1
    assert "bad  torch: " in done.stdout
    assert "libcudart.so.13" in done.stdout
    assert "-> pip install -c constraints.txt torch" in done.stdout


def test_a_damaged_nbgrader_is_bad(folder):
    done = doctor(folder, nbgrader="no module named sqlalchemy")
    assert done.returncode == 1
    assert "bad  nbgrader: RuntimeError: no module named sqlalchemy" in done.stdout


def test_outside_a_kit_it_says_so(tmp_path):
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "no course.toml here or in a folder above" in done.stdout


def test_missing_graders_are_named(folder):
    (folder / "course.toml").write_text('topics = ["lost", "cnn"]\n', encoding="utf-8")
    done = doctor(folder)
    assert done.returncode == 1
    assert "graders: missing for cnn\n     -> gradus update\n" in done.stdout
    assert "graders: missing for lost, which is no topic of the kit's\n" in done.stdout
    lost = folder / "graders" / "test_lost.py"
    assert f"-> write {lost}, or take lost out of {folder / 'course.toml'}\n" in done.stdout


def test_a_folder_that_cannot_be_written_to_is_bad(tmp_path):
    assert _writable("here", tmp_path, "").level is Level.OK
    found = _writable("there", tmp_path / "gone", "make it")
    assert found == Finding("there", Level.BAD, found.words, "make it")
    assert "cannot be written to" in found.words
