"""gradus: auto-graded PyTorch exercises. Importing this module alone does not import torch."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradus.student.notebook import Checker

__all__ = ["__version__", "checker"]
__version__ = "0.1.0"


def checker(topic: str) -> "Checker":
    """The `check` of a notebook: `check = gradus.checker("cnn")`, then `check("conv2d")` in a cell.

    Raises:
        GradusError: If the topic's checks are not found beside the notebook or above it.
    """
    from gradus.student.notebook import Checker

    return Checker(topic)
