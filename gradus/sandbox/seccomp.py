"""Forbid the system calls by which a process could reach beyond its sandbox, or leave something behind."""

import errno
import importlib
import os
import socket
from typing import Any

from gradus.sandbox import newer_calls

ALWAYS = (  # noqa: SIM905  one to a line would be a page
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd mount umount "
    "umount2 pivot_root chroot setns unshare open_tree open_tree_attr move_mount fsopen "
    "fsconfig fsmount fspick mount_setattr bpf perf_event_open userfaultfd io_uring_setup "
    "io_uring_enter io_uring_register keyctl add_key request_key memfd_secret "
    "shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semtimedop semctl mq_open "
    "mq_unlink open_by_handle_at name_to_handle_at fanotify_init kexec_load kexec_file_load "
    "init_module finit_module delete_module swapon swapoff reboot quotactl quotactl_fd acct "
    "syslog vhangup iopl ioperm settimeofday clock_settime clock_settime64 clock_adjtime "
    "clock_adjtime64 adjtimex stime sethostname setdomainname migrate_pages move_pages "
    "vmsplice io_setup landlock_create_ruleset lookup_dcookie uselib modify_ldt nfsservctl "
    "statmount listmount lsm_set_self_attr file_setattr "
).split()
OF_OTHERS = (  # allowed on the caller itself, whose number may be given as 0
    "prlimit64",
    "sched_setaffinity",
    "sched_setscheduler",
    "sched_setparam",
    "sched_setattr",
)
NAMESPACES = (
    0x0002_0000,  # CLONE_NEWNS
    0x0200_0000,  # CLONE_NEWCGROUP
    0x0400_0000,  # CLONE_NEWUTS
    0x0800_0000,  # CLONE_NEWIPC
    0x1000_0000,  # CLONE_NEWUSER
    0x2000_0000,  # CLONE_NEWPID
    0x4000_0000,  # CLONE_NEWNET
)
TYPE_INTO_TERMINAL = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
SIZE_OF_BUFFER = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF and what a root has of them
SIZE_OF_PIPE = 1031  # F_SETPIPE_SZ
HUGE_PAGES = 0x4_0000  # MAP_HUGETLB: in no count of a process's memory
SHARED_ANONYMOUS = (0x21, 0x23)  # MAP_SHARED or MAP_SHARED_VALIDATE, with MAP_ANONYMOUS
MAP_TYPE_AND_ANONYMOUS = 0x2F


def load(*, shared_anonymous: bool = True, memory_files: bool = False) -> None:
    """Load the filter into this process; it and whatever it starts can never take it off again.

    Forbidden calls fail with EPERM, and those newer than the list with ENOSYS. Calls of another architecture
    (32-bit, x32) kill the process, since the numbers mean something else there. Nothing gains privileges any
    more by being executed (setuid).

    Args:
        shared_anonymous: Allow shared memory without a file. A watchdog cannot see such pages once they are
            unmapped, so that it is allowed only where a control group counts memory.
        memory_files: Allow `memfd_create`: shared memory without a name.

    Raises:
        ImportError: If pyseccomp is not installed.
        RuntimeError: If libseccomp is not installed.
        OSError: If the kernel takes no filter.
    """
    library: Any = importlib.import_module("pyseccomp")
    wall = library.SyscallFilter(library.ALLOW)
    wall.set_attr(library.Attr.ACT_BADARCH, library.KILL_PROCESS)
    refuse = library.ERRNO(errno.EPERM)

    def deny(call: str, *conditions: Any, action: int = refuse) -> None:
        try:
            number = library.resolve_syscall(library.Arch.NATIVE, call)
        except (OSError, ValueError, KeyError):
            return  # older libseccomp than the call
        if number >= 0:  # below: not of this architecture
            wall.add_rule(action, number, *conditions)

    def argument(place: int, comparison: int, value: int, mask: int | None = None) -> Any:
        if mask is None:
            return library.Arg(place, comparison, value)
        return library.Arg(place, comparison, mask, value)

    for call in ALWAYS:
        deny(call)
    if not memory_files:
        deny("memfd_create")
    deny("socket", argument(0, library.NE, socket.AF_UNIX))
    for call in OF_OTHERS:
        deny(call, argument(0, library.NE, 0))
    for call, itself in (("setpriority", 0), ("ioprio_set", 1)):  # PRIO_PROCESS, IOPRIO_WHO_PROCESS
        deny(call, argument(0, library.NE, itself))
        deny(call, argument(1, library.NE, 0))
    for flag in NAMESPACES:
        deny("clone", argument(0, library.MASKED_EQ, flag, flag))
    # its flags lie in memory, where no filter can look; the C library falls back to clone
    deny("clone3", action=library.ERRNO(errno.ENOSYS))
    for request in TYPE_INTO_TERMINAL:
        deny("ioctl", argument(1, library.MASKED_EQ, request, 0xFFFF_FFFF))
    for option in SIZE_OF_BUFFER:  # what lies in them is in no count of a process's memory
        deny(
            "setsockopt",
            argument(1, library.MASKED_EQ, socket.SOL_SOCKET, 0xFFFF_FFFF),
            argument(2, library.MASKED_EQ, option, 0xFFFF_FFFF),
        )
    deny("fcntl", argument(1, library.MASKED_EQ, SIZE_OF_PIPE, 0xFFFF_FFFF))
    deny("mmap", argument(3, library.MASKED_EQ, HUGE_PAGES, HUGE_PAGES))
    if not shared_anonymous:
        for kind in SHARED_ANONYMOUS:
            deny("mmap", argument(3, library.MASKED_EQ, kind, MAP_TYPE_AND_ANONYMOUS))
    wall.load()
    newer_calls.refuse_from(newer_calls.first_unknown(library))


def try_to_load(*, shared_anonymous: bool = True, memory_files: bool = False) -> str:
    """Load the filter where there is one: "" when that worked, otherwise why not and the remedy."""
    if os.name != "posix":
        return "this system has no seccomp"
    try:
        load(shared_anonymous=shared_anonymous, memory_files=memory_files)
    except ImportError as error:
        return f"no pyseccomp ({error}): pip install pyseccomp"
    except RuntimeError as error:
        return f"no libseccomp ({error}): apt install libseccomp2"
    except OSError as error:
        return f"the kernel takes no system-call filter ({error}): it needs CONFIG_SECCOMP_FILTER"
    return ""
