"""What one student handed in for one topic, as one piece of bytes: kept in the store, and graded from there."""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gradus.classroom.release import release_files
from gradus.course import Course
from gradus.engine.depends import depends_on
from gradus.errors import SubmissionError
from gradus.submission.encoding import decode_source
from gradus.submission.notebook_source import bare_notebook
from gradus.submission.reading import MAX_BYTES, MAX_NOTEBOOK_BYTES, most_bytes
from gradus.wall.judge.source import Source

TIMESTAMP = "timestamp.txt"  # of nbgrader's: when it was handed in
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same content gives the same bytes


@dataclass(frozen=True)
class Answer:
    """A file and what was handed in together with it.

    Args:
        name: Of the file: the topic's, also where it was handed in under another.
        data: Its bytes, of a notebook the code; of a file that is too large as many as show it.
        others: What lies beside it, by the path below its folder.
    """

    name: str
    data: bytes
    others: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """The hash of everything."""
        content = hashlib.sha256()
        for name, data in ((self.name, self.data), *sorted(self.others.items())):
            content.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
            content.update(hashlib.sha256(data).digest())
        return content.hexdigest()

    def packed(self) -> bytes:
        """A zip: the file first."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in {self.name: self.data, **self.others}.items():
                archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), data, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()


def read_answer(course: Course, topic: str, file: Path, folder: Path | None) -> Answer:
    """Read what was handed in, as far as a grade may depend on it.

    Of a notebook that is its code, and where it stands; a file that is no notebook is kept as it is. What
    lies beside it counts, without other notebooks, and without what a release brings: the kit's own is used.

    Args:
        course: The kit.
        topic: What the file answers.
        file: What was handed in, under whatever name: a grade does not depend on it.
        folder: What was handed in together with it; None: the file alone.

    Raises:
        SubmissionError: If the file is a link or no file, or cannot be read.
    """
    source = Source(file, topic, file.name, folder)
    if file.is_symlink() or (folder is not None and folder.is_symlink()) or not file.is_file():
        source.read()  # says why not
        raise SubmissionError("is no file. Hand in the .py or .ipynb itself.")
    try:
        with file.open("rb") as opened:
            data = opened.read(most_bytes(file) + 1)
        others = source.beside()
    except OSError as error:
        raise SubmissionError(f"cannot be read: {error.strerror}.") from error
    inside = file.relative_to(folder).as_posix() if folder is not None else file.name
    others.pop(inside, None)
    released = release_files(course, topic)
    kept = {
        name: content
        for name, content in others.items()
        if name not in released and not _is_left_out(PurePosixPath(name))
    }
    ending = file.suffix.lower()  # graded as what it is: `.IPYNB`
    name = f"{topic}{ending}" if f"{topic}{ending}" not in kept else f"{file.stem}{ending}"
    return Answer(name, _bare(data) if ending == ".ipynb" else data, kept)


def _bare(data: bytes) -> bytes:
    """A notebook's bytes as an answer has them; what is no notebook, or too large for one, stays as it is."""
    if len(data) > MAX_NOTEBOOK_BYTES:
        return data[: MAX_BYTES + 1]
    try:
        return bare_notebook(decode_source(data, python=False)).encode()
    except SubmissionError:
        return data[: MAX_BYTES + 1]


def _is_left_out(name: PurePosixPath) -> bool:
    """Whether no grade depends on a file that lies beside an answer."""
    is_cache = name.suffix == ".pyc" or "__pycache__" in name.parts
    return name.suffix.lower() == ".ipynb" or is_cache or str(name) == TIMESTAMP


def dependencies(course: Course, topic: str, limit: float, devices: Sequence[str] = ()) -> str:
    """A hash of what grades of a topic depend on beside the answer.

    Args:
        course: The kit.
        topic: One of its topics.
        limit: Seconds that one answer may take in all.
        devices: That checks run on; those of a plain pytest run when empty.
    """
    return depends_on(course, topic, limit, list(devices))


def key_of(topic: str, answer: Answer, depends: str) -> str:
    """What a grade is kept under: of the answer, and of all that its grade depends on besides.

    Args:
        topic: What it answers.
        answer: What was handed in.
        depends: As `dependencies` gives it.
    """
    return hashlib.sha256(f"{depends} {topic} {answer.sha256}".encode()).hexdigest()


def opened(packed: bytes) -> Answer:
    """The answer that `Answer.packed` gave."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        name, *others = archive.namelist()
        return Answer(name, archive.read(name), {other: archive.read(other) for other in others})


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
