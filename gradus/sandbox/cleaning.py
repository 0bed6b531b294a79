"""Empty a folder that untrusted code has written in, however it was left."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Collection
from pathlib import Path


def mount_points() -> tuple[str, ...]:
    """Every mount of this namespace with its place and options, in the kernel's words; empty without /proc."""
    with contextlib.suppress(OSError):
        return tuple(Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines())
    return ()


def kept_inside(folder: Path, mounts: Collection[str]) -> frozenset[str]:
    """What has to stay in `folder`: mounts below it, and the folders on the way to them."""
    kept: set[str] = set()
    for line in mounts:
        place = Path(line.split()[4].encode().decode("unicode_escape"))
        while folder in place.parents:
            kept.add(str(place))
            place = place.parent
    return frozenset(kept)


def next_inode(folder: Path) -> int:
    """The number that a new file in `folder` gets; 0 where none can be made."""
    try:
        descriptor, name = tempfile.mkstemp(dir=folder)
    except OSError:
        return 0
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def empty(folder: Path, keep: Collection[str] = ()) -> list[str]:
    """Remove everything in `folder` but `keep`; what could not be removed is named.

    Nothing may be running that writes there. Trees of any depth are taken apart by moving what lies
    deeper up to the top, so that neither recursion nor the length of a path can stop it; symbolic links are
    removed, never followed.
    """
    odd: list[str] = []
    with contextlib.suppress(OSError):
        folder.chmod(0o1777)
    moved = 0
    for _ in range(1_000_000):
        try:
            entries = [entry for entry in os.scandir(folder) if entry.path not in keep]
        except OSError as error:
            return [f"{folder}: {error}"]
        if not entries:
            break
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    moved = _take_apart(Path(entry.path), folder, moved)
                else:
                    os.unlink(entry.path)  # noqa: PTH108  any number of files: no object for each
            except OSError as error:
                odd.append(f"{entry.path[:200]}: {error.strerror}")
        if odd:
            return odd
    for place in keep:
        if Path(place).parent == folder and any(other.startswith(f"{place}/") for other in keep):
            odd += empty_around(Path(place), keep)
    return odd


def empty_around(folder: Path, keep: Collection[str]) -> list[str]:
    """The same for a folder on the way to a mount, which is a folder of the sandbox's own making."""
    if not os.access(folder, os.W_OK):
        return []  # made by root: nobody could write there
    odd = empty(folder, keep)
    with contextlib.suppress(OSError):
        folder.chmod(0o755)
    return odd


def _take_apart(folder: Path, top: Path, moved: int) -> int:
    """Unlink the files of one folder, move its folders to `top`, and remove it; counts what was moved."""
    with contextlib.suppress(OSError):
        if not stat.S_ISLNK(folder.lstat().st_mode):
            folder.chmod(0o700)
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            Path(entry.path).chmod(0o700)  # a folder that is moved is written to
            moved += 1
            os.rename(entry.path, top / f".cleaning-{moved}")  # noqa: PTH104
        else:
            os.unlink(entry.path)  # noqa: PTH108
    folder.rmdir()
    return moved
