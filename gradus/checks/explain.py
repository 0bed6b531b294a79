"""Guesses at why a value is wrong: what usually leads from one shape, or one set of values, to another."""

from collections.abc import Callable
from typing import Any

import torch

from gradus.submission.describe import number_text


def inside(part: Callable[[Any], Any], key: Any) -> Callable[[Any], Any]:
    """How to get from a whole suspect to the item at `key` of one of its parts."""
    return lambda suspect: part(suspect)[key]


def same_as(got: Any) -> Callable[[Any], bool]:
    return lambda suspect: bool(suspect == got)


def equal_values(suspect: Any, got: torch.Tensor) -> bool:
    if not isinstance(suspect, torch.Tensor) or suspect.shape != got.shape:
        return False
    got, suspect = got.to(torch.float64), suspect.detach().cpu().to(torch.float64)
    return torch.allclose(got, suspect, rtol=1e-3, atol=1e-5, equal_nan=True)


def shape_note(got: torch.Size, want: torch.Size) -> str:
    """What usually leads from one shape to the other."""
    squeezed = [size for size in want if size != 1]
    if len(got) < len(want) and [size for size in got if size != 1] == squeezed:
        return "an axis of size 1 is gone: squeeze() without a dim, or keepdim left out"
    if len(got) > len(want) and [size for size in got if size != 1] == squeezed:
        return "an axis of size 1 too many: keepdim or unsqueeze left over"
    if len(got) == len(want) and sorted(got) == sorted(want):
        return "the axes are in another order"
    if len(want) == 1 and len(got) == 2 and got[-1] == got[-2] == want[-1]:
        return "(n, 1) and (n,) broadcast to (n, n): give both the same shape first"
    return ""


def values_note(got: torch.Tensor, want: torch.Tensor) -> str:
    """What usually leads from some values to others of the same shape."""
    if not got.is_floating_point():
        return ""
    if bool((got.isnan() & ~want.isnan()).any()):
        return "NaN comes from 0/0, inf - inf, log of a negative number or sqrt's slope at 0"
    return constant_factor(got, want)


def constant_factor(got: torch.Tensor, want: torch.Tensor) -> str:
    """`your values are 4 times the expected ones`, where one factor explains them all."""
    got, want = got.double().flatten(), want.double().flatten()
    firm = want.abs() > 1e-6 * want.abs().max()
    if bool((got[~firm].abs() > 1e-6 * got.abs().max()).any()):
        return ""
    if not bool(firm.any()) or int(firm.sum()) < 2 or not bool(got.isfinite().all()):
        return ""
    ratios = got[firm] / want[firm]
    factor = float(ratios.median())
    if abs(factor) < 1e-3 or not torch.allclose(ratios, ratios.median(), rtol=1e-3, atol=0.0):
        return ""
    if abs(factor - 1) < 1e-3:
        return (
            "almost equal: was it computed in a lower precision, or a small number (an eps) added?"
        )
    if abs(factor + 1) < 1e-3:
        return "the sign is turned round: every value is -1 times the expected one"
    return f"every value is {number_text(round(factor, 4))} times the expected one"
