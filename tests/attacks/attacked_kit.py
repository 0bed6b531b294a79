"""The kit whose tasks are answered wrong: a grader, right answers, wrong answers."""

from pathlib import Path

from gradus.course import Course, load_course
from tests.attacks import attacked_more as more
from tests.kits import SETTINGS

# Beside assert_matches, checks compare in the ways that people write without it.
GRADER = '''\
"""Checks for `demo`."""

import pytest
import torch

from gradus.checks import assert_inputs_unchanged, assert_matches, assert_raises


@pytest.mark.task("matched", points=2)
@pytest.mark.timeout(4)
def test_matched(submission, random):
    """matched gives three times x, and a gradient."""
    x = random.normal(4).requires_grad_()
    for _ in range(2):
        got = submission.matched(x)
        want = 3 * x
        assert_matches(got, want, requires_grad=True)
    (gradient,) = torch.autograd.grad(got.sum(), x)
    assert_matches(gradient, torch.full_like(x, 3.0), what="the gradient")


@pytest.mark.task("compared", points=2)
def test_compared(submission, random):
    """compared gives three times x: torch compares."""
    x = random.normal(4)
    got, want = submission.compared(x), 3 * x
    assert torch.allclose(got, want)
    torch.testing.assert_close(got, want)
    assert bool((got - want).abs().max() < 1e-5)
    assert (got == want).all()


@pytest.mark.task("counted", points=2)
def test_counted(submission, random):
    """counted gives the number of positive elements: Python compares."""
    x = random.normal(50)
    got, want = submission.counted(x), int((x > 0).sum())
    assert got == want
    assert abs(got - want) < 0.5
    assert got == pytest.approx(want)
    assert isinstance(got, int)


@pytest.mark.task("measured", points=2)
def test_measured(submission, random):
    """measured gives the sum: a difference is asked for, and no type."""
    x = random.normal(4, dtype=torch.float64)
    want = float(x.sum())
    assert abs(want - submission.measured(x)) < 1e-6
    assert abs(submission.measured(x) - want) < 1e-6
    assert 0.99 < submission.measured(x) / want < 1.01
    assert (submission.measured(x) + -want) ** 2 < 1e-6


@pytest.mark.task("refused", points=2)
def test_refused(submission):
    """refused takes no negative number."""
    with pytest.raises(ValueError, match="negative"):
        submission.refused(-1.0)
    assert_raises(ValueError, submission.refused, -2.0, because="-2 is negative")


@pytest.mark.task("called", points=2)
def test_called(submission, random):
    """called applies a function of the check's to x, twice."""
    x = random.normal(4)
    want = (x + 1) * 5
    seen = []

    def step(x):
        seen.append(x)
        return x + 1 if len(seen) == 1 else x * 5

    got = submission.called(step, x)
    assert_matches(got, want)
    assert len(seen) == 2


@pytest.mark.task("Model", points=2)
def test_model(submission, random):
    """Model computes weight * x, and its weight is one learned number."""
    x = random.normal(4)
    model = submission.Model(2.5)
    assert_matches(model(x), 2.5 * x, requires_grad=True)
    weights = list(model.parameters())
    assert len(weights) == 1
    assert_matches(weights[0], torch.tensor(2.5))


@pytest.mark.task("kept", points=2)
def test_kept(submission, random):
    """kept gives three times x, and leaves x as it was."""
    x = random.normal(4)
    assert_matches(assert_inputs_unchanged(submission.kept, x), 3 * x)


@pytest.mark.task("honest", points=1)
def test_honest(submission, random):
    """honest doubles."""
    x = random.normal(4)
    assert_matches(submission.honest(x), 2 * x)
'''
GRADER = GRADER.replace(
    '\n\n@pytest.mark.task("honest"', more.GRADER + '\n\n@pytest.mark.task("honest"'
)

RIGHT = """\
import torch
from torch import nn


def honest(x):
    return 2 * x


def matched(x):
    return 3 * x


def compared(x):
    return 3 * x


def counted(x):
    return int((x > 0).sum())


def measured(x):
    return float(x.sum())


def refused(number):
    raise ValueError("negative")


def called(step, x):
    return step(step(x))


class Model(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x):
        return self.weight * x


def kept(x):
    return 3 * x
"""
RIGHT += more.RIGHT

WRONG = """\
import torch
from torch import nn


def honest(x):
    return 2 * x


def matched(x):
    return torch.zeros(4) * x


def compared(x):
    return torch.zeros(4)


def counted(x):
    return -1


def measured(x):
    return float("inf")


def refused(number):
    return number


def called(step, x):
    return torch.zeros(4)


class Model(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return self.weight * x


def kept(x):
    return x.zero_()
"""
WRONG += more.WRONG

TASKS = (
    "matched",
    "compared",
    "counted",
    "measured",
    "refused",
    "called",
    "Model",
    "kept",
    *more.TASKS,
)


def write_attacked_kit(folder: Path) -> Course:
    """The kit that is attacked."""
    for name in ("solutions", "graders", "exercises"):
        (folder / name).mkdir(parents=True)
    (folder / "course.toml").write_text('topics = ["demo"]\n', encoding="utf-8")
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    (folder / "solutions" / "demo.py").write_text(RIGHT, encoding="utf-8")
    (folder / "graders" / "test_demo.py").write_text(GRADER, encoding="utf-8")
    return load_course(folder)
