"""Run every attack, in a sandbox or as a plain process, and print what came of it as JSON.

`python everything.py sandbox` or `... plain`, as any user. Each attack meets a fresh worker; `AFTER` names
what a second worker then looks for. A process of its own, so that it may be signalled and read.
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
import machine_kernel
import machine_more

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
    for module in (machine, machine_more, machine_kernel)
    for name, value in vars(module).items()
    if inspect.isfunction(value)
    and value.__module__ == module.__name__
    and name not in HELPERS
    and not name.startswith("find_")
]
AFTER = {
    "leave_key": "find_key",
    "leave_daemon": "find_daemon",
    "leave_files": "find_files",
    "leave_files_out_of_reach": "find_files",
    "replace_python": "find_replaced",
    "leave_patch": "find_patch",
    "leave_own_packages": "find_own_packages",
    "leave_special_files": "find_files",
    "leave_brother": "find_daemon",
    "leave_number": "find_number",
}
# attacks that never run without a sandbox
NO_CONTROL = {
    "signal_all": "would signal every process of this machine",
    "signal_process_1": "would end this machine",
    "write_system": "would write in this machine's system",
    "write_package": "would write in this checkout",
    "write_python": "would write in this machine's Python",
    "write_root": "would write in this machine's root folder",
    "write_dev": "would write in this machine's devices",
    "replace_python": "would move this machine's Python",
    "write_packages": "would write in this machine's Python",
    "write_package_cache": "would write in this checkout",
    "write_own_source": "would write in this checkout",
    "touch_own_source": "would write in this checkout",
    "open_own_source_to_all": "would write in this checkout",
    "remove_own_source": "would write in this checkout",
    "leave_patch": "needs a process that goes on from one submission to the next",
    "make_attributes_without_end": "needs a file system that takes large attributes",
    "memory_in_huge_pages": "needs huge pages that somebody has set aside",
    "kernel_call_of_tomorrow": "needs a kernel that is not there yet",
    "kernel_tree_with_attributes": "needs Linux 6.15",
    "kernel_other_system": "needs a kernel that can start another one",
    "kernel_quotas": "needs a kernel with quotas",
    "kernel_accounting": "needs a kernel with accounting",
    "kernel_new_module": "needs a kernel with modules",
    "kernel_remove_module": "needs a kernel with modules",
    "kernel_swap": "needs a kernel with swap",
    "kernel_other_numbers": "needs a kernel with x32",
    "network_host_of_machine": "needs a virtual machine's kernel",
    "network_kernel_crypto": "needs a kernel that offers it",
    "network_tcp_of_six": "needs version 6 of the protocol",
    "open_interrupts": "needs a kernel with interrupts to move",
    "open_emergency_keys": "needs a kernel that has them",
}
# attacks that need what an ordinary user, or this machine, may not have
NEEDS_ROOT = {
    "network_raw": "raw sockets",
    "mount": "CAP_SYS_ADMIN",
    "change_root": "CAP_SYS_CHROOT",
    "become_root": "being root",
    "type_into_terminal": "CAP_SYS_ADMIN, since Linux 6.2",
    "kernel_bpf": "CAP_BPF where unprivileged bpf is off",
    "kernel_performance_events": "CAP_PERFMON where perf_event_paranoid is high",
    "kernel_reboot": "CAP_SYS_BOOT",
    "kernel_set_clock": "CAP_SYS_TIME",
    "kernel_name_machine": "CAP_SYS_ADMIN",
    "kernel_read_log": "CAP_SYSLOG",
    "kernel_watch_files": "CAP_SYS_ADMIN, before Linux 5.13",
    "kernel_new_filesystem": "CAP_SYS_ADMIN",
    "kernel_enter_namespace": "CAP_SYS_ADMIN",
    "raise_priority": "CAP_SYS_NICE",
    "run_in_real_time": "CAP_SYS_NICE",
    "hold_rights": "being root",
    "join_groups": "CAP_SETGID",
    "read_kernel_log_file": "CAP_SYSLOG",
    "open_kernel_log": "being root",
    "open_core_pattern": "being root",
    "make_device": "CAP_MKNOD",
    "make_privileged_program": "CAP_SETFCAP",
    "memory_in_sockets": "CAP_NET_ADMIN",
    "network_packets": "CAP_NET_RAW",
}
# attacks that do no harm where a control group counts all memory
COUNTED = {"memory_hidden_from_watchdog"}
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


def ask(slot, name, scene):
    """What one worker answers, and how it ended."""
    worker = slot.start(f"{HERE / 'serve.py'}:serve")
    worker.socket.settimeout(20)
    try:
        request = {"attack": name, "scene": scene}
        worker.socket.sendall(json.dumps(request).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            piece = worker.socket.recv(65536)
            if not piece:
                break
            data += piece
        said = json.loads(data) if data else {"error": "no answer"}
    except OSError as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    ended = worker.stop()
    if ended is not None:
        said["ended"] = ended.words
    return said


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
        results = {}
        for name in ATTACKS:
            if not boxed and (name in NO_CONTROL or (name in NEEDS_ROOT and os.geteuid())):
                continue
            victim = 1 if boxed else sibling.pid
            scene |= {"victim": victim, "sibling": sibling.pid}
            signals.clear()
            said = ask(slot, name, scene)
            if name in AFTER:
                first = said
                said = ask(slot, AFTER[name], scene)
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
        sibling.kill()
        if boxed:
            results["isolation"] = str(slot.isolation)
            slot.close()
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
