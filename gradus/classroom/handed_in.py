"""Look at what was handed in before nbgrader reads or copies any of it."""

import stat
from pathlib import Path
from typing import Any

from gradus.errors import SubmissionError

MOST_NAMED = 5


def require_plain_files(folder: Path) -> None:
    """Refuse links and special files: a link shows what it leads to, a device or a pipe may never end.

    Raises:
        SubmissionError: If there are any in the folder, at any depth; names them.
    """
    odd = [
        f"{path.relative_to(folder).as_posix()} is {kind}"
        for path in sorted(folder.rglob("*"))
        if (kind := _odd_kind(path.lstat().st_mode))
    ]
    if odd:
        more = f" and {len(odd) - MOST_NAMED} more" if len(odd) > MOST_NAMED else ""
        raise SubmissionError(
            f"{folder}: holds links or special files: {', '.join(odd[:MOST_NAMED])}{more}. Nothing of this "
            "submission was read, and no mark was recorded. Look at it, put plain files in their place or "
            "remove them, and run autograde again."
        )


def _odd_kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "a device, a pipe or a socket"


def refuse_links(autograde: Any) -> None:
    """Let nbgrader's converter report a submission that holds links, and go on with the next one.

    nbgrader has no hook that can refuse: it goes on after an exception in `pre_convert_hook`.

    Args:
        autograde: nbgrader's `Autograde`, before it starts.
    """
    begin = autograde.init_destination

    def begin_with_plain_files(assignment_id: str, student_id: str) -> Any:
        require_plain_files(Path(autograde._format_source(assignment_id, student_id)))
        return begin(assignment_id, student_id)

    autograde.init_destination = begin_with_plain_files
