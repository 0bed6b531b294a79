"""Checks for `autograd`: gradients, Jacobians, Hessians, operations of one's own, descent, freezing."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradus.checks import (
    assert_form,
    assert_items,
    assert_matches,
    assert_raises,
    assert_same_gradients,
    assert_tensor,
    fail,
)

DTYPES = [torch.float32, torch.float64]


class Formula(nn.Module):
    """A function for the student's code, as the text of a lambda: `Formula("x: (w * x).sum()", w=...)`.

    A module runs beside the student's code, whatever that does to its arguments (`torch.func`).
    """

    def __init__(self, text, **weights):
        super().__init__()
        self.text = text
        self.weights = nn.ParameterDict(weights)

    def forward(self, *inputs):
        """Evaluate the text."""
        return eval(f"lambda {self.text}", {"torch": torch, **self.weights})(*inputs)


def of(f):
    """A formula in words."""
    names, text = f.text.split(":", 1)
    return f"f({names}) = {text.strip()}"


def own_leaves(inputs):
    """Fresh leaves with the same values."""
    return [x.detach().clone().requires_grad_() for x in inputs]


def slopes_of(f, *inputs):
    """The gradient of the number `f(*inputs)`: zeros for what it ignores."""
    leaves = own_leaves(inputs)
    total = f(*leaves).sum()
    if not total.requires_grad:
        return tuple(torch.zeros_like(x) for x in leaves)
    slopes = torch.autograd.grad(total, leaves, materialize_grads=True)
    return tuple(slope.detach() for slope in slopes)


def rows_of(f, x):
    """The Jacobian of `f` at the vector `x`, one output after another."""
    return torch.stack([slopes_of(lambda x, i=i: f(x)[i], x)[0] for i in range(len(f(x)))])


def hessian_of(f, x):
    """The Hessian of the number `f(x)`, over the flattened `x`."""
    leaf = x.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    rows = []
    for entry in slope.flatten():
        if not entry.requires_grad:
            rows.append(torch.zeros_like(leaf).flatten())
            continue
        (row,) = torch.autograd.grad(entry, leaf, retain_graph=True, materialize_grads=True)
        rows.append(row.detach().flatten())
    return torch.stack(rows)


def detached(expected):
    """The `requires_grad` to ask of a result: nothing where it is all zeros.

    Before 2.10, torch makes zeros that require grad (`materialize_grads=True`). The same answer gets
    the same points with every version.
    """
    return False if expected.any() else None


def untouched(function, *args):
    """Call the student's function and give its result; fail if an argument has changed."""
    seen = function.observe(*args)
    for place, (before, after) in enumerate(zip(args, seen.args, strict=True), start=1):
        if not isinstance(before, torch.Tensor):
            continue
        assert_tensor(after, f"argument {place} after the call", finite=False)
        if before.requires_grad != after.requires_grad:
            fail(
                f"argument {place} requires grad after the call, and did not before: leave the "
                "caller's tensor alone, and mark one of your own"
            )
        if not torch.equal(before.detach(), after.detach()):
            fail(f"argument {place} was changed in place: work on a tensor of your own")
    return seen.result


# What a call leaves behind: gradient, vjp, jacobian, hessian_vector_product, gradient_descent


def traces(student, name, kind, silent, broken):
    """Call a function with an input of some kind; tell what came back and what has changed."""
    import torch

    class BrokenError(RuntimeError):
        pass

    weight = torch.tensor([2.0, -1.0, 0.5], requires_grad=True)
    weight.grad = torch.tensor([7.0, 8.0, 9.0])
    bare = torch.tensor(3.0, requires_grad=True)
    base = torch.tensor([1.0, 2.0, -1.0], requires_grad=kind != "plain")
    if kind != "plain":
        base.grad = torch.tensor([4.0, 5.0, 6.0])
    x = base * torch.ones(3) if kind == "computed" else base
    v = torch.tensor([1.0, -2.0, 3.0], requires_grad=kind != "plain")

    def number(x):
        if broken:
            raise BrokenError("f fails on purpose")
        return bare * (weight * x**3).sum()

    def vector(x):
        if broken:
            raise BrokenError("f fails on purpose")
        return torch.stack([weight[0] * x[0] * x[1], bare * (weight * x**2).sum()])

    arguments = {
        "gradient": (number, x),
        "vjp": (vector, x, v[:2].detach().requires_grad_(v.requires_grad)),
        "jacobian": (vector, x),
        "hessian_vector_product": (number, x, v),
        "gradient_descent": (number, x, 0.01, 3),
    }[name]
    watched = {"the input": x, "a weight that f uses": weight, "another weight that f uses": bare}
    if kind == "computed":
        watched["the tensor that the input was computed from"] = base
    if name in ("vjp", "hessian_vector_product"):
        watched["v"] = arguments[2]

    def state():
        return {
            words: {
                "values": tensor.detach().clone(),
                "requires_grad": tensor.requires_grad,
                "keeps": tensor.is_leaf or tensor.retains_grad,
                "grad": tensor.grad.clone()
                if (tensor.is_leaf or tensor.retains_grad) and tensor.grad is not None
                else None,
            }
            for words, tensor in watched.items()
        }

    before, result, raised = state(), None, False
    with torch.set_grad_enabled(not silent):
        try:
            result = getattr(student, name)(*arguments)
        except BrokenError:
            raised = True
        grad_mode = torch.is_grad_enabled()
    return {
        "result": result,
        "before": before,
        "after": state(),
        "grad_mode": grad_mode,
        "raised": raised,
    }


def expected_of_traces(name):
    """What the functions of `traces` give, worked out by hand."""
    w, b = torch.tensor([2.0, -1.0, 0.5]), 3.0
    x, v = torch.tensor([1.0, 2.0, -1.0]), torch.tensor([1.0, -2.0, 3.0])
    table = torch.stack([torch.tensor([w[0] * x[1], w[0] * x[0], 0.0]), 2 * b * w * x])
    if name == "gradient":
        return (3 * b * w * x**2,)
    if name == "vjp":
        return v[:2] @ table
    if name == "jacobian":
        return table
    if name == "hessian_vector_product":
        return 6 * b * w * x * v
    history = []
    for _ in range(3):
        history.append((b * (w * x**3).sum()).item())
        x = x - 0.01 * 3 * b * w * x**2
    return (x, history)


def values_of(tensor):
    """Its numbers, rounded for a message."""
    return [round(number, 4) for number in tensor.flatten().tolist()]


def assert_same_keys(before, after):
    """What was seen before a call was seen after it too."""
    if set(before) != set(after):
        fail(f"{sorted(before)} were seen before the call, and {sorted(after)} after it")


STATE = {
    "values": torch.Tensor,
    "requires_grad": bool,
    "keeps": bool,
    "grad": torch.Tensor | None,
}
TRACES = {
    "result": object,
    "before": {str: STATE},
    "after": {str: STATE},
    "grad_mode": bool,
    "raised": bool,
}


def check_traces(submission, name, kind, silent=False, broken=False):
    """`name` gives the right answer and leaves everything as it was."""
    seen = submission.probe(traces, name, kind, silent, broken)
    assert_form(seen, TRACES, "what was seen of the call")
    assert_same_keys(seen["before"], seen["after"])
    for words, before in seen["before"].items():
        after = seen["after"][words]
        if not before["values"].numel():
            fail(f"{words}: expected its numbers, got none")
        assert_matches(after["values"], before["values"], what=f"{words} after the call")
        when = " although f has raised an error" if broken else ""
        if after["requires_grad"] != before["requires_grad"]:
            fail(
                f"{words}: requires_grad was {before['requires_grad']} before the call and is "
                f"{after['requires_grad']} after it{when}: leave the caller's tensors alone, and "
                "mark one of your own, x.detach().requires_grad_()"
            )
        if after["keeps"] != before["keeps"]:
            fail(
                f"{words}: it keeps gradients in .grad from now on; do not call retain_grad() on "
                "the caller's tensor, take a leaf of your own"
            )
        old, new = before["grad"], after["grad"]
        if (old is None) != (new is None) or (old is not None and not torch.equal(old, new)):
            was, now = (None if g is None else values_of(g) for g in (old, new))
            fail(
                f"{words}: its .grad was {was} before the call and is {now} after it: backward() "
                "writes into every leaf behind the result; torch.autograd.grad writes into none"
            )
    if seen["grad_mode"] == silent:
        now = "on" if seen["grad_mode"] else "off"
        fail(f"gradients are switched {now} for the whole program after the call")
    if broken:
        if not seen["raised"]:
            fail("f raised an error, and it did not reach the caller: let errors pass")
        return
    expected = expected_of_traces(name)
    what = {
        "plain": "the result",
        "leaf": "the result for an input that requires grad and has an old .grad",
        "computed": "the result for an input that was computed from another tensor (no leaf)",
    }[kind]
    what += ", called under torch.no_grad()" if silent else ""
    got = seen["result"]
    if name == "gradient_descent":
        require_pair(got)
        assert_matches(got[0], expected[0], what=what, requires_grad=False, rtol=1e-4, atol=1e-4)
        assert_matches(got[1], expected[1], what=f"the history in {what}", rtol=1e-4, atol=1e-4)
        return
    first = expected[0] if name == "gradient" else expected
    suspects = {
        "the input's old .grad was added": lambda: first + seen["before"]["the input"]["grad"],
        "all zeros: gradients are off; run f inside torch.enable_grad()": torch.zeros_like(first),
    }
    if name == "gradient":
        require_tuple(got, 1)
        got = got[0]
    assert_matches(got, first, what=what, requires_grad=False, suspects=suspects)


KINDS = pytest.mark.parametrize("kind", ["plain", "leaf", "computed"])


# gradient


def require_tuple(got, count):
    """A tuple with one entry for each input."""
    if not isinstance(got, tuple):
        what = "a tensor" if isinstance(got, torch.Tensor) else type(got).__name__
        note = ": always a tuple, also for one input" if isinstance(got, torch.Tensor) else ""
        fail(f"expected a tuple of {count}, one gradient for each input, got {what}{note}")
    if len(got) != count:
        fail(f"expected {count} gradients, one for each input, got {len(got)}")


def check_gradient(submission, f, *inputs):
    """Compare one call with autograd on fresh leaves."""
    expected = slopes_of(f, *inputs)
    got = untouched(submission.gradient, f, *inputs)
    require_tuple(got, len(inputs))
    for number, (ours, theirs) in enumerate(zip(expected, got, strict=True)):
        if theirs is None:
            fail(
                f"{of(f)}: the gradient of input {number + 1} is None: where f ignores an input, "
                "give zeros in its shape"
            )
        others = {
            f"this is the gradient with respect to input {place + 1}": value
            for place, value in enumerate(expected)
            if place != number
        }
        what = f"{of(f)}: the gradient of input {number + 1}"
        suspects = {
            **others,
            "this is the value of f at the inputs, not its slope": (
                f(*inputs).detach() if not ours.dim() else None
            ),
            "zeros in the shape of the input: torch.zeros_like(x)": (
                ours.new_zeros(()) if not ours.any() else None
            ),
            "all zeros: are the leaves that f gets marked, and gradients switched on?": (
                torch.zeros_like(ours)
            ),
            "backward() writes into .grad, and adds there: this is twice the gradient": 2 * ours,
        }
        assert_matches(theirs, ours, what=what, requires_grad=detached(ours), suspects=suspects)


@pytest.mark.task("gradient", points=2)
@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("x: (x**3).sum()", [(3,)]),
        ("x: x.sin()", [()]),
        ("x: (x[0] * x[1]).sum()", [(2, 1, 3)]),
        ("x, y: x * y**2", [(), ()]),
        ("a, b: (a @ b).tanh().sum()", [(2, 3), (3,)]),
        ("x, y, z: (x * y).sum() + z.exp().mean()", [(4,), (4,), (1, 5)]),
    ],
    ids=["cubes", "one number", "three dims", "handout", "matrix and vector", "three inputs"],
)
def test_gradient_of_each_input(submission, device, random, text, shapes):
    """gradient gives a tuple: for each input its gradient, in its shape and dtype, detached."""
    for dtype in DTYPES:
        inputs = [random.normal(*shape, dtype=dtype, device=device) for shape in shapes]
        check_gradient(submission, Formula(text), *inputs)


@pytest.mark.task("gradient", points=2)
@pytest.mark.parametrize(
    "text",
    [
        "x, y: y.sum()",
        "x, y: (x * 0 + 1).sum()",
        "x, y: torch.ones(())",
        "x, y: (w**2).sum()",
        "x, y: (w * x).sum()",
        "x, y: (x.detach() * y[0]).sum()",
    ],
    ids=["the first", "slope 0", "both", "weights only", "the second", "a detached use"],
)
def test_ignored_inputs_get_zeros(submission, random, text):
    """gradient gives zeros for an input that f ignores, also where f ignores all of them."""
    f = Formula(text, w=random.normal(3)) if "w" in text else Formula(text)
    check_gradient(submission, f, random.normal(3), random.normal(2))


@pytest.mark.task("gradient", points=2)
@KINDS
def test_gradient_leaves_no_trace(submission, kind):
    """gradient touches no .grad and no requires_grad; its inputs need not be leaves."""
    check_traces(submission, "gradient", kind)


@pytest.mark.task("gradient", points=1)
@KINDS
def test_gradient_under_no_grad(submission, kind):
    """gradient works where the caller has switched gradients off, and leaves them off."""
    check_traces(submission, "gradient", kind, silent=True)


@pytest.mark.task("gradient", points=1)
@pytest.mark.parametrize("text", ["x: x * 2", "x: x.reshape(1, 3)", "x: torch.ones(2)"], ids=str)
def test_more_than_one_number_is_refused(submission, random, text):
    """gradient raises a ValueError when f returns more than one number."""
    f = Formula(text)
    numbers = f(torch.ones(3)).numel()
    because = f"f returns {numbers} numbers, and a gradient belongs to one"
    assert_raises(ValueError, submission.gradient, f, random.normal(3), because=because)


@pytest.mark.hidden
@pytest.mark.task("gradient", points=1)
@pytest.mark.parametrize(
    "case", ["twice the same", "layouts", "empty", "in place", "mixed", "one in a row"]
)
def test_unusual_inputs(submission, device, random, case):
    """gradient takes one tensor twice, any memory layout, empty tensors and mixed dtypes."""
    x = random.normal(3, 4, device=device)
    if case == "twice the same":
        check_gradient(submission, Formula("x, y: (x**2 * y).sum()"), x, x)
    elif case == "layouts":
        f = Formula("x, y: (x * y.exp()).sum()")
        check_gradient(submission, f, x.mT, random.normal(3, device=device).expand(4, 3))
    elif case == "empty":
        f = Formula("x, y: x.sum() + (y**2).sum()")
        check_gradient(submission, f, x[:0], x)
    elif case == "in place":  # f changes a copy of its own
        check_gradient(submission, Formula("x: x.clone().mul_(x).exp_().sum()"), x)
    elif case == "one in a row":
        check_gradient(submission, Formula("x: (x**2).sum().reshape(1, 1)"), x)
    else:
        f = Formula("x, y: (x.double() * y).sum()")
        check_gradient(submission, f, x, random.normal(4, dtype=torch.float64, device=device))


@pytest.mark.hidden
@pytest.mark.task("gradient", points=1)
@KINDS
def test_nothing_stays_after_an_error(submission, kind):
    """gradient leaves inputs, weights and grad mode as they were also when f raises an error."""
    check_traces(submission, "gradient", kind, broken=True)
    check_traces(submission, "gradient", kind, silent=True, broken=True)


# vjp


def check_vjp(submission, f, x, v):
    """Compare one call with the gradient of the weighted sum of the outputs."""
    (expected,) = slopes_of(lambda x: (f(x) * v.detach()).sum(), x)
    vector = x.dim() == 1 and v.dim() == 1
    assert_matches(
        untouched(submission.vjp, f, x, v),
        expected,
        what=f"{of(f)}: vᵀJ",
        requires_grad=detached(expected),
        suspects={
            "this is J v: v stands on the left, it weighs the outputs": (
                lambda: rows_of(f, x) @ v.detach() if vector else None
            ),
            "v is not used: this is the gradient of the sum of all outputs": (
                lambda: slopes_of(lambda x: f(x).sum(), x)[0]
            ),
            "this is the whole Jacobian: multiply it with v from the left": (
                lambda: rows_of(f, x) if vector else None
            ),
            "the outputs are averaged: add them up": expected / max(v.numel(), 1),
            "all zeros: is the leaf that f gets marked, and are gradients switched on?": (
                torch.zeros_like(expected)
            ),
        },
    )


@pytest.mark.task("vjp", points=2)
@pytest.mark.parametrize(
    ("text", "n", "m"),
    [
        ("x: torch.stack([x[0] * x[1], x[0] ** 2])", 2, 2),
        ("x: torch.stack([x.sum(), x[0] * x[2], x.prod(), x[1].exp()])", 3, 4),
        ("x: (x[:2] * x[2:4]).sin() * x[4]", 5, 2),
        ("x: (x**2).sum(0, keepdim=True)", 4, 1),
        ("x: torch.cat([x, x**2, x**3])", 1, 3),
        ("x: x.roll(1) * x**2", 3, 3),
    ],
    ids=["handout", "more outputs", "more inputs", "one output", "one input", "square"],
)
def test_vector_jacobian_product(submission, device, random, text, n, m):
    """vjp gives the rows of the Jacobian, each times its entry of v, added up."""
    for dtype in DTYPES:
        x = random.normal(n, dtype=dtype, device=device)
        check_vjp(submission, Formula(text), x, random.normal(m, dtype=dtype, device=device))


@pytest.mark.task("vjp", points=1)
@pytest.mark.parametrize(
    ("text", "shape", "out"),
    [
        ("x: x.mT @ x", (2, 3), (3, 3)),
        ("x: (x**2).sum(1)", (3, 4), (3,)),
        ("x: torch.stack([x, x.exp()])", (), (2,)),
        ("x: x.prod()", (2, 2), ()),
        ("x: x[:, None] - x[:, :, None].sin()", (2, 3), (2, 3, 3)),
    ],
    ids=["matrices", "fewer dims out", "number in", "number out", "more dims out"],
)
def test_vjp_of_other_shapes(submission, device, random, text, shape, out):
    """vjp takes x and f(x) of any shape; the result has the shape of x."""
    x, v = random.normal(*shape, device=device), random.normal(*out, device=device)
    check_vjp(submission, Formula(text), x, v)


@pytest.mark.task("vjp", points=1)
@pytest.mark.parametrize("text", ["x: torch.ones(2)", "x: w**2", "x: (w * x.detach()[0])"], ids=str)
def test_vjp_without_dependence(submission, random, text):
    """vjp gives zeros where no output depends on x."""
    f = Formula(text, w=random.normal(2)) if "w" in text else Formula(text)
    check_vjp(submission, f, random.normal(3), random.normal(2))


@pytest.mark.task("vjp", points=1)
@pytest.mark.parametrize("silent", [False, True], ids=["", "no_grad"])
@KINDS
def test_vjp_leaves_no_trace(submission, kind, silent):
    """vjp touches no .grad and no requires_grad, takes any input, and works under no_grad."""
    check_traces(submission, "vjp", kind, silent=silent)


@pytest.mark.task("vjp", points=1)
@pytest.mark.parametrize("case", ["layouts", "zeros", "slope 1", "error"])
def test_unusual_vjp(submission, device, random, case):
    """vjp takes any layout of x and v, zeros in v and a slope of 1; an error of f leaves no trace."""
    x, v = random.normal(4, 3, device=device), random.normal(4, device=device)
    if case == "layouts":
        check_vjp(submission, Formula("x: x**2 + x.sum()"), x.mT, v.expand(3, 4))
    elif case == "zeros":
        check_vjp(submission, Formula("x: x[0] ** 2"), x, torch.zeros(3, device=device))
    elif case == "slope 1":
        for text in ("x: x[:, 0] + 1", "x: x[:, 0].clone()"):  # torch passes v on as it is
            check_vjp(submission, Formula(text), x, v.clone().requires_grad_())
        square = random.normal(4, device=device)
        check_vjp(submission, Formula("x: x + 1"), square, v.clone().requires_grad_())
    else:
        check_traces(submission, "vjp", "leaf", broken=True)


# jacobian


def check_jacobian(submission, f, x):
    """Compare one call with the gradients of the outputs, one by one."""
    expected = rows_of(f, x)
    m, n = expected.shape
    assert_matches(
        untouched(submission.jacobian, f, x),
        expected,
        what=f"{of(f)}: the Jacobian",
        requires_grad=False if expected.any(1).all() else None,  # `detached`, for each row
        suspects={
            "rows and columns are swapped: one row for each output": lambda: expected.mT,
            "this is the sum of all rows: one row for each output": lambda: expected.sum(0),
            "this is the sum of all rows, in each row: walk back from one output at a time": (
                lambda: expected.sum(0).expand(m, n)
            ),
            "the rows pile up: does a row begin with what the earlier ones left in .grad?": (
                lambda: expected.cumsum(0)
            ),
            "the rows are joined in one long line": lambda: expected.flatten(),
            "only the diagonal is there: each output may depend on every input": (
                lambda: torch.diag(expected.diagonal())
            ),
            "rows of zeros are missing: outputs that do not depend on x have a row too": (
                lambda: expected[expected.any(1)]
            ),
        },
    )


@pytest.mark.task("jacobian", points=2)
@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("x: torch.stack([x[0] * x[1], x[0] ** 2])", 2),
        ("x: torch.stack([x.sum(), x[0] * x[2], x.prod(), x[1].exp()])", 3),
        ("x: (x[:2] * x[2:4]).sin() * x[4]", 5),
        ("x: (x**2).sum(0, keepdim=True)", 4),
        ("x: torch.cat([x, x**2, x**3])", 1),
        ("x: x.roll(1) * x**2", 3),
    ],
    ids=["handout", "more outputs", "more inputs", "one output", "one input", "square"],
)
def test_one_row_for_each_output(submission, device, random, text, n):
    """jacobian gives the table of slopes: one row for each output, one column for each input."""
    for dtype in DTYPES:
        check_jacobian(submission, Formula(text), random.normal(n, dtype=dtype, device=device))


@pytest.mark.task("jacobian", points=1)
@pytest.mark.parametrize(
    "text",
    [
        "x: torch.stack([x[0] ** 2, torch.ones(()), x[1]])",
        "x: torch.stack([w[0], x[1] * w[1]])",
        "x: torch.ones(4)",
        "x: w * 2",
        "x: x[1:] * 1",
    ],
    ids=["a constant", "a weight", "constants only", "weights only", "an unused input"],
)
def test_rows_of_zeros(submission, random, text):
    """jacobian has rows of zeros for outputs that do not depend on x, also where none does."""
    f = Formula(text, w=random.normal(2)) if "w" in text else Formula(text)
    check_jacobian(submission, f, random.normal(3))


@pytest.mark.task("jacobian", points=1)
@pytest.mark.parametrize("silent", [False, True], ids=["", "no_grad"])
@KINDS
def test_jacobian_leaves_no_trace(submission, kind, silent):
    """jacobian touches no .grad and no requires_grad, takes any input, and works under no_grad."""
    check_traces(submission, "jacobian", kind, silent=silent)


@pytest.mark.task("jacobian", points=1)
@pytest.mark.parametrize("case", ["x itself", "layouts", "long", "error"])
def test_unusual_jacobian(submission, device, random, case):
    """jacobian takes f(x) = x, any memory layout and many outputs; an error leaves no trace."""
    if case == "x itself":
        check_jacobian(submission, Formula("x: x"), random.normal(3, device=device))
    elif case == "layouts":
        x = random.normal(4, 3, device=device)[:, 1]
        check_jacobian(submission, Formula("x: x.flip(0).cumsum(0) * x"), x)
    elif case == "long":
        f = Formula("x: torch.outer(x, x).tanh().flatten()")
        check_jacobian(submission, f, random.normal(6, device=device))
    else:
        check_traces(submission, "jacobian", "leaf", broken=True)


# hessian_vector_product


def check_hessian_vector_product(submission, f, x, v):
    """Compare one call with the whole Hessian times v."""
    table = hessian_of(f, x)
    flat = v.detach().flatten()
    expected = (table @ flat).reshape(x.shape)
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if x.dtype == torch.float32 else {}
    assert_matches(
        untouched(submission.hessian_vector_product, f, x, v),
        expected,
        what=f"{of(f)}: H v",
        requires_grad=detached(expected),
        **tolerance,
        suspects={
            "this is the gradient, not the Hessian times v": lambda: slopes_of(f, x)[0],
            "this is the gradient times v: take the gradient of that once more": (
                lambda: slopes_of(f, x)[0] * v.detach()
            ),
            "this is one number (gradient times v?): give its gradient, in the shape of x": (
                lambda: (slopes_of(f, x)[0] * v.detach()).sum()
            ),
            "v is not used: these are the sums of the Hessian's rows": (
                lambda: table.sum(1).reshape(x.shape)
            ),
            "only the diagonal of the Hessian: multiply with v before the second walk": (
                lambda: table.diagonal().reshape(x.shape) * v.detach()
            ),
            "these are the sums of the Hessian's rows times v: multiply before the second walk": (
                lambda: table.sum(1).reshape(x.shape) * v.detach()
            ),
            "this is the whole Hessian": lambda: table,
            "all zeros: the first gradient hangs on no graph; ask for one with create_graph=True": (
                torch.zeros_like(expected)
            ),
        },
    )


@pytest.mark.task("hessian_vector_product", points=2)
@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("x: x[0] ** 2 * x[1]", 2),
        ("x: (x**3).sum() + x[0] * x[1] * x[2]", 3),
        ("x: torch.einsum('i,ij,j', x, w, x)", 4),
        ("x: (x.sum() ** 2).cos()", 3),
        ("x: x[0].exp()", 1),
    ],
    ids=["handout", "cubes and products", "quadratic form", "all mixed", "one input"],
)
def test_hessian_times_vector(submission, device, random, text, n):
    """hessian_vector_product gives the Hessian times v, mixed derivatives too."""
    for dtype in DTYPES:
        w = {"w": random.normal(n, n, dtype=dtype)} if "w" in text else {}
        x = random.normal(n, dtype=dtype, device=device)
        v = random.normal(n, dtype=dtype, device=device)
        check_hessian_vector_product(submission, Formula(text, **w).to(device), x, v)


@pytest.mark.task("hessian_vector_product", points=1)
@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("x: (x.mT @ x).sin().sum()", (2, 3)),
        ("x: x**4", ()),
        ("x: x.prod() * x.sum()", (1, 2, 2)),
    ],
    ids=["matrix", "one number", "three dims"],
)
def test_hessian_of_other_shapes(submission, device, random, text, shape):
    """hessian_vector_product takes x of any shape, and v and the result have the same."""
    x, v = random.normal(*shape, device=device), random.normal(*shape, device=device)
    check_hessian_vector_product(submission, Formula(text), x, v)


@pytest.mark.task("hessian_vector_product", points=2)
@pytest.mark.parametrize(
    "text",
    [
        "x: (3 * x).sum()",
        "x: x.sum()",
        "x: (w * x).sum()",
        "x: w[0] ** 2 * x[1]",
        "x: torch.ones(())",
        "x: (w**2).sum()",
        "x: x[0] ** 2 + w[1] * x[1]",
    ],
    ids=[
        "numbers",
        "sum",
        "weights",
        "square of a weight",
        "constant",
        "weights only",
        "partly",
    ],
)
def test_straight_lines_have_no_hessian(submission, random, text):
    """hessian_vector_product gives zeros for a linear f, and where f ignores x."""
    f = Formula(text, w=random.normal(3)) if "w" in text else Formula(text)
    x, v = random.normal(3), random.normal(3)
    if "**" in text and "x[0]" in text:
        check_hessian_vector_product(submission, f, x, v)
        return
    assert_matches(
        submission.hessian_vector_product(f, x, v),
        torch.zeros(3),
        what=f"{of(f)}: H v",
        suspects={
            "this is the gradient": lambda: slopes_of(f, x)[0],
            "this is the gradient times v": lambda: slopes_of(f, x)[0] * v,
        },
    )


@pytest.mark.task("hessian_vector_product", points=1)
@pytest.mark.parametrize("silent", [False, True], ids=["", "no_grad"])
@KINDS
def test_hessian_vector_product_leaves_no_trace(submission, kind, silent):
    """hessian_vector_product touches no .grad and no requires_grad, and works under no_grad."""
    check_traces(submission, "hessian_vector_product", kind, silent=silent)


@pytest.mark.task("hessian_vector_product", points=1)
@pytest.mark.parametrize("case", ["layouts", "kinks", "error"])
def test_unusual_hessians(submission, device, random, case):
    """hessian_vector_product takes any memory layout and kinks; an error of f leaves no trace."""
    x, v = random.normal(3, 4, device=device), random.normal(4, device=device)
    if case == "layouts":
        f = Formula("x: (x.cumsum(0) ** 3).sum()")
        check_hessian_vector_product(submission, f, x.mT, v[:, None].expand(4, 3))
    elif case == "kinks":
        check_hessian_vector_product(submission, Formula("x: (x.relu() * x).sum()"), x[0], v)
    else:
        check_traces(submission, "hessian_vector_product", "leaf", broken=True)


# accumulate


def linear_model(random, inputs, outputs, dtype=torch.float32, device="cpu"):
    """A linear layer with random weights and bias."""
    model = nn.Linear(inputs, outputs).to(dtype)
    with torch.no_grad():
        model.weight.copy_(random.normal(outputs, inputs))
        model.bias.copy_(random.normal(outputs))
    return model.to(device)


def gradients_of(model, loss):
    """The gradient of every parameter that requires grad, by name."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, list(named.values()))
    return dict(zip(named, found, strict=True))


def check_accumulated(submission, model, loss_fn, x, y, sizes, one_shot=False):
    """Compare `.grad` after `accumulate` with the gradient of the mean loss of all samples."""
    parts = list(zip(x.split(sizes), y.split(sizes), strict=True))
    expected = gradients_of(model, loss_fn(model(x), y))
    each = [gradients_of(model, loss_fn(model(a), b)) for a, b in parts]
    old = {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }

    submission.accumulate(model, loss_fn, iter(parts) if one_shot else parts)

    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            why = ": batches can be walked through only once" if one_shot else ""
            fail(f"{name}.grad is None afterwards, nothing was accumulated there{why}")
        batch_means = torch.stack([gradients[name] for gradients in each])
        weights = torch.tensor(sizes, dtype=x.dtype, device=x.device)
        weights = weights.reshape(-1, *[1] * parameter.dim())
        want = expected[name]
        assert_matches(
            parameter.grad,
            want,
            what=f"the gradient of {name} for batches of {sizes}",
            rtol=1e-4,
            atol=1e-5 if x.dtype == torch.float32 else 1e-9,
            suspects={
                "the old .grad is still in it: clear it first": old[name] + want,
                "the old .grad is in it, divided by the number of samples: clear it first": (
                    want + old[name] / len(x)
                ),
                "the mean of the batches' means: weigh each batch by its number of samples": (
                    batch_means.mean(0)
                ),
                "the sum of the batches' means": batch_means.sum(0),
                "the sum over all samples: divide by their number": want * len(x),
                "the sum over all samples, divided by the number of batches": (
                    want * len(x) / len(parts)
                ),
                "only the last batch: do not clear the gradient between batches": batch_means[-1],
                "only the first batch": batch_means[0],
                "the last batch as a sum, divided by all samples: do not clear in between": (
                    batch_means[-1] * sizes[-1] / len(x)
                ),
                "the sum of the batches' means, divided by the number of samples": (
                    batch_means.sum(0) / len(x)
                ),
                "each batch weighs as much as the first one": (
                    batch_means.sum(0) * sizes[0] / len(x)
                ),
                "the earlier batches are divided again at each batch: divide once, at the end": (
                    divided_again(batch_means, sizes)
                ),
                "the sign is turned": -want,
            },
        )


def divided_again(batch_means, sizes):
    """What comes out when `.grad` is divided inside the loop."""
    total, seen = torch.zeros_like(batch_means[0]), 0
    for mean, size in zip(batch_means, sizes, strict=True):
        seen += size
        total = (total + mean * size) / seen
    return total


@pytest.mark.task("accumulate", points=3)
@pytest.mark.trains
@pytest.mark.parametrize(
    "sizes", [[2, 3, 1], [3, 1], [4, 4, 1], [6], [1]], ids=lambda sizes: str(sizes)
)
def test_mean_over_all_samples(submission, device, random, sizes):
    """accumulate leaves the gradient of the mean loss over all samples, for uneven batches too."""
    count = sum(sizes)
    for dtype in DTYPES:
        model = linear_model(random, 3, 4, dtype, device)
        x = random.normal(count, 3, dtype=dtype, device=device)
        y = random.normal(count, 4, dtype=dtype, device=device)
        check_accumulated(submission, model, F.mse_loss, x, y, sizes)
        labels = random.integers(0, 4, count, device=device)
        check_accumulated(submission, model, F.cross_entropy, x, labels, sizes)


@pytest.mark.task("accumulate", points=1)
@pytest.mark.trains
def test_old_gradients_do_not_count(submission, random):
    """accumulate starts from cleared gradients, also when it is called again."""
    model = linear_model(random, 3, 2)
    for parameter in model.parameters():
        parameter.grad = random.normal(*parameter.shape)
    for sizes in ([4, 2], [1, 3, 3]):
        x, y = random.normal(sum(sizes), 3), random.normal(sum(sizes), 2)
        check_accumulated(submission, model, F.mse_loss, x, y, sizes)


@pytest.mark.task("accumulate", points=1)
@pytest.mark.trains
@pytest.mark.parametrize("sizes", [[2, 5, 1], [3]], ids=str)
def test_batches_that_run_only_once(submission, random, sizes):
    """accumulate takes batches that can be walked through only once and have no len."""
    x, y = random.normal(sum(sizes), 3), random.integers(0, 2, sum(sizes))
    model = linear_model(random, 3, 2)
    check_accumulated(submission, model, F.cross_entropy, x, y, sizes, one_shot=True)


def model_after_accumulate(student, x, y, eval_parts, freeze):
    """The state of a model of several parts before and after `accumulate`, and its modes inside."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    modes = []

    class Watcher(nn.Module):
        def forward(self, x):
            modes.append([module.training for module in model.modules()])
            return x

    model = nn.Sequential(nn.Linear(3, 4), Watcher(), nn.Tanh(), nn.Linear(4, 2), nn.Dropout(0.0))
    model.add_module("unused", nn.Linear(1, 1))
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.linspace(-1, 1 + number, parameter.numel()).view_as(parameter))
    for name, parameter in model.named_parameters():
        if name in freeze:
            parameter.requires_grad_(False)
            parameter.grad = torch.full_like(parameter, 5.0) if name != "3.bias" else None
    for place in eval_parts:
        model[place].training = False

    def run(x):
        return model[:-1](x)

    def state():
        return {
            "values": {name: p.detach().clone() for name, p in model.named_parameters()},
            "grad": {
                name: None if p.grad is None else p.grad.clone()
                for name, p in model.named_parameters()
            },
            "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
            "modes": [module.training for module in model.modules()],
            "data": x.clone(),
        }

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            return run(x)

    before = state()
    whole = Whole()
    whole.training = 3 not in eval_parts
    student.accumulate(whole, F.cross_entropy, iter([(x[:3], y[:3]), (x[3:], y[3:])]))
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    trained = [name for name in trained if not name.startswith("unused")]
    total = F.cross_entropy(run(x), y)
    clean = torch.autograd.grad(total, [dict(model.named_parameters())[name] for name in trained])
    return {
        "before": before,
        "after": state(),
        "inside": modes[0] if modes else None,
        "clean": dict(zip(trained, clean, strict=True)),
    }


NAMED_TENSORS, NAMED_SETTINGS = {str: torch.Tensor}, {str: bool}
MODEL_STATE = {
    "values": NAMED_TENSORS,
    "grad": {str: torch.Tensor | None},
    "requires_grad": NAMED_SETTINGS,
    "modes": [bool, ...],
    "data": torch.Tensor,
}
MODEL_SEEN = {
    "before": MODEL_STATE,
    "after": MODEL_STATE,
    "inside": list | None,
    "clean": NAMED_TENSORS,
}


def check_model(submission, random, eval_parts, freeze):
    """Frozen parameters, modes and weights are as they were; the others have their gradient."""
    x, y = random.normal(4, 3), random.integers(0, 2, 4)
    seen = submission.probe(model_after_accumulate, x, y, eval_parts, freeze)
    assert_form(seen, MODEL_SEEN, "what was seen of the call")
    before, after = seen["before"], seen["after"]
    for part in ("values", "grad", "requires_grad"):
        assert_same_keys(before[part], after[part])
        assert_same_keys(before["values"], before[part])
    for name, value in before["values"].items():
        if not torch.equal(value, after["values"][name]):
            fail(
                f"the parameter {name} has changed: accumulate collects gradients, it takes no step"
            )
        if before["requires_grad"][name] != after["requires_grad"][name]:
            fail(f"requires_grad of {name} has changed: leave it as it is")
    for name in freeze:
        old, new = before["grad"][name], after["grad"][name]
        if old is None and new is not None:
            fail(
                f"{name} is frozen and had no .grad; now it has one: leave frozen parameters alone"
            )
        if old is None:
            continue
        if new is None or not new.any():
            fail(
                f"{name} is frozen, and its .grad is gone: clear the gradients of those parameters "
                "only that require grad (model.zero_grad() clears all)"
            )
        if not torch.equal(old, new):
            fail(f"{name} is frozen, and its .grad has changed: do not divide or add there")
    if seen["inside"] is None:
        fail("the model was never run")
    if seen["inside"] != before["modes"]:
        fail("the model runs in another mode than it came in: call neither train() nor eval()")
    if after["modes"] != before["modes"]:
        fail("some layers are in another mode afterwards: call neither train() nor eval()")
    assert_matches(after["data"], before["data"], what="x after the call")
    for name, want in seen["clean"].items():
        got = after["grad"][name]
        if got is None:
            fail(f"{name}.grad is None afterwards: nothing was accumulated there")
        assert_matches(got, want, what=f"the gradient of {name}", rtol=1e-4, atol=1e-5)
    for name in ("unused.weight", "unused.bias"):
        left = after["grad"][name]
        if name not in freeze and left is not None and left.any():
            fail(f"{name} has no part in the loss: expected None or zeros in its .grad, got {left}")


@pytest.mark.task("accumulate", points=2)
@pytest.mark.parametrize(
    "freeze", [["0.weight", "0.bias"], ["3.bias"], ["unused.weight"]], ids=lambda names: names[0]
)
def test_frozen_parameters_are_left_alone(submission, random, freeze):
    """accumulate leaves frozen parameters alone, whether there is something in their .grad or not."""
    check_model(submission, random, [], freeze)


@pytest.mark.task("accumulate", points=1)
@pytest.mark.parametrize(
    "eval_parts", [[], [0, 4], [0, 1, 2, 3, 4]], ids=["train", "mixed", "eval"]
)
def test_weights_and_modes_stay(submission, random, eval_parts):
    """accumulate changes no weight, no requires_grad and no mode; unused parts have no gradient."""
    check_model(submission, random, eval_parts, [])


@pytest.mark.hidden
@pytest.mark.task("accumulate", points=1)
@pytest.mark.trains
@pytest.mark.parametrize("case", ["many batches", "loss of its own", "one weight twice"])
def test_unusual_accumulation(submission, device, random, case):
    """accumulate takes many tiny batches, any mean loss, and a weight that is used twice."""
    if case == "many batches":
        model = linear_model(random, 2, 2, device=device)
        x, y = random.normal(17, 2, device=device), random.normal(17, 2, device=device)
        check_accumulated(submission, model, F.mse_loss, x, y, [1] * 15 + [2], one_shot=True)
    elif case == "loss of its own":
        model = linear_model(random, 3, 1, device=device)
        x, y = random.normal(7, 3, device=device), random.integers(0, 2, 7, device=device)
        check_accumulated(submission, model, Hinge(), x, y, [5, 2])
    else:
        layer = linear_model(random, 3, 3, device=device)
        model = nn.Sequential(layer, nn.Tanh(), layer)
        x, y = random.normal(5, 3, device=device), random.normal(5, 3, device=device)
        check_accumulated(submission, model, F.l1_loss, x, y, [1, 4])


class Hinge(nn.Module):
    """A loss of one's own, the mean over samples."""

    def forward(self, scores, labels):
        """`1 - score` on the right side of the border, nothing beyond."""
        return (1 - scores.squeeze(1) * (2 * labels - 1)).relu().mean()


# straight_through_round


def straight_through(x):
    """Round forward, do nothing backward."""
    return x + (x.round() - x).detach()


@pytest.mark.task("straight_through_round", points=1)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 1, 4), ()], ids=str)
def test_forward_rounds(submission, device, random, shape):
    """straight_through_round gives the nearest whole number, and halves go to the even one."""
    spread = 20 * random.normal(*shape, device=device)
    halves = random.integers(-9, 10, *shape, device=device) + 0.5
    for x in (spread, halves, spread.double(), halves.double()):
        assert_matches(
            untouched(submission.straight_through_round, x),
            x.round(),
            suspects={
                "halves go to the even neighbour: 2.5 becomes 2; floor(x + 0.5) does not": (
                    lambda x=x: (x + 0.5).floor()
                ),
                "halves go to the even neighbour, not away from 0": (
                    lambda x=x: x.sign() * (x.abs() + 0.5).floor()
                ),
                "this is x itself: the forward pass must round": x,
                "this rounds down: take the nearest": lambda x=x: x.floor(),
                "this cuts the digits off: take the nearest": lambda x=x: x.trunc(),
                "this rounds up: take the nearest": lambda x=x: x.ceil(),
            },
        )


@pytest.mark.task("straight_through_round", points=2)
@pytest.mark.parametrize("shape", [(7,), (2, 3, 1)], ids=str)
def test_gradient_passes_unchanged(submission, random, shape):
    """The gradient passes straight_through_round as if it were y = x, everywhere."""
    x = 3 * random.normal(*shape)
    x.view(-1)[:3] = torch.tensor([0.5, -2.0, 1e4])
    leaf = x.double().requires_grad_()
    rounded = submission.straight_through_round(leaf)
    assert_matches(rounded, leaf.detach().round(), requires_grad=True)
    (slope,) = torch.autograd.grad(rounded.sum(), leaf, allow_unused=True)
    flat = torch.ones(shape, dtype=torch.bool) if slope is None else slope == 0
    if flat.any():
        where = "everywhere" if flat.all() else f"at x = {leaf.detach()[flat][0].item():.4g}"
        fail(
            f"expected slope 1 for every x, got slope 0 {where}: round() itself is flat; x must "
            "take part in the result undetached and whole, and the rounding as a constant"
        )
    assert_same_gradients(submission.straight_through_round, straight_through, x, random=random)


@pytest.mark.task("straight_through_round", points=1)
def test_rounding_inside_a_loss(submission, random):
    """In a longer computation the gradient is that of what follows, at the rounded values."""
    assert_same_gradients(
        lambda w, x: (submission.straight_through_round(w * 3).sin() * x).sum(0),
        lambda w, x: (straight_through(w * 3).sin() * x).sum(0),
        random.normal(4, 3),
        random.normal(4, 3),
        random=random,
    )


@pytest.mark.task("straight_through_round", points=1)
@pytest.mark.parametrize("case", ["layouts", "large and tiny", "empty"])
def test_unusual_rounding(submission, device, random, case):
    """straight_through_round takes any memory layout, large, tiny and no numbers."""
    x = 5 * random.normal(3, 4, device=device)
    if case == "layouts":
        x = torch.stack([x, x], -1)[..., 0].mT
    elif case == "large and tiny":
        x = x * torch.tensor([1e-20, 1e-3, 1e5, 1e12], device=device)
    else:
        x = x[:0]
    assert_matches(untouched(submission.straight_through_round, x), x.round())
    assert_same_gradients(submission.straight_through_round, straight_through, x, random=random)


# ClippedExp


def clipped_and_back(student, x, limit, upstream):
    """`ClippedExp.apply(x, limit)` and the gradient of x for an upstream gradient."""
    import torch

    leaf = x.detach().clone().requires_grad_()
    kept = leaf.detach().clone()
    y = student.ClippedExp.apply(leaf, limit)
    if not isinstance(y, torch.Tensor) or not y.requires_grad:
        return {"y": y, "gradient": None, "x": leaf.detach(), "before": kept, "count": None}
    try:
        (gradient,) = torch.autograd.grad((y * upstream).sum(), leaf, allow_unused=True)
    except RuntimeError as error:
        if "incorrect number of gradients" not in str(error):
            raise
        said = {"count": str(error), "gradient": None}
        return {"y": y.detach(), **said, "x": leaf.detach(), "before": kept}
    seen = {"gradient": gradient, "count": None}
    return {"y": y.detach(), **seen, "x": leaf.detach(), "before": kept}


CLIPPED = {
    "y": object,
    "gradient": object,
    "count": str | None,
    "x": object,
    "before": object,
}


def check_clipped_exp(submission, random, x, limit, upstream=None):
    """Compare `ClippedExp` with its formula, forward and backward."""
    if upstream is None:
        upstream = random.normal(*x.shape, dtype=x.dtype).to(x.device)
    seen = submission.probe(clipped_and_back, x, limit, upstream)
    assert_form(seen, CLIPPED, "what was seen of the call")
    y = torch.where(x <= limit, x, torch.full_like(x, limit)).exp()
    assert_matches(
        seen["y"],
        y,
        what=f"ClippedExp.apply(x, {limit})",
        suspects={
            "the limit is not used": lambda: x.exp(),
            "e^x was cut at the limit: cut x at the limit, then take e^x": (
                lambda: x.exp().clamp(max=limit)
            ),
            "this is the larger of x and the limit: take the smaller": (
                lambda: x.clamp(min=limit).exp()
            ),
            "above the limit it is e^limit, not 0": lambda: x.exp() * (x <= limit),
            "the exponential is missing": lambda: x.clamp(max=limit),
        },
    )
    if not torch.equal(assert_tensor(seen["x"], "x after the call", finite=False), x):
        fail("x was changed in place: clip into a new tensor, clamp(...) and not clamp_(...)")
    if seen["count"] is not None:
        fail(
            f"backward must give (gradient of x, None), one answer for x and one for limit: {seen['count']}"
        )
    if seen["gradient"] is None:
        fail(
            "no gradient comes back to x: backward must give (gradient of x, None), and forward "
            "must work with x itself"
        )
    inside = (x <= limit).to(x.dtype)
    slope = y * inside
    assert_matches(
        seen["gradient"],
        upstream * slope,
        what=f"the gradient of x with limit {limit}",
        suspects={
            "the upstream gradient is forgotten: multiply the slope by it": slope,
            "the slope is forgotten: multiply by e^x": upstream * inside,
            "above the limit the slope is 0": upstream * y,
            "this is x times the upstream gradient: the slope of e^x is e^x": upstream * x * inside,
            "at x = limit the slope is that from below, e^limit; only above it is 0": (
                upstream * y * (x < limit)
            ),
            "the slope is 0 below the limit, and it must be 0 above": upstream * y * (x > limit),
            "this is e^(e^x): the saved result is e^x already": (
                lambda: upstream * y.exp() * inside
            ),
            "the upstream gradient is added: multiply by it": upstream + slope,
            "infinity times 0 is nan: e^x overflows above the limit; use the clipped result": (
                lambda: upstream * x.exp() * inside
            ),
            "the mask compares e^x with the limit: compare x": lambda: upstream * y * (y <= limit),
        },
    )


@pytest.mark.task("ClippedExp", points=3)
@pytest.mark.parametrize("shape", [(9,), (2, 3), ()], ids=str)
def test_forward_and_backward(submission, device, random, shape):
    """ClippedExp gives e^min(x, limit); back comes upstream times e^x, and 0 above the limit."""
    for limit, dtype in zip((1.0, -0.5, 0.0, 20.0), DTYPES * 2, strict=True):
        x = random.normal(*shape, dtype=dtype, device=device)
        check_clipped_exp(submission, random, x, limit)


@pytest.mark.task("ClippedExp", points=1)
def test_at_and_far_above_the_limit(submission, random):
    """At the limit the slope is e^limit; far above it is 0, where e^x itself would overflow."""
    x = torch.tensor([-200.0, 0.0, 2.0, 2.5, 100.0, 5000.0, float("inf")])
    for limit in (2.0, 0.0):
        check_clipped_exp(submission, random, x, limit, torch.arange(1.0, 8.0))


def two_calls(student, a, b, limits, upstreams, retain):
    """Two calls, and only then the way back: through both, in the order asked for."""
    import torch

    a, b = a.requires_grad_(), b.requires_grad_()
    student.ClippedExp.apply(b.detach(), 1.0)
    before = dict(vars(student.ClippedExp))
    names = [kind.__name__ for kind in student.ClippedExp.__mro__]
    first = student.ClippedExp.apply(a, limits[0])
    second = student.ClippedExp.apply(b, limits[1])
    after = dict(vars(student.ClippedExp))
    changed = [name for name in after if name not in before or after[name] is not before[name]]
    if changed or "Function" not in names[1:]:
        rest = dict.fromkeys(("found", "again", "chain"))
        return {"changed": changed, "names": names, **rest}
    found = []
    for y, x, upstream in ((first, a, upstreams[0]), (second, b, upstreams[1])):
        found += torch.autograd.grad((y * upstream).sum(), x, retain_graph=retain)
    again = []
    if retain:
        again += torch.autograd.grad((first * upstreams[0]).sum(), a)
    chained = student.ClippedExp.apply(student.ClippedExp.apply(a, limits[0]), limits[1])
    (through,) = torch.autograd.grad(chained.sum(), a)
    return {"found": found, "again": again, "changed": changed, "names": names, "chain": through}


@pytest.mark.task("ClippedExp", points=2)
@pytest.mark.parametrize("retain", [False, True], ids=["once", "first one twice"])
@pytest.mark.parametrize("sizes", [(4, 4), (3, 5)], ids=["equal", "unequal"])
def test_two_calls_do_not_meet(submission, random, sizes, retain):
    """ClippedExp keeps its notes in ctx: two calls, and then two ways back, do not disturb."""
    a, b = (random.normal(size, dtype=torch.float64) for size in sizes)
    limits = (0.3, -0.2)
    upstreams = [random.normal(size, dtype=torch.float64) for size in sizes]

    def slope(x, limit):
        return torch.where(x <= limit, x.exp(), 0.0)

    want = [u * slope(x, limit) for u, x, limit in zip(upstreams, (a, b), limits, strict=True)]
    seen = submission.probe(two_calls, a, b, limits, upstreams, retain)
    form = {"changed": list, "names": [str, ...], "found": object, "again": object, "chain": object}
    assert_form(seen, form, "what was seen of the calls")
    if "Function" not in seen["names"][1:]:
        fail("ClippedExp must inherit from torch.autograd.Function, with forward and backward")
    if seen["changed"]:
        fail(
            f"a call has changed {', '.join(sorted(seen['changed']))} of the class ClippedExp: the "
            "next call would overwrite it; keep what backward needs in ctx"
        )
    why = {
        "the notes of the second call have replaced those of the first: keep them in ctx": (
            lambda: [upstreams[0] * slope(b, limits[1]), want[1]]
        ),
        "the limit of the second call was used in the first: keep it in ctx": (
            lambda: [upstreams[0] * slope(a, limits[1]), want[1]]
        ),
    }
    assert_matches(seen["found"], want, what="the gradients of two calls", suspects=why)
    if retain:
        again = "the gradient of the first call, walked back a second time"
        assert_matches(seen["again"], want[:1], what=again)
    middle = a.clamp(max=limits[0]).exp()
    through = slope(middle, limits[1]) * slope(a, limits[0])
    assert_matches(seen["chain"], through, what="the gradient through two that follow each other")


def gradient_check(student, x, limit):
    """What torch's own `gradcheck` says about ClippedExp: the words of its error, or nothing."""
    from torch.autograd.gradcheck import GradcheckError, gradcheck

    leaf = x.detach().clone().requires_grad_()
    try:
        gradcheck(lambda x: student.ClippedExp.apply(x, limit), leaf)
    except GradcheckError as error:
        return str(error)
    return ""


@pytest.mark.task("ClippedExp", points=1)
def test_gradcheck_is_passed(submission, random):
    """ClippedExp passes torch's own gradcheck, in float64."""
    x = 2 * random.normal(3, 2, dtype=torch.float64)
    x = torch.where((x - 0.5).abs() < 0.1, x + 0.3, x)  # no measuring across the kink
    check_clipped_exp(submission, random, x, 0.5)
    said = submission.probe(gradient_check, x, 0.5)
    assert_matches(said[:300], "", what="the error of torch.autograd.gradcheck")


@pytest.mark.hidden
@pytest.mark.task("ClippedExp", points=1)
@pytest.mark.parametrize("case", ["layouts", "empty", "without gradient"])
def test_unusual_clipping(submission, device, random, case):
    """ClippedExp takes any memory layout of x and of the upstream gradient, and no numbers."""
    x = random.normal(3, 4, device=device)
    if case == "layouts":
        upstream = random.normal(3, device=device).expand(4, 3)
        check_clipped_exp(submission, random, x.mT, 0.4, upstream)
    elif case == "empty":
        check_clipped_exp(submission, random, x[:0], 0.4)
    else:
        got = submission.probe(lambda student, x: student.ClippedExp.apply(x, 0.4), x)
        assert_matches(got, x.clamp(max=0.4).exp(), requires_grad=False)


# gradient_descent


def require_pair(got):
    """A tuple of the last x and a list of floats."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail(f"expected the pair (x, history), got {type(got).__name__}")
    history = got[1]
    assert_items(history, list, what="the history", of=float)


def walked(f, x0, lr, steps, sign=-1.0):
    """The plain loop: where it ends, the values before each step, and the last value."""
    x, history = x0.detach().clone(), []
    for _ in range(steps):
        history.append(f(x).item())
        x = x + sign * lr * slopes_of(f, x)[0]
    return x, history, f(x).item()


def check_descent(submission, f, x0, lr, steps):
    """Compare one walk with the plain loop."""
    x, history, last = walked(f, x0, lr, steps)
    got = untouched(submission.gradient_descent, f, x0, lr, steps)
    require_pair(got)
    got_x, got_history = got[0], assert_items(got[1], list, what="the history")
    if len(got_history) != steps:
        fail(f"expected {steps} values in the history, one per step, got {len(got_history)}")
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if x0.dtype == torch.float32 else {}
    where = f"{of(f)} after {steps} steps with lr {lr}"
    assert_matches(
        got_x,
        x,
        what=where,
        requires_grad=False,
        **tolerance,
        suspects={
            "this walks uphill: subtract lr times the gradient": (
                lambda: walked(f, x0, lr, steps, 1.0)[0]
            ),
            "the gradients pile up: each step also has those of the earlier ones": (
                lambda: piled_up(f, x0, lr, steps)
            ),
            "this is where it began: x never moved": x0.detach(),
            "there is one step too many": lambda: walked(f, x0, lr, steps + 1)[0],
            "there is one step too few": lambda: walked(f, x0, lr, steps - 1)[0],
            "the learning rate is not used": lambda: walked(f, x0, 1.0, steps)[0],
            "every step uses the slope at the start: take it anew where you are": (
                lambda: x0 - steps * lr * slopes_of(f, x0)[0]
            ),
        },
    )
    assert_matches(
        got_history,
        history,
        what=f"the history of {where}",
        **tolerance,
        suspects={
            "these are the values after each step: note each before it": [*history[1:], last],
            "every value is the last one": [last] * steps,
            "every value is the first one": history[:1] * steps,
        },
    )


def piled_up(f, x0, lr, steps):
    """The walk when `.grad` is never cleared."""
    x, total = x0.detach().clone(), torch.zeros_like(x0)
    for _ in range(steps):
        total = total + slopes_of(f, x)[0]
        x = x - lr * total
    return x


@pytest.mark.task("gradient_descent", points=3)
@pytest.mark.parametrize(
    ("text", "shape", "lr", "steps"),
    [
        ("x: x**2", (), 0.25, 3),
        ("x: x[0] ** 2 + 6 * x[1] ** 2", (2,), 0.05, 7),
        ("x: ((x @ x.mT - 1) ** 2).mean()", (2, 3), 0.1, 4),
        ("x: (x.cos() * w).sum()", (1,), 0.3, 5),
        ("x: (x**4).sum()", (3,), 0.01, 1),
    ],
    ids=["handout", "valley", "matrix", "weights", "one step"],
)
def test_steps_downhill(submission, device, random, text, shape, lr, steps):
    """gradient_descent takes the steps x - lr * gradient, and notes the value before each."""
    for dtype in DTYPES:
        w = {"w": random.normal(1, dtype=dtype)} if "w" in text else {}
        x0 = random.normal(*shape, dtype=dtype, device=device)
        check_descent(submission, Formula(text, **w).to(device), x0, lr, steps)


@pytest.mark.task("gradient_descent", points=2)
@KINDS
def test_descent_leaves_no_trace(submission, kind):
    """gradient_descent leaves x0 as it is, also one that requires grad, and touches no .grad."""
    check_traces(submission, "gradient_descent", kind)


def graphs_seen_by_f(student, x0, steps):
    """How long the graph behind the x is that each call of f gets, and that of the result."""

    def depth(tensor):
        longest, ahead = 0, [(tensor.grad_fn, 1)]
        while ahead:
            node, length = ahead.pop()
            if node is not None and length < 1000:
                longest = max(longest, length)
                ahead += [(following, length + 1) for following, _ in node.next_functions]
        return longest

    def f(x):
        depths.append(depth(x))
        return (x**2).sum()

    depths = []
    result = student.gradient_descent(f, x0, 0.1, steps)
    last = result[0] if isinstance(result, tuple) and result else None
    of_result = depth(last) if hasattr(last, "grad_fn") else 0
    return {"depths": depths, "result": of_result}


@pytest.mark.task("gradient_descent", points=2)
def test_graph_does_not_grow(submission, random):
    """gradient_descent starts each step with a graph of its own, and keeps none at the end."""
    seen = submission.probe(graphs_seen_by_f, random.normal(3), 6)
    depths = assert_form(seen, {"depths": [int, ...], "result": int})["depths"]
    if len(depths) > 1 and depths[-1] > depths[1]:
        fail(
            f"the graph behind x grows: {depths[1]} operations long in step 2, {depths[-1]} in step "
            f"{len(depths)}: make x a fresh leaf in each step, or step inside torch.no_grad()"
        )
    if seen["result"]:
        fail("the x that comes back still hangs on a graph: detach it")
    check_descent(submission, Formula("x: (x**2).sum()"), random.normal(3), 0.1, 6)


def memory_of_walk(student, x0, steps):
    """The x at the end before and after 1 is added to x0, in place, and whether it requires grad."""
    x0 = x0.detach().requires_grad_()
    result = student.gradient_descent(lambda x: (x**2).sum(), x0, 0.1, steps)
    last = result[0] if isinstance(result, tuple) else result
    before = last.detach().clone()
    x0.data.add_(1)
    return before, last.detach(), last.requires_grad


@pytest.mark.hidden
@pytest.mark.task("gradient_descent", points=1)
@pytest.mark.parametrize("case", ["no step", "layouts", "long walk", "no speed"])
def test_unusual_walks(submission, device, random, case):
    """gradient_descent takes no steps, many steps, learning rate 0 and any memory layout."""
    x0 = random.normal(3, 4, device=device)
    if case == "no step":
        check_descent(submission, Formula("x: (x**2).sum()"), x0, 0.1, 0)
        for steps in (0, 1):
            walk = submission.probe(memory_of_walk, x0, steps)
            before, after, on_graph = assert_form(walk, (torch.Tensor, torch.Tensor, bool))
            if not torch.equal(before, after):
                fail(f"after {steps} steps x shares its memory with x0: begin with a clone")
            if on_graph:
                fail(f"after {steps} steps x requires grad, as x0 did: begin with detach()")
    elif case == "layouts":
        check_descent(submission, Formula("x: (x**2).cumsum(0).sum()"), x0.mT, 0.05, 3)
    elif case == "long walk":
        f = Formula("x: ((x - 2) ** 2).sum()")
        check_descent(submission, f, x0, 0.2, 60)
    else:
        check_descent(submission, Formula("x: (x**2).sum()"), x0, 0.0, 3)


# frozen


def visits(student, freeze, broken, nested):
    """The settings of a model's parameters before, inside and after `with frozen(...)`."""
    import torch
    from torch import nn

    class BrokenError(RuntimeError):
        pass

    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 2)), nn.Dropout())
    model[1].eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in freeze)
        parameter.grad = torch.ones_like(parameter)
        parameter.data = torch.linspace(-1, 1, parameter.numel()).view_as(parameter)

    def settings():
        return {name: parameter.requires_grad for name, parameter in model.named_parameters()}

    def others():
        return {
            "values": [parameter.detach().clone() for parameter in model.parameters()],
            "grad": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
            "modes": [module.training for module in model.modules()],
            "grad_mode": torch.is_grad_enabled(),
        }

    inner = {"": None, "the same": model, "a part": model[1]}[nested]
    seen = {"before": settings(), "others": others(), "raised": False}
    unseen = ("got", "between", "same", "inside", "others inside", "deep", "after", "others after")
    seen.update(dict.fromkeys(unseen))
    manager = student.frozen(model)
    if not hasattr(type(manager), "__enter__"):
        return {**seen, "got": type(manager).__name__}
    try:
        with manager as yielded:
            seen["same"] = yielded is model
            seen["inside"], seen["others inside"] = settings(), others()
            if inner is not None:
                try:
                    with student.frozen(inner) as part:
                        seen["same"] = seen["same"] and part is inner
                        seen["deep"] = settings()
                        if broken:
                            raise BrokenError("on purpose")
                except BrokenError:
                    seen["raised"] = True
                seen["between"] = settings()
            if broken and inner is None:
                raise BrokenError("on purpose")
    except BrokenError:
        seen["raised"] = True
    seen["after"], seen["others after"] = settings(), others()
    return seen


MODULE_STATE = {
    "values": [torch.Tensor, ...],
    "grad": [torch.Tensor | None, ...],
    "modes": [bool, ...],
    "grad_mode": bool,
}
VISITED = {
    **{where: {str: bool} for where in ("before", "inside", "after")},
    **dict.fromkeys(("others", "others inside", "others after"), MODULE_STATE),
    "same": bool,
    "raised": bool,
    "got": None,
    "deep": None,
    "between": None,
}


def check_frozen(submission, freeze, broken=False, nested=""):
    """Settings inside and after are right, and nothing else has changed."""
    seen = submission.probe(visits, freeze, broken, nested)
    if assert_items(seen, dict).get("got") is not None:
        fail(
            f"expected something for a `with` statement, got {seen['got']}: the decorator "
            "@contextmanager makes it of a function that yields"
        )
    form = VISITED | dict.fromkeys(("deep", "between"), {str: bool} if nested else None)
    assert_form(seen, form, "what was seen of the block")
    for where in ("inside", "after", *(("deep", "between") if nested else ())):
        assert_same_keys(seen["before"], seen[where])
    if not seen["same"]:
        fail("the thing after `as` is not the module itself: yield module")
    for where in ("inside", "deep", "between"):
        for name, setting in (seen[where] or {}).items():
            if setting:
                why = "switch requires_grad of every parameter off"
                if where == "between":
                    why = (
                        "the inner `with` switched it on when it ended: give back the setting that "
                        "it had on entering"
                    )
                fail(f"{name} requires grad inside `with frozen(model)`: {why}")
    if broken and not seen["raised"]:
        fail("the error of the block was swallowed: it must reach the caller")
    for name, before in seen["before"].items():
        after = seen["after"][name]
        if before == after:
            continue
        if before:
            why = (
                "the block has raised an error: restore in a `finally` block"
                if broken
                else "give each parameter its own earlier setting back"
            )
            fail(f"{name} is still frozen after the block: {why}")
        fail(
            f"{name} was frozen before the block and requires grad after it: remember each "
            "parameter's own setting, and give that back"
        )
    before = seen["others"]
    for moment in ("others inside", "others after"):
        now = seen[moment]
        where = "inside the block" if moment == "others inside" else "after the block"
        assert_matches(now["values"], before["values"], what=f"the parameters {where}")
        for old, new in zip(before["grad"], now["grad"], strict=True):
            if new is None or not torch.equal(old, new):
                fail(f"a parameter's .grad has changed {where}: leave it alone")
        if now["modes"] != before["modes"]:
            fail(f"modes (train, eval) have changed {where}: frozen is about requires_grad alone")
        if now["grad_mode"] != before["grad_mode"]:
            fail(
                f"gradients are switched off for everything {where}: switch the parameters' "
                "requires_grad, do not use no_grad"
            )


@pytest.mark.task("frozen", points=2)
def test_frozen_inside_only(submission):
    """Inside frozen no parameter requires grad; afterwards all do again; it yields the module."""
    check_frozen(submission, [])


@pytest.mark.task("frozen", points=2)
@pytest.mark.parametrize("freeze", [[], ["0.bias"]], ids=["all train", "one is frozen already"])
def test_restored_after_an_error(submission, freeze):
    """An error in the block reaches the caller, and the settings come back all the same."""
    check_frozen(submission, freeze, broken=True)


@pytest.mark.task("frozen", points=1)
@pytest.mark.parametrize(
    "freeze",
    [["0.weight"], ["1.1.bias", "0.bias"], ["0.weight", "0.bias", "1.1.weight", "1.1.bias"]],
    ids=["one", "two", "all"],
)
def test_earlier_settings_come_back(submission, freeze):
    """Each parameter gets its own earlier setting back: what was frozen before stays frozen."""
    check_frozen(submission, freeze)


@pytest.mark.task("frozen", points=2)
@pytest.mark.parametrize("nested", ["the same", "a part"])
def test_one_inside_another(submission, nested):
    """frozen inside frozen: the inner one gives back "off", the outer one the rest."""
    check_frozen(submission, [], nested=nested)


def slopes_through(student, x):
    """The gradient of the input, and the parameters' .grad, after a walk back inside `frozen`."""
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]))
        model[0].bias.fill_(0.25)
    x = x.detach().clone().requires_grad_()
    with student.frozen(model):
        y = model(x)
        if y.requires_grad:
            y.sum().backward()
    inside = {"x": x.grad, "weights": [p.grad is not None for p in model.parameters()]}
    model(x.detach()).sum().backward()
    return {**inside, "learns again": [p.grad is not None for p in model.parameters()]}


@pytest.mark.task("frozen", points=1)
def test_gradients_flow_through(submission, random):
    """Through a frozen module gradients flow to its input, not to its parameters."""
    x = random.normal(4, 3)
    seen = submission.probe(slopes_through, x)
    assert_form(seen, {"x": object, "weights": [bool, bool], "learns again": [bool, bool]})
    weight, bias = torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, 1.0]]), 0.25
    if seen["x"] is None:
        fail(
            "no gradient reaches the module's input: switch requires_grad of the parameters off, "
            "do not use no_grad"
        )
    want = (1 - (x @ weight.T + bias).tanh() ** 2) @ weight
    assert_matches(seen["x"], want, what="the gradient of the input")
    if any(seen["weights"]):
        fail("backward inside the block has written into the frozen parameters' .grad")
    if not all(seen["learns again"]):
        fail("after the block the parameters get no gradient: they are still frozen")


@pytest.mark.task("frozen", points=1)
@pytest.mark.parametrize("nested", ["the same", "a part"])
def test_nested_with_settings_and_errors(submission, nested):
    """frozen works nested, with mixed settings and an error in the inner block."""
    check_frozen(submission, ["1.1.weight", "0.bias"], nested=nested)
    check_frozen(submission, ["1.1.weight", "0.bias"], broken=True, nested=nested)


def two_modules(student):
    """Settings while two modules are frozen that share a layer, left in the other order."""
    from torch import nn

    shared, head = nn.Linear(2, 2), nn.Linear(2, 1)
    shared.bias.requires_grad_(False)
    a, b, empty = nn.Sequential(shared, nn.ReLU()), nn.Sequential(shared, head), nn.ReLU()
    everything = [*shared.parameters(), *head.parameters()]

    def settings():
        return [parameter.requires_grad for parameter in everything]

    seen = [settings()]
    with student.frozen(b), student.frozen(empty):
        with student.frozen(a):
            seen.append(settings())
        seen.append(settings())
    seen.append(settings())
    with student.frozen(a):
        seen.append(settings())
    seen.append(settings())
    return seen


@pytest.mark.hidden
@pytest.mark.task("frozen", points=1)
def test_modules_that_share_a_layer(submission):
    """frozen takes modules that share a layer, modules without parameters, and a second use."""
    before, none = [True, False, True, True], [False] * 4
    want = [before, none, none, before, [False, False, True, True], before]
    got = submission.probe(two_modules)
    assert_matches(got, want, what="requires_grad of (shared weight, its bias, head's two)")
