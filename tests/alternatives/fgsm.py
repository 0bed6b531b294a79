"""Unusual right answers to `fgsm` that must get full marks."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import alternative, edit

EDITS = [
    edit(
        "input_gradient",
        "the leaf is made by a new tensor",
        "x.detach().clone().requires_grad_()",
        "x.new_empty(x.shape).copy_(x.detach()).requires_grad_(True)",
    ),
    edit(
        "fgsm",
        "clip and torch.sign",
        "gradient.sign()).clamp(0, 1)",
        "torch.sign(gradient)).clip(0.0, 1.0)",
    ),
    edit(
        "fgsm",
        "a result in another memory layout",
        ".clamp(0, 1)",
        ".clamp(0, 1).mT.contiguous().mT",
    ),
    edit(
        "fgsm",
        "the loss is a sum over the batch",
        "F.cross_entropy, x, y",
        "nn.CrossEntropyLoss(reduction='sum'), x, y",
        trained=True,
    ),
    edit(
        "pgd",
        "the move is clamped, not the place",
        "moved.clamp(x - eps, x + eps).clamp(0, 1)\n",
        "(x + (moved - x).clamp(-eps, eps)).clamp(0, 1)\n",
    ),
    edit(
        "pgd",
        "[0, 1] first, the ball second",
        "moved.clamp(x - eps, x + eps).clamp(0, 1)\n",
        "moved.clamp(0, 1).clamp(x - eps, x + eps)\n",
    ),
    edit(
        "pgd",
        "the random start by uniform_",
        "start = x + eps * (2 * u - 1)",
        "start = x + torch.empty_like(x).uniform_(-eps, eps, generator=gen)",
        trained=True,
    ),
    edit(
        "robust_accuracy",
        "one list of answers",
        "right += (predicted == y).sum().item()",
        "right += sum(predicted.eq(y).tolist())",
    ),
    edit(
        "adversarial_step", "zero_grad on the model", "optimizer.zero_grad()", "model.zero_grad()"
    ),
    edit(
        "adversarial_step",
        "gradients are set to zero, not to None",
        "optimizer.zero_grad()",
        "optimizer.zero_grad(set_to_none=False)",
    ),
    edit("adversarial_step", "float of the loss", "loss.item()", "float(loss.detach())"),
]


@alternative("input_gradient", "backward on a copy of the model")
def gradient_of_copy(model, loss_fn, x, y):
    from copy import deepcopy

    twin = deepcopy(model).eval()
    with torch.enable_grad():
        leaf = torch.nn.Parameter(x.detach().clone())
        loss_fn(twin(leaf), y).backward()
    return leaf.grad.detach()


@alternative("input_gradient", "backward for the leaf alone")
def gradient_backward_inputs(model, loss_fn, x, y):
    modes = [module.training for module in model.modules()]
    grad_was_on = torch.is_grad_enabled()
    try:
        torch.set_grad_enabled(True)
        for module in model.modules():
            module.training = False
        pictures = x.clone().detach()
        pictures.requires_grad = True
        loss = loss_fn(model(pictures), y)
        loss.backward(inputs=[pictures])
        return pictures.grad
    finally:
        torch.set_grad_enabled(grad_was_on)
        for module, mode in zip(model.modules(), modes):
            module.training = mode


@alternative("input_gradient", "one offset for all pixels")
def gradient_of_offset(model, loss_fn, x, y):
    with keeping_modes(model), torch.enable_grad():  # noqa: F821
        model.train(False)
        offset = torch.zeros_like(x, requires_grad=True)
        loss = loss_fn(model(x.detach() + offset), y)
        return torch.autograd.grad([loss], [offset])[0].detach()


@alternative("fgsm", "image by image")
def fgsm_each(model, x, y, eps):
    attacked = []
    for image, label in zip(x.detach().split(1), y.split(1)):
        slope = input_gradient(model, F.cross_entropy, image, label)  # noqa: F821
        moved = torch.where(slope > 0, image + eps, torch.where(slope < 0, image - eps, image))
        attacked.append(moved.clip(0, 1))
    return torch.cat(attacked)


@alternative("fgsm", "one step of pgd")
def fgsm_by_pgd(model, x, y, eps):
    return pgd(model, x, y, eps, eps, 1)  # noqa: F821


@alternative("targeted_fgsm", "up minus the loss")
def targeted_negative(model, x, target, eps):
    loss = lambda logits, t: -F.nll_loss(F.log_softmax(logits, 1), t)  # noqa: E731
    step = eps * input_gradient(model, loss, x, target).sign()  # noqa: F821
    with torch.no_grad():
        return torch.minimum(torch.maximum(x + step, torch.zeros_like(x)), torch.ones_like(x))


@alternative("pgd", "an offset is learned; limits are computed once")
def pgd_offset(model, x, y, eps, alpha, steps, gen=None):
    x = x.detach()
    low, high = (x - eps).clamp(min=0) - x, (x + eps).clamp(max=1) - x
    delta = torch.zeros_like(x)
    if gen is not None:
        delta.uniform_(-eps, eps, generator=gen)
    delta = torch.maximum(torch.minimum(delta, high), low)
    left = steps
    while left > 0:
        delta += alpha * input_gradient(model, nn.CrossEntropyLoss(), x + delta, y).sign()  # noqa: F821
        delta = torch.maximum(torch.minimum(delta, high), low)
        left -= 1
    return x + delta


@alternative("pgd", "measures the loss on the way")
def pgd_with_extra_calls(model, x, y, eps, alpha, steps, gen=None):
    x = x.detach().clone()
    place = x.clone()
    if gen is not None:
        place += eps * (2 * torch.rand(x.shape, generator=gen, dtype=x.dtype, device=x.device) - 1)
        place.clamp_(0, 1)
    history = []
    for _ in range(steps):
        place = place + alpha * input_gradient(model, F.cross_entropy, place, y).sign()  # noqa: F821
        place = torch.min(torch.max(place, x - eps), x + eps)
        place.clamp_(0, 1)
        with keeping_modes(model), torch.no_grad():  # noqa: F821
            model.eval()
            history.append(F.cross_entropy(model(place), y).item())
    return place


@alternative("fgsm_normalized", "the normalisation is a layer in front of the model")
def normalized_layer(model, x, y, eps, mean, std):
    class Normalize(nn.Module):
        def forward(self, pixels):
            channels = enumerate(zip(list(mean), list(std)))
            return torch.stack([(pixels[:, c] - float(m)) / float(s) for c, (m, s) in channels], 1)

    return fgsm(nn.Sequential(Normalize(), model), x, y, eps)  # noqa: F821


@alternative("fgsm_normalized", "there and back, with step and limits in normalised numbers")
def normalized_limits(model, x, y, eps, mean, std):
    mean = torch.tensor([float(m) for m in mean], device=x.device, dtype=x.dtype)[
        None, :, None, None
    ]
    std = torch.tensor([float(s) for s in std], device=x.device, dtype=x.dtype)[None, :, None, None]
    z = (x.detach() - mean) / std
    moved = z + eps / std * input_gradient(model, F.cross_entropy, z, y).sign()  # noqa: F821
    return torch.max(torch.min(moved, (1 - mean) / std), -mean / std) * std + mean


@alternative("robust_accuracy", "all answers are joined first")
def accuracy_joined(model, loader, attack):
    answers = []
    for x, y in loader:
        adversarial = attack(model, x, y)
        with keeping_modes(model), torch.inference_mode():  # noqa: F821
            model.eval()
            answers.append(model(adversarial).max(dim=1).indices == y)
    answers = torch.cat(answers) if answers else torch.zeros(0)
    if len(answers) == 0:
        raise ValueError("nothing to measure")
    return answers.double().mean().item()


@alternative("adversarial_step", "everything by hand")
def step_by_hand(model, optimizer, x, y, eps):
    was = {name: module.training for name, module in model.named_modules()}
    leaf = x.detach().clone().requires_grad_()
    model.eval()
    slope = torch.autograd.grad(F.cross_entropy(model(leaf), y, reduction="sum"), leaf)[0]
    model.train()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
    log_p = model((leaf + eps * slope.sign()).clamp(0, 1).detach()).log_softmax(1)
    loss = -log_p[range(len(y)), y].mean()
    loss.backward()
    optimizer.step()
    for name, module in model.named_modules():
        module.training = was[name]
    return loss.item()
