"""Which code a task's answer is: the same hash in a module and in a notebook, whatever comments say.

Results hold for that code: an edit of another task, or of a comment, takes no points away.
"""

import ast
import hashlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from gradus.errors import SubmissionError
from gradus.grading.remembered.definition import places_by_lines
from gradus.grading.remembered.memory import TaskCode
from gradus.grading.remembered.statements import EVERY, Statement, statements
from gradus.submission.pieces import parsed
from gradus.submission.reading import pieces_of, read_source
from gradus.topic import todo_line

_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def codes_in_file(path: Path, tasks: Collection[str]) -> dict[str, TaskCode]:
    """The code of each task that a module or a notebook defines; none where it cannot be read."""
    try:
        pieces = pieces_of(path, path.name, read_source(path, path.stem, path.name))
    except SubmissionError:
        return {}
    return codes_in([piece.text for piece in pieces], tasks)


def codes_in(pieces: Iterable[str], tasks: Collection[str]) -> dict[str, TaskCode]:
    """The code of each task that pieces of source define, as they are run one after the other.

    To it belong all statements that bind or change the task's name or a name that it uses, but other tasks;
    with a mistake in it, too. What sets something in a library, such as `torch.set_default_dtype`, belongs to
    every task.
    """
    ran = _Ran()
    for piece in pieces:
        tree = parsed(piece)
        if tree is None:
            ran.known.update(_broken(piece, tasks))
            continue
        for statement in statements(piece, tree):
            ran.take(statement)
    return {task: ran.code_of(task, tasks) for task in tasks if ran.defines(task)}


class _Ran:
    """What each name is after some statements were run."""

    def __init__(self) -> None:
        self.known: dict[str, list[Statement]] = {}
        self._settings: set[str] = set()
        self._found: dict[
            str, dict[str, list[Statement]]
        ] = {}  # what a statement found names to be

    def take(self, statement: Statement) -> None:
        """Run one more."""
        if not isinstance(statement.node, _DEFINITIONS):
            self._found[statement.text] = {
                name: self.known[name] for name in statement.uses if name in self.known
            }
        for name in statement.binds:
            goes_on = name in statement.uses and not isinstance(statement.node, _DEFINITIONS)
            earlier = self.known.get(name, []) if goes_on or name == EVERY else []
            self.known[name] = [*earlier, statement]  # `double = faster(double)` goes on
        for name in statement.changes | statement.touches:
            earlier = self.known.get(name, [])
            if name not in statement.changes and (not earlier or _is_imported(earlier)):
                if statement.sets:
                    self._settings.add(statement.code)
                continue  # to look at something, as a rule
            if not isinstance(statement.node, ast.AugAssign):  # in a notebook a cell is run again
                earlier = [one for one in earlier if one.text != statement.text]
            self.known[name] = [*earlier, statement]

    def defines(self, task: str) -> bool:
        """Whether anything binds it."""
        return any(task in one.binds | one.changes for one in self.known.get(task, ()))

    def code_of(self, task: str, tasks: Collection[str]) -> TaskCode:
        """The code of a task that it defines."""
        reached = [task]
        for name in reached:
            names = {used for statement in self.known[name] for used in statement.uses}
            reached += sorted((names & set(self.known)) - {*tasks, *reached})
        chains = (self.known[name] for name in [task, *sorted(reached[1:])])
        codes = [code for chain in chains for code in self._codes(chain, tasks)]
        codes += [statement.code for statement in self.known.get(EVERY, ())]
        text = "\n\n".join([*codes, *sorted(self._settings)])
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        return TaskCode(digest, _is_stub(task, self.known[task]))

    def _codes(self, chain: Iterable[Statement], tasks: Collection[str]) -> Iterator[str]:
        """The statements, and what names were when they were run that are something else now."""
        for statement in chain:
            yield statement.code
            for name, then in sorted(self._found.get(statement.text, {}).items()):
                codes = [one.code for one in then]
                if name not in tasks and codes != [one.code for one in self.known[name]]:
                    yield from codes


def _is_imported(chain: Iterable[Statement]) -> bool:
    return any(isinstance(one.node, ast.Import | ast.ImportFrom) for one in chain)


def _is_stub(task: str, chain: Iterable[Statement]) -> bool:
    """Whether the task is what was handed out: what bound it last raises, and does not return before."""
    last = None
    for statement in chain:
        if task in statement.binds or todo_line(task) in statement.text:
            last = statement
    if last is None or todo_line(task) not in last.text:
        return False
    return last.node is None or any(map(_raises, ast.walk(last.node)))


def _raises(node: ast.AST) -> bool:
    """Whether a block comes to its `raise NotImplementedError("TODO: ...")`."""
    body = getattr(node, "body", None)
    for statement in body if isinstance(body, list) else ():
        if isinstance(statement, ast.Return):
            return False
        match statement:
            case ast.Raise(exc=ast.Call(func=ast.Name("NotImplementedError"))):
                return True
    return False


def _broken(piece: str, tasks: Iterable[str]) -> dict[str, list[Statement]]:
    """Tasks in a piece that is not Python."""
    lines, found = piece.split("\n"), {}
    for task in tasks:
        for place in places_by_lines(piece, task):
            text = "\n".join(lines[place.first - 1 : place.last])
            found[task] = [Statement(text, frozenset({task}))]
    return found
