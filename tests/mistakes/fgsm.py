"""Wrong answers to `fgsm` that its graders must catch."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import edit, mistake

GRAD = "(gradient,) = torch.autograd.grad(loss, leaf)"
FGSM_RETURN = "return (x.detach() + eps * gradient.sign()).clamp(0, 1)"
TARGETED_RETURN = "return (x.detach() - eps * gradient.sign()).clamp(0, 1)"
PROJECTION = "moved.clamp(x - eps, x + eps).clamp(0, 1)\n"
START = "start = x + eps * (2 * u - 1)"
DRAW = "u = torch.rand(x.shape, generator=gen, device=x.device, dtype=x.dtype)"
STEP = "return (x + eps * gradient.sign()).clamp(0, 1)"
LOSS = "loss = F.cross_entropy(model(adversarial), y)"

EDITS = [
    # input_gradient
    edit("input_gradient", "no eval mode", "        model.eval()\n", ""),
    edit("input_gradient", "eval mode left on", "keeping_modes(model), torch", "torch"),
    edit(
        "input_gradient",
        "train mode left on",
        "return gradient",
        "model.train()\n    return gradient",
    ),
    edit(
        "input_gradient",
        "every layer gets the model's mode",
        "with keeping_modes(model), torch.enable_grad():\n        model.eval()",
        "mode = model.training\n    with torch.enable_grad():\n        model.eval()",
    ),
    edit(
        "input_gradient", "parameter gradients left", GRAD, "loss.backward(); gradient = leaf.grad"
    ),
    edit(
        "input_gradient",
        "parameter gradients thrown away",
        GRAD,
        "loss.backward(); gradient = leaf.grad; model.zero_grad()",
    ),
    edit(
        "input_gradient",
        "parameters unfrozen afterwards",
        "return gradient",
        "model.requires_grad_(True)\n    return gradient",
    ),
    edit(
        "input_gradient",
        "parameters frozen and left so",
        "        model.eval()\n",
        "        model.eval().requires_grad_(False)\n",
    ),
    edit(
        "input_gradient",
        "images require grad afterwards",
        "x.detach().clone().requires_grad_()",
        "x.requires_grad_()",
    ),
    edit("input_gradient", "no gradient under no_grad", ", torch.enable_grad():", ":"),
    edit(
        "input_gradient",
        "gradients switched on for good",
        "    with keeping_modes(model), torch.enable_grad():",
        "    torch.set_grad_enabled(True)\n    with keeping_modes(model):",
    ),
    edit(
        "input_gradient",
        "always cross-entropy",
        "loss_fn(model(leaf)",
        "F.cross_entropy(model(leaf)",
    ),
    edit("input_gradient", "the sign only", "return gradient", "return gradient.sign()"),
    edit("input_gradient", "minus the gradient", "return gradient", "return -gradient"),
    edit("input_gradient", "times the batch size", "return gradient", "return gradient * len(x)"),
    edit(
        "input_gradient", "divided by the batch size", "return gradient", "return gradient / len(x)"
    ),
    edit(
        "input_gradient",
        "the graph is kept",
        "grad(loss, leaf)",
        "grad(loss, leaf, create_graph=True)",
    ),
    edit(
        "input_gradient",
        "softmax before the loss",
        "loss_fn(model(leaf), y)",
        "loss_fn(model(leaf).softmax(-1), y)",
    ),
    # fgsm
    edit("fgsm", "descent for ascent", "x.detach() + eps", "x.detach() - eps"),
    edit("fgsm", "no sign", "gradient.sign()", "gradient"),
    edit("fgsm", "no clamp", FGSM_RETURN, "return x.detach() + eps * gradient.sign()"),
    edit("fgsm", "clamped to [-1, 1]", ".clamp(0, 1)", ".clamp(-1, 1)"),
    edit("fgsm", "clamped at 0 only", ".clamp(0, 1)", ".clamp(min=0)"),
    edit("fgsm", "clamped at 1 only", ".clamp(0, 1)", ".clamp(max=1)"),
    edit(
        "fgsm",
        "clamped to the batch's own range",
        ".clamp(0, 1)",
        ".clamp(x.min().item(), x.max().item())",
    ),
    edit(
        "fgsm",
        "pixels that do not matter move too",
        "gradient.sign()",
        "(2.0 * (gradient > 0).to(x.dtype) - 1)",
    ),
    edit("fgsm", "the step's length is eps", "gradient.sign()", "gradient / gradient.norm()"),
    edit("fgsm", "image mutated", FGSM_RETURN, "return x.add_(eps * gradient.sign()).clamp_(0, 1)"),
    edit("fgsm", "the result hangs on x", "x.detach() + eps", "x + eps"),
    edit("fgsm", "only the step comes back", "x.detach() + eps", "eps"),
    edit(
        "fgsm",
        "a random step",
        "gradient.sign()",
        "torch.randn_like(gradient).sign()",
        baseline_of=["fgsm_accuracy"],
    ),
    edit(
        "fgsm",
        "away from what the model reads, not from the label",
        "F.cross_entropy, x, y)",
        "F.cross_entropy, x, model(x).argmax(1))",
    ),
    # targeted_fgsm
    edit("targeted_fgsm", "up the loss of the target", "x.detach() - eps", "x.detach() + eps"),
    edit("targeted_fgsm", "no sign", "gradient.sign()", "gradient"),
    edit("targeted_fgsm", "no clamp", TARGETED_RETURN, "return x.detach() - eps * gradient.sign()"),
    edit("targeted_fgsm", "clamped to [-1, 1]", ".clamp(0, 1)", ".clamp(-1, 1)"),
    edit("targeted_fgsm", "one target for all", "x, target)", "x, target[:1].expand(len(x)))"),
    edit(
        "targeted_fgsm",
        "down the loss of what the model reads",
        "x, target)",
        "x, model(x).argmax(1))",
    ),
    edit("targeted_fgsm", "the result hangs on x", "x.detach() - eps", "x - eps"),
    # pgd
    edit("pgd", "not projected", PROJECTION, "moved.clamp(0, 1)\n"),
    edit(
        "pgd",
        "projected around x_t",
        PROJECTION,
        "moved.clamp(adversarial - eps, adversarial + eps).clamp(0, 1)\n",
    ),
    edit(
        "pgd",
        "projected around the random start",
        PROJECTION,
        "moved.clamp(start - eps, start + eps).clamp(0, 1)\n",
    ),
    edit(
        "pgd",
        "projected once, at the end",
        PROJECTION + "    return adversarial",
        "moved.clamp(0, 1)\n    return adversarial.clamp(x - eps, x + eps).clamp(0, 1)",
    ),
    edit(
        "pgd",
        "clamped to [0, 1] once, at the end",
        PROJECTION + "    return adversarial",
        "moved.clamp(x - eps, x + eps)\n    return adversarial.clamp(0, 1)",
    ),
    edit("pgd", "not clamped to [0, 1]", PROJECTION, "moved.clamp(x - eps, x + eps)\n"),
    edit(
        "pgd",
        "gradient of a stale tensor",
        "F.cross_entropy, adversarial, y",
        "F.cross_entropy, x, y",
    ),
    edit("pgd", "descent for ascent", "adversarial + alpha", "adversarial - alpha"),
    edit("pgd", "no sign", "gradient.sign()", "gradient"),
    edit("pgd", "steps of eps", "alpha * gradient", "eps * gradient"),
    edit("pgd", "steps of eps / steps", "alpha * gradient", "eps / steps * gradient"),
    edit("pgd", "every step from x", "moved = adversarial + alpha", "moved = x + alpha"),
    edit("pgd", "one step too many", "range(steps)", "range(steps + 1)"),
    edit("pgd", "one step too few", "range(steps)", "range(steps - 1)"),
    edit("pgd", "gen not used", "if gen is not None:", "if False:"),
    edit(
        "pgd",
        "a random start in any case",
        "if gen is not None:\n",
        "gen = gen or torch.Generator(x.device).manual_seed(0)\n    if True:\n",
    ),
    edit("pgd", "start from torch's own random numbers", DRAW, "u = torch.rand_like(x)"),
    edit(
        "pgd",
        "a generator of its own",
        DRAW,
        DRAW.replace("generator=gen", "generator=torch.Generator(x.device).manual_seed(0)"),
    ),
    edit("pgd", "a normal start", DRAW + "\n", DRAW.replace("rand(", "randn(") + "\n"),
    edit("pgd", "the start moves up only", START, "start = x + eps * u"),
    edit("pgd", "the start moves by half of eps", START, "start = x + eps * (u - 0.5)"),
    edit(
        "pgd",
        "the start is in a corner",
        START,
        "start = x + eps * (2 * u - 1).sign()",
    ),
    edit("pgd", "the start is a place anywhere", START, "start = u"),
    edit(
        "pgd",
        "one move for a whole image",
        "torch.rand(x.shape,",
        "torch.rand(len(x), *[1] * (x.ndim - 1),",
    ),
    edit("pgd", "one move for all images", "torch.rand(x.shape,", "torch.rand(x.shape[1:],"),
    edit("pgd", "the start leaves [0, 1]", "start.clamp(0, 1)", "start"),
    edit("pgd", "float64 start", "dtype=x.dtype", "dtype=torch.float64"),
    edit("pgd", "ball moves along", PROJECTION, PROJECTION + "        x = adversarial\n"),
    edit(
        "pgd",
        "the best of both: random places",
        "moved = adversarial + alpha * gradient.sign()",
        "moved = adversarial + alpha * torch.randn_like(x).sign()",
        baseline_of=["pgd_accuracy"],
    ),
    edit(
        "pgd",
        "images change",
        "x = x.detach()\n    start = x\n",
        "start = x = x.detach().clamp_(0.01, 0.99)\n",
    ),
    # fgsm_normalized
    edit(
        "fgsm_normalized",
        "eps in normalised space",
        STEP,
        "return ((x - mean) / std + eps * gradient.sign()).mul(std).add(mean).clamp(0, 1)",
    ),
    edit("fgsm_normalized", "the step times std", "eps * gradient", "eps * std * gradient"),
    edit("fgsm_normalized", "the step divided by std", "eps * gradient", "eps / std * gradient"),
    edit(
        "fgsm_normalized",
        "a normalised picture comes back",
        STEP,
        "return ((x + eps * gradient.sign()).clamp(0, 1) - mean) / std",
    ),
    edit(
        "fgsm_normalized",
        "normalised pictures clamped to [0, 1]",
        STEP,
        "return ((x - mean) / std + eps * gradient.sign()).clamp(0, 1) * std + mean",
    ),
    edit(
        "fgsm_normalized",
        "normalised pictures clamped, right step",
        STEP,
        "return ((x - mean) / std + eps / std * gradient.sign()).clamp(0, 1) * std + mean",
    ),
    edit("fgsm_normalized", "no clamp", STEP, "return x + eps * gradient.sign()"),
    edit("fgsm_normalized", "descent for ascent", "x + eps", "x - eps"),
    edit("fgsm_normalized", "the model gets pixels", "(x - mean) / std, y", "x, y"),
    edit(
        "fgsm_normalized",
        "the model gets clamped numbers",
        "(x - mean) / std, y",
        "((x - mean) / std).clamp(0, 1), y",
    ),
    edit("fgsm_normalized", "multiplied by std", "(x - mean) / std, y", "(x - mean) * std, y"),
    edit("fgsm_normalized", "divided first", "(x - mean) / std, y", "x / std - mean, y"),
    edit("fgsm_normalized", "mean and std swapped", "(x - mean) / std, y", "(x - std) / mean, y"),
    edit("fgsm_normalized", "the variance", "(x - mean) / std, y", "(x - mean) / std.sqrt(), y"),
    edit(
        "fgsm_normalized",
        "channel 0 for all channels",
        "(x - mean) / std, y",
        "(x - mean[0]) / std[0], y",
    ),
    edit(
        "fgsm_normalized",
        "numbers lie along the width",
        "mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)",
        "mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device)",
    ),
    edit(
        "fgsm_normalized",
        "three channels only",
        "mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)",
        "mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device).reshape(3, 1, 1)",
    ),
    edit(
        "fgsm_normalized",
        "lists only",
        "mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device)",
        "mean = torch.tensor(mean or [0.0], dtype=x.dtype, device=x.device)",
    ),
    edit(
        "fgsm_normalized",
        "float64 from float64 numbers",
        "std = torch.as_tensor(std, dtype=x.dtype, device=x.device)",
        "std = torch.as_tensor(std, device=x.device)",
    ),
    # robust_accuracy
    edit(
        "robust_accuracy",
        "mean of the batches' shares",
        "right += (predicted == y).sum().item()\n            samples += len(y)",
        "right += (predicted == y).float().mean().item()\n            samples += 1",
    ),
    edit("robust_accuracy", "without the attack", "model(adversarial)", "model(x)"),
    edit("robust_accuracy", "the share of wrong answers", "predicted == y", "predicted != y"),
    edit(
        "robust_accuracy", "a percentage", "return right / samples", "return 100 * right / samples"
    ),
    edit("robust_accuracy", "a tensor", "(predicted == y).sum().item()", "(predicted == y).sum()"),
    edit(
        "robust_accuracy",
        "the number of right answers",
        "return right / samples",
        "return float(right)",
    ),
    edit(
        "robust_accuracy",
        "divided by the data set's length",
        "return right / samples",
        "return right / len(loader.dataset)",
    ),
    edit(
        "robust_accuracy",
        "nothing gives 0",
        '        raise ValueError("the loader gives no sample, so there is no accuracy")',
        "        return 0.0",
    ),
    edit("robust_accuracy", "nothing divides by zero", "samples == 0", "False"),
    edit(
        "robust_accuracy",
        "needs a loader with a length",
        "    if samples == 0:",
        "    if len(loader) == 0:",
    ),
    edit("robust_accuracy", "no eval mode", "        model.eval()\n", ""),
    edit(
        "robust_accuracy", "eval mode left on", "    with keeping_modes(model):\n", "    if True:\n"
    ),
    edit(
        "robust_accuracy",
        "the attack under no_grad",
        "            adversarial = attack(model, x, y)\n            with torch.no_grad():\n",
        "            with torch.no_grad():\n                adversarial = attack(model, x, y)\n",
    ),
    edit(
        "robust_accuracy",
        "gradients switched off for good",
        "            with torch.no_grad():\n                predicted",
        "            if True:\n                torch.set_grad_enabled(False)\n                predicted",
    ),
    edit(
        "robust_accuracy",
        "the attack gets what the model reads",
        "= attack(model, x, y)",
        "= attack(model, x, model(x).argmax(1))",
    ),
    edit(
        "robust_accuracy",
        "the last batch only",
        "right += (predicted == y).sum().item()\n            samples += len(y)",
        "right = (predicted == y).sum().item()\n            samples = len(y)",
    ),
    edit(
        "robust_accuracy",
        "the first batch only",
        "            samples += len(y)\n",
        "            samples += len(y)\n            break\n",
    ),
    edit("robust_accuracy", "argmax over the batch", "argmax(1)", "argmax(0)[: len(y)].sum()"),
    edit(
        "robust_accuracy",
        "attacked twice",
        "= attack(model, x, y)",
        "= attack(model, attack(model, x, y), y)",
    ),
    # adversarial_step
    edit(
        "adversarial_step",
        "clean pictures",
        "fgsm(model, x, y, eps)",
        "x",
        baseline_of=["robust_accuracy"],
    ),
    edit(
        "adversarial_step",
        "both kinds of pictures",
        LOSS,
        "loss = F.cross_entropy(model(torch.cat([x, adversarial])), y.repeat(2))",
    ),
    edit(
        "adversarial_step",
        "a sum of two losses",
        LOSS,
        "loss = F.cross_entropy(model(adversarial), y) + F.cross_entropy(model(x), y)",
    ),
    edit("adversarial_step", "no zero_grad", "optimizer.zero_grad()", "pass"),
    edit("adversarial_step", "no step", "        optimizer.step()\n", ""),
    edit("adversarial_step", "no backward", "        loss.backward()\n", ""),
    edit(
        "adversarial_step",
        "two steps",
        "        optimizer.step()\n",
        "        optimizer.step(); optimizer.step()\n",
    ),
    edit(
        "adversarial_step",
        "gradients cleared after the step",
        "        optimizer.step()\n",
        "        optimizer.step(); optimizer.zero_grad()\n",
    ),
    edit(
        "adversarial_step",
        "gradients cleared before the step",
        "        loss.backward()\n",
        "        loss.backward(); optimizer.zero_grad()\n",
    ),
    edit("adversarial_step", "a tensor comes back", "return loss.item()", "return loss.detach()"),
    edit(
        "adversarial_step",
        "nothing comes back",
        "    return loss.item()\n",
        "    print(loss.item())\n",
    ),
    edit(
        "adversarial_step",
        "the loss of the clean pictures comes back",
        "return loss.item()",
        "return F.cross_entropy(model(x), y).item()",
    ),
    edit(
        "adversarial_step",
        "the loss after the step comes back",
        "return loss.item()",
        "return F.cross_entropy(model(adversarial), y).item()",
    ),
    edit(
        "adversarial_step",
        "the sum comes back",
        "return loss.item()",
        "return loss.item() * len(x)",
    ),
    edit(
        "adversarial_step",
        "learns in eval mode",
        "        model.train()\n",
        "        model.eval()\n",
    ),
    edit("adversarial_step", "learns in the mode that it finds", "        model.train()\n", ""),
    edit(
        "adversarial_step",
        "training mode left on",
        "    with keeping_modes(model):\n",
        "    if True:\n",
    ),
    edit("adversarial_step", "the loss goes up", "loss.backward()", "(-loss).backward()"),
    edit(
        "adversarial_step",
        "the sum of the losses",
        "model(adversarial), y)",
        'model(adversarial), y, reduction="sum")',
    ),
    edit(
        "adversarial_step",
        "softmax twice",
        "model(adversarial), y)",
        "model(adversarial).softmax(1), y)",
    ),
    edit(
        "adversarial_step",
        "twice the budget",
        "fgsm(model, x, y, eps)",
        "fgsm(model, x, y, 2 * eps)",
    ),
    edit(
        "adversarial_step",
        "towards the label",
        "fgsm(model, x, y, eps)",
        "targeted_fgsm(model, x, y, eps)",
    ),
]


@mistake("input_gradient", "the model's mode is put back, not each layer's")
def gradient_one_mode(model, loss_fn, x, y):
    training = model.training
    model.eval()
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        loss = loss_fn(model(leaf), y)
    model.train(training)
    return torch.autograd.grad(loss, leaf)[0]


@mistake("input_gradient", "an old .grad of the images is still in it")
def gradient_on_top(model, loss_fn, x, y):
    with keeping_modes(model), torch.enable_grad():  # noqa: F821
        model.eval()
        required = x.requires_grad
        x.requires_grad_()
        before = None if x.grad is None else x.grad.clone()
        loss_fn(model(x), y).backward(inputs=[x])
        gradient, x.grad = x.grad.detach().clone(), before
        x.requires_grad_(required)
    return gradient


@mistake("input_gradient", "modes stay in eval mode after an error")
def gradient_without_finally(model, loss_fn, x, y):
    modes = [(module, module.training) for module in model.modules()]
    leaf = x.detach().clone().requires_grad_()
    model.eval()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(loss_fn(model(leaf), y), leaf)
    for module, training in modes:
        module.training = training
    return gradient


@mistake("fgsm", "the tutorial's way: train mode, backward, gradients left")
def fgsm_tutorial(model, x, y, eps):
    data = x.clone().detach()
    data.requires_grad = True
    model.zero_grad()
    with torch.enable_grad():
        loss = F.cross_entropy(model(data), y)
        loss.backward()
    return torch.clamp(data.detach() + eps * data.grad.sign(), 0, 1)


@mistake("fgsm", "gradients are cleared, not kept")
def fgsm_clears(model, x, y, eps):
    with keeping_modes(model), torch.enable_grad():  # noqa: F821
        model.eval()
        data = x.detach().clone().requires_grad_()
        F.cross_entropy(model(data), y).backward()
        model.zero_grad()
    return (x.detach() + eps * data.grad.sign()).clamp(0, 1)


@mistake("pgd", "one leaf for all steps, its gradients add up")
def pgd_accumulates(model, x, y, eps, alpha, steps, gen=None):
    x = x.detach()
    place = x.clone()
    if gen is not None:
        place += eps * (2 * torch.rand(x.shape, generator=gen, dtype=x.dtype, device=x.device) - 1)
    place = place.clamp(0, 1).requires_grad_()
    kept = [p.grad for p in model.parameters()]
    with keeping_modes(model), torch.enable_grad():  # noqa: F821
        model.eval()
        for _ in range(steps):
            for p in model.parameters():
                p.grad = None
            F.cross_entropy(model(place), y).backward()
            place.data = (
                (place.data + alpha * place.grad.sign()).clamp(x - eps, x + eps).clamp(0, 1)
            )
    for p, grad in zip(model.parameters(), kept):
        p.grad = grad
    return place.detach()


@mistake("pgd", "the budget is checked for the image as a whole")
def pgd_l2(model, x, y, eps, alpha, steps, gen=None):
    x = x.detach()
    place = x
    if gen is not None:
        u = torch.rand(x.shape, generator=gen, dtype=x.dtype, device=x.device)
        place = (x + eps * (2 * u - 1)).clamp(0, 1)
    for _ in range(steps):
        move = place + alpha * input_gradient(model, F.cross_entropy, place, y).sign() - x  # noqa: F821
        length = move.flatten(1).norm(dim=1).clamp(min=1e-12).reshape(-1, *[1] * (x.ndim - 1))
        place = (x + move * (eps / length).clamp(max=1)).clamp(0, 1)
    return place


@mistake("fgsm_normalized", "mean and std changed in place")
def normalized_in_place(model, x, y, eps, mean, std):
    mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device)
    std = torch.as_tensor(std, dtype=x.dtype, device=x.device)
    z = (x.detach() - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    gradient = input_gradient(model, F.cross_entropy, z, y)  # noqa: F821
    mean.zero_()
    return (x.detach() + eps * gradient.sign()).clamp(0, 1)


@mistake("robust_accuracy", "only pictures that were right before are counted")
def accuracy_of_right_ones(model, loader, attack):
    right, samples = 0, 0
    with keeping_modes(model):  # noqa: F821
        model.eval()
        for x, y in loader:
            adversarial = attack(model, x, y)
            with torch.no_grad():
                before = model(x).argmax(1) == y
                after = model(adversarial).argmax(1) == y
            right += (before & after).sum().item()
            samples += before.sum().item()
    if samples == 0:
        raise ValueError("no sample")
    return right / samples


@mistake("robust_accuracy", "only pictures that were right before are attacked")
def accuracy_skips(model, loader, attack):
    right, samples = 0, 0
    with keeping_modes(model):  # noqa: F821
        model.eval()
        for x, y in loader:
            samples += len(y)
            keep = model(x).argmax(1) == y
            if keep.any():
                right += (model(attack(model, x[keep], y[keep])).argmax(1) == y[keep]).sum().item()
    if samples == 0:
        raise ValueError("no sample")
    return right / samples


@mistake("adversarial_step", "FGSM in training mode, with the gradient of the weights on top")
def step_on_top(model, optimizer, x, y, eps):
    with keeping_modes(model):  # noqa: F821
        model.train()
        optimizer.zero_grad()
        leaf = x.detach().clone().requires_grad_()
        F.cross_entropy(model(leaf), y).backward()
        adversarial = (leaf.detach() + eps * leaf.grad.sign()).clamp(0, 1)
        loss = F.cross_entropy(model(adversarial), y)
        loss.backward()
        optimizer.step()
    return loss.item()


@mistake("adversarial_step", "the attack in training mode")
def step_attack_in_training_mode(model, optimizer, x, y, eps):
    with keeping_modes(model):  # noqa: F821
        model.train()
        leaf = x.detach().clone().requires_grad_()
        gradient = torch.autograd.grad(nn.functional.cross_entropy(model(leaf), y), leaf)[0]
        adversarial = (x.detach() + eps * gradient.sign()).clamp(0, 1)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(adversarial), y)
        loss.backward()
        optimizer.step()
    return loss.item()
