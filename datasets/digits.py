"""Handwritten digits, 8 x 8 pixels: small enough to train a network in half a second.

Source: scikit-learn's bundled `load_digits`, the test part of the "Optical Recognition of
Handwritten Digits" data (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998,
CC BY 4.0). It comes with scikit-learn, so nothing is downloaded.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

IMAGES = 1797


def read_digits() -> tuple[UInt8[np.ndarray, "1797 8 8"], UInt8[np.ndarray, "1797"]]:
    """Read scikit-learn's digits: the pictures, from 0 (paper) to 16 (ink), and their labels, from 0 to 9.

    These are the numbers of `sklearn.datasets.load_digits`. They are read from its file, since importing
    scikit-learn takes one to two seconds, longer than the training of many a network on them.
    """
    sklearn = find_spec("sklearn")
    for place in (sklearn and sklearn.submodule_search_locations) or ():
        file = Path(place) / "datasets/data/digits.csv.gz"
        if file.is_file():
            table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
            return table[:, :-1].reshape(-1, 8, 8), table[:, -1]

    from sklearn.datasets import load_digits  # a release that keeps the file elsewhere, or none

    digits = load_digits()
    return digits.images.astype(np.uint8), digits.target.astype(np.uint8)


def load_digits_split(
    seed: int, train: int = 1200
) -> tuple[
    Float[Tensor, "train 1 8 8"],
    Int[Tensor, " train"],
    Float[Tensor, "test 1 8 8"],
    Int[Tensor, " test"],
]:
    """Shuffle the 1797 digits with `seed` and split them: `(x_train, y_train, x_test, y_test)`.

    Images are float32 in [0, 1] with shape (n, 1, 8, 8), labels are int64 from 0 to 9. The first
    `train` digits of the shuffled order are for training, all the others for testing. The same
    seed gives the same split; torch's global random state is left alone.

    Raises:
        ValueError: `train` leaves one of the two parts empty.
    """
    if not 0 < train < IMAGES:
        raise ValueError(
            f"load_digits_split: train must be from 1 to {IMAGES - 1}, got {train}: "
            f"there are {IMAGES} digits and both parts need some"
        )

    images, labels = read_digits()
    x = torch.tensor(images, dtype=torch.float32).unsqueeze(1) / 16  # (n, 1, 8, 8)
    y = torch.tensor(labels, dtype=torch.int64)

    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    x, y = x[order], y[order]
    return x[:train], y[:train], x[train:], y[train:]
