"""Load a student's module cell by cell, so that one bad cell costs only what it defines."""

import ast
import hashlib
import linecache
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, ModuleType

from gradus.errors import SubmissionError
from gradus.submission.exits import SubmissionExit, exits_intercepted
from gradus.submission.status import Problem, Status
from gradus.topic import split_cells

CELL_SECONDS = 20.0
MAX_BYTES = 5_000_000
LONGEST = 1_500  # characters of a text of the student's that a message repeats
_DEFINITION = re.compile(r"^(?:def|class|async def)\s+(\w+)", re.MULTILINE)


class LoadTimeout(BaseException):
    """A statement of the submission ran longer than it may while the file was being loaded."""


@dataclass(frozen=True)
class Piece:
    """A stretch of source that is compiled on its own: a cell."""

    text: str
    filename: str  # as it stands in tracebacks
    line: int  # the file's line number of the first line of `text`


@dataclass
class Loaded:
    """A student's module and what is missing from it."""

    module: ModuleType
    path: Path | None
    shown: str  # the path as messages show it
    problems: list[Problem] = field(default_factory=list)
    filenames: set[str] = field(default_factory=set)
    sha256: str = ""
    defined: list[str] | None = None  # the names, where the module is in another process

    def names(self) -> list[str]:
        """What the student defines, without underscores."""
        if self.defined is not None:
            return self.defined
        return [name for name in vars(self.module) if not name.startswith("_")]


def find_submission(where: Path, topic: str) -> Path:
    """The file of a topic: `where` itself, or `<topic>.py`, else `<topic>.ipynb`, in the folder `where`."""
    if where.is_dir():
        notebook = where / f"{topic}.ipynb"
        module = where / f"{topic}.py"
        return notebook if notebook.exists() and not module.exists() else module
    return where


def load_submission(
    where: Path,
    topic: str,
    *,
    seconds: float = CELL_SECONDS,
    before: Callable[[str], None] = lambda where: None,
    lost: Mapping[str, str] | None = None,
    keyboard: bool = True,
    shown: str | None = None,
) -> Loaded:
    """Run the student's file, statement by statement, and keep what it defines.

    A cell that does not compile is left out; a statement that raises, exits or takes longer than
    `seconds` is left out; the rest is kept. Nothing is raised for what the student wrote: it is in `problems`.

    Args:
        where: The file, or the folder that holds it.
        topic: The topic's name.
        seconds: Time limit of one statement.
        before: Called with the place (`file:line`) of each statement before it runs.
        lost: Places whose statement ended an earlier process -> what to tell; they are not run again.
        keyboard: Whether a KeyboardInterrupt comes from a person, who means the whole run.
        shown: What messages call the file; by default its path as seen from the working folder.
    """
    path = find_submission(where, topic)
    loaded = Loaded(ModuleType(f"submission_{topic}"), path, shown or show_path(path))
    loaded.module.__file__ = str(path)
    sys.modules[loaded.module.__name__] = loaded.module  # pickling and inspect look it up there
    try:
        data = read_source(path, topic, loaded.shown)
        loaded.sha256 = hashlib.sha256(data).hexdigest()
        pieces = _pieces(path, loaded.shown, data)
    except SubmissionError as error:
        loaded.problems.append(Problem(loaded.shown, str(error)))
        return loaded
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # helper files beside the submission
    with warnings.catch_warnings():
        warnings.simplefilter(
            "default"
        )  # a warning is no wrong answer, whatever pytest's settings are
        for piece in pieces:
            _run_piece(loaded, piece, seconds, before, lost or {}, keyboard)
    return loaded


def load_names(names: dict[str, object], topic: str) -> Loaded:
    """Take what a running notebook has defined so far."""
    module = ModuleType(f"submission_{topic}")
    vars(module).update(names)
    loaded = Loaded(module, None, "this notebook")
    for value in names.values():
        if getattr(value, "__module__", None) == "__main__":
            members = vars(value).values() if isinstance(value, type) else [value]
            codes = [getattr(member, "__code__", None) for member in members]
            loaded.filenames |= {code.co_filename for code in codes if code is not None}
    return loaded


def show_path(path: Path, folder: Path | None = None) -> str:
    """A path relative to `folder` (by default the working folder), where it lies below it."""
    try:
        return path.resolve().relative_to((folder or Path.cwd()).resolve()).as_posix()
    except ValueError:
        return str(path)


def shortened(text: str) -> str:
    """The beginning of a text that may be megabytes long, in characters that can be written to a file."""
    text = text if len(text) <= LONGEST else text[:LONGEST] + " ..."
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_source(path: Path, topic: str, shown: str) -> bytes:
    """The bytes of a file that was handed in; `shown` is what messages call it.

    Raises:
        SubmissionError: If there is no such file, or it is empty or too large.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SubmissionError(
            f"there is no file {shown}. Was it moved or renamed? "
            f"`gradus reset {topic}` makes a new one."
        ) from error
    except OSError as error:
        raise SubmissionError(f"cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise SubmissionError(
            f"is {len(data) / 1e6:.0f} MB large; at most {MAX_BYTES / 1e6:.0f} MB are read. "
            "Clear the notebook's outputs, or remove the data pasted into it."
        )
    if not data.strip():
        raise SubmissionError(f"is empty. Did you save it? `gradus reset {topic}` makes a new one.")
    return data


def _pieces(path: Path, shown: str, data: bytes) -> list[Piece]:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SubmissionError(
            f"line {line} is not UTF-8 text (byte 0x{data[error.start]:02x}). "
            'Save the file with the encoding "UTF-8".'
        ) from error
    if "\0" in text:
        raise SubmissionError(
            "is not a text file (it holds NUL bytes). Hand in the .py or .ipynb itself."
        )
    if path.suffix == ".ipynb":
        from gradus.submission.notebook_source import code_cells

        return [Piece(cell.text, f"{shown} cell {cell.number}", 1) for cell in code_cells(text)]
    cells = split_cells(text)
    linecache.cache[shown] = (len(text), None, text.splitlines(keepends=True), shown)
    return [Piece(cell.text, shown, cell.line) for cell in cells if not cell.markdown]


def _run_piece(
    loaded: Loaded,
    piece: Piece,
    seconds: float,
    before: Callable[[str], None],
    lost: Mapping[str, str],
    keyboard: bool,
) -> None:
    loaded.filenames.add(piece.filename)
    if piece.filename not in linecache.cache:
        lines = piece.text.splitlines(keepends=True)
        linecache.cache[piece.filename] = (len(piece.text), None, lines, piece.filename)
    before_piece = piece.line - 1  # lines of the file
    try:
        tree = ast.parse(
            piece.text, f"<{piece.filename}>"
        )  # a line of the file would set the column
        ast.increment_lineno(tree, before_piece)
        before_piece = 0  # from here on errors tell the file's lines
        statements = [
            (node, compile(ast.Module([node], []), piece.filename, "exec", dont_inherit=True))
            for node in tree.body
        ]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = (getattr(error, "lineno", None) or 1) + before_piece
        names = tuple(_DEFINITION.findall(piece.text))
        text = _syntax_text(error, piece, line)
        loaded.problems.append(Problem(f"{piece.filename}:{line}", text, names))
        return
    for node, code in statements:
        place = f"{piece.filename}:{node.lineno}"
        before(place)
        problem = (
            (Status.ERROR, lost[place])
            if place in lost
            else _run_statement(loaded.module, code, seconds, keyboard)
        )
        if problem is not None:
            kind, message = problem
            names = tuple(
                n.name
                for n in ast.walk(node)
                if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.col_offset == 0
            )
            loaded.problems.append(Problem(place, shortened(message), names, kind))


def _syntax_text(error: Exception, piece: Piece, line: int) -> str:
    text = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
    lines = piece.text.split("\n")[line - piece.line :]  # error.text may be of another cell's line
    source = lines[0] if lines else ""
    if not source.strip() or len(source) > LONGEST:
        return text
    column = max(0, (getattr(error, "offset", 1) or 1) - 1 - (len(source) - len(source.lstrip())))
    return f"{text}\n    {source.strip()}\n    {' ' * column}^"


def _run_statement(
    module: ModuleType, code: CodeType, seconds: float, keyboard: bool
) -> tuple[Status, str] | None:
    try:
        with exits_intercepted(), time_limit(seconds):
            exec(code, vars(module))  # running the student's module is what this is for
    except LoadTimeout:
        return Status.TIMEOUT, f"ran longer than {seconds:g} s while the file was loaded; left out"
    except NotImplementedError as error:
        return Status.TODO, f"calls a task that is still a TODO ({error}); left out"
    except (SystemExit, SubmissionExit) as error:
        return Status.ERROR, f"ends the program ({error!r}) while the file is loaded; left out"
    except BaseException as error:  # whatever a student raises
        if isinstance(error, KeyboardInterrupt) and keyboard:
            raise
        return Status.ERROR, "".join(traceback.format_exception_only(error)).strip()
    return None


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `LoadTimeout` inside the block when it runs longer; no limit where signals cannot serve."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise LoadTimeout

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
