# %% [markdown]
# # Data loading
#
# A network learns from *batches*: a few dozen pictures or sentences at a time, stacked into one
# tensor. But data do not come as batches. They lie in folders, in tables, in sentences of unequal
# length, and often in an order that is bad for learning. This topic is the way from the disk to the
# batch. It has little mathematics and many traps, and most of them are silent: the program runs, the
# loss falls, and the result is wrong.
#
# In torch the work is shared by three parts:
#
# - A **dataset** knows how many items there are, and how to get item number `i`. That is all.
# - A **sampler** says which item numbers come when: in order, shuffled, or balanced.
# - The **collate function** makes one batch of a list of items.
#
# The `DataLoader` ties them together. For one batch of three it does this:
#
# | step | who | what |
# |---|---|---|
# | 1 | sampler | `[3, 0, 7]` |
# | 2 | dataset | `[dataset[3], dataset[0], dataset[7]]` |
# | 3 | collate function | one tensor with the three pictures, one with the three labels |
#
# You write datasets and transforms, a sampler, a collate function and a split. Afterwards you
# will be able to
#
# - serve any data to torch, from memory or from files,
# - change pictures at random while they are loaded (*augmentation*), in a way that can be repeated,
# - normalise with statistics of data that do not fit into memory,
# - batch sequences of unequal length, and balance classes of unequal size,
# - split data so that nothing leaks from training into testing.
#
# Letters that stand for sizes in shapes:
#
# | word | letter | meaning |
# |---|---|---|
# | items | `n` | how many there are in the dataset |
# | batch | `b` | how many are handled at once |
# | channels | `c` | numbers per pixel: 1 for grey, 3 for red-green-blue |
# | height, width | `h`, `w` | rows and columns of a picture |
# | time | `t` | length of the longest sequence in a batch |
#
# In a signature, `Float[Tensor, "c h w"]` is a tensor of floats with these three axes. `Int` is
# for whole numbers, `Shaped` for any dtype. `"*batch h w"` means any number of axes before the
# last two, even none, and `""` means no axis at all: one number. An *epoch* is one walk through
# all the data.

# %%
import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler, random_split

# %% [markdown]
# ## 1. TableDataset
#
# The simplest dataset: `x` holds one row per item, `y` one target per item. Item `i` is the pair
# `(x[i], y[i])`, as tensors. Torch asks a dataset for two things only:
#
# - `len(dataset)`, which Python turns into `dataset.__len__()`: the number of items, $n$;
# - `dataset[i]`, which Python turns into `dataset.__getitem__(i)`: item $i$.
#
# ```pycon
# >>> dataset = TableDataset([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0, 1, 0])
# >>> len(dataset)
# 3
# >>> dataset[2]
# (tensor([5., 6.]), tensor(0))
# >>> dataset[-1]  # as in a list: the last one
# (tensor([5., 6.]), tensor(0))
# ```
#
# `x` and `y` are tensors, NumPy arrays, or lists of numbers. `torch.as_tensor` takes all three. It
# keeps the dtype of a tensor or an array, so float64 stays float64. In a list, whole numbers become
# int64 and others float32. Leave it at that: class labels have to stay whole numbers, since a
# loss such as cross-entropy refuses float labels.
#
# A **transform** is a function that changes an item on its way out. `transform` gets the row,
# `target_transform` gets the target. `None` means: leave it as it is. They run each time an item
# is asked for, not once in `__init__`: a random transform then gives something new each time.
#
# ```pycon
# >>> doubled = TableDataset([[1.0, 2.0]], [7], transform=lambda row: 2 * row)
# >>> doubled[0]
# (tensor([2., 4.]), tensor(7))
# ```
#
# **Trap: the end.** Where does `for item in dataset` stop? Python asks for `dataset[0]`,
# `dataset[1]`, ... and goes on until it gets an **`IndexError`**. A dataset that answers every
# number, for instance with `index % n`, runs forever. Numbers from $-n$ to $n - 1$ are right, all
# others are an `IndexError`. Tensors and lists raise it by themselves, dictionaries and tables of
# other libraries do not.
#
# **Trap: unequal lengths.** 100 rows and 99 targets mean that something went wrong before, and
# every row may now have its neighbour's target. Raise a `ValueError` at once.


# %%
class TableDataset(Dataset):
    """Rows `x` with their targets `y`, of equal length; each transform gets its part of the item.

    `x` and `y` are tensors, arrays, or lists of numbers. Item i is `(x[i], y[i])` as tensors,
    in the dtype that they came in, then transformed.

    Raises:
        ValueError: `x` and `y` differ in length.
        IndexError: on access, for an index outside -n ... n-1.
    """

    def __init__(
        self,
        x: Tensor | np.ndarray | list,
        y: Tensor | np.ndarray | list,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        ### BEGIN SOLUTION
        # TASK: 15 minutes, easy
        # HINT: `len` works on tensors, arrays and lists alike. Compare before you store.
        if len(x) != len(y):
            raise ValueError(f"x has {len(x)} rows, y has {len(y)} targets")

        # HINT: No `dtype=` here: `torch.as_tensor(x)` keeps the one that came in.
        self.x = torch.as_tensor(x)
        self.y = torch.as_tensor(y)
        self.transform = transform
        self.target_transform = target_transform
        ### END SOLUTION

    def __len__(self) -> int:
        """Count the items."""
        ### BEGIN SOLUTION
        return len(self.x)
        ### END SOLUTION

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Give item `index`, transformed; negative numbers count from the end."""
        ### BEGIN SOLUTION
        # HINT: A tensor raises the IndexError for you, and it knows negative numbers.
        row, target = self.x[index], self.y[index]
        # HINT: "is there a transform?" is `is not None`; then the result takes the row's place.
        if self.transform is not None:
            row = self.transform(row)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return row, target
        ### END SOLUTION


# %% [markdown]
# ## 2. ImageCSVDataset
#
# Pictures live in files, and their labels in a table beside them. A folder may look like this:
#
# ```text
# folder/
#     labels.csv
#     cat.png
#     more/dog.png
# ```
#
# and `labels.csv` like this. The first line names the columns, each other line is one item. The
# text is UTF-8, so that a file may be called `고양이.png`: say so when you open the table.
#
# ```text
# file,label
# more/dog.png,1
# cat.png,0
# ```
#
# Item 0 is then the dog with label 1: the order is that of the **table**, not of the folder. Let
# the module `csv` read the table. Cutting lines at commas breaks as soon as a file name has a
# comma in it (such a name stands in quotes):
#
# ```pycon
# >>> lines = ["file,label", '"one, two.png",2']
# >>> list(csv.DictReader(lines))
# [{'file': 'one, two.png', 'label': '2'}]
# ```
#
# All that comes out of a table is text. A label has to become a number: `int("2")`.
#
# **From file to tensor.** PIL (the package `pillow`) opens a PNG file. Here is one with 2 × 3 grey
# pixels, written and read again:
#
# ```pycon
# >>> import tempfile
# >>> path = Path(tempfile.mkdtemp()) / "small.png"
# >>> Image.fromarray(np.array([[0, 51, 255], [102, 153, 204]], dtype=np.uint8)).save(path)
# >>> pixels = np.array(Image.open(path))
# >>> pixels
# array([[  0,  51, 255],
#        [102, 153, 204]], dtype=uint8)
# ```
#
# (`np.array` makes a copy. `np.asarray` gives a read-only array, and `torch.from_numpy` warns of
# it.)
# Three things stand between this array and the tensor that a network wants:
#
# 1. **Channels.** A grey picture gives an array `(h, w)`, a colour picture `(h, w, c)` with the
#    colours **last**. Torch wants `(c, h, w)`, the colours **first**, also for one grey channel.
# 2. **Type.** `uint8` holds whole numbers from 0 to 255. Networks compute with float32.
# 3. **Range.** Divide by 255, so that 0 is black and 1 is white. By hand: 51 becomes 51/255 = 0.2.
#
# The files here are 8-bit grey or 8-bit RGB. Two pictures may differ in size.
#
# **Trap: `reshape` for `permute`.** To go from `(h, w, c)` to `(c, h, w)`, axes have to change
# places: `permute(2, 0, 1)`. `reshape(c, h, w)` gives the same shape, but it only reads the same
# numbers in the same order, and mixes red, green and blue.
#
# ```pycon
# >>> picture = torch.tensor([[[1, 2, 3], [4, 5, 6]]])  # (h, w, c): one row, pixels 1 2 3 and 4 5 6
# >>> picture.permute(2, 0, 1)[0]  # channel 0: the first number of each pixel
# tensor([[1, 4]])
# >>> picture.reshape(3, 1, 2)[0]  # not a channel at all
# tensor([[1, 2]])
# ```
#
# **Trap: scaled twice.** Some tools divide by 255 for you: in torchvision,
# `v2.ToDtype(torch.float32, scale=True)` and the older `ToTensor()`. If you divide once more, the
# brightest white is 0.004. The network still trains, only badly. Look at the largest value of one
# picture.
#
# **When to read.** Read the *table* in `__init__`, and a *picture* when it is asked for. A million
# pictures do not fit into memory. And a file that is opened in `__init__` and stays open can be
# shared by several processes that load for one loader (its *workers*, see task 5): when one reads
# on, the place in the file moves for all. But check in `__init__` that every listed file is
# there: better a `FileNotFoundError` now than after three hours of training.
#
# **Real files to play with.** `write_digit_files` in `datasets/digit_files.py` writes scikit-learn's
# handwritten digits as PNG files with their `labels.csv`. The torchvision way to read and to
# change pictures, `torchvision.transforms.v2`, works together with your dataset. Here it makes
# every picture equally large, so that they can be stacked into a batch. (The first two lines help
# where torchvision was built for another torch than yours and stops with "operator torchvision::nms
# does not exist". Elsewhere they do nothing.)
#
# ```pycon
# >>> from gradus.torchvision_ops import install
# >>> install()
# >>> from torchvision.transforms import v2
# >>> from datasets.digit_files import write_digit_files
# >>> folder = Path(tempfile.mkdtemp())
# >>> write_digit_files(folder, count=20)
# 20
# >>> digits = ImageCSVDataset(folder, transform=v2.Resize((16, 12)))
# >>> images, labels = next(iter(DataLoader(digits, batch_size=5)))
# >>> images.shape, labels
# (torch.Size([5, 1, 16, 12]), tensor([0, 1, 2, 3, 4]))
# ```


# %%
class ImageCSVDataset(Dataset):
    """The pictures that `folder/labels.csv` lists, in its order, each with its label.

    The table is UTF-8 with the header `file,label`; files are relative to the folder, 8-bit grey
    or RGB. Item i is `(image, label)`: a float32 tensor "c h w" in [0, 1], then transformed, and
    a Python int.

    Raises:
        FileNotFoundError: at construction, if a listed file is missing; the message names it.
        IndexError: on access, for an index outside -n ... n-1.
    """

    def __init__(self, folder: str | Path, transform: Callable | None = None) -> None:
        ### BEGIN SOLUTION
        # TASK: 25 minutes, medium
        self.transform = transform
        # HINT: `Path(folder) / name` joins a folder and a name, also one such as "more/dog.png".
        # HINT: `csv.DictReader(file)` gives one dictionary per line, with the keys file and label.
        folder = Path(folder)
        with (folder / "labels.csv").open(newline="", encoding="utf-8") as table:
            rows = list(csv.DictReader(table))
        self.items = [(folder / row["file"], int(row["label"])) for row in rows]
        # HINT: Every path knows whether it `is_file()`. Put the path into the error's text.
        for path, _ in self.items:
            if not path.is_file():
                raise FileNotFoundError(f"labels.csv lists {path}, but there is no such file")
        ### END SOLUTION

    def __len__(self) -> int:
        """Count the items."""
        ### BEGIN SOLUTION
        return len(self.items)
        ### END SOLUTION

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Read picture `index` from its file, transform it, and give it with its label."""
        ### BEGIN SOLUTION
        path, label = self.items[index]
        with Image.open(path) as file:
            pixels = torch.tensor(np.array(file))  # (h, w) or (h, w, c), uint8

        # HINT: First make a grey picture look like a colour one: `(h, w)` to `(h, w, 1)`.
        if pixels.ndim == 2:
            pixels = pixels.unsqueeze(-1)  # (h, w, 1)
        # HINT: Then `permute` puts the last axis first, and 255 becomes 1.
        image = pixels.permute(2, 0, 1) / 255  # (c, h, w)
        return (image if self.transform is None else self.transform(image)), label
        ### END SOLUTION


# %% [markdown]
# ## 3. OneHot
#
# A *one-hot vector* says with numbers which class it is: a 1 at the place of the class, zeros
# elsewhere. Losses that compare vector with vector, such as the mean squared error, need labels
# in this form. Places are counted from 0. So for class 2 of the four classes 0, 1, 2, 3:
#
# $$2 \;\to\; (0, 0, 1, 0)$$
#
# As a transform it is an **object that can be called**: it is built once with its settings, and
# then used like a function. Python turns `one_hot(2)` into `one_hot.__call__(2)`.
#
# ```pycon
# >>> one_hot = OneHot(4)
# >>> one_hot(2)
# tensor([0., 0., 1., 0.])
# >>> TableDataset([[0.5]], [3], target_transform=one_hot)[0]
# (tensor([0.5000]), tensor([0., 0., 0., 1.]))
# ```
#
# In the last example, the dataset hands over `tensor(3)`, not `3`. So a label is a Python int,
# or a tensor that holds one whole number.
#
# **Trap: negative labels.** `vector[-1] = 1` is no error in Python: it marks the *last* class. Many
# data sets write −1 for "no label". A label outside 0 ... `num_classes` − 1 has to be a `ValueError`.
#
# **Trap: one vector for all.** If the object keeps one vector and fills it again at each call, the
# vector that an earlier call gave you changes, too. Make a new vector each time.


# %%
class OneHot:
    """Turn a label into a float32 vector with a 1 at its place; a new vector at each call.

    Raises:
        ValueError: on call, for a label outside 0 ... num_classes-1.
    """

    def __init__(self, num_classes: int) -> None:
        ### BEGIN SOLUTION
        # TASK: 10 minutes, easy
        self.num_classes = num_classes
        ### END SOLUTION

    def __call__(self, label: int | Int[Tensor, ""]) -> Float[Tensor, " classes"]:
        """Make the vector of one label, a number or a tensor that holds one."""
        ### BEGIN SOLUTION
        # HINT: Python reads `0 <= label < n` as you do, and it works for a tensor with one number.
        if not 0 <= label < self.num_classes:
            raise ValueError(f"label {int(label)} is not one of 0 ... {self.num_classes - 1}")

        # HINT: `torch.zeros(n)` is float32. Then one number in it changes.
        vector = torch.zeros(self.num_classes)
        vector[label] = 1.0
        return vector
        ### END SOLUTION


# %% [markdown]
# ## 4. Normalize
#
# Networks learn faster when their inputs are centred at 0 and spread by about 1. So each channel
# $k$ gets its own mean $\mu_k$ and its own standard deviation $\sigma_k$ (the usual distance from
# the mean; task 6 measures both). The value at channel $k$, row $i$, column $j$ becomes
#
# $$\text{out}_{k,i,j} = \frac{x_{k,i,j} - \mu_k}{\sigma_k}$$
#
# **By hand.** Mean 0.5 and standard deviation 0.25: black, 0, becomes $(0 - 0.5) / 0.25 = -2$;
# white, 1, becomes $+2$; and 0.5 becomes 0.
#
# **Trap: which axis?** `mean` has the shape `(c,)`, the picture `(c, h, w)`. Torch lines shapes up
# **from the right**, so a plain `image - mean` puts the means along the *width*. With 28 columns
# and 3 channels you get an error. With 3 columns you get wrong numbers and no error. `mean` needs
# the shape `(c, 1, 1)`:
#
# ```pycon
# >>> mean = torch.tensor([10.0, 20.0])
# >>> mean[:, None, None].shape
# torch.Size([2, 1, 1])
# >>> (torch.zeros(2, 1, 2) - mean[:, None, None])[:, 0]  # the only row of each channel
# tensor([[-10., -10.],
#         [-20., -20.]])
# ```
#
# **Trap: in place.** `image -= mean` changes the caller's picture. If that picture lies in a
# dataset in memory, it is normalised once more in every epoch.
#
# **Trap: the dtype.** A float32 picture minus a float64 mean is float64, and the network's float32
# weights then refuse it. `mean.to(image)` takes dtype **and** device from the picture.


# %%
class Normalize:
    """Subtract `mean` and divide by `std`, channel by channel; dtype and device of the picture.

    `mean` and `std` hold one number per channel: a list, a tuple or a tensor.
    """

    def __init__(self, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor) -> None:
        ### BEGIN SOLUTION
        # TASK: 10 minutes, easy
        # HINT: `torch.as_tensor` takes lists, tuples and tensors. float64 loses nothing.
        self.mean = torch.as_tensor(mean, dtype=torch.float64)
        self.std = torch.as_tensor(std, dtype=torch.float64)
        ### END SOLUTION

    def __call__(self, image: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
        """Give a normalised picture; the one that came in stays as it was."""
        ### BEGIN SOLUTION
        # HINT: Two steps: `.to(image)` for dtype and device, two more axes for the shape.
        mean = self.mean.to(image)[:, None, None]  # (c, 1, 1)
        std = self.std.to(image)[:, None, None]
        # HINT: `-` and `/` make new tensors; `-=` and `/=` would write into the picture.
        return (image - mean) / std
        ### END SOLUTION


# %% [markdown]
# ## 5. RandomShift
#
# A digit that moves by one pixel is still the same digit. So show it to the network at another
# place each time: from one picture you make many, at no cost. This is *data augmentation*.
#
# Let $m$ be `max_shift`. Each call draws two whole numbers, one for down/up and one for right/left,
# independent of each other. Each of $-m, \dots, -1, 0, 1, \dots, m$ is equally likely: $2m + 1$ values.
# The picture moves by that much. What moves out is lost, and **zeros** move in:
#
# $$\begin{pmatrix} 1 & 2 & 3 \\ 4 & 5 & 6 \\ 7 & 8 & 9 \end{pmatrix}
# \;\xrightarrow{\text{1 down, 1 left}}\;
# \begin{pmatrix} 0 & 0 & 0 \\ 2 & 3 & 0 \\ 5 & 6 & 0 \end{pmatrix}$$
#
# In the notebook, the next cell draws a seven, the same seven moved by two rows and one column with
# zeros moving in, and what `torch.roll` makes of it: there the foot of the seven comes in again at
# the top. That is the first trap: `torch.roll` *wraps around*, and a picture has no such neighbours.

# %% tags=["picture"]
import matplotlib.pyplot as plt

rows = "........ .#####.. .....#.. ....#... ....#... ...#.... ...#.... ...#...."
seven = torch.tensor([[float(cell == "#") for cell in row] for row in rows.split()])
moved = torch.zeros(8, 8)
moved[2:, 1:] = seven[:6, :7]
pictures = {
    "the picture": seven,
    "2 down, 1 right: zeros move in": moved,
    "torch.roll: wraps around": seven.roll((2, 1), (0, 1)),
}
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
    ax.imshow(picture.numpy(), cmap="Blues")
    ax.set(title=title, xlabel="column", ylabel="row")
figure.tight_layout()
plt.show()

# %% [markdown]
# **Pad and cut.** One way to do it without thinking about signs: put $m$ zeros around the picture on
# all four sides, and cut a window of the old size out of the result. Cut at the top left corner,
# and the picture has moved down and right by $m$. Cut $2m$ rows lower and $2m$ columns further
# right, and it has moved up and left by $m$. Here $m = 1$, and the picture moves 1 down, 0 right:
#
# ```pycon
# >>> padded = F.pad(torch.tensor([[1, 2], [3, 4]]), (1, 1, 1, 1))
# >>> padded
# tensor([[0, 0, 0, 0],
#         [0, 1, 2, 0],
#         [0, 3, 4, 0],
#         [0, 0, 0, 0]])
# >>> padded[0:2, 1:3]  # from row 0 on, from column 1 on
# tensor([[0, 0],
#         [1, 2]])
# ```
#
# This works for any `max_shift`, also one that is larger than the picture.
#
# **Random numbers that can be repeated.** `gen` is a `torch.Generator`: a source of random
# numbers. It keeps a *state*, computes the next number from it, and changes it at each draw.
# `manual_seed` sets the state by a whole number, the *seed*. Give `gen` to everything that draws:
# `generator=gen`. The same seed then gives the same numbers, whatever the rest of the program
# does. And nothing else is disturbed: without `generator=`, torch draws from a source that the
# whole program shares.
#
# ```pycon
# >>> gen = torch.Generator().manual_seed(3)
# >>> first = torch.randint(0, 100, (4,), generator=gen)
# >>> gen = torch.Generator().manual_seed(3)
# >>> torch.equal(first, torch.randint(0, 100, (4,), generator=gen))  # the same seed once more
# True
# ```
#
# **Trap: the end of the range.** The upper end of `torch.randint(low, high, ...)` never comes. With
# `torch.randint(-m, m, ...)` nothing ever moves by $+m$.
#
# **One shift per call.** The axes before the last two (none, channels, batch) all move together: red
# must not move away from green.
#
# **Trap: several workers.** `DataLoader(..., num_workers=2)` lets two processes load items at the
# same time. Each of them gets a *copy* of the dataset, and of `gen` in it: both draw the **same**
# shifts, and in the next epoch the same ones again. Such a loader takes a function
# `worker_init_fn`, which each worker calls once when it starts. In it, `get_worker_info().dataset`
# is the worker's own copy. Give it a seed of its own: `torch.initial_seed()` differs for each
# worker and epoch, and can be repeated if the loader has a `generator`. (A part of a dataset, as
# in task 10, wraps the whole: there it is `.dataset.dataset`.)
#
# ```pycon
# >>> from torch.utils.data import get_worker_info
# >>> def new_seed(worker):
# ...     get_worker_info().dataset.transform.gen.manual_seed(torch.initial_seed())
# ```


# %%
class RandomShift:
    """Move a picture by up to `max_shift` pixels, at random, up or down and left or right.

    Each call draws both shifts from `gen` alone, uniform on -max_shift ... max_shift inclusive. Zeros
    move in. Works on any leading axes (they move together) and any dtype.
    """

    def __init__(self, max_shift: int, gen: torch.Generator) -> None:
        ### BEGIN SOLUTION
        # TASK: 20 minutes, medium
        self.max_shift = max_shift
        self.gen = gen
        ### END SOLUTION

    def __call__(self, image: Shaped[Tensor, "*batch h w"]) -> Shaped[Tensor, "*batch h w"]:
        """Give a moved copy; the picture that came in stays as it was."""
        ### BEGIN SOLUTION
        m = self.max_shift
        h, w = image.shape[-2:]

        # HINT: How many places are there to cut? m zeros before and m behind: 0, 1, ..., 2m.
        top, left = torch.randint(0, 2 * m + 1, (2,), generator=self.gen).tolist()
        # HINT: `F.pad(image, (m, m, m, m))` pads the last two axes. Then two slices after `...`.
        padded = F.pad(image, (m, m, m, m))  # (*batch, h + 2m, w + 2m)
        return padded[..., top : top + h, left : left + w]
        ### END SOLUTION


# %% [markdown]
# ## 6. channel_statistics
#
# `Normalize` needs the mean and the standard deviation of each channel, over **all** pixels of **all**
# training pictures. With $N$ values $x_1, \dots, x_N$ in a channel (pictures × rows × columns), these are
#
# $$\mu = \frac{1}{N} \sum_i x_i \qquad\qquad \sigma = \sqrt{\frac{1}{N} \sum_i (x_i - \mu)^2}$$
#
# We divide by $N$, not by $N - 1$: these are all the pixels, not a sample of them. This is called
# the *population* standard deviation. (`x.std()` divides by $N - 1$ unless you say
# `correction=0`.)
#
# The data come in batches from a loader, and there are too many to keep. Some loaders can also be
# walked through only once. So one pass must be enough. A batch is either the pictures, `b c h w`,
# or a tuple or list with the pictures first, such as `(images, labels)`.
#
# **Trap: the mean of means.** Means of batches may not simply be averaged when the last batch is smaller.
# And standard deviations may *never* be averaged: (0, 0) and (8, 8) both have standard deviation 0,
# all four numbers together have 4.
#
# **Trap: a difference of two large numbers.** There is a famous shortcut, $\sigma^2 = \text{mean of }
# x^2 - \mu^2$. On paper it is right. In a computer it fails when the mean is large and the spread is
# small, since float32 keeps about 7 digits and the answer sits in those that are lost:
#
# ```pycon
# >>> x = torch.tensor([1000.0, 1000.002])
# >>> (x**2).mean() - x.mean() ** 2  # should be about 0.000001
# tensor(0.0625)
# ```
#
# float64 keeps about 16 digits, so there it fails later. But it does fail.
#
# **The way out** is to keep three numbers per channel: how many values there were so far ($n$), their
# mean ($\mu$), and the sum of squared distances from **that** mean ($S$). Compute the same three of the
# new batch ($n'$, $\mu'$, $S'$), in float64, and merge them. With $\delta = \mu' - \mu$ (an arrow
# gives the left side a new value; all right sides use the old ones):
#
# $$\mu \leftarrow \mu + \delta\,\frac{n'}{n + n'} \qquad
# S \leftarrow S + S' + \delta^2\,\frac{n\,n'}{n + n'} \qquad
# n \leftarrow n + n'$$
#
# Why? The new mean lies $\delta\,\frac{n'}{n + n'}$ away from $\mu$, and
# $\delta\,\frac{n}{n + n'}$ away from $\mu'$. Measuring $n$ values from a point at distance $d$
# from their mean adds $n\,d^2$ to their $S$. Add this up for both groups, and you get the term
# with $\delta^2$. Only distances are squared here, never the large numbers. At the end,
# $\sigma = \sqrt{S / n}$.
#
# **By hand.** First batch (1, 3): $n = 2$, $\mu = 2$, $S = 1 + 1 = 2$. Second batch (8): $n' = 1$,
# $\mu' = 8$, $S' = 0$. So $\delta = 6$, and $\mu = 2 + 6 \cdot \frac{1}{3} = 4$,
# $S = 2 + 0 + 36 \cdot \frac{2}{3} = 26$. Check: 1, 3, 8 have the mean 4, and
# $9 + 1 + 16 = 26$. The first batch of all needs no special case: start with $n = 0$, $\mu = 0$, $S = 0$.
#
# One channel per row makes the rest easy. Watch how the values of a channel come together:
#
# ```pycon
# >>> images = torch.tensor([[[[1, 2]], [[10, 20]]], [[[3, 4]], [[30, 40]]]])  # (b, c, h, w)
# >>> images.shape
# torch.Size([2, 2, 1, 2])
# >>> images.transpose(0, 1).flatten(1)  # (c, b * h * w)
# tensor([[ 1,  2,  3,  4],
#         [10, 20, 30, 40]])
# ```
#
# The result is the pair (mean, standard deviation), each of shape `(c,)`, in the pictures' own
# dtype and on their device.


# %%
def channel_statistics(loader: Iterable) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Measure mean and standard deviation (population) of each channel over all pixels of a loader.

    Batches are images "b c h w", or tuples or lists that begin with them; sizes may differ. One pass,
    in float64 inside, and stable where the mean is large and the spread small. The merging rule is
    that of Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979).
    """
    ### BEGIN SOLUTION
    # TASK: 25 minutes, hard
    count, mean, squares = 0, 0.0, 0.0
    for batch in loader:
        images = batch[0] if isinstance(batch, tuple | list) else batch
        # HINT: `transpose` brings the channels to the front, `flatten(1)` makes one row of each.
        pixels = images.double().transpose(0, 1).flatten(1)  # (c, b * h * w)
        new_count = pixels.shape[1]
        new_mean = pixels.mean(1)  # (c,)
        new_squares = (pixels - new_mean[:, None]).square().sum(1)  # (c,)

        # HINT: These are the three arrows of the text. Change `count` last: the others need the old.
        delta = new_mean - mean
        total = count + new_count
        mean = mean + delta * new_count / total
        squares = squares + new_squares + delta**2 * count * new_count / total
        count = total

    std = (squares / count).sqrt()
    return mean.to(images.dtype), std.to(images.dtype)
    ### END SOLUTION


# %% [markdown]
# ## 7. pad_collate
#
# Sentences, songs and journeys have unequal lengths, but a tensor is a rectangle. So shorter
# sequences are filled up at their **end**, with zeros, to the length of the longest in the batch.
# A network must know which zeros are filling and which are data, so the true **lengths** come along.
#
# **By hand.** Three items, each a sequence with its label:
#
# $$\big[(5, 0, 2),\,1\big],\; \big[(7),\,0\big],\; \big[(1, 4),\,1\big] \;\to\;
# \begin{pmatrix} 5 & 0 & 2 \\ 7 & 0 & 0 \\ 1 & 4 & 0 \end{pmatrix},\;
# \text{lengths } (3, 1, 2),\; \text{labels } (1, 0, 1)$$
#
# In the notebook, the next cell draws this batch: numbers on white are data, hatched cells are filling.
# The 0 in the first row is data. From the numbers alone you could not tell.

# %% tags=["picture"]
import matplotlib.pyplot as plt

sequences = [[5, 0, 2], [7], [1, 4]]
figure, ax = plt.subplots(figsize=(4.2, 3))
for row, sequence in enumerate(sequences):
    for column in range(3):
        data = column < len(sequence)
        look = {"facecolor": "white"} if data else {"facecolor": "lightgrey", "hatch": "//"}
        ax.add_patch(plt.Rectangle((column, row), 1, 1, edgecolor="black", **look))
        text = str(sequence[column]) if data else "0"
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=14)
labels = [f"item {row}, length {len(sequence)}" for row, sequence in enumerate(sequences)]
ax.set_yticks([0.5, 1.5, 2.5], labels)
ax.set_xticks([0.5, 1.5, 2.5], ["0", "1", "2"])
ax.set(xlim=(0, 3), ylim=(3, 0), xlabel="time step", title="a padded batch (b = 3, t = 3)")
ax.set_aspect("equal")
figure.tight_layout()
plt.show()

# %% [markdown]
# A *collate function* gets a list of items, as the dataset gave them, and makes one batch. You hand
# it to the loader: `DataLoader(dataset, batch_size=3, collate_fn=pad_collate)`.
#
# `zip(*batch)` turns a list of pairs into two tuples, all first parts and all second parts:
#
# ```pycon
# >>> names, numbers = zip(*[("a", 1), ("b", 2), ("c", 3)])
# >>> names, numbers
# (('a', 'b', 'c'), (1, 2, 3))
# ```
#
# and torch has a function for the filling. Its result is "time first" unless you say otherwise:
#
# ```pycon
# >>> pad_sequence([torch.tensor([5, 0, 2]), torch.tensor([7])]).shape  # (t, b)
# torch.Size([3, 2])
# >>> pad_sequence([torch.tensor([5, 0, 2]), torch.tensor([7])], batch_first=True)  # (b, t)
# tensor([[5, 0, 2],
#         [7, 0, 0]])
# ```
#
# **Traps.** Items keep their order: no sorting by length (the labels would stay behind). The
# sequences' dtype stays; lengths and labels are int64. And count the length *before* you fill:
# counting non-zero numbers afterwards takes the 0 in (5, 0, 2) for filling.


# %%
def pad_collate(
    batch: list,
) -> tuple[Shaped[Tensor, "b t"], Int[Tensor, " b"], Int[Tensor, " b"]]:
    """Make `(padded, lengths, labels)` of a list of items `(sequence, label)`.

    Sequences are tensors with one axis; they keep their order and dtype, zeros fill their ends. A
    label is a number or a tensor that holds one. Lengths and labels are int64.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    sequences, labels = zip(*batch, strict=True)
    padded = pad_sequence(list(sequences), batch_first=True)  # (b, t)
    # HINT: The length of each sequence before it was filled: `len` of each, as a list.
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    # HINT: `int(label)` takes numbers and tensors with one number; a list of ints becomes int64.
    return padded, lengths, torch.tensor([int(label) for label in labels])
    ### END SOLUTION


# %% [markdown]
# ## 8. num_batches
#
# How many batches does a loader give? With $n$ items in batches of $b$, there are
# $\lfloor n / b \rfloor$ full ones ($\lfloor\cdot\rfloor$ rounds down). If something is left over, one
# short batch follows, unless the loader drops it (`drop_last=True`). So
#
# $$\text{number} = \begin{cases} \lfloor n / b \rfloor & \text{if the short one is dropped} \\
# \lceil n / b \rceil & \text{otherwise} \end{cases}$$
#
# where $\lceil\cdot\rceil$ rounds up.
#
# **By hand.** 10 items in batches of 4: 4 + 4 + 2, so 3 batches, or 2 if the short one is dropped. 8
# items: 4 + 4, so 2 in both cases. A loader knows its own number, too:
#
# ```pycon
# >>> len(DataLoader(range(10), batch_size=4)), len(DataLoader(range(10), batch_size=4, drop_last=True))
# (3, 2)
# ```
#
# **Trap: `/` gives a float.** A float keeps about 16 digits. With larger numbers,
# `math.ceil(n / b)` may be wrong. Stay with whole numbers. `//` rounds down; can you make it
# round up?
#
# ```pycon
# >>> import math
# >>> math.ceil((10**17 + 1) / 1)  # the 1 at the end is lost
# 100000000000000000
# ```


# %%
def num_batches(n: int, batch_size: int, drop_last: bool) -> int:
    """Count the batches of `n` items, in whole numbers; a short last one counts unless dropped."""
    ### BEGIN SOLUTION
    # TASK: 5 minutes, easy
    # HINT: `n // batch_size` counts the full batches. That is all, if the short one is dropped.
    if drop_last:
        return n // batch_size
    # HINT: Add as many items as can be missing in the last batch, at most batch_size - 1. Then `//`.
    return (n + batch_size - 1) // batch_size
    ### END SOLUTION


# %% [markdown]
# ## 9. BalancedBatchSampler
#
# Of 1000 X-rays, 20 show an illness. A network that always says "healthy" is right in 98 % of the
# cases, and that is what it learns. One remedy: make every batch *balanced*, with the same number of
# items of each class.
#
# **By hand.** Labels (0, 0, 0, 0, 0, 1, 1, 1), so class 0 has the items 0 to 4 and class 1 the items
# 5, 6, 7. Batches of 4 hold 2 + 2. Shuffle each class: say (3, 0, 4, 1, 2) and (6, 7, 5). Take two and
# two: the first batch is [3, 0, 6, 7]. The second would be [4, 1, 5, ?], but class 1 has only one item
# left. So there is one batch, and the epoch is over: it **stops at the smallest class**. No item
# comes twice in an epoch. Those left over get another chance: the next epoch shuffles each class
# anew.
#
# In general: with $k$ classes, each gives $q = b / k$ items per batch ($b$ is `batch_size`), and if the
# smallest class has $s$ items, an epoch has $\lfloor s / q \rfloor$ batches. When $k$ does not divide
# $b$, no batch can be balanced: raise a `ValueError` in `__init__`.
#
# An ordinary sampler gives one item number after the other, and the loader makes batches of them.
# A *batch sampler* gives whole batches. It is an object with `__len__`, the number of batches,
# and `__iter__`, which gives one list of item numbers (Python ints) per batch; their order within
# a batch is free. It goes to the loader as `batch_sampler=`, without `batch_size` and `shuffle`.
# The loader calls `__iter__` at the start of each epoch, so that is the place to shuffle. With
# `yield`, a function hands out one result after the other:
#
# ```pycon
# >>> class Pairs(Sampler):
# ...     def __init__(self, n):
# ...         self.n = n
# ...     def __len__(self):
# ...         return self.n // 2
# ...     def __iter__(self):
# ...         for start in range(0, self.n - 1, 2):
# ...             yield [start, start + 1]
# >>> list(Pairs(5))
# [[0, 1], [2, 3]]
# >>> [batch.tolist() for batch in DataLoader(torch.arange(100, 105), batch_sampler=Pairs(5))]
# [[100, 101], [102, 103]]
# ```
#
# Which items belong to class 1? And in which random order?
#
# ```pycon
# >>> labels = torch.tensor([0, 1, 0, 1, 1])
# >>> (labels == 1).nonzero().flatten()
# tensor([1, 3, 4])
# >>> torch.tensor([1, 3, 4])[torch.tensor([2, 0, 1])]  # torch.randperm(3) may be [2, 0, 1]
# tensor([4, 1, 3])
# ```
#
# **Traps.** Classes need not be 0, 1, 2, ...: `labels.unique()` tells which there are. Shuffle in
# `__iter__`, not in `__init__`, or every epoch is the same. Give `gen` to `randperm`. And draw
# *without replacement*: `torch.randint` may name an item twice and leave others out.


# %%
class BalancedBatchSampler(Sampler):
    """Batches of item numbers, as lists, with the same number of items of each class in each.

    `labels` holds one whole number per item: a tensor, an array or a list. An epoch ends when the
    smallest class has too few items left for another batch; no item comes twice in it. Each epoch
    has a new order, drawn from `gen` alone.

    Raises:
        ValueError: `batch_size` is not a multiple of the number of classes.
    """

    def __init__(
        self, labels: Tensor | np.ndarray | list, batch_size: int, gen: torch.Generator
    ) -> None:
        ### BEGIN SOLUTION
        # TASK: 30 minutes, hard
        labels = torch.as_tensor(labels)
        # HINT: One tensor of item numbers for each class, in a list. Nothing is random yet.
        self.groups = [(labels == label).nonzero().flatten() for label in labels.unique()]
        # HINT: `divmod(7, 3)` is (2, 1): how often, and what is left over.
        self.per_class, rest = divmod(batch_size, len(self.groups))
        if rest:
            raise ValueError(f"{len(self.groups)} classes cannot share {batch_size} places equally")
        self.gen = gen
        ### END SOLUTION

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        ### BEGIN SOLUTION
        return min(len(group) for group in self.groups) // self.per_class
        ### END SOLUTION

    def __iter__(self) -> Iterator[list[int]]:
        """Give the batches of one epoch, in a new order."""
        ### BEGIN SOLUTION
        # HINT: Shuffle each class first: `group[torch.randperm(len(group), generator=self.gen)]`.
        shuffled = [group[torch.randperm(len(group), generator=self.gen)] for group in self.groups]
        for number in range(len(self)):
            # HINT: Batch number 3 takes the same slice of each class: from 3 * per_class on.
            places = slice(number * self.per_class, (number + 1) * self.per_class)
            yield torch.cat([group[places] for group in shuffled]).tolist()
        ### END SOLUTION


# %% [markdown]
# ## 10. make_loaders
#
# Whoever learns the answers by heart does well in a test with the same questions. So the data are
# split into three parts that share **nothing**:
#
# - *training*: the network learns from these;
# - *validation*: you look at these while you try things out (which learning rate? when to stop?);
# - *test*: you look at these **once**, at the very end.
#
# The split must be random. Files often lie sorted by class, and the last tenth may be all nines.
#
# **Sizes.** `fractions` are three numbers that add up to 1, such as (0.7, 0.15, 0.15). Of $n$
# items, training gets `int(0.7 * n)`, validation `int(0.15 * n)` (`int` rounds down), and test
# **all the rest**, so that no item is lost. By hand, for $n = 25$: 17.5 and 3.75 become 17 and 3,
# and $25 - 17 - 3 = 5$ are left for the test. (A float is not exact: `0.7 * 90` is
# 62.99999999999999 and becomes 62. Leave it so: the item goes to the test.) Give torch whole
# numbers, not fractions: it shares the rest out in another way.
#
# ```pycon
# >>> parts = random_split(range(25), [17, 3, 5], generator=torch.Generator().manual_seed(0))
# >>> [len(part) for part in parts]
# [17, 3, 5]
# >>> sorted([*parts[0], *parts[1], *parts[2]]) == list(range(25))
# True
# ```
#
# **Order.** The training loader gives a **new** order in each epoch (`shuffle=True`): else the network
# sees the same neighbours in the same order each time. Validation and test have a **fixed** order: there
# is nothing to learn, and you want to compare results item by item. No loader drops a last
# short batch: all items count.
#
# **Reproducible.** The same `seed` gives the same split *and* the same orders of the training epochs,
# even if somebody has called `torch.manual_seed(...)` in between or drawn random numbers. So make
# a generator of your own from `seed`, and give it to the split and to the loader that shuffles. A split
# that changes from run to run **leaks**: load the network that you trained yesterday, and today's
# test holds items that it has learned from.
#
# In the notebook, the next cell draws it for 20 items. In the first picture, each column is an
# item, and the word says which part it belongs to. The second shows the 12 training items in the
# order in which they come: each row is an epoch, read from left to right. Number and colour tell
# the item. The 12 numbers are the same in each row, the order is not.

# %% tags=["picture"]
import matplotlib.pyplot as plt

gen = torch.Generator().manual_seed(0)
order = torch.randperm(20, generator=gen)
part = torch.zeros(1, 20)
part[0, order[12:16]], part[0, order[16:]] = 1, 2
epochs = torch.stack([order[:12][torch.randperm(12, generator=gen)] for _ in range(3)])

figure, (above, below) = plt.subplots(2, 1, figsize=(8, 3.6), height_ratios=[1, 2])
above.imshow(part.numpy(), cmap="Set2", aspect="auto", vmin=0, vmax=7)
for item in range(20):
    above.text(item, 0, ["train", "val", "test"][int(part[0, item])], ha="center", size=8)
above.set(title="the split", xlabel="item", xticks=range(20), yticks=[])
below.imshow(epochs.numpy(), cmap="viridis", aspect="auto")
for (row, column), item in np.ndenumerate(epochs.numpy()):
    below.text(column, row, item, ha="center", va="center", color="white" if item < 12 else "black")
below.set(title="what training sees", xlabel="place", ylabel="epoch", yticks=range(3))
figure.tight_layout()
plt.show()

# %% [markdown]
# **Trap: augmented validation.** `RandomShift` belongs to training only. A validation set that changes by
# itself gives another result each time, and a worse one than is true. But all three parts come
# from one dataset, with one transform! Here reproducibility helps. The split depends on the seed,
# the fractions and the number of items, but not on what the items are. So build two datasets over
# the same files, call `make_loaders` twice with the **same seed and fractions**, and keep what
# you need of each (`v2.Compose` makes one transform of several, which run one after the other):
#
# ```pycon
# >>> shift = RandomShift(1, torch.Generator().manual_seed(0))
# >>> moving = ImageCSVDataset(folder, transform=v2.Compose([shift, v2.Normalize([0.3], [0.4])]))
# >>> still = ImageCSVDataset(folder, transform=Normalize([0.3], [0.4]))
# >>> train, _, _ = make_loaders(moving, (0.7, 0.15, 0.15), batch_size=4, seed=1)
# >>> _, val, test = make_loaders(still, (0.7, 0.15, 0.15), batch_size=4, seed=1)
# >>> [len(loader.dataset) for loader in (train, val, test)]
# [14, 3, 3]
# ```
#
# A second leak: mean and standard deviation for `Normalize` have to come from the *training* part
# alone. The test data are to be unknown, their mean too. But `train` above gives pictures that
# are already moved and normalised. So make a third dataset, without any transform, split it with
# the same seed, and measure its training part:
#
# ```pycon
# >>> plain, _, _ = make_loaders(ImageCSVDataset(folder), (0.7, 0.15, 0.15), batch_size=4, seed=1)
# >>> channel_statistics(plain)
# (tensor([0.3015]), tensor([0.3745]))
# ```


# %%
def make_loaders(
    dataset: Dataset, fractions: Sequence[float], batch_size: int, seed: int
) -> tuple[DataLoader, DataLoader, DataLoader]:
    """Split a dataset at random and make the loaders `(train, val, test)`.

    The parts share no item and cover all; train and val have `int(fraction * n)` of the n items,
    and test the rest. Split and orders depend on the arguments and on n alone: not on what the
    items are, nor on a global seed. Train has a new order in each epoch, the others a fixed one;
    no item is dropped.
    """
    ### BEGIN SOLUTION
    # TASK: 15 minutes, medium
    # HINT: `int(fraction * len(dataset))` rounds down. The third size is what the others leave over.
    n = len(dataset)
    n_train, n_val = int(fractions[0] * n), int(fractions[1] * n)
    sizes = [n_train, n_val, n - n_train - n_val]

    # HINT: One generator for everything: `generator=gen` goes to the split and to the train loader.
    gen = torch.Generator().manual_seed(seed)
    train, val, test = random_split(dataset, sizes, generator=gen)
    return (
        DataLoader(train, batch_size=batch_size, shuffle=True, generator=gen),
        DataLoader(val, batch_size=batch_size),
        DataLoader(test, batch_size=batch_size),
    )
    ### END SOLUTION


# %% [markdown]
# ## What to read next
#
# - The torch documentation on `torch.utils.data`, for samplers, workers and pinned memory, and its
#   page *Reproducibility*, for what else has to be seeded.
# - The torchvision documentation, *Getting started with transforms v2*, for transforms that move
#   boxes and masks along with the picture.
# - Shorten and Khoshgoftaar, *A survey on Image Data Augmentation for Deep Learning* (Journal of Big
#   Data, 2019).
# - Chan, Golub and LeVeque, *Algorithms for computing the sample variance: analysis and
#   recommendations* (The American Statistician, 1983), for why the famous shortcut fails.
# - Kaufman, Rosset and Perlich, *Leakage in Data Mining: Formulation, Detection, and Avoidance*
#   (KDD 2011), for real leaks, some of which decided competitions.
#
# A larger data set with the same traps is FashionMNIST: 70 000 pictures of clothes, 28 × 28. The function
# `load_fashion_mnist` in `datasets/fashion_mnist.py` reads it where it is on your disk.
