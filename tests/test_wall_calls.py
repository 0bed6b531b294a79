"""What goes on around a call of student code is the same in-process and isolated."""

import collections

import pytest
import torch

from gradus.submission.calls import StudentError, access_of
from gradus.submission.raised import raised
from tests.both_sides import loader, opened, told


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def load(request, tmp_path):
    """Load a student's source: in this process, and then across the wall."""
    with loader(tmp_path, isolated=request.param, grader=__name__) as load:
        yield load


class Stop(Exception):
    """Of the check's own."""


def test_callbacks_run_in_the_check(load):
    submission = load("""
        def apply(f, x, **named): return f(x, **named)
        def each(f, items): return [f(item) for item in items]
        def hand_back(f): return f
        def catch(f):
            try: return f()
            except ValueError as error: return f"caught {error}"
    """)
    seen = []

    def f(x, scale=1):
        seen.append(x)
        return {"y": x * scale}

    assert submission.apply(f, torch.ones(2), scale=3)["y"].tolist() == [3.0, 3.0]
    assert seen[0].tolist() == [1.0, 1.0]
    assert submission.each(seen.append, [1, 2]) == [None, None]
    assert seen[1:] == [1, 2]
    assert submission.hand_back(f) is f
    assert submission.apply(torch.relu, torch.tensor([-1.0])).item() == 0
    assert submission.apply(submission.hand_back, 5) == 5
    assert submission.apply(lambda x: submission.each(lambda y: y + x, [1, 2]), 10) == [11, 12]

    def wrong():
        raise ValueError("no")

    assert submission.catch(wrong) == "caught no"


def test_an_exception_of_a_callback_comes_back_as_itself(load):
    submission = load("""
        def apply(f): return f()
        def other(f):
            try: f()
            except Exception as error: raise KeyError("mine") from error
    """)
    stop = Stop("enough")

    def fails():
        raise stop

    with pytest.raises(Stop) as caught:
        submission.apply(fails)
    assert caught.value is stop
    with pytest.raises(KeyError, match="mine"):
        submission.other(fails)


def test_the_seed_of_the_check_determines_what_the_student_draws(load):
    submission = load("""
        def draw(n=2): return torch.randn(n)
        def layer(): return nn.Linear(3, 2)
        def drawn(generator): return torch.rand(2, generator=generator)
        def seeds(n): torch.manual_seed(n)
        def items(): yield torch.rand(1); yield torch.rand(1)
    """)
    torch.manual_seed(5)
    mine = [torch.randn(2), torch.randn(3), torch.randn(4), torch.nn.Linear(3, 2).weight]
    torch.manual_seed(5)
    assert torch.equal(submission.draw(), mine[0])
    assert torch.equal(torch.randn(3), mine[1])
    assert torch.equal(submission.draw(n=4), mine[2])
    assert torch.equal(submission.layer().weight, mine[3])
    submission.seeds(5)
    assert torch.equal(torch.randn(2), mine[0])
    generator, other = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    for _ in range(2):
        assert torch.equal(submission.drawn(generator), torch.rand(2, generator=other))
        assert torch.equal(torch.rand(1, generator=generator), torch.rand(1, generator=other))
    torch.manual_seed(1)
    items = [torch.rand(1), torch.rand(1), torch.rand(1)]
    torch.manual_seed(1)
    drawn = submission.items()
    assert [next(drawn), torch.rand(1), next(drawn)] == items


def test_what_student_code_prints_is_seen(load, capsys):
    submission = load("""
        import sys
        def prints(n):
            print("out", n)
            print("error", n, file=sys.stderr)
            return n
        def fails(): print("before"); 1 / 0
        def many(): print("x" * 1_000_000 + "end")
    """)
    assert submission.prints(1) == 1
    assert capsys.readouterr() == ("out 1\n", "error 1\n")
    with pytest.raises(ZeroDivisionError):
        submission.fails()
    assert capsys.readouterr().out == "before\n"
    submission.many()
    assert capsys.readouterr().out.endswith("xend\n")


def test_the_grad_mode_is_that_of_the_check(load):
    submission = load("""
        w = nn.Parameter(torch.ones(2))
        def scale(x): return x * w, torch.is_grad_enabled()
        def frozen(x):
            with torch.no_grad(): return x * w
        def turns_off(): torch.set_grad_enabled(False)
    """)
    y, enabled = submission.scale(torch.ones(2))
    assert (y.requires_grad, enabled) == (True, True)
    with torch.no_grad():
        y, enabled = submission.scale(torch.ones(2))
    assert (y.requires_grad, enabled) == (False, False)
    assert not submission.frozen(torch.ones(2, requires_grad=True)).requires_grad
    try:
        submission.turns_off()
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


def shares_memory(student, x):
    """A probe."""
    return student.view(x).data_ptr() == x.data_ptr(), student.CONSTANT, x


def asks_for_more(student):
    """A probe that meets what is not there."""
    return student.viev(1)


def calls_wrongly(student, x):
    """A probe in which the student's code fails."""
    student.view(x)
    return student.fails(x)


def test_a_probe_runs_beside_the_students_code(load):
    submission = load("""
        CONSTANT = [1, 2]
        def view(x): return x[1:] if len(x) > 5 else x.view(-1)
        def fails(x): raise ZeroDivisionError("by me")
    """)
    x = torch.ones(2, 2)
    shared, constant, back = submission.probe(shares_memory, x)
    assert (shared, constant) == (True, [1, 2])
    assert told(back) == told(x)
    assert back is not x
    assert access_of(submission).last_call.text == "view(float32 tensor (2, 2))"
    assert access_of(submission).last_call.returned == "float32 tensor (4)".replace("(4)", "(4,)")
    with pytest.raises(StudentError, match="does not define `viev`; is `view` meant"):
        submission.probe(asks_for_more)
    with pytest.raises(ZeroDivisionError, match="by me") as caught:
        submission.probe(calls_wrongly, x)
    assert access_of(submission).last_call.text == "fails(float32 tensor (2, 2))"
    assert access_of(submission).last_call.returned is None
    frames = raised(caught.value, access_of(submission).loaded.filenames).frames
    assert [frame.function for frame in frames] == ["fails"]
    offset = 3
    assert submission.probe(lambda student, x: student.CONSTANT[x] + offset, 1) == 5


def test_the_last_call_is_noted_for_the_message(load):
    submission = load("def f(x, *, n=1): return [x, n]\ndef fails(x): 1 / 0")
    submission.f(torch.ones(3), n=2)
    assert access_of(submission).last_call.text == "f(float32 tensor (3,), n=2)"
    assert access_of(submission).last_call.returned == "[float32 tensor (3,), 2]"
    with pytest.raises(ZeroDivisionError):
        submission.fails(None)
    assert (access_of(submission).last_call.text, access_of(submission).last_call.returned) == (
        "fails(None)",
        None,
    )


def test_names_and_signatures_that_do_not_fit_are_told(load):
    submission = load("def mean(x, dim): return x.mean(dim)\nsize = 3\nclass Net:\n    pass")
    for call, text in (
        (lambda: submission.meen, "demo.py does not define `meen`; is `mean` meant to be it?"),
        (lambda: submission.nothing(1), "demo.py does not define `nothing`; was it deleted"),
        (lambda: submission.mean(1), "`mean(x, dim)` cannot be called as mean(1): missing a req"),
        (lambda: submission.Net(1), "`Net()` cannot be called as Net(1): too many positional"),
        (lambda: submission.size(1), "`size` is 3, not a function or class"),
    ):
        with pytest.raises(StudentError) as caught:
            call()
        assert text in str(caught.value)


def test_observe_tells_of_arguments_and_torch_functions(load):
    submission = load("""
        def f(x, table, *, y):
            x.add_(1); table["sum"] = x.sum()
            return torch.einsum("i,i->i", x, y) @ y
    """)
    x, y = torch.ones(2), torch.ones(2)
    seen = submission.f.observe(x, {}, y=y)
    assert seen.result == 4
    assert seen.args[0].tolist() == [2.0, 2.0]
    assert seen.args[1] == {"sum": torch.tensor(4.0)}
    assert seen.kwargs["y"].tolist() == [1.0, 1.0]
    assert {"torch.einsum", "torch.Tensor.add_", "torch.Tensor.sum"} <= set(seen.calls)
    assert "torch.matmul" not in seen.calls
    assert x.tolist() == [1.0, 1.0]


def test_what_python_asks_of_an_object_it_asks_here_too(load):
    submission = load("""
        class Odd:
            def __len__(self): return "three"
            def __iter__(self): return [1, 2, 3]
        class Even:
            def __len__(self): return 3
            def __iter__(self): return iter([1, 2, 3])
    """)
    assert (len(submission.Even()), list(submission.Even())) == (3, [1, 2, 3])
    odd = submission.Odd()
    with pytest.raises(TypeError, match="'str' object cannot be interpreted as an integer"):
        len(odd)
    with pytest.raises(TypeError, match="returned non-iterator of type 'list'"):
        iter(odd)


@pytest.mark.parametrize("isolated", [False, True])
def test_an_object_without_a_call_is_none_to_call(tmp_path, isolated):
    text = "class Thing: pass\ndef make(): return Thing()"
    with opened(tmp_path, text, isolated=isolated, grader=__name__) as s:
        thing = s.make()
        assert not callable(thing)
        with pytest.raises(TypeError, match="'Thing' object is not callable"):
            thing()


def test_what_forward_does_to_its_arguments_in_place_stays_its_own(load):
    submission = load("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = Adds()
            def forward(self, x, *, lengths):
                lengths += 1
                before = x * 1
                return self.inner(x) is x and bool((x != before).all())
        class Adds(nn.Module):
            def forward(self, x): return x.add_(1)
        def plain(): return nn.Sequential(nn.ReLU(inplace=True))
        def square(): return Square()
        class Square(nn.Module):
            def forward(self, x): return (x.mul_(2) ** 2).sum()
    """)
    x, lengths = torch.zeros(2), torch.tensor([3, 4])
    assert submission.Net()(x, lengths=lengths) is True  # among modules it is seen
    assert (x.tolist(), lengths.tolist()) == ([0, 0], [3, 4])
    low = torch.tensor([-1.0])
    assert submission.plain()(low).item() == 0
    assert low.item() == -1
    leaf = torch.ones(3, requires_grad=True)
    submission.square()(leaf).backward()
    assert leaf.grad.tolist() == [8.0, 8.0, 8.0]


def test_python_calls_what_is_lent_by_its_type(load):
    submission = load("""
        def length(it): return len(it)
        def data(it): return it.dataset
        def name(f): return f.no_such_name
        def kind(it): return type(it).__name__
    """)
    for value, words in [
        (iter([1, 2]), "object of type 'list_iterator' has no len()"),
        ((i for i in "ab"), "object of type 'generator' has no len()"),
        (zip([1], [2], strict=True), "object of type 'zip' has no len()"),
    ]:
        with pytest.raises(TypeError) as caught:
            submission.length(value)
        assert str(caught.value) == words
        assert submission.kind(value) == type(value).__name__
    with pytest.raises(AttributeError, match="'generator' object has no attribute 'dataset'"):
        submission.data(i for i in "ab")
    with pytest.raises(AttributeError, match="'function' object has no attribute 'no_such_name'"):
        submission.name(lambda: 1)


Pair = collections.namedtuple("Pair", ["image", "label"])


def test_a_named_tuple_says_what_pythons_own_say(load):
    submission = load("def build(p, *args, **kwargs): return type(p)(*args, **kwargs)")
    triple = collections.namedtuple("Triple", ["a", "b", "c"])(1, 2, 3)
    pair = Pair(1, 2)
    assert told(submission.build(pair, 3, label=4)) == told(Pair(3, 4))
    for value, args, named in [
        (pair, ([1, 2],), {}),
        (pair, (), {}),
        (triple, (), {}),
        (triple, (1, 2, 3, 4), {}),
        (pair, (1,), {"image": 2}),
        (pair, (1, 2), {"other": 2}),
        (triple, (), {"c": 1}),
    ]:
        with pytest.raises(TypeError) as expected:
            type(value)(*args, **named)
        with pytest.raises(TypeError) as got:
            submission.build(value, *args, **named)
        assert str(got.value) == str(expected.value)


REPLACES = """
def replace(target, source):
    target.weight = source.weight
def renew(target):
    target.weight = nn.Parameter(torch.full((1, 2), 7.0))
    target.bias = None
def add(target):
    target.bias = nn.Parameter(torch.ones(1))
"""


def test_a_parameter_that_takes_anothers_place_shows_where_models_are_lent(load):
    submission = load(REPLACES)
    target, source = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    submission.replace(target, source)
    assert target.weight is source.weight
    submission.renew(target)
    assert target.weight.tolist() == [[7.0, 7.0]]
    assert target.bias is None
    target.weight.data.zero_()  # it is shared from now on
    assert (
        submission.probe(lambda student, model: model.weight.detach().sum().item(), target) == 0.0
    )


def test_a_parameter_of_the_submissions_own_module_in_the_checks_may_be_replaced(load):
    submission = load("""
        def make(): return nn.Linear(2, 1)
        def renew(whole): whole[0].weight = nn.Parameter(torch.full((1, 2), 7.0))
    """)
    whole = torch.nn.Sequential(submission.make(), torch.nn.Linear(1, 1))
    submission.renew(whole)
    assert whole[0].weight.tolist() == [[7.0, 7.0]]
    assert whole(torch.ones(3, 2)).shape == (3, 1)


@pytest.mark.parametrize("isolated", [False, True])
def test_no_parameter_takes_anothers_place_in_a_model_that_is_not_lent(tmp_path, isolated):
    with opened(tmp_path, REPLACES, isolated=isolated, grader=__name__, lends=False) as s:
        target = torch.nn.Linear(2, 1)
        weight, bias = target.weight, target.bias
        s.renew(target)
        s.probe(lambda student, model: student.renew(model), target)
        assert target.weight is weight
        assert target.bias is bias
        bare = torch.nn.Linear(2, 1, bias=False)
        s.probe(lambda student, model: student.add(model), bare)
        if isolated:  # in-process, what a function refers to is the check's own
            s.probe(lambda student: student.add(bare))
            s.probe(lambda student: student.renew(target))
            assert target.weight is weight
            assert target.bias is bias
        assert bare.bias is None


def test_a_long_text_of_paths_takes_no_time():
    text = "/a" * 200_000 + " at 0x" * 200_000
    assert raised(ValueError(text), ()).text == f"ValueError: {text}"


def test_reports_leave_out_what_differs_from_run_to_run(load):
    submission = load("""
        import tempfile
        def lost():
            with tempfile.TemporaryDirectory() as folder: raise FileNotFoundError(f"no {folder}/a.png")
        def address(): raise ValueError(f"odd: {object()}")
    """)
    for name, words in [
        ("lost", "FileNotFoundError: no <temporary>/a.png"),
        ("address", "ValueError: odd: <object object>"),
    ]:
        with pytest.raises((FileNotFoundError, ValueError)) as caught:
            getattr(submission, name)()
        assert raised(caught.value, access_of(submission).loaded.filenames).text == words
