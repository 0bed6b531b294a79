"""What makes of a course of nbgrader's one of gradus's, and what comes into its gradebook."""
