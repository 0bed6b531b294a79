"""The worker's side: runs the student's code."""
