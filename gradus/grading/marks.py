"""The marks of checks."""

import pytest


def is_check(item: pytest.Item) -> bool:
    """Whether a test is a graded check."""
    return item.get_closest_marker("task") is not None


def is_hidden(item: pytest.Item) -> bool:
    """Whether a check stays with the instructor."""
    return item.get_closest_marker("hidden") is not None
