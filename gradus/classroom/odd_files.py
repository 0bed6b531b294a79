"""What a student may hand in besides plain files and folders, and names that nbgrader cannot take."""

import stat

from gradus.shown import shown_name

_ODD = frozenset("*?[\n")


def odd_kind(mode: int) -> str:
    """What is odd about a file of this mode, for a sentence; nothing for a plain file or a folder."""
    if stat.S_ISLNK(mode):
        return "a link"
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "a device, a pipe or a socket"


def odd_student(name: str) -> str:
    """Why nbgrader cannot take a student of this name, and what to do; nothing where it can.

    It looks for what was handed in by patterns: a student called `*` would get everybody's answers, and take
    away a mark of somebody else's. At a name with a line break it stops.
    """
    if not _ODD & set(name) and not name.startswith("."):
        return ""
    return (
        f"{shown_name(name)}: nbgrader takes no student of this name. It may hold none of * ? [ and no line "
        "break, and begins with no dot. Rename the file or the folder, and run this again."
    )
