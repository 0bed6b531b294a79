"""Small questions about pytest items that are checks."""

import pytest

from gradus.errors import GraderError
from gradus.grading.grader_file import read_checks
from gradus.grading.report import Check
from gradus.shown import quoted
from gradus.submission.loader import Loaded

OUTPUT_LIMIT = 2_000  # characters of what a student's code printed that a failure shows
_SHOWN = pytest.StashKey[set[str]]()  # sections of captured output that are as they are shown
_CHECK = pytest.StashKey[Check]()


def no_traceback(excinfo: object, style: object = None) -> str:
    """What pytest shows of an exception in a check: nothing, since our words take its place."""
    return ""


def limit_of(item: pytest.Item) -> float:
    """Seconds that one case may take; 0 without a limit."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None and mark.args else 0.0


def task_of(item: pytest.Item) -> str:
    """The task that a case belongs to."""
    mark = item.get_closest_marker("task")
    assert mark is not None
    return str(mark.args[0])


def case_id(item: pytest.Item) -> str:
    """The parameters of a case, as pytest writes them between brackets."""
    return item.name.partition("[")[2].rstrip("]")


def raised_by_student(call: pytest.CallInfo[None], loaded: Loaded) -> bool:
    """Whether the exception passed through the student's file."""
    assert call.excinfo is not None
    return any(str(entry.path) in loaded.filenames for entry in call.excinfo.traceback)


def shorten_output(item: pytest.Item) -> None:
    """Keep only the end of what was printed, and nothing of it that steers a terminal or a CI service.

    Each line begins with a mark, so that none can pass for one of pytest's or ours.
    """
    shown = item.stash.setdefault(_SHOWN, set())
    for index, (when, kind, text) in enumerate(item._report_sections):
        if text in shown:
            continue
        cut = len(text) > OUTPUT_LIMIT + 100
        words = quoted(text[-OUTPUT_LIMIT:] if cut else text)
        if cut:
            words = f"... ({len(text):,} characters in all; the end of it:)\n{words}"
        shown.add(words)
        item._report_sections[index] = (when, kind, words)


def check_of(item: pytest.Item) -> Check:
    """What the grader file declares about a check.

    Raises:
        GraderError: If the declaration cannot be read.
    """
    if _CHECK in item.stash:
        return item.stash[_CHECK]
    name = getattr(item, "originalname", item.name)
    for check in read_checks(item.path):
        if check.name == name:
            item.stash[_CHECK] = check  # asked for several times in each case
            return check
    raise GraderError(f"{item.path}: {name} has a task mark that was not made by a decorator.")
