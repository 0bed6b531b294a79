"""What pytest items carry for gradus; without torch, so that the plugin starts light."""

import pytest

CASES = pytest.StashKey[int]()  # how many cases the item's check has
