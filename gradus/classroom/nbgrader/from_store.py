"""The store of grades, for one run of nbgrader's: where it cannot be used, that is said and costs no mark."""

from collections.abc import Callable
from pathlib import Path

from gradus.classroom.grade.store import Graded, Store, Whose
from gradus.errors import GradusError, ReportError


class StoreOfRun:
    """A store that is asked no more once it has failed: nobody waits for it again.

    Args:
        path: Its file; None: no store.
        warn: Called with what went wrong.
    """

    def __init__(self, path: Path | None, warn: Callable[[str], object]) -> None:
        self.path, self._warn = path, warn
        self._store: Store | None = None
        self._damaged: set[str] = set()

    def grade(self, key: str) -> Graded | None:
        """The grade of an answer; None where there is none, or it cannot be read."""
        try:
            store = self._open()
            return None if store is None else store.grade(key)
        except ReportError as error:
            self._warn(f"{error} It is graded anew.")
            self._damaged.add(key)
            return None
        except (GradusError, OSError) as error:
            self._fail(error)
            return None

    def keep(self, graded: Graded | None, student: str, topic: str, key: str, file: str) -> None:
        """Keep a new grade, and note whose answer it is."""
        try:
            store = self._open()
            if store is None:
                return
            whose = [Whose(student, topic, key, file)]
            if graded is not None:
                store.keep(graded, whose, replace=key in self._damaged)
            else:
                store.hand_in(whose)
        except (GradusError, OSError) as error:
            self._fail(error)

    def _open(self) -> Store | None:
        if self._store is None and self.path is not None:
            self._store = Store(self.path)
        return self._store

    def _fail(self, error: Exception) -> None:
        self._warn(f"{error} Marks do not depend on it: this run goes on without it.")
        self.close()
        self.path = None

    def close(self) -> None:
        """Close the file."""
        if self._store is not None:
            self._store.close()
            self._store = None
