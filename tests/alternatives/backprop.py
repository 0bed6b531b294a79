"""Unusual right answers to `backprop` that must get full marks."""

import torch

from tests.answers import alternative, edit

EDITS = [
    edit("sigmoid_backward", "the slope as out - out²", "out * (1 - out)", "(out - out.square())"),
    edit(
        "relu_backward",
        "torch.where",
        "grad * (x > 0)",
        "torch.where(x > 0, grad, torch.zeros_like(grad))",
    ),
    edit("relu_backward", "the Heaviside step", "(x > 0)", "torch.heaviside(x, x.new_zeros(()))"),
    edit("tanh_backward", "two factors", "(1 - out.square())", "(1 - out) * (1 + out)"),
    edit("linear_forward", "einsum", "x @ w.T + b", 'torch.einsum("bi,oi->bo", x, w) + b'),
    edit(
        "linear_forward",
        "addmm, laid out column by column",
        "x @ w.T + b",
        "(w @ x.T + b[:, None]).T",
    ),
    edit(
        "mse_loss",
        "sum divided by the number of elements",
        "difference.square().mean()",
        "(difference * difference).sum() / pred.numel()",
    ),
    edit(
        "softmax_cross_entropy",
        "torch.log_softmax",
        "shifted - shifted.exp().sum(dim=1, keepdim=True).log()",
        "torch.log_softmax(logits, dim=1)",
    ),
    edit(
        "softmax_cross_entropy",
        "logsumexp",
        "shifted - shifted.exp().sum(dim=1, keepdim=True).log()",
        "logits - torch.logsumexp(logits, dim=1, keepdim=True)",
    ),
    edit(
        "TwoLayerPerceptron",
        "small uniform weights",
        "self.w1 = torch.randn(hidden, inputs, generator=gen, device=gen.device)",
        "self.w1 = torch.rand(hidden, inputs, generator=gen, device=gen.device) - 0.5",
    ),
    edit(
        "TwoLayerPerceptron",
        "biases start at zero",
        "torch.randn(hidden, generator=gen, device=gen.device)",
        "torch.zeros(hidden, device=gen.device)",
    ),
]


@alternative("numerical_gradient", "on a copy, with the old value put back")
def on_a_copy(f, x, eps=1e-6):
    point = x.detach().clone(memory_format=torch.contiguous_format)
    flat = point.view(-1)
    gradient = torch.empty_like(flat)
    for i in range(len(flat)):
        old = flat[i].item()
        flat[i] = old + eps
        up = float(f(point))
        flat[i] = old - eps
        down = float(f(point))
        flat[i] = old
        gradient[i] = (up - down) / (2 * eps)
    return gradient.view(point.shape)


@alternative("numerical_gradient", "rows of the identity, stacked at the end")
def rows_of_identity(f, x, eps=1e-6):
    moves = eps * torch.eye(x.numel(), dtype=x.dtype, device=x.device).reshape(x.numel(), *x.shape)
    slopes = [(f(x + move) - f(x - move)) / (2 * eps) for move in moves]
    return torch.tensor([float(s) for s in slopes], dtype=x.dtype, device=x.device).reshape(x.shape)


@alternative("linear_backward", "a loop over the samples")
def sample_by_sample(grad, x, w):
    dw, db = torch.zeros_like(w), torch.zeros_like(grad[0])
    rows = []
    for g, row in zip(grad, x, strict=True):
        dw += torch.outer(g, row)
        db += g
        rows.append(w.T @ g)
    return torch.stack(rows), dw, db


@alternative("linear_backward", "einsum, and results that are not contiguous")
def with_einsum(grad, x, w):
    dx = torch.einsum("oi,bo->ib", w, grad).T
    dw = torch.einsum("bi,bo->io", x, grad).T
    return dx, dw, grad.T.sum(1)


@alternative("mse_loss", "element by element, with Python numbers")
def element_by_element(pred, target):
    import math

    pairs = list(zip(pred.flatten().tolist(), target.flatten().tolist(), strict=True))
    loss = math.fsum((p - t) ** 2 for p, t in pairs) / len(pairs)
    gradient = [2 * (p - t) / len(pairs) for p, t in pairs]
    like = {"dtype": pred.dtype, "device": pred.device}
    return torch.tensor(loss, **like), torch.tensor(gradient, **like).reshape(pred.shape)


@alternative("softmax_cross_entropy", "a loop over the rows")
def row_by_row(logits, target):
    losses, gradients = [], []
    for row, label in zip(logits, target.tolist(), strict=True):
        shifted = row - row.max()
        total = shifted.exp().sum()
        losses.append(total.log() - shifted[label])
        truth = torch.arange(len(row), device=row.device) == label
        gradients.append((shifted.exp() / total - truth.to(row.dtype)) / len(logits))
    return torch.stack(losses).mean(), torch.stack(gradients)


@alternative("softmax_cross_entropy", "one-hot truth from torch.nn.functional")
def one_hot_truth(logits, target):
    truth = torch.nn.functional.one_hot(target, logits.shape[1]).to(logits.dtype)
    log_p = logits - logits.logsumexp(1, keepdim=True)
    loss = -torch.where(truth > 0, log_p, 0.0).sum() / len(logits)
    return loss, (log_p.exp() - truth) / len(logits)


@alternative("batchnorm_forward", "torch.var_mean; a cache in the order that the reference opens")
def var_mean(x, gamma, beta, eps):
    variance, mean = torch.var_mean(x, dim=0, correction=0)
    scale = torch.rsqrt(variance + eps)
    flat = (x - mean) * scale
    return torch.addcmul(beta, flat, gamma), (flat, gamma, 1 / scale)


@alternative("batchnorm_backward", "step by step through the graph of the formula")
def step_by_step(grad, cache):
    flat, gamma, std = cache
    n = len(grad)
    centred = flat * std
    dflat = grad * gamma
    dstd = -(dflat * centred).sum(0) / std**2
    dvariance = dstd / (2 * std)
    dcentred = dflat / std + dvariance * 2 * centred / n
    dx = dcentred - dcentred.sum(0) / n
    return dx, torch.einsum("bf,bf->f", grad, flat), grad.T.sum(1)


@alternative(
    "TwoLayerPerceptron", "parameters in an nn.Module, updated in place; other names inside"
)
class AsModule(torch.nn.Module):
    def __init__(self, inputs, hidden, outputs, gen):
        super().__init__()

        def fresh(*shape):
            start = torch.rand(*shape, generator=gen, device=gen.device) * 2 - 1
            return torch.nn.Parameter(start, requires_grad=False)

        self.b2, self.w2 = fresh(outputs), fresh(outputs, hidden)
        self.b1, self.w1 = fresh(hidden), fresh(hidden, inputs)

    def forward(self, x):
        first = 1 / (1 + torch.exp(-(torch.einsum("bi,hi->bh", x, self.w1) + self.b1)))
        second = 1 / (1 + torch.exp(-(torch.einsum("bh,oh->bo", first, self.w2) + self.b2)))
        self.seen = x, first, second
        return second

    def backward(self, target):
        x, first, second = self.seen
        n = target.shape[0] * target.shape[1]
        e2 = (second - target) * second * (1 - second) * (2 / n)
        e1 = torch.einsum("bo,oh->bh", e2, self.w2) * (first - first**2)
        self.moves = {"b2": e2.sum(0), "w2": torch.einsum("bh,bo->ho", first, e2).T}
        self.moves |= {"b1": e1.sum(0), "w1": torch.einsum("bi,bh->hi", x, e1)}
        return {name: move.clone() for name, move in self.moves.items()}

    def step(self, lr):
        for name, move in self.moves.items():
            getattr(self, name).sub_(lr * move)


@alternative("TwoLayerPerceptron", "tiny weights at the start, samples one by one")
class SampleBySample:
    def __init__(self, inputs, hidden, outputs, gen):
        def draw(*shape):
            return 0.1 * torch.randn(*shape, generator=gen, device=gen.device)

        self.w1, self.w2 = draw(hidden, inputs), draw(outputs, hidden)
        self.b1, self.b2 = torch.zeros_like(self.w1[:, 0]), torch.zeros_like(self.w2[:, 0])

    def forward(self, x):
        self.samples = []
        for row in x:
            h = torch.sigmoid(self.w1 @ row + self.b1)
            self.samples.append((row, h, torch.sigmoid(self.w2 @ h + self.b2)))
        return torch.stack([out for _, _, out in self.samples])

    def backward(self, target):
        found = {name: torch.zeros_like(getattr(self, name)) for name in ("w1", "b1", "w2", "b2")}
        for (row, h, out), wanted in zip(self.samples, target, strict=True):
            e2 = 2 * (out - wanted) / target.numel() * out * (1 - out)
            e1 = (self.w2.T @ e2) * h * (1 - h)
            found["w1"] += torch.outer(e1, row)
            found["b1"] += e1
            found["w2"] += torch.outer(e2, h)
            found["b2"] += e2
        self.found = found
        return found

    def step(self, lr):
        for name, gradient in self.found.items():
            setattr(self, name, getattr(self, name) - lr * gradient)
