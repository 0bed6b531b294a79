"""Tensors that both sides hold under one number, such as a model's parameters, kept equal.

Values, gradients and `requires_grad` are compared with what was last agreed on and sent along with the
next message. They are compared bit by bit, since `x.data` changes a tensor behind its version counter.
"""

import collections
import weakref
from collections.abc import Iterator
from typing import Any

import torch

from gradus.isolation.wire import WireError

SMALL = 16_384  # elements of a tensor that is compared through NumPy
RECENT = 256  # mirrors that the judge keeps alive although nothing refers to them
RECENT_BYTES = 1 << 30  # of all of them


class _Snapshot:
    """The bits of a tensor at some moment, to be compared with what it holds later."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._like = tensor.shape, tensor.dtype, tensor.device
        self._view = _small_view(tensor)
        self._pointer = tensor.data_ptr() if self._view is not None else 0
        self._bits: Any = tensor.detach().clone() if self._view is None else self._view.tobytes()

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor is still the same, bit by bit."""
        if (tensor.shape, tensor.dtype, tensor.device) != self._like:
            return False
        if self._view is None:
            return same_bits(tensor.detach(), self._bits)
        if tensor.data_ptr() == self._pointer:
            return bool(self._view.tobytes() == self._bits)
        view = _small_view(tensor)
        return view is not None and bool(view.tobytes() == self._bits)


def _small_view(tensor: torch.Tensor) -> Any:
    """The memory of a small tensor as a NumPy array, ten times as quick to compare."""
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return None
    if tensor.numel() > SMALL or not tensor.is_contiguous():
        return None
    try:
        return tensor.detach().numpy()
    except (TypeError, RuntimeError):  # bfloat16, conjugated
        return None


class _Entry:
    """One tensor, and its state when both sides last agreed."""

    def __init__(self, number: int, tensor: torch.Tensor, *, strong: bool) -> None:
        self.number = number
        self._held = tensor if strong else None
        self._weak = weakref.ref(tensor)
        self.agree()

    def tensor(self) -> torch.Tensor | None:
        tensor: Any = self._weak()
        if tensor is not None and self._held is None:
            tensor._fix_weakref()  # its Python object may be on the way out
        return tensor  # type: ignore[no-any-return]

    def agree(self) -> None:
        tensor = self._weak()
        assert tensor is not None
        self._value = _Snapshot(tensor)
        self._grad = None if tensor.grad is None else _Snapshot(tensor.grad)
        self._requires_grad = tensor.requires_grad

    def change(self, tensor: torch.Tensor) -> dict[str, Any]:
        """What is no longer as it was agreed on."""
        change: dict[str, Any] = {}
        if not self._value.holds(tensor):
            change["value"] = tensor.detach()
        grad = tensor.grad
        if grad is None or self._grad is None:
            if (grad is None) != (self._grad is None):
                change["grad"] = grad
        elif not self._grad.holds(grad):
            change["grad"] = grad
        if tensor.requires_grad != self._requires_grad:
            change["requires_grad"] = tensor.requires_grad
        return change


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

    def _keep_for_a_while(self, tensor: torch.Tensor) -> None:
        self._recent.append((tensor, tensor.nbytes))
        self._recent_bytes += tensor.nbytes
        while len(self._recent) > RECENT or self._recent_bytes > RECENT_BYTES:
            _, size = self._recent.popleft()
            self._recent_bytes -= size

    def _died(self, number: int, key: int) -> None:
        self._entries.pop(number, None)
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
        for number in list(self._entries):
            entry = self._entries.get(number)
            if entry is not None:
                yield number, entry

    def leaves(self) -> list[int]:
        """Numbers of the tensors that gradients can be asked for."""
        return [n for n, entry in self._living() if _learns(entry.tensor())]

    def drop(self, numbers: list[int]) -> None:
        """Forget tensors that the other side has let go."""
        for number in numbers:
            entry = self._entries.pop(number, None)
            tensor = entry.tensor() if entry is not None else None
            if tensor is not None:
                self._numbers.pop(id(tensor), None)

    def changes(self) -> list[dict[str, Any]]:
        """What has changed since both sides last agreed; from now on they agree on it."""
        changes = []
        for number, entry in self._living():
            tensor = entry.tensor()
            if tensor is None:
                continue
            change = entry.change(tensor)
            if change:
                entry.agree()
                changes.append({"number": number, **change})
        return changes

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
                _take_over(tensor, change)
                entry.agree()
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


def same_bits(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    """Whether two tensors agree in shape, dtype, device and every bit; None agrees with None."""
    if a is None or b is None:
        return a is b
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    if a.device.type == "meta":
        return True
    return torch.equal(_bits(a), _bits(b))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bits of a tensor: NaN equals itself, and -0.0 differs from 0.0."""
    dense = tensor.detach().to_dense().contiguous()  # strided ones are as they are
    flat = dense.as_strided((dense.numel(),), (1,)).view(torch.uint8)
    return flat.view(torch.int64) if flat.numel() % 8 == 0 and flat.numel() else flat
