"""One side of a conversation across the wall: requests, replies and what travels along with them.

A request may be answered by a request (a callback), which is served first; everything is strictly nested.
Each message also carries what changed on its side since the last one: shared tensors, the state of torch's
random numbers, the grad mode, and the numbers of objects that are no longer needed.
"""

from collections.abc import Collection
from typing import Any

import torch

from gradus.isolation.bridge import Graphs, attach
from gradus.isolation.channel import Channel, ChannelClosed
from gradus.isolation.exceptions import Originals, describe_exception, rebuild_exception
from gradus.isolation.shared import Shared
from gradus.isolation.wire import Decoder, Encoder, Node, WireError, from_json, to_json
from gradus.submission.calls import is_expanded


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
    """

    def __init__(self, *, copies: bool = False) -> None:
        self.copies = copies
        self.inputs: list[torch.Tensor] = []  # tensors that gradients flow back to, in order
        self.outputs: list[torch.Tensor] = []  # results with a history on this side
        self.new: list[Node] = []  # tensors that are shared from now on
        self.objects: list[Any] = []  # whole objects, pickled together (judge to worker only)
        self.encoder: Encoder  # of this message


class Peer:
    """What the judge's side and the worker's side have in common."""

    sends_copies = False  # whether the tensors that this side calls functions with are copied
    gets_copies = False  # whether those that it is called with were

    def __init__(self, channel: Channel, shared: Shared) -> None:
        self.channel, self.shared = channel, shared
        self.handles, self.graphs, self.originals = Handles(), Graphs(), Originals()
        self.filenames: Collection[str] = ()  # whose lines are told of exceptions
        self.dead: list[int] = []  # objects of the other side's that are not needed here any more
        self._dead_graphs: list[int] = []
        self._random = torch.empty(0, dtype=torch.uint8)
        self._arrived: list[torch.Tensor] = []  # just now: not to die before they are used

    # What each side fills in

    def pack(self, value: Any, message: Message) -> Node:
        """The node of an object that the wire has no word for."""
        raise NotImplementedError

    def unpack(self, node: dict[str, Any], decoder: Decoder) -> Any:
        """The object of such a node."""
        raise NotImplementedError

    def serve(self, operation: str, words: list[Any]) -> Any:
        """Do what the other side asks for."""
        raise NotImplementedError

    def objects(self, message: Message) -> Node:
        """The node of a message's whole objects."""
        raise NotImplementedError

    def take_objects(self, node: Node, decoder: Decoder) -> None:
        """Make the whole objects of a message."""
        raise WireError("whole objects from a side that may not send any")

    def more(self, message: Message) -> dict[str, Any]:
        """What else travels with the next message."""
        return {}

    def take_more(self, more: dict[str, Any]) -> None:
        """Take what else came with a message."""

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

    def answer_next(self) -> None:
        """Serve the next request of the other side."""
        message, body = self._receive(None)
        if message["kind"] != "ask":
            raise WireError("a request was expected")
        self._answer(message, body)

    def tell(self, kind: str, value: Any) -> None:
        """Send plain text that wants no answer."""
        self.channel.send(to_json({"kind": kind, "value": value}))

    def give_gradients(self, words: list[Any]) -> Any:
        """Serve `pull`: the gradients of an earlier result."""
        found, graph = self.graphs.pull(*words)
        return [[Values(gradient) for gradient in found], graph]

    def _answer(self, message: dict[str, Any], body: memoryview) -> None:
        answer = Message()
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

    # Encoding

    def _send(self, kind: str, value: Any, message: Message) -> None:
        """Send a message, or nothing at all: a value that cannot be sent shares no tensor either."""
        try:
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
        told["more"] = encoder.node(self._more(message))
        if message.new:
            told["new"] = message.new
        self.channel.send(to_json(told), encoder.buffers, encoder.size)

    def _tensor(self, value: torch.Tensor, kind: str, message: Message) -> Node | None:
        if not message.copies:
            number = self.shared.number(value)
            if number is None and _own(value):
                number = self.share(value, message)
            if number is not None:
                return {"$": "shared", "n": number}
        if not value.requires_grad:
            expanded = message.copies and value.layout is torch.strided and is_expanded(value)
            return message.encoder.tensor(value.clone()) if expanded else None
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

    def _more(self, message: Message) -> dict[str, Any]:
        more = self.more(message)
        changes = self.shared.changes()
        if changes:
            more["changes"] = [
                {
                    name: Values(what) if name in ("value", "grad") else what
                    for name, what in change.items()
                }
                for change in changes
            ]
        dead = [self.dead, self.shared.dead, self._dead_graphs]
        if any(dead):
            more["dead"] = [[numbers.pop() for _ in range(len(numbers))] for numbers in dead]
        state = torch.get_rng_state()
        if not torch.equal(state, self._random):
            self._random = more["random"] = state
        more["grad"] = torch.is_grad_enabled()
        return more

    # Decoding

    def _receive(self, seconds: float | None) -> tuple[dict[str, Any], memoryview]:
        head, body = self.channel.receive(seconds)
        message = from_json(head)
        if not isinstance(message, dict) or not {"kind", "value"} <= set(message):
            raise WireError("no message")
        decoder = self._decoder(body)
        try:
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
        self.shared.apply(more.get("changes", ()))
        if "random" in more:
            torch.set_rng_state(more["random"])
            self._random = more["random"]
        mine, shared, graphs = more.get("dead", ((), (), ()))
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

    def _pull(
        self,
        number: int,
        gradients: list[torch.Tensor | None],
        wanted: list[bool],
        keep: bool,
        again: bool,
        everywhere: bool,
    ) -> tuple[list[torch.Tensor | None], int | None]:
        sent = [Values(gradient) for gradient in gradients]
        found = self.request("pull", number, sent, wanted, keep, again, everywhere)
        if type(found) is not list or len(found) != 2 or type(found[0]) is not list:
            raise WireError("malformed gradients")
        if not all(gradient is None or _floats(gradient) for gradient in found[0]):
            raise WireError("malformed gradients")
        return found[0], found[1]

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
    return type(value) is torch.nn.Parameter or (value.requires_grad and value.is_leaf)


def _floats(value: Any) -> bool:
    return type(value) is torch.Tensor and (value.is_floating_point() or value.is_complex())


def _index(number: Any, length: int) -> int:
    if type(number) is not int or not 0 <= number < length:
        raise WireError("no such result")
    return number
