"""Fixtures that several test files share."""

import gc

import pytest

import gradus.grading.session  # noqa: F401  imports torch, which an in-process pytest must not do twice
from gradus.course import Course
from tests.kits import copy_kit, forget_graders, write_kit

pytest_plugins = ["pytester"]
gc.freeze()  # each pytest run in this process collects garbage several times; torch is none


@pytest.fixture(scope="session")
def shared_kit(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A small kit (tests/kits.py) that no test changes."""
    return write_kit(tmp_path_factory.mktemp("kit"))


@pytest.fixture
def kit(shared_kit: Course, tmp_path) -> Course:
    """A small kit of the test's own."""
    course = copy_kit(shared_kit, tmp_path / "kit")
    yield course
    forget_graders()
