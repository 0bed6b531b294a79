"""Fixtures that several test files share."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import gradus.grading.session  # noqa: F401  imports torch, which an in-process pytest must not do twice
from gradus.course import Course
from gradus.grading.report import TopicResult
from gradus.grading.report_file import read_report
from tests.kits import GRADER, copy_kit, forget_graders, write_kit

if TYPE_CHECKING:
    from tests.nbgrader_course import Classroom

pytest_plugins = ["pytester"]
TOGETHER = {  # files whose tests share something that takes long to make
    "tests/attacks/test_forging.py",
    "tests/attacks/test_judge_holds.py",
    "tests/attacks/test_machine.py",
    "tests/test_calibrate.py",
    "tests/test_demo.py",
    "tests/test_dynamo_later.py",
    "tests/test_hostile_pages.py",
    "tests/test_nbgrader.py",
    "tests/test_nbgrader_modules.py",
    "tests/test_notebook.py",
    "tests/test_sandbox.py",
    "tests/test_apart.py",
    "tests/test_wheel.py",
}
gc.freeze()  # each pytest run in this process collects garbage several times; torch is none


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors in these tests; in a grading run they are not, whoever's plugin warns there."""
    config.addinivalue_line("filterwarnings", "error")
    # nbgrader 0.9.5, the newest for Python 3.10, beside SQLAlchemy 2.0.58: of its own tables.
    config.addinivalue_line("filterwarnings", "ignore:User-placed attribute")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadscope`: such a file to one worker, and any other test to whichever is free.

    pytest-xdist's own `loadgroup` does not see its marks with pytest 9.2.
    """
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            if "_in_a_kernel[" in nodeid:  # one of its own for each topic
                return nodeid
            if path == "tests/test_answers.py":  # by topic and chunk, with which its ids begin
                return "-".join(nodeid.split("-")[:2])
            return path if path in TOGETHER else nodeid

    return Scheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def _light_plugins() -> Iterator[None]:
    """Keep plugins that no check needs out of the pytest runs that tests start, wherever they start them."""
    with pytest.MonkeyPatch.context() as patch:
        words = [os.environ.get("PYTEST_ADDOPTS", ""), "-p no:hypothesispytest -p no:anyio"]
        patch.setenv("PYTEST_ADDOPTS", " ".join(words).strip())
        yield


@pytest.fixture(scope="session")
def shared_kit(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A small kit (tests/kits.py) that no test changes."""
    return write_kit(tmp_path_factory.mktemp("shared") / "kit")


@pytest.fixture(scope="session")
def shared_classroom(tmp_path_factory: pytest.TempPathFactory) -> "Classroom":
    """A released nbgrader course over a small kit that stops an endless loop soon; `copied` gives one's own."""
    from tests.nbgrader_course import Classroom  # nbgrader takes longer to import than torch

    folder = tmp_path_factory.mktemp("classroom")
    task = '@pytest.mark.task("row'
    quick = GRADER.replace(task, f"@pytest.mark.timeout(3)\n{task}")
    return Classroom.build(write_kit(folder / "kit", grader=quick), folder / "course")


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
    quiet += ["-p", "no:hypothesispytest"]  # pytester discards PYTEST_ADDOPTS

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
