"""Modules, training and data sets of the student's and of the check's are the same across the wall."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tests.both_sides import loader, told

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
def fit(model, x, y, steps, make):
    optimizer = make(model.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return optimizer
"""


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def load(request, tmp_path):
    """Load a student's source: in this process, and then across the wall."""
    with loader(tmp_path, isolated=request.param, grader=__name__) as load:
        yield load


def both(folder, check, text=NETS):
    """What a check finds in this process, and across the wall."""
    found = []
    for isolated in (False, True):
        with loader(folder, isolated=isolated, grader=__name__) as load:
            torch.manual_seed(0)
            found.append(told(check(load(text))))
    return found


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
    assert [name for name, _ in block.named_buffers()][0] == "steps"
    assert "steps" not in block.state_dict()
    assert "norm.running_mean" in block.state_dict()
    assert "Linear(in_features=4, out_features=3, bias=True)" in repr(net)
    assert sum(isinstance(part, nn.Dropout) for part in net.modules()) == 2
    with pytest.raises(AttributeError):
        _ = net.nothing


def test_weights_and_buffers_are_seen_and_set_from_both_sides(load):
    submission = load(NETS + "def wipe(net): net.head.weight.data.zero_(); net.table.data = torch.ones(5)")
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


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_a_students_model_gives_the_same_weights_to_the_bit(tmp_path, name):
    def train(submission):
        model, x, y = submission.Net(), torch.randn(16, 4), torch.randint(3, (16,))
        optimizer, losses = OPTIMIZERS[name](model.parameters()), []
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        return [losses, dict(model.state_dict()), [p.grad for p in model.parameters()]]

    here, across = both(tmp_path, train)
    assert here == across


@pytest.mark.parametrize("whose", ["the check's", "the student's"])
def test_the_students_training_loop_trains_any_model(tmp_path, whose):
    def train(submission):
        model = submission.Net() if whose == "the student's" else mixed()
        optimizer = OPTIMIZERS["Adam"](model.parameters())
        x, y = torch.randn(16, 4), torch.randint(3, (16,))
        submission.fit(model, x, y, 3, lambda parameters: optimizer)
        found = [[p, p.grad] for p in model.parameters()]
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        return [found, model.training, list(model.parameters()), len(optimizer.state)]

    here, across = both(tmp_path, train)
    assert here == across


def mixed():
    """A model of the check's own."""
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3))


class Squares(Dataset):
    """A data set of the check's own."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        if i >= self.size:
            raise IndexError(i)
        return torch.tensor([float(i)]), i**2


def test_optimizers_and_modes_are_mirrored_back(load):
    submission = load("""
        def step(optimizer, model):
            model.eval()
            for p in model.parameters(): p.grad = torch.ones_like(p)
            optimizer.step()
            optimizer.param_groups[0]["lr"] = 0.5
            model[1].running_mean.data.fill_(7)
        def freeze(model): model[0].weight.requires_grad_(False)
    """)
    model = mixed()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    before = model[0].weight.detach().clone()
    submission.step(optimizer, model)
    assert not model.training
    assert not model[2].training
    assert torch.allclose(model[0].weight, before - 0.1, atol=1e-6)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.state[model[0].weight]["step"] == 1
    assert model[1].running_mean.tolist() == [7.0] * 8
    submission.freeze(model)
    assert not model[0].weight.requires_grad
    submission.step(optimizer, model)
    assert optimizer.state[model[3].weight]["step"] == 2


def test_data_sets_of_the_students_serve_the_check(load):
    submission = load("""
        from torch.utils.data import DataLoader, Dataset
        class Pairs(Dataset):
            def __init__(self, n): self.n = n
            def __len__(self): return self.n
            def __getitem__(self, i):
                if not 0 <= i < self.n: raise IndexError(i)
                return torch.full((2,), float(i)), i
        def loader(data, **settings): return DataLoader(data, batch_size=2, **settings)
    """)
    pairs = submission.Pairs(5)
    assert isinstance(pairs, Dataset)
    assert len(pairs) == 5
    assert pairs[3][0].tolist() == [3.0, 3.0]
    assert [i for _, i in pairs] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        pairs[5]
    batches = list(DataLoader(pairs, batch_size=2))
    assert [batch[1].tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
    theirs = submission.loader(pairs)
    assert isinstance(theirs, DataLoader)
    assert (len(theirs), theirs.batch_size) == (3, 2)
    assert [x.shape for x, _ in theirs] == [(2, 2), (2, 2), (1, 2)]
    torch.manual_seed(0)
    order = [i.tolist() for _, i in submission.loader(pairs, shuffle=True)]
    torch.manual_seed(0)
    assert [i.tolist() for _, i in DataLoader(pairs, batch_size=2, shuffle=True)] == order


def test_data_sets_of_the_check_serve_the_student(load):
    submission = load("""
        def total(loader): return sum(float(y.sum()) for _, y in loader), len(loader)
        def items(data): return [data[i] for i in range(len(data))], type(data).__name__
        def first(loader):
            for x, y in loader: return x, y
    """)
    assert submission.total(DataLoader(Squares(5), batch_size=2)) == (30.0, 3)
    items, name = submission.items(Squares(2))
    assert told(items) == told([(torch.tensor([0.0]), 0), (torch.tensor([1.0]), 1)])
    assert name == "Squares"
    data = TensorDataset(torch.arange(4.0), torch.arange(4))
    generator = torch.Generator().manual_seed(0)
    x, y = submission.first(DataLoader(data, batch_size=4, shuffle=True, generator=generator))
    mine = torch.Generator().manual_seed(0)
    assert x.tolist() == next(iter(DataLoader(data, 4, shuffle=True, generator=mine)))[0].tolist()
    assert y.tolist() == x.tolist()
    assert torch.equal(generator.get_state(), mine.get_state())
