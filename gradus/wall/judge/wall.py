"""The wall of one grading run: submissions in one sandbox after another, and what the sandbox reached."""

from pathlib import Path

from gradus.sandbox.slots import Workers
from gradus.wall.judge.budget import SECONDS, reached
from gradus.wall.judge.host import Host
from gradus.wall.judge.source import Source


class Wall:
    """Gives hosts of submissions; one of them has a worker at a time.

    Args:
        root: Of the kit. The student's code may read and import its `datasets/`, and nothing else of it.
        workers: Where the submission's processes come from.
        limit: Seconds that one submission may take in all.
    """

    def __init__(self, root: Path, workers: Workers, *, limit: float = SECONDS) -> None:
        self._limit = limit
        self._import_from = [root] if (root / "datasets").is_dir() else []
        self._workers = workers
        self._hosts: dict[Source, Host] = {}
        self._active: Host | None = None

    def reached(self) -> dict[str, str]:
        """What the sandbox reaches on this machine, in words: the level, and what is shut off."""
        return reached(self._workers.isolation, self._limit)

    def host(self, source: Source) -> Host:
        """The host of a submission; that of another one loses its worker."""
        known = self._hosts.get(source)
        if known is None or known is not self._active:
            self.close()
        if known is None:
            known = self._hosts[source] = Host(
                self._workers, source, self._import_from, limit=self._limit
            )
        self._active = known
        return known

    def close(self) -> None:
        """End the worker that there is. The sandbox stays warm."""
        if self._active is not None:
            self._active.close()
            self._active = None
