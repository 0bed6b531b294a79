"""Every graded answer with its seed and its report, in one SQLite file: what is there is not graded again."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError

from gradus.errors import GradusError
from gradus.grading.report import Report
from gradus.grading.report_file import from_json, to_json

WAIT_SECONDS = 30  # for another process that writes

_tables = MetaData()
_graded = Table(
    "graded", _tables,
    Column("key", String, primary_key=True),  # of the answer, and of all that a grade depends on
    Column("topic", String, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("seed", String, nullable=False),
    Column("report", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("graded", String, nullable=False),
)  # fmt: skip
_handed_in = Table(
    "handed_in", _tables,
    Column("student", String, primary_key=True),
    Column("topic", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("file", String, nullable=False),
)  # fmt: skip


@dataclass(frozen=True)
class Graded:
    """One answer's grade, as it is stored."""

    key: str
    topic: str
    answer: bytes
    seed: int
    report: Report
    seconds: float


@dataclass(frozen=True)
class Mark:
    """A student's grade in a topic."""

    student: str
    topic: str
    file: str
    graded: Graded


class Store:
    """The store in a file, which is made where there is none.

    Args:
        path: The file.

    Raises:
        GradusError: If it is no store, or cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": WAIT_SECONDS})
        event.listen(self._engine, "connect", _whole_or_not_at_all)
        with self._told(), self._engine.begin() as connection:
            _tables.create_all(connection)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            raise GradusError(
                f"{self.path}: cannot be used as the store of grades ({error.orig}). Is it another "
                "file, is the disk full, or may you not write there? --store FILE names another one."
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._told(), self._engine.begin() as connection:
            yield connection

    def known(self, key: str) -> bool:
        """Whether an answer with this key is graded."""
        with self._told(), self._engine.connect() as connection:
            found = connection.execute(select(_graded.c.key).where(_graded.c.key == key))
            return found.first() is not None

    def grade(self, key: str) -> Graded | None:
        """The grade of the answer with this key; None where there is none.

        Raises:
            GradusError: If the store cannot be read, or what it holds is damaged.
        """
        with self._told(), self._engine.connect() as connection:
            row = connection.execute(select(_graded).where(_graded.c.key == key)).first()
        return None if row is None else self._graded(row)

    def _graded(self, row: Any) -> Graded:
        report = from_json(row.report, f"{self.path}: the report of {row.key}")
        return Graded(row.key, row.topic, row.answer, int(row.seed), report, row.seconds)

    def keep(self, grade: Graded) -> None:
        """Keep a grade, in place of an earlier one with its key."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        values = {
            "key": grade.key, "topic": grade.topic, "answer": grade.answer, "seed": str(grade.seed),
            "report": to_json(grade.report), "seconds": grade.seconds, "graded": now,
        }  # fmt: skip
        with self._writing() as connection:
            connection.execute(
                insert(_graded).values(values).on_conflict_do_update(["key"], set_=values)
            )

    def hand_in(self, student: str, topic: str, key: str, file: str) -> None:
        """Note that an answer is this student's; it takes the place of an earlier one."""
        values = {"student": student, "topic": topic, "key": key, "file": file}
        with self._writing() as connection:
            connection.execute(
                insert(_handed_in)
                .values(values)
                .on_conflict_do_update(["student", "topic"], set_=values)
            )

    def marks(self, student: str | None = None, topic: str | None = None) -> list[Mark]:
        """The grades of everybody, or of one student or topic, by student."""
        asked = select(_handed_in.c.student, _handed_in.c.file, _graded).join(
            _graded, _graded.c.key == _handed_in.c.key
        )
        if student is not None:
            asked = asked.where(_handed_in.c.student == student)
        if topic is not None:
            asked = asked.where(_handed_in.c.topic == topic)
        with self._told(), self._engine.connect() as connection:
            rows = connection.execute(asked.order_by(_handed_in.c.student, _handed_in.c.topic))
            return [
                Mark(
                    row.student,
                    row.topic,
                    row.file,
                    Graded(
                        row.key, row.topic, row.answer, int(row.seed),
                        from_json(row.report, f"{self.path}: the report of {row.student}"), row.seconds,
                    ),
                )
                for row in rows
            ]  # fmt: skip

    def students(self) -> list[str]:
        """Everybody who handed something in."""
        with self._told(), self._engine.connect() as connection:
            asked = select(_handed_in.c.student).distinct().order_by(_handed_in.c.student)
            return [row.student for row in connection.execute(asked)]

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


def _whole_or_not_at_all(connection: object, record: object) -> None:
    """A log beside the file: one may read while another writes, and a kill loses nothing that was kept."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
