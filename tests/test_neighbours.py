"""Other versions and other plugins in the same environment do not end a grading run."""

import os
import subprocess
import sys

import pytest
import torch

from gradus.course import find_course
from gradus.engine.here import grade_here

WARNS = """
import warnings
import pytest

def pytest_configure(config):
    warnings.warn(pytest.PytestDeprecationWarning("the loop scope is unset"))
"""
# Names that pytest has had only since 8.4.
OLDER = """
import pytest
del pytest.TerminalReporter
"""


def run_beside(plugin, kit, folder):
    """pytest on a kit's reference, in a process of its own, beside a plugin that somebody installed."""
    (folder / "neighbour.py").write_text(plugin, encoding="utf-8")
    words = ["-p", "neighbour", "-p", "no:cacheprovider", "-q", "--submission", "solutions"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=kit.root,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plugin_that_warns_does_not_end_the_run(shared_kit, tmp_path):
    done = run_beside(WARNS, shared_kit, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 / 7" in done.stdout


def test_settings_of_this_kit_leave_warnings_of_others_alone(tmp_path):
    done = run_beside(WARNS + "    raise SystemExit(f'came to the end')\n", find_course(), tmp_path)
    assert "came to the end" in done.stderr


def test_an_older_pytest_serves(shared_kit, tmp_path):
    done = run_beside(OLDER, shared_kit, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


GRAD = torch.autograd.grad


def old_grad(outputs, inputs, *words, materialize_grads=False, **options):
    """`torch.autograd.grad` of torch 2.9 and older: its own zeros require grad."""
    if not materialize_grads:
        return GRAD(outputs, inputs, *words, **options)
    asked = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    found = GRAD(outputs, asked, *words, allow_unused=True, **options)
    pairs = zip(found, asked, strict=True)
    return tuple(torch.zeros_like(x, requires_grad=True) if g is None else g for g, x in pairs)


@pytest.mark.parametrize("detached", [True, False], ids=["reference", "nothing detached"])
def test_zeros_that_require_grad_cost_no_points(tmp_path, monkeypatch, detached):
    course = find_course()
    text = course.solution("autograd").read_text(encoding="utf-8")
    if not detached:
        for old, new in {
            "return tuple(slope.detach() for slope in slopes)": "return slopes",
            "return product.detach()": "return product",
            "table[i] = slopes.detach()": "table[i] = slopes",
        }.items():
            assert old in text
            text = text.replace(old, new)
    (tmp_path / "autograd.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(torch.autograd, "grad", old_grad)
    tasks = ["gradient", "vjp", "jacobian", "hessian_vector_product"]
    result = grade_here(course, "autograd", tmp_path / "autograd.py", hidden=True, tasks=tasks)
    for task in map(result.task, tasks):
        assert task.earned == task.possible, task


def test_a_print_that_was_left_in_is_no_loop(tmp_path):
    path = tmp_path / "tensors.py"
    course = find_course()
    text = course.solution("tensors").read_text(encoding="utf-8")
    stub = "    return torch.arange(rows * cols)"
    assert stub in text
    path.write_text(text.replace(stub, f"    print(rows, cols, torch.zeros(rows, cols))\n{stub}"))
    result = grade_here(course, "tensors", path, tasks=["number_grid"])
    assert result.task("number_grid").earned == result.task("number_grid").possible


@pytest.mark.parametrize(
    "rows", ["for _ in range(rows): print()", "[print() for _ in range(rows)]"]
)
def test_a_loop_is_still_one(tmp_path, rows):
    path = tmp_path / "tensors.py"
    course = find_course()
    text = course.solution("tensors").read_text(encoding="utf-8")
    stub = "    return torch.arange(rows * cols)"
    path.write_text(text.replace(stub, f"    {rows}\n{stub}"))
    result = grade_here(course, "tensors", path, tasks=["number_grid"])
    assert result.task("number_grid").earned < result.task("number_grid").possible
