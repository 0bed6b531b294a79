"""Who a sandboxed process is, by what rights this process has to choose."""

import functools
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

FIRST_UNUSED_USER = 1_000_000_000  # far above what systems and directories give out
SETGID, SETUID, SYS_ADMIN = 6, 7, 21  # capabilities
BECOME = (
    "import os, sys; user = int(sys.argv[1]); os.setgroups([]); os.setresgid(user, user, user); "
    "os.setresuid(user, user, user); os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class Identity:
    """Who a worker is.

    Attributes:
        words: For people.
        options: Of bubblewrap.
        becomes: The unused user that the zygote becomes by itself, inside.
        starts_as: The unused user that starts bubblewrap.
        counted: The system holds its processes to their number; it never does that to root.
    """

    words: str
    options: tuple[str, ...]
    becomes: int | None = None
    starts_as: int | None = None
    counted: bool = True

    def started(self, line: list[str]) -> list[str]:
        """The command line that runs `line`, an absolute path first, as the user who is to start it."""
        if self.starts_as is None:
            return line
        return [sys.executable, "-I", "-S", "-c", BECOME, str(self.starts_as), *line]

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
    may_become = held >> SETUID & held >> SETGID & 1
    found = []
    if held >> SYS_ADMIN & 1 and may_become:
        keep = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
        found.append(Identity("one of its own", keep, becomes=user))
    if may_become:
        found.append(Identity("one of its own, in a user namespace", own, starts_as=user))
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
