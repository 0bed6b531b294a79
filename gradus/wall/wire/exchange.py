"""Messages of one side: what they carry, and what travels along with them."""

from abc import ABC, abstractmethod
from typing import Any

import torch

from gradus.simulated_gpu.active import nothing_assumed
from gradus.wall.wire.bridge import Graphs
from gradus.wall.wire.channel import Channel, ChannelClosed
from gradus.wall.wire.decode import Decoder
from gradus.wall.wire.encode import Encoder
from gradus.wall.wire.handles import Handles, Message, Values
from gradus.wall.wire.nodes import Node, WireError, from_json, to_json
from gradus.wall.wire.shared import Change, Shared


class Exchange(ABC):
    """Encodes and decodes the messages of one side."""

    gets_copies = False  # whether the tensors that this side is called with are copies

    def __init__(self, channel: Channel, shared: Shared) -> None:
        self.channel, self.shared = channel, shared
        self.handles, self.graphs = Handles(), Graphs()
        self.dead: list[int] = []  # objects of the other side's that are not needed here any more
        self._dead_graphs: list[int] = []
        self._random = b""  # torch's random numbers, as both sides know them
        self._arrived: list[torch.Tensor] = []  # just now: not to die before they are used

    # What each side fills in

    @abstractmethod
    def pack(self, value: Any, message: Message) -> Node:
        """The node of an object that the wire has no word for."""

    @abstractmethod
    def unpack(self, node: dict[str, Any], decoder: Decoder) -> Any:
        """The object of such a node."""

    def objects(self, message: Message) -> Node:
        """The node of a message's whole objects."""
        raise WireError("whole objects to a side that takes none")

    def take_objects(self, node: Node, decoder: Decoder) -> None:
        """Make the whole objects of a message."""
        raise WireError("whole objects from a side that may not send any")

    def more(self, message: Message) -> dict[str, Any]:
        """What else travels with the next message."""
        return {}

    def take_more(self, more: dict[str, Any]) -> None:  # noqa: B027 (a side may take none)
        """Take what else came with a message."""

    # Encoding

    def _send(self, kind: str, value: Any, message: Message) -> None:
        """Send a message, or nothing at all: a value that cannot be sent shares no tensor either."""
        try:
            with nothing_assumed():
                self._send_whole(kind, value, message)
        except ChannelClosed:
            raise
        except BaseException:
            self.shared.drop([node["n"] for node in message.new])
            for unsent in (message.new, message.outputs, message.objects):
                unsent.clear()
            raise

    def _send_whole(self, kind: str, value: Any, message: Message) -> None:
        """Send a message. A reply's results keep their history here, as a graph of the call's inputs."""

        def special(value: Any) -> Node:
            if isinstance(value, Values):
                return None if value.tensor is None else encoder.tensor(value.tensor)
            return self.pack(value, message)

        encoder = Encoder(special, lambda tensor: self._tensor(tensor, kind, message))
        message.encoder = encoder
        told: dict[str, Any] = {"kind": kind, "value": encoder.node(value)}
        if message.objects:
            told["objects"] = self.objects(message)
        if message.outputs:
            leaves = self.shared.leaves()
            inputs = [*message.inputs, *map(self.shared.get, leaves)]
            told["graph"] = [self.graphs.add(message.outputs, inputs), leaves]
            told["outputs"] = [encoder.tensor(output) for output in message.outputs]
        if kind != "ask" and any(x.grad is not None for x in message.inputs):
            told["gradients"] = [encoder.node(Values(x.grad)) for x in message.inputs]
            for x in message.inputs:
                x.grad = None
        prepares = kind == "begin" or (kind == "ask" and value[0] == "load")
        more, changed = ({"grad": True}, []) if prepares else self._more(message)
        told["more"] = encoder.node(more)
        if message.new:
            told["new"] = message.new
        self.channel.send(to_json(told), encoder.buffers, encoder.size)
        self.shared.agree(changed)  # while the other side is at work

    def _tensor(self, value: torch.Tensor, kind: str, message: Message) -> Node | None:
        if not message.copies:
            number = self.shared.number(value)
            if number is None and _own(value):
                number = self.share(value, message)
            if number is not None:
                return {"$": "shared", "n": number}
        with torch._C.DisableTorchFunction():
            learns = value.requires_grad
        if not learns:
            return message.encoder.tensor(value, dense=message.copies)
        if kind == "ask":
            message.inputs.append(value)
            return {"$": "input", "v": message.encoder.tensor(value)}
        message.outputs.append(value)
        return {"$": "output", "n": len(message.outputs) - 1}

    def share(self, value: torch.Tensor, message: Message) -> int:
        """Share a tensor with the other side from this message on; its number."""
        number = self.shared.number(value)
        if number is None:
            number = self.shared.add(value)
            message.new.append(
                {
                    "n": number,
                    "v": message.encoder.tensor(value),
                    "p": isinstance(value, torch.nn.Parameter),
                    "g": value.requires_grad,
                    "d": None if value.grad is None else message.encoder.tensor(value.grad),
                }
            )
        return number

    def _more(self, message: Message) -> tuple[dict[str, Any], list[Change]]:
        """What travels along, and what of it both sides agree on once it is sent."""
        more = self.more(message)
        changed = self.shared.changed()
        if changed:
            more["changes"] = [
                {
                    name: Values(what) if name in ("value", "grad") else what
                    for name, what in change.items()
                }
                for change in changed
            ]
        dead = [self.dead, self.shared.dead, self._dead_graphs]
        if any(dead):
            more["dead"] = [[numbers.pop() for _ in range(len(numbers))] for numbers in dead]
        with torch._C.DisableTorchFunction():
            state = torch.get_rng_state()
            bits = state.numpy().tobytes()
            if bits != self._random:
                self._random, more["random"] = bits, state
            more["grad"] = torch.is_grad_enabled()
        return more, changed

    # Decoding

    def _receive(self, seconds: float | None) -> tuple[dict[str, Any], memoryview]:
        head, body = self.channel.receive(seconds)
        message = from_json(head)
        if type(message) is not dict or "kind" not in message or "value" not in message:
            raise WireError("no message")
        decoder = self._decoder(body)
        try:
            with nothing_assumed():
                if "new" in message:
                    self._take_new(decoder, message["new"])
                if "more" in message:
                    self._take_more(decoder.value(message["more"]))
        except WireError:
            raise
        except Exception as error:  # whatever it is, the other side's words have led to it
            raise WireError(f"a malformed message ({type(error).__name__})") from None
        if "objects" in message:
            self.take_objects(message["objects"], decoder)
        return message, body

    def _take_more(self, more: Any) -> None:
        if type(more) is not dict:
            raise WireError("a malformed message")
        if "changes" in more:
            self.shared.apply(more["changes"])
        if "random" in more:
            torch.set_rng_state(more["random"])
            with torch._C.DisableTorchFunction():
                self._random = torch.get_rng_state().numpy().tobytes()
        if "dead" in more:
            mine, shared, graphs = more["dead"]
            self.handles.drop(mine)
            self.shared.drop(shared)
            self.graphs.drop(graphs)
        torch.set_grad_enabled(more["grad"] is True)
        self.take_more(more)

    def _take_new(self, decoder: Decoder, nodes: Any) -> None:
        self._arrived = []
        for node in decoder.value([[n["n"], n["p"], n["g"], n["v"], n["d"]] for n in nodes]):
            number, parameter, learns, value, gradient = node
            if type(value) is not torch.Tensor:
                raise WireError("a malformed shared tensor")
            if parameter:
                value = torch.nn.Parameter(value, requires_grad=bool(learns))
            elif learns:
                value.requires_grad_()
            if gradient is not None:
                value.grad = gradient
            self.shared.add(value, number)
            self._arrived.append(value)

    def _decoder(
        self,
        body: memoryview,
        answer: Message | None = None,
        outputs: list[torch.Tensor | None] | None = None,
    ) -> Decoder:
        def special(node: dict[str, Any]) -> Any:
            word = node.get("$")
            if word == "shared":
                return self.shared.get(node["n"])
            if word == "input" and answer is not None:
                leaf = decoder.value(node["v"]).requires_grad_()
                answer.inputs.append(leaf)
                return leaf.clone() if self.gets_copies else leaf
            if word == "output" and outputs is not None:
                return outputs[_index(node["n"], len(outputs))]
            return self.unpack(node, decoder)

        decoder = Decoder(body, special)
        return decoder


def _own(value: torch.Tensor) -> bool:
    """Whether a tensor is something of its own, which a copy could not stand for."""
    with torch._C.DisableTorchFunction():
        return type(value) is torch.nn.Parameter or (value.requires_grad and value.is_leaf)


def _index(number: Any, length: int) -> int:
    if type(number) is not int or not 0 <= number < length:
        raise WireError("no such result")
    return number
