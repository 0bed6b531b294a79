"""Warnings of a submission's, safe to show in pytest's summary of warnings. Light: any pytest run loads it."""

import linecache
import warnings

from gradus.shown import continued, safe


def make_safe(told: warnings.WarningMessage) -> None:
    """Before anything prints a warning: its text, its category's name, its file's name and its line."""
    try:
        text = str(told.message)
    except Exception:  # of the submission's own class
        text = "a warning that cannot be shown"
    if text != (shown := continued(text)):
        told.message = shown
    if told.category.__name__ != continued(told.category.__name__):
        told.category = next(
            kind for kind in told.category.__mro__ if kind.__module__ == "builtins"
        )
    line = told.line or linecache.getline(told.filename, told.lineno).strip()
    told.filename, told.line = continued(told.filename), safe(line) or None
