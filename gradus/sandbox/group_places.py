"""Where a control group may be made: what was handed over, systemd, and this process's own."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gradus.sandbox.tasks import descendants

GRANTED = "GRADUS_CGROUP"  # environment variable: the folder of a group to divide, or "off"
LEAF = "gradus-self"  # where this process goes when its own group is divided


@dataclass(frozen=True)
class Place:
    """Where groups come from. `folder` is None for those that systemd is asked for.

    `version` is "v1" or "v2". `words` say it to people.
    """

    folder: Path | None
    version: str
    words: str
    systemd: tuple[str, ...] = ()


def candidates() -> list[Place]:
    """Where groups might be made, those that somebody has handed over first."""
    named = os.environ.get(GRANTED, "")
    if named:
        if not Path(named).is_dir():  # "off"
            return []
        version = "v2" if Path(named, "cgroup.controllers").exists() else "v1"
        return [Place(Path(named), version, f"the one that {GRANTED} names")]
    found: list[Place] = []
    for version, folder in own_groups():
        if version == "v2" and "memory" in words_of(folder / "cgroup.subtree_control"):
            found.append(Place(folder, version, "below this process's own"))
    systemctl, run = shutil.which("systemctl"), shutil.which("systemd-run")
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    booted_with_systemd = Path("/run/systemd/system").is_dir()
    if systemctl and run and unified and booted_with_systemd:
        for kind in ("--user", "--system"):
            if kind == "--user" or os.geteuid() == 0:
                words = (run, kind, "--scope", "--quiet", "--collect")
                found.append(Place(None, "v2", f"made by systemd ({kind})", words))
    found += [
        Place(folder, version, "below this process's own") for version, folder in own_groups()
    ]
    return found


def own_groups(proc: Path = Path("/proc/self")) -> list[tuple[str, Path]]:
    """The groups this process is in that count memory and may be divided by it, with their versions."""
    mounts: dict[str, tuple[str, Path]] = {}
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (proc / "mountinfo").read_text("utf-8", "replace").splitlines():
            first, _, last = line.partition(" - ")
            kind, _, options = last.split(" ", 2)
            root, place = first.split()[3:5]
            if kind == "cgroup2":
                mounts["v2"] = root, Path(place)
            elif kind == "cgroup" and "memory" in options.split(","):
                mounts["v1"] = root, Path(place)
    found = []
    for line in read(proc / "cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        version = "v2" if number == "0" else "v1" if "memory" in controllers.split(",") else ""
        if version not in mounts:
            continue
        top, mounted = mounts[version]
        inside = path.removeprefix(top) if top != "/" else path
        folder = mounted / inside.lstrip("/")
        folder = folder.parent if folder.name == LEAF else folder
        if version == "v2" and "memory" not in words_of(folder / "cgroup.controllers"):
            continue
        if os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
            found.append((version, folder))
    return found


def divided(place: Place) -> bool:
    """Let groups below a version 2 group count memory, and say whether they do.

    That takes a group without processes: those in it move into one of their own, if all are this process's.
    """
    folder = place.folder
    if folder is None or place.version != "v2":
        return True
    for _ in range(2):
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text("+memory +pids", "ascii")
        if "memory" in words_of(folder / "cgroup.subtree_control"):
            return True
        inside = words_of(folder / "cgroup.procs")
        mine = {os.getpid(), *descendants(os.getpid())}
        if not inside or not {int(number) for number in inside} <= mine:
            return False
        with contextlib.suppress(OSError):
            (folder / LEAF).mkdir(exist_ok=True)
            for number in inside:
                (folder / LEAF / "cgroup.procs").write_text(number, "ascii")
    return False


def words_of(file: Path) -> list[str]:
    """The words in a file of the kernel's; none where there is no such file."""
    return read(file).split()


def read(file: Path) -> str:
    """The text of a file of the kernel's; empty where there is no such file."""
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
