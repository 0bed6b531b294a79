"""What two sides that talk keep of each other: objects by number, and what one message gathers."""

from collections.abc import Collection
from typing import Any

import torch

from gradus.wall.wire.encode import Encoder
from gradus.wall.wire.nodes import Node, WireError


class Handles:
    """Objects of this side that the other side knows by number."""

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}  # id(object) -> number
        self._next = 0

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, number: int) -> bool:
        return number in self._objects

    def clear(self) -> None:
        """Forget all objects. Their numbers are not given again."""
        self._objects.clear()
        self._numbers.clear()

    def number(self, value: Any) -> int:
        """The number of an object; the same one as long as the other side holds it."""
        number = self._numbers.get(id(value))
        if number is None:
            self._next += 1
            number = self._numbers[id(value)] = self._next
            self._objects[number] = value
        return number

    def find(self, value: Any) -> int | None:
        """The number of an object, where it has one."""
        return self._numbers.get(id(value))

    def get(self, number: Any) -> Any:
        """The object of a number.

        Raises:
            WireError: If there is none.
        """
        if type(number) is not int or number not in self._objects:
            raise WireError("no such object")
        return self._objects[number]

    def drop(self, numbers: Collection[int]) -> None:
        """Forget objects that the other side has let go."""
        for number in numbers:
            if number in self._objects:
                self._numbers.pop(id(self._objects.pop(number)), None)


class Values:
    """A tensor whose values alone are sent, whatever else is known of it."""

    def __init__(self, tensor: torch.Tensor | None) -> None:
        self.tensor = tensor


class Message:
    """What one message gathers while it is encoded, or while it is answered.

    Args:
        copies: Tensors stand for their values, as arguments do (and not for themselves).
        reply: It answers a request of the other side's.
    """

    def __init__(self, *, copies: bool = False, reply: bool = False) -> None:
        self.copies, self.reply = copies, reply
        self.inputs: list[torch.Tensor] = []  # tensors that gradients flow back to, in order
        self.outputs: list[torch.Tensor] = []  # results with a history on this side
        self.new: list[Node] = []  # tensors that are shared from now on
        self.copied: dict[int, Any] = {}  # the memo of its deep copies
        self.keeps = False  # whether the tensors that it shares keep their values on this side
        self.objects: list[Any] = []  # whole objects, pickled together (judge to worker only)
        self.encoder: Encoder  # of this message
