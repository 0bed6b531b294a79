"""Unusual right answers to `autograd` that must get full marks."""

import torch

from tests.answers import alternative, edit

EDITS = [
    edit(
        "gradient",
        "clones as leaves",
        "x.detach().requires_grad_() for x in inputs",
        "x.detach().clone().requires_grad_(True) for x in inputs",
    ),
    edit(
        "gradient",
        "allow_unused, and zeros by hand",
        "    slopes = torch.autograd.grad(value, leaves, materialize_grads=True)",
        "    found = torch.autograd.grad(value, leaves, allow_unused=True)\n"
        "    return tuple(torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found))",
    ),
    edit(
        "gradient",
        "torch's own zeros, which require grad in some versions",
        "return tuple(slope.detach() for slope in slopes)",
        "return slopes",
    ),
    edit(
        "accumulate",
        "a running mean of the gradients",
        "        loss_sum = loss_fn(model(x), y) * len(x)\n        loss_sum.backward()\n"
        "        samples += len(x)\n",
        "        samples += len(x)\n"
        "        for parameter in trained:\n"
        "            if parameter.grad is not None:\n"
        "                parameter.grad.mul_((samples - len(x)) / samples)\n"
        "        (loss_fn(model(x), y) * (len(x) / samples)).backward()\n"
        "    samples = 1\n",
    ),
    edit(
        "accumulate",
        "zeros in place of None",
        "        parameter.grad = None\n",
        "        parameter.grad = torch.zeros_like(parameter)\n",
    ),
    edit(
        "straight_through_round",
        "rounded, with the identity put on top",
        "x + correction.detach()",
        "x.round().detach() + (x - x.detach())",
    ),
    edit(
        "straight_through_round",
        "the flat slope of round() stays in the graph",
        "x + correction.detach()",
        "x.round() + x - x.detach()",
    ),
    edit(
        "ClippedExp",
        "where in place of a product",
        "grad * y * inside",
        "torch.where(inside, grad * y, 0.0)",
    ),
]


@alternative("gradient", "torch.func.grad")
def gradient_func(f, *inputs):
    def checked(*inputs):
        value = f(*inputs)
        if value.numel() != 1:
            raise ValueError("f must return one number")
        return value.reshape(())

    plain = [x.detach() for x in inputs]
    with torch.enable_grad():
        found = torch.func.grad(checked, argnums=tuple(range(len(inputs))))(*plain)
    return tuple(slope.detach() for slope in found)


@alternative("gradient", "one input after another")
def gradient_one_by_one(f, *inputs):
    found = []
    for place in range(len(inputs)):
        own = [x.detach().clone() for x in inputs]
        own[place].requires_grad_()
        with torch.enable_grad():
            value = f(*own)
        if value.numel() != 1:
            raise ValueError("not one number")
        slope = None
        if value.requires_grad:
            (slope,) = torch.autograd.grad(value, own[place], allow_unused=True)
        found.append(torch.zeros_like(own[place]).detach() if slope is None else slope)
    return tuple(found)


@alternative("gradient", "backward with the inputs named")
def gradient_backward_inputs(f, *inputs):
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    with torch.enable_grad():
        value = f(*leaves)
    if value.numel() != 1:
        raise ValueError("not one number")
    if value.requires_grad:
        value.backward(inputs=leaves)
    return tuple(torch.zeros_like(x).detach() if x.grad is None else x.grad for x in leaves)


@alternative("vjp", "the gradient of the weighted sum")
def vjp_sum(f, x, v):
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        total = torch.sum(f(leaf) * v.detach())
        if not total.requires_grad:
            return torch.zeros_like(leaf).detach()
    (product,) = torch.autograd.grad(total, leaf, allow_unused=True)
    return torch.zeros_like(x).detach() if product is None else product


@alternative("vjp", "torch.func.vjp")
def vjp_func(f, x, v):
    with torch.enable_grad():
        _, pull = torch.func.vjp(f, x.detach())
        (product,) = pull(v.detach())
    return product.detach()


@alternative("vjp", "the old double call of torch.autograd.functional")
def vjp_functional(f, x, v):
    with torch.enable_grad():
        return torch.autograd.functional.vjp(f, x.detach(), v.detach())[1].detach()


@alternative("jacobian", "torch.func.jacrev")
def jacobian_jacrev(f, x):
    with torch.enable_grad():
        return torch.func.jacrev(f)(x.detach()).detach()


@alternative("jacobian", "torch.autograd.functional.jacobian")
def jacobian_functional(f, x):
    return torch.autograd.functional.jacobian(f, x.detach())


@alternative("jacobian", "column by column, forward mode")
def jacobian_jacfwd(f, x):
    with torch.enable_grad():
        return torch.func.jacfwd(f)(x.detach()).detach()


@alternative("jacobian", "f is called anew for each row")
def jacobian_anew(f, x):
    rows = []
    for i in range(len(f(x.detach()))):
        leaf = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            output = f(leaf)[i]
        slope = None
        if output.requires_grad:
            slope = torch.autograd.grad(output, leaf, allow_unused=True)[0]
        rows.append(torch.zeros_like(x).detach() if slope is None else slope)
    return torch.stack(rows)


@alternative("jacobian", "rows of the identity, all at once")
def jacobian_batched(f, x):
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        y = f(leaf)
    if not y.requires_grad:
        return torch.zeros(len(y), len(x), dtype=x.dtype, device=x.device)
    unit = torch.eye(len(y), dtype=y.dtype, device=y.device)
    (table,) = torch.autograd.grad(
        y, leaf, grad_outputs=unit, is_grads_batched=True, allow_unused=True
    )
    return torch.zeros(len(y), len(x), dtype=x.dtype, device=x.device) if table is None else table


@alternative("hessian_vector_product", "forward over reverse")
def hessian_vector_product_forward(f, x, v):
    with torch.enable_grad():
        _, product = torch.func.jvp(torch.func.grad(f), (x.detach(),), (v.detach(),))
    return product.detach()


@alternative("hessian_vector_product", "torch.autograd.functional.hvp")
def hessian_vector_product_functional(f, x, v):
    return torch.autograd.functional.hvp(lambda x: f(x) + 0 * x.sum(), x.detach(), v.detach())[1]


@alternative("hessian_vector_product", "grad_outputs")
def hessian_vector_product_outputs(f, x, v):
    leaf = x.detach().clone().requires_grad_()
    found = None
    with torch.enable_grad():
        value = f(leaf) + 0 * leaf.sum() ** 2
        (slope,) = torch.autograd.grad(value, leaf, create_graph=True)
        if slope.requires_grad:
            (found,) = torch.autograd.grad(slope, leaf, v.detach(), allow_unused=True)
    return torch.zeros_like(x).detach() if found is None else found.detach()


@alternative("accumulate", "gradients gathered beside .grad")
def accumulate_beside(model, loss_fn, batches):
    trained = [p for p in model.parameters() if p.requires_grad]
    sums, samples = [torch.zeros_like(p) for p in trained], 0
    for x, y in batches:
        found = torch.autograd.grad(loss_fn(model(x), y), trained, allow_unused=True)
        for total, gradient in zip(sums, found):
            if gradient is not None:
                total += len(x) * gradient
        samples += len(x)
    for p, total in zip(trained, sums):
        p.grad = total / samples


@alternative("accumulate", "one loss for all, gone back through at the end")
def accumulate_one_loss(model, loss_fn, batches):
    batches = list(batches)
    samples = sum(len(y) for _, y in batches)
    for p in model.parameters():
        if p.requires_grad and p.grad is not None:
            p.grad.zero_()
    sum(loss_fn(model(x), y) * len(y) / samples for x, y in batches).backward()


@alternative("straight_through_round", "a Function")
def straight_through_round_function(x):
    class Round(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.round(x)

        @staticmethod
        def backward(ctx, grad):
            return grad

    return Round.apply(x)


@alternative("ClippedExp", "the context in a function of its own")
class ClippedExpSetup(torch.autograd.Function):
    @staticmethod
    def forward(x, limit):
        return torch.exp(torch.minimum(x, torch.full_like(x, limit)))

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.limit = inputs
        ctx.save_for_backward(x, output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        slope = y.clone()
        slope[x > ctx.limit] = 0
        return grad * slope, None


@alternative("ClippedExp", "attributes of ctx, a loss of memory but right")
class ClippedExpAttributes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, limit):
        ctx.kept = torch.where(x > limit, torch.zeros_like(x), x.clamp(max=limit).exp())
        return x.clamp(max=limit).exp()

    @staticmethod
    def backward(ctx, grad):
        return grad.mul(ctx.kept), None


@alternative("gradient_descent", "an optimizer of torch's")
def gradient_descent_optimizer(f, x0, lr, steps):
    x = torch.nn.Parameter(x0.detach().clone())
    optimizer = torch.optim.SGD([x], lr=lr)
    history = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = f(x)
        value.backward(inputs=[x])
        history.append(float(value))
        optimizer.step()
    return x.data, history


@alternative("gradient_descent", "in place under no_grad")
def gradient_descent_in_place(f, x0, lr, steps):
    x = x0.detach().clone().requires_grad_()
    history = []
    for _ in range(steps):
        value = f(x)
        slope = torch.autograd.grad(value, x)[0]
        history += [value.item()]
        with torch.no_grad():
            x -= lr * slope
    return x.detach(), history


@alternative("frozen", "a class with __enter__ and __exit__")
class frozen_class:
    def __init__(self, module):
        self.module = module

    def __enter__(self):
        self.trained = [p for p in self.module.parameters() if p.requires_grad]
        for p in self.trained:
            p.requires_grad = False
        return self.module

    def __exit__(self, *error):
        for p in self.trained:
            p.requires_grad = True


@alternative("frozen", "callbacks on an exit stack")
def frozen_stack(module):
    from contextlib import ExitStack, contextmanager

    @contextmanager
    def visit():
        with ExitStack() as stack:
            for p in module.parameters():
                stack.callback(setattr, p, "requires_grad", p.requires_grad)
                p.requires_grad = False
            yield module

    return visit()
