"""What runs in the sandbox: the cells of one notebook, one after another; outputs are told at once."""

import builtins
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import FrameType

import torch

import gradus
from gradus import dynamo_later, torchvision_ops
from gradus.classroom.own_cells.shell import CellShell, no_input
from gradus.engine.contained.talk import Talk


class CellTimeoutError(BaseException):
    """The cell has run for as long as it may."""


def serve(descriptor: int) -> None:
    """Run what the supervisor tells of."""
    talk = Talk(socket.socket(fileno=descriptor))
    told = talk.listen()
    folder = Path(tempfile.mkdtemp(prefix="work-", dir=Path.cwd()))  # /tmp is smaller
    for name, size in told["files"]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(talk.listen(size))
    os.chdir(folder)
    sys.path[:0] = [*told["import_from"], ""]
    os.environ.update(
        HOME=str(folder), IPYTHONDIR=tempfile.mkdtemp(prefix="ipython-"),
        MPLBACKEND="module://matplotlib_inline.backend_inline", MPLCONFIGDIR=tempfile.mkdtemp(),
    )  # fmt: skip
    torch.set_num_threads(1)
    torchvision_ops.install()
    dynamo_later.install()
    builtins.input = no_input
    gradus.checker = lambda topic: lambda task: None  # type: ignore[assignment,return-value]  # checks are graded apart
    shell = CellShell.instance()  # `get_ipython()` finds it
    running = [False]

    def interrupt(signum: int, frame: FrameType | None) -> None:
        if running[0]:
            raise CellTimeoutError(f"the cell was stopped after {told['seconds']:g} s")

    signal.signal(signal.SIGUSR1, interrupt)
    for number, text in told["cells"]:
        running[0] = True
        try:
            outputs = shell.run(number, text)
        finally:
            running[0] = False
        talk.say({"cell": number, "outputs": outputs})
