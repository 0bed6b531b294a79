"""Modules that a check calls get copies of its data, as they would in another process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from gradus.submission.calls import Access
from gradus.submission.copies import copies


@contextmanager
def copied_for_modules() -> Iterator[None]:
    """Give copies to every module that is called from outside student code: `model(x)` in a check.

    What `forward` does to its arguments in place stays its own. A student's `nn.Sequential` is like any
    other, so all modules get copies. Inside student code and probes, modules get what they are given.
    """
    original: Any = nn.Module.__call__

    def called(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if Access.depth:
            return original(self, *args, **kwargs)
        args, kwargs = copies((args, kwargs), lend=True)
        Access.depth += 1
        try:
            return original(self, *args, **kwargs)
        finally:
            Access.depth -= 1

    known: Any = nn.Module
    known.__call__ = called
    try:
        yield
    finally:
        known.__call__ = original
