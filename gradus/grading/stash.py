"""What a pytest run carries for gradus; without torch, so that the plugin starts light."""

from pathlib import Path

import pytest

# (grader, check) -> how many cases it has. Taken when cases are made: a selection shows only some.
CASES = pytest.StashKey[dict[tuple[Path, str], int]]()
