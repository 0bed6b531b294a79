"""For instructors: a class is graded without nbgrader, and every mark can be explained."""
