"""Gradients of student code are the same in-process and across the wall."""

import pytest
import torch
from torch import nn

from tests.both_sides import loader, told

MATHS = """
def poly(x, y): return x**3 * y + x.sin(), (x * y).sum()
def detached(x, y): return x.detach() * y
def constant(x): return torch.ones(2)
def views(x): return x, x[0], x.t()
def whole(x): return (x > 0).long(), x.sum()
w = torch.ones(2, requires_grad=True)
def weight(): return w
def weighted(x): return {"y": [x * w], "n": 3}
def twice(f, x): return f(f(x))
"""


@pytest.fixture(params=[False, True], ids=["in-process", "isolated"])
def load(request, tmp_path):
    """Load a student's source: in this process, and then across the wall."""
    with loader(tmp_path, isolated=request.param, grader=__name__) as load:
        yield load


@pytest.fixture
def x():
    """A table of numbers that gradients are wanted of."""
    torch.manual_seed(0)
    return torch.randn(3, 3, dtype=torch.float64).requires_grad_()


def poly(x, y):
    """What `submission.poly` computes."""
    return x**3 * y + x.sin(), (x * y).sum()


def test_gradients_are_those_of_the_same_function_here(load, x):
    submission = load(MATHS)
    y = torch.randn_like(x).requires_grad_()
    results = []
    for f in (submission.poly, poly):
        x.grad = y.grad = None
        table, total = f(x, y)
        (table.sum() + 2 * total).backward()
        found = torch.autograd.grad(f(x, y)[0].sum(), [y, x])
        results.append(list(map(told, [table, total, x.grad, y.grad, *found])))
    assert results[0] == results[1]


def test_only_what_was_asked_for_gets_a_gradient(load, x):
    submission = load(MATHS)
    y = torch.ones_like(x).requires_grad_()
    submission.detached(x, y).sum().backward()
    assert x.grad is None
    assert torch.equal(y.grad, x.detach())
    assert not submission.constant(x).requires_grad
    assert submission.constant(x).grad_fn is None
    (gradient,) = torch.autograd.grad(submission.poly(x, y)[1], x)
    assert torch.equal(gradient, y)
    assert x.grad is None
    unused = torch.autograd.grad(submission.detached(x, y).sum(), [x, y], allow_unused=True)
    assert unused[0] is None
    signs, total = submission.whole(x)
    assert (signs.requires_grad, total.requires_grad) == (False, True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        submission.constant(x).sum().backward()


def test_several_results_of_one_input_share_their_gradient(load, x):
    submission = load(MATHS)
    same, row, turned = submission.views(x)
    assert torch.equal(turned, x.t())
    (same.sum() + row.sum() + 2 * turned[0].sum()).backward()
    expected = torch.ones_like(x)
    expected[0] += 1
    expected[:, 0] += 2
    assert torch.equal(x.grad, expected)


def test_a_graph_serves_once_unless_it_is_retained(load, x):
    submission = load(MATHS)
    total = submission.poly(x, x)[1]
    total.backward(retain_graph=True)
    total.backward()
    assert torch.allclose(x.grad, 4 * x)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        total.backward()


def test_derivatives_of_derivatives_go_through(load, x):
    submission = load(MATHS)
    y = torch.randn_like(x).requires_grad_()
    assert torch.autograd.gradcheck(submission.poly, (x, y))
    small = x[0, :2].detach().requires_grad_(), y[0, :2].detach().requires_grad_()
    assert torch.autograd.gradgradcheck(submission.poly, small)
    (slope,) = torch.autograd.grad(submission.poly(x, y)[0].sum(), x, create_graph=True)
    (curve,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
    assert torch.allclose(curve, 6 * x * y - x.sin())
    (third,) = torch.autograd.grad(curve.sum(), x)
    assert torch.allclose(third, 6 * y - x.cos())


def test_penalties_on_gradients_train(load, x):
    submission = load(MATHS)
    found = []
    for f in (submission.poly, poly):
        x.grad = None
        (slope,) = torch.autograd.grad(f(x, x)[0].sum(), x, create_graph=True)
        (slope**2).sum().backward()
        found.append(x.grad)
    assert torch.allclose(*found)


def test_student_and_check_alternate_in_one_graph(load, x):
    submission = load(MATHS)
    y = submission.weighted((2 * x)[:, :2])["y"][0]
    z = submission.weighted(y.exp())["y"][0].sum()
    z.backward()
    assert torch.allclose(x.grad[:, :2], 2 * (2 * x[:, :2]).exp())
    weight = submission.weight()
    assert weight.is_leaf
    expected = ((2 * x[:, :2]).exp() * (1 + 2 * x[:, :2])).sum(0)
    assert torch.allclose(weight.grad.double(), expected)


def test_gradients_go_through_callbacks(load, x):
    submission = load(MATHS)
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    submission.twice(lambda x: x * scale, x).sum().backward()
    assert torch.allclose(x.grad, torch.full_like(x, 9))
    assert torch.allclose(scale.grad, 6 * x.sum())


def test_backward_in_the_students_code_reaches_the_checks_tensors(load, x):
    submission = load("""
        def learn(loss, x):
            loss(x).backward()
        def slope(f, x):
            x = x.detach().requires_grad_()
            return torch.autograd.grad(f(x).sum(), x)[0]
        def sums(x): x.sum().backward()
    """)
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    submission.slope(lambda x: x**2 * weight, x)
    submission.sums(x)
    submission.sums(x)
    assert torch.equal(x.grad, torch.full_like(x, 2))
    submission.learn(lambda x: (x * weight).sum(), torch.ones(3, requires_grad=True).double())
    assert weight.grad.tolist() == [1.0] * 3


def test_layers_written_by_hand_keep_their_gradients(load):
    submission = load("""
        class Layer:
            def __init__(self):
                self.weight = torch.randn(3, 2, requires_grad=True)
                self.bias = torch.zeros(2, requires_grad=True)
            def __call__(self, x): return x @ self.weight + self.bias
            def parameters(self): return [self.weight, self.bias]
        @torch.no_grad()
        def step(layer, lr):
            for p in layer.parameters():
                p -= lr * p.grad
                p.grad = None
    """)
    torch.manual_seed(0)
    layer, x = submission.Layer(), torch.ones(4, 3)
    assert layer.weight is layer.weight
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [[4.0, 4.0]] * 3
    assert layer.bias.grad.tolist() == [4.0, 4.0]
    before = layer.weight.detach().clone()
    submission.step(layer, 0.5)
    assert torch.equal(layer.weight, before - 2)
    assert layer.weight.grad is None
    with torch.no_grad():
        layer.weight.fill_(1)
    assert torch.equal(layer(x), x @ torch.ones(3, 2) - 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(x).sum().backward()
    optimizer.step()
    assert torch.allclose(layer.weight, torch.full((3, 2), 0.6))


def test_an_autograd_function_of_the_students_serves_the_check(load, x):
    submission = load("""
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**2
            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return 3 * g * x
        def square(x): return Square.apply(x)
        def broken(x): return Broken.apply(x)
        class Broken(Square):
            @staticmethod
            def backward(ctx, g):
                raise ValueError("in backward")
    """)
    submission.square(x).sum().backward()
    assert torch.equal(x.grad, 3 * x)
    with pytest.raises(ValueError, match="in backward"):
        submission.broken(x).sum().backward()


def test_hooks_and_retained_gradients_of_the_check_work(load, x):
    submission = load(MATHS)
    y = submission.poly(x, x)[0]
    seen = []
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.clone()) or g * 2)
    y.sum().backward()
    assert torch.equal(seen[0], torch.ones_like(x))
    assert torch.equal(y.grad, torch.full_like(x, 2))
    assert torch.allclose(x.grad, 2 * (4 * x**3 + x.cos()))


def test_functional_jacobians_of_student_functions(load, x):
    submission = load(MATHS)
    v = x[0].detach()
    jacobian = torch.autograd.functional.jacobian(lambda v: submission.poly(v, v)[0], v)
    assert torch.allclose(jacobian, torch.diag(4 * v**3 + v.cos()))
    layer = nn.Linear(3, 1).double()
    submission.twice(layer.weight.mul, v).sum().backward()
    assert torch.allclose(layer.weight.grad, 2 * layer.weight * v)
