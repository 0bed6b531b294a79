"""How a check's objects go to the worker: the trusted direction, so whole objects may travel."""

import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from gradus.submission.calls import StudentFunction
from gradus.submission.copies import deep_copy
from gradus.wall.judge.proxies import Remote, asks_through, number_of
from gradus.wall.wire.channel import Channel
from gradus.wall.wire.handles import Message
from gradus.wall.wire.nodes import Node, WireError
from gradus.wall.wire.objects import dump, import_name, is_callback, is_iterator, send_by_value
from gradus.wall.wire.peer import Peer
from gradus.wall.wire.shared import Shared

# Of functions that a check passed, and of items of its iterators, in one check.
MOST_CALLS = 200_000


class Whole:
    """An object that goes to the worker as it is, although it could be called from there."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Sending(Peer):
    """The judge's side of the conversation, as far as it gives."""

    def __init__(self, channel: Channel, shared: Shared) -> None:
        super().__init__(channel, shared)
        self._sent: dict[int, Any] = {}  # number of a whole object -> what was sent of it
        self._lent: set[tuple[str, int | None]] = set()  # what the worker may do with which number
        self._uses = 0
        self._probes: set[int] = set()  # numbers that the worker may not hand back
        # Whether the submission gets this check's own models, optimizers and loaders, and not copies.
        self.lends = False

    def pack(self, value: Any, message: Message) -> Node:
        """How a check's object goes to the worker."""
        if isinstance(value, Remote):
            if asks_through(value) is not self:
                raise WireError("an object of a submission's process that has ended")
            return {"$": "yours", "n": number_of(value)}
        if isinstance(value, StudentFunction):
            return {"$": "name", "v": value.__name__}
        name = import_name(value)
        if name is not None:
            return {"$": "import", "v": name}
        if message.reply and not self.lends:
            kind = type(value).__name__
            raise TypeError(
                f"a function of the check's returned a {kind}, and may return only data"
            )
        if isinstance(value, torch.Generator):
            return self._generator(value, message)
        if is_callback(value):
            called = getattr(value, "__name__", type(value).__name__)
            lent = {"n": self._lend("call", value), "type": type(value).__name__}
            return {"$": "callback", **lent, "name": str(called)}
        if is_iterator(value):
            lent = {"n": self._lend("advance", value), "type": type(value).__name__}
            return {"$": "iterator", **lent}
        if isinstance(value, Whole):
            self._probes.add(self.handles.number(value.value))
            message.keeps = not self.lends
            return self._whole(value.value, message)
        return self._whole(value if self.lends else self._copy(value, message), message)

    def share(self, value: torch.Tensor, message: Message) -> int:
        """Share a tensor; what a probe of a check that lends nothing refers to keeps its values here."""
        known = self.shared.number(value)
        number = super().share(value, message)
        is_copy = any(value is other for other in message.copied.values())
        if known is None and message.keeps and not is_copy:
            self.shared.keep_values(number)
        return number

    def _copy(self, value: Any, message: Message) -> Any:
        """A copy of a check's object for this call; what is the submission's own in it stays itself."""
        if id(value) not in message.copied:
            message.copied |= {id(part): part for part in self._of_the_submission(value)}
        return deep_copy(value, message.copied)

    def _of_the_submission(self, value: Any) -> Iterator[Any]:
        yield from self.shared.theirs()
        if isinstance(value, nn.Module):
            yield from (part for part in value.modules() if isinstance(part, Remote))

    def _lend(self, use: str, value: Any) -> int:
        """Let the worker call a function, or advance an iterator, until the check ends; its number."""
        number = self.handles.number(value)
        self._lent.add((use, number))
        return number

    def require_lent(self, use: str, value: Any) -> None:
        """Count a use of what was lent for it; refuse all else: probes and whole objects have numbers, too.

        Raises:
            WireError: If it was not lent for this, or is used without end: the judge's own time goes there.
        """
        if (use, self.handles.find(value)) not in self._lent:
            raise WireError(f"a request to {use} what was not given for that")
        self._uses += 1
        if self._uses > MOST_CALLS:
            raise WireError(f"more than {MOST_CALLS} calls of functions that the check passed")

    def end_loans(self) -> None:
        """A check is over: what it lent is no longer to be used."""
        self._lent.clear()
        self._probes.clear()
        self._uses = 0

    def _generator(self, value: torch.Generator, message: Message) -> Node:
        return {
            "$": "generator",
            "n": self.handles.number(value),
            "at": str(value.device),
            "v": message.encoder.tensor(value.get_state()),
        }

    def _whole(self, value: Any, message: Message) -> Node:
        if not any(value is other for other in message.objects):
            message.objects.append(value)
        return {"$": "whole", "n": self.handles.number(value)}

    def objects(self, message: Message) -> Node:
        """Pickle a message's whole objects together: what they share stays shared."""
        whole = message.objects
        data, parts = dump(whole, lambda value: isinstance(value, (Remote, StudentFunction)))
        numbers = [self.handles.number(value) for value in whole]
        nodes = [self._part(part, message) for part in parts]
        sent = (data, nodes)
        if all(self._sent.get(number) == sent for number in numbers):
            return message.encoder.node([[], b"", []])  # the worker has just these already
        self._sent.update(dict.fromkeys(numbers, sent))
        return [numbers, message.encoder.node(data), nodes]

    def _part(self, part: Any, message: Message) -> Node:
        if not isinstance(part, torch.Tensor):
            return message.encoder.node(part)
        if part.is_leaf and type(part) in (torch.Tensor, nn.Parameter):
            return {"$": "shared", "n": self.share(part, message)}  # it stands for itself
        return message.encoder.tensor(part)

    def by_value(self, module: types.ModuleType) -> None:
        """Let functions and classes of a grader file be sent to the worker, which cannot import them."""
        beside = [
            value
            for value in vars(module).values()
            if isinstance(value, types.ModuleType) and _folder(value) == _folder(module)
        ]
        send_by_value([module, *beside])


def _folder(module: types.ModuleType) -> str:
    return (getattr(module, "__file__", None) or "/").rpartition("/")[0]
