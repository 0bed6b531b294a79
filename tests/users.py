"""Command lines that run a test's process as another user, or with fewer rights."""

import shutil
import sys
from pathlib import Path

NOBODY = 65534
ROOT = Path(__file__).parent.parent


def as_nobody():
    """The words that run a command as an ordinary user who can read this Python, wherever it lies."""
    line = [shutil.which("bwrap"), "--dev-bind", "/", "/", "--die-with-parent"]
    line += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), ROOT}
    if any(Path("/root") in prefix.parents for prefix in prefixes):  # closed to others
        line += ["--perms", "0755", "--tmpfs", "/root"]
        for prefix in prefixes:
            if Path("/root") in prefix.parents:
                for outer in list(reversed(prefix.parents))[2:]:
                    line += ["--perms", "0755", "--dir", str(outer)]
                line += ["--ro-bind", str(prefix), str(prefix)]
    words = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    return [*line, "--chdir", "/tmp", "--", *words]


def without_becoming():
    """The words that run a command as root who can neither mount nor become anybody else."""
    lost = "-sys_admin,-setuid,-setgid"
    return ["setpriv", "--bounding-set", lost, "--inh-caps", lost]


def without_sys_admin():
    """The words that run a command as root without CAP_SYS_ADMIN."""
    return ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
