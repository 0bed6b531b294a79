"""A small kit for tests of the tool: one topic, `demo`, with two functions and a class."""

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import nbformat

from gradus.authoring.export import export
from gradus.course import Course, load_course
from gradus.engine.here import grade_here
from gradus.grading.report import TopicResult
from gradus.topic import Topic

SETTINGS = """\
[tool.pytest.ini_options]
testpaths = ["graders"]
addopts = "--strict-markers --strict-config --no-header"
"""

SOLUTION = '''\
# %% [markdown]
# # A demonstration
#
# Two functions and a class.

# %%
import torch
from torch import Tensor, nn

# %% [markdown]
# ## 1. double


# %%
def double(x: Tensor) -> Tensor:
    """Twice `x`."""
    ### BEGIN SOLUTION
    # HINT: Doubling is a multiplication.
    # HINT: `2 * x`
    return 2 * x
    ### END SOLUTION


# %% [markdown]
# ## 2. row_means


# %%
def row_means(table: Tensor) -> Tensor:
    """The mean of each row of a table."""
    ### BEGIN SOLUTION
    # HINT: A row runs along the last dim.
    # HINT: `table.mean(dim=-1)`
    return table.mean(dim=-1)
    ### END SOLUTION


# %% [markdown]
# ## 3. Affine


# %%
class Affine(nn.Module):
    """weight * x + bias with two learned numbers."""

    ### BEGIN SOLUTION
    # HINT: Learned numbers are `nn.Parameter`s.
    # HINT: `self.weight = nn.Parameter(torch.ones(()))`
    def __init__(self, weight: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x + self.bias

    ### END SOLUTION
'''

GRADER = '''\
"""Checks for `demo`."""

import math

import pytest
import torch
from torch import nn

from gradus.checks import assert_inputs_unchanged, assert_matches, assert_same_gradients


@pytest.mark.task("double", points=2, hint="Two times, not squared.")
@pytest.mark.parametrize("size", [1, 4])
def test_twice_every_number(submission, random, size):
    """double gives two times every number."""
    x = random.normal(size)
    suspects = {"`x` was squared": lambda: x**2}
    assert_matches(submission.double(x), 2 * x, suspects=suspects)


@pytest.mark.task("double")
def test_double_leaves_its_input(submission, random):
    """double leaves its input as it was."""
    assert_inputs_unchanged(submission.double, random.normal(3))


@pytest.mark.task("row_means", points=2)
def test_one_mean_for_each_row(submission, random, device):
    """row_means gives one mean for each row."""
    table = random.normal(3, 5, device=device)
    assert_matches(submission.row_means(table), table.sum(1) / 5)


# What follows is for the instructor: the table has a single column.


def narrow(rows):
    return torch.full((rows, 1), math.pi)


@pytest.mark.task("row_means", points=1)
@pytest.mark.hidden
def test_rows_of_one(submission):
    """A row of one number is its own mean."""
    assert_matches(submission.row_means(narrow(4)), narrow(4)[:, 0])


@pytest.mark.task("Affine", points=1)
def test_affine_computes(submission, random):
    """Affine gives weight * x + bias."""
    x = random.normal(3)
    assert_matches(submission.Affine(2.0, 1.0)(x), 2 * x + 1, requires_grad=True)


@pytest.mark.task("Affine", points=1)
def test_affine_learns(submission, random):
    """Affine passes gradients on, and its numbers are parameters."""
    affine = submission.Affine(3.0, 0.5)
    assert_same_gradients(affine, lambda x: 3.0 * x + 0.5, random.normal(4), random=random)
    assert isinstance(affine, nn.Module), "Affine is not an nn.Module"
    assert sorted(name for name, _ in affine.named_parameters()) == ["bias", "weight"]
'''

CASES = 7  # public ones; a check that takes `device` runs on the CPU and on a GPU
POINTS = {"double": 3, "row_means": 2, "Affine": 2}
CHECKS = {
    "double": ("test_twice_every_number", "test_double_leaves_its_input"),
    "row_means": ("test_one_mean_for_each_row",),
    "Affine": ("test_affine_computes", "test_affine_learns"),
}


def write_kit(folder: Path, *, solution: str = SOLUTION, grader: str = GRADER) -> Course:
    """A whole kit with one topic, `demo`: settings, solution, grader, and what is exported from them."""
    for name in ("solutions", "graders", "exercises"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "course.toml").write_text('topics = ["demo"]\n', encoding="utf-8")
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    (folder / "solutions" / "demo.py").write_text(solution, encoding="utf-8")
    (folder / "graders" / "test_demo.py").write_text(grader, encoding="utf-8")
    course = load_course(folder)
    export(course, course.topics)
    return course


def copy_kit(course: Course, folder: Path) -> Course:
    """The same kit in another place, without what was noted while it was used."""
    noted = shutil.ignore_patterns(course.state.name)
    shutil.copytree(course.root, folder, dirs_exist_ok=True, ignore=noted)
    forget_graders()
    return load_course(folder)


def forget_graders() -> None:
    """Let graders of the same name in another folder be imported in this process."""
    sys.modules.pop("test_demo", None)


def answers(**texts: str) -> str:
    """The reference solution as a student's file, with some tasks answered otherwise.

    `answers(double="def double(x): return x")`
    """
    source = SOLUTION
    for task, text in texts.items():
        source = Topic("demo", source, Path("demo.py")).with_answer(task, text)
    return source


def with_cell(text: str) -> str:
    """A right submission with one more cell between `double` and `row_means`."""
    mark = "# %% [markdown]\n# ## 2. row_means\n"
    return answers().replace(mark, f"# %%\n{text}\n\n{mark}")


def code_cells(source: str) -> list[str]:
    """The code cells of a percent file."""
    return [c.text.strip() for c in Topic("demo", source, Path("demo.py")).cells if not c.markdown]


def notebook(*cells: str) -> str:
    """A notebook with these code cells."""
    v4 = nbformat.v4
    return nbformat.writes(v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells]))


def grade(
    course: Course, text: str | bytes, name: str = "demo.py", **options: object
) -> TopicResult:
    """Grade a file with this text in this process."""
    path = course.root.parent / "handed_in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return grade_here(course, "demo", path, **options)


def earned(result: TopicResult) -> dict[str, int]:
    """Points by task."""
    return {task.name: task.earned for task in result.tasks}


def statuses(result: TopicResult) -> dict[str, str]:
    """Status by check, without the `test_`."""
    return {c.check.name.removeprefix("test_"): c.status.value for c in result.checks()}


def comparable(result: TopicResult) -> TopicResult:
    """The same without how long it took, and where it ran."""
    tasks = tuple(
        replace(
            task,
            checks=tuple(
                replace(check, cases=tuple(replace(case, seconds=0.0) for case in check.cases))
                for check in task.checks
            ),
        )
        for task in result.tasks
    )
    return replace(result, tasks=tasks, isolation={})


def message(result: TopicResult, check: str) -> str:
    """What a student reads about one check, in one line and without the path of the submission."""
    texts = {c.check.name: c.message for c in result.checks()}
    return flat(texts[f"test_{check}"])


def problems(result: TopicResult) -> list[str]:
    """What could not be loaded, each in one line: `demo.py:3: NameError: ...`."""
    return [flat(f"{p.where}: {p.message}") for p in result.problems]


def flat(text: str) -> str:
    """A text in one line, with file names in place of paths."""
    return " ".join(re.sub(r"(?<!\S)/\S*/(?=\w)", "", text).split())
