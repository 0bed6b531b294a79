"""What reads bytes of a worker, for fuzzers: each target takes bytes and may end in few ways only."""

import contextlib
import json
import socket
import struct
from typing import Any

import torch

from gradus.submission.exits import ProcessLost
from gradus.wall.judge.judge import Judge
from gradus.wall.judge.proxies import Remote, proxy_class
from gradus.wall.wire.channel import Channel, ChannelClosed
from gradus.wall.wire.decode import Decoder
from gradus.wall.wire.exceptions import Originals, rebuild_exception
from gradus.wall.wire.nodes import WireError, from_json
from gradus.wall.wire.shared import Shared

FRAME = struct.Struct("<BIQ")
SECONDS = 0.2  # of silence, at which a judge gives up


def no_word(node: dict[str, Any]) -> Any:
    """What a decoder does with a word that it does not know."""
    raise WireError("an unknown word")


def decode(head: bytes, body: bytes) -> Any:
    """The value of a message; None where it is none."""
    with contextlib.suppress(WireError):
        return Decoder(memoryview(bytearray(body)), no_word).value(from_json(head))


def receive(data: bytes) -> None:
    """Read frames off a socket until there is nothing more to read."""
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.suppress(WireError, ChannelClosed, TimeoutError):
        theirs.settimeout(SECONDS)
        theirs.sendall(data[:60_000])
        theirs.shutdown(socket.SHUT_WR)
        channel = Channel(ours, judge=True)
        while True:
            channel.receive(SECONDS)


def rebuild(head: bytes, body: bytes) -> None:
    """Make an exception of a worker's words."""
    with contextlib.suppress(WireError):
        error = rebuild_exception(decode(head, body), Originals())
        assert isinstance(error, BaseException)
        str(error)


def apply(head: bytes, body: bytes) -> None:
    """Change shared tensors as a worker says."""
    shared = Shared(0, strong=True)
    shared.add(torch.nn.Parameter(torch.zeros(4)), 1)
    shared.add(torch.zeros(2, 2), 3)
    with contextlib.suppress(WireError):
        shared.apply(decode(head, body))
    shared.agree(shared.changed())


def proxy(head: bytes, body: bytes) -> None:
    """Make the class of a proxy."""
    about = decode(head, body)
    if isinstance(about, list) and len(about) == 4:
        name, module, known, can = about
        if isinstance(name, str) and isinstance(module, str) and isinstance(can, list):
            with contextlib.suppress(WireError, ValueError, TypeError):  # the judge catches these
                assert issubclass(proxy_class(Remote, name, module, known, can), Remote)


def converse(data: bytes, *, ask: str = "function") -> None:
    """Ask a worker that answers with these bytes, whatever it is asked, and then with silence."""
    ours, theirs = socket.socketpair()
    state = torch.get_rng_state()

    def ended(error: Exception | None) -> str:
        theirs.close()
        return "ended"

    with ours, theirs:
        judge = Judge(Channel(ours, judge=True), interrupt=lambda: None, ended=ended)
        judge.handles.number(len)
        held = torch.nn.Parameter(torch.zeros(4))
        judge.shared.add(held, 1)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        theirs.settimeout(SECONDS)
        with contextlib.suppress(OSError):
            theirs.sendall(data[:60_000])
            theirs.shutdown(socket.SHUT_WR)
        try:
            judge.request(ask, "f", [torch.ones(4, requires_grad=True)], {}, seconds=SECONDS)
        except ProcessLost:
            assert judge.lost
        except BaseException as error:
            if not hasattr(error, "raised_elsewhere"):  # it is not one of the student's
                raise
        finally:
            torch.set_grad_enabled(True)
            torch.set_rng_state(state)


def framed(head: Any, body: bytes = b"") -> bytes:
    """A frame of JSON and a body."""
    data = head if isinstance(head, bytes) else json.dumps(head).encode()
    return FRAME.pack(0, len(data), len(body)) + data + body


def all_targets(data: bytes) -> None:
    """Give the same bytes to every target."""
    head, _, body = data.partition(b"\0")
    for target in (decode, rebuild, apply, proxy):
        target(head, body)
    receive(data)
    converse(data)
    converse(framed(head, body))
