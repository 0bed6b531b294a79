"""What one student handed in for one topic, as one piece of bytes: kept in the store, and graded from there."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gradus.errors import SubmissionError
from gradus.submission.reading import MAX_BYTES
from gradus.wall.judge.source import Source

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same content gives the same bytes


@dataclass(frozen=True)
class Answer:
    """A file and what was handed in together with it.

    Args:
        name: Of the file.
        data: Its bytes; of a file that is too large as many as show it.
        others: What lies beside it, by the path below its folder.
    """

    name: str
    data: bytes
    others: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """The hash of everything."""
        files = {self.name: self.data, **self.others}
        sizes = [[name, len(data)] for name, data in files.items()]
        key = hashlib.sha256(json.dumps(sizes).encode())
        for data in files.values():
            key.update(data)
        return key.hexdigest()

    def packed(self) -> bytes:
        """A zip: the file first."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in {self.name: self.data, **self.others}.items():
                archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), data, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()


def read_answer(file: Path, folder: Path | None) -> Answer:
    """Read what was handed in.

    Raises:
        SubmissionError: If the file is a link or no file, or cannot be read.
    """
    source = Source(file, "", file.name, folder)
    if file.is_symlink() or (folder is not None and folder.is_symlink()) or not file.is_file():
        source.read()  # says why not
        raise SubmissionError("is no file. Hand in the .py or .ipynb itself.")
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        others = source.beside()
    except OSError as error:
        raise SubmissionError(f"cannot be read: {error.strerror}.") from error
    inside = file.relative_to(folder).as_posix() if folder is not None else file.name
    others.pop(inside, None)
    name = file.with_suffix(file.suffix.lower()).name  # graded as what it is: `.IPYNB`
    return Answer(name, data, others)


def unpack(packed: bytes, folder: Path) -> Path:
    """Write a packed answer into a folder; the path of its file."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = archive.namelist()
        for name in names:
            parts = PurePosixPath(name).parts
            path = folder.joinpath(*parts)
            if ".." in parts or not path.is_relative_to(folder):  # none that `packed` wrote
                raise SubmissionError(f"the stored answer holds the name {name!r}.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))
    return folder / names[0]
