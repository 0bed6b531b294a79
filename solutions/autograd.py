# %% [markdown]
# # Autograd
#
# Learning means: change the numbers inside a model so that its error gets smaller. For each number
# you have to know one thing: **if I turn it up a little, does the error go up or down, and how
# fast?** The answer is called a *derivative*. PyTorch finds derivatives by itself, and the part of
# it that does so is called *autograd*. On this page you learn to ask it the right questions.
#
# Afterwards you will be able to
#
# - get the gradient of any function without leaving a trace,
# - compute rows of a Jacobian, and products with a Hessian that would not fit into memory,
# - collect the gradient of a large batch in small pieces,
# - teach autograd a derivative of your own, also a useful lie,
# - walk downhill, and hold a part of a model still.
#
# Letters in shapes: `n` is the number of inputs, `m` the number of outputs. `"..."` and `"*shape"`
# mean any shape, also none (a single number); `"*shape"` and `"*out"` may differ. What you return
# has the dtype of its input and lives on the same device.

# %%
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

# %% [markdown]
# ## Before you start
#
# **Derivative.** Take $f(x) = x^2$ at $x = 1$. There $f$ is 1. Push $x$ up by a little bit, to
# 1.001: now $f$ is 1.002001. The push was 0.001, and $f$ rose by about 0.002. The ratio is about
# 2: *at this place*, $f$ rises twice as fast as $x$. This ratio, for pushes that get smaller and smaller,
# is the derivative, and it is written $f'(x)$ or $\frac{df}{dx}$. It is the slope of the straight
# line that touches the curve there, the *tangent*. At $x = 3$ the curve is steeper: the slope is 6.
# For $x^2$ the slope is $2x$ at every $x$.
#
# In the notebook, the next cell draws it: the curve $x^2$ from $-1$ to $2.5$, and the tangent at
# $x = 1$, which climbs 2 up for 1 to the right.

# %% tags=["picture"]
import matplotlib.pyplot as plt

x = torch.linspace(-1, 2.5, 100)
plt.figure(figsize=(5, 3.5))
plt.plot(x, x**2, label="f(x) = x²")
plt.plot(x, 1 + 2 * (x - 1), "--", label="tangent at x = 1, slope 2")
plt.plot([1, 2, 2], [1, 1, 3], "k:")
plt.text(1.4, 0.5, "1")
plt.text(2.06, 1.9, "2")
plt.plot([1], [1], "ko")
plt.xlabel("x")
plt.ylabel("f(x)")
plt.legend()
plt.show()

# %% [markdown]
# **Gradient.** Most functions have many inputs. Then there is one derivative for each: push $x_1$
# alone and hold all others still, and you get the *partial derivative*
# $\frac{\partial f}{\partial x_1}$. All of them together, in a tensor of the shape of $x$, are the
# *gradient* of $f$, written $\nabla f$ or $\frac{\partial f}{\partial x}$.
#
# **How PyTorch does it.** You mark a tensor with `requires_grad`. From then on PyTorch takes notes:
# each result remembers which operation made it (its `grad_fn`) and from what. These notes are the
# *graph*. Where the notes begin is a *leaf*: a tensor that you made yourself, not one that was
# computed from others that require grad. Asked for derivatives, PyTorch walks the graph backwards,
# from the result to the leaves, and multiplies the slopes that it meets. (Where several ways lead
# to one leaf, their products are added up.) For $y = (3x)^2$ at $x = 5$:
#
# ```
# forward:   x = 5  -- times 3 -->  15  -- square -->  y = 225   (notes are taken)
# backward:     90  <-- times 3 --  30  <-- 2 * 15 --  1         (notes are read)
# ```
#
# Read the second line from the right: $y$ moves 1 for 1 with itself; the square has slope
# $2 \cdot 15 = 30$ at 15; and $3x$ moves 3 times as fast as $x$, which makes $3 \cdot 30$. So
# $\frac{dy}{dx} = 90$.
#
# In code, with a single step:
#
# ```pycon
# >>> x = torch.tensor(3.0, requires_grad=True)
# >>> y = x**2
# >>> x.is_leaf, y.is_leaf, y.requires_grad
# (True, False, True)
# >>> y.backward()  # walk back from y, and write the answer into the leaf
# >>> x.grad
# tensor(6.)
# ```
#
# **There are two ways to ask**, and half of all trouble comes from mixing them up:
#
# | call | where the answer goes |
# |---|---|
# | `y.backward()` | it is **added** to what is already in `.grad` of **every** leaf behind `y` |
# | `torch.autograd.grad(y, inputs)` | it comes back as a tuple; no `.grad` is touched |
#
# ```pycon
# >>> y = x**2
# >>> y.backward()  # for the second time: 6 is added to the old 6
# >>> x.grad
# tensor(12.)
# >>> torch.autograd.grad(x**2, x)  # comes back, with a comma: a tuple of one
# (tensor(6.),)
# >>> x.grad  # still the old one
# tensor(12.)
# ```
#
# Two more words. A tensor is *detached* when it hangs on no graph: `x.detach()` gives the same
# numbers without the notes (and shares their memory). Inside `with torch.no_grad():` no notes are
# taken at all.

# %% [markdown]
# ## 1. gradient
#
# Write a function that answers one question and leaves no trace: what is the gradient of $f$ at
# these inputs? `f` takes the inputs and returns a single number. `gradient(f, x, y)` gives back one
# tensor for each input,
#
# $$\left(\frac{\partial f}{\partial x}, \frac{\partial f}{\partial y}\right)$$
#
# each with the shape of its input, always in a tuple.
#
# **By hand.** $f(x, y) = x\,y^2$ at $x = 3$, $y = 2$. Hold $y$ still: $f = 4x$, so the slope in $x$
# is $y^2 = 4$. Hold $x$ still: $f = 3y^2$, and the slope in $y$ is $2xy = 12$. The finished
# function says so too:
#
# ```pycon
# >>> gradient(lambda x, y: x * y**2, torch.tensor(3.0), torch.tensor(2.0))
# (tensor(4.), tensor(12.))
# ```
#
# "No trace" is the hard part. Your function is a guest in a program that may be in the middle of
# something. These are the traps:
#
# 1. **`backward` writes into strangers.** `f` may use weights that it does not get as arguments.
#    `backward` adds to *their* `.grad` as well. It also adds to an old `.grad` of the input, so
#    the second call gives a wrong answer.
# 2. **The input belongs to the caller.** `x.requires_grad_()` on the caller's tensor changes it for
#    good. And an input that was computed from a tensor that requires grad is no leaf, so its
#    `.grad` stays `None`. Work on a tensor of your own that holds the same numbers.
# 3. **`f` may ignore an input.** Its slope is 0 then, everywhere: the answer is a tensor of zeros.
#    PyTorch raises an error ("appears to not have been used") unless you tell it what you want, and
#    another one ("does not require grad") when the result depends on no marked tensor at all.
# 4. **The caller may have switched the notes off** with `torch.no_grad()`. Inside
#    `torch.enable_grad()` they are on again.
#
# ```pycon
# >>> x = torch.tensor([1.0, 2.0])
# >>> own = x.detach().requires_grad_()  # the same numbers, a new leaf
# >>> x.requires_grad, own.requires_grad, own.is_leaf
# (False, True, True)
# >>> with torch.no_grad():
# ...     silent = own.sum()
# ...     with torch.enable_grad():
# ...         noted = own.sum()
# >>> silent.requires_grad, noted.requires_grad
# (False, True)
# ```


# %%
def gradient(
    f: Callable[..., Tensor], *inputs: Float[Tensor, "..."]
) -> tuple[Float[Tensor, "..."], ...]:
    """Give the gradient of the single number `f(*inputs)`: one detached tensor for each input.

    Always a tuple. An input that `f` ignores gets zeros. Nothing else changes: no `.grad` anywhere,
    no `requires_grad`. The inputs need not be leaves, and it works under `torch.no_grad()` too.

    Raises:
        ValueError: `f` does not return one number (a tensor with one element).
    """
    ### BEGIN SOLUTION
    # TASK: 20 minutes, medium
    # HINT: Give f leaves of your own, one for each input, not the caller's tensors.
    leaves = [x.detach().requires_grad_() for x in inputs]
    with torch.enable_grad():
        value = f(*leaves)
    if value.numel() != 1:
        raise ValueError(f"f must return one number, got a tensor of shape {tuple(value.shape)}")

    # HINT: No graph at all behind the result? Then it depends on none of the inputs.
    if not value.requires_grad:
        return tuple(torch.zeros_like(x) for x in leaves)
    # HINT: `torch.autograd.grad` has an option `materialize_grads` for inputs that are not used.
    slopes = torch.autograd.grad(value, leaves, materialize_grads=True)
    # HINT: In older versions of PyTorch the zeros that this option makes require grad: detach them.
    return tuple(slope.detach() for slope in slopes)
    ### END SOLUTION


# %% [markdown]
# ## 2. vjp
#
# Now let $f$ have several outputs: it takes $x = (x_1, \dots, x_n)$ and gives
# $y = (y_1, \dots, y_m)$. Every output has a slope in every input. All these slopes form a table
# with $m$ rows and $n$ columns, the *Jacobian*:
#
# $$J = \begin{pmatrix}
# \frac{\partial y_1}{\partial x_1} & \cdots & \frac{\partial y_1}{\partial x_n} \\
# \vdots & & \vdots \\
# \frac{\partial y_m}{\partial x_1} & \cdots & \frac{\partial y_m}{\partial x_n}
# \end{pmatrix}$$
#
# Row $i$ is the gradient of output $i$. For a layer with a million inputs and outputs this table
# has $10^{12}$ numbers. Nobody builds it. Autograd computes only **products** with it: somebody
# gives a weight $v_i$ for each output, and one walk back through the graph yields
#
# $$(v^\top J)_j = \sum_{i=1}^{m} v_i \, \frac{\partial y_i}{\partial x_j}$$
#
# a *vector-Jacobian product*, short *vjp*: the rows of the table, row $i$ taken $v_i$ times, added
# up. ($v^\top$ is $v$ written as a row, so that it can stand on the left of a table.) Each step of
# every backward pass that you will ever run is one of these.
#
# **By hand.** $f(x_1, x_2) = (x_1 x_2,\; x_1^2)$ at $(2, 3)$:
#
# $$J = \begin{pmatrix} x_2 & x_1 \\ 2 x_1 & 0 \end{pmatrix}
# = \begin{pmatrix} 3 & 2 \\ 4 & 0 \end{pmatrix}$$
#
# With $v = (10, 1)$: ten times the first row plus once the second, $(30 + 4,\; 20 + 0) = (34, 20)$.
#
# ```pycon
# >>> def f(x):
# ...     return torch.stack([x[0] * x[1], x[0] ** 2])
# >>> vjp(f, torch.tensor([2.0, 3.0]), torch.tensor([10.0, 1.0]))
# tensor([34., 20.])
# ```
#
# **A different view** helps: $v^\top J$ is the gradient of the *single number*
# $v_1 y_1 + \dots + v_m y_m$. Here that is $10\,x_1 x_2 + x_1^2$; push $x_1$ a little, and this
# moves $10 x_2 + 2 x_1 = 34$ times as far.
#
# **Traps.** $v$ stands on the **left**: it has one entry per *output*. $J v$, with one entry per
# input, is something else: $(32, 40)$ here. And when $m = n$, PyTorch cannot notice the mix-up.
# Nothing changes when `x` or `y` has another shape than a vector: `v` has the shape of `f(x)`, the
# result that of `x`, and the sum runs over all entries.


# %%
def vjp(
    f: Callable[[Tensor], Tensor], x: Float[Tensor, "*shape"], v: Float[Tensor, "*out"]
) -> Float[Tensor, "*shape"]:
    """Give vᵀ·J, where J is the Jacobian of `f` at `x`: detached, in the shape of `x`.

    `v` has the shape of `f(x)`. Where `f` does not depend on `x`, the result is 0. As with
    `gradient`, nothing else changes, `x` need not be a leaf, and `torch.no_grad()` does not matter.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        y = f(leaf)
    if not y.requires_grad:
        return torch.zeros_like(x)

    # HINT: Either weigh the outputs with v, add them up, and take the gradient of that number,
    # HINT: or let torch do it: `torch.autograd.grad` takes the weights as `grad_outputs=`.
    # HINT: Weigh with a copy of v: where f only passes x on, v itself would come back.
    weights = v.detach().clone()
    (product,) = torch.autograd.grad(y, leaf, grad_outputs=weights, materialize_grads=True)
    return product.detach()
    ### END SOLUTION


# %% [markdown]
# ## 3. jacobian
#
# Sometimes you do want the whole table, because it is small. Each walk back through the graph gives
# one $v^\top J$. So choose $v$ such that a single row is left: with $v = (0, \dots, 1, \dots, 0)$,
# the 1 at place $i$, the product is row $i$. After $m$ walks you have all rows. Or take the
# gradient of each output on its own, which is the same.
#
# **By hand**, with the $f$ from above: $v = (1, 0)$ gives $(3, 2)$, and $v = (0, 1)$ gives
# $(4, 0)$.
#
# ```pycon
# >>> jacobian(f, torch.tensor([2.0, 3.0]))
# tensor([[3., 2.],
#         [4., 0.]])
# ```
#
# **Trap 1: the graph is thrown away.** After one walk PyTorch frees what it had stored, to save
# memory. A second walk over the same graph fails, unless the first one was told to keep it:
#
# ```pycon
# >>> x = torch.tensor([2.0, 3.0], requires_grad=True)
# >>> y = f(x)
# >>> torch.autograd.grad(y[0], x, retain_graph=True)  # keep the graph for the next walk
# (tensor([3., 2.]),)
# >>> torch.autograd.grad(y[0], x)
# (tensor([3., 2.]),)
# >>> try:
# ...     torch.autograd.grad(y[0], x)
# ... except RuntimeError as error:
# ...     print(str(error)[:50])
# Trying to backward through the graph a second time
# ```
#
# **Trap 2: outputs that do not depend on `x`.** Their row is zeros. If no output depends on `x`,
# every row is zeros, and the table still has $m$ rows and $n$ columns.
#
# **Trap 3: `y[i]` is an operation too.** Picking one output needs a note like any other step. So
# pick where notes are taken. Under the caller's `no_grad`, `y[i]` hangs on no graph, although `y`
# does. `y[i].requires_grad` does not tell you: it is True even then, but `y[i].grad_fn` is `None`.
#
# **Trap 4: rows and columns.** One row per *output*. With $m = n$ the transposed table looks right
# at first sight. So test with $m \neq n$.


# %%
def jacobian(f: Callable[[Tensor], Tensor], x: Float[Tensor, " n"]) -> Float[Tensor, "m n"]:
    """Give the table of all slopes, entry (i, j) is that of output i in input j; detached.

    `f` turns a vector of n numbers into one of m ≥ 1. Outputs that do not depend on `x` have rows
    of zeros. As with `gradient`, nothing else changes, `x` need not be a leaf, and
    `torch.no_grad()` does not matter.
    """
    ### BEGIN SOLUTION
    # TASK: 20 minutes, medium
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        # HINT: Take the outputs apart into single numbers. Each has a gradient of its own.
        outputs = f(leaf).unbind()

    # HINT: Start with a table of zeros, and fill row i with the gradient of output i.
    table = x.new_zeros(len(outputs), len(x))
    for i, output in enumerate(outputs):
        if output.requires_grad:
            # HINT: All the rows come from one graph: it must survive until the last of them.
            (slopes,) = torch.autograd.grad(output, leaf, retain_graph=True, materialize_grads=True)
            table[i] = slopes.detach()
    return table
    ### END SOLUTION


# %% [markdown]
# ## 4. hessian_vector_product
#
# How does the slope itself change? For one input that is the second derivative: $x^3$ has slope
# $3x^2$, and this slope has slope $6x$. For $n$ inputs it is a table again, the *Hessian*, with one
# row and one column per input:
#
# $$H_{ij} = \frac{\partial^2 f}{\partial x_i \, \partial x_j}$$
#
# Entry $(i, j)$ says how fast the slope in $x_i$ changes when $x_j$ is pushed. (It is the same the
# other way round: $H_{ij} = H_{ji}$ for every smooth $f$.) So entry $i$ of $Hv$,
#
# $$(Hv)_i = \sum_j \frac{\partial^2 f}{\partial x_i \, \partial x_j} \, v_j$$
#
# says how the slope in $x_i$ changes when you take a small step in the direction $v$. As with the
# Jacobian, the table is far too large for a real model, and a **product** with it is cheap. The
# trick: $v$ does not depend on $x$, so you may multiply by $v$ and add up first, and take the
# derivative in $x_i$ of the whole sum afterwards:
#
# $$H v = \nabla \big( \nabla f(x) \cdot v \big) \qquad\text{with}\qquad
# \nabla f(x) \cdot v = \sum_i \frac{\partial f}{\partial x_i} v_i$$
#
# In words: take the gradient, multiply it with $v$ entry by entry, add up. This is a single number.
# Take *its* gradient.
#
# **By hand.** $f(x_1, x_2) = x_1^2 x_2$ at $(3, 2)$ with $v = (1, 10)$. The gradient is
# $(2 x_1 x_2,\; x_1^2)$. Times $v$ and added up: $2 x_1 x_2 + 10 x_1^2$. The gradient of that is
# $(2 x_2 + 20 x_1,\; 2 x_1) = (64, 6)$.
#
# ```pycon
# >>> x, v = torch.tensor([3.0, 2.0]), torch.tensor([1.0, 10.0])
# >>> hessian_vector_product(lambda x: x[0] ** 2 * x[1], x, v)
# tensor([64.,  6.])
# ```
#
# **Trap 1: a gradient hangs on no graph.** PyTorch takes no notes while it walks back, so the
# first gradient is a plain tensor of numbers. `create_graph=True` asks for the notes:
#
# ```pycon
# >>> x = torch.tensor(2.0, requires_grad=True)
# >>> torch.autograd.grad(x**3, x)
# (tensor(12.),)
# >>> torch.autograd.grad(x**3, x, create_graph=True)
# (tensor(12., grad_fn=<MulBackward0>),)
# ```
#
# **Trap 2: straight lines.** If $f$ is linear, say $f(x) = 3 x_1 + 5 x_2$, its gradient is
# $(3, 5)$ everywhere and depends on nothing. The second walk then finds no way to `x`, and raises
# an error. The right answer is zeros.


# %%
def hessian_vector_product(
    f: Callable[[Tensor], Tensor], x: Float[Tensor, "*shape"], v: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Give H·v, where H is the Hessian of the single number `f(x)`: detached, in the shape of `x`.

    H itself is never built. Zeros where the slope does not change, so for every linear `f`. As with
    `gradient`, nothing else changes, `x` need not be a leaf, and `torch.no_grad()` does not matter.

    Source: B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994.
    """
    ### BEGIN SOLUTION
    # TASK: 25 minutes, hard
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        value = f(leaf)
        if not value.requires_grad:
            return torch.zeros_like(x)

        # HINT: The first walk must take notes, or there is nothing to walk back through again.
        (slope,) = torch.autograd.grad(value, leaf, create_graph=True, materialize_grads=True)
        # HINT: Gradient times v, summed over all entries whatever the shape: one number.
        along_v = (slope * v).sum()

    if not along_v.requires_grad:
        return torch.zeros_like(x)
    (product,) = torch.autograd.grad(along_v, leaf, materialize_grads=True)
    return product.detach()
    ### END SOLUTION


# %% [markdown]
# ## 5. accumulate
#
# You want the gradient over 1,000 samples, but only 100 fit into memory at a time. Here it helps
# that `backward` **adds** to `.grad`: call it once for each batch, and the parts add up.
#
# Five words first. A *model* (`nn.Module`) is an object that you can call: `model(x)` turns a batch
# of inputs into outputs. A *batch* is a tensor with one row for each *sample*. The model keeps the
# numbers that training may change, its *parameters*: tensors that require grad, and
# `model.parameters()` goes through all of them. A *loss* is one number that says how wrong the
# outputs are: here `loss_fn(model(x), y)` is the **mean** over the samples of a batch, where `y`
# holds the right answers.
#
# ```pycon
# >>> model = nn.Linear(2, 1)  # a ready-made model: two inputs, one output
# >>> [tuple(parameter.shape) for parameter in model.parameters()]  # weights, and the bias that is added
# [(1, 2), (1,)]
# >>> model(torch.zeros(5, 2)).shape  # a batch of 5 samples
# torch.Size([5, 1])
# ```
#
# (A model also has a switch with two positions, `train` and `eval`, that some layers look at. It is
# not yours to touch here.)
#
# What you want in `.grad` is the gradient of $L$, the mean loss over **all** samples. With $B$
# batches, batch $k$ of $n_k$ samples and mean loss $L_k$, and $N = n_1 + \dots + n_B$ samples in
# all:
#
# $$\nabla L = \frac{1}{N} \sum_{k=1}^{B} n_k \nabla L_k$$
#
# since $n_k L_k$ is the *sum* of the losses in batch $k$, and sums may be added up.
#
# **By hand.** A batch of 3 samples has the gradient 2, the next one, of 1 sample, has 10. Right is
# $(3 \cdot 2 + 1 \cdot 10) / 4 = 4$. The mean of the two means, $(2 + 10) / 2 = 6$, counts the lone
# sample three times as much as the others.
#
# The finished function, with a model that multiplies by one weight. Its loss is the mean of
# $w \cdot x$, so its gradient is the mean of all $x$:
#
# ```pycon
# >>> model = nn.Linear(1, 1, bias=False)
# >>> parts = [torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[10.0]])]
# >>> accumulate(model, lambda out, y: out.mean(), [(x, x) for x in parts])
# >>> model.weight.grad
# tensor([[4.]])
# ```
#
# **Traps.**
#
# - **Old gradients.** `backward` adds to whatever is there. Clear `.grad` once, at the beginning
#   (`parameter.grad = None`), and **not** between the batches.
# - **Frozen parameters** are those with `requires_grad` off. Somebody else looks after them, so do
#   not even clear their `.grad`: `model.zero_grad()` would.
# - **`batches` may run only once.** A generator is used up after one loop, and it has no `len`. You
#   know $N$ only at the end. So divide at the end.
# - **A parameter that had no part** in any loss has no gradient: its `.grad` is `None`.


# %%
def accumulate(
    model: nn.Module,
    loss_fn: Callable[[Any, Any], Tensor],
    batches: Iterable[tuple[Any, Any]],
) -> None:
    """Leave in `.grad` the gradient of the mean loss over all samples of all batches.

    Args:
        model: Its parameters get the gradient. Frozen ones are left alone, their `.grad` too.
        loss_fn: `loss_fn(model(x), y)` is the mean loss over the samples of a batch.
        batches: Pairs (x, y) of `len(x)` samples each, which may differ. May run only once.

    What was in `.grad` before does not count. Parameters, modes (train or eval) and
    `requires_grad` stay as they are.
    """
    ### BEGIN SOLUTION
    # TASK: 20 minutes, medium
    # HINT: Begin with a clean sheet, for those parameters only that require grad.
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.grad = None

    samples = 0
    for x, y in batches:
        # HINT: The mean times the number of samples is their sum. Go backward from that.
        loss_sum = loss_fn(model(x), y) * len(x)
        loss_sum.backward()
        samples += len(x)

    # HINT: Only now do you know how many samples there were: one division for each parameter.
    for parameter in trained:
        if parameter.grad is not None:
            parameter.grad /= samples
    ### END SOLUTION


# %% [markdown]
# ## 6. straight_through_round
#
# Some useful steps have no useful slope. Rounding is a staircase: flat everywhere (slope 0), with
# jumps in between (no slope at all). Put it into a model, and on the way back every step before it
# gets the gradient 0, so nothing there can learn.
#
# The way out is a small lie that works well: round on the way **forward**, and on the way **back**
# pretend that nothing was done, as if the function were $y = x$ with its slope 1. This is the
# *straight-through estimator*. Networks with 8-bit weights are trained with it.
#
# $$\text{forward: } y = \operatorname{round}(x) \qquad\qquad
# \text{backward: } \frac{\partial y}{\partial x} := 1$$
#
# (The sign $:=$ means "we set it to": this is a choice, not a result.)
#
# In the notebook, the next cell draws it: the staircase that comes out, and the straight line whose
# slope is used.

# %% tags=["picture"]
import matplotlib.pyplot as plt

x = torch.linspace(-2.4, 2.4, 500)
plt.figure(figsize=(5, 3.5))
plt.plot(x, x.round(), label="forward: round(x)")
plt.plot(x, x, "--", label="slope of this line: backward")
plt.xlabel("x")
plt.ylabel("y")
plt.legend()
plt.show()

# %% [markdown]
# **By hand.** $x = (0.4,\; 2.7)$ gives $(0, 3)$. If the gradient of the loss with respect to these
# two results is $(5, -1)$, then the gradient with respect to $x$ is $(5, -1)$ too.
#
# The tool for such lies is `detach`. A detached tensor is a constant for autograd. In the next
# example the numbers say $x^2$ (plus a zero), but autograd sees a constant plus $7x$:
#
# ```pycon
# >>> x = torch.tensor(3.0, requires_grad=True)
# >>> y = (x**2).detach() + 7 * x - (7 * x).detach()
# >>> y
# tensor(9., grad_fn=<SubBackward0>)
# >>> torch.autograd.grad(y, x)
# (tensor(7.),)
# ```
#
# Which constant must be added to $x$ so that the *numbers* are those of the rounded $x$?
#
# **Traps.** Detaching everything leaves no gradient at all. And `torch.round` takes halves to the
# nearest *even* number: not all of them go up. So `floor(x + 0.5)` is not the same:
#
# ```pycon
# >>> torch.tensor([0.5, 1.5, 2.5, -0.5]).round()
# tensor([0., 2., 2., -0.])
# ```


# %%
def straight_through_round(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Round to the nearest whole number, halves to even; the gradient passes as if y = x.

    Source: Y. Bengio, N. Léonard and A. Courville, Estimating or propagating gradients through
    stochastic neurons for conditional computation, arXiv 1308.3432, 2013.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, medium
    # HINT: What is missing from x to its rounded value? That difference is to be a constant.
    correction = x.round() - x
    # HINT: x itself must stay on the graph: only what you add to it is detached.
    return x + correction.detach()
    ### END SOLUTION


# %% [markdown]
# ## 7. ClippedExp
#
# You can also teach autograd a whole new operation. Write a class that inherits from
# `torch.autograd.Function`, with two functions; you never make an object of it. `forward` computes
# the result, `backward` turns the gradient with respect to the result into the gradient with
# respect to each input. (`@staticmethod` says that there is no `self`.) Between them goes a
# notebook for this one call, `ctx` ("context"). Tensors are stored in it with
# `save_for_backward`, other things as attributes, such as `ctx.limit = limit`. Here is one that
# squares:
#
# ```pycon
# >>> class Square(torch.autograd.Function):
# ...     @staticmethod
# ...     def forward(ctx, x):
# ...         ctx.save_for_backward(x)
# ...         return x**2
# ...     @staticmethod
# ...     def backward(ctx, grad):
# ...         (x,) = ctx.saved_tensors
# ...         return grad * 2 * x
# >>> x = torch.tensor([1.0, 3.0], requires_grad=True)
# >>> y = Square.apply(x)  # always `apply`, never `forward`
# >>> torch.autograd.grad(y, x, grad_outputs=torch.tensor([1.0, 10.0]))
# (tensor([ 2., 60.]),)
# ```
#
# `grad` is the gradient of the final result with respect to *this* output: the **upstream
# gradient**. Whoever comes after your operation made it; here, `grad_outputs` hands it in (it is
# the $v$ of `vjp`). You multiply it with your own slope and pass it on. That is the *chain rule*:
# slopes of steps that follow each other are multiplied.
#
# Your operation: $e^x$ grows so fast that float32 overflows to infinity from 89 on. So cut the
# input off at a limit $l$:
#
# $$y = e^{\min(x,\, l)} \qquad\qquad
# \frac{\partial y}{\partial x} = \begin{cases} e^x & x \le l \\ 0 & x > l \end{cases}$$
#
# The derivative of $e^x$ is $e^x$ itself, which you have computed already. Above the limit nothing
# moves, so the slope is 0. At the limit itself, take the slope from below.
#
# **By hand.** $x = (0, 1, 3)$ with limit 1: $y = (1, e, e)$. With the upstream gradient
# $(10, 10, 10)$ comes back $(10, 10e, 0)$.
#
# ```pycon
# >>> x = torch.tensor([0.0, 1.0, 3.0], requires_grad=True)
# >>> y = ClippedExp.apply(x, 1.0)
# >>> torch.autograd.grad(y, x, grad_outputs=torch.tensor([10.0, 10.0, 10.0]))
# (tensor([10.0000, 27.1828,  0.0000]),)
# ```
#
# **Traps.**
#
# - **The upstream gradient is forgotten.** After `y.sum()` it is all ones, and nobody notices.
#   After anything else, all gradients are wrong.
# - **Notes in the wrong place.** What you store on the class (`ClippedExp.x = x`) is overwritten by
#   the next call, before the first one has gone back. `ctx` is made anew for each call.
# - **One answer for each input of `forward`.** `limit` is a plain number; its answer is `None`.
# - **Infinity times 0** is not 0 but `nan`, "not a number". Clip before you take $e^x$.


# %%
class ClippedExp(torch.autograd.Function):
    """e to the power of min(x, limit), with the gradient written by hand.

    Use it as `ClippedExp.apply(x, limit)`. `limit` is a float and gets no gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "*shape"], limit: float) -> Float[Tensor, "*shape"]:
        """Give exp(min(x, limit)), and store in `ctx` what `backward` needs."""
        ### BEGIN SOLUTION
        # TASK: 20 minutes, medium
        # HINT: `x.clamp(max=limit)` is min(x, limit). Clip first: exp of a large number is inf.
        y = x.clamp(max=limit).exp()
        # HINT: `backward` needs two things: the slope e^x, and where x was not above the limit.
        ctx.save_for_backward(y, x <= limit)
        return y
        ### END SOLUTION

    @staticmethod
    def backward(ctx: Any, grad: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], None]:
        """Turn the upstream gradient into that of `x`, and None for `limit`."""
        ### BEGIN SOLUTION
        y, inside = ctx.saved_tensors
        # HINT: Upstream gradient times slope, and 0 where the input was clipped.
        # HINT: A tensor of True and False can be multiplied: True counts as 1, False as 0.
        return grad * y * inside, None
        ### END SOLUTION


# %% [markdown]
# ## 8. gradient_descent
#
# Now use gradients. $\nabla f$ points in the direction in which $f$ grows fastest. So walk the
# other way, a little, and look again:
#
# $$x_{k+1} = x_k - \eta \, \nabla f(x_k)$$
#
# - $x_k$ is where you stand after $k$ steps, $x_0$ is the start,
# - $\eta$ ("eta", `lr` in code) is the *learning rate*: how far to go for a slope of 1.
#
# This is *gradient descent*. All of deep learning is trained with this line or a cousin of it.
#
# **By hand.** $f(x) = x^2$ with slope $2x$, from $x_0 = 4$ with `lr` 0.25. Step 1: the slope is 8,
# so $x = 4 - 0.25 \cdot 8 = 2$. Step 2: the slope is 4, so $x = 2 - 0.25 \cdot 4 = 1$. The history
# holds the value of $f$ **before** each step: 16, then 4.
#
# ```pycon
# >>> gradient_descent(lambda x: x**2, torch.tensor(4.0), lr=0.25, steps=2)
# (tensor(1.), [16.0, 4.0])
# ```
#
# In the notebook, the next cell draws two walks on a long valley,
# $f(x_1, x_2) = x_1^2 + 6 x_2^2$, seen from above: on each line, $f$ is the same everywhere. The
# walk with `lr` 0.05 slides gently along the valley, and slowly. With 0.155 it jumps from wall to
# wall, and still comes down. Across the valley the slope is $12 x_2$, so each step multiplies
# $x_2$ by $1 - 12\,\eta$. For $\eta$ above $1/6$ this factor is below $-1$: the jumps grow.

# %% tags=["picture"]
import matplotlib.pyplot as plt

a, b = torch.meshgrid(torch.linspace(-4, 4, 100), torch.linspace(-2, 2, 100), indexing="xy")
plt.figure(figsize=(6, 3.5))
plt.contour(a, b, a**2 + 6 * b**2, levels=12, colors="lightgrey")
for lr in (0.05, 0.155):
    path = [torch.tensor([-3.5, 1.5])]
    for _ in range(15):
        slope = path[-1] * torch.tensor([2.0, 12.0])  # worked out by hand
        path.append(path[-1] - lr * slope)
    plt.plot(*torch.stack(path).T, ".-", label=f"lr = {lr}")
plt.xlabel("$x_1$")
plt.ylabel("$x_2$")
plt.legend()
plt.show()

# %% [markdown]
# Four traps, all of them popular:
#
# - **The step becomes part of the graph.** If `x = x - lr * slope` is noted, each new `x` hangs on
#   all the ones before. The graph grows with every step, and so do memory and time.
# - **`x -= lr * slope` on a leaf** is an error: the notes would no longer fit the numbers. Inside
#   `with torch.no_grad():` it is allowed. Or make a new leaf from detached numbers.
# - **The start belongs to the caller.** Written in place, `x0` would move too. `detach()` alone
#   shares its memory. It may also require grad and carry an old `.grad`: leave both alone.
# - **Tensors in the history** keep their graphs alive. `value.item()` is a plain number.
#
# ```pycon
# >>> x = torch.tensor(1.0, requires_grad=True)
# >>> try:
# ...     x -= 0.1
# ... except RuntimeError as error:
# ...     print(error)
# a leaf Variable that requires grad is being used in an in-place operation.
# >>> with torch.no_grad():
# ...     x -= 0.1
# >>> x
# tensor(0.9000, requires_grad=True)
# ```


# %%
def gradient_descent(
    f: Callable[[Tensor], Tensor], x0: Float[Tensor, "*shape"], lr: float, steps: int
) -> tuple[Float[Tensor, "*shape"], list[float]]:
    """Take `steps` steps down the gradient of `f` with learning rate `lr`: `(x, history)`.

    The walk begins at `x0`. `f(x)` is a single number that depends on `x`; it need not work under
    `torch.no_grad()`. `x` is where the walk ends, detached; it shares no memory with `x0`.
    `history` holds one Python float per step, the value of `f` before it. With `steps=0` there is
    no step: a copy of `x0` and an empty list. No graph is kept, and `x0` stays as it is, whether it
    requires grad or not. No other tensor's `.grad` changes.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    x, history = x0.detach().clone(), []
    for _ in range(steps):
        # HINT: A fresh leaf in every step: then each step has a small graph of its own.
        leaf = x.requires_grad_()
        value = f(leaf)
        (slope,) = torch.autograd.grad(value, leaf)

        # HINT: The value belongs to the place where you stand, before you move.
        history.append(value.item())
        x = leaf.detach() - lr * slope
    return x, history
    ### END SOLUTION


# %% [markdown]
# ## 9. frozen
#
# Often a part of a model must hold still while the rest learns: a network that was trained before
# (*pretrained*) and gets a new last layer, or one of two networks that learn in turns. Parameters
# are held by switching their
# `requires_grad` off: autograd then computes no gradient for them. It is easy to forget to switch
# it on again. So write something for a `with` statement, which cleans up by itself:
#
# ```pycon
# >>> layer = nn.Linear(2, 1)
# >>> with frozen(layer) as same:
# ...     [parameter.requires_grad for parameter in same.parameters()]
# [False, False]
# >>> [parameter.requires_grad for parameter in layer.parameters()]
# [True, True]
# ```
#
# Such a thing is called a *context manager*. The decorator `contextmanager` makes one from a
# function with a `yield`. What stands before `yield` runs on entering; what is yielded is the thing
# after `as`; then the function waits until the block is left:
#
# ```pycon
# >>> @contextmanager
# ... def visit(place):
# ...     print("open", place)
# ...     try:
# ...         yield place.upper()
# ...     finally:
# ...         print("close", place)
# >>> with visit("shop") as sign:
# ...     print("inside", sign)
# open shop
# inside SHOP
# close shop
# ```
#
# **Traps.**
#
# - **An error in the block** arrives at the `yield`. Without `try ... finally`, all code after the
#   `yield` is skipped and the parameters stay frozen.
# - **"On again" is not "as before".** Some parameters may have been frozen already, on purpose.
#   Remember each one's own setting. Then a `with` inside a `with` works by itself: the inner one
#   gives back "off", the outer one the rest.
# - **`torch.no_grad()` is another thing.** It stops all notes, for the inputs too. Through a frozen
#   module gradients still flow: its input may be something that learns.
# - **Only gradients are switched off.** An optimizer (it changes the parameters by their `.grad`)
#   still takes a step with an old `.grad`, and some layers keep running averages, which still move.
#   Leave that as it is: `.grad` and the modes (train, eval) are not yours to touch.


# %%
@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Hold a module still: inside the `with` block, none of its parameters requires grad.

    Yields the module itself. On leaving, by an error too, each parameter gets back the setting that
    it had on entering. Gradients still flow through the module to its input.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: A list of pairs (parameter, its setting) remembers each one's own.
    before = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    try:
        module.requires_grad_(False)
        yield module
    # HINT: What has to happen in any case goes into `finally`.
    finally:
        for parameter, setting in before:
            parameter.requires_grad_(setting)
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - *Autograd mechanics* and *Extending PyTorch*, two notes in PyTorch's documentation: what is
#   stored for the way back, and all that a `Function` can do.
# - A. Griewank and A. Walther, *Evaluating Derivatives*, SIAM, second edition 2008: the book on
#   automatic differentiation.
# - A. G. Baydin, B. A. Pearlmutter, A. A. Radul and J. M. Siskind, *Automatic Differentiation in
#   Machine Learning: a Survey*, Journal of Machine Learning Research 18, 2018.
# - B. A. Pearlmutter, *Fast exact multiplication by the Hessian*, Neural Computation 6, 1994.
# - `torch.func` in PyTorch's documentation: `grad`, `vjp`, `jacrev` and `hessian` as functions of
#   functions. Now you know what they do.
#
# Where to go from here: you can ask for gradients. What happens on the way back, layer by layer? In
# the next topic you work it out by hand.
