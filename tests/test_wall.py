"""Data, objects and exceptions that a check gets of a student are the same in-process and isolated."""

import collections
import math

import numpy as np
import pytest
import torch
from torch import nn

from gradus.checks import assert_matches
from gradus.checks.outcomes import Mismatch
from gradus.submission.calls import Submission, access_of
from gradus.submission.raised import raised
from tests.both_sides import loader, told

NAMES = {"torch": torch, "np": np, "math": math, "collections": collections}
Pair = collections.namedtuple("Pair", ["mean", "spread"])
DATA = {
    "numbers": "[0, -1, 2**62, -2**63, 2**64, 3**400, -3**99, True, 1.5, -0.0, math.inf, 1j, 2 + 0.5j]",
    "nan": "[math.nan, torch.tensor([math.nan, -0.0]), np.float32('nan'), complex(0, math.nan)]",
    "texts": "['', 'déjà vu \\n\\0 \\U0001f600', b'', b'\\0\\xff', None, ...]",
    "containers": "[[], (), {}, set(), (1,), {1, 2}, frozenset('ab'), [[[1], (2, [3])]], {'a': {2: (3,)}}]",
    "keys": "{1: 'a', 'b': 2, (1, 'c'): [3], None: 4, 1.5: 5, torch.float32: 6}",
    "collections": "[collections.OrderedDict(b=1, a=2), collections.Counter('abba'), collections.deque([1])]",
    "slices": "[slice(None), slice(1, 2, -1), range(3), range(5, 0, -2), torch.Size([2, 3]), torch.Size([])]",
    "dtypes": "[torch.float32, torch.bool, torch.complex64, torch.bfloat16, torch.uint16]",
    "devices": "[torch.device('cpu'), torch.device('cuda', 1), torch.strided, torch.channels_last]",
    "integers": "[torch.tensor([-1, 2], dtype=d) for d in (torch.int8, torch.int16, torch.int32, torch.int64)]",
    "unsigned": "[torch.tensor([0, 9]).to(d) for d in (torch.uint8, torch.uint16, torch.uint32, torch.uint64)]",
    "floats": "[torch.randn(3, dtype=d) for d in (torch.float16, torch.bfloat16, torch.float64)]",
    "complex": "[torch.randn(2, dtype=torch.complex64), torch.randn(2, dtype=torch.cdouble).conj()]",
    "truth": "[torch.tensor([True, False]), torch.tensor(False), np.array([True]), np.bool_(False)]",
    "small": "[torch.tensor(3), torch.empty(0), torch.empty(2, 0, 3), torch.ones(1), torch.ones(1, 1)]",
    "layouts": "[torch.randn(3, 2).t(), torch.randn(2, 3, 4).permute(2, 0, 1), torch.randn(5)[:3]]",
    "strided": "[torch.randn(6)[::2], torch.randn(4, 6)[1:, ::3], torch.randn(2, 3, 4, 4)[:, 1]]",
    "channels": "torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)",
    "large": "[torch.randn(200_000), np.arange(200_000.0)]",
    "arrays": "[np.arange(6).reshape(2, 3), np.arange(6.0).reshape(2, 3).T, np.zeros((0, 2)), np.array(1)]",
    "scalars": "[np.float32(1.5), np.int64(-3), np.uint8(7), np.complex64(1j), np.float16(2)]",
    "array dtypes": "[np.arange(3, dtype=d) for d in ('i1', 'u2', 'f2', 'f8', 'c8', 'c16')]",
    "sparse": "torch.eye(3).to_sparse()",
    "torch's tuples": "[torch.ones(2, 3).max(dim=0), torch.linalg.qr(torch.eye(2)), torch.ones(2).sort()]",
}  # fmt: skip


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def load(request, tmp_path):
    """Load a student's source: in this process, and then across the wall."""
    with loader(tmp_path, isolated=request.param, grader=__name__) as load:
        yield load


@pytest.mark.parametrize("about", DATA)
def test_data_is_the_same_on_both_sides(load, about):
    submission = load("def same(x): return x\ndef made(text): return eval(text)")
    torch.manual_seed(0)
    value = eval(DATA[about], NAMES)
    assert told(submission.same(value)) == told(value)
    torch.manual_seed(0)
    assert told(submission.made(DATA[about])) == told(value)


def test_values_of_the_students_own_kinds_keep_their_names(load):
    submission = load("""
        Point = collections.namedtuple("Point", "x y")
        class Marked(torch.Tensor): pass
        def point(): return Point(1, torch.ones(2))
        def same(x): return type(x).__name__
        def marked(): return torch.ones(2).as_subclass(Marked)
        def parameter(): return nn.Parameter(torch.ones(2))
        def packed(): return nn.utils.rnn.pack_sequence([torch.ones(2, 3)])
    """)
    assert submission.point()._fields == ("x", "y")
    assert type(submission.point()).__name__ == "Point"
    assert submission.same(Pair(1, 2)) == "Pair"
    assert type(submission.marked()).__name__ == "Marked"
    assert isinstance(submission.marked(), torch.Tensor)
    assert isinstance(submission.parameter(), nn.Parameter)
    assert submission.parameter().requires_grad
    assert nn.utils.rnn.unpack_sequence(submission.packed())[0].tolist() == [[1.0] * 3] * 2


def test_numbers_and_texts_of_other_kinds_compare_as_such(load):
    submission = load("""
        import enum
        class Color(enum.IntEnum): RED = 1
        class Word(str):
            def __str__(self): return "another"
        class Meters(float): pass
        def made(): return [Color.RED, Word("a"), Meters(1.5), np.array(["b"])[0]]
    """)
    assert submission.made() == [1, "a", 1.5, "b"]


def test_a_subclass_of_tensor_is_named_in_the_message(load):
    submission = load("""
        class Equal(torch.Tensor):
            def __eq__(self, other): return True
        def f(): return torch.zeros(2).as_subclass(Equal)
    """)
    with pytest.raises(Mismatch) as caught:
        assert_matches(submission.f(), torch.ones(2))
    assert caught.value.expected == "a plain torch.Tensor"
    assert caught.value.got == "the subclass Equal"


def test_what_cannot_be_sent_costs_its_call_alone(load):
    submission = load("""
        p = nn.Parameter(torch.ones(1))
        def deep():
            a = []
            a.append(a)
            return p, a
        def same(x): return x
    """)
    if type(submission) is not Submission:
        with pytest.raises(Exception, match="nested more than 40 deep"):
            submission.deep()
    assert submission.same(submission.probe(lambda student: student.p.tolist())) == [1.0]
    assert submission.same(2) == 2


def test_what_is_done_to_arguments_stays_with_the_student(load):
    submission = load("""
        def spoil(x, items, table, array):
            x.zero_(); items.append(9); table["new"] = 1; array[0] = 9; items[0].add_(1)
            return float(x.sum())
        def expanded(x): return x.stride(), x.add_(1).tolist()
    """)
    x, items, table, array = torch.ones(2), [torch.ones(1)], {}, np.ones(1)
    assert submission.spoil(x, items, table, array) == 0.0
    assert (x.tolist(), items, table, array.tolist()) == ([1.0, 1.0], [torch.ones(1)], {}, [1.0])
    assert submission.expanded(torch.ones(1, 2).expand(3, 2)) == ((2, 1), [[2.0, 2.0]] * 3)


def test_objects_have_attributes_methods_and_operators(load):
    submission = load("""
        class Node:
            \"\"\"A number.\"\"\"
            count = 0
            def __init__(self, value, *, parents=()): self.value, self.parents = value, parents
            def __add__(self, other):
                value = self.value + getattr(other, "value", other)
                return Node(value, parents=(self, other))
            __radd__ = __add__
            def __neg__(self): return Node(-self.value)
            def __len__(self): return 3
            def __getitem__(self, key): return key
            def __setitem__(self, key, value): self.value = (key, value)
            def __call__(self, x, *, twice=False): return self.value * x * (1 + twice)
            def __enter__(self): self.value += 1; return self
            def __exit__(self, *error): self.value = error[0] is not None; return False
            def __repr__(self): return f"Node({self.value})"
            @property
            def half(self): return self.value / 2
            @classmethod
            def zero(cls): return cls(0)
            @staticmethod
            def name(): return "node"
    """)
    two, three = submission.Node(2), submission.Node(3)
    total = two + three
    assert (total.value, len(total.parents)) == (5, 2)
    assert total.parents[0] is two
    assert total.parents == (two, three)
    assert ((-two).value, two.half, two.name(), two.zero().value) == (-2, 1.0, "node", 0)
    assert (len(two), two[1:2], two[..., None]) == (3, slice(1, 2), (..., None))
    assert two(torch.ones(2), twice=True).tolist() == [4.0, 4.0]
    assert (repr(two), type(two).__name__, two.__doc__) == ("Node(2)", "Node", "A number.")
    two.value, two.extra = 7, [1]
    assert (two.value, two.extra, hasattr(two, "nothing")) == (7, [1], False)
    del two.extra
    assert not hasattr(two, "extra")
    with two as entered:
        assert entered.value == 8
    assert two.value is False
    two["a"] = 4
    assert two.value == ("a", 4)
    assert "value" in dir(two)
    assert {two: 1, three: 2}[two] == 1
    assert two != three
    with pytest.raises(TypeError):
        two - three


def test_generators_run_only_as_far_as_they_are_asked(load):
    submission = load("""
        made = []
        def squares():
            for n in range(3):
                made.append(n)
                yield torch.tensor(n * n)
        def log(): return list(made)
        def take(items, n): return [next(items) for _ in range(n)]
        class Steps:
            def __iter__(self): return iter([1, 2])
    """)
    squares = submission.squares()
    assert submission.log() == []
    assert next(squares) == 0
    assert submission.log() == [0]
    assert [int(x) for x in squares] == [1, 4]
    assert next(squares, None) is None
    assert list(submission.Steps()) == [1, 2]
    mine = iter(range(10))
    assert submission.take(mine, 3) == [0, 1, 2]
    assert next(mine) == 3


def test_exceptions_come_with_their_text_and_the_students_lines(load):
    submission = load("""
        class MyError(LookupError): pass
        def fails(kind):
            if kind == "own": raise MyError("mine")
            if kind == "key": return {}["missing"]
            if kind == "torch": return torch.ones(2) @ torch.ones(3)
            if kind == "todo": raise NotImplementedError("TODO: fails")
            assert kind == "known", "what kind?"
    """)
    for kind, base, text in (
        ("own", LookupError, "MyError: mine"),
        ("key", KeyError, "KeyError: 'missing'"),
        ("torch", RuntimeError, "RuntimeError: inconsistent tensor size"),
        ("todo", NotImplementedError, "NotImplementedError: TODO: fails"),
        ("other", AssertionError, "AssertionError: what kind?"),
    ):
        with pytest.raises(base) as caught:
            submission.fails(kind)
        came = raised(caught.value, access_of(submission).loaded.filenames)
        assert text in came.text
        assert [frame.function for frame in came.frames] == ["fails"]
        assert came.frames[0].line.startswith(("if kind", "assert kind"))
        assert came.frames[0].filename == "demo.py"
    with pytest.raises(KeyError) as caught:
        submission.fails("key")
    assert str(caught.value) == "'missing'"
