"""The judge's wall: a sandboxed process for a submission, and the wire to it."""
