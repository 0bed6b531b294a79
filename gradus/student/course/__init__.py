"""A student's course: made out of a kit, and kept up to date with it."""
