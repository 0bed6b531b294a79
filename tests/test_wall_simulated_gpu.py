"""What lives on a simulated GPU lives there on both sides of the wall."""

import pytest
import torch
from torch import nn

from gradus.simulated_gpu.simulation import simulated_gpu
from tests.both_sides import loader

STUDENT = """
class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(3))
        self.register_buffer("calls", torch.zeros(()))
    def forward(self, x):
        self.calls += 1
        return x @ self.w

def backward(model, x): model(x).sum().backward()
def same(x): return x
def devices(*xs): return [str(x.device) for x in xs]
def memory(x): return x.device.type, tuple(x.stride()), x.untyped_storage().nbytes()
def mixed(model): return model(torch.ones(2, 3))
"""


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def submission(request, tmp_path):
    """The student's functions, while there is a simulated GPU."""
    with simulated_gpu(), loader(tmp_path, isolated=request.param, grader=__name__) as load:
        yield load(STUDENT)


def test_gradients_of_a_students_model_are_where_its_weights_are(submission):
    model = submission.Line().to("cuda")
    for _ in range(2):
        model(torch.ones(2, 3, device="cuda")).sum().backward()
    assert str(model.w.grad.device) == str(model.calls.device) == "cuda:0"
    torch.optim.SGD(model.parameters(), lr=0.25).step()
    assert model.w.tolist() == [0.0, 0.0, 0.0]
    assert model.calls.item() == 2
    assert model(torch.ones(3, device="cuda")).item() == 0


def test_gradients_that_student_code_makes_are_where_the_weights_are(submission):
    model = nn.Linear(3, 1).cuda()
    for rounds in (1, 2):
        submission.backward(model, torch.ones(2, 3, device="cuda"))
        assert str(model.bias.grad.device) == "cuda:0"
        assert model.bias.grad.tolist() == [2.0 * rounds]
    model.cpu()
    submission.backward(model, torch.ones(2, 3))
    assert str(model.bias.grad.device) == "cpu"
    assert model.bias.grad.tolist() == [6.0]


def test_tensors_of_all_kinds_stay_where_they_are(submission):
    here, there = torch.ones(2, 3), torch.ones(2, 3, device="cuda:1")
    kinds = [here, there, there.t(), there[:1].expand(2, 3), there.to_sparse(), there.double()]
    places = [str(x.device) for x in kinds]
    assert places == ["cpu"] + ["cuda:1"] * 5
    assert submission.devices(*kinds) == places
    for x, place in zip(kinds, places, strict=True):
        back = submission.same(x)
        assert (str(back.device), back.shape) == (place, x.shape)
        assert torch.equal(back.to_dense().cpu(), x.to_dense().cpu())
    assert torch.equal(submission.same(here) + torch.ones(2, 3), 2 * here)


def test_an_expanded_argument_arrives_with_memory_of_its_own(submission):
    for device in ("cpu", "cuda"):
        x = torch.zeros(1, 3, device=device).expand(4, 3)
        assert submission.memory(x) == (device, (3, 1), 48)


def test_a_tensor_on_the_cpu_does_not_fit_a_model_on_the_gpu(submission):
    with pytest.raises(RuntimeError, match="on the same device"):
        submission.mixed(submission.Line().cuda())
