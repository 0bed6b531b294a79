"""Wrong answers to `autograd` that its graders must catch."""

import torch

from tests.answers import edit, mistake

EDITS = [
    # gradient
    edit(
        "gradient",
        "the caller's tensors are marked",
        "x.detach().requires_grad_() for x in inputs",
        "x.requires_grad_() if x.is_leaf else x for x in inputs",
    ),
    edit("gradient", "no answer for ignored inputs", ", materialize_grads=True", ""),
    edit(
        "gradient",
        "None for ignored inputs",
        "materialize_grads=True)",
        "allow_unused=True)\n    return slopes",
    ),
    edit("gradient", "no zeros without a graph", "not value.requires_grad", "False"),
    edit("gradient", "the caller's no_grad stays", "torch.enable_grad()", "torch.no_grad()"),
    edit(
        "gradient",
        "the caller's no_grad is overlooked",
        "    with torch.enable_grad():\n        value = f(*leaves)",
        "    value = f(*leaves)",
    ),
    edit(
        "gradient",
        "grad mode is left on",
        "    with torch.enable_grad():\n        value",
        "    torch.set_grad_enabled(True)\n    value",
    ),
    edit(
        "gradient",
        "the gradient of the sum for more than one number",
        "    if value.numel() != 1:\n        raise ValueError",
        "    value = value.sum()\n    if value.numel() != 1:\n        raise ValueError",
    ),
    edit(
        "gradient",
        "a result that is on a graph",
        "materialize_grads=True)",
        "materialize_grads=True, create_graph=True)\n    return slopes",
    ),
    edit(
        "gradient",
        "a tensor for one input",
        "return tuple(slope.detach() for slope in slopes)",
        "return slopes[0] if len(slopes) == 1 else slopes",
    ),
    edit(
        "gradient",
        "a list",
        "return tuple(slope.detach() for slope in slopes)",
        "return list(slopes)",
    ),
    edit(
        "gradient",
        "the first input only",
        "torch.autograd.grad(value, leaves, ",
        "torch.autograd.grad(value, leaves[:1], ",
    ),
    edit(
        "gradient",
        "backward on leaves of its own writes into the weights of f",
        "    slopes = torch.autograd.grad(value, leaves, materialize_grads=True)",
        "    value.backward()\n"
        "    return tuple(torch.zeros_like(x) if x.grad is None else x.grad for x in leaves)",
    ),
    edit(
        "gradient",
        "zeros of shape ()",
        "torch.zeros_like(x) for x in leaves",
        "torch.zeros(()) for x in leaves",
    ),
    edit(
        "gradient",
        "one number means shape () and nothing else is looked at",
        "value.numel() != 1",
        "value.dim() > 1",
    ),
    # vjp
    edit("vjp", "v is not used", "grad_outputs=weights", "grad_outputs=torch.ones_like(y)"),
    edit(
        "vjp",
        "v itself comes back where the slope is 1",
        "grad_outputs=weights, materialize_grads=True)\n    return product.detach()",
        "grad_outputs=v, materialize_grads=True)\n    return product",
    ),
    edit("vjp", "no answer where y does not depend on x", ", materialize_grads=True", ""),
    edit("vjp", "no zeros without a graph", "not y.requires_grad", "False"),
    edit("vjp", "a tuple comes back", "return product.detach()", "return (product,)"),
    edit(
        "vjp", "the caller's tensor is marked", "x.detach().requires_grad_()", "x.requires_grad_()"
    ),
    edit("vjp", "the input must be a leaf", "x.detach().requires_grad_()", "x"),
    edit(
        "vjp",
        "the result is on a graph",
        "grad_outputs=weights, materialize_grads=True)\n    return product.detach()",
        "grad_outputs=v, create_graph=True, materialize_grads=True)\n    return product",
    ),
    edit(
        "vjp",
        "the caller's no_grad is overlooked",
        "    with torch.enable_grad():\n        y = f(leaf)",
        "    y = f(leaf)",
    ),
    # jacobian
    edit("jacobian", "second backward without retain", "retain_graph=True, ", ""),
    edit("jacobian", "transposed", "return table", "return table.mT"),
    edit("jacobian", "no answer for rows of zeros", "if output.requires_grad", "if True"),
    edit("jacobian", "no answer for weights alone", ", materialize_grads=True", ""),
    edit(
        "jacobian",
        "rows of zeros are left out",
        "return table",
        "return table[[bool(output.requires_grad) for output in outputs]]",
    ),
    edit(
        "jacobian",
        "a float32 table",
        "x.new_zeros(len(outputs), len(x))",
        "torch.zeros(len(outputs), len(x))",
    ),
    edit(
        "jacobian",
        "a square table",
        "x.new_zeros(len(outputs), len(x))",
        "x.new_zeros(len(x), len(x))",
    ),
    edit("jacobian", "the rows pile up", "table[i] = slopes", "table[i] = slopes + table.sum(0)"),
    edit(
        "jacobian",
        "outputs picked under the caller's no_grad",
        "outputs = f(leaf).unbind()",
        "y = f(leaf)\n    outputs = [y[i] for i in range(len(y))]",
    ),
    # hessian_vector_product
    edit(
        "hessian_vector_product",
        "no graph of the gradient",
        "create_graph=True, ",
        "",
    ),
    edit(
        "hessian_vector_product",
        "the graph is kept, but not made",
        "create_graph=True",
        "retain_graph=True",
    ),
    edit("hessian_vector_product", "v is not used", "slope * v)", "slope)"),
    edit(
        "hessian_vector_product",
        "no zeros for a linear f",
        "    if not along_v.requires_grad:\n        return torch.zeros_like(x)\n",
        "",
    ),
    edit(
        "hessian_vector_product",
        "no zeros for weights that require grad",
        "grad(along_v, leaf, materialize_grads=True)",
        "grad(along_v, leaf)",
    ),
    edit("hessian_vector_product", "no zeros for a constant", "not value.requires_grad", "False"),
    edit(
        "hessian_vector_product",
        "the gradient for a linear f",
        "    if not along_v.requires_grad:\n        return torch.zeros_like(x)",
        "    if not along_v.requires_grad:\n        return slope.detach()",
    ),
    edit("hessian_vector_product", "the gradient is cut off", "(slope * v", "(slope.detach() * v"),
    edit("hessian_vector_product", "vectors only", "(slope * v).sum()", "slope @ v"),
    edit("hessian_vector_product", "a number", "return product", "return product.sum()"),
    # accumulate
    edit(
        "accumulate",
        "the mean of the batches' means",
        "loss_fn(model(x), y) * len(x)\n        loss_sum.backward()\n        samples += len(x)",
        "loss_fn(model(x), y)\n        loss_sum.backward()\n        samples += 1",
    ),
    edit(
        "accumulate",
        "old gradients stay",
        "    for parameter in trained:\n        parameter.grad = None\n",
        "",
    ),
    edit(
        "accumulate",
        "frozen parameters are cleared",
        "    for parameter in trained:\n        parameter.grad = None\n",
        "    model.zero_grad()\n",
    ),
    edit(
        "accumulate",
        "frozen parameters are divided",
        "trained:\n        if parameter.grad is not None",
        "model.parameters():\n        if parameter.grad is not None",
    ),
    edit(
        "accumulate",
        "frozen parameters are thawed",
        "    for parameter in trained:\n        parameter.grad = None\n",
        "    for parameter in model.parameters():\n        parameter.requires_grad_(True)\n"
        "        parameter.grad = None\n",
    ),
    edit(
        "accumulate",
        "cleared for each batch",
        "    for x, y in batches:\n",
        "    for x, y in batches:\n        model.zero_grad()\n",
    ),
    edit("accumulate", "the sum", "parameter.grad /= samples", "pass"),
    edit("accumulate", "the sum of the means", "y) * len(x)", "y)"),
    edit(
        "accumulate",
        "batches are counted beforehand",
        "    samples = 0\n    for x, y in batches:\n",
        "    samples = sum(len(x) for x, _ in batches) * 0\n    for x, y in batches:\n",
    ),
    edit(
        "accumulate", "len of the batches", "    samples = 0\n", "    samples = 0 * len(batches)\n"
    ),
    edit(
        "accumulate", "training mode", "    samples = 0\n", "    samples = 0\n    model.train()\n"
    ),
    edit("accumulate", "eval mode", "    samples = 0\n", "    samples = 0\n    model.eval()\n"),
    edit(
        "accumulate",
        "unused parameters are not expected",
        "        if parameter.grad is not None:\n            parameter.grad /= samples",
        "        parameter.grad /= samples",
    ),
    edit(
        "accumulate",
        "a step is taken",
        "            parameter.grad /= samples",
        "            parameter.grad /= samples\n            parameter.data -= 0.1 * parameter.grad",
    ),
    edit(
        "accumulate",
        "the size of the first batch for all",
        "        loss_sum = loss_fn(model(x), y) * len(x)",
        "        size = len(x) if not samples else size\n"
        "        loss_sum = loss_fn(model(x), y) * size",
    ),
    # straight_through_round
    edit(
        "straight_through_round",
        "no gradient",
        "x + correction.detach()",
        "(x + correction).detach()",
    ),
    edit(
        "straight_through_round",
        "the rounded gradient: zero",
        "x + correction.detach()",
        "x.round()",
    ),
    edit("straight_through_round", "the graph through both", "correction.detach()", "correction"),
    edit(
        "straight_through_round",
        "x is cut off",
        "x + correction.detach()",
        "x.detach() + correction",
    ),
    edit("straight_through_round", "halves go up", "x.round() - x", "(x + 0.5).floor() - x"),
    edit("straight_through_round", "the digits are cut off", "x.round() - x", "x.trunc() - x"),
    edit("straight_through_round", "rounded down", "x.round() - x", "x.floor() - x"),
    edit("straight_through_round", "x itself", "x + correction.detach()", "x"),
    edit(
        "straight_through_round",
        "twice the gradient",
        "x + correction.detach()",
        "2 * x + (correction - x).detach()",
    ),
    # ClippedExp
    edit("ClippedExp", "the upstream gradient is ignored", "grad * y * inside", "y * inside"),
    edit("ClippedExp", "the slope is forgotten", "grad * y * inside", "grad * inside"),
    edit("ClippedExp", "no zero above the limit", "grad * y * inside", "grad * y"),
    edit("ClippedExp", "0 at the limit", "x <= limit", "x < limit"),
    edit("ClippedExp", "the mask is turned", "x <= limit", "x > limit"),
    edit("ClippedExp", "clipped from below", "y = x.clamp(max=limit)", "y = x.clamp(min=limit)"),
    edit(
        "ClippedExp",
        "the result is clipped",
        "x.clamp(max=limit).exp()",
        "x.exp().clamp(max=limit)",
    ),
    edit("ClippedExp", "one answer for two inputs", "inside, None", "inside"),
    edit("ClippedExp", "the mask of the result", "x <= limit", "y <= limit"),
    edit(
        "ClippedExp",
        "the input is changed",
        "y = x.clamp(max=limit).exp()",
        "y = x.data.clamp_(max=limit).exp()",
    ),
    edit("ClippedExp", "the upstream gradient is summed", "grad * y", "grad.sum() * y"),
    # gradient_descent
    edit("gradient_descent", "uphill", "- lr * slope", "+ lr * slope"),
    edit("gradient_descent", "no clone", "x0.detach().clone()", "x0.detach()"),
    edit("gradient_descent", "the learning rate is not used", "- lr * slope", "- slope"),
    edit("gradient_descent", "tensors in the history", "value.item()", "value.detach()"),
    edit("gradient_descent", "the graph grows", "leaf.detach() - lr", "leaf - lr"),
    edit(
        "gradient_descent",
        "the history after the step",
        "        history.append(value.item())\n        x = leaf.detach() - lr * slope\n",
        "        x = leaf.detach() - lr * slope\n        history.append(f(x).item())\n",
    ),
    edit(
        "gradient_descent",
        "the result requires grad",
        "return x, history",
        "return x.requires_grad_(), history",
    ),
    edit("gradient_descent", "one step too many", "range(steps)", "range(steps + 1)"),
    edit(
        "gradient_descent",
        "one value too many",
        "return x, history",
        "return x, [*history, f(x).item()]",
    ),
    edit("gradient_descent", "the history alone", "return x, history", "return history"),
    edit(
        "gradient_descent",
        "x0's own memory is walked",
        "leaf.detach() - lr * slope",
        "leaf.detach().sub_(lr * slope)\n        x0.data.copy_(x)",
    ),
    # frozen
    edit(
        "frozen",
        "not restored after an exception",
        "    try:\n        module.requires_grad_(False)\n        yield module\n",
        "    module.requires_grad_(False)\n    yield module\n    if True:\n        pass\n    try:\n        pass\n",
    ),
    edit(
        "frozen",
        "all are switched on",
        "parameter.requires_grad_(setting)",
        "parameter.requires_grad_(True)",
    ),
    edit("frozen", "nothing comes back", "yield module", "yield"),
    edit("frozen", "nothing is frozen", "module.requires_grad_(False)", "pass"),
    edit("frozen", "nothing is restored", "parameter.requires_grad_(setting)", "pass"),
    edit("frozen", "the top layer only", "module.parameters()", "module.parameters(recurse=False)"),
    edit(
        "frozen",
        "the error is swallowed",
        "        yield module\n",
        "        yield module\n    except Exception:\n        pass\n",
    ),
    edit(
        "frozen", "eval mode", "module.requires_grad_(False)", "module.eval().requires_grad_(False)"
    ),
    edit(
        "frozen",
        "gradients are cleared",
        "module.requires_grad_(False)",
        "module.zero_grad(); module.requires_grad_(False)",
    ),
    edit(
        "frozen",
        "no_grad in place of freezing",
        "        module.requires_grad_(False)\n        yield module\n",
        "        with torch.no_grad():\n            yield module\n",
    ),
    edit(
        "frozen",
        "each setting is turned round",
        "parameter.requires_grad_(setting)",
        "parameter.requires_grad_(not parameter.requires_grad)",
    ),
    edit(
        "frozen",
        "one setting for all",
        "parameter.requires_grad_(setting)",
        "parameter.requires_grad_(before[0][1])",
    ),
]


@mistake("gradient", "backward on the caller's own tensors")
def gradient_backward(f, *inputs):
    for x in inputs:
        x.requires_grad_()
    f(*inputs).backward()
    return tuple(x.grad for x in inputs)


@mistake("gradient", "requires_grad is restored, but not after an error")
def gradient_restored(f, *inputs):
    own = [x if x.is_leaf else x.detach() for x in inputs]
    settings = [x.requires_grad for x in own]
    for x in own:
        x.requires_grad_()
    with torch.enable_grad():
        value = f(*own)
    if value.numel() != 1:
        raise ValueError("more than one number")
    if value.requires_grad:
        found = torch.autograd.grad(value, own, materialize_grads=True)
    else:
        found = tuple(torch.zeros_like(x) for x in own)
    for x, setting in zip(own, settings):
        x.requires_grad_(setting)
    return found


@mistake("gradient", "retain_grad on an input that was computed")
def gradient_retained(f, *inputs):
    with torch.enable_grad():
        own = [x if x.requires_grad else x.clone().requires_grad_() for x in inputs]
        for x in own:
            x.retain_grad()
        value = f(*own)
    if value.numel() != 1:
        raise ValueError("more than one number")
    if not value.requires_grad:
        return tuple(torch.zeros_like(x) for x in own)
    return torch.autograd.grad(value, own, materialize_grads=True)


@mistake("gradient", "small differences")
def gradient_measured(f, *inputs):
    found = []
    for place, x in enumerate(inputs):
        slope = torch.zeros_like(x)
        for i in range(x.numel()):
            push = torch.zeros_like(x).flatten()
            push[i] = 1e-3
            push = push.view_as(x)
            up = f(*inputs[:place], x + push, *inputs[place + 1 :])
            if up.numel() != 1:
                raise ValueError("more than one number")
            down = f(*inputs[:place], x - push, *inputs[place + 1 :])
            slope.view(-1)[i] = ((up - down) / 2e-3).item()
        found.append(slope)
    return tuple(found)


@mistake("vjp", "J v in place of v J")
def vjp_other_side(f, x, v):
    x = x.detach()
    table = torch.autograd.functional.jacobian(f, x)
    return table @ v.detach()


@mistake("vjp", "backward writes into the weights of f")
def vjp_backward(f, x, v):
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        y = f(leaf)
    if not y.requires_grad:
        return torch.zeros_like(leaf).detach()
    y.backward(v.detach())
    return torch.zeros_like(x).detach() if leaf.grad is None else leaf.grad


@mistake("jacobian", "backward, and .grad is not cleared between rows")
def jacobian_backward(f, x):
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        outputs = f(leaf).unbind()
    rows = []
    for output in outputs:
        if output.requires_grad:
            output.backward(retain_graph=True)
        rows.append(torch.zeros_like(x) if leaf.grad is None else leaf.grad.clone())
    return torch.stack(rows).detach()


@mistake("jacobian", "the sum of the outputs, row after row")
def jacobian_sum(f, x):
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        y = f(leaf)
    if not y.requires_grad:
        return torch.zeros(len(y), len(x), dtype=x.dtype, device=x.device)
    (slopes,) = torch.autograd.grad(y.sum(), leaf, materialize_grads=True)
    return slopes.repeat(len(y), 1)


@mistake("hessian_vector_product", "multiplied after the second walk")
def hessian_vector_product_late(f, x, v):
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        value = f(leaf)
        if not value.requires_grad:
            return torch.zeros_like(leaf).detach()
        (slope,) = torch.autograd.grad(value, leaf, create_graph=True, materialize_grads=True)
        if not slope.requires_grad:
            return torch.zeros_like(leaf).detach()
        (sums,) = torch.autograd.grad(slope.sum(), leaf, materialize_grads=True)
    return sums * v.detach()


@mistake("hessian_vector_product", "the diagonal of the Hessian")
def hessian_vector_product_diagonal(f, x, v):
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        value = f(leaf)
        if not value.requires_grad:
            return torch.zeros_like(leaf).detach()
        (slope,) = torch.autograd.grad(value, leaf, create_graph=True, materialize_grads=True)
    diagonal = torch.zeros_like(leaf).detach()
    for i, entry in enumerate(slope.flatten()):
        if entry.requires_grad:
            (row,) = torch.autograd.grad(entry, leaf, retain_graph=True, materialize_grads=True)
            diagonal.view(-1)[i] = row.flatten()[i]
    return diagonal * v.detach()


@mistake("hessian_vector_product", "backward twice writes into the weights of f")
def hessian_vector_product_backward(f, x, v):
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        value = f(leaf)
        if not value.requires_grad:
            return torch.zeros_like(leaf).detach()
        (slope,) = torch.autograd.grad(value, leaf, create_graph=True, materialize_grads=True)
        along = (slope * v.detach()).sum()
    if along.requires_grad:
        along.backward()
    return torch.zeros_like(x).detach() if leaf.grad is None else leaf.grad


@mistake("accumulate", "divided inside the loop")
def accumulate_divided(model, loss_fn, batches):
    trained = [p for p in model.parameters() if p.requires_grad]
    for p in trained:
        p.grad = None
    samples = 0
    for x, y in batches:
        (loss_fn(model(x), y) * len(x)).backward()
        samples += len(x)
        for p in trained:
            if p.grad is not None:
                p.grad /= samples


@mistake("straight_through_round", "x is rounded in place, on its data")
def straight_through_round_in_place(x):
    x.data.round_()
    return x * 1


@mistake("straight_through_round", "no gradient outside of -1 to 1, as for hardtanh")
def straight_through_round_hardtanh(x):
    y = x.clamp(-1, 1)
    return y + (x.round() - y).detach()


@mistake("ClippedExp", "notes on the class")
class ClippedExpOnClass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, limit):
        ClippedExp.y = x.clamp(max=limit).exp()
        ClippedExp.inside = x <= limit
        return ClippedExp.y.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * ClippedExp.y * ClippedExp.inside, None


@mistake("ClippedExp", "the limit is kept in a dict of the class")
class ClippedExpDict(torch.autograd.Function):
    notes = {}

    @staticmethod
    def forward(ctx, x, limit):
        ClippedExp.notes["limit"] = limit
        ctx.save_for_backward(x)
        return x.clamp(max=limit).exp()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return torch.where(x <= ClippedExp.notes["limit"], grad * x.exp(), 0.0), None


@mistake("ClippedExp", "infinity times zero")
class ClippedExpNan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        ctx.save_for_backward(x)
        return x.clamp(max=limit).exp()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x.exp() * (x <= ctx.limit), None


@mistake("ClippedExp", "no Function: autograd does the work")
class ClippedExpPlain:
    @staticmethod
    def apply(x, limit):
        return x.clamp(max=limit).exp()


@mistake("gradient_descent", "backward, and .grad is never cleared")
def gradient_descent_piled(f, x0, lr, steps):
    x = x0.detach().clone().requires_grad_()
    history = []
    for _ in range(steps):
        value = f(x)
        value.backward()
        history.append(value.item())
        with torch.no_grad():
            x -= lr * x.grad
    return x.detach(), history


@mistake("gradient_descent", "backward writes into the weights of f")
def gradient_descent_backward(f, x0, lr, steps):
    x = x0.detach().clone().requires_grad_()
    history = []
    for _ in range(steps):
        x.grad = None
        value = f(x)
        value.backward()
        history.append(value.item())
        with torch.no_grad():
            x -= lr * x.grad
    return x.detach(), history


@mistake("gradient_descent", "in place on a leaf, outside no_grad")
def gradient_descent_leaf(f, x0, lr, steps):
    x = x0.detach().clone().requires_grad_()
    history = []
    for _ in range(steps):
        value = f(x)
        (slope,) = torch.autograd.grad(value, x)
        history.append(value.item())
        x -= lr * slope
    return x.detach(), history


@mistake("gradient_descent", "a step that is noted, then retain_grad")
def gradient_descent_noted(f, x0, lr, steps):
    x = x0.detach().clone().requires_grad_()
    history = []
    for _ in range(steps):
        value = f(x)
        (slope,) = torch.autograd.grad(value, x)
        history.append(value.item())
        x = x - lr * slope
    return x.detach(), history


@mistake("gradient_descent", "the caller's x0 walks")
def gradient_descent_in_place(f, x0, lr, steps):
    history = []
    for _ in range(steps):
        leaf = x0.detach().requires_grad_()
        value = f(leaf)
        (slope,) = torch.autograd.grad(value, leaf)
        history.append(value.item())
        x0.data -= lr * slope
    return x0.detach(), history


@mistake("gradient_descent", "the slope at the start for every step")
def gradient_descent_start(f, x0, lr, steps):
    leaf = x0.detach().clone().requires_grad_()
    history = []
    x = x0.detach().clone()
    for _ in range(steps):
        (slope,) = torch.autograd.grad(f(leaf), leaf)
        history.append(f(x).item())
        x = x - lr * slope
    return x, history


@mistake("frozen", "all are switched on, by a class")
class frozen_function:
    def __init__(self, module):
        self.module = module.requires_grad_(False)

    def __enter__(self):
        return self.module

    def __exit__(self, *error):
        self.module.requires_grad_(True)


@mistake("frozen", "settings remembered on the module")
class frozen_on_module:
    def __init__(self, module):
        self.module = module

    def __enter__(self):
        self.module.before = [p.requires_grad for p in self.module.parameters()]
        return self.module.requires_grad_(False)

    def __exit__(self, *error):
        for p, setting in zip(self.module.parameters(), self.module.before):
            p.requires_grad_(setting)


@mistake("frozen", "a generator without the decorator")
def frozen_generator(module):
    before = [(p, p.requires_grad) for p in module.parameters()]
    try:
        yield module.requires_grad_(False)
    finally:
        for p, setting in before:
            p.requires_grad_(setting)
