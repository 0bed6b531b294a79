"""Grading runs: pytest's plugin, the session, results and reports."""
