"""Whether a report is one that a mark may be taken from."""

from gradus.errors import GraderError
from gradus.grading.report import TopicResult
from gradus.submission.status import Status


def require_verdicts(result: TopicResult) -> None:
    """A mark exists only where every check judged the answer.

    Raises:
        GraderError: If a check is broken, or did not run (it was skipped, or the run ended early).
    """
    for check in result.checks():
        if check.status in (Status.BROKEN, Status.NOT_RUN):
            is_what = "is broken" if check.status is Status.BROKEN else "did not run"
            raise GraderError(
                f"{result.name}: no mark was recorded, since the grader's check {check.check.name} "
                f"{is_what}.\n{check.message}"
            )
