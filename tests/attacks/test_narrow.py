"""What a submission may ask of the judge is little, and what it may do to a check's own objects is nothing."""

import contextlib
import gc
import weakref

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradus.checks import assert_matches
from gradus.submission.calls import access_of
from gradus.submission.exits import ProcessLost
from gradus.wall.judge.budget import Budget
from gradus.wall.wire import objects
from tests.attacks.forging_wire import TOOLS as FIND
from tests.both_sides import loader, opened
from tests.kits import copy_kit, earned, grade, message, statuses, with_cell

SPOIL = """
def zeroed(model, x):
    y = model(x).detach().clone()
    with torch.no_grad():
        for p in model.parameters(): p.zero_()
    model.eval()
    return y
def emptied(loader):
    first = next(iter(loader))[0].clone()
    loader.dataset.tensors[0].zero_()
    return first
def stepped(model, optimizer, x):
    model(x).sum().backward()
    optimizer.step()
    return [p.tolist() for p in model.parameters()] == [
        p.tolist() for g in optimizer.param_groups for p in g["params"]
    ]
class Keeps:
    def __init__(self, model): self.model = model
    def zero(self):
        for p in self.model.parameters(): p.data.zero_()
    def out(self, x): return self.model(x)
"""


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def copied(tmp_path, request):
    """Loads a source for checks that do not lend their objects."""
    with loader(tmp_path, isolated=request.param, grader=__name__, lends=False) as load:
        yield load


@pytest.fixture
def isolated(tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda text, **settings: stack.enter_context(
            opened(tmp_path, text, isolated=True, grader=__name__, **settings)
        )


def test_a_model_that_was_passed_is_as_it_was(copied):
    submission, model, x = copied(SPOIL), nn.Linear(3, 2), torch.ones(1, 3)
    before = [p.clone() for p in model.parameters()]
    want = model(x)
    assert_matches(submission.zeroed(model, x), want.detach())
    assert_matches([p.detach() for p in model.parameters()], [p.detach() for p in before])
    assert model.training
    assert_matches(model(x).detach(), want.detach())


def test_what_a_call_left_of_a_model_can_be_observed(copied):
    submission, model = copied(SPOIL), nn.Linear(3, 2)
    left = submission.zeroed.observe(model, torch.ones(1, 3)).args[0]
    assert not left.weight.any()
    assert not left.bias.any()
    assert not left.training
    assert model.weight.any()
    assert model.training


def test_data_of_a_loader_that_was_passed_is_as_it_was(copied):
    data = torch.arange(6.0) + 1
    submission, batches = copied(SPOIL), DataLoader(TensorDataset(data), batch_size=2)
    assert_matches(submission.emptied(batches), torch.tensor([1.0, 2.0]))
    assert_matches(data, torch.arange(6.0) + 1)


def test_copies_that_are_passed_together_belong_together(copied):
    submission, model = copied(SPOIL), nn.Linear(3, 2)
    optimizer, before = torch.optim.SGD(model.parameters(), lr=0.1), model.weight.detach().clone()
    assert submission.stepped(model, optimizer, torch.ones(1, 3)) is True
    assert_matches(model.weight.detach(), before)
    assert model.weight.grad is None


def test_an_object_keeps_the_copy_that_it_was_made_with(copied):
    submission, model, x = copied(SPOIL), nn.Linear(3, 2), torch.ones(1, 3)
    keeps, want = submission.Keeps(model), model(x).detach()
    assert_matches(keeps.out(x).detach(), want)
    keeps.zero()
    assert not keeps.out(x).any()
    assert_matches(model(x).detach(), want)


@pytest.mark.parametrize("behind", [False, True], ids=["in-process", "isolated"])
def test_a_check_that_trains_sees_what_becomes_of_its_model(tmp_path, behind):
    with loader(tmp_path, isolated=behind, grader=__name__, lends=True) as load:
        submission, model = load(SPOIL), nn.Linear(3, 2)
        submission.zeroed(model, torch.ones(1, 3))
        assert not model.weight.any()
        assert not model.training


TRAINS = '''
@pytest.mark.task("double", points=3)
{mark}
def test_zeroes(submission, random):
    """double zeroes the weights."""
    model = torch.nn.Linear(2, 2)
    submission.double(model)
    assert not model.weight.any()
'''


@pytest.mark.parametrize("behind", [False, True], ids=["in-process", "isolated"])
@pytest.mark.parametrize(("mark", "points"), [("", 0), ("@pytest.mark.trains", 3)])
def test_the_mark_of_a_check_decides(shared_kit, tmp_path, mark, points, behind):
    course = copy_kit(shared_kit, tmp_path / "kit")
    course.grader("demo").write_text("import pytest, torch\n" + TRAINS.format(mark=mark))
    text = "def double(model):\n    model.weight.data.zero_()\n"
    assert earned(grade(course, text, isolated=behind))["double"] == points


CALLS_BACK = (
    FIND
    + """
def apply(f, *args): return f(*args)
def many(f, x):
    for _ in range(40): f(x)
class Deaf(list):
    def append(self, number): pass
def hoard(f):
    find()._dead_graphs = Deaf()
    big = torch.ones(8 << 20, requires_grad=True)
    for _ in range(30): f(big * 1)
def fails(f, x):
    for _ in range(16):
        try: f(x)
        except ValueError: pass
"""
)


def test_a_function_of_a_check_returns_data(isolated):
    submission = isolated(CALLS_BACK, lends=False)
    assert submission.apply(lambda: [torch.ones(1), {"a": (1, "b")}]) is not None
    with pytest.raises(TypeError, match="may return only data"):
        submission.apply(lambda: nn.Linear(1, 1))


def test_functions_of_a_check_are_not_called_without_end(isolated, monkeypatch):
    monkeypatch.setattr("gradus.wall.judge.sending.MOST_CALLS", 30)
    submission = isolated(CALLS_BACK)
    with pytest.raises(ProcessLost, match="more than 30 calls"):
        submission.many(lambda x: x, 1)


def test_results_that_are_never_let_go_are_bounded(isolated):
    submission = isolated(CALLS_BACK)
    with pytest.raises(ProcessLost, match="more than 256 MB of results"):
        submission.hoard(lambda x: x * 2)


def test_exceptions_that_went_across_hold_on_to_nothing(isolated):
    seen = []

    def fails(x):
        seen.append(weakref.ref(x))
        raise ValueError("no")

    isolated(CALLS_BACK).fails(fails, torch.ones(1000))
    gc.collect()
    assert len(seen) == 16
    assert sum(ref() is not None for ref in seen) <= 1


COLLIDE = (
    FIND
    + """
import json, struct
def answer(word):
    p = 2**61 - 1
    keys = [{"$": "int", "v": hex(p * (i + 4))} for i in range(20_000)]
    node = {"$": word, "v": [[k, 0] for k in keys] if word == "dict" else keys}
    head = json.dumps({"kind": "told", "value": node}, separators=(",", ":")).encode()
    find().channel._sock.sendall(struct.pack("<BIQ", 0, len(head), 0) + head)
"""
)


@pytest.mark.parametrize("word", ["dict", "set", "frozenset"])
def test_keys_with_the_same_hash_are_refused(isolated, word):
    with pytest.raises(ProcessLost, match="chosen to have the same hash"):
        isolated(COLLIDE).answer(word)


def test_one_submission_has_one_budget_of_seconds(shared_kit):
    cell = "import os, time\ntime.sleep(1.5)\ndef double(x):\n    os.kill(os.getpid(), 9)\nAffine = double"
    result = grade(shared_kit, with_cell(cell), isolated=True, options=["--limit", "2"])
    said = message(result, "affine_learns")
    assert "it took more than the 2 s that it may take in all (--limit)" in " ".join(said.split())
    assert statuses(result)["affine_learns"] == "timeout"
    assert result.isolation["time"].startswith("2 s for one submission")


def test_a_budget_counts_what_is_inside_once():
    budget = Budget(100.0)
    with budget.spending(), budget.spending():
        pass
    assert 99.0 < budget.left < 100.0


LIES = """
class Liar:
    def __sub__(self, other): return self
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = __matmul__ = __sub__
    def __abs__(self): return 0.0
    def __neg__(self): return 0.0
    def __contains__(self, item): return True
    def __float__(self): return 0.0
    def abs(self): return self
    def max(self, *a): return 0.0
    mean = sum = norm = item = all = any = allclose = equal = eq = isclose = max
"""


@pytest.mark.parametrize(
    "verdict",
    [
        lambda got: abs(got - 1.0),
        lambda got: abs(got),
        lambda got: -got,
        lambda got: 1.0 - got,
        lambda got: torch.ones(2) - got,
        lambda got: torch.ones(2) @ got,
        lambda got: got @ torch.ones(2),
        lambda got: got.abs(),
        lambda got: got.max(),
        lambda got: got.item(),
        lambda got: got.allclose(torch.ones(2)),
        lambda got: got.equal(torch.ones(2)),
        lambda got: got.mean(),
        lambda got: float(got),
        lambda got: int(got),
        lambda got: 1.0 in got,
        lambda got: got < 1.0,
        lambda got: round(got),
    ],
)
def test_no_operation_on_an_object_ends_in_a_number(isolated, verdict):
    with pytest.raises((TypeError, AttributeError)):
        verdict(isolated(LIES).Liar())


def test_a_probe_is_no_object_that_comes_back(isolated):
    submission = isolated(FIND + "def nothing(): return None")
    judge = access_of(submission).host.judge()

    def probe(student):
        return 1

    assert submission.probe(probe) == 1
    (number,) = judge._probes

    def hand_back(student, number):
        worker = student.find()
        worker.pack = lambda value, message: {"$": "yours", "n": number}
        return object()

    with pytest.raises(ProcessLost, match="never passed to the submission"):
        submission.probe(hand_back, number)


def test_a_function_does_not_tell_which_check_it_comes_from():
    objects.send_by_value([__import__(__name__, fromlist=["x"])])

    class Inside(nn.Module):
        def forward(self, x):
            return (lambda y: y + 1)(x)

    def probe(student, x):
        return [(lambda y: y * 2)(x), Inside()(x)]

    data, _ = objects.dump([probe, Inside()], lambda value: False)
    assert b"which_check" not in data
    assert __file__.encode() not in data
    sent, _ = objects.load(data, [])
    assert sent.__code__.co_firstlineno == 1  # the line would tell as well
