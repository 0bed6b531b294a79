"""The judge's hold on one zygote: start it, ask it, end it."""

import concurrent.futures
import contextlib
import functools
import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradus.sandbox import cleaning
from gradus.sandbox.bubblewrap import command, environment
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.groups import Group
from gradus.sandbox.identity import Identity, identities
from gradus.sandbox.levels import Level, words
from gradus.sandbox.limits import Limits, tasks_of_user
from gradus.sandbox.orders import Orders, Ready

READY_SECONDS = 180.0  # to start Python and import torch on a slow and busy machine
ANSWER_SECONDS = 30.0  # for anything else: a zygote that takes longer is given up
END_SECONDS = 10.0


@dataclass(frozen=True)
class Stopped:
    """What is known of a worker that was stopped. `code` is negative for a signal, None if it still ran."""

    code: int | None
    odd: tuple[str, ...] = ()  # what could not be cleaned up: start anew
    overfull: bool = False  # it made files without end


@dataclass(frozen=True)
class View:
    """What workers may see besides the system and Python, what they may not, and who they are."""

    readable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    identity: Identity | None = None


class ForkServer:
    """A running zygote. Its requests may come from several threads.

    Raises:
        SandboxError: If it does not get ready; with the end of what it wrote to stderr.
    """

    def __init__(
        self, level: Level, view: View, limits: Limits, serve: str, ready: Ready | None = None
    ) -> None:
        """`serve` is imported ahead of the workers that will run it, and what is `ready` is made."""
        self._lock = threading.Lock()
        self._limits, self._serve, self._ready = limits, serve, ready or Ready()
        self._folder = tempfile.TemporaryDirectory(prefix="gradus-", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name, "stderr")
        self.group = Group.make(limits)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading, writing = os.pipe()
        try:
            line, variables = self._line(level, view, theirs.fileno(), writing)
            inherited = (theirs.fileno(), *([] if level is Level.PROCESS else [writing]))
            self._process = _spawn(line, variables, self._log, inherited)
        except BaseException:
            self._control.close()
            self._remove_folders()
            raise
        finally:
            theirs.close()
            os.close(writing)
            with os.fdopen(reading, encoding="utf-8") as file:
                said = file.read()  # ends when the process has closed its copy, or has ended
        self.root = int(json.loads(said)["child-pid"]) if said.strip() else self._process.pid
        try:
            said_ready = self._receive(READY_SECONDS)
        except SandboxError:
            self.close()
            raise
        self.lacking = str(said_ready["lacking"])
        if self.group is not None:
            self.group = self.group.of_process(self.root)
            self.group.settle()

    def _line(
        self, level: Level, view: View, control: int, information: int
    ) -> tuple[list[str], dict[str, str]]:
        orders = Orders(
            control=control,
            seccomp=level is not Level.NAMESPACES,
            shared_anonymous=self.group is not None or Path("/dev/nvidiactl").exists(),
            limits=self._limits,
            serve=self._serve,
            ready=self._ready,
        )
        if level is Level.PROCESS:
            scratch = Path(self._folder.name, "scratch")
            scratch.mkdir()
            folders, others = (str(scratch),), tasks_of_user(os.getuid())
            orders = replace(orders, namespace=False, folders=folders, others=others)
            line, variables = words(orders), environment(str(scratch), str(scratch))
        else:
            others = tasks_of_user(os.getuid()) if os.geteuid() and _counts_across() else 0
            identity = (view.identity or identities()[0]).drawn_anew()
            orders = replace(orders, user=identity.becomes, others=others)
            if identity.becomes is not None:
                _check_readable(view.readable)
            line = command(
                words(orders),
                readable=view.readable,
                hidden=view.hidden,
                limits=self._limits,
                information=information,
                identity=identity,
            )
            line, variables = identity.started(line), environment()
        return (self.group.entered(line) if self.group else line), variables

    def start(self, serve: str) -> socket.socket:
        """Fork a worker that runs `serve`; the judge's end of its channel."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                answer = self._ask({"do": "start", "serve": serve}, [theirs.fileno()])
                if "process" not in answer:
                    raise SandboxError(f"sandbox: no worker was started ({answer.get('error')})")
            except SandboxError:
                ours.close()
                raise
        return ours

    def interrupt(self) -> bool:
        """Send the worker SIGUSR1; False when it has ended."""
        return bool(self._ask({"do": "interrupt"})["sent"])

    def kill(self) -> None:
        """Kill the worker and all that it has started."""
        self._ask({"do": "kill"})

    def running(self) -> bool:
        """Whether the worker still runs."""
        return bool(self._ask({"do": "status"})["running"])

    def stop(self, patience: float) -> Stopped:
        """End the worker, after `patience` seconds if it has not ended by itself, and remove its traces."""
        answer = self._ask({"do": "stop", "patience": patience})
        return Stopped(answer["code"], tuple(answer["odd"]), bool(answer["overfull"]))

    def alive(self) -> bool:
        """Whether the zygote runs."""
        return self._process.poll() is None

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        with self._lock:
            try:
                socket.send_fds(self._control, [json.dumps(request).encode()], list(descriptors))
            except OSError as error:
                raise SandboxError(f"sandbox: the fork server is gone ({error})") from error
            return self._receive(ANSWER_SECONDS)

    def _receive(self, seconds: float) -> dict[str, Any]:
        self._control.settimeout(seconds)
        try:
            data = self._control.recv(1 << 20)
        except OSError as error:
            raise SandboxError(f"sandbox: the fork server does not answer ({error})") from error
        if not data:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            said = self._log.read_text("utf-8", "replace") if self._log.exists() else ""
            raise SandboxError(
                f"sandbox: the fork server has ended (exit code {self._process.poll()}).\n{said[-2000:]}"
            )
        answer: dict[str, Any] = json.loads(data)
        return answer

    def close(self) -> None:
        """End the zygote and everything in its sandbox; returns when all of it is gone."""
        self._control.close()  # it ends by itself then, and the kernel ends the rest before it is gone
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # bubblewrap: the zygote dies with it
            self._process.wait()
        self._remove_folders()

    def _remove_folders(self) -> None:
        if self.group is not None:
            self.group.close()
        cleaning.empty(Path(self._folder.name))  # deeper trees than shutil can remove
        self._folder.cleanup()


def _check_readable(paths: Sequence[Path]) -> None:
    """Workers of a judge that is root are another user: what they are to read must be open to all.

    Raises:
        SandboxError: If it is not.
    """
    for path in paths:
        need = 0o005 if path.is_dir() else 0o004
        if path.exists() and path.stat().st_mode & need != need:
            raise SandboxError(
                f"sandbox: {path} is to be readable by submissions, which run as an unused user, and has "
                f"mode {path.stat().st_mode & 0o777:o}; chmod -R o+rX {path}"
            )


def _counts_across() -> bool:
    """Whether RLIMIT_NPROC counts a user's processes in all user namespaces together: Linux before 5.14."""
    release = os.uname().release.split(".")
    with contextlib.suppress(ValueError, IndexError):
        return (int(release[0]), int(release[1].split("-")[0])) < (5, 14)
    return True


@functools.cache
def _spawner(process: int) -> concurrent.futures.ThreadPoolExecutor:
    """A thread for the life of judge `process`: a sandbox ends with the thread that has started it."""
    return concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="gradus-spawner")


def _spawn(
    line: list[str], variables: dict[str, str], log: Path, descriptors: tuple[int, ...]
) -> "subprocess.Popen[bytes]":
    def start() -> "subprocess.Popen[bytes]":
        with log.open("wb") as stderr:
            return subprocess.Popen(
                line,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=descriptors,
                start_new_session=True,
            )

    try:
        return _spawner(os.getpid()).submit(start).result()
    except OSError as error:
        raise SandboxError(f"sandbox: {line[0]} does not run ({error})") from error
