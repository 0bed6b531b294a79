"""Bounded attacks on files, and what is left for the next one. Like `machine.py`."""

# ruff: noqa: PTH101, PTH108, PTH116, PTH123, PTH208

import contextlib
import ctypes
import os
import platform
import signal
import socket
import stat
import sys
import time
from pathlib import Path

from machine import checked, libc, write_new

HERE = Path(__file__).parent


def read_by_link(scene):
    Path("link").symlink_to(Path(scene["course"], "solutions/cnn.py"))
    return Path("link").read_text()


def read_by_hard_link(scene):
    os.link(Path(scene["course"], "solutions/cnn.py"), "hard")
    return Path("hard").read_text()


def read_by_dots(scene):
    return open("../" * 20 + scene["course"] + "/solutions/cnn.py").read()


def read_by_own_root(scene):
    return Path(f"/proc/self/root{scene['course']}/graders/test_cnn.py").read_text()


def read_system_tree(scene):
    return os.listdir("/sys/class")


def read_control_groups(scene):
    return os.listdir("/sys/fs/cgroup")


def read_kernel_log_file(scene):
    return os.open("/proc/kmsg", os.O_RDONLY | os.O_NONBLOCK) > 0


def read_listeners(scene):
    return f":{scene['tcp']:04X} " in Path("/proc/net/tcp").read_text()


def read_processes(scene):
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if "everything" in file.read_text():
                found.append(str(file))
    return found


def open_kernel_log(scene):
    return os.open("/dev/kmsg", os.O_WRONLY) > 0


def open_core_pattern(scene):
    return os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY) > 0


def open_emergency_keys(scene):
    return os.open("/proc/sysrq-trigger", os.O_WRONLY) > 0


def open_interrupts(scene):
    return os.open("/proc/irq/default_smp_affinity", os.O_WRONLY) > 0


def make_device(scene):
    os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(254, 0))
    return True


def make_privileged_program(scene):
    """A file whose execution gives capabilities."""
    Path("program").write_text("x")
    value = (0x0200_0000).to_bytes(4, "little") + bytes([255] * 4) + bytes(12)
    os.setxattr("program", "security.capability", value)
    return True


def make_sparse_file(scene):
    with open("sparse", "wb") as file:
        file.truncate(8 << 30)
    return os.stat("sparse").st_size


def make_reserved_file(scene):
    with open("reserved", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, scene["disk"])
    os.unlink("reserved")
    return True


def make_attributes_without_end(scene):
    """Attributes take memory of the kernel's that no size of a folder bounds."""
    for i in range(400):
        Path(f"file-{i}").write_text("")
        os.setxattr(f"file-{i}", "user.much", b"x" * 60_000)
    time.sleep(2)
    return True


def write_packages(scene):
    import numpy

    return write_new(Path(numpy.__path__[0]).parent)


def write_package_cache(scene):
    return write_new(Path(scene["package"], "__pycache__"))


def write_own_source(scene):
    with open(HERE / "serve.py", "a") as file:
        return file.fileno()


def touch_own_source(scene):
    os.utime(HERE / "serve.py")
    return True


def open_own_source_to_all(scene):
    os.chmod(HERE / "serve.py", 0o777)
    return True


def remove_own_source(scene):
    os.unlink(HERE / "serve.py")
    return True


def leave_patch(scene):
    """In the modules that the next one has too."""
    json = sys.modules["json"]
    json.gradus_left = "x"
    os.environ["GRADUS_LEFT"] = "x"
    return "patched"


def find_patch(scene):
    return [hasattr(sys.modules["json"], "gradus_left"), "GRADUS_LEFT" in os.environ] != [
        False,
        False,
    ]


def leave_own_packages(scene):
    """Where a Python looks that starts later."""
    home = Path(os.path.expanduser("~"), ".local/lib/gradus-left")  # noqa: PTH111
    home.mkdir(parents=True, exist_ok=True)
    (home / "usercustomize.py").write_text("x")
    return str(home)


def find_own_packages(scene):
    return Path(os.path.expanduser("~"), ".local/lib/gradus-left").exists()  # noqa: PTH111


def leave_special_files(scene):
    for folder in scene["writable"]:
        with contextlib.suppress(OSError):
            os.mkfifo(f"{folder}/gradus-pipe")
            door = socket.socket(socket.AF_UNIX)
            door.bind(f"{folder}/gradus-door")
    return "written"


def leave_brother(scene):
    """A process that is no descendant: its parent is the parent of this one."""
    number = 220 if platform.machine() == "aarch64" else 56
    flags = ctypes.c_ulong(0x8000 | signal.SIGCHLD)  # CLONE_PARENT
    child = checked(libc.syscall(ctypes.c_long(number), flags, None, None, None, None))
    if child == 0:
        os.setsid()
        Path("/proc/self/comm").write_text("d" + scene["tag"])
        os.closerange(0, 100)
        time.sleep(15)
        os._exit(0)
    time.sleep(0.3)
    return child


def leave_number(scene):
    """Numbers of processes go on: they tell the next one how many there were."""
    for _ in range(120):
        if os.fork() == 0:
            os._exit(0)
        os.wait()
    return os.getpid()


def find_number(scene):
    return os.getpid() > 100
