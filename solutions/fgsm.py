# %% [markdown]
# # Adversarial examples
#
# A network reads a picture of a seven as a seven, and is sure of it. Now change every pixel by an
# amount so small that you hardly see it. If each pixel is changed in the *right direction*, the
# network suddenly reads a one, and is just as sure. Such a picture is called an *adversarial
# example*. Finding one is an *attack*.
#
# It is surprisingly easy: training asks "how must the **weights** change so that the loss falls?".
# An attack asks "how must the **picture** change so that the loss *rises*?". The same gradient
# machine answers both questions. People attack their own networks to learn how far they can be
# trusted, and to train networks that are harder to fool.
#
# Afterwards you will be able to
#
# - take the gradient of a loss with respect to the input, and leave no trace in the model,
# - attack a classifier in one step (FGSM) and in many small steps (PGD),
# - attack a model that wants normalised pictures, and still know how large the step is,
# - measure how many pictures a model still reads right under attack,
# - train on adversarial examples, so that the attack works less well.
#
# Words used on this page, with the letters that stand for them:
#
# | word | letter | meaning |
# |---|---|---|
# | picture | `x` | a batch of pictures, **every pixel from 0 (black) to 1 (white)** |
# | batch | `b` | how many pictures are handled at once |
# | image | `image` | the other axes of `x`, whatever they are: often `c h w` |
# | channels, height, width | `c`, `h`, `w` | numbers per pixel; rows; columns |
# | labels | `y` | the right class of each picture, one whole number each |
# | budget | `eps`, $\varepsilon$ | how far a pixel may move at most |
# | step | `alpha`, $\alpha$ | how far a pixel moves in one of many steps |
#
# How to read the signatures: `Float[Tensor, " b *image"]` is a tensor of floats whose first axis
# has the size `b`; `*image` is any number of further axes. `Int` is for whole numbers, `Shaped`
# for any dtype. Every tensor result has the dtype and the device of `x`.
#
# A picture of two pixels serves most examples by hand, with a model of two classes that is only a
# table of weights $W$ (one row per class): the scores (*logits*) are $z = W x$. In code each
# picture is a *row* of the batch, so this reads `x @ W.T`. The *softmax* turns logits into
# probabilities that sum to 1, $p_j = e^{z_j} / \sum_k e^{z_k}$. The loss is the *cross-entropy*
# $L = -\log p_y$ (natural logarithm, ln): small where the probability of the right class $y$ is
# near 1.

# %%
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

# %% [markdown]
# One helper is given. Layers such as dropout and BatchNorm behave differently in training, so an
# attack switches the model to eval mode for a while, and must then put it back as it was. Each
# layer has a `training` flag *of its own*, and they may differ: `model.train()` at the end would
# set them all. This helper notes every flag and puts each one back, also when something inside
# raises an error:
#
# ```pycon
# >>> block = nn.Sequential(nn.Dropout(), nn.Identity())
# >>> _ = block[0].eval()  # dropout is in eval mode, the model as a whole in training mode
# >>> with keeping_modes(block):
# ...     _ = block.eval()
# ...     print([module.training for module in block.modules()])
# [False, False, False]
# >>> [module.training for module in block.modules()]
# [True, False, True]
# ```


# %%
@contextmanager
def keeping_modes(model: nn.Module) -> Iterator[None]:
    """Put the training flag of every module of `model` back at the end of the `with` block."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


# %% [markdown]
# ## 1. input_gradient
#
# The loss $L$ depends on the weights and on the picture $x$. Training keeps the picture and changes
# the weights. Here we keep the weights, and ask for each pixel $i$: if this pixel gets a little
# brighter, how fast does the loss grow?
#
# $$g_i = \frac{\partial L\big(f(x),\, y\big)}{\partial x_i}$$
#
# $f(x)$ are the logits of the model, $y$ the right class. $g$ has the shape of $x$. A positive
# $g_i$ says "brighter here makes it worse for the model", a negative one "darker here does".
#
# **By hand.** Take $W = \begin{pmatrix} 2 & 0 \\ 0 & 2 \end{pmatrix}$ and the picture
# $x = (0.5,\, 0.5)$. The logits are $z = (1, 1)$, so both classes have the probability
# $p = (0.5,\, 0.5)$. The right class is 0. The loss is $L = -\log p_0 = 0.693$, and its
# derivative with respect to the logits is $p$ minus 1 at the right class (because
# $L = \log\sum_k e^{z_k} - z_y$):
# $(0.5 - 1,\; 0.5) = (-0.5,\; 0.5)$. Logit 0 is twice pixel 0 and logit 1 is twice pixel 1, so
# $g = (-1,\, 1)$: darken pixel 0 or brighten pixel 1, and the loss grows. Torch agrees:
#
# ```pycon
# >>> weight = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
# >>> pixels = torch.tensor([[0.5, 0.5]], requires_grad=True)
# >>> loss = F.cross_entropy(pixels @ weight.T, torch.tensor([0]))
# >>> torch.autograd.grad(loss, pixels)  # a tuple: one gradient per tensor that you ask for
# (tensor([[-1.,  1.]]),)
# ```
#
# The function gets the loss from its caller: `loss_fn(logits, y)` gives one number. If it is a mean
# over $b$ pictures, each picture's gradient is divided by $b$; if it is a sum, it is not. Leave it
# as `loss_fn` makes it. In eval mode no picture influences another, so one call gives every picture
# its own gradient. `loss_fn` may be any loss here, and `y` is whatever that loss wants (`*target`
# in the signature), not only classes.
#
# **Traps.** Looking at a model must not change it. All of these happen in real programs:
#
# 1. `loss.backward()` *adds* to the `.grad` of every weight. Unless somebody clears it, the next
#    optimizer step moves the weights by that too. `torch.autograd.grad` touches no `.grad` at all.
# 2. In training mode dropout makes the gradient random, and BatchNorm mixes the pictures of the
#    batch with each other and changes the means and variances that it keeps (its *running
#    statistics*). Run the model in **eval mode**; put every layer's own mode back.
# 3. `x.requires_grad_()` changes the **caller's** tensor, and `x.grad` may hold an old gradient to
#    which the new one is added. Work on a copy. `detach` gives the same numbers without the notes
#    that torch keeps for gradients (such a tensor is called *detached*), `clone` gives them memory
#    of their own. Call `requires_grad_()` on this copy; the caller's tensor does not notice:
#
# ```pycon
# >>> old = torch.tensor([1.0], requires_grad=True)
# >>> new = old.detach().clone()
# >>> new.requires_grad, old.requires_grad
# (False, True)
# ```
#
# 4. Code that measures a model usually sits inside `with torch.no_grad():`. There torch notes
#    nothing and has no gradient to give. `with torch.enable_grad():` switches it on again inside:
#
# ```pycon
# >>> with torch.no_grad():
# ...     with torch.enable_grad():
# ...         print((pixels * 2).requires_grad)
# True
# ```


# %%
def input_gradient(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    x: Float[Tensor, " b *image"],
    y: Shaped[Tensor, " b *target"],
) -> Float[Tensor, " b *image"]:
    """Compute the gradient of `loss_fn(model(x), y)` in x, with the model in eval mode; detached.

    Afterwards the model (each module's mode, statistics, parameters, their `.grad` and
    `requires_grad`) and `x` (its values, `.grad` and `requires_grad`) are as before. Works inside
    `torch.no_grad()` too.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: A copy of x that is cut from its history may require grad without x noticing it.
    leaf = x.detach().clone().requires_grad_()

    # HINT: `with keeping_modes(model):` around the forward pass, and `model.eval()` inside it.
    with keeping_modes(model), torch.enable_grad():
        model.eval()
        loss = loss_fn(model(leaf), y)

    # HINT: `torch.autograd.grad` gives a tuple, with one entry for each tensor asked for.
    (gradient,) = torch.autograd.grad(loss, leaf)
    return gradient
    ### END SOLUTION


# %% [markdown]
# ## 2. fgsm
#
# The *fast gradient sign method* makes one step. The rule of the game: no pixel may move by more
# than $\varepsilon$. Under this rule, which change $\delta$ makes the loss grow most? For small
# changes the loss grows by about
#
# $$L(x + \delta) - L(x) \;\approx\; \sum_i g_i\, \delta_i$$
#
# where $L(x)$ is short for $L\big(f(x),\, y\big)$, with the model $f$, and $g$ is the gradient from
# task 1. Each pixel has its own term in this sum, so each may choose
# alone: up by $\varepsilon$ where $g_i$ is positive, down by $\varepsilon$ where it is negative.
# That is $\delta_i = \varepsilon\,\mathrm{sign}(g_i)$, and the whole attack is
#
# $$x_\text{adv} = \mathrm{clamp}\big(x + \varepsilon \,\mathrm{sign}(g),\; 0,\; 1\big)$$
#
# $\mathrm{sign}$ is 1, 0 or −1. The clamp keeps every pixel between 0 and 1; otherwise the result
# would be no picture: nothing is blacker than black.
#
# **By hand.** $g = (-1, 1)$ from above, $\varepsilon = 0.1$: the picture $(0.5,\, 0.5)$ becomes
# $(0.4,\, 0.6)$. The logits are now $(0.8,\, 1.2)$: class 1 wins. The loss went from 0.693
# to 0.913. The estimate said $0.1 \cdot (1 + 1) = 0.2$ more; it was 0.22. And $(0.05,\, 0.95)$ with
# the same $g$ becomes $(-0.05,\, 1.05)$, clamped to $(0,\, 1)$.
#
# **Why so little is enough.** With this step each term of the sum is $\varepsilon\,|g_i|$: tiny,
# but never negative, so nothing cancels. If the $|g_i|$ are about equal, the loss moves 64 times
# as far with 64 pixels as with one.
#
# In the notebook, the next cell draws it for a toy reader of 8 × 8 pictures. Its score is the sum
# of all (weight · pixel), minus a fixed number, and a positive score means "seven". Left: a seven,
# with the score 6.1. Middle: the step, 0.15 up (red) or down (blue) in each pixel; it looks like
# noise. Right: their sum, clamped. (The step alone has the score −9.8; the clamp takes part of it
# back, where a dark pixel should get darker or a bright one brighter.) To you it is still a seven;
# its score is −2.3, so the reader says "one".

# %% tags=["picture"]
import matplotlib.pyplot as plt

shape_of_seven = "........ .######. .....##. ....##.. ...##... ..##.... ..##.... ........"
shape_of_one = "........ ...##... ..###... ...##... ...##... ...##... ..####.. ........"
seven, one = (
    torch.tensor([[0.9 if cell == "#" else 0.1 for cell in row] for row in shape.split()])
    for shape in (shape_of_seven, shape_of_one)
)
noise = torch.randn(8, 8, generator=torch.Generator().manual_seed(5))
weights = seven - one + noise  # what training on few pictures leaves: half meaning, half noise
middle = (weights * (seven + one) / 2).sum()
step = -0.15 * weights.sign()  # the score of a seven has to fall
attacked = (seven + step).clamp(0, 1)
figure, axes = plt.subplots(1, 3, figsize=(8, 3))
for axis, image, name in zip(axes, (seven, step, attacked), ("seven", "step", "sum"), strict=True):
    colours = ("bwr", -0.3, 0.3) if name == "step" else ("gray", 0, 1)
    axis.imshow(image.numpy(), **dict(zip(("cmap", "vmin", "vmax"), colours, strict=True)))
    score = (weights * image).sum() - (0 if name == "step" else middle)
    axis.set(title=f"{name}: score {score:+.1f}", xlabel="column", ylabel="row")
figure.tight_layout()

# %% [markdown]
# **Traps.** *Plus*, not minus: minus would help the model. *The sign*, not the gradient itself: the
# numbers in $g$ are often as small as 0.0001, and ε times that changes almost nothing. Where
# $g_i = 0$ there is no reason to move either way, and the pixel stays where it is: `sign` gives 0,
# `where(g > 0, eps, -eps)` does not. And the clamp is about the *result*, so it comes last.


# %%
def fgsm(
    model: nn.Module, x: Float[Tensor, " b *image"], y: Int[Tensor, " b"], eps: float
) -> Float[Tensor, " b *image"]:
    """Attack in one step: each pixel moves by `eps` so that the cross-entropy rises.

    Where the gradient is 0 the pixel stays. The result is in [0, 1] and detached; model and images
    are left as they were. Goodfellow, Shlens and Szegedy (2015), section 4.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: Task 1 gives the gradient; which loss is it? `F.cross_entropy` itself can be passed on.
    gradient = input_gradient(model, F.cross_entropy, x, y)
    # HINT: `detach` cuts x from its history, so that the result is cut from it as well.
    return (x.detach() + eps * gradient.sign()).clamp(0, 1)
    ### END SOLUTION


# %% [markdown]
# ## 3. targeted_fgsm
#
# Now you want one certain wrong answer: "read this seven as a **one**". You choose a
# target class $t$ for each picture, take the loss *for the target*, and go **down** it:
#
# $$x_\text{adv} = \mathrm{clamp}\big(x - \varepsilon\,\mathrm{sign}(g^{(t)}),\; 0,\; 1\big)
# \qquad g^{(t)}_i = \frac{\partial L\big(f(x),\, t\big)}{\partial x_i}$$
#
# **By hand.** The same model, $x = (0.5,\, 0.5)$, target 1. The derivative with respect to the
# logits is now $(0.5,\, 0.5 - 1) = (0.5,\, -0.5)$, so $g^{(t)} = (1,\, -1)$. Minus its sign, times
# 0.1: $(0.4,\, 0.6)$. With two classes "away from class 0" and "towards class 1" are the same
# thing. With ten classes they are not: away from seven may lead to a nine.
#
# **Trap.** Two things change here, and one of them is easily forgotten: the class in the loss, and
# the sign of the step. FGSM goes *up* the loss of the *right* class. The targeted attack goes
# *down* the loss of the *target*. Down the loss of the right class would help the model; up the
# loss of the target leads away from what you want.


# %%
def targeted_fgsm(
    model: nn.Module, x: Float[Tensor, " b *image"], target: Int[Tensor, " b"], eps: float
) -> Float[Tensor, " b *image"]:
    """Attack in one step towards `target`: each pixel moves by `eps` so that its loss falls.

    The loss is cross-entropy. The result is in [0, 1] and detached; model and images are left as
    they were.
    """
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: The same gradient as in `fgsm`, with the target in the place of the right class.
    gradient = input_gradient(model, F.cross_entropy, x, target)
    # HINT: Down means against the gradient: minus.
    return (x.detach() - eps * gradient.sign()).clamp(0, 1)
    ### END SOLUTION


# %% [markdown]
# ## 4. pgd
#
# FGSM trusts one gradient for the whole way. But the gradient turns as the picture moves, so many
# small steps usually find a picture with a higher loss than one big step does. This is *projected
# gradient descent* (PGD). (It climbs, in fact. The name comes from going down the negative loss.)
# Each step has two halves. First move by $\alpha$ along the sign of the gradient **at the place
# where you are now**, $x_k$ (after $k$ steps):
#
# $$v = x_k + \alpha \,\mathrm{sign}\!\left(
# \frac{\partial L\big(f(x_k),\, y\big)}{\partial x_k}\right)$$
#
# Then *project*: bring each pixel back to what the rules allow. It must be at most $\varepsilon$
# away from the **original** picture $x$ (all such pictures together are called the ε-*ball*; with
# this rule it is a box), and from 0 to 1:
#
# $$x_{k+1} = \mathrm{clamp}\big(\mathrm{clamp}(v,\; x - \varepsilon,\; x + \varepsilon),\;
# 0,\; 1\big)$$
#
# **By hand.** One pixel, $x = 0.5$, $\varepsilon = 0.1$, $\alpha = 0.06$. Say that the gradient is
# positive below 0.58 and negative above. We start at 0.5, go to 0.56, then to 0.62: too far, back
# to 0.60. There the gradient is negative: 0.54 after three steps. If you project only once, at the
# very end, you go 0.56, 0.62, 0.56: another answer.
#
# `clamp` takes tensors as limits too, one limit for each pixel:
#
# ```pycon
# >>> original = torch.tensor([0.05, 0.5, 0.9])
# >>> moved = torch.tensor([-0.2, 0.63, 0.88])
# >>> moved.clamp(original - 0.1, original + 0.1)
# tensor([-0.0500,  0.6000,  0.8800])
# ```
#
# In the notebook, the next cell draws it for two pixels. The colours are the loss, brighter is
# higher. The white square is the ε-ball around the original picture, the white cross. At the cross
# the loss grows to the right and upwards, so FGSM jumps to the corner at the top right (white
# triangle). PGD (red) sets out the same way. After two steps the gradient has turned: now downwards
# is better. The fourth step would leave the square at its right side; the projection keeps it on
# the edge, and it goes down to the corner at the bottom right, where the loss is higher.

# %% tags=["picture"]
import matplotlib.pyplot as plt


def loss_at(place):
    """Loss of a picture of two pixels: brightening pixel 1 helps only while pixel 0 is dark."""
    return place[0] + 1.5 * place[1] * (0.52 - place[0])


start = torch.tensor([0.45, 0.5])
path = [start]
for _ in range(8):
    place = path[-1].clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss_at(place), place)
    path.append((path[-1] + 0.05 * slope.sign()).clamp(start - 0.15, start + 0.15))
grid = torch.linspace(0.2, 0.8, 60)
figure, axis = plt.subplots(figsize=(5, 4))
losses = loss_at(torch.meshgrid(grid, grid, indexing="xy"))
filled = axis.contourf(grid.numpy(), grid.numpy(), losses.numpy(), 20)
axis.add_patch(plt.Rectangle((0.3, 0.35), 0.3, 0.3, fill=False, color="white", linewidth=2))
axis.plot(*torch.stack(path).T.tolist(), "o-", color="red", markersize=4)
axis.plot(*start.tolist(), "wx", 0.6, 0.65, "w^", markersize=10)
axis.set(xlabel="pixel 0", ylabel="pixel 1", title="eight steps of PGD in the ε-ball")
figure.colorbar(filled, label="loss")

# %% [markdown]
# **The start.** Without `gen` the path starts at `x` itself, and nothing is random. With a
# generator `gen` it starts at a random place in the ball, uniform: each pixel moves by a number of
# its own, anywhere from $-\varepsilon$ to $\varepsilon$, and is then clamped to [0, 1]. A number
# $u$ from 0 to 1 turns into one from $-\varepsilon$ to $\varepsilon$ as $\varepsilon\,(2u - 1)$.
# Several random starts find more adversarial examples than one. Draw from `gen` **alone**: torch
# has a generator for the whole program as well, and a function that uses it unasked makes other
# people's results change.
#
# ```pycon
# >>> dice = torch.Generator().manual_seed(0)
# >>> u = torch.rand(3, generator=dice)
# >>> 0.1 * (2 * u - 1)
# tensor([-0.0007,  0.0536, -0.0823])
# ```
#
# **Traps.** The ball is around the *original* `x`. A clamp to $x_k \pm \varepsilon$ does nothing
# as long as a step is shorter than ε, and after ten steps the picture can be ten steps away. A
# ball around the random start is wrong too: it reaches out to $2\varepsilon$. Take a fresh
# gradient at every step, at the place where you are; ten steps along the first gradient are just
# one big step.


# %%
def pgd(
    model: nn.Module,
    x: Float[Tensor, " b *image"],
    y: Int[Tensor, " b"],
    eps: float,
    alpha: float,
    steps: int,
    gen: torch.Generator | None = None,
) -> Float[Tensor, " b *image"]:
    """Attack in `steps` steps of `alpha`, each projected onto the eps-ball around x and [0, 1].

    With `gen`, a generator on the device of x, the path starts at a uniformly random place in the
    ball (clamped to [0, 1]), drawn from `gen` alone; without it, at x. The loss is cross-entropy;
    the result is detached; model and images are left as they were. Madry and others (2018),
    section 2.
    """
    ### BEGIN SOLUTION
    # TASK: 25 minutes, hard
    x = x.detach()
    start = x
    if gen is not None:
        # HINT: `torch.rand(shape, generator=gen, device=..., dtype=...)` gives u in [0, 1).
        u = torch.rand(x.shape, generator=gen, device=x.device, dtype=x.dtype)
        start = x + eps * (2 * u - 1)

    # HINT: Two names: x stays the original, `adversarial` moves. Where does each of them belong?
    adversarial = start.clamp(0, 1)
    for _ in range(steps):
        gradient = input_gradient(model, F.cross_entropy, adversarial, y)
        moved = adversarial + alpha * gradient.sign()
        # HINT: Both clamps belong inside the loop: `clamp(x - eps, x + eps)`, then `clamp(0, 1)`.
        adversarial = moved.clamp(x - eps, x + eps).clamp(0, 1)
    return adversarial
    ### END SOLUTION


# %% [markdown]
# ## 5. fgsm_normalized
#
# Most models do not take pixels. They want *normalised* numbers: from each channel its mean over
# the training data is subtracted, and the rest is divided by the channel's standard deviation:
#
# $$z = \frac{x - \text{mean}_c}{\text{std}_c} \qquad\text{for every pixel of channel } c$$
#
# (from here on $z$ is the normalised picture, no longer the logits).
#
# But people see pixels, so $\varepsilon$ is a change of brightness in *pixels*, where 1 is the way
# from black to white. The clamp is in pixels, too. Here `x` holds pixels, the model wants $z$, and
# the result is pixels again.
#
# The chain rule says how the loss depends on the pixel: $z$ grows by $1/\text{std}_c$ when $x$
# grows by 1, so
#
# $$\frac{\partial L}{\partial x} = \frac{\partial L}{\partial z} \cdot \frac{1}{\text{std}_c}$$
#
# A standard deviation is positive, so **both gradients have the same sign**, and FGSM wants no more
# than the sign. The step itself is made in pixels.
#
# **By hand.** mean 0.5, std 0.25, pixel 0.6, so $z = 0.4$. With $\varepsilon = 0.1$ and a positive
# gradient the pixel becomes 0.7, which is $z = 0.8$: in $z$ it is a step of
# $\varepsilon / \text{std} = 0.4$. If you add 0.1 to $z$, you get 0.5, and this is the pixel 0.625:
# a step of 0.025, a quarter of what was promised. The attack looks weak, and the model looks safe.
#
# **Traps.** Many FGSM programs on the web were written for pixels and then fed with normalised
# pictures. They add ε to $z$ (wrong step, and a different one in each channel), and they clamp $z$
# to [0, 1]. A black pixel has $z = (0 - 0.5)/0.25 = -2$; the clamp makes it $z = 0$, and that is
# the pixel 0.5: *every* dark pixel turns grey, even with $\varepsilon = 0$. The model fails, but
# not because of the attack.
#
# One number per channel must be spread over height and width: it needs the shape `(c, 1, 1)`. With
# the shape `(c,)` torch lines it up with the *last* axis, the width. If the width happens to be
# `c`, there is not even an error:
#
# ```pycon
# >>> picture = torch.zeros(1, 2, 1, 2)  # two channels, width 2
# >>> (picture - torch.tensor([1.0, 5.0])).flatten()
# tensor([-1., -5., -1., -5.])
# >>> (picture - torch.tensor([1.0, 5.0]).reshape(-1, 1, 1)).flatten()
# tensor([-1., -1., -5., -5.])
# ```
#
# `mean` and `std` may be lists, tuples or tensors, of any floating dtype; the result has the dtype
# of `x`. `torch.as_tensor(values, dtype=..., device=...)` makes a tensor of each of them.


# %%
def fgsm_normalized(
    model: nn.Module,
    x: Float[Tensor, "b c h w"],
    y: Int[Tensor, " b"],
    eps: float,
    mean: Float[Tensor, " c"] | Sequence[float],
    std: Float[Tensor, " c"] | Sequence[float],
) -> Float[Tensor, "b c h w"]:
    """Make FGSM's step on pixels for a model that wants `(x - mean) / std`, channel by channel.

    `x`, `eps` and the result are in pixels; the result is in [0, 1] and detached. Model, images,
    `mean` and `std` are left as they were.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    x = x.detach()
    # HINT: Both need the shape (c, 1, 1), and the dtype and the device of x.
    mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)
    std = torch.as_tensor(std, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)

    # HINT: Give the model what it wants. The sign of that gradient is the sign for the pixels too.
    gradient = input_gradient(model, F.cross_entropy, (x - mean) / std, y)
    # HINT: Step and clamp are in pixels: they start from x, not from the normalised picture.
    return (x + eps * gradient.sign()).clamp(0, 1)
    ### END SOLUTION


# %% [markdown]
# ## 6. robust_accuracy
#
# *Accuracy* is the share of pictures that a model reads right. *Robust accuracy* is the same share
# when every picture has been attacked first:
#
# $$\text{robust accuracy} = \frac{\text{number of pictures that are read right after the attack}}
# {\text{number of all pictures}}$$
#
# The attack is a function of three arguments, `attack(model, x, y)`; it gets one batch and gives
# back the attacked pictures. A `lambda` fixes the rest, for example
# `lambda model, x, y: fgsm(model, x, y, eps=0.1)`. With an attack that does nothing you get the
# usual ("clean") accuracy. In this example the model passes on what it gets, so the two "pictures"
# are at once their own scores, one row each:
#
# ```pycon
# >>> model = nn.Identity()
# >>> no_attack = lambda model, x, y: x
# >>> scores, labels = torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 0])
# >>> model(no_attack(model, scores, labels)).argmax(1)  # the class of each picture
# tensor([1, 0])
# ```
#
# **By hand.** Five pictures come in a batch of 4 and a batch of 1. After the attack 1 of the 4 and
# 1 of the 1 are right. That is $2/5 = 0.4$. The mean of the two shares is $(0.25 + 1)/2 = 0.625$:
# wrong, as the single picture counts four times as much as each of the others. Count pictures, not
# batches.
#
# **Traps.** *All* pictures count. Tutorials often skip pictures that the model reads wrong anyway;
# if they are left out of the denominator too, the number comes out too high and can no longer be
# compared with the clean accuracy. Give the whole batch to the attack. An attack needs gradients:
# only the *reading* of the attacked pictures belongs under `torch.no_grad()`. Switch to eval mode
# before the loop, so that the attack runs in it too, and give each layer its own mode back at the
# end. The loader may be any iterable of batches, even a generator: you can go through it only
# once, and it has no `len`. And with no picture at all there is no share: raise a `ValueError`
# rather than divide by zero.


# %%
def robust_accuracy(
    model: nn.Module,
    loader: Iterable[Sequence[Tensor]],
    attack: Callable[[nn.Module, Tensor, Tensor], Tensor],
) -> float:
    """Give the share of all samples that `model` reads right after `attack(model, x, y)`.

    The loader gives batches (x, y), of any sizes. The model reads in eval mode and is left as it
    was.

    Raises:
        ValueError: the loader gives no sample.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    right, samples = 0, 0
    # HINT: `keeping_modes(model)` around the whole loop, `model.eval()` before it begins.
    with keeping_modes(model):
        model.eval()
        for x, y in loader:
            adversarial = attack(model, x, y)
            with torch.no_grad():
                predicted = model(adversarial).argmax(1)  # (b,)
            # HINT: Count: how many are right, and how many there are. Divide once, after the loop.
            right += (predicted == y).sum().item()
            samples += len(y)

    if samples == 0:
        raise ValueError("the loader gives no sample, so there is no accuracy")
    return right / samples
    ### END SOLUTION


# %% [markdown]
# ## 7. adversarial_step
#
# How does a model get harder to fool? Show it attacked pictures while it learns. Every training
# step first attacks the batch, with the weights as they are **now**, and then learns the right
# answers for the attacked pictures. In a formula: find the weights $W$ for which the *worst*
# picture in the ball has a small loss,
#
# $$\min_W \; \sum_n \; \max_{\|\delta_n\| \le \varepsilon} L\big(f_W(x_n + \delta_n),\, y_n\big)$$
#
# where $\|\delta_n\|$ is the largest change of any pixel of picture $n$. The attack works on the
# inner "max" (FGSM is a quick guess at it), the optimizer on the outer "min".
#
# One step, in this order:
#
# 1. Make the FGSM examples. The gradient *for the attack* is taken in eval mode (by your `fgsm`).
# 2. Switch the model to training mode, as in any training.
# 3. Clear the old gradients; cross-entropy of the model on the FGSM examples (on these only, not on
#    the clean pictures); backward; one step of the optimizer.
# 4. Give every layer its own mode back. The loss is the answer, as a Python number.
#
# **By hand.** $W = \begin{pmatrix} 2 & 0 \\ 0 & 2 \end{pmatrix}$, $x = (0.5,\, 0.5)$, right class
# 0, $\varepsilon = 0.1$, plain SGD with learning rate 1. FGSM gives $(0.4,\, 0.6)$ with logits
# $(0.8,\, 1.2)$ and probabilities $(0.4013,\, 0.5987)$. The loss, and the answer, is
# $-\log 0.4013 = 0.913$. As in task 1, its derivative with respect to the logits is
# $(0.4013 - 1,\; 0.5987) = (-0.5987,\; 0.5987)$. Logit $j$ is row $j$ of $W$ times the picture, so
# the gradient of row 0 is $-0.5987 \cdot (0.4,\, 0.6) = (-0.2395,\, -0.3592)$, that of row 1 is
# $(0.2395,\, 0.3592)$. SGD subtracts them: row 0 becomes $(2.2395,\, 0.3592)$, row 1 becomes
# $(-0.2395,\, 1.6408)$.
#
# ```pycon
# >>> weight = torch.tensor([[2.0, 0.0], [0.0, 2.0]], requires_grad=True)
# >>> F.cross_entropy(torch.tensor([[0.4, 0.6]]) @ weight.T, torch.tensor([0])).backward()
# >>> weight.grad
# tensor([[-0.2395, -0.3592],
#         [ 0.2395,  0.3592]])
# ```
#
# **Traps.** Unlike an attack, this function *does* change the model: parameters move, and their
# `.grad` holds the gradient of this step afterwards. Only of this step: an attack that runs
# `backward` leaves its own gradients in the parameters, so clear *after* the attack. And `loss` is
# a tensor that holds on to everything it was computed from; `loss.item()` is a plain number.
#
# **A warning for later.** A model that was trained against FGSM only can learn to fool *FGSM*
# rather than to be robust: FGSM finds nothing any more, PGD still does. So measure with a stronger
# attack than you train with.


# %%
def adversarial_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Float[Tensor, " b *image"],
    y: Int[Tensor, " b"],
    eps: float,
) -> float:
    """Make FGSM examples of `x` and take one optimizer step on them alone; their loss as a number.

    The examples are made in eval mode, the loss (cross-entropy, before the step) is taken in
    training mode. Afterwards each module has its own mode back, the parameters have moved, and
    their `.grad` is the gradient of this loss alone. The images are left as they were.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: Attack first, with `fgsm`: it leaves no trace in the model that you had to clean up.
    adversarial = fgsm(model, x, y, eps)

    with keeping_modes(model):
        # HINT: Then the four lines of any training: zero_grad, loss, backward, step.
        model.train()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(adversarial), y)
        loss.backward()
        optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - Szegedy and others, *Intriguing properties of neural networks* (ICLR 2014): the discovery, in
#   deep networks.
# - Goodfellow, Shlens and Szegedy, *Explaining and Harnessing Adversarial Examples* (ICLR 2015):
#   FGSM, and why many tiny changes add up.
# - Madry, Makelov, Schmidt, Tsipras and Vladu, *Towards Deep Learning Models Resistant to
#   Adversarial Attacks* (ICLR 2018): PGD, and training as a min-max problem.
# - Wong, Rice and Kolter, *Fast is better than free: Revisiting adversarial training* (ICLR 2020):
#   how training with FGSM fails all of a sudden, and how a random start helps.
# - Athalye, Carlini and Wagner, *Obfuscated Gradients Give a False Sense of Security* (ICML 2018),
#   and Croce and Hein, *Reliable evaluation of adversarial robustness with an ensemble of diverse
#   parameter-free attacks* (ICML 2020): how not to fool yourself when you measure robustness.
# - The documentation of `torch.autograd.grad`, and PyTorch's tutorial *Adversarial Example
#   Generation*. Now you can tell which pictures it skips, and in which space its ε lives.
