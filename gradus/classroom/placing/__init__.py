"""Whose answer to which topic each file is that a class has handed in, in whatever form."""
