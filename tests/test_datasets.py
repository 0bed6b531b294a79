"""The data sets that a kit brings: what they hold, and that nothing is fetched behind anybody's back."""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datasets import digits, fashion_mnist
from datasets.digit_files import write_digit_files
from datasets.fashion_mnist import load_clothes, load_fashion_mnist, stand_in_clothes

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
REAL = os.environ.get(fashion_mnist.VARIABLE) or (str(DEBIAN) if DEBIAN.is_dir() else None)


def table_of(folder):
    """The lines of `labels.csv`."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


@pytest.mark.parametrize("file_is_there", [True, False])
def test_digits_are_those_of_scikit_learn(monkeypatch, file_is_there):
    from sklearn.datasets import load_digits

    if not file_is_there:
        monkeypatch.setattr(digits, "find_spec", lambda name: None)
    images, labels = digits.read_digits()
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, load_digits().images)
    assert np.array_equal(labels, load_digits().target)


def test_digits_are_written_as_png_files_with_a_table(tmp_path):
    from sklearn.datasets import load_digits

    assert write_digit_files(tmp_path / "new" / "folder", count=30) == 30
    folder = tmp_path / "new" / "folder"
    lines, written = table_of(folder), load_digits()
    assert len(lines) == 30
    assert len(list(folder.rglob("*.png"))) == 30
    for number, line in enumerate(lines):
        with Image.open(folder / line["file"]) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (8, 8))
            pixels = np.array(picture)
        assert np.abs(pixels / 255 * 16 - written.images[number]).max() < 0.05
        assert int(line["label"]) == written.target[number]


def test_all_digits_are_there_unless_fewer_are_asked_for(tmp_path):
    assert write_digit_files(tmp_path) == len(table_of(tmp_path)) == 1797
    assert write_digit_files(str(tmp_path), count=5) == len(table_of(tmp_path)) == 5


@pytest.mark.parametrize("count", [0, -1, 1798])
def test_digits_that_do_not_exist_are_refused(tmp_path, count):
    with pytest.raises(ValueError, match="from 1 to 1797"):
        write_digit_files(tmp_path, count=count)


def require_form(clothes, count):
    """Shapes, types and range are those of FashionMNIST."""
    assert clothes.images.shape == (count, 1, 28, 28)
    assert clothes.images.dtype == torch.float32
    assert 0.0 <= float(clothes.images.min()) <= float(clothes.images.max()) <= 1.0
    assert float(clothes.images.max()) > 0.9
    assert clothes.labels.shape == (count,)
    assert clothes.labels.dtype == torch.int64
    assert clothes.labels.unique().tolist() == list(range(10))


def test_stand_in_has_the_form_of_the_real_thing_and_says_what_it_is():
    state = torch.get_rng_state()
    clothes = stand_in_clothes(500, seed=3)
    require_form(clothes, 500)
    assert clothes.source == "stand-in made by code"
    assert torch.equal(torch.get_rng_state(), state)
    again, other = stand_in_clothes(500, seed=3), stand_in_clothes(500, seed=4)
    assert torch.equal(clothes.images, again.images)
    assert not torch.equal(clothes.images, other.images)
    with pytest.raises(ValueError, match="at least 1"):
        stand_in_clothes(0, seed=0)


def test_classes_of_the_stand_in_can_be_told_apart():
    train, test = stand_in_clothes(1000, seed=0), stand_in_clothes(300, seed=1)
    distances = torch.cdist(test.images.flatten(1), train.images.flatten(1))
    nearest = train.labels[distances.argmin(1)]
    assert float((nearest == test.labels).float().mean()) > 0.9


@pytest.fixture
def no_download(monkeypatch):
    """Whoever asks for the network fails."""

    def refuse(*args, **kwargs):
        raise AssertionError("somebody wanted to download")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("urllib.request.urlretrieve", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)


def test_without_a_folder_the_default_is_the_stand_in(monkeypatch, no_download):
    monkeypatch.delenv(fashion_mnist.VARIABLE, raising=False)
    train, test = load_clothes(), load_clothes(train=False)
    assert {train.source, test.source} == {"stand-in made by code"}
    assert not torch.equal(train.images, test.images)
    with pytest.raises(FileNotFoundError, match=r"no folder is named.*FASHION_MNIST"):
        load_fashion_mnist()


def test_a_named_folder_without_the_files_is_an_error(monkeypatch, tmp_path, no_download):
    with pytest.raises(FileNotFoundError, match="does not hold the four files"):
        load_fashion_mnist(tmp_path)
    monkeypatch.setenv(fashion_mnist.VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match="does not hold the four files"):
        load_clothes()
    assert not list(tmp_path.iterdir())


def idx(array):
    """An array of bytes in the format of MNIST's files."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("inside", [".", "FashionMNIST/raw"], ids=["flat", "torchvision's folder"])
def test_files_are_read_in_every_layout(tmp_path, monkeypatch, no_download, packed, inside):
    generator = np.random.default_rng(0)
    raw = tmp_path / inside
    raw.mkdir(parents=True, exist_ok=True)
    pixels = {True: generator.integers(0, 256, (30, 28, 28), dtype=np.uint8)}
    pixels[False] = pixels[True][:20]
    labels = {train: np.arange(len(array), dtype=np.uint8) % 10 for train, array in pixels.items()}
    for train, part in ((True, "train"), (False, "t10k")):
        for name, array in (("images-idx3", pixels[train]), ("labels-idx1", labels[train])):
            data = gzip.compress(idx(array)) if packed else idx(array)
            (raw / f"{part}-{name}-ubyte{'.gz' if packed else ''}").write_bytes(data)
    before = sorted(tmp_path.rglob("*"))

    monkeypatch.setenv(fashion_mnist.VARIABLE, str(tmp_path))
    for train in (True, False):
        for clothes in (load_fashion_mnist(tmp_path, train=train), load_clothes(train=train)):
            require_form(clothes, len(pixels[train]))
            assert clothes.source == "FashionMNIST"
            found = (clothes.images[:, 0] * 255).round().byte().numpy()
            assert (found == pixels[train]).all()
            assert clothes.labels.tolist() == labels[train].tolist()
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked into the folder


@pytest.mark.skipif(
    REAL is None, reason="FashionMNIST is not on this disk (name it: FASHION_MNIST)"
)
@pytest.mark.parametrize(("train", "count"), [(True, 60_000), (False, 10_000)])
def test_the_real_fashion_mnist(no_download, train, count):
    clothes = load_fashion_mnist(REAL, train=train)
    require_form(clothes, count)
    assert clothes.source == "FashionMNIST"
    assert clothes.labels.bincount().tolist() == [count // 10] * 10
    assert abs(float(clothes.images.mean()) - 0.286) < 0.002
