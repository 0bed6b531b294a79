"""Fixtures that several test files share."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

import gradus.grading.session  # noqa: F401  imports torch, which an in-process pytest must not do twice
from gradus.course import Course
from gradus.grading.report import TopicResult
from gradus.grading.report_file import read_report
from tests.kits import copy_kit, forget_graders, write_kit

pytest_plugins = ["pytester"]
gc.freeze()  # each pytest run in this process collects garbage several times; torch is none


@pytest.fixture(scope="session")
def shared_kit(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A small kit (tests/kits.py) that no test changes."""
    return write_kit(tmp_path_factory.mktemp("shared") / "kit")


@pytest.fixture
def kit(shared_kit: Course, tmp_path) -> Course:
    """A small kit of the test's own."""
    course = copy_kit(shared_kit, tmp_path / "kit")
    yield course
    forget_graders()


@pytest.fixture
def run_pytest(
    kit: Course, pytester: pytest.Pytester, monkeypatch
) -> Callable[..., pytest.RunResult]:
    """Run pytest in this process as one does in a kit: `run_pytest("--hidden")`; checks by default."""
    monkeypatch.chdir(kit.root)
    monkeypatch.setenv("COLUMNS", "80")
    quiet = ["-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    quiet += ["-p", "no:hypothesispytest"]  # where it is installed, it is imported anew in each run

    def run(*words: object) -> pytest.RunResult:
        files = any(str(word).startswith("graders") for word in words)
        return pytester.runpytest_inprocess(
            *quiet, *([] if files else ["graders/test_demo.py"]), *words
        )

    return run


@pytest.fixture
def graded(run_pytest) -> Callable[..., TopicResult]:
    """Grade a submission's text with pytest's command line, and read the report."""

    def grade(text: str, *words: str) -> TopicResult:
        Path("handed_in.py").write_text(text, encoding="utf-8")
        run_pytest("--submission=handed_in.py", "--gradus-report=report.json", *words)
        return read_report(Path("report.json")).topic("demo")

    return grade
