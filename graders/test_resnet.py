"""Checks for `resnet`: batch normalization by hand, residual blocks, a network of them, its training."""

from collections import Counter
from itertools import permutations, product

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gradus.checks import (
    assert_falls,
    assert_form,
    assert_history,
    assert_items,
    assert_matches,
    assert_mean_losses,
    assert_not_trained,
    assert_number,
    assert_tensor,
    assert_trained,
    fail,
    model_state,
)

DTYPES = [torch.float32, torch.float64]


# BatchNorm2d

STATISTICS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def scramble(random, module):
    """Give a module of the check's own other numbers than those that it starts with."""
    with torch.no_grad():
        for parameter in module.parameters():
            new = random.normal(*parameter.shape)
            parameter.copy_(new + 0.3 * new.sign() if parameter.ndim == 1 else new)
        for name, buffer in module.named_buffers():
            if "var" in name:
                buffer.copy_(random.uniform(*buffer.shape, low=0.5, high=2.0))
            elif buffer.is_floating_point():
                buffer.copy_(random.normal(*buffer.shape))
            else:
                buffer.fill_(7)


def require_module(got, what):
    """What came back is a module."""
    if not isinstance(got, nn.Module):
        fail(f"expected {what} as an nn.Module, got {type(got).__name__}")
    return got


def own_and_torchs(submission, random, channels, device="cpu", dtype=torch.float32, **settings):
    """A layer of the student's and one of torch's with the same weights and statistics."""
    require_own_arithmetic(
        submission.probe(traces_of_batch_norm, torch.arange(4.0).view(2, 1, 2, 1))
    )
    twin = nn.BatchNorm2d(channels, **settings)
    scramble(random, twin)
    own = require_module(submission.BatchNorm2d(channels, **settings), "the layer")
    require_names(own)
    own.load_state_dict(twin.state_dict())
    for layer in (own, twin):
        layer.to(device=device, dtype=dtype)
    return own, twin


def require_names(own):
    """The layer has torch's names for its parameters and buffers."""
    parameters = {name for name, _ in own.named_parameters()}
    buffers = {name for name, _ in own.named_buffers()}
    for name in STATISTICS:
        where, others = (parameters, buffers) if name in STATISTICS[:2] else (buffers, parameters)
        kind, remedy = ("a parameter", "nn.Parameter(...)")
        if where is buffers:
            kind, remedy = ("a buffer", f'self.register_buffer("{name}", ...)')
        if name in others:
            fail(f"expected {name} to be {kind}: {remedy}")
        if name not in where:
            fail(f"expected {kind} with the name {name}, there is none: {remedy}")
        if name not in own.state_dict():
            fail(f"{name} is not saved with the model: leave persistent=True")
    extra = (parameters | buffers) - set(STATISTICS)
    if extra:
        fail(f"expected torch's five names and no more, got {', '.join(sorted(extra))} too")


def normalized(layer, x, slip=""):
    """What the layer makes of x, if somebody slips."""
    shape = (1, -1, 1, 1)
    axes = {"batch only": (0,), "each picture": (2, 3), "all channels": (0, 1, 2, 3)}
    dims = axes.get(slip, (0, 2, 3))
    running = layer.training == (slip == "other mode")
    mean = x.mean(dims, keepdim=True)
    variance = x.var(dims, correction=int(slip == "unbiased"), keepdim=True)
    if running:
        mean, variance = layer.running_mean.view(shape), layer.running_var.view(shape)
    if slip == "updated":
        with torch.no_grad():
            twin = copy_of(layer)
            twin(x)
        mean, variance = twin.running_mean.view(shape), twin.running_var.view(shape)
    if slip == "eps outside":
        out = (x - mean) / (variance.sqrt() + layer.eps)
    elif slip == "no root":
        out = (x - mean) / (variance + layer.eps)
    elif slip == "no eps":
        out = (x - mean) / variance.sqrt()
    elif slip == "other eps":
        out = (x - mean) / (variance + 1e-5).sqrt()
    else:
        out = (x - mean) / (variance + layer.eps).sqrt()
    if slip == "no weight":
        return out + layer.bias.view(shape)
    if slip == "no bias":
        return out * layer.weight.view(shape)
    if slip == "neither":
        return out
    return out * layer.weight.view(shape) + layer.bias.view(shape)


SLIPS = {
    "updated": "running statistics in training mode: there, the batch's own count",
    "unbiased": "the output uses the biased variance, divided by n: correction=0",
    "batch only": "one mean for each pixel: average over the axes 0, 2 and 3, to one a channel",
    "each picture": "one mean for each picture: average over the axes 0, 2 and 3",
    "all channels": "one mean for all channels: average over the axes 0, 2 and 3, not over 1",
    "eps outside": "eps belongs under the root: sqrt(variance + eps)",
    "no root": "divide by the root of the variance",
    "no eps": "eps is missing under the root",
    "other eps": "use the eps that the layer was made with",
    "no weight": "the weight (gamma) is not used",
    "no bias": "the bias (beta) is not used",
    "neither": "weight and bias (gamma and beta) are not used",
}


def slips_of(layer, x):
    """The suspects for what a layer in its present mode makes of x."""
    slips = dict(SLIPS)
    if layer.training:
        other = "running statistics in training mode: there, the batch's own count"
    else:
        other = "the batch's own statistics in eval mode: there, the running ones count"
        del slips["updated"]
    layer = copy_of(layer)
    return {
        words: (lambda slip=slip: normalized(layer, x, slip))
        for slip, words in {"other mode": other, **slips}.items()
    }


def copy_of(layer):
    """A copy of a BatchNorm2d of torch's."""
    twin = nn.BatchNorm2d(layer.num_features, eps=layer.eps, momentum=layer.momentum)
    twin.load_state_dict(layer.state_dict())
    return twin.to(device=layer.weight.device, dtype=layer.weight.dtype).train(layer.training)


def shifted(random, *shape, **settings):
    """Pictures whose channels differ in mean and spread."""
    x = random.normal(*shape, **settings)
    steps = torch.arange(shape[1], dtype=x.dtype).to(x.device).view(1, -1, 1, 1)
    return x * (1 + steps) + 2 - steps


@pytest.mark.task("BatchNorm2d", points=1)
def test_layer_has_torchs_state(submission, random):
    """A new BatchNorm2d has torch's parameters and buffers: names, shapes, dtypes, first values."""
    for channels in (3, 1):
        own = require_module(submission.BatchNorm2d(channels), "the layer")
        require_names(own)
        state = own.state_dict()
        for name, want in nn.BatchNorm2d(channels).state_dict().items():
            assert_matches(state[name], want, what=f"{name} of a new layer")


@pytest.mark.task("BatchNorm2d", points=3)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(4, 3, 5, 2), (1, 2, 3, 4), (6, 1, 1, 1), (2, 5, 1, 7)], ids=str)
def test_training_mode_normalizes_by_the_batch(submission, device, random, shape, dtype):
    """In training mode each channel is normalized by its own mean and biased variance."""
    own, twin = own_and_torchs(submission, random, shape[1], device, dtype)
    x = shifted(random, *shape, dtype=dtype, device=device)
    suspects, expected = slips_of(twin, x), twin(x)
    got = own(x.clone())
    assert_matches(got, expected, rtol=1e-3, atol=1e-4, suspects=suspects, requires_grad=True)


def mixed(old, new, share):
    """Running statistics after a batch."""
    return (1 - share) * old + share * new


def check_statistics(own, twin, x, momentum, batches):
    """Compare all buffers after some batches in training mode."""
    mean, var = twin.running_mean.clone(), twin.running_var.clone()
    wrong = {
        "mean": {"turned": mean, "only the new": mean, "fixed": mean},
        "var": {"turned": var, "biased": var, "batch only": var, "fixed": var},
    }
    for part in x:
        new, biased = part.mean((0, 2, 3)), part.var((0, 2, 3), correction=0)
        unbiased = part.var((0, 2, 3), correction=1)
        slips = wrong["mean"]
        slips["turned"] = mixed(slips["turned"], new, 1 - momentum)
        slips["only the new"] = new
        slips["fixed"] = mixed(slips["fixed"], new, 0.1)
        slips = wrong["var"]
        slips["turned"] = mixed(slips["turned"], unbiased, 1 - momentum)
        slips["biased"] = mixed(slips["biased"], biased, momentum)
        slips["batch only"] = unbiased
        slips["fixed"] = mixed(slips["fixed"], unbiased, 0.1)
        twin(part)
        own(part.clone())
    turned = "the momentum is the share of the new batch, 1 - momentum that of the old value"
    fixed = "use the momentum that the layer was made with"
    replaced = "the old value is gone: (1 - momentum) * old + momentum * new"
    still = "it did not move: update it in training mode"
    after = f"after {batches} batches" if batches > 1 else "after one batch"
    assert_matches(
        own.num_batches_tracked,
        twin.num_batches_tracked,
        what=f"num_batches_tracked {after}",
        suspects={still: torch.full_like(twin.num_batches_tracked, 7)},
    )
    assert_matches(
        assert_tensor(own.running_mean, "running_mean").detach(),
        twin.running_mean,
        what=f"running_mean {after}",
        suspects={
            still: mean,
            turned: wrong["mean"]["turned"],
            replaced: wrong["mean"]["only the new"],
            fixed: wrong["mean"]["fixed"],
        },
    )
    assert_matches(
        assert_tensor(own.running_var, "running_var").detach(),
        twin.running_var,
        what=f"running_var {after}",
        suspects={
            still: var,
            "the running variance takes in the unbiased one, divided by n - 1: correction=1": (
                wrong["var"]["biased"]
            ),
            turned: wrong["var"]["turned"],
            replaced: wrong["var"]["batch only"],
            fixed: wrong["var"]["fixed"],
        },
    )


@pytest.mark.task("BatchNorm2d", points=3)
@pytest.mark.parametrize("momentum", [0.1, 0.3])
@pytest.mark.parametrize("batches", [1, 3], ids=["one batch", "three batches"])
def test_running_statistics(submission, device, random, momentum, batches):
    """In training mode the running mean and the unbiased running variance follow the batches."""
    own, twin = own_and_torchs(submission, random, 3, device, momentum=momentum)
    x = [shifted(random, 2, 3, 2, 1 + number, device=device) for number in range(batches)]
    check_statistics(own, twin, x, momentum, batches)


@pytest.mark.task("BatchNorm2d", points=2)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_eval_mode_uses_running_statistics(submission, device, random, dtype):
    """In eval mode the running statistics count, whatever is in the batch, and nothing moves."""
    own, twin = own_and_torchs(submission, random, 3, device, dtype, eps=0.05)
    own.eval()
    twin.eval()
    before = {name: tensor.clone() for name, tensor in twin.state_dict().items()}
    for batch in (4, 1):
        x = shifted(random, batch, 3, 2, 3, dtype=dtype, device=device)
        assert_matches(own(x.clone()), twin(x), suspects=slips_of(twin, x))
    alike = torch.ones(2, 3, 1, 1, dtype=dtype, device=device)  # a batch without any spread
    assert_matches(own(alike.clone()), twin(alike), suspects=slips_of(twin, alike))
    for name, want in before.items():
        got = own.state_dict()[name].detach()
        assert_matches(got, want, what=f"{name} after calls in eval mode", rtol=0.0, atol=0.0)


@pytest.mark.task("BatchNorm2d", points=1)
def test_modes_alternate(submission, random):
    """Train, eval, train: each mode does its own thing each time, also with eps = 0.1."""
    own, twin = own_and_torchs(submission, random, 2, eps=0.1)
    for number, training in enumerate([True, False, True, True, False]):
        own.train(training)
        twin.train(training)
        x = 0.5 * shifted(random, 3, 2, 2, 2)
        suspects = slips_of(twin, x)
        mode = "training" if training else "eval"
        assert_matches(
            own(x.clone()), twin(x), what=f"call {number + 1}, in {mode} mode", suspects=suspects
        )


def gradients(own, twin, x, upstream):
    """Gradients with respect to x, weight and bias, of the student's layer and of torch's."""
    found = []
    for layer in (twin, own):
        leaf = x.clone().requires_grad_()
        out = layer(leaf)
        if not isinstance(out, torch.Tensor) or out.shape != x.shape:
            fail(f"expected a tensor of shape {tuple(x.shape)}, got {type(out).__name__}")
        if not out.requires_grad:
            fail("the result is detached: gradients must flow to the input, weight and bias")
        inputs = [leaf, assert_tensor(layer.weight), assert_tensor(layer.bias)]
        found.append(torch.autograd.grad((out * upstream).sum(), inputs, allow_unused=True))
    return found


@pytest.mark.task("BatchNorm2d", points=2)
@pytest.mark.parametrize("training", [True, False], ids=["training mode", "eval mode"])
def test_gradients_of_batch_norm(submission, random, training):
    """Gradients flow to the input, through mean and variance too, and to weight and bias."""
    own, twin = own_and_torchs(submission, random, 3, dtype=torch.float64, eps=0.05)
    own.train(training)
    twin.train(training)
    x = shifted(random, 4, 3, 2, 3, dtype=torch.float64)
    upstream = random.normal(4, 3, 2, 3, dtype=torch.float64)
    expected, got = gradients(own, twin, x, upstream)
    scale = (twin.weight / (x.var((0, 2, 3), correction=0) + twin.eps).sqrt()).detach()
    cut = {
        "mean and variance are cut from the graph; only the running statistics may be": (
            upstream * scale.view(1, -1, 1, 1)
        )
    }
    for name, left, right in zip(("x", "weight", "bias"), got, expected, strict=True):
        if left is None:
            fail(f"no gradient reaches {name}: the result was cut off from it")
        assert_matches(
            left,
            right,
            what=f"the gradient with respect to {name}",
            rtol=1e-5,
            atol=1e-7,
            suspects=cut if name == "x" and training else None,
        )


def traces_of_batch_norm(student, x):
    """What a layer of the student's leaves behind, and the torch functions that it called."""
    import torch
    from torch import nn
    from torch.overrides import TorchFunctionMode

    names = set()

    class Log(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            names.add(str(getattr(func, "__name__", func)))
            return func(*args, **(kwargs or {}))

    layer = student.BatchNorm2d(x.shape[1])
    values = (x.detach() * 1.0).requires_grad_()
    middle = values * 1.0
    kept = middle.detach().clone()
    with Log():
        layer(middle)
        layer.eval()
        layer(middle)
    return {
        "unchanged": torch.equal(middle.detach(), kept),
        "holding": [name for name, b in layer.named_buffers() if b.requires_grad or b.grad_fn],
        "calls": sorted(name for name in names if "norm" in name),
        "torchs": [
            type(module).__name__
            for module in layer.modules()
            if isinstance(module, nn.modules.batchnorm._NormBase)
        ],
    }


def require_own_arithmetic(seen):
    """The layer does not leave the work to torch's."""
    form = {"unchanged": bool, "holding": list[str], "calls": list[str], "torchs": list[str]}
    assert_form(seen, form, "what was seen of a layer")
    used = [name for name in seen["calls"] if "batch_norm" in name] + seen["torchs"]
    if used:
        fail(f"expected your own arithmetic, got torch's {used[0]}: write the mean and variance")


@pytest.mark.task("BatchNorm2d", points=2)
def test_own_arithmetic_without_traces(submission, random):
    """BatchNorm2d does its own arithmetic, keeps no graph alive, and leaves its input alone."""
    seen = submission.probe(traces_of_batch_norm, random.normal(3, 2, 2, 2))
    require_own_arithmetic(seen)
    if seen["holding"]:
        fail(
            f"{', '.join(seen['holding'])}: still in the graph of the last batch, which cannot be "
            "freed; update the running statistics under torch.no_grad(), or detach what goes in"
        )
    if not seen["unchanged"]:
        fail("the input was changed in place")


@pytest.mark.hidden
@pytest.mark.task("BatchNorm2d", points=1)
@pytest.mark.parametrize("case", ["momentum 1", "momentum 0", "layout", "no grad", "one channel"])
def test_unusual_batch_norm(submission, device, random, case):
    """BatchNorm2d follows torch with a momentum of 0 or 1, in other memory layouts, without grad."""
    momentum = {"momentum 1": 1.0, "momentum 0": 0.0}.get(case, 0.25)
    channels = 1 if case == "one channel" else 4
    own, twin = own_and_torchs(submission, random, channels, device, momentum=momentum)
    x = shifted(random, 3, channels, 4, 5, device=device)
    if case == "layout":
        x = x.to(memory_format=torch.channels_last).mT
    with torch.set_grad_enabled(case != "no grad"):
        suspects = slips_of(twin, x)
        assert_matches(own(x.clone()), twin(x), rtol=1e-3, atol=1e-4, suspects=suspects)
        check_statistics(own, twin, [x, x * 2], momentum, 3)


# ResidualBlock and Bottleneck

BLOCKS = {"ResidualBlock": 1, "Bottleneck": 4}


def kernels_of(kind, in_channels, width, stride):
    """Shapes of the kernels of a block: those of the main path in order, then the shortcut's."""
    out = width * BLOCKS[kind]
    if kind == "ResidualBlock":
        kernels = [(width, in_channels, 3, 3), (width, width, 3, 3)]
    else:
        kernels = [(width, in_channels, 1, 1), (width, width, 3, 3), (out, width, 1, 1)]
    if stride != 1 or in_channels != out:
        kernels.append((out, in_channels, 1, 1))
    return kernels


def norms_in(model):
    """The modules inside that are batch normalizations, whatever they are called."""
    found = []
    for module in model.modules():
        names = {name for name, _ in module.named_parameters(recurse=False)}
        names |= {name for name, _ in module.named_buffers(recurse=False)}
        if {"weight", "bias", "running_mean", "running_var"} <= names:
            found.append(module)
    return found


def width_of(norm):
    """How many channels a batch normalization is for."""
    return assert_tensor(norm.weight, "the weight of a batch normalization").numel()


def short(shape):
    """A shape in words: 3x8x3x3."""
    return "x".join(map(str, shape))


def require_parts(model, kind, in_channels, width, stride):
    """The block has just the kernels and the batch normalizations that it needs."""
    wanted = kernels_of(kind, in_channels, width, stride)
    norms = norms_in(model)
    known = {id(p) for norm in norms for p in (norm.weight, norm.bias)}
    others = [p for p in model.parameters() if id(p) not in known]
    kernels = [tuple(p.shape) for p in others if p.ndim == 4]
    about = f"{kind}({in_channels}, {width}, stride={stride})"

    missing, extra = Counter(wanted) - Counter(kernels), Counter(kernels) - Counter(wanted)
    has_shortcut = len(wanted) > len(kernels_of(kind, width * BLOCKS[kind], width, 1))
    if has_shortcut and wanted[-1] in missing and sum(missing.values()) == 1:
        why = f"the stride is {stride}" if stride != 1 else "the stride is 1, but"
        if in_channels != width * BLOCKS[kind]:
            why += f"{' and' if stride != 1 else ''} the channels change, {in_channels} to "
            why += str(width * BLOCKS[kind])
        fail(
            f"{about}: expected a 1x1 convolution with a kernel of {short(wanted[-1])} on the "
            f"shortcut ({why}), got {', '.join(map(short, kernels)) or 'no kernels'}"
        )
    if not has_shortcut and len(kernels) > len(wanted) and not missing:
        fail(
            f"{about}: expected a shortcut without parameters, since stride and channels stay as "
            f"they are, got a kernel of {short(next(iter(extra)))} too"
        )
    if missing or extra:
        fail(
            f"{about}: expected kernels of {', '.join(map(short, wanted))}, "
            f"got {', '.join(map(short, kernels)) or 'none'}"
        )
    loose = [p for p in others if p.ndim != 4]
    if loose:
        fail(
            f"{about}: expected convolutions without bias, got another parameter of shape "
            f"{tuple(loose[0].shape)}: bias=False (the batch normalization has one)"
        )
    sizes = Counter(width_of(norm) for norm in norms)
    wanted_sizes = Counter(shape[0] for shape in wanted)
    if sizes != wanted_sizes:
        fewer = sum(sizes.values()) < len(wanted)
        why = "of its own, the shortcut's too" if has_shortcut else "of its own"
        fail(
            f"{about}: expected {len(wanted)} batch normalizations, for "
            f"{', '.join(map(str, sorted(wanted_sizes.elements())))} channels, got {len(norms)}, "
            f"for {', '.join(map(str, sorted(sizes.elements()))) or 'none'}"
            + (f"; each convolution needs one {why}" if fewer else "")
        )


def orders(sizes, wanted):
    """All ways to put things of these sizes at places of the wanted sizes, the given order first."""
    groups = {size: [i for i, s in enumerate(sizes) if s == size] for size in dict.fromkeys(sizes)}
    for choice in product(*(permutations(places) for places in groups.values())):
        left = dict(zip(groups, map(list, choice), strict=True))
        yield [left[size].pop(0) for size in wanted]


def arrangements(model, kernels_wanted):
    """The block's kernels and batch normalizations in the order of the main path, then the shortcut.

    Where shapes leave it open which is which, all orders come, that of registration first: the names
    and the order of the parts are the student's own affair.
    """
    kernels = [p for p in model.parameters() if p.ndim == 4]
    norms = norms_in(model)
    for ks in orders([tuple(k.shape) for k in kernels], kernels_wanted):
        for ns in orders([width_of(norm) for norm in norms], [s[0] for s in kernels_wanted]):
            yield [kernels[i] for i in ks], [norms[i] for i in ns]


def torchvision_block(kind, in_channels, width, stride, kernels, norms):
    """torchvision's block with the same weights and statistics, copied by position."""
    from torchvision.models.resnet import BasicBlock, Bottleneck

    out = width * BLOCKS[kind]
    shortcut = None
    if stride != 1 or in_channels != out:
        shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
        )
    maker = BasicBlock if kind == "ResidualBlock" else Bottleneck
    block = maker(in_channels, width, stride, shortcut)
    block.to(device=kernels[0].device, dtype=kernels[0].dtype)
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        for layer, kernel in zip(convolutions, kernels, strict=True):
            layer.weight.copy_(kernel)
        for layer, norm in zip(norms_in(block), norms, strict=True):
            for name in STATISTICS[:4]:
                getattr(layer, name).copy_(getattr(norm, name))
    return block


def by_hand(kind, x, stride, training, kernels, norms, slip):
    """What a block makes of x, if somebody slips."""

    def norm(number, value):
        n = norms[0 if slip == "shared" and number == 1 else number]
        mean, var = n.running_mean.clone(), n.running_var.clone()
        batch = training != (slip == "other mode")
        return F.batch_norm(value, mean, var, n.weight, n.bias, batch)

    def relu(value, where):
        return value if slip == where else value.relu()

    steps = [stride, 1] if kind == "ResidualBlock" else [1, stride, 1]
    if slip == "late stride":
        steps = steps[1:] + steps[:1] if kind == "ResidualBlock" else [1, 1, stride]
    if slip == "early stride":
        steps = [stride] + [1] * (len(steps) - 1)
    out, last = x, len(steps) - 1
    for number, step in enumerate(steps):
        if slip == "norm first":
            out = norm(number, out)
        kernel = kernels[number]
        out = F.conv2d(out, kernel, stride=step, padding=kernel.shape[-1] // 2)
        if slip != "norm first":
            out = norm(number, out)
        if number < last:
            out = relu(out, "no ReLU inside" if number == 0 else "no second ReLU")
    projected = len(kernels) > len(steps)
    shortcut = F.conv2d(x, kernels[-1], stride=stride) if projected else x
    if projected and slip != "no shortcut norm":
        shortcut = norm(len(steps), shortcut)
    if slip == "no skip":
        return out.relu()
    if slip == "ReLU before":
        return out.relu() + shortcut
    if slip == "ReLU before and after":
        return (out.relu() + shortcut).relu()
    if slip == "ReLU of the shortcut":
        return (out + shortcut.relu()).relu()
    if slip == "detached":
        return (out + shortcut.detach()).relu()
    if slip == "product":
        return (out * shortcut).relu()
    return relu(out + shortcut, "no last ReLU")


BLOCK_SLIPS = {
    "no skip": "the shortcut is not added: that would be a plain network",
    "ReLU before": "the ReLU stands before the sum: it belongs after it",
    "ReLU before and after": "there is a ReLU before the sum too: f(x) needs both signs",
    "no last ReLU": "the ReLU after the sum is missing",
    "no ReLU inside": "the ReLU behind the first batch normalization is missing",
    "no second ReLU": "the ReLU behind the second batch normalization is missing",
    "ReLU of the shortcut": "no ReLU on the shortcut: x is added as it is",
    "no shortcut norm": "the batch normalization of the shortcut is not used",
    "shared": "the first batch normalization is used twice: each convolution has its own",
    "other mode": "the batch normalizations run in the wrong mode: do not touch `training`",
    "early stride": "the stride belongs to the 3x3 convolution, not to the first 1x1",
    "late stride": "the stride is at the wrong convolution",
    "norm first": "batch normalization comes after its convolution, not before",
    "product": "the shortcut is added, not multiplied",
}


def made_block(submission, kind, in_channels, width, stride, random):
    """A block of the student's whose parts are right, with other numbers than at the start."""
    make = getattr(submission, kind)
    made = make(in_channels, width) if stride == 1 else make(in_channels, width, stride)
    model = require_module(made, "the block")
    require_parts(model, kind, in_channels, width, stride)
    scramble(random, model)
    return model


def same(got, want):
    """Whether a result is right, up to rounding."""
    if not isinstance(got, torch.Tensor) or got.shape != want.shape or got.dtype != want.dtype:
        return False
    return torch.allclose(got.detach().cpu(), want.detach().cpu(), rtol=1e-3, atol=1e-4)


def check_block(submission, kind, random, sizes, x, training):
    """Compare a block with torchvision's that has the same weights."""
    model = made_block(submission, kind, *sizes, random).to(device=x.device, dtype=x.dtype)
    model.train(training)
    ways = list(arrangements(model, kernels_of(kind, *sizes)))
    twins = [torchvision_block(kind, *sizes, *way).train(training) for way in ways]
    states = [[[getattr(n, s).clone() for s in STATISTICS[:4]] for n in way[1]] for way in ways]
    with torch.no_grad():
        outputs = [twin(x) for twin in twins]
        got = model(x.clone())
    fits = [i for i, out in enumerate(outputs) if same(got, out)]
    suspects = {}
    if not fits:
        suspects = block_suspects(kind, got, x, sizes[2], training, ways, states)
    right = next((i for i in fits if same_statistics(ways[i][1], twins[i])), (fits or [0])[0])
    assert_matches(got, outputs[right], rtol=1e-3, atol=1e-4, suspects=suspects)
    for mine, theirs in zip(ways[right][1], norms_in(twins[right]), strict=True):
        for name in ("running_mean", "running_var"):
            assert_matches(
                getattr(mine, name).detach(),
                getattr(theirs, name),
                what=f"{name} of a batch normalization after one batch",
                rtol=1e-3,
                atol=1e-4,
            )


def same_statistics(norms, twin):
    """Whether batch normalizations have the same running statistics as those of torchvision's block."""
    pairs = [(n.running_mean, t.running_mean) for n, t in zip(norms, norms_in(twin), strict=True)]
    return all(same(mine, theirs) for mine, theirs in pairs)


class Statistics:
    """Weights and statistics of a batch normalization, as they were before the call."""

    def __init__(self, tensors):
        self.weight, self.bias, self.running_mean, self.running_var = tensors


def block_suspects(kind, got, x, stride, training, ways, states):
    """The slip that leads to this result, with the student's own weights in any order."""
    for (kernels, _), state in zip(ways, states, strict=True):
        norms = [Statistics(tensors) for tensors in state]
        for slip, words in BLOCK_SLIPS.items():
            try:
                with torch.no_grad():
                    value = by_hand(kind, x, stride, training, kernels, norms, slip)
            except RuntimeError:  # this slip does not fit these sizes
                continue
            if same(got, value):
                return {words: value}
    return {}


def check_parts(submission, kind, cases):
    """Compare what blocks consist of, and the expansion of their class."""
    for sizes in cases:
        in_channels, width, stride = sizes
        model = require_module(getattr(submission, kind)(in_channels, width, stride), "the block")
        require_parts(model, kind, *sizes)
    expansion = submission.probe(expansion_of, kind)
    assert_matches(expansion, BLOCKS[kind], what=f"{kind}.expansion")


def expansion_of(student, kind):
    """The number on the class."""
    return getattr(getattr(student, kind), "expansion", None)


def check_block_gradients(submission, kind, random, sizes, shape):
    """Compare all gradients of a block with those of torchvision's."""
    model = made_block(submission, kind, *sizes, random).double()
    x = random.normal(*shape, dtype=torch.float64)
    names = {id(p): name for name, p in model.named_parameters()}
    ways = list(arrangements(model, kernels_of(kind, *sizes)))
    twins = [torchvision_block(kind, *sizes, *way) for way in ways]
    leaf = x.clone().requires_grad_()
    got = model(leaf)
    leaves = [x.clone().requires_grad_() for _ in twins]
    outputs = [twin(own) for twin, own in zip(twins, leaves, strict=True)]
    right = next((i for i, out in enumerate(outputs) if same(got, out)), 0)
    assert_matches(got, outputs[right], requires_grad=True, rtol=1e-5, atol=1e-7)

    upstream = random.normal(*got.shape, dtype=torch.float64)
    kernels, norms = ways[right]
    mine = [*kernels, *(p for n in norms for p in (n.weight, n.bias))]
    twin = twins[right]
    theirs = [p for p in twin.parameters() if p.ndim == 4]
    theirs += [p for n in norms_in(twin) for p in (n.weight, n.bias)]
    found = torch.autograd.grad((got * upstream).sum(), [leaf, *mine], allow_unused=True)
    wanted = torch.autograd.grad((outputs[right] * upstream).sum(), [leaves[right], *theirs])
    cut = by_hand(kind, leaf, sizes[2], True, kernels, norms, "detached")
    only_main = torch.autograd.grad((cut * upstream).sum(), leaf)[0]
    for place, (left, want) in enumerate(zip(found, wanted, strict=True)):
        name = "x" if place == 0 else names[id(mine[place - 1])]
        if left is None:
            fail(f"no gradient reaches {name}: the result was cut off from it")
        assert_matches(
            left,
            want,
            what=f"the gradient with respect to {name}",
            rtol=1e-5,
            atol=1e-7,
            suspects={"nothing comes back over the shortcut": only_main} if place == 0 else None,
        )


def input_after(student, kind, sizes, x, training):
    """The input of a block after the call: a leaf, and a tensor in the middle of a graph."""
    import torch

    block = getattr(student, kind)(*sizes).train(training)
    with torch.no_grad():
        block(x)
    middle = x.clone().requires_grad_() * 1.0
    block(middle)
    return {"leaf": x.detach(), "middle": middle.detach()}


def check_input_is_unchanged(submission, kind, random, cases):
    """The block leaves its input alone, in both modes."""
    for sizes, training in product(cases, (True, False)):
        x = random.normal(2, sizes[0], 4, 3)
        seen = submission.probe(input_after, kind, sizes, x, training)
        for got in assert_form(seen, {"leaf": object, "middle": object}).values():
            if not same(got, x):
                about = f"{kind}({', '.join(map(str, sizes))})"
                fail(
                    f"{about} changed its input in place: `x += ...` and in-place ReLUs on x write "
                    "into the caller's tensor; write out = out + shortcut"
                )


@pytest.mark.task("ResidualBlock", points=2)
def test_parts_of_a_residual_block(submission):
    """ResidualBlock has a 1x1 convolution and BN on the shortcut just where x would not fit."""
    cases = [(3, 3, 1), (3, 5, 1), (4, 4, 2), (6, 2, 2), (1, 1, 1)]
    check_parts(submission, "ResidualBlock", cases)


@pytest.mark.task("ResidualBlock", points=4)
@pytest.mark.timeout(60)  # the first one imports torchvision
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ((3, 3, 1), (2, 3, 5, 4)),
        ((2, 4, 1), (3, 2, 3, 3)),
        ((3, 3, 2), (2, 3, 7, 4)),
        ((4, 3, 2), (1, 4, 5, 6)),
    ],
    ids=["same shape", "more channels", "stride 2", "both, one picture"],
)
def test_residual_block_agrees_with_torchvision(submission, device, random, sizes, shape, training):
    """ResidualBlock computes what torchvision's BasicBlock does with the same weights."""
    x = random.normal(*shape, device=device)
    check_block(submission, "ResidualBlock", random, sizes, x, training)


@pytest.mark.task("ResidualBlock", points=2)
@pytest.mark.timeout(60)  # the first one imports torchvision
@pytest.mark.parametrize("sizes", [(3, 3, 1), (2, 4, 2)], ids=["same shape", "other shape"])
def test_gradients_of_a_residual_block(submission, random, sizes):
    """Gradients flow through both paths of a ResidualBlock to the input and every weight."""
    check_block_gradients(submission, "ResidualBlock", random, sizes, (3, sizes[0], 4, 3))


@pytest.mark.task("ResidualBlock", points=1)
def test_residual_block_leaves_its_input_alone(submission, random):
    """ResidualBlock does not change its input, and takes it in the middle of a graph."""
    check_input_is_unchanged(submission, "ResidualBlock", random, [(3, 3, 1), (3, 4, 2)])


@pytest.mark.hidden
@pytest.mark.task("ResidualBlock", points=1)
@pytest.mark.timeout(60)  # the first one imports torchvision
@pytest.mark.parametrize("case", ["stride 3", "float64", "one pixel", "layout"])
def test_unusual_residual_blocks(submission, random, case):
    """ResidualBlock follows torchvision with stride 3, in float64, on one pixel, in other layouts."""
    dtype = torch.float64 if case == "float64" else torch.float32
    sizes = {"stride 3": (4, 4, 3), "one pixel": (2, 3, 2)}.get(case, (2, 2, 1))
    x = random.normal(3, sizes[0], 8, 5, dtype=dtype)
    if case == "one pixel":
        x = x[:, :, :1, :1]
    if case == "layout":
        x = x.to(memory_format=torch.channels_last).mT
    check_block(submission, "ResidualBlock", random, sizes, x, case in ("layout", "float64"))


@pytest.mark.task("Bottleneck", points=2)
def test_parts_of_a_bottleneck(submission):
    """Bottleneck has a 1x1 convolution and BN on the shortcut just where x would not fit."""
    cases = [(8, 2, 1), (3, 2, 1), (4, 4, 1), (12, 3, 2), (5, 1, 2), (4, 1, 1)]
    check_parts(submission, "Bottleneck", cases)


@pytest.mark.task("Bottleneck", points=3)
@pytest.mark.timeout(60)  # the first one imports torchvision
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ((8, 2, 1), (2, 8, 5, 4)),
        ((3, 2, 1), (3, 3, 3, 3)),
        ((8, 2, 2), (2, 8, 7, 4)),
        ((5, 3, 2), (1, 5, 5, 6)),
    ],
    ids=["same shape", "more channels", "stride 2", "both, one picture"],
)
def test_bottleneck_agrees_with_torchvision(submission, device, random, sizes, shape, training):
    """Bottleneck computes what torchvision's does with the same weights: stride in the 3x3."""
    x = random.normal(*shape, device=device)
    check_block(submission, "Bottleneck", random, sizes, x, training)


@pytest.mark.task("Bottleneck", points=1)
@pytest.mark.timeout(60)  # the first one imports torchvision
@pytest.mark.parametrize("sizes", [(8, 2, 1), (3, 2, 2)], ids=["same shape", "other shape"])
def test_gradients_of_a_bottleneck(submission, random, sizes):
    """Gradients flow through both paths of a Bottleneck to the input and every weight."""
    check_block_gradients(submission, "Bottleneck", random, sizes, (3, sizes[0], 4, 3))


@pytest.mark.task("Bottleneck", points=1)
def test_bottleneck_leaves_its_input_alone(submission, random):
    """Bottleneck does not change its input, and takes it in the middle of a graph."""
    check_input_is_unchanged(submission, "Bottleneck", random, [(8, 2, 1), (3, 2, 2)])


@pytest.mark.hidden
@pytest.mark.task("Bottleneck", points=1)
@pytest.mark.timeout(60)  # the first one imports torchvision
@pytest.mark.parametrize("case", ["stride 3", "float64", "one pixel", "layout"])
def test_unusual_bottlenecks(submission, random, case):
    """Bottleneck follows torchvision with stride 3, in float64, on one pixel, in other layouts."""
    dtype = torch.float64 if case == "float64" else torch.float32
    sizes = {"stride 3": (8, 2, 3), "one pixel": (2, 3, 2)}.get(case, (4, 1, 1))
    x = random.normal(3, sizes[0], 8, 5, dtype=dtype)
    if case == "one pixel":
        x = x[:, :, :1, :1]
    if case == "layout":
        x = x.to(memory_format=torch.channels_last).mT
    check_block(submission, "Bottleneck", random, sizes, x, case in ("layout", "float64"))


# make_stage and ResNet get blocks of the check's own, without weights: everything can be computed.


class Thin(nn.Module):
    """A block that puts out `width` channels; it knows how it was made."""

    expansion = 1

    def __init__(self, in_channels, width, stride=1):
        super().__init__()
        self.about = [in_channels, width, stride]

    def forward(self, x):
        """Mix neighbouring channels and leave pixels out: the number of blocks shows."""
        in_channels, width, stride = self.about
        if x.shape[1] != in_channels:
            raise ValueError(
                f"this block was made for {in_channels} channels, {x.shape[1]} came in"
            )
        x = x[:, torch.arange(width * self.expansion) % in_channels, ::stride, ::stride]
        return x + 0.5 * x.roll(1, 1)


class Wide(Thin):
    """A block that puts out three times its width."""

    expansion = 3


class Weighted(Wide):
    """A block with a weight."""

    def __init__(self, in_channels, width, stride=1):
        super().__init__(in_channels, width, stride)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        """Scale what the block without weight gives."""
        return self.scale * super().forward(x)


def plan_of_stage(block, in_channels, width, blocks, stride):
    """How the blocks of a stage have to be made: in_channels, width, stride."""
    others = [[width * block.expansion, width, 1]] * (blocks - 1)
    return [[in_channels, width, stride], *others]


def blocks_in(model, block):
    """How each block of the check's own inside the model was made."""
    return [
        [assert_number(number, "an argument of a block", whole=True) for number in module.about]
        for module in model.modules()
        if type(module).__name__ == block.__name__
    ]


def run_plan(block, plan, x):
    """What a row of blocks makes of x."""
    for numbers in plan:
        x = block(*numbers)(x)
    return x


def require_plan(found, plan, block, about):
    """The blocks were made as they should be."""
    if sorted(found) == sorted(plan):
        return
    if len(found) != len(plan):
        why = ""
        if len(found) < len(plan):
            why = "; call block(...) for each, since `[block(...)] * n` is one block n times"
        if not found:
            why = "; blocks in a plain Python list are unknown to torch: nn.Sequential holds them"
        fail(f"{about}: expected {len(plan)} different blocks, got {len(found)}{why}")
    for number, (got, want) in enumerate(zip(found, plan, strict=True)):
        for name, left, right in zip(("in_channels", "width", "stride"), got, want, strict=True):
            if left == right:
                continue
            why = ""
            if name == "in_channels":
                why = "; a block takes what the one before it puts out"
                if left * block.expansion == right:
                    why += f", and that is width * block.expansion, here width * {block.expansion}"
            elif name == "stride" and right == 1 and number == 0 and about.startswith("ResNet"):
                why = "; the first stage keeps the size of the picture"
            elif name == "stride":
                why = "; the first block of a stage strides, and no other"
            elif about.startswith("ResNet"):
                why = "; the width doubles from stage to stage"
            fail(f"{about}: expected block {number} with {name} = {right}, got {left}{why}")


STAGES = [(3, 2, 3, 2), (4, 4, 1, 1), (6, 2, 2, 1), (2, 5, 4, 2)]


@pytest.mark.task("make_stage", points=3)
@pytest.mark.parametrize("block", [Thin, Wide], ids=["expansion 1", "expansion 3"])
@pytest.mark.parametrize("sizes", STAGES, ids=str)
def test_blocks_of_a_stage(submission, block, sizes):
    """make_stage makes each block anew; only the first strides and changes the channels."""
    stage = submission.make_stage(block, *sizes)
    if not isinstance(stage, nn.Sequential):
        fail(f"expected the stage as an nn.Sequential, got {type(stage).__name__}")
    about = f"make_stage(block, {', '.join(map(str, sizes))}) with expansion {block.expansion}"
    require_plan(blocks_in(stage, block), plan_of_stage(block, *sizes), block, about)


@pytest.mark.task("make_stage", points=2)
@pytest.mark.parametrize("block", [Thin, Wide], ids=["expansion 1", "expansion 3"])
@pytest.mark.parametrize("sizes", STAGES, ids=str)
def test_stage_runs_all_blocks(submission, random, block, sizes):
    """The stage runs every block once, in order, and nothing else."""
    x = random.normal(2, sizes[0], 5, 4)
    plan = plan_of_stage(block, *sizes)
    stage = require_module(submission.make_stage(block, *sizes), "the stage")
    require_plan(blocks_in(stage, block), plan, block, f"make_stage(block, {sizes})")
    assert_matches(
        stage(x),
        run_plan(block, plan, x),
        suspects={
            "only the first block runs": lambda: run_plan(block, plan[:1], x),
            "one block is missing": lambda: run_plan(block, plan[:-1], x),
            "there is one block too many": lambda: run_plan(block, [*plan, plan[-1]], x),
            "there is a ReLU more than in the blocks": lambda: run_plan(block, plan, x).relu(),
        },
    )


@pytest.mark.task("make_stage", points=1)
def test_each_block_has_its_own_weights(submission):
    """The blocks of a stage share no weights."""
    for blocks in (4, 2):
        stage = require_module(submission.make_stage(Weighted, 3, 2, blocks, 1), "the stage")
        got = len(list(stage.parameters()))
        if got != blocks:
            fail(
                f"expected {blocks} parameters in {blocks} blocks that have one each, got {got}: "
                "call block(...) for every block, do not repeat or copy the object"
            )


@pytest.mark.hidden
@pytest.mark.task("make_stage", points=1)
@pytest.mark.parametrize("sizes", [(6, 6, 3, 3), (12, 4, 2, 1), (1, 1, 6, 4)], ids=str)
def test_unusual_stages(submission, random, sizes):
    """make_stage works with stride 3, with channels that fit from the start, with many blocks."""
    x = random.normal(1, sizes[0], 7, 9)
    plan = plan_of_stage(Wide, *sizes)
    stage = require_module(submission.make_stage(Wide, *sizes), "the stage")
    require_plan(blocks_in(stage, Wide), plan, Wide, f"make_stage(block, {sizes})")
    assert_matches(stage(x), run_plan(Wide, plan, x))


def plan_of_network(block, layers, width):
    """How the blocks of a network have to be made, and the channels that come out."""
    plan, channels = [], width
    for index, blocks in enumerate(layers):
        plan += plan_of_stage(block, channels, width * 2**index, blocks, 1 if index == 0 else 2)
        channels = width * 2**index * block.expansion
    return plan, channels


def starts(layers):
    """The numbers of the blocks that a stage begins with."""
    return [sum(layers[:index]) for index in range(len(layers))]


def parts_of_network(model, in_channels, classes, width, channels):
    """Stem kernel, batch normalization and linear layer of a network whose blocks have no weights."""
    norms = norms_in(model)
    known = {id(p) for norm in norms for p in (norm.weight, norm.bias)}
    others = [p for p in model.parameters() if id(p) not in known]
    stem = [p for p in others if tuple(p.shape) == (width, in_channels, 3, 3)]
    weight = [p for p in others if p.ndim > 1 and tuple(p.flatten(1).shape) == (classes, channels)]
    bias = [p for p in others if tuple(p.shape) == (classes,)]
    shapes = ", ".join(short(p.shape) for p in others) or "none"
    if len(stem) != 1:
        fail(f"expected a stem with one kernel of {width}x{in_channels}x3x3, got {shapes}")
    widths = [width_of(norm) for norm in norms]
    if widths != [width]:
        sizes = ", ".join(map(str, widths)) or "none"
        fail(
            f"expected one batch normalization beside the blocks, for {width} channels, got {sizes}"
        )
    if len(weight) != 1 or len(bias) != 1:
        fail(
            f"expected a linear layer from {channels} channels (those that the last stage puts out) "
            f"to {classes} classes, got weights of {shapes}"
        )
    if len(others) != 3:
        fail(f"expected a stem without bias, stages and one linear layer, got weights of {shapes}")
    found = [assert_tensor(getattr(norms[0], name), name) for name in STATISTICS[:4]]
    values = [tensor.detach().clone() for tensor in found]  # a call in training mode moves two
    return stem[0], Statistics(values), weight[0].flatten(1), bias[0]


def network_by_hand(block, plan, parts, x, training, slip=""):
    """The scores of a network with these parts, if somebody slips."""
    stem, norm, weight, bias = parts
    out = F.conv2d(x, stem, stride=2 if slip == "stem strides" else 1, padding=1)
    if slip != "no stem norm":
        mean, var = norm.running_mean.detach().clone(), norm.running_var.detach().clone()
        out = F.batch_norm(out, mean, var, norm.weight, norm.bias, training)
    if slip != "no stem relu":
        out = out.relu()
    out = run_plan(block, plan, out)
    pooled = {"max": lambda: out.amax((2, 3)), "sum": lambda: out.sum((2, 3))}
    out = pooled.get(slip, lambda: out.mean((2, 3)))()
    if slip == "relu":
        out = out.relu()
    out = out @ weight.T + bias
    ends = {"softmax": lambda: out.softmax(1), "log_softmax": lambda: out.log_softmax(1)}
    return ends.get(slip, lambda: out)()


def check_network(submission, random, block, layers, sizes, x, training):
    """Compare the plan and the scores of a network with blocks of the check's own."""
    in_channels, classes, width = sizes
    plan, channels = plan_of_network(block, layers, width)
    made = submission.ResNet(block, layers, in_channels, classes, width=width)
    model = require_module(made, "the network")
    about = f"ResNet(block, {list(layers)}, ..., width={width}) with expansion {block.expansion}"
    require_plan(blocks_in(model, block), plan, block, about)
    parts_of_network(model, in_channels, classes, width, channels)
    scramble(random, model)
    model.to(device=x.device, dtype=x.dtype).train(training)
    parts = parts_of_network(model, in_channels, classes, width, channels)
    with torch.no_grad():
        expected = network_by_hand(block, plan, parts, x, training)
        got = model(x.clone())
        right = same(got, expected)
        suspects = {} if right else network_suspects(block, plan, layers, parts, x, training)
    assert_matches(got, expected, what="the scores", rtol=1e-3, atol=1e-4, suspects=suspects)


def network_suspects(block, plan, layers, parts, x, training):
    """Scores that usual slips lead to."""
    suspects = {
        words: network_by_hand(block, plan, parts, x, training, slip)
        for words, slip in NETWORK_SLIPS.items()
    }
    firsts = [numbers for number, numbers in enumerate(plan) if number in starts(layers)]
    suspects["only the first block of each stage runs"] = network_by_hand(
        block, firsts, parts, x, training
    )
    if training:
        suspects["the batch normalization of the stem is in the wrong mode"] = network_by_hand(
            block, plan, parts, x, False
        )
    flat = network_by_hand(block, plan, parts, x, training)[0]
    suspects["the batch axis of size 1 is gone: squeeze() without a dim?"] = flat
    return suspects


NETWORK_SLIPS = {
    "the stem strides: its convolution has stride 1": "stem strides",
    "the batch normalization of the stem is not used": "no stem norm",
    "the ReLU of the stem is missing": "no stem relu",
    "the maximum over the pixels, not their mean": "max",
    "the sum over the pixels, not their mean": "sum",
    "the softmax belongs to the loss: return the logits": "softmax",
    "the log_softmax belongs to the loss: return the logits": "log_softmax",
    "there is a ReLU between pool and linear layer": "relu",
}
NETWORKS = [
    (Thin, [1], (1, 5, 4), (3, 1, 4, 4)),
    (Thin, [2, 1], (3, 4, 2), (2, 3, 9, 7)),
    (Wide, [1, 2, 2], (2, 7, 2), (2, 2, 5, 11)),
    (Wide, [2, 1, 1, 1], (1, 3, 4), (2, 1, 8, 8)),
]


@pytest.mark.task("ResNet", points=4)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    ("block", "layers", "sizes", "shape"),
    NETWORKS,
    ids=["[1]", "[2, 1]", "[1, 2, 2]", "four stages"],
)
def test_scores_of_the_network(submission, device, random, block, layers, sizes, shape, training):
    """ResNet runs stem, all stages, average pool and linear layer, with blocks that we can compute."""
    x = random.normal(*shape, device=device)
    check_network(submission, random, block, layers, sizes, x, training)


@pytest.mark.task("ResNet", points=2)
@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 2, 1, 1), (4, 2, 3, 13)], ids=str)
def test_one_picture_and_odd_sizes(submission, device, random, shape):
    """ResNet takes a single picture, and pictures of any height and width, in eval mode."""
    x = random.normal(*shape, device=device)
    check_network(submission, random, Thin, [1, 1, 1], (2, 6, 4), x, False)


class Residual(nn.Module):
    """A residual block of torch's parts that puts out twice its width."""

    expansion = 2

    def __init__(self, in_channels, width, stride=1):
        super().__init__()
        self.main = nn.Conv2d(in_channels, 2 * width, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * width)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != 2 * width:
            self.shortcut = nn.Conv2d(in_channels, 2 * width, 1, stride, bias=False)

    def forward(self, x):
        """Add what a convolution finds."""
        return F.relu(self.norm(self.main(x)) + self.shortcut(x))


@pytest.mark.task("ResNet", points=2)
@pytest.mark.parametrize("layers", [[1, 1], [2, 1, 2]], ids=str)
def test_parameters_and_gradients(submission, random, layers):
    """ResNet has the weights of its blocks, a stem and a linear layer, and all of them can learn."""
    model = require_module(submission.ResNet(Residual, layers, 3, 5, width=4), "the network")
    plan, channels = plan_of_network(Residual, layers, 4)
    blocks = sum(sum(p.numel() for p in Residual(*n).parameters()) for n in plan)
    wanted = 4 * 3 * 9 + 2 * 4 + blocks + 5 * channels + 5
    got = sum(parameter.numel() for parameter in model.parameters())
    if got != wanted:
        fail(
            f"expected {wanted} numbers in all parameters ({4 * 3 * 9} in the stem's kernel, 8 in its "
            f"batch normalization, {blocks} in the blocks, {5 * channels + 5} in the linear layer), "
            f"got {got}"
            + (
                "; parts in a plain Python list are not counted, nor trained"
                if got < wanted
                else ""
            )
        )
    scores = model(random.normal(4, 3, 7, 6))
    if not isinstance(scores, torch.Tensor) or tuple(scores.shape) != (4, 5):
        fail("expected the scores of 4 pictures for 5 classes as a tensor of shape (4, 5)")
    assert_tensor(scores, "the scores")
    upstream = random.normal(4, 5)
    names, parameters = zip(*model.named_parameters(), strict=True)
    if not scores.requires_grad:
        fail("the scores are detached: nothing could be trained")
    found = torch.autograd.grad((scores * upstream).sum(), parameters, allow_unused=True)
    idle = [name for name, g in zip(names, found, strict=True) if g is None or not bool(g.any())]
    if idle:
        fail(f"no gradient reaches {', '.join(idle[:4])}: does forward use all parts?")


@pytest.mark.hidden
@pytest.mark.task("ResNet", points=1)
def test_default_width_and_float64(submission, random):
    """ResNet is 16 wide by default, takes layers as a tuple, and works in float64."""
    model = require_module(submission.ResNet(Wide, (1, 2), 1, 10), "the network")
    plan, _ = plan_of_network(Wide, (1, 2), 16)
    require_plan(blocks_in(model, Wide), plan, Wide, "ResNet(block, (1, 2), 1, 10)")
    x = random.normal(2, 2, 6, 5, dtype=torch.float64).mT
    check_network(submission, random, Wide, (2, 2, 1), (2, 4, 3), x, True)


# zero_init_residual

# Sizes of each block, by its place in the model of the probe.
ZEROED = {
    "1": ("ResidualBlock", (4, 4, 1)),
    "2.0": ("ResidualBlock", (4, 6, 2)),
    "2.1.0": ("Bottleneck", (6, 2, 1)),
    "2.1.1.inner": ("Bottleneck", (8, 2, 1)),
    "2.2": ("ResidualBlock", (8, 8, 1)),
}


def zeroed(student, seed, alone=False):
    """Everything about a model with blocks at several depths, before and after zero_init_residual."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    inner = student.Bottleneck(8, 2, 1)
    deep = nn.Sequential(student.Bottleneck(6, 2, 1), nn.ModuleDict({"inner": inner}))
    middle = nn.Sequential(
        student.ResidualBlock(4, 6, 2), deep, student.ResidualBlock(8, 8), nn.BatchNorm2d(8)
    )
    plain = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.BatchNorm2d(8))
    stem = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    model = nn.Sequential(stem, student.ResidualBlock(4, 4), middle, plain)
    sizes = {"1": 4, "2.0": 4, "2.1.0": 6, "2.1.1.inner": 8, "2.2": 8}
    if alone:
        model, sizes = model.get_submodule(alone), {"": sizes[alone]}

    with torch.no_grad():
        for number, tensor in enumerate([*model.parameters(), *model.buffers()]):
            if tensor.is_floating_point():
                tensor.copy_(0.5 + torch.rand(tensor.shape))
            tensor.requires_grad_(tensor.requires_grad and number % 5 != 4)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, 0.25)
    for number, module in enumerate(model.modules()):
        module.training = number % 3 == 0

    def state():
        tensors = [*model.named_parameters(), *model.named_buffers()]
        return {name: tensor.detach().clone() for name, tensor in tensors}

    def others():
        return {
            "identity": [id(tensor) for tensor in [*model.parameters(), *model.buffers()]],
            "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
            ".grad": [None if p.grad is None else p.grad.sum().item() for p in model.parameters()],
            "the mode (training or eval)": [module.training for module in model.modules()],
            "a hook": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
            "the list of parts": [name for name, _ in model.named_modules()],
        }

    before, about = state(), others()
    result = student.zero_init_residual(model)
    after, about_after = state(), others()

    model.eval()
    blocks = {}
    for place, channels in sizes.items():
        block = model.get_submodule(place)
        block.requires_grad_(True)
        block.zero_grad()
        x = torch.randn(2, channels, 5, 4)
        try:
            out = block(x.clone())
            out.sum().backward()
        except RuntimeError as error:
            blocks[place] = {"error": str(error), "x": x, "out": None, "kernels": []}
            continue
        kernels = [
            [name, list(p.shape), 0.0 if p.grad is None else p.grad.abs().sum().item()]
            for name, p in block.named_parameters()
            if p.ndim == 4
        ]
        blocks[place] = {"error": None, "x": x, "out": out.detach(), "kernels": kernels}
    return {
        "result": None if result is None else type(result).__name__,
        "before": before,
        "after": after,
        "moved": [words for words in about if about[words] != about_after[words]],
        "blocks": blocks,
    }


ZEROED_SEEN = {
    "result": str | None,
    "before": {str: torch.Tensor},
    "after": {str: torch.Tensor},
    "moved": list[str],
    "blocks": {str: object},
}


def check_zeroed(seen, places):
    """Judge what `zeroed` saw: in each block the last weight, and nothing else anywhere."""
    assert_form(seen, ZEROED_SEEN, "what was seen of the model")
    before, after = seen["before"], seen["after"]
    if list(before) != list(after):
        fail("the model has other parameters or buffers now: write into those that are there")
    changed = {name for name in before if not same_tensor(before[name], after[name])}
    for place, (kind, sizes) in places.items():
        check_zeroed_block(seen["blocks"][place], place, kind, sizes, changed, after)
    inside = {name for name in changed for place in places if name.startswith(prefix(place))}
    if changed - inside:
        fail(
            f"{min(changed - inside)} has changed, which is in no residual block: only the last "
            "batch normalization of each block is to be touched"
        )


def prefix(place):
    """The beginning of the names of a block's tensors."""
    return f"{place}." if place else ""


def same_tensor(a, b):
    """Whether two tensors of a probe are equal."""
    return a.shape == b.shape and torch.equal(a, b)


def check_zeroed_block(seen, place, kind, sizes, changed, after):
    """One block starts as its shortcut alone."""
    about = f"the {kind}({', '.join(map(str, sizes))}) at model.{place}" if place else f"a {kind}"
    own = sorted(name for name in changed if name.startswith(prefix(place)))
    if not own:
        fail(
            f"in {about} nothing has changed: expected the weight of its last batch normalization "
            "to be zero; `for module in model.modules()` reaches blocks at any depth"
        )
    if len(own) > 1:
        fail(
            f"in {about} {', '.join(own)} have changed: only the weight of the last batch "
            "normalization of the main path is to be zero"
        )
    form = {
        "error": str | None,
        "x": torch.Tensor,
        "out": object,
        "kernels": list[[str, [int] * 4, float]],
    }
    assert_form(seen, form, f"what was seen of {about}")
    if seen["error"] is not None:
        fail(f"{about} cannot be run and pulled back any more: {seen['error']}")
    (name,) = own
    value, out_channels = after[name], sizes[1] * BLOCKS[kind]
    if not name.endswith("weight"):
        fail(f"in {about} {name} has changed: the weight is to be zero, the bias stays")
    if value.ndim != 1:
        fail(
            f"in {about} {name}, a kernel, has changed: the weight of a batch normalization is meant"
        )
    if bool(value.any()):
        fail(f"in {about} {name} has changed, but not to zeros")

    projected = len(kernels_of(kind, *sizes)) > len(kernels_of(kind, out_channels, sizes[1], 1))
    shortcut = [out_channels, sizes[0], 1, 1] if projected else None
    assert_items(seen["kernels"], list, len(kernels_of(kind, *sizes)), f"the kernels in {about}")
    for kernel, shape, gradient in seen["kernels"]:
        if shape == shortcut and gradient == 0.0:
            fail(
                f"in {about} {name} is zero, which closes the shortcut: the last batch normalization "
                "of the main path is meant"
            )
        if shape != shortcut and gradient != 0.0:
            fail(
                f"in {about} {name} is zero, but {kernel} still has a say in the result: the "
                "batch normalization right before the sum is meant"
            )
    if not projected:
        bias = after[name.removesuffix("weight") + "bias"]
        expected = (seen["x"] + bias.view(1, -1, 1, 1)).relu()
        assert_matches(seen["out"], expected, what=f"the result of {about} in eval mode")


@pytest.mark.task("zero_init_residual", points=3)
def test_blocks_start_as_their_shortcut(submission, random):
    """After zero_init_residual each block, at any depth, gives just the ReLU of its shortcut."""
    check_zeroed(submission.probe(zeroed, random.seed()), ZEROED)


@pytest.mark.task("zero_init_residual", points=2)
@pytest.mark.parametrize("place", ["1", "2.0", "2.1.0"], ids=["same shape", "other", "bottleneck"])
def test_model_that_is_a_block(submission, random, place):
    """zero_init_residual also takes a single block: the model itself counts."""
    check_zeroed(submission.probe(zeroed, random.seed(), place), {"": ZEROED[place]})


@pytest.mark.task("zero_init_residual", points=2)
def test_zero_init_leaves_the_rest_alone(submission, random):
    """zero_init_residual returns None, and leaves modes, requires_grad, .grad and tensors in place."""
    seen = submission.probe(zeroed, random.seed())
    assert_form(seen, ZEROED_SEEN, "what was seen of the model")
    if seen["result"] is not None:
        fail(f"expected None, got {seen['result']}: the model is changed in place")
    if "identity" in seen["moved"]:
        fail(
            "a parameter was replaced by a new one: an optimizer that holds the old one would train "
            "that; write zeros into it (nn.init.zeros_, or .zero_() under torch.no_grad())"
        )
    if seen["moved"]:
        fail(f"expected {seen['moved'][0]} of each part as before, it has changed")
    if list(seen["before"]) != list(seen["after"]):
        fail("the model has other parameters or buffers now: write into those that are there")
    if all(same_tensor(v, seen["after"][k]) for k, v in seen["before"].items()):
        fail("nothing has changed at all")


# train_resnet


def plain_network():
    """A network with batch normalization that is known to learn."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)),
        *(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)),
    )


def batches_of(x, y, size, **settings):
    """A loader that gives the samples in order."""
    return DataLoader(TensorDataset(x.clone(), y.clone()), batch_size=size, **settings)


def linear_model(random, inputs, classes):
    """A model that everything can be computed for by hand."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, classes))
    with torch.no_grad():
        model[1].weight.copy_(random.normal(classes, inputs))
        model[1].bias.copy_(random.normal(classes))
    return model


@pytest.mark.task("train_resnet", points=2)
@pytest.mark.trains
@pytest.mark.parametrize("as_text", [True, False], ids=["device as text", "torch.device"])
def test_given_model_is_trained(submission, device, random, as_text):
    """train_resnet trains the given model, all of it, on the device, and the loss falls."""
    y = random.integers(0, 3, 42)
    x = random.normal(42, 1, 3, 3)
    x[torch.arange(42), 0, y, 0] += 4.0  # the class shows in the first column
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(36, 3)),
    )
    before = model_state(model)

    where = device if as_text else torch.device(device)
    history = submission.train_resnet(model, batches_of(x, y, 8), 6, 0.02, where)

    assert_history(history, 6)
    assert_trained(model, before, device)
    if not bool((model[1].running_mean != 0).any()):
        fail("the running statistics have not moved: train in training mode, model.train()")
    assert_falls(history)


def check_history(submission, random, samples, size, kept, **settings):
    """Compare the history of a training with learning rate 0 with the plain mean."""
    x, y = random.normal(samples, 1, 3, 4), random.integers(0, 4, samples)
    model = linear_model(random, 12, 4)
    with torch.no_grad():
        logits = model(x)
    before = model_state(model)

    loader = batches_of(x, y, size, **settings)
    history = submission.train_resnet(model, loader, 3, 0.0, "cpu")

    assert_history(history, 3)
    assert_not_trained(model, before)
    assert_mean_losses(history, logits, y, size=size, kept=kept)


@pytest.mark.task("train_resnet", points=2)
@pytest.mark.trains
@pytest.mark.parametrize(
    ("samples", "size"),
    [(24, 8), (37, 16), (9, 8), (5, 32)],
    ids=["even batches", "short last batch", "last batch of 1", "one batch"],
)
def test_history_is_mean_over_samples(submission, random, samples, size):
    """The history holds the cross-entropy of raw logits, averaged over each epoch's samples."""
    check_history(submission, random, samples, size, samples)


@pytest.mark.hidden
@pytest.mark.task("train_resnet", points=1)
@pytest.mark.trains
def test_dropped_samples_do_not_count(submission, random):
    """Samples that the loader drops do not count in the mean."""
    check_history(submission, random, 21, 8, 16, drop_last=True)


def training_seen(student, x, y, weight, bias):
    """The gradient after each backward pass with learning rate 0, and the modes of the model."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    class Watcher(nn.Module):
        def forward(self, x):
            if torch.is_grad_enabled():
                modes.append(self.training)
            return x

    gradients, modes = [], []
    model = nn.Sequential(nn.Flatten(), Watcher(), nn.Linear(weight.shape[1], weight.shape[0]))
    with torch.no_grad():
        model[2].weight.copy_(weight)
        model[2].bias.copy_(bias)
    model[2].weight.grad = torch.ones_like(weight)  # left behind by somebody else
    model[2].weight.register_post_accumulate_grad_hook(
        lambda parameter: gradients.append(parameter.grad.detach().clone())
    )
    loader = DataLoader(TensorDataset(x, y), batch_size=5)
    student.train_resnet(model.eval(), loader, 2, 0.0, "cpu")
    return {"gradients": gradients, "modes": modes}


def look_into_training(submission, random):
    """What a training with learning rate 0 does at each step, and the gradients that it should see."""
    x, y = random.normal(13, 1, 2, 3), random.integers(0, 3, 13)
    model = linear_model(random, 6, 3)
    weight, bias = model[1].weight.detach(), model[1].bias.detach()
    per_batch = []
    for images, labels in batches_of(x, y, 5):
        loss = F.cross_entropy(model(images), labels)
        per_batch += torch.autograd.grad(loss, [model[1].weight])
    seen = submission.probe(training_seen, x, y, weight, bias)
    assert_form(seen, {"gradients": list[torch.Tensor], "modes": list[bool]})
    return seen, per_batch * 2


@pytest.mark.task("train_resnet", points=1)
def test_each_step_has_its_own_gradient(submission, random):
    """Each step uses the gradient of its own batch, without earlier ones or what was there before."""
    seen, per_batch = look_into_training(submission, random)
    found = seen["gradients"]
    if not found:  # a loop that gets its gradients another way (torch.autograd.grad) leaves none
        return
    if len(found) != len(per_batch):
        fail(f"expected one backward pass for each of {len(per_batch)} batches, got {len(found)}")
    for number, (got, want) in enumerate(zip(found, per_batch, strict=True)):
        total = torch.stack(per_batch[: number + 1]).sum(0)
        assert_matches(
            got,
            want,
            what=f"the gradient at step {number + 1}",
            rtol=1e-4,
            atol=1e-5,
            suspects={
                "what stood in .grad before the training is still in it: zero_grad() first": (
                    want + 1
                ),
                "those of earlier batches are still in it: zero_grad() for every batch": total,
            },
        )


@pytest.mark.task("train_resnet", points=1)
def test_model_learns_in_training_mode(submission, random):
    """train_resnet switches the model to training mode, although it may arrive in eval mode."""
    seen, _ = look_into_training(submission, random)
    if not seen["modes"]:
        fail("the model was never run with gradients on")
    if not all(seen["modes"]):
        fail("the model learns in eval mode: call model.train() at the beginning of each epoch")


@pytest.mark.task("train_resnet", points=1)
@pytest.mark.trains
def test_frozen_parameters_and_float64(submission, random):
    """train_resnet leaves frozen parameters alone and takes a model and pictures in float64."""
    model = linear_model(random, 6, 3).double()
    model[1].bias.requires_grad_(False)
    weight, bias = model[1].weight.detach().clone(), model[1].bias.detach().clone()
    x, y = random.normal(9, 1, 2, 3, dtype=torch.float64), random.integers(0, 3, 9)
    assert_history(submission.train_resnet(model, batches_of(x, y, 4), 1, 0.01, "cpu"), 1)
    assert_matches(model[1].bias.detach(), bias, what="the frozen bias", rtol=0.0, atol=0.0)
    if torch.equal(model[1].weight.detach(), weight):
        fail("the weight beside a frozen bias was not trained")


def share_right(model, x, y):
    """The share of pictures that are read right in eval mode, in batches sorted by class."""
    model.eval()
    right = 0
    with torch.no_grad():
        for index in y.argsort().split(50):
            scores = model(x[index])
            if not isinstance(scores, torch.Tensor) or tuple(scores.shape) != (len(index), 10):
                fail("expected the scores of each picture for 10 classes, a tensor (pictures, 10)")
            right += int((scores.argmax(1) == y[index]).sum())
    return right / len(y)


@pytest.mark.task("train_resnet", points=3)
@pytest.mark.trains
@pytest.mark.devices("cpu", "cuda")  # test_given_model_is_trained is quicker on a simulated GPU
@pytest.mark.timeout(60)
def test_digits_are_learned(submission, device, random, threshold):
    """Your ResNet, trained by train_resnet, reads unseen digits, also when batches hold one class."""
    from datasets.digits import load_digits_split

    accuracy_wanted, loss_wanted = threshold("digits_accuracy"), threshold("digits_loss")
    x_train, y_train, x_test, y_test = load_digits_split(random.seed())
    tries = []
    # 0.004 is a good rate for Adam, 0.1 for plain SGD. If none works, the network may be at fault,
    # and it has checks of its own: then the loop is tried with a network of torch's layers.
    for lr, own in [(0.004, True), (0.02, True), (0.1, True), (0.004, False), (0.1, False)]:
        torch.manual_seed(random.seed())
        loader = batches_of(x_train, y_train, 32, shuffle=True, generator=random.generator())
        try:
            model = plain_network()
            if own:
                block = submission.probe(class_named, "ResidualBlock")
                model = submission.ResNet(block, [1, 1, 1], 1, 10, width=8)
            history = submission.train_resnet(model, loader, 3, lr, device)
            assert_history(history, 3)
            accuracy = share_right(model, x_test.to(device), y_test.to(device))
        except Exception:
            if own:
                continue
            raise
        if threshold.reached(digits_accuracy=accuracy, digits_loss=history[-1]):
            return
        which = "your ResNet" if own else "a plain network"
        tries.append(f"{accuracy:.0%} and {history[-1]:.3g} ({which}, lr {lr})")
    fail(
        f"expected at least {accuracy_wanted:.0%} of the test digits right and a last loss of at "
        f"most {loss_wanted:g}, got {'; '.join(tries)}. A loss that stays near 1.5 means softmax "
        "before cross_entropy; one near 2.3 means that nothing was learned; few right in spite of a "
        "small loss, that batch normalization was not in training mode"
    )


def class_named(student, name):
    """A class of the student's, to be passed on."""
    return getattr(student, name)
