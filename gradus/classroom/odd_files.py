"""What a student may hand in besides plain files and folders."""

import stat


def odd_kind(mode: int) -> str:
    """What is odd about a file of this mode, for a sentence; nothing for a plain file or a folder."""
    if stat.S_ISLNK(mode):
        return "a link"
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "a device, a pipe or a socket"
