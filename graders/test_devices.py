"""Checks for `devices`: choosing a device, moving data and modules, training, loading, timing."""

import math
from collections import OrderedDict, namedtuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradus.checks import (
    assert_form,
    assert_items,
    assert_matches,
    assert_raises,
    assert_same_gradients,
    fail,
)

HALVES = ("torch.float16", "torch.bfloat16")


# pick_device


def picked(student, cuda_count, mps, wish):
    """What `pick_device` gives on a machine with so many CUDA devices, with or without MPS."""
    import contextlib
    from unittest import mock

    import torch

    kind = "cuda" if cuda_count else "mps" if mps else None
    accelerator = getattr(torch, "accelerator", None)  # from torch 2.6 on
    answers = {
        (torch.cuda, "is_available"): cuda_count > 0,
        (torch.cuda, "device_count"): cuda_count,
        (torch.backends.cuda, "is_built"): True,
        (torch.backends.mps, "is_available"): mps,
        (torch.backends.mps, "is_built"): True,
        (torch.mps, "is_available"): mps,
        (torch.mps, "device_count"): int(mps),
        (torch.xpu, "is_available"): False,
        (torch.xpu, "device_count"): 0,
        (accelerator, "is_available"): kind is not None,
        (accelerator, "device_count"): cuda_count or int(mps),
        (accelerator, "current_accelerator"): kind and torch.device(kind),
    }
    with contextlib.ExitStack() as pretended:
        for (module, name), answer in answers.items():
            if hasattr(module, name):
                said = lambda *args, answer=answer, **kwargs: answer  # noqa: E731
                pretended.enter_context(mock.patch.object(module, name, said))
        return student.pick_device() if wish is None else student.pick_device(wish)


def machine_of(cuda_count, mps):
    """A machine in words."""
    parts = [f"{cuda_count} CUDA device{'s' * (cuda_count > 1)}"] if cuda_count else []
    parts += ["MPS"] if mps else []
    return f"a machine with {' and '.join(parts) or 'neither CUDA nor MPS'}"


def require_device(got, expected, where):
    """`got` is that device; `cuda` and `cuda:0` count as one."""
    if not isinstance(got, torch.device):
        note = ": wrap it in torch.device(...)" if isinstance(got, str) else ""
        fail(f"on {where}: expected a torch.device, got {type(got).__name__} {got!r}{note}")
    if (got.type, got.index or 0) != (expected.type, expected.index or 0):
        fail(f"on {where}: expected {expected}, got {got}")


@pytest.mark.task("pick_device", points=2)
@pytest.mark.parametrize("mps", [False, True], ids=["no MPS", "MPS"])
@pytest.mark.parametrize("cuda_count", [0, 1, 2], ids=["no CUDA", "one CUDA", "two CUDA"])
def test_fastest_device_without_a_wish(submission, cuda_count, mps):
    """Without a wish, pick_device gives CUDA where there is one, else MPS, else the CPU."""
    expected = torch.device("cuda" if cuda_count else "mps" if mps else "cpu")
    got = submission.probe(picked, cuda_count, mps, None)
    require_device(got, expected, machine_of(cuda_count, mps))


@pytest.mark.task("pick_device", points=2)
@pytest.mark.parametrize(
    ("cuda_count", "mps", "wish"),
    [
        (0, False, "cpu"),
        (2, True, "cpu"),
        (1, False, "cuda"),
        (1, False, "cuda:0"),
        (2, False, "cuda:1"),
        (0, True, "mps"),
        (1, True, "mps"),
        (2, False, torch.device("cuda:1")),
        (1, False, torch.device("cpu")),
    ],
    ids=str,
)
def test_wish_is_granted(submission, cuda_count, mps, wish):
    """pick_device gives just the device that was wished for, if it is there: a name or a device."""
    got = submission.probe(picked, cuda_count, mps, wish)
    require_device(got, torch.device(wish), machine_of(cuda_count, mps))


@pytest.mark.task("pick_device", points=2)
@pytest.mark.parametrize(
    ("cuda_count", "mps", "wish"),
    [
        (0, False, "cuda"),
        (0, True, "cuda"),
        (0, False, torch.device("cuda:0")),
        (1, False, "cuda:1"),
        (2, False, "cuda:2"),
        (2, False, "cuda:7"),
        (0, False, "mps"),
        (1, False, torch.device("mps")),
        (1, False, "graphics card"),
    ],
    ids=str,
)
def test_wish_that_cannot_be_had_is_refused(submission, cuda_count, mps, wish):
    """pick_device raises a RuntimeError for a wish that cannot be had, and takes nothing else."""
    because = f"{str(wish)!r} cannot be had on {machine_of(cuda_count, mps)}"
    arguments = (cuda_count, mps, wish)
    assert_raises(RuntimeError, submission.probe, picked, *arguments, because=because)


@pytest.mark.hidden
@pytest.mark.task("pick_device", points=1)
def test_machine_as_it_is(submission, device):
    """pick_device gives a device that tensors can be made on, on this very machine."""
    for wish in (device, torch.device(device, 0)):
        require_device(submission.pick_device(wish), torch.device(wish), "this machine")
    for wish in ("xpu", "mps:5"):
        because = f"{wish!r} cannot be had on {machine_of(1, False)}"
        assert_raises(RuntimeError, submission.probe, picked, 1, False, wish, because=because)


# move


Pair = namedtuple("Pair", ["image", "label"])


def batch_of(random, device="cpu"):
    """Tensors of several kinds in all the containers, with other things among them."""
    return {
        "x": random.normal(3, 2, device=device),
        "pair": Pair(random.normal(2, 2, device=device), random.integers(0, 5, 2, device=device)),
        "list": [
            (random.normal(1, device=device), "cat.png"),
            {"deep": [[random.integers(0, 2, 3, device=device).bool()]], "none": None},
        ],
        "float64": torch.tensor([2.5], dtype=torch.float64, device=device),
        7: (3, 1.5, True, "text"),
    }


def require_moved(
    got, batch, device, where="batch", remedy=".to(device) gives a new tensor: use it"
):
    """`got` is `batch` in containers of the same types, with its tensors on `device`."""
    if isinstance(batch, torch.Tensor):
        if not isinstance(got, torch.Tensor):
            fail(f"{where}: expected a tensor, got {type(got).__name__}")
        expected = batch.to(device)
        if got.device != expected.device:
            fail(
                f"{where}: expected a tensor on {expected.device}, got one on {got.device}; {remedy}"
            )
        assert_matches(got, expected, what=where)
    elif isinstance(batch, dict):
        if not isinstance(got, dict):
            found = type(got).__name__
            fail(f"{where}: expected a dict with the keys {list(batch)}, got {found}")
        assert_matches(list(got), list(batch), what=f"the keys of {where}")
        for key, value in batch.items():
            require_moved(got[key], value, device, f"{where}[{key!r}]", remedy)
    elif type(got).__name__ != type(batch).__name__:
        note = ": type(batch)(*items) builds a named tuple" if hasattr(batch, "_fields") else ""
        fail(f"{where}: expected {type(batch).__name__}, got {type(got).__name__}{note}")
    elif isinstance(batch, list | tuple):
        assert_items(got, list | tuple, what=where)
        if len(got) != len(batch):
            fail(f"{where}: expected {len(batch)} items, got {len(got)}")
        names = getattr(batch, "_fields", None)
        if names is not None:
            assert_matches(
                getattr(got, "_fields", None), names, what=f"{where}: the names of the items"
            )
        for number, value in enumerate(batch):
            require_moved(got[number], value, device, f"{where}[{number}]", remedy)
    else:
        assert_matches(got, batch, what=where, rtol=0.0, atol=0.0)


@pytest.mark.task("move", points=3)
@pytest.mark.parametrize("as_text", [True, False], ids=["text", "torch.device"])
def test_every_tensor_is_moved(submission, device, random, as_text):
    """move moves every tensor, however deep, and keeps dtypes, values and types of containers."""
    batch = batch_of(random)
    got = submission.move(batch, device if as_text else torch.device(device))
    require_moved(got, batch, device)


@pytest.mark.task("move", points=1)
def test_back_to_the_cpu(submission, device, random):
    """move brings tensors back to the CPU too; a batch may be a single tensor, or hold none."""
    for batch in (batch_of(random, device), random.normal(2, 3, device=device), ["a", 1], None):
        require_moved(submission.move(batch, "cpu"), batch, "cpu")


def identities_after_move(student, x, y):
    """What `move` does with types, objects that are no tensors, and the caller's containers."""
    from collections import namedtuple

    Point = namedtuple("Point", ["x", "y"])
    thing = object()
    items, inner = [x, thing], {"y": y, "thing": thing}
    point = Point(x, inner)
    batch = {"items": items, "point": point}
    got = student.move(batch, "meta")

    seen = {
        "batch": list(batch) == ["items", "point"]
        and batch["items"] is items
        and batch["point"] is point,
        "items": len(items) == 2 and items[0] is x and items[1] is thing,
        "inner": list(inner) == ["y", "thing"] and inner["y"] is y and inner["thing"] is thing,
        "device of x": str(x.device),
        **dict.fromkeys(("moved", "is Point", "same thing")),
    }
    if isinstance(got, dict) and set(got) == {"items", "point"}:
        seen["moved"] = str(getattr(got["items"][0], "device", None))
        seen["is Point"] = type(got["point"]) is Point
        seen["same thing"] = got["items"][1] is thing and got["point"][1]["thing"] is thing
    return seen


@pytest.mark.task("move", points=2)
def test_callers_containers_are_left_alone(submission, random):
    """move changes none of the caller's containers; other objects come back as the very same."""
    seen = submission.probe(identities_after_move, random.normal(2), random.integers(0, 9, 3))
    form = {
        **dict.fromkeys(("batch", "items", "inner"), bool),
        "device of x": str,
        "moved": str | None,
        **dict.fromkeys(("is Point", "same thing"), bool | None),
    }
    assert_form(seen, form, "what was seen of the move")
    for name in ("batch", "items", "inner"):
        if not seen[name]:
            what = {"batch": "dict", "items": "list", "inner": "dict inside a named tuple"}[name]
            fail(f"a {what} of the caller was changed: build a new container in place of it")
    if seen["device of x"] != "cpu":
        fail("a tensor of the caller was moved: x.data = ... or set_() changes the tensor itself")
    if seen["is Point"] is None:
        fail("expected a dict with the keys of the batch")
    if seen["moved"] != "meta":
        fail(f"a tensor in a list in a dict: expected it on meta, got it on {seen['moved']}")
    if not seen["is Point"]:
        fail("expected a named tuple of the same class back: type(batch)(*items) builds one")
    if not seen["same thing"]:
        fail("an object that is no tensor was copied or replaced: give it back as it is")


def gradient_through_move(student, x, upstream, device):
    """The gradient that comes back from the device through `move`; None without one."""
    import torch

    x = x.detach().requires_grad_()
    got = student.move([x * 2.0], device)[0]
    if not isinstance(got, torch.Tensor) or not got.requires_grad:
        return None
    (got * upstream.to(got.device)).sum().backward()
    return x.grad


@pytest.mark.task("move", points=1)
def test_gradients_flow_through_the_move(submission, device, random):
    """Gradients flow back through move to the tensors that were moved."""
    upstream = random.normal(2, 3)
    got = submission.probe(gradient_through_move, random.normal(2, 3), upstream, device)
    if got is None:
        fail(
            "what comes back is cut off from the graph: .to(device) keeps it; .detach(), .numpy() "
            "and torch.tensor(...) do not"
        )
    assert_matches(got, 2.0 * upstream, what="the gradient")


@pytest.mark.hidden
@pytest.mark.task("move", points=1)
def test_unusual_batches(submission, device, random):
    """move takes empty containers, empty tensors, and containers inside each other in any way."""
    Triple = namedtuple("Triple", ["first", "second", "third"])
    x = random.normal(0, 3).to(torch.bfloat16)
    for batch in (
        [],
        (),
        {},
        ((),),
        [[], {}, ("",)],
        (x, torch.tensor(2.5)),
        [Triple([x], (x, {"x": x}), Triple(1, None, x))],
        ((([({"a": [(x,)]},)],),),),
    ):
        require_moved(submission.move(batch, device), batch, device)


# SinusoidalEncoding


def positions_by_hand(length, width, device="cpu", first=0):
    """The table, number by number."""
    rows = [
        [
            (math.cos if column % 2 else math.sin)(position / 10000 ** (2 * (column // 2) / width))
            for column in range(width)
        ]
        for position in range(first, first + length)
    ]
    return torch.tensor(rows, dtype=torch.float32, device=device)


def suspects_of_encoding(x):
    """What usual mistakes in the table lead to."""
    t, width = x.shape[1:]
    table = positions_by_hand(t, width, x.device)
    sines, cosines = table[:, 0::2], table[:, 1::2]
    angles = torch.arange(t, device=x.device)[:, None] / 10000 ** (
        torch.arange(width, device=x.device) / width
    )
    every = angles.sin()
    every[:, 1::2] = angles[:, 1::2].cos()
    return {
        "only the positions come back: add them to x": lambda: table,
        "x is missing: add the positions to it": lambda: table.expand_as(x),
        "x comes back as it was": lambda: x,
        "sines and cosines are swapped: sines stand in columns 0, 2, 4, ...": (
            lambda: x + torch.stack([cosines, sines], -1).flatten(1)
        ),
        "first all sines, then all cosines: they should take turns, column by column": (
            lambda: x + torch.cat([sines, cosines], 1)
        ),
        "positions are counted from 1: they start at 0": (
            lambda: x + positions_by_hand(t, width, x.device, first=1)
        ),
        "columns 2i and 2i + 1 share one wave, with the exponent 2i / width": lambda: x + every,
        "the exponent is 2i / width, not i / width": (
            lambda: (
                x
                + torch.stack(
                    [angles[:, : width // 2].sin(), angles[:, : width // 2].cos()], -1
                ).flatten(1)
            )
        ),
    }


@pytest.mark.task("SinusoidalEncoding", points=2)
@pytest.mark.parametrize(
    ("length", "width", "b", "t"),
    [(5, 4, 2, 5), (9, 6, 3, 4), (7, 10, 1, 7), (30, 8, 2, 1), (4, 2, 5, 3)],
    ids=str,
)
def test_positions_are_added(submission, device, random, length, width, b, t):
    """SinusoidalEncoding adds sines and cosines of the positions, on the module's device."""
    encoding = submission.SinusoidalEncoding(length, width).to(device)
    x = random.normal(b, t, width, device=device)
    expected = x + positions_by_hand(t, width, device)
    assert_matches(encoding(x), expected, atol=1e-4, suspects=suspects_of_encoding(x))


def tensors_of_encoding(student, x):
    """What the module owns, where that is after a move, and what becomes of the input."""
    import torch

    encoding = student.SinusoidalEncoding(6, 4)
    before = x.clone()
    result = encoding(x)
    plain = [name for name, value in vars(encoding).items() if isinstance(value, torch.Tensor)]
    seen = {
        "parameters": [name for name, _ in encoding.named_parameters()],
        "buffers": [tuple(buffer.shape) for buffer in encoding.buffers()],
        "plain": plain,
        "unchanged": torch.equal(x, before),
        "is x": result is x,
    }
    encoding.to("meta")
    seen["left behind"] = [
        name for name, buffer in encoding.named_buffers() if buffer.device.type != "meta"
    ]
    return seen


OF_ENCODING = {
    **dict.fromkeys(("parameters", "plain", "left behind"), list[str]),
    "buffers": list[tuple[int]],
    **dict.fromkeys(("unchanged", "is x"), bool),
}


@pytest.mark.task("SinusoidalEncoding", points=3)
def test_table_is_a_buffer(submission, random):
    """The table is a buffer: it moves with the module, and there is no parameter to train."""
    seen = submission.probe(tensors_of_encoding, random.normal(2, 5, 4))
    assert_form(seen, OF_ENCODING, "what was seen of the encoding")
    if seen["parameters"]:
        fail(
            f"{', '.join(seen['parameters'])} is a parameter, so an optimizer would train it: "
            "register_buffer keeps a tensor that moves and is not trained"
        )
    if not seen["buffers"] or not any(math.prod(shape) for shape in seen["buffers"]):
        what = f"self.{seen['plain'][0]} is a plain attribute" if seen["plain"] else "none is there"
        fail(
            f"expected the table as a buffer; {what}. register_buffer(name, table) makes one, and "
            "only then .to(device) moves it"
        )
    if seen["left behind"]:
        fail(f"the buffer {seen['left behind'][0]} does not move with the module")


@pytest.mark.task("SinusoidalEncoding", points=1)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_encoding_keeps_the_dtype(submission, device, random, dtype):
    """What comes out of SinusoidalEncoding has the dtype of x, whatever that of the table is."""
    encoding = submission.SinusoidalEncoding(6, 4).to(device)
    x = random.normal(2, 6, 4, dtype=dtype, device=device)
    expected = (x + positions_by_hand(6, 4, device)).to(dtype)
    tolerance = {"rtol": 2e-2, "atol": 4e-2} if dtype == torch.bfloat16 else {"atol": 1e-4}
    suspects = {"the table's dtype has won: table.to(x.dtype)": expected.float()}
    assert_matches(encoding(x), expected, **tolerance, suspects=suspects)


@pytest.mark.task("SinusoidalEncoding", points=1)
def test_encoding_changes_no_input(submission, random):
    """SinusoidalEncoding lets the gradient through as it is, and leaves x as it was."""
    seen = submission.probe(tensors_of_encoding, random.normal(2, 5, 4))
    assert_form(seen, OF_ENCODING, "what was seen of the encoding")
    if not seen["unchanged"] or seen["is x"]:
        fail("x was changed in place: write x + ..., not x += ... or x.add_(...)")
    encoding = submission.SinusoidalEncoding(6, 4)
    table = positions_by_hand(5, 4).double()
    assert_same_gradients(
        lambda x: encoding(x),
        lambda x: x + table,
        random.normal(2, 5, 4),
        random=random,
        atol=1e-4,
    )


@pytest.mark.hidden
@pytest.mark.task("SinusoidalEncoding", points=1)
def test_encoding_of_long_sequences(submission, device, random):
    """SinusoidalEncoding takes long sequences, sizes that change, and x in any memory layout."""
    encoding = submission.SinusoidalEncoding(200, 12).to(device)
    for b, t in [(1, 200), (4, 3), (2, 150), (12, 12)]:
        x = random.normal(b, 12, t, device=device).mT
        expected = x + positions_by_hand(t, 12, device)
        assert_matches(encoding(x), expected, atol=1e-3, suspects=suspects_of_encoding(x))


# MaskedMeanPool


def means_by_hand(x, lengths):
    """The mean of each sequence, one by one."""
    rows = [
        sequence[:length].mean(0) if length else torch.zeros_like(sequence[:1].sum(0))
        for sequence, length in zip(x, lengths.tolist(), strict=True)
    ]
    return torch.stack(rows)


def suspects_of_pool(x, lengths):
    """What usual mistakes in the mean lead to."""
    t = x.shape[1]
    real = (torch.arange(t, device=x.device) < lengths[:, None])[..., None]
    total = (x * real).sum(1)
    one_more = (torch.arange(t, device=x.device) <= lengths[:, None])[..., None]
    return {
        "the padding counts too: only the first entries of each sequence are real": (
            lambda: x.mean(1)
        ),
        "this is the sum: divide by the length": lambda: total,
        "the sum is divided by t: divide by the length of each sequence": lambda: total / t,
        "the padding is in the sum": lambda: x.sum(1) / lengths.clamp(min=1)[:, None],
        "one entry too many: positions 0 ... length - 1 are real, so <, not <=": (
            lambda: (x * one_more).sum(1) / lengths.clamp(min=1)[:, None]
        ),
        "the sum is divided by length + 1": lambda: total / (lengths + 1)[:, None],
        "all sequences are divided by the same number: each has its own length": (
            lambda: total / lengths.float().mean()
        ),
        "the mask is turned round: this sums up the padding": (
            lambda: (x * ~real).sum(1) / lengths.clamp(min=1)[:, None]
        ),
        "the mask is turned round: this averages the padding": (
            lambda: (x * ~real).sum(1) / (t - lengths).clamp(min=1)[:, None]
        ),
    }


@pytest.mark.task("MaskedMeanPool", points=3)
@pytest.mark.parametrize(
    ("t", "d", "lengths"),
    [(5, 3, [5, 1, 3, 2]), (4, 2, [4]), (6, 1, [1, 2, 6]), (3, 4, [2, 2, 3, 1, 3]), (1, 2, [1, 1])],
    ids=str,
)
def test_mean_of_the_real_entries(submission, device, random, t, d, lengths):
    """MaskedMeanPool averages the first entries of each sequence; padding does not count."""
    pool = submission.MaskedMeanPool().to(device)
    lengths = torch.tensor(lengths, device=device)
    earlier = None
    for scale in (1.0, 100.0):  # once more with another input: nothing may be kept from the first
        x = scale * random.normal(len(lengths), t, d, device=device) + 3
        expected = means_by_hand(x, lengths)
        suspects = suspects_of_pool(x, lengths)
        suspects["these are the means of the call before: keep nothing in self"] = earlier
        earlier = expected
        assert_matches(pool(x, lengths), expected, rtol=1e-4, atol=1e-3, suspects=suspects)


@pytest.mark.task("MaskedMeanPool", points=1)
@pytest.mark.parametrize("lengths", [[2, 0, 3], [0], [0, 0]], ids=str)
def test_no_entries_give_zero(submission, device, random, lengths):
    """A sequence of length 0 gives 0, with a finite gradient."""
    pool = submission.MaskedMeanPool().to(device)
    x = random.normal(len(lengths), 3, 4, device=device).requires_grad_()
    lengths = torch.tensor(lengths, device=device)
    got = pool(x.clone(), lengths)
    assert_matches(got, means_by_hand(x, lengths))
    if not got.requires_grad:  # nothing but zeros depends on nothing
        return
    (gradient,) = torch.autograd.grad(got.sum(), x)
    if not bool(gradient.isfinite().all()):
        fail("the gradient is NaN or inf: 0/0 is computed somewhere, and hidden only afterwards")


@pytest.mark.task("MaskedMeanPool", points=1)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_pool_keeps_the_dtype(submission, device, random, dtype):
    """What comes out of MaskedMeanPool has the dtype of x."""
    x = random.normal(3, 4, 2, dtype=dtype, device=device)
    lengths = torch.tensor([4, 1, 0], device=device)
    expected = means_by_hand(x, lengths)
    tolerance = {"rtol": 3e-2, "atol": 3e-2} if dtype == torch.bfloat16 else {}
    assert_matches(submission.MaskedMeanPool().to(device)(x, lengths), expected, **tolerance)


@pytest.mark.task("MaskedMeanPool", points=1)
def test_pool_is_differentiable(submission, device, random):
    """Gradients flow to the real entries, each with 1 / length; none to the padding."""
    pool = submission.MaskedMeanPool().to(device)
    lengths = torch.tensor([2, 4, 1, 0], device=device)
    assert_same_gradients(
        lambda x: pool(x.clone(), lengths),  # a check of its own looks at changes in place
        lambda x: means_by_hand(x, lengths),
        random.normal(4, 4, 3, device=device),
        random=random,
    )


def pooled_twice(student, x, lengths):
    """What the module owns, and whether its inputs are as they were."""
    import torch

    pool = student.MaskedMeanPool()
    before, lengths_before = x.clone(), lengths.clone()
    pool(x, lengths)
    unchanged = torch.equal(x, before) and torch.equal(lengths, lengths_before)
    return {"unchanged": unchanged, "parameters": len(list(pool.parameters()))}


@pytest.mark.task("MaskedMeanPool", points=1)
def test_pool_changes_no_input(submission, random):
    """MaskedMeanPool leaves x and lengths as they were, and has nothing to train."""
    seen = submission.probe(pooled_twice, random.normal(3, 4, 2), torch.tensor([4, 0, 2]))
    assert_form(seen, {"unchanged": bool, "parameters": int}, "what was seen of the module")
    if not seen["unchanged"]:
        fail("x or lengths was changed in place: masked_fill makes a new tensor, masked_fill_ not")
    if seen["parameters"]:
        fail(f"expected no parameters, got {seen['parameters']}: a mean has nothing to train")


@pytest.mark.hidden
@pytest.mark.task("MaskedMeanPool", points=1)
def test_pool_of_changing_sizes(submission, device, random):
    """MaskedMeanPool takes sizes that change from call to call, and x in any memory layout."""
    pool = submission.MaskedMeanPool().to(device)
    for b, t, d in [(2, 7, 3), (4, 2, 3), (1, 1, 1), (3, 3, 3), (6, 40, 2)]:
        x = random.normal(b, d, t, device=device).mT
        lengths = random.integers(0, t + 1, b, device=device)
        expected = means_by_hand(x, lengths)
        suspects = suspects_of_pool(x, lengths)
        assert_matches(pool(x, lengths), expected, rtol=1e-4, atol=1e-4, suspects=suspects)


# train_step


def linear_layer(random, inputs=3, outputs=2, device="cpu", dtype=torch.float32):
    """A layer with weights of the check's own."""
    layer = nn.Linear(inputs, outputs, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(random.normal(outputs, inputs))
        layer.bias.copy_(random.normal(outputs))
    return layer.to(device)


def weights_of(model):
    """Copies of a model's parameters."""
    return tuple(parameter.detach().clone() for parameter in model.parameters())


def twin_of(model):
    """A model with the same weights."""
    twin = type(model)(model.in_features, model.out_features, dtype=model.weight.dtype)
    twin.load_state_dict(model.state_dict())
    return twin.to(model.weight.device)


def weights_after(model, make_optimizer, steps, loss_fn=F.mse_loss):
    """Weights of a copy of `model` after steps with lists of (share, x, y)."""
    model = twin_of(model)
    optimizer = make_optimizer(model.parameters())
    for step in steps:
        optimizer.zero_grad()
        total = sum(share * loss_fn(model(x), y) for share, x, y in step)
        total.backward()
        optimizer.step()
    return weights_of(model)


def stale_gradients(model, value):
    """Leave gradients of an earlier step in `.grad`."""
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, value)


@pytest.mark.task("train_step", points=3)
@pytest.mark.trains
@pytest.mark.parametrize("where", ["batch on the CPU", "batch on the device"])
@pytest.mark.parametrize("kind", ["a tuple", "a list"])
def test_one_step(submission, device, random, where, kind):
    """train_step takes one step of the optimizer with the gradient of this batch, and no other."""
    model = linear_layer(random, device=device)
    x, y = random.normal(5, 3), random.normal(5, 2)
    on_device = x.to(device), y.to(device)
    sgd = lambda parameters: torch.optim.SGD(parameters, lr=0.1)  # noqa: E731
    expected = weights_after(model, sgd, [[(1.0, *on_device)]])
    before = weights_of(model)
    stale_gradients(model, 0.5)

    batch = (x, y) if where == "batch on the CPU" else on_device
    batch = list(batch) if kind == "a list" else batch
    submission.train_step(model, batch, F.mse_loss, sgd(model.parameters()), device)

    assert_matches(
        weights_of(model),
        expected,
        what="the weights and the bias after one step",
        suspects={
            "old gradients are still in it: optimizer.zero_grad() before the backward pass": (
                lambda: tuple(w - 0.1 * 0.5 for w in expected)
            ),
            "nothing has changed: is there a backward pass, and a step right after it?": before,
            "only the old gradients were used: clear them before the backward pass, and step after": (
                lambda: tuple(w - 0.1 * 0.5 for w in before)
            ),
            "two steps were taken": (
                lambda: weights_after(twin_with(model, before), sgd, [[(1.0, *on_device)]] * 2)
            ),
            "one step in the wrong direction": (
                lambda: tuple(2 * b - w for b, w in zip(before, expected, strict=True))
            ),
        },
    )


def twin_with(model, weights):
    """A copy of `model` with other weights."""
    twin = twin_of(model)
    with torch.no_grad():
        for parameter, value in zip(twin.parameters(), weights, strict=True):
            parameter.copy_(value)
    return twin


@pytest.mark.task("train_step", points=1)
def test_loss_is_a_number(submission, device, random):
    """train_step returns the loss before the step, as a Python float."""
    model = linear_layer(random, device=device)
    x, y = random.normal(4, 3), random.normal(4, 2)
    with torch.no_grad():
        before = F.mse_loss(model(x.to(device)), y.to(device)).item()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    got = submission.train_step(model, (x, y), F.mse_loss, optimizer, device)
    with torch.no_grad():
        after = F.mse_loss(model(x.to(device)), y.to(device)).item()
    suspects = {
        "this is the loss after the step: return that of the pass that was learned from": after,
        "this is the sum over the batch: return what loss_fn gives": 4 * before,
    }
    assert_matches(got, before, what="the loss", rtol=1e-5, suspects=suspects)


def step_with_scaler(student, x, y, weight, scale, device, enabled, infinite):
    """One step with a scaler (or none, where `scale` is None), and what could be seen of it."""
    import torch
    from torch import nn

    seen = {"dtypes": [], "gradients": [], "scale": None}

    class Watched(nn.Linear):
        def forward(self, x):
            prediction = super().forward(x)
            seen["dtypes"].append(str(prediction.dtype))
            return prediction

    device_type = torch.device(device).type
    model = Watched(weight.shape[1], weight.shape[0], bias=False)
    with torch.no_grad():
        model.weight.copy_(weight)
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler = None
    if scale is not None:
        scaler = torch.amp.GradScaler(
            device_type, init_scale=scale, growth_interval=1, enabled=enabled
        )

    def loss_fn(prediction, target):
        loss = ((prediction.float() - target) ** 2).sum()
        return loss * float("inf") if infinite else loss

    model.weight.register_post_accumulate_grad_hook(
        lambda parameter: seen["gradients"].append(parameter.grad.detach().clone().cpu())
    )
    if scaler is None:
        seen["loss"] = student.train_step(model, (x, y), loss_fn, optimizer, device)
    else:
        seen["loss"] = student.train_step(model, (x, y), loss_fn, optimizer, device, scaler)
        seen["scale"] = scaler.get_scale()
    seen["weight"] = model.weight.detach().cpu()
    return seen


def scaled_step(submission, *arguments):
    """What `step_with_scaler` saw."""
    seen = submission.probe(step_with_scaler, *arguments)
    form = {
        "dtypes": list[str],
        "gradients": list[object],
        "scale": float | None,
        "loss": object,
        "weight": object,
    }
    return assert_form(seen, form, "what was seen of the step")


def small_numbers(random):
    """x, y and weight that 16 bits hold exactly; what one step with lr 0.5 makes of the weight."""
    x, y = random.integers(-2, 3, 4, 3).float(), random.integers(-2, 3, 4, 2).float()
    weight = random.integers(-2, 3, 2, 3).float()
    y[0] = x[0] @ weight.T + 1.0  # no step may be without an effect
    x[0] = torch.tensor([1.0, 2.0, -1.0])
    gradient = 2 * (x @ weight.T - y).T @ x
    loss = ((x @ weight.T - y) ** 2).sum().item()
    return x, y, weight, gradient, loss


@pytest.mark.task(
    "train_step",
    points=1,
    hint="scaler.scale(loss).backward(), then scaler.step(optimizer), then scaler.update()",
)
def test_precision(submission, device, random):
    """The forward pass runs under autocast with a scaler, and in full precision without one."""
    x, y, weight, _, _ = small_numbers(random)
    seen = scaled_step(submission, x, y, weight, None, device, True, False)
    if seen["dtypes"] != ["torch.float32"]:
        fail(
            f"without a scaler: expected one prediction in float32, got {seen['dtypes']}: autocast "
            "belongs to the steps with a scaler (enabled=scaler is not None)"
        )
    seen = scaled_step(submission, x, y, weight, 16.0, device, True, False)
    if len(seen["dtypes"]) != 1 or seen["dtypes"][0] not in HALVES:
        fail(
            f"with a scaler: expected one prediction in 16 bits, got {seen['dtypes']}: call the "
            f"model inside `with torch.autocast({torch.device(device).type!r}):`, the type of the "
            "device that was given"
        )


@pytest.mark.task(
    "train_step",
    points=2,
    hint="scaler.scale(loss).backward(), then scaler.step(optimizer), then scaler.update()",
)
def test_scaler_is_used(submission, device, random):
    """With a scaler the loss is scaled, the step is not, and the scale is brought up to date."""
    x, y, weight, gradient, loss = small_numbers(random)
    seen = scaled_step(submission, x, y, weight, 64.0, device, True, False)
    if len(seen["gradients"]) != 1:
        fail(f"expected one backward pass, got {len(seen['gradients'])}")
    assert_matches(
        seen["gradients"][0],
        64.0 * gradient,
        what="the gradient after the backward pass, with the scale 64",
        rtol=3e-2,
        atol=1.0,
        suspects={"the loss was not scaled: scaler.scale(loss).backward()": gradient},
    )
    assert_matches(
        seen["weight"],
        weight - 0.5 * gradient,
        what="the weight after the step",
        rtol=3e-2,
        atol=0.1,
        suspects={
            "the gradients were still multiplied by the scale: scaler.step(optimizer) divides": (
                lambda: weight - 0.5 * 64 * gradient
            ),
            "there was no step: scaler.step(optimizer)": weight,
            "the gradients were divided by the scale although they were not multiplied by it": (
                lambda: weight - 0.5 * gradient / 64
            ),
            "two steps were taken: scaler.step(optimizer) takes one already": (
                lambda: weight - gradient
            ),
        },
    )
    suspects = {"this is the scaled loss: return the plain one": 64 * loss}
    assert_matches(seen["loss"], loss, what="the loss", rtol=3e-2, suspects=suspects)
    if seen["scale"] != 128.0:
        fail(
            f"this scaler doubles its scale after each good step: expected 128, got "
            f"{seen['scale']:g}; is scaler.update() called, once, at the end?"
        )


@pytest.mark.task("train_step", points=1)
def test_infinite_gradients_are_skipped(submission, device, random):
    """With a scaler, a step with infinite gradients is skipped and the scale gets smaller."""
    x, y, weight, _, _ = small_numbers(random)
    seen = scaled_step(submission, x, y, weight, 64.0, device, True, True)
    assert_matches(
        seen["weight"],
        weight,
        what="the weight after a step with infinite gradients, which should be skipped",
        rtol=0.0,
        atol=0.0,
    )
    if seen["scale"] != 32.0:
        fail(
            f"after a skipped step the scale should be halved: expected 32, got {seen['scale']:g}; "
            "is scaler.update() called?"
        )


@pytest.mark.hidden
@pytest.mark.task("train_step", points=1)
@pytest.mark.trains
def test_steps_in_a_row(submission, device, random):
    """train_step takes any loss and optimizer, several steps, and a scaler that is switched off."""
    model = linear_layer(random, 4, 3, device=device)
    batches = [(random.normal(n, 4), random.integers(0, 3, n)) for n in (3, 1, 6)]
    adam = lambda parameters: torch.optim.AdamW(parameters, lr=0.02, weight_decay=0.1)  # noqa: E731
    steps = [[(1.0, x.to(device), y.to(device))] for x, y in batches]
    expected = weights_after(model, adam, steps, F.cross_entropy)
    optimizer = adam(model.parameters())
    for batch in batches:
        submission.train_step(model, batch, F.cross_entropy, optimizer, torch.device(device), None)
    assert_matches(weights_of(model), expected, what="the weights after three steps")

    x, y, weight, gradient, _ = small_numbers(random)
    seen = scaled_step(submission, x, y, weight, 1024.0, device, False, False)
    what = "the weight after a step with GradScaler(enabled=False)"
    assert_matches(seen["weight"], weight - 0.5 * gradient, what=what, rtol=3e-2, atol=0.1)


# accumulated_step


OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.05),
}


def batches_of(random, sizes, device, inputs=3, outputs=2):
    """Batches (x, y) of these sizes."""
    return [
        (random.normal(n, inputs, device=device), random.normal(n, outputs, device=device))
        for n in sizes
    ]


def together(batches):
    """All samples as one step with one batch."""
    return [(1.0, torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches]))]


def suspects_of_accumulation(model, optimizer, batches, stale):
    """What usual mistakes in accumulating lead to."""
    samples = sum(len(x) for x, _ in batches)
    one = lambda share: [(share(x), x, y) for x, y in batches]  # noqa: E731
    after = lambda *steps: weights_after(model, optimizer, steps)  # noqa: E731
    return {
        "the mean of the batches' means: weigh each batch with its share of all samples": (
            lambda: after(one(lambda x: 1 / len(batches)))
        ),
        "the sum of the batches' means: weigh each batch with its share of all samples": (
            lambda: after(one(lambda x: 1.0))
        ),
        "each mean times its size is a sum over samples: divide by all samples": (
            lambda: after(one(lambda x: len(x)))
        ),
        "each mean is divided by all samples: it has to be multiplied by its own size first": (
            lambda: after(one(lambda x: 1 / samples))
        ),
        "all batches are taken to be as large as the first one": (
            lambda: after(one(lambda x: len(batches[0][0]) / samples))
        ),
        "a step was taken for each batch: step once, after the last one": (
            lambda: after(*([(1.0, x, y)] for x, y in batches))
        ),
        "a step was taken for each batch: step once, after the last": (
            lambda: after(*([(len(x) / samples, x, y)] for x, y in batches))
        ),
        "a step was taken inside the loop: step once, after the last batch": (
            lambda: with_a_step_each(model, optimizer, batches, samples)
        ),
        "only the last batch counts: clear the gradients once, before the first batch": (
            lambda: after(one(lambda x: len(x) / samples)[-1:])
        ),
        "only the last batch counts: call backward for every batch": (
            lambda: after([(1.0, *batches[-1])])
        ),
        "only the first batch counts": lambda: after([(1.0, *batches[0])]),
        "old gradients are in it: clear them before the first batch": (
            lambda: with_stale_gradients(model, optimizer, batches, stale)
        ),
        "nothing has changed: is there a step at the end?": lambda: weights_of(model),
    }


def with_a_step_each(model, make_optimizer, batches, samples):
    """Weights after a step for each batch, with gradients that are cleared once, at the start."""
    twin = twin_of(model)
    optimizer = make_optimizer(twin.parameters())
    for x, y in batches:
        (F.mse_loss(twin(x), y) * len(x) / samples).backward()
        optimizer.step()
    return weights_of(twin)


def with_stale_gradients(model, make_optimizer, batches, stale):
    """Weights after the right step on top of gradients that were not cleared."""
    twin = twin_of(model)
    optimizer = make_optimizer(twin.parameters())
    stale_gradients(twin, stale)
    for share, x, y in together(batches):
        (share * F.mse_loss(twin(x), y)).backward()
    optimizer.step()
    return weights_of(twin)


@pytest.mark.task("accumulated_step", points=3)
@pytest.mark.trains
@pytest.mark.parametrize("sizes", [(3, 1), (4, 1, 2), (2, 2, 2), (5,), (1, 6)], ids=str)
def test_same_as_one_large_batch(submission, device, random, sizes):
    """accumulated_step changes the weights as one step on all samples together would."""
    model = linear_layer(random, device=device)
    batches = batches_of(random, sizes, device)
    sgd = OPTIMIZERS["SGD"]
    expected = weights_after(model, sgd, [together(batches)])
    before = twin_of(model)
    stale_gradients(model, 0.7)
    submission.accumulated_step(model, batches, F.mse_loss, sgd(model.parameters()))
    assert_matches(
        weights_of(model),
        expected,
        what=f"the weights and the bias after batches of {', '.join(map(str, sizes))}",
        suspects=suspects_of_accumulation(before, sgd, batches, 0.7),
    )


@pytest.mark.task("accumulated_step", points=2)
@pytest.mark.trains
@pytest.mark.parametrize("kind", ["momentum", "Adam"])
def test_same_with_optimizers_that_remember(submission, device, random, kind):
    """accumulated_step counts as one step for optimizers with a memory: momentum and Adam."""
    model = linear_layer(random, device=device)
    rounds = [batches_of(random, sizes, device) for sizes in [(3, 1), (1, 1, 5), (2, 4)]]
    expected = weights_after(model, OPTIMIZERS[kind], [together(batches) for batches in rounds])
    one_each = [[(1.0, x, y)] for batches in rounds for x, y in batches]
    plain = [[(1 / len(batches), x, y) for x, y in batches] for batches in rounds]
    total = [[(1.0, x, y) for x, y in batches] for batches in rounds]
    suspects = {
        "a step was taken for each batch: step once, after the last": weights_after(
            model, OPTIMIZERS[kind], one_each
        ),
        "the mean of the batches' means: weigh each batch with its share of all samples": (
            weights_after(model, OPTIMIZERS[kind], plain)
        ),
        "the sum of the batches' means: weigh each batch with its share of all samples": (
            weights_after(model, OPTIMIZERS[kind], total)
        ),
    }
    optimizer = OPTIMIZERS[kind](model.parameters())
    for batches in rounds:
        submission.accumulated_step(model, batches, F.mse_loss, optimizer)
    what = "the weights and the bias after three steps"
    assert_matches(weights_of(model), expected, what=what, rtol=1e-3, atol=1e-4, suspects=suspects)


def steps_and_rows(student, batches):
    """How often the optimizer stepped, and how many rows went through the model at a time."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    model = nn.Linear(batches[0][0].shape[1], batches[0][1].shape[1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = {"steps": 0, "rows": [], "backward": 0}

    def count(name):
        seen[name] += 1

    optimizer.register_step_post_hook(lambda *_: count("steps"))
    model.register_forward_hook(lambda module, inputs, output: seen["rows"].append(len(inputs[0])))
    student.accumulated_step(model, batches, F.mse_loss, optimizer)
    return seen


@pytest.mark.task("accumulated_step", points=1)
def test_one_batch_at_a_time(submission, random):
    """accumulated_step runs the model on one batch at a time, and steps exactly once."""
    sizes = [3, 1, 4]
    seen = submission.probe(steps_and_rows, batches_of(random, sizes, "cpu"))
    assert_form(seen, {"steps": int, "rows": [int, ...], "backward": int})
    if seen["steps"] != 1:
        fail(f"expected one step of the optimizer for {len(sizes)} batches, got {seen['steps']}")
    if any(rows > max(sizes) for rows in seen["rows"]):
        fail(
            f"{max(seen['rows'])} rows went through the model at once, from batches of {sizes}: "
            "together they need not fit into memory, so run the model on one batch at a time"
        )


@pytest.mark.hidden
@pytest.mark.task("accumulated_step", points=1)
@pytest.mark.trains
def test_labels_and_frozen_weights(submission, device, random):
    """accumulated_step takes class labels, many batches of 1, and a frozen bias."""
    model = linear_layer(random, 4, 3, device=device)
    batches = [
        (random.normal(n, 4, device=device), random.integers(0, 3, n, device=device))
        for n in (1, 1, 1, 2, 7, 1)
    ]
    sgd = OPTIMIZERS["SGD"]
    expected = weights_after(model, sgd, [together(batches)], F.cross_entropy)
    bias = model.bias.detach().clone()
    model.bias.requires_grad_(False)
    inputs = [(x.clone(), y.clone()) for x, y in batches]
    optimizer = sgd([model.weight])
    submission.accumulated_step(model, batches, F.cross_entropy, optimizer)
    assert_matches(model.weight.detach(), expected[0], what="the weights")
    assert_matches(model.bias.detach(), bias, what="the frozen bias", rtol=0.0, atol=0.0)
    assert_matches(batches, inputs, what="the batches, which should not change")


# load_anywhere


MAP_LOCATION = "map_location=device reaches all tensors of a file, however deep"


def loaded_by(student, value, saved_on, device, as_text):
    """Save a value as if its tensors were on `saved_on` (None: where they are), and load it."""
    import os
    import tempfile
    from pathlib import Path
    from unittest import mock

    import torch

    path, before = Path("saved.pt"), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            if saved_on is None:
                torch.save(value, path)
            else:
                with mock.patch.object(torch.serialization, "location_tag", return_value=saved_on):
                    torch.save(value, path)
            return student.load_anywhere(str(path) if as_text else path, device)
        finally:
            os.chdir(before)


def checkpoint(random, device="cpu"):
    """What people save: weights by name, numbers, texts, lists and tuples."""
    return {
        "model": OrderedDict(
            [("weight", random.normal(2, 3, device=device)), ("steps", torch.tensor(4).to(device))]
        ),
        "history": [random.normal(2, device=device), (random.integers(0, 9, 3, device=device), 1)],
        "deep": {"er": [[{"x": random.normal(1, device=device).to(torch.bfloat16)}]]},
        "epoch": 3,
        "name": "best",
        "nothing": None,
        "rate": 0.25,
    }


def on_device(value, device):
    """A checkpoint with its tensors on `device`."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: on_device(item, device) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(on_device(item, device) for item in value)
    return value


@pytest.mark.task("load_anywhere", points=2)
@pytest.mark.parametrize("saved_on", ["cuda:0", "cuda:3", "cpu"])
def test_file_from_another_machine(submission, device, random, saved_on):
    """load_anywhere puts every tensor on the device, also from a card that is not there."""
    value = checkpoint(random)
    got = submission.probe(loaded_by, value, saved_on, device, True)
    require_moved(got, value, device, "file", MAP_LOCATION)


@pytest.mark.task("load_anywhere", points=1)
def test_from_the_device_to_the_cpu(submission, device, random):
    """load_anywhere brings what was saved on the device to the CPU, however deep it is."""
    value = checkpoint(random)
    got = submission.probe(loaded_by, on_device(value, device), None, "cpu", False)
    require_moved(got, value, "cpu", "file", MAP_LOCATION)


@pytest.mark.task("load_anywhere", points=1)
def test_weights_load_into_a_model(submission, device, random):
    """Weights that load_anywhere gives go into a model on the device."""
    weights = linear_layer(random).state_dict()
    got = submission.probe(loaded_by, weights, "cuda:1", torch.device(device), False)
    require_moved(got, weights, device, "weights", MAP_LOCATION)


def loads_a_program(student, device):
    """Load a file that makes a folder when it is unpickled; did it raise, and did it run?"""
    import os
    import tempfile
    from pathlib import Path

    import torch

    class Program:
        def __init__(self, path):
            self.path = path

        def __reduce__(self):
            return os.mkdir, (self.path,)

    with tempfile.TemporaryDirectory() as folder:
        path, trace = Path(folder, "saved.pt"), Path(folder, "trace")
        torch.save({"weights": torch.ones(2), "more": [Program(str(trace))]}, path)
        raised = False
        try:
            student.load_anywhere(path, device)
        except NotImplementedError:
            raise
        except Exception:
            raised = True
        return {"raised": raised, "ran": trace.exists()}


@pytest.mark.task("load_anywhere", points=2)
def test_program_in_a_file_does_not_run(submission, device):
    """load_anywhere raises for a file that holds more than data, and runs nothing of it."""
    seen = submission.probe(loads_a_program, device)
    assert_form(seen, {"raised": bool, "ran": bool}, "what was seen of the load")
    if seen["ran"]:
        fail(
            "a program that was hidden in the file has run (it made a folder; it could have deleted "
            "one): load with weights_only=True, and do not try again without it"
        )
    if not seen["raised"]:
        fail("a file with a program in it was loaded without an error: let torch.load's error out")


@pytest.mark.hidden
@pytest.mark.task("load_anywhere", points=1)
def test_unusual_files(submission, device, random):
    """load_anywhere takes a bare tensor, empty containers, and views of one memory."""
    whole = random.normal(4, 3)
    for value in (whole, [], {}, (), [whole[1:], whole.T], {1: (torch.empty(0, 2), [True])}):
        got = submission.probe(loaded_by, value, "cuda:2", device, True)
        require_moved(got, value, device, "file", MAP_LOCATION)


# measure


def measured(student, device, earlier, work, card):
    """Run `measure` beside a pretended clock and pretended queues of two cards; what it gave.

    Card number `card` has `earlier` seconds in its queue; `work` = (seconds on the CPU, seconds on
    that card). All clocks of Python show the pretended time.
    """
    import contextlib
    import inspect
    import time
    import timeit
    from unittest import mock

    import torch

    at = {"wall": 100.0, "processor": 10.0}
    queue = {0: at["wall"], 1: at["wall"]}  # card -> when its queue is empty
    queue[card] += earlier
    current = [0]
    seen = {"calls": 0, "waits": []}

    def index_of(place):
        if place is None:
            return current[0]
        found = place if isinstance(place, int) else torch.device(place).index
        return current[0] if found is None else found

    def wait(place=None):
        seen["waits"].append(seen["calls"])
        at["wall"] = max(at["wall"], queue[index_of(place)])

    def fn():
        seen["calls"] += 1
        at["wall"] += work[0]
        at["processor"] += work[0] / 4
        queue[card] = max(queue[card], at["wall"]) + work[1]
        return torch.zeros(2)

    class Stream:
        def __init__(self, place=None, **kwargs):
            self.place = index_of(place)

        def synchronize(self):
            wait(self.place)

        def record_event(self, event=None):
            event = event or Event()
            event.record(self)
            return event

    class Event:
        def __init__(self, *args, **kwargs):
            self.at, self.place = None, None

        def record(self, stream=None):
            self.place = index_of(None) if stream is None else stream.place
            self.at = max(at["wall"], queue[self.place])

        def synchronize(self):
            seen["waits"].append(seen["calls"])
            at["wall"] = max(at["wall"], self.at)

        def query(self):
            return self.at <= at["wall"]

        def elapsed_time(self, other):
            if not (self.query() and other.query()):
                raise RuntimeError("Both events must be completed before calculating elapsed time.")
            return 1000.0 * (other.at - self.at)

    @contextlib.contextmanager
    def chosen(place=None):
        before = current[0]
        set_device(place)
        yield
        current[0] = before

    def set_device(place):
        current[0] = index_of(place)

    clocks = {
        **dict.fromkeys(("perf_counter", "time", "monotonic"), lambda: at["wall"]),
        **dict.fromkeys(
            ("perf_counter_ns", "time_ns", "monotonic_ns"), lambda: round(1e9 * at["wall"])
        ),
        **dict.fromkeys(("process_time", "thread_time"), lambda: at["processor"]),
        **dict.fromkeys(
            ("process_time_ns", "thread_time_ns"), lambda: round(1e9 * at["processor"])
        ),
    }
    replaced = {getattr(time, name): clock for name, clock in clocks.items() if hasattr(time, name)}
    cuda = {
        "synchronize": wait,
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "current_device": lambda: current[0],
        "set_device": set_device,
        "device": chosen,
        "Event": Event,
        "Stream": Stream,
        "current_stream": Stream,
        "default_stream": Stream,
    }
    accelerator = {
        "synchronize": wait,
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "current_accelerator": lambda *args, **kwargs: torch.device("cuda"),
    }
    theirs = inspect.unwrap(student.measure).__globals__
    with contextlib.ExitStack() as pretended:
        for name, clock in clocks.items():
            if hasattr(time, name):
                pretended.enter_context(mock.patch.object(time, name, clock))
        for module, names in (
            (torch.cuda, cuda),
            (getattr(torch, "accelerator", torch.cuda), accelerator),  # from torch 2.6 on
        ):
            for name in names.keys() & vars(module).keys():
                value = names[name]
                pretended.enter_context(mock.patch.object(module, name, value))
        named = {
            name: replaced[value]
            for name, value in theirs.items()
            if getattr(value, "__module__", None) == "time" and value in replaced
        }
        pretended.enter_context(mock.patch.dict(theirs, named))
        for timed in (timeit.timeit, timeit.Timer.__init__):
            swapped = tuple(
                clocks["perf_counter"] if callable(value) else value for value in timed.__defaults__
            )
            pretended.enter_context(mock.patch.object(timed, "__defaults__", swapped))
        seen["seconds"] = student.measure(fn, device)
    return seen


def require_one_call(seen):
    """`fn` was called once."""
    form = {"calls": int, "waits": list[int], "seconds": object}
    assert_form(seen, form, "what was seen of the call")
    if seen["calls"] != 1:
        fail(f"expected one call of fn, got {seen['calls']}")


@pytest.mark.task("measure", points=2)
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_card_is_waited_for(submission, name):
    """On CUDA, measure waits for the card before the clock starts and before it stops."""
    seen = submission.probe(measured, name, 4.0, (0.5, 2.0), 0)
    require_one_call(seen)
    by_events = 2.0  # CUDA's own events see the work of the card alone
    waited = "after the call" if 0 in seen["waits"] else "at all"
    if isinstance(seen["seconds"], float) and abs(seen["seconds"] - by_events) < 1e-3:
        return
    assert_matches(
        seen["seconds"],
        2.5,
        what="seconds of a call that takes 0.5 s on the CPU, then 2 s on a card with 4 s of earlier "
        "work in its queue",
        rtol=1e-4,
        suspects={
            f"the card was not waited for {waited}: only the CPU's part was measured": 0.5,
            "the earlier work was measured too: wait before the clock starts as well": 6.0,
            "the clock started before the first wait: wait, then look at the clock": 6.5,
            "the sign is turned round: end minus start": -2.5,
            "these are milliseconds: divide by 1000": 2500.0,
            "these are milliseconds of the card: divide by 1000": 2000.0,
            "these are nanoseconds: divide by 1e9": 2.5e9,
            "this clock counts the processor's work, not the time that passes": 0.125,
        },
    )


@pytest.mark.task("measure", points=1)
def test_right_card_is_waited_for(submission):
    """With several cards, measure waits for the one that it is given, not for the current one."""
    for name in ("cuda:1", torch.device("cuda:1")):
        seen = submission.probe(measured, name, 4.0, (0.5, 2.0), 1)
        require_one_call(seen)
        if isinstance(seen["seconds"], float) and abs(seen["seconds"] - 2.0) < 1e-3:
            continue  # CUDA's own events see the work of the card alone
        suspects = {
            "cuda:1 was not waited for: torch.cuda.synchronize(device) takes the device": 0.5,
            "the earlier work was measured too: wait for cuda:1 before the clock starts": 6.0,
        }
        what = "seconds of a call with 0.5 s on the CPU and 2 s on cuda:1 (cuda:0 is current)"
        assert_matches(seen["seconds"], 2.5, what=what, rtol=1e-4, suspects=suspects)


@pytest.mark.task("measure", points=2)
@pytest.mark.parametrize("as_text", [True, False], ids=["text", "torch.device"])
def test_cpu_is_not_waited_for(submission, as_text):
    """On the CPU, measure gives the seconds of the call and never synchronises."""
    device = "cpu" if as_text else torch.device("cpu")
    seen = submission.probe(measured, device, 4.0, (3.0, 0.0), 0)
    require_one_call(seen)
    if seen["waits"]:
        fail(
            "the CPU was asked for, and a card was waited for: without CUDA that raises an error. "
            "Ask torch.device(device).type, not torch.cuda.is_available()"
        )
    suspects = {
        "this clock counts the processor's work, not the time that passes": 0.75,
        "these are milliseconds": 3000.0,
        "these are nanoseconds: divide by 1e9": 3e9,
        "this is the clock, not the difference of two looks at it": 103.0,
        "the sign is turned round: end minus start": -3.0,
    }
    what = "seconds of a call that takes 3 s"
    assert_matches(seen["seconds"], 3.0, what=what, rtol=1e-4, suspects=suspects)


@pytest.mark.task("measure", points=1)
def test_real_work_is_measured(submission, device, random):
    """measure calls fn once, without arguments, and gives a float of at least 0."""
    x = random.normal(8, 8, device=device)
    calls = []
    got = submission.measure(lambda: calls.append(float((x @ x).sum())), device)
    if len(calls) != 1:
        fail(f"expected one call of fn, got {len(calls)}")
    if not isinstance(got, float) or not got >= 0.0:
        fail(f"expected a float of at least 0, got {got!r}")


# replicate_forward


def small_network(random):
    """A network in eval mode whose BatchNorm has seen other data."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.5))
    model.append(nn.Linear(4, 2))
    with torch.no_grad():
        for tensor in (*model.parameters(), model[1].running_mean):
            tensor.copy_(random.normal(*tensor.shape))
        model[1].running_var.copy_(random.uniform(4, low=0.5, high=2.0))
    return model.eval()


def devices_of(device, count):
    """So many devices: the CPU again and again, or the cards in turn."""
    if device == "cpu":
        return ["cpu"] * count
    cards = torch.cuda.device_count()
    return [f"cuda:{number % cards}" for number in range(count)]


def suspects_of_replicas(expected, count):
    """What usual mistakes in scattering and gathering lead to."""
    rows = len(expected)
    size = rows // count
    parts = expected.tensor_split(count)
    return {
        "the rows that are left over by the division are lost": expected[: size * count],
        "only the part of the first device came back: join all of them": parts[0],
        "only the part of the last device came back: join all of them": parts[-1],
        "every device got all rows: cut x into parts": torch.cat([expected] * count),
        "the parts were joined in another order": torch.cat(parts[::-1]),
        "the parts took turns: cut x into blocks of rows, in order": torch.cat(
            [expected[number::count] for number in range(count)]
        ),
        "the parts were added up: join them with torch.cat": sum(parts)
        if size * count == rows
        else 0,
    }


def check_replicas(submission, model, x, devices):
    """Compare with the model itself."""
    with torch.no_grad():
        expected = model(x).to(devices[0])
    got = submission.replicate_forward(model, x, devices)
    if isinstance(got, torch.Tensor) and got.device != expected.device:
        fail(f"expected the result on the first device, {expected.device}, got it on {got.device}")
    what = f"the result of {len(x)} rows on {', '.join(map(str, devices))}"
    suspects = suspects_of_replicas(expected, len(devices))
    # cards may round the products of a convolution to ten bits (TF32)
    assert_matches(got, expected, what=what, rtol=1e-3, atol=5e-3, suspects=suspects)


@pytest.mark.task("replicate_forward", points=2)
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("rows", [6, 7])
def test_same_as_the_model_alone(submission, device, random, rows, count):
    """replicate_forward gives what the model gives, rows in order, on the first device."""
    model = small_network(random)
    check_replicas(submission, model, random.normal(rows, 3), devices_of(device, count))


@pytest.mark.task("replicate_forward", points=1)
@pytest.mark.parametrize("rows", [0, 1, 2, 4])
def test_any_number_of_rows(submission, device, random, rows):
    """replicate_forward takes no rows at all, and fewer rows than devices."""
    model = small_network(random)
    check_replicas(submission, model, random.normal(rows, 3), devices_of(device, 3))


def work_of_replicas(student, weight, x, devices):
    """Where the parts were worked on, and what became of the model and of x."""
    import torch
    from torch import nn

    seen = {"parts": [], "modes": []}

    class Watched(nn.Linear):
        def forward(self, x):
            seen["parts"].append([str(x.device), len(x)])
            seen["modes"].append(self.training)
            return super().forward(x)

    layer = Watched(weight.shape[1], weight.shape[0], bias=False)
    with torch.no_grad():
        layer.weight.copy_(weight)
    model = nn.Sequential(layer, nn.BatchNorm1d(weight.shape[0])).eval()
    objects = [*model.parameters(), *model.buffers()]
    before = [tensor.detach().clone() for tensor in objects]
    x_before = x.clone()
    result = student.replicate_forward(model, x, devices)

    after = [*model.parameters(), *model.buffers()]
    seen["places"] = sorted({tensor.device.type for tensor in after})
    seen["same objects"] = all(a is b for a, b in zip(objects, after, strict=True))
    seen["same values"] = seen["places"] == ["cpu"] and all(
        torch.equal(a, b) for a, b in zip(after, before, strict=True)
    )
    seen["requires grad"] = all(parameter.requires_grad for parameter in model.parameters())
    seen["training"] = any(module.training for module in model.modules())
    seen["x"] = torch.equal(x, x_before)
    seen["on"] = str(getattr(result, "device", None))
    return seen


def work_seen(submission, weight, x, devices):
    """What `work_of_replicas` saw."""
    seen = submission.probe(work_of_replicas, weight, x, devices)
    flags = ("same objects", "same values", "requires grad", "training", "x")
    form = {
        "parts": list[[str, int]],
        "modes": list[bool],
        "places": [str, ...],
        "on": str,
        **dict.fromkeys(flags, bool),
    }
    return assert_form(seen, form, "what was seen of the work")


@pytest.mark.task("replicate_forward", points=2)
def test_every_device_gets_its_part(submission, device, random):
    """Every row is worked on once, and every device works on a part of the rows."""
    devices = devices_of(device, 2)
    x, weight = random.normal(6, 3), random.normal(2, 3)
    seen = work_seen(submission, weight, x, devices)
    parts = [(str(torch.device(place)), rows) for place, rows in seen["parts"] if rows]
    shown = ", ".join(f"{rows} on {place}" for place, rows in parts) or "none"
    if not parts or sum(rows for _, rows in parts) != 6:
        fail(f"expected each of 6 rows to be worked on once, got rows: {shown}")
    if any(rows == 6 for _, rows in parts):
        fail(f"expected 6 rows to be shared by {', '.join(devices)}, got rows: {shown}")
    idle = {place for place in devices if place not in {p for p, _ in parts}}
    if idle:
        fail(f"{', '.join(sorted(idle))} had nothing to do, got rows: {shown}")


@pytest.mark.task("replicate_forward", points=2)
@pytest.mark.parametrize("elsewhere", ["device", "meta"])
def test_model_stays_where_it_is(submission, device, random, elsewhere):
    """replicate_forward leaves the model where and as it was: it is copied, not moved."""
    devices = ["meta", "meta"] if elsewhere == "meta" else devices_of(device, 2)
    x, weight = random.normal(5, 3), random.normal(2, 3)
    seen = work_seen(submission, weight, x, devices)
    if seen["places"] != ["cpu"]:
        fail(
            f"the model was on the CPU, and is on {', '.join(seen['places'])} now: model.to(device) "
            "moves the model itself, so move a copy (copy.deepcopy)"
        )
    if not seen["same objects"] or not seen["same values"] or not seen["requires grad"]:
        fail("the parameters or buffers of the model have changed: work on a copy of it")
    if seen["training"]:
        fail("the model is in training mode now; it was in eval mode")
    if not seen["x"]:
        fail("x was changed in place")
    expected = torch.empty(0, device=devices[0]).device
    if seen["on"] != str(expected):
        fail(f"expected the result on the first device, {expected}, got it on {seen['on']}")


@pytest.mark.hidden
@pytest.mark.task("replicate_forward", points=1)
def test_pictures_and_other_devices(submission, device, random):
    """replicate_forward takes pictures, torch.device objects, and a model that is on the device."""
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2)).to(device).eval()
    for rows in (5, 8, 1):
        x = random.normal(rows, 2, 6, 5, device=device)
        devices = [torch.device(name) for name in (device, *devices_of(device, 3))]
        check_replicas(submission, model, x, devices)
    if device != "cpu":
        check_replicas(submission, model, x, [device, "cpu"])
        check_replicas(submission, model, x, ["cpu", device])
