"""A worker may call and advance what a check passed for that, until the check ends; it learns nothing more."""

import contextlib

import pytest
import torch

from gradus.submission.calls import access_of
from gradus.submission.exits import ProcessLost
from gradus.wall.judge.host import Host
from gradus.wall.judge.isolated import IsolatedSubmission
from gradus.wall.judge.source import Source
from gradus.wall.slots import slot_of
from tests.attacks.forging_wire import TOOLS
from tests.both_sides import opened

CALLED = []

ASKS = """
def apply(function, *args):
    return function(*args)

def take(iterator):
    return next(iterator)

def keep(value):
    global kept
    kept = value

def number_of(value):
    worker = find()
    known = getattr(value, "number", None)
    return known or next(n for n, twin in worker._twins.items() if twin is value)

class Anything:
    def __init__(self, number): self._number = number

def request(operation, value, *words):
    worker, pack = find(), find().pack
    node = {"$": "yours", "n": number_of(value)}
    worker.pack = lambda v, message: node if type(v) is Anything else pack(v, message)
    return worker.request(operation, Anything(node["n"]), *words)

def call_anyway(value, *args): return request("callback", value, list(args), {})
def advance_anyway(value): return request("advance", value)
def call_kept(): return call_anyway(kept, 1)
find().do_probe = lambda function, args: call_anyway(function, *args)
"""


def note(*args):
    """What a check may pass: it notes here that it ran in the judge."""
    CALLED.append(args)
    return len(args)


class Model(torch.nn.Module):
    def forward(self, *args):
        CALLED.append(args)


@pytest.fixture
def isolated(tmp_path):
    """Opens a student's source behind the wall."""
    CALLED.clear()
    with contextlib.ExitStack() as stack:
        yield lambda text: stack.enter_context(
            opened(tmp_path, text, isolated=True, grader=__name__)
        )


def test_what_was_passed_for_it_is_called_and_advanced(isolated):
    submission = isolated(TOOLS + ASKS)
    assert submission.apply(note, 1, 2) == 2
    assert submission.call_anyway(note, 1) == 1
    assert CALLED == [(1, 2), (1,)]
    assert submission.take(iter([7, 8])) == 7
    assert submission.advance_anyway(iter([7, 8])) == [7]


@pytest.mark.parametrize(
    "attack",
    [
        lambda s: s.probe(note, 1),  # a probe goes over whole, to run over there
        lambda s: s.call_anyway(Model(), 1),
        lambda s: s.call_anyway(torch.Generator()),
        lambda s: s.call_anyway(iter([1])),
        lambda s: s.advance_anyway(note),
        lambda s: s.advance_anyway(Model()),
    ],
    ids=["probe", "model", "generator", "iterator", "function", "module"],
)
def test_nothing_else_is_called_or_advanced(isolated, attack):
    submission = isolated(TOOLS + ASKS)
    with pytest.raises(
        ProcessLost, match=r"was not given for that|a malformed call|was never passed"
    ):
        attack(submission)
    assert CALLED == []


def test_a_function_may_be_called_until_its_check_ends(isolated):
    submission = isolated(TOOLS + ASKS)
    submission.keep(note)
    assert submission.call_kept() == 1
    access_of(submission).host.begin(None)
    with pytest.raises(ProcessLost, match="no such object"):
        submission.call_kept()
    assert CALLED == [(1,)]


DRAWS = """
import os
drawn = int(torch.randint(2**31, ()))
def drawn_while_loading(): return drawn
def end(items):
    torch.manual_seed(11)
    next(items)  # what is left in the random numbers goes to the judge
    os.kill(os.getpid(), 9)
"""


def test_what_a_check_left_in_the_random_numbers_is_not_there_in_the_next_load(isolated):
    submission = isolated(DRAWS)
    first = submission.drawn_while_loading()
    with pytest.raises(ProcessLost):
        submission.end(iter([1, 2]))
    left = torch.get_rng_state()
    assert submission.drawn_while_loading() == first
    assert torch.equal(torch.get_rng_state(), left)  # the check goes on with its own


def test_the_problems_that_are_told_are_those_of_the_first_load(tmp_path):
    path = tmp_path / "demo.py"
    text = "import os\nimport time\ndef end(): os.kill(os.getpid(), 9)\ndef one(): return 1\n"
    path.write_text(text + "raise RuntimeError(f'{time.time_ns()}')\n")
    host = Host(slot_of(tmp_path), Source(path, "demo", "demo.py"))
    try:
        submission = IsolatedSubmission(host)
        (problem,) = host.loaded.problems
        with pytest.raises(ProcessLost):
            submission.end()
        assert submission.one() == 1  # in another process, which had another problem
        assert host.loaded.problems == [problem]
    finally:
        host.close()
