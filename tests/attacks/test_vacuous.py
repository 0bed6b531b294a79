"""A comparison with NaN, or with nothing, passes no check: the reference, spoiled, earns nothing."""

from pathlib import Path

import pytest

from gradus.course import find_course
from gradus.grading.run import grade_here
from gradus.submission.status import Status
from tests.answers import trained_checks
from tests.attacks.spoiling import WAYS, Spoiling

pytestmark = pytest.mark.usefixtures("named_plugins")
COURSE = find_course(Path(__file__).parent)
PASSES = {}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("topic", COURSE.topics)
def test_no_check_is_passed_by_nan_or_by_nothing(topic, way):
    slow = trained_checks(COURSE.grader(topic))
    spared = [f"--deselect=graders/test_{topic}.py::{check}" for check in slow]
    spoiling = Spoiling(WAYS[way], probes=True, calls=True)
    result = grade_here(
        COURSE,
        topic,
        COURSE.solution(topic),
        hidden=True,
        options=["--device", "cpu", *spared],
        plugins=[spoiling],
    )
    passed = {c.check.name for c in result.checks() if c.status is Status.PASSED}
    passed &= set(spoiling.spoiled)
    print(topic, way, len(passed), len(result.checks()), sorted(passed))
    assert passed == PASSES.get((topic, way), set())
