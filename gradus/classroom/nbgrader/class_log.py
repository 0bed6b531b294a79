"""nbgrader's log of a class: safe to show, a few lines for each student, and a table at the end."""

import logging
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy.exc import SAWarning

from gradus.shown import continued, shown_name

# Said at the level INFO for every file of every student.
_EACH_FILE = (
    *("Copying ", "Setting destination file permissions", "Creating/updating student with ID"),
    *("Overwriting files with master versions", "Sanitizing ", "Converting notebook ", "Writing "),
    *("Parsing file: ", "Copying from: ", "  Copying to: "),  # zip_collect
)
# Said as warnings, and nothing to act on. Who is late stands in the table at the end, and on the page.
_MEANS_NOTHING = (
    *("Alternative text is missing on ", "Directory not found. Creating: "),
    "Removing existing assignment: ",  # as --force asks for
    *(
        "SubmittedAssignment<",
        "Using late submission penalty method: ",
        "Late submission penalty: ",
    ),
    "Skipped submission with no match information provided: ",  # zip_collect: gradus says why
)
# Said for each notebook, and true of all of the assignment.
_OF_ALL = (
    " is no topic of the kit: ",
    " has no cell for the points of ",
    "Graded without a sandbox",
)
_SKIPPED = "Skipping existing assignment: "
_LONGEST_NAME = 36
STOPPED = 130  # exit code, as of a shell after Ctrl+C


class _SafeLines(logging.Filter):
    """Names of students, files and notebooks stand in log lines, and one of them could forge the next."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Make one record safe to show; leave out what is said for each file."""
        record.msg, record.args = continued(record.getMessage()), ()
        if record.levelno <= logging.INFO and record.msg.startswith(_EACH_FILE):
            return False
        if record.msg.startswith(_MEANS_NOTHING):
            return False
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_text = record.exc_text and continued(record.exc_text)
        return True


class _OfRun(logging.Filter):
    """What a run says of each student, once: whom it left as they were, and what is so for all."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave a line out."""
        words = record.getMessage()
        if words.startswith(_SKIPPED):
            self.skipped += 1
            return False
        if any(part in words for part in _OF_ALL) and words in self._said:
            return False
        self._said.add(words)
        return True


def log_safely(log: Any) -> None:
    """From now on, whatever is logged here is safe to show, and short enough to be read."""
    logger: logging.Logger = getattr(log, "logger", log)  # of an adapter
    if not any(isinstance(known, _SafeLines) for known in logger.filters):
        logger.addFilter(_SafeLines())


def table_at_the_end(autograde: Any) -> None:
    """Let nbgrader's converter log everybody's points when the class is graded, or when it stopped.

    Args:
        autograde: nbgrader's `Autograde`, before it starts.
    """
    # nbgrader's own use of its database, in three lines for each student.
    warnings.filterwarnings("ignore", category=SAWarning)
    convert, of_run = autograde.convert_notebooks, _OfRun()

    def convert_and_tell() -> None:
        logger: logging.Logger = getattr(autograde.log, "logger", autograde.log)
        logger.addFilter(of_run)
        try:
            convert()
        except KeyboardInterrupt:
            autograde.log.warning("Stopped. The same command goes on with those who have no mark.")
            raise SystemExit(STOPPED) from None
        finally:
            logger.removeFilter(of_run)
            if of_run.skipped:
                autograde.log.info("%d graded before, and left as they were", of_run.skipped)
            for line in _table(autograde):
                autograde.log.info("%s", line)

    autograde.convert_notebooks = convert_and_tell


def _table(autograde: Any) -> Iterator[str]:
    """A line for each student of this run."""
    coursedir = autograde.coursedir
    found = sorted(map(Path, autograde.assignments))
    with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
        for path in found:
            student, assignment = path.parent.name, path.name
            graded = Path(
                coursedir.format_path(coursedir.autograded_directory, student, assignment)
            ).is_dir()
            try:
                submission = gradebook.find_submission(assignment, student)
            except MissingEntry:
                submission = None
            points = "no mark"
            if submission is not None and graded:
                points = _points(submission)
                if submission.needs_manual_grade:
                    points += ", and a part to be graded by hand"
            yield f"{shown_name(student):<{_LONGEST_NAME}} {assignment}: {points}"


def _points(submission: Any) -> str:
    """What `nbgrader export` will give, and why it is less than what was earned."""
    lost, late = submission.late_submission_penalty or 0.0, submission.total_seconds_late
    points = f"{max(0.0, submission.score - lost):g} of {submission.max_score:g}"
    if lost:
        points += f", {lost:g} lost"
    if lost or late:
        points += f", late by {timedelta(seconds=round(late))}"
    return points
