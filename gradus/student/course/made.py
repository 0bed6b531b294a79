"""What a course was made from: `.gradus/kit.json`, which tells an untouched file from a student's work."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from gradus.course import NOTE, Course
from gradus.files import write_whole


@dataclass(frozen=True)
class Made:
    """The kit that a course has its files from."""

    version: str  # of gradus
    topics: tuple[str, ...] | None  # those that were chosen; None: all that the kit has
    kit: str | None = None  # its folder; None: the installed one
    files: Mapping[str, str] = field(default_factory=dict)  # path -> SHA-256 of what was written


def sha256(data: bytes) -> str:
    """How a file is known again."""
    return hashlib.sha256(data).hexdigest()


def to_json(made: Made) -> bytes:
    """As the file holds it."""
    return (json.dumps(asdict(made), indent=1) + "\n").encode("utf-8")


def read_made(course: Course) -> Made | None:
    """What was noted when the course was made or last updated; None where the note is lost or damaged."""
    try:
        data = json.loads((course.state / NOTE).read_text(encoding="utf-8"))
        topics, kit = data["topics"], data["kit"]
        return Made(
            str(data["version"]),
            None if topics is None else tuple(map(str, topics)),
            None if kit is None else str(kit),
            {str(path): str(known) for path, known in data["files"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_made(course: Course, made: Made) -> None:
    """Note it.

    Raises:
        OSError: If the course cannot be written to.
    """
    write_whole(course.state / NOTE, to_json(made))
