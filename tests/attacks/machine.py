"""Bounded attacks on the machine that grades. Each returns evidence of its success (truthy), or raises.

`scene` says what there is to reach: see `everything.py`, which also runs each attack without a sandbox, to
prove that it does work there. Standard library only; nothing here really exhausts a machine.
"""

# an attacker calls the system as directly as may be
# ruff: noqa: PTH101, PTH102, PTH109, PTH123, PTH208, PTH115

import contextlib
import ctypes
import fcntl
import mmap
import os
import platform
import pty
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

MB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
CALLS = {  # x86_64, aarch64
    "bpf": (321, 280),
    "clone": (56, 220),
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}


def checked(result):
    """The result of a call of the C library, or its error."""
    if result in (-1, 2**64 - 1):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def call(name, *words):
    number = CALLS[name][platform.machine() == "aarch64"]
    libc.syscall.restype = ctypes.c_long
    return checked(libc.syscall(ctypes.c_long(number), *words))


def exchange(kind, family, address):
    with socket.socket(family, kind) as s:
        s.settimeout(2)
        s.connect(address)
        s.send(b"?")
        return s.recv(20)


def network_tcp(scene):
    return exchange(socket.SOCK_STREAM, socket.AF_INET, ("127.0.0.1", scene["tcp"]))


def network_udp(scene):
    return exchange(socket.SOCK_DGRAM, socket.AF_INET, ("127.0.0.1", scene["udp"]))


def network_abstract_unix(scene):
    return exchange(socket.SOCK_STREAM, socket.AF_UNIX, "\0" + scene["abstract"])


def network_path_unix(scene):
    return exchange(socket.SOCK_STREAM, socket.AF_UNIX, scene["course"] + "/judge.sock")


def network_dns(scene):
    question = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x06secret\x07example\0\0\x01\0\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.sendto(question, ("127.0.0.1", scene["udp"]))
        return s.recv(20)


def network_netlink(scene):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.bind((0, 0))
        return s.getsockname()


def network_raw(scene):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        return s.fileno()


def read_sibling(scene):
    return Path(scene["course"], "submissions/bob/cnn.py").read_text()


def read_hidden_grader(scene):
    return Path(scene["course"], "graders/test_cnn.py").read_text()


def read_solution(scene):
    return Path(scene["course"], "solutions/cnn.py").read_text()


def read_home(scene):
    return Path(scene["home"], ".ssh/id").read_text()


def list_course(scene):
    return os.listdir(scene["course"])


def read_environment(scene):
    return os.environ["GRADUS_TEST_SECRET"]


def read_accounts(scene):
    return Path("/etc/passwd").read_text()


def write_sibling(scene):
    return Path(scene["course"], "submissions/bob/cnn.py").write_text("bob = 2")


def write_new(folder):
    place = Path(folder, "gradus-attack")
    place.write_text("x")
    place.unlink()
    return str(place)


def write_system(scene):
    return write_new("/usr/lib")


def write_package(scene):
    return write_new(scene["package"])


def write_python(scene):
    return write_new(scene["prefix"])


def write_root(scene):
    return write_new("/")


def write_dev(scene):
    return write_new("/dev")


def fork_bomb(scene):
    children = []
    try:
        for _ in range(scene["forks"]):
            child = os.fork()
            if child == 0:
                time.sleep(3)
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return len(children)


def fill(size):
    block = bytearray(size)
    block[:: mmap.PAGESIZE] = b"\1" * len(range(0, size, mmap.PAGESIZE))
    return block


def memory_one(scene):
    return len(fill(scene["memory"]))


def memory_many(scene):
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(MemoryError):
                kept = fill(scene["memory"] // 3)
                time.sleep(1)
                os._exit(0 if kept else 1)
            os._exit(1)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] == 0 for child in children) == 4


def write_blocks(file, size):
    with open(file, "wb", buffering=0) as f:
        for _ in range(size // MB):
            assert f.write(b"\1" * MB) == MB, "disk full"
    return size


def disk_one(scene):
    return write_blocks(Path("attack-file"), scene["file"])


def disk_many(scene):
    return sum(write_blocks(Path(f"attack-{i}"), scene["disk"] // 5) for i in range(5))


def disk_many_files(scene):
    for i in range(scene["files"]):
        os.close(os.open(f"empty-{i}", os.O_CREAT | os.O_WRONLY))
    time.sleep(2)
    return scene["files"]


def shared_memory(scene):
    file = Path("/dev/shm", "gradus-" + scene["tag"])
    try:
        return write_blocks(file, scene["shared"])
    finally:
        file.unlink(missing_ok=True)


def shared_memory_system_v(scene):
    libc.shmget.restype = ctypes.c_int
    number = checked(libc.shmget(0, ctypes.c_size_t(MB), 0o1600))  # IPC_PRIVATE, IPC_CREAT
    libc.shmctl(number, 0, None)
    return True


def message_queue_system_v(scene):
    number = checked(libc.msgget(0, 0o1600))
    libc.msgctl(number, 0, None)
    return True


def message_queue_posix(scene):
    realtime = ctypes.CDLL("librt.so.1", use_errno=True)
    name = f"/gradus-{scene['tag']}".encode()
    checked(realtime.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None))
    realtime.mq_unlink(name)
    return True


def memory_without_file(scene):
    fd = os.memfd_create("attack")
    return write_blocks(f"/proc/self/fd/{fd}", scene["shared"])


def memory_hidden_from_watchdog(scene):
    """Shared memory without a file stays when it is no longer mapped in."""
    shared = mmap.mmap(-1, 8 * MB)
    shared.write(b"\1" * 8 * MB)
    shared.madvise(mmap.MADV_DONTNEED)
    return shared[5] == 1


def signal_judge(scene):
    os.kill(scene["judge"], signal.SIGUSR1)
    return "sent"


def signal_sibling(scene):
    os.kill(scene["sibling"], signal.SIGUSR1)
    return "sent"


def signal_all(scene):
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.kill(-1, signal.SIGUSR1)
    return "sent"


def signal_process_1(scene):
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        os.kill(1, number)
    time.sleep(0.2)
    return "sent"


def judge_memory(scene):
    with open(f"/proc/{scene['judge']}/mem", "rb", 0) as f:
        f.seek(scene["address"])
        found = f.read(13)
    assert found == b"hidden answer", "another process"
    return found


def judge_environment(scene):
    found = Path(f"/proc/{scene['judge']}/environ").read_bytes()
    assert b"GRADUS_TEST_SECRET" in found, "another process"
    return len(found)


def judge_command_line(scene):
    found = Path(f"/proc/{scene['judge']}/cmdline").read_text()
    assert "everything" in found, "another process"
    return found


def leaked_descriptors(scene):
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    odd = [place for number, place in found.items() if number < 3 and place != "/dev/null"]
    sockets = [place for number, place in found.items() if number >= 3 and "/proc" not in place]
    return odd + sockets[1:]


def attack_memory(scene):
    with open(f"/proc/{scene['victim']}/mem", "rb", 0) as f:
        return f.fileno()


def attack_descriptors(scene):
    return os.listdir(f"/proc/{scene['victim']}/fd")


def attack_ptrace(scene):
    checked(libc.ptrace(16, scene["victim"], None, None))  # PTRACE_ATTACH
    os.waitpid(scene["victim"], 0x40000000)  # __WALL
    checked(libc.ptrace(17, scene["victim"], None, None))
    return True


def attack_limits(scene):
    return resource.prlimit(scene["victim"], resource.RLIMIT_NOFILE)


def attack_scheduling(scene):
    os.sched_setaffinity(scene["victim"], os.sched_getaffinity(0))
    return True


def attack_priority(scene):
    os.setpriority(os.PRIO_PROCESS, scene["victim"], 19)
    return True


def attack_oom_order(scene):
    return Path(f"/proc/{scene['victim']}/oom_score_adj").write_text("1000")


def new_namespace(scene):
    if os.fork() == 0:
        os._exit(libc.unshare(0x1000_0000) != 0)
    return os.wait()[1] == 0


def new_namespace_clone(scene):
    child = call("clone", ctypes.c_ulong(0x1000_0000 | signal.SIGCHLD), None, None, None, None)
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)[0]


def new_namespace_clone3(scene):
    words = (ctypes.c_uint64 * 11)(0x1000_0000, 0, 0, 0, signal.SIGCHLD)
    child = call("clone3", ctypes.byref(words), ctypes.c_size_t(88))
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)[0]


def mount(scene):
    folder = Path("mounted").absolute()
    folder.mkdir(exist_ok=True)
    checked(libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=1m"))
    libc.umount2(str(folder).encode(), 2)
    return True


def change_root(scene):
    if os.fork() == 0:
        try:
            os.chroot(".")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.wait()[1] == 0


def become_root(scene):
    os.setresuid(0, 0, 0)
    return os.geteuid() == 0


def setuid_program(scene):
    """While `su` waits for a password it is root."""
    change = (lambda: os.setuid(65534)) if os.geteuid() == 0 else None
    with subprocess.Popen(
        ["/usr/bin/su", "-c", "true"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=change,
    ) as program:
        time.sleep(0.2)
        try:
            status = Path(f"/proc/{program.pid}/status").read_text()
        finally:
            program.kill()
    effective = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[2]
    return effective == "0"


def type_into_terminal(scene):
    """In the way of a program that leaves a command for the shell that started it."""
    _, follower = pty.openpty()
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            fcntl.ioctl(follower, 0x540E, 0)  # TIOCSCTTY
            fcntl.ioctl(follower, 0x5412, b"x")  # TIOCSTI
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def kernel_bpf(scene):
    attributes = (ctypes.c_uint32 * 30)(2, 4, 4, 1)  # an array of one number
    return call("bpf", 0, ctypes.byref(attributes), 120)


def kernel_io_uring(scene):
    return call("io_uring_setup", 1, ctypes.byref((ctypes.c_uint32 * 30)()))


def kernel_performance_events(scene):
    event = (ctypes.c_uint32 * 32)(1, 128, 1)  # software: the task's clock
    event[10] = 0x60  # of user code alone
    return call("perf_event_open", ctypes.byref(event), 0, -1, -1, 0)


def kernel_page_faults(scene):
    return call("userfaultfd", 1)  # of user code alone


def leave_key(scene):
    return call("add_key", b"user", b"gradus", b"x", ctypes.c_size_t(1), -4)  # the user's own ring


def find_key(scene):
    return call("keyctl", 10, -4, b"user", b"gradus", 0)


def leave_daemon(scene):
    """Fork twice, leave the session, ignore what asks it to end."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN)
            Path("/proc/self/comm").write_text("d" + scene["tag"])
            os.closerange(0, 100)
            time.sleep(15)
        os._exit(0)
    os.wait()
    time.sleep(0.3)
    return "started"


def find_daemon(scene):
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text().strip() == "d" + scene["tag"]:
                return str(comm)
    raise LookupError("no such process")


def leave_files(scene):
    for folder in scene["writable"]:
        with contextlib.suppress(OSError):
            Path(folder, "gradus-left").write_text("the answers are")
            Path(folder, ".gradus-left").symlink_to("/")
    return "written"


def leave_files_out_of_reach(scene):
    """Folders without rights, deeper than any path can name, with the scratch folder itself closed."""
    home = os.getcwd()
    for folder in scene["writable"]:
        with contextlib.suppress(OSError):
            os.chdir(folder)
            Path("gradus-left").write_text("x")
            for _ in range(1500):
                os.mkdir("gradus-deep")
                os.chdir("gradus-deep")
            Path("file").write_text("x")
            os.chmod(".", 0)
    os.chdir(home)
    for folder in scene["writable"]:
        with contextlib.suppress(OSError):
            os.chmod(Path(folder, "gradus-deep"), 0)
    with contextlib.suppress(OSError):
        os.chmod(".", 0o500)
    return "written"


def find_files(scene):
    found = []
    for folder in scene["writable"]:
        found += [name for name in os.listdir(folder) if "gradus-" in name]
        Path(folder, "usable").write_text("x")
    return found


def replace_python(scene):
    """Put another folder in the place of the one that Python is mounted in."""
    outer = Path(scene["prefix"]).parent
    aside = outer.with_name("gradus-aside")
    outer.rename(aside)
    outer.mkdir()
    return "replaced"


def find_replaced(scene):
    aside = Path(scene["prefix"]).parent.with_name("gradus-aside")
    return aside.exists()
