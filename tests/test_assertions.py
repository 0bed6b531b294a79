"""Assertions about calls (gradients, inputs left alone, errors raised ...) and training loops."""

import re

import numpy as np
import pytest
import torch
from torch import nn, tensor

from gradus.checks import (
    RandomSource,
    Submission,
    assert_avoids,
    assert_falls,
    assert_history,
    assert_inputs_unchanged,
    assert_matches,
    assert_mean_losses,
    assert_not_trained,
    assert_raises,
    assert_same_gradients,
    assert_trained,
    fail,
    model_state,
)
from gradus.checks.outcomes import Failure, Mismatch
from gradus.submission.calls import Access, StudentError
from gradus.submission.describe import describe_call
from gradus.submission.loader import load_names


def grid(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1.0 + torch.Size(shape).numel()).reshape(shape)


def test_fail_ends_the_check_with_its_words():
    with pytest.raises(Failure, match="the mask is ignored"):
        fail("the mask is ignored")


def student(**names: object) -> Submission:
    return Submission(Access(load_names(names, "demo")))


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


# Training loops

SCORES = torch.tensor([[2.0, 0, 1], [0, 3, 1], [1, 1, 0], [0, 2, 4], [3, 0, 0]])  # (5, 3)
CLASSES = tensor([0, 2, 1, 2, 1])


def losses() -> torch.Tensor:
    return nn.functional.cross_entropy(SCORES, CLASSES, reduction="none")


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ((0.5, 0.5), "a list with the mean loss of each epoch, got tuple"),
        ([0.5], "expected 2 losses, one per epoch, got 1"),
        ([0.5, tensor(0.5)], "Python floats in the history, got Tensor: loss.item()"),
        ([0.5, 1], "Python floats in the history, got int"),
    ],
)
def test_history_has_a_float_for_each_epoch(history, words):
    assert_history([0.5, 0.25], 2)
    with pytest.raises(Failure, match=re.escape(words)):
        assert_history(history, 2)


@pytest.mark.parametrize("history", [[0.5, 0.5], [0.25, 0.5], [0.5, float("nan")]])
def test_history_falls(history):
    assert_falls([0.5, 0.7, 0.25])
    with pytest.raises(Failure, match="expected a history that falls, got 0"):
        assert_falls(history)


def test_mean_over_samples_is_right_whatever_the_batches_are():
    right = losses().mean().item()
    assert_mean_losses([right, right], SCORES, CLASSES, size=2)
    assert_mean_losses([losses()[:4].mean().item()], SCORES, CLASSES, size=2, kept=4)


def plain_mean(parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return torch.stack([part.mean() for part in parts])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (plain_mean(losses().split(2)).mean(), "the mean of the batches' means: weigh each batch"),
        (plain_mean(losses().split(2)).sum(), "the sum of the batches' means, not a mean over"),
        (plain_mean(losses().split(2)).sum() / 5, "the sum of the batches' means divided by the"),
        ((plain_mean(losses().split(2)) * 2).sum() / 5, "each batch's mean times the batch size"),
        (losses().sum(), "the sum over the samples: divide by their number"),
        (losses()[-1], "the loss of the last batch only"),
        (losses()[:2].mean(), "the loss of the first batch only"),
        (losses()[:4].mean(), "the last, smaller batch is left out"),
        (losses()[:4].sum() / 5, "the last, smaller batch is left out of the sum"),
        (
            nn.functional.cross_entropy(SCORES.softmax(1), CLASSES),
            "the softmax is applied twice: cross_entropy wants the raw logits",
        ),
        (
            nn.functional.cross_entropy(
                torch.cat([part.softmax(0) for part in SCORES.split(2)]), CLASSES
            ),
            "the softmax runs over the batch",
        ),
        (tensor(0.123), "expected 1.33546, got 0.123"),
    ],
    ids=str,
)
def test_a_wrong_mean_loss_is_explained(wrong, words):
    with pytest.raises(Failure) as caught:
        assert_mean_losses([wrong.item()], SCORES, CLASSES, size=2)
    assert "the mean loss of epoch 1, over 5 samples in batches of 2 with lr 0" in str(caught.value)
    assert words in str(caught.value)


def test_dropped_samples_and_running_sums_and_own_suspects_are_named():
    right = losses()[:4].mean().item()
    with pytest.raises(
        Failure, match="divided by all samples of the data set, although the loader"
    ):
        assert_mean_losses([right * 4 / 5], SCORES, CLASSES, size=2, kept=4)
    with pytest.raises(Failure, match=r"epoch 2.*does the running sum start at 0 in each epoch"):
        assert_mean_losses([right, 2.5 * right], SCORES, CLASSES, size=2, kept=4)
    with pytest.raises(Failure, match="the labels were turned round"):
        assert_mean_losses(
            [0.75], SCORES, CLASSES, size=2, suspects={"the labels were turned round": 0.75}
        )


def test_which_model_was_trained():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = model_state(model)
    assert_not_trained(model, before)
    with pytest.raises(Failure, match="the given model has not changed: train this very object"):
        assert_trained(model, before, "cpu")
    with torch.no_grad():
        model[0].weight += 1
    with pytest.raises(Failure, match=r"not trained: 0\.bias, 1\.weight, 1\.bias"):
        assert_trained(model, before, "cpu")
    with pytest.raises(Failure, match=r"the learning rate is 0, but 0\.weight has changed"):
        assert_not_trained(model, before)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    assert_trained(model, before, "cpu")
    with pytest.raises(Failure, match="expected the trained model on cuda:0, got it on cpu"):
        assert_trained(model, before, "cuda:0")


def test_running_statistics_are_part_of_a_model():
    model = nn.BatchNorm1d(2)
    before = model_state(model)
    model(grid(3, 2))
    with pytest.raises(Failure, match="the learning rate is 0, but running_mean has changed"):
        assert_not_trained(model, before)
