# %% [markdown]
# # Residual networks
#
# More layers should mean more skill. But when people stacked thirty or fifty plain layers, these
# deep networks came out *worse* than networks of twenty, even on the pictures that they were
# trained on. In 2015 Kaiming He and his colleagues found a cure of one line: let the input of
# every few layers run past them, and **add** it to what they put out. Such a bypass is called a
# *skip connection* or *shortcut*, and the layers together with their shortcut a *residual block*.
# With it, networks of 100 layers and more can be trained. Nearly every large network of today
# contains it, language models too.
#
# Here you write the parts by hand and put them together: batch normalization, the two kinds of
# residual block, a stage of blocks, the whole network, a clever start, and the training loop.
# Afterwards you will be able to
#
# - say what `nn.BatchNorm2d` computes in training and in use, and why it must be told in which of
#   the two it is,
# - build the residual networks that the papers and `torchvision` use,
# - tell why a deep network with shortcuts is easier to train than one without,
# - train one to read handwritten digits.
#
# Words used on this page, with the letters that stand for them in shapes:
#
# | word | letter | meaning |
# |---|---|---|
# | batch | `b` | how many pictures are handled at once |
# | channels | `c` | numbers per pixel: 1 for grey, more inside a network |
# | height, width | `h`, `w` | rows and columns of a picture, in this order |
# | (a block's) width | – | the number of *channels* inside a block; nothing to do with columns |
# | classes | `classes` | how many kinds of pictures the network can tell apart |
#
# What a convolution, its kernel, stride and padding are, the page `cnn` explains; what the *graph*
# is, `autograd`. A layer *strides* if its stride is not 1. BN is short for batch normalization.
# ReLU is $\max(0, x)$, number by number. *Logits* are the scores of the classes, any real numbers;
# the *softmax* makes probabilities of them: positive, with sum 1.

# %%
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import DataLoader

# %% [markdown]
# ## 1. BatchNorm2d
#
# A layer learns best when the numbers that come in have a familiar size: about 0 in the mean, and
# not much larger than 1. But each layer gets its numbers from the layers before, and those change
# with every step of training. *Batch normalization* puts things right: it shifts and scales each
# **channel** so that its mean over the batch is 0 and its variance is 1.
#
# Take one channel. Let $x_1, \dots, x_n$ be all its values: from every picture of the batch and
# every pixel, so $n = b \cdot h \cdot w$. Then
#
# $$\mu = \frac1n \sum_i x_i \qquad \sigma^2 = \frac1n \sum_i (x_i - \mu)^2 \qquad
# y_i = \gamma \cdot \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta$$
#
# $\mu$ is the mean, $\sigma^2$ the variance, $\varepsilon$ (`eps`) a tiny number that keeps us from
# dividing by 0. $\gamma$ (`weight`, starts at 1) and $\beta$ (`bias`, starts at 0) are learned, one
# of each per channel: if the network wants another mean and spread, it can have them.
#
# **By hand.** Two pictures of one pixel, with the values 1 and 3. $\mu = 2$, $\sigma^2 = 1$, so the
# results are $-1$ and $1$.
#
# **In use there is no batch.** A single digit arrives and wants an answer, and the answer must not
# depend on which other pictures happen to be there. So during training the layer keeps a *running
# mean* and a *running variance*, and in eval mode it takes these in place of $\mu$ and $\sigma^2$.
# (`model.train()` and `model.eval()` set the mode; inside a layer, `self.training` tells it.) After
# each training batch, with the *momentum* $m = 0.1$:
#
# $$\text{running} \leftarrow (1 - m) \cdot \text{running} + m \cdot \text{this batch's}$$
#
# The running mean starts at 0, the running variance at 1.
#
# **Trap: two variances.** The output uses $\sigma^2$ from above, divided by $n$ (*biased*). The
# running variance takes in the one divided by $n - 1$ (*unbiased*), since it is meant to be an
# estimate for all pictures that there are. (The values lie closer to their own mean $\mu$ than to
# the mean of all pictures, so dividing by $n$ gives too little on average; $n - 1$ makes up for
# it.) In the example: $((1 - 2)^2 + (3 - 2)^2) / 1 = 2$. So
# after this batch the running mean is $0.9 \cdot 0 + 0.1 \cdot 2 = 0.2$, and the running variance
# is $0.9 \cdot 1 + 0.1 \cdot 2 = 1.1$. Torch's own layer agrees:
#
# ```pycon
# >>> x = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
# >>> x.var(correction=0), x.var(correction=1)  # divided by n, divided by n - 1
# (tensor(1.), tensor(2.))
# >>> layer = nn.BatchNorm2d(1)  # a new layer is in training mode
# >>> layer(x).detach().flatten()
# tensor([-1.0000,  1.0000])
# >>> layer.running_mean, layer.running_var
# (tensor([0.2000]), tensor([1.1000]))
# >>> layer.eval()(x).detach().flatten()  # (1 - 0.2) / sqrt(1.1) and (3 - 0.2) / sqrt(1.1)
# tensor([0.7628, 2.6697])
# ```
#
# **Buffers.** The running statistics are no parameters: no gradient flows to them and no optimizer
# touches them. But they must be saved with the model and move to the GPU with it. Torch calls such
# a tensor a *buffer*. `register_buffer` makes one, once, in `__init__`. After that you can assign
# to it as to any attribute, and it stays a buffer:
#
# ```pycon
# >>> class Meter(nn.Module):
# ...     def __init__(self):
# ...         super().__init__()
# ...         self.register_buffer("total", torch.zeros(2))
# >>> meter = Meter()
# >>> meter.total = meter.total + torch.tensor([1.0, 5.0])
# >>> meter.state_dict()
# OrderedDict([('total', tensor([1., 5.]))])
# >>> list(meter.parameters())
# []
# ```
#
# **Names.** Use torch's, and no others: the parameters `weight` and `bias`, the buffers
# `running_mean`, `running_var` and `num_batches_tracked` (a single int64 number without axes; it
# starts at 0 and counts the training batches). Then the weights of an `nn.BatchNorm2d` can be
# loaded into your layer, and yours into it.
#
# **More traps.**
#
# - `x.mean(0)` is the mean over the batch alone, pixel by pixel. You want one number per *channel*:
#   average over the axes 0, 2 and 3.
# - A statistic with shape `(c,)` lines up with the **last** axis of `x`, the columns. It has to
#   line up with axis 1: give it the shape `(1, c, 1, 1)`.
#
# ```pycon
# >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 1, 2)  # two channels, one row each
# >>> (x - torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1)).flatten()
# tensor([0., 1., 0., 1.])
# ```
#
# - In training mode, a gradient flows **through** $\mu$ and $\sigma^2$: they depend on `x`. But the
#   running statistics must not hold on to the graph, or it grows with each batch. Detach what you
#   put there: `mean.detach()`, or compute it under `with torch.no_grad():`.
# - Elsewhere (TensorFlow, many blogs) "momentum" is the share of the *old* value, so torch's 0.1
#   is 0.9 there. And the "from scratch" layer of a well-known online book (*Dive into Deep
#   Learning*) puts the biased variance into the running one. Torch does not.
#
# What happens with a single value per channel in training (one picture of one pixel) is up to you:
# $n - 1$ is 0 then, and torch refuses. Write the arithmetic yourself here, without `F.batch_norm`
# or torch's layers.


# %%
class BatchNorm2d(nn.Module):
    """Normalize each channel: over the batch in training mode, by running statistics in eval mode.

    Parameters `weight` and `bias`, buffers `running_mean`, `running_var` and `num_batches_tracked`,
    with torch's starting values and rules: the biased variance in the output, the unbiased one in
    the running variance. `momentum` is the share of the new batch. All three buffers change in
    training mode only.

    Source: Ioffe and Szegedy, Batch Normalization, ICML 2015, algorithms 1 and 2.
    """

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 30 minutes, hard
        self.eps = eps
        self.momentum = momentum
        # HINT: What is learned is an `nn.Parameter`, what is only remembered a buffer.
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Shift and scale each channel."""
        ### BEGIN SOLUTION
        # HINT: `self.training` tells the mode. Take mean and variance from x, or from the buffers.
        if self.training:
            # HINT: `x.var((0, 2, 3), correction=0)` is the biased one, `correction=1` the unbiased.
            mean = x.mean((0, 2, 3))
            variance = x.var((0, 2, 3), correction=0)

            # HINT: `with torch.no_grad():` keeps the running statistics out of the graph.
            with torch.no_grad():
                unbiased = x.var((0, 2, 3), correction=1)
                self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
                self.running_var = (1 - self.momentum) * self.running_var + self.momentum * unbiased
                self.num_batches_tracked += 1
        else:
            mean, variance = self.running_mean, self.running_var

        # HINT: `[:, None, None]` turns (c,) into (c, 1, 1): one number per channel.
        scale = self.weight / (variance + self.eps).sqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]
        ### END SOLUTION


# %% [markdown]
# ## 2. ResidualBlock
#
# Let $x$ be what comes in and $f(x)$ what a few layers make of it. A plain network hands on $f(x)$.
# A residual block hands on
#
# $$y = \text{ReLU}\big(f(x) + x\big)$$
#
# So the layers only have to find what is to be *changed* about $x$, the *residual*, the rest. If
# nothing is to be changed, they learn $f(x) = 0$, which is easy: weights of 0 do it. To pass $x$
# on unchanged through two convolutions with a ReLU between them is hard.
#
# The other reason shows in the backward pass. The slope of $f(x) + x$ is $f'(x) + 1$. Take 20
# layers in a row where each $f'$ is 0.1. Without shortcuts the slopes multiply to
# $0.1^{20} = 10^{-20}$: nothing arrives at the first layers, they do not learn. With shortcuts it
# is $1.1^{20} \approx 6.7$.
#
# In the notebook, the next cell draws this for 40 linear layers, each with a ReLU, and torch's own
# starting weights: the size of the gradient on its way back from the last layer to the input.
# Without shortcuts less than $10^{-14}$ of it is left at the input. With shortcuts and *the same
# weights* it arrives, and even grows, by a little at each layer (together about a hundredfold).
#
# That is not the whole story. Larger starting weights, or batch normalization, keep the gradient
# alive without any shortcut. The plain networks of He and his colleagues had batch normalization,
# and their gradients did not vanish; still, the deep ones learned worse than the shallow ones. The
# first reason is the one that the paper gives.

# %% tags=["picture"]
import matplotlib.pyplot as plt

for skip, words in [(False, "plain"), (True, "with shortcuts")]:
    torch.manual_seed(0)
    layers = [nn.Linear(64, 64) for _ in range(40)]
    values = [torch.randn(32, 64, requires_grad=True)]
    for layer in layers:
        changed = layer(values[-1])
        values.append(F.relu(values[-1] + changed if skip else changed))
    gradients = torch.autograd.grad(values[-1].sum(), values)
    plt.semilogy([(g.norm() / gradients[-1].norm()).item() for g in gradients], label=words)
plt.xlabel("layer (0: the input, 40: the last)")
plt.ylabel("size of the gradient")
plt.legend()
plt.show()

# %% [markdown]
# Inside the block, $f$ is: a 3 × 3 convolution, batch normalization, ReLU, a second 3 × 3
# convolution, batch normalization. **No ReLU before the sum**: $f(x)$ must be able to take
# something away from $x$, so it needs both signs. The ReLU comes after the sum. In the notebook,
# the next cell draws the block. As text:
#
#     x ──┬── conv 3×3 (stride) ── BN ── ReLU ── conv 3×3 ── BN ── (+) ── ReLU ── y
#         └─────────────────────── shortcut ────────────────────────┘
#
# The convolutions have padding 1 and **no bias**: the batch normalization behind them subtracts the
# mean, so a bias would be without effect.

# %% tags=["picture"]
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(10, 2.2))
parts = ["conv 3×3\n(stride)", "BN", "ReLU", "conv 3×3", "BN", "+", "ReLU"]
axes.text(0, 0, "x", ha="center", va="center", size=13)
for place, part in enumerate(parts, start=1):
    axes.plot([place - 1 + 0.15, place], [0, 0], color="black", zorder=0)
    style = {"boxstyle": "rarrow" if len(part) > 1 else "circle", "facecolor": "white"}
    axes.text(place, 0, part, ha="center", va="center", size=9, bbox=style)
axes.annotate("y", (7, 0), (8, 0), va="center", size=13, arrowprops={"arrowstyle": "<-"}, zorder=0)
axes.plot([0.4, 0.4, 6], [0, 1, 1], color="tab:blue")
axes.annotate("", (6, 0.2), (6, 1.03), arrowprops={"arrowstyle": "->", "color": "tab:blue"})
shortcut = "shortcut: x itself, or conv 1×1 (stride) and BN"
axes.text(3.2, 1.1, shortcut, ha="center", color="tab:blue")
axes.set(xlim=(-0.4, 8.4), ylim=(-0.6, 1.5))
axes.axis("off")
plt.show()

# %% [markdown]
# **When x does not fit.** A sum needs equal shapes. With stride 2 the picture comes out half as
# large (a 3 × 3 convolution with padding 1 and stride $s$ makes $\lceil h / s \rceil$ rows of $h$;
# $\lceil\cdot\rceil$: round up), and a block may also give another number of channels. Then the
# shortcut has to change $x$
# in the same way: a **1 × 1 convolution with the same stride**, without bias, and **batch
# normalization behind it**. Both conditions count: stride $\ne 1$ **or** another number of
# channels.
#
# ```pycon
# >>> x = torch.zeros(2, 8, 7, 5)
# >>> nn.Conv2d(8, 12, kernel_size=3, stride=2, padding=1, bias=False)(x).shape
# torch.Size([2, 12, 4, 3])
# >>> nn.Conv2d(8, 12, kernel_size=1, stride=2, bias=False)(x).shape
# torch.Size([2, 12, 4, 3])
# ```
#
# Where nothing changes, the shortcut is `x` itself, **without any parameters**.
#
# **By hand**, one number in place of a picture: $x = 3$ and $f(x) = -1$ give $\text{ReLU}(2) = 2$.
# With a ReLU before the sum you would get 3: the block could never make anything smaller.
#
# **Traps.**
#
# - `x += f` writes the sum into the caller's own tensor. Write `x + f`, or add *to the new one*:
#   `out += shortcut`. And no `F.relu_(x)` and no `nn.ReLU(inplace=True)` on `x` itself.
# - Each convolution has a batch normalization of its own. One layer used twice mixes the statistics
#   of two places. (A ReLU has nothing to remember, and may be used as often as you like.)
# - Many tutorials make the 1 × 1 convolution only where the stride is not 1, and then blocks that
#   change the channels alone break. Others leave out the batch normalization of the shortcut, or
#   give its convolution a bias.
#
# Take torch's layers, `nn.Conv2d` and `nn.BatchNorm2d`, from here on. Your own `BatchNorm2d` does
# the same, only slower. What you call the layers inside your blocks and your network is up to you.


# %%
class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions and a shortcut around them.

    conv(stride) - BN - ReLU - conv - BN, plus the shortcut, then ReLU. No convolution has a bias.
    The shortcut is a 1 × 1 convolution with the stride and BN where the stride is not 1 or the
    channels change, and has no parameters elsewhere. `x` is not changed.

    Source: He and others, Deep Residual Learning for Image Recognition, CVPR 2016, figures 2 and 5.
    """

    expansion = 1  # channels that come out / width

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 20 minutes, medium
        # HINT: Only the first convolution strides; the second one keeps size and channels.
        self.conv1 = nn.Conv2d(
            in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

        # HINT: An `nn.Identity()` is a shortcut too: `forward` then needs no `if`.
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "b in_channels h w"]) -> Float[Tensor, "b out out_h out_w"]:
        """Return ReLU(f(x) + shortcut(x)), a new tensor."""
        ### BEGIN SOLUTION
        # HINT: Follow the arrows of the picture. One ReLU stands inside f, one behind the sum.
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))
        ### END SOLUTION


# %% [markdown]
# ## 3. Bottleneck
#
# Deep networks have many channels, and a 3 × 3 convolution with many channels is expensive. It has
# one 3 × 3 kernel for each pair of an input and an output channel: with 256 channels
# $256 \cdot 256 \cdot 9 = 589{,}824$ weights. A *bottleneck* block first makes the channels fewer,
# works there, and makes them many again:
#
#     x ──┬── conv 1×1 ── BN ── ReLU                from in_channels to width
#         │   conv 3×3 (stride) ── BN ── ReLU       stays at width
#         │   conv 1×1 ── BN ── (+) ── ReLU ── y    to 4 · width
#         └────── shortcut ──────┘
#
# A 1 × 1 convolution looks at one pixel at a time and only mixes its channels. The last one gives
# $4 \cdot \text{width}$ channels. This 4 is kept on the class, `Bottleneck.expansion`, so that
# others can ask for it. `ResidualBlock.expansion` is 1.
#
# **By hand.** 256 channels in, width 64:
#
# | convolution | weights |
# |---|---|
# | 1 × 1, 256 → 64 | 16,384 |
# | 3 × 3, 64 → 64 | 36,864 |
# | 1 × 1, 64 → 256 | 16,384 |
#
# Together 69,632, where two 3 × 3 convolutions of a `ResidualBlock` with 256 channels have
# 1,179,648.
#
# The shortcut follows the same rule: 1 × 1 convolution with the stride and batch normalization
# where the stride is not 1 or the channels change (from `in_channels` to `4 * width`), nothing
# elsewhere.
#
# **Traps.** The block changes the channels with stride 1 too, unless `in_channels` is exactly
# `4 * width`: compare with what comes *out*, not with `width`. The original paper strides in the
# first 1 × 1 convolution. With stride 2 that throws three of four pixels away unseen, so
# torchvision and many others stride in the **3 × 3** one (known as "ResNet v1.5"). So do we.
# There are two ReLUs inside the block, none right before the sum, one after it. And only the
# 3 × 3 convolution has padding:
#
# ```pycon
# >>> nn.Conv2d(1, 1, kernel_size=1, padding=1)(torch.zeros(1, 1, 4, 4)).shape  # 4 × 4 has grown
# torch.Size([1, 1, 6, 6])
# ```


# %%
class Bottleneck(nn.Module):
    """Down to `width` channels, a 3 × 3 convolution there, up to `4 * width`; a shortcut around it.

    conv 1×1 - BN - ReLU - conv 3×3 (stride) - BN - ReLU - conv 1×1 - BN, plus the shortcut, then
    ReLU. No convolution has a bias. The shortcut is as in `ResidualBlock`. `x` is not changed.

    Source: He and others, CVPR 2016, figure 5, with the stride where torchvision has it.
    """

    expansion = 4  # channels that come out / width

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 20 minutes, medium
        # HINT: `self.expansion` finds the number on the class.
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        # HINT: The 3 × 3 convolution in the middle has the stride and padding 1.
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)

        # HINT: When can x be added as it is? Look at the stride, and at `out_channels`.
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "b in_channels h w"]) -> Float[Tensor, "b out out_h out_w"]:
        """Return ReLU(f(x) + shortcut(x)), a new tensor."""
        ### BEGIN SOLUTION
        # HINT: Three pairs of convolution and BN; a ReLU behind the first and behind the second.
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.shortcut(x))
        ### END SOLUTION


# %% [markdown]
# ## 4. make_stage
#
# A residual network is a row of *stages*, and a stage is a row of blocks that work on pictures of
# the same size. Only the **first** block of a stage may stride and change the number of channels.
# All the others get what the first one puts out, and leave size and channels as they are.
#
# `block` is a class, `ResidualBlock` or `Bottleneck` (or somebody else's). Classes are values in
# Python: you can pass them on and call them. Each has the attribute `expansion`, and a block made
# with `block(in_channels, width, stride)` puts out `width * block.expansion` channels. Pass the
# three without names: `ResidualBlock` calls its width `out_channels`.
#
# **By hand.** `make_stage(Bottleneck, 16, 8, 3, 2)` holds three blocks:
#
# | block | in_channels | width | stride | channels out |
# |---|---|---|---|---|
# | 0 | 16 | 8 | 2 | 32 |
# | 1 | 32 | 8 | 1 | 32 |
# | 2 | 32 | 8 | 1 | 32 |
#
# `nn.Sequential` takes layers one by one. `*` unpacks a list:
#
# ```pycon
# >>> parts = [nn.Flatten()]
# >>> parts.append(nn.ReLU())
# >>> nn.Sequential(*parts)
# Sequential(
#   (0): Flatten(start_dim=1, end_dim=-1)
#   (1): ReLU()
# )
# ```
#
# **Traps.** The second block takes `width * block.expansion` channels, not `width`. And
# `[block(...)] * 3` is **one** block three times, with one set of weights:
#
# ```pycon
# >>> parts = [nn.Linear(1, 1)] * 3
# >>> parts[0] is parts[2]
# True
# >>> len(list(nn.Sequential(*parts).parameters()))
# 2
# ```


# %%
def make_stage(
    block: type[nn.Module], in_channels: int, width: int, blocks: int, stride: int
) -> nn.Sequential:
    """Put `blocks` new blocks in a row; only the first one strides and changes the channels.

    `block` is a class with the attribute `expansion`, called as
    `block(in_channels, width, stride)`. The stage puts out `width * block.expansion` channels.
    `blocks` is at least 1.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: Begin a list with the first block, which takes in_channels and has the stride.
    stage = [block(in_channels, width, stride)]
    # HINT: What does the first one put out? That is what each other block takes in.
    for _ in range(blocks - 1):
        stage.append(block(width * block.expansion, width, 1))
    return nn.Sequential(*stage)
    ### END SOLUTION


# %% [markdown]
# ## 5. ResNet
#
# The whole network:
#
# 1. **Stem**: a 3 × 3 convolution (stride 1, padding 1, no bias) from `in_channels` to `width`
#    channels, batch normalization, ReLU.
# 2. **Stages**: one for each number in `layers`, which says how many blocks it holds. The first
#    stage has the width `width` and stride 1. Each further stage has **twice** the width of the one
#    before, and stride **2**: half as many rows and columns, but more is known about each place.
# 3. **Global average pool**: the mean over all pixels, one number per channel. This is why pictures
#    of any size are welcome.
# 4. **Linear**: a score for each class. No softmax here; it belongs to the loss.
#
# **By hand.** `ResNet(Bottleneck, [2, 1], 3, 10, width=8)` on pictures of 9 × 7:
#
# | part | channels | picture |
# |---|---|---|
# | input | 3 | 9 × 7 |
# | stem | 8 | 9 × 7 |
# | stage 0: width 8, stride 1, two blocks | 32 | 9 × 7 |
# | stage 1: width 16, stride 2, one block | 64 | 5 × 4 |
# | mean over pixels | 64 | – |
# | linear | 10 | – |
#
# The mean over the last two axes removes both, and the batch of one stays a batch:
#
# ```pycon
# >>> torch.zeros(1, 64, 5, 4).mean((2, 3)).shape
# torch.Size([1, 64])
# ```
#
# **Traps.** A stage puts out `width * block.expansion` channels; the next one has to take these
# in, and the linear layer those of the last stage. `squeeze()` also removes a batch of one.
# `flatten(1)` without the pool works for one size of picture only. A new network is in training
# mode, and there one picture that has shrunk to a single pixel makes `nn.BatchNorm2d` raise an
# error (task 1): try a single tiny picture in eval mode. Stages in a plain Python list
# are unknown to torch: not trained, not moved, not saved. And the "7 × 7, stride 2, max pool" stem
# of the paper is made for photos of 224 × 224: it would leave 2 × 2 of an 8 × 8 digit.


# %%
class ResNet(nn.Module):
    """A residual network for pictures of any size; a batch of one is welcome.

    3 × 3 stem (convolution without bias, BN, ReLU), one stage per entry of `layers` (the width
    doubles and the stride is 2 from the second on), global average pool, linear layer.

    Source: He and others, CVPR 2016, section 4.2, the networks for CIFAR-10 (their shortcuts
    have no weights of their own; missing channels are filled with zeros).
    """

    def __init__(
        self,
        block: type[nn.Module],
        layers: Sequence[int],
        in_channels: int,
        classes: int,
        width: int = 16,
    ) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 25 minutes, medium
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )

        # HINT: Walk through `layers` and keep a note of how many channels come out so far.
        stages = []
        channels = width
        for index, blocks in enumerate(layers):
            # HINT: Stage number `index` has the width `width * 2**index`.
            stage_width = width * 2**index
            stages.append(
                make_stage(block, channels, stage_width, blocks, stride=1 if index == 0 else 2)
            )
            channels = stage_width * block.expansion

        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(channels, classes)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "b in_channels h w"]) -> Float[Tensor, "b classes"]:
        """Score every picture for every class (logits: no softmax)."""
        ### BEGIN SOLUTION
        out = self.stages(self.stem(x))  # (b, channels, out_h, out_w)
        # HINT: `mean((2, 3))` averages over rows and columns: (b, channels) is left.
        return self.classifier(out.mean((2, 3)))
        ### END SOLUTION


# %% [markdown]
# ## 6. zero_init_residual
#
# Where should training start? Each block adds something random to what comes in, and after many
# blocks the signal is mostly noise. A better start: let every block do **nothing** at first. Then
# the network begins as a shallow one, and each block joins in as soon as it has learned something.
#
# One number per channel decides it. The last thing on the way to the sum is a batch normalization,
# which ends with $\gamma \cdot (\dots) + \beta$. Set its $\gamma$ (its `weight`) to zero; $\beta$
# is zero in a new layer anyway. Then $f(x) = 0$ and
#
# $$y = \text{ReLU}(0 + x) = x$$
#
# for a block whose shortcut is $x$ itself (what comes in is not negative: it comes out of a ReLU).
# The zero does not stay: the gradient with respect to $\gamma$ is not zero, so the first step
# moves it. The layers of $f$ before it do not move in that step: their gradient comes through
# $\gamma = 0$. From the second step on they do.
#
# **By hand.** The normalized values $-1$ and $1$ become $0 \cdot (-1) + 0 = 0$ and
# $0 \cdot 1 + 0 = 0$.
#
# `model.modules()` walks through all modules inside a model, however deep, and `isinstance` tells
# their kind. `nn.init.zeros_` writes zeros into a parameter, and autograd takes no note of it:
#
# ```pycon
# >>> model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(2, 1), nn.ReLU()))
# >>> sum(isinstance(module, nn.ReLU) for module in model.modules())
# 2
# >>> _ = nn.init.zeros_(model[1][0].weight)
# >>> model[1][0].weight
# Parameter containing:
# tensor([[0., 0.]], requires_grad=True)
# ```
#
# **Traps.** Only the **last** batch normalization of the main path (the way through $f$): not the
# earlier ones inside $f$, not that of the shortcut, not that of the stem. Not its bias either.
# `model.children()` sees one level only. And change the parameter that is there; a new
# `nn.Parameter` would be unknown to an optimizer that was made before.


# %%
def zero_init_residual(model: nn.Module) -> None:
    """Make every residual block of `model`, however deep inside, start as its shortcut alone.

    Sets the weight of the last BN before the sum to zero, in place, in each `ResidualBlock` and
    each `Bottleneck`. Nothing else changes.

    Source: Goyal and others, Accurate, Large Minibatch SGD, 2017, section 5.1.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: `for module in model.modules()` meets every module, the model itself too.
    for module in model.modules():
        # HINT: The two kinds of block have their last BN under different names.
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.bn2.weight)
        elif isinstance(module, Bottleneck):
            nn.init.zeros_(module.bn3.weight)
    ### END SOLUTION


# %% [markdown]
# ## 7. train_resnet
#
# The training loop. An *epoch* is one walk through the loader. For each batch: move it to the
# device, clear the old gradients, compute the loss, go backward, let the optimizer take a step.
# The loss is cross-entropy: for one picture with logits $z$ and right class $y$ it is
#
# $$\ell = -\log \frac{e^{z_y}}{\sum_k e^{z_k}}$$
#
# where $k$ runs over all classes. The fraction is the softmax, the probability that the network
# gives to the right class. `F.cross_entropy(logits, labels)` averages $\ell$ over the batch. It
# has the softmax inside, so give it the logits as they are.
#
# **Batch normalization changes what can go wrong.** In training mode the network normalizes with
# the statistics of the batch. If you forget `model.train()` and the model arrives in eval mode, it
# trains with running statistics that never move, and learns worse. If the other one is forgotten,
# `model.eval()` before use, a picture's scores depend on its neighbours in the batch. With mixed
# batches you may not even notice. But sort the digits by class, so that almost every batch shows
# *one* digit only, and batch normalization subtracts just what its pictures have in common: with
# the network of the last check and batches of 50, the share of right answers fell from about 97 %
# to about 47 %. That check therefore sorts the test digits by class. It calls `model.eval()`
# itself: in which mode you leave the model is up to you.
#
# **The history** holds one number per epoch: the mean loss over all *samples* of that epoch. The
# last batch is often smaller, so weight each by its size. **By hand:** a batch of 4 with the mean
# loss 1.0 and one of 1 with 3.0 give $(4 \cdot 1 + 1 \cdot 3) / 5 = 1.4$, not $(1 + 3) / 2 = 2$.
# Count the samples that really came: a loader may drop some.
#
# ```pycon
# >>> loss = F.cross_entropy(torch.tensor([[5.0, 5.0]]), torch.tensor([0]))
# >>> round(loss.item(), 4)  # a Python number; the tensor would keep its whole graph alive
# 0.6931
# ```
#
# **More traps.** Gradients add up until you clear them. Softmax before the loss means softmax
# twice: with ten classes such a loss cannot fall below 1.461.
#
# **What you may choose.** Any optimizer of `torch.optim` with the given `lr` will do, and with
# `lr = 0` it must leave the parameters alone. (The running statistics are no parameters: they move
# in any case.) We recommend `torch.optim.Adam`. The last check trains your
# `ResNet(ResidualBlock, [1, 1, 1], 1, 10, width=8)` for 3 epochs on 1200 digits, in shuffled
# batches of 32, with `lr = 0.004`, a good rate for Adam. If that fails, it tries 0.02 and 0.1 as
# well. The bar is low: a network that learns gets over it.


# %%
def train_resnet(
    model: nn.Module, loader: DataLoader, epochs: int, lr: float, device: torch.device | str
) -> list[float]:
    """Train `model` in place, on `device`, with cross-entropy; the mean loss of each epoch.

    The loader gives (images, labels), on whatever device. The mean is over samples, in Python
    floats. The model stays on `device`; parameters that do not require grad stay as they are.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    history = []
    for _ in range(epochs):
        model.train()
        total, samples = 0.0, 0
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)

            # HINT: Four lines: zero_grad, loss, backward, step. Which of them must come first?
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()

            # HINT: `loss` is a mean: times the batch's own length it is a sum, and sums add up.
            total += loss.item() * len(labels)
            samples += len(labels)
        history.append(total / samples)
    return history
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun, *Deep Residual Learning for Image
#   Recognition*, CVPR 2016. Short and clear; figure 1 shows the trouble, figure 2 the cure.
# - The same four, *Identity Mappings in Deep Residual Networks*, ECCV 2016: what happens when
#   nothing at all stands on the shortcut, not even the last ReLU.
# - Sergey Ioffe and Christian Szegedy, *Batch Normalization: Accelerating Deep Network Training by
#   Reducing Internal Covariate Shift*, ICML 2015.
# - Shibani Santurkar, Dimitris Tsipras, Andrew Ilyas and Aleksander Madry, *How Does Batch
#   Normalization Help Optimization?*, NeurIPS 2018: it does, but not for the reason in the title
#   above.
# - The source of `torchvision.models.resnet`: you can read every line of it now.
