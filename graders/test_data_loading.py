"""Checks for `data_loading`: datasets, transforms, statistics, collating, sampling, splitting."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gradus.checks import (
    assert_form,
    assert_inputs_unchanged,
    assert_items,
    assert_length,
    assert_matches,
    assert_raises,
    assert_tensor,
    fail,
)

DTYPES = [torch.float32, torch.float64]


def copies_of(tensor):
    """A copy with the same strides, as far as there are no gaps in memory."""
    return torch.empty_like(tensor, memory_format=torch.preserve_format).copy_(tensor)


def require_length(got, expected, what="len(dataset)"):
    """A length is right."""
    if type(got) is not int or got != expected:
        why = ", off by one" if type(got) is int and abs(got - expected) == 1 else ""
        fail(f"expected {what} to be {expected}, got {got}{why}")


# TableDataset


def given_as(kind, value, device):
    """A tensor as it is, as an array, or as a list."""
    return {"tensors": value.to(device), "arrays": value.numpy(), "lists": value.tolist()}[kind]


@pytest.mark.task("TableDataset", points=2)
@pytest.mark.parametrize("kind", ["tensors", "arrays", "lists"])
@pytest.mark.parametrize("shape", [(4, 3), (1, 2), (5,), (3, 2, 4)], ids=str)
def test_rows_with_their_targets(submission, device, random, kind, shape):
    """TableDataset gives row i with target i, as tensors, from tensors, arrays and lists."""
    x, y = random.normal(*shape), random.integers(0, 9, shape[0])
    where = device if kind == "tensors" else "cpu"
    dataset = submission.TableDataset(given_as(kind, x, device), given_as(kind, y, device))
    n = shape[0]
    assert_length(dataset, n, "the dataset")
    for index in range(n):
        expected = (x[index].to(where), y[index].to(where))
        assert_matches(
            dataset[index],
            expected,
            what=f"dataset[{index}]",
            suspects={
                "whole numbers became floats: keep the dtype": lambda i=index: (x[i], y[i].float()),
                "this is the item after it": lambda i=index: (x[(i + 1) % n], y[(i + 1) % n]),
                "this is the item before it": lambda i=index: (x[i - 1], y[i - 1]),
                "row and target have changed places": lambda i=index: (y[i], x[i]),
            },
        )


@pytest.mark.task("TableDataset", points=1)
@pytest.mark.parametrize("as_arrays", [False, True], ids=["tensors", "arrays"])
def test_table_keeps_dtypes(submission, random, as_arrays):
    """TableDataset keeps the dtypes of rows and targets; whole numbers in a list become int64."""
    kinds = [torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool]
    for row_dtype, target_dtype in zip(kinds, reversed(kinds), strict=True):
        x = random.integers(0, 2, 3, 2).to(row_dtype)
        y = random.integers(0, 2, 3).to(target_dtype)
        given = (x.numpy(), y.numpy()) if as_arrays else (x, y)
        what = f"dataset[1] of {row_dtype} rows and {target_dtype} targets"
        assert_matches(submission.TableDataset(*given)[1], (x[1], y[1]), what=what)
    got = submission.TableDataset([[1.5], [2.5]], [4, 5])[0]
    assert_matches(got, (torch.tensor([1.5]), torch.tensor(4)), what="dataset[0] of two lists")


def ends_of(dataset, n, indices):
    """What a dataset of n items answers to indices, and how far a `for` over it runs. In probes."""
    answers = []
    for index in indices:
        try:
            dataset[index]
            answers.append("an item")
        except NotImplementedError:
            raise
        except Exception as error:
            answers.append(type(error).__name__)
    walked = 0
    for _ in dataset:
        walked += 1
        if walked > n + 5:
            break
    return {"answers": answers, "walked": walked, "length": len(dataset)}


def require_ends(seen, n, indices):
    """Outside -n ... n-1 there is an IndexError, and a `for` stops."""
    form = {"answers": [str] * len(indices), "walked": int, "length": int}
    assert_form(seen, form, "what a dataset answers")
    for index, answer in zip(indices, seen["answers"], strict=True):
        inside = -n <= index < n
        expected = "an item" if inside else "IndexError"
        if answer != expected:
            fail(
                f"a dataset of {n}, dataset[{index}]: expected {expected}, got {answer}"
                + ("" if inside else f"; -{n} ... {n - 1} are items, all else is an IndexError")
            )
    if seen["walked"] != n:
        told = f"more than {n + 5}" if seen["walked"] > n + 5 else str(seen["walked"])
        fail(f"expected `for item in dataset` to give {n} items and stop, got {told}")
    require_length(seen["length"], n)


def ends_of_table(student, x, y, indices):
    """Ask a `TableDataset` beyond its ends."""
    return ends_of(student.TableDataset(x, y), len(x), indices)


@pytest.mark.task("TableDataset", points=2)
@pytest.mark.parametrize("as_list", [False, True], ids=["tensors", "lists"])
@pytest.mark.parametrize("n", [1, 4])
def test_table_ends(submission, random, as_list, n):
    """TableDataset raises an IndexError outside -n ... n-1, so that a `for` over it stops."""
    x, y = random.normal(n, 2), random.integers(0, 9, n)
    x, y = (x.tolist(), y.tolist()) if as_list else (x, y)
    indices = [0, n - 1, -1, -n, n, n + 1, 10 * n, -n - 1, -3 * n - 1]
    require_ends(submission.probe(ends_of_table, x, y, indices), n, indices)


@pytest.mark.task("TableDataset", points=1)
@pytest.mark.parametrize(("rows", "targets"), [(4, 3), (3, 4), (2, 1), (0, 1)], ids=str)
def test_unequal_lengths_are_refused(submission, random, rows, targets):
    """TableDataset raises a ValueError where there are more rows than targets, or fewer."""
    x, y = random.normal(rows, 2), random.normal(targets)
    because = f"there are {rows} rows and {targets} targets"
    assert_raises(ValueError, submission.TableDataset, x, y, because=because)
    arrays = (x.numpy(), y.tolist())
    assert_raises(ValueError, submission.TableDataset, *arrays, because=because)


@pytest.mark.task("TableDataset", points=2)
@pytest.mark.parametrize("which", ["transform", "target_transform", "both"])
def test_transforms_of_a_table(submission, random, which):
    """transform changes the row, target_transform the target, anew each time an item is asked for."""
    x, y = random.normal(3, 2), random.integers(0, 9, 3)
    seen = {"row": [], "target": []}

    def change_row(row):
        seen["row"].append(row)
        return row * 2 + len(seen["row"]) if isinstance(row, torch.Tensor) else row

    def change_target(target):
        seen["target"].append(target)
        return target + 100 * len(seen["target"]) if isinstance(target, torch.Tensor) else target

    given = {"transform": change_row, "target_transform": change_target}
    given = given if which == "both" else {which: given[which]}
    dataset = submission.TableDataset(x, y, **given)
    if seen["row"] or seen["target"]:
        fail("a transform ran while the dataset was built: run it when an item is asked for")
    for time, index in enumerate([1, 1, -1], start=1):
        row = x[index] * 2 + time if "transform" in given else x[index]
        target = y[index] + 100 * time if "target_transform" in given else y[index]
        got = dataset[index]
        for name, value in (("row", x), ("target", y)):
            if seen[name]:
                what = f"what the transform of the {name} was given"
                assert_matches(seen[name][-1], value[index], what=what)
        assert_matches(
            got,
            (row, target),
            what=f"dataset[{index}] with {' and '.join(given)}, asked for the {time}. time",
            suspects={
                "no transform was used": lambda i=index: (x[i], y[i]),
                "the transform ran once, not each time": lambda i=index: (
                    x[i] * 2 + 1 if "transform" in given else x[i],
                    y[i] + 100 if "target_transform" in given else y[i],
                ),
            },
        )


@pytest.mark.task("TableDataset", points=1)
@pytest.mark.parametrize("n", [7, 12])
def test_shuffled_pairs_stay_together(submission, random, n):
    """A DataLoader that shuffles a TableDataset gives each row once, with its own target."""
    x = torch.arange(n).unsqueeze(1) + torch.tensor([0.0, 0.5])
    dataset = submission.TableDataset(x, torch.arange(n) * 10)
    loader = DataLoader(dataset, batch_size=5, shuffle=True, generator=random.generator())
    rows, targets = zip(*loader, strict=True)
    assert_items(rows, tuple, math.ceil(n / 5), "the batches of rows", of=torch.Tensor)
    assert_items(targets, tuple, math.ceil(n / 5), "the batches of targets", of=torch.Tensor)
    rows, targets = torch.cat(rows), torch.cat(targets)
    assert_matches(rows[:, 1] - 0.5, targets / 10, what="the rows, by their targets")
    assert_matches(targets.sort().values, torch.arange(n) * 10, what="the targets, sorted")


# ImageCSVDataset


def in_folder(files, lines, work):
    """Write PNG files and a table into a fresh folder, and do some work with it. For probes."""
    import tempfile
    from pathlib import Path

    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        for name, pixels in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                Image.fromarray(pixels.numpy()).save(file, format="PNG")
        text = "\n".join(["file,label", *lines]) + "\n"
        Path(folder, "labels.csv").write_text(text, encoding="utf-8")
        return work(folder)


def images_read(student, files, lines, as_path):
    """Every item of a folder, and how many there are."""
    from pathlib import Path

    def work(folder):
        dataset = student.ImageCSVDataset(Path(folder) if as_path else folder)
        places = [*range(len(lines)), *range(-len(lines), 0)] if len(dataset) == len(lines) else []
        return {"length": len(dataset), "items": [dataset[place] for place in places]}

    return in_folder(files, lines, work)


def picture(random, *shape):
    """A random 8-bit picture, (h, w) or (h, w, 3), with black and white in it."""
    pixels = random.integers(0, 256, *shape).to(torch.uint8)
    pixels.flatten()[0], pixels.flatten()[-1] = 255, 0
    return pixels


def as_image(pixels):
    """What the dataset makes of a picture: float32 (c, h, w) in [0, 1]."""
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return pixels.permute(2, 0, 1).float() / 255


def suspects_of_image(pixels, label):
    """What usual mistakes in reading a picture lead to."""
    image = as_image(pixels)
    c, h, w = image.shape
    return {
        "0 ... 255 is left: divide by 255": lambda: (image * 255, label),
        "divided by 255 twice: does a tool do it already?": lambda: (image / 255, label),
        "divided by 256: white is 255, and becomes 1": lambda: (image * 255 / 256, label),
        "channels are last: permute(2, 0, 1) brings them to the front": (
            lambda: (image.permute(1, 2, 0), label)
        ),
        "the channel axis of a grey picture is missing": lambda: (image[0], label),
        "reshape mixes the colours: permute(2, 0, 1) moves the axis": (
            lambda: ((pixels.float() / 255).reshape(c, h, w), label)
        ),
        "height and width have changed places": lambda: (image.mT, label),
        "red and blue have changed places": lambda: (image.flip(0), label),
        "the colours were turned into grey": lambda: (image.mean(0, keepdim=True), label),
        "the grey picture was turned into a colour one": (
            lambda: (image.expand(3, h, w) if c == 1 else image, label)
        ),
        "black and white have changed places": lambda: (1 - image, label),
    }


def require_images(seen, files, names, labels):
    """The items are the pictures of these names, with these labels."""
    require_length(seen["length"], len(names))
    places = [*range(len(names)), *range(-len(names), 0)]
    for number, item in zip(places, seen["items"], strict=True):
        name, label = names[number], labels[number]
        suspects = suspects_of_image(files[name], label)
        for other in files:
            if other != name:
                words = f"this is {other}, not {name}: the order is that of the table"
                suspects[words] = (as_image(files[other]), label)
        what = f"dataset[{number}] ({name}, {label})"
        assert_matches(item, (as_image(files[name]), label), what=what, suspects=suspects)


@pytest.mark.task("ImageCSVDataset", points=3)
@pytest.mark.parametrize("kind", ["grey", "RGB", "grey and RGB"])
def test_pictures_in_the_tables_order(submission, random, kind):
    """ImageCSVDataset reads PNG files in the table's order: float32 c h w in [0, 1], int label."""
    grey, colour = kind != "RGB", kind != "grey"
    sizes = [(4, 6), (5, 3), (3, 3), (2, 7)]
    colours = [colour and (not grey or number % 2 == 0) for number in range(4)]
    names = ["m.png", "z.png", "more/a.png", "b.png"]
    files = {
        name: picture(random, *size, *([3] if rgb else []))
        for name, size, rgb in zip(names, sizes, colours, strict=True)
    }
    files["a.png"] = picture(random, 3, 4)  # no line of the table names it
    listed = [*names, "m.png"]
    labels = [3, 0, 12, 3, 1]
    lines = [f"{name},{label}" for name, label in zip(listed, labels, strict=True)]
    seen = submission.probe(images_read, files, lines, kind == "grey")
    require_images(seen, files, listed, labels)


def image_transformed(student, files, lines):
    """Give a transform, note what it gets, and read items twice."""
    got = []

    def transform(image):
        got.append(image)
        return len(got)

    def work(folder):
        dataset = student.ImageCSVDataset(folder, transform=transform)
        early = len(got)
        return {"early": early, "items": [dataset[0], dataset[1], dataset[0]], "got": got}

    return in_folder(files, lines, work)


@pytest.mark.task("ImageCSVDataset", points=1)
def test_transform_of_a_picture(submission, random):
    """The transform gets the float picture each time it is asked for, and the label stays."""
    files = {"0.png": picture(random, 3, 2), "1.png": picture(random, 2, 4, 3)}
    seen = submission.probe(image_transformed, files, ["0.png,5", "1.png,2"])
    assert_form(seen, {"early": int, "items": object, "got": list[object]})
    if seen["early"]:
        fail("the transform ran while the dataset was built: run it when an item is asked for")
    if len(seen["got"]) != 3:
        fail(f"3 items were asked for: expected 3 calls of the transform, got {len(seen['got'])}")
    for number, name in enumerate(["0.png", "1.png", "0.png"]):
        suspects = {
            words: (lambda value=value: value()[0])
            for words, value in suspects_of_image(files[name], 0).items()
        }
        what = f"what the transform was given for {name}"
        assert_matches(seen["got"][number], as_image(files[name]), what=what, suspects=suspects)
    expected = [(1, 5), (2, 2), (3, 5)]
    what = "the items of a transform that gives 1, 2 and 3"
    assert_matches(seen["items"], expected, what=what)


def ends_of_images(student, files, lines, indices):
    """Ask an `ImageCSVDataset` beyond its ends."""
    return in_folder(
        files, lines, lambda folder: ends_of(student.ImageCSVDataset(folder), len(lines), indices)
    )


@pytest.mark.task("ImageCSVDataset", points=1)
def test_image_ends(submission, random):
    """ImageCSVDataset raises an IndexError outside -n ... n-1, so that a `for` over it stops."""
    files = {f"{number}.png": picture(random, 2, 2) for number in range(3)}
    indices = [0, 2, -1, -3, 3, 4, 30, -4, -7]
    lines = [f"{name},1" for name in files]
    seen = submission.probe(ends_of_images, files, lines, indices)
    require_ends(seen, 3, indices)


def missing_file(student, files, lines):
    """When a listed file is missing: where and what is raised, and its text."""

    def work(folder):
        where = "at construction"
        try:
            dataset = student.ImageCSVDataset(folder)
            where = "on access"
            for index in range(len(lines)):
                dataset[index]
        except NotImplementedError:
            raise
        except Exception as error:
            return {
                "where": where,
                "type": type(error).__name__,
                "right": isinstance(error, FileNotFoundError),
                "text": f"{error}",
            }
        return {"where": "never", "type": "no error", "right": False, "text": ""}

    return in_folder(files, lines, work)


@pytest.mark.task("ImageCSVDataset", points=2)
@pytest.mark.parametrize("place", [0, 1, 3], ids=["first", "in between", "last"])
def test_missing_file_is_named_at_once(submission, random, place):
    """A listed file that is missing raises a FileNotFoundError that names it, at construction."""
    names = [f"{number}.png" for number in range(4)]
    files = {name: picture(random, 2, 3) for name in names}
    names[place] = "nowhere_to_be_found.png"
    lines = [f"{name},0" for name in names]
    seen = submission.probe(missing_file, files, lines)
    assert_form(seen, {"where": str, "type": str, "right": bool, "text": str})
    if seen["where"] != "at construction":
        told = f"{seen['type']} {seen['where']}" if seen["type"] != "no error" else "no error"
        fail(
            f"{names[place]} is listed but missing: expected a FileNotFoundError when the dataset "
            f"is built, got {told}; check every listed path in __init__"
        )
    if not seen["right"]:
        fail(f"{names[place]} is missing: expected a FileNotFoundError, got {seen['type']}")
    if names[place] not in str(seen["text"]):
        fail(
            f"expected an error that names the missing file {names[place]}, "
            f"got the text {seen['text']!r}"
        )


def batches_of_workers(student, files, lines, seed, workers):
    """Two epochs of a shuffling loader over the folder."""
    import torch
    from torch.utils.data import DataLoader

    def work(folder):
        dataset = student.ImageCSVDataset(folder)
        gen = torch.Generator().manual_seed(seed)
        loader = DataLoader(dataset, 3, shuffle=True, num_workers=workers, generator=gen)
        batches = [batch for _ in range(2) for batch in loader]
        return [tuple(batch) for batch in batches]

    return in_folder(files, lines, work)


@pytest.mark.task("ImageCSVDataset", points=1)
@pytest.mark.timeout(60)
def test_two_workers_load_the_same(submission, random):
    """Two worker processes of a DataLoader give the same batches in the same order as none."""
    files = {f"{number}.png": picture(random, 3, 4) for number in range(7)}
    lines = [f"{name},{number}" for number, name in enumerate(files)]
    seed = random.seed()
    dataset = [(as_image(pixels), number) for number, pixels in enumerate(files.values())]
    gen = torch.Generator().manual_seed(seed)
    loader = DataLoader(dataset, 3, shuffle=True, generator=gen)
    expected = [(images, labels) for _ in range(2) for images, labels in loader]
    for workers in (0, 2):
        got = submission.probe(batches_of_workers, files, lines, seed, workers)
        what = f"two epochs with {workers or 'no'} workers"
        assert_matches(got, expected, what=what)


@pytest.mark.hidden
@pytest.mark.task("ImageCSVDataset", points=1)
@pytest.mark.parametrize("case", ["names", "sizes", "no line"])
def test_unusual_folders(submission, random, case):
    """ImageCSVDataset takes names with commas and umlauts, tiny pictures, and an empty table."""
    if case == "names":
        names, labels = ["one, two.png", "größe 1.png", "a/b/c.d.PNG", "7"], [-1, 0, 1000, 7]
        files = {name: picture(random, 2, 3) for name in names}
        lines = ['"one, two.png",-1', "größe 1.png,0", "a/b/c.d.PNG,1000", "7,7"]
    elif case == "sizes":
        names, labels = ["dot.png", "row.png", "column.png", "three.png", "stripe.png"], [1] * 5
        shapes = [(1, 1), (1, 5), (5, 1), (3, 3, 3), (1, 3, 3)]
        files = {name: picture(random, *shape) for name, shape in zip(names, shapes, strict=True)}
        lines = [f"{name},1" for name in names]
    else:
        names, labels, files, lines = [], [], {"0.png": picture(random, 2, 2)}, []
    seen = submission.probe(images_read, files, lines, False)
    require_images(seen, files, names, labels)


# OneHot


@pytest.mark.task("OneHot", points=1)
@pytest.mark.parametrize("classes", [1, 2, 5])
def test_one_at_the_labels_place(submission, classes):
    """OneHot puts a 1 at the label's place of a float32 vector; the label is a number or a tensor."""
    one_hot = submission.OneHot(classes)
    for label in range(classes):
        expected = torch.tensor([float(place == label) for place in range(classes)])
        suspects = {
            "places are counted from 0": expected.roll(1),
            "zeros and ones have changed places": 1 - expected,
            "one axis too many": expected[None],
            "the ones of earlier calls are still there: make a new vector each time": (
                torch.tensor([float(place <= label) for place in range(classes)])
            ),
        }
        assert_matches(one_hot(label), expected, what=f"one_hot({label})", suspects=suspects)
        got = one_hot(torch.tensor(label))
        assert_matches(got, expected, what=f"one_hot(torch.tensor({label}))", suspects=suspects)


@pytest.mark.task("OneHot", points=1)
@pytest.mark.parametrize("classes", [1, 4])
def test_labels_outside_are_refused(submission, classes):
    """OneHot raises a ValueError for a label outside 0 ... num_classes-1, negative ones too."""
    one_hot = submission.OneHot(classes)
    for label in (-1, classes, classes + 3, -classes, -classes - 1):
        because = f"{label} is not one of the classes 0 ... {classes - 1}"
        assert_raises(ValueError, one_hot, label, because=because)
        assert_raises(ValueError, one_hot, torch.tensor(label), because=because)


def vectors_of_one_hot(student):
    """Vectors of several calls, as they are after all of them; one of them was written to."""
    one_hot, other = student.OneHot(3), student.OneHot(3)
    first = one_hot(0)
    second, third = one_hot(2), other(2)
    second.fill_(7.0)
    return [first, one_hot(0), one_hot(2), third]


@pytest.mark.task("OneHot", points=1)
def test_a_new_vector_each_time(submission):
    """OneHot makes a new vector at each call: earlier ones do not change."""
    expected = [torch.eye(3)[place] for place in (0, 0, 2, 2)]
    got = submission.probe(vectors_of_one_hot)
    what = "vectors of several calls (one was written to in between); each call needs its own"
    assert_matches(got, expected, what=what)


# Normalize


def normalised_by_hand(image, mean, std):
    """Channel by channel."""
    channels = [(image[k] - mean[k]) / std[k] for k in range(len(mean))]
    return torch.stack(channels).to(image.dtype)


def statistics_for(channels):
    """Means and standard deviations that every floating dtype holds exactly."""
    mean = [0.5, -1.25, 3.0, 0.125][:channels]
    return mean, [0.25, 2.0, 0.5, 4.0][:channels]


@pytest.mark.task("Normalize", points=2)
@pytest.mark.parametrize("given", ["lists", "tuples", "tensors"])
@pytest.mark.parametrize("shape", [(3, 4, 3), (2, 3, 5), (1, 2, 2), (4, 1, 1), (3, 3, 3)], ids=str)
def test_each_channel_has_its_own(submission, device, random, given, shape):
    """Normalize subtracts each channel's mean and divides by its standard deviation."""
    mean, std = statistics_for(shape[0])
    kind = {"lists": list, "tuples": tuple, "tensors": torch.tensor}[given]
    image = random.normal(*shape, device=device)
    m, s = torch.tensor(mean, device=device), torch.tensor(std, device=device)
    column, divisor = m[:, None, None], s[:, None, None]
    assert_matches(
        submission.Normalize(kind(mean), kind(std))(image.clone()),
        normalised_by_hand(image, mean, std),
        suspects={
            "the means run along the width: give them the shape (c, 1, 1)": (
                lambda: (image - m) / s
            ),
            "the means run along the height: give them the shape (c, 1, 1)": (
                lambda: (image - m[:, None]) / s[:, None]
            ),
            "the mean was not subtracted": lambda: image / divisor,
            "it was not divided by the standard deviation": lambda: image - column,
            "divide first, then subtract, gives something else": lambda: image / divisor - column,
            "multiplied by the standard deviation: divide": lambda: (image - column) * divisor,
            "this is the way back: subtract the mean and divide": lambda: image * divisor + column,
            "divided by the square root of std: it is no variance": (
                lambda: (image - column) / divisor.sqrt()
            ),
            "divided by the square of std": lambda: (image - column) / divisor**2,
            "all channels got those of channel 0": lambda: (image - mean[0]) / std[0],
        },
    )


@pytest.mark.task("Normalize", points=1)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("settings", DTYPES, ids=str)
def test_normalize_keeps_dtype(submission, device, random, dtype, settings):
    """Normalize keeps the picture's dtype, whatever that of mean and std, also when used again."""
    mean, std = statistics_for(2)
    normalize = submission.Normalize(
        torch.tensor(mean, dtype=settings), torch.tensor(std, dtype=settings)
    )
    image = random.normal(2, 3, 4, dtype=dtype, device=device)
    expected = normalised_by_hand(image, mean, std)
    for time, given in [("first", image), ("second", image.mT.contiguous().mT)]:
        assert_matches(normalize(copies_of(given)), expected, what=f"the result of the {time} call")


def normalize_in_place(student, image, mean, std):
    """The picture and the settings after a call."""
    student.Normalize(mean, std)(image)
    return [image, mean, std]


@pytest.mark.task("Normalize", points=1)
def test_normalize_changes_nothing_of_the_callers(submission, random):
    """Normalize leaves the caller's picture, mean and std as they were."""
    given = [random.normal(2, 3, 4), torch.tensor([0.5, 2.0]), torch.tensor([0.25, 4.0])]
    got = submission.probe(normalize_in_place, *given)
    for name, after, before in zip(("picture", "mean", "std"), got, given, strict=True):
        what = f"the caller's {name} after the call (- and / make new tensors, -= and /= do not)"
        assert_matches(after, before, what=what, rtol=0.0, atol=0.0)


def normalize_with_torchvision(student, mean, std, images):
    """Pipelines of torchvision with its own `Normalize` and with the student's."""
    import torch
    from torchvision.transforms import v2

    made = {"torchvision's": v2.Normalize(mean, std), "the student's": student.Normalize(mean, std)}
    seen = {}
    for name, normalize in made.items():
        pipeline = v2.Compose([v2.ToDtype(torch.float32, scale=True), normalize, v2.Identity()])
        seen[name] = [pipeline(image.clone()) for image in images]
    return seen


@pytest.mark.hidden
@pytest.mark.task("Normalize", points=1)
@pytest.mark.timeout(60)
def test_normalize_in_a_torchvision_pipeline(submission, random):
    """Normalize takes its place in torchvision's v2.Compose, and gives what v2.Normalize gives."""
    mean, std = statistics_for(3)
    images = [random.integers(0, 256, 3, h, 5).to(torch.uint8) for h in (4, 6)]
    seen = submission.probe(normalize_with_torchvision, mean, std, images)
    expected = [normalised_by_hand(image.float() / 255, mean, std) for image in images]
    assert_matches(seen["torchvision's"], expected, what="what v2.Normalize makes of two pictures")
    assert_matches(seen["the student's"], expected, what="two pictures")


# RandomShift


def moved(image, down, right):
    """A picture moved by so many pixels; zeros move in."""
    m = max(abs(down), abs(right))
    h, w = image.shape[-2:]
    padded = F.pad(image, (m, m, m, m))
    return padded[..., m - down : m - down + h, m - right : m - right + w]


def wrapped(image, down, right):
    """A picture that comes in again on the other side."""
    return image.roll((down, right), (-2, -1))


def stretched(image, down, right):
    """A picture whose border is repeated."""
    h, w = image.shape[-2:]
    rows = (torch.arange(h) - down).clamp(0, h - 1)
    columns = (torch.arange(w) - right).clamp(0, w - 1)
    return image[..., rows, :][..., columns]


class Shifts:
    """All pictures that a shift by up to m pixels may give."""

    def __init__(self, image, m):
        self.image, self.m = image, m
        self.pairs = [(down, right) for down in range(-m, m + 1) for right in range(-m, m + 1)]
        self.pictures = torch.stack([moved(image.cpu(), *pair) for pair in self.pairs])

    def find(self, got):
        """By how much the picture has moved, (down, right); None where it is no such picture."""
        same = (self.pictures == got.detach().cpu()).flatten(1).all(1)
        return self.pairs[int(same.int().argmax())] if bool(same.any()) else None

    def require(self, got, what="the result"):
        """`got` is one of these pictures; returns by how much it has moved."""
        image = self.image
        assert_tensor(got, what, shape=image.shape)
        if (got.dtype, got.device) != (image.dtype, image.device) or got.requires_grad:
            assert_matches(got, image, what=what, requires_grad=False)
            fail(f"{what}: expected a plain tensor like the picture")
        found = self.find(got)
        if found is None:
            self.explain(got.detach().cpu(), image.cpu(), what)
        return found

    def explain(self, got, image, what):
        """Say what is wrong with a picture that no shift gives."""
        m = self.m
        reach = range(-m - 2, m + 3)
        for words, move, pairs in [
            (f"it moved by more than {m}", moved, [(a, b) for a in reach for b in reach]),
            (
                "what moves out comes in again on the other side (as torch.roll does): zeros move in",
                wrapped,
                self.pairs,
            ),
            ("the border of the picture is repeated: zeros move in", stretched, self.pairs),
        ]:
            if any(torch.equal(got, move(image, *pair)) for pair in pairs):
                fail(f"{what}: expected a shift by up to {m} pixels; {words}")
        pictures = got.flatten(0, -3) if got.ndim > 2 else got[None]
        leading = image.flatten(0, -3) if image.ndim > 2 else image[None]
        if all(
            Shifts(one, m).find(picture) is not None
            for picture, one in zip(pictures, leading, strict=True)
        ):
            fail(f"{what}: channels or pictures moved apart: one shift per call, for all of them")
        closest = max(self.pictures, key=lambda one: int((one == got).sum()))
        assert_matches(got, closest, what=f"{what} (compared with the shift that is most like it)")
        fail(f"{what}: expected the same numbers, only moved; they differ a little")


@pytest.mark.task("RandomShift", points=2)
@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 6), (2, 3, 6, 5), (1, 1, 3, 3)], ids=str)
@pytest.mark.parametrize("m", [1, 2])
def test_zeros_move_in(submission, device, random, shape, m):
    """RandomShift moves a picture as a whole, by up to max_shift in each direction; zeros move in."""
    image = random.uniform(*shape, low=1.0, high=2.0, device=device)
    shift, shifts = submission.RandomShift(m, random.generator()), Shifts(image, m)
    for number in range(8):
        shifts.require(shift(image.clone()), f"the result of call {number + 1}")


def shares(values, low, high):
    """How often each value came, in words."""
    return ", ".join(f"{value}: {values.count(value)}" for value in range(low, high + 1))


def require_uniform(values, m, which):
    """Each of -m ... m came about equally often; six standard deviations are allowed."""
    chance = 1 / (2 * m + 1)
    expected = len(values) * chance
    room = 6 * math.sqrt(expected * (1 - chance))
    counts = [values.count(value) for value in range(-m, m + 1)]
    if all(abs(count - expected) <= room for count in counts):
        return
    why = f"each of -{m} ... {m} should be equally likely"
    if (counts[-1] == 0) != (counts[0] == 0):
        why = f"one end of -{m} ... {m} never comes: the upper end of randint is left out"
    if sum(counts[:m]) == 0 or sum(counts[m + 1 :]) == 0:
        why = "it moves to one side only: both directions are wanted, from -max_shift to max_shift"
    if counts[m] == len(values):
        why = "it never moves this way"
    fail(
        f"max_shift {m}, {len(values)} calls, pixels moved {which}: expected each of -{m} ... {m} "
        f"about {expected:.0f} times, got {shares(values, -m, m)}; {why}"
    )


def many_shifts(student, image, m, seed, calls):
    """The results of many calls."""
    import torch

    shift = student.RandomShift(m, torch.Generator().manual_seed(seed))
    return [shift(image.clone()) for _ in range(calls)]


@pytest.mark.task("RandomShift", points=3)
@pytest.mark.parametrize("m", [2, 1])
def test_every_shift_is_equally_likely(submission, random, m):
    """Each of -max_shift ... max_shift comes equally often, up/down independent of right/left."""
    image, calls = random.uniform(2 * m + 1, 2 * m + 2, low=1.0, high=2.0), 210 * m
    results = submission.probe(many_shifts, image, m, random.seed(), calls)
    allowed = Shifts(image, m)
    assert_items(results, list, calls)
    shifts = [allowed.require(result) for result in results]
    if len(set(shifts)) == 1:
        fail(f"{calls} calls gave the same shift {shifts[0]}: draw in __call__, and set no seed")
    require_uniform([down for down, _ in shifts], m, "down")
    require_uniform([right for _, right in shifts], m, "to the right")
    pairs = {(down, right) for down in range(-m, m + 1) for right in range(-m, m + 1)}
    missing = pairs - set(shifts)
    if missing:
        down, right = min(missing)
        same = all(abs(a) == abs(b) for a, b in shifts)
        fail(
            f"max_shift {m}, {calls} calls: expected all {len(pairs)} pairs (down, right), got "
            f"{len(set(shifts))}; ({down}, {right}) never came"
            + ("; both shifts are the same number: draw two" if same else "")
        )


def draws_of_shift(student, image, seeds):
    """Results of several transforms, and what became of generators and global random states."""
    import random

    import numpy as np
    import torch

    def states():
        kind, keys, *rest = np.random.get_state()
        return [torch.get_rng_state().tolist(), random.getstate(), kind, keys.tolist(), rest]

    before = states()
    results, moved_on = [], []
    for seed in seeds:
        gen = torch.Generator().manual_seed(seed)
        shift = student.RandomShift(3, gen)
        start = gen.get_state()
        results.append([shift(image.clone()) for _ in range(12)])
        moved_on.append(not torch.equal(gen.get_state(), start))
        torch.rand(5)  # somebody else draws, too
        torch.manual_seed(len(results))
    gen = torch.Generator().manual_seed(seeds[0])
    one, two = student.RandomShift(3, gen), student.RandomShift(3, gen)
    shared = [transform(image.clone()) for _ in range(6) for transform in (one, two)]
    results.append(shared)
    torch.set_rng_state(torch.tensor(before[0], dtype=torch.uint8))
    student.RandomShift(3, torch.Generator().manual_seed(1))(image)
    return {"results": results, "moved on": moved_on, "quiet": states() == before}


@pytest.mark.task("RandomShift", points=2)
def test_shifts_come_from_gen_alone(submission, random):
    """All randomness of RandomShift comes from gen: the same seed, the same shifts; no other source."""
    seed = random.seed()
    image = random.uniform(9, 9, low=1.0, high=2.0)
    seen = submission.probe(draws_of_shift, image, [seed, seed, seed + 1])
    shifts = Shifts(image, 3)
    form = {"results": [[torch.Tensor] * 12] * 4, "moved on": [bool] * 3, "quiet": bool}
    assert_form(seen, form, "what was seen of the draws")
    first, again, other, shared = (
        [shifts.require(result) for result in row] for row in seen["results"]
    )
    if first != again:
        fail(
            f"two generators with the same seed: expected the same shifts, got {first[:4]} ... and "
            f"{again[:4]} ...; give generator=self.gen to every draw"
        )
    if first == other:
        fail("two generators with different seeds: expected different shifts, got the same ones")
    if len(set(first)) == 1:
        fail(f"12 calls: expected different shifts, got {first[0]} each time; draw in __call__")
    if not all(seen["moved on"]):
        fail("gen was not drawn from: give it to torch.randint, and do not set its seed or copy it")
    if shared != first:
        fail(
            "two RandomShift objects that share gen should draw from it in turn: do not copy gen and "
            "do not set its seed"
        )
    if not seen["quiet"]:
        fail("a global random state has changed: draw from gen alone")


@pytest.mark.task("RandomShift", points=1)
@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8, torch.int64, torch.float16], ids=str)
def test_shift_keeps_dtype(submission, device, random, dtype):
    """RandomShift keeps the dtype, and takes any memory layout."""
    image = random.integers(1, 100, 2, 5, 4, device=device).to(dtype)
    shift = submission.RandomShift(2, random.generator())
    for given in (image, image.mT, image[:, ::2]):
        shifts = Shifts(given, 2)
        for _ in range(3):
            shifts.require(shift(copies_of(given)))


def shift_in_place(student, image, seed):
    """The picture after four calls."""
    import torch

    shift = student.RandomShift(1, torch.Generator().manual_seed(seed))
    for _ in range(4):
        shift(image)
    return image


@pytest.mark.task("RandomShift", points=1)
@pytest.mark.parametrize(("m", "shape"), [(0, (3, 4)), (0, (2, 1, 1)), (5, (2, 3)), (4, (1, 3, 1))])
def test_no_shift_and_huge_shifts(submission, random, m, shape):
    """max_shift 0 moves nothing; a max_shift beyond the picture's size may move it out."""
    image = random.uniform(*shape, low=1.0, high=2.0)
    shift, shifts = submission.RandomShift(m, random.generator()), Shifts(image, m)
    results = [shift(image.clone()) for _ in range(5 if m == 0 else 40)]
    for result in results:
        shifts.require(result, f"max_shift {m}, a picture of {tuple(shape)}")
    if m and all(bool(result.any()) for result in results):
        fail(
            f"max_shift {m}, a picture of {tuple(shape)}, {len(results)} calls: expected it to be "
            "moved out completely now and then, got a part of it each time; the picture's size "
            "does not limit the shift"
        )


@pytest.mark.task("RandomShift", points=1)
def test_shift_leaves_the_callers_picture(submission, random):
    """RandomShift leaves the caller's picture as it was."""
    image = random.uniform(3, 3, low=1.0, high=2.0)
    got = submission.probe(shift_in_place, image, random.seed())
    what = "the caller's picture after four calls (build the result in a new tensor)"
    assert_matches(got, image, what=what, rtol=0.0, atol=0.0)


def shift_with_torchvision(student, image, seed):
    """A `RandomShift` between other transforms of torchvision."""
    import torch
    from torchvision.transforms import v2

    shift = student.RandomShift(1, torch.Generator().manual_seed(seed))
    pipeline = v2.Compose([v2.ToDtype(torch.float32), shift, v2.RandomHorizontalFlip(p=1.0)])
    return [pipeline(image.clone()) for _ in range(5)]


@pytest.mark.hidden
@pytest.mark.task("RandomShift", points=1)
@pytest.mark.timeout(60)
def test_shift_in_a_torchvision_pipeline(submission, random):
    """RandomShift takes its place in torchvision's v2.Compose."""
    image = random.integers(1, 256, 1, 4, 5).to(torch.uint8)
    shifts = Shifts(image.float().flip(-1), 1)
    results = submission.probe(shift_with_torchvision, image, random.seed())
    for result in assert_items(results, list, 5, of=torch.Tensor):
        shifts.require(result, "the result of the pipeline")


@pytest.mark.task("RandomShift", points=1)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 1, 2, 3, 4), (0, 3, 3)], ids=str)
def test_unusual_pictures(submission, random, shape):
    """RandomShift takes one pixel, one row, five axes and an empty batch."""
    image = random.uniform(*shape, low=1.0, high=2.0)
    shift, shifts = submission.RandomShift(3, random.generator()), Shifts(image, 3)
    for _ in range(6):
        shifts.require(shift(image.clone()), f"a picture of {tuple(shape)}")


# channel_statistics


def images_of(batch):
    """The pictures of a batch."""
    return batch[0] if isinstance(batch, tuple | list) else batch


def rows_of(batches):
    """The pixels of each batch, one row per channel, in float64."""
    return [images_of(batch).cpu().double().transpose(0, 1).flatten(1) for batch in batches]


def statistics_by_hand(batches):
    """Mean and population standard deviation of each channel, of all pixels at once."""
    pixels = torch.cat(rows_of(batches), 1)
    mean = pixels.mean(1)
    return mean, (pixels - mean[:, None]).square().mean(1).sqrt()


def mixed_up(batch):
    """The pixels of a batch, put into rows for its channels in the wrong order."""
    images = images_of(batch)
    return images.reshape(1, images.shape[1], 1, -1)


def suspects_of_statistics(batches):
    """What usual mistakes lead to, in float64."""
    mean, std = statistics_by_hand(batches)
    each = [statistics_by_hand([batch]) for batch in batches]
    means, stds = (torch.stack(part) for part in zip(*each, strict=True))
    rows = rows_of(batches)
    pixels = torch.cat(rows, 1)
    n = pixels.shape[1]
    unbiased = std * math.sqrt(n / max(n - 1, 1))
    alone = torch.tensor([row.shape[1] for row in rows], dtype=torch.float64)[:, None]
    within = ((stds**2 * alone).sum(0) / n).sqrt()
    last = statistics_by_hand(batches[-1:])
    return {
        "the mean of the batches' means: weigh each batch by its number of pixels": (
            means.mean(0),
            std,
        ),
        "the mean of the batches' means, and of their standard deviations: these may not be "
        "averaged, and the last batch is smaller": (means.mean(0), stds.mean(0)),
        "the mean is right, but the standard deviation of each batch was averaged": (
            mean,
            stds.mean(0),
        ),
        "the mean is right, but standard deviations were averaged, weighed by pixels": (
            mean,
            (stds * alone).sum(0) / n,
        ),
        "divided by N - 1: these are all the pixels, divide by N": (mean, unbiased),
        "this is the variance: take its root": (mean, std**2),
        "the distances are those from each batch's own mean: the term with delta is missing": (
            mean,
            within,
        ),
        "all channels were thrown together": (
            pixels.mean().expand_as(mean),
            (pixels - pixels.mean()).square().mean().sqrt().expand_as(std),
        ),
        "no distance was added up: did a second walk through the loader find nothing?": (
            mean,
            torch.zeros_like(std),
        ),
        "reshape mixes the channels: bring them to the front with transpose, then flatten": (
            statistics_by_hand([mixed_up(batch) for batch in batches])
        ),
        "a batch may be the images alone: batch[0] is then its first picture": (
            torch.zeros(2, images_of(batches[0]).shape[2], dtype=torch.float64).unbind()
        ),
        "one number per picture; channels are the second axis of b c h w": (
            torch.zeros(2, images_of(batches[0]).shape[0], dtype=torch.float64).unbind()
        ),
        "only the first batch counts": each[0],
        "only the last batch counts": last,
    }


def check_statistics(submission, loader, batches, dtype=None, rtol=1e-4, atol=1e-5):
    """Compare one call with all the pixels at once."""
    first = images_of(batches[0])
    dtype = dtype or first.dtype
    form = {"dtype": dtype, "device": first.device}
    mean, std = (part.to(**form) for part in statistics_by_hand(batches))
    got = submission.channel_statistics(loader)
    suspects = {
        words: tuple(part.to(**form) for part in value)
        for words, value in suspects_of_statistics(batches).items()
    }
    suspects["mean and standard deviation have changed places"] = (std, mean)
    what = "(mean, std)"
    assert_matches(got, (mean, std), what=what, suspects=suspects, rtol=rtol, atol=atol)


def batches_with_levels(random, shapes, dtype=torch.float32, device="cpu"):
    """Batches whose mean and spread differ from batch to batch and from channel to channel."""
    made = []
    for number, shape in enumerate(shapes):
        level = torch.arange(1.0, shape[1] + 1)[:, None, None] * (number + 1)
        made.append((level + random.normal(*shape) * level).to(dtype).to(device))
    return made


@pytest.mark.task("channel_statistics", points=2)
@pytest.mark.parametrize(
    "shapes",
    [[(4, 3, 2, 5)], [(4, 3, 5, 2), (4, 3, 5, 2)], [(5, 2, 3, 3), (5, 2, 3, 3), (1, 2, 3, 3)]],
    ids=["one batch", "two batches", "a short last batch"],
)
def test_statistics_of_all_pixels(submission, device, random, shapes):
    """channel_statistics gives each channel's mean and population std over all pixels."""
    batches = batches_with_levels(random, shapes, device=device)
    check_statistics(submission, batches, batches)


@pytest.mark.task("channel_statistics", points=1)
@pytest.mark.parametrize("kind", ["tuples", "lists", "DataLoader"])
def test_labels_beside_the_images_do_not_count(submission, random, kind):
    """channel_statistics takes batches that are tuples or lists, with the images first."""
    images = batches_with_levels(random, [(3, 2, 4, 3), (3, 2, 4, 3), (2, 2, 4, 3)])
    if kind == "tuples":
        batches = [(part, random.integers(0, 9, len(part)), "names") for part in images]
        loader = batches
    elif kind == "lists":
        loader = batches = [[part, random.integers(0, 9, len(part))] for part in images]
    else:
        labels = random.integers(0, 9, 8)
        loader = DataLoader(TensorDataset(torch.cat(images), labels), batch_size=3)
        batches = images
    check_statistics(submission, loader, batches)


@pytest.mark.task("channel_statistics", points=1)
def test_one_pass_is_enough(submission, random):
    """channel_statistics walks through the loader once; pictures may differ in size by batch."""
    shapes = [(1, 3, 2, 6), (2, 3, 5, 3), (1, 3, 4, 4)]
    batches = batches_with_levels(random, shapes)
    walks = []

    def once():
        walks.append(1)
        yield from batches

    check_statistics(submission, once(), batches)
    if len(walks) != 1:
        fail(f"expected one walk through the loader, got {len(walks)}")


@pytest.mark.task("channel_statistics", points=2)
@pytest.mark.parametrize(
    ("dtype", "level"), [(torch.float32, 1e3), (torch.float64, 1e6)], ids=["float32", "float64"]
)
def test_large_mean_and_small_spread(submission, random, dtype, level):
    """channel_statistics is exact where the mean is large and the spread small (1000 and 0.001)."""
    sizes = (4, 4, 3)
    batches = [
        (level + 1e-3 * random.normal(b, 2, 8, 8, dtype=torch.float64)).to(dtype) for b in sizes
    ]
    mean, std = statistics_by_hand(batches)
    got = submission.channel_statistics(batches)
    what = f"pixels near {level:g} with a spread of 0.001"
    expected = (mean.to(dtype), std.to(dtype))
    if not isinstance(got, tuple) or len(got) != 2:
        assert_matches(got, expected, what=f"(mean, std) of {what}")
    assert_tensor(got[-1], f"the std of {what}", shape=(2,))
    found = got[-1].detach().double().cpu()
    if not float((found / std - 1).abs().max()) <= 0.03:  # NaN is not, either
        fail(
            f"{what}: expected the std {std[0]:.4g} and {std[1]:.4g}, got {found[0]:.4g} and "
            f"{found[1]:.4g}; mean(x²) - mean² loses all its digits here: keep the sum of squared "
            "distances from the mean, in float64"
        )
    assert_matches(got[-1], expected[1], what=f"the std of {what}", rtol=0.03, atol=0.0)
    rtol = 1e-6 if dtype == torch.float32 else 1e-11
    assert_matches(got, (expected[0], got[-1]), what=f"(mean, std) of {what}", rtol=rtol, atol=0.0)


@pytest.mark.task("channel_statistics", points=1)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_statistics_keep_dtype_and_batches(submission, device, random, dtype):
    """channel_statistics answers in the pictures' dtype, on their device; batches are unchanged."""
    shapes = [(3, 1, 4, 4), (2, 1, 4, 4)]
    batches = batches_with_levels(random, shapes, dtype, device)
    mean, std = statistics_by_hand(batches)
    got = assert_inputs_unchanged(submission.channel_statistics, batches)
    tight = {"rtol": 1e-10, "atol": 1e-10} if dtype == torch.float64 else {}
    expected = tuple(part.to(device, dtype) for part in (mean, std))
    assert_matches(got, expected, what="(mean, std)", **tight)


@pytest.mark.hidden
@pytest.mark.task("channel_statistics", points=1)
@pytest.mark.parametrize("case", ["single pixels", "constant", "one value", "many batches"])
def test_unusual_loaders(submission, random, case):
    """channel_statistics takes single pixels, constant channels (std 0) and many small batches."""
    if case == "single pixels":
        batches = batches_with_levels(random, [(1, 4, 1, 1)] * 5)
    elif case == "constant":
        batches = [torch.full((b, 2, 3, 3), 0.1) for b in (4, 2, 1)]
    elif case == "one value":
        batches = [random.normal(1, 3, 1, 1)]
    else:
        batches = batches_with_levels(random, [(2, 3, 2, 1)] * 20)
    check_statistics(submission, batches, batches, atol=1e-6)


# pad_collate


def padded_by_hand(sequences):
    """Each sequence in a row of zeros."""
    longest = max(len(sequence) for sequence in sequences)
    padded = torch.zeros(len(sequences), longest, dtype=sequences[0].dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded


def check_pad_collate(submission, sequences, labels):
    """Compare one call with padding row by row."""
    padded = padded_by_hand(sequences)
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    targets = torch.tensor([int(label) for label in labels])
    batch = list(zip(sequences, labels, strict=True))
    order = sorted(range(len(sequences)), key=lambda row: -len(sequences[row]))
    reverse = order[::-1]
    at_front = torch.stack(
        [row.roll(len(row) - int(k)) for row, k in zip(padded, lengths, strict=True)]
    )
    got = assert_inputs_unchanged(submission.pad_collate, batch)
    assert_matches(
        got,
        (padded, lengths, targets),
        what="(padded, lengths, labels)",
        suspects={
            "the items are sorted by length: keep their order": lambda: (
                padded[order],
                lengths[order],
                targets[order],
            ),
            "the items are sorted by length, shortest first: keep their order": lambda: (
                padded[reverse],
                lengths[reverse],
                targets[reverse],
            ),
            "the lengths are those of sorted sequences": lambda: (padded, lengths[order], targets),
            "time comes first: batch_first=True": lambda: (padded.T, lengths, targets),
            "the filling is in front: it belongs to the end": lambda: (at_front, lengths, targets),
            "lengths and labels have changed places": lambda: (padded, targets, lengths),
            "zeros that are data were taken for filling: count before you fill": lambda: (
                padded,
                (padded != 0).sum(1),
                targets,
            ),
            "these are the lengths after filling": lambda: (
                padded,
                torch.full_like(lengths, padded.shape[1]),
                targets,
            ),
            "the filling is 1, it should be 0": lambda: (
                torch.where(torch.arange(padded.shape[1]) < lengths[:, None], padded, 1),
                lengths,
                targets,
            ),
            "the filling is -1, it should be 0": lambda: (
                torch.where(torch.arange(padded.shape[1]) < lengths[:, None], padded, -1),
                lengths,
                targets,
            ),
            "cut to the shortest sequence: fill up to the longest": lambda: (
                padded[:, : int(lengths.min())],
                lengths,
                targets,
            ),
        },
    )


@pytest.mark.task("pad_collate", points=2)
@pytest.mark.parametrize("lengths", [(3, 1, 2), (1, 4), (2, 5, 5, 1, 3), (4,), (2, 2, 2)], ids=str)
def test_short_sequences_are_filled_up(submission, random, lengths):
    """pad_collate puts sequences into rows in their order, fills with zeros, and gives lengths."""
    sequences = [random.integers(1, 50, length) for length in lengths]
    labels = [int(label) for label in random.integers(0, 9, len(lengths))]
    check_pad_collate(submission, sequences, labels)


@pytest.mark.task("pad_collate", points=1)
@pytest.mark.parametrize("labels", ["numbers", "tensors", "int32 tensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.int32], ids=str)
def test_collate_keeps_dtype(submission, random, dtype, labels):
    """pad_collate keeps the sequences' dtype; lengths and labels are int64, whatever came in."""
    sequences = [random.integers(1, 9, length).to(dtype) for length in (2, 3)]
    kinds = {
        "numbers": [1, 0],
        "tensors": [torch.tensor(1), torch.tensor(0)],
        "int32 tensors": [torch.tensor(1, dtype=torch.int32), torch.tensor(7, dtype=torch.int32)],
    }
    check_pad_collate(submission, sequences, kinds[labels])


@pytest.mark.task("pad_collate", points=1)
def test_zeros_may_be_data(submission):
    """pad_collate counts zeros that are data: lengths are those from before the filling."""
    sequences = [torch.tensor([5, 0, 2]), torch.tensor([7, 0]), torch.tensor([0]), torch.zeros(5)]
    sequences = [sequence.to(torch.float32) for sequence in sequences]
    check_pad_collate(submission, sequences, [1, 0, 0, 2])


class Sequences(Dataset):
    """Sequences with their labels, one by one."""

    def __init__(self, sequences, labels):
        self.sequences, self.labels = sequences, labels

    def __len__(self):
        return len(self.sequences)

    def __getitem__(self, index):
        return self.sequences[index], self.labels[index]


@pytest.mark.task("pad_collate", points=1)
def test_collate_in_a_loader(submission, random):
    """A DataLoader with collate_fn=pad_collate gives padded batches, in order."""
    lengths = [2, 5, 1, 3, 4]
    sequences = [random.normal(length) for length in lengths]
    loader = DataLoader(Sequences(sequences, [4, 3, 2, 1, 0]), 2, collate_fn=submission.pad_collate)
    batches = list(loader)
    for number, got in enumerate(assert_items(batches, list, 3, "the batches of a loader")):
        part = slice(2 * number, 2 * number + 2)
        labels = torch.tensor([4, 3, 2, 1, 0][part])
        expected = (padded_by_hand(sequences[part]), torch.tensor(lengths[part]), labels)
        assert_matches(got, expected, what=f"batch {number} of a loader")


@pytest.mark.hidden
@pytest.mark.task("pad_collate", points=1)
@pytest.mark.parametrize("lengths", [(0, 3), (3, 0, 1), (0,), (0, 0), (1,)], ids=str)
def test_empty_sequences(submission, random, lengths):
    """pad_collate takes empty sequences, batches of one, and sequences with gaps in memory."""
    sequences = [random.normal(2 * length)[::2] for length in lengths]
    check_pad_collate(submission, sequences, [3] * len(lengths))


# num_batches


@pytest.mark.task("num_batches", points=2)
@pytest.mark.parametrize("drop_last", [False, True], ids=["all", "drop_last"])
@pytest.mark.parametrize(
    "sizes",
    [[(10, 4), (7, 3), (9, 2), (5, 3)], [(8, 4), (3, 1), (6, 6)], [(0, 3), (2, 5), (1, 8), (1, 1)]],
    ids=["a short last batch", "no remainder", "fewer than a batch"],
)
def test_batches_are_counted(submission, drop_last, sizes):
    """num_batches agrees with a DataLoader; a short last batch counts unless it is dropped."""
    for n, batch_size in sizes:
        batches = [range(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]
        expected = sum(len(batch) == batch_size or not drop_last for batch in batches)
        got = submission.num_batches(n, batch_size, drop_last)
        call = f"num_batches({n}, {batch_size}, {drop_last})"
        full, rest = divmod(n, batch_size)
        why = ""
        if type(got) is int and got != expected:
            other = full if not drop_last else full + (rest > 0)
            if got == other and rest:
                why = "; the short last batch counts" + (" not, it is dropped" * drop_last)
            elif got == full + 1 and not rest:
                why = "; nothing is left over here, so there is no short batch"
            fail(f"{call}: expected {expected}, got {got}{why}")
        assert_matches(got, expected, what=call)


@pytest.mark.task("num_batches", points=1)
@pytest.mark.parametrize("drop_last", [False, True], ids=["all", "drop_last"])
def test_batches_of_huge_data(submission, drop_last):
    """num_batches is exact for any size: whole numbers only, no division with a point."""
    for n, batch_size in [(10**17 + 1, 1), (10**17 + 1, 2), (3 * 10**18 + 2, 3), (10**20 - 1, 7)]:
        full, rest = divmod(n, batch_size)
        expected = full + (rest > 0 and not drop_last)
        got = submission.num_batches(n, batch_size, drop_last)
        if type(got) is int and got != expected:
            why = "a float keeps 16 digits: use // in place of /"
            if not rest and got == full + 1:
                why = "nothing is left over here, so there is no short batch"
            elif rest and got == full + drop_last:
                why = "the short last batch counts" + " not, it is dropped" * drop_last
            fail(
                f"num_batches({n}, {batch_size}, {drop_last}): expected {expected}, got {got}; {why}"
            )
        assert_matches(got, expected, what=f"num_batches({n}, {batch_size}, {drop_last})")


# BalancedBatchSampler


def labels_of(random, counts, names=None):
    """Shuffled labels, so many of each class."""
    names = range(len(counts)) if names is None else names
    labels = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    order = random.permutation(len(labels)).tolist()
    return [labels[place] for place in order]


def require_batches(batches, labels, batch_size, what="the sampler"):
    """One epoch: balanced lists of numbers, each item at most once, up to the smallest class."""
    classes = sorted(set(labels))
    share = batch_size // len(classes)
    expected = min(labels.count(label) for label in classes) // share
    smallest = min(labels.count(label) for label in classes)
    number_wrong = (
        f"{what}: the smallest class has {smallest} items, and each batch takes {share}: expected "
        f"{expected} batches, got {len(assert_items(batches, list, what=what))}"
    )
    if len(batches) < expected:
        fail(number_wrong)
    if not all(isinstance(batch, list | tuple) for batch in batches):
        kinds = ", ".join({type(batch).__name__ for batch in batches})
        why = "; .tolist() makes one of a tensor" if kinds == "Tensor" else "; yield whole batches"
        fail(f"{what}: expected a list of item numbers for each batch, got {kinds}{why}")
    for number, batch in enumerate(batches):
        assert_items(batch, list | tuple, None, f"batch {number} of {what}", of=int)
        outside = [item for item in batch if not 0 <= item < len(labels)]
        if outside:
            fail(f"{what}: batch {number} names item {outside[0]}; there are {len(labels)} items")
        found = [labels[item] for item in batch]
        counts = {label: found.count(label) for label in classes}
        if any(count != share for count in counts.values()):
            shown = ", ".join(f"{count} of class {label}" for label, count in counts.items())
            fail(
                f"{what}: expected {share} items of each class in a batch of {batch_size}, got "
                f"{shown} in batch {number}"
                + ("; stop at the smallest class" if number >= expected else "")
            )
    items = [item for batch in batches for item in batch]
    twice = {item for item in items if items.count(item) > 1}
    if twice:
        fail(
            f"{what}: item {min(twice)} comes more than once in an epoch: draw without replacement "
            "(torch.randperm), take another slice for each batch, stop at the smallest class"
        )
    if len(batches) != expected:
        fail(number_wrong)


@pytest.mark.task("BalancedBatchSampler", points=3)
@pytest.mark.parametrize(
    ("counts", "batch_size"),
    [((4, 4), 2), ((5, 9), 4), ((3, 7, 4), 3), ((9, 4, 6), 6), ((8, 8, 8), 12)],
    ids=str,
)
def test_same_number_of_each_class(submission, random, counts, batch_size):
    """Each batch holds equally many items of each class; none comes twice in an epoch."""
    labels = labels_of(random, counts)
    sampler = submission.BalancedBatchSampler(torch.tensor(labels), batch_size, random.generator())
    for epoch in range(3):
        require_batches(list(sampler), labels, batch_size, f"epoch {epoch + 1}")


@pytest.mark.task("BalancedBatchSampler", points=1)
@pytest.mark.parametrize(
    ("counts", "batch_size"), [((4, 4), 2), ((5, 9), 4), ((9, 4, 7), 6), ((3, 3), 8)], ids=str
)
def test_length_of_the_sampler(submission, random, counts, batch_size):
    """len of the sampler is the number of batches, before an epoch and after it."""
    labels = labels_of(random, counts)
    sampler = submission.BalancedBatchSampler(torch.tensor(labels), batch_size, random.generator())
    expected = min(counts) // (batch_size // len(counts))
    assert_length(sampler, expected, "the sampler")
    found = len(list(sampler))
    require_length(found, expected, "the number of batches in an epoch")
    assert_length(sampler, expected, "the sampler after an epoch")


@pytest.mark.task("BalancedBatchSampler", points=1)
@pytest.mark.parametrize(("classes", "batch_size"), [(2, 3), (3, 4), (3, 2), (4, 6)], ids=str)
def test_batches_that_cannot_be_balanced(submission, random, classes, batch_size):
    """BalancedBatchSampler raises a ValueError when the classes cannot share a batch equally."""
    labels = torch.tensor(labels_of(random, [5] * classes))
    because = f"{classes} classes cannot share {batch_size} places equally"
    arguments = (labels, batch_size, random.generator())
    assert_raises(ValueError, submission.BalancedBatchSampler, *arguments, because=because)


def epochs_of_sampler(student, labels, batch_size, seeds, epochs):
    """Several samplers, several epochs each; a global random state that should not matter."""
    import torch

    rows = []
    for number, seed in enumerate(seeds):
        torch.manual_seed(1000 + number)
        gen = torch.Generator().manual_seed(seed)
        sampler = student.BalancedBatchSampler(labels, batch_size, gen)
        row = []
        for _ in range(epochs):
            before = torch.get_rng_state()
            row.append(list(sampler))
            quiet = torch.equal(torch.get_rng_state(), before)
            torch.rand(3)
        rows.append({"epochs": row, "quiet": quiet})
    return rows


@pytest.mark.task("BalancedBatchSampler", points=2)
def test_each_epoch_has_a_new_order(submission, random):
    """Each epoch has a new order, drawn from gen alone; every item of a large class gets its turn."""
    labels, seed = labels_of(random, (6, 11)), random.seed()
    seeds = [seed, seed, seed + 1]
    rows = submission.probe(epochs_of_sampler, torch.tensor(labels), 6, seeds, 40)
    form = [{"epochs": [list[list[int]]] * 40, "quiet": bool}] * 3
    assert_form(rows, form, "what was seen of 40 epochs")
    for row in rows:
        for number, batches in enumerate(row["epochs"]):
            require_batches(batches, labels, 6, f"epoch {number + 1}")
    first, again, other = (row["epochs"] for row in rows)
    if all(epoch == first[0] for epoch in first):
        fail("40 epochs: expected a new order in each, got the same in all; shuffle in __iter__")
    for label in (0, 1):
        places = [[item for item in batch if labels[item] == label] for batch in first[0]]
        others = [
            [[item for item in batch if labels[item] == label] for batch in epoch]
            for epoch in first
        ]
        if all(epoch == places for epoch in others):
            fail(f"the items of class {label} come in the same order in every epoch")
    used = {item for epoch in first for batch in epoch for item in batch}
    if len(used) < len(labels):
        fail(
            f"{len(labels) - len(used)} items of the larger class did not come in 40 epochs: shuffle "
            "each class as a whole, then take as many as there is room for"
        )
    if first != again:
        fail("two generators with the same seed: expected the same batches, got different ones")
    if first == other:
        fail("two generators with different seeds: expected different batches, got the same")
    if not all(row["quiet"] for row in rows):
        fail("the global random state has changed: give generator=self.gen to every draw")


@pytest.mark.task("BalancedBatchSampler", points=1)
def test_sampler_in_a_loader(submission, random):
    """A DataLoader with batch_sampler=BalancedBatchSampler(...) gives balanced batches."""
    labels = labels_of(random, (5, 7, 4))
    sampler = submission.BalancedBatchSampler(torch.tensor(labels), 6, random.generator())
    dataset = TensorDataset(torch.arange(16), torch.tensor(labels))
    loader = DataLoader(dataset, batch_sampler=sampler)
    assert_length(loader, 2, "the loader")
    for epoch in range(2):
        batches = [assert_tensor(items, "a batch of items").tolist() for items, _ in loader]
        require_batches(batches, labels, 6, f"a loader, epoch {epoch + 1}")


@pytest.mark.hidden
@pytest.mark.task("BalancedBatchSampler", points=1)
@pytest.mark.parametrize("case", ["names", "array", "list", "too few", "one class", "large"])
def test_unusual_labels(submission, random, case):
    """BalancedBatchSampler takes any whole numbers as labels, arrays and lists, and a tiny class."""
    counts, names, batch_size = {
        "names": ((4, 6, 5), (7, -1, 300), 6),
        "array": ((3, 5), (1, 2), 2),
        "list": ((5, 3), (0, 4), 4),
        "too few": ((2, 9), (0, 1), 6),
        "one class": ((7,), (3,), 2),
        "large": ((30, 40), (0, 1), 20),
    }[case]
    labels = labels_of(random, counts, names)
    given = labels if case == "list" else torch.tensor(labels)
    given = given.numpy() if case == "array" else given
    sampler = submission.BalancedBatchSampler(given, batch_size, random.generator())
    expected = min(counts) // (batch_size // len(counts))
    assert_length(sampler, expected, "the sampler")
    for _ in range(2):
        require_batches(list(sampler), labels, batch_size)


# make_loaders


NAMES = ("train", "val", "test")


def loaders_made(student, sizes, fractions, batch_size, seed, global_seeds, epochs):
    """Make loaders for data sets of these sizes, and walk through each several times.

    The items of data set number k are 1000 * k, 1000 * k + 1, ...
    """
    import torch
    from torch.utils.data import TensorDataset

    rows = []
    for number, (n, global_seed) in enumerate(zip(sizes, global_seeds, strict=True)):
        torch.manual_seed(global_seed)
        torch.rand(number)
        dataset = TensorDataset(torch.arange(n) + 1000 * number)
        loaders = student.make_loaders(dataset, fractions, batch_size, seed)
        if not isinstance(loaders, tuple | list) or len(loaders) != 3:
            return f"a {type(loaders).__name__}" + (
                f" of {len(loaders)}" if isinstance(loaders, tuple | list) else ""
            )
        row = []
        for epoch in range(epochs):
            torch.manual_seed(global_seed + 7 * epoch)
            walk = []
            for loader in loaders:
                walk.append([(batch[0] - 1000 * number).tolist() for batch in loader])
            row.append(walk)
        rows.append(row)
    return rows


def epochs_of_loaders(submission, n, fractions, batch_size, seed, *, runs=1, epochs=1, random):
    """For each run and epoch: the batches of train, val and test, as lists of item numbers."""
    global_seeds = [random.seed() for _ in range(runs)]
    rows = submission.probe(
        loaders_made, [n] * runs, fractions, batch_size, seed, global_seeds, epochs
    )
    if not isinstance(rows, list):
        fail(f"expected a tuple of three loaders (train, val, test), got {rows}")
    form = [[[list[list[int]]] * 3] * epochs] * runs
    return assert_form(rows, form, "the batches of three loaders")


def items_in(batches):
    """All items of an epoch."""
    return [item for batch in batches for item in batch]


SPLITS = [
    (25, (0.7, 0.15, 0.15), 4),
    (10, (0.5, 0.25, 0.25), 3),
    (7, (0.6, 0.2, 0.2), 2),
    (33, (0.8, 0.1, 0.1), 8),
    (16, (0.5, 0.25, 0.25), 4),
]


@pytest.mark.task("make_loaders", points=2)
@pytest.mark.parametrize(("n", "fractions", "batch_size"), SPLITS, ids=str)
def test_sizes_of_the_parts(submission, random, n, fractions, batch_size):
    """Train and val get their fraction, rounded down, test the rest; in batches of batch_size."""
    parts = epochs_of_loaders(submission, n, fractions, batch_size, random.seed(), random=random)
    sizes = [int(n * fractions[0]), int(n * fractions[1])]
    sizes.append(n - sum(sizes))
    got = [len(items_in(batches)) for batches in parts[0][0]]
    if got != sizes:
        why = ""
        share = [int(n * fraction) for fraction in fractions]
        rest = n - sum(share)
        spread = [size + (number < rest) for number, size in enumerate(share)]
        full = [size // batch_size * batch_size for size in sizes]
        rounded = [round(n * fraction) for fraction in fractions]
        if got == spread or got[:2] == rounded[:2]:
            why = (
                "; int(...) rounds down, round(...) does not, nor does random_split with fractions"
            )
        elif got == share:
            why = "; the rest after rounding down belongs to test"
        elif sorted(got) == sorted(sizes):
            why = "; the order is (train, val, test)"
        elif all(a in (b, c) for a, b, c in zip(got, full, sizes, strict=True)):
            why = "; the last, short batch is missing: drop_last=False"
        fail(f"{n} items, fractions {fractions}: expected parts of {sizes}, got {got}{why}")
    for name, batches, size in zip(NAMES, parts[0][0], sizes, strict=True):
        lengths = [len(batch) for batch in batches]
        expected = [batch_size] * (size // batch_size)
        expected += [size % batch_size] if size % batch_size else []
        if lengths != expected:
            fail(
                f"{name}, {size} items in batches of {batch_size}: expected batches of {expected}, "
                f"got {lengths}"
            )


@pytest.mark.task("make_loaders", points=2)
@pytest.mark.parametrize(("n", "fractions", "batch_size"), SPLITS[:3], ids=str)
def test_parts_share_nothing_and_cover_all(submission, random, n, fractions, batch_size):
    """No item is in two parts, and every item is in one, in every epoch."""
    rows = epochs_of_loaders(
        submission, n, fractions, batch_size, random.seed(), epochs=3, random=random
    )
    of_train = set(items_in(rows[0][0][0]))
    for number, walk in enumerate(rows[0]):
        parts = [items_in(batches) for batches in walk]
        for name, part in zip(NAMES, parts, strict=True):
            if len(set(part)) != len(part):
                fail(
                    f"{name}, epoch {number + 1}: an item comes twice; shuffle=True draws each once"
                )
        for a, b in ((0, 1), (0, 2), (1, 2)):
            both = set(parts[a]) & set(parts[b])
            if both:
                fail(f"the split leaks: {NAMES[a]} and {NAMES[b]} share the items {sorted(both)}")
        lost = set(range(n)) - {item for part in parts for item in part}
        if lost:
            fail(
                f"the items {sorted(lost)} of {n} are in no part: test gets the rest, no batch is dropped"
            )
        if set(parts[0]) != of_train:
            fail("the items of train change from epoch to epoch: split once")


@pytest.mark.task("make_loaders", points=1)
def test_split_is_random(submission, random):
    """The split is random: no part is a row of neighbours, and another seed gives another split."""
    parts = []
    for seed in (random.seed(), random.seed()):
        rows = epochs_of_loaders(submission, 60, (0.5, 0.25, 0.25), 8, seed, random=random)
        parts.append([set(items_in(batches)) for batches in rows[0][0]])
    for name, part in zip(NAMES, parts[0], strict=True):
        if max(part) - min(part) + 1 == len(part):
            fail(
                f"{name} holds the items {min(part)} to {max(part)} of 60, all neighbours: files are "
                "often sorted by class, so split at random"
            )
    if parts[0] == parts[1]:
        fail("two seeds: expected two splits, got the same; is `seed` used?")


@pytest.mark.task("make_loaders", points=2)
def test_only_train_is_shuffled_anew(submission, random):
    """Train has a new order in each epoch; val and test keep theirs."""
    rows = epochs_of_loaders(
        submission, 60, (0.5, 0.25, 0.25), 7, random.seed(), epochs=4, random=random
    )
    for which, name in enumerate(NAMES):
        orders = [items_in(walk[which]) for walk in rows[0]]
        if which == 0 and any(orders[0] == order for order in orders[1:]):
            fail("train: expected a new order in each epoch, got the same twice; shuffle=True")
        if which and any(orders[0] != order for order in orders[1:]):
            fail(f"{name}: expected the same order in each epoch, got another; shuffle train alone")


@pytest.mark.task("make_loaders", points=2)
def test_same_seed_same_everything(submission, random):
    """The same seed gives the same parts and orders, whatever torch's global seed is."""
    rows = epochs_of_loaders(
        submission, 40, (0.6, 0.2, 0.2), 6, random.seed(), runs=3, epochs=3, random=random
    )
    if sorted(item for batches in rows[0][0] for item in items_in(batches)) != list(range(40)):
        fail("expected the three parts to cover 40 items")
    for row in rows[1:]:
        for which, name in enumerate(NAMES):
            first, again = items_in(rows[0][0][which]), items_in(row[0][which])
            if set(first) != set(again):
                fail(
                    f"two calls with the same seed: expected the same items in {name}, got different "
                    "ones; the global seed differed: split with a generator made from `seed`"
                )
    for row in rows[1:]:
        for number, (walk, other) in enumerate(zip(rows[0], row, strict=True)):
            for which, name in enumerate(NAMES):
                if walk[which] != other[which]:
                    fail(
                        f"two calls with the same seed, epoch {number + 1}: expected the same order "
                        f"in {name}, got another; the global seed differed: give the loader that "
                        "shuffles a generator made from `seed`"
                    )


def twin_parts(student, n, seed):
    """Parts of two data sets over the same items, one of them with an augmentation that draws."""
    import torch
    from torch.utils.data import Dataset

    class Items(Dataset):
        def __init__(self, gen):
            self.gen = gen

        def __len__(self):
            return n

        def __getitem__(self, index):
            noise = 0.0 if self.gen is None else 0.25 * torch.rand((), generator=self.gen).item()
            return torch.tensor(index + noise)

    datasets = (Items(torch.Generator().manual_seed(3)), Items(None))
    made = [student.make_loaders(dataset, (0.5, 0.25, 0.25), 4, seed) for dataset in datasets]
    for _ in made[0][0]:
        pass
    chosen = (made[0][0], made[1][1], made[1][2])
    return [torch.cat(list(loader)).long().tolist() for loader in chosen]


@pytest.mark.task("make_loaders", points=1)
def test_augmented_train_beside_plain_val(submission, random):
    """Train of an augmented data set and val and test of its plain twin share nothing, same seed."""
    parts = submission.probe(twin_parts, 22, random.seed())
    assert_form(parts, [[int, ...]] * 3, "the items of three loaders")
    for a, b in ((0, 1), (0, 2), (1, 2)):
        both = set(parts[a]) & set(parts[b])
        if both:
            fail(
                f"two data sets over the same items, the same seed: {NAMES[a]} of one and {NAMES[b]} of "
                f"the other share the items {sorted(both)}; the split may depend on nothing but the "
                "seed and the number of items"
            )
    if sorted(items_in(parts)) != list(range(22)):
        fail(f"expected the three parts to cover 22 items, got {sorted(items_in(parts))}")


@pytest.mark.task("make_loaders", points=1)
@pytest.mark.parametrize(
    ("n", "fractions", "batch_size", "sizes"),
    [
        (5, (0.8, 0.1, 0.1), 2, [4, 0, 1]),
        (3, (0.5, 0.25, 0.25), 8, [1, 0, 2]),
        (12, (0.5, 0.5, 0.0), 1, [6, 6, 0]),
        (9, (0.25, 0.5, 0.25), 100, [2, 4, 3]),
    ],
    ids=str,
)
def test_unusual_splits(submission, random, n, fractions, batch_size, sizes):
    """make_loaders takes tiny data sets, empty parts and batches larger than a part."""
    rows = epochs_of_loaders(submission, n, fractions, batch_size, random.seed(), random=random)
    got = [len(items_in(batches)) for batches in rows[0][0]]
    if got != sizes:
        fail(f"{n} items, fractions {fractions}: expected parts of {sizes}, got {got}")
    everything = sorted(item for batches in rows[0][0] for item in items_in(batches))
    if everything != list(range(n)):
        fail(f"expected the parts to cover {n} items, got {everything}")
