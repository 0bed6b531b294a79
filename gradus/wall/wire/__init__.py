"""The conversation itself: what both sides have in common."""
