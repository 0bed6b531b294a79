"""The worker: holds one student's module, and does with it what the judge asks for.

It runs inside the sandbox, in the student's power: nothing that it says is trusted.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradus.simulated_gpu.simulation import simulated_gpu
from gradus.submission.calls import Access, StudentFunction, Submission
from gradus.submission.exits import exits_intercepted
from gradus.submission.gpu import gpu_is_lost, limited_memory
from gradus.submission.loader import load_submission
from gradus.submission.settings import seed_for_loading, settings_kept
from gradus.wall.wire.channel import Channel, ChannelClosed
from gradus.wall.wire.decode import Decoder
from gradus.wall.wire.exceptions import describe_exception
from gradus.wall.wire.handles import Message
from gradus.wall.wire.kinds import describe_type
from gradus.wall.wire.nodes import BEGUN, Node, to_json
from gradus.wall.wire.objects import load, noted, same_state, state_of
from gradus.wall.wire.peer import Peer
from gradus.wall.wire.shared import Shared
from gradus.wall.wire.structure import (
    Buffer,
    Parameter,
    buffers_of,
    fingerprint,
    keep_buffer,
    parameters_of,
    replaced,
    structure,
)
from gradus.wall.worker.callbacks import Callback, JudgesIterator, like
from gradus.wall.worker.operations import Operations
from gradus.wall.worker.output import Printed

_PLAIN: Any = ((str, str.__str__), (int, int.__int__), (float, float.__float__))


class Worker(Operations, Peer):
    """The student's side of the conversation. What the judge may ask for are its `do_` methods."""

    gets_copies = True

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel, Shared(1, strong=True))
        self.printed = Printed()
        self._access: Access | None = None
        self._submission: Submission | None = None
        self._twins: dict[int, Any] = {}  # number -> what stands here for an object of the judge's
        self._states: dict[int, Any] = {}  # number -> its state, as the judge knows it
        self._buffers: list[Buffer] = []  # of the judge's modules
        # number -> those of a module of the judge's
        self._parameters: dict[int, list[Parameter]] = {}
        self._modules: dict[int, list[Any]] = {}  # number -> fingerprint of what the judge knows
        self._of_check = contextlib.ExitStack()

    def answer_next(self) -> None:
        """Serve one request, or begin a check; what goes wrong with reading it is told too."""
        try:
            message, body = self._receive(None)
            if message["kind"] == "begin":
                self.begin(*message["value"])
                self.channel.send(to_json(BEGUN))
            else:
                self._answer(message, body)
        except ChannelClosed:
            raise
        except Exception as error:  # such as an object that cannot be made here
            told = describe_exception(error, self.filenames, self.originals)
            self._send("raised", told, Message())

    def serve(self, operation: str, words: list[Any]) -> Any:
        """Do one operation."""
        with exits_intercepted():
            return getattr(self, f"do_{operation}")(*words)

    def do_load(self, about: dict[str, Any], files: dict[str, bytes]) -> Any:
        """Write the files into a scratch folder, and run the submission there."""
        folder = Path(tempfile.mkdtemp(prefix="work-"))
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        os.chdir(folder)
        sys.path[:0] = about["import_from"]
        seed_for_loading()
        with settings_kept():
            loaded = load_submission(
                folder / about["file"],
                about["topic"],
                shown=about["shown"],
                before=lambda place: self.tell("loading", place),
                lost=about["lost"],
                keyboard=False,
            )
        self.filenames = loaded.filenames
        self._access = Access(loaded)
        self._submission = Submission(self._access)
        return [loaded.told(), loaded.names(), sorted(loaded.filenames)]

    def begin(self, simulated: bool, on_gpu: bool) -> None:
        """A new check: settings are as at the start, and objects of the last one are gone."""
        self._of_check.close()
        self._of_check.enter_context(settings_kept())
        if simulated:
            self._of_check.enter_context(simulated_gpu(self.filenames))
        if on_gpu:
            self._of_check.enter_context(limited_memory())
        self._twins.clear()
        self._states.clear()
        self._buffers.clear()
        self._parameters.clear()
        if self._access is not None:
            self._access.last_call = None
            self._access.settings.forget()

    def do_gpu_is_lost(self) -> bool:
        """Whether a real GPU no longer answers this process."""
        return gpu_is_lost()

    def do_function(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a function of the student's, or build an instance of a class."""
        return self._function(name).call_with(tuple(args), kwargs, "")  # the judge has words for it

    def do_observe(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a function and tell what became of its arguments."""
        seen = self._function(name).observe_with(tuple(args), kwargs)
        return [seen.result, list(seen.args), seen.kwargs, list(seen.calls)]

    def do_exists(self, name: str) -> None:
        """Raise what there is to say where there is no such name."""
        self._function(name)

    def do_probe(self, function: Any, args: list[Any]) -> Any:
        """Run a function of the judge's beside the student's code."""
        assert self._submission is not None
        return self._submission.probe(function, *args)

    def do_pull(self, *words: Any) -> Any:
        """Gradients of an earlier result."""
        return self.give_gradients(list(words))

    def _function(self, name: str) -> StudentFunction:
        assert self._submission is not None
        return getattr(self._submission, name)  # type: ignore[no-any-return]

    # What travels along

    def more(self, message: Message) -> dict[str, Any]:
        """What was printed, the last call for the failure message, and what changed of known objects."""
        more: dict[str, Any] = dict(self.printed.take())
        for (
            owner,
            name,
            buffer,
        ) in self._buffers:  # `.to()` and assignment put new tensors in their place
            keep_buffer(owner, name, buffer)
        record = self._access.last_call if self._access is not None else None
        if record is not None:
            more["record"] = [record.text, record.returned]
        states = [[number, state] for number, state in self._changed_states()]
        if states:
            more["states"] = states
        moved = [[n, *place] for n, known in self._parameters.items() for place in replaced(known)]
        if moved:
            more["parameters"] = moved
        for number, marks in list(self._modules.items()):
            if number not in self.handles:
                del self._modules[number]
            elif fingerprint(self.handles.get(number)) != marks:
                parts = self._structure(self.handles.get(number), message)
                more.setdefault("modules", []).append(parts)
        return more

    def _changed_states(self) -> Any:
        for number, known in list(self._states.items()):
            state = state_of(self._twins[number])
            now = noted(state, self.shared.number)
            if not same_state(now, known):
                self._states[number] = now
                yield number, state

    # Objects on the wire

    def pack(self, value: Any, message: Message) -> Node:
        """A number and a description; the judge's own objects go back under theirs."""
        if isinstance(value, Callback | JudgesIterator):
            return {"$": "yours", "n": value.number}
        for number, twin in self._twins.items():
            if twin is value:
                return {"$": "yours", "n": number}
        for kind, plain in _PLAIN:
            if issubclass(type(value), kind):  # such as an IntEnum or one of NumPy's texts
                return message.encoder.node(plain(value))
        if isinstance(value, nn.Module):
            return {"$": "module", "v": self._structure(value, message)}
        return {"$": "mine", "n": self.handles.number(value), **describe_type(value)}

    def _structure(self, module: nn.Module, message: Message) -> Any:
        parts = structure(module, self.handles.number, lambda x: self.share(x, message))
        self._modules[self.handles.number(module)] = fingerprint(module)
        return parts

    def unpack(self, node: dict[str, Any], decoder: Decoder) -> Any:
        """What a node of the judge's stands for."""
        word, number = node["$"], node.get("n", 0)
        if word == "yours":
            return self.handles.get(number)
        if word == "name":
            return self._function(node["v"])
        if word == "import":
            module, _, name = node["v"].partition(":")
            __import__(module)
            return getattr(sys.modules[module], name)
        if word == "callback":
            made = like(Callback, node["type"])(self, number, node["name"])
            return self._twins.setdefault(number, made)
        if word == "iterator":
            made = like(JudgesIterator, node["type"])(self, number)
            return self._twins.setdefault(number, made)
        if word == "generator":
            generator = self._twins.setdefault(number, torch.Generator(node["at"]))
            self._states[number] = decoder.value(node["v"])
            generator.set_state(self._states[number])
        return self._twins[number]

    def take_objects(self, node: Node, decoder: Decoder) -> None:
        """Make the judge's whole objects."""
        numbers, data, parts = decoder.value(node)
        made = load(data, parts) if numbers else []  # none: what was sent before serves again
        for number, value in zip(numbers, made, strict=True):
            self._twins[number] = value
            if isinstance(value, nn.Module):
                self._buffers += buffers_of(value)
                self._parameters[number] = parameters_of(value)
            state = state_of(value)
            if state is not None:
                self._states[number] = noted(state, self.shared.number)
