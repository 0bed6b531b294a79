"""Wrong answers to `backprop` that its graders must catch."""

import torch

from tests.answers import edit, mistake

# batchnorm's cache is the student's own, so the checks of the backward step call the student's forward step.
CHECKS_CALL = {"batchnorm_backward": {"batchnorm_forward"}}

EDITS = [
    edit(
        "numerical_gradient",
        "one-sided: the second point is x itself",
        "(f(x + nudge) - f(x - nudge)) / (2 * eps)",
        "(f(x + nudge) - f(x)) / eps",
    ),
    edit("numerical_gradient", "divided by eps, not by 2 eps", "(2 * eps)", "eps"),
    edit("numerical_gradient", "eps is ignored", "nudge[i] = eps", "nudge[i] = eps = 1e-3"),
    edit(
        "numerical_gradient",
        "the gradient comes back flat",
        "return gradient.reshape(x.shape)",
        "return gradient",
    ),
    edit(
        "numerical_gradient",
        "f gets a flat tensor",
        "nudge = nudge.reshape(x.shape)",
        "x = x.reshape(-1)",
    ),
    edit(
        "numerical_gradient",
        "all elements are moved at the same time",
        "nudge[i] = eps",
        "nudge[:] = eps",
    ),
    edit(
        "numerical_gradient",
        "the result is float32 whatever x is",
        "gradient = x.new_zeros(x.numel())",
        "gradient = torch.zeros(x.numel())",
    ),
    edit(
        "numerical_gradient",
        "f is taken to return a tensor",
        "(f(x + nudge) - f(x - nudge)) / (2 * eps)",
        "(f(x + nudge) - f(x - nudge)).item() / (2 * eps)",
    ),
    edit(
        "linear_forward",
        "W in place of W transposed where it fits",
        "@ w.T + b",
        "@ (w.T if len(w) != len(w.T) else w) + b",
    ),
    edit("linear_forward", "the bias is missing", " + b  #", "  #"),
    edit(
        "linear_forward", "a ready-made layer", "x @ w.T + b", "torch.nn.functional.linear(x, w, b)"
    ),
    edit(
        "linear_backward",
        "W transposed in place of W",
        "grad @ w ",
        "grad @ (w.T if len(w) == len(w.T) else w) ",
    ),
    edit("linear_backward", "dw is transposed", "grad.T @ x", "x.T @ grad"),
    edit("linear_backward", "dw is averaged over the batch", "grad.T @ x", "grad.T @ x / len(x)"),
    edit("linear_backward", "the bias gradient is not summed", "grad.sum(dim=0)", "grad"),
    edit("linear_backward", "the bias gradient is averaged", "grad.sum(dim=0)", "grad.mean(dim=0)"),
    edit(
        "linear_backward",
        "the bias gradient is summed over outputs",
        "grad.sum(dim=0)",
        "grad.sum(dim=1)",
    ),
    edit("linear_backward", "returned in another order", "return dx, dw, db", "return dw, dx, db"),
    edit(
        "sigmoid_backward",
        "the sigmoid is applied to its own output",
        "return grad",
        "out = torch.sigmoid(out)\n    return grad",
    ),
    edit("sigmoid_backward", "the upstream gradient is ignored", "grad * out", "out"),
    edit(
        "sigmoid_backward", "written into grad", "return grad * out", "grad *= out\n    return grad"
    ),
    edit("relu_backward", "mask from the wrong tensor", "(x > 0)", "(grad > 0)"),
    edit("relu_backward", "slope 1 at zero", "x > 0", "x >= 0"),
    edit(
        "relu_backward", "the upstream gradient is ignored", "grad * (x > 0)", "(x > 0).to(x.dtype)"
    ),
    edit("relu_backward", "gradient times ReLU", "grad * (x > 0)", "grad * x.clamp(min=0)"),
    edit(
        "relu_backward",
        "written into grad",
        "return grad * (x > 0)",
        "grad[x <= 0] = 0\n    return grad",
    ),
    edit("relu_backward", "computed in float32", "grad * (x > 0)", "grad.float() * (x > 0)"),
    edit(
        "tanh_backward", "tanh is applied to its own output", "out.square()", "out.tanh().square()"
    ),
    edit("tanh_backward", "the square is missing", "out.square()", "out"),
    edit("tanh_backward", "the upstream gradient is ignored", "grad * (1", "(1"),
    edit("tanh_backward", "written into out", "out.square()", "out.square_()"),
    edit("mse_loss", "1/N is missing in the gradient", " / difference.numel()", ""),
    edit("mse_loss", "N is the number of rows", "difference.numel()", "len(difference)"),
    edit("mse_loss", "the 2 is missing", "2 * difference", "difference"),
    edit("mse_loss", "the sign is turned", "= pred - target", "= target - pred"),
    edit("mse_loss", "the loss is a sum", ".mean()", ".sum()"),
    edit("mse_loss", "the loss is a Python number", ".mean()", ".mean().item()"),
    edit(
        "mse_loss",
        "only the loss comes back",
        "return loss, 2 * difference / difference.numel()",
        "return loss",
    ),
    edit(
        "mse_loss",
        "written into pred",
        "difference = pred - target",
        "difference = pred.sub_(target)",
    ),
    edit(
        "softmax_cross_entropy",
        "1/N is missing in the gradient",
        "dlogits / len(logits)",
        "dlogits",
    ),
    edit("softmax_cross_entropy", "the loss is a sum", ".mean()", ".sum()"),
    edit(
        "softmax_cross_entropy",
        "nothing is taken away from the scores",
        "logits - logits.amax(dim=1, keepdim=True)",
        "logits",
    ),
    edit(
        "softmax_cross_entropy",
        "one maximum for the whole batch, then log of p",
        "logits - logits.amax(dim=1, keepdim=True)",
        "logits - logits.max()",
    ),
    edit(
        "softmax_cross_entropy",
        "the scores are shifted in place",
        "logits - logits.amax(dim=1, keepdim=True)",
        "logits.sub_(logits.amax(dim=1, keepdim=True))",
    ),
    edit(
        "softmax_cross_entropy", "the truth is not subtracted", "dlogits[rows, target] -= 1", "pass"
    ),
    edit(
        "softmax_cross_entropy",
        "the truth is subtracted from the wrong column",
        "dlogits[rows, target] -= 1",
        "dlogits[:, target] -= 1",
    ),
    edit("batchnorm_forward", "unbiased variance", "centred.square().mean(dim=0)", "x.var(dim=0)"),
    edit(
        "batchnorm_forward",
        "eps is outside the root",
        "(centred.square().mean(dim=0) + eps).sqrt()",
        "centred.square().mean(dim=0).sqrt() + eps",
    ),
    edit("batchnorm_forward", "eps is left out", " + eps)", ")"),
    edit("batchnorm_forward", "one mean for everything", "x.mean(dim=0)", "x.mean()"),
    edit(
        "batchnorm_forward",
        "rows in place of columns",
        "centred = x - x.mean(dim=0)",
        "centred = x - x.mean(dim=1, keepdim=True)",
    ),
    edit("batchnorm_forward", "beta is missing", " + beta", ""),
    edit(
        "batchnorm_forward",
        "no cache comes back",
        "return gamma * normalized + beta, cache",
        "return gamma * normalized + beta",
    ),
    edit(
        "batchnorm_forward",
        "x is centred in place",
        "centred = x - x.mean(dim=0)",
        "centred = x.sub_(x.mean(dim=0))",
    ),
    edit("batchnorm_backward", "no path through the mean", " - mean_path", ""),
    edit("batchnorm_backward", "no path through the variance", " - variance_path", ""),
    edit("batchnorm_backward", "neither mean nor variance", " - mean_path - variance_path", ""),
    edit("batchnorm_backward", "gamma is missing", "= grad * gamma", "= grad"),
    edit(
        "batchnorm_backward",
        "dgamma is not summed",
        "(grad * normalized).sum(dim=0)",
        "grad * normalized",
    ),
    edit(
        "batchnorm_backward",
        "dgamma is averaged",
        "(grad * normalized).sum(dim=0)",
        "(grad * normalized).mean(dim=0)",
    ),
    edit(
        "batchnorm_backward",
        "dbeta has gamma in it",
        "dbeta = grad.sum(dim=0)",
        "dbeta = (grad * gamma).sum(dim=0)",
    ),
    edit(
        "batchnorm_backward",
        "dgamma and dbeta exchanged",
        "/ std, dgamma, dbeta",
        "/ std, dbeta, dgamma",
    ),
    edit(
        "batchnorm_backward",
        "sums in place of means",
        "dnormalized.mean(dim=0)",
        "dnormalized.sum(dim=0)",
    ),
    edit(
        "batchnorm_backward",
        "the upstream gradient is overwritten",
        "dnormalized = grad * gamma",
        "dnormalized = grad.mul_(gamma)",
    ),
    edit(
        "TwoLayerPerceptron",
        "w1 starts at zero",
        "self.w1 = torch.randn(hidden, inputs, generator=gen, device=gen.device)",
        "self.w1 = torch.zeros(hidden, inputs)",
    ),
    edit(
        "TwoLayerPerceptron",
        "weights start all alike",
        "self.w1 = torch.randn(hidden, inputs, generator=gen, device=gen.device)",
        "self.w1 = torch.randn(1, generator=gen).expand(hidden, inputs)",
    ),
    edit(
        "TwoLayerPerceptron",
        "w1 comes from the global source",
        "self.w1 = torch.randn(hidden, inputs, generator=gen, device=gen.device)",
        "self.w1 = torch.randn(hidden, inputs)",
    ),
    edit(
        "TwoLayerPerceptron",
        "a copy of gen is drawn from",
        "        self.w1 = torch.randn(",
        "        gen = gen.clone_state()\n        self.w1 = torch.randn(",
    ),
    edit(
        "TwoLayerPerceptron",
        "w2 is transposed",
        "torch.randn(outputs, hidden, generator=gen, device=gen.device)",
        "torch.randn(hidden, outputs, generator=gen, device=gen.device)",
    ),
    edit(
        "TwoLayerPerceptron",
        "no sigmoid after the last layer",
        "torch.sigmoid(self.hidden @ self.w2.T + self.b2)",
        "self.hidden @ self.w2.T + self.b2",
    ),
    edit("TwoLayerPerceptron", "1/N is missing", " / target.numel()", ""),
    edit("TwoLayerPerceptron", "divided by the rows", "target.numel()", "len(target)"),
    edit(
        "TwoLayerPerceptron",
        "slope of the last sigmoid is missing",
        "dout * self.out * (1 - self.out)",
        "dout",
    ),
    edit(
        "TwoLayerPerceptron",
        "slope of the hidden sigmoid is missing",
        "dhidden * self.hidden * (1 - self.hidden)",
        "dhidden",
    ),
    edit("TwoLayerPerceptron", "bias gradient not summed", "dsum2.sum(dim=0)", "dsum2"),
    edit("TwoLayerPerceptron", "gradient ascent", "self.w1 - lr", "self.w1 + lr"),
    edit(
        "TwoLayerPerceptron",
        "b2 is never updated",
        'self.b2 = self.b2 - lr * self.gradients["b2"]',
        "pass",
    ),
    edit(
        "TwoLayerPerceptron", "lr is ignored", 'lr * self.gradients["w2"]', 'self.gradients["w2"]'
    ),
    edit(
        "TwoLayerPerceptron",
        "w2 is updated before its gradient is used",
        "        dhidden = dsum2 @ self.w2",
        "        self.w2 = self.w2 - 0.1 * dsum2.T @ self.hidden\n        dhidden = dsum2 @ self.w2",
    ),
    edit(
        "TwoLayerPerceptron",
        "the first x is kept for ever",
        "self.x = x",
        'self.x = getattr(self, "x", x)',
    ),
]


@mistake("numerical_gradient", "x is moved in place and moved back by arithmetic")
def moved_back(f, x, eps=1e-6):
    gradient = torch.zeros_like(x)
    for index in torch.cartesian_prod(*map(torch.arange, x.shape)).reshape(-1, x.dim()).tolist():
        place = tuple(index)
        x[place] += eps
        up = f(x)
        x[place] -= 2 * eps
        down = f(x)
        x[place] += eps
        gradient[place] = (up - down) / (2 * eps)
    return gradient


@mistake("numerical_gradient", "the old value is put back, but not when f raises")
def not_put_back(f, x, eps=1e-6):
    gradient = torch.zeros_like(x)
    for index in torch.cartesian_prod(*map(torch.arange, x.shape)).reshape(-1, x.dim()).tolist():
        place = tuple(index)
        old = x[place].item()
        x[place] = old + eps
        up = f(x)
        x[place] = old - eps
        down = f(x)
        x[place] = old
        gradient[place] = (up - down) / (2 * eps)
    return gradient


@mistake("numerical_gradient", "the remembered value is a view, so it moves along")
def old_value_is_a_view(f, x, eps=1e-6):
    x = x.clone()
    gradient = torch.zeros_like(x)
    flat, result = x.view(-1), gradient.view(-1)
    for i in range(x.numel()):
        old = flat[i]
        flat[i] = old + eps
        up = f(x)
        flat[i] = old - eps
        down = f(x)
        flat[i] = old
        result[i] = (up - down) / (2 * eps)
    return gradient


@mistake("numerical_gradient", "view(-1) does not take every layout")
def flat_view(f, x, eps=1e-6):
    flat = x.view(-1)
    gradient = torch.zeros(x.numel(), dtype=x.dtype)
    for i in range(x.numel()):
        nudge = torch.zeros_like(flat)
        nudge[i] = eps
        up, down = f((flat + nudge).view(x.shape)), f((flat - nudge).view(x.shape))
        gradient[i] = (up - down) / (2 * eps)
    return gradient.view(x.shape)


@mistake(
    "numerical_gradient", "reshape(-1) makes a copy of a transposed x, and f never sees a change"
)
def flat_copy(f, x, eps=1e-6):
    flat = x.reshape(-1)
    gradient = torch.zeros(x.numel(), dtype=x.dtype)
    for i in range(x.numel()):
        old = flat[i].item()
        try:
            flat[i] = old + eps
            up = f(x)
            flat[i] = old - eps
            down = f(x)
        finally:
            flat[i] = old
        gradient[i] = (up - down) / (2 * eps)
    return gradient.reshape(x.shape)


@mistake("numerical_gradient", "elements of an expanded x are moved together")
def in_place_with_finally(f, x, eps=1e-6):
    gradient = torch.zeros(x.shape, dtype=x.dtype)
    for index in torch.cartesian_prod(*map(torch.arange, x.shape)).reshape(-1, x.dim()).tolist():
        place = tuple(index)
        old = x[place].item()
        try:
            x[place] = old + eps
            up = f(x)
            x[place] = old - eps
            down = f(x)
        finally:
            x[place] = old
        gradient[place] = (up - down) / (2 * eps)
    return gradient


@mistake("numerical_gradient", "autograd finds the gradient")
def by_autograd(f, x, eps=1e-6):
    x = x.detach().clone().requires_grad_()
    f(x).backward()
    return x.grad


@mistake("numerical_gradient", "an error of f is swallowed")
def swallowed(f, x, eps=1e-6):
    gradient = torch.zeros(x.numel(), dtype=x.dtype)
    for i in range(x.numel()):
        nudge = torch.zeros(x.numel(), dtype=x.dtype)
        nudge[i] = eps
        nudge = nudge.reshape(x.shape)
        try:
            gradient[i] = (f(x + nudge) - f(x - nudge)) / (2 * eps)
        except Exception:
            gradient[i] = 0
    return gradient.reshape(x.shape)


@mistake("linear_backward", "one outer product for each sample, not summed")
def unsummed(grad, x, w):
    return grad @ w, grad[:, :, None] * x[:, None, :], grad.sum(0)


@mistake("linear_backward", "autograd finds the gradients")
def linear_by_autograd(grad, x, w):
    leaves = [x.clone().requires_grad_(), w.clone().requires_grad_()]
    bias = grad[0].clone().requires_grad_()
    out = leaves[0] @ leaves[1].T + bias
    out.backward(grad)
    return leaves[0].grad, leaves[1].grad, bias.grad


@mistake("sigmoid_backward", "autograd finds the gradient")
def sigmoid_by_autograd(grad, out):
    z = torch.logit(out).requires_grad_()
    return torch.autograd.grad(torch.sigmoid(z), z, grad)[0]


@mistake("mse_loss", "a ready-made loss")
def ready_made_mse(pred, target):
    return torch.nn.functional.mse_loss(pred, target), 2 * (pred - target) / pred.numel()


@mistake("mse_loss", "autograd finds the gradient")
def mse_by_autograd(pred, target):
    leaf = pred.clone().requires_grad_()
    loss = (leaf - target).square().mean()
    loss.backward()
    return loss.detach(), leaf.grad


@mistake("softmax_cross_entropy", "log of a finished probability")
def log_of_probability(logits, target):
    p = torch.softmax(logits, dim=1)
    rows = torch.arange(len(logits), device=logits.device)
    loss = -p[rows, target].log().mean()
    p[rows, target] -= 1
    return loss, p / len(logits)


@mistake("softmax_cross_entropy", "a small number inside the log")
def small_number_in_log(logits, target):
    p = torch.softmax(logits, dim=1)
    rows = torch.arange(len(logits), device=logits.device)
    loss = -(p[rows, target] + 1e-12).log().mean()
    p[rows, target] -= 1
    return loss, p / len(logits)


@mistake("softmax_cross_entropy", "softmax over the batch")
def softmax_over_batch(logits, target):
    log_p = torch.log_softmax(logits, dim=0)
    rows = torch.arange(len(logits), device=logits.device)
    gradient = log_p.exp()
    gradient[rows, target] -= 1
    return -log_p[rows, target].mean(), gradient / len(logits)


@mistake("softmax_cross_entropy", "probabilities are changed before the loss is taken from them")
def changed_too_early(logits, target):
    p = torch.softmax(logits, dim=1)
    rows = torch.arange(len(logits), device=logits.device)
    gradient = p
    gradient[rows, target] -= 1
    return -(gradient[rows, target] + 1).log().mean() / len(logits), gradient / len(logits)


@mistake("softmax_cross_entropy", "a ready-made loss")
def ready_made_cross_entropy(logits, target):
    loss = torch.nn.CrossEntropyLoss()(logits, target)
    gradient = torch.softmax(logits, dim=1)
    gradient[torch.arange(len(logits)), target] -= 1
    return loss, gradient / len(logits)


@mistake("softmax_cross_entropy", "only the right class gets a gradient")
def only_right_class(logits, target):
    log_p = torch.log_softmax(logits, dim=1)
    rows = torch.arange(len(logits), device=logits.device)
    gradient = torch.zeros_like(logits)
    gradient[rows, target] = log_p.exp()[rows, target] - 1
    return -log_p[rows, target].mean(), gradient / len(logits)


@mistake("batchnorm_forward", "a ready-made layer")
def ready_made_norm(x, gamma, beta, eps):
    out = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    std = (x.var(0, correction=0) + eps).sqrt()
    return out, ((x - x.mean(0)) / std, gamma, std)


@mistake("batchnorm_backward", "the textbook sum with the variance path times two")
def doubled_variance_path(grad, cache):
    normalized, gamma, std = cache
    h = grad * gamma
    dx = (h - h.mean(0) - 2 * normalized * (h * normalized).mean(0)) / std
    return dx, (grad * normalized).sum(0), grad.sum(0)


@mistake("batchnorm_backward", "the cache of the latest forward is kept beside the functions")
def latest_forward(grad, cache, latest={}):
    normalized, gamma, std = latest.setdefault("cache", cache)
    if normalized.shape != grad.shape:
        normalized, gamma, std = latest["cache"] = cache
    h = grad * gamma
    dx = (h - h.mean(0) - normalized * (h * normalized).mean(0)) / std
    return dx, (grad * normalized).sum(0), grad.sum(0)


@mistake("batchnorm_backward", "autograd finds the gradient")
def norm_by_autograd(grad, cache):
    normalized, gamma, std = cache
    x = (normalized * std).requires_grad_()
    centred = x - x.mean(0)
    eps = (std.square() - (normalized * std).square().mean(0)).detach()
    out = gamma * centred / (centred.square().mean(0) + eps).sqrt()
    (dx,) = torch.autograd.grad(out, x, grad)
    return dx, (grad * normalized).sum(0), grad.sum(0)


@mistake("TwoLayerPerceptron", "gradients are added up from call to call")
class AddingUp:
    def __init__(self, inputs, hidden, outputs, gen):
        shapes = {
            "w1": (hidden, inputs),
            "b1": (hidden,),
            "w2": (outputs, hidden),
            "b2": (outputs,),
        }
        self.sums = {}
        for name, shape in shapes.items():
            setattr(self, name, torch.randn(shape, generator=gen))
            self.sums[name] = torch.zeros(shape)

    def forward(self, x):
        self.x = x
        self.h = torch.sigmoid(x @ self.w1.T + self.b1)
        self.out = torch.sigmoid(self.h @ self.w2.T + self.b2)
        return self.out

    def backward(self, target):
        d2 = 2 * (self.out - target) / target.numel() * self.out * (1 - self.out)
        d1 = d2 @ self.w2 * self.h * (1 - self.h)
        self.sums["w1"] += d1.T @ self.x
        self.sums["b1"] += d1.sum(0)
        self.sums["w2"] += d2.T @ self.h
        self.sums["b2"] += d2.sum(0)
        return self.sums

    def step(self, lr):
        for name, gradient in self.sums.items():
            setattr(self, name, getattr(self, name) - lr * gradient)


@mistake(
    "TwoLayerPerceptron", "step updates layer by layer and uses the new w2 for the first layer"
)
class LayerByLayer:
    def __init__(self, inputs, hidden, outputs, gen):
        self.w1 = torch.randn(hidden, inputs, generator=gen)
        self.b1 = torch.randn(hidden, generator=gen)
        self.w2 = torch.randn(outputs, hidden, generator=gen)
        self.b2 = torch.randn(outputs, generator=gen)

    def forward(self, x):
        self.x = x
        self.h = torch.sigmoid(x @ self.w1.T + self.b1)
        self.out = torch.sigmoid(self.h @ self.w2.T + self.b2)
        return self.out

    def backward(self, target):
        self.d2 = 2 * (self.out - target) / target.numel() * self.out * (1 - self.out)
        d1 = self.d2 @ self.w2 * self.h * (1 - self.h)
        return {
            "w1": d1.T @ self.x,
            "b1": d1.sum(0),
            "w2": self.d2.T @ self.h,
            "b2": self.d2.sum(0),
        }

    def step(self, lr):
        self.w2 = self.w2 - lr * self.d2.T @ self.h
        self.b2 = self.b2 - lr * self.d2.sum(0)
        d1 = self.d2 @ self.w2 * self.h * (1 - self.h)
        self.w1 = self.w1 - lr * d1.T @ self.x
        self.b1 = self.b1 - lr * d1.sum(0)


@mistake("TwoLayerPerceptron", "autograd and ready-made layers do the work")
class WithAutograd:
    def __init__(self, inputs, hidden, outputs, gen):
        shapes = {
            "w1": (hidden, inputs),
            "b1": (hidden,),
            "w2": (outputs, hidden),
            "b2": (outputs,),
        }
        for name, shape in shapes.items():
            setattr(self, name, torch.randn(shape, generator=gen).requires_grad_())
        self.names = list(shapes)

    def forward(self, x):
        self.out = torch.sigmoid(torch.sigmoid(x @ self.w1.T + self.b1) @ self.w2.T + self.b2)
        return self.out

    def backward(self, target):
        loss = (self.out - target).square().mean()
        values = [getattr(self, name) for name in self.names]
        gradients = torch.autograd.grad(loss, values, retain_graph=True)
        self.gradients = dict(zip(self.names, gradients))
        return self.gradients

    def step(self, lr):
        with torch.no_grad():
            for name, gradient in self.gradients.items():
                getattr(self, name).sub_(lr * gradient)


@mistake("TwoLayerPerceptron", "the parameters belong to the class, so all networks share them")
class SharedParameters:
    parameters = {}

    def __init__(self, inputs, hidden, outputs, gen):
        shapes = {
            "w1": (hidden, inputs),
            "b1": (hidden,),
            "w2": (outputs, hidden),
            "b2": (outputs,),
        }
        for name, shape in shapes.items():
            self.parameters[name] = torch.randn(shape, generator=gen)

    def __getattr__(self, name):
        if name in ("w1", "b1", "w2", "b2"):
            return self.parameters[name]
        raise AttributeError(name)

    def forward(self, x):
        self.x = x
        self.h = torch.sigmoid(x @ self.w1.T + self.b1)
        self.out = torch.sigmoid(self.h @ self.w2.T + self.b2)
        return self.out

    def backward(self, target):
        d2 = 2 * (self.out - target) / target.numel() * self.out * (1 - self.out)
        d1 = d2 @ self.w2 * self.h * (1 - self.h)
        self.gradients = {
            "w1": d1.T @ self.x, "b1": d1.sum(0), "w2": d2.T @ self.h, "b2": d2.sum(0)
        }  # fmt: skip
        return self.gradients

    def step(self, lr):
        for name, gradient in self.gradients.items():
            self.parameters[name] = self.parameters[name] - lr * gradient
