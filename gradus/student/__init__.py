"""For students: progress, hints, reset, the notebook's `check`, and the doctor."""
