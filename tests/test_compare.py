"""assert_matches: what it accepts, and the words with which it refuses."""

from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn, tensor

from gradus.checks import assert_matches
from gradus.checks.outcomes import Mismatch


class Odd(torch.Tensor):
    """A subclass could answer every comparison as it likes."""


def grid(*shape: int) -> torch.Tensor:
    return torch.arange(1.0, 1.0 + torch.Size(shape).numel()).reshape(shape)


def refusal(got: object, want: object, **options: object) -> str:
    """What is said about a value that is not the expected one."""
    with pytest.raises(Mismatch) as caught:
        assert_matches(got, want, **options)
    return str(caught.value)


Point = namedtuple("Point", "x y")
ACCEPTED = {
    "the same": (grid(2, 3), grid(2, 3)),
    "a parameter": (nn.Parameter(grid(2)), grid(2)),
    "another memory layout": (grid(3, 2).T, grid(3, 2).T.contiguous()),
    "expanded": (tensor(1.0).expand(3), torch.ones(3)),
    "no elements": (torch.empty(0, 3), torch.zeros(0, 3)),
    "no axes": (tensor(2.0), tensor(2.0)),
    "a rounding error in float32": (tensor([1 / 3]) + 2e-6, tensor([1 / 3])),
    "a rounding error in float64": (tensor(1 / 3).double() + 1e-9, tensor(1 / 3).double()),
    "NaN where NaN belongs": (tensor([torch.nan, torch.inf]), tensor([torch.nan, torch.inf])),
    "truth values": (tensor([True, False]), tensor([True, False])),
    "a view of a conjugate": (tensor([1 + 2j]).conj(), tensor([1 - 2j])),
    "an int for a float": (2, 2.0),
    "a float": (0.1 + 0.2, 0.3),
    "infinity": (float("inf"), float("inf")),
    "a numpy float": (np.float64(0.5), 0.5),
    "an array": (np.array([1, 2]), np.array([1, 2])),
    "a named tuple": (Point(1, 2), (1, 2)),
    "a nest": ({"a": [grid(2), (None, "b")]}, {"a": [grid(2), (None, "b")]}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_right_answer_is_accepted(name):
    got, want = ACCEPTED[name]
    assert assert_matches(got, want) is None


REFUSED = {
    "nothing": (None, grid(2), "expected a float32 tensor (2,), got None; did you forget to return it?"),
    "a list": ([1.0, 2.0], grid(2), "expected a float32 tensor (2,), got a list of 2: [1, 2]"),
    "a number": (2.0, tensor(2.0), "expected a float32 tensor of 2, got the float 2"),
    "an array for a tensor": (np.ones(2), grid(2), "expected a float32 tensor (2,), got float64 array (2,)"),
    "a tensor for an array": (grid(2), np.ones(2), "expected a float64 array (2,), got a float32 tensor (2,)"),
    "a subclass": (grid(2).as_subclass(Odd), grid(2), "expected a plain torch.Tensor, got the subclass Odd"),
    "a list for a tuple": ([1, 2], (1, 2),
        "expected a tuple of 2, got a list of 2: [1, 2]; a list in place of a tuple: wrap it in tuple(...)"),
    "a tuple for a list": ((1, 2), [1, 2], "expected a list of 2, got a tuple of 2: (1, 2)"),
    "too few items": ((1,), (1, 2), "expected 2 items, got 1"),
    "other keys": ({"a": 1}, {"b": 1}, "expected the keys ['b'], got ['a']"),
    "a tensor for a number": (tensor(0.5), 0.5,
        "expected a Python number, got a float32 tensor of 0.5; call .item() to turn it into a number"),
    "a float for an int": (2.0, 2, "expected the int 2, got the float 2"),
    "a truth value for an int": (True, 1, "expected a Python int, got True"),
    "an int for a truth value": (1, True, "expected True, got the int 1"),
    "another number": (0.5, 0.25, "expected 0.25, got 0.5"),
    "another int": (7, 8, "expected 8, got 7"),
    "another text": ("cat", "dog", "expected 'dog', got 'cat'"),
    "something for nothing": (3, None, "expected None, got the int 3"),
    "squeezed": (grid(3), grid(3, 1),
        "expected shape (3, 1), got (3,); an axis of size 1 is gone: "
        "squeeze() without a dim, or keepdim left out"),
    "unsqueezed": (grid(3, 1), grid(3),
        "expected shape (3,), got (3, 1); an axis of size 1 too many: keepdim or unsqueeze left over"),
    "transposed": (grid(2, 3), grid(3, 2), "expected shape (3, 2), got (2, 3); the axes are in another order"),
    "broadcast": (grid(3, 3), grid(3), "expected shape (3,), got (3, 3); (n, 1) and (n,) broadcast to (n, n): "
        "give both the same shape first"),
    "another shape": (grid(4), grid(3), "expected shape (3,), got (4,)"),
    "another dtype": (grid(2).long(), grid(2), "expected float32, got int64"),
    "another device": (torch.empty(2, device="meta"), grid(2),
        "expected a tensor on cpu, got one on meta; make new tensors with device=x.device, and move "
        "others with .to(device)"),
    "one value": (tensor([1.0, 2.0, 4.0]), grid(3),
        "expected 3 at [2], got 4; 1 of 3 values differ; expected [1, 2, 3], got [1, 2, 4]"),
    "a value of no axis": (tensor(3.0), tensor(2.0), "expected 2, got 3"),
    "a value of many": (grid(3, 4).add(1), grid(3, 4), "expected 1 at [0, 0], got 2; 12 of 12 values differ"),
    "NaN": (tensor([1.0, torch.nan]), grid(2), "expected 2 at [1], got nan; NaN comes from 0/0, inf - inf, "
        "log of a negative number or sqrt's slope at 0; 1 of 2 values differ; expected [1, 2], got [1, nan]"),
    "the sign": (-grid(9), grid(9), "expected 1 at [0], got -1; the sign is turned round: every value "
        "is -1 times the expected one; 9 of 9 values differ"),
    "a factor": (grid(9) / 4, grid(9), "expected 1 at [0], got 0.25; every value is 0.25 times the "
        "expected one; 9 of 9 values differ"),
    "an integer by one": (tensor([10_000_001]), tensor([10_000_000]), "expected 10000000 at [0], got 10000001"),
    "a truth value": (tensor([True]), tensor([False]), "expected False at [0], got True"),
    "float64 beyond its tolerance": (tensor(1 / 3).double() + 1e-6, tensor(1 / 3).double(),
        "expected 0.333333, got 0.333334"),
    "digits that are seldom shown": (grid(9).double() * (1 + 1e-6), grid(9).double(), "expected 1 at [0], "
        "got 1.000001; almost equal: was it computed in a lower precision, or a small number (an eps) "
        "added?; 9 of 9 values differ"),
    "a float in its last digits": (0.1 + 1e-7, 0.1, "expected 0.1, got 0.1000001"),
    "deep in a nest": ({"a": (grid(2), [7])}, {"a": (grid(2), [8])},
        "expected item 0 of item 1 of 'a' of the result: 8, got 7"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_answer_is_refused_with_the_first_difference(name):
    got, want, words = REFUSED[name]
    assert refusal(got, want) == words


def test_a_missing_gradient_is_told_and_where_to_look():
    learned = grid(2).requires_grad_()
    assert_matches(2 * learned, 2 * grid(2), requires_grad=True)
    assert refusal(grid(2), grid(2), requires_grad=True).startswith(
        "expected a result that gradients flow through, got one that is detached; "
        "gradient missing: look for .detach()"
    )


def test_a_gradient_that_should_not_flow_is_told():
    assert_matches(grid(2), grid(2), requires_grad=False)
    words = "expected a detached result, got one that still requires grad; use torch.no_grad() or .detach()"
    assert refusal(grid(2).requires_grad_(), grid(2), requires_grad=False) == words


def test_what_the_value_is_stands_in_front():
    assert refusal(3, 4, what="the step count") == "expected the step count: 4, got 3"


def test_tolerances_can_be_widened_and_closed():
    assert_matches(tensor([1.01]), tensor([1.0]), rtol=0.1)
    assert "expected 1 at [0]" in refusal(tensor([1.0001]), tensor([1.0]), rtol=0.0, atol=0.0)


SUSPECTS = {
    "a value": (
        tensor([5.0]),
        tensor([1.0]),
        {"doubled": tensor([2.0]), "off by four": tensor([5.0])},
    ),
    "a function": (tensor([5.0]), tensor([1.0]), {"off by four": lambda: tensor([5.0])}),
    "a shape": (grid(5), grid(3), {"off by four": lambda: torch.zeros(5)}),
    "a dtype": (grid(3).double(), grid(3), {"off by four": grid(3).double()}),
    "a number": (5.0, 1.0, {"off by four": 5.0}),
    "a text": ("b", "a", {"off by four": "b"}),
    "an item": ((1, grid(2) + 4), (1, grid(2)), {"off by four": lambda: (1, grid(2) + 4)}),
    "a number in a dict": ({"a": 5.0}, {"a": 1.0}, {"off by four": {"a": 5.0}}),
    "behind one that fails": (5.0, 1.0, {"no": lambda: 1 / 0, "off by four": 5.0}),
}


@pytest.mark.parametrize("name", SUSPECTS)
def test_a_suspected_mistake_is_named(name):
    got, want, suspects = SUSPECTS[name]
    assert "off by four" in refusal(got, want, suspects=suspects)
    assert "doubled" not in refusal(got, want, suspects=suspects)
