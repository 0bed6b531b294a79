"""Training loops, optimizers and data sets work the same in-process and across the wall."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tests.both_sides import loader, told

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3)
        self.head, self.unused = nn.Linear(8, 3), nn.Parameter(torch.ones(2))
    def forward(self, x): return self.head(self.drop(self.norm(self.first(x)).relu()))
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


def both(folder, check, text=NET):
    """What a check finds in this process, and across the wall."""
    found = []
    for isolated in (False, True):
        with loader(folder, isolated=isolated, grader=__name__) as load:
            torch.manual_seed(0)
            found.append(told(check(load(text))))
    return found


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


MOVE = """
def move(model):
    model.double()
    model(torch.ones(4, 3, dtype=torch.float64))
    model[1].running_mean = model[1].running_mean + 1
"""


def test_buffers_that_the_student_replaces_are_mirrored_back(tmp_path):
    def check(submission):
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        for _ in range(2):
            submission.move(model)
        return model.state_dict()

    here, behind = both(tmp_path, check, MOVE)
    assert behind == here


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
