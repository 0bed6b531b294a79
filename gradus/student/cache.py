"""What was worked out from files, kept in `.gradus/index.json` while the files stay as they are."""

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from gradus.course import Course
from gradus.files import write_whole

VERSION = 2  # of what is worked out, too
T = TypeVar("T")


class Cache:
    """Reads the file when it is entered, and writes it when it is left, where something is new.

    A damaged file, or one that cannot be written, costs time and nothing else.
    """

    def __init__(self, course: Course) -> None:
        self._path = course.state / "index.json"
        self._known: dict[str, Any] = {}
        self._changed = False

    def __enter__(self) -> "Cache":
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            data = json.loads(self._path.read_text(encoding="utf-8"))
            if data["version"] == VERSION:
                self._known = dict(data["known"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._changed:
            with contextlib.suppress(OSError):
                text = json.dumps({"version": VERSION, "known": self._known}, separators=(",", ":"))
                write_whole(self._path, text + "\n")

    def of(
        self,
        name: str,
        files: Sequence[Path],
        work_out: Callable[[], Any],
        read: Callable[[Any], T],
    ) -> T:
        """What is known under this name, or worked out anew where one of the files has changed.

        Args:
            name: Of the thing.
            files: What it depends on; those that are missing too.
            work_out: Gives it as plain data, for JSON.
            read: Makes the thing of the plain data.
        """
        key = [_stamp(path) for path in files]
        known: Any = self._known.get(name)
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            if known["key"] == key:
                return read(known["data"])
        data = work_out()
        self._known[name] = {"key": key, "data": data}
        self._changed = True
        return read(data)


def _stamp(path: Path) -> list[Any]:
    try:
        about = path.stat()
    except OSError:
        return [str(path), None, None]
    return [str(path), about.st_mtime_ns, about.st_size]
