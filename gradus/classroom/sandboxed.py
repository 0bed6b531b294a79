"""A class is graded in a sandbox; where this machine has none, only on the instructor's word."""

from gradus.sandbox.errors import SandboxError
from gradus.sandbox.levels import Level, probe_level


def require_sandbox(*, allowed: bool, how: str) -> str:
    """What is to be noted of this machine's sandbox; "" where it is whole.

    Args:
        allowed: Whether to grade without one too.
        how: How an instructor allows it, for the message.

    Raises:
        SandboxError: If there is none, and that is not allowed.
    """
    reached = probe_level()
    if reached.level is Level.SANDBOX:
        return ""
    if not allowed:
        raise SandboxError(
            f"a class is graded in a sandbox, and this machine reaches only {reached}. To grade "
            f"all the same, {how}: submissions can then read and change what you can (docs/security.md)."
        )
    return f"Graded without a sandbox: {reached}"
