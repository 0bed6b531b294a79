"""`--isolated`: the sandbox of a pytest run, started ahead of the first check. Imports no torch."""

from pathlib import Path

import pytest

from gradus.course import find_course
from gradus.errors import CourseError
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.levels import Level
from gradus.wall.slots import slot_of


def level_of(config: pytest.Config) -> Level | None:
    """The level that this run insists on; None for the best that there is."""
    return Level.SANDBOX if config.getoption("--isolated") == "sandbox" else None


def prepare(config: pytest.Config) -> None:
    """Have the sandbox import torch while this process does so too.

    Raises:
        pytest.UsageError: If the run insists on a level that is out of reach here.
    """
    first = Path(str(config.args[0]).partition("::")[0]) if config.args else Path()
    try:
        slot = slot_of(find_course(first.absolute().parent).root, level_of(config))
    except CourseError:
        return  # the first check will tell
    except SandboxError as error:
        raise pytest.UsageError(str(error)) from None
    if not config.getoption("numprocesses", None):
        slot.start_ahead()
