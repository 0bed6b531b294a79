"""`gradus watch`: whenever a file of exercises/ is saved, the task that has changed is graded."""
