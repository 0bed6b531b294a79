"""Checks for `tensors`: making, reducing, selecting, reshaping, joining, sharing."""

import pytest
import torch
import torch.nn.functional as F

from gradus.checks import (
    assert_avoids,
    assert_form,
    assert_inputs_unchanged,
    assert_matches,
    assert_raises,
    assert_same_gradients,
    fail,
)

FLOATS = (torch.float32, torch.float64)


def counting(*shape, dtype=torch.float32, device="cpu"):
    """0, 1, 2, ... in a shape: numbers that tell where they came from."""
    size = 1
    for length in shape:
        size *= length
    return torch.arange(size, dtype=dtype).reshape(shape).to(device)


# --------------------------------------------------------------------------------- from_rows


LISTS = [
    ([[1, 2, 3], [4, 5, 6]], torch.int64),
    ([[1.5, 2.0]], torch.float32),
    ([[1], [2.5]], torch.float32),
    ([True, False, True], torch.bool),
    ([[[1, 2]], [[3, 4]], [[5, 6]]], torch.int64),
    ([0.1, 0.2, 0.3, 0.4], torch.float32),
]


@pytest.mark.task("from_rows", points=2)
def test_lists_keep_their_kind(submission, device):
    """A list becomes a tensor of the same numbers: ints int64, floats float32, bools bool."""
    for rows, dtype in LISTS:
        suspects = {
            "torch.Tensor always makes float32": torch.Tensor(rows).to(device),
            "a way through NumPy turns floats into float64": torch.tensor(
                rows, dtype=torch.float64, device=device
            ),
        }
        expected = torch.tensor(rows, dtype=dtype, device=device)
        got = submission.from_rows(rows, device=device)
        assert_matches(got, expected, suspects=suspects)


@pytest.mark.task("from_rows", points=1)
def test_dtype_is_obeyed(submission):
    """The dtype that is asked for is the dtype of the result."""
    for dtype in (torch.float64, torch.float32, torch.int64, torch.uint8):
        rows = [[1, 2, 3], [4, 5, 6]]
        got = submission.from_rows(rows, dtype=dtype)
        suspects = {"`dtype` is not used": torch.tensor(rows)}
        assert_matches(got, torch.tensor(rows, dtype=dtype), suspects=suspects)


def from_array(student, numbers, source, dtype):
    """What `from_rows` makes of an array, which is overwritten afterwards, and that array."""
    import numpy as np
    import torch

    array = np.array(numbers, dtype=source)
    result = student.from_rows(array) if dtype is None else student.from_rows(array, dtype=dtype)
    array += 100
    seen = result.clone() if isinstance(result, torch.Tensor) else result
    if isinstance(result, torch.Tensor):
        result.zero_()
    return seen, array.tolist()


ARRAYS = [
    ("float64", None, torch.float64),
    ("float32", None, torch.float32),
    ("int64", None, torch.int64),
    ("int32", None, torch.int32),
    ("float64", torch.float64, torch.float64),
    ("float64", torch.float32, torch.float32),
    ("int64", torch.float32, torch.float32),
]


@pytest.mark.task("from_rows", points=2)
def test_arrays_are_copied(submission):
    """A NumPy array keeps its dtype, and changing it later does not change the tensor."""
    numbers = [[1, 2, 3], [4, 5, 6]]
    for source, dtype, expected in ARRAYS:
        result, array = submission.probe(from_array, numbers, source, dtype)
        suspects = {
            "the tensor shares its memory with the array: as_tensor and from_numpy do not copy": (
                torch.tensor(numbers, dtype=expected) + 100
            ),
            "a list was made of the array, and the array's own dtype is lost": torch.tensor(
                numbers, dtype=torch.int64
            ),
            "float32 is torch's own choice, not the array's: is there a list, or torch.Tensor, "
            "on the way?": torch.tensor(numbers, dtype=torch.float32),
        }
        assert_matches(
            result,
            torch.tensor(numbers, dtype=expected),
            what=f"the tensor made from a {source} array, after the array has changed",
            suspects=suspects,
        )
        assert_form(array, [[int | float, ...], ...], "the array")
        if array != [[101, 102, 103], [104, 105, 106]]:
            fail(
                "expected the array to stay as it is when the tensor changes, "
                f"got {array}: they share memory"
            )


def from_odd_arrays(student):
    import numpy as np

    table = np.arange(12, dtype=np.float64).reshape(3, 4)
    frozen = table.copy()
    frozen.flags.writeable = False
    arrays = (table.T, table[:, 1], table[::2, ::3], frozen)
    return tuple(student.from_rows(array) for array in arrays)


@pytest.mark.hidden
@pytest.mark.task("from_rows", points=1)
def test_arrays_in_any_layout(submission):
    """Transposed, sliced and read-only arrays give the numbers that they show."""
    table = counting(3, 4, dtype=torch.float64)
    expected = (table.T, table[:, 1], table[::2, ::3], table)
    assert_matches(submission.probe(from_odd_arrays), expected)


# ------------------------------------------------------------------------------- number_grid


@pytest.mark.task("number_grid", points=1)
def test_grid_counts_row_by_row(submission):
    """number_grid counts from 0, row by row, in int64."""
    for rows, cols in [(2, 3), (3, 2), (1, 5), (4, 1), (1, 1), (7, 11)]:
        expected = counting(rows, cols, dtype=torch.int64)
        suspects = {
            "rows and columns are swapped": counting(cols, rows, dtype=torch.int64),
            "it counts down the columns": counting(cols, rows, dtype=torch.int64).T,
            "it counts from 1": expected + 1,
            "the numbers are floats: torch.arange gives int64 for ints": expected.float(),
            "every row starts again at 0": torch.arange(cols).repeat(rows, 1),
        }
        assert_matches(submission.number_grid(rows, cols), expected, suspects=suspects)


def lines_run(student, sizes):
    """How many lines of the student's files one call runs, for each size."""
    import sys
    import sysconfig
    from pathlib import Path

    import torch

    import gradus

    # What is not the student's: a `print` that was left in runs many lines of torch.
    folders = [sysconfig.get_path("stdlib"), Path(torch.__file__).parent.parent]
    libraries = (*map(str, folders), str(Path(gradus.__file__).parent), "<frozen")

    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename.startswith(libraries):
            return None
        lines += event == "line"
        return trace

    counts = []
    before = sys.gettrace()
    for rows, cols in [(2, 2), *sizes]:  # whatever is done only once is done in the first call
        lines = 0
        sys.settrace(trace)
        try:
            student.number_grid(rows, cols)
        finally:
            sys.settrace(before)
        counts.append(lines)
    return counts[1:]


@pytest.mark.task("number_grid", points=1)
def test_grid_needs_no_loop(submission):
    """A larger grid takes no more lines of Python: there is no loop over rows or entries."""
    counts = submission.probe(lines_run, [(3, 4), (40, 4), (3, 40)])
    small, tall, wide = assert_form(counts, [int, int, int], "the lines that were run")
    if max(tall, wide) > small + 8:
        size, lines = ("40 x 4", tall) if tall > small + 8 else ("3 x 40", wide)
        fail(
            f"expected as many steps of Python for a {size} grid as for a 3 x 4 grid ({small}), "
            f"got {lines}: there is a loop. torch.arange makes the whole line of numbers at once"
        )


# ------------------------------------------------------------------------------- standardize


def standardized(x, eps=1e-8):
    """The definition, row by row, in float64."""
    rows = []
    for row in x.reshape(-1, x.shape[-1]).double():
        centred = row - row.mean()
        rows.append(centred / ((centred**2).mean().sqrt() + eps))
    return torch.stack(rows).reshape(x.shape).to(x.dtype)


def wrong_ways_to_standardize(x, eps=1e-8):
    mean, std = x.mean(-1, keepdim=True), x.std(-1, correction=0, keepdim=True)
    return {
        "the standard deviation is the sample's (n - 1); the population's has correction=0": (
            lambda: (x - mean) / (x.std(-1, keepdim=True) + eps)
        ),
        "it divides by the variance, not by its root": lambda: (x - mean) / (std**2 + eps),
        "keepdim=True is missing: the rows' means are taken from the columns": (
            lambda: (x - x.mean(-1)) / (x.std(-1, correction=0) + eps)
        ),
        "keepdim=True is missing from the mean": lambda: (x - x.mean(-1)) / (std + eps),
        "keepdim=True is missing from the standard deviation": (
            lambda: (x - mean) / (x.std(-1, correction=0) + eps)
        ),
        "it runs along the first dim; each row along the last one stands alone": (
            lambda: (x - x.mean(0)) / (x.std(0, correction=0) + eps)
        ),
        "mean and deviation are those of the whole tensor": (
            lambda: (x - x.mean()) / (x.std(correction=0) + eps)
        ),
        "the mean is not subtracted": lambda: x / (std + eps),
        "eps belongs outside the root: std + eps": (
            lambda: (x - mean) / (x.var(-1, correction=0, keepdim=True) + eps).sqrt()
        ),
        "eps is not used, or not this one": lambda: (x - mean) / (std + 1e-8),
    }


@pytest.mark.task("standardize", points=2)
def test_each_row_is_standardized(submission, device, random):
    """Every row along the last dim gets mean 0 and population standard deviation 1."""
    for shape in [(3, 3), (4, 7), (1, 5), (2, 3, 4), (6,)]:
        for dtype in FLOATS:
            x = 3 * random.normal(*shape, dtype=dtype, device=device) + 2
            expected = standardized(x)
            got = assert_inputs_unchanged(submission.standardize, x)
            suspects = wrong_ways_to_standardize(x)
            tolerance = 1e-4 if dtype == torch.float32 else 1e-6
            assert_matches(got, expected, rtol=tolerance, atol=tolerance, suspects=suspects)


@pytest.mark.task("standardize", points=1)
def test_eps_is_added_to_the_deviation(submission, random):
    """The difference is divided by std + eps, with the eps that is given."""
    x = random.normal(3, 8, dtype=torch.float64)
    for eps in (0.5, 2.0):
        expected = standardized(x, eps)
        suspects = wrong_ways_to_standardize(x, eps)
        assert_matches(submission.standardize(x, eps=eps), expected, suspects=suspects)


@pytest.mark.task("standardize", points=2)
def test_constant_rows_give_zeros(submission):
    """A constant row gives exact zeros, for any number and length; other rows are as usual."""
    for dtype in FLOATS:
        for length in (2, 3, 7, 10, 100):
            numbers = torch.tensor([0.0, 0.1, 1000.1, -3.3, 1e-3], dtype=dtype)
            x = numbers[:, None].repeat(1, length)
            x[3] = torch.arange(length)
            expected = torch.zeros_like(x)
            expected[3] = standardized(x[3:4])[0]
            got = submission.standardize(x)
            assert_matches(
                got,
                expected,
                rtol=1e-4,
                atol=1e-5,
                suspects={
                    "the mean of equal numbers is off by rounding, and dividing by a tiny "
                    "std + eps blows that up": lambda x=x, got=got, e=expected: torch.where(
                        (x == x[:, :1]).all(1, keepdim=True) & got.isfinite(), got, e
                    )
                },
            )
            constant = [0, 1, 2, 4]
            what = "the constant rows (they must be exactly 0)"
            assert_matches(got[constant], expected[constant], what=what, rtol=0.0, atol=0.0)


@pytest.mark.task("standardize", points=1)
def test_standardize_far_from_zero(submission, random):
    """Rows with a large mean and a small spread keep their digits."""
    x = random.normal(4, 50) + 10_000
    mean = x.mean(-1, keepdim=True)
    squares = (x**2).mean(-1, keepdim=True) - mean**2
    tip = "mean(x²) - mean(x)² loses all digits when the mean is large: subtract the mean first"
    suspects = {
        tip: lambda: (x - mean) / squares.sqrt(),
        f"{tip}.": lambda: (x - mean) / (squares.clamp(min=0).sqrt() + 1e-8),
    }
    assert_matches(submission.standardize(x), standardized(x), atol=2e-2, suspects=suspects)


@pytest.mark.task("standardize", points=1)
def test_standardize_gradient(submission, random):
    """Gradients flow to x through the mean and through the standard deviation."""
    assert_same_gradients(
        submission.standardize, standardized, random.normal(3, 5), random=random, atol=1e-6
    )


@pytest.mark.hidden
@pytest.mark.task("standardize", points=1)
def test_standardize_short_and_narrow_rows(submission):
    """Rows of one entry give 0, and a small spread is a spread."""
    for dtype in FLOATS:
        single = torch.tensor([[4.2], [-1.0], [1000.1]], dtype=dtype)
        assert_matches(submission.standardize(single), torch.zeros_like(single))
        narrow = torch.tensor([[1e-6, 2e-6, 4e-6], [3e-6, -5e-6, 1e-6]], dtype=dtype)
        assert_matches(submission.standardize(narrow), standardized(narrow), rtol=1e-3, atol=1e-4)


# ------------------------------------------------------------------------ pairwise_distances


def distances(a, b):
    """The definition, pair by pair."""
    return torch.stack([torch.stack([((p - q) ** 2).sum() ** 0.5 for q in b]) for p in a])


@pytest.mark.task("pairwise_distances", points=2)
def test_every_pair_is_measured(submission, device, random):
    """Row i, column j of the result is the distance of a[i] and b[j]."""
    for n, m, d in [(3, 4, 2), (4, 4, 3), (1, 5, 3), (4, 1, 2), (2, 3, 1), (1, 1, 4)]:
        for dtype in FLOATS:
            a = random.normal(n, d, dtype=dtype, device=device)
            b = random.normal(m, d, dtype=dtype, device=device)
            suspects = {
                "the root is missing: these are squared distances": (
                    lambda a=a, b=b: distances(a, b) ** 2
                ),
                "rows belong to a and columns to b": lambda a=a, b=b: distances(b, a),
                "absolute differences are summed: square them, and take the root of the sum": (
                    lambda a=a, b=b: (a[:, None] - b[None]).abs().sum(-1)
                ),
                "squares are averaged, not summed": (
                    lambda a=a, b=b: (a[:, None] - b[None]).square().mean(-1).sqrt()
                ),
                "the coordinates are still there: sum over the last dim": (
                    lambda a=a, b=b: a[:, None] - b[None]
                ),
                "only points with the same number were paired: give a and b a dim of their own": (
                    lambda a=a, b=b: (a - b).square().sum(-1).sqrt() if len(a) == len(b) else None
                ),
                "F.pairwise_distance adds 1e-6 to every difference": (
                    lambda a=a, b=b: F.pairwise_distance(a[:, None], b[None])
                ),
            }
            expected = distances(a, b)
            got = assert_inputs_unchanged(submission.pairwise_distances, a, b)
            assert_matches(got, expected, suspects=suspects)


@pytest.mark.task("pairwise_distances", points=1)
def test_distances_far_from_zero(submission, random):
    """Points far from zero keep their small distances, and a point is at distance 0 from itself."""
    steps = random.integers(-8, 9, 5, 3) / 8
    a = steps + 3000
    expected = distances(steps, steps)
    tip = "|a|² + |b|² - 2ab subtracts huge numbers: subtract the points first, then square"
    gram = a @ a.T
    squares = gram.diagonal()[:, None] + gram.diagonal()[None] - 2 * gram
    got = submission.pairwise_distances(a, a.clone())
    suspects = {tip: squares.sqrt(), f"{tip}.": squares.clamp(min=0).sqrt()}
    norms = (a**2).sum(1)
    other = norms[:, None] + norms[None] - 2 * gram
    suspects |= {f"{tip} ": other.sqrt(), f"{tip}. ": other.clamp(min=0).sqrt()}
    assert_matches(got, expected, suspects=suspects)


@pytest.mark.task("pairwise_distances", points=1)
def test_distances_are_your_own(submission, random):
    """The distance is written with broadcasting, not taken from torch.cdist."""
    a, b = random.normal(3, 2), random.normal(4, 2)
    instead = "give a the shape (n, 1, d) and b the shape (1, m, d), and subtract"
    forbidden = {"torch.cdist": instead, "torch.functional.cdist": instead}
    got = assert_avoids(submission.pairwise_distances, forbidden, a, b)
    assert_matches(got, distances(a, b))


@pytest.mark.task("pairwise_distances", points=1)
def test_distances_gradient(submission, random):
    """Gradients flow to both sets of points."""
    a, b = random.normal(3, 4), random.normal(2, 4)
    assert_same_gradients(submission.pairwise_distances, distances, a, b, random=random)


# ----------------------------------------------------------------- split_heads, merge_heads


def split(x, heads):
    """Head h of moment t holds the entries h * depth ... (h + 1) * depth - 1."""
    depth = x.shape[2] // heads
    return torch.stack([x[:, :, h * depth : (h + 1) * depth] for h in range(heads)], dim=1)


def merge(x):
    return torch.cat([x[:, h] for h in range(x.shape[1])], dim=2)


SPLITS = [(2, 3, 8, 2), (1, 5, 6, 3), (2, 1, 4, 4), (3, 4, 5, 1), (2, 4, 8, 4), (1, 1, 3, 3)]


@pytest.mark.task("split_heads", points=2)
def test_width_is_cut_into_heads(submission, device):
    """Head h of each moment holds the h-th piece of that moment's vector."""
    for batch, time, width, heads in SPLITS:
        x = counting(batch, time, width, device=device)
        depth = width // heads
        suspects = {
            "one reshape to (batch, heads, time, depth) mixes moments and heads: first split the "
            "last dim, then swap dims 1 and 2": x.reshape(batch, heads, time, depth),
            "the dims 1 and 2 are not swapped: the heads stand before the time": (
                x.reshape(batch, time, heads, depth)
            ),
            "heads are interleaved: a head's numbers must stand side by side": (
                x.reshape(batch, time, depth, heads).permute(0, 3, 1, 2)
            ),
            "depth and time are swapped": x.reshape(batch, time, heads, depth).permute(0, 2, 3, 1),
            "the heads come first: the batch stays dim 0": (
                x.reshape(batch, time, heads, depth).permute(2, 0, 1, 3)
            ),
        }
        expected = split(x, heads)
        assert_matches(
            assert_inputs_unchanged(submission.split_heads, x, heads), expected, suspects=suspects
        )


@pytest.mark.task("split_heads", points=1)
@pytest.mark.parametrize(("width", "heads"), [(10, 4), (6, 12), (7, 2)])
def test_heads_must_divide(submission, random, width, heads):
    """A width that cannot be cut into equal heads raises a ValueError."""
    x = random.normal(2, 4, width)
    because = f"{heads} heads do not divide a width of {width}; check it before reshaping"
    assert_raises(ValueError, submission.split_heads, x, heads, because=because)


@pytest.mark.task("split_heads", points=1)
def test_split_keeps_dtype_and_gradient(submission, random):
    """Integers stay integers, and gradients flow back to x."""
    for dtype in (torch.float64, torch.int64):
        x = counting(2, 3, 6, dtype=dtype)
        assert_matches(submission.split_heads(x, 2), split(x, 2))
    x = random.normal(2, 3, 6)
    assert_same_gradients(
        lambda x: submission.split_heads(x, 3), lambda x: split(x, 3), x, random=random
    )


@pytest.mark.hidden
@pytest.mark.task("split_heads", points=1)
def test_split_of_a_transposed_tensor(submission):
    """The layout of x in memory makes no difference."""
    for x in (counting(3, 2, 6).transpose(0, 1), counting(2, 6, 3).transpose(1, 2)):
        for heads in (1, 2, 6):
            assert_matches(submission.split_heads(x, heads), split(x, heads))


MERGES = [(2, 2, 3, 4), (1, 3, 5, 2), (2, 4, 1, 1), (3, 1, 4, 5), (2, 3, 3, 3), (1, 1, 1, 3)]


@pytest.mark.task("merge_heads", points=2)
def test_heads_stand_side_by_side(submission, device):
    """Each moment's vector is head 0, then head 1, and so on."""
    for batch, heads, time, depth in MERGES:
        x = counting(batch, heads, time, depth, device=device)
        width = heads * depth
        suspects = {
            "the dims 1 and 2 must be swapped back before the reshape": x.reshape(
                batch, time, width
            ),
            "heads are interleaved: a head's numbers must stand side by side": (
                x.permute(0, 2, 3, 1).reshape(batch, time, width)
            ),
            "the time must stay dim 1 of the result": x.transpose(1, 2).reshape(batch, width, time),
            "the last two dims are not joined yet": x.transpose(1, 2),
            "only dims 1 and 2 are joined": x.reshape(batch, heads * time, depth),
        }
        expected = merge(x)
        assert_matches(
            assert_inputs_unchanged(submission.merge_heads, x), expected, suspects=suspects
        )


@pytest.mark.task("merge_heads", points=1)
def test_merge_undoes_split(submission):
    """What was cut into heads comes back exactly, in any memory layout and dtype."""
    for dtype in (torch.float32, torch.float64, torch.int64):
        for heads in (1, 2, 3, 6):
            x = counting(2, 5, 6, dtype=dtype)
            pieces = x.reshape(2, 5, heads, 6 // heads).transpose(1, 2)
            assert_matches(submission.merge_heads(pieces), x)
            assert_matches(submission.merge_heads(pieces.contiguous()), x)


@pytest.mark.task("merge_heads", points=1)
def test_merge_gradient(submission, random):
    """Gradients flow back to every head."""
    assert_same_gradients(submission.merge_heads, merge, random.normal(2, 3, 4, 2), random=random)


# ----------------------------------------------------------------------------------- one_hot


@pytest.mark.task("one_hot", points=2)
def test_single_one_at_the_label(submission, device, random):
    """Each label becomes a float32 row with a 1 at its place, for labels of any shape."""
    for shape, classes in [((5,), 4), ((2, 3), 5), ((1,), 3), ((), 3), ((2, 1, 4), 6), ((3, 3), 3)]:
        labels = random.integers(0, classes, *shape, device=device)
        expected = F.one_hot(labels, classes).float()
        suspects = {
            "F.one_hot gives int64; models want float32": F.one_hot(labels, classes),
            "the True/False of a comparison is not a number yet": F.one_hot(labels, classes).bool(),
            "the classes were counted in the labels: use num_classes": F.one_hot(labels).float(),
            "the classes must be the last dim": lambda e=expected: e.movedim(-1, 0),
            "all the labels were put in one line: keep their shape": (
                lambda e=expected: e.reshape(-1, e.shape[-1])
            ),
        }
        got = assert_inputs_unchanged(submission.one_hot, labels, classes)
        assert_matches(got, expected, suspects=suspects)


@pytest.mark.task("one_hot", points=1)
def test_classes_that_do_not_occur(submission):
    """The number of columns is num_classes, also when the largest label is smaller."""
    labels = torch.tensor([0, 1, 0])
    for classes in (2, 4, 9):
        expected = F.one_hot(labels, classes).float()
        suspects = {"the classes were counted in the labels": F.one_hot(labels).float()}
        assert_matches(submission.one_hot(labels, classes), expected, suspects=suspects)


@pytest.mark.task("one_hot", points=1)
def test_no_labels_no_rows(submission):
    """Empty labels give an empty result of the right shape."""
    for shape in [(0,), (2, 0), (0, 3)]:
        labels = torch.zeros(shape, dtype=torch.int64)
        assert_matches(submission.one_hot(labels, 4), torch.zeros(*shape, 4))


BAD_LABELS = [
    ([-1], 3, "-1 is below 0; as an index it would count from the end"),
    ([0, 3, 1], 3, "3 classes are 0, 1 and 2"),
    ([[0, 1], [-2, 1]], 3, "-2 is below 0; as an index it would count from the end"),
    ([[5, 0], [1, 1]], 5, "5 classes are 0 ... 4"),
    ([0, 1, 2, 99], 3, "99 is no class"),
]


@pytest.mark.task("one_hot", points=2)
@pytest.mark.parametrize(("labels", "classes", "because"), BAD_LABELS)
def test_labels_out_of_range(submission, labels, classes, because):
    """A label below 0, or num_classes or more, raises a ValueError wherever it stands."""
    assert_raises(ValueError, submission.one_hot, torch.tensor(labels), classes, because=because)


@pytest.mark.task("one_hot", points=1)
def test_one_class_only(submission):
    """With one class every row is (1); labels may be a slice of a larger tensor."""
    assert_matches(submission.one_hot(torch.zeros(4, dtype=torch.int64), 1), torch.ones(4, 1))
    strided = torch.arange(12).reshape(3, 4)[:, ::2] // 3
    assert_matches(submission.one_hot(strided, 5), F.one_hot(strided, 5).float())


# ------------------------------------------------------------------------------- masked_mean


def mean_where(x, mask):
    """The definition, row by row."""
    rows, masks = x.reshape(-1, x.shape[-1]), mask.reshape(-1, x.shape[-1])
    means = [row[m].sum() / max(int(m.sum()), 1) for row, m in zip(rows, masks, strict=True)]
    return torch.stack(means).reshape(x.shape[:-1])


def wrong_masked_means(x, mask):
    kept = torch.where(mask, x, 0.0)
    count = mask.sum(-1).clamp(min=1)
    # told first where something is not finite, and never where everything is
    told = {
        "0 * nan is nan and 0 * inf is nan: choose with torch.where, do not multiply": (
            (x * mask).sum(-1) / count
        ),
        "0 * nan and 0 / 0 are both nan: choose with torch.where, and divide by 1 or more": (
            (x * mask).sum(-1) / mask.sum(-1)
        ),
        "0 / 0 is nan: a row without any True must divide by 1": kept.sum(-1) / mask.sum(-1),
    }
    told = {words: value for words, value in told.items() if not value.isfinite().all()}
    return told | {
        "it divides by the number of all entries, not of those that count": kept.mean(-1),
        "the mask is not used": x.mean(-1),
        "the mask is the wrong way round": lambda: mean_where(x, ~mask),
        "the mask is the wrong way round: torch.where(mask, a, b) takes a where it is True": (
            torch.where(mask, 0.0, x).sum(-1) / count
        ),
        "it is one mean for the whole tensor": lambda: x[mask].mean(),
        "the sum is not divided": kept.sum(-1),
        "it divides by the count of the whole mask": kept.sum(-1) / mask.sum(),
        "the mean runs along the first dim": kept.sum(0) / mask.sum(0).clamp(min=1),
        "the last dim is still there": lambda: mean_where(x, mask)[..., None],
    }


def mask_like(x, random):
    """A random mask with at least one True and one False in each row."""
    mask = random.uniform(*x.shape) < 0.5
    mask[..., 0], mask[..., -1] = True, False
    return mask.to(x.device)


@pytest.mark.task("masked_mean", points=2)
def test_mean_of_what_counts(submission, device, random):
    """Each row's mean is that of the entries whose mask is True."""
    for shape in [(4, 6), (3, 3), (1, 5), (2, 3, 4), (7,)]:
        for dtype in FLOATS:
            x = random.normal(*shape, dtype=dtype, device=device)
            mask = mask_like(x, random)
            expected = mean_where(x, mask)
            got = assert_inputs_unchanged(submission.masked_mean, x, mask)
            assert_matches(got, expected, suspects=wrong_masked_means(x, mask))


@pytest.mark.task("masked_mean", points=1)
def test_rows_where_nothing_counts(submission, random):
    """A row without any True gives 0, and the other rows are not disturbed."""
    x = random.normal(4, 5)
    mask = mask_like(x, random)
    mask[1], mask[3] = False, False
    suspects = wrong_masked_means(x, mask)
    assert_matches(submission.masked_mean(x, mask), mean_where(x, mask), suspects=suspects)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert_matches(submission.masked_mean(random.normal(2, 3), nothing), torch.zeros(2))


@pytest.mark.task("masked_mean", points=1)
@pytest.mark.parametrize("rubbish", ["nan", "inf", "-inf"])
def test_masked_rubbish_does_not_matter(submission, random, rubbish):
    """Entries that do not count may be nan or infinite."""
    x = random.normal(4, 5)
    mask = mask_like(x, random)
    mask[2] = False
    x[~mask] = float(rubbish)
    expected = mean_where(x, mask)
    got = assert_inputs_unchanged(submission.masked_mean, x, mask)
    assert_matches(got, expected, suspects=wrong_masked_means(x, mask))


@pytest.mark.task("masked_mean", points=2, hint="make count at least 1 BEFORE you divide by it")
def test_masked_mean_gradient(submission, random):
    """Gradients are finite: 1/count where the mask is True, 0 elsewhere, even in an empty row."""
    x = random.normal(3, 4)
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]).bool()
    assert_same_gradients(submission.masked_mean, mean_where, x, mask, random=random)
    x[0, 1], x[1, 2], x[2, 0] = float("nan"), float("inf"), float("-inf")
    assert_same_gradients(submission.masked_mean, mean_where, x, mask, random=random)


@pytest.mark.hidden
@pytest.mark.task("masked_mean", points=1)
def test_rubbish_that_counts_shows(submission):
    """An infinite or nan entry that does count is not swept under the carpet."""
    x = torch.tensor([[1.0, float("inf"), 2.0], [float("nan"), 1.0, 3.0], [5.0, 4.0, 9.0]])
    mask = torch.tensor([[True, True, False], [True, False, True], [True, True, True]])
    expected = torch.tensor([float("inf"), float("nan"), 6.0])
    assert_matches(submission.masked_mean(x, mask), expected)


# ------------------------------------------------------------------------------- gather_rows


def rows_of(x, index):
    """The definition, one row after the other."""
    picked = [torch.stack([x[b, int(i)] for i in wishes]) for b, wishes in enumerate(index)]
    return torch.stack(picked)


@pytest.mark.task("gather_rows", points=2)
def test_each_batch_entry_has_its_own_rows(submission, device, random):
    """Row j of batch entry b is x[b, index[b, j]]."""
    for b, n, d, k in [(3, 4, 2, 3), (2, 5, 3, 4), (1, 6, 2, 1), (4, 3, 1, 5), (3, 3, 3, 3)]:
        x = counting(b, n, d, device=device)
        index = random.integers(0, n, b, k, device=device)
        expected = rows_of(x, index)
        suspects = {
            "x[:, index] gives every batch entry the wishes of all: pair index with the batch's "
            "own numbers": lambda x=x, i=index: x[:, i],
            "x[index] picks batch entries, not rows": lambda x=x, i=index: x[i],
            "the first batch entry's wishes were used for all": lambda x=x, i=index: x[:, i[0]],
            "the batch's numbers must be a column, shape (batch, 1)": (
                lambda x=x, i=index: x[torch.arange(len(x), device=x.device), i]
            ),
            "torch.gather takes only the first numbers: expand the index to all d": (
                lambda x=x, i=index: x.gather(1, i[..., None])
            ),
            "an index that repeats the first numbers of the row: expand it along d": (
                lambda x=x, i=index: x.gather(1, i[..., None]).expand(-1, -1, x.shape[2])
            ),
        }
        got = assert_inputs_unchanged(submission.gather_rows, x, index)
        assert_matches(got, expected, suspects=suspects)


@pytest.mark.task("gather_rows", points=1)
def test_rows_keep_their_dtype(submission, random):
    """The result has the dtype of x, whichever it is."""
    index = random.integers(0, 4, 2, 3)
    for dtype in (torch.float64, torch.int64, torch.bool):
        x = (counting(2, 4, 3) % 5 > 1) if dtype == torch.bool else counting(2, 4, 3, dtype=dtype)
        assert_matches(submission.gather_rows(x, index), rows_of(x, index))


@pytest.mark.task("gather_rows", points=1)
def test_gather_gradient(submission, random):
    """Gradients flow to the chosen rows; a row that is chosen twice gets both."""
    x, index = random.normal(2, 4, 3), torch.tensor([[1, 1, 0], [3, 2, 3]])
    assert_same_gradients(submission.gather_rows, rows_of, x, index, random=random)


# ----------------------------------------------------------------------------------- best_of


def first_best(x):
    """The definition, row by row."""
    indices = []
    for row in x.tolist():
        indices.append(row.index(max(row)))
    indices = torch.tensor(indices, device=x.device)
    return torch.stack([x[i, int(k)] for i, k in enumerate(indices)]), indices


def wrong_bests(x):
    last = x.shape[1] - 1 - x.flip(1).argmax(1)
    return {
        "the last one won the tie; the first one should": (x.amax(1), last),
        "it compares the entries of a column: use dim=1": lambda: tuple(x.max(0)),
        "the search started at 0: start it with the first entry": (x.amax(1).clamp(min=0), last),
        "it is the minimum": lambda: tuple(x.min(1)),
        "a dim is left over": lambda: tuple(x.max(1, keepdim=True)),
        "the result is (values, indices), in this order, and indices are int64": lambda: tuple(
            x.max(1)
        )[::-1],
    }


@pytest.mark.task("best_of", points=2)
def test_best_of_each_row(submission, device, random):
    """Each row's largest value comes with its index."""
    for shape in [(4, 6), (3, 3), (1, 5), (5, 1), (1, 1)]:
        for dtype in FLOATS:
            x = random.normal(*shape, dtype=dtype, device=device)
            expected = first_best(x)
            got = assert_inputs_unchanged(submission.best_of, x)
            assert_matches(got, expected, suspects=wrong_bests(x))


@pytest.mark.task("best_of", points=1)
def test_first_one_wins_a_tie(submission, random):
    """When several entries are the largest, the index is that of the first."""
    small = torch.tensor([[3.0, 7, 7, 1], [2, 2, 2, 2], [0, -1, -1, 0], [-5, -4, -9, -4]])
    large = random.integers(0, 3, 6, 200).float()
    for x in (small, large):
        assert_matches(submission.best_of(x), first_best(x), suspects=wrong_bests(x))


@pytest.mark.task("best_of", points=1)
def test_best_below_zero(submission):
    """Rows of negative numbers, and of minus infinity, have a best one too."""
    low = float("-inf")
    x = torch.tensor([[-3.0, -1.0, -2.0], [low, low, -1e30], [low, low, low]])
    assert_matches(submission.best_of(x), first_best(x), suspects=wrong_bests(x))


@pytest.mark.task("best_of", points=1)
def test_best_gradient(submission, random):
    """Gradients flow from the value to the entry that won."""

    def value(x):
        result = submission.best_of(x)
        if not isinstance(result, tuple) or len(result) != 2:
            fail(f"expected a tuple (values, indices), got a {type(result).__name__}")
        return result[0]

    x = random.normal(4, 5)
    assert_same_gradients(value, lambda x: first_best(x)[0], x, random=random)


@pytest.mark.task("best_of", points=1)
def test_best_of_whole_numbers(submission):
    """Whole numbers stay whole numbers, too large ones for a float included."""
    x = torch.tensor([[3, 9, 9], [-5, -2, -7], [2**60, 2**60 + 1, 0]])
    assert_matches(submission.best_of(x), first_best(x))


# ---------------------------------------------------------------------------- join_and_split


def joined_and_split(tensors, dim, chunks):
    """The definition: steps of ceil(size / chunks) along `dim`."""
    whole = torch.cat(tuple(tensors), dim)
    step = -(-whole.shape[dim] // chunks)
    starts = range(0, whole.shape[dim], step)
    return tuple(whole.narrow(dim, s, min(step, whole.shape[dim] - s)) for s in starts)


def wrong_joins(tensors, dim, chunks):
    whole = torch.cat(tuple(tensors), dim)
    return {
        "the parts are cut along dim 0: give `dim` to chunk too": lambda: whole.chunk(chunks),
        "the tensors are joined along dim 0: give `dim` to cat too": (
            lambda: torch.cat(tuple(tensors)).chunk(chunks, dim)
        ),
        "split(n) makes parts of n entries; `chunks` is the number of parts": (
            lambda: whole.split(chunks, dim)
        ),
        "tensor_split always makes `chunks` parts; chunk may make fewer": (
            lambda: whole.tensor_split(chunks, dim)
        ),
        "stack adds a dim: cat joins along one that is there": (
            lambda: torch.stack(tuple(tensors), dim).chunk(chunks, dim)
        ),
        "the tensors are joined in the opposite order": (
            lambda: torch.cat(tuple(tensors)[::-1], dim).chunk(chunks, dim)
        ),
        "each tensor was cut on its own: join them first": lambda: tuple(
            part for tensor in tensors for part in tensor.chunk(chunks, dim)
        ),
        "the rest is dropped": lambda: whole.narrow(
            dim, 0, whole.shape[dim] // chunks * chunks
        ).chunk(chunks, dim),
    }


JOINS = [  # shapes, dim, chunks
    ([(2, 3), (2, 3)], -1, 3),
    ([(2, 3), (4, 3)], 0, 3),
    ([(2, 3), (2, 5)], 1, 2),
    ([(1, 2, 3), (1, 4, 3), (1, 1, 3)], 1, 3),
    ([(2, 2, 3), (2, 2, 1)], -1, 2),
    ([(4,)], 0, 2),
    ([(3, 3), (3, 3), (3, 3)], -2, 1),
]


@pytest.mark.task("join_and_split", points=2)
def test_joined_then_cut(submission, device, random):
    """The tensors are joined along dim, then cut along the same dim, into a tuple."""
    for shapes, dim, chunks in JOINS:
        tensors = [random.normal(*shape, device=device) for shape in shapes]
        expected = joined_and_split(tensors, dim, chunks)
        got = assert_inputs_unchanged(submission.join_and_split, tensors, dim, chunks)
        assert_matches(got, expected, suspects=wrong_joins(tensors, dim, chunks))


@pytest.mark.task("join_and_split", points=1)
@pytest.mark.parametrize(("sizes", "chunks"), [((4, 3), 4), ((2, 3), 4), ((1, 1), 5), ((5, 5), 4)])
def test_parts_that_do_not_come_out_even(submission, random, sizes, chunks):
    """Parts are ceil(size / chunks) long, the last takes the rest, and there may be fewer."""
    tensors = tuple(random.normal(2, size, dtype=torch.float64) for size in sizes)
    expected = joined_and_split(tensors, 1, chunks)
    got = submission.join_and_split(tensors, 1, chunks)
    assert_matches(got, expected, suspects=wrong_joins(tensors, 1, chunks))


@pytest.mark.task("join_and_split", points=1)
def test_join_gradient(submission, random):
    """Gradients flow from the parts to every tensor."""
    a, b = random.normal(2, 3), random.normal(2, 2)
    assert_same_gradients(
        lambda a, b: submission.join_and_split([a, b], 1, 2),
        lambda a, b: joined_and_split([a, b], 1, 2),
        a,
        b,
        random=random,
    )


@pytest.mark.task("join_and_split", points=1)
def test_join_of_many_and_of_whole_numbers(submission):
    """Many tensors, negative dims in the middle and whole numbers work as well."""
    tensors = [counting(2, size, 3, 2, dtype=torch.int64) + size for size in (1, 2, 3, 4, 1)]
    expected = joined_and_split(tensors, -3, 4)
    assert_matches(submission.join_and_split(tensors, -3, 4), expected)


# ---------------------------------------------------------------------------------- low_rank


def table_with(values, m, n, random, dtype=torch.float64):
    """A table with these singular values, and its layers of rank 1, largest first."""
    u = torch.linalg.qr(random.normal(m, len(values), dtype=torch.float64)).Q
    v = torch.linalg.qr(random.normal(n, len(values), dtype=torch.float64)).Q
    layers = [s * torch.outer(u[:, i], v[:, i]) for i, s in enumerate(values)]
    return sum(layers).to(dtype), [layer.to(dtype) for layer in layers]


def wrong_ranks(x, layers, rank):
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    return {
        "the smallest layers were kept: the singular values come largest first": (
            lambda: sum(layers[-rank:])
        ),
        "vt is transposed already": lambda: (u[:, :rank] * s[:rank]) @ vt.T[:rank],
        "vt is transposed already: keep its first rows": (
            lambda: (u[:, :rank] * s[:rank]) @ vt[:, :rank].T
        ),
        "the singular values are missing": lambda: u[:, :rank] @ vt[:rank],
        "one layer too many": lambda: sum(layers[: rank + 1]),
        "only one layer": lambda: layers[rank - 1],
        "the first `rank` rows of u were kept, not columns": (lambda: (u[:rank] * s) @ vt),
        "nothing was left out": x,
        "(u * s) is not multiplied by vt": lambda: u[:, :rank] * s[:rank],
    }


@pytest.mark.task("low_rank", points=3)
def test_closest_table_of_that_rank(submission, device, random):
    """The strongest `rank` layers are kept, for tall, wide and square tables."""
    for m, n in [(5, 3), (3, 6), (4, 4), (1, 4), (3, 1)]:
        values = [5.0, 3.0, 2.0, 1.0][: min(m, n)]
        for dtype in FLOATS:
            x, layers = table_with(values, m, n, random, dtype)
            for rank in range(1, len(values) + 1):
                expected = sum(layers[:rank]).to(device)
                got = assert_inputs_unchanged(submission.low_rank, x.to(device), rank)
                suspects = wrong_ranks(x, layers, rank)
                atol = 1e-4 if dtype == torch.float32 else 1e-8
                assert_matches(got, expected, atol=atol, suspects=suspects)


@pytest.mark.task("low_rank", points=1)
@pytest.mark.parametrize(("m", "n", "rank"), [(4, 3, 0), (4, 3, 4), (2, 5, 3), (3, 3, -1)])
def test_ranks_that_do_not_exist(submission, random, m, n, rank):
    """A rank below 1 or above min(m, n) raises a ValueError."""
    because = f"a {m} x {n} table has ranks 1 ... {min(m, n)}; a slice would not complain"
    assert_raises(ValueError, submission.low_rank, random.normal(m, n), rank, because=because)


@pytest.mark.hidden
@pytest.mark.task("low_rank", points=1)
def test_tables_of_lower_rank(submission, random):
    """A table that has a lower rank already comes back as it is."""
    x = torch.outer(torch.tensor([1.0, -2.0, 3.0, 0.5]), torch.tensor([2.0, 1.0, -1.0]))
    for rank in (1, 2, 3):
        assert_matches(submission.low_rank(x, rank), x, atol=1e-5)
    assert_matches(submission.low_rank(torch.zeros(3, 2), 1), torch.zeros(3, 2))


# ------------------------------------------------------------------------------------ scale_


def scaled_in_place(student, x, factor, leaf):
    """What `scale_` did to x: facts that only the process of the student's code can see."""
    import torch

    if leaf:
        x = x.requires_grad_()
    other_name = x.detach()
    with torch.enable_grad():  # gives the switch back, whatever the student's code does to it
        result = student.scale_(x, factor)
        recording = torch.is_grad_enabled()
    return {
        "returned": type(result).__name__,
        "same": result is x,
        "values": other_name.clone(),
        "seen": x.detach().clone(),
        "requires_grad": x.requires_grad,
        "is_leaf": x.is_leaf,
        "grad": x.grad is not None,
        "recording": recording,
    }


SCALED = {
    **dict.fromkeys(("values", "seen"), torch.Tensor),
    **dict.fromkeys(("same", "requires_grad", "is_leaf", "grad", "recording"), bool),
    "returned": str,
}


def assert_scaled(facts, before, factor):
    """The part that is asked of every call."""
    assert_form(facts, SCALED, "what was seen of the call")
    if torch.equal(facts["values"], before) and factor != 1:
        fail(
            "expected the memory of x to hold new numbers, got the old ones: "
            "x = x * factor makes a new tensor, x.mul_(factor) changes this one"
        )
    suspects = {
        "it is scaled twice": before * factor * factor,
        "it is divided by the factor": before / factor if factor else before,
        "the factor is added": before + factor,
    }
    for key in ("values", "seen"):
        assert_matches(facts[key], before * factor, what="x afterwards", suspects=suspects)
    if not facts["same"]:
        got = "another tensor" if facts["returned"] == "Tensor" else facts["returned"]
        fail(f"expected x itself back, got {got}: end with `return x`")


@pytest.mark.task("scale_", points=2)
def test_scaled_in_place(submission, device, random):
    """The products are in the same memory afterwards, and x itself comes back."""
    for shape in [(2, 3), (4,), (), (1, 2, 2)]:
        for dtype in FLOATS:
            for factor in (2.5, -0.5, 0.0):
                x = random.normal(*shape, 1, dtype=dtype, device=device)[..., 0]
                before = x.clone()
                facts = submission.probe(scaled_in_place, x, factor, False)
                assert_scaled(facts, before, factor)
                if facts["requires_grad"]:
                    fail("expected x to require grad as little as before, got requires_grad=True")


@pytest.mark.task(
    "scale_", points=2, hint="with torch.no_grad(): nothing is recorded, and a leaf may be changed"
)
def test_leaf_that_requires_grad(submission, random):
    """A leaf that requires grad is scaled too, and is still a leaf that requires grad."""
    x = random.normal(3, 2)
    before = x.clone()
    facts = submission.probe(scaled_in_place, x, 3.0, True)
    assert_scaled(facts, before, 3.0)
    if not facts["requires_grad"]:
        fail("expected x to require grad as before, got requires_grad=False")
    if not facts["is_leaf"]:
        fail("expected x to be a leaf as before, got a tensor with a history: use torch.no_grad()")
    if not facts["recording"]:
        fail("expected autograd to record again afterwards, got it switched off: use `with`")


def scaled_column(student, table, column):
    import torch

    with torch.enable_grad():
        student.scale_(table[:, column], 10.0)
    return table


@pytest.mark.hidden
@pytest.mark.task("scale_", points=1)
def test_part_of_a_table(submission):
    """Scaling a column of a table changes the table, in that column only."""
    expected = counting(3, 4)
    expected[:, 1] *= 10
    assert_matches(submission.probe(scaled_column, counting(3, 4), 1), expected)


# -------------------------------------------------------------------------- share_with_numpy


def shared_array(student, x, kind):
    """What `share_with_numpy` returns for x, and who sees whose changes."""
    import numpy as np
    import torch

    if kind == "leaf":
        x = x.requires_grad_()
    if kind == "result":
        x = x.requires_grad_() * 1
    before = x.detach().clone()
    array = student.share_with_numpy(x)
    facts = {
        "type": f"{type(array).__module__}.{type(array).__name__}",
        "requires_grad": x.requires_grad,
        "has_history": x.grad_fn is not None,
        "unchanged": torch.equal(x.detach(), before),
        "device": str(x.device),
        **dict.fromkeys(("dtype", "values", "array_follows", "tensor_follows")),
    }
    if isinstance(array, np.ndarray):
        facts["dtype"], facts["values"] = str(array.dtype), torch.tensor(array)
        if x.device.type == "cpu":
            with torch.no_grad():
                x.detach().add_(1)
            facts["array_follows"] = bool((array == facts["values"].numpy() + 1).all())
            array[...] = 7
            facts["tensor_follows"] = bool((x.detach() == 7).all())
    return facts


SHARED = {
    **dict.fromkeys(("type", "device"), str),
    **dict.fromkeys(("requires_grad", "has_history", "unchanged"), bool),
    **dict.fromkeys(("array_follows", "tensor_follows"), bool | None),
    "dtype": str | None,
    "values": torch.Tensor | None,
}


def assert_array(facts, before):
    """The part that is asked of every call."""
    assert_form(facts, SHARED, "what was seen of the call")
    if facts["type"] != "numpy.ndarray":
        fail(f"expected a numpy.ndarray, got {facts['type']}")
    name = str(before.dtype).removeprefix("torch.")
    if facts["dtype"] != name:
        fail(f"expected an array of {name}, got one of {facts['dtype']}")
    assert_matches(facts["values"], before, what="the numbers in the array")
    if not facts["unchanged"]:
        fail("expected x to stay as it is, got other numbers in it")


def assert_shared(facts):
    if not facts["array_follows"]:
        fail(
            "expected the array to change when x does, got a copy: "
            "clone(), np.array() and tolist() copy, x.numpy() shares"
        )
    if not facts["tensor_follows"]:
        fail("expected x to change when the array does, got a copy")


@pytest.mark.task("share_with_numpy", points=2)
def test_array_and_tensor_share(submission, random):
    """The array shows the tensor's numbers, and each sees the other's changes."""
    for dtype in (torch.float32, torch.float64, torch.int64):
        x = (10 * random.normal(2, 3)).to(dtype)
        before = x.clone()
        facts = submission.probe(shared_array, x, "plain")
        assert_array(facts, before)
        assert_shared(facts)


@pytest.mark.task("share_with_numpy", points=1)
@pytest.mark.parametrize("kind", ["leaf", "result"])
def test_array_of_a_tensor_that_requires_grad(submission, random, kind):
    """A tensor that requires grad can be shared too, and requires grad as before."""
    x = random.normal(2, 3)
    before = x.clone()
    facts = submission.probe(shared_array, x, kind)
    assert_array(facts, before)
    assert_shared(facts)
    if not facts["requires_grad"] or facts["has_history"] != (kind == "result"):
        fail(
            "expected x to be recorded by autograd as before, got one that is cut off: "
            "x.detach() makes a second tensor, requires_grad_() and detach_() change x itself"
        )


@pytest.mark.task("share_with_numpy", points=1)
def test_array_from_another_device(submission, device, random):
    """A tensor on another device is copied to the CPU and stays where it is."""
    x = random.normal(3, 2, device=device)
    before = x.to("cpu", copy=True)
    where = str(x.device)
    facts = submission.probe(shared_array, x, "leaf")
    assert_array(facts, before)
    if facts["device"] != where:
        fail(f"expected x to stay on {where}, got it on {facts['device']}")


@pytest.mark.task("share_with_numpy", points=1)
def test_array_of_any_layout(submission):
    """Transposed tensors, every second column and a single number are shared as well."""
    for kind in ("plain", "result"):
        for x in (counting(2, 3).T, counting(3, 4)[:, ::2], torch.tensor(4.0)):
            before = x.clone()
            facts = submission.probe(shared_array, x, kind)
            assert_array(facts, before)
            assert_shared(facts)
