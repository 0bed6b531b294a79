"""Load a student's module cell by cell, so that one bad cell costs only what it defines."""

import ast
import hashlib
import linecache
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType

from gradus.errors import SubmissionError
from gradus.submission.describe import LONGEST, shortened
from gradus.submission.exits import SubmissionExit, exits_intercepted
from gradus.submission.reading import (
    Piece,
    defined_in,
    find_submission,
    pieces_of,
    read_source,
    show_path,
)
from gradus.submission.status import Problem, Status
from gradus.submission.time_limit import CELL_SECONDS, LoadTimeout, time_limit


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
        pieces = pieces_of(path, loaded.shown, data)
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
    if piece.left_out:
        where = f"{piece.filename}:{piece.line}"
        loaded.problems.append(Problem(where, piece.left_out, defined_in(piece.text)))
        return
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
        names = defined_in(piece.text)
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
