"""Tensors that both sides hold under one number, such as a model's parameters, kept equal.

Values, gradients and `requires_grad` are compared with what was last agreed on and sent along with the
next message. They are compared bit by bit, since `x.data` changes a tensor behind its version counter.
"""

import collections
import contextlib
import weakref
from collections.abc import Collection, Iterator
from typing import Any

import torch

from gradus.wall.wire.nodes import WireError
from gradus.wall.wire.snapshot import Snapshot

Change = dict[str, Any]  # the number of a tensor, and what is no longer as it was agreed on

RECENT = 256  # mirrors that the judge keeps alive although nothing refers to them
RECENT_BYTES = 1 << 30  # of all of them


class _Entry:
    """One tensor, and its state when both sides last agreed."""

    def __init__(self, number: int, tensor: torch.Tensor, *, strong: bool) -> None:
        self.number = number
        self._held = tensor if strong else None
        self._weak = weakref.ref(tensor)
        self._value: Snapshot | None = None
        self._grad: Snapshot | None = None
        self.agree(("value", "grad", "requires_grad"))

    def tensor(self) -> torch.Tensor | None:
        tensor: Any = self._weak()
        if tensor is not None and self._held is None:
            tensor._fix_weakref()  # its Python object may be on the way out
        return tensor  # type: ignore[no-any-return]

    def agree(self, parts: Collection[str]) -> None:
        tensor = self._weak()
        assert tensor is not None
        grad = tensor.grad  # which a simulated GPU notes the place of
        with torch._C.DisableTorchFunction():
            if "value" in parts:
                self._value = _renewed(self._value, tensor)
            if "grad" in parts:
                self._grad = None if grad is None else _renewed(self._grad, grad)
            if "requires_grad" in parts:
                self._requires_grad = tensor.requires_grad

    def change(self, tensor: torch.Tensor) -> Change:
        """What is no longer as it was agreed on."""
        change: Change = {}
        grad = tensor.grad  # which a simulated GPU notes the place of
        with torch._C.DisableTorchFunction():
            if self._value is None or not self._value.holds(tensor):
                change["value"] = tensor.detach()
            if grad is None or self._grad is None:
                if (grad is None) != (self._grad is None):
                    change["grad"] = grad
            elif not self._grad.holds(grad):
                change["grad"] = grad
            if tensor.requires_grad != self._requires_grad:
                change["requires_grad"] = tensor.requires_grad
        return change


def _renewed(before: Snapshot | None, tensor: torch.Tensor) -> Snapshot:
    return Snapshot(tensor) if before is None else before.renewed(tensor)


class Shared:
    """The shared tensors of one side.

    Args:
        first: Numbers that this side gives are first, first + 2, ...
        strong: Whether this side keeps every tensor alive until it is told to `drop` it (the worker).
    """

    def __init__(self, first: int, *, strong: bool) -> None:
        self._next, self._strong = first, strong
        self._entries: dict[int, _Entry] = {}
        self._numbers: dict[int, int] = {}  # id(tensor) -> number
        self._recent: collections.deque[tuple[torch.Tensor, int]] = collections.deque()
        self._recent_bytes = 0
        self.dead: list[int] = []  # numbers that the other side may drop
        self._kept: set[int] = set()  # numbers of tensors whose values this side decides alone

    def let_go(self) -> None:
        """Keep no mirror alive any longer that nothing else refers to."""
        self._recent.clear()
        self._recent_bytes = 0

    def number(self, tensor: torch.Tensor) -> int | None:
        """The number of a tensor, or None while it is not shared."""
        found = self._numbers.get(id(tensor))
        if found is None or self._entries[found].tensor() is not tensor:
            return None
        return found

    def add(self, tensor: torch.Tensor, number: int | None = None) -> int:
        """Share a tensor, under a number of the other side's or a new one."""
        if number is None:
            number = self._next
            self._next += 2
        if type(number) is not int or number in self._entries or not -1 < number < 2**62:
            raise WireError("no number for a shared tensor")
        self._entries[number] = _Entry(number, tensor, strong=self._strong)
        self._numbers[id(tensor)] = number
        if not self._strong:
            weakref.finalize(tensor, self._died, number, id(tensor))
            self._keep_for_a_while(tensor)
        return number

    def keep_values(self, number: int) -> None:
        """Take over no values of a tensor from the other side, only gradients."""
        self._kept.add(number)

    def _keep_for_a_while(self, tensor: torch.Tensor) -> None:
        self._recent.append((tensor, tensor.nbytes))
        self._recent_bytes += tensor.nbytes
        while len(self._recent) > RECENT or self._recent_bytes > RECENT_BYTES:
            _, size = self._recent.popleft()
            self._recent_bytes -= size

    def _died(self, number: int, key: int) -> None:
        self._entries.pop(number, None)
        self._kept.discard(number)
        if self._numbers.get(key) == number:
            del self._numbers[key]
        self.dead.append(number)

    def get(self, number: Any) -> torch.Tensor:
        """The tensor of a number.

        Raises:
            WireError: If there is none.
        """
        entry = self._entries.get(number) if type(number) is int else None
        tensor = entry.tensor() if entry is not None else None
        if tensor is None:
            raise WireError("no such shared tensor")
        return tensor

    def _living(self) -> Iterator[tuple[int, _Entry]]:
        """Every entry that is still there when its turn comes: tensors may die at any moment."""
        # `list`, which allocates nothing once it reads the dict: `tuple` does, and garbage is looked for then.
        for number in list(self._entries):
            entry = self._entries.get(number)
            if entry is not None:
                yield number, entry

    def leaves(self) -> list[int]:
        """Numbers of the tensors that gradients can be asked for."""
        with torch._C.DisableTorchFunction():
            return [n for n, entry in self._living() if _learns(entry.tensor())]

    def theirs(self) -> list[torch.Tensor]:
        """The tensors that began on the other side."""
        first = self._next % 2
        pairs = ((n, entry.tensor()) for n, entry in self._living() if n % 2 != first)
        return [tensor for _, tensor in pairs if tensor is not None]

    def drop(self, numbers: list[int]) -> None:
        """Forget tensors that the other side has let go."""
        for number in numbers:
            entry = self._entries.pop(number, None)
            tensor = entry.tensor() if entry is not None else None
            if tensor is not None:
                self._numbers.pop(id(tensor), None)

    def changed(self) -> list[Change]:
        """What has changed since both sides last agreed."""
        changes = []
        for number, entry in self._living():
            tensor = entry.tensor()
            change = None if tensor is None else entry.change(tensor)
            if change:
                changes.append({"number": number, **change})
        return changes

    def agree(self, changes: list[Change]) -> None:
        """Both sides agree on changes that have just been sent; one that cannot be noted is sent again."""
        for change in changes:
            entry = self._entries.get(change["number"])
            if entry is not None and entry.tensor() is not None:
                with contextlib.suppress(
                    MemoryError, RuntimeError
                ):  # torch's, where memory is short
                    entry.agree(change)

    @torch.no_grad()
    def apply(self, changes: Any) -> None:
        """Take over what the other side has changed.

        Raises:
            WireError: If that is not possible.
        """
        try:
            for change in changes:
                if type(change) is not dict:
                    raise WireError("a malformed change")
                entry = self._entries.get(change["number"])
                tensor = entry.tensor() if entry is not None else None
                if entry is None or tensor is None:
                    continue  # it died while the message was on its way
                if change["number"] in self._kept:
                    change = {name: change[name] for name in ("grad",) if name in change}
                _take_over(tensor, change)
                entry.agree(change)
        except (TypeError, KeyError, AttributeError, RuntimeError, ValueError) as error:
            raise WireError(f"a malformed change ({type(error).__name__})") from None


def _take_over(tensor: torch.Tensor, change: dict[str, Any]) -> None:
    if "value" in change:
        value = change["value"]
        if type(value) is not torch.Tensor:
            raise WireError("a malformed change")
        here = (tensor.shape, tensor.dtype, tensor.device)
        if (value.shape, value.dtype, value.device) == here:
            tensor.copy_(value)
        else:
            tensor.data = value
    if "grad" in change:
        grad = change["grad"]
        if grad is not None and type(grad) is not torch.Tensor:
            raise WireError("a malformed change")
        there = tensor.grad
        if grad is not None and there is not None and _alike(grad, there):
            there.copy_(grad)
        else:
            tensor.grad = grad
    if "requires_grad" in change:
        tensor.requires_grad_(bool(change["requires_grad"]))


def _alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and a.layout is b.layout and a.device == b.device


def _learns(tensor: torch.Tensor | None) -> bool:
    return tensor is not None and tensor.requires_grad and tensor.is_leaf
