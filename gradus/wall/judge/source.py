"""What was handed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gradus.errors import SubmissionError
from gradus.submission.reading import read_source

MOST_FILES = 2_000
MOST_BYTES = 64 << 20  # of the files that are handed in together


@dataclass(frozen=True)
class Source:
    """What was handed in.

    Attributes:
        path: The file.
        topic: Its topic.
        shown: What messages call the file.
        folder: Handed in with the file: the student's code may read what lies there. None: the file alone.
        handed_in: Whether it is somebody else's; the reference is not.
    """

    path: Path
    topic: str
    shown: str
    folder: Path | None = None
    handed_in: bool = True

    def read(self) -> bytes:
        """The bytes of the file.

        Raises:
            SubmissionError: If it is a link, or as `read_source` does.
        """
        linked = [
            path for path in (self.folder, self.path) if path is not None and path.is_symlink()
        ]
        if linked and self.handed_in:
            raise SubmissionError(
                f"{linked[0].name} is a link, and a link shows what it leads to: behind the wall it is not "
                "followed. Put the file itself there."
            )
        return read_source(self.path, self.topic, self.shown)

    def beside(self) -> dict[str, bytes]:
        """The files that were handed in together with it, by their path below the folder.

        Of too many or too large ones those that come first: code before data.
        """
        if self.folder is None:
            return {}
        files: dict[str, bytes] = {}
        size = 0
        for path in sorted(self.folder.rglob("*"), key=lambda path: (path.suffix != ".py", path)):
            inside = path.relative_to(self.folder)
            if (
                path.is_symlink()
                or not path.is_file()
                or any(p.startswith(".") for p in inside.parts)
            ):
                continue
            size += path.stat().st_size
            if len(files) >= MOST_FILES or size > MOST_BYTES:
                break
            files[inside.as_posix()] = path.read_bytes()
        return files


@dataclass(frozen=True)
class Received(Source):
    """What was handed in, read by another process that may see where it lies.

    Attributes:
        data: The bytes of the file.
        problem: Why it could not be read; "" where it was.
        others: What was handed in together with it.
    """

    data: bytes = b""
    problem: str = ""
    others: Mapping[str, bytes] = field(default_factory=dict, hash=False)

    def read(self) -> bytes:
        """The bytes of the file.

        Raises:
            SubmissionError: If they could not be read.
        """
        if self.problem:
            raise SubmissionError(self.problem)
        return self.data

    def beside(self) -> dict[str, bytes]:
        """The files that were handed in together with it, by their path below the folder."""
        return dict(self.others)
