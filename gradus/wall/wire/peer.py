"""One side of a conversation across the wall: requests, replies and what travels along with them.

A request may be answered by a request (a callback), which is served first; everything is strictly nested.
Each message also carries what changed on its side since the last one: shared tensors, the state of torch's
random numbers, the grad mode, and the numbers of objects that are no longer needed.
"""

from abc import abstractmethod
from collections.abc import Collection
from typing import Any, Protocol

import torch

from gradus.wall.wire.bridge import Backward, attach
from gradus.wall.wire.channel import Channel, ChannelClosed
from gradus.wall.wire.exceptions import Originals, describe_exception, rebuild_exception
from gradus.wall.wire.exchange import Exchange
from gradus.wall.wire.handles import Message, Values
from gradus.wall.wire.nodes import WireError, to_json
from gradus.wall.wire.shared import Shared


class Asking(Protocol):
    """What stands on one side for an object of the other's asks through this."""

    dead: list[int]  # numbers of such objects that are not needed here any more

    def request(self, operation: str, *words: Any, copies: bool = False) -> Any:
        """Ask the other side."""


class Peer(Exchange):
    """What the judge's side and the worker's side have in common."""

    def __init__(self, channel: Channel, shared: Shared) -> None:
        super().__init__(channel, shared)
        self.originals = Originals()
        self.filenames: Collection[str] = ()  # whose lines are told of exceptions

    # What each side fills in

    @abstractmethod
    def serve(self, operation: str, words: list[Any]) -> Any:
        """Do what the other side asks for."""

    def note(self, kind: Any, value: Any) -> bool:
        """Take a message that wants no answer; whether it was one."""
        return False

    def hides(self, error: BaseException) -> bool:
        """Whether an exception ends this side's own work, and is none of the other side's business."""
        return False

    # Talking

    def request(
        self, operation: str, *words: Any, copies: bool = False, seconds: float | None = None
    ) -> Any:
        """Ask the other side, and serve what it asks for meanwhile.

        Args:
            operation: What is asked for.
            words: Its arguments.
            copies: Whether their tensors are sent as copies.
            seconds: How long the other side may be silent.

        Raises:
            WireError: If the answer is malformed.
            ChannelClosed: If there is none.
            Exception: What the other side raised.
        """
        asked = Message(copies=copies)
        self._send("ask", [operation, *words], asked)
        while True:
            message, body = self._receive(seconds)
            kind = message["kind"]
            if kind == "ask":
                self._answer(message, body)
            elif kind == "told":
                return self._result(message, body, asked)
            elif kind == "raised":
                error = rebuild_exception(
                    self._decoder(body).value(message["value"]), self.originals
                )
                self._gradients_that_came(message, body, asked)
                raise error
            elif not self.note(kind, message["value"]):
                raise WireError("an answer out of turn")

    def tell(self, kind: str, value: Any) -> None:
        """Send plain text that wants no answer."""
        self.channel.send(to_json({"kind": kind, "value": value}))

    def give_gradients(self, words: list[Any]) -> Any:
        """Serve `pull`: the gradients of an earlier result."""
        found, graph = self.graphs.pull(Backward(*words))
        return [[Values(gradient) for gradient in found], graph]

    def _answer(self, message: dict[str, Any], body: memoryview) -> None:
        answer = Message(reply=True)
        words = self._decoder(body, answer).value(message["value"])
        if not isinstance(words, list) or not words or not isinstance(words[0], str):
            raise WireError("a malformed request")
        try:
            result = self.serve(words[0], words[1:])
            self._send("told", result, answer)
        except ChannelClosed:
            raise
        except BaseException as error:
            if self.hides(error):
                raise
            told = describe_exception(error, self.filenames, self.originals)
            self._send("raised", told, answer)

    # Results

    def _result(self, message: dict[str, Any], body: memoryview, asked: Message) -> Any:
        outputs = self._outputs(message, body, asked)
        self._gradients_that_came(message, body, asked)
        result = self._decoder(body, outputs=outputs).value(message["value"])
        self._arrived = []
        return result

    def _outputs(
        self, message: dict[str, Any], body: memoryview, asked: Message
    ) -> list[torch.Tensor | None]:
        if "graph" not in message:
            return []
        outputs, graph = self._decoder(body).value([message.get("outputs"), message["graph"]])
        well_formed = isinstance(graph, list) and len(graph) == 2 and isinstance(graph[1], list)
        well_formed = well_formed and type(outputs) is list
        if not well_formed or not all(map(self._may_be_output, outputs)):
            raise WireError("a malformed graph")
        none = torch.zeros(())
        leaves = [self._leaf(number, none) for number in graph[1]]
        inputs = [*asked.inputs, *leaves]
        return attach(outputs, graph[0], inputs, self._pull, self._dead_graphs)

    def _may_be_output(self, value: Any) -> bool:
        """Whether a history may be given to it: it has come just now, and is nothing that was here before."""
        return _floats(value) and not value.requires_grad and self.shared.number(value) is None

    def _leaf(self, number: Any, none: torch.Tensor) -> torch.Tensor:
        try:
            return self.shared.get(number)
        except WireError:  # it has died here: nobody can ask for its gradient
            return none

    def _gradients_that_came(
        self, message: dict[str, Any], body: memoryview, asked: Message
    ) -> None:
        """Take gradients that a backward pass on the other side left for what it was given."""
        if "gradients" not in message:
            return
        gradients = self._decoder(body).value(message["gradients"])
        if type(gradients) is not list or len(gradients) != len(asked.inputs):
            raise WireError("malformed gradients")
        for x, gradient in zip(asked.inputs, gradients, strict=True):
            if gradient is None:
                continue
            like = (x.shape, x.dtype, x.device)
            if not _floats(gradient) or (gradient.shape, gradient.dtype, gradient.device) != like:
                raise WireError("a malformed gradient")
            torch.autograd.backward([x], [gradient])

    def _pull(self, asked: Backward) -> tuple[list[torch.Tensor | None], int | None]:
        """Ask for gradients in the middle of a backward pass.

        Raises:
            WireError: If they are malformed.
        """
        sent = [Values(gradient) for gradient in asked.gradients]
        rest = (asked.wanted, asked.keep, asked.again, asked.everywhere)
        found = self.request("pull", asked.graph, sent, *rest)
        if type(found) is not list or len(found) != 2 or type(found[0]) is not list:
            raise WireError("malformed gradients")
        gradients, graph = found
        if len(gradients) != len(asked.inputs) or not (graph is None or type(graph) is int):
            raise WireError("malformed gradients")
        for gradient, x in zip(gradients, asked.inputs, strict=True):
            if gradient is not None and not _is_gradient_of(gradient, x):
                raise WireError("malformed gradients")
        return gradients, graph


def _is_gradient_of(gradient: Any, x: torch.Tensor) -> bool:
    return _floats(gradient) and gradient.shape == x.shape and gradient.dtype == x.dtype


def _floats(value: Any) -> bool:
    return type(value) is torch.Tensor and (value.is_floating_point() or value.is_complex())
