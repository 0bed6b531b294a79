"""Frames over a socket: a head, and a body that travels in shared memory when it is large.

The judge makes the shared memory, sealed against resizing, and hands it to the worker: the worker can
neither exhaust the machine with it nor pull it from under the judge's feet. Descriptors that a worker
sends are never accepted.
"""

import contextlib
import mmap
import os
import socket
import struct
import time
from collections.abc import Sequence

from gradus.wall.wire.limits import MAX_BODY, MAX_HEAD
from gradus.wall.wire.nodes import WireError

_FRAME = struct.Struct("<BIQ")  # kind, bytes of the head, bytes of the body
_INLINE, _SHARED, _WANTED = 0, 1, 2  # body on the socket; in shared memory; "give me so much of it"
_AHEAD = 64 << 10  # bytes asked for at a time
SMALL = 128 << 10  # bytes that go over the socket; more is quicker through shared memory
CAN_SHARE = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")


class ChannelClosed(Exception):
    """The other side is gone."""


class Channel:
    """One side of a connection.

    Args:
        sock: A connected stream socket.
        judge: Whether this is the judge's side: it provides the shared memory.
    """

    def __init__(self, sock: socket.socket, *, judge: bool) -> None:
        self._sock, self._judge = sock, judge
        self.deadline: float | None = None  # when the other side's time is over, whatever it sends
        self._mine: mmap.mmap | None = None  # what this side writes
        self._theirs: mmap.mmap | None = None  # what this side reads
        self._attached: list[int] = []
        self._waiting = bytearray()  # what has arrived and was not asked for yet

    def send(self, head: bytes, buffers: Sequence[memoryview] = (), size: int = 0) -> None:
        """Send one frame.

        Raises:
            ChannelClosed: If the other side is gone.
        """
        self._wait_at_most(None)
        if size <= SMALL or not CAN_SHARE:
            data = b"".join([_FRAME.pack(_INLINE, len(head), size), head, *buffers])
            self._write(data)
            return
        attach = self._room(size)
        assert self._mine is not None
        place = 0
        for buffer in buffers:
            self._mine[place : place + buffer.nbytes] = buffer
            place += buffer.nbytes
        self._write(_FRAME.pack(_SHARED, len(head), size) + head, attach)

    def receive(self, seconds: float | None = None) -> tuple[bytes, memoryview]:
        """The next frame's head and body; the body holds until the next call.

        Raises:
            ChannelClosed: If the other side is gone.
            WireError: If it is no frame, or too large.
            TimeoutError: If nothing came for `seconds`.
        """
        self._wait_at_most(seconds)
        while True:
            kind, head_size, size = _FRAME.unpack(self._read(_FRAME.size))
            if head_size > MAX_HEAD or size > MAX_BODY:
                raise WireError("a frame beyond the limits")
            if kind == _WANTED and self._judge and head_size == 0:
                self._provide(size)
                continue
            if kind == _INLINE:
                if CAN_SHARE and size > SMALL:
                    raise WireError("a large body outside the shared memory")
                both = self._read(head_size + size)
                return bytes(both[:head_size]), both[head_size:]
            head = bytes(self._read(head_size))
            self._adopt()
            if kind != _SHARED or self._theirs is None or size > len(self._theirs):
                raise WireError("a frame of an unknown kind")
            return head, memoryview(self._theirs)[:size]

    def close(self) -> None:
        """Hang up."""
        self._sock.close()
        for descriptor in self._attached:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._attached.clear()

    def _room(self, size: int) -> int | None:
        """Have `size` bytes of shared memory to write to; the judge's new descriptor for the worker."""
        if self._mine is not None and len(self._mine) >= size:
            return None
        if self._judge:
            descriptor, self._mine = _shared_memory(size)
            return descriptor
        self._write(_FRAME.pack(_WANTED, 0, size))
        self._read(1)
        self._mine = _map(self._attached.pop(0))
        return None

    def _provide(self, size: int) -> None:
        if self._theirs is not None and size <= len(self._theirs):
            raise WireError("shared memory asked for that is there already")
        descriptor, self._theirs = _shared_memory(size)
        self._write(b"+", descriptor)

    def _adopt(self) -> None:
        """The worker's side: the judge has sent new memory with this frame."""
        if self._attached:
            self._theirs = _map(self._attached.pop(0))

    def _write(self, data: bytes, attach: int | None = None) -> None:
        try:
            if attach is not None:
                try:
                    sent = socket.send_fds(self._sock, [data], [attach])
                finally:
                    os.close(attach)
                data = data[sent:]
            if self.deadline is not None:
                self._hurry(self.deadline)
            self._sock.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelClosed(str(error)) from None

    def _read(self, count: int) -> memoryview:
        """The next bytes of the stream."""
        while len(self._waiting) < count:
            if self.deadline is not None:
                self._hurry(self.deadline)
            try:
                self._receive(count - len(self._waiting))
            except TimeoutError:
                raise
            except OSError as error:
                raise ChannelClosed(str(error)) from None
        data = memoryview(self._waiting)[:count]
        self._waiting = self._waiting[count:]  # a new buffer: `data` keeps the old one
        return data

    def _hurry(self, deadline: float) -> None:
        """Wait no longer than the deadline allows."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        seconds = self._sock.gettimeout()
        self._sock.settimeout(left if seconds is None else min(left, seconds))

    def _wait_at_most(self, seconds: float | None) -> None:
        if seconds != self._sock.gettimeout():  # to set it is a system call
            self._sock.settimeout(seconds)

    def _receive(self, missing: int) -> None:
        ahead = max(missing, _AHEAD)
        if self._judge or not CAN_SHARE:
            data = self._sock.recv(ahead)
        else:
            data, descriptors, _, _ = socket.recv_fds(self._sock, ahead, 2)
            self._attached += descriptors
        if not data:
            raise ChannelClosed("the other side closed the connection")
        self._waiting = self._waiting + data if self._waiting else bytearray(data)


def _shared_memory(size: int) -> tuple[int, mmap.mmap]:
    """A descriptor for the other side, and the memory, zeroed and sealed against resizing."""
    import fcntl

    if not 0 < size <= MAX_BODY:
        raise WireError("shared memory beyond the limits")
    size = 1 << (size - 1).bit_length()
    descriptor = os.memfd_create("gradus", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        return descriptor, mmap.mmap(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise


def _map(descriptor: int) -> mmap.mmap:
    try:
        return mmap.mmap(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
