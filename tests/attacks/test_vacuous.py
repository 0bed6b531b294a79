"""A comparison with NaN, or with nothing, passes no check: the reference with spoiled results earns nothing."""

from pathlib import Path

import pytest

from gradus.course import find_course
from gradus.engine.here import grade_here
from gradus.submission.status import Status
from tests.answers import trained_checks
from tests.attacks.spoiling import WAYS, Spoiling

COURSE = find_course(Path(__file__).parent)
# A check passes all the same where what was spoiled is not what it is about; another check of the task looks
# at that. Everything else has to fail.
STEPS = "test_each_step_has_its_own_gradient"  # no gradient in .grad: the loop may have got it another way
PASSES = {
    (
        "backprop",
        "hollow",
    ): {  # about the loss alone, the first of two results; the other one was spoiled
        *("test_mse_loss_value", "test_softmax_cross_entropy_value"),
    },
    ("cnn", "nothing"): {STEPS},
    ("cnn", "hollow"): {STEPS},
    ("resnet", "nan"): {
        "test_running_statistics"
    },  # about the buffers, not about what a call gives
    ("resnet", "hollow"): {"test_running_statistics", STEPS},
    ("lstm", "nothing"): {STEPS},
    ("lstm", "hollow"): {STEPS},
    ("dqn", "hollow"): {
        "test_training_on_the_device"
    },  # about the network; it may see no episode end
    ("devices", "nan"): {
        "test_one_step"
    },  # about the weights of the check's own model, not about the loss
    ("devices", "hollow"): {  # about the seconds; the waits are told in the message alone
        *("test_card_is_waited_for", "test_right_card_is_waited_for"),
    },
}


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
    assert passed == PASSES.get((topic, way), set())
