"""The wall lasts: memory stays flat, tables empty themselves, and a lost worker costs one check."""

import gc
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gradus.isolation.host import IsolatedSubmission
from gradus.isolation.worker import Worker
from gradus.submission.exits import ProcessLost, SubmissionExit
from tests.both_sides import loader
from tests.kits import GRADER, answers, earned, grade, message, statuses, write_kit

KINDS = """
class Node:
    def __init__(self, x): self.x = x
    def __add__(self, other): return Node(self.x + other.x)
    def __iter__(self): return iter([self, self])
class Layer:
    def __init__(self): self.weight = torch.ones(2, 2, requires_grad=True)
    def __call__(self, x): return x @ self.weight
Linear = nn.Linear
def f(x, *, scale=1): return {"y": [scale * x, x.sum()]}
def fails(): raise ValueError("no")
def steps():
    yield 1
    yield 2
def apply(f, x): return f(x)
def lost():
    import os
    os.kill(os.getpid(), 9)
def leaves(): 
    import os
    os._exit(3)
def where(): return os.getpid()
import os
counter = []
def count(): counter.append(1); return len(counter)
"""


@pytest.fixture
def load(tmp_path):
    """Load a student's source across the wall."""
    with loader(tmp_path, isolated=True, grader=__name__) as load:
        yield load


def ten_calls(submission, module, scaled, mine):
    """Calls of every kind; what comes back is dropped at once."""
    x = torch.ones(2, 2, requires_grad=True)
    y = submission.f(x, scale=2)["y"]
    (y[0].sum() + y[1]).backward()
    submission.f(x)  # never differentiated
    nodes = list(submission.Node(1) + submission.Node(torch.ones(1)))
    layer = submission.Layer()
    layer(x).sum().backward()
    next(iter(submission.steps()))
    submission.apply(scaled, x).sum().backward()
    module(x).sum().backward()
    submission.apply(mine, torch.ones(1, 2))
    with pytest.raises(ValueError, match="no"):
        submission.fails()
    assert nodes[0] is nodes[1]
    assert layer.weight.grad is not None


def tables(side):
    """How much one side remembers."""
    shared = len(side.shared._entries), len(side.shared._numbers), len(side.shared.dead)
    kept = len(side.originals._kept)
    return len(side.handles), len(side.graphs._graphs), *shared, len(side.dead), min(kept, 16)


def of_worker(student):
    """A probe: what the worker remembers, and its memory in MB."""
    gc.collect()
    (worker,) = [x for x in gc.get_objects() if type(x) is Worker]
    return [*tables(worker), len(worker._modules)], megabytes()


def megabytes():
    """The resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def test_ten_thousand_calls_leave_nothing_behind(load):
    host = load(KINDS)._host

    def check(rounds):
        submission = IsolatedSubmission(host, sys.modules[__name__])
        module, mine, scale = submission.Linear(2, 2), nn.Linear(2, 2), torch.ones(2)
        for _ in range(rounds):
            ten_calls(submission, module, lambda x: x * scale, mine)

    def look():
        gc.collect()
        submission = IsolatedSubmission(host, sys.modules[__name__])
        submission.count()  # tells the worker what is no longer needed
        judge = host.judge()
        here = [*tables(judge), len(judge._proxies), len(judge._sent)]
        return [here, megabytes(), *submission.probe(of_worker)]

    check(50)
    first = look()
    for _ in range(20):
        check(50)
    last = look()
    print(first, last)
    assert last[0] == first[0]
    assert last[2] == first[2]
    assert last[1] - first[1] < 5
    assert last[3] - first[3] < 5
