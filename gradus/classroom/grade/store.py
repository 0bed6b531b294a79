"""Every graded answer with its seed and its report, in one SQLite file: what is there is not graded again."""

import datetime
import zlib
from collections.abc import Iterable, Sequence
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
    select,
)
from sqlalchemy.dialects.sqlite import insert

from gradus.classroom.grade.database import Database
from gradus.classroom.grade.outline import Outline, from_text, outline_of, to_text
from gradus.errors import ReportError
from gradus.grading.report import Report
from gradus.grading.report_file import from_json, to_json

FORMAT = 2  # 1 had no outlines, and reports as plain text
_AT_A_TIME = 500  # keys in one question

_tables = MetaData()
_graded = Table(
    "graded", _tables,
    Column("key", String, primary_key=True),  # of the answer, and of all that a grade depends on
    Column("topic", String, nullable=False),
    Column("seed", String, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("graded", String, nullable=False),
    Column("outline", String, nullable=False),  # before what is large: a summary reads no further
    Column("answer", LargeBinary, nullable=False),
    Column("report", LargeBinary, nullable=False),  # JSON, packed: a tenth
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
class Whose:
    """Who handed in an answer: `key` is the answer's, `file` what a person calls it."""

    student: str
    topic: str
    key: str
    file: str


@dataclass(frozen=True)
class Mark:
    """A student's grade in a topic."""

    student: str
    topic: str
    file: str
    graded: Graded


@dataclass(frozen=True)
class Short:
    """A student's grade in a topic, in short."""

    student: str
    topic: str
    key: str
    outline: Outline


class Store:
    """The store in a file, which is made where there is none.

    Args:
        path: The file.

    Raises:
        GradusError: If it is no store or one of another version, or cannot be written to. So do all methods.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, _tables, FORMAT)

    def known(self, key: str) -> bool:
        """Whether an answer with this key is graded."""
        return key in self.known_of([key])

    def known_of(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys whose answer is graded."""
        asked = list(dict.fromkeys(keys))

        def look(connection: Connection) -> set[str]:
            found: set[str] = set()
            for start in range(0, len(asked), _AT_A_TIME):
                some = _graded.c.key.in_(asked[start : start + _AT_A_TIME])
                found.update(connection.scalars(select(_graded.c.key).where(some)))
            return found

        return self._database.do(look)

    def grade(self, key: str) -> Graded | None:
        """The grade of the answer with this key; None where there is none."""
        asked = select(_graded).where(_graded.c.key == key)
        row = self._database.do(lambda connection: connection.execute(asked).first())
        return None if row is None else self._grade_in(row, key)

    def keep(self, grade: Graded, whose: Sequence[Whose] = (), *, replace: bool = False) -> None:
        """Keep a grade, and whose it is. One with its key stays as it is, unless it is to be replaced."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        values = {
            "key": grade.key, "topic": grade.topic, "answer": grade.answer, "seed": str(grade.seed),
            "report": zlib.compress(to_json(grade.report).encode()), "seconds": grade.seconds,
            "graded": now, "outline": to_text(outline_of(grade.report.topic(grade.topic))),
        }  # fmt: skip
        asked = insert(_graded).values(values)
        if replace:
            asked = asked.on_conflict_do_update(["key"], set_=values)
        else:  # another run was faster, and has told its mark
            asked = asked.on_conflict_do_nothing(["key"])

        def write(connection: Connection) -> None:
            connection.execute(asked)
            _note(connection, whose)

        self._database.do(write)

    def hand_in(self, whose: Sequence[Whose]) -> None:
        """Note whose answers these are, all at once; each takes the place of an earlier one."""
        if whose:
            self._database.do(lambda connection: _note(connection, whose))

    def marks(self, student: str | None = None, topic: str | None = None) -> list[Mark]:
        """The grades of one student or topic, or of everybody, whole: of a class they take much memory."""
        asked = select(_handed_in.c.student, _handed_in.c.file, _graded).join(
            _graded, _graded.c.key == _handed_in.c.key
        )
        if student is not None:
            asked = asked.where(_handed_in.c.student == student)
        if topic is not None:
            asked = asked.where(_handed_in.c.topic == topic)
        asked = asked.order_by(_handed_in.c.student, _handed_in.c.topic)
        rows = self._database.do(lambda connection: connection.execute(asked).all())
        return [
            Mark(row.student, row.topic, row.file, self._grade_in(row, row.student)) for row in rows
        ]

    def shorts(self) -> list[Short]:
        """Everybody's grades in short, by student and topic."""
        asked = (
            select(
                _handed_in.c.student, _handed_in.c.topic, _handed_in.c.key,
                _graded.c.outline,
            )
            .join(_graded, _graded.c.key == _handed_in.c.key)
            .order_by(_handed_in.c.student, _handed_in.c.topic)
        )  # fmt: skip
        rows = self._database.do(lambda connection: connection.execute(asked).all())
        try:
            return [Short(row.student, row.topic, row.key, from_text(row.outline)) for row in rows]
        except (ValueError, TypeError) as error:
            raise ReportError(
                f"{self.path}: a grade is damaged ({error}). Move the file away and grade again."
            ) from error

    def students(self) -> list[str]:
        """Everybody who handed something in."""
        asked = select(_handed_in.c.student).distinct().order_by(_handed_in.c.student)
        return self._database.do(lambda connection: list(connection.scalars(asked)))

    def close(self) -> None:
        """Close the file: it is whole then, and can be copied."""
        self._database.close()

    def _grade_in(self, row: Any, whose: str) -> Graded:
        report = self._report(row.report, whose)
        return Graded(row.key, row.topic, row.answer, int(row.seed), report, row.seconds)

    def _report(self, packed: bytes, whose: str) -> Report:
        name = f"{self.path}: the report of {whose}"
        try:
            return from_json(zlib.decompress(packed).decode(), name)
        except (zlib.error, ValueError, TypeError) as error:
            raise ReportError(
                f"{name} is damaged ({error}). Grade again with --regrade."
            ) from error


def _note(connection: Connection, whose: Sequence[Whose]) -> None:
    if whose:
        asked = insert(_handed_in)
        new = {name: asked.excluded[name] for name in ("key", "file")}
        rows = [vars(one) for one in whose]
        connection.execute(asked.on_conflict_do_update(["student", "topic"], set_=new), rows)
