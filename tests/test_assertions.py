"""Assertions about calls: gradients, inputs left alone, functions avoided, errors raised."""

import numpy as np
import pytest
import torch
from torch import nn, tensor

from gradus.grading import (
    RandomSource,
    Submission,
    assert_avoids,
    assert_inputs_unchanged,
    assert_matches,
    assert_raises,
    assert_same_gradients,
    fail,
)
from gradus.grading.outcomes import Failure, Mismatch
from gradus.submission.calls import StudentError
from gradus.submission.describe import describe_call
from gradus.submission.loader import load_names


def grid(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1.0 + torch.Size(shape).numel()).reshape(shape)


def test_fail_ends_the_check_with_its_words():
    with pytest.raises(Failure, match="the mask is ignored"):
        fail("the mask is ignored")


def student(**names: object) -> Submission:
    return Submission(load_names(names, "demo"))


def gradients_of(function: object) -> None:
    random = RandomSource(0, "test")
    assert_same_gradients(
        function, lambda x, y: x * y.exp(), random.normal(3), random.normal(3), random=random
    )


def test_right_gradients_are_accepted():
    gradients_of(student(f=lambda x, y: torch.exp(y) * x).f)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x, y: x * y, "expected "),
        (lambda x, y: x.detach() * y.detach().exp(), "expected a result that gradients flow through"),
        (lambda x, y: x.detach() * y.exp(), "expected a gradient with respect to argument 1, got none"),
        (lambda x, y: x * (y.exp() - y).detach() + x * y, "expected the gradient with respect to argument 2: "),
        (lambda x, y: x * y.detach().exp(), "expected a gradient with respect to argument 2, got none"),
    ],
)  # fmt: skip
def test_a_wrong_gradient_tells_its_argument(function, words):
    with pytest.raises(Mismatch) as caught:
        gradients_of(student(f=function).f)
    assert str(caught.value).startswith(words)


def test_inputs_left_alone_are_accepted_and_the_result_comes_back():
    result = assert_inputs_unchanged(student(f=lambda x, y: x + y).f, grid(2), y=grid(2))
    assert_matches(result, 2 * grid(2))
    assert_inputs_unchanged(student(f=lambda g: torch.rand(1, generator=g)).f, torch.Generator())


@pytest.mark.parametrize(
    ("function", "args", "names", "words"),
    [
        (lambda x: x.mul_(2), (grid(2),), {}, "argument 1 (float32 tensor (2,))"),
        (lambda a, xs: xs.append(1), (grid(2), [3]), {}, "argument 2 ([3])"),
        (lambda x: x["w"].zero_(), ({"w": grid(2)},), {}, "argument 1 ({'w': float32 tensor (2,)})"),
        (lambda x: x.fill(0), (), {"x": np.ones(2)}, "x (float64 array (2,))"),
        (lambda x: x.requires_grad_(), (grid(2),), {}, "argument 1 (float32 tensor (2,))"),
    ],
)  # fmt: skip
def test_a_changed_input_is_named(function, args, names, words):
    with pytest.raises(Failure) as caught:
        assert_inputs_unchanged(student(f=function).f, *args, **names)
    assert str(caught.value) == f"input was changed in place: {words}"


def test_a_forbidden_function_is_named_with_what_to_do_instead():
    forbidden = {
        "torch.nn.functional.softmax": "write exp and sum yourself",
        "torch.Tensor.softmax": "likewise",
    }
    assert_avoids(student(f=lambda x: x.exp() / x.exp().sum()).f, forbidden, grid(2))
    with pytest.raises(Failure) as caught:
        assert_avoids(student(f=lambda x: nn.functional.softmax(x, 0)).f, forbidden, grid(2))
    words = "expected your own arithmetic, got a call of torch.nn.functional.softmax: "
    assert str(caught.value) == words + "write exp and sum yourself"


def raising(error: Exception) -> Submission:
    def divide(x):
        raise error

    return student(f=divide)


def test_the_error_that_is_asked_for_is_accepted():
    assert_raises(ValueError, raising(ValueError("no")).f, 1, because="it is odd")


@pytest.mark.parametrize(
    ("submission", "words"),
    [
        (student(f=lambda x: x), "no error: the int 1 came back"),
        (raising(TypeError("no")), "TypeError: no"),
    ],
)
def test_another_error_or_none_is_told(submission, words):
    with pytest.raises(Mismatch) as caught:
        assert_raises(ValueError, submission.f, 1, because="it is odd")
    assert str(caught.value) == f"expected ValueError because it is odd, got {words}"


def test_a_stub_and_a_wrong_signature_are_not_taken_for_the_error_asked_for():
    with pytest.raises(NotImplementedError):
        assert_raises(RuntimeError, raising(NotImplementedError("TODO")).f, 1, because="it is odd")
    with pytest.raises(StudentError, match="cannot be called as f"):
        assert_raises(Exception, student(f=lambda: 1).f, 1, because="it is odd")


def test_a_call_is_described_by_what_the_student_knows_of_its_values():
    text = describe_call(
        "f",
        (grid(2, 3), tensor(2), nn.Linear(2, 2), [1, 2.5, 3, 4, 5], "a" * 99, torch.float64),
        {"key": None, "options": {"deep": ([[1]],)}, "how": torch.relu, "array": np.zeros(2)},
    )
    assert text == (
        "f(float32 tensor (2, 3), int64 tensor of 2, Linear module, [1, 2.5, 3, 4, ...], "
        f"'{'a' * 57}...', torch.float64, key=None, options={{'deep': (list object,)}}, how=relu, "
        "array=float64 array (2,))"
    )
