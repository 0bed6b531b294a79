"""The process of a worker: what it sets up once, and its loop."""

import random
import signal
import socket
from types import FrameType

import jaxtyping  # noqa: F401  (most submissions import it: once here, for every worker)
import numpy as np
import numpy.random  # which NumPy itself would import when it is first used
import torch

from gradus import dynamo_later, torchvision_ops
from gradus.submission.debugger import let_debuggers_quit
from gradus.wall.wire.channel import Channel, ChannelClosed
from gradus.wall.worker.worker import Worker


class Interrupted(BaseException):
    """The judge has no more time for this call."""


def serve(descriptor: int) -> None:
    """Serve the judge over an inherited socket until it hangs up."""
    sock = socket.socket(fileno=descriptor)

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise Interrupted("the judge has no more time")

    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, interrupt)
    torch.set_num_threads(1)
    torchvision_ops.install()
    dynamo_later.install()
    let_debuggers_quit()
    random.seed()  # a fork inherits the state of its parent
    np.random.seed()
    worker = Worker(Channel(sock, judge=False))
    while True:
        try:
            worker.answer_next()
        except Interrupted:  # it came too late: the call had ended
            continue
        except ChannelClosed:
            return
