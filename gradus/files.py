"""Write a file whole or not at all, so that a crash or a full disk costs nobody's work."""

import contextlib
import os
import shutil
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, sync: bool = False) -> None:
    """Write a file, and the folders that it needs; where it cannot be done, what was there stays.

    A text is written in UTF-8, its line ends as they are. Where the path is a link, the file that it leads to
    is written. With `sync` it is on the disk before it takes the place of what was there: for a student's
    work, which a power failure should not cost either.

    Raises:
        OSError: If it cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with new.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # there was none, or another user's
            shutil.copymode(path, new)
        new.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(new):
            error.filename = str(path)  # the name that its reader knows
        raise
