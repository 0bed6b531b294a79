"""The wall lasts: memory stays flat, tables empty themselves, and a lost worker costs one check."""

import gc
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gradus.submission.calls import access_of
from gradus.submission.exits import ProcessLost, SubmissionExit
from gradus.wall.judge.isolated import IsolatedSubmission
from gradus.wall.worker.worker import Worker
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
    assert len(side.originals._kept) <= 16
    return [len(side.handles), len(side.graphs._graphs), *shared, len(side.dead)]


def of_worker(student):
    """A probe: what the worker remembers, and its memory in MB."""
    gc.collect()
    (worker,) = [x for x in gc.get_objects() if type(x) is Worker]
    return tables(worker), megabytes()


def megabytes():
    """The resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def test_thousands_of_requests_leave_nothing_behind(load):
    host = access_of(load(KINDS)).host

    def checks(number):
        for _ in range(number):
            submission = IsolatedSubmission(host, sys.modules[__name__])
            module, mine, scale = submission.Linear(2, 2), nn.Linear(2, 2), torch.ones(2)
            for _ in range(20):  # of about 25 requests each
                ten_calls(submission, module, lambda x, scale=scale: x * scale, mine)

    def look():
        submission = IsolatedSubmission(host, sys.modules[__name__])
        gc.collect()
        submission.probe(of_worker)
        submission.count()  # each side tells the other what it has collected
        there, mb_there = submission.probe(of_worker)
        judge = host.judge()
        return tables(judge), len(judge._proxies), there, megabytes(), mb_there

    checks(2)
    first = look()
    checks(8)
    last = look()
    for here, proxies, there, _, _ in (first, last):
        assert max(*here, *there) <= 2  # the probe itself, and what came with the last message
        assert proxies == 0
    assert last[3] - first[3] < 2  # MB
    assert last[4] - first[4] < 2


def test_what_the_check_drops_is_dropped_in_the_worker(load):
    submission = load(KINDS)
    judge = access_of(submission).host.judge()
    nodes = [submission.Node(i) for i in range(50)]
    outputs = [submission.f(torch.ones(1, requires_grad=True))["y"][0] for _ in range(50)]
    assert submission.probe(of_worker)[0][:2] == [50, 50]
    nodes.pop()
    del outputs[:20]
    gc.collect()
    assert submission.probe(of_worker)[0][:2] == [49, 30]
    outputs.clear()
    nodes.clear()
    gc.collect()
    assert submission.probe(of_worker)[0][:2] == [0, 0]
    assert len(judge._proxies) == 0


def test_a_lost_process_costs_one_call_and_the_next_has_a_fresh_one(load):
    submission = load(KINDS)
    host, node = access_of(submission).host, submission.Node(1)
    assert [submission.count(), submission.count()] == [1, 2]
    with pytest.raises(ProcessLost, match="SIGKILL"):
        submission.lost()
    again = IsolatedSubmission(host, sys.modules[__name__])
    assert again.count() == 1
    with pytest.raises(ProcessLost):
        _ = node.x  # it lived in the process that has ended
    with pytest.raises(SubmissionExit, match=r"os._exit\(3\)"):
        again.leaves()
    assert again.count() == 2  # that one was held back


LOST = """
def row_means(table):
    import os
    os.kill(os.getpid(), 9)
"""
ENDLESS = """
def double(x):
    while True:
        pass
"""


def test_a_lost_process_costs_one_check(kit):
    result = grade(kit, answers(row_means=LOST), options=["--isolated"])
    assert earned(result) == {"double": 3, "row_means": 0, "Affine": 2}
    assert statuses(result)["one_mean_for_each_row"] == "error"
    assert "SIGKILL" in message(result, "one_mean_for_each_row")


def test_an_endless_loop_is_stopped_and_its_line_told(kit):
    limited = GRADER.replace("@pytest.mark.task(", "@pytest.mark.timeout(2)\n@pytest.mark.task(")
    result = grade(
        write_kit(kit.root, grader=limited), answers(double=ENDLESS), options=["--isolated"]
    )
    assert earned(result) == {"double": 0, "row_means": 2, "Affine": 2}
    assert set(statuses(result).values()) == {"passed", "timeout"}
    told = message(result, "twice_every_number")
    assert "called double(float32 tensor" in told
    assert "stopped after 2.0s: is there an endless loop?" in told
    assert "in double" in told
    assert "while True:" in told or "pass" in told
