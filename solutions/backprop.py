# %% [markdown]
# # Backpropagation by hand
#
# A network learns by asking one question again and again: *if I turn this knob a little, does the
# loss go up or down, and how fast?* The **loss** is one number that says how wrong the network is.
# The answer to the question is a **gradient**. Most of the time PyTorch finds it for you. Here you
# find it yourself, with plain tensor operations, one layer at a time.
#
# It takes a single idea. Think of a network as a chain of small steps. On the way **forward**, each
# step turns an input into an output. On the way **backward**, each step receives one tensor: the
# gradient of the loss with respect to its *output*. This is called the **upstream gradient**. The
# step multiplies it by its own slope and so gets the gradient of the loss with respect to its
# *input*. That is the upstream gradient of the step before. Nothing else happens in
# backpropagation.
#
# Afterwards you will be able to
#
# - check any gradient with numbers alone,
# - write the backward step of a linear layer, three activations, two losses and batch
#   normalisation,
# - put them together into a small network that learns XOR.
#
# **The rule of this topic:** no autograd. Do not use `.backward()`, `torch.autograd`, or the layers
# and losses of `torch.nn`. Tensors and plain operations (`@`, `*`, `sum`, `exp`, `torch.sigmoid`,
# …) are all that you need.
#
# **A rule that saves hours:** the gradient of the loss with respect to a tensor has exactly the
# shape of that tensor. If the shapes disagree, the formula is wrong. (If they agree, it can still
# be wrong. So check it.)

# %%
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

# %% [markdown]
# ## 1. numerical_gradient
#
# Before you trust a formula for a gradient, you want a slow but honest way to measure it. Take one
# element $x_i$. Push it up a little, push it down a little, and look at what $f$ does:
#
# $$\frac{\partial f}{\partial x_i} \approx
#   \frac{f(x + \varepsilon e_i) - f(x - \varepsilon e_i)}{2\varepsilon}$$
#
# - $f$ is a function that takes the whole tensor $x$ and returns one number,
# - $\varepsilon$ (`eps`) is a small step,
# - $e_i$ is a tensor of the shape of $x$ that is 1 at place $i$ and 0 everywhere else.
#
# The two sides are why it is called a **central** difference. The one-sided form
# $(f(x+\varepsilon) - f(x))/\varepsilon$ is much less exact.
#
# **By hand:** $f(x) = x^3$ at $x = 2$, where the true slope is $3 \cdot 2^2 = 12$. Take
# $\varepsilon = 0.1$. Central: $(2.1^3 - 1.9^3) / 0.2 = (9.261 - 6.859) / 0.2 = 12.01$. One-sided:
# $(9.261 - 8) / 0.1 = 12.61$.
#
# The finished function works for a tensor of any shape. Each element is moved alone:
#
# ```pycon
# >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
# >>> numerical_gradient(lambda x: (x**3).sum(), x, eps=0.1)
# tensor([[ 3.0100, 12.0100],
#         [27.0100, 48.0100]], dtype=torch.float64)
# ```
#
# **Trap 1: `x` must be the same afterwards, bit for bit.** If you add `eps` to the caller's tensor
# and take it away again, rounding leaves a trace. And if `f` raises an error half-way, you never
# get to put the value back.
#
# **Trap 2: a tensor is not always laid out row by row.** `x.T` shows the same memory in another
# order, and `x.expand(...)` shows one number at several places, so that writing to one place
# changes them all. `x.view(-1)` fails on such tensors. `x.reshape(-1)` does not fail, it is worse:
# it quietly makes a copy.
#
# ```pycon
# >>> x = torch.zeros(2, 2).T
# >>> x.reshape(-1)[0] = 7.0  # written into the copy: x does not see it
# >>> x
# tensor([[0., 0.],
#         [0., 0.]])
# ```
#
# **Trap 3: float32 has only about 7 digits.** With `eps=1e-6` the difference of two values of $f$
# drowns in rounding. Use float64 whenever you check a gradient by numbers. (Your function keeps
# whatever dtype it is given.)


# %%
def numerical_gradient(
    f: Callable[[Tensor], float | Tensor], x: Float[Tensor, "*shape"], eps: float = 1e-6
) -> Float[Tensor, "*shape"]:
    """Measure the gradient of `f` at `x` by central differences, one element at a time.

    `f` takes a tensor like `x` and returns a float or a 0-dim tensor. `x` may have any shape and
    any memory layout. It stays bit-equal, also when `f` raises.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: Do not touch the caller's tensor at all: `x + nudge` and `x - nudge` are new tensors.
    x = x.detach()
    gradient = x.new_zeros(x.numel())

    for i in range(x.numel()):
        # HINT: The nudge: flat zeros with `eps` at place i, then brought to the shape of `x`.
        nudge = x.new_zeros(x.numel())
        nudge[i] = eps
        nudge = nudge.reshape(x.shape)

        # HINT: You moved by eps in both directions, so the two points lie 2 * eps apart.
        gradient[i] = (f(x + nudge) - f(x - nudge)) / (2 * eps)

    return gradient.reshape(x.shape)
    ### END SOLUTION


# %% [markdown]
# ## 2. linear_forward
#
# A linear layer turns $i$ input features into $o$ output features. For a batch of $b$ rows:
#
# $$Y = X W^\top + \mathbf{b}$$
#
# - $X$ (`x`) has shape `(b, i)`: one row for each sample,
# - $W$ (`w`) has shape `(o, i)`: one row for each *output*, as in PyTorch. That is why it is
#   transposed here,
# - $\mathbf{b}$ (`b`) has shape `(o,)` and is added to every row.
#
# **By hand:** one sample $x = [1, 2]$, two outputs with the weights $[3, 4]$ and $[5, 6]$, bias
# $[10, 20]$: $y = [1 \cdot 3 + 2 \cdot 4 + 10,\; 1 \cdot 5 + 2 \cdot 6 + 20] = [21, 37]$.
#
# ```pycon
# >>> x = torch.tensor([[1.0, 2.0]])
# >>> w = torch.tensor([[3.0, 4.0], [5.0, 6.0]])
# >>> linear_forward(x, w, torch.tensor([10.0, 20.0]))
# tensor([[21., 37.]])
# ```
#
# **Trap:** with a square `w`, `x @ w` runs without an error and gives a wrong answer. Here it would
# be $[23, 36]$.


# %%
def linear_forward(
    x: Float[Tensor, "b i"], w: Float[Tensor, "o i"], b: Float[Tensor, " o"]
) -> Float[Tensor, "b o"]:
    """Compute `o` outputs for each row of `x`: weights times inputs, plus bias."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: Write the shapes side by side: (b, i) times which shape gives (b, o)?
    # HINT: `w.T` has shape (i, o). The bias broadcasts over the rows by itself.
    return x @ w.T + b  # (b, o)
    ### END SOLUTION


# %% [markdown]
# ## 3. linear_backward
#
# Now the way back. You are given the upstream gradient $G = \partial L / \partial Y$ (`grad`) of
# shape `(b, o)`. $L$ is the loss. You need three gradients:
#
# $$\frac{\partial L}{\partial X} = G\,W \qquad
#   \frac{\partial L}{\partial W} = G^\top X \qquad
#   \frac{\partial L}{\partial \mathbf{b}} = \sum_{n=1}^{b} G_n$$
#
# - $G\,W$ has the shapes `(b, o) @ (o, i)`, so the result is `(b, i)`, like $X$.
# - $G^\top X$ has the shapes `(o, b) @ (b, i)`, so the result is `(o, i)`, like $W$.
# - $G_n$ is row $n$ of $G$. The bias was added to every row, so it collects from every row: **sum**
#   over the batch.
#
# Why a sum? A knob that acts in many places changes the loss through all of them, and the changes
# add up. The matrix product $G^\top X$ holds the same sum over the batch inside.
#
# **By hand:** two samples, one output. $X = [[1, 2], [3, 4]]$, $W = [[5, 6]]$, $G = [[1], [10]]$.
# $\partial L / \partial X$: row 1 is $1 \cdot [5, 6]$, row 2 is $10 \cdot [5, 6]$.
# $\partial L / \partial W = 1 \cdot [1, 2] + 10 \cdot [3, 4] = [31, 42]$.
# $\partial L / \partial \mathbf{b} = 1 + 10 = 11$.
#
# ```pycon
# >>> x, w = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0]])
# >>> dx, dw, db = linear_backward(torch.tensor([[1.0], [10.0]]), x, w)
# >>> dx
# tensor([[ 5.,  6.],
#         [50., 60.]])
# >>> dw, db
# (tensor([[31., 42.]]), tensor([11.]))
# ```
#
# **Trap: do not divide by the batch size here.** Where the loss is a mean, its own backward step
# has already put the $1/N$ into `grad`. Dividing again would count it twice.


# %%
def linear_backward(
    grad: Float[Tensor, "b o"], x: Float[Tensor, "b i"], w: Float[Tensor, "o i"]
) -> tuple[Float[Tensor, "b i"], Float[Tensor, "o i"], Float[Tensor, " o"]]:
    """Carry `grad` back through a linear layer to input, weight and bias: `(dx, dw, db)`."""
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: Each gradient has the shape of its tensor. Only one way of multiplying gives that shape.
    # HINT: `dw` sums over the batch, so the batch must stand in the middle: (o, b) @ (b, i).
    dx = grad @ w  # (b, i)
    dw = grad.T @ x  # (o, i)

    # HINT: Forward, the bias was copied to every row. So on the way back, sum over the rows.
    db = grad.sum(dim=0)  # (o,)
    return dx, dw, db
    ### END SOLUTION


# %% [markdown]
# ## 4. sigmoid_backward
#
# An activation works on each element alone. So its backward step is the simplest of all: **upstream
# gradient times local slope**, element by element. For the sigmoid
# $s = \sigma(z) = 1 / (1 + e^{-z})$ the slope is
#
# $$\frac{\partial s}{\partial z} = s\,(1 - s)$$
#
# - $z$ is the input of the activation,
# - $s$ is its *output*, called `out` in the code,
# - $g = \partial L/\partial s$ (`grad`) is the upstream gradient, so the answer is
#   $g\, s\,(1 - s)$.
#
# Notice that the formula needs the output only. That is handy, because the forward step has it
# already.
#
# **By hand:** $z = 0$ gives $s = 0.5$ and the slope $0.5 \cdot 0.5 = 0.25$, the largest that there
# is. For $s = 0.9$ it is $0.9 \cdot 0.1 = 0.09$. With the upstream gradient 10 the answers are
# $2.5$ and $0.9$.
#
# ```pycon
# >>> sigmoid_backward(torch.tensor([10.0, 10.0]), torch.tensor([0.5, 0.9]))
# tensor([2.5000, 0.9000])
# ```
#
# **Trap:** `out` is the sigmoid already. Calling `torch.sigmoid(out)` inside would apply it twice,
# and the result looks harmless: $\sigma(0.5) = 0.62$, and the "slope" $0.62 \cdot 0.38 = 0.235$ is
# close to $0.25$.


# %%
def sigmoid_backward(
    grad: Float[Tensor, "*shape"], out: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Carry `grad` back through a sigmoid, given the sigmoid's output `out`."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: The answer is always: upstream gradient times local slope.
    # HINT: Write the slope with the output s alone: s * (1 - s). Which argument is s?
    return grad * out * (1 - out)
    ### END SOLUTION


# %% [markdown]
# ## 5. relu_backward
#
# ReLU lets positive numbers through and stops the rest: $r = \max(x, 0)$. Its slope is 1 where the
# *input* was positive and 0 elsewhere:
#
# $$\frac{\partial L}{\partial x} =
#   \begin{cases} g & \text{where } x > 0 \\ 0 & \text{where } x \le 0 \end{cases}$$
#
# - $x$ (`x`) is the input of the ReLU,
# - $g$ (`grad`) is the upstream gradient, which may have any sign.
#
# Exactly at $x = 0$ there is a corner and no slope. Everybody takes 0 there, PyTorch too, and so do
# we.
#
# **By hand:** inputs $[-2, 0, 3, 5]$, upstream gradient $[10, 20, -30, 40]$. The first two doors
# are closed, the last two are open: $[0, 0, -30, 40]$.
#
# ```pycon
# >>> relu_backward(torch.tensor([10.0, 20.0, -30.0, 40.0]), torch.tensor([-2.0, 0.0, 3.0, 5.0]))
# tensor([  0.,   0., -30.,  40.])
# ```
#
# **Trap:** the door belongs to `x`, not to `grad`. A negative upstream gradient passes an open door
# unchanged. And do not write into `grad` (`grad[x <= 0] = 0`): it belongs to the caller.


# %%
def relu_backward(
    grad: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Carry `grad` back through a ReLU, given the ReLU's input `x`; the slope at 0 is 0."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: A comparison gives a mask of True and False. In a product they count as 1 and 0.
    # HINT: The mask asks whether the *input* was above 0. Is 0 itself above 0?
    return grad * (x > 0)
    ### END SOLUTION


# %% [markdown]
# ## 6. tanh_backward
#
# The hyperbolic tangent $t = \tanh(z)$ runs from $-1$ to $1$. As with the sigmoid, its slope is
# easiest to write with the output:
#
# $$\frac{\partial t}{\partial z} = 1 - t^2$$
#
# - $z$ is the input of the activation, $t$ its *output* (`out` in the code),
# - $g = \partial L/\partial t$ (`grad`) is the upstream gradient, so the answer is $g\,(1 - t^2)$.
#
# **By hand:** $t = 0$ has the slope 1. $t = 0.5$ has $1 - 0.25 = 0.75$. $t = -0.5$ has the same,
# for the square forgets the sign. $t = 1$ has the slope 0: such a unit is **saturated** and no
# gradient gets through it.
#
# ```pycon
# >>> tanh_backward(torch.tensor([1.0, 10.0, 10.0, 1.0]), torch.tensor([0.0, 0.5, -0.5, 1.0]))
# tensor([1.0000, 7.5000, 7.5000, 0.0000])
# ```
#
# **Trap:** as before, `out` is the output already. Do not apply `torch.tanh` to it once more.


# %%
def tanh_backward(
    grad: Float[Tensor, "*shape"], out: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Carry `grad` back through a tanh, given the tanh's output `out`."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: Upstream gradient times local slope, once more.
    # HINT: The slope is 1 minus the square of the output.
    return grad * (1 - out.square())
    ### END SOLUTION


# %% [markdown]
# ## 7. mse_loss
#
# The chain begins at the loss. The **mean squared error** compares predictions with targets:
#
# $$L = \frac{1}{N} \sum_{k=1}^{N} (p_k - t_k)^2 \qquad\qquad
#   \frac{\partial L}{\partial p_k} = \frac{2}{N} (p_k - t_k)$$
#
# - $p$ (`pred`) holds the predictions and $t$ (`target`) the targets, both of the same shape,
# - $N$ is the number of **all** elements. For shape `(4, 3)` it is 12, not 4.
#
# Return both: the loss, a tensor without axes (0-dim), and the gradient, which has the shape of
# `pred`. Nothing lies upstream of the loss, so there is no `grad` argument. This is where every
# backward pass starts.
#
# **By hand:** $p = [[3, 5]]$, $t = [[1, 6]]$. The differences are $[2, -1]$ and $N = 2$.
# $L = (4 + 1) / 2 = 2.5$ and the gradient is $\frac{2}{2} \cdot [2, -1] = [2, -1]$.
#
# ```pycon
# >>> mse_loss(torch.tensor([[3.0, 5.0]]), torch.tensor([[1.0, 6.0]]))
# (tensor(2.5000), tensor([[ 2., -1.]]))
# ```
#
# **Trap:** `len(pred)` counts rows. A mean over all elements needs `pred.numel()`, in the loss
# *and* in the gradient.


# %%
def mse_loss(
    pred: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "*shape"]]:
    """Return the mean squared error over all elements (0-dim) and its gradient for `pred`."""
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: Keep the difference `pred - target`. Both answers are made of it.
    difference = pred - target
    loss = difference.square().mean()

    # HINT: The square brings a 2. The mean over all elements brings 1 / numel, to the gradient too.
    return loss, 2 * difference / difference.numel()
    ### END SOLUTION


# %% [markdown]
# ## 8. softmax_cross_entropy
#
# The loss for choosing one class out of $c$. Each row of `logits` holds $c$ scores $z_1 \dots z_c$
# (any real numbers). **Softmax** turns them into probabilities, and the loss is minus the logarithm
# of the probability of the right class, averaged over the batch:
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}} \qquad
#   L = -\frac{1}{b} \sum_{n=1}^{b} \log p_{n, y_n} \qquad
#   \frac{\partial L}{\partial z_{n,k}} = \frac{1}{b} \left( p_{n,k} - [k = y_n] \right)$$
#
# - $b$ is the number of rows, $n$ counts them, and $j$ and $k$ count classes,
# - $y_n$ (`target[n]`) is the number of the right class of row $n$, from 0 to $c - 1$,
# - $[k = y_n]$ is 1 for the right class and 0 for the others.
#
# So the gradient says: *probability minus truth*. Each row of it sums to 0.
#
# **By hand:** one row, $z = [0, 0]$, right class 1. $p = [0.5, 0.5]$, $L = -\log 0.5 = 0.6931$, and
# the gradient is $[0.5, 0.5 - 1] = [0.5, -0.5]$: the first score must go down, the second up.
#
# ```pycon
# >>> softmax_cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
# (tensor(0.6931), tensor([[ 0.5000, -0.5000]]))
# ```
#
# **Trap: large scores.** In float32, $e^{89}$ is infinite already and $e^{-104}$ is 0. But a
# constant $m$ taken away from all scores of a row changes no probability. Take $m$ = the largest
# score *of that row*. Then the largest exponent is 0 and nothing overflows. Even so, $p_k$ may
# round to 0, and $\log 0$ is $-\infty$. So never take the logarithm of a finished probability.
# Write it out instead:
#
# $$\log p_k = (z_k - m) - \log \sum_j e^{z_j - m}$$
#
# With $z = [1000, -1000]$ and right class 1 this gives $-2000 - \log(1 + 0) = -2000$: the loss is
# 2000, and it is finite.
#
# ```pycon
# >>> p = torch.softmax(torch.tensor([1000.0, -1000.0]), dim=0)
# >>> p, p.log()
# (tensor([1., 0.]), tensor([0., -inf]))
# ```
#
# **Useful:** indexing with two lists picks one element from each row.
#
# ```pycon
# >>> table = torch.tensor([[10, 11, 12], [20, 21, 22]])
# >>> table[torch.arange(2), torch.tensor([2, 0])]
# tensor([12, 20])
# ```


# %%
def softmax_cross_entropy(
    logits: Float[Tensor, "b c"], target: Int[Tensor, " b"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "b c"]]:
    """Return the cross-entropy averaged over the batch (0-dim) and its gradient for `logits`.

    `target` holds class numbers. Both answers stay finite and exact for logits around ±1000.
    """
    ### BEGIN SOLUTION
    # TASK: 25 minutes, hard
    # HINT: First take away each row's largest score. `keepdim=True` gives (b, 1), which broadcasts.
    shifted = logits - logits.amax(dim=1, keepdim=True)
    # HINT: Never take the log of a probability: log p = shifted - log(sum of exp(shifted)).
    log_probabilities = shifted - shifted.exp().sum(dim=1, keepdim=True).log()  # (b, c)

    rows = torch.arange(len(logits), device=logits.device)
    loss = -log_probabilities[rows, target].mean()

    # HINT: The gradient is p, minus 1 at each row's right class, all divided by the number of rows.
    dlogits = log_probabilities.exp()
    dlogits[rows, target] -= 1
    return loss, dlogits / len(logits)
    ### END SOLUTION


# %% [markdown]
# ## 9. batchnorm_forward
#
# Batch normalisation gives every feature (column) of a batch the mean 0 and the variance 1, then
# lets the network choose a new scale and a new shift. For each column of $x$, over its $b$ rows:
#
# $$\mu = \frac{1}{b} \sum_n x_n \qquad v = \frac{1}{b} \sum_n (x_n - \mu)^2 \qquad
#   \hat{x}_n = \frac{x_n - \mu}{\sqrt{v + \varepsilon}} \qquad y_n = \gamma\,\hat{x}_n + \beta$$
#
# - $x$ has shape `(b, f)`: $b$ samples with $f$ features. $n$ counts the samples,
# - $\mu$ is the mean and $v$ the **biased** variance (divided by $b$, not by $b - 1$), each of
#   shape `(f,)`,
# - $\varepsilon$ (`eps`) keeps the root away from 0. It is added *inside* the root,
# - $\hat{x}$ is the normalised batch; $\gamma$ (`gamma`) and $\beta$ (`beta`), shape `(f,)`, are
#   scale and shift.
#
# Return the pair `(out, cache)`. The **cache** is your own parcel for the way back: put into it
# whatever your `batchnorm_backward` will need (a tuple or a dict will do). Nobody else opens it.
#
# **By hand:** one feature, $x = [1, 3]$: $\mu = 2$, $v = (1 + 1)/2 = 1$. With $\varepsilon = 0$,
# $\gamma = 10$ and $\beta = 5$: $\hat{x} = [-1, 1]$ and $y = [-5, 15]$.
#
# ```pycon
# >>> x, ten, five = torch.tensor([[1.0], [3.0]]), torch.tensor([10.0]), torch.tensor([5.0])
# >>> out, cache = batchnorm_forward(x, gamma=ten, beta=five, eps=0.0)
# >>> out
# tensor([[-5.],
#         [15.]])
# ```
#
# **Trap:** `torch.var` divides by $b - 1$ unless you tell it not to. With a batch of one row that
# is 0/0.
#
# ```pycon
# >>> x = torch.tensor([1.0, 3.0])
# >>> x.var(), x.var(correction=0)
# (tensor(2.), tensor(1.))
# ```


# %%
def batchnorm_forward(
    x: Float[Tensor, "b f"], gamma: Float[Tensor, " f"], beta: Float[Tensor, " f"], eps: float
) -> tuple[Float[Tensor, "b f"], object]:
    """Normalise each column of `x` over the batch, then scale and shift it: `(out, cache)`.

    The variance is biased. `cache` is whatever `batchnorm_backward` needs.
    Source: Ioffe and Szegedy, 2015, algorithm 1.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: The batch is axis 0, so every mean is taken along `dim=0` and has shape (f,).
    centred = x - x.mean(dim=0)
    # HINT: Biased variance: the plain mean of the centred values' squares. Then eps, then the root.
    std = (centred.square().mean(dim=0) + eps).sqrt()  # (f,)
    normalized = centred / std

    # HINT: The way back will ask for the normalised batch, gamma and the root.
    cache = normalized, gamma, std
    return gamma * normalized + beta, cache
    ### END SOLUTION


# %% [markdown]
# ## 10. batchnorm_backward
#
# Here backpropagation shows its teeth. $x_n$ reaches the output by **three paths**: directly,
# through the mean $\mu$, and through the variance $v$. Both $\mu$ and $v$ contain every row, so
# each row of `x` influences *all* rows of the output.
#
# Start with the easy part. Scale and shift behave like a small linear layer, applied to each column
# alone:
#
# $$\frac{\partial L}{\partial \gamma} = \sum_n g_n \hat{x}_n \qquad
#   \frac{\partial L}{\partial \beta} = \sum_n g_n \qquad
#   h_n = \frac{\partial L}{\partial \hat{x}_n} = g_n\,\gamma$$
#
# - $g_n$ is row $n$ of the upstream gradient `grad`,
# - $h_n$ is a name for the gradient that reaches the normalised batch,
# - $\hat{x}_n$, $\gamma$ and the root $\sqrt{v + \varepsilon}$ come from the cache.
#
# Adding up the three paths and tidying gives one line for each column:
#
# $$\frac{\partial L}{\partial x_n} = \frac{1}{\sqrt{v + \varepsilon}}
#   \Big( h_n - \operatorname{mean}(h) - \hat{x}_n \cdot \operatorname{mean}(h\,\hat{x}) \Big)$$
#
# $\operatorname{mean}$ is taken over the rows of the batch. The second term is the path through
# $\mu$: adding a constant to a column changes nothing in the output. The third is the path through
# $v$: stretching a column changes (almost) nothing either.
#
# **By hand:** three rows, one feature, $x = [1, 2, 3]$, $\gamma = 2$, $\beta = 0$,
# $\varepsilon = 0$, upstream gradient $g = [3, 0, 0]$. $\mu = 2$, $v = 2/3$, the root is $0.8165$
# and $\hat{x} = [-1.2247, 0, 1.2247]$. $\partial L/\partial\gamma = 3 \cdot (-1.2247) = -3.6742$
# and $\partial L/\partial\beta = 3$. $h = [6, 0, 0]$, with $\operatorname{mean}(h) = 2$ and
# $\operatorname{mean}(h\,\hat{x}) = -2.4495$. The brackets are $6 - 2 - 3 = 1$, then
# $0 - 2 - 0 = -2$, then $0 - 2 + 3 = 1$. Divided by the root: $[1.2247, -2.4495, 1.2247]$.
#
# ```pycon
# >>> x = torch.tensor([[1.0], [2.0], [3.0]])
# >>> out, cache = batchnorm_forward(x, torch.tensor([2.0]), torch.tensor([0.0]), eps=0.0)
# >>> dx, dgamma, dbeta = batchnorm_backward(torch.tensor([[3.0], [0.0], [0.0]]), cache)
# >>> dx
# tensor([[ 1.2247],
#         [-2.4495],
#         [ 1.2247]])
# >>> dgamma, dbeta
# (tensor([-3.6742]), tensor([3.]))
# ```
#
# **Trap:** leaving out the mean path or the variance path gives numbers of the right shape and
# about the right size, and the network even learns a little. Only a comparison with numbers tells.
# You have a tool for that: task 1.
#
# The checks of this task call your `batchnorm_forward` to get a cache, so finish that one first.


# %%
def batchnorm_backward(
    grad: Float[Tensor, "b f"], cache: object
) -> tuple[Float[Tensor, "b f"], Float[Tensor, " f"], Float[Tensor, " f"]]:
    """Carry `grad` back through the forward call that made `cache`: `(dx, dgamma, dbeta)`."""
    ### BEGIN SOLUTION
    # TASK: 35 minutes, hard
    # HINT: gamma and beta act on every row, so their gradients are sums over the rows.
    normalized, gamma, std = cache
    dgamma = (grad * normalized).sum(dim=0)  # (f,)
    dbeta = grad.sum(dim=0)  # (f,)

    # HINT: Carry the gradient to the normalised batch first: grad * gamma.
    dnormalized = grad * gamma  # (b, f)
    # HINT: Then three paths: itself, minus its mean, minus normalised * mean(itself * normalised).
    mean_path = dnormalized.mean(dim=0)  # (f,)
    variance_path = normalized * (dnormalized * normalized).mean(dim=0)  # (b, f)
    return (dnormalized - mean_path - variance_path) / std, dgamma, dbeta
    ### END SOLUTION


# %% [markdown]
# ## 11. TwoLayerPerceptron
#
# Now put the links into a chain. The network has two linear layers, each followed by a sigmoid:
#
# $$h = \sigma(x W_1^\top + b_1) \qquad p = \sigma(h W_2^\top + b_2)$$
#
# - $x$ is the input `(b, inputs)`, $h$ the hidden layer `(b, hidden)`, $p$ the prediction
#   `(b, outputs)`,
# - $W_1$ (`w1`) has shape `(hidden, inputs)`, $b_1$ (`b1`) `(hidden,)`, $W_2$ (`w2`)
#   `(outputs, hidden)`, $b_2$ (`b2`) `(outputs,)`. These four names are attributes of your object.
#
# It has three methods, which are called one after the other:
#
# 1. `forward(x)` returns $p$, and keeps what the way back needs.
# 2. `backward(target)` returns `{"w1": ..., "b1": ..., "w2": ..., "b2": ...}`: the gradients of the
#    mean squared error (over all elements) between the latest prediction and `target`. It changes
#    no parameter. Called twice, it gives the same gradients twice: nothing is added up.
# 3. `step(lr)` moves every parameter against its latest gradient:
#    $W_1 \leftarrow W_1 - \text{lr} \cdot \partial L/\partial W_1$, and so on for all four.
#
# On the way back, walk the chain in reverse. Each step uses what you wrote above:
# loss → sigmoid → linear 2 → sigmoid → linear 1.
#
# **By hand:** one input, one hidden unit, one output, all parameters 0, $x = 1$, target 1. Forward:
# $h = \sigma(0) = 0.5$, $p = \sigma(0) = 0.5$. Backward: the loss gives $2 (0.5 - 1) = -1$. The
# sigmoid's slope is $0.25$, so $-0.25$ reaches the sum before it. The gradient of $b_2$ is $-0.25$
# and that of $W_2$ is $-0.25 \cdot h = -0.125$. What goes on to $h$ is $-0.25 \cdot W_2 = 0$. So
# $W_1$ and $b_1$ get 0.
#
# The last sentence is a warning: **with zero weights the first layer learns nothing, and all hidden
# units stay alike.** The weights must start as different random numbers. They are drawn from `gen`,
# a `torch.Generator`: a source of random numbers that can be started again from a seed. (A
# generator lives on a device, and so do the tensors that are drawn from it. Hence
# `device=gen.device`.)
#
# ```pycon
# >>> gen = torch.Generator().manual_seed(0)
# >>> torch.randn(2, generator=gen, device=gen.device)
# tensor([ 1.5410, -0.2934])
# >>> gen = torch.Generator().manual_seed(0)  # the same seed: the same numbers again
# >>> torch.randn(2, generator=gen, device=gen.device)
# tensor([ 1.5410, -0.2934])
# ```
#
# **Trap: first all gradients, then all updates.** The gradient of $h$ needs $W_2$ as it was on the
# way forward. Whoever updates $W_2$ first computes the gradient of another network.
#
# The proof of the pudding is **XOR**: the answer is 1 when exactly one of the two inputs is 1. No
# single layer can learn it. Yours learns it with 8 hidden units in a few hundred steps:
#
# ```pycon
# >>> x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
# >>> target = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
# >>> model = TwoLayerPerceptron(2, 8, 1, torch.Generator().manual_seed(0))
# >>> for _ in range(500):
# ...     prediction = model.forward(x)
# ...     gradients = model.backward(target)
# ...     model.step(lr=10.0)
# >>> model.forward(x).round()
# tensor([[0.],
#         [1.],
#         [1.],
#         [0.]])
# ```


# %%
class TwoLayerPerceptron:
    """A network with two linear layers and two sigmoids that is trained without autograd.

    The parameters `w1` "hidden inputs", `b1` "hidden", `w2` "outputs hidden" and `b2` "outputs" are
    float32 tensors, drawn from `gen` and on its device.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, gen: torch.Generator) -> None:
        ### BEGIN SOLUTION
        # TASK: 35 minutes, hard
        # HINT: Random, not zero: `torch.randn(hidden, inputs, generator=gen, device=gen.device)`.
        self.w1 = torch.randn(hidden, inputs, generator=gen, device=gen.device)
        self.b1 = torch.randn(hidden, generator=gen, device=gen.device)
        self.w2 = torch.randn(outputs, hidden, generator=gen, device=gen.device)
        self.b2 = torch.randn(outputs, generator=gen, device=gen.device)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "b inputs"]) -> Float[Tensor, "b outputs"]:
        """Predict, and keep what `backward` needs."""
        ### BEGIN SOLUTION
        # HINT: `backward` gets only the target. Keep x, the hidden layer and the output on `self`.
        self.x = x
        self.hidden = torch.sigmoid(x @ self.w1.T + self.b1)  # (b, hidden)
        self.out = torch.sigmoid(self.hidden @ self.w2.T + self.b2)  # (b, outputs)
        return self.out
        ### END SOLUTION

    def backward(self, target: Float[Tensor, "b outputs"]) -> dict[str, Tensor]:
        """Return the gradients of the latest prediction's mean squared error, by parameter name."""
        ### BEGIN SOLUTION
        # HINT: Walk back: 2 * (out - target) / numel, times the sigmoid's slope: out * (1 - out).
        dout = 2 * (self.out - target) / target.numel()
        dsum2 = dout * self.out * (1 - self.out)  # (b, outputs)

        # HINT: Through the second linear layer with w2, then times the slope of the first sigmoid.
        dhidden = dsum2 @ self.w2  # (b, hidden)
        dsum1 = dhidden * self.hidden * (1 - self.hidden)

        # HINT: In each layer dw = (gradient of its sum).T @ (its input), db = that gradient's sum.
        self.gradients = {
            "w1": dsum1.T @ self.x,
            "b1": dsum1.sum(dim=0),
            "w2": dsum2.T @ self.hidden,
            "b2": dsum2.sum(dim=0),
        }
        return self.gradients
        ### END SOLUTION

    def step(self, lr: float) -> None:
        """Move every parameter against its latest gradient, `lr` times as far."""
        ### BEGIN SOLUTION
        # HINT: Keep the gradients on `self` in `backward`. Take lr times each from its parameter.
        self.w1 = self.w1 - lr * self.gradients["w1"]
        self.b1 = self.b1 - lr * self.gradients["b1"]
        self.w2 = self.w2 - lr * self.gradients["w2"]
        self.b2 = self.b2 - lr * self.gradients["b2"]
        ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# You have written, by hand, what `loss.backward()` does: every operation knows its own backward
# step, and autograd calls them in reverse order. When PyTorch does it for you, you now know what it
# does.
#
# - Go on with the topic `linear_regression`, where gradients like these fit a line to data.
# - The PyTorch page *Extending PyTorch* shows how to give a backward step of your own to autograd.
# - The batch normalisation paper: Ioffe and Szegedy, *Batch Normalization: Accelerating Deep
#   Network Training by Reducing Internal Covariate Shift*, 2015. Its algorithm 1 is task 9, and the
#   equations below it are task 10.
