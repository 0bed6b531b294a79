"""Handwritten digits, 8 x 8 pixels: small enough to train a network in half a second.

Source: scikit-learn's bundled `load_digits`, the test part of the "Optical Recognition of
Handwritten Digits" data (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998,
CC BY 4.0). It comes with scikit-learn, so nothing is downloaded.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

IMAGES = 1797


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

    # Importing scikit-learn takes about a second: only those who want the digits pay for it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16  # (n, 1, 8, 8)
    y = torch.tensor(digits.target, dtype=torch.int64)

    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    x, y = x[order], y[order]
    return x[:train], y[:train], x[train:], y[train:]
