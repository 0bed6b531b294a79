"""Write a file whole or not at all: whatever ends the process, no half of a student's work is left."""

import os
import shutil
import time
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Put a file in place of the one that is there, in one step; a text in UTF-8, its line ends as they are.

    Raises:
        OSError: If it cannot be written; what was there is then as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    path = path.resolve()  # a link stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}.new")
    try:
        fresh.write_bytes(data)
        if path.exists():
            shutil.copymode(path, fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
