# %% [markdown]
# # Tensors
#
# A **tensor** is a block of numbers of one kind, laid out along any number of **axes**. A tensor
# with no axis is a single number, one axis makes a vector, two axes make a table, three axes a
# stack of tables. PyTorch calls an axis a *dimension*, or `dim` for short. Dims are counted from 0;
# `dim=-1` is the last one, `dim=-2` the one before it.
#
# Four facts describe a tensor. When something goes wrong, print them first:
#
# | fact | meaning | example |
# |---|---|---|
# | `x.shape` | how many entries along each dim | `(2, 3)`: 2 rows, 3 columns |
# | `x.dtype` | the kind of number | `torch.float32`, `torch.int64`, `torch.bool` |
# | `x.device` | where the numbers live | `cpu`, `cuda:0` (a graphics card) |
# | `x.requires_grad` | does PyTorch record what happens to it, to find gradients later? | `False` |
#
# Afterwards you will be able to
#
# - make tensors, and know which ones share their memory,
# - compute on whole tables at once, without Python loops,
# - reduce, select, reshape, cut and join along the dim that you mean,
# - change a tensor in place without confusing autograd, and hand it to NumPy.
#
# **How to read the signatures.** `Float[Tensor, "batch n"]` is a tensor of floats with two dims,
# which are called `batch` and `n` here. `"*batch n"` means any number of dims, even none, and then
# one last dim `n`. The same word stands for the same size everywhere in one signature. `Int` is for
# whole numbers, `Bool` for True and False, `Shaped` for any dtype.
#
# **House rules.** Leave the inputs as they are (only a name that ends in `_`, such as `scale_`,
# may change one). Answer on the device and in the dtype of the input, unless the task says
# otherwise. Let gradients flow through: no `.item()`, `.tolist()` or `torch.tensor(...)` in the
# middle of a computation.

# %%
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

# %% [markdown]
# ## 1. from_rows
#
# Data arrives as nested Python lists or as NumPy arrays. Four functions turn it into a tensor, and
# they differ in who owns the memory and in the dtype.
#
# | call | memory | dtype of the result |
# |---|---|---|
# | `torch.tensor(data)` | always a fresh copy | that of the data |
# | `torch.as_tensor(data)` | **shared** with a NumPy array | that of the data |
# | `torch.from_numpy(array)` | **shared** with the array | that of the array |
# | `torch.Tensor(data)` (capital T) | a copy | always `float32` |
#
# Sharing means: change the array later, and the tensor changes with it. This is fast, but it is a
# surprise when you did not ask for it:
#
# ```pycon
# >>> array = np.array([1.0, 2.0, 3.0])
# >>> shared = torch.from_numpy(array)
# >>> array[0] = 99.0
# >>> shared
# tensor([99.,  2.,  3.], dtype=torch.float64)
# ```
#
# **Which dtype?** PyTorch looks at a list: whole numbers give `int64`, numbers with a point give
# `float32`, and `True`/`False` give `bool`. One float among the ints makes them all float. A NumPy
# array has a dtype of its own, often `float64`, and keeps it.
#
# ```pycon
# >>> torch.tensor([1, 2]).dtype, torch.tensor([1, 2.5]).dtype, torch.tensor([True]).dtype
# (torch.int64, torch.float32, torch.bool)
# >>> torch.tensor(np.array([1.0, 2.0])).dtype
# torch.float64
# ```
#
# **The trap:** going through NumPy on the way. `np.array([[1.0, 2.0]])` is `float64`, so the
# `float32` that a list should give is lost. And a table of whole numbers stays `int64`: most layers
# and losses refuse it, so ask for the dtype that you need.


# %%
def from_rows(
    rows: list | np.ndarray,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
) -> Shaped[Tensor, "..."]:
    """Make a tensor from nested lists or a NumPy array; it shares no memory with `rows`.

    With `dtype=None` a list gives the dtype that torch finds for it, an array gives its own.
    """
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: The first table above names one function that always copies.
    # HINT: `torch.tensor` takes `dtype=` and `device=` too, and `dtype=None` means "find out".
    return torch.tensor(rows, dtype=dtype, device=device)
    ### END SOLUTION


# %% [markdown]
# ## 2. number_grid
#
# Make a table that counts: row by row, from left to right, from 0 on. With 2 rows and 3 columns:
#
# $$\begin{pmatrix} 0 & 1 & 2 \\ 3 & 4 & 5 \end{pmatrix}$$
#
# The entry in row $r$ and column $c$ is $r \cdot \text{cols} + c$. Here row 1, column 2 holds
# $1 \cdot 3 + 2 = 5$.
#
# This is how PyTorch stores every table: the numbers stand in **one long line** in memory, row
# after row. The shape only says where to break the line. So reading the line with another shape
# costs nothing, and the number of entries must stay the same:
#
# ```pycon
# >>> line = torch.tensor([7, 8, 9, 10])
# >>> line.reshape(2, 2)
# tensor([[ 7,  8],
#         [ 9, 10]])
# ```
#
# A Python loop that visits every entry would be hundreds of times slower than one call of torch.
# From here on: **no loops over entries**.


# %%
def number_grid(rows: int, cols: int) -> Int[Tensor, "{rows} {cols}"]:
    """Count 0, 1, 2, ... row by row in a table; int64, without Python loops."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: `torch.arange(n)` is the line 0, 1, ..., n-1. How many numbers does the table need?
    # HINT: Then break the line into rows with `.reshape(...)`.
    return torch.arange(rows * cols).reshape(rows, cols)
    ### END SOLUTION


# %% [markdown]
# ## 3. standardize
#
# Two columns of data, one in metres and one in grams, are hard to compare. **Standardizing** puts
# numbers on a common scale: mean 0, spread 1. For one row $x_1, \dots, x_n$:
#
# $$\mu = \frac{1}{n}\sum_{i=1}^{n} x_i \qquad
#   \sigma = \sqrt{\frac{1}{n}\sum_{i=1}^{n} (x_i - \mu)^2} \qquad
#   z_i = \frac{x_i - \mu}{\sigma + \varepsilon}$$
#
# - $\mu$ is the mean, $\sigma$ the **population standard deviation**: divide by $n$, not by
#   $n - 1$,
# - $\varepsilon$ (`eps`) is a tiny number that keeps us from dividing by zero,
# - $z_i$ is the result. Every row along the last dim is treated alone.
#
# **By hand:** the row $(1, 3, 8)$ has $\mu = 4$. The differences are $(-3, -1, 4)$, their squares
# $9, 1, 16$, so $\sigma = \sqrt{26/3} \approx 2.944$ and $z \approx (-1.019, -0.340, 1.359)$.
#
# **Trap 1, the lost dim.** `x.mean(dim=-1)` removes the last dim. Then `x - x.mean(dim=-1)` lines
# up the means with the *columns*. For a square table there is no error, only wrong numbers.
# `keepdim=True` leaves a dim of size 1 in place, and that one stretches over the row:
#
# ```pycon
# >>> x = torch.tensor([[1.0, 3.0], [10.0, 20.0]])  # the means of the rows are 2 and 15
# >>> x - x.mean(dim=-1)
# tensor([[ -1., -12.],
#         [  8.,   5.]])
# >>> x - x.mean(dim=-1, keepdim=True)
# tensor([[-1.,  1.],
#         [-5.,  5.]])
# ```
#
# **Trap 2, which deviation?** `x.std(dim)` divides by $n - 1$. That is the *sample* deviation.
# `correction=0` asks for the population's.
#
# **Trap 3, a constant row.** All differences should be 0, so the answer should be 0. But a computer
# rounds. The mean of three times 1000.1 comes out a hair beside 1000.1, and dividing that hair by a
# tiny $\sigma + \varepsilon$ blows it up:
#
# ```pycon
# >>> row = torch.full((3,), 1000.1)
# >>> noise = row - row.mean()
# >>> bool(noise[0] == 0), bool(noise.abs().max() < 1e-4)
# (False, True)
# >>> z = noise / (row.std(correction=0) + 1e-8)
# >>> bool(z.abs().max() > 0.5)
# True
# ```
#
# A way out: adding the same number to every entry of a row changes neither $x_i - \mu$ nor
# $\sigma$. So you may first **shift** the row by a number of your choice, one that turns a constant
# row into exact zeros.


# %%
def standardize(x: Float[Tensor, "*batch n"], eps: float = 1e-8) -> Float[Tensor, "*batch n"]:
    """Give every row along the last dim mean 0 and spread 1: (x - mean) / (population std + eps).

    A constant row gives exact zeros.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: Which entry of a row can be subtracted from all of it, to make a constant row 0?
    # HINT: `x[..., :1]` is the first entry of every row, and it keeps its dim.
    shifted = x - x[..., :1]  # same mean differences, same spread, no rounding noise

    # HINT: `mean` and `std` both take `dim=-1, keepdim=True`; `std` also needs `correction=0`.
    mean = shifted.mean(dim=-1, keepdim=True)  # (*batch, 1)
    std = shifted.std(dim=-1, correction=0, keepdim=True)  # (*batch, 1)
    return (shifted - mean) / (std + eps)
    ### END SOLUTION


# %% [markdown]
# ## 4. pairwise_distances
#
# Given $n$ points $a_i$ and $m$ points $b_j$, each with $d$ coordinates, how far is every $a_i$
# from every $b_j$? The **Euclidean distance** is
#
# $$D_{ij} = \sqrt{\sum_{k=1}^{d} (a_{ik} - b_{jk})^2}$$
#
# so the result is a table with $n$ rows and $m$ columns. By hand: from $(0, 0)$ to $(3, 4)$ it is
# $\sqrt{9 + 16} = 5$.
#
# **Broadcasting** does it without loops. When two shapes meet, torch lines them up from the right.
# A dim of size 1, or one that is missing, is stretched to fit the other. So if you put in a dim of
# size 1 where the other tensor has its own dim, every entry meets every other:
#
# ```pycon
# >>> a = torch.tensor([10, 20, 30])
# >>> b = torch.tensor([1, 2])
# >>> a[:, None].shape, b[None, :].shape
# (torch.Size([3, 1]), torch.Size([1, 2]))
# >>> a[:, None] - b[None, :]
# tensor([[ 9,  8],
#         [19, 18],
#         [29, 28]])
# ```
#
# `None` inside the brackets adds a dim of size 1. Yours has one more dim at the end, for the
# coordinates, and that one is summed away.
#
# **The trap:** the clever formula $\lVert a \rVert^2 + \lVert b \rVert^2 - 2\,a \cdot b$. It is
# right on paper, but it subtracts huge numbers to find a small one. Far from zero nothing is left
# of the digits, and sometimes there is the root of a negative number: `nan`. Subtract the points
# first. (`torch.cdist` uses that formula for large inputs; here you write the distance yourself.)


# %%
def pairwise_distances(a: Float[Tensor, "n d"], b: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Measure the Euclidean distance of every row of `a` from every row of `b`."""
    ### BEGIN SOLUTION
    # TASK: 10 minutes, medium
    # HINT: Give `a` the shape (n, 1, d) and `b` the shape (1, m, d). What shape has the difference?
    difference = a[:, None, :] - b[None, :, :]  # (n, m, d)

    # HINT: Square, sum over the coordinates (`dim=-1`), then take the root.
    return difference.square().sum(dim=-1).sqrt()  # (n, m)
    ### END SOLUTION


# %% [markdown]
# ## 5. split_heads
#
# Attention, the heart of a transformer, cuts every vector into several shorter ones, called
# **heads**, and lets each head work alone. The input has the dims `batch`, `time` and `width`. The
# width is read as `heads` pieces of `depth` numbers each, one piece after the other:
# $\text{width} = \text{heads} \cdot \text{depth}$. The result has the dims `batch`, `heads`,
# `time`, `depth`.
#
# **By hand:** one batch entry, two moments, width 4, two heads:
#
# ```
# time 0:  [ 0  1 | 2  3 ]        head 0:  [0 1]      head 1:  [2 3]
# time 1:  [ 4  5 | 6  7 ]                 [4 5]               [6 7]
# ```
#
# Two tools, which do very different things:
#
# - `reshape` reads the **same line** of numbers with other breaks. It cannot change their order.
# - `transpose(i, j)` swaps two dims. It changes the order in which the numbers are read.
#
# ```pycon
# >>> x = torch.arange(6).reshape(2, 3)
# >>> x.reshape(3, 2)
# tensor([[0, 1],
#         [2, 3],
#         [4, 5]])
# >>> x.transpose(0, 1)
# tensor([[0, 3],
#         [1, 4],
#         [2, 5]])
# ```
#
# **The trap:** both results have the shape (3, 2). The shape cannot tell you which one you have.
# `x.reshape(batch, heads, time, depth)` has the right shape here, and mixes up moments and heads.
# So first *split* the last dim in place (that keeps the order), then *swap*.
#
# A width of 10 cannot be cut into 4 equal pieces. Say so at once with a `ValueError` whose text
# names both numbers.


# %%
def split_heads(
    x: Shaped[Tensor, "batch time width"], heads: int
) -> Shaped[Tensor, "batch {heads} time depth"]:
    """Cut the last dim into `heads` equal pieces, and move the pieces in front of the time.

    Raises:
        ValueError: If `heads` does not divide the width.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, medium
    # HINT: `width % heads` is the rest of the division. It must be 0.
    batch, time, width = x.shape
    if heads < 1 or width % heads != 0:
        raise ValueError(f"{heads} heads do not divide a width of {width}")

    # HINT: Two steps: (batch, time, width) -> (batch, time, heads, depth) -> swap dims 1 and 2.
    pieces = x.reshape(batch, time, heads, width // heads)  # (batch, time, heads, depth)
    return pieces.transpose(1, 2)  # (batch, heads, time, depth)
    ### END SOLUTION


# %% [markdown]
# ## 6. merge_heads
#
# The way back: after each head has done its work, put the pieces side by side again. From
# (`batch`, `heads`, `time`, `depth`) to (`batch`, `time`, `heads · depth`). Merging what was split
# gives the input back, exactly.
#
# Undo the two steps in the opposite order: what was done last is undone first.
#
# **The trap:** `transpose` moves no numbers, it only changes the order of reading. The tensor is
# then **not contiguous**: its numbers do not stand in memory in the order in which you read them.
# `view` refuses to put new breaks into such a tensor. `reshape` copies when it must:
#
# ```pycon
# >>> x = torch.arange(6).reshape(2, 3).transpose(0, 1)
# >>> x.is_contiguous()
# False
# >>> x.view(6)  # doctest: +ELLIPSIS
# Traceback (most recent call last):
# RuntimeError: view size is not compatible with input tensor's size and stride ...
# >>> x.reshape(6)
# tensor([0, 3, 1, 4, 2, 5])
# ```


# %%
def merge_heads(x: Shaped[Tensor, "batch heads time depth"]) -> Shaped[Tensor, "batch time width"]:
    """Put the heads side by side in the last dim again; the exact inverse of `split_heads`."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: First bring the dims into the order (batch, time, heads, depth).
    batch, heads, time, depth = x.shape
    side_by_side = x.transpose(1, 2)  # (batch, time, heads, depth)

    # HINT: Then `reshape` (not `view`) joins the last two dims into one of heads * depth.
    return side_by_side.reshape(batch, time, heads * depth)
    ### END SOLUTION


# %% [markdown]
# ## 7. one_hot
#
# A label such as "class 2 of 4" is a name, not a quantity. Class 2 is not twice class 1. So models
# often get a row with a single 1 at the place of the class, a **one-hot** row: with 4 classes,
# label 2 becomes $(0, 0, 1, 0)$.
#
# The result has all the dims of `labels` and one more at the end, of size `num_classes`:
# $\text{out}_{\dots, c} = 1$ where $c$ is the label, else $0$. It is `float32`, because it is going
# to be multiplied and averaged.
#
# Comparing is broadcasting too. Comparing with a line of numbers asks "which of these is it?":
#
# ```pycon
# >>> torch.tensor([[5], [7]]) == torch.tensor([5, 6, 7])
# tensor([[ True, False, False],
#         [False, False,  True]])
# >>> torch.tensor([True, False]).float()
# tensor([1., 0.])
# ```
#
# **Two traps.** A negative label used as an index counts from the end without a word, so the label
# −1, which many data sets use for "unknown", turns into the last class:
#
# ```pycon
# >>> torch.eye(3)[torch.tensor([-1])]
# tensor([[0., 0., 1.]])
# ```
#
# Refuse every label below 0 or from `num_classes` on with a `ValueError`. And `labels` may be
# **empty**: an empty tensor has no minimum (`labels.min()` raises an error), but `any()` of nothing
# is simply `False`.


# %%
def one_hot(
    labels: Int[Tensor, "*batch"], num_classes: int
) -> Float[Tensor, "*batch {num_classes}"]:
    """Turn int64 labels of any shape, empty too, into float32 rows with a single 1.

    Raises:
        ValueError: If a label is below 0, or `num_classes` or more.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: `(condition | other_condition).any()` is False for an empty tensor, no special case.
    if ((labels < 0) | (labels >= num_classes)).any():
        raise ValueError(f"labels must be 0 ... {num_classes - 1}, got {labels.unique().tolist()}")

    # HINT: `labels[..., None]` has one more dim, of size 1. Compare it with 0, ..., num_classes-1.
    # HINT: `torch.arange` makes its numbers on the CPU unless you pass `device=labels.device`.
    classes = torch.arange(num_classes, device=labels.device)  # (num_classes,)
    return (labels[..., None] == classes).to(torch.float32)  # (*batch, num_classes)
    ### END SOLUTION


# %% [markdown]
# ## 8. masked_mean
#
# Sentences have different lengths, so the short ones are filled up. Measurements fail, so some
# entries are rubbish. A **mask** is a tensor of True and False of the same shape that tells which
# entries count. The mean of the entries that count, in one row:
#
# $$\text{mean} = \frac{\sum_{i:\, m_i} x_i}{\max\left(1,\ \sum_i m_i\right)}$$
#
# - $m_i$ is the mask, which counts as 1 for True and 0 for False,
# - the sum on top runs over the entries with $m_i$ True only,
# - the maximum below makes a row without any True entry $0 / 1 = 0$ in place of $0 / 0$.
#
# **By hand:** $x = (2, 9, 4)$ with mask (True, False, True) gives $(2 + 4) / 2 = 3$.
#
# **Trap 1: multiplying by the mask.** A masked entry may be `nan` (not a number) or `inf`, and zero
# times those is not zero. Choose in place of multiplying:
#
# ```pycon
# >>> x = torch.tensor([2.0, float("nan"), 4.0])
# >>> mask = torch.tensor([True, False, True])
# >>> x * mask
# tensor([2., nan, 4.])
# >>> torch.where(mask, x, 0.0)
# tensor([2., 0., 4.])
# ```
#
# **Trap 2: repairing 0/0 afterwards.** Computing `total / count` and then replacing the `nan` gives
# the right value and a **wrong gradient**. On the way back, autograd still passes through the
# division by zero. The result looks fine, and the next step of training fills a model with `nan`:
#
# ```pycon
# >>> total = torch.tensor([0.0], requires_grad=True)
# >>> count = torch.tensor([0.0])
# >>> repaired = torch.where(count > 0, total / count, 0.0)
# >>> repaired.sum().backward()
# >>> repaired.tolist(), total.grad
# ([0.0], tensor([nan]))
# ```
#
# Repair the *input* of a dangerous operation, never its output.


# %%
def masked_mean(
    x: Float[Tensor, "*batch n"], mask: Bool[Tensor, "*batch n"]
) -> Float[Tensor, "*batch"]:
    """Average the entries where `mask` is True, along the last dim.

    A row without any gives 0 with a finite gradient. What a masked-out entry holds does not matter.
    """
    ### BEGIN SOLUTION
    # TASK: 10 minutes, medium
    # HINT: `torch.where(mask, x, 0.0)` keeps x where the mask is True and puts 0 elsewhere.
    total = torch.where(mask, x, 0.0).sum(dim=-1)  # (*batch)

    # HINT: `mask.sum(dim=-1)` counts. `.clamp(min=1)` makes the division safe before it happens.
    count = mask.sum(dim=-1).clamp(min=1)  # (*batch)
    return total / count
    ### END SOLUTION


# %% [markdown]
# ## 9. gather_rows
#
# Every entry of a batch has its own table with $n$ rows of $d$ numbers, and its own list of $k$
# rows that it wants:
#
# $$\text{out}_{b, j} = x_{b,\ \text{index}_{b, j}}$$
#
# - $b$ counts the batch, $j$ counts the wishes of that batch entry,
# - $\text{index}_{b, j}$ is the number of the row that it wants. A row may be wanted twice.
#
# **By hand:** batch entry 0 has the rows A, B, C and wants (2, 0); batch entry 1 has the rows D,
# E, F and wants (1, 1). The result is C, A for the first and E, E for the second.
#
# **Indexing with two tensors** picks *pairs*: `x[i, j]` takes the first number from `i` and the
# second from `j`, entry by entry. The two are broadcast against each other first:
#
# ```pycon
# >>> x = torch.tensor([[10, 11, 12], [20, 21, 22]])
# >>> x[torch.tensor([0, 1]), torch.tensor([2, 0])]  # x[0, 2] and x[1, 0]
# tensor([12, 20])
# >>> x[torch.tensor([[0], [1]]), torch.tensor([[2, 1], [0, 0]])]
# tensor([[12, 11],
#         [20, 20]])
# ```
#
# **The trap:** `x[:, index]` is not this. The colon means "every batch entry", so every batch entry
# gets the wishes of all the others too, and the result has a dim too many. (`torch.gather` does the
# task as well. It wants an index with as many dims as `x`.)


# %%
def gather_rows(
    x: Shaped[Tensor, "batch n d"], index: Int[Tensor, "batch k"]
) -> Shaped[Tensor, "batch k d"]:
    """Select rows of each batch entry by that entry's own indices."""
    ### BEGIN SOLUTION
    # TASK: 10 minutes, medium
    # HINT: You need the pair (b, index[b, j]) for every b and j. `index` is the second half of it.
    # HINT: The first half is 0, 1, ..., batch-1 as a column, shape (batch, 1), on x's device.
    batch = torch.arange(x.shape[0], device=x.device)[:, None]  # (batch, 1)
    return x[batch, index]  # (batch, k, d)
    ### END SOLUTION


# %% [markdown]
# ## 10. best_of
#
# A classifier gives one score per class. Its answer is the class with the largest score, and often
# you want that score too. For each row $b$:
#
# $$\text{value}_b = \max_i x_{b,i} \qquad
#   \text{index}_b = \min\,\{\, i : x_{b,i} = \text{value}_b \,\}$$
#
# In words: the index is that of the **first** entry that reaches the maximum. When two entries tie,
# the earlier one wins.
#
# **By hand:** $(3, 7, 7, 1)$ gives the value 7 and the index 1.
#
# Many reductions take a `dim`. It names the dim that **goes away**:
#
# ```pycon
# >>> x = torch.tensor([[1, 5, 2], [8, 0, 3]])
# >>> x.sum(dim=0)  # one number per column: the rows go away
# tensor([9, 5, 5])
# >>> x.sum(dim=1)  # one number per row: the columns go away
# tensor([ 8, 11])
# ```
#
# **The trap:** `dim=0` here would compare the samples of the batch with each other: an answer per
# class, which nobody asked for. And a sort is no good for ties: unless you ask for `stable=True`,
# it may put equal entries in any order.


# %%
def best_of(
    x: Shaped[Tensor, "batch n"],
) -> tuple[Shaped[Tensor, " batch"], Int[Tensor, " batch"]]:
    """Find the maximum of each row and its index; the first one wins a tie."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: `x.max()` without a dim is one number for the whole table. You want one for each row.
    # HINT: `x.max(dim=1)` gives two things at once; its index is that of the first maximum.
    values, indices = x.max(dim=1)
    return values, indices
    ### END SOLUTION


# %% [markdown]
# ## 11. join_and_split
#
# Tensors can be glued together and cut apart along any dim. Two ways to glue:
#
# - `torch.cat` puts them **one behind the other along a dim that exists**. They may have different
#   sizes in that dim, and must agree in all others.
# - `torch.stack` puts them **on top of each other along a new dim**. All shapes must be equal.
#
# ```pycon
# >>> a, b = torch.tensor([1, 2]), torch.tensor([3, 4])
# >>> torch.cat([a, b], dim=0)
# tensor([1, 2, 3, 4])
# >>> torch.stack([a, b], dim=0)
# tensor([[1, 2],
#         [3, 4]])
# ```
#
# And three ways to cut a dim of size $s$, which look alike and are not:
#
# | call | the number means | 5 entries, number 4 |
# |---|---|---|
# | `x.split(4)` | the size of a part | sizes 4, 1 |
# | `x.tensor_split(4)` | the number of parts, always kept | sizes 2, 1, 1, 1 |
# | `x.chunk(4)` | the number of parts, **at most** | sizes 2, 2, 1 |
#
# `chunk` makes every part $\lceil s / \text{chunks} \rceil$ entries long ($\lceil\ \rceil$ means
# rounded up) and the last one takes what is left. So it may return fewer parts than you asked for,
# as in the last line of the table.
#
# Your task: join the tensors along `dim`, then cut the result along the **same** `dim` the way
# `chunk` does.
#
# **The trap:** all of these work along dim 0 when you do not say otherwise.


# %%
def join_and_split(
    tensors: list[Tensor] | tuple[Tensor, ...], dim: int, chunks: int
) -> tuple[Tensor, ...]:
    """Join tensors along `dim` (negative counts from the end), then cut that dim into parts.

    The parts are those of `torch.chunk`, which are sometimes fewer than `chunks`; in a tuple.
    """
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: `torch.cat` joins along a dim that is already there.
    joined = torch.cat(tuple(tensors), dim=dim)

    # HINT: `chunk` needs the same `dim` once more, or it cuts along dim 0.
    return joined.chunk(chunks, dim=dim)
    ### END SOLUTION


# %% [markdown]
# ## 12. low_rank
#
# A table of $m \times n$ numbers can often be said with far fewer. The **singular value
# decomposition** (SVD) writes any table as a product
#
# $$X = U \, S \, V^\top = \sum_{i=1}^{\min(m, n)} s_i \, u_i v_i^\top$$
#
# - $s_1 \ge s_2 \ge \dots \ge 0$ are the **singular values**: how much each layer weighs,
# - $u_i$ is column $i$ of $U$, and $v_i^\top$ is row $i$ of $V^\top$,
# - each product $u_i v_i^\top$ is a table of its own, and a very simple one: all its rows are
#   multiples of one row. Such a table has **rank** 1.
#
# Keep the first $r$ layers and drop the rest. Among all tables of rank $r$, that one is the
# closest to $X$: the sum of the squared differences is as small as it can be (Eckart and Young,
# 1936).
#
# **By hand:** $X = \begin{pmatrix} 3 & 0 \\ 0 & 2 \end{pmatrix}$ has the singular values 3 and 2.
# With $r = 1$ only the 3 stays: $\begin{pmatrix} 3 & 0 \\ 0 & 0 \end{pmatrix}$.
#
# `torch.linalg.svd` gives $U$, the singular values as a **vector**, and $V^\top$, which is already
# transposed. With `full_matrices=False` it leaves out the columns that meet no singular value:
#
# ```pycon
# >>> u, s, vt = torch.linalg.svd(torch.ones(4, 3), full_matrices=False)
# >>> u.shape, s.shape, vt.shape
# (torch.Size([4, 3]), torch.Size([3]), torch.Size([3, 3]))
# ```
#
# Multiplying a table by a vector with `*` scales its **columns**: the vector is lined up from the
# right.
#
# ```pycon
# >>> torch.ones(2, 3) * torch.tensor([1.0, 10.0, 100.0])
# tensor([[  1.,  10., 100.],
#         [  1.,  10., 100.]])
# ```
#
# **The trap:** a slice never complains. `s[:99]` of three values is all three, and `s[:-1]` is all
# but the last. A rank below 1 or above $\min(m, n)$ must raise a `ValueError`.


# %%
def low_rank(x: Float[Tensor, "m n"], rank: int) -> Float[Tensor, "m n"]:
    """Find the closest table of rank `rank` to `x` (Eckart and Young, 1936).

    Raises:
        ValueError: If `rank` is not in 1 ... min(m, n).
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: `min(x.shape)` is the largest rank that a table of this shape can have.
    if not 1 <= rank <= min(x.shape):
        raise ValueError(f"rank must be 1 ... {min(x.shape)} for {tuple(x.shape)}, got {rank}")

    # HINT: Keep the first `rank` columns of u, values of s and rows of vt.
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    u, s, vt = u[:, :rank], s[:rank], vt[:rank]  # (m, rank), (rank,), (rank, n)

    # HINT: `u * s` scales column i of u by s[i]; `@` then adds up the layers.
    return (u * s) @ vt  # (m, n)
    ### END SOLUTION


# %% [markdown]
# ## 13. scale_
#
# Now change a tensor **in place**: the same tensor, the same memory, new numbers. By custom the
# name of such a function ends in `_` and it returns the tensor itself, so that calls can be
# chained.
#
# ```pycon
# >>> x = torch.tensor([1.0, 2.0])
# >>> y = x  # a second name for the same tensor, not a copy
# >>> y.add_(10)
# tensor([11., 12.])
# >>> x
# tensor([11., 12.])
# ```
#
# **Trap 1:** `x = x * 2` makes a *new* tensor and calls it `x`. Whoever else holds the old one sees
# nothing. `x *= 2` and `x.mul_(2)` change the old one.
#
# **Trap 2:** a **leaf** is a tensor that you made yourself, not the result of a computation. The
# weights of a model are leaves with `requires_grad=True`. Autograd does not let you change such a
# leaf while it is recording, because the record would be wrong:
#
# ```pycon
# >>> weight = torch.ones(2, requires_grad=True)
# >>> weight.add_(1.0)
# Traceback (most recent call last):
# RuntimeError: a leaf Variable that requires grad is being used in an in-place operation.
# ```
#
# Inside `with torch.no_grad():` nothing is recorded, and the change is allowed. This is how every
# optimizer updates its weights. Afterwards the tensor still requires grad, and it is still a leaf.


# %%
def scale_(x: Float[Tensor, "..."], factor: float) -> Float[Tensor, "..."]:
    """Multiply `x` by `factor` in place and return `x` itself; a leaf that requires grad too."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: The methods that end in `_` work in place; the one for a product is `mul_`.
    # HINT: Put it inside `with torch.no_grad():`, so that a leaf may be changed.
    with torch.no_grad():
        x.mul_(factor)
    return x
    ### END SOLUTION


# %% [markdown]
# ## 14. share_with_numpy
#
# Plotting and statistics packages want NumPy arrays. For a tensor on the CPU that costs nothing:
# tensor and array can be two views of the same memory. Change one, and the other changes.
#
# ```pycon
# >>> x = torch.zeros(3)
# >>> array = x.numpy()
# >>> array[1] = 5.0
# >>> x
# tensor([0., 5., 0.])
# ```
#
# Two things stand in the way.
#
# - **A tensor that requires grad** refuses, because NumPy cannot record what happens to it.
#   `x.detach()` is a second tensor with the same memory and no record. `x` itself stays as it is.
# - **A tensor on another device**, such as a graphics card, has its numbers where NumPy cannot
#   reach them. It must be copied to the CPU first. `x.cpu()` does this, and it copies only when it
#   must: a CPU tensor comes back as it is.
#
# ```pycon
# >>> weight = torch.ones(2, requires_grad=True)
# >>> weight.numpy()  # doctest: +ELLIPSIS
# Traceback (most recent call last):
# RuntimeError: Can't call numpy() on Tensor that requires grad. ...
# >>> weight.cpu().data_ptr() == weight.data_ptr()  # the same memory
# True
# ```
#
# **The trap:** `clone()`, `np.array(...)` and `tolist()` all make copies. The values are right, and
# the memory is not shared.


# %%
def share_with_numpy(x: Shaped[Tensor, "..."]) -> np.ndarray:
    """Give an array that shares its memory with a CPU tensor, also with one that requires grad.

    A tensor on another device is copied to the CPU. `x` stays as it is.
    """
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: Three small steps: leave autograd's record, come to the CPU, become NumPy.
    # HINT: `detach()` and `cpu()` do not copy a CPU tensor, so `numpy()` still shares its memory.
    return x.detach().cpu().numpy()
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - [Tensor views](https://pytorch.org/docs/stable/tensor_view.html) lists which operations share
#   memory and which ones copy.
# - [Broadcasting](https://pytorch.org/docs/stable/notes/broadcasting.html) gives the rule in full.
# - The next topic, **autograd**, shows what `requires_grad` is for.
