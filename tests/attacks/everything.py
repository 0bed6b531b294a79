"""Run every attack, in a sandbox or as a plain process, and print what came of it as JSON.

`python everything.py sandbox` or `... plain`, as any user. An attack meets a fresh worker, but for those that
are `SHARED`; `AFTER` names what a second worker then looks for. A process of its own, so that it may be
signalled and read.
"""

import ctypes
import inspect
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import machine
import machine_files
import machine_kernel
import machine_memory
from machine_table import AFTER, NEEDS_ROOT, NO_CONTROL, SHARED

import gradus
from gradus.sandbox import cleaning
from gradus.sandbox.levels import Level
from gradus.sandbox.limits import Limits
from gradus.sandbox.slot import Slot

HERE = Path(__file__).parent
MB = 1 << 20
HELPERS = {"answer", "call", "checked", "exchange", "fill", "reached", "write_blocks", "write_new"}
ATTACKS = [
    name
    for module in (machine, machine_files, machine_memory, machine_kernel)
    for name, value in vars(module).items()
    if inspect.isfunction(value)
    and value.__module__ == module.__name__
    and name not in HELPERS
    and not name.startswith("find_")
]
LIMITS = Limits(
    memory=600 * MB,
    scratch=64 * MB,
    temporary=16 * MB,
    shared=48 * MB,
    file_size=40 * MB,
    files=2000,
    processes=32,
)
SIZES = {
    "memory": 900 * MB,
    "file": 50 * MB,
    "disk": 100 * MB,
    "shared": 60 * MB,
    "files": 6000,
    "forks": 60,
}


def answer_forever(door, datagrams):
    while True:
        if datagrams:
            _, address = door.recvfrom(100)
            door.sendto(b"judge", address)
        else:
            connection, _ = door.accept()
            connection.recv(1)  # or its question would meet a closed door
            connection.sendall(b"judge")
            connection.close()


def open_doors(course, tag):
    """Something to reach over each kind of network; their numbers."""
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    abstract, path = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    abstract.bind("\0gradus-" + tag)
    path.bind(f"{course}/judge.sock")
    Path(course, "judge.sock").chmod(0o777)
    for door in (tcp, udp, abstract, path):
        if door is not udp:
            door.listen()
        threading.Thread(target=answer_forever, args=(door, door is udp), daemon=True).start()
    return {
        "tcp": tcp.getsockname()[1],
        "udp": udp.getsockname()[1],
        "abstract": "gradus-" + tag,
    }


class Plain:
    """The same worker without any wall, ended as careful graders do: by its process group."""

    def __init__(self, folder):
        self.folder = folder

    def start(self, serve):
        self.socket, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "serve.py"), str(theirs.fileno())],
            pass_fds=(theirs.fileno(), LEAK),
            cwd=self.folder,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        return self

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.socket.close()


class Workers:
    """One worker after another, each for as many attacks as it may have."""

    def __init__(self, slot):
        self.slot, self.worker = slot, None

    def ask(self, name, scene, *, go_on=False):
        """What the worker answers, and how it ended where it did not go on."""
        if self.worker is None:
            self.worker = self.slot.start(f"{HERE / 'serve.py'}:serve")
            self.worker.socket.settimeout(20)
        try:
            said = exchange(self.worker.socket, {"attack": name, "scene": scene})
        except OSError as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        if not go_on or said.get("error") == "no answer":
            said["ended"] = self.stop()
        return said

    def stop(self):
        """End the worker that there is, and say how it ended."""
        worker, self.worker = self.worker, None
        ended = None if worker is None else worker.stop()
        return getattr(ended, "words", "")


def exchange(channel, request):
    channel.sendall(json.dumps(request).encode() + b"\n")
    data = b""
    while not data.endswith(b"\n"):
        piece = channel.recv(65536)
        if not piece:
            break
        data += piece
    return json.loads(data) if data else {"error": "no answer"}


def main(way):
    """Run all, and print {attack: {"evidence" or "error": ...}}."""
    global LEAK
    tag = secrets.token_hex(4)
    signals = []
    signal.signal(signal.SIGUSR1, lambda *_: signals.append(1))
    secret = ctypes.create_string_buffer(b"hidden answer")
    with tempfile.TemporaryDirectory(prefix="gradus-course-") as course:
        Path(course).chmod(0o755)
        for name in ("submissions/bob/cnn.py", "graders/test_cnn.py", "solutions/cnn.py"):
            Path(course, name).parent.mkdir(parents=True)
            Path(course, name).write_text("secret = 1")
        Path(course, "home/.ssh").mkdir(parents=True)
        Path(course, "home/.ssh/id").write_text("key")
        Path(course, "work").mkdir()
        LEAK = os.open(Path(course, "graders/test_cnn.py"), os.O_RDONLY)
        os.set_inheritable(LEAK, True)
        os.environ["HOME"] = f"{course}/home"
        scene = {**open_doors(course, tag), **SIZES, "course": course, "home": f"{course}/home"}
        waiting = "import signal, sys, time; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(9));"
        waiting += "print(1, flush=True); time.sleep(600)"

        def new_sibling():
            process = subprocess.Popen([sys.executable, "-c", waiting], stdout=subprocess.PIPE)
            process.stdout.readline()
            return process

        sibling = new_sibling()
        boxed = way == "sandbox"
        folders = ["/scratch", "/tmp", "/dev/shm"] if boxed else [f"{course}/work"]
        scene |= {"judge": os.getpid(), "address": ctypes.addressof(secret), "tag": tag}
        scene |= {"writable": folders, "prefix": sys.prefix, "package": gradus.__path__[0]}
        slot = Slot([HERE], LIMITS, Level.SANDBOX) if boxed else Plain(f"{course}/work")
        workers, results = Workers(slot), {}
        for name in ATTACKS:
            if not boxed and (name in NO_CONTROL or (name in NEEDS_ROOT and os.geteuid())):
                continue
            victim = 1 if boxed else sibling.pid
            scene |= {"victim": victim, "sibling": sibling.pid}
            signals.clear()
            shared = name.startswith(SHARED)
            if not shared:
                workers.stop()
            said = workers.ask(name, scene, go_on=shared)
            if name in AFTER:
                first = said
                said = workers.ask(AFTER[name], scene)
                said["first"] = first
            if name in ("signal_judge", "signal_all") and not signals:
                said = {"error": "no signal arrived", "said": said}
            if name == "signal_sibling":
                try:
                    sibling.wait(0.5)
                except subprocess.TimeoutExpired:
                    said = {"error": "no signal arrived", "said": said}
            if name == "signal_process_1" and slot._host is not None and slot._host.alive():
                said = {"error": "process 1 lives on", "said": said}
            if sibling.poll() is not None:
                sibling = new_sibling()
            results[name] = said
            cleaning.empty(Path(course, "work"))  # deeper than shutil can remove
        workers.stop()
        sibling.kill()
        if boxed:
            results["isolation"] = str(slot.isolation)
            slot.close()
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
