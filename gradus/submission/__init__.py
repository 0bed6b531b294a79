"""One submission: reading its file, running it statement by statement, calling what it defines."""
