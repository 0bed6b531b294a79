"""Errors that a person is meant to read: where, what, got, and what to do."""

from gradus.shown import safe


class GradusError(Exception):
    """Base of every error that gradus raises on purpose; the command line prints it and exits with 2.

    Its text may repeat names and words of a submission's, and is safe to show wherever it is printed.
    """

    def __str__(self) -> str:
        return safe(super().__str__())


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
