"""Bounded attacks with memory, processes and networks. Like `machine.py`."""

# ruff: noqa: PTH123

import contextlib
import ctypes
import fcntl
import mmap
import os
import platform
import socket
import threading
import time
from pathlib import Path

from machine import MB, checked, exchange, libc

HERE = Path(__file__).parent


def fork_threads(scene):
    over = threading.Event()
    threads = [threading.Thread(target=over.wait, daemon=True) for _ in range(scene["forks"])]
    try:
        for thread in threads:
            thread.start()
    finally:
        over.set()
    return len(threads)


def fork_doubling(scene):
    """As a fork bomb does, six times over."""
    reading, writing = os.pipe()
    first = os.getpid()
    for _ in range(6):
        with contextlib.suppress(OSError):
            os.fork()
    os.write(writing, b"x")
    if os.getpid() != first:
        time.sleep(1)
        os._exit(0)
    time.sleep(1)
    return len(os.read(reading, 1000)) == 64


def memory_of_zeros(scene):
    with open("/dev/zero", "r+b", 0) as file:
        shared = mmap.mmap(file.fileno(), 8 * MB, mmap.MAP_SHARED)
    shared.write(b"\1" * 8 * MB)
    shared.madvise(mmap.MADV_DONTNEED)
    return shared[5] == 1


def memory_in_pipes(scene):
    _, writing = os.pipe()
    return fcntl.fcntl(writing, 1031, MB) == MB  # F_SETPIPE_SZ


def memory_in_sockets(scene):
    one, _ = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, 32, 4 * MB)  # SO_SNDBUFFORCE
    return one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 4 * MB


def memory_in_huge_pages(scene):
    return mmap.mmap(-1, 4 * MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000) is not None


def memory_locked(scene):
    block = mmap.mmap(-1, 4 * MB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    place = ctypes.addressof(ctypes.c_char.from_buffer(block))
    checked(libc.mlock(ctypes.c_void_p(place), ctypes.c_size_t(4 * MB)))
    return True


def memory_spliced(scene):
    """Pages that a pipe holds on to, out of sight, when they are no longer mapped."""
    _, writing = os.pipe()
    data = ctypes.create_string_buffer(4096)
    words = (ctypes.c_ulong * 2)(ctypes.addressof(data), 4096)
    number = 75 if platform.machine() == "aarch64" else 278
    return checked(libc.syscall(ctypes.c_long(number), writing, ctypes.byref(words), 1, 0)) > 0


def memory_asynchronous(scene):
    setup, destroy = (0, 1) if platform.machine() == "aarch64" else (206, 207)
    context = ctypes.c_ulong(0)
    checked(libc.syscall(ctypes.c_long(setup), 1000, ctypes.byref(context)))
    libc.syscall(ctypes.c_long(destroy), context)
    return True


def descriptors_without_end(scene):
    return len([os.dup(0) for _ in range(800)])


def network_tcp_of_six(scene):
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
        s.bind(("::1", 0))
        return s.getsockname()[1]


def network_own_door(scene):
    """To wait for somebody from outside."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return door.getsockname()[1]


def network_packets(scene):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        return s.fileno()


def network_host_of_machine(scene):
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as s:
        return s.fileno()


def network_kernel_crypto(scene):
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as s:
        s.bind(("hash", "sha256"))
        return s.fileno()


def network_with_high_bits(scene):
    """The kernel looks at 32 bits of the family; a filter that looks at 64 sees another one."""
    number = 198 if platform.machine() == "aarch64" else 41
    libc.syscall.restype = ctypes.c_long
    return checked(libc.syscall(ctypes.c_long(number), ctypes.c_ulong(1 << 32 | 2), 1, 0)) >= 0


def network_other_socket(scene):
    return exchange(
        socket.SOCK_STREAM, socket.AF_UNIX, f"/proc/self/root{scene['course']}/judge.sock"
    )
