"""A worker that is started anew for each submission: where there is no fork server, or none is wanted."""

import contextlib
import os
import signal
import socket
import threading
import time

from gradus.sandbox import limits, seccomp
from gradus.sandbox.child import function
from gradus.sandbox.orders import Orders
from gradus.sandbox.tasks import descendants


def serve_once(orders: Orders) -> int:
    """Connect to the judge as `orders.channel` says, and be the worker."""
    channel = connect(orders.channel)
    parent = os.getppid()
    import torch

    torch.set_num_threads(1)
    if orders.seccomp:
        seccomp.try_to_load(shared_anonymous=orders.shared_anonymous)
    limits.apply(orders.limits, others=orders.others)
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until the worker says what it is to do
    os.chdir(orders.scratch)
    watch = threading.Thread(target=_end_with, args=(parent,), daemon=True)
    watch.start()  # not before the filter, which binds only the threads that come after it
    function(orders.serve)(channel)
    for process in descendants(
        os.getpid()
    ):  # the judge may be gone, and nobody else would end them
        with contextlib.suppress(OSError):
            os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    os._exit(0)  # whatever threads the submission has left


def connect(channel: str) -> int:
    """The descriptor of "fd:5", or of a connection to "tcp:PORT:TOKEN" on this machine.

    Raises:
        ValueError: If the channel is of neither kind.
    """
    kind, _, rest = channel.partition(":")
    if kind == "fd":
        return int(rest)
    if kind == "tcp":
        port, _, token = rest.partition(":")
        connection = socket.create_connection(("127.0.0.1", int(port)))
        connection.sendall(token.encode("ascii"))
        return connection.detach()
    raise ValueError(f"channel {channel!r} is neither fd:NUMBER nor tcp:PORT:TOKEN")


def _end_with(parent: int) -> None:
    """End this process, and those of its session, when the judge is gone."""
    if os.name != "posix":
        return
    while os.getppid() == parent:
        time.sleep(0.5)
    with contextlib.suppress(OSError):
        os.killpg(0, signal.SIGKILL)
