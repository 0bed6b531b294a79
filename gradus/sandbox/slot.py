"""A place where one submission after another runs, shut in, each in a process of its own."""

import contextlib
import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from gradus.sandbox.endings import Ended, ended, out_of_reach
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.fork_server import ForkServer, Stopped, View
from gradus.sandbox.levels import Isolation, Level, describe, probe_level
from gradus.sandbox.limits import Limits
from gradus.sandbox.memory import Watchdog, Watched, described
from gradus.sandbox.orders import Ready
from gradus.sandbox.plain_process import PlainProcess

PATIENCE_SECONDS = 2.0  # for a worker that has closed its channel to end by itself


class Worker:
    """A running submission. `socket` is the judge's end of its channel: a stream."""

    def __init__(self, slot: "Slot", channel: socket.socket) -> None:
        """Made by `Slot.start`."""
        self.socket = channel
        self._slot = slot
        self._ended: Ended | None = None

    def interrupt(self) -> bool:
        """Send it SIGUSR1, at which it stops what it is doing; False when there is nothing to interrupt."""
        return self._ended is None and self._slot.interrupt_worker()

    def running(self) -> bool:
        """Whether its process still runs."""
        return self._ended is None and self._slot.worker_runs()

    def kill(self) -> None:
        """Kill it with everything that it has started; `stop` then removes what it has written.

        A worker that has closed its channel is given a moment to end by itself.
        """
        until = time.monotonic() + (PATIENCE_SECONDS if _hung_up(self.socket) else 0.0)
        while self.running() and time.monotonic() < until:
            time.sleep(0.002)
        if self._ended is None:
            self._slot.kill_worker()

    def stop(self) -> Ended:
        """End it with everything that it has started, remove what it has written, and say how it ended.

        A worker that has closed its channel is given a moment to end by itself, so that its exit code is
        seen. May be called again: the answer stays.
        """
        if self._ended is None:
            patience = PATIENCE_SECONDS if _hung_up(self.socket) else 0.0
            self._ended = self._slot.stop_worker(patience)
            self.socket.close()
        return self._ended


class Slot:
    """Starts one worker at a time, behind the best wall that this machine has.

    Nothing is started before the first worker; the first costs importing torch, later ones a fork. When
    the sandbox itself is lost, or a worker leaves something behind, the next worker gets a new sandbox.
    Closing the slot, or the end of this process however it comes, ends all that runs in it.
    """

    def __init__(
        self,
        readable: Sequence[Path] = (),
        limits: Limits | None = None,
        level: Level | None = None,
        *,
        hidden: Sequence[Path] = (),
        ready: Ready | None = None,
        fork_server: bool = sys.platform == "linux",
    ) -> None:
        """`readable`: files and folders that workers may read, besides Python and gradus.

        `hidden`: those that they may not, wherever they lie; what is readable within stays so. `level` asks
        for one level and no other; None takes the best. `ready` is made once, ahead of all workers. Without
        `fork_server` each worker is a new process that imports torch, at `Level.PROCESS`: all there is
        outside Linux.
        """
        self.limits = limits or Limits()
        self._readable = tuple(Path(path).absolute() for path in readable)
        self._hidden = tuple(Path(path).absolute() for path in hidden)
        self._level, self._ready = level, ready
        self._fork_server = fork_server
        self._isolation: Isolation | None = None
        self._host: ForkServer | PlainProcess | None = None
        self._worker: Worker | None = None
        self._watchdog: Watchdog | None = None

    @property
    def isolation(self) -> Isolation:
        """The level that workers of this slot run at, in words.

        Raises:
            SandboxError: If the level that was asked for is out of reach here.
        """
        if self._isolation is None:
            self._isolation = self._choose()
        return self._isolation

    def _choose(self) -> Isolation:
        best = probe_level()
        if not self._fork_server and self._level in (None, Level.PROCESS):
            filtered = best.details["system calls"] != "all"
            return describe(Level.PROCESS, filtered=filtered, why="no fork server", once=True)
        order = list(Level)
        if self._fork_server and self._level in (None, best.level):
            return best
        assert self._level is not None
        if not self._fork_server or order.index(self._level) < order.index(best.level):
            raise SandboxError(out_of_reach(self._level, best, fork_server=self._fork_server))
        filtered = self._level is not Level.NAMESPACES
        return describe(
            self._level,
            filtered=filtered and best.details["system calls"] != "all",
            identity=best.identity if self._level is not Level.PROCESS else None,
        )

    def start(self, serve: str) -> Worker:
        """A new worker, which runs `serve` ("module:function" or "/path/to/file.py:function") on its channel.

        Raises:
            SandboxError: If the last worker has not been stopped, or no sandbox can be set up.
        """
        if self._worker is not None:
            raise SandboxError("sandbox: one worker at a time; stop the last one first")
        channel = None
        if self._host is not None and self._host.alive():
            with contextlib.suppress(SandboxError):  # it died since: once more, with a new one
                channel = self._host.start(serve)
        if channel is None:
            self.restart()
            self._host = self._new_host(serve)
            channel = self._host.start(serve)
        host = self._host
        assert host is not None
        identity = self.isolation.identity
        limit = Watched(
            self.limits.memory,
            host.group,
            sockets=self.isolation.level is not Level.PROCESS,
            processes=None if identity is None or identity.counted else self.limits.processes,
        )
        whole = isinstance(host, PlainProcess)
        self._watchdog = Watchdog(host.root, limit, host.kill, whole=whole)
        self._worker = Worker(self, channel)
        return self._worker

    def _new_host(self, serve: str) -> ForkServer | PlainProcess:
        isolation = self.isolation
        if not self._fork_server:
            return PlainProcess(self.limits)
        view = View(self._readable, self._hidden, isolation.identity)
        host = ForkServer(isolation.level, view, self.limits, serve, self._ready)
        if host.lacking and isolation.level is Level.SANDBOX:
            host.close()
            raise SandboxError(f"sandbox: no system-call filter after all: {host.lacking}")
        details = {**isolation.details, "memory": described(host.group)}
        self._isolation = replace(isolation, details=details)
        return host

    def restart(self) -> None:
        """End the sandbox, and the worker in it if there is one; the next `start` makes a new one."""
        if self._worker is not None:
            self._worker.stop()
        host, self._host = self._host, None
        if host is not None:
            host.close()

    def close(self) -> None:
        """End everything. The slot may still be used again: it would start anew."""
        self.restart()

    def __enter__(self) -> "Slot":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def interrupt_worker(self) -> bool:
        """Interrupt the worker that there is."""
        with contextlib.suppress(SandboxError):
            return self._host is not None and self._host.interrupt()
        return False

    def kill_worker(self) -> None:
        """Kill the worker that there is."""
        with contextlib.suppress(SandboxError):
            if self._host is not None:
                self._host.kill()

    def sweep(self) -> None:
        """Empty the folders once more after a worker: another process may have been able to write there."""
        if self._worker is None and self._host is not None:
            self.stop_worker(0.0)

    def worker_runs(self) -> bool:
        """Whether the worker that there is still runs."""
        with contextlib.suppress(SandboxError):
            return self._host is not None and self._host.running()
        return False

    def stop_worker(self, patience: float) -> Ended:
        """End the worker that there is, and tell how it ended."""
        host, watchdog = self._host, self._watchdog
        self._worker = self._watchdog = None
        stopped: Stopped | None = None
        if host is not None:
            with contextlib.suppress(SandboxError):
                stopped = host.stop(patience)
        over = too_many = False
        if watchdog is not None:
            watchdog.stop()
            over, too_many = watchdog.exceeded, watchdog.too_many
        if host is not None and (stopped is None or stopped.odd):
            self._host = None
            host.close()
        return ended(stopped, self.limits, over_memory=over, too_many=too_many)


def _hung_up(channel: socket.socket) -> bool:
    """Whether the worker has closed its end."""
    if channel.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return False
    waiting = select.poll()
    waiting.register(channel, getattr(select, "POLLRDHUP", 0))
    return bool(waiting.poll(0))
