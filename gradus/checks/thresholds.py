"""Bars for trained results: `graders/thresholds.toml`, written by `gradus calibrate` (docs/thresholds.md)."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus.errors import GraderError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

AT_LEAST, AT_MOST = "at least", "at most"

Note = Callable[[Mapping[str, float]], None]
_notes: list[Note] = []  # of the calibration that runs in this process; empty while grading


@contextmanager
def recording(note: Note) -> Iterator[None]:
    """Measure in place of judging: `note` gets each try's values, and no bar is reached or missed.

    A check then goes through all of its tries, needs no table in the file, and never fails in `require`.
    """
    _notes.append(note)
    try:
        yield
    finally:
        _notes.remove(note)


@dataclass(frozen=True)
class Thresholds:
    """What a check's `threshold` fixture is: the bars of one topic.

    `threshold("digits_accuracy")` is a bar as a number, for messages. Comparing is done by `reached` and
    `require` alone, since `gradus calibrate` measures what passes through them.
    """

    path: Path
    topic: str
    tables: Mapping[str, Any]

    def __call__(self, name: str) -> float:
        """The `threshold` of the table `[<topic>.<name>]`.

        Raises:
            GraderError: If the table is missing, or its `threshold` is no finite number.
        """
        if _notes:
            return math.nan
        return self._bar(name)[0]

    def reached(self, **values: float) -> bool:
        """Whether one try's values are all on the right side of their bars; a NaN never is.

        Args:
            values: The value for each bar, by the bar's name: `reached(digits_accuracy=0.9)`. The first one
                decides which of several tries counts as the best when right answers are measured.

        Raises:
            GraderError: If a table is missing or damaged.
        """
        numbers = {name: float(value) for name, value in values.items()}
        if _notes:
            for note in _notes:
                note(numbers)
            return False
        return all(self._holds(name, value) for name, value in numbers.items())

    def require(self, name: str, value: float, what: str, *remedies: str) -> None:
        """Assert that a value is on the right side of its bar, for a check that has one try.

        Args:
            name: Of the bar.
            value: What was reached.
            what: What the value is, for the message: `the share of good samples`.
            remedies: Likely causes, one to a line.

        Raises:
            Mismatch: If the bar is missed.
            GraderError: If its table is missing or damaged.
        """
        __tracebackhide__ = True
        if self.reached(**{name: value}) or _notes:
            return
        from gradus.checks.outcomes import Mismatch  # imports torch

        bar, direction = self._bar(name)
        raise Mismatch(f"{what} of {direction} {bar:g}", f"{float(value):.4g}", *remedies)

    def _holds(self, name: str, value: float) -> bool:
        bar, direction = self._bar(name)
        return value >= bar if direction == AT_LEAST else value <= bar

    def _bar(self, name: str) -> tuple[float, str]:
        where, remedy = (
            f"{self.path}: [{self.topic}.{name}]",
            f"Run `gradus calibrate {self.topic}`.",
        )
        table = self.tables.get(name)
        if not isinstance(table, dict):
            raise GraderError(f"{where}: there is no such table. {remedy}")
        bar, direction = table.get("threshold"), table.get("direction")
        if isinstance(bar, bool) or not isinstance(bar, int | float) or not math.isfinite(bar):
            raise GraderError(f"{where}: `threshold` must be a number, got {bar!r}. {remedy}")
        if direction not in (AT_LEAST, AT_MOST):
            raise GraderError(
                f'{where}: `direction` must be "{AT_LEAST}" or "{AT_MOST}", got {direction!r}. {remedy}'
            )
        return float(bar), direction


def read_thresholds(path: Path, topic: str) -> Thresholds:
    """The bars of a topic.

    Raises:
        GraderError: If the file cannot be read (at once), or a table is missing or damaged (when asked for).
    """
    if _notes and not path.exists():
        return Thresholds(path, topic, {})
    tables = read_tables(path).get(topic, {})
    if not isinstance(tables, dict):
        raise GraderError(f"{path}: `{topic}` must be a table of bars, got {tables!r}.")
    return Thresholds(path, topic, tables)


def read_tables(path: Path) -> dict[str, Any]:
    """The whole file: topic -> bar -> its table.

    Raises:
        GraderError: If it cannot be read.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GraderError(f"{path}: cannot be read ({error}). Run `gradus calibrate`.") from error
    return tables
