"""Audit of a topic's grader: the reference is changed in many small ways, and each must lose points."""
