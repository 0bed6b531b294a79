"""What a probe refers to goes to the submission's process, and stays what it was in the check."""

import contextlib

import pytest
import torch
from torch import nn

from gradus.checks import assert_matches
from tests.attacks.forging_wire import TOOLS
from tests.both_sides import opened

ZEROED = """
def zeroed(*given):
    for entry in find().shared._entries.values():
        tensor = entry.tensor()
        if tensor is not None:
            tensor.data.zero_()
            tensor.requires_grad_(False)
    return torch.zeros(4)
def graded(x):
    for entry in find().shared._entries.values():
        entry.tensor().grad = torch.full((4,), 2.0)
    return 1.0
"""
MODULE_WIDE = torch.arange(4.0) + 1


@pytest.fixture
def isolated(tmp_path):
    """Opens a student's source behind the wall, for a check that lends nothing, or one that does."""
    with contextlib.ExitStack() as stack:
        yield lambda lends=False: stack.enter_context(
            opened(tmp_path, TOOLS + ZEROED, isolated=True, grader=__name__, lends=lends)
        )


def test_a_tensor_in_a_probe_keeps_its_values_here(isolated):
    x = torch.arange(4.0) + 1
    assert_matches(isolated().probe(lambda student: student.zeroed(x)), torch.zeros(4))
    assert_matches(x, torch.arange(4.0) + 1)


def test_a_tensor_of_the_grader_file_keeps_its_values_here(isolated):
    def probe(student):
        return student.zeroed(MODULE_WIDE)

    isolated().probe(probe)
    assert_matches(MODULE_WIDE, torch.arange(4.0) + 1)


def test_a_model_in_a_probe_keeps_its_weights_here(isolated):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    isolated().probe(lambda student: student.zeroed(model))
    assert_matches(dict(model.state_dict()), before)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_leaf_that_is_passed_to_a_probe_keeps_its_values_here(isolated):
    x = torch.ones(4, requires_grad=True)
    isolated().probe(lambda student, x: student.zeroed(x), x)
    assert_matches(x.detach(), torch.ones(4))
    assert x.requires_grad


def test_gradients_that_a_probe_leaves_still_come(isolated):
    x = torch.ones(4, requires_grad=True)
    isolated().probe(lambda student: student.graded(x))
    assert x.grad is not None
    assert_matches(x.grad, torch.full((4,), 2.0))


def test_a_check_that_trains_sees_what_its_probe_did(isolated):
    x = torch.ones(4)
    isolated(lends=True).probe(lambda student: student.zeroed(x))
    assert not x.any()
