"""Grades many answers: a warm judge that forks once for each; where there is no fork, started processes."""
