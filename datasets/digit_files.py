"""Handwritten digits as real PNG files with a table of labels: for reading pictures from a disk.

Source: scikit-learn's bundled `load_digits`, the test part of the "Optical Recognition of
Handwritten Digits" data (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998,
CC BY 4.0). It comes with scikit-learn, so nothing is downloaded.
"""

import csv
from pathlib import Path

import numpy as np

from datasets.digits import IMAGES, read_digits


def write_digit_files(folder: str | Path, count: int = IMAGES) -> int:
    """Write the first `count` digits into `folder`, and `labels.csv`; returns how many there are.

    Each digit is an 8-bit grey PNG file of 8 x 8 pixels, from 0 (paper) to 255 (ink), named
    `digits/0000.png` and so on. `labels.csv` has the header `file,label` and one line per digit.
    The folder is made where it is missing; files of an earlier call are written anew.

    Raises:
        ValueError: there are not so many digits.
    """
    if not 0 < count <= IMAGES:
        raise ValueError(
            f"write_digit_files: count must be from 1 to {IMAGES}, got {count}: "
            f"there are {IMAGES} digits"
        )

    from PIL import Image

    folder = Path(folder)
    (folder / "digits").mkdir(parents=True, exist_ok=True)
    images, labels = read_digits()
    pixels = np.rint(images * (255 / 16)).astype(np.uint8)

    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        lines = csv.writer(table)
        lines.writerow(["file", "label"])
        for number in range(count):
            name = f"digits/{number:04}.png"
            Image.fromarray(pixels[number]).save(folder / name)
            lines.writerow([name, int(labels[number])])
    return count
