"""A student's files: begun again, brought back, compared with the solution."""
