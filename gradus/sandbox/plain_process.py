"""The judge's hold on a worker that is a plain process, started anew for each submission."""

import contextlib
import hmac
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from gradus.sandbox import cleaning
from gradus.sandbox.bubblewrap import environment
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.fork_server import READY_SECONDS, Stopped
from gradus.sandbox.levels import words
from gradus.sandbox.limits import Limits, tasks_of_user
from gradus.sandbox.orders import Orders
from gradus.sandbox.tasks import descendants

END_SECONDS = 10.0


class PlainProcess:
    """Starts a process for each worker: what there is on macOS and Windows."""

    group = None
    lacking = ""

    def __init__(self, limits: Limits, *, tcp: bool = os.name != "posix") -> None:
        """With `tcp` the channel is a connection on this machine, which the worker proves by a secret."""
        self._limits, self._tcp = limits, tcp
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._known: set[int] = set()

    @property
    def root(self) -> int:
        """The number of the worker's process."""
        return self._process.pid if self._process is not None else 0

    def start(self, serve: str) -> socket.socket:
        """Start a process that imports torch and runs `serve`; the judge's end of its channel.

        Raises:
            SandboxError: If it does not start or does not connect.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="gradus-", ignore_cleanup_errors=True)
        self._known = set()
        return self._start_tcp(serve) if self._tcp else self._start_pair(serve)

    def _start_pair(self, serve: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._spawn(f"fd:{theirs.fileno()}", serve, (theirs.fileno(),))
        return ours

    def _start_tcp(self, serve: str) -> socket.socket:
        token = secrets.token_hex(32)
        with socket.create_server(("127.0.0.1", 0)) as door:
            door.settimeout(READY_SECONDS)
            self._spawn(f"tcp:{door.getsockname()[1]}:{token}", serve, ())
            while True:  # others on this machine may knock
                try:
                    connection, _ = door.accept()
                    connection.settimeout(READY_SECONDS)
                    said = _receive_exactly(connection, len(token))
                except OSError as error:
                    self.kill()
                    raise SandboxError(f"sandbox: the worker does not connect ({error})") from error
                if hmac.compare_digest(said, token.encode("ascii")):
                    connection.settimeout(None)
                    return connection
                connection.close()

    def _spawn(self, channel: str, serve: str, descriptors: tuple[int, ...]) -> None:
        assert self._folder is not None
        orders = Orders(
            once=True,
            namespace=False,
            folders=(self._folder.name,),
            others=tasks_of_user(os.getuid()) if sys.platform == "linux" else 0,
            limits=self._limits,
            channel=channel,
            serve=serve,
        )
        self._process = subprocess.Popen(
            words(orders),
            env=environment(self._folder.name, self._folder.name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=descriptors,
            start_new_session=True,
        )

    def interrupt(self) -> bool:
        """Send the worker SIGUSR1, where there is such a signal; False when it could not be sent."""
        if not self.running() or not hasattr(signal, "SIGUSR1"):
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.root, signal.SIGUSR1)
        return True

    def kill(self) -> None:
        """Kill the worker and all of it that can be found."""
        if self._process is None:
            return
        self._known |= set(descendants(self.root))
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.root, signal.SIGKILL)
        self._process.kill()
        for process in self._known:  # found while their parent still ran
            with contextlib.suppress(OSError):
                os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        self._known.clear()

    def running(self) -> bool:
        """Whether the worker still runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, patience: float) -> Stopped:
        """End the worker, after `patience` seconds if it has not ended by itself, and remove its folder."""
        if self._process is None:
            return Stopped(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        code = self._process.poll()
        self.kill()
        odd: tuple[str, ...] = ()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            odd = (f"process {self.root} cannot be killed",)
        self._process = None
        if self._folder is not None:
            cleaning.empty(Path(self._folder.name))  # deeper trees than shutil can remove
            self._folder.cleanup()
            left = Path(self._folder.name).exists()
            odd += (f"{self._folder.name} cannot be removed",) if left else ()
        return Stopped(code, odd)

    def alive(self) -> bool:
        """A new worker can always be started."""
        return True

    def close(self) -> None:
        """End the worker, if there is one."""
        self.stop(0.0)


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data
