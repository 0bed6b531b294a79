"""Checks for `fgsm`: gradients of the input, attacks in one step and in many, adversarial training."""

import copy
import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradus.checks import (
    assert_form,
    assert_inputs_unchanged,
    assert_items,
    assert_matches,
    assert_raises,
    assert_tensor,
    fail,
)

SHAPES = [(1, 2, 3), (5, 3, 2, 2), (3, 1, 4, 3)]  # batch of one without channels; several images
# A network of `small_network` has seven modules: itself and its six layers.
ALL_TRAIN, ALL_EVAL = [True] * 7, [False] * 7
MIXED = [True, True, False, True, False, True, True]  # BatchNorm and dropout are frozen
MIXED_OTHERWISE = [False, True, True, False, True, False, True]


# Models of the checks


def two_class_model(random, shape, device="cpu", dtype=torch.float32):
    """A linear model of two classes whose gradients are known by hand, and the slope it has.

    The slope is logit 1 minus logit 0, per pixel. Some pixels do not matter at all: slope 0.
    """
    pixels = torch.Size(shape).numel()
    slope = random.uniform(pixels, low=0.3, high=1.3)
    slope *= random.integers(0, 2, pixels) * 2 - 1
    shared = 0.3 * random.normal(pixels)
    blind = random.permutation(pixels)[: pixels // 4]
    slope[blind] = shared[blind] = 0.0
    model = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([shared, shared + slope]))
        model[1].bias.copy_(torch.stack([torch.tensor(0.0), -slope.sum() / 2]))
    return model.to(device, dtype), slope.reshape(shape).to(device, dtype)


def small_network(random, shape, classes=4, device="cpu", dropout=0.4):
    """A float64 network whose gradient in training mode differs from that in eval mode."""
    channels, height, width = shape
    model = nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(4 * height * width, classes),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * random.normal(*parameter.shape))
        model[1].weight.add_(1.0)
        model[1].running_mean.copy_(random.normal(4))
        model[1].running_var.copy_(random.uniform(4, low=0.5, high=2.0))
    return model.double().to(device)


class Hills(nn.Module):
    """Two logits whose gradient turns several times within an eps-ball."""

    def __init__(self, weight, phase, pace=40.0):
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.register_buffer("phase", phase)
        self.pace = pace

    def forward(self, x):
        height = (torch.cos(self.pace * x.flatten(1) + self.phase) * self.weight).mean(1)
        return torch.stack([height, -height], 1)


def hills(random, shape, device="cpu"):
    """A float64 `Hills` for images of that shape."""
    pixels = torch.Size(shape).numel()
    weight = random.uniform(pixels, low=0.5, high=1.5, dtype=torch.float64, device=device)
    phase = random.uniform(pixels, high=6.28, dtype=torch.float64, device=device)
    return Hills(weight, phase)


def gradient_of(model, x, y, loss_fn=F.cross_entropy, training=False):
    """The gradient of the loss with respect to x, from a copy of the model."""
    twin = copy.deepcopy(model).train(training)
    leaf = x.detach().clone().requires_grad_()
    return torch.autograd.grad(loss_fn(twin(leaf), y), leaf)[0]


def images(random, *shape, low=0.2, high=0.8, **where):
    """Images whose pixels are well inside [0, 1]."""
    return random.uniform(*shape, low=low, high=high, **where)


def full_range(random, *shape, **where):
    """Images with many pixels near 0 and 1, and some at them."""
    return random.uniform(*shape, low=-0.3, high=1.3, **where).clamp(0, 1)


# What a call leaves behind


def traces(student, name, model, before, x, after, modes, situation):
    """Call `student.NAME(model, *before, x, *after)`; what it saw, and what it has left behind."""
    import torch

    def numbers(tensors):
        return [None if tensor is None else tensor.detach().clone() for tensor in tensors]

    def same(a, b):
        return [
            (p is None) == (q is None) and (p is None or torch.equal(p, q))
            for p, q in zip(a, b, strict=True)
        ]

    for number, parameter in enumerate(model.parameters()):
        parameter.grad = None if number == 2 else torch.full_like(parameter, 0.5)
        parameter.requires_grad = number != 1
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    x = x.detach().clone()
    if situation == "transposed":
        x = x.mT.contiguous().mT
    if situation == "requires grad":
        x.requires_grad_()
        x.grad = torch.full_like(x, 0.25)

    during = []
    hook = lambda module, inputs: during.append([part.training for part in module.modules()])  # noqa: E731
    model.register_forward_pre_hook(hook)
    weights = numbers(model.parameters())
    buffers = numbers(model.buffers())
    gradients = numbers(parameter.grad for parameter in model.parameters())
    requires = [parameter.requires_grad for parameter in model.parameters()]
    image, image_gradient, image_requires = *numbers([x, x.grad]), x.requires_grad

    torch.set_grad_enabled(situation != "no_grad")
    raised = None
    try:
        result = getattr(student, name)(model, *before, x, *after)
    except ZeroDivisionError as error:  # the checks' own way to break a loss
        result, raised = None, str(error)
    except RuntimeError as error:  # NotImplementedError is one, too
        if situation != "no_grad" or isinstance(error, NotImplementedError):
            raise
        result, raised = None, f"{type(error).__name__}: {error}"
    finally:
        grad_mode = torch.is_grad_enabled()
        torch.set_grad_enabled(True)

    return {
        "result": result,
        "raised": raised,
        "names": [
            f"layer {name} ({type(part).__name__})" if name else "the model"
            for name, part in model.named_modules()
        ],
        "parameters": [name for name, _ in model.named_parameters()],
        "during": during,
        "modes": [module.training for module in model.modules()],
        "weights": same(weights, numbers(model.parameters())),
        "buffers": same(buffers, numbers(model.buffers())),
        "gradients": same(gradients, numbers(p.grad for p in model.parameters())),
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()] == requires,
        "image": same([image], numbers([x]))[0],
        "image gradient": same([image_gradient], numbers([x.grad]))[0],
        "image requires grad": x.requires_grad == image_requires,
        "grad mode": grad_mode == (situation != "no_grad"),
    }


TRACES = {
    "result": object,
    "raised": str | None,
    "names": [str, ...],
    "parameters": [str, ...],
    "during": list[[bool, ...]],
    "modes": [bool, ...],
    "weights": [bool, ...],
    "buffers": list[bool],
    "gradients": [bool, ...],
    **dict.fromkeys(("requires_grad", "image", "image gradient", "image requires grad"), bool),
    "grad mode": bool,
}


def check_modes(seen, modes):
    """Every module has its own mode back."""
    assert_items(seen["names"], list, len(modes), "the names of the layers", of=str)
    assert_items(seen["modes"], list, len(modes), "the modes of the layers", of=bool)
    words = {True: "training mode", False: "eval mode"}
    for name, want, got in zip(seen["names"], modes, seen["modes"], strict=True):
        if want != got:
            fail(
                f"{name} was in {words[want]} before and is in {words[got]} afterwards: every "
                "layer has its own flag; `with keeping_modes(model):` around the model call puts "
                "each one back, also when something inside raises an error"
            )


def running(names, modes):
    """The layers that are in training mode."""
    assert_items(modes, list, len(names), "the modes of the layers in a call", of=bool)
    return [name for name, training in zip(names, modes, strict=True) if training]


def check_traces(seen, modes):
    """Judge what `traces` saw of an attack."""
    assert_form(seen, TRACES, "what was seen of the attack")
    if not seen["during"] and seen["raised"] is None:
        fail("the model was never called: call model(...), not a layer of it")
    check_modes(seen, modes)
    training = [name for call in seen["during"] for name in running(seen["names"], call)]
    if training:
        fail(
            f"{training[0]} is in training mode while the gradient is taken: dropout makes it "
            "random, BatchNorm mixes the images. Call model.eval() first"
        )
    if False in seen["buffers"]:
        fail("the running statistics of BatchNorm have moved: run the model in eval mode")
    if not all(seen["weights"]):
        fail("the attack has changed the model's parameters: only the picture may change")
    assert_items(seen["gradients"], list, len(seen["parameters"]), "the gradients")
    for name, same in zip(seen["parameters"], seen["gradients"], strict=True):
        if not same:
            fail(
                f"the .grad of {name} is not as it was before: loss.backward() adds to the .grad "
                "of every parameter, zero_grad() throws away what others put there; "
                "torch.autograd.grad(loss, x) touches none"
            )
    if not seen["requires_grad"]:
        fail(
            "requires_grad of a parameter is not as it was before: one was frozen, and must stay so"
        )
    if not seen["image"]:
        fail("the images themselves were changed: work on a copy, x.detach().clone()")
    if not seen["image gradient"]:
        fail(
            "the .grad of the images is not as it was before: take the gradient with respect to a "
            "copy, x.detach().clone().requires_grad_()"
        )
    if not seen["image requires grad"]:
        fail(
            "requires_grad of the images is not as it was before: x.requires_grad_() changes the "
            "caller's tensor; make a copy first, x.detach().clone()"
        )
    if not seen["grad mode"]:
        fail(
            "gradients were switched on or off for the whole program: use `with "
            "torch.enable_grad():`, which ends with its block"
        )


SITUATIONS = pytest.mark.parametrize(
    ("modes", "situation"),
    [
        (ALL_TRAIN, "plain"),
        (MIXED, "transposed"),
        (ALL_EVAL, "requires grad"),
        (MIXED_OTHERWISE, "no_grad"),
    ],
    ids=["training mode", "mixed modes, transposed", "images with a gradient", "inside no_grad"],
)


def check_attack_traces(submission, random, name, modes, situation, expected, *after):
    """An attack leaves nothing behind, and gives its result in every situation.

    `expected(model, x, y)` is the right result; `after` are the arguments behind the labels.
    """
    model = small_network(random, (3, 4, 3))
    x = full_range(random, 5, 3, 4, 3, dtype=torch.float64)
    y = random.integers(0, 4, 5)
    want = expected(model, x, y)
    before = (F.cross_entropy,) if name == "input_gradient" else ()
    seen = submission.probe(traces, name, model, before, x, (y, *after), modes, situation)
    if seen["raised"] is not None:
        fail(
            f"inside `with torch.no_grad():` {name} raises {seen['raised']}. Switch gradients on "
            "around your own model call: `with torch.enable_grad():`"
        )
    check_traces(seen, modes)
    assert_matches(
        seen["result"],
        want,
        requires_grad=False,
        suspects={
            "an old .grad of the images is still in it: take the gradient with respect to a copy": (
                lambda: want + 0.25
            )
        },
    )


# input_gradient


def summed_cross_entropy(logits, y):
    """Cross-entropy, added up over the batch."""
    return F.cross_entropy(logits, y, reduction="sum")


def margin(logits, y):
    """Mean of the other class's logit minus the right one's, for two classes; no cross-entropy."""
    right = logits.gather(1, y[:, None])[:, 0]
    return (logits.sum(1) - 2 * right).mean()


def suspects_of_gradient(model, loss_fn, x, y):
    """What usual mistakes in the gradient lead to."""
    gradient, samples = gradient_of(model, x, y, loss_fn), len(x)
    softmax = lambda logits, y: loss_fn(logits.softmax(1), y)  # noqa: E731
    return {
        "a softmax was applied to the logits first: loss_fn wants what the model gives": (
            lambda: gradient_of(model, x, y, softmax)
        ),
        "the sign is turned round: the gradient of the loss, not of minus the loss": -gradient,
        "only the sign of the gradient came back: fgsm takes the sign, not this function": (
            gradient.sign()
        ),
        "the gradient of the sum over the batch came back: leave the loss as loss_fn gives it": (
            gradient * samples
        ),
        "it is divided by the batch size once more: leave the loss as loss_fn gives it": (
            gradient / samples
        ),
    }


@pytest.mark.task("input_gradient", points=2)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_gradient_by_hand(submission, device, random, shape, dtype):
    """input_gradient of a linear model is (softmax - one-hot) times its weights."""
    batch, *image = shape
    model, _ = two_class_model(random, image, device, dtype)
    x = images(random, *shape, dtype=dtype, device=device)
    y = random.integers(0, 2, batch, device=device)
    weight = model[1].weight.detach()
    with torch.no_grad():
        slope = model(x).softmax(1) - F.one_hot(y, 2)
    expected = (slope @ weight / batch).reshape(shape)
    assert_matches(
        submission.input_gradient(model, F.cross_entropy, x, y),
        expected,
        requires_grad=False,
        suspects=suspects_of_gradient(model, F.cross_entropy, x, y),
    )


@pytest.mark.task("input_gradient", points=2)
@pytest.mark.parametrize("loss", ["sum", "squares", "margin"])
def test_loss_function_decides(submission, device, random, loss):
    """input_gradient derives the loss function that it is given, whatever it is."""
    model, _ = two_class_model(random, (2, 3), device)
    x = images(random, 4, 2, 3, device=device)
    labels = random.integers(0, 2, 4, device=device)
    y = random.normal(4, 2, device=device) if loss == "squares" else labels
    loss_fn = {"sum": summed_cross_entropy, "squares": F.mse_loss, "margin": margin}[loss]
    expected = gradient_of(model, x, y, loss_fn)
    assert_matches(
        submission.input_gradient(model, loss_fn, x, y),
        expected,
        suspects={
            "this is the gradient of the cross-entropy: use the loss_fn that is given": (
                lambda: gradient_of(model, x, labels)
            ),
            **suspects_of_gradient(model, loss_fn, x, y),
        },
    )


@pytest.mark.task("input_gradient", points=2)
@pytest.mark.parametrize("batch", [1, 4])
def test_gradient_in_eval_mode(submission, device, random, batch):
    """input_gradient of a network with dropout and BatchNorm is that of eval mode, detached."""
    model = small_network(random, (2, 3, 4), device=device)
    x = images(random, batch, 2, 3, 4, dtype=torch.float64, device=device)
    y = random.integers(0, 4, batch, device=device)
    expected = gradient_of(model, x, y)
    got = submission.input_gradient(model.train(), F.cross_entropy, x, y)
    suspects = suspects_of_gradient(model, F.cross_entropy, x, y)
    assert_matches(got, expected, requires_grad=False, suspects=suspects)
    again = submission.input_gradient(model, F.cross_entropy, x, y)
    assert_matches(again, expected, what="the second call")


@pytest.mark.task("input_gradient", points=3)
@SITUATIONS
def test_gradient_leaves_no_trace(submission, random, modes, situation):
    """input_gradient leaves modes, statistics, every .grad and the images as they were."""
    check_attack_traces(submission, random, "input_gradient", modes, situation, gradient_of)


def broken_loss(logits, y):
    """A loss that cannot be computed."""
    raise ZeroDivisionError("this loss fails on purpose")


@pytest.mark.hidden
@pytest.mark.task("input_gradient", points=1)
@pytest.mark.parametrize("modes", [ALL_TRAIN, MIXED], ids=["training mode", "mixed modes"])
def test_no_trace_after_an_error(submission, random, modes):
    """When the loss raises, input_gradient passes the error on and leaves no trace all the same."""
    model = small_network(random, (1, 3, 3))
    x, y = images(random, 2, 1, 3, 3, dtype=torch.float64), random.integers(0, 4, 2)
    seen = submission.probe(
        traces, "input_gradient", model, (broken_loss,), x, (y,), modes, "plain"
    )
    if seen["raised"] is None:
        fail("the loss raised an error and input_gradient kept it to itself: let it go on")
    check_traces(seen, modes)


# fgsm and targeted_fgsm


def suspects_of_step(x, gradient, eps, sign):
    """What usual mistakes lead to, in a step of `sign * eps` along the gradient's sign."""
    step = sign * eps * gradient.sign()
    length = gradient.flatten(1).norm(dim=1).reshape(-1, *[1] * (x.ndim - 1))
    one_sided = torch.where(gradient > 0, sign * eps, -sign * eps)
    other_sided = torch.where(gradient >= 0, sign * eps, -sign * eps)
    where = "up the loss: plus" if sign > 0 else "down the loss of the target: minus"
    unclamped = {
        f"the step goes the other way; here it must go {where}": x - step,
        "the gradient itself was used: only its sign counts": x + sign * eps * gradient,
        "the gradient was divided by its length: take the sign of each number": (
            x + sign * eps * gradient / length
        ),
        "pixels with gradient 0 must stay where they are: sign(0) is 0": one_sided + x,
        "pixels with gradient 0 must stay: sign (0) is 0": other_sided + x,
        "the step is 1: multiply the sign by eps": x + step / eps if eps else x,
        "eps / 2 was used: a pixel moves by eps": x + step / 2,
        "nothing was added to the images": x,
    }
    return {
        "the result leaves [0, 1]: clamp it": x + step,
        "the result is clamped at 0 only: clamp it at 1 as well": (x + step).clamp(min=0),
        "the result is clamped at 1 only: clamp it at 0 as well": (x + step).clamp(max=1),
        "the result was clamped to [-1, 1]; pixels go from 0 to 1": (x + step).clamp(-1, 1),
        "the result was clamped to the range of this batch; pixels go from 0 to 1": (
            (x + step).clamp(x.min(), x.max())
        ),
        "only the step came back: add it to the images": step,
        "only the step came back: add it to the images, then clamp": step.clamp(0, 1),
        **{words: image.clamp(0, 1) for words, image in unclamped.items()},
    }


def check_step(name, submission, model, x, labels, eps, gradient, what="the result"):
    """Compare one call of an attack in one step with the step along the sign of `gradient`."""
    sign = -1 if name == "targeted_fgsm" else 1
    expected = (x + sign * eps * gradient.sign()).clamp(0, 1)
    got = assert_inputs_unchanged(getattr(submission, name), model, x, labels, eps)
    suspects = suspects_of_step(x, gradient, eps, sign)
    assert_matches(got, expected, what=what, requires_grad=False, suspects=suspects)


def check_step_by_hand(name, submission, device, random, shape, dtype):
    """A step on the linear model of two classes: its gradient needs no autograd."""
    batch, *image = shape
    model, slope = two_class_model(random, image, device, dtype)
    x = images(random, *shape, dtype=dtype, device=device)
    y = random.integers(0, 2, batch, device=device)
    with torch.no_grad():
        other = model(x).softmax(1).gather(1, 1 - y[:, None])[:, 0]  # of the class that is not y
    towards_other = (other * (1.0 - 2.0 * y) / batch).to(dtype)
    gradient = towards_other.reshape(-1, *[1] * len(image)) * slope
    check_step(name, submission, model, x, y, 0.125, gradient)


def check_step_range(name, submission, device, random, eps):
    """A step on images with pixels near 0 and 1."""
    model, slope = two_class_model(random, (2, 4, 3), device)
    x = full_range(random, 6, 2, 4, 3, device=device)
    y = random.integers(0, 2, 6, device=device)
    gradient = (1.0 - 2.0 * y).reshape(-1, 1, 1, 1) * slope
    check_step(name, submission, model, x, y, eps, gradient)


def check_step_on_network(name, submission, device, random, shape, classes):
    """A step on a network with dropout and BatchNorm, for several classes."""
    model = small_network(random, shape[1:], classes, device)
    x = full_range(random, *shape, dtype=torch.float64, device=device)
    y = random.integers(0, classes, shape[0], device=device)
    gradient = gradient_of(model, x, y)
    check_step(name, submission, model.train(), x, y, 0.07, gradient)


def one_step(sign, eps):
    """The right answer of FGSM: a function of the model, the images and the labels."""
    return lambda model, x, y: (x + sign * eps * gradient_of(model, x, y).sign()).clamp(0, 1)


NETWORKS = [((1, 1, 3, 5), 2), ((4, 3, 4, 3), 5), ((7, 2, 2, 2), 3)]


@pytest.mark.task("fgsm", points=2)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_step_by_hand(submission, device, random, shape, dtype):
    """fgsm moves each pixel by eps up the loss of a linear model; pixels that do not matter stay."""
    check_step_by_hand("fgsm", submission, device, random, shape, dtype)


@pytest.mark.task("fgsm", points=2)
@pytest.mark.parametrize("eps", [0.0, 0.1, 0.5, 2.0])
def test_step_stays_in_range(submission, device, random, eps):
    """fgsm keeps every pixel in [0, 1], however large eps is, and changes nothing for eps 0."""
    check_step_range("fgsm", submission, device, random, eps)


@pytest.mark.task("fgsm", points=1)
@pytest.mark.parametrize(("shape", "classes"), NETWORKS, ids=str)
def test_step_on_a_network(submission, device, random, shape, classes):
    """fgsm follows the gradient in eval mode of a network with dropout and BatchNorm."""
    check_step_on_network("fgsm", submission, device, random, shape, classes)


@pytest.mark.task("fgsm", points=2)
@SITUATIONS
def test_step_leaves_no_trace(submission, random, modes, situation):
    """fgsm leaves modes, statistics, every .grad and the images as they were; detached."""
    want = one_step(1, 0.05)
    check_attack_traces(submission, random, "fgsm", modes, situation, want, 0.05)


@pytest.mark.task("targeted_fgsm", points=2)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_targeted_step_by_hand(submission, device, random, shape):
    """targeted_fgsm moves each pixel by eps down the loss of the target."""
    check_step_by_hand("targeted_fgsm", submission, device, random, shape, torch.float32)


@pytest.mark.task("targeted_fgsm", points=2)
@pytest.mark.parametrize("eps", [0.0, 0.1, 0.5, 2.0])
def test_targeted_step_stays_in_range(submission, device, random, eps):
    """targeted_fgsm keeps every pixel in [0, 1], and changes nothing for eps 0."""
    check_step_range("targeted_fgsm", submission, device, random, eps)


@pytest.mark.task("targeted_fgsm", points=1)
@pytest.mark.parametrize(("shape", "classes"), NETWORKS, ids=str)
def test_targeted_step_on_a_network(submission, device, random, shape, classes):
    """targeted_fgsm follows the gradient in eval mode, with a target of its own for each image."""
    check_step_on_network("targeted_fgsm", submission, device, random, shape, classes)


@pytest.mark.task("targeted_fgsm", points=2)
@SITUATIONS
def test_targeted_step_leaves_no_trace(submission, random, modes, situation):
    """targeted_fgsm leaves modes, statistics, every .grad and the images as they were; detached."""
    want = one_step(-1, 0.05)
    check_attack_traces(submission, random, "targeted_fgsm", modes, situation, want, 0.05)


# pgd


def climb(
    model,
    x,
    y,
    eps,
    alpha,
    steps,
    start=None,
    *,
    around="original",
    project="every step",
    in_range="every step",
    gradient_at="place",
    sign=1,
    soft=False,
    again_from_start=False,
):
    """Every place of a PGD path, the start first; the settings after `start` are mistakes."""
    start = x if start is None else start
    place, places, total = start, [start], 0.0
    for number in range(steps):
        last = number == steps - 1
        gradient = gradient_of(model, start if gradient_at == "start" else place, y)
        total = total + gradient
        gradient = total if gradient_at == "all places" else gradient
        begin = start if again_from_start else place
        moved = begin + sign * alpha * (gradient if soft else gradient.sign())
        if around != "nothing" and (project == "every step" or last):
            centre = {"original": x, "place": place, "start": start}[around]
            moved = torch.maximum(torch.minimum(moved, centre + eps), centre - eps)
        if in_range == "every step" or (in_range == "end" and last):
            moved = moved.clamp(0, 1)
        place = moved
        places.append(place)
    return places


def suspects_of_pgd(model, x, y, eps, alpha, steps, start=None):
    """What usual mistakes in PGD lead to."""

    def end(alpha=alpha, steps=steps, start=start, **mistake):
        return lambda: climb(model, x, y, eps, alpha, steps, start, **mistake)[-1]

    return {
        "it goes down the loss: each step goes up, plus": end(sign=-1),
        "the picture was not brought back into the eps-ball around the ORIGINAL x at every step: "
        "project inside the loop": end(around="nothing"),
        "the projection is around the place before the step: the ball is around the ORIGINAL x": (
            end(around="place")
        ),
        "the projection is around the start: the ball is around the ORIGINAL x": (
            end(around="start")
        ),
        "the projection comes only once, at the end: it belongs inside the loop": (
            end(project="end")
        ),
        "the path is clamped to [0, 1] only at the end: clamp at every step": end(in_range="end"),
        "the result leaves [0, 1]: clamp at every step": end(in_range="never"),
        "every step uses the gradient at the start: take a new one at the new place": (
            end(gradient_at="start")
        ),
        "the gradient itself was used: only its sign counts": end(soft=True),
        "each step is eps: it must be alpha": end(alpha=eps),
        "each step is eps / steps: it must be alpha": end(alpha=eps / max(steps, 1)),
        "each step starts from x again: go on from where the last one ended": (
            end(again_from_start=True)
        ),
        "the gradients of earlier steps are still in it: take a fresh one at every step": (
            end(gradient_at="all places")
        ),
        "there was one step too few": end(steps=steps - 1),
        "there was one step too many": end(steps=steps + 1),
        "each step is half of alpha": end(alpha=alpha / 2),
        "the images came back as they were": lambda: x,
    }


BUDGETS = [(0.1, 0.06, 5), (0.05, 0.2, 3), (0.3, 0.04, 4), (0.08, 0.03, 9), (0.6, 0.3, 6)]


@pytest.mark.task("pgd", points=2)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_steps_on_a_linear_model(submission, device, random, shape, dtype):
    """pgd walks straight on a linear model: min(eps, steps times alpha), in [0, 1]."""
    batch, *image = shape
    model, slope = two_class_model(random, image, device, dtype)
    x = full_range(random, *shape, dtype=dtype, device=device)
    y = random.integers(0, 2, batch, device=device)
    direction = (1.0 - 2.0 * y).to(dtype).reshape(-1, *[1] * len(image)) * slope.sign()
    still = submission.pgd(model, x, y, 0.5, 0.0, 2)
    assert_matches(still, x, what="without gen, two steps of 0, which end where they start, at x")
    for eps, alpha, steps in [(0.5, 0.1, 3), (0.25, 0.1, 4), (0.1, 0.3, 2), (0.5, 0.1, 1)]:
        got = assert_inputs_unchanged(submission.pgd, model, x, y, eps, alpha, steps)
        assert_matches(
            got,
            (x + min(eps, steps * alpha) * direction).clamp(0, 1),
            what=f"{steps} steps of {alpha} with eps {eps}",
            requires_grad=False,
            suspects={
                "pixels with gradient 0 must stay where they are: sign(0) is 0": (
                    lambda eps=eps, alpha=alpha, steps=steps: (
                        x + min(eps, steps * alpha) * torch.where(direction > 0, 1, -1)
                    ).clamp(0, 1)
                ),
                **suspects_of_pgd(model, x, y, eps, alpha, steps),
            },
        )


@pytest.mark.task("pgd", points=3)
@pytest.mark.parametrize("budget", BUDGETS, ids=str)
@pytest.mark.parametrize("pixels", ["inside", "full range"])
def test_path_where_the_gradient_turns(submission, device, random, budget, pixels):
    """pgd takes a new gradient and projects onto the ball around x and [0, 1] at every step."""
    shape = (3, 2, 2, 3) if pixels == "inside" else (1, 4, 5)
    model = hills(random, shape[1:], device)
    draw = images if pixels == "inside" else full_range
    x = draw(random, *shape, dtype=torch.float64, device=device)
    y = random.integers(0, 2, shape[0], device=device)
    assert_matches(
        submission.pgd(model, x, y, *budget),
        climb(model, x, y, *budget)[-1],
        requires_grad=False,
        suspects=suspects_of_pgd(model, x, y, *budget),
    )


def path_of_pgd(student, model, x, y, budget, seed):
    """What pgd gives, the images that it showed to the model on the way, and random states."""
    import torch

    seen = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    gen = None if seed is None else torch.Generator(x.device).manual_seed(seed)
    before, state = torch.get_rng_state(), None if gen is None else gen.get_state()
    result = (
        student.pgd(model, x, y, *budget)
        if gen is None
        else student.pgd(model, x, y, *budget, gen=gen)
    )
    return {
        "result": result,
        "seen": seen,
        "others": torch.equal(before, torch.get_rng_state()),
        "drawn": gen is not None and not torch.equal(state, gen.get_state()),
    }


def check_path(seen, x, eps, steps):
    """Every place on the way is a picture within the eps-ball around x."""
    form = {"result": object, "seen": list[object], "others": bool, "drawn": bool}
    assert_form(seen, form, "what was seen of the path")
    if not seen["others"]:
        fail(
            "torch's global random numbers were used: draw from gen alone, and only if it is given"
        )
    if len(seen["seen"]) < steps:
        fail(f"expected a gradient at each of {steps} steps, got {len(seen['seen'])} model calls")
    for number, place in enumerate(seen["seen"]):
        where = f"model call {number + 1} of pgd"
        assert_tensor(place, f"the picture in {where}", shape=x.shape)
        far = (place - x).abs().max().item()
        if not far <= eps + 1e-6:
            note = "project onto the ball around the ORIGINAL x at every step, the start too"
            fail(f"{where}: a pixel is {far:.4g} away from x, with eps {eps}: {note}")
        if place.min() < -1e-6 or place.max() > 1 + 1e-6:
            worst = place.min().item() if place.min() < 0 else place.max().item()
            note = "clamp to [0, 1] at every step, the random start too"
            fail(f"{where}: a pixel is {worst:.4g}: {note}")


@pytest.mark.task("pgd", points=2)
@pytest.mark.parametrize("seed", [None, 7], ids=["from x", "random start"])
@pytest.mark.parametrize("budget", BUDGETS[:3], ids=str)
def test_every_place_on_the_way(submission, random, budget, seed):
    """Every picture that pgd tries is in the eps-ball around x and in [0, 1]; the first is x."""
    model = hills(random, (2, 3, 3))
    x = full_range(random, 4, 2, 3, 3, dtype=torch.float64)
    y = random.integers(0, 2, 4)
    seen = submission.probe(path_of_pgd, copy.deepcopy(model), x, y, budget, seed)
    check_path(seen, x, budget[0], budget[2])
    start = assert_tensor(seen["seen"][0], "the start of the path", shape=x.shape)
    if seed is None:
        what = "the first picture that pgd shows to the model, without gen"
        assert_matches(start, x, what=what)
        return
    if not seen["drawn"]:
        fail("nothing was drawn from gen: with gen the path starts at a random place in the ball")
    assert_matches(
        seen["result"],
        climb(model, x, y, *budget, start)[-1],
        what="the end of the path from its random start",
        suspects=suspects_of_pgd(model, x, y, *budget, start),
    )


@pytest.mark.task("pgd", points=2)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_random_start(submission, device, random, dtype):
    """With gen, pgd starts uniformly in the ball, each pixel on its own; the seed decides."""
    model, _ = two_class_model(random, (1, 5, 8), device, dtype)
    x = images(random, 50, 1, 5, 8, low=0.4, high=0.6, dtype=dtype, device=device)
    y = random.integers(0, 2, 50, device=device)
    eps, seed = 0.25, random.seed()

    def start(gen):
        """With alpha 0 the path stays where it starts."""
        got = submission.pgd(model, x, y, eps, 0.0, 1, gen)
        assert_matches(got, torch.zeros_like(x), atol=2.0)  # shape, dtype and device
        return (got - x).detach().cpu().double() / eps

    moved = start(torch.Generator(device).manual_seed(seed))
    if moved.abs().max() > 1 + 1e-5:
        far = moved.abs().max().item() * eps
        fail(f"the random start is {far:.3g} away from x, with eps {eps}: uniform in [-eps, eps]")
    if moved.abs().max() == 0:
        fail("the path starts at x: with gen it starts at a random place in the ball")
    if moved.flatten(1).std(dim=1).min() < 0.05 or moved.std(dim=0).min() < 0.05:
        fail("several pixels start with the same move: draw one number for each pixel (x.shape)")
    # 2000 draws: the bounds are six standard deviations wide.
    if not abs(moved.mean()) < 0.08:
        fail(
            f"the random start moves pixels by {moved.mean() * eps:.3g} on average, expected 0: "
            "eps * (2 * u - 1) for u in [0, 1)"
        )
    if not abs((moved.abs() < 0.5).double().mean() - 0.5) < 0.07:
        fail(
            f"{(moved.abs() < 0.5).double().mean():.0%} of the pixels start within eps / 2 of x, "
            "expected half of them: uniform in [-eps, eps] (torch.rand), not normal, not the corners"
        )

    gen = torch.Generator(device).manual_seed(seed)
    assert_matches(start(gen), moved, what="the same start from the same seed", atol=1e-5)
    if start(gen).allclose(moved):
        fail("a second call with the same generator starts at the same place: draw from gen itself")
    assert_matches(start(None), torch.zeros_like(moved), what="the move without gen", atol=1e-5)


@pytest.mark.task("pgd", points=2)
@SITUATIONS
def test_path_leaves_no_trace(submission, random, modes, situation):
    """pgd leaves modes, statistics, every .grad and the images as they were; detached."""
    budget = (0.06, 0.025, 4)
    want = lambda model, x, y: climb(model, x, y, *budget)[-1]  # noqa: E731
    check_attack_traces(submission, random, "pgd", modes, situation, want, *budget)


@pytest.mark.hidden
@pytest.mark.task("pgd", points=1)
@pytest.mark.parametrize("pixels", ["white", "black"])
def test_random_start_at_the_border(submission, random, pixels):
    """The random start of pgd is a picture too: it is clamped to [0, 1]."""
    x = torch.full((20, 1, 4, 5), 1.0 if pixels == "white" else 0.0)
    model, _ = two_class_model(random, (1, 4, 5))
    y = random.integers(0, 2, 20)
    seen = submission.probe(path_of_pgd, model, x, y, (0.2, 0.0, 2), random.seed())
    check_path(seen, x, 0.2, 2)
    assert_matches(seen["result"], x, atol=0.2 + 1e-5)
    if (seen["result"] - x).abs().max() < 0.1:
        fail("the path starts at x: with gen it starts at a random place in the ball")


# fgsm_normalized


def on_pixels(model, mean, std):
    """The model with its normalisation in front, as a function of pixels, in float64."""
    mean, std = (torch.as_tensor(part).double().reshape(-1, 1, 1) for part in (mean, std))
    return lambda x: model((x - mean.to(x.device)) / std.to(x.device))


def normalized_step(model, x, y, eps, mean, std):
    """The right answer, and the gradient with respect to the pixels."""
    whole = on_pixels(copy.deepcopy(model).eval(), mean, std)
    leaf = x.detach().clone().requires_grad_()
    gradient = torch.autograd.grad(F.cross_entropy(whole(leaf), y), leaf)[0]
    return (x + eps * gradient.sign()).clamp(0, 1), gradient


def suspects_of_normalized(model, x, y, eps, mean, std):
    """What usual mistakes with normalised pictures lead to."""
    mean, std = (torch.as_tensor(part).to(x).reshape(-1, 1, 1) for part in (mean, std))
    z = (x - mean) / std
    _, gradient = normalized_step(model, x, y, eps, mean, std)
    step = eps * gradient.sign()

    def raw(inputs):
        return lambda: (x + eps * gradient_of(model, inputs, y).sign()).clamp(0, 1)

    return {
        "eps was added to the normalised picture: the step is in pixels": (
            ((z + step) * std + mean).clamp(0, 1)
        ),
        "eps was added to the normalised picture, and nothing was clamped": (z + step) * std + mean,
        "the normalised picture was clamped to [0, 1]: clamp pixels": (
            (z + step).clamp(0, 1) * std + mean
        ),
        "the normalised picture was clamped to [0, 1]: clamp pixels, and return pixels": (
            (z + step).clamp(0, 1)
        ),
        "the normalised picture was clamped to [0, 1]: step and clamp in pixels": (
            (z + step / std).clamp(0, 1) * std + mean
        ),
        "a normalised picture came back: the result is in pixels": (
            ((x + step).clamp(0, 1) - mean) / std
        ),
        "the step was multiplied by std: eps is in pixels already": (x + step * std).clamp(0, 1),
        "the step was divided by std: eps is in pixels already": (x + step / std).clamp(0, 1),
        "the model was given pixels: it wants (x - mean) / std": raw(x),
        "the model was given (x - mean) * std": raw((x - mean) * std),
        "the model was given x / std - mean": raw(x / std - mean),
        "the model was given a clamped picture: clamp the result only": raw(z.clamp(0, 1)),
        "std was taken for the variance: do not take its root": raw((x - mean) / std.sqrt()),
        "the model was given (x - std) / mean: are mean and std swapped?": raw((x - std) / mean),
        "the model was given x * std + mean, which turns normalised pictures back": (
            raw(x * std + mean)
        ),
        "mean and std run along the width: reshape them to (c, 1, 1)": (
            raw((x - mean.flatten()) / std.flatten()) if x.shape[-1] == len(mean) else x
        ),
        "the mean and std of channel 0 were used for all channels": raw((x - mean[0]) / std[0]),
        "the result leaves [0, 1]: clamp it": x + step,
        "it goes down the loss: plus eps, not minus": (x - step).clamp(0, 1),
    }


def check_normalized(submission, model, x, y, eps, mean, std):
    """Compare one call with the plain computation."""
    expected, _ = normalized_step(model, x, y, eps, mean, std)
    suspects = suspects_of_normalized(model, x, y, eps, mean, std)
    got = assert_inputs_unchanged(submission.fgsm_normalized, model, x, y, eps, mean, std)
    assert_matches(got, expected, requires_grad=False, suspects=suspects)


COLOURS = ([0.6, 0.3, 0.45], [0.2, 0.35, 0.5])
GREY = ([0.13], [0.31])


@pytest.mark.task("fgsm_normalized", points=2)
@pytest.mark.parametrize("shape", [(1, 1, 4, 5), (4, 3, 5, 2), (3, 3, 4, 3)], ids=str)
@pytest.mark.parametrize("pixels", ["inside", "full range"])
def test_step_is_in_pixels(submission, device, random, shape, pixels):
    """fgsm_normalized moves pixels by eps and clamps pixels; the model sees (x - mean) / std."""
    mean, std = GREY if shape[1] == 1 else COLOURS
    model = hills(random, shape[1:], device)
    model.pace = 7.0
    draw = images if pixels == "inside" else full_range
    x = draw(random, *shape, dtype=torch.float64, device=device)
    y = random.integers(0, 2, shape[0], device=device)
    check_normalized(submission, model, x, y, 0.1, mean, std)


@pytest.mark.task("fgsm_normalized", points=2)
@pytest.mark.parametrize("kind", ["list", "tuple", "tensor", "float64 tensor"])
@pytest.mark.parametrize("channels", [1, 3])
def test_kinds_of_mean_and_std(submission, device, random, kind, channels):
    """fgsm_normalized takes mean and std as list, tuple or tensor, and keeps the images' dtype."""
    dtype = torch.float64 if "float64" in kind else torch.float32
    make = {"list": list, "tuple": tuple}.get(
        kind, lambda values: torch.tensor(values, dtype=dtype, device=device)
    )
    mean, std = (make(values) for values in (GREY if channels == 1 else COLOURS))
    model, slope = two_class_model(random, (channels, 2, 3), device)
    x = images(random, 3, channels, 2, 3, device=device)
    y = random.integers(0, 2, 3, device=device)
    got = assert_inputs_unchanged(submission.fgsm_normalized, model, x, y, 0.1, mean, std)
    direction = (1.0 - 2.0 * y).reshape(-1, 1, 1, 1) * slope.sign()
    suspects = {
        "eps was added to the normalised picture: the step is in pixels": (
            lambda: (x + 0.1 * direction * torch.as_tensor(std).to(x).reshape(-1, 1, 1)).clamp(0, 1)
        ),
        "it goes down the loss: plus eps, not minus": (x - 0.1 * direction).clamp(0, 1),
    }
    expected = (x + 0.1 * direction).clamp(0, 1)
    assert_matches(got, expected, requires_grad=False, suspects=suspects)


def inputs_of_model(student, model, x, y, eps, mean, std):
    """What the model is given in a call of fgsm_normalized."""
    seen = []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    student.fgsm_normalized(model, x, y, eps, mean, std)
    return seen


@pytest.mark.task("fgsm_normalized", points=1)
@pytest.mark.parametrize("channels", [1, 3])
def test_model_sees_normalised_pictures(submission, random, channels):
    """In fgsm_normalized the model sees (x - mean) / std, with each channel's own numbers."""
    mean, std = GREY if channels == 1 else COLOURS
    model, _ = two_class_model(random, (channels, 3, 3))
    x, y = images(random, 2, channels, 3, 3), random.integers(0, 2, 2)
    seen = submission.probe(inputs_of_model, model, x, y, 0.1, mean, std)
    mean, std = (torch.tensor(values).reshape(-1, 1, 1) for values in (mean, std))
    if not assert_items(seen, list):
        fail("the model was never called")
    for inputs in seen:
        assert_matches(
            inputs,
            (x - mean) / std,
            what="what the model is given",
            suspects={
                "the model was given pixels: normalise them first": x,
                "mean and std run along the width: reshape them to (c, 1, 1)": (
                    lambda: (x - mean.flatten()) / std.flatten()
                ),
                "first subtract the mean, then divide": x / std - mean,
                "divide by std, do not multiply": (x - mean) * std,
                "std was taken for the variance: do not take its root": (x - mean) / std.sqrt(),
                "the normalised picture was clamped to [0, 1]: clamp pixels only": (
                    ((x - mean) / std).clamp(0, 1)
                ),
            },
        )


@pytest.mark.task("fgsm_normalized", points=2)
@SITUATIONS
def test_normalized_step_leaves_no_trace(submission, random, modes, situation):
    """fgsm_normalized leaves modes, statistics, every .grad and the images as they were."""
    want = lambda model, x, y: normalized_step(model, x, y, 0.05, *COLOURS)[0]  # noqa: E731
    arguments = ("fgsm_normalized", modes, situation, want, 0.05, *COLOURS)
    check_attack_traces(submission, random, *arguments)


@pytest.mark.hidden
@pytest.mark.task("fgsm_normalized", points=1)
def test_unusual_normalisation(submission, random):
    """fgsm_normalized takes five channels, a batch of one, views as mean and std, mean 0."""
    table = torch.stack([torch.tensor([0.0, 0.9, 0.5, 0.2, 0.7]), torch.linspace(0.1, 1.5, 5)], 1)
    model = hills(random, (5, 1, 5))
    model.pace = 5.0
    x, y = full_range(random, 1, 5, 1, 5, dtype=torch.float64), random.integers(0, 2, 1)
    check_normalized(submission, model, x, y, 0.2, table[:, 0].double(), table[:, 1].double())


# robust_accuracy


def reader():
    """A model whose five logits are the first five pixels of an image; there is a sixth."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(5, 6))
        model[1].bias.zero_()
    return model


def darken_marked(model, x, y):
    """An attack on `reader` that works on images whose sixth pixel is bright, and on these only."""
    flat = x.flatten(1).clone()
    marked = flat[:, 5] > 0.5
    flat[marked, y[marked]] = 0.0
    return flat.reshape(x.shape)


def samples_for(random, groups, device="cpu"):
    """Images and labels for `reader`, batch by batch: "s" stays right, "f" is fooled, "w" is wrong."""
    batches = []
    for group in groups:
        x = random.uniform(len(group), 6, low=0.1, high=0.4)
        y = random.integers(0, 5, len(group))
        brightest = [
            (label + (kind == "w")) % 5 for label, kind in zip(y.tolist(), group, strict=True)
        ]
        x[torch.arange(len(group)), brightest] = 0.9
        x[:, 5] = torch.tensor([0.9 if kind == "f" else 0.1 for kind in group])
        batches.append((x.reshape(-1, 1, 2, 3).to(device), y.to(device)))
    return batches


def suspects_of_accuracy(groups):
    """Numbers that usual mistakes lead to."""
    everything = "".join(groups)
    samples, stay, wrong = len(everything), everything.count("s"), everything.count("w")
    shares = [group.count("s") / len(group) for group in groups]
    return {
        "this is the accuracy without the attack: the model must read what attack gives back": (
            1 - wrong / samples
        ),
        "this is the mean of the batches' shares: count samples over all batches, divide once": (
            sum(shares) / len(shares)
        ),
        "only pictures that were right before the attack are counted: all samples count": (
            stay / (samples - wrong)
        ),
        "this is the share of wrong answers": 1 - stay / samples,
        "this is the number of right answers: divide by the number of samples": float(stay),
        "this is a percentage: give a fraction from 0 to 1": 100 * stay / samples,
        "the number of right answers is divided by the number of batches": stay / len(groups),
        "only the last batch counts": shares[-1],
        "only the first batch counts": shares[0],
        "the last batch is left out": "".join(groups[:-1]).count("s") / samples,
        "every batch is counted as if it were as large as the first": (
            stay / (len(groups) * len(groups[0]))
        ),
    }


def check_accuracy(got, groups, what="the robust accuracy"):
    """Compare with the fraction of all samples, told by the letters."""
    everything = "".join(groups)
    if isinstance(got, torch.Tensor):
        fail(f"{what}: expected a Python float, got a tensor: call .item() on the count")
    if not isinstance(got, float | int):
        fail(f"{what}: expected a Python float, got {type(got).__name__}")
    expected = everything.count("s") / len(everything)
    assert_matches(float(got), expected, what=what, suspects=suspects_of_accuracy(groups))


GROUPS = [
    ["ssffww", "fsw", "s"],
    ["ssssfww", "fff", "sf"],
    ["w", "sssff", "wf"],
    ["ff", "fww"],
    ["sss", "s"],
]


@pytest.mark.task("robust_accuracy", points=3)
@pytest.mark.parametrize("groups", GROUPS, ids="-".join)
@pytest.mark.parametrize("kind", ["list", "generator"])
def test_share_of_all_samples(submission, device, random, groups, kind):
    """robust_accuracy is the fraction of ALL samples read right, for batches of unequal size."""
    batches = samples_for(random, groups, device)
    loader = batches if kind == "list" else (batch for batch in batches)
    got = submission.robust_accuracy(reader().to(device), loader, darken_marked)
    check_accuracy(got, groups)


@pytest.mark.task("robust_accuracy", points=1)
@pytest.mark.parametrize("drop_last", [False, True], ids=["all", "last batch dropped"])
def test_accuracy_with_a_loader(submission, random, drop_last):
    """robust_accuracy takes a DataLoader, and counts the samples that really came."""
    groups = ["ssff", "wwss", "f"]
    batches = samples_for(random, groups)
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    loader = DataLoader(TensorDataset(x, y), batch_size=4, drop_last=drop_last)
    got = submission.robust_accuracy(reader(), loader, darken_marked)
    check_accuracy(got, groups[:2] if drop_last else groups)


@pytest.mark.task("robust_accuracy", points=1)
@pytest.mark.parametrize("kind", ["list", "generator", "loader"])
def test_no_sample_is_refused(submission, kind):
    """robust_accuracy raises a ValueError when there is no sample."""
    nothing = TensorDataset(torch.zeros(0, 1, 2, 3), torch.zeros(0, dtype=torch.int64))
    loader = {"list": [], "generator": iter(()), "loader": DataLoader(nothing, batch_size=4)}[kind]
    assert_raises(
        ValueError,
        submission.robust_accuracy,
        reader(),
        loader,
        darken_marked,
        because="the loader gives no sample: there is no accuracy of nothing",
    )


def calls_in_robust_accuracy(student, model, batches, modes, broken):
    """How the attack was called, how the model read its results, and what is left behind."""
    import torch

    class BrokenError(RuntimeError):
        pass

    attacks, readings = [], []

    def attack(given, x, y):
        same = given is model
        attacks.append({"model": same, "x": x.clone(), "y": y.clone(), "x to y": None})
        attacks[-1]["gradients"] = torch.is_grad_enabled()
        if broken and len(attacks) == 2:
            raise BrokenError("this attack fails on purpose")
        return x / 2

    def note(module, inputs):
        seen = [part.training for part in module.modules()]
        readings.append({"x": inputs[0].detach().clone(), "modes": seen})

    model.register_forward_pre_hook(note)
    for number, parameter in enumerate(model.parameters()):
        parameter.grad = None if number == 2 else torch.full_like(parameter, 0.5)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    buffers = [buffer.clone() for buffer in model.buffers()]
    raised = False
    try:
        student.robust_accuracy(model, batches, attack)
    except BrokenError:
        raised = True
    gradients = [
        p.grad is None if n == 2 else p.grad is not None and bool((p.grad == 0.5).all())
        for n, p in enumerate(model.parameters())
    ]
    return {
        "attacks": attacks,
        "readings": readings,
        "raised": raised,
        "names": [
            f"layer {name} ({type(part).__name__})" if name else "the model"
            for name, part in model.named_modules()
        ],
        "modes": [module.training for module in model.modules()],
        "buffers": all(torch.equal(a, b) for a, b in zip(buffers, model.buffers(), strict=True)),
        "gradients": all(gradients),
        "grad mode": torch.is_grad_enabled(),
    }


ATTACK = {"model": bool, "x": object, "y": object, "x to y": None, "gradients": bool}
READING = {"x": torch.Tensor, "modes": [bool, ...]}
CALLS = {
    "attacks": list[ATTACK],
    "readings": list[READING],
    "raised": bool,
    "names": [str, ...],
    "modes": [bool, ...],
    **dict.fromkeys(("buffers", "gradients", "grad mode"), bool),
}


def check_readings(seen, modes):
    """Judge how the model was run by robust_accuracy, and how it was left."""
    check_modes(seen, modes)
    training = [name for r in seen["readings"] for name in running(seen["names"], r["modes"])]
    if training:
        fail(f"{training[0]} is in training mode while the model reads: call model.eval() first")
    if not seen["buffers"]:
        fail("the running statistics of BatchNorm have moved: run the model in eval mode")
    if not seen["gradients"]:
        fail("the .grad of a parameter is not as it was before: measuring needs no gradients")
    if not seen["grad mode"]:
        fail("gradients are switched off for the whole program: use `with torch.no_grad():`")


@pytest.mark.task("robust_accuracy", points=2)
@pytest.mark.parametrize(
    "modes", [ALL_TRAIN, ALL_EVAL, MIXED], ids=["training mode", "eval mode", "mixed modes"]
)
def test_attack_gets_each_batch(submission, random, modes):
    """robust_accuracy calls attack(model, x, y) on each whole batch, and reads in eval mode."""
    model = small_network(random, (1, 2, 3))
    batches = [
        (images(random, n, 1, 2, 3, dtype=torch.float64), random.integers(0, 4, n))
        for n in (3, 1, 2)
    ]
    seen = submission.probe(calls_in_robust_accuracy, model, batches, modes, False)
    assert_form(seen, CALLS, "what was seen of the calls")
    if len(seen["attacks"]) != 3:
        fail(f"expected one call of attack for each of 3 batches, got {len(seen['attacks'])}")
    for number, (call, (x, y)) in enumerate(zip(seen["attacks"], batches, strict=True), start=1):
        if not call["model"]:
            fail(f"call {number} of attack: expected the model itself as the first argument")
        assert_matches(call["x"], x, what=f"x in call {number} of attack")
        assert_matches(call["y"], y, what=f"y in call {number} of attack")
        if not call["gradients"]:
            fail(
                "attack was called with gradients switched off: it needs them; only the reading of "
                "its result belongs under torch.no_grad()"
            )
    check_readings(seen, modes)
    for x, _ in batches:
        read = [reading["x"] for reading in seen["readings"] if reading["x"].shape == x.shape]
        if not read or not any(inputs.allclose(x / 2) for inputs in read):
            fail("the model was not given what attack gave back: model(attack(model, x, y))")


@pytest.mark.hidden
@pytest.mark.task("robust_accuracy", points=1)
@pytest.mark.parametrize("modes", [ALL_TRAIN, MIXED], ids=["training mode", "mixed modes"])
def test_modes_after_a_broken_attack(submission, random, modes):
    """When an attack raises, robust_accuracy passes the error on and puts the modes back."""
    model = small_network(random, (1, 2, 3))
    batches = [
        (images(random, n, 1, 2, 3, dtype=torch.float64), random.integers(0, 4, n))
        for n in (3, 1, 2)
    ]
    seen = submission.probe(calls_in_robust_accuracy, model, batches, modes, True)
    assert_form(seen, CALLS, "what was seen of the calls")
    if not seen["raised"]:
        fail("the attack raised an error and robust_accuracy kept it to itself: let it go on")
    check_readings(seen, modes)


# adversarial_step


def step_by_hand(
    model, x, y, eps, lr, *, on="adversarial", training=True, attacked_in=False, softmax=False
):
    """One step of SGD on FGSM examples: loss, new state and gradients; the settings are mistakes."""
    twin = copy.deepcopy(model)
    gradient = gradient_of(twin, x, y, training=attacked_in)
    adversarial = (x + eps * gradient.sign()).clamp(0, 1)
    inputs = {
        "adversarial": adversarial,
        "clean": x,
        "both": torch.cat([x, adversarial]),
        "away": (x - eps * gradient.sign()).clamp(0, 1),
    }[on]
    twin.train(training).zero_grad()
    logits = twin(inputs)
    logits = logits.softmax(1) if softmax else logits
    loss = F.cross_entropy(logits, y.repeat(len(inputs) // len(y)))
    loss.backward()
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in twin.named_parameters()
        if parameter.grad is not None
    }
    with torch.no_grad():
        for parameter in twin.parameters():
            if parameter.grad is not None:
                parameter -= lr * parameter.grad
        state = {name: tensor.clone() for name, tensor in twin.state_dict().items()}
        after = F.cross_entropy(twin(inputs), y.repeat(len(inputs) // len(y))).item()
    return {"loss": loss.item(), "after": after, "state": state, "gradients": gradients}


CLEAN = "it learns from the clean pictures: use the FGSM examples"
BOTH = "it learns from clean pictures and FGSM examples: use the FGSM examples alone"


def variants_of_step(model, x, y, eps, lr):
    """Steps that usual mistakes lead to, as functions: they are computed when somebody asks."""
    mistakes = {
        CLEAN: {"on": "clean"},
        BOTH: {"on": "both"},
        "the examples go down the loss: FGSM goes up": {"on": "away"},
        "the loss is taken in eval mode: call model.train() before it": {"training": False},
        "the examples are made in training mode: FGSM takes its gradient in eval mode": {
            "attacked_in": True
        },
        "a softmax was applied to the logits first: cross_entropy wants them raw": {
            "softmax": True
        },
    }
    before = copy.deepcopy(model)
    return {
        words: functools.cache(functools.partial(step_by_hand, before, x, y, eps, lr, **mistake))
        for words, mistake in mistakes.items()
    }


def check_adversarial_step(submission, model, x, y, eps, lr, stale):
    """Compare one step with SGD with the same step by hand: loss, weights, .grad and statistics."""
    want = step_by_hand(model, x, y, eps, lr)
    others = variants_of_step(model, x, y, eps, lr)
    begin = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, stale) if stale else None

    got = assert_inputs_unchanged(submission.adversarial_step, model, optimizer, x, y, eps)

    if isinstance(got, torch.Tensor):
        fail("expected the loss as a Python number, got a tensor: call loss.item()")
    float32 = x.dtype == torch.float32
    rtol, atol = (1e-3, 1e-5) if float32 else (1e-7, 1e-9)
    names = [name for name, _ in model.named_parameters()]
    if not isinstance(got, float):
        fail(f"expected the loss as a Python number, got {type(got).__name__}: return loss.item()")
    assert_matches(
        got,
        want["loss"],
        what="the loss that came back",
        rtol=rtol,
        suspects={
            **{words: (lambda make=make: make()["loss"]) for words, make in others.items()},
            "this is the loss after the step: take it before": want["after"],
            "the losses of clean pictures and FGSM examples were added: FGSM examples alone": (
                lambda: 2 * others[BOTH]()["loss"]
            ),
            "this is the sum over the batch: cross_entropy gives the mean": want["loss"] * len(x),
        },
    )

    def state_of(name):
        return {words: (lambda make=make: make()["state"][name]) for words, make in others.items()}

    state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    for name in names:
        old = want["gradients"][name] + stale
        twice = begin[name] - 2 * lr * want["gradients"][name]
        assert_matches(
            state[name],
            want["state"][name],
            what=f"{name} after one step of SGD",
            rtol=rtol,
            atol=atol,
            suspects={
                **state_of(name),
                "nothing was learned: call optimizer.step()": begin[name],
                "old gradients are still in .grad: call optimizer.zero_grad() first": (
                    begin[name] - lr * old
                ),
                "there were two steps: call optimizer.step() once": twice,
                "the gradient that the attack left in .grad is still there: clear it after the "
                "attack": (
                    lambda name=name: want["state"][name] - lr * others[CLEAN]()["gradients"][name]
                ),
                "only old gradients were used: call loss.backward() before optimizer.step()": (
                    begin[name] - lr * stale
                ),
                "the step goes up the loss": begin[name] + lr * want["gradients"][name],
            },
        )
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            fail(f"the .grad of {name} is None afterwards: leave the gradient of this step there")
        assert_matches(
            parameter.grad.detach(),
            want["gradients"][name],
            what=f"the .grad of {name} afterwards",
            rtol=rtol,
            atol=atol,
            suspects={
                "it was cleared after the step: clear before, and leave the new gradient": (
                    torch.zeros_like(parameter)
                ),
                "old gradients are still in it: call optimizer.zero_grad() before backward()": (
                    want["gradients"][name] + stale
                ),
            },
        )
    for name in state.keys() - set(names):
        expected = want["state"][name]
        if name.endswith("num_batches_tracked"):
            count = int(state[name]) - int(begin[name])
            if count != 1:
                fail(
                    f"BatchNorm saw {count} batches in training mode, expected 1: the FGSM "
                    "examples, when the loss is taken; attack in eval mode"
                )
            continue
        assert_matches(
            state[name],
            expected,
            what=f"{name} (statistics of BatchNorm) afterwards",
            rtol=rtol,
            atol=atol,
            suspects=state_of(name),
        )


@pytest.mark.task("adversarial_step", points=3)
@pytest.mark.trains
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("stale", [0.0, 3.0], ids=["", "old gradients"])
def test_one_step_by_hand(submission, device, random, shape, stale):
    """adversarial_step takes one step of SGD on the FGSM examples alone, and gives their loss."""
    batch, *image = shape
    model, _ = two_class_model(random, image, device)
    x = images(random, *shape, device=device)
    y = random.integers(0, 2, batch, device=device)
    check_adversarial_step(submission, model, x, y, 0.1, 0.2, stale)


@pytest.mark.task("adversarial_step", points=2)
@pytest.mark.trains
@pytest.mark.parametrize("training", [True, False], ids=["training mode", "eval mode"])
def test_attack_in_eval_loss_in_training_mode(submission, device, random, training):
    """adversarial_step attacks in eval mode and learns in training mode, BatchNorm included."""
    model = small_network(random, (2, 3, 3), device=device, dropout=0.0).train(training)
    x = full_range(random, 6, 2, 3, 3, dtype=torch.float64, device=device)
    y = random.integers(0, 4, 6, device=device)
    check_adversarial_step(submission, model, x, y, 0.15, 0.1, 1.0)


def modes_in_adversarial_step(student, model, x, y, eps, modes):
    """The modes of the model at each of its calls, and what is left behind."""
    import torch

    during = []
    hook = lambda module, inputs: during.append([part.training for part in module.modules()])  # noqa: E731
    model.register_forward_pre_hook(hook)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    frozen = model[0].bias.requires_grad_(False)
    weight, bias = model[0].weight.detach().clone(), frozen.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x.requires_grad_()
    student.adversarial_step(model, optimizer, x, y, eps)
    return {
        "during": during,
        "names": [
            f"layer {name} ({type(part).__name__})" if name else "the model"
            for name, part in model.named_modules()
        ],
        "modes": [module.training for module in model.modules()],
        "learned": not torch.equal(weight, model[0].weight),
        "frozen": torch.equal(bias, frozen) and frozen.grad is None,
        "requires_grad": [p.requires_grad for p in model.parameters()].count(False) == 1,
        "image": x.grad is None and x.requires_grad,
    }


def check_adversarial_modes(submission, random, modes):
    """Run `modes_in_adversarial_step` and judge the modes."""
    model = small_network(random, (1, 3, 2))
    x, y = images(random, 5, 1, 3, 2, dtype=torch.float64), random.integers(0, 4, 5)
    seen = submission.probe(modes_in_adversarial_step, model, x, y, 0.1, modes)
    form = {
        "during": list[[bool] * len(modes)],
        "names": [str] * len(modes),
        "modes": [bool] * len(modes),
        **dict.fromkeys(("learned", "frozen", "requires_grad", "image"), bool),
    }
    assert_form(seen, form, "what was seen of the step")
    if len(seen["during"]) < 2:
        fail(f"expected two model calls, one to attack and one to learn, got {len(seen['during'])}")
    if any(seen["during"][0]):
        fail("the attack's gradient is taken in training mode: it belongs in eval mode")
    if not seen["during"][-1][0]:
        fail("the loss is taken in eval mode: call model.train() after the attack")
    check_modes(seen, modes)
    return seen


@pytest.mark.task("adversarial_step", points=2)
@pytest.mark.parametrize(
    "modes", [ALL_TRAIN, ALL_EVAL, MIXED], ids=["training mode", "eval mode", "mixed modes"]
)
def test_modes_of_adversarial_step(submission, random, modes):
    """adversarial_step attacks in eval mode, learns in training mode, and puts the modes back."""
    check_adversarial_modes(submission, random, modes)


@pytest.mark.hidden
@pytest.mark.task("adversarial_step", points=1)
def test_frozen_parameters_stay_frozen(submission, random):
    """adversarial_step leaves frozen parameters, and images that require grad, as they were."""
    seen = check_adversarial_modes(submission, random, MIXED_OTHERWISE)
    if not seen["learned"]:
        fail("the weight beside a frozen bias was not trained")
    if not (seen["frozen"] and seen["requires_grad"]):
        fail("a frozen parameter was changed, or its requires_grad")
    if not seen["image"]:
        fail("the images' .grad or requires_grad is not as it was before: work on a copy")


# Trained on handwritten digits


def digits(random, device):
    """A random split of the digits on that device: training images, labels, test images, labels."""
    from datasets.digits import load_digits_split

    return [part.to(device) for part in load_digits_split(random.seed())]


def digit_network(random):
    """A small network for the digits, with fresh weights; it trains in a tenth of a second."""
    torch.manual_seed(random.seed())
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))


def trained_on_digits(random, x, y):
    """A network that reads digits, trained by a plain loop."""
    model = digit_network(random).to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.006)
    for _ in range(6):
        for index in random.permutation(len(y)).to(x.device).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
    return model.eval()


def share_right(model, x, y):
    """The share of images that the model reads right."""
    with torch.no_grad():
        return (model(x).argmax(1) == y).double().mean().item()


@pytest.mark.task("fgsm", points=2)
@pytest.mark.devices("cpu", "cuda")  # the other checks of fgsm are quicker on a simulated GPU
@pytest.mark.timeout(60)
def test_digits_are_misread(submission, device, random, threshold):
    """A trained network reads few handwritten digits right after your fgsm."""
    x_train, y_train, x, y = digits(random, device)
    model = trained_on_digits(random, x_train, y_train)
    adversarial = submission.fgsm(model, x, y, 0.15)
    assert_matches(adversarial, x, what="the attacked digits", atol=0.15 + 1e-5)
    threshold.require(
        "fgsm_accuracy",
        share_right(model, adversarial, y),
        "the share of test digits read right after fgsm with eps 0.15",
        f"without an attack it is {share_right(model, x, y):.0%}",
    )


@pytest.mark.task("pgd", points=2)
@pytest.mark.devices("cpu", "cuda")
@pytest.mark.timeout(60)
def test_digits_are_misread_after_pgd(submission, device, random, threshold):
    """A trained network reads few digits right after your pgd with a random start."""
    x_train, y_train, x, y = digits(random, device)
    model = trained_on_digits(random, x_train, y_train)
    gen = random.generator(device=device)
    adversarial = submission.pgd(model, x, y, 0.15, 0.04, 8, gen=gen)
    assert_matches(adversarial, x, what="the attacked digits", atol=0.15 + 1e-5)
    threshold.require(
        "pgd_accuracy",
        share_right(model, adversarial, y),
        "the share of test digits read right after pgd with eps 0.15",
        f"without an attack it is {share_right(model, x, y):.0%}",
    )


@pytest.mark.task("adversarial_step", points=3)
@pytest.mark.trains
@pytest.mark.devices("cpu", "cuda")
@pytest.mark.timeout(60)
def test_training_makes_robust(submission, device, random, threshold):
    """A network trained with your adversarial_step reads far more of the attacked digits right."""
    x_train, y_train, x, y = digits(random, device)
    model = digit_network(random).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.006)
    for _ in range(6):
        for index in random.permutation(len(y_train)).to(device).split(64):
            submission.adversarial_step(model, optimizer, x_train[index], y_train[index], 0.15)
    model.eval()
    adversarial = climb(model, x, y, 0.15, 0.06, 5)[-1]
    threshold.require(
        "robust_accuracy",
        share_right(model, adversarial, y),
        "the share of test digits read right under an attack with eps 0.15, after your training",
        f"without the attack it is {share_right(model, x, y):.0%}",
        "does the loss really come from the FGSM examples, made anew at each step?",
    )
