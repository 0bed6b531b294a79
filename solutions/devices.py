# %% [markdown]
# # Devices
#
# A **device** is a place where numbers live and are worked on: the processor of your computer with
# its memory (`cpu`), or a graphics card with a memory of its own. Graphics cards do the same sum on
# thousands of numbers at once, which is what training needs. Two kinds matter here: cards from
# NVIDIA (`cuda`) and the ones inside newer Macs (`mps`). A machine may have several `cuda` cards.
# They are counted from 0: `cuda:0`, `cuda:1`. Plain `cuda` means the *current* card, which is card
# 0 until somebody changes it.
#
# The two memories are separate, and one rule follows from that:
#
# > **Everything that takes part in one operation must be on the same device.**
#
# Nothing is moved behind your back. Mix devices, and torch raises a `RuntimeError`.
#
# Afterwards you will be able to
#
# - write code that runs on any machine, and say where it runs in one place only,
# - write modules that can be moved as a whole,
# - train with half the memory (mixed precision), and with batches that do not fit (accumulation),
# - load a file that was saved on a machine with a card you do not have,
# - measure how long a card really works, and share one batch among several cards.
#
# **No card?** No matter. The checks try each task on the CPU and on a *simulated* card, which
# complains where a real one would. And you can try much by yourself with the device `meta`, which is
# there on every machine. It keeps shapes and dtypes, but no numbers:
#
# ```pycon
# >>> x = torch.ones(2, 3)
# >>> x.device
# device(type='cpu')
# >>> x.to("meta")
# tensor(..., device='meta', size=(2, 3))
# >>> x.device  # x itself has not moved
# device(type='cpu')
# ```
#
# **The trap that everybody falls into** is in that last line. `.to()` on a tensor gives you a *new*
# tensor and leaves the old one where it was. The line `x.to(device)` alone does nothing; write
# `x = x.to(device)`. A module is different: `model.to(device)` moves the model itself, in place,
# because the tensors inside it are exchanged.
#
# ```pycon
# >>> layer = nn.Linear(3, 2)
# >>> same = layer.to("meta")
# >>> same is layer, layer.weight.device
# (True, device(type='meta'))
# ```

# %%
import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

# %% [markdown]
# ## 1. pick_device
#
# Decide once, at the top of a program, where it runs, and pass that device on. Never write
# `.cuda()` in the middle of the code: on a machine without a card it raises an error.
#
# A device is a `torch.device`. It is only a name, so you can make one for a card that is not there:
#
# ```pycon
# >>> torch.device("cuda:7")
# device(type='cuda', index=7)
# >>> torch.device("cuda").type, torch.device("cuda").index
# ('cuda', None)
# >>> torch.device(torch.device("cpu"))  # a device, or its name: both will do
# device(type='cpu')
# ```
#
# Three questions tell what is really there:
#
# | question | answer |
# |---|---|
# | `torch.cuda.is_available()` | is there a card from NVIDIA that works? |
# | `torch.cuda.device_count()` | how many? |
# | `torch.backends.mps.is_available()` | is there the card of a Mac? |
#
# Without a wish (`prefer` is `None`), take the fastest: `cuda`, else `mps`, else `cpu`. With a wish,
# give just that device back. If it cannot be had, say so with a `RuntimeError`: somebody who asks
# for a card does not want to find out the next morning that the program ran on the CPU.
#
# **By hand.** A machine has two cards, `cuda:0` and `cuda:1`. The wish `"cuda:1"` is granted. The
# wish `"cuda:2"` is not: the largest index is the count minus one.
#
# **Traps.** `is_built()` tells how torch was made, not what the machine has. And do not try out a
# device by making a tensor on it: without CUDA that raises an `AssertionError`, and the checks
# pretend to be other machines by changing what the three questions answer. So ask them.


# %%
def pick_device(prefer: torch.device | str | None = None) -> torch.device:
    """Choose where to run: the wish if there is one, else CUDA, else MPS, else the CPU.

    Raises:
        RuntimeError: the wish cannot be had on this machine, or is no device at all.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    cuda_count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_mps = torch.backends.mps.is_available()

    # HINT: Without a wish: three cases in a row, and the first that is there wins.
    if prefer is None:
        return torch.device("cuda" if cuda_count else "mps" if has_mps else "cpu")

    # HINT: `torch.device(prefer)` takes both forms of a wish, and refuses a name that is none.
    device = torch.device(prefer)
    count = {"cpu": 1, "mps": int(has_mps), "cuda": cuda_count}.get(device.type, 0)
    # HINT: `index` is None or a number. With 2 cards the indices 0 and 1 can be had.
    if (device.index or 0) >= count:
        raise RuntimeError(f"{device} was wished for; this machine has {count} of that kind")
    return device
    ### END SOLUTION


# %% [markdown]
# ## 2. move
#
# A batch is rarely one tensor. Loaders hand out pairs, dicts of tensors, lists of dicts, with names
# of files and other things among them. One function shall move all tensors, wherever they are, and
# build the same containers around them.
#
# This is a job for a function that calls itself. What it does depends on what it gets:
#
# | it gets | it gives back |
# |---|---|
# | a tensor | the tensor on `device` |
# | a dict | a new dict with the same keys, each value moved |
# | a list or tuple | a new one of the same type, each item moved |
# | anything else | that thing, as it is |
#
# **By hand.** `{"x": t, "meta": ("cat.png", [u])}` with tensors `t` and `u` becomes
# `{"x": t', "meta": ("cat.png", [u'])}`. The text stays: it is "anything else".
#
# **Trap 1: a named tuple** is a tuple whose items have names. It is not built from *one* list, but
# from one argument for each item:
#
# ```pycon
# >>> from collections import namedtuple
# >>> Point = namedtuple("Point", ["x", "y"])
# >>> isinstance(Point(1, 2), tuple), hasattr(Point(1, 2), "_fields"), hasattr((1, 2), "_fields")
# (True, True, False)
# >>> Point(*[10, 20])
# Point(x=10, y=20)
# ```
#
# **Trap 2.** Build new containers. `batch[key] = ...` would change the dict of the caller, who may
# need it again.
#
# **Trap 3.** A text is not a list, although a `for` loop walks through it. And `.to(device)` keeps a
# tensor in the graph, so gradients flow back through the move; a way through NumPy or
# `torch.tensor(...)` cuts it off.


# %%
def move(batch: Any, device: torch.device | str) -> Any:
    """Move all tensors in nested dicts, lists, tuples and named tuples to `device`.

    Containers come back as new ones of the same types; whatever is no tensor comes back as it is.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: `isinstance(batch, Tensor)`: that is the end of the walk, and the only place with `.to`.
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}

    # HINT: Move the items first. Then `type(batch)` is what builds the same kind of container.
    if isinstance(batch, list | tuple):
        items = [move(item, device) for item in batch]
        is_named_tuple = hasattr(batch, "_fields")
        return type(batch)(*items) if is_named_tuple else type(batch)(items)
    return batch
    ### END SOLUTION


# %% [markdown]
# ## 3. SinusoidalEncoding
#
# Now a module that can be moved. A module knows its tensors in three ways, and `.to()` treats them
# differently:
#
# | how it is kept | trained? | moved by `.to()`? | saved in `state_dict`? |
# |---|---|---|---|
# | `self.w = nn.Parameter(t)` | yes | yes | yes |
# | `self.register_buffer("table", t)` | no | yes | yes |
# | `self.table = t` (a plain attribute) | no | **no** | no |
#
# ```pycon
# >>> module = nn.Module()
# >>> module.plain = torch.zeros(2)
# >>> module.register_buffer("known", torch.zeros(2))
# >>> _ = module.to("meta")
# >>> module.plain.device, module.known.device
# (device(type='cpu'), device(type='meta'))
# ```
#
# A **buffer** is the right place for a tensor that belongs to the module but is not learned: a
# table, a mask, a running mean. You read it as `self.known`, like an attribute.
#
# The table of this task tells a network *where* in a sequence an entry stands, since attention by
# itself cannot see that. Every position $p$ gets `width` numbers, sines and cosines of waves that
# get slower and slower. For $i = 0, 1, 2, \dots$, with $d$ for `width`, which is even:
#
# $$\text{table}_{p,\,2i} = \sin\!\left(\frac{p}{10000^{2i/d}}\right) \qquad
# \text{table}_{p,\,2i+1} = \cos\!\left(\frac{p}{10000^{2i/d}}\right)$$
#
# Sines stand in columns 0, 2, 4, ..., cosines in 1, 3, 5, ... Positions are counted from 0, so row 0
# is $0, 1, 0, 1, \dots$
#
# **By hand.** $d = 4$. The waves are divided by $10000^{0/4} = 1$ and $10000^{2/4} = 100$. Row 3 is
# $\sin 3,\; \cos 3,\; \sin 0.03,\; \cos 0.03$, which is $0.1411,\; -0.9900,\; 0.0300,\; 0.9996$.
#
# A slice with a step writes to every second column:
#
# ```pycon
# >>> table = torch.zeros(2, 4)
# >>> table[:, 1::2] = 1.0
# >>> table
# tensor([[0., 1., 0., 1.],
#         [0., 1., 0., 1.]])
# ```
#
# `forward` gets `x` of shape `(b, t, d)`: `b` sequences of `t` entries. It adds row $p$ to entry $p$
# of each sequence. `t` may be smaller than `length`, so only the first `t` rows are needed.
#
# **Trap: the dtype.** `.to()` knows dtypes as well as devices, and the two get lost in the same way.
# A float32 table added to a bfloat16 `x` makes the result float32, and the next layer complains.
# What comes out should have the dtype of `x`:
#
# ```pycon
# >>> (torch.zeros(1, dtype=torch.bfloat16) + torch.zeros(1)).dtype
# torch.float32
# ```


# %%
class SinusoidalEncoding(nn.Module):
    """Add sines and cosines of the position to a sequence (Vaswani and others, 2017, section 3.5).

    Sines in the even columns, cosines in the odd ones. The table is a buffer: it moves with the
    module, and nothing is trained. `width` is even, and `x` is at most `length` entries long.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        # TASK: 20 minutes, medium
        # HINT: A column of positions times a row of `width / 2` frequencies gives all angles at once.
        positions = torch.arange(length)[:, None]
        frequencies = 10000.0 ** (-torch.arange(0, width, 2) / width)
        angles = positions * frequencies  # (length, width / 2)

        table = torch.empty(length, width)
        table[:, 0::2] = angles.sin()
        table[:, 1::2] = angles.cos()
        # HINT: `self.table = table` would stay behind. Which of the three ways moves, untrained?
        self.register_buffer("table", table)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        ### BEGIN SOLUTION
        # HINT: Take the first t rows; broadcasting adds them to every sequence of the batch.
        return x + self.table[: x.shape[1]].to(x.dtype)  # (b, t, d) + (t, d)
        ### END SOLUTION


# %% [markdown]
# ## 4. MaskedMeanPool
#
# Some tensors can only be made in `forward`, since they depend on the input. Sequences in a batch
# are filled up to the same length, and `lengths` tells how many entries of each are real. The mean
# of a sequence counts the real ones only:
#
# $$\text{out}_n = \frac{1}{\ell_n} \sum_{p < \ell_n} x_{n,p}
# \qquad\text{and}\quad \text{out}_n = 0 \;\text{ if }\; \ell_n = 0$$
#
# where $x_{n,p}$ is entry $p$ of sequence $n$ (a vector of `d` numbers) and $\ell_n$ its length.
#
# **By hand.** A sequence $(2, 4, 99)$ of length 2 has the mean $(2 + 4) / 2 = 3$. The 99 is padding:
# it counts neither in the sum nor in the number.
#
# Which entries are real? Compare the positions, a row, with the lengths, a column:
#
# ```pycon
# >>> lengths = torch.tensor([2, 0, 3])
# >>> torch.arange(3) < lengths[:, None]
# tensor([[ True,  True, False],
#         [False, False, False],
#         [ True,  True,  True]])
# ```
#
# **The trap:** `torch.arange(3)` in `forward` is a fresh tensor, and fresh tensors are on the CPU.
# Your tests on the CPU pass, and on the card the comparison raises the `RuntimeError`. The module
# cannot help: it moves what it owns, and this tensor did not exist yet. So say where, each time:
#
# | instead of | write |
# |---|---|
# | `torch.arange(n)` | `torch.arange(n, device=x.device)` |
# | `torch.zeros(2, 3)` | `x.new_zeros(2, 3)`, which takes device **and dtype** from `x` |
# | `torch.randn(x.shape)` | `torch.randn_like(x)` |
# | `torch.Generator()` | `torch.Generator(x.device)`: it must be where the numbers are drawn |
#
# Not `device="cuda"`, and not `.cuda()`: the same module must run on the CPU too. And dividing by a
# length of 0 gives NaN: 0/0. Divide by at least 1.


# %%
class MaskedMeanPool(nn.Module):
    """Average each sequence over its first `lengths` entries; a sequence of length 0 gives 0.

    Device and dtype of the result are those of `x`. What stands in the padding does not count.
    """

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b d"]:
        ### BEGIN SOLUTION
        # TASK: 15 minutes, medium
        # HINT: A fresh tensor needs `device=x.device`; then the comparison of the handout works.
        positions = torch.arange(x.shape[1], device=x.device)
        is_padding = positions >= lengths[:, None]  # (b, t)

        # HINT: Put 0 in place of the padding, and a plain sum over the entries is right.
        total = x.masked_fill(is_padding[..., None], 0.0).sum(1)  # (b, d)
        # HINT: `clamp(min=1)` changes a length of 0 only. Its sum is 0 already.
        return total / lengths.clamp(min=1)[:, None]
        ### END SOLUTION


# %% [markdown]
# ## 5. train_step
#
# One step of training is always the same: batch to the device, old gradients away, loss, backward,
# step. **Both** parts of the batch have to move. The model is there already, since the optimizer was
# made for its parameters.
#
# The loss that you report is a number, not a tensor: `loss.item()` waits for the card and copies one
# number. A loss that is kept as a tensor keeps its whole graph alive, and fills the card's memory.
# `loss.numpy()` does not work at all on a tensor that has a graph or lives on a card.
#
# **Mixed precision** makes this faster. Big products are computed with 16-bit floats, which take
# half the memory; sums that need more digits stay in float32. `torch.autocast` decides which is
# which, for everything inside the `with`. Its first argument is the device **type**:
#
# ```pycon
# >>> with torch.autocast("cpu"):
# ...     prediction = nn.Linear(4, 1)(torch.ones(2, 4))
# >>> prediction.dtype  # bfloat16 on the CPU, float16 on a CUDA card
# torch.bfloat16
# >>> torch.device("cuda:1").type
# 'cuda'
# ```
#
# Put the model and the loss inside the `with`, and `backward` after it.
#
# Float16 has a narrow range. The largest number is 65504, the smallest above 0 is
# $2^{-24} \approx 6 \cdot 10^{-8}$. What is larger becomes `inf`, and what is less than half of the
# smallest becomes 0:
#
# ```pycon
# >>> torch.tensor([65504.0, 70000.0, 6e-8, 2e-8]).half()
# tensor([6.5504e+04,        inf, 5.9605e-08, 0.0000e+00], dtype=torch.float16)
# ```
#
# Gradients are often that small. Then the weight does not learn, and nothing complains. The remedy:
# multiply the *loss* by a large number, the **scale**. By the chain rule every gradient is multiplied
# by it too. Before the step, divide the gradients by the scale again, in float32.
#
# **By hand.** A gradient of $2 \cdot 10^{-8}$ is less than $3 \cdot 10^{-8}$, so float16 makes it 0.
# With the scale 1024 it is $2 \cdot 10^{-8} \cdot 1024 = 2.048 \cdot 10^{-5}$, which float16 can
# hold. In float32, $2.048 \cdot 10^{-5} / 1024 = 2 \cdot 10^{-8}$: the gradient has survived.
#
# ```pycon
# >>> small = torch.tensor(2e-8)
# >>> small.half().float()
# tensor(0.)
# >>> (1024 * small).half().float() / 1024
# tensor(2.0023e-08)
# ```
#
# `torch.amp.GradScaler` does this. Its three calls take the place of `backward` and `step`:
#
# | plain | with a scaler | what it does |
# |---|---|---|
# | `loss.backward()` | `scaler.scale(loss).backward()` | gradients come out multiplied by the scale |
# | `optimizer.step()` | `scaler.step(optimizer)` | divides them; skips the step if one is inf or NaN |
# | | `scaler.update()` | a smaller scale after a skipped step, now and then a larger one |
#
# **Traps.** With a scaler, `optimizer.step()` would take the multiplied gradients. Without
# `update()` a scale that is too large stays so, and every step is skipped. The loss that you return
# is the plain one, not the multiplied one.


# %%
def train_step(
    model: nn.Module,
    batch: tuple[Tensor, Tensor] | list[Tensor],
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    device: torch.device | str,
    scaler: torch.amp.GradScaler | None = None,
) -> float:
    """Take one step on `batch` = (x, y), which may be anywhere; the loss as a Python number.

    The model is on `device` already. The loss is `loss_fn(model(x), y)` before the step. With a
    scaler the forward pass runs under autocast and the gradients are scaled; without, neither.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    x, y = (part.to(device) for part in batch)
    optimizer.zero_grad()

    # HINT: `torch.autocast(..., enabled=False)` does nothing: one `with` serves both cases.
    with torch.autocast(torch.device(device).type, enabled=scaler is not None):
        loss = loss_fn(model(x), y)

    # HINT: Two cases: two calls without a scaler, three calls with one. The table has them all.
    if scaler is None:
        loss.backward()
        optimizer.step()
    else:
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return loss.item()
    ### END SOLUTION


# %% [markdown]
# ## 6. accumulated_step
#
# A batch of 64 may be too much for the memory of your card. But gradients add up in `.grad` until
# you clear them, so you can send 8 small batches through one after the other, and step once at the
# end. Done right, the result is *equal* to one step on all 64.
#
# What is "right"? The loss of all $N$ samples together is the mean over all samples. `loss_fn` gives
# you the mean over one batch, $L_k$ over $n_k$ samples. To get a mean over all from the means over
# parts, weigh each part with its share:
#
# $$L = \sum_k \frac{n_k}{N}\, L_k \qquad N = \sum_k n_k$$
#
# The gradient of a sum is the sum of the gradients, so call `backward` on each $\frac{n_k}{N} L_k$.
#
# **By hand.** Sizes 3 and 1. The samples' losses are 1, 2, 3 and 6. Together: $12 / 4 = 3$. The
# batches' means are $L_1 = 2$ and $L_2 = 6$. Weighed:
# $\frac{3}{4} \cdot 2 + \frac{1}{4} \cdot 6 = 1.5 + 1.5 = 3$. Right. The plain mean of the means is
# $(2 + 6) / 2 = 4$: the lonely sample would count three times as much as the others.
#
# ```pycon
# >>> weight = torch.tensor(1.0, requires_grad=True)
# >>> for share, loss in [(3 / 4, 2 * weight), (1 / 4, 6 * weight)]:
# ...     (share * loss).backward()
# >>> weight.grad
# tensor(3.)
# ```
#
# **Traps.** Clear the gradients *once*, before the first batch: old ones may be lying about. Clearing
# them for each batch keeps the last one only. Adam hides a wrong factor, since it divides by the
# gradient's size; SGD does not. And joining the batches with `torch.cat` misses the point: then they
# are all in memory at once.


# %%
def accumulated_step(
    model: nn.Module,
    batches: list[tuple[Tensor, Tensor]],
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Take the one step that all samples of all batches together would give.

    `batches` are pairs (x, y) of any sizes, on the model's device; `loss_fn` averages over one
    batch. One batch at a time goes through the model: together they need not fit into memory.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: N is needed before the first backward pass: count the samples of all batches first.
    samples = sum(len(x) for x, _ in batches)

    optimizer.zero_grad()
    for x, y in batches:
        # HINT: Weigh the loss of each batch with its share of all samples.
        loss = loss_fn(model(x), y) * len(x) / samples
        loss.backward()
    optimizer.step()
    ### END SOLUTION


# %% [markdown]
# ## 7. load_anywhere
#
# A file written by `torch.save` remembers for every tensor on which device it was. `torch.load` wants
# to put it back there. On a machine without that card, this raises:
#
# ```
# RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is
# False. ... please use torch.load with map_location=torch.device('cpu') ...
# ```
#
# On a machine *with* cards it is worse, since nothing is raised: the tensors land on card 0, beside
# the work of somebody else. The argument `map_location` says where the tensors go, whatever the file
# remembers. It reaches all of them, however deep in dicts, lists and tuples.
#
# ```pycon
# >>> import io
# >>> file = io.BytesIO()
# >>> torch.save({"step": 7, "weights": [torch.ones(2)]}, file)
# >>> _ = file.seek(0)
# >>> torch.load(file, map_location="meta", weights_only=True)
# {'step': 7, 'weights': [tensor(..., device='meta', size=(2,))]}
# ```
#
# **Trap: a file can be a program.** `torch.save` uses Python's pickle, and a pickle may hold any
# call, such as "delete this folder", that runs while it is loaded. With `weights_only=True` only
# tensors, numbers, texts and plain containers are allowed, and all else raises an error. Never turn
# this off for a file that somebody else made, and do not try again without it when it raises.


# %%
def load_anywhere(path: str | Path, device: torch.device | str) -> Any:
    """Load a file of `torch.save`, with all its tensors on `device`, wherever they were saved.

    Only tensors and plain data are taken: a file with anything else raises, and runs nothing.
    """
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: One call of `torch.load` is enough; it needs two more arguments than the path.
    # HINT: `map_location` says where the tensors go, `weights_only` what the file may hold.
    return torch.load(path, map_location=device, weights_only=True)
    ### END SOLUTION


# %% [markdown]
# ## 8. measure
#
# How long does a call take? On the CPU: look at the clock, call, look again.
#
# ```pycon
# >>> start = time.perf_counter()
# >>> seconds = time.perf_counter() - start
# >>> 0.0 <= seconds < 60.0
# True
# ```
#
# A card works differently. When you call `a @ b` with tensors on a card, the CPU only writes the job
# into a *queue* and goes on at once; the card gets to it when it gets to it. Say there are 2 seconds
# of earlier work in the queue, and `fn` adds 3 seconds:
#
# ```
# seconds   0         1         2         3         4         5
#           |---------|---------|---------|---------|---------|
# CPU       fn()  ...........  free for other things  ..........
# CARD      [   earlier work   ][        the work of fn        ]
# ```
#
# Clock, `fn()`, clock gives about 0 seconds: the time to write into the queue.
# `torch.cuda.synchronize(device)` waits until the queue is empty.
#
# | what you do | what you measure |
# |---|---|
# | no waiting | 0 s: only how long the CPU takes |
# | wait after `fn()` only | 5 s: the earlier work as well |
# | wait before the clock starts **and** before it stops | 3 s: right |
#
# **Traps.** Without an argument, `synchronize()` waits for the *current* card, which need not be
# `device`. On the CPU never call it: there is nothing to wait for, and without CUDA it raises an
# error. That holds on a machine with a card too, when `device` is the CPU: ask the device, not the
# machine. Call `fn` once only: a call to warm up is the caller's business. And `time.time()` follows
# the clock on the wall, which may be set back; `time.perf_counter()` is made for measuring.


# %%
def measure(fn: Callable[[], Any], device: torch.device | str) -> float:
    """Seconds that one call of `fn()` takes, with all the work that it gives to `device`.

    On CUDA the device is waited for before the clock starts and before it stops; on the CPU never.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, easy
    # HINT: `torch.device(device).type` is "cuda" for "cuda", "cuda:1" and a torch.device alike.
    on_cuda = torch.device(device).type == "cuda"

    # HINT: Wait, clock, call, wait, clock. Both waits only if the device is a card.
    if on_cuda:
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    fn()
    if on_cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
    ### END SOLUTION


# %% [markdown]
# ## 9. replicate_forward
#
# Several cards can share one batch. This is called **data parallelism**: every card has a full copy
# of the model (a *replica*) and works on its own part of the rows.
#
# 1. **Scatter:** cut `x` along its rows into one part for each device, in order.
# 2. **Replicate and run:** put a copy of the model on each device, and run it on that part.
# 3. **Gather:** bring the results to the first device, and join them in the same order.
#
# The result is that of `model(x)`, but the cards work at the same time: the queues of the last task
# let the CPU feed all of them. This is for using a model, not for training it: gradients would end up
# in the copies. The model comes in eval mode.
#
# **By hand.** 7 rows on 2 devices: rows 0 to 3 go to the first, 4 to 6 to the second. `tensor_split`
# cuts into a given number of parts whose sizes differ by at most one. With fewer rows than devices,
# some parts are empty:
#
# ```pycon
# >>> [len(part) for part in torch.arange(7).tensor_split(2)]
# [4, 3]
# >>> [len(part) for part in torch.arange(2).tensor_split(3)]
# [1, 1, 0]
# >>> nn.Linear(3, 5)(torch.zeros(0, 3)).shape  # a layer takes no rows at all, too
# torch.Size([0, 5])
# ```
#
# **Traps.** `model.to(device)` moves *the* model, in place, as the first page says. Whoever gave it
# to you finds it on the last card. Copy it first with `copy.deepcopy`. `len(x) // n` rows for
# each of `n` devices loses the rest of the division. And `torch.cat` wants all its parts on one
# device.


# %%
def replicate_forward(
    model: nn.Module,
    x: Shaped[Tensor, "rows ..."],
    devices: list[torch.device | str],
) -> Shaped[Tensor, "rows ..."]:
    """Compute `model(x)` with one replica and one part of the rows on each device.

    The result is on the first device, rows in order. The model (in eval mode) stays as and where it
    is. There may be any number of rows, also none, or fewer than devices.
    """
    ### BEGIN SOLUTION
    # TASK: 20 minutes, medium
    # HINT: `tensor_split` cuts, also into empty parts, so every device gets exactly one.
    parts = x.tensor_split(len(devices))

    outputs = []
    for device, part in zip(devices, parts, strict=True):
        # HINT: `.to(device)` on a copy leaves the model alone. The part has to go there as well.
        replica = copy.deepcopy(model).to(device)
        with torch.no_grad():
            outputs.append(replica(part.to(device)))

    # HINT: Bring every result to `devices[0]`; then `torch.cat` joins them.
    return torch.cat([output.to(devices[0]) for output in outputs])
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - [CUDA semantics](https://pytorch.org/docs/stable/notes/cuda.html), for queues (streams), memory and
#   what else runs at the same time.
# - [Automatic mixed precision](https://pytorch.org/docs/stable/amp.html), for the list of what runs in
#   16 bits; Micikevicius and others, *Mixed Precision Training* (2018), for why it works.
# - Vaswani and others, *Attention Is All You Need* (2017), for the table of sines.
#
# For training on several cards, look at `DistributedDataParallel`: one process for each card, and
# gradients that are averaged after every backward pass. It is the same idea as the last task, with
# the way back added.
