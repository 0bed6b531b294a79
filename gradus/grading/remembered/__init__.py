"""What a student's tasks have come to on this machine, and of which code."""
