"""A line for every step of a run, so that nothing is lost when the process is.

The supervising process (`gradus.grading.run`) reads it to see what a lost process was doing, and
starts another one that goes on behind it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

GPU_LOST = 75  # exit code of a process whose GPU no longer answers; its last case has been judged


class Journal:
    """Appends to a file, line by line; does nothing without one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._past = list(read_journal(path)) if path is not None and path.exists() else []
        self._known = {line["node"] for line in self._past if line["event"] == "finished"}
        self._file: IO[str] | None = None

    @property
    def kept(self) -> bool:
        """Whether there is one: another process supervises this one."""
        return self._path is not None

    def _write(self, event: str, **data: Any) -> None:
        if self._path is None:
            return
        if self._file is None:
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(json.dumps({"event": event, **data}) + "\n")
        self._file.flush()

    def loading(self, place: str) -> None:
        """A statement of the submission is about to run."""
        self._write("loading", place=place)

    def started(self, node: str, limit: float, data: dict[str, Any]) -> None:
        """A case is about to run; `data` is what stands for it if this is the last that is heard of it."""
        self._write("started", node=node, limit=limit, data=data)

    def finish(self, node: str, data: dict[str, Any]) -> None:
        """A case was judged."""
        if node not in self._known:
            self._write("finished", node=node, data=data)

    def end(self) -> None:
        """The run came to its end."""
        self._write("end")
        if self._file is not None:
            self._file.close()
            self._file = None

    def finished(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Cases that earlier processes of this run judged."""
        for line in self._past:
            if line["event"] == "finished":
                yield line["node"], line["data"]

    def lost_places(self) -> dict[str, str]:
        """Statements that ended an earlier process while the submission was loaded."""
        return {line["place"]: line["why"] for line in self._past if line["event"] == "lost place"}


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal; one that was cut off by a crash is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                return
