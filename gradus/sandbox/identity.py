"""Who a sandboxed process is, by what rights this process has to choose."""

import functools
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

FIRST_UNUSED_USER = 1_000_000_000  # far above what systems and directories give out
SETGID, SETUID, SYS_ADMIN, SETFCAP = 6, 7, 21, 31  # capabilities
# Makes a user namespace that knows root and one more user. A child that stays outside writes its map: from
# inside that takes more rights than there are.
MAP = r"""
import ctypes, os, sys
user, first = sys.argv[1], os.getpid()
libc = ctypes.CDLL(None, use_errno=True)
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.close(writing)
    if os.read(reading, 1) == b"x":
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{first}/{name}", "w") as file:
                file.write(f"0 0 1\n{user} {user} 1\n")
        os._exit(0)
    os._exit(1)
if libc.unshare(0x10000000) != 0:
    sys.exit("Creating new namespace failed: " + os.strerror(ctypes.get_errno()))
os.write(writing, b"x")
if os.waitpid(child, 0)[1] != 0:
    sys.exit("setting up uid map failed")
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Identity:
    """Who a worker is.

    Attributes:
        words: For people.
        options: Of bubblewrap.
        becomes: The unused user that the zygote becomes by itself, inside.
        mapped: A user namespace with this user is made around bubblewrap.
        counted: The system holds its processes to their number; it never does that to root.
    """

    words: str
    options: tuple[str, ...]
    becomes: int | None = None
    mapped: bool = False
    counted: bool = True

    def started(self, line: list[str]) -> list[str]:
        """The command line that runs `line`, an absolute path first, where this identity is to be had."""
        if not self.mapped:
            return line
        return [sys.executable, "-I", "-S", "-c", MAP, str(self.becomes), *line]

    def drawn_anew(self) -> "Identity":
        """The same, but as another unused user: every sandbox has its own."""
        kinds = {one.words: one for one in identities()}
        return kinds.get(self.words, self)


def identities() -> list[Identity]:
    """What may be tried here, the best first; unused users are drawn at each call.

    A root without CAP_SYS_ADMIN, as in a container, can make no namespaces but those of a user namespace.
    """
    own = ("--unshare-user", "--disable-userns")
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return [Identity("the judge's own, without its rights", own)]
    user = unused_user()
    held = capabilities()
    found = []
    if held >> SETUID & held >> SETGID & 1:
        keep = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
        if held >> SYS_ADMIN & 1:
            found.append(Identity("one of its own", keep, becomes=user))
        if held >> SETFCAP & 1:
            words = "one of its own, in a user namespace"
            found.append(Identity(words, keep, becomes=user, mapped=True))
    other = (*own, "--uid", "60001", "--gid", "60001")
    found.append(Identity("root's own, without its rights", other, counted=False))
    return found


def unused_user() -> int | None:
    """A number that no user has and no other slot draws, where this process may become anybody."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    first, last = 60_001, 65_000  # what a container with a map of its own still knows
    for line in Path("/proc/self/uid_map").read_text("ascii").splitlines():
        inside, _, count = (int(word) for word in line.split())
        if inside <= FIRST_UNUSED_USER and inside + count > 2 * FIRST_UNUSED_USER:
            first, last = FIRST_UNUSED_USER, 2 * FIRST_UNUSED_USER
    return first + secrets.randbelow(last - first)


@functools.cache
def capabilities() -> int:
    """The capabilities that this process has, as the kernel's bits; none where there is no /proc."""
    try:
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    except OSError:
        pass
    return 0
