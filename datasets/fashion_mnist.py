"""FashionMNIST where it is on the disk, and a stand-in made by code where it is not.

FashionMNIST is 70 000 grey pictures of clothes, 28 x 28 pixels, ten classes (H. Xiao, K. Rasul and
R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
2017, MIT licence). It is not part of this kit and is never downloaded unless you ask for it:

- name its folder in the call, or in the environment variable `FASHION_MNIST`;
- `load_fashion_mnist(folder, download=True)` fetches it into that folder (30 MB), once;
- on Debian and Ubuntu, the package `dataset-fashion-mnist` puts it into
  /usr/share/datasets/fashion-mnist.

`stand_in_clothes` draws pictures of the same shapes and types, for programs that have to run without
the real ones. What a network reaches on them says nothing about FashionMNIST.
"""

import gzip
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

VARIABLE = "FASHION_MNIST"
CLASSES = (
    *("T-shirt", "trousers", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
FILES = tuple(
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)


class Clothes(NamedTuple):
    """Pictures, labels from 0 to 9 (`CLASSES`), and where they come from."""

    images: Float[Tensor, "n 1 28 28"]
    labels: Int[Tensor, " n"]
    source: str


def load_clothes(folder: str | Path | None = None, *, train: bool = True) -> Clothes:
    """Load FashionMNIST where it is on the disk, and the stand-in (1000 pictures) where it is not.

    `source` says which it is: "FashionMNIST", or "stand-in made by code". A folder that is named, in
    the call or in the environment, has to hold the real files.

    Raises:
        FileNotFoundError: a folder is named, and the files are not there.
    """
    if folder is None and VARIABLE not in os.environ:
        return stand_in_clothes(1000, seed=0 if train else 1)
    return load_fashion_mnist(folder, train=train)


def load_fashion_mnist(
    folder: str | Path | None = None, *, train: bool = True, download: bool = False
) -> Clothes:
    """Load the real FashionMNIST: 60 000 pictures for training, or 10 000 for testing.

    Images are float32 in [0, 1] with shape (n, 1, 28, 28), labels are int64 from 0 to 9. The folder
    holds the four files of FashionMNIST (packed with gzip or not), or `FashionMNIST/raw/` with them in
    it, as torchvision makes it. None: the folder that the environment variable `FASHION_MNIST` names.

    Raises:
        FileNotFoundError: no folder is named, or the files are not in it and `download` is not set.
    """
    named = folder if folder is not None else os.environ.get(VARIABLE)
    if not named:
        raise FileNotFoundError(
            f"load_fashion_mnist: no folder is named. Name the one with FashionMNIST's files in the "
            f"call or in the environment variable {VARIABLE}; download=True fetches them into it"
        )
    root = Path(named)
    torchvisions = root / "FashionMNIST" / "raw"
    places = [place for place in (torchvisions, root) if _is_complete(place)]
    if not places and not download:
        raise FileNotFoundError(
            f"load_fashion_mnist: {root} does not hold the four files of FashionMNIST ({FILES[0]} "
            "and so on, with .gz or without). Name another folder, or download=True fetches them"
        )

    from gradus.torchvision_ops import install

    install()  # torchvision beside a CPU-only torch
    from torchvision.datasets import FashionMNIST

    with tempfile.TemporaryDirectory() as scratch:
        if places and (places[0] != torchvisions or not _is_complete(torchvisions, packed=False)):
            _unpack(places[0], Path(scratch, "FashionMNIST", "raw"))
            root = Path(scratch)
        found = FashionMNIST(str(root), train=train, download=not places)
        images = found.data.unsqueeze(1).to(torch.float32) / 255  # (n, 1, 28, 28)
        return Clothes(images, found.targets.to(torch.int64), "FashionMNIST")


def _is_complete(place: Path, *, packed: bool = True) -> bool:
    """Whether the four files are there."""
    suffixes = ("", ".gz") if packed else ("",)
    return all(any((place / f"{name}{end}").is_file() for end in suffixes) for name in FILES)


def _unpack(place: Path, target: Path) -> None:
    """Put the four files into `target` as torchvision wants them."""
    target.mkdir(parents=True)
    for name in FILES:
        if (place / name).is_file():
            shutil.copyfile(place / name, target / name)
        else:
            with gzip.open(place / f"{name}.gz") as source, (target / name).open("wb") as copy:
                shutil.copyfileobj(source, copy)


# One silhouette a class, 7 x 7.
SILHOUETTES = """
#######  ..###..  ##.#.##  ..#.#..  ##...##  .......  #.....#  .......  ..###..  ....##.
#.###.#  .#####.  #######  ..###..  #######  .......  ##.#.##  .......  .#...#.  ....##.
..###..  .##.##.  #######  ..###..  #######  .......  #######  .......  .#...#.  ....##.
..###..  .##.##.  #.###.#  ..###..  ###.###  #.....#  #.#.#.#  ....##.  #######  ...###.
..###..  .##.##.  #.###.#  .#####.  ###.###  ##...##  ..#.#..  .######  #######  .#####.
..###..  .##.##.  #.###.#  .#####.  ###.###  .##.###  ..###..  #######  #######  ######.
..###..  .##.##.  .......  #######  ###.###  ..#####  .......  #######  #######  ######.
"""


def stand_in_clothes(count: int, seed: int) -> Clothes:
    """Draw `count` pictures by code: NOT FashionMNIST, but of its shapes, types and range.

    A silhouette of the class, moved by up to two pixels, in a random grey, with noise on it. The same
    seed gives the same pictures; torch's global random state is left alone.

    Raises:
        ValueError: `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"stand_in_clothes: count must be at least 1, got {count}")
    gen = torch.Generator().manual_seed(seed)
    rows = [line.split() for line in SILHOUETTES.split("\n") if line]
    small = torch.tensor(
        [[[float(cell == "#") for cell in cells] for cells in row] for row in rows]
    )
    shapes = small.transpose(0, 1).repeat_interleave(3, 1).repeat_interleave(3, 2)  # (10, 21, 21)

    labels = torch.randint(0, len(CLASSES), (count,), generator=gen)
    corners = torch.randint(1, 7, (count, 2), generator=gen).tolist()
    greys = 0.4 + 0.6 * torch.rand(count, generator=gen)
    images = torch.zeros(count, 1, 28, 28)
    for number, (top, left) in enumerate(corners):
        shape = shapes[labels[number]] * greys[number]
        images[number, 0, top : top + 21, left : left + 21] = shape
    noise = 0.1 * torch.rand(images.shape, generator=gen)
    return Clothes((images + noise).clamp(0, 1), labels, "stand-in made by code")
