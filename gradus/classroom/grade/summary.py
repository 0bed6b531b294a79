"""What an instructor can act on when a class is graded: who has nothing and why, what most lose."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

from gradus.classroom.grade.store import Mark, Short
from gradus.errors import GradusError
from gradus.grading.report import TopicResult

MOST = 8  # lines of one kind
MANY = 5  # students: a check that none of them passes may be wrong itself
SLOW = 3  # times the median


def write_csv(
    path: Path, marks: Sequence[Short], topics: Sequence[str], students: Iterable[str]
) -> None:
    """A line for each student, a column of points for each topic, and the total; empty where is no mark.

    Raises:
        GradusError: If it cannot be written.
    """
    by_student: dict[str, dict[str, int]] = {student: {} for student in students}
    for mark in marks:
        by_student[mark.student][mark.topic] = mark.outline.earned
    try:
        # Spreadsheets ask for the mark at the beginning.
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            # Names in quotes: a spreadsheet may part a line at other signs than commas.
            writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
            writer.writerow(["student", *topics, "total"])
            for student, points in by_student.items():
                row = [points.get(topic, "") for topic in topics]
                writer.writerow([_plain(student), *row, sum(points.values()) if points else ""])
    except OSError as error:
        raise GradusError(
            f"{path}: cannot be written ({error.strerror}). Is it open in a spreadsheet? "
            "What is graded is kept: the same command, with another --csv FILE perhaps, writes it."
        ) from error


def _plain(text: str) -> str:
    """A name that a spreadsheet does not take for a formula, nor by the wide signs of East Asian ones."""
    return f"'{text}" if text.startswith(tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")) else text


def result_of(mark: Mark) -> TopicResult:
    """The one topic of a mark's report."""
    return mark.graded.report.topic(mark.topic)


def summary(marks: Sequence[Short]) -> Iterator[str]:
    """Lines of at most 80 columns or so."""
    topics = dict.fromkeys(mark.topic for mark in marks)
    for topic in topics:
        of_topic = [mark for mark in marks if mark.topic == topic]
        points = [mark.outline.earned for mark in of_topic]
        possible = of_topic[0].outline.possible
        full = sum(p == possible for p in points)
        yield (
            f"{topic}: {len(points)} graded, of {possible} points the median is "
            f"{median(points):g}, {full} {'has' if full == 1 else 'have'} all"
        )
        yield from _nothing(of_topic)
        yield from _lost_most(of_topic)
        yield from _slow(of_topic)


def _nothing(marks: Sequence[Short]) -> Iterator[str]:
    none = [mark for mark in marks if mark.outline.earned == 0]
    for mark in none[:MOST]:
        yield f"  0 points  {mark.student}: {mark.outline.why}"
    if len(none) > MOST:
        yield f"  0 points  ... and {len(none) - MOST} more"


def _lost_most(marks: Sequence[Short]) -> Iterator[str]:
    """Checks that most of those fail who have tried the task."""
    failed: Counter[tuple[str, str]] = Counter()
    tried: Counter[str] = Counter()
    for mark in marks:
        tried.update(mark.outline.tried)
        failed.update(mark.outline.failed)
    for (name, title), count in failed.most_common(3):
        yield f"  {count} of {tried[name]} fail  {name}: {title}"
    nobody = [title for (name, title), count in failed.items() if count == tried[name] >= MANY]
    if nobody:
        more = f" And {len(nobody) - 1} more." if len(nobody) > 1 else ""
        reference = f"solutions/{marks[0].topic}.py --hidden"
        yield (
            f"  nobody passes  {nobody[0]}{more} Does the reference? "
            f"gradus check {marks[0].topic} --submission {reference}"
        )


def _slow(marks: Sequence[Short]) -> Iterator[str]:
    seconds = sorted(mark.outline.seconds for mark in marks)
    usual = seconds[len(seconds) // 2]
    slow = [mark for mark in marks if mark.outline.seconds > max(10.0, SLOW * usual)]
    for mark in sorted(slow, key=lambda mark: -mark.outline.seconds)[:3]:
        yield f"  {mark.outline.seconds:.0f} s  {mark.student} (the median takes {usual:.1f} s)"
