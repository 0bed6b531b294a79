"""What a supervisor and a judge that is shut in say to each other: lines of JSON over a socket.

The supervisor believes nothing that a judge says: a submission may have taken it over.
"""

import json
import select
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

SEND_SECONDS = 30.0  # for the other side to take what is said
LONGEST = 8 << 20  # bytes of one line
MOST = 64 << 20  # bytes that one judge may say in all

Said = dict[str, Any]


class Nonsense(Exception):
    """What was said is no line of JSON, or there is too much of it."""


class Talk:
    """One side of a talk.

    Args:
        sock: A connected stream socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._text = b""
        self._taken = 0
        self._descriptors: list[int] = []

    def say(self, what: Said, descriptors: Sequence[int] = (), data: bytes = b"") -> None:
        """Say a line; `data` follows it as it is.

        Raises:
            OSError: If the other side is gone, or does not take it.
        """
        text = json.dumps(what).encode() + b"\n" + data
        self._sock.settimeout(SEND_SECONDS)
        if descriptors:
            text = text[socket.send_fds(self._sock, [text], list(descriptors)) :]
        self._sock.sendall(text)

    def lines(self, seconds: float) -> Iterator[Said] | None:
        """The lines that come within so many seconds; None when the other side has hung up.

        Raises:
            Nonsense: If one is no line of JSON, or too long.
        """
        if not select.select([self._sock], [], [], max(0.0, seconds))[0]:
            return iter(())
        try:
            data = self._sock.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            return None
        self._taken += len(data)
        *lines, self._text = (self._text + data).split(b"\n")
        if len(self._text) > LONGEST or self._taken > MOST:
            raise Nonsense("more than a judge has to say")
        return map(_read, lines)

    def listen(self, size: int = -1) -> Any:
        """The next line, or the next `size` bytes; waits for as long as it takes.

        Raises:
            EOFError: If the other side has hung up.
        """
        self._sock.settimeout(None)
        while (b"\n" not in self._text) if size < 0 else (len(self._text) < size):
            data, descriptors, _, _ = socket.recv_fds(self._sock, 1 << 18, 1)
            self._descriptors += descriptors
            if not data:
                raise EOFError("the supervisor is gone")
            self._text += data
        if size >= 0:
            found, self._text = self._text[:size], self._text[size:]
            return found
        line, _, self._text = self._text.partition(b"\n")
        return _read(line)

    def ask(self, what: str) -> tuple[Said, list[int]]:
        """Ask the supervisor, and wait: the answer, and the descriptors that came with it.

        A time limit strikes before or after it, and not in the middle.
        """
        with _no_alarm():
            self.say({"ask": what})
            answer = self.listen()
        descriptors, self._descriptors = self._descriptors, []
        return answer, descriptors


def say_whole(talk: Talk, what: Said) -> None:
    """Say a line that no time limit cuts in two."""
    with _no_alarm():
        talk.say(what)


@contextmanager
def _no_alarm() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read(text: bytes) -> Said:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Nonsense(f"no line of JSON ({type(error).__name__})") from None
    if not isinstance(said, dict):
        raise Nonsense("no object of JSON")
    return said
