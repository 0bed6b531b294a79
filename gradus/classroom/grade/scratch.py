"""The temporary folder of a run: removed when it ends, and by the next run where it was killed."""

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gradus.errors import GradusError

PREFIX = "gradus-class-"
_HELD = "held"  # a file in the folder that the run holds locked: the lock ends with the process
_VARIABLES = ("TMPDIR", "TEMP", "TMP")


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for this run; the processes that it starts have their temporary files there too.

    Raises:
        GradusError: If there is no room for it.
    """
    above = Path(tempfile.gettempdir())
    _remove_left(above)
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        held = _hold(folder)
    except OSError as error:
        raise GradusError(
            f"{above}: no temporary folder can be made there ({error.strerror}). Make room, or set TMPDIR to "
            "another folder."
        ) from error
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, str(folder)))
    try:
        yield folder
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        held.close()
        shutil.rmtree(folder, ignore_errors=True)


def _hold(folder: Path) -> IO[bytes]:
    """Make the file that says that the folder is in use; it has its name only when it is locked."""
    if os.name != "posix":  # where a file that is open cannot be removed
        return (folder / _HELD).open("wb")
    new = folder / uuid.uuid4().hex
    held = new.open("wb")
    _lock(held)
    new.rename(folder / _HELD)
    return held


def _lock(file: IO[bytes]) -> None:
    """Lock a file, until it is closed or the process ends.

    Raises:
        OSError: If another process holds it.
    """
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_left(above: Path) -> None:
    """Remove the folders of this user's runs that were killed."""
    for folder in above.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            about, held = folder.lstat(), folder / _HELD
            if folder.is_symlink() or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
                continue
            if os.name != "posix":
                held.unlink()
                shutil.rmtree(folder, ignore_errors=True)
                continue
            with held.open("rb") as file:
                _lock(file)
                shutil.rmtree(folder, ignore_errors=True)
