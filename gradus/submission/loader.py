"""Load a student's module cell by cell, so that one bad cell costs only what it defines."""

import hashlib
import linecache
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from gradus.errors import SubmissionError
from gradus.submission.describe import shortened
from gradus.submission.exits import SubmissionExit, exits_intercepted
from gradus.submission.pieces import Piece
from gradus.submission.reading import (
    defined_in,
    find_submission,
    keep_lines,
    pieces_of,
    read_source,
    show_path,
)
from gradus.submission.settings import StudentSettings
from gradus.submission.stand_ins import checks_idle, stand_ins
from gradus.submission.statements import Compiler
from gradus.submission.status import Problem, Status
from gradus.submission.time_limit import CELL_SECONDS, LoadTimeout, time_limit

# Of what is missing, so that a report stays one: every result of a check carries it.
MOST_TOLD, MOST_NAMES = 30, 100


@dataclass
class Loaded:
    """A student's module and what is missing from it."""

    module: ModuleType
    path: Path | None
    shown: str  # the path as messages show it
    problems: list[Problem] = field(default_factory=list)
    filenames: set[str] = field(default_factory=set)
    sha256: str = ""
    stand_ins: dict[str, object] = field(
        default_factory=dict
    )  # names that a notebook has by itself
    defined: list[str] | None = None  # the names, where the module is in another process

    def told(self) -> list[list[Any]]:
        """What is missing, as a report tells it: plain data, and of endless mistakes the first."""
        most = len(self.problems) if len(self.problems) <= MOST_TOLD + 1 else MOST_TOLD
        found = [replace(p, names=p.names[:MOST_NAMES]).as_data() for p in self.problems[:most]]
        if left_out := len(self.problems) - most:
            words = f"... and {left_out} more statements that were left out"
            found.append(Problem(self.shown, words).as_data())
        return found

    def names(self) -> list[str]:
        """What the student defines, without underscores."""
        if self.defined is not None:
            return self.defined
        return [
            name
            for name, value in vars(self.module).items()
            if not name.startswith("_") and self.stand_ins.get(name, self) is not value
        ]


def load_submission(
    where: Path,
    topic: str,
    *,
    seconds: float | None = None,
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
        seconds: Time limit of one statement; the usual one if None.
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
    loaded.stand_ins = stand_ins(loaded.module, loaded.filenames)
    vars(loaded.module).update(loaded.stand_ins)
    limit = CELL_SECONDS if seconds is None else seconds
    run = partial(_run_statement, loaded.module, StudentSettings(), limit, keyboard)
    compiler = Compiler()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "default"
        )  # a warning is no wrong answer, whatever pytest's settings are
        with checks_idle():
            for piece in pieces:
                _run_piece(loaded, piece, compiler, run, before, lost or {})
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
    compiler: Compiler,
    run: Callable[[CodeType], tuple[Status, str] | None],
    before: Callable[[str], None],
    lost: Mapping[str, str],
) -> None:
    loaded.filenames.add(piece.filename)
    if piece.filename not in linecache.cache:
        keep_lines(piece.filename, piece.text)
    if piece.left_out:
        where = f"{piece.filename}:{piece.line}"
        loaded.problems.append(Problem(where, piece.left_out, defined_in(piece.text)))
        return
    for statement in list(compiler.statements(piece)):
        if statement.code is None:
            loaded.problems += [statement.problem] if statement.problem is not None else []
            continue
        place = statement.place
        before(place)
        problem = (Status.ERROR, lost[place]) if place in lost else run(statement.code)
        if problem is not None:
            kind, message = problem
            loaded.problems.append(Problem(place, shortened(message), statement.names, kind))


def _run_statement(
    module: ModuleType, settings: StudentSettings, seconds: float, keyboard: bool, code: CodeType
) -> tuple[Status, str] | None:
    try:
        with exits_intercepted(), settings.in_force(), time_limit(seconds):
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
