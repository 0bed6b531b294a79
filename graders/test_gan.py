"""Checks for `gan`: two networks, their losses, one step for each, the gradient penalty, a ring."""

import copy
import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradus.checks import (
    assert_form,
    assert_inputs_unchanged,
    assert_items,
    assert_kind,
    assert_matches,
    assert_number,
    assert_same_gradients,
    assert_tensor,
    fail,
)

DTYPES = [torch.float32, torch.float64]


def network(random, *sizes, scores=False, device="cpu", dtype=torch.float32):
    """Linear layers with tanh in between and known weights; with `scores` one number per sample."""
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    layers[-1] = nn.Flatten(0) if scores else nn.Identity()
    model = nn.Sequential(*layers)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * random.normal(*parameter.shape))
    model.latent = sizes[0]
    return model.to(device, dtype)


def stirred(model, random):
    """The student's network with other weights: how it was initialised must not matter."""
    assert_kind(model, nn.Module)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * random.normal(*parameter.shape).to(parameter))
    return model


def flat(tensors):
    """All numbers of several tensors in one row."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def names_where(model, same):
    """The names of the parameters for which `same` is true."""
    names = [name for name, _ in model.named_parameters()]
    return ", ".join(name for name, flag in zip(names, same, strict=True) if flag)


# Generator and Discriminator


def output_of(model, x, shape, what):
    """The network's output, once its type, shape, dtype and device are right."""
    got = model(x)
    if not isinstance(got, torch.Tensor):
        fail(f"expected {what} as a tensor, got {type(got).__name__}: does forward return them?")
    if tuple(got.shape) != shape:
        why = ""
        if tuple(got.shape) == (*shape, 1):
            why = "; the last axis of size 1 has to go: squeeze(-1)"
        elif tuple(got.shape) == shape[1:]:
            why = "; the batch axis of size 1 is gone: squeeze() without a dim takes it too"
        fail(f"expected {what} in shape {shape}, got {tuple(got.shape)}{why}")
    if got.dtype != x.dtype or got.device != x.device:
        fail(f"expected {what} as {x.dtype} on {x.device}, got {got.dtype} on {got.device}")
    return assert_tensor(got, what, shape=shape)


def check_independence(model, x, shape, what):
    """In eval mode a row's output depends on this row alone, and not on chance."""
    model.eval()
    with torch.no_grad():
        together = output_of(model, x, shape, what).clone()
        again = output_of(model, x, shape, what).clone()
        alone = torch.cat([output_of(model, row[None], (1, *shape[1:]), what) for row in x])
    if not torch.allclose(together, again, rtol=1e-4, atol=1e-5):
        fail(
            f"the same input gave other {what} in a second call: all that is random must come in "
            "through the input"
        )
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
        fail(f"one row on its own gives other {what} than in a batch: something mixes the rows")


def check_nonlinear(model, random, inputs, shape, what):
    """The network is no linear map."""
    model.eval()
    a, b = 2 * random.normal(shape[0], inputs), 2 * random.normal(shape[0], inputs)
    with torch.no_grad():
        of_a, of_b, of_both, of_zero = (
            output_of(model, x, shape, what).double() for x in (a, b, a + b, torch.zeros_like(a))
        )
    varies = (of_a - of_zero).abs().max()
    if varies < 1e-6:
        fail(f"the {what} are the same for every input: forward has to use its argument")
    if (of_both - of_a - of_b + of_zero).abs().max() < 1e-3 * varies:
        fail(
            "the network is linear, as if it were one layer: put tanh (or another nonlinear "
            "function) between the linear layers"
        )


def check_hidden(make, *sizes):
    """`hidden` says how wide the layers are, and is 64 if nothing is said."""

    def count(model):
        parameters = assert_kind(model, nn.Module).parameters()
        return sum(parameter.numel() for parameter in parameters)

    narrow, wide = count(make(*sizes, hidden=8)), count(make(*sizes, hidden=32))
    if not narrow < wide:
        fail(
            f"expected more parameters with hidden=32 than with hidden=8, got {wide} and {narrow}: "
            "use the given `hidden` for the width of the layers"
        )
    usual, sixty_four = count(make(*sizes)), count(make(*sizes, 64))
    if usual != sixty_four:
        fail(
            f"expected hidden=64 where nothing is said, {sixty_four} parameters, got {usual}: "
            "the default stands in the signature"
        )


def check_all_learn(model, x, shape, what):
    """Every parameter gets a gradient."""
    got = output_of(model, x, shape, what)
    if not got.requires_grad:
        fail(f"no gradient flows through {what}: look for detach(), .data or no_grad() in forward")
    weights = torch.arange(1.0, 1.0 + got.numel(), dtype=x.dtype).reshape(shape)
    parameters = list(assert_kind(model, nn.Module).parameters())
    if not parameters:
        fail("the network has no parameters: are the layers attributes of the module?")
    found = torch.autograd.grad((got * weights).sum(), parameters, allow_unused=True)
    idle = [gradient is None or not bool(gradient.any()) for gradient in found]
    if any(idle):
        fail(f"these parameters cannot learn, no gradient reaches them: {names_where(model, idle)}")


NETWORK_SIZES = [(5, 3, 2, 16), (1, 2, 5, 8), (4, 1, 1, 32), (7, 8, 64, 24)]


@pytest.mark.task("Generator", points=2)
@pytest.mark.parametrize(("n", "latent", "outputs", "hidden"), NETWORK_SIZES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_samples_have_the_right_shape(
    submission, device, random, n, latent, outputs, hidden, dtype
):
    """Generator turns (n, latent) into (n, outputs), keeps the dtype and remembers `latent`."""
    model = submission.Generator(latent, outputs, hidden).to(device, dtype)
    assert_matches(getattr(model, "latent", None), latent, what="generator.latent")
    z = random.normal(n, latent, dtype=dtype, device=device)
    for training in (True, False):
        model.train(training)
        if n > 1 or not training:  # BatchNorm in training needs more than one
            output_of(model, z, (n, outputs), "the samples")


@pytest.mark.task("Generator", points=2)
def test_samples_come_from_noise(submission, random):
    """Generator makes a sample of each row of noise, by a map that is not linear, and of it alone."""
    model = stirred(submission.Generator(3, 2, 16), random)
    check_nonlinear(model, random, 3, (20, 2), "samples")
    check_independence(model, random.normal(6, 3), (6, 2), "samples")
    model.train()
    check_all_learn(model, random.normal(30, 3), (30, 2), "the samples")


@pytest.mark.task("Generator", points=1)
def test_samples_may_be_anywhere(submission, random):
    """The samples of Generator have no bounds: no tanh, sigmoid or ReLU at the end."""
    lowest, highest = [], []
    for _ in range(3):
        model = assert_kind(submission.Generator(4, 5, 32), nn.Module, "Generator")
        model.eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(3 * random.normal(*parameter.shape))
            got = output_of(model, 5 * random.normal(64, 4), (64, 5), "the samples")
        lowest.append(got.min().item())
        highest.append(got.max().item())
    if max(highest) <= 1.0 + 1e-4 and min(lowest) >= -1.0 - 1e-4:
        fail(
            "with large weights, 960 numbers still lie between -1 and 1: leave out the tanh or "
            "sigmoid after the last layer; the ring's clouds are at distance 2"
        )
    if min(lowest) >= 0 or max(highest) <= 0:
        fail(
            "with random weights, 960 numbers all have the same sign: leave out what comes after "
            "the last linear layer"
        )


@pytest.mark.task("Generator", points=1)
def test_generator_is_as_wide_as_asked(submission):
    """The width of Generator's layers is `hidden`, 64 if nothing is said."""
    check_hidden(submission.Generator, 3, 2)


@pytest.mark.task("Discriminator", points=2)
@pytest.mark.parametrize(("b", "inputs", "_", "hidden"), NETWORK_SIZES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_one_logit_per_sample(submission, device, random, b, inputs, _, hidden, dtype):
    """Discriminator gives logits of shape (b,), also for a batch of one, and keeps the dtype."""
    model = submission.Discriminator(inputs, hidden).to(device, dtype)
    x = random.normal(b, inputs, dtype=dtype, device=device)
    for training in (True, False):
        model.train(training)
        if b > 1 or not training:
            output_of(model, x, (b,), "the logits")


@pytest.mark.task("Discriminator", points=2)
def test_samples_are_judged_one_by_one(submission, random):
    """Discriminator judges each sample by itself, by a map that is not linear."""
    model = stirred(submission.Discriminator(3, 16), random)
    check_nonlinear(model, random, 3, (20,), "logits")
    check_independence(model, random.normal(6, 3), (6,), "logits")
    model.train()
    check_all_learn(model, random.normal(30, 3), (30,), "the logits")


@pytest.mark.task("Discriminator", points=1)
def test_logits_are_raw(submission, random):
    """Discriminator returns raw logits of any sign and size: no sigmoid at the end."""
    lowest, highest = [], []
    for _ in range(5):
        model = assert_kind(submission.Discriminator(4, 32), nn.Module, "Discriminator")
        model.eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(3 * random.normal(*parameter.shape))
            got = output_of(model, 5 * random.normal(64, 4), (64,), "the logits")
        lowest.append(got.min().item())
        highest.append(got.max().item())
    if min(lowest) >= 0 or max(highest) <= 0:
        fail(
            f"expected logits of both signs, got 320 from {min(lowest):.3g} to {max(highest):.3g}: "
            "is there a sigmoid, a logsigmoid or a ReLU after the last layer? The loss has it inside"
        )
    if max(highest) <= 1.0 + 1e-4 and min(lowest) >= -1.0 - 1e-4:
        fail(
            "with large weights, 320 logits still lie between -1 and 1: no tanh after the last layer"
        )


@pytest.mark.task("Discriminator", points=1)
def test_discriminator_is_as_wide_as_asked(submission):
    """The width of Discriminator's layers is `hidden`, 64 if nothing is said."""
    check_hidden(submission.Discriminator, 3)


# discriminator_loss


def bce(logits, label):
    """Binary cross-entropy of each logit."""
    return F.softplus(-logits if label else logits)


def expected_d_loss(real, fake):
    """The sum of two means."""
    return bce(real, 1).mean() + bce(fake, 0).mean()


def suspects_of_d_loss(real, fake):
    """What usual mistakes in the discriminator's loss lead to."""
    right = expected_d_loss(real, fake)
    every = torch.cat([bce(real, 1).flatten(), bce(fake, 0).flatten()])
    return {
        "the labels are swapped: real is 1, fake is 0": lambda: expected_d_loss(fake, real),
        "the real logits are pushed towards 0, like the fake ones": (
            lambda: bce(real, 0).mean() + bce(fake, 0).mean()
        ),
        "the fake logits are pushed towards 1, like the real ones": (
            lambda: bce(real, 1).mean() + bce(fake, 1).mean()
        ),
        "both labels are the wrong way round": lambda: bce(real, 0).mean() + bce(fake, 1).mean(),
        "the fake part is missing": lambda: bce(real, 1).mean(),
        "the real part is missing": lambda: bce(fake, 0).mean(),
        "the sum was halved": lambda: right / 2,
        "the sum over all samples: take the mean of each part": lambda: every.sum(),
        "one mean over all logits: take two means and add them": lambda: every.mean(),
        "twice the mean over all logits: take two means and add them": lambda: 2 * every.mean(),
        "the sign is wrong: minus the logarithm": lambda: -right,
        "the sigmoid is applied twice": lambda: expected_d_loss(real.sigmoid(), fake.sigmoid()),
        "this is a loss for each sample: take the means": lambda: bce(real, 1) + bce(fake, 0),
        "the mean of the logits, without the logarithm (a Wasserstein loss)": (
            lambda: fake.mean() - real.mean()
        ),
        "the hinge loss, not the binary cross-entropy": (
            lambda: F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        ),
        "the least-squares loss, not the binary cross-entropy": (
            lambda: (real.sigmoid() - 1).square().mean() + fake.sigmoid().square().mean()
        ),
        "binary_cross_entropy cuts every loss off at 100: use the one with logits, or softplus": (
            lambda: bce(real, 1).clamp(max=100).mean() + bce(fake, 0).clamp(max=100).mean()
        ),
        "the logarithm of a clamped probability: use softplus, which needs no clamp": (
            lambda: (
                -real.sigmoid().clamp(min=1e-8).log().mean()
                - (1 - fake.sigmoid()).clamp(min=1e-8).log().mean()
            )
        ),
    }


@pytest.mark.task("discriminator_loss", points=1)
def test_d_loss_by_hand(submission, device):
    """discriminator_loss gives the number of the handout: the sum of two means."""
    real, fake = torch.tensor([0.0, 2.0], device=device), torch.tensor([-3.0], device=device)
    got = submission.discriminator_loss(real, fake)
    expected = torch.tensor(0.458625, device=device)
    assert_matches(got, expected, suspects=suspects_of_d_loss(real, fake))


SHAPES = [
    ((5,), (3,)),
    ((1,), (1,)),
    ((4, 1), (7, 1)),
    ((2, 3), (6,)),
    ((2, 1, 3, 4), (3, 1, 2, 2)),
]


@pytest.mark.task("discriminator_loss", points=2)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_d_loss_of_any_shapes(submission, device, random, shapes, dtype):
    """discriminator_loss takes logits of any shapes, more real than fake ones or fewer."""
    real, fake = (3 * random.normal(*shape, dtype=dtype, device=device) for shape in shapes)
    got = assert_inputs_unchanged(submission.discriminator_loss, real, fake)
    assert_matches(got, expected_d_loss(real, fake), suspects=suspects_of_d_loss(real, fake))


def check_extremes(function, oracle, suspects, random, *inputs):
    """Values, then slopes, for huge logits."""
    copies = [x.clone().requires_grad_() for x in inputs]
    twins = [x.clone().requires_grad_() for x in inputs]
    got, expected = function(*copies), oracle(*twins)
    note = suspects(*inputs)
    assert_matches(got, expected, requires_grad=True, suspects=note)
    slopes = torch.autograd.grad(got, copies, allow_unused=True)
    for place, (slope, want) in enumerate(
        zip(slopes, torch.autograd.grad(expected, twins), strict=True), start=1
    ):
        assert_matches(
            torch.zeros_like(want) if slope is None else slope,
            want,
            what=f"the gradient with respect to argument {place}",
            suspects={
                "there is none: the loss was clamped or cut off there": torch.zeros_like(want)
            },
        )


EXTREMES = [[200.0, -150.0], [-200.0, -180.0], [200.0, 190.0], [0.0, 90.0, -110.0, 30.0, -35.0]]


@pytest.mark.task("discriminator_loss", points=2)
@pytest.mark.parametrize("logits", EXTREMES, ids=str)
def test_d_loss_of_a_sure_discriminator(submission, random, logits):
    """discriminator_loss and its gradient stay finite, and right, at ±200."""
    real, fake = torch.tensor(logits), torch.tensor([120.0, -70.0, -200.0])
    check_extremes(
        submission.discriminator_loss, expected_d_loss, suspects_of_d_loss, random, real, fake
    )


@pytest.mark.task("discriminator_loss", points=1)
@pytest.mark.parametrize("shapes", [((4,), (6,)), ((3, 2), (1,))], ids=str)
def test_d_loss_is_differentiable(submission, random, shapes):
    """Gradients flow through discriminator_loss to both kinds of logits."""
    real, fake = (random.normal(*shape) for shape in shapes)
    assert_same_gradients(submission.discriminator_loss, expected_d_loss, real, fake, random=random)


@pytest.mark.hidden
@pytest.mark.task("discriminator_loss", points=1)
@pytest.mark.parametrize("case", ["numbers", "transposed", "one against many"])
def test_d_loss_of_unusual_logits(submission, device, random, case):
    """discriminator_loss takes single numbers, any memory layout, one sample against many."""
    if case == "numbers":
        real, fake = random.normal(device=device), random.normal(3, device=device)
    elif case == "transposed":
        real, fake = random.normal(3, 4, device=device).mT, random.normal(5, 2, device=device)[:, 1]
    else:
        real, fake = random.normal(1, 1, device=device), random.normal(50, device=device)
    got = submission.discriminator_loss(real, fake)
    assert_matches(got, expected_d_loss(real, fake), suspects=suspects_of_d_loss(real, fake))


# generator_loss


def expected_g_loss(fake):
    """The non-saturating loss."""
    return bce(fake, 1).mean()


def suspects_of_g_loss(fake):
    """What usual mistakes in the generator's loss lead to."""
    return {
        "this is the saturating loss, log(1 - sigmoid(l)): take -log(sigmoid(l))": (
            lambda: -bce(fake, 0).mean()
        ),
        "the forgeries are labelled as forged: for the generator the label is 1": (
            lambda: bce(fake, 0).mean()
        ),
        "the sign is wrong: minus the logarithm": lambda: -expected_g_loss(fake),
        "the sum over the samples: take the mean": lambda: bce(fake, 1).sum(),
        "this is a loss for each sample: take the mean": lambda: bce(fake, 1),
        "the sigmoid is applied twice": lambda: expected_g_loss(fake.sigmoid()),
        "the mean of the logits, without the logarithm (a Wasserstein loss)": lambda: -fake.mean(),
        "half of it": lambda: expected_g_loss(fake) / 2,
        "the least-squares loss, not the binary cross-entropy": (
            lambda: (fake.sigmoid() - 1).square().mean()
        ),
        "binary_cross_entropy cuts every loss off at 100: use the one with logits, or softplus": (
            lambda: bce(fake, 1).clamp(max=100).mean()
        ),
        "the logarithm of a clamped probability: use softplus, which needs no clamp": (
            lambda: -fake.sigmoid().clamp(min=1e-8).log().mean()
        ),
    }


@pytest.mark.task("generator_loss", points=1)
def test_g_loss_by_hand(submission, device):
    """generator_loss gives the number of the handout, and is small for forgeries that fool."""
    for logits, value in [([-4.0, 0.0], 2.35565), ([10.0], 4.53989e-05)]:
        fake = torch.tensor(logits, device=device)
        expected = torch.tensor(value, device=device)
        got = submission.generator_loss(fake)
        assert_matches(
            got,
            expected,
            what=f"generator_loss of the logits {logits}",
            atol=1e-6,
            suspects=suspects_of_g_loss(fake),
        )


@pytest.mark.task("generator_loss", points=2)
@pytest.mark.parametrize("shape", [(5,), (1,), (4, 1), (2, 1, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_g_loss_of_any_shape(submission, device, random, shape, dtype):
    """generator_loss takes logits of any shape."""
    fake = 3 * random.normal(*shape, dtype=dtype, device=device)
    got = assert_inputs_unchanged(submission.generator_loss, fake)
    assert_matches(got, expected_g_loss(fake), suspects=suspects_of_g_loss(fake))


@pytest.mark.task("generator_loss", points=2)
@pytest.mark.parametrize("logits", EXTREMES, ids=str)
def test_g_loss_of_a_sure_discriminator(submission, random, logits):
    """generator_loss is steep where the discriminator is sure, and finite, and right, at ±200."""
    check_extremes(
        submission.generator_loss,
        expected_g_loss,
        suspects_of_g_loss,
        random,
        torch.tensor(logits),
    )


@pytest.mark.task("generator_loss", points=1)
@pytest.mark.parametrize("shape", [(4,), (3, 2)], ids=str)
def test_g_loss_is_differentiable(submission, random, shape):
    """Gradients flow through generator_loss."""
    assert_same_gradients(
        submission.generator_loss, expected_g_loss, random.normal(*shape), random=random
    )


# discriminator_step and generator_step


def watched_steps(student, kind, generator, discriminator, batches, seed, settings, stale):
    """Steps with models that are watched: the noise that came in, the losses, what is left behind."""
    import torch

    noise = []
    # A hook on the first layer is there for `generator.forward(z)` and for copies of the model too.
    generator[0].register_forward_pre_hook(lambda _, given: noise.append(given[0].detach().clone()))
    learner = discriminator if kind == "discriminator_step" else generator
    optimizer = torch.optim.SGD(learner.parameters(), **settings)
    players = [("generator", generator), ("discriminator", discriminator)]
    for _, model in players:
        for number, parameter in enumerate(model.parameters()):
            parameter.grad = torch.full_like(parameter, stale + number) if stale else None
    flags = [p.requires_grad for m in (generator, discriminator) for p in m.parameters()]

    gen = torch.Generator().manual_seed(seed)
    step, losses, counts = getattr(student, kind), [], []
    for batch in batches:
        losses.append(step(generator, discriminator, optimizer, batch, gen))
        counts.append(len(noise))

    seen = {
        "losses": losses,
        "noise": noise,
        "counts": counts,
        "flags before": flags,
        "names": [
            f"the {kind}'s {name}"
            for kind, model in players
            for name, _ in model.named_parameters()
        ],
        "flags": [p.requires_grad for m in (generator, discriminator) for p in m.parameters()],
        "training": [generator.training, discriminator.training],
    }
    for name, model in players:
        seen[name] = [p.detach().clone() for p in model.parameters()]
        seen[f"{name} .grad"] = [
            None if p.grad is None else p.grad.clone() for p in model.parameters()
        ]
    return seen


def watched_form(generator, discriminator, batches):
    """What `watched_steps` gives for models of such sizes."""
    of = [len(list(model.parameters())) for model in (generator, discriminator)]
    return {
        "losses": [object] * len(batches),
        "noise": list[torch.Tensor],
        "counts": [int] * len(batches),
        "flags before": [bool] * sum(of),
        "names": [str] * sum(of),
        "flags": [bool] * sum(of),
        "training": [bool, bool],
        "generator": [torch.Tensor] * of[0],
        "generator .grad": [torch.Tensor | None] * of[0],
        "discriminator": [torch.Tensor] * of[1],
        "discriminator .grad": [torch.Tensor | None] * of[1],
    }


def watch(submission, kind, generator, discriminator, batches, seed, stale=0.0, **settings):
    """What `watched_steps` saw, once it is clear that the generator was asked for forgeries."""
    settings = {"lr": 0.1, **settings}
    seen = submission.probe(
        watched_steps,
        kind,
        copy.deepcopy(generator),
        copy.deepcopy(discriminator),
        batches,
        seed,
        settings,
        stale,
    )
    assert_form(seen, watched_form(generator, discriminator, batches), "what was seen of a step")
    counts = [0, *seen["counts"]]
    parts = [seen["noise"][start:end] for start, end in pairwise(counts)]
    if not all(parts):
        fail(
            "the generator was not run in this step: make fresh forgeries with it, generator(noise)"
        )
    seen["noise"] = [torch.cat(part) for part in parts]
    for number, loss in enumerate(seen["losses"], start=1):
        if not isinstance(loss, float):
            note = ": loss.item() makes a number of a tensor" if loss is not None else ""
            fail(f"expected a Python float from step {number}, got {type(loss).__name__}{note}")
        assert_number(loss, f"the loss of step {number}")
    return seen


def replayed(
    kind,
    generator,
    discriminator,
    batches,
    noise,
    loss_of=None,
    stale=0.0,
    steps=1,
    keep=False,
    **more,
):
    """The learner's parameters and the losses, when the same steps are taken by hand."""
    generator, discriminator = copy.deepcopy(generator), copy.deepcopy(discriminator)
    learner = discriminator if kind == "discriminator_step" else generator
    optimizer = torch.optim.SGD(learner.parameters(), **{"lr": 0.1, **more})
    losses = []
    for batch, z in zip(batches, noise, strict=True):
        fake = discriminator(generator(z))
        if kind == "discriminator_step":
            loss = (loss_of or expected_d_loss)(discriminator(batch), fake)
        else:
            loss = (loss_of or expected_g_loss)(fake)
        found = torch.autograd.grad(loss, list(learner.parameters()), allow_unused=True)
        for number, (p, gradient) in enumerate(zip(learner.parameters(), found, strict=True)):
            before = p.grad if keep else None
            p.grad = torch.zeros_like(p) if gradient is None else gradient
            p.grad = p.grad + (stale + number if stale else 0.0)
            p.grad = p.grad if before is None else p.grad + before
        for _ in range(steps):
            optimizer.step()
        losses.append(loss.item())
    return flat(learner.parameters()), losses


LOSSES_OF_D = {
    "the labels are swapped: the discriminator learns to call forgeries real": (
        lambda real, fake: expected_d_loss(fake, real)
    ),
    "the step goes uphill: the loss has the wrong sign": lambda real, fake: (
        -expected_d_loss(real, fake)
    ),
    "it learned from the real samples only": lambda real, fake: bce(real, 1).mean(),
    "it learned from the forgeries only": lambda real, fake: bce(fake, 0).mean(),
    "the loss was halved": lambda real, fake: expected_d_loss(real, fake) / 2,
    "the forgeries are labelled as real: that is the generator's loss": (
        lambda real, fake: bce(real, 1).mean() + bce(fake, 1).mean()
    ),
    "it learned with the generator's loss": lambda real, fake: bce(fake, 1).mean(),
}
LOSSES_OF_G = {
    "it learned with the saturating loss": lambda fake: -bce(fake, 0).mean(),
    "it went the discriminator's way: the forgeries must be labelled as real": (
        lambda fake: bce(fake, 0).mean()
    ),
    "the step goes uphill: the loss has the wrong sign": lambda fake: -expected_g_loss(fake),
}


def check_step(submission, kind, generator, discriminator, batches, random, stale=0.0, **settings):
    """The learner has moved as it must; the losses are those from before each step."""
    seen = watch(
        submission, kind, generator, discriminator, batches, random.seed(), stale, **settings
    )
    noise, name = seen["noise"], kind.removesuffix("_step")
    learner = discriminator if name == "discriminator" else generator
    for z, batch in zip(noise, batches, strict=True):
        rows = len(batch) if isinstance(batch, torch.Tensor) else batch
        if len(z) != rows:
            fail(f"expected one forgery for each of {rows} places in the batch, got {len(z)}")
    replay = lambda **more: replayed(  # noqa: E731
        kind, generator, discriminator, batches, noise, **{**settings, **more}
    )[0]
    losses = LOSSES_OF_D if name == "discriminator" else LOSSES_OF_G
    why_still = (
        "they have not moved: optimizer.step() is missing, or the optimizer's gradients were cleared"
        if name == "discriminator"
        else "they have not moved: no gradient reached the generator (detach or no_grad on the way?), "
        "or optimizer.step() is missing"
    )
    expected, expected_losses = replayed(kind, generator, discriminator, batches, noise, **settings)
    assert_matches(
        flat(seen[name]),
        expected,
        what=f"the {name}'s parameters after {len(batches)} step{'s' * (len(batches) > 1)} of SGD",
        rtol=1e-4,
        atol=1e-5,
        suspects={
            why_still: flat(learner.parameters()),
            f"old gradients were still in it: clear the {name}'s before backward": (
                lambda: replay(stale=stale) if stale else None
            ),
            **{words: lambda loss=loss: replay(loss_of=loss) for words, loss in losses.items()},
            "the optimizer has taken two steps": lambda: replay(steps=2),
            f"gradients of earlier steps were still in it: clear the {name}'s before backward": (
                lambda: replay(keep=True)
            ),
        },
    )
    for number, (got, want) in enumerate(
        zip(seen["losses"], expected_losses, strict=True), start=1
    ):
        assert_matches(
            got,
            want,
            what=f"the loss that step {number} returned",
            suspects={
                "this is the loss after the step: return the one from before it": (
                    lambda: replayed(
                        kind, generator, discriminator, batches[:1] * 2, noise[:1] * 2, **settings
                    )[1][1]
                ),
                "half of it": want / 2,
            },
            rtol=1e-4,
            atol=1e-5,
        )
    return seen


def two_players(random, dtype=torch.float32, device="cpu"):
    """A generator from 3 to 2 numbers and a discriminator, both small and not linear."""
    generator = network(random, 3, 5, 2, dtype=dtype, device=device)
    return generator, network(random, 2, 4, 1, scores=True, dtype=dtype, device=device)


@pytest.mark.task("discriminator_step", points=3)
@pytest.mark.parametrize("b", [1, 2, 7])
@pytest.mark.parametrize("stale", [0.0, 3.0], ids=["no gradients yet", "old gradients"])
def test_discriminator_learns(submission, random, b, stale):
    """discriminator_step takes one step with the gradient of this batch alone, tells the loss."""
    generator, discriminator = two_players(random)
    check_step(
        submission,
        "discriminator_step",
        generator,
        discriminator,
        [random.normal(b, 2)],
        random,
        stale,
    )


@pytest.mark.task("discriminator_step", points=1)
@pytest.mark.timeout(30)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_several_lessons_for_the_discriminator(submission, random, dtype):
    """discriminator_step goes on well with momentum, unequal batches, and in float64."""
    generator, discriminator = two_players(random, dtype)
    batches = [random.normal(b, 2, dtype=dtype) for b in (4, 2, 5)]
    check_step(
        submission,
        "discriminator_step",
        generator,
        discriminator,
        batches,
        random,
        momentum=0.9,
    )


def check_other_untouched(seen, name, before, stale):
    """The other player: parameters, gradients and requires_grad are as they were."""
    other = "generator" if name == "discriminator" else "discriminator"
    assert_matches(
        flat(seen[other]),
        flat(before),
        what=f"the {other}'s parameters after a step of the {name}",
        rtol=0.0,
        atol=0.0,
        suspects=None,
    )
    cure = (
        "cut the graph: make the forgeries under torch.no_grad(), or detach() them"
        if other == "generator"
        else "loss.backward(inputs=[...]) with the generator's parameters leaves the others alone"
    )
    for number, (got, parameter) in enumerate(zip(seen[f"{other} .grad"], before, strict=True)):
        where = f"the .grad of parameter {number} of the {other}, after a step of the {name}"
        if not stale:
            if got is not None:
                fail(f"{where}: expected None, as before, got a gradient; {cure}")
            continue
        if got is None:
            fail(
                f"{where}: expected the numbers that it held before, got None: it was cleared, but "
                f"it is not yours; {cure}"
            )
        assert_matches(
            got,
            torch.full_like(parameter, stale + number),
            what=where,
            rtol=0.0,
            atol=0.0,
            suspects={"it was cleared, but it is not yours; " + cure: torch.zeros_like(parameter)},
        )
    for place, (flag, want) in enumerate(zip(seen["flags"], seen["flags before"], strict=True)):
        if flag != want:
            fail(
                f"requires_grad of {seen['names'][place]} was {want} before the step and is {flag} "
                "after it: put each one back to what it was"
            )
    if seen["training"] != [True, True]:
        fail("a network that came in training mode is in eval mode after the step")


@pytest.mark.task("discriminator_step", points=3)
@pytest.mark.timeout(30)
@pytest.mark.parametrize("stale", [0.0, 2.0], ids=["no gradients yet", "old gradients"])
def test_generator_is_left_alone(submission, random, stale):
    """discriminator_step leaves the generator alone: its parameters and whatever their .grad holds."""
    generator, discriminator = two_players(random)
    seen = watch(
        submission,
        "discriminator_step",
        generator,
        discriminator,
        [random.normal(4, 2), random.normal(3, 2)],
        random.seed(),
        stale,
    )
    check_other_untouched(seen, "discriminator", list(generator.parameters()), stale)


def check_noise(submission, kind, random, batches):
    """Noise is fresh in each step, standard normal, and comes from `gen` alone."""
    generator, discriminator = two_players(random)
    seed = random.seed()
    runs = []
    for number in (seed, seed, seed + 1):
        torch.manual_seed(random.seed())
        runs.append(watch(submission, kind, generator, discriminator, batches, number)["noise"])
    first, again, other = runs
    if first[0].shape == first[1].shape and torch.equal(first[0], first[1]):
        fail("two steps in a row used the same noise: draw it anew in each call, and seed nothing")
    if not all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, again, strict=True)):
        fail("the same `gen` gave other noise in a second run: draw the noise with generator=gen")
    if torch.equal(first[0], other[0]):
        fail("another seed of `gen` gave the same noise: draw it with generator=gen")
    if len(first[0].unique(dim=0)) < len(first[0]):
        fail("rows of the noise are the same: draw one for each forgery, not one for all")
    numbers = torch.cat(first).double()
    mean, spread = numbers.mean().item(), numbers.std().item()
    if abs(mean) > 0.25 or not 0.75 < spread < 1.25:
        fail(
            "expected standard normal noise, mean 0 and standard deviation 1, got mean "
            f"{mean:.2f} and standard deviation {spread:.2f}: torch.randn draws it, torch.rand does not"
        )


@pytest.mark.task("discriminator_step", points=1)
@pytest.mark.timeout(30)
def test_forgeries_are_fresh(submission, random):
    """discriminator_step draws standard normal noise with `gen`, anew in each call."""
    check_noise(submission, "discriminator_step", random, [random.normal(150, 2) for _ in range(2)])


def check_step_on_device(submission, kind, random, device):
    """A step where the networks are on `device` and the generator of random numbers is not."""
    generator, discriminator = two_players(random, device=device)
    name = kind.removesuffix("_step")
    learner, other = (
        (discriminator, generator) if name == "discriminator" else (generator, discriminator)
    )
    batch = random.normal(6, 2, device=device) if name == "discriminator" else 6
    before, others = flat(learner.parameters()).clone(), flat(other.parameters()).clone()
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.05)
    got = getattr(submission, kind)(generator, discriminator, optimizer, batch, random.generator())
    if not isinstance(got, float):
        fail(f"expected the loss as a Python float, got {type(got).__name__}: loss.item()")
    assert_number(got, "the loss")
    if torch.equal(flat(learner.parameters()), before):
        fail(f"the {name} has not moved: one step of the given optimizer is missing")
    assert_matches(
        flat(other.parameters()), others, what="the other network's parameters", rtol=0.0, atol=0.0
    )
    if any(parameter.grad is not None for parameter in other.parameters()):
        fail(f"a step of the {name} has left gradients on the other network")


@pytest.mark.task("discriminator_step", points=1)
@pytest.mark.trains
@pytest.mark.timeout(30)
def test_discriminator_step_runs_on_a_gpu(submission, device, random):
    """discriminator_step works where the networks are, although `gen` lives on the CPU."""
    check_step_on_device(submission, "discriminator_step", random, device)


@pytest.mark.hidden
@pytest.mark.task("discriminator_step", points=1)
@pytest.mark.timeout(30)
@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3)], ids=str)
def test_discriminator_step_with_pictures(submission, random, shape):
    """discriminator_step takes samples of any shape, and a batch of one."""
    generator, discriminator = two_players(random)
    size = math.prod(shape)
    generator = nn.Sequential(network(random, 3, size), nn.Unflatten(1, shape))
    generator.latent = 3
    discriminator = nn.Sequential(nn.Flatten(1), network(random, size, 4, 1, scores=True))
    batches = [random.normal(5, *shape), random.normal(1, *shape)]
    check_step(submission, "discriminator_step", generator, discriminator, batches, random, 1.0)


@pytest.mark.task("generator_step", points=3)
@pytest.mark.timeout(30)
@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("stale", [0.0, 3.0], ids=["no gradients yet", "old gradients"])
def test_generator_learns(submission, random, batch, stale):
    """generator_step takes one step with the gradient of these forgeries alone, tells the loss."""
    generator, discriminator = two_players(random)
    check_step(submission, "generator_step", generator, discriminator, [batch], random, stale)


@pytest.mark.task("generator_step", points=1)
@pytest.mark.timeout(30)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_several_lessons_for_the_generator(submission, random, dtype):
    """generator_step goes on well with momentum, unequal batches, and in float64."""
    generator, discriminator = two_players(random, dtype)
    check_step(
        submission, "generator_step", generator, discriminator, [4, 2, 5], random, momentum=0.9
    )


@pytest.mark.task("generator_step", points=3)
@pytest.mark.timeout(30)
@pytest.mark.parametrize("stale", [0.0, 2.0], ids=["no gradients yet", "old gradients"])
def test_discriminator_is_left_alone(submission, random, stale):
    """generator_step leaves the discriminator alone: parameters, .grad, requires_grad and mode."""
    generator, discriminator = two_players(random)
    seen = watch(
        submission, "generator_step", generator, discriminator, [4, 3], random.seed(), stale
    )
    check_other_untouched(seen, "generator", list(discriminator.parameters()), stale)


@pytest.mark.task("generator_step", points=1)
@pytest.mark.timeout(30)
@pytest.mark.parametrize("frozen", ["generator", "discriminator"])
def test_frozen_parameters_stay_frozen(submission, random, frozen):
    """generator_step works with parameters that are frozen, and leaves them frozen."""
    generator, discriminator = two_players(random)
    model = generator if frozen == "generator" else discriminator
    model[0].weight.requires_grad_(False)
    seen = watch(submission, "generator_step", generator, discriminator, [4, 3], random.seed(), 1.0)
    check_other_untouched(seen, "generator", list(discriminator.parameters()), 1.0)
    if torch.equal(flat(seen["generator"]), flat(generator.parameters())):
        fail("the generator has not moved")


@pytest.mark.task("generator_step", points=1)
@pytest.mark.timeout(30)
def test_noise_is_fresh(submission, random):
    """generator_step draws standard normal noise with `gen`, anew in each call."""
    check_noise(submission, "generator_step", random, [150, 150])


@pytest.mark.task("generator_step", points=1)
@pytest.mark.trains
@pytest.mark.timeout(30)
def test_generator_step_runs_on_a_gpu(submission, device, random):
    """generator_step works where the networks are, although `gen` lives on the CPU."""
    check_step_on_device(submission, "generator_step", random, device)


# gradient_penalty


def linear_critic(random, shape, device="cpu", dtype=torch.float32, bias=True):
    """A critic with the same slope everywhere, and this slope."""
    critic = nn.Sequential(nn.Flatten(1), nn.Linear(math.prod(shape), 1, bias=bias))
    slope = random.normal(*shape)
    with torch.no_grad():
        critic[1].weight.copy_(slope.reshape(1, -1))
    return critic.to(device, dtype), slope.to(device, dtype)


@pytest.mark.task("gradient_penalty", points=1)
def test_penalty_by_hand(submission, device, random):
    """gradient_penalty gives the number of the handout: slope (3, 4), length 5, penalty 16."""
    critic, _ = linear_critic(random, (2,), device=device)
    with torch.no_grad():
        critic[1].weight.copy_(torch.tensor([[3.0, 4.0]], device=device))
    real, fake = random.normal(6, 2, device=device), random.normal(6, 2, device=device)
    got = submission.gradient_penalty(critic, real, fake, random.generator())
    assert_matches(
        got,
        torch.tensor(16.0, device=device),
        rtol=1e-3,
        suspects={
            "the 1 is missing: (length - 1) squared": torch.tensor(25.0, device=device),
            "times λ = 10: return the penalty itself": torch.tensor(160.0, device=device),
            "the sum over the samples: take the mean": torch.tensor(96.0, device=device),
            "the square is missing": torch.tensor(4.0, device=device),
            "the root is missing: the length is the root of the sum of squares": (
                torch.tensor(576.0, device=device)
            ),
            "one length for the whole batch: take one for each sample": (
                torch.tensor((5 * 6**0.5 - 1) ** 2, device=device)
            ),
            "the gradient of the mean score: take the sum of the scores": (
                torch.tensor((5 / 6 - 1) ** 2, device=device)
            ),
            "the sum of the absolute values: the length is the root of the sum of squares": (
                torch.tensor(36.0, device=device)
            ),
        },
    )


@pytest.mark.task("gradient_penalty", points=2)
@pytest.mark.parametrize("b", [1, 5])
@pytest.mark.parametrize("shape", [(3,), (4, 5), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_length_runs_over_the_whole_sample(submission, device, random, b, shape, dtype):
    """gradient_penalty takes one length per sample, over all its axes: points, rows, pictures."""
    critic, slope = linear_critic(random, shape, device=device, dtype=dtype)
    real, fake = (random.normal(b, *shape, dtype=dtype, device=device) for _ in range(2))
    observed = assert_inputs_unchanged(
        submission.gradient_penalty, critic, real, fake, random.generator()
    )
    one = lambda lengths: (lengths - 1).square().mean()  # noqa: E731
    assert_matches(
        observed,
        one(slope.norm()),
        rtol=1e-3,
        atol=1e-4,
        suspects={
            "the length runs over the first axis of the sample only (dim=1): flatten(1) first": (
                lambda: one(slope.norm(dim=0))
            ),
            "the length runs over the last axis only: flatten(1) first": (
                lambda: one(slope.norm(dim=-1))
            ),
            "one length for the whole batch: take one for each sample": (
                lambda: one(slope.norm() * b**0.5)
            ),
            "the gradient of the mean score: take the sum of the scores": (
                lambda: one(slope.norm() / b)
            ),
            "the 1 is missing: (length - 1) squared": lambda: slope.square().sum(),
            "times λ = 10: return the penalty itself": lambda: 10 * one(slope.norm()),
            "the sum over the samples: take the mean": lambda: b * one(slope.norm()),
            "this is a penalty for each sample: take the mean": lambda: one(slope.norm()).expand(b),
            "only slopes above 1 are fined: those below 1 count too": (
                lambda: F.relu(slope.norm() - 1).square()
            ),
            "the square is missing": lambda: (slope.norm() - 1).abs(),
        },
    )


def watched_penalty(student, critic, real, fake, seed, calls, stale, leaves=False):
    """Penalties of a critic that notes where it was asked, with their gradients for its weights."""
    import torch

    class Watched(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.critic = critic

        def forward(self, x):
            places.append(x.detach().clone())
            return self.critic(x)

    watched, gen = Watched(), torch.Generator().manual_seed(seed)
    real, fake = (x.detach().clone().requires_grad_(leaves) for x in (real, fake))
    for number, parameter in enumerate(critic.parameters()):
        parameter.grad = torch.full_like(parameter, stale + number) if stale else None
    seen = []
    for _ in range(calls):
        places = []
        penalty = student.gradient_penalty(watched, real, fake, gen)
        one = {"penalty": penalty, "places": places, "graph": None, "gradients": None}
        one["grad"] = [None if p.grad is None else p.grad.clone() for p in critic.parameters()]
        one["input grad"] = [x.grad is not None for x in (real, fake)]
        if isinstance(penalty, torch.Tensor):
            one["graph"], one["penalty"] = penalty.requires_grad, penalty.detach()
            if penalty.requires_grad:
                one["gradients"] = torch.autograd.grad(
                    penalty, list(critic.parameters()), allow_unused=True, retain_graph=True
                )
        seen.append(one)
    return seen


PENALTY = {
    "penalty": object,
    "places": list[torch.Tensor],
    "graph": bool | None,
    "gradients": object,
    "grad": [torch.Tensor | None, ...],
    "input grad": [bool, bool],
}


def penalties(submission, critic, real, fake, seed, calls, stale, leaves=False):
    """What `watched_penalty` saw in each call."""
    arguments = (critic, real, fake, seed, calls, stale, leaves)
    seen = submission.probe(watched_penalty, *arguments)
    return assert_form(seen, [PENALTY] * calls, "what was seen of the penalty")


def places_of(seen, real):
    """Where the critic was asked, one place per sample."""
    if not seen["places"]:
        fail("the critic was not asked at all: critic(mix) has to run")
    places = assert_tensor(seen["places"][-1], "where the critic was asked")
    if places.shape != real.shape:
        fail(
            f"expected the critic to be asked about mixes of shape {tuple(real.shape)}, "
            f"got {tuple(places.shape)}"
        )
    return places


@pytest.mark.task("gradient_penalty", points=2)
@pytest.mark.parametrize("shape", [(4,), (2, 3, 2)], ids=["points", "pictures"])
def test_each_sample_has_its_own_mix(submission, random, shape):
    """gradient_penalty mixes each real sample with its fake one, by a random number per sample."""
    n = 300
    real, fake = random.normal(n, *shape), random.normal(n, *shape) + 3
    critic, _ = linear_critic(random, shape)
    seed = random.seed()
    torch.manual_seed(random.seed())
    first, second = penalties(submission, critic, real, fake, seed, 2, 0.0)
    torch.manual_seed(random.seed())
    (again,) = penalties(submission, critic, real, fake, seed, 1, 0.0)

    places = places_of(first, real).flatten(1)
    start, way = fake.flatten(1), (real - fake).flatten(1)
    share = (places - start).mul(way).sum(1) / way.square().sum(1)  # of real, sample by sample
    off = (start + share[:, None] * way - places).abs().amax(1)
    lines = "a mix lies on the straight line between a real sample and its fake one"
    if off.max() > 1e-3:
        sample = "the pixels" if len(shape) > 1 else "the numbers"
        fail(
            f"{int((off > 1e-3).sum())} of {n} mixes are off the line: {lines}. Draw one random "
            f"number per sample, the same for all {sample} of it: "
            f"shape {(n, *[1] * len(shape))}"
        )
    if share.max() - share.min() < 1e-3:
        fail(
            f"all {n} samples were mixed with the same number, {share[0]:.3g} of the real sample: "
            "draw one for each, torch.rand(len(real), generator=gen)"
        )
    if share.min() < -1e-3 or share.max() > 1 + 1e-3:
        fail(
            f"expected mixes with 0 to 1 of the real sample, got {share.min():.3g} to "
            f"{share.max():.3g}: {lines}. torch.rand draws from 0 to 1, torch.randn does not"
        )
    quarters = torch.histc(share, bins=4, min=0, max=1) / n
    if quarters.min() < 0.1:
        fail(
            "expected mixes spread evenly over the line, got these shares in its four quarters: "
            f"{', '.join(f'{q:.0%}' for q in quarters.tolist())}"
        )
    if torch.equal(places, places_of(second, real).flatten(1)):
        fail("a second call with the same `gen` gave the same mixes: draw them anew, seed nothing")
    if not torch.equal(places, places_of(again, real).flatten(1)):
        fail("the same seed of `gen` gave other mixes: draw them with generator=gen")


@pytest.mark.task("gradient_penalty", points=3)
@pytest.mark.parametrize("stale", [0.0, 2.0], ids=["no gradients yet", "old gradients"])
@pytest.mark.parametrize("shape", [(3,), (1, 2, 3)], ids=["points", "pictures"])
def test_penalty_trains_the_critic(submission, random, stale, shape):
    """The penalty is right at each mix, and so is its gradient for the critic's weights."""
    real, fake = random.normal(5, *shape), 2 * random.normal(5, *shape)
    critic = nn.Sequential(nn.Flatten(1), network(random, math.prod(shape), 6, 1))
    (seen,) = penalties(submission, copy.deepcopy(critic), real, fake, random.seed(), 1, stale)
    mix = places_of(seen, real).requires_grad_()
    (slopes,) = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    lengths = slopes.flatten(1).norm(dim=1)
    expected = (lengths - 1).square().mean()
    assert_matches(
        seen["penalty"],
        expected.detach(),
        rtol=1e-3,
        atol=1e-4,
        suspects={
            "only slopes above 1 are fined: those below 1 count too": (
                F.relu(lengths - 1).square().mean()
            ),
            "the 1 is missing: (length - 1) squared": lengths.square().mean(),
            "the square is missing": (lengths - 1).abs().mean(),
            "the mean length: take (length - 1) squared first, then the mean": (
                (lengths.mean() - 1).square()
            ),
            "times λ = 10: return the penalty itself": 10 * expected,
            "the sum over the samples: take the mean": 5 * expected,
            "one length for the whole batch: take one for each sample": (
                slopes.norm() - 1
            ).square(),
            "the gradient of the mean score: take the sum of the scores": (
                (lengths / 5 - 1).square().mean()
            ),
            "the length runs over one axis only: flatten(1) first": (
                lambda: (slopes.norm(dim=1) - 1).square().mean()
            ),
        },
    )
    if not seen["graph"]:
        fail(
            "expected a penalty that the critic can be trained with, got one without a graph: "
            "torch.autograd.grad(..., create_graph=True), and no detach() or item() after it"
        )
    wanted = torch.autograd.grad(expected, list(critic.parameters()), allow_unused=True)
    names = [name for name, _ in critic.named_parameters()]
    for name, got, want in zip(names, seen["gradients"], wanted, strict=True):
        if want is None or not bool(want.any()):
            continue
        if got is None:
            fail(f"no gradient of the penalty reaches {name} of the critic: create_graph=True")
        assert_matches(
            got, want, what=f"the penalty's gradient for {name}", rtol=1e-3, atol=1e-4,
            suspects={"half of it: is the root or the square in the graph?": want / 2},
        )  # fmt: skip
    for number, (got, parameter) in enumerate(zip(seen["grad"], critic.parameters(), strict=True)):
        before = torch.full_like(parameter, stale + number) if stale else None
        if got is not None:
            assert_tensor(got, f"the .grad of the critic's {names[number]}", finite=False)
        if (got is None) != (before is None) or (got is not None and not torch.equal(got, before)):
            fail(
                f"gradient_penalty has changed the .grad of the critic's {names[number]}: "
                "torch.autograd.grad gives the gradient as a result, backward() fills .grad"
            )


@pytest.mark.task("gradient_penalty", points=1)
@pytest.mark.parametrize("steps", ["flat", "flat in places"])
def test_flat_critic_gives_finite_gradients(submission, random, steps):
    """gradient_penalty has finite gradients also where the critic is flat: no NaN from a root."""
    if steps == "flat":
        critic = nn.Sequential(nn.Linear(3, 1))
        with torch.no_grad():
            critic[0].weight.zero_()
    else:
        critic = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        with torch.no_grad():
            critic[0].bias.fill_(-100.0)
    real, fake = random.normal(4, 3), random.normal(4, 3)
    (seen,) = penalties(submission, critic, real, fake, random.seed(), 1, 0.0)
    assert_matches(
        seen["penalty"],
        torch.tensor(1.0),
        rtol=1e-3,
        atol=1e-4,
        suspects={
            "only slopes above 1 are fined: those below 1 count too": torch.tensor(0.0),
            "a root has no slope at 0: norm() knows about that": torch.tensor(float("nan")),
        },
    )
    weights = len(list(critic.parameters()))
    for gradient in assert_items(seen["gradients"], tuple, weights, "the penalty's gradients"):
        if gradient is not None:
            assert_tensor(gradient, "a gradient of the penalty", finite=False)
        if gradient is not None and not bool(gradient.isfinite().all()):
            fail(
                "the critic is flat there, and the penalty's gradient for its weights is NaN: a root "
                "has no slope at 0; norm() knows about that, or add 1e-12 under the root"
            )


@pytest.mark.hidden
@pytest.mark.task("gradient_penalty", points=1)
@pytest.mark.parametrize("case", ["leaves", "in a graph", "transposed", "one number each"])
def test_penalty_of_unusual_samples(submission, random, case):
    """gradient_penalty takes samples with or without a graph, and critics that give (b,)."""
    shape = (3, 3)
    critic, slope = linear_critic(random, shape)
    real, fake = random.normal(4, *shape), random.normal(4, *shape)
    if case == "leaves":
        (seen,) = penalties(submission, critic, real, fake, random.seed(), 1, 0.0, True)
        if any(seen["input grad"]):
            fail("gradient_penalty has filled the .grad of its samples: use torch.autograd.grad")
        got, with_graph = seen["penalty"], seen["graph"]
    else:
        if case == "in a graph":
            fake = fake * torch.ones((), requires_grad=True)
        elif case == "transposed":
            real, fake = real.mT, fake.mT
        else:
            critic.append(nn.Flatten(0))
        got = submission.gradient_penalty(critic, real, fake, random.generator())
        with_graph = isinstance(got, torch.Tensor) and got.requires_grad
    assert_matches(got, (slope.norm() - 1).square(), rtol=1e-3, atol=1e-4)
    if not with_graph:
        fail("expected a penalty that the critic can be trained with: create_graph=True")


# sample


def watched_sample(student, generator, n, seed, calls, modes, broken):
    """What `sample` returns, the noise that came in, and the generator's state around it."""
    import torch

    noise, inside = [], []

    def note(_, given):
        noise.append(given[0].detach().clone())
        if broken:
            raise ZeroDivisionError("on purpose")

    for module in generator.modules():
        module.register_forward_pre_hook(lambda module, _: inside.append(module.training))
    generator[0].register_forward_pre_hook(note)
    for module, training in zip(generator.modules(), modes, strict=True):
        module.training = training
    buffers = [buffer.clone() for buffer in generator.buffers()]
    gen, results, error = torch.Generator().manual_seed(seed), [], ""
    for _ in range(calls):
        try:
            results.append(student.sample(generator, n, gen))
        except ZeroDivisionError:
            error = "ZeroDivisionError"
    return {
        "results": [r.detach() if isinstance(r, torch.Tensor) else r for r in results],
        "graph": any(isinstance(r, torch.Tensor) and r.requires_grad for r in results),
        "noise": noise,
        "inside": inside,
        "after": [module.training for module in generator.modules()],
        "names": [f"generator.{name}".rstrip(".") for name, _ in generator.named_modules()],
        "statistics": all(map(torch.equal, buffers, generator.buffers())),
        "grad": any(p.grad is not None for p in generator.parameters()),
        "flags": all(p.requires_grad for p in generator.parameters()),
        "grad mode": torch.is_grad_enabled(),
        "error": error,
    }


SAMPLED = {
    "results": list[object],
    "noise": list[torch.Tensor],
    "inside": list[bool],
    "after": [bool] * 7,
    "names": [str] * 7,
    **dict.fromkeys(("graph", "statistics", "grad", "flags", "grad mode"), bool),
    "error": str,
}


def sampled(submission, generator, n, seed, calls, modes, broken):
    """What `watched_sample` saw."""
    seen = submission.probe(watched_sample, generator, n, seed, calls, modes, broken)
    assert_form(seen, SAMPLED, "what was seen of sample")
    if not broken:
        assert_items(seen["results"], list, calls, "the results of sample")
    return seen


def picture_generator(random):
    """A generator with layers that behave differently in training, statistics not those of noise."""
    generator = nn.Sequential(
        network(random, 3, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Unflatten(1, (2, 3))
    )
    with torch.no_grad():
        generator[1].running_mean.copy_(random.normal(6))
        generator[1].running_var.copy_(random.uniform(6, low=0.5, high=2.0))
    generator.latent = 3
    return generator


ALL_TRAIN, ALL_EVAL = [True] * 7, [False] * 7
FROZEN_PART = [True, True, True, True, False, True, True]
MIXED = [False, True, True, False, True, False, True]


@pytest.mark.task("sample", points=2)
@pytest.mark.parametrize("n", [1, 2, 7, 130])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_exactly_n_samples(submission, device, random, n, dtype):
    """sample gives exactly n samples, detached, on the generator's device and in its dtype."""
    generator = network(random, 4, 8, 3, device=device, dtype=dtype)
    got = submission.sample(generator, n, random.generator())
    assert_tensor(got, "the samples", shape=(n, 3), dtype=dtype, device=device)
    if got.requires_grad:
        fail("the samples still require grad: make them under torch.no_grad()")
    if n > 1 and bool((got == got[:1]).all()):
        fail("all samples are the same: each needs a row of noise of its own")


@pytest.mark.task("sample", points=2)
@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("modes", [ALL_TRAIN, FROZEN_PART], ids=["train", "frozen part"])
def test_samples_are_made_in_eval_mode(submission, random, n, modes):
    """sample runs the generator in eval mode: no dropout, no batch statistics, also for one sample."""
    generator = picture_generator(random)
    eval_twin = copy.deepcopy(generator).eval()
    seen = sampled(submission, generator, n, random.seed(), 1, modes, False)
    if not seen["inside"]:
        fail("the generator was not run")
    if any(seen["inside"]):
        fail("a layer is in training mode while samples are made: call generator.eval() first")
    with torch.no_grad():
        expected = eval_twin(torch.cat(seen["noise"]))
    assert_matches(seen["results"][0], expected, what="the samples", rtol=1e-4, atol=1e-5)
    if not seen["statistics"]:
        fail("the running statistics of BatchNorm have moved: run the generator in eval mode")


def check_left_as_found(seen, modes):
    """Modes, gradients and switches are as they were."""
    for name, want, got in zip(seen["names"], modes, seen["after"], strict=True):
        if want != got:
            fail(
                f"expected {name}.training to be {want} afterwards, as before, got {got}: every "
                "module has its own flag; remember each, and put each back"
            )
    if seen["graph"]:
        fail("the samples still require grad: make them under torch.no_grad()")
    if seen["grad"] or not seen["flags"]:
        fail("the generator's .grad or requires_grad has changed: torch.no_grad() is enough")
    if not seen["grad mode"]:
        fail("gradients are switched off for the whole program: use `with torch.no_grad():`")


@pytest.mark.task("sample", points=2)
@pytest.mark.parametrize(
    "modes",
    [ALL_TRAIN, ALL_EVAL, FROZEN_PART, MIXED],
    ids=["train", "eval", "frozen part", "mixed"],
)
def test_modes_come_back(submission, random, modes):
    """sample gives every module the mode back that it had before."""
    generator = picture_generator(random)
    seen = sampled(submission, generator, 5, random.seed(), 2, modes, False)
    check_left_as_found(seen, modes)


@pytest.mark.task("sample", points=1)
def test_samples_differ_from_call_to_call(submission, random):
    """sample draws standard normal noise with `gen`: each call others, the same seed the same."""
    generator, seed = picture_generator(random), random.seed()
    arguments = (ALL_EVAL, False)
    torch.manual_seed(random.seed())
    first = sampled(submission, generator, 150, seed, 2, *arguments)
    torch.manual_seed(random.seed())
    again = sampled(submission, generator, 150, seed, 1, *arguments)
    other = sampled(submission, generator, 150, seed + 1, 1, *arguments)
    once, twice, same, different = (
        assert_tensor(result, "the samples", shape=(150, 2, 3))
        for result in (*first["results"], *again["results"], *other["results"])
    )
    if torch.equal(once, twice):
        fail("two calls with the same `gen` gave the same samples: seed nothing in here")
    if not torch.equal(once, same):
        fail("the same seed of `gen` gave other samples: draw the noise with generator=gen")
    if torch.equal(once, different):
        fail("another seed of `gen` gave the same samples: draw the noise with generator=gen")
    if not first["noise"]:
        fail("the generator was not run")
    noise = torch.cat(first["noise"]).double()
    mean, spread = noise.mean().item(), noise.std().item()
    if abs(mean) > 0.25 or not 0.75 < spread < 1.25:
        fail(
            "expected standard normal noise, as in training, got mean "
            f"{mean:.2f} and standard deviation {spread:.2f}: torch.randn draws it"
        )


@pytest.mark.hidden
@pytest.mark.task("sample", points=1)
@pytest.mark.parametrize("modes", [ALL_TRAIN, MIXED], ids=["train", "mixed"])
def test_modes_come_back_after_an_error(submission, random, modes):
    """sample puts the modes back also when the generator raises an error."""
    generator = picture_generator(random)
    seen = sampled(submission, generator, 5, random.seed(), 1, modes, True)
    if not seen["error"]:
        fail("the generator raised a ZeroDivisionError, and sample kept it to itself")
    check_left_as_found(seen, modes)


# train_gan


def require_history(history, steps, finite=True):
    """The history's types and length are right."""
    if not isinstance(history, list):
        fail(f"expected a list with a pair of losses for each step, got {type(history).__name__}")
    if len(history) != steps:
        fail(f"expected {steps} pairs of losses, one per step, got {len(history)}")
    for pair in history:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            fail(
                "expected pairs (discriminator loss, generator loss) in the history, got "
                f"{type(pair).__name__}: history.append((d_loss, g_loss))"
            )
        for value in pair:
            if not isinstance(value, float):
                fail(f"expected Python floats in the history, got {type(value).__name__}: .item()")
            assert_number(value, "a loss of the history", finite=finite)


@pytest.mark.task("train_gan", points=2)
@pytest.mark.timeout(30)
@pytest.mark.parametrize(("steps", "batch_size"), [(3, 4), (1, 1), (5, 8)], ids=str)
def test_history_holds_both_losses(submission, random, steps, batch_size):
    """The history has a pair per step, first the discriminator's loss; with lr 0 nothing moves."""
    generator, discriminator = network(random, 3, 2), network(random, 2, 1, scores=True)
    with torch.no_grad():
        generator[0].weight.zero_()  # whatever the noise, all forgeries are the bias
    data = random.normal(1, 2).expand(8, 2).clone()
    with torch.no_grad():
        real, fake = discriminator(data), discriminator(generator[0].bias[None])
    d_loss, g_loss = expected_d_loss(real, fake).item(), expected_g_loss(fake).item()
    before = [flat(model.parameters()).clone() for model in (generator, discriminator)]

    history = submission.train_gan(
        generator, discriminator, data, steps, batch_size, 0.0, random.generator()
    )

    require_history(history, steps)
    for name, model, old in zip(
        ("generator", "discriminator"), (generator, discriminator), before, strict=True
    ):
        if not torch.equal(flat(model.parameters()), old):
            fail(f"the learning rate is 0, but the {name} has changed: pass lr on to its optimizer")
    assert_matches(
        [tuple(pair) for pair in history],
        [(d_loss, g_loss)] * steps,
        what="the history",
        rtol=1e-4,
        atol=1e-5,
        suspects={
            "the generator's loss comes first: turn the pairs round": [(g_loss, d_loss)] * steps
        },
    )


@pytest.mark.task("train_gan", points=1)
@pytest.mark.trains
@pytest.mark.timeout(30)
def test_both_networks_are_trained(submission, device, random):
    """train_gan trains both of the given networks, all of their parameters, on their device."""
    generator, discriminator = two_players(random, device=device)
    before = [copy.deepcopy(model) for model in (generator, discriminator)]
    data = random.normal(30, 2, device=device) + 2
    history = submission.train_gan(generator, discriminator, data, 4, 8, 0.05, random.generator())
    require_history(history, 4)
    for name, old, new in zip(
        ("generator", "discriminator"), before, (generator, discriminator), strict=True
    ):
        same = [
            torch.equal(a.detach(), b.detach())
            for a, b in zip(old.parameters(), new.parameters(), strict=True)
        ]
        if all(same):
            fail(
                f"the {name} has not changed: train this very object, with the given lr, "
                f"and an optimizer that holds {name}.parameters()"
            )
        if any(same):
            fail(f"these parameters of the {name} were not trained: {names_where(new, same)}")


def watched_training(student, generator, discriminator, data, steps, batch_size, lr, seed):
    """A training: the noise, what the discriminator saw, the modes of what learned, the end."""
    import torch

    noise, judged, modes = [], [], []

    def watch(model, notes):
        def note(layer, given):
            if torch.is_grad_enabled():
                modes.append(layer.training)
            notes.append(given[0].detach().clone())

        model[0].register_forward_pre_hook(note)

    watch(generator, noise)
    watch(discriminator, judged)
    gen = torch.Generator().manual_seed(seed)
    history = student.train_gan(generator, discriminator, data, steps, batch_size, lr, gen)
    return {
        "history": history,
        "noise": noise,
        "judged": judged,
        "modes": modes,
        "end": [p.detach().clone() for m in (generator, discriminator) for p in m.parameters()],
    }


def trained_by_student(submission, random, seed, steps, lr, rows=24, batch_size=8):
    """A watched training on rows that are told apart by their first number."""
    generator, discriminator = two_players(random)
    data = torch.stack([torch.arange(float(rows)) + 1000, random.normal(rows)], dim=1)
    torch.manual_seed(random.seed())
    seen = submission.probe(
        watched_training,
        generator.eval(),
        discriminator.eval(),
        data,
        steps,
        batch_size,
        lr,
        seed,
    )
    form = {
        "history": object,
        "noise": list[torch.Tensor],
        "judged": list[torch.Tensor],
        "modes": list[bool],
        "end": [torch.Tensor, ...],
    }
    return assert_form(seen, form, "what was seen of the training")


@pytest.mark.task("train_gan", points=2)
@pytest.mark.timeout(30)
def test_batches_and_noise_are_fresh(submission, random):
    """Each step of train_gan has a new batch, from all of the data, and new noise."""
    steps, size, rows = 50, 8, 24
    seen = trained_by_student(submission, random, random.seed(), steps, 0.0, rows, size)
    noise = [z for z in seen["noise"] if len(z)]
    if len(noise) < steps:
        fail(f"expected the generator to run in each of {steps} steps, got {len(noise)} runs")
    for z in noise:
        assert_tensor(z, "the noise", shape=(None, 3))
    together = torch.cat(noise)
    if len(together.unique(dim=0)) < len(together):
        fail(
            f"the generator was given {len(together)} rows of noise, and only "
            f"{len(together.unique(dim=0))} different ones: draw fresh noise in each step, for the "
            "discriminator and for the generator"
        )
    for x in seen["judged"]:
        assert_tensor(x, "what the discriminator was given", shape=(None, 2))
    real = [x[x[:, 0] > 900] for x in seen["judged"]]
    real = [x[:, 0].round().long() - 1000 for x in real if len(x)]
    drawn = torch.cat(real) if real else torch.zeros(0, dtype=torch.long)
    if len(drawn) == 0:
        fail("the discriminator has seen no real sample: teach it with batches of `data`")
    if not real:
        fail("the discriminator has seen no real sample: teach it with batches of `data`")
    if max(map(len, real)) > size:
        fail(f"expected at most {size} real samples in a batch, got {max(map(len, real))}")
    if all(len(x.unique()) == 1 for x in real):
        fail("each batch is one real sample, repeated: draw a row number for each place in it")
    if all(torch.equal(x, real[0]) for x in real):
        fail("every step had the same batch of real samples: draw a new one in each step")
    if len(drawn.unique()) < rows:
        fail(
            f"in {steps} steps of {size}, only {len(drawn.unique())} of {rows} real samples were "
            "used: draw the row numbers from all of the data, torch.randint(len(data), ...)"
        )
    if len(drawn) < 0.8 * steps * size:
        fail(f"expected about {steps * size} real samples in all, got {len(drawn)}")


@pytest.mark.task("train_gan", points=1)
@pytest.mark.trains
@pytest.mark.timeout(30)
def test_same_generator_same_run(submission, random):
    """All that is random in train_gan comes from `gen`: the same seed gives the same run."""
    generator, discriminator = two_players(random)
    data, seed, ends = random.normal(20, 2), random.seed(), []
    for number in (seed, seed, seed + 1):
        torch.manual_seed(random.seed())
        twins = copy.deepcopy(generator), copy.deepcopy(discriminator)
        gen = torch.Generator().manual_seed(number)
        require_history(submission.train_gan(*twins, data, 3, 5, 0.05, gen), 3)
        ends.append(flat([*twins[0].parameters(), *twins[1].parameters()]).clone())
    if not torch.allclose(ends[0], ends[1], rtol=1e-5, atol=1e-6):
        fail("two runs with the same seed differ: draw batches and noise with generator=gen")
    if torch.allclose(ends[0], ends[2], rtol=1e-5, atol=1e-6):
        fail(
            "two runs with different seeds are the same: draw batches and noise with generator=gen"
        )


@pytest.mark.task("train_gan", points=1)
@pytest.mark.timeout(30)
def test_networks_learn_in_training_mode(submission, random):
    """train_gan puts both networks into training mode, although they may arrive in eval mode."""
    seen = trained_by_student(submission, random, random.seed(), 3, 0.01)
    require_history(seen["history"], 3)
    if not seen["modes"]:
        fail("no network was run with gradients on")
    if not all(seen["modes"]):
        fail(
            "a network learns in eval mode: generator.train() and discriminator.train() at the start"
        )


def plain_players():
    """Two networks that are known to learn the ring."""
    generator, discriminator = (
        nn.Sequential(
            *(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))
        )
        for outputs in (2, 1)
    )
    generator.latent = 2
    return generator, discriminator.append(nn.Flatten(0))


def check_not_copied(samples, data):
    """Samples are new ones: neither points of the data nor all the same."""
    samples = samples[samples.isfinite().all(1)]  # the others are strays, which are counted later
    if not len(samples):
        return
    distances = torch.cdist(samples.double(), data.double()).amin(1)
    copies = (distances < 1e-6).double().mean().item()
    if not copies <= 0.02:
        fail(
            f"{copies:.0%} of the samples are exact copies of training points: the generator must "
            "learn from the discriminator, it never gets to see the data"
        )
    different = len(samples.unique(dim=0)) / len(samples)
    if not different >= 0.5:
        fail(
            f"only {different:.0%} of 2000 samples are different ones: the generator does not use "
            "its noise"
        )


@pytest.mark.task("train_gan", points=4)
@pytest.mark.trains
@pytest.mark.devices("cpu", "cuda")  # test_both_networks_are_trained is quicker on a simulated GPU
@pytest.mark.timeout(60)
def test_ring_is_learned(submission, device, random, threshold):
    """Your GAN learns the ring: every one of eight clouds is hit, with few strays and no copies."""
    from datasets.ring import measure_ring, sample_ring

    smallest, near = threshold("ring_smallest"), threshold("ring_near")
    data = sample_ring(2000, random.generator())
    tries = []
    # 0.003 is a good rate for Adam with betas (0.5, 0.999), 0.001 for RMSprop. If neither works, the
    # networks may be at fault, and they have checks of their own: then plain ones are tried.
    for lr, own in [(0.003, True), (0.001, True), (0.003, False)]:
        torch.manual_seed(random.seed())
        if own:
            players = submission.Generator(2, 2).to(device), submission.Discriminator(2).to(device)
        else:
            players = tuple(player.to(device) for player in plain_players())
        history = submission.train_gan(*players, data.to(device), 500, 256, lr, random.generator())
        require_history(history, 500, finite=False)  # another rate may do better
        generator = players[0].eval()
        with torch.no_grad():
            samples = generator(random.normal(2000, 2, device=device))
        assert_tensor(samples, "the samples", shape=(2000, 2), dtype=torch.float32, finite=False)
        check_not_copied(samples.cpu(), data)
        coverage = measure_ring(samples)
        if threshold.reached(ring_smallest=coverage.smallest, ring_near=coverage.near):
            return
        which = "your networks" if own else "plain networks"
        tries.append(
            f"{coverage.modes} clouds, the least with {coverage.smallest:.1%} of the samples, and "
            f"{coverage.near:.0%} near a cloud ({which}, lr {lr})"
        )
    fail(
        f"expected 8 clouds, each with at least {smallest:.1%} of the samples, and {near:.0%} near a "
        f"cloud, got {'; '.join(tries)}. Few clouds: mode collapse; use Adam with betas=(0.5, 0.999) "
        "and tanh in both networks. No cloud at all: one of the players does not learn, or a label "
        "is swapped"
    )
