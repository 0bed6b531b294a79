"""Assertions about what a value is, for checks that know no exact value: a tensor, a number, a list of so many.

Whatever a submission returns may be an object of its own that answers `>`, `abs` or `.max()` as it likes, or a
NaN, for which no comparison is true. A check compares only after it has learnt what it holds.
"""

import math
import types
from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from gradus.checks.outcomes import Mismatch
from gradus.submission.describe import dtype_text, number_text, shape_text, with_article

Kind = TypeVar("Kind")
_NAMES = {
    bool: "True or False",
    int: "a Python int",
    float: "a Python float",
    str: "a text",
    torch.Tensor: "a tensor",
    torch.nn.Module: "a network (an nn.Module)",
}


def assert_tensor(
    got: Any,
    what: str = "the result",
    *,
    shape: Sequence[int | None] | None = None,
    dtype: torch.dtype | None = None,
    device: str | torch.device | None = None,
    finite: bool = True,
) -> torch.Tensor:
    """Assert that `got` is a plain tensor, and return it.

    Args:
        got: Whatever the student's code returned.
        what: What it is, for the message.
        shape: Its shape; None in it stands for any length.
        dtype: Its dtype.
        device: Where it is; only the kind counts, not the number.
        finite: Whether NaN and infinity are refused. Where they are not, no comparison may pass on a NaN.

    Raises:
        Mismatch: The first thing that is not so.
    """
    __tracebackhide__ = True
    if type(got) not in (torch.Tensor, torch.nn.Parameter):
        wanted = f"a tensor {_shape_text(shape)}" if shape is not None else "a tensor"
        note = "did you forget to return it?" if got is None else ""
        raise _mismatch(what, wanted, with_article(got), note)
    if shape is not None and not _fits(got.shape, shape):
        raise _mismatch(what, f"shape {_shape_text(shape)}", shape_text(got.shape))
    if dtype is not None and got.dtype != dtype:
        raise _mismatch(what, dtype_text(dtype), dtype_text(got.dtype))
    if device is not None and got.device.type != torch.device(device).type:
        raise _mismatch(what, f"a tensor on {device}", f"one on {got.device}")
    if finite and not bool(got.isfinite().all()):
        raise _mismatch(what, "finite numbers", "NaN" if bool(got.isnan().any()) else "infinity")
    return got  # type: ignore[no-any-return]


def assert_number(
    got: Any, what: str = "the result", *, whole: bool = False, finite: bool = True
) -> float:
    """Assert that `got` is a Python number (`whole`: an int), and return it.

    Raises:
        Mismatch: If it is not, or if it is NaN or infinite and has to be `finite`.
    """
    __tracebackhide__ = True
    wanted = int if whole else float | int
    if isinstance(got, bool) or not isinstance(got, wanted):
        note = "call .item() to turn it into a number" if isinstance(got, torch.Tensor) else ""
        raise _mismatch(what, _NAMES[int] if whole else "a Python number", with_article(got), note)
    if finite and not math.isfinite(got):
        raise _mismatch(what, "a finite number", number_text(float(got)))
    return got


def assert_items(
    got: Any,
    kind: type[Kind],
    count: int | None = None,
    what: str = "the result",
    *,
    of: type | None = None,
) -> Kind:
    """Assert that `got` is a list, tuple or dict of `count` items, all of one kind, and return it.

    Args:
        got: Whatever the student's code returned.
        kind: `list`, `tuple`, `dict` or `set`.
        count: How many items; None: any number, one that the check looks at itself.
        what: What it is, for the message.
        of: What each item (of a dict: each value) is: `int`, `float` (finite), `str`, `bool`, `torch.Tensor`
            (finite) or `nn.Module`. Left out, the items are still unchecked.

    Raises:
        Mismatch: The first thing that is not so.
    """
    __tracebackhide__ = True
    if not isinstance(got, kind):
        so_many = "" if count is None else f" of {count}"
        raise _mismatch(what, f"a {_kind_text(kind)}{so_many}", with_article(got))
    held: Any = got
    if count is not None and len(held) != count:
        raise _mismatch(what, f"{count} items", str(len(held)))
    if of is not None:
        pairs = held.items() if isinstance(held, dict) else enumerate(held)
        for place, item in pairs:
            name = f"{place!r}" if isinstance(held, dict) else f"item {place}"
            _assert_item(item, of, _part(name, what))
    return got


def assert_length(got: Any, count: int, what: str = "the result") -> None:
    """Assert that an object of the student's own (a dataset, a sampler) says that it holds `count` items.

    Raises:
        Mismatch: If it has another length, or none.
    """
    __tracebackhide__ = True
    if not hasattr(type(got), "__len__"):
        raise _mismatch(what, f"something with a len() of {count}", with_article(got))
    length = len(got)  # an int: Python insists, and so does the wall
    if length != count:
        note = "off by one" if abs(length - count) == 1 else ""
        raise _mismatch(what, f"a len() of {count}", str(length), note)


def assert_kind(got: Any, kind: type[Kind], what: str = "the result") -> Kind:
    """Assert that `got` is a `kind` (`bool`, `str`, `nn.Module`, a type of torch's), and return it.

    Raises:
        Mismatch: If it is not.
    """
    __tracebackhide__ = True
    if not isinstance(got, kind):
        raise _mismatch(what, _NAMES.get(kind, f"a {_kind_text(kind)}"), with_article(got))
    return got


def _assert_item(item: Any, kind: type, what: str) -> None:
    __tracebackhide__ = True
    if kind is torch.Tensor:
        assert_tensor(item, what)
    elif kind in (int, float):
        assert_number(item, what, whole=kind is int)
    else:
        assert_kind(item, kind, what)


def _mismatch(what: str, expected: str, got: str, *notes: str) -> Mismatch:
    return Mismatch(("" if what == "the result" else f"{what}: ") + expected, got, *notes)


def _fits(shape: torch.Size, wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(
        length in (None, size) for size, length in zip(shape, wanted, strict=True)
    )


def _shape_text(shape: Sequence[int | None]) -> str:
    return shape_text(["any" if length is None else length for length in shape]).replace("'", "")


def assert_form(got: Any, form: Any, what: str = "the result") -> Any:
    """Assert that data have a form, all the way down, and return them: for what a probe tells.

    Args:
        got: Whatever came back.
        form: A kind (`bool`, `int`, `float`, `str`, `torch.Tensor`, ...; numbers and tensors must be finite),
            several (`int | None`), a tuple, list or dict of forms, `[form, ...]` for a list of at
            least one, `{str: form}` for a dict of at least one, `list[form]` for a list of any number, none
            included, or `object` for what the check looks at later.
        what: What it is, for the message.

    Raises:
        Mismatch: The first thing that is not so.
    """
    __tracebackhide__ = True
    if form is object:
        return got
    if isinstance(form, dict):
        assert_items(got, dict, what=what)
        if set(form) == {str}:
            if not got:
                raise _mismatch(what, "a dict of at least one", "none")
            form = dict.fromkeys(got, form[str])
        if set(got) != set(form):
            raise _mismatch(what, f"the keys {sorted(map(str, form))}", f"{sorted(map(str, got))}")
        for key, part in form.items():
            assert_form(got[key], part, _part(repr(key), what))
    elif isinstance(form, list | tuple):
        any_number = len(form) == 2 and form[1] is ...
        assert_items(got, type(form), None if any_number else len(form), what)
        if any_number and not got:
            raise _mismatch(what, f"a {type(form).__name__} of at least one", "none")
        forms = [form[0]] * len(got) if any_number else form
        for place, (item, part) in enumerate(zip(got, forms, strict=True)):
            assert_form(item, part, _part(f"item {place}", what))
    elif isinstance(form, types.GenericAlias):
        (part,) = form.__args__
        kind: Any = form.__origin__
        assert_items(got, kind, what=what)
        for place, item in enumerate(got):
            assert_form(item, part, _part(f"item {place}", what))
    elif form is None:
        if got is not None:
            raise _mismatch(what, "None", with_article(got))
    elif isinstance(form, types.UnionType):
        kinds = [kind for kind in form.__args__ if isinstance(got, kind)]
        if not kinds:
            raise _mismatch(what, str(form), with_article(got))
        _assert_item(got, kinds[0], what)
    else:
        _assert_item(got, form, what)
    return got


def _kind_text(kind: Any) -> str:
    """`list`, or `list | tuple`."""
    return str(getattr(kind, "__name__", kind))


def _part(name: str, what: str) -> str:
    return name if what == "the result" else f"{name} of {what}"
