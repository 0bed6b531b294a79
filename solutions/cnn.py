# %% [markdown]
# # Convolutional networks
#
# A picture is a grid of numbers. A *convolution* slides a small window over it and asks the same
# question everywhere: "how much does this spot look like my pattern?" The pattern is called the
# *kernel*; its numbers are the weights that training finds. A convolutional network stacks such
# layers: the first ones find edges, later ones find corners, loops, and at last digits.
#
# Here you write the pieces yourself: the size of the result, padding, the convolution, max pooling,
# and the gradient of the convolution. Then you build a network from torch's own layers. Afterwards
# you will be able to
#
# - tell the size of every layer's output without running it,
# - say exactly what `nn.Conv2d` and `nn.MaxPool2d` compute, forward and backward,
# - build a classifier that takes pictures of any size, and train it to read handwritten digits,
# - look at what a layer inside a network sees, without leaving a trace.
#
# Words used on this page, with the letters that stand for them in shapes:
#
# | word | letter | meaning |
# |---|---|---|
# | batch | `b` | how many pictures are handled at once |
# | channels | `c` | numbers per pixel: 1 for grey, 3 for red-green-blue, more inside a network |
# | height, width | `h`, `w` | rows and columns, **always in this order** |
# | kernel | `kh`, `kw` | rows and columns of the sliding window |
# | stride | `sh`, `sw` | how many cells the window moves at each step |
# | padding | `ph`, `pw` | how many empty cells are put around the picture, on each side |

# %%
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.utils.data import DataLoader

# %% [markdown]
# Stride and padding may be one number for both directions, or a pair (height, width). This little
# helper is given. It turns both forms into a pair, so that the rest of your code sees pairs only:
#
# ```pycon
# >>> as_pair(2)
# (2, 2)
# >>> as_pair((2, 1))
# (2, 1)
# ```


# %%
def as_pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Turn one number into the pair (number, number); a pair stays as it is."""
    return (value, value) if isinstance(value, int) else value


# %% [markdown]
# ## 1. output_size
#
# How many places does the window fit into? Think of one row of $n$ cells (`size`) and a window of
# $k$ cells (`kernel`) that moves $s$ cells at a time (`stride`). *Padding* $p$ adds $p$ cells on
# the left **and** $p$ on the right, so the row is $n + 2p$ long. *Dilation* $d$ spreads the window:
# its $k$ cells stand $d$ apart, so it spans
#
# $$\text{span} = d\,(k - 1) + 1$$
#
# cells. The last place where the window may start is $n + 2p - \text{span}$, the starts are
# $0, s, 2s, \dots$, so there are
#
# $$\left\lfloor \frac{n + 2p - \text{span}}{s} \right\rfloor + 1$$
#
# of them. $\lfloor\cdot\rfloor$ means "round down".
#
# **By hand.** $n = 6$, $k = 3$, $s = 2$, no padding. The window starts at 0 and at 2. A start at 4
# would need the cells 4, 5, 6, and there is no cell 6. So the answer is 2, and the formula agrees:
# $\lfloor 3/2 \rfloor + 1 = 2$. Torch counts the same way:
#
# ```pycon
# >>> torch.arange(6).unfold(0, 3, 2)  # along axis 0: windows of 3, moved by 2
# tensor([[0, 1, 2],
#         [2, 3, 4]])
# ```
#
# **Trap.** When the window is longer than the padded row, there is no place at all. The formula
# does not notice: it returns 0 or a negative number. Say it loudly instead, with a `ValueError`.


# %%
def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Count the places of a sliding window along one axis; a place that is cut off does not count.

    Raises:
        ValueError: the (dilated) kernel is longer than the padded axis.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: Three cells that stand 2 apart reach over 5 cells: count the gaps, not the cells.
    span = dilation * (kernel - 1) + 1
    room = size + 2 * padding
    if span > room:
        raise ValueError(f"a kernel that spans {span} cells does not fit into {room} cells")

    # HINT: `//` rounds down. The window stands at its first place before it has moved at all: + 1.
    return (room - span) // stride + 1
    ### END SOLUTION


# %% [markdown]
# ## 2. pad2d
#
# Without padding, a 3 × 3 window can never be centred on a border pixel, and each layer makes the
# picture smaller. So we put zeros around it: `ph` rows above **and** below, `pw` columns left
# **and** right. A picture of shape $h \times w$ becomes $(h + 2\,ph) \times (w + 2\,pw)$.
#
# **By hand.** Padding (1, 0) means one row above and below, no columns:
#
# $$\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} \;\to\;
# \begin{pmatrix} 0 & 0 \\ 1 & 2 \\ 3 & 4 \\ 0 & 0 \end{pmatrix}$$
#
# Any number of axes may come before the last two (none, channels, batch and channels). With `...`
# you name the last axes and leave the others alone. Slices with `...` can be written to as well:
#
# ```pycon
# >>> frame = torch.zeros(2, 5)
# >>> frame[..., 1:4] = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
# >>> frame
# tensor([[0., 1., 2., 3., 0.],
#         [0., 4., 5., 6., 0.]])
# ```
#
# **Trap.** A new tensor such as `torch.zeros(...)` is float32 on the CPU, whatever `x` is. Use
# `x.new_zeros(shape)`: it takes dtype and device from `x`. And if you use `F.pad`, mind its order:
# it counts from the **last** axis backwards, (left, right, top, bottom).


# %%
def pad2d(
    x: Shaped[Tensor, "*batch h w"], padding: int | tuple[int, int]
) -> Shaped[Tensor, "*batch padded_h padded_w"]:
    """Put zeros around the last two axes; `padding` is one number or (height, width).

    The same number of rows goes above and below, the same number of columns left and right.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    ph, pw = as_pair(padding)
    # HINT: Take the shape apart: `*batch, h, w = x.shape` works for any number of leading axes.
    *batch, h, w = x.shape

    # HINT: Make a bigger tensor of zeros first (`x.new_zeros`). Where does x go inside it?
    padded = x.new_zeros(*batch, h + 2 * ph, w + 2 * pw)
    # HINT: The rows of x start at row ph and are h rows long; the same for the columns.
    padded[..., ph : ph + h, pw : pw + w] = x
    return padded
    ### END SOLUTION


# %% [markdown]
# ## 3. conv2d
#
# Now the convolution. Take the padded picture $x$ of picture number $n$, and a kernel $w$. The
# value of output channel $o$ at row $i$, column $j$ is
#
# $$\text{out}_{n,o,i,j} = b_o + \sum_{c} \sum_{u} \sum_{v}
# x_{n,\,c,\;i \cdot sh + u,\;j \cdot sw + v} \; w_{o,c,u,v}$$
#
# Here $c$ runs over the input channels, $u$ and $v$ over the rows and columns of the kernel, and
# $b_o$ is the bias of output channel $o$. In words: put the window on the picture, multiply cell
# by cell, add **everything** up, all channels too, and add the bias.
#
# **By hand.** One channel, stride 1, no padding, bias 0:
#
# $$\begin{pmatrix} 1 & 2 & 3 \\ 4 & 5 & 6 \\ 7 & 8 & 9 \end{pmatrix}
# \quad\text{with}\quad \begin{pmatrix} 1 & 2 \\ 0 & 0 \end{pmatrix}
# \quad\text{gives}\quad \begin{pmatrix} 5 & 8 \\ 14 & 17 \end{pmatrix}$$
#
# since $1 \cdot 1 + 2 \cdot 2 = 5$, $2 \cdot 1 + 3 \cdot 2 = 8$, and so on.
#
# You may write loops. You may also ask torch for all windows at once: `unfold` on one axis, then
# on the other. The places come first, the cells inside the window last:
#
# ```pycon
# >>> image = torch.arange(9).reshape(3, 3)
# >>> windows = image.unfold(0, 2, 1).unfold(1, 2, 1)
# >>> windows.shape  # (rows of places, columns of places, kernel rows, kernel columns)
# torch.Size([2, 2, 2, 2])
# >>> windows[0, 1]  # the window at row 0, column 1
# tensor([[1, 2],
#         [4, 5]])
# ```
#
# And `torch.einsum` multiplies and adds along named axes. A letter that is missing after the
# arrow is summed over. Here `i` is:
#
# ```pycon
# >>> torch.einsum("bi,oi->bo", torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]))
# tensor([[11., 17.]])
# ```
#
# **Traps.** In mathematics a convolution turns the kernel by 180 degrees first. In deep learning
# nobody does: **do not flip**. Height comes before width, everywhere. The bias has one number per
# *output* channel, so it needs the shape `(o, 1, 1)` to be added to `(b, o, h, w)`; and it may be
# `None`.
#
# Write the sum yourself: torch's own convolutions (`F.conv2d`, `nn.Conv2d`, ...) are not allowed
# in this task. Compare with them as much as you like.


# %%
def conv2d(
    x: Float[Tensor, "b c h w"],
    w: Float[Tensor, "o c kh kw"],
    b: Float[Tensor, " o"] | None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
) -> Float[Tensor, "b o out_h out_w"]:
    """Slide the kernels `w` over the pictures `x` and add the bias `b` (None: no bias).

    Stride and padding are one number or (height, width). The kernel is not flipped, padding is
    zeros, and gradients flow to `x`, `w` and `b`. Uses none of torch's convolutions.
    """
    ### BEGIN SOLUTION
    # TASK: 30 minutes, hard
    sh, sw = as_pair(stride)
    kh, kw = w.shape[-2:]

    # HINT: Pad first. Then `x.unfold(2, kh, sh)` gives all windows along the height; once more.
    padded = pad2d(x, padding)
    windows = padded.unfold(2, kh, sh).unfold(3, kw, sw)  # (b, c, out_h, out_w, kh, kw)

    # HINT: Which letters are in the result? b, o and the place i, j. Sum over c, kh and kw.
    out = torch.einsum("bcijuv,ocuv->boij", windows, w)
    # HINT: The bias belongs to axis 1 of the result: give it two more axes at its end.
    return out if b is None else out + b[:, None, None]
    ### END SOLUTION


# %% [markdown]
# ## 4. max_pool2d
#
# Pooling makes a picture smaller. The window slides as before, but now it keeps only the largest
# number that it sees. Each channel is on its own: nothing is summed, there are no weights. If
# `stride` is `None`, the window moves by its own size, so that windows do not overlap.
#
# **By hand.** Kernel 2, so stride 2:
#
# $$\begin{pmatrix} 1 & 5 & 2 & 0 \\ 3 & 4 & 1 & 7 \end{pmatrix} \;\to\;
# \begin{pmatrix} 5 & 7 \end{pmatrix}$$
#
# **Trap.** Padding for a maximum is not zero! Take the row $-3, -1, -2, -5$ with kernel 2, stride 2
# and padding 1 along the row. The windows are (pad, −3), (−1, −2), (−5, pad), and the right answer
# is −3, −1, −5. With zeros as padding you would get 0, −1, 0: numbers that were never in the
# picture. A padded cell must **never** win, so it has to be smaller than every number:
#
# ```pycon
# >>> torch.tensor([-float("inf"), -1e30]).max()
# tensor(-1.0000e+30)
# ```
#
# As in torch, the padding is at most half the kernel, so every window sees at least one real cell.


# %%
def max_pool2d(
    x: Float[Tensor, "b c h w"],
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
) -> Float[Tensor, "b c out_h out_w"]:
    """Keep the largest value of each window, channel by channel; padded cells never win.

    `stride` None means: as large as the kernel. `padding` is at most half the kernel.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    kh, kw = as_pair(kernel)
    sh, sw = as_pair(kernel if stride is None else stride)
    ph, pw = as_pair(padding)

    # HINT: `F.pad(x, (left, right, top, bottom), value=...)` pads with any number. Which one?
    padded = F.pad(x, (pw, pw, ph, ph), value=-float("inf"))
    windows = padded.unfold(2, kh, sh).unfold(3, kw, sw)  # (b, c, out_h, out_w, kh, kw)
    # HINT: `amax` takes the maximum over several axes at once: here over the window's own two.
    return windows.amax((-2, -1))
    ### END SOLUTION


# %% [markdown]
# ## 5. conv2d_backward
#
# Training needs gradients. Autograd gives them for free; here you see where they come from.
# Somebody hands you `grad`, the derivative of the loss with respect to the *result* of the
# convolution (shape `b o out_h out_w`). You give back the derivatives with respect to `x`, `w` and
# the bias. Write $g$ for `grad`, $s$ for the stride, $p$ for the padding, and $x$ for the *padded*
# picture.
#
# Look at the formula of `conv2d` and ask of each input: in which results does it take part, and
# with which factor?
#
# - The bias $b_o$ is added to every place of channel $o$:
#   $$db_o = \sum_{n,i,j} g_{n,o,i,j}$$
# - The weight $w_{o,c,u,v}$ meets $x_{n,c,\,is+u,\,js+v}$ at every place:
#   $$dw_{o,c,u,v} = \sum_{n,i,j} g_{n,o,i,j}\; x_{n,c,\,is+u,\,js+v}$$
# - A pixel lies in **several** windows, and each of them sends its part back:
#   $$dx_{n,c,\,is+u,\,js+v} \mathrel{+}= \sum_o g_{n,o,i,j}\; w_{o,c,u,v}
#   \qquad\text{for every } i, j, u, v$$
#
# At the end the padding is cut off again: nobody asks for the gradient of the added zeros.
#
# **By hand**, along one row: $x = (1, 4, 5)$, $w = (2, 3)$, stride 1. The results are
# $1 \cdot 2 + 4 \cdot 3$ and $4 \cdot 2 + 5 \cdot 3$. Let $g = (1, 10)$. Then $db = 11$,
# $dw = (1 \cdot 1 + 10 \cdot 4,\; 1 \cdot 4 + 10 \cdot 5) = (41, 54)$. The middle pixel is in both
# windows: $dx = (2,\; 1 \cdot 3 + 10 \cdot 2,\; 30) = (2, 23, 30)$.
#
# **Trap.** Where windows overlap, add: `+=`. With `=` the last window erases what the others said.
# This adds, slice by slice:
#
# ```pycon
# >>> dx = torch.zeros(3)
# >>> dx[0:2] += 1 * torch.tensor([2.0, 3.0])
# >>> dx[1:3] += 10 * torch.tensor([2.0, 3.0])
# >>> dx
# tensor([ 2., 23., 30.])
# ```
#
# A slice with a step picks the pixels that one kernel cell meets while the window strides along:
# cell 1 of a window that takes 3 places with stride 2 meets the pixels 1, 3 and 5.
#
# ```pycon
# >>> torch.arange(8)[1 : 1 + 2 * 3 : 2]
# tensor([1, 3, 5])
# ```


# %%
def conv2d_backward(
    grad: Float[Tensor, "b o out_h out_w"],
    x: Float[Tensor, "b c h w"],
    w: Float[Tensor, "o c kh kw"],
    stride: int = 1,
    padding: int = 0,
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "o c kh kw"], Float[Tensor, " o"]]:
    """Pull `grad` back through `conv2d(x, w, b, stride, padding)`: `(dx, dw, db)`.

    Each has the shape of what it belongs to. Pixels that no window reaches have gradient 0.
    """
    ### BEGIN SOLUTION
    # TASK: 40 minutes, hard
    out_h, out_w = grad.shape[-2:]
    h, width = x.shape[-2:]
    kh, kw = w.shape[-2:]
    padded = pad2d(x, padding)

    # HINT: db is a sum over everything but the output channel.
    db = grad.sum((0, 2, 3))

    # HINT: dw needs the same windows as the forward pass; sum over the batch and all places.
    windows = padded.unfold(2, kh, stride).unfold(3, kw, stride)  # (b, c, out_h, out_w, kh, kw)
    dw = torch.einsum("boij,bcijuv->ocuv", grad, windows)

    # HINT: For dx, loop over the few cells (u, v) of the kernel, not over the many places.
    # HINT: Cell (u, v) meets the rows u, u + stride, ...: a slice with a step. Add (+=) to it.
    dpadded = torch.zeros_like(padded)
    for u in range(kh):
        for v in range(kw):
            rows = slice(u, u + stride * out_h, stride)
            columns = slice(v, v + stride * out_w, stride)
            dpadded[:, :, rows, columns] += torch.einsum("boij,oc->bcij", grad, w[:, :, u, v])

    dx = dpadded[:, :, padding : padding + h, padding : padding + width]
    return dx, dw, db
    ### END SOLUTION


# %% [markdown]
# ## 6. ConvNet
#
# Now use torch's own layers (`nn.Conv2d`, `nn.MaxPool2d`, ...) to build a classifier. The usual
# plan: a few times "convolution, ReLU, pooling", with more channels as the picture gets smaller;
# then flatten what is left into one row per picture, and one `nn.Linear` that gives a score for
# each class. These scores are called *logits*. They are any real numbers; the softmax that turns
# them into probabilities belongs to the loss, **not** to the network.
#
# **By hand**, for an 8 × 8 digit: a 3 × 3 convolution with padding 1 keeps 8 × 8; pooling by 2
# gives 4 × 4; again convolution and pooling give 2 × 2. With 32 channels there are
# $32 \cdot 2 \cdot 2 = 128$ numbers for the linear layer.
#
# **Trap.** That 128 holds for 8 × 8 only. A picture of 28 × 20 leaves 7 × 5 cells, and the linear
# layer breaks. Your network must take **any** height and width from 8 up, not only squares. An
# *adaptive* pooling layer is the way out: you say what size comes out, it picks the windows.
#
# ```pycon
# >>> pool = nn.AdaptiveAvgPool2d(2)
# >>> pool(torch.zeros(1, 32, 7, 5)).shape
# torch.Size([1, 32, 2, 2])
# >>> nn.Flatten()(pool(torch.zeros(1, 32, 9, 2))).shape
# torch.Size([1, 128])
# ```
#
# **More traps.** `squeeze()` also removes the batch axis when the batch is 1. A batch of one must
# work in training mode too (`BatchNorm1d` then fails; `BatchNorm2d` on more than one pixel does
# not). Layers in a plain Python list are unknown to torch: they are neither trained nor moved to
# the GPU; use `nn.Sequential` or `nn.ModuleList`.
#
# Everything else is yours: number of layers, channels, kind of pooling. 16 and 32 channels are
# plenty for the digits, and a network that is too narrow (8 channels, averaged over the whole
# picture) learns too slowly for the last check.


# %%
class ConvNet(nn.Module):
    """A small convolutional classifier for pictures of any height and width from 8 up."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 15 minutes, medium
        # HINT: `nn.Conv2d(in_channels, 16, kernel_size=3, padding=1)` keeps the size.
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        # HINT: An adaptive pooling layer before the linear one makes every picture equally large.
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Linear(32 * 2 * 2, classes)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b classes"]:
        """Score every picture for every class (logits: no softmax)."""
        ### BEGIN SOLUTION
        maps = self.pool(self.features(x))  # (b, 32, 2, 2)
        # HINT: `flatten(1)` keeps axis 0, the batch, and makes one row per picture of the rest.
        return self.classifier(maps.flatten(1))
        ### END SOLUTION


# %% [markdown]
# ## 7. feature_maps
#
# What does a layer in the middle of a network see? A *hook* lets you look without changing the
# network: a function that torch calls each time a layer has run, with the layer, its inputs and its
# output. Registering it gives a *handle*, and the handle takes the hook away again:
#
# ```pycon
# >>> layer = nn.Flatten()
# >>> def show(module, inputs, output):
# ...     print("the output has shape", tuple(output.shape))
# >>> handle = layer.register_forward_hook(show)
# >>> result = layer(torch.zeros(2, 3, 4))
# the output has shape (2, 12)
# >>> handle.remove()
# >>> result = layer(torch.zeros(2, 3, 4))
# ```
#
# Every layer has a name, with dots for layers inside layers, and `get_submodule` finds it:
#
# ```pycon
# >>> block = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Flatten()), nn.Identity())
# >>> block.get_submodule("0.1")
# Flatten(start_dim=1, end_dim=-1)
# ```
#
# A visitor leaves the house as it was. Four traps, and all of them are met in practice:
#
# 1. **The output may change after your hook.** `nn.ReLU(inplace=True)` behind a convolution writes
#    into the convolution's own output. `detach()` cuts the result from the graph but shares its
#    memory, so you would see the numbers *after* the ReLU. Take a copy, at once.
# 2. **The hook stays.** If the forward pass raises an error half-way, the lines below it do not
#    run. `try: ... finally: ...` runs the `finally` part in any case. Remove your own hook only.
# 3. **Statistics move.** Some layers behave differently in training. BatchNorm keeps running means
#    of what it sees and updates them with every forward pass; dropout sets random numbers to zero.
#    So run in eval mode.
# 4. **The modes are not one switch.** Each layer has its own `training` flag, and they may differ:
#    a model in training mode may hold a frozen layer in eval mode. `model.train()` would set them
#    all. Note each flag before, and put each back after, also after an error.
#
# ```pycon
# >>> block = nn.Sequential(nn.Dropout(), nn.Identity())
# >>> _ = block[0].eval()  # one layer is frozen, the model as a whole trains
# >>> [module.training for module in block.modules()]
# [True, False, True]
# ```


# %%
def feature_maps(
    model: nn.Module, x: Shaped[Tensor, "..."], layer_name: str
) -> Shaped[Tensor, "..."]:
    """Run `model(x)` in eval mode and give back what the layer `layer_name` put out.

    The result is a copy, as the output was when the layer had just run, cut from the graph. The
    model is left as it was found, also when its forward pass raises (the error goes on to the
    caller): hooks, the training flag of every module, statistics and gradients.
    `layer_name` is a dotted name as in `model.named_modules()`.
    """
    ### BEGIN SOLUTION
    # TASK: 20 minutes, medium
    captured = {}

    def keep(module, inputs, output):
        # HINT: `detach` still shares memory with the layer's output. `clone` does not.
        captured["output"] = output.detach().clone()

    # HINT: A dict {module: module.training} over `model.modules()` remembers every flag.
    modes = {module: module.training for module in model.modules()}
    handle = model.get_submodule(layer_name).register_forward_hook(keep)
    try:
        model.eval()
        with torch.no_grad():
            model(x)
    # HINT: Whatever has to happen in any case goes into `finally`: hook away, flags back.
    finally:
        handle.remove()
        for module, training in modes.items():
            module.training = training
    return captured["output"]
    ### END SOLUTION


# %% [markdown]
# ## 8. train_cnn
#
# The training loop, as you will write it a hundred times. An *epoch* is one walk through the
# loader. For each batch: move it to the device, clear the old gradients, compute the loss, go
# backward, let the optimizer take a step.
#
# The loss is cross-entropy. For one picture with logits $z$ and right class $y$ it is
#
# $$\ell = -\log \frac{e^{z_y}}{\sum_k e^{z_k}}$$
#
# and `F.cross_entropy(logits, labels)` averages it over the batch. It has the softmax inside, so
# give it the logits as they are.
#
# **By hand.** Equal logits for two classes: $\ell = -\log \frac{1}{2} = 0.693$.
#
# ```pycon
# >>> F.cross_entropy(torch.tensor([[5.0, 5.0]]), torch.tensor([0]))
# tensor(0.6931)
# ```
#
# **Trap: the history.** It holds one number per epoch: the mean loss over all *samples* of that
# epoch. The last batch is often smaller. Say a batch of 4 has the mean loss 1.0 and the last one,
# of 1, has 3.0. The mean over samples is $(4 \cdot 1 + 1 \cdot 3) / 5 = 1.4$, not
# $(1 + 3) / 2 = 2$. Count the samples that really came: a loader may also drop some. And keep
# numbers (`loss.item()`), not tensors: a tensor keeps the whole graph alive.
#
# **More traps.** Gradients add up until you clear them. A model that arrives in eval mode must
# still be *trained* in training mode. Softmax before the loss means softmax twice: with ten
# classes such a loss cannot fall below 1.461.
#
# **What you may choose.** Nobody tells you which optimizer to take. Any optimizer of `torch.optim`
# with the given `lr` will do, and with `lr = 0` it must leave the parameters alone. We recommend
# `torch.optim.Adam`. The last check trains your `ConvNet(1, 10)` with your `train_cnn` for 8
# epochs on 1200 digits, in shuffled batches of 32, with `lr = 0.004`, a good rate for Adam. If
# that is not enough (plain SGD hardly moves at such a rate), it tries 0.02 and 0.1 as well. The bar
# is low: a network that learns gets over it.


# %%
def train_cnn(
    model: nn.Module, loader: DataLoader, epochs: int, lr: float, device: torch.device | str
) -> list[float]:
    """Train `model` in place, on `device`, with cross-entropy; the mean loss of each epoch.

    The loader gives (images, labels), on whatever device. The mean is over samples, in Python
    floats. The model stays on `device`; parameters that do not require grad stay as they are.
    """
    ### BEGIN SOLUTION
    # TASK: 20 minutes, medium
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
# - Goodfellow, Bengio and Courville, *Deep Learning*, chapter 9, for why convolutions work.
# - Dumoulin and Visin, *A guide to convolution arithmetic for deep learning* (2016), for pictures
#   of every stride and padding.
# - Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks* (2014), for what
#   layers see.
#
# Where to go from here: stack twenty such layers, and learning stops. Why, and what a short cut
# around each layer changes, is the story of residual networks (He and others, *Deep Residual
# Learning for Image Recognition*, 2015).
