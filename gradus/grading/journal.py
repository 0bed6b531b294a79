"""A line for every step of a run, so that nothing is lost when the process is.

The supervising process (`gradus.engine`) reads them to see what a lost process was doing, and has another
one go on behind it.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]

FAULT = "fault"  # the event of a line that tells of an error in gradus itself
GPU_LOST = 75  # exit code of a process whose GPU no longer answers; its last case has been judged


class Journal:
    """Hands each line on as it comes; does nothing where nobody supervises.

    Args:
        write: Takes a line. None: nobody supervises this process.
        past: The lines of earlier processes of the same run.
    """

    def __init__(
        self, write: Callable[[Line], None] | None = None, past: Iterable[Line] = ()
    ) -> None:
        self._write_line, self._owner = write, os.getpid()
        self._past = list(past)
        self._known = {line["node"] for line in self._past if line["event"] == "finished"}

    @classmethod
    def in_file(cls, path: Path | None) -> "Journal":
        """One that appends to a file, and goes on where the last process came to; one of nobody's without."""
        if path is None:
            return cls()
        past = list(read_journal(path)) if path.exists() else []

        def write(line: Line) -> None:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

        return cls(write, past)

    @classmethod
    def in_pipe(cls, descriptor: int, past: Iterable[Line] = ()) -> "Journal":
        """One that writes to a pipe."""

        def write(line: Line) -> None:
            data = json.dumps(line).encode() + b"\n"
            while data:  # a pipe takes 64 kB at a time
                data = data[os.write(descriptor, data) :]

        return cls(write, past)

    @property
    def kept(self) -> bool:
        """Whether another process supervises this one."""
        return self._write_line is not None

    @property
    def is_owned(self) -> bool:
        """Whether this is the process that began, and none that student code forked in the middle."""
        return os.getpid() == self._owner

    def write(self, event: str, **data: Any) -> None:
        """Hand on a line."""
        if self._write_line is not None and self.is_owned:
            self._write_line({"event": event, **data})

    def loading(self, place: str) -> None:
        """A statement of the submission is about to run."""
        self.write("loading", place=place)

    def started(self, node: str, limit: float, data: dict[str, Any]) -> None:
        """A case is about to run; `data` is what stands for it if this is the last that is heard of it."""
        self.write("started", node=node, limit=limit, data=data)

    def reference(self, node: str, limit: float, data: dict[str, Any]) -> None:
        """The check of a case is about to be tried on the reference; what is lost now is not the student's."""
        self.write("reference", node=node, limit=limit, data=data)

    def finish(self, node: str, data: dict[str, Any]) -> None:
        """A case was judged."""
        if node not in self._known:
            self.write("finished", node=node, data=data)

    def end(self) -> None:
        """The run came to its end."""
        self.write("end")

    def finished(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Cases that earlier processes of this run judged."""
        for line in self._past:
            if line["event"] == "finished":
                yield line["node"], line["data"]

    def lost_places(self) -> dict[str, str]:
        """Statements that ended an earlier process while the submission was loaded."""
        return {line["place"]: line["why"] for line in self._past if line["event"] == "lost place"}


def read_journal(path: Path) -> Iterator[Line]:
    """The lines of a journal; one that was cut off by a crash is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                return
