"""Bring an exercise back to its start, and keep what was there."""

import datetime
from pathlib import Path

from gradus.course import Course
from gradus.errors import TopicError


def reset(course: Course, topic: str, stub: str | None) -> Path | None:
    """Write the stub into `exercises/<topic>.py`; returns the backup of what was there, if anything was.

    Raises:
        TopicError: If `stub` is None: this copy of the kit cannot make one.
    """
    if stub is None:
        raise TopicError(
            f"{course.root}: solutions/{topic}.py is not here, so the stub cannot be made anew. "
            f"If this is a git checkout: git checkout -- exercises/{topic}.py"
        )
    path = course.exercise(topic)
    backup = None
    if path.exists():
        now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        backup = course.state / "backups" / f"{topic}-{now}.py"
        backup.parent.mkdir(parents=True, exist_ok=True)
        backup.write_bytes(path.read_bytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(stub, encoding="utf-8")
    return backup
