"""Bounded attacks on the kernel, and on other processes through it. Like `machine.py`.

Where the real thing would harm a machine, a call is made with arguments that the kernel refuses after it has
looked at them: the attack has got through when it was refused for another reason than a missing right.
"""

# ruff: noqa: PTH208, PTH115

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import resource
import socket
from pathlib import Path

from machine import checked, libc

SECRET = 13  # bytes of the judge's
CALLS = {  # x86_64, aarch64
    "acct": (163, 89),
    "adjtimex": (159, 171),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "ioprio_set": (251, 30),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "name_to_handle_at": (303, 264),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "pidfd_getfd": (438, 438),
    "process_vm_readv": (310, 270),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "statmount": (457, 457),
    "swapon": (167, 224),
    "syslog": (103, 116),
}


def call(name, *words):
    number = CALLS[name][platform.machine() == "aarch64"]
    libc.syscall.restype = ctypes.c_long
    return checked(libc.syscall(ctypes.c_long(number), *words))


def reached(name, *words):
    """Whether the kernel looked at what it was asked."""
    try:
        call(name, *words)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise
    return True


def kernel_other_system(scene):
    return reached("kexec_load", 0, ctypes.c_ulong(1 << 20), None, ctypes.c_ulong(0))


def kernel_new_module(scene):
    return reached("init_module", None, ctypes.c_ulong(0), b"")


def kernel_remove_module(scene):
    return reached("delete_module", b"gradus_no_such_module", os.O_NONBLOCK)


def kernel_swap(scene):
    return reached("swapon", b"/gradus-no-such-file", 0)


def kernel_reboot(scene):
    return reached("reboot", 0, 0, 0, None)


def kernel_quotas(scene):
    return reached("quotactl", 0x8000_0500, b"/gradus-no-such-file", 0, None)


def kernel_accounting(scene):
    return reached("acct", b"/gradus-no-such-folder/file")


def kernel_set_clock(scene):
    return reached("settimeofday", ctypes.byref((ctypes.c_long * 2)(0, 2_000_000)), None)


def kernel_adjust_clock(scene):
    call("adjtimex", ctypes.byref((ctypes.c_ulong * 64)()))
    return True


def kernel_name_machine(scene):
    name = socket.gethostname().encode()
    return call("sethostname", name, ctypes.c_size_t(len(name))) == 0


def kernel_read_log(scene):
    buffer = ctypes.create_string_buffer(256)
    return call("syslog", 3, buffer, 256) >= 0


def kernel_watch_files(scene):
    return call("fanotify_init", 0, 0) >= 0


def kernel_file_handle(scene):
    handle = (ctypes.c_uint32 * 40)(128)
    number = ctypes.c_int()
    call("name_to_handle_at", -100, b"/", ctypes.byref(handle), ctypes.byref(number), 0)
    return True


def kernel_new_filesystem(scene):
    return call("fsopen", b"tmpfs", 0) >= 0


def kernel_tree(scene):
    return call("open_tree", -100, b"/", 0) >= 0


def kernel_tree_with_attributes(scene):
    """Newer than many a list of calls."""
    return call("open_tree_attr", -100, b"/", 0, None, ctypes.c_size_t(0)) >= 0


def kernel_call_of_tomorrow(scene):
    """A number that no kernel has yet: with the filter it must answer as if there were no such call."""
    libc.syscall.restype = ctypes.c_long
    libc.syscall(ctypes.c_long(900), 0)
    return ctypes.get_errno() != errno.ENOSYS


def kernel_session_keys(scene):
    return call("keyctl", 1, None) > 0


def kernel_ask_for_key(scene):
    return reached("request_key", b"user", b"gradus-no-such-key", None, 0)


def kernel_enter_namespace(scene):
    fd = os.open(f"/proc/{scene['victim']}/ns/ipc", os.O_RDONLY)
    return call("setns", fd, 0) == 0


def kernel_other_numbers(scene):
    """The same calls under the numbers of x32 are another list."""
    child = os.fork()
    if child == 0:
        libc.syscall(ctypes.c_long(0x4000_0000 | 39))  # getpid
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def attack_read_memory(scene):
    found = ctypes.create_string_buffer(SECRET)
    here = (ctypes.c_ulong * 2)(ctypes.addressof(found), SECRET)
    there = (ctypes.c_ulong * 2)(scene["address"], SECRET)
    words = (ctypes.byref(here), ctypes.c_ulong(1), ctypes.byref(there), ctypes.c_ulong(1))
    call("process_vm_readv", scene["judge"], *words, ctypes.c_ulong(0))
    return found.raw == b"hidden answer"


def attack_take_descriptor(scene):
    return call("pidfd_getfd", os.pidfd_open(scene["victim"]), 0, 0) >= 0


def attack_compare(scene):
    return call("kcmp", os.getpid(), scene["victim"], 1, ctypes.c_ulong(0), ctypes.c_ulong(0)) >= 0


def attack_disk_priority(scene):
    return call("ioprio_set", 1, scene["victim"], (3 << 13)) == 0


def attack_policy(scene):
    os.sched_setscheduler(scene["victim"], os.SCHED_BATCH, os.sched_param(0))
    return True


def attack_core_filter(scene):
    return Path(f"/proc/{scene['victim']}/coredump_filter").write_text("51")


def attack_working_folder(scene):
    """Through a process to the folders that it sees."""
    return os.listdir(f"/proc/{scene['victim']}/cwd/")


def attack_root_folder(scene):
    return Path(f"/proc/{scene['victim']}/root{scene['course']}/solutions/cnn.py").read_text()


def attack_environment(scene):
    return Path(f"/proc/{scene['victim']}/environ").read_bytes()[:10]


def attack_open_files(scene):
    for name in os.listdir(f"/proc/{scene['judge']}/fd"):
        place = f"/proc/{scene['judge']}/fd/{name}"
        with contextlib.suppress(OSError):
            if os.readlink(place).endswith("graders/test_cnn.py"):
                return Path(place).read_text()
    return None


def signal_by_descriptor(scene):
    import signal

    signal.pidfd_send_signal(os.pidfd_open(scene["sibling"]), 0)
    return True


def signal_by_owner(scene):
    """Whoever owns a descriptor is signalled when something comes."""
    ours, _ = socket.socketpair()
    fcntl.fcntl(ours, fcntl.F_SETOWN, scene["sibling"])
    return fcntl.fcntl(ours, fcntl.F_GETOWN) == scene["sibling"]


def raise_priority(scene):
    os.setpriority(os.PRIO_PROCESS, 0, -5)
    return os.getpriority(os.PRIO_PROCESS, 0) == -5


def run_in_real_time(scene):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def raise_limits(scene):
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1000


def hold_rights(scene):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff"))


def gain_rights_by_execution(scene):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("NoNewPrivs")) == "0"


def join_groups(scene):
    os.setgroups([0, 4])
    return os.getgroups()
