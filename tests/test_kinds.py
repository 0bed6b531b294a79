"""Assertions for what no exact value is known: what they accept, and the words with which they refuse."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gradus.checks import (
    assert_form,
    assert_history,
    assert_items,
    assert_kind,
    assert_length,
    assert_mean_losses,
    assert_number,
    assert_tensor,
    assert_trained,
    model_state,
)


class Liar:
    """Answers whatever a comparison would like to hear."""

    shape = (2, 3)
    __class__ = property(lambda self: Liar)

    def __sub__(self, other):
        return self

    def __abs__(self):
        return 0.0

    def __eq__(self, other):
        return True

    __hash__ = None
    __lt__ = __le__ = __gt__ = __ge__ = __eq__

    def __float__(self):
        return 3.0

    def __len__(self):
        return 3

    def __repr__(self):
        return "Liar()"


def refused(assertion, *words, **named):
    """The words with which an assertion refuses a value."""
    with pytest.raises(AssertionError) as caught:
        assertion(*words, **named)
    return str(caught.value)


@pytest.mark.parametrize(
    "assertion",
    [
        assert_tensor,
        assert_number,
        lambda got: assert_items(got, list, 3),
        lambda got: assert_kind(got, bool),
        lambda got: assert_kind(got, nn.Module),
        lambda got: assert_form(got, {"a": int}),
        lambda got: assert_form(got, [int, ...]),
        lambda got: assert_form(got, list[int]),
        lambda got: assert_form(got, None),
        lambda got: assert_form(got, int | None),
        lambda got: assert_length(got, 4),
    ],
)
def test_an_object_of_the_students_is_none_of_these(assertion):
    assert "got" in refused(assertion, Liar())


def test_tensors():
    x = torch.ones(2, 3)
    assert assert_tensor(x) is x
    assert assert_tensor(x, shape=(2, None), dtype=torch.float32, device="cpu") is x
    assert_tensor(nn.Parameter(x), "a weight")
    assert_tensor(torch.zeros(0, 3), shape=(None, 3))
    assert_tensor(torch.tensor([1, 2]), dtype=torch.int64)
    nan = torch.tensor([1.0, math.nan])
    assert assert_tensor(nan, finite=False) is nan
    assert refused(assert_tensor, nan) == "expected finite numbers, got NaN"
    assert (
        refused(assert_tensor, x / 0, "the loss")
        == "expected the loss: finite numbers, got infinity"
    )
    assert refused(assert_tensor, x, shape=(3, None)) == "expected shape (3, any), got (2, 3)"
    assert refused(assert_tensor, x, shape=(2,)) == "expected shape (2,), got (2, 3)"
    assert refused(assert_tensor, x, dtype=torch.float64) == "expected float64, got float32"
    assert "expected a tensor on cuda:1, got one on cpu" in refused(
        assert_tensor, x, device="cuda:1"
    )
    assert (
        refused(assert_tensor, None) == "expected a tensor, got None; did you forget to return it?"
    )
    assert refused(assert_tensor, [1.0]).startswith("expected a tensor, got a list")


def test_numbers():
    assert assert_number(3) == 3
    assert assert_number(2.5, "the share") == 2.5
    assert assert_number(np.float64(2.5)) == 2.5
    assert_number(math.inf, finite=False)
    assert (
        refused(assert_number, math.nan, "the share")
        == "expected the share: a finite number, got nan"
    )
    assert refused(assert_number, True).startswith("expected a Python number, got")
    assert refused(assert_number, 2.0, whole=True).startswith("expected a Python int, got")
    assert "call .item()" in refused(assert_number, torch.tensor(1.0))


def test_items():
    assert assert_items([1, 2], list, 2, of=int) == [1, 2]
    assert assert_items([], list) == []
    assert_items({"a": 1.0}, dict, 1, of=float)
    assert_items((True,), list | tuple, of=bool)
    assert refused(assert_items, [1], list, 2) == "expected 2 items, got 1"
    assert "expected a list of 2, got" in refused(assert_items, (1, 2), list, 2)
    assert refused(assert_items, [1.0, math.nan], list, 2, "the losses", of=float) == (
        "expected item 1 of the losses: a finite number, got nan"
    )
    assert refused(assert_items, {"b": "x"}, dict, of=bool).startswith(
        "expected 'b': True or False, got"
    )


def test_kinds():
    layer = nn.Linear(1, 1)
    assert assert_kind(layer, nn.Module) is layer
    assert refused(assert_kind, 3, nn.Module, "ConvNet").startswith(
        "expected ConvNet: a network (an nn.Module), got"
    )
    assert refused(assert_kind, 1, bool).startswith("expected True or False, got")


def test_lengths():
    assert_length([1, 2], 2)
    assert refused(assert_length, [1], 2, "the dataset") == (
        "expected the dataset: a len() of 2, got 1; off by one"
    )
    assert "something with a len()" in refused(assert_length, 3, 2)


FORMS = [
    (3, int), (2.5, float), ("a", str), (True, bool), (None, None), (None, int | None), (3, int | None),
    (torch.ones(2), torch.Tensor), (None, torch.Tensor | None), (Liar(), object), ([1, "a"], [int, str]),
    ((1, True), (int, bool)), ([1, 2, 3], [int, ...]), ([1.0] * 3, [float] * 3), ([], list[int]),
    ([[1], []], list[list[int]]), ({"a": 1}, {"a": int}), ({"x": 1, "y": 2}, {str: int}),
    ((2, 3), tuple[int]), ({"a": [{"b": None}]}, {"a": [{"b": str | None}, ...]}),
]  # fmt: skip


@pytest.mark.parametrize(("got", "form"), FORMS, ids=str)
def test_data_of_a_form_are_given_back(got, form):
    assert assert_form(got, form) is got


OTHER_FORMS = [
    (True, int, "expected a Python int, got"),
    (math.nan, float, "expected a finite number, got nan"),
    (math.nan, int | float, "expected a finite number, got nan"),
    (torch.tensor([math.nan]), torch.Tensor, "expected finite numbers, got NaN"),
    (torch.tensor([math.nan]), torch.Tensor | None, "expected finite numbers, got NaN"),
    (0, None, "expected None, got"),
    ("a", int | None, "expected int | None, got"),
    ([], [int, ...], "expected a list of at least one, got none"),
    ([1, 2], [int] * 3, "expected 3 items, got 2"),
    ((1, 2), [int, int], "expected a list"),
    ({}, {str: int}, "expected a dict of at least one, got none"),
    ({"a": 1, "b": 2}, {"a": int}, "expected the keys ['a'], got ['a', 'b']"),
    ([[1], ["x"]], list[list[int]], "expected item 0 of item 1: a Python int, got"),
    ({"a": {"b": None}}, {"a": {"b": bool}}, "expected 'b' of 'a': True or False, got None"),
]


@pytest.mark.parametrize(("got", "form", "words"), OTHER_FORMS, ids=str)
def test_the_first_part_that_has_another_form_is_told(got, form, words):
    assert refused(assert_form, got, form).startswith(words)


def test_a_model_of_nan_was_not_trained():
    model = nn.Linear(2, 1)
    before = model_state(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(math.nan)
    assert "weight of the trained model holds NaN" in refused(assert_trained, model, before, "cpu")


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([0.5, math.nan], "expected finite losses in the history, got nan"),
        ([0.5], "expected 2 losses, one per epoch, got 1"),
        ([], "expected 2 losses, one per epoch, got 0"),
    ],
)
def test_a_history_holds_finite_losses(history, words):
    assert refused(assert_history, history, 2) == words


def test_no_losses_are_no_mean_losses():
    logits, labels = torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)
    assert "got none" in refused(assert_mean_losses, [], logits, labels, size=2)
    assert refused(assert_mean_losses, [math.nan], logits, labels, size=2).startswith(
        "the mean loss"
    )
