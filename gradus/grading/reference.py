"""A check that stops in its own code is tried on the reference: is the answer to blame, or the check?"""

from typing import Any

import pytest

from gradus.checks.random_source import RandomSource
from gradus.grading.grader_file import topic_of
from gradus.grading.submissions import Submissions
from gradus.submission.time_limit import time_limit

SECONDS = 60.0  # for the reference to pass one case
LOST = (("problem", "the check was tried on the reference, and that ended or hung the process"),)


def reference_passes(
    item: pytest.Item, submissions: Submissions, random: RandomSource
) -> bool | None:
    """Whether the reference passes the same check; None where there is no reference here.

    Args:
        item: The case of the check.
        submissions: Where the reference comes from, and on which side of the wall it runs.
        random: The source that the check began with, from its start.
    """
    reference = submissions.course_of(item).solution(topic_of(item.path))
    if not reference.exists():
        return None
    hook = getattr(item.ihook, "pytest_timeout_cancel_timer", None)
    if hook is not None:
        hook(item=item)
    known: Any = item  # pytest.Function keeps its resolved fixtures
    if not set(known._fixtureinfo.argnames) <= set(known.funcargs):
        return False  # a fixture of the grader failed: the check could not even begin
    arguments = {name: known.funcargs[name] for name in known._fixtureinfo.argnames}
    arguments["submission"] = submissions.make(item, reference)
    if "random" in arguments:
        arguments["random"] = random
    try:
        with time_limit(SECONDS):
            known.obj(**arguments)
    except BaseException:  # any failure of the reference condemns the check
        return False
    return True
