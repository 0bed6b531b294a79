"""One assertion for results: type, shape, dtype, device, requires_grad, values, in this order.

It tells the first that is wrong, in words a student knows, and where it can, why.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from gradus.checks.closeness import close, tolerances
from gradus.checks.explain import equal_values, inside, same_as, shape_note, values_note
from gradus.checks.outcomes import DETACHED, Mismatch
from gradus.simulated_gpu.active import made_at
from gradus.submission.describe import (
    SMALL,
    describe,
    dtype_text,
    number_text,
    numbers_apart,
    shape_text,
    values_text,
    with_article,
)

Suspects = Mapping[str, Any]


def assert_matches(
    got: Any,
    expected: Any,
    *,
    what: str = "the result",
    rtol: float | None = None,
    atol: float | None = None,
    requires_grad: bool | None = None,
    suspects: Suspects | None = None,
) -> None:
    """Assert that `got` is what was expected, and tell the first thing that is not.

    Args:
        got: Whatever the student's code returned.
        expected: A tensor, array, number, text, truth value or None, or tuples, lists and dicts of them.
        what: What `got` is, for the message.
        rtol: Relative tolerance; with `atol` it defaults to that of the expected dtype (`TOLERANCES`).
        atol: Absolute tolerance.
        requires_grad: True: a gradient must flow through the result. False: it must be detached.
        suspects: What the student probably did -> the value (or a function giving the value) that this
            mistake leads to. Where `got` is that value, or has its wrong shape, the message says so.

    Raises:
        Mismatch: The first difference.
    """
    __tracebackhide__ = True
    compare = _Comparison(rtol, atol, requires_grad, suspects or {}, got)
    compare.values(got, expected, what, lambda suspect: suspect)


class _Comparison:
    """One call of `assert_matches`: its settings, and a walk down two nested values side by side."""

    def __init__(
        self,
        rtol: float | None,
        atol: float | None,
        requires_grad: bool | None,
        suspects: Suspects,
        whole: Any,
    ) -> None:
        self.rtol, self.atol = rtol, atol
        self.requires_grad = requires_grad
        self.suspects, self.whole = suspects, whole

    def values(self, got: Any, want: Any, what: str, part: Callable[[Any], Any]) -> None:
        __tracebackhide__ = True
        if isinstance(want, torch.Tensor):
            self.tensors(got, want, what, part)
        elif isinstance(want, tuple | list | dict):
            self.containers(got, want, what, part)
        elif isinstance(want, float) or (isinstance(want, int) and not isinstance(want, bool)):
            self.numbers(got, want, what, part)
        elif type(want).__module__ == "numpy" and hasattr(want, "shape"):
            self.arrays(got, want, what, part)
        elif type(got) is not type(want):
            raise self.mismatch(what, with_article(want), with_article(got))
        elif got != want:
            raise self.mismatch(
                what, describe(want), describe(got), self.explain(same_as(got), part)
            )

    def mismatch(self, what: str, expected: str, got: str, *notes: str) -> Mismatch:
        of = "" if what == "the result" else f"{what}: "
        return Mismatch(of + expected, got, *notes)

    def containers(self, got: Any, want: Any, what: str, part: Callable[[Any], Any]) -> None:
        __tracebackhide__ = True
        right_kind = (
            isinstance(got, type(want)) if not isinstance(want, list) else type(got) is list
        )
        if not right_kind:
            note = ""
            if isinstance(want, tuple) and isinstance(got, list):
                note = "a list in place of a tuple: wrap it in tuple(...)"
            raise self.mismatch(
                what, f"a {type(want).__name__} of {len(want)}", with_article(got), note
            )
        if isinstance(want, dict):
            if set(got) != set(want):
                raise self.mismatch(
                    what, f"the keys {sorted(map(str, want))}", f"{sorted(map(str, got))}"
                )
            keys: Any = list(want)
        else:
            if len(got) != len(want):
                raise self.mismatch(
                    what,
                    f"{len(want)} items",
                    str(len(got)),
                    self.explain(
                        lambda s: isinstance(s, tuple | list) and len(s) == len(got), part
                    ),
                )
            keys = range(len(want))
        for key in keys:
            name = f"{key!r} of {what}" if isinstance(want, dict) else f"item {key} of {what}"
            self.values(got[key], want[key], name, inside(part, key))

    def numbers(self, got: Any, want: float, what: str, part: Callable[[Any], Any]) -> None:
        __tracebackhide__ = True
        kind = "a Python number" if isinstance(want, float) else "a Python int"
        if isinstance(got, bool) or not isinstance(got, float | int):
            note = "call .item() to turn it into a number" if isinstance(got, torch.Tensor) else ""
            raise self.mismatch(what, kind, with_article(got), note)
        if isinstance(want, int) and isinstance(got, float):
            raise self.mismatch(what, f"the int {want}", f"the float {number_text(got)}")
        dtype = torch.float64 if isinstance(want, float) else torch.int64
        rtol, atol = tolerances(dtype, self.rtol, self.atol)
        if not (math.isclose(got, want, rel_tol=rtol, abs_tol=atol) or got == want):
            close = lambda s: isinstance(s, float | int) and math.isclose(got, s, rel_tol=1e-4)  # noqa: E731
            raise self.mismatch(what, *numbers_apart(want, got), self.explain(close, part))

    def arrays(self, got: Any, want: Any, what: str, part: Callable[[Any], Any]) -> None:
        __tracebackhide__ = True
        if type(got) is not type(want):
            raise self.mismatch(what, f"a {describe(want)}", with_article(got))
        self.tensors(torch.as_tensor(got), torch.as_tensor(want), what, part)

    def tensors(self, got: Any, want: torch.Tensor, what: str, part: Callable[[Any], Any]) -> None:
        __tracebackhide__ = True
        if type(got) not in (torch.Tensor, torch.nn.Parameter):
            if isinstance(got, torch.Tensor):
                raise self.mismatch(
                    what, "a plain torch.Tensor", f"the subclass {type(got).__name__}"
                )
            note = "did you forget to return it?" if got is None else ""
            raise self.mismatch(what, with_article(want), with_article(got), note)
        if got.shape != want.shape:
            same_shape = lambda s: isinstance(s, torch.Tensor) and s.shape == got.shape  # noqa: E731
            raise self.mismatch(
                what,
                f"shape {shape_text(want.shape)}",
                shape_text(got.shape),
                self.explain(same_shape, part) or shape_note(got.shape, want.shape),
            )
        if got.dtype != want.dtype:
            same_dtype = lambda s: isinstance(s, torch.Tensor) and s.dtype == got.dtype  # noqa: E731
            raise self.mismatch(
                what, dtype_text(want.dtype), dtype_text(got.dtype), self.explain(same_dtype, part)
            )
        if got.device != want.device:
            raise self.mismatch(
                what,
                f"a tensor on {want.device}",
                f"one on {got.device}",
                f"it was made at {made}" if (made := made_at(got)) else "",
                "make new tensors with device=x.device, and move others with .to(device)",
            )
        self.gradient_flow(got, what)
        self.elements(got, want, what, part)

    def gradient_flow(self, got: torch.Tensor, what: str) -> None:
        __tracebackhide__ = True
        if self.requires_grad and not got.requires_grad:
            raise self.mismatch(
                what,
                "a result that gradients flow through",
                "one that is detached",
                DETACHED,
            )
        if self.requires_grad is False and got.requires_grad:
            raise self.mismatch(
                what,
                "a detached result",
                "one that still requires grad",
                "use torch.no_grad() or .detach()",
            )

    def elements(
        self, got: torch.Tensor, want: torch.Tensor, what: str, part: Callable[[Any], Any]
    ) -> None:
        __tracebackhide__ = True
        if got.numel() == 0:
            return
        ours, theirs = want.detach().cpu().resolve_conj(), got.detach().cpu().resolve_conj()
        right = self.close(theirs, ours)
        if bool(right.all()):
            return
        wrong = int((~right).sum())
        where = tuple(int(i) for i in (~right).nonzero()[0])
        at = f" at {list(where)}" if where else ""
        expected, found = numbers_apart(ours[where].item(), theirs[where].item())
        explained = self.explain(
            lambda s: equal_values(s, theirs) and not equal_values(s, ours), part
        )
        notes = [explained or values_note(theirs, ours)]
        if got.numel() > 1:
            notes.append(f"{wrong} of {got.numel()} values differ")
        if 1 < got.numel() <= SMALL:
            notes.append(f"expected {values_text(want)}, got {values_text(got)}")
        raise self.mismatch(what, expected + at, found, *notes)

    def close(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return close(a, b, self.rtol, self.atol)

    def explain(self, matches: Callable[[Any], bool], part: Callable[[Any], Any]) -> str:
        """The words of the first suspect that the student's value agrees with."""
        for words, suspect in self.suspects.items():
            try:
                value = suspect() if callable(suspect) else suspect
                if matches(part(value)):
                    return words
            except Exception:  # a suspect is a guess; it may not even compute
                continue
        return ""
