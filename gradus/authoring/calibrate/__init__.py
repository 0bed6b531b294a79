"""`gradus calibrate`: bars for trained results, from measured runs (docs/thresholds.md)."""
