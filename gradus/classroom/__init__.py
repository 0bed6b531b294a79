"""For instructors: nbgrader courses that grade through gradus."""
