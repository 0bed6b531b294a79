"""Process 1 of a sandbox: it has torch imported, and forks one worker for each submission.

It answers one JSON request at a time over the control socket that it was started with, trusts nothing that
comes from a worker, runs no torch operation (a process that has run one OpenMP region hangs every child that
it forks), and ends, with everything in its namespace, when the judge's end of that socket is closed.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradus.sandbox import cleaning, seccomp
from gradus.sandbox.child import (
    DUMPABLE,
    PDEATHSIG,
    SUBREAPER,
    be_worker,
    become,
    function,
    prctl,
)
from gradus.sandbox.orders import Orders
from gradus.sandbox.tasks import descendants, last_number, marks_of_self, reap_all

POLL_SECONDS = 0.2  # between looks at how many files a worker has made
FORKS = 64  # by one worker. Numbers of processes go on, and would tell the next worker something
FILES = 2_000  # by one worker: numbers of files go on too
CLEAN_SECONDS = 5.0  # to be rid of everything that a worker has left


def main(words: list[str]) -> int:
    """Run the orders in the last of `words`."""
    orders = Orders.read(words[-1])
    if orders.probe:
        become(orders.user)
        print(json.dumps({"lacking": seccomp.try_to_load() if orders.seccomp else ""}))
        return 0
    if orders.once:
        from gradus.sandbox.once import serve_once

        return serve_once(orders)
    Zygote(orders).run()
    return 0


class Zygote:
    """The fork server of one slot."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.control = socket.socket(fileno=orders.control)
        self.control.set_inheritable(False)
        self.worker = 0  # process number while there is one that has not been reaped
        self.code: int | None = None
        self.overfull = False
        # Of the last process, and of the next files, before the worker.
        self.number = self.inodes = 0
        self.mounts: tuple[str, ...] = ()
        self.marks: list[str] = []

    def run(self) -> None:
        """Get ready, say so, and answer requests until the judge is gone."""
        ready, lacking = self.orders.ready, self._become()

        def loop() -> None:
            self._settle()
            self._send({"ready": True, "lacking": lacking})
            self._answer()

        if not ready.around:
            loop()
            return
        function(ready.around)(loop, ready.about)

    def _answer(self) -> None:
        answers: dict[str, Callable[[dict[str, Any], list[int]], dict[str, Any]]] = {
            "start": self._start,
            "interrupt": self._interrupt,
            "kill": self._kill,
            "status": self._status,
            "stop": self._stop,
        }
        try:
            while True:
                patience = POLL_SECONDS if self.worker else None
                if not select.select([self.control], [], [], patience)[0]:
                    self._look_after()
                    continue
                data, descriptors, _, _ = socket.recv_fds(self.control, 65536, 4)
                if not data:
                    break
                request = json.loads(data)
                try:
                    answer = answers[request["do"]](request, descriptors)
                finally:
                    for descriptor in descriptors:
                        os.close(descriptor)
                self._send(answer)
        finally:  # with a namespace the kernel does it too, when process 1 ends
            reap_all(time.monotonic() + CLEAN_SECONDS, self._kill_all)

    def _send(self, answer: dict[str, Any]) -> None:
        self.control.send(json.dumps(answer).encode())

    def _become(self) -> str:
        """Become what every worker inherits; returns why there is no filter, where one is asked for."""
        orders = self.orders
        for number in (
            signal.SIGINT,
            signal.SIGTERM,
            signal.SIGHUP,
            signal.SIGQUIT,
            signal.SIGCHLD,
        ):
            signal.signal(number, signal.SIG_DFL)  # process 1 ignores what it does not handle
        signal.signal(
            signal.SIGUSR1, signal.SIG_IGN
        )  # a worker that is interrupted too early lives on
        become(orders.user)
        if orders.namespace:
            prctl(PDEATHSIG, signal.SIGKILL)  # becoming another user has taken it off
        else:
            prctl(SUBREAPER, 1)
        sys.path[:] = [place for place in sys.path if place not in ("", str(orders.scratch))]
        gc.disable()  # what is imported stays: to look for garbage meanwhile takes 0.2 s
        import torch

        torch.set_num_threads(1)
        function(orders.serve)  # imported once, for every worker
        prctl(DUMPABLE, 0)  # nobody reads its memory or descriptors, of whatever user
        lacking = ""
        if orders.seccomp:
            lacking = seccomp.try_to_load(
                shared_anonymous=orders.shared_anonymous, memory_files=orders.ready.memory_files
            )
        return lacking

    def _settle(self) -> None:
        """Take note of how things are before the first worker.

        Raises:
            RuntimeError: If importing torch left a second thread behind, which a fork would lose.
        """
        threads = len(list(Path("/proc/self/task").iterdir()))
        if threads != 1:
            raise RuntimeError(
                f"the zygote has {threads} threads after its imports; it must have one"
            )
        self.mounts, self.marks = cleaning.mount_points(), marks_of_self()
        gc.collect()
        gc.freeze()  # workers write to no page of what they share with it
        gc.enable()

    def _start(self, request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        if self.worker:
            return {"error": "a worker is running"}
        (channel,) = descriptors
        self.code, self.overfull = None, False
        self.number, self.inodes = last_number(), self._next_inodes()
        self.worker = os.fork()
        if self.worker == 0:
            be_worker(channel, str(request["serve"]), self.orders)
        return {"process": self.worker}

    def _interrupt(self, request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        self._reap()
        if self.worker:
            os.kill(self.worker, signal.SIGUSR1)
        return {"sent": bool(self.worker)}

    def _kill(self, request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        self._kill_all()
        return {}

    def _status(self, request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        self._reap()
        return {"running": bool(self.worker), "code": self.code, "overfull": self.overfull}

    def _stop(self, request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """Let the worker end by itself for a moment, if the judge says so; then remove every trace of it."""
        until = time.monotonic() + float(request["patience"])
        self._reap()
        while self.worker and time.monotonic() < until:
            time.sleep(0.002)
            self._reap()
        ended = self.code
        odd = reap_all(time.monotonic() + CLEAN_SECONDS, self._kill_all)
        self.worker = 0
        if self.orders.namespace and not 0 <= last_number() - self.number <= FORKS + 1:
            odd.append(f"it started more than {FORKS} processes")
        mounts = cleaning.mount_points()
        if mounts != self.mounts:
            odd.append("mounts have changed")
        if marks_of_self() != self.marks:
            odd.append("the fork server itself was changed")
        if not odd:
            for folder in self.orders.folders:
                odd += cleaning.empty(Path(folder), cleaning.kept_inside(Path(folder), mounts))
            if self._next_inodes() - self.inodes > FILES:
                odd.append(f"it made more than {FILES} files")
        return {"code": ended, "overfull": self.overfull, "odd": odd[:20]}

    def _next_inodes(self) -> int:
        """The numbers that the next files get, in the folders of a sandbox's own, together."""
        folders = self.orders.folders if self.orders.namespace else ()
        return sum(cleaning.next_inode(Path(folder)) for folder in folders)

    def _reap(self) -> None:
        """Take note of how the worker ended, and of nothing else that did."""
        with contextlib.suppress(ChildProcessError):
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if process == 0:
                    return
                if process == self.worker:
                    self.worker, self.code = 0, os.waitstatus_to_exitcode(status)

    def _look_after(self) -> None:
        """Stop a worker that makes files without end: each takes the kernel's memory, which no size bounds."""
        self._reap()
        used = 0
        for folder in self.orders.folders if self.orders.namespace else ():
            with contextlib.suppress(OSError):
                space = os.statvfs(folder)
                used += space.f_files - space.f_ffree
        if used > self.orders.limits.files:
            self.overfull = True
            self._kill_all()

    def _kill_all(self) -> None:
        if self.orders.namespace and os.getpid() == 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)  # everything in the namespace but process 1
            return
        for process in descendants(os.getpid()):  # orphans come to it: see SUBREAPER
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
