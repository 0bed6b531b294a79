"""What graders import: assertions that tell a student what is wrong.

Names are loaded when they are asked for, so that pytest's plugin (`gradus.grading.plugin`) can start
in projects that have nothing to do with gradus without importing torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradus.grading.assertions import (
        assert_avoids,
        assert_inputs_unchanged,
        assert_raises,
        assert_same_gradients,
    )
    from gradus.grading.compare import assert_matches
    from gradus.grading.outcomes import fail
    from gradus.grading.random_source import RandomSource
    from gradus.grading.training import (
        assert_falls,
        assert_history,
        assert_mean_losses,
        assert_not_trained,
        assert_trained,
        model_state,
    )
    from gradus.submission.calls import Submission

__all__ = [
    "RandomSource",
    "Submission",
    "assert_avoids",
    "assert_falls",
    "assert_history",
    "assert_inputs_unchanged",
    "assert_matches",
    "assert_mean_losses",
    "assert_not_trained",
    "assert_raises",
    "assert_same_gradients",
    "assert_trained",
    "fail",
    "model_state",
]

_HOMES = {
    "RandomSource": "grading.random_source",
    "Submission": "submission.calls",
    "assert_avoids": "grading.assertions",
    "assert_falls": "grading.training",
    "assert_history": "grading.training",
    "assert_inputs_unchanged": "grading.assertions",
    "assert_matches": "grading.compare",
    "assert_mean_losses": "grading.training",
    "assert_not_trained": "grading.training",
    "assert_raises": "grading.assertions",
    "assert_same_gradients": "grading.assertions",
    "assert_trained": "grading.training",
    "fail": "grading.outcomes",
    "model_state": "grading.training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"gradus.{_HOMES[name]}"), name)
