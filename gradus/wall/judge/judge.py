"""The judge's side of the conversation: asks the worker, and believes nothing but data.

It never unpickles a byte that comes from a worker, and hands out nothing but what a check itself passes
to the student's code: copies of data, functions that may be called, iterators that may be advanced.
Whatever else has a number, the student's code may only hand back.
"""

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import torch

from gradus.simulated_gpu.active import active
from gradus.submission.calls import StudentError
from gradus.submission.exits import ProcessLost, SubmissionExit
from gradus.submission.raised import Raised, raised
from gradus.wall.judge.budget import Budget
from gradus.wall.judge.modules import RemoteModule, build, replace
from gradus.wall.judge.proxies import proxy_for
from gradus.wall.judge.sending import Sending
from gradus.wall.judge.told import read_record, write_output
from gradus.wall.wire.bridge import Backward
from gradus.wall.wire.channel import Channel, ChannelClosed
from gradus.wall.wire.decode import Decoder
from gradus.wall.wire.exceptions import rebuild_exception
from gradus.wall.wire.handles import Message
from gradus.wall.wire.nodes import BEGUN, WireError, from_json
from gradus.wall.wire.objects import set_state
from gradus.wall.wire.shared import Shared

MOST_PROXIES = 100_000  # objects of one submission that a check may hold at a time
# Questions inside one another. From 60 on torch runs a backward pass inside others in a thread of its own, and
# the main thread waits for it where no time limit can reach it.
MOST_NESTED = 32
MOST_OUTPUT = 1 << 20  # characters of output that are taken in one check
FAREWELL_SECONDS = 5.0  # for a stopped worker to tell where it was


class Judge(Sending):
    """Talks with one worker.

    Args:
        channel: The connection.
        interrupt: Makes the worker stop what it is doing and tell where it was.
        ended: Ends the worker, and tells in words why (what went wrong here is passed in).
        budget: Counts the time in which the worker is waited for.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        interrupt: Callable[[], object],
        ended: Callable[[Exception | None], str],
        budget: Budget | None = None,
    ) -> None:
        super().__init__(channel, Shared(0, strong=False))
        self._interrupt, self._ended = interrupt, ended
        self._budget = budget or Budget()
        self.lost: str | None = None  # what ended the worker
        self.record: tuple[str, str | None] | None = None  # the last call that a probe made
        self.loading = ""  # the statement that the worker runs while it loads
        self.beginning = False  # whether the worker has yet to say that it is ready for a check
        self._depth = 0
        self._output_left = MOST_OUTPUT
        self._proxies: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def request(self, operation: str, *words: Any, **settings: Any) -> Any:
        """Ask the worker.

        Raises:
            ProcessLost: If it is gone, or answered with something that is no answer.
            Exception: What the student's code raised.
        """
        if self.lost is not None:
            raise ProcessLost(self.lost)
        if self._depth >= MOST_NESTED:
            raise self.loses(WireError(f"more than {MOST_NESTED} questions inside one another"))
        self._depth += 1
        try:
            with self._budget.spending():
                return super().request(operation, *words, **settings)
        except (ChannelClosed, WireError, TimeoutError) as error:
            if hasattr(error, "raised_elsewhere"):
                raise  # a TimeoutError of the student's own
            raise self.loses(error) from None
        except (SubmissionExit, StudentError):
            raise
        except BaseException as error:
            if not isinstance(error, Exception) and self._depth == 1:
                self._stopped(error)  # a time limit struck while the worker was at work
            raise
        finally:
            self._depth -= 1

    def _send(self, kind: str, value: Any, message: Message) -> None:
        try:
            super()._send(kind, value, message)
        except WireError as error:
            if message.reply:
                raise  # what the submission keeps from being let go is too much
            raise TypeError(
                f"this check gives the submission something that cannot be sent: {error}. "
                "Make it inside a probe instead: submission.probe(function, ...)"
            ) from error

    def loses(self, error: Exception) -> BaseException:
        """End the worker; what to raise."""
        words = self._ended(error)
        self.lost = self.lost or words
        return ProcessLost(self.lost)

    def _stopped(self, error: Any) -> None:
        """Ask where the student's code was, and end the worker: nobody knows what it will say next."""
        frames = getattr(self._where(), "frames", ())
        self.lost = "its process was stopped by the time limit"
        self._ended(None)
        error.raised_elsewhere = Raised("", frames)

    def _where(self) -> Raised | None:
        self._interrupt()
        self.channel.deadline = time.monotonic() + FAREWELL_SECONDS
        try:
            for _ in range(100):
                message, body = self._receive(1.0)
                if message["kind"] == "raised":
                    told = self._decoder(body).value(message["value"])
                    error = rebuild_exception(told, self.originals)
                    return raised(error, ())
        except (ChannelClosed, WireError, TimeoutError, OSError):
            pass
        return None

    def begin(self, *, on_gpu: bool) -> None:
        """A new check: what the last one passed to the worker is no longer valid.

        The worker gets ready while the check prepares what it asks for: `await_begin` comes before the
        next request.
        """
        self.handles.clear()
        self.originals.clear()
        self.graphs.clear()
        self.end_loans()
        self._sent.clear()
        self.shared.let_go()
        self.record = None
        self._output_left = MOST_OUTPUT
        self._send("begin", [active() is not None, on_gpu], Message())
        self.beginning = True

    def await_begin(self) -> None:
        """Wait until the worker is ready for the check.

        Raises:
            WireError: If it says anything else.
            ChannelClosed: If it is gone.
        """
        self.beginning = False
        try:
            head, _ = self.channel.receive()
        except BaseException as error:
            if not isinstance(error, Exception):
                self._stopped(error)
            raise
        if from_json(head) != BEGUN:
            raise WireError("no word that a check has begun")

    def _pull(self, asked: Backward) -> tuple[list[torch.Tensor | None], int | None]:
        try:
            return super()._pull(asked)
        except WireError as error:
            raise self.loses(error) from None

    # What a worker may ask for

    def serve(self, operation: str, words: list[Any]) -> Any:
        """Serve a call of a function that was passed in, an iterator's next item, or gradients."""
        if operation == "callback" and len(words) == 3:
            function, args, kwargs = words
            if not callable(function) or type(args) is not list or type(kwargs) is not dict:
                raise WireError("a malformed call")
            self.require_lent("call", function)
            return function(*args, **kwargs)
        if operation == "advance" and len(words) == 1:
            self.require_lent("advance", words[0])
            try:
                return [next(words[0])]
            except StopIteration:
                return []
        if operation == "pull" and len(words) == 6:
            return self.give_gradients(words)
        raise WireError("a request that is none of the worker's business")

    def hides(self, error: BaseException) -> bool:
        """A time limit or a person's Ctrl+C ends the judge's own work."""
        return not isinstance(error, Exception | StudentError) or isinstance(error, WireError)

    def note(self, kind: Any, value: Any) -> bool:
        """The worker tells which statement it runs."""
        if kind != "loading" or type(value) is not str:
            return False
        self.loading = value[:1_000]
        return True

    def take_more(self, more: dict[str, Any]) -> None:
        """Take output, the last call, and what changed of objects that both sides know."""
        self._output_left -= write_output(more, self._output_left)
        if more.get("record") is not None:
            self.record = read_record(more["record"])
        try:
            for number, state in more.get("states", ()):
                if number in self.handles:
                    set_state(self.handles.get(number), state)
            for number, path, parameter in more.get("parameters", ()):
                if number in self.handles:
                    replace(self.handles.get(number), path, parameter)
        except (TypeError, ValueError, KeyError, RuntimeError, AttributeError) as error:
            raise WireError(f"a malformed state ({type(error).__name__})") from None
        for parts in more.get("modules", ()):
            self._module(parts)

    # Objects on the wire

    def unpack(self, node: dict[str, Any], decoder: Decoder) -> Any:
        """What stands here for an object of the student's."""
        word = node.get("$")
        if word == "yours":
            if node["n"] in self._probes:
                raise WireError("a function of the check's that was never passed to the submission")
            return self.handles.get(node["n"])
        if word == "module":
            return self._module(node["v"])
        if word != "mine" or type(node["n"]) is not int:
            raise WireError("an unknown node")
        there = self._proxies.get(node["n"])
        if there is not None:
            return there
        if len(self._proxies) >= MOST_PROXIES:
            raise WireError(f"more than {MOST_PROXIES} objects")
        proxy = self._proxies[node["n"]] = proxy_for(self, node)
        return proxy

    def _module(self, parts: Any) -> RemoteModule:
        try:
            return build(self, parts, self.shared.get, self._proxies)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise WireError(f"a malformed module ({type(error).__name__})") from None
