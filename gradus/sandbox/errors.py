"""What the sandbox raises."""

from gradus.errors import GraderError


class SandboxError(GraderError):
    """The sandbox could not be set up as it was asked for."""
