"""What an instructor can act on when a class is graded: who has nothing and why, what most lose."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradus.classroom.grade.store import Mark
from gradus.errors import GradusError
from gradus.grading.report import LABEL, TopicResult
from gradus.submission.status import Status

MOST = 8  # lines of one kind
MANY = 5  # students: a check that none of them passes may be wrong itself
LONGEST = 240  # characters of a reason, in which a student's words may stand
SLOW = 3  # times the median


def write_csv(path: Path, marks: Sequence[Mark], topics: Sequence[str]) -> None:
    """A line for each student, a column of points for each topic, and the total; empty where nothing came.

    Raises:
        GradusError: If it cannot be written.
    """
    by_student: dict[str, dict[str, int]] = {}
    for mark in marks:
        by_student.setdefault(mark.student, {})[mark.topic] = result_of(mark).earned
    try:
        with path.open(
            "w", newline="", encoding="utf-8-sig"
        ) as file:  # spreadsheets ask for the mark
            # Names in quotes: a spreadsheet may part a line at other signs than commas.
            writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
            writer.writerow(["student", *topics, "total"])
            for student, points in by_student.items():
                row = [points.get(topic, "") for topic in topics]
                writer.writerow([_plain(student), *row, sum(points.values())])
    except OSError as error:
        raise GradusError(
            f"{path}: cannot be written ({error.strerror}). Is it open in a spreadsheet? "
            "What is graded is kept: the same command writes it without grading anew."
        ) from error


def _plain(text: str) -> str:
    """A name that a spreadsheet does not take for a formula, nor by the wide signs of East Asian ones."""
    return f"'{text}" if text.startswith(tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")) else text


def result_of(mark: Mark) -> TopicResult:
    """The one topic of a mark's report."""
    return mark.graded.report.topic(mark.topic)


def summary(marks: Sequence[Mark]) -> Iterator[str]:
    """Lines of at most 80 columns or so."""
    topics = dict.fromkeys(mark.topic for mark in marks)
    for topic in topics:
        of_topic = [mark for mark in marks if mark.topic == topic]
        results = [result_of(mark) for mark in of_topic]
        points = sorted(result.earned for result in results)
        possible = results[0].possible
        yield (
            f"{topic}: {len(points)} graded, of {possible} points the median is "
            f"{points[len(points) // 2]}, {sum(p == possible for p in points)} have all"
        )
        yield from _nothing(of_topic)
        yield from _lost_most(results)
        yield from _slow(of_topic)


def _nothing(marks: Sequence[Mark]) -> Iterator[str]:
    none = [mark for mark in marks if result_of(mark).earned == 0]
    for mark in none[:MOST]:
        yield f"  0 points  {mark.student}: {_why(result_of(mark))}"
    if len(none) > MOST:
        yield f"  0 points  ... and {len(none) - MOST} more"


def _why(result: TopicResult) -> str:
    """The first thing that is wrong, in one line."""
    problem = next((one for one in result.problems if one.kind is not Status.TODO), None)
    if problem is not None:
        return f"{problem.where}: {problem.message.splitlines()[0]}"[:LONGEST]
    statuses = {check.status for check in result.checks()}
    if statuses <= {Status.TODO, Status.NOT_RUN}:
        return "nothing but the stub"
    first = next(c for c in result.checks() if c.status not in (Status.PASSED, Status.TODO))
    return f"{first.check.task}: {_said(first.message.splitlines()) or first.check.title}"[:LONGEST]


def _said(rows: Sequence[str]) -> str:
    """What was wrong in a message, without its lines of code."""
    for number, row in enumerate(rows):
        if row.startswith(("  problem", "  raised", "  stopped")):
            words = [row[LABEL:]]
            for more in rows[number + 1 :]:
                if not more.startswith(" " * LABEL) or more[LABEL:].startswith(" "):
                    break
                words.append(more[LABEL:])
            return " ".join(words)
    return ""


def _lost_most(results: Sequence[TopicResult]) -> Iterator[str]:
    """Checks that most of those fail who have tried the task."""
    failed: Counter[tuple[str, str]] = Counter()
    tried: Counter[str] = Counter()
    for result in results:
        for task in result.tasks:
            if task.status is not Status.TODO:
                tried[task.name] += 1
                lost = [c for c in task.checks if c.status is not Status.PASSED]
                failed.update((task.name, c.check.title) for c in lost)
    for (name, title), count in failed.most_common(3):
        yield f"  {count} of {tried[name]} fail  {name}: {title}"
    nobody = [title for (name, title), count in failed.items() if count == tried[name] >= MANY]
    if nobody:
        more = f" And {len(nobody) - 1} more." if len(nobody) > 1 else ""
        reference = f"solutions/{results[0].name}.py --hidden"
        yield (
            f"  nobody passes  {nobody[0]}{more} Does the reference? "
            f"gradus check {results[0].name} --submission {reference}"
        )


def _slow(marks: Sequence[Mark]) -> Iterator[str]:
    seconds = sorted(mark.graded.seconds for mark in marks)
    usual = seconds[len(seconds) // 2]
    slow = [mark for mark in marks if mark.graded.seconds > max(10.0, SLOW * usual)]
    for mark in sorted(slow, key=lambda mark: -mark.graded.seconds)[:3]:
        yield f"  {mark.graded.seconds:.0f} s  {mark.student} (the median takes {usual:.1f} s)"
