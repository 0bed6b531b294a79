"""An SQLite file that several processes use at once: it waits for others, and says in words what is wrong."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, MetaData, create_engine, event, inspect
from sqlalchemy.exc import DatabaseError
from sqlalchemy.schema import CreateTable

from gradus.errors import GradusError

WAIT_SECONDS = 30.0  # for another process that writes
_ONE_WAIT = 0.5  # of these seconds: SQLite's own waiting hears no Ctrl+C
_ELSEWHERE = "--store FILE names another one"
_REMEDIES = (  # SQLite's words, and what to do
    ("disk is full", "Make room on that disk"),
    ("disk I/O error", "Is the disk full, or gone? Make room, or bring it back"),
    ("is locked", "Another process holds it. Close what has it open (a browser of databases?)"),
    ("readonly", f"You may not write there. Change its permissions; or {_ELSEWHERE}"),
    ("unable to open", f"Is there such a folder, and may you write there? {_ELSEWHERE}"),
    ("not a database", f"It is another kind of file. {_ELSEWHERE}"),
    ("malformed", f"The file is damaged. Move it away and grade again; or {_ELSEWHERE}"),
)
T = TypeVar("T")


class Database:
    """A file with tables, which is made where there is none.

    Args:
        path: The file.
        tables: That are in it.
        version: Of the tables: files of another one are refused.

    Raises:
        GradusError: If it is another file or one of another version, or cannot be written to.
    """

    def __init__(self, path: Path, tables: MetaData, version: int) -> None:
        self.path = path
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _ONE_WAIT})
        event.listen(self._engine, "connect", _whole_or_not_at_all)
        self._file: tuple[int, int] | None = None
        self.do(lambda connection: self._begin(connection, tables, version))
        self._file = self._which()

    def _begin(self, connection: Connection, tables: MetaData, version: int) -> None:
        """Make the tables, all or none of them: two processes may begin at once."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        there = set(inspect(connection).get_table_names())
        known = connection.exec_driver_sql("PRAGMA user_version").scalar()
        if not there:
            for table in tables.sorted_tables:
                connection.execute(CreateTable(table))
            connection.exec_driver_sql(f"PRAGMA user_version={version:d}")
        elif not there >= set(tables.tables):
            raise GradusError(
                f"{self.path}: is a database of something else ({', '.join(sorted(there)[:5])}). {_ELSEWHERE}."
            )
        elif known != version:
            raise GradusError(
                f"{self.path}: was written by another version of gradus (its format is {known or 1}, this one "
                f"writes {version}). Move it away and grade again; or {_ELSEWHERE}."
            )

    def do(self, work: Callable[[Connection], T]) -> T:
        """Do something in one transaction; again from its start where another process was in its way.

        Raises:
            GradusError: If it cannot be done; nothing of it is then.
        """
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                with self._engine.begin() as connection:
                    done = work(connection)
                    self._require_file()
                    return done
            except (DatabaseError, sqlite3.DatabaseError) as error:
                why = str(getattr(error, "orig", None) or error)
                if "is locked" not in why or time.monotonic() >= until:
                    raise GradusError(self._told(why)) from error

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def _told(self, why: str) -> str:
        remedy = next((what for words, what in _REMEDIES if words in why), _ELSEWHERE)
        return f"{self.path}: cannot be used as the store of grades ({why}). {remedy}."

    def _which(self) -> tuple[int, int] | None:
        try:
            about = self.path.stat()
        except OSError:
            return None
        return about.st_dev, about.st_ino

    def _require_file(self) -> None:
        """A file that was deleted takes what is written, and nobody ever finds it."""
        if self._file is not None and self._which() != self._file:
            raise GradusError(
                f"{self.path}: the store was deleted or replaced while it was used. What it held is in that "
                "file, and nothing was written since. The same command goes on with what is there now."
            )


def _whole_or_not_at_all(connection: sqlite3.Connection, record: object) -> None:
    """A log beside the file: one may read while another writes, and a kill loses nothing that was kept."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
