"""Processes that are shut in: warm, forked, and knowing nothing of grading."""
