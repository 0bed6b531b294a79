"""`--isolated`: the sandbox of a pytest run, started ahead of the first check. Imports no torch."""

from pathlib import Path

import pytest

from gradus.course import find_course
from gradus.errors import CourseError
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.levels import Level
from gradus.sandbox.slots import WarmSlot
from gradus.wall.slots import slot_of

GIVEN = "given"  # --isolated=given: workers come from the process that supervises this one


def workers_of(config: pytest.Config, root: Path) -> WarmSlot:
    """Where the processes of submissions come from.

    Args:
        config: Says whether this run insists on a level.
        root: Of the kit.

    Raises:
        SandboxError: If that level is out of reach here.
    """
    insists = config.getoption("--isolated") == "sandbox"
    return slot_of(root, Level.SANDBOX if insists else None)


def prepare(config: pytest.Config) -> None:
    """Have the sandbox import torch while this process does so too.

    Raises:
        pytest.UsageError: If the run insists on a level that is out of reach here.
    """
    if config.getoption("--isolated") == GIVEN:
        return
    first = Path(str(config.args[0]).partition("::")[0]) if config.args else Path()
    try:
        slot = workers_of(config, find_course(first.absolute().parent).root)
    except CourseError:
        return  # the first check will tell
    except SandboxError as error:
        raise pytest.UsageError(str(error)) from None
    if not config.getoption("numprocesses", None):
        slot.start_ahead()
