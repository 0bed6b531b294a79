"""What graders import: assertions that tell a student what is wrong.

Names are loaded when they are asked for, so that pytest's plugin (`gradus.grading.plugin`) can start
in projects that have nothing to do with gradus without importing torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradus.checks.assertions import (
        assert_avoids,
        assert_inputs_unchanged,
        assert_raises,
        assert_same_gradients,
    )
    from gradus.checks.compare import assert_matches
    from gradus.checks.kinds import (
        assert_form,
        assert_items,
        assert_kind,
        assert_length,
        assert_number,
        assert_tensor,
    )
    from gradus.checks.outcomes import fail
    from gradus.checks.random_source import RandomSource
    from gradus.checks.training import (
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
    "assert_form",
    "assert_history",
    "assert_inputs_unchanged",
    "assert_items",
    "assert_kind",
    "assert_length",
    "assert_matches",
    "assert_mean_losses",
    "assert_not_trained",
    "assert_number",
    "assert_raises",
    "assert_same_gradients",
    "assert_tensor",
    "assert_trained",
    "fail",
    "model_state",
]

_HOMES = {
    "RandomSource": "checks.random_source",
    "Submission": "submission.calls",
    "assert_avoids": "checks.assertions",
    "assert_falls": "checks.training",
    "assert_form": "checks.kinds",
    "assert_history": "checks.training",
    "assert_inputs_unchanged": "checks.assertions",
    "assert_items": "checks.kinds",
    "assert_kind": "checks.kinds",
    "assert_length": "checks.kinds",
    "assert_matches": "checks.compare",
    "assert_mean_losses": "checks.training",
    "assert_not_trained": "checks.training",
    "assert_number": "checks.kinds",
    "assert_raises": "checks.assertions",
    "assert_same_gradients": "checks.assertions",
    "assert_tensor": "checks.kinds",
    "assert_trained": "checks.training",
    "fail": "checks.outcomes",
    "model_state": "checks.training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"gradus.{_HOMES[name]}"), name)
