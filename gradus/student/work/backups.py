"""Copies of a student's files, kept with their time in `.gradus/backups`, and brought back."""

import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from gradus.course import Course
from gradus.errors import GradusError
from gradus.files import write_whole

_NAME = re.compile(r"(\w+)-(\d{8}-\d{6}-\d{6})(\.py|\.ipynb)")
_STAMP = "%Y%m%d-%H%M%S-%f"


@dataclass(frozen=True)
class Backup:
    """One copy."""

    path: Path
    topic: str
    when: datetime.datetime

    @property
    def form(self) -> str:
        """`.py` or `.ipynb`."""
        return self.path.suffix


def backups(course: Course, topic: str | None = None) -> list[Backup]:
    """The copies of all topics or of one, the newest first."""
    found = []
    folder = course.state / "backups"
    for path in folder.iterdir() if folder.is_dir() else ():
        name = _NAME.fullmatch(path.name)
        if name is not None and name[1] in ([topic] if topic else course.topics):
            when = datetime.datetime.strptime(name[2], _STAMP)
            found.append(Backup(path, name[1], when))
    return sorted(found, key=lambda backup: backup.when, reverse=True)


def change(course: Course, topic: str, path: Path, content: bytes) -> Path | None:
    """Write a student's file anew; returns the copy of what was there, None where nothing was lost by it.

    Raises:
        GradusError: If there can be no copy, or the file cannot be written; it is then as it was.
    """
    try:
        before = path.read_bytes() if path.exists() else b""
        if path.exists() and before == content:
            return None
        kept = _keep(course, topic, path, before) if before else None
        write_whole(path, content)
    except OSError as error:
        raise GradusError(
            f"{error.filename or path}: {error.strerror}. {path.name} is as it was."
        ) from error
    return kept


def restore(course: Course, wanted: str | None) -> tuple[Path, Backup, Path | None]:
    """Bring the newest copy back that is not what is there; what is there is kept first, so it can be undone.

    Args:
        course: The course.
        wanted: A topic, or the name of one copy; None for the newest copy of all.

    Returns:
        The file that was written, the copy that it is now, and the copy of what was there.

    Raises:
        GradusError: If there is none, or it cannot be written.
    """
    known = _chosen(course, wanted)
    for backup in known:
        path = file_of(course, backup.topic, backup.form)
        content = backup.path.read_bytes()
        if not path.exists() or path.read_bytes() != content:
            return path, backup, change(course, backup.topic, path, content)
    raise GradusError(f"what is there is what {known[0].path.name} holds; nothing was changed.")


def _chosen(course: Course, wanted: str | None) -> list[Backup]:
    is_file = wanted is not None and Path(wanted).suffix in (".py", ".ipynb")
    if wanted is not None and not is_file:
        course.require(wanted)
    known = backups(course, None if is_file else wanted)
    if is_file:
        known = [backup for backup in known if backup.path.name == Path(str(wanted)).name]
    if not known:
        of = f" of {wanted}" if wanted else ""
        raise GradusError(
            f"{course.state / 'backups'}: no backup{of}. `gradus reset` makes them; "
            "gradus restore --list shows what there is."
        )
    return known


def file_of(course: Course, topic: str, form: str) -> Path:
    """The student's module or notebook of a topic, there or not."""
    there = {path.suffix: path for path in course.forms(topic)}
    if form in there:
        return there[form]
    rooms = [path.parent for path in there.values()] or [course.exercise(topic).parent]
    return rooms[0] / f"{topic}{form}"


def _keep(course: Course, topic: str, path: Path, content: bytes) -> Path:
    """A copy of a file's content, the newest one: a copy that is there already gets a new time."""
    now = datetime.datetime.now().strftime(_STAMP)
    kept = course.state / "backups" / f"{topic}-{now}{path.suffix}"
    for backup in backups(course, topic):
        if backup.form == path.suffix and backup.path.read_bytes() == content:
            return backup.path.rename(kept)
    write_whole(kept, content)
    return kept
