"""A second filter, for what no list can name: system calls that are newer than the list."""

import ctypes
import errno
import os
import platform
import struct
from typing import Any

REVIEWED = 469  # file_setattr of Linux 6.17: the newest call that `seccomp.ALWAYS` was written for
FIRST_COMMON = 424  # from here on a number means the same on every architecture
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2  # of prctl
ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7, "riscv64": 0xC000_00F3}
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE = 0, 4  # where they lie in what the kernel shows the filter
X32 = 0x4000_0000
ALLOW, REFUSE = 0x7FFF_0000, 0x0005_0000 | errno.ENOSYS


class Program(ctypes.Structure):
    """The kernel's sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def first_unknown(library: Any) -> int:
    """The number above the newest call that both libseccomp (`library`: pyseccomp) and our list know."""
    newest = 0
    for number in range(REVIEWED + 1):
        try:
            named = library.resolve_syscall(library.Arch.NATIVE, number)
        except (OSError, ValueError, KeyError):
            continue
        newest = number if named else newest
    return newest + 1


def refuse_from(first: int) -> bool:
    """Every call from number `first` on fails with ENOSYS, as on a kernel that does not have it.

    Returns False, and does nothing, on an architecture that it was not written for. Calls of other
    architectures are left to the first filter, which kills the process.

    Raises:
        OSError: If the kernel takes no filter.
    """
    machine = platform.machine()
    if struct.calcsize("P") != 8 or machine not in ARCHITECTURES:
        return False
    lines = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 0, 4, ARCHITECTURES[machine]),
        (LOAD, 0, 0, NUMBER),
        # x32 shares the architecture of x86_64; its numbers are for the first filter too
        (JUMP_SET, 2, 0, X32 if machine == "x86_64" else 0),
        (JUMP_AT_LEAST, 0, 1, first),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    text = b"".join(struct.pack("HBBI", *line) for line in lines)
    program = Program(len(lines), text)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    for words in (
        (NO_NEW_PRIVILEGES, 1, 0, 0, 0),
        (SET_SECCOMP, FILTER, ctypes.addressof(program), 0, 0),
    ):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True
