"""Mutants that are no mistakes: recorded with a reason in `tests/equivalents/<topic>.toml`.

`[[equivalent]]` is one mutant. `[[no_mistake]]` is an operator that makes no mistakes in this topic
(task "*") or in one task.
"""

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradus.authoring.audit.mutants import Mutant
from gradus.course import Course
from gradus.errors import TopicError
from gradus.topic import Topic

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = {
    "equivalent": {"task", "operator", "old", "new", "reason"},
    "no_mistake": {"task", "operator", "reason"},
}


@dataclass(frozen=True)
class Equivalent:
    """A recorded mutant, known by its change, so that it is found again after edits elsewhere."""

    task: str
    operator: str
    old: str
    new: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Whether this record speaks of that mutant."""
        known = self.task, self.operator, self.old, self.new
        return known == (mutant.task, mutant.operator, mutant.old, mutant.new)

    def words(self) -> str:
        """What it is about."""
        return f"{self.task}: {self.operator}: {self.new!r}"


@dataclass(frozen=True)
class NoMistake:
    """An operator that makes no mistakes in one task, or in the whole topic (`task = "*"`)."""

    task: str
    operator: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Whether this record speaks of that mutant."""
        return self.operator == mutant.operator and self.task in ("*", mutant.task)

    def words(self) -> str:
        """What it is about."""
        return f"{self.task}: {self.operator}"


@dataclass(frozen=True)
class Records:
    """All records of a topic."""

    path: Path
    equivalent: tuple[Equivalent, ...] = ()
    no_mistake: tuple[NoMistake, ...] = ()

    def to_grade(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        """Mutants without those whose operator makes no mistakes there."""
        return [m for m in mutants if not any(record.covers(m) for record in self.no_mistake)]

    def are_equivalent(self, mutant: Mutant) -> bool:
        """Whether a mutant is recorded as one that no check can notice."""
        return any(record.covers(mutant) for record in self.equivalent)

    def stale(self, topic: Topic, mutants: Sequence[Mutant], tasks: Collection[str]) -> list[str]:
        """Records whose mutants no longer arise; with `tasks`, only what is said of these."""
        found = []
        records: list[Equivalent | NoMistake] = [*self.equivalent, *self.no_mistake]
        for record in records:
            asked = not tasks or record.task in tasks
            if record.task not in (*topic.tasks, "*"):
                found.append(f"{record.words()}: {topic.name} has no such task.")
            elif asked and not any(record.covers(mutant) for mutant in mutants):
                found.append(
                    f"{record.words()} no longer arises. Remove the record, or bring it up to date."
                )
        return found


def records_path(course: Course, topic: str) -> Path:
    """Where a topic's records stand."""
    return course.root / "tests" / "equivalents" / f"{topic}.toml"


def read_records(path: Path) -> Records:
    """The records of a topic; none where there is no file.

    Raises:
        TopicError: If the file is not TOML, or a record lacks a field, has another one, or stands there twice.
    """
    if not path.exists():
        return Records(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TopicError(f"{path}: is not TOML ({error}).") from error
    for kind, tables in data.items():
        if kind not in FIELDS or not isinstance(tables, list):
            raise TopicError(f"{path}: got `{kind}`; there are [[{']] and [['.join(FIELDS)}]].")
        for number, table in enumerate(tables, start=1):
            _check(f"{path}: {kind} {number}", table, FIELDS[kind])
            if table in tables[: number - 1]:
                raise TopicError(f"{path}: {kind} {number} stands there twice.")
    return Records(
        path,
        tuple(Equivalent(**table) for table in data.get("equivalent", [])),
        tuple(NoMistake(**table) for table in data.get("no_mistake", [])),
    )


def _check(where: str, table: dict[str, object], fields: set[str]) -> None:
    if set(table) != fields or not all(isinstance(value, str) for value in table.values()):
        raise TopicError(
            f"{where} must have the texts {', '.join(sorted(fields))}, has {', '.join(table)}."
        )
    if not str(table["reason"]).strip():
        raise TopicError(f"{where} ({table['task']}) gives no reason.")


def as_record(mutant: Mutant) -> str:
    """The table to paste into the file, with the reason left open."""
    known = mutant.task, mutant.operator, mutant.old, mutant.new
    task, operator, old, new = (json.dumps(text, ensure_ascii=False) for text in known)
    return (
        f"[[equivalent]]\ntask = {task}\noperator = {operator}\nold = {old}\nnew = {new}\n"
        'reason = ""\n'
    )
