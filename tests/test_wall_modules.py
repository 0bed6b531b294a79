"""A student's modules are the same modules in-process and across the wall."""

import copy

import pytest
import torch
from torch import nn

from tests.both_sides import loader

NETS = """
class Block(nn.Module):
    def __init__(self, width=4, p=0.5):
        super().__init__()
        self.linear, self.norm = nn.Linear(width, width), nn.BatchNorm1d(width)
        self.drop, self.width = nn.Dropout(p), width
        self.register_buffer("steps", torch.zeros((), dtype=torch.long), persistent=False)
    def forward(self, x, *, scale=1.0):
        self.steps += 1
        return x + scale * self.drop(self.norm(self.linear(x)).relu())
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(4, 3)
        self.table = nn.Parameter(torch.ones(2))
        self.modes = []
    def forward(self, x):
        for block in self.blocks: x = block(x)
        return self.head(x)
    def train(self, mode=True):
        self.modes.append(mode)
        return super().train(mode)
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.outer.weight = self.inner.weight
        self.again = self.inner
    def forward(self, i): return self.outer(self.inner(i))
def sequential(): return nn.Sequential(nn.Linear(3, 2), nn.ReLU())
def lazy(): return nn.LazyLinear(2)
"""


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def load(request, tmp_path):
    """Load a student's source: in this process, and then across the wall."""
    with loader(tmp_path, isolated=request.param, grader=__name__) as load:
        yield load


def test_a_module_has_the_students_parts(load):
    net = load(NETS).Net()
    block = net.blocks[0]
    assert isinstance(net, nn.Module)
    assert isinstance(net.blocks, nn.ModuleList)
    assert isinstance(block.linear, nn.Linear)
    assert isinstance(block.norm, nn.BatchNorm1d)
    assert type(block).__name__ == "Block"
    assert block is net.blocks[0] is next(net.blocks.children())
    assert (len(net.blocks), block.width, block.linear.in_features) == (2, 4, 4)
    assert [name for name, _ in net.named_children()] == ["blocks", "head"]
    names = [name for name, _ in net.named_parameters()]
    assert (names[0], names[-1], len(names)) == ("table", "head.bias", 11)
    assert isinstance(net.get_parameter("blocks.1.norm.weight"), nn.Parameter)
    assert next(block.named_buffers())[0] == "steps"
    assert "steps" not in block.state_dict()
    assert "norm.running_mean" in block.state_dict()
    assert "Linear(in_features=4, out_features=3, bias=True)" in repr(net)
    assert sum(isinstance(part, nn.Dropout) for part in net.modules()) == 2
    with pytest.raises(AttributeError):
        _ = net.nothing


def test_weights_and_buffers_are_seen_and_set_from_both_sides(load):
    submission = load(
        NETS + "def wipe(net): net.head.weight.data.zero_(); net.table.data = torch.ones(5)"
    )
    net = submission.Net()
    net(torch.randn(8, 4))
    assert net.blocks[1].steps == 1
    assert net.blocks[0].norm.num_batches_tracked == 1
    with torch.no_grad():
        net.head.weight.fill_(2)
        net.head.bias.data.fill_(1)
    net.eval()
    net.blocks[0].linear.weight = nn.Parameter(torch.zeros(4, 4))
    assert not net.blocks[0].linear.weight.any()
    x = torch.ones(1, 4)
    assert torch.allclose(net(x), net.head.weight @ net.blocks[1](net.blocks[0](x))[0] + 1)
    submission.wipe(net)
    assert not net.head.weight.any()
    assert net.table.shape == (5,)
    assert net(x).tolist() == [[1.0] * 3]


def test_modes_are_the_students_affair(load):
    net = load(NETS).Net()
    x = torch.randn(16, 4)
    assert net.training
    assert net.eval() is net
    assert not net.blocks[0].drop.training
    assert torch.equal(net(x), net(x))
    net.train()
    assert net.blocks[1].norm.training
    assert net.modes == [False, True]
    net.blocks[0].eval()
    assert [block.training for block in net.blocks] == [False, True]
    assert not torch.equal(net(x), net(x))


def test_state_dicts_travel(load):
    submission = load(NETS + "def load(net, state): return net.load_state_dict(state)")
    one, two = submission.Net(), submission.Net()
    x = torch.randn(2, 4)
    result = two.load_state_dict(one.state_dict())
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    assert torch.equal(one.eval()(x), two.eval()(x))
    state = {name: torch.zeros_like(value) for name, value in one.state_dict().items()}
    submission.load(one, state)
    assert not any(parameter.any() for parameter in one.parameters())
    with pytest.raises(RuntimeError, match="Missing key"):
        one.load_state_dict({})


def test_tied_weights_stay_tied(load):
    tied = load(NETS).Tied()
    assert tied.inner.weight is tied.outer.weight
    assert tied.again is tied.inner
    assert [name for name, _ in tied.named_parameters()] == ["inner.weight"]
    tied(torch.tensor([1])).sum().backward()
    assert tied.outer.weight.grad.shape == (5, 3)
    torch.optim.SGD(tied.parameters(), lr=1).step()
    assert tied.inner.weight is tied.outer.weight


def test_precision_copies_and_lazy_layers(load):
    submission = load(NETS)
    net = submission.Net().eval()
    x = torch.randn(2, 4)
    before = net(x)
    twin = copy.deepcopy(net)
    assert net.double() is net
    assert net(x.double()).dtype is torch.float64
    assert {p.dtype for p in net.parameters()} == {torch.float64}
    assert torch.equal(twin(x), before)
    with torch.no_grad():
        twin.head.bias += 1
    assert torch.allclose(twin(x), before + 1)
    assert torch.allclose(net(x.double()).float(), before, atol=1e-6)
    lazy = submission.lazy()
    assert lazy(torch.ones(1, 7)).shape == (1, 2)
    assert lazy.weight.shape == (2, 7)
    net.requires_grad_(False)
    assert not net(x.double()).requires_grad


def test_sparse_gradients_train_an_embedding(load):
    table = load("def table(): return nn.Embedding(5, 2, sparse=True)").table()
    optimizer = torch.optim.SGD(table.parameters(), lr=1.0)
    before = table.weight.detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        table(torch.tensor([1, 1, 3])).sum().backward()
        assert table.weight.grad.is_sparse
        optimizer.step()
    steps = torch.tensor([0.0, 4, 0, 2, 0])[:, None]
    assert torch.allclose(table.weight, before - steps)


def test_modules_of_both_sides_go_into_one_another(load):
    submission = load(NETS + "def wrap(inner): return nn.Sequential(inner, nn.Flatten(0))")
    model = nn.Sequential(nn.Linear(3, 4), submission.Block(), submission.sequential()[1])
    model(torch.randn(5, 3)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert len(list(model.parameters())) == 6
    assert not model.eval()[1].norm.training
    mine = nn.Linear(2, 2)
    wrapped = submission.wrap(mine)
    wrapped(torch.ones(1, 2)).sum().backward()
    assert mine.weight.grad.tolist() == [[1.0, 1.0]] * 2
    assert wrapped(torch.ones(1, 2)).shape == (2,)
