"""Find and read what a student handed in: a module or a notebook, cell by cell."""

import linecache
import re
from pathlib import Path

from gradus.errors import SubmissionError
from gradus.submission.encoding import decode_source
from gradus.submission.pieces import Piece, percent_pieces

MAX_BYTES = 5_000_000  # of a module, or of the code of a notebook
MAX_NOTEBOOK_BYTES = 100_000_000  # with its outputs, which are not graded
_DEFINITION = re.compile(r"^(?:def|class|async def)\s+(\w+)", re.MULTILINE)


def defined_in(text: str) -> tuple[str, ...]:
    """The functions and classes that a text defines, also where it cannot be compiled."""
    return tuple(_DEFINITION.findall(text))


def find_submission(where: Path, topic: str) -> Path:
    """The file of a topic: `where` itself, or `<topic>.py`, else `<topic>.ipynb`, in the folder `where`."""
    if where.is_dir():
        notebook = where / f"{topic}.ipynb"
        module = where / f"{topic}.py"
        return notebook if notebook.exists() and not module.exists() else module
    return where


def show_path(path: Path, folder: Path | None = None) -> str:
    """A path relative to `folder` (by default the working folder), where it lies below it."""
    try:
        return path.resolve().relative_to((folder or Path.cwd()).resolve()).as_posix()
    except ValueError:
        return str(path)


def read_source(path: Path, topic: str, shown: str) -> bytes:
    """The bytes of a file that was handed in; `shown` is what messages call it.

    Raises:
        SubmissionError: If there is no such file, or it is empty or too large.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):  # to read it may never end
        raise SubmissionError(
            "is a device, a pipe or a socket, not a file. Hand in the .py or .ipynb itself."
        )
    most = most_bytes(path)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError as error:
        raise SubmissionError(
            f"there is no file {shown}. Was it moved or renamed? "
            f"`gradus reset {topic}` makes a new one."
        ) from error
    except OSError as error:
        raise SubmissionError(f"cannot be read: {error.strerror}.") from error
    if len(data) <= most:
        data = without_outputs(path, data)
    if len(data) > MAX_BYTES:
        raise SubmissionError(too_large(path, path.stat().st_size))
    if not data.strip():
        raise SubmissionError(f"is empty. Did you save it? `gradus reset {topic}` makes a new one.")
    return data


def most_bytes(path: Path) -> int:
    """How large a file may be that is handed in."""
    return MAX_NOTEBOOK_BYTES if path.suffix.lower() == ".ipynb" else MAX_BYTES


def without_outputs(path: Path, data: bytes) -> bytes:
    """The bytes of a file; of a notebook that is too large with its outputs, the code alone.

    Raises:
        SubmissionError: If such a one is no notebook.
    """
    if len(data) <= MAX_BYTES or path.suffix.lower() != ".ipynb":
        return data
    from gradus.submission.notebook_source import bare_notebook

    return bare_notebook(decode_source(data, python=False)).encode()


def too_large(path: Path, size: int) -> str:
    """What is said of a file of this size."""
    if size > most_bytes(path):
        most = f"at most {most_bytes(path) / 1e6:.0f} MB are read"
        remedy = "Clear the notebook's outputs, or remove the data pasted into it."
        return f"is {size / 1e6:.0f} MB large; {most}. {remedy}"
    return f"has more than {MAX_BYTES / 1e6:.0f} MB of code. Remove the data pasted into it."


def pieces_of(path: Path, shown: str, data: bytes) -> list[Piece]:
    """What of a file's code is compiled together.

    In a module that is all that Python would run: code below a text cell's comments is code, whatever an
    editor shows it as.

    Raises:
        SubmissionError: If it is no text, or no notebook.
    """
    text = decode_source(data, python=path.suffix != ".ipynb")
    if path.suffix == ".ipynb":
        from gradus.submission.notebook_source import code_cells

        return [
            Piece(
                cell.text,
                f"{shown} cell {cell.number}",
                1,
                cell.left_out,
                (range(1, cell.text.count("\n") + 2),) if cell.picture else (),
            )
            for cell in code_cells(text)
        ]
    keep_lines(shown, text)
    return percent_pieces(text, shown)


def keep_lines(filename: str, text: str) -> None:
    """Let tracebacks show these lines; cut as Python counts them, at line feeds alone."""
    lines = [line + "\n" for line in text.split("\n")]
    linecache.cache[filename] = (len(text), None, lines, filename)
