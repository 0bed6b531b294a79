"""Errors that a person is meant to read: where, what, got, and what to do."""

import contextlib
from collections.abc import Iterator

from gradus.shown import safe


class GradusError(Exception):
    """Base of every error that gradus raises on purpose; the command line prints it and exits with 2.

    Its text may repeat names and words of a submission's, and is safe to show wherever it is printed.
    """

    def __str__(self) -> str:
        return safe(super().__str__())

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the words alone. Lines of gradus's own code say nothing to a student."""
        return [f"{type(self).__name__}: {self}"]


@contextlib.contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Where a package of an extra is imported; `what` begins the message: `exporting notebooks`.

    Raises:
        GradusError: If the package is not installed; with the command that installs the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "gradus":
            raise
        raise GradusError(
            f'{what} needs {error.name}, which is not installed: pip install "gradus-kit[{extra}]"'
        ) from error


class CourseError(GradusError):
    """No kit here, or its `course.toml` is damaged."""


class TopicError(GradusError):
    """A file of `solutions/` breaks the rules of the room."""


class GraderError(GradusError):
    """A file of `graders/` breaks the rules of the room, or a grader failed by itself."""


class SubmissionError(GradusError):
    """A submission cannot be read at all."""


class ReportError(GradusError):
    """A report is damaged or of another version."""
