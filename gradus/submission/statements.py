"""The statements of a piece of source, each compiled on its own, so that one mistake costs one of them."""

import __future__

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

from gradus.submission.describe import LONGEST
from gradus.submission.pieces import Piece, first_line
from gradus.submission.reading import defined_in
from gradus.submission.status import Problem

_MISTAKES = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Statement:
    """One statement of the outermost level; `problem` in place of its code where it cannot be compiled."""

    place: str  # file:line
    names: tuple[str, ...]  # the functions and classes that it defines
    code: CodeType | None = None
    problem: Problem | None = None


class Compiler:
    """Compiles pieces of one file in their order: `from __future__ import ...` holds for all that follows."""

    def __init__(self) -> None:
        self._flags = 0
        self._begun = False  # only the first statement can be the module's docstring

    def statements(self, piece: Piece) -> Iterator[Statement]:
        """The statements of a piece; a single one with a problem where it is not Python."""
        before_piece = piece.line - 1  # lines of the file
        try:
            # With a line of the file Python would set the column of an error anew.
            tree = ast.parse(piece.text, f"<{piece.filename}>")
            ast.increment_lineno(tree, before_piece)
        except _MISTAKES as error:
            line = (getattr(error, "lineno", None) or 1) + before_piece
            yield _with_problem(error, piece, line, defined_in(piece.text))
            return
        for node in tree.body:
            drawn = any(first_line(node) in lines for lines in piece.pictures)
            if drawn and not _defines(node):
                continue
            if self._begun and _is_text(node):
                continue  # alone it would become the docstring
            self._begun = True
            yield self._compiled(node, piece)

    def _compiled(self, node: ast.stmt, piece: Piece) -> Statement:
        names = tuple(_names(node))
        if isinstance(node, ast.ImportFrom) and node.module == "__future__" and not node.level:
            for alias in node.names:
                feature = getattr(__future__, alias.name, None)
                self._flags |= getattr(feature, "compiler_flag", 0)
        try:
            alone = ast.Module([node], [])
            code = compile(alone, piece.filename, "exec", flags=self._flags, dont_inherit=True)
        except _MISTAKES as error:
            return _with_problem(error, piece, getattr(error, "lineno", None) or node.lineno, names)
        return Statement(f"{piece.filename}:{node.lineno}", names, code)


def _with_problem(error: Exception, piece: Piece, line: int, names: tuple[str, ...]) -> Statement:
    place = f"{piece.filename}:{line}"
    return Statement(place, names, problem=Problem(place, _syntax_text(error, piece, line), names))


def _syntax_text(error: Exception, piece: Piece, line: int) -> str:
    text = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
    lines = piece.text.split("\n")[line - piece.line :]  # error.text may be of another cell's line
    source = lines[0] if lines else ""
    if not source.strip() or len(source) > LONGEST:
        return text
    column = max(0, (getattr(error, "offset", 1) or 1) - 1 - (len(source) - len(source.lstrip())))
    return f"{text}\n    {source.strip()}\n    {' ' * column}^"


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _defines(node: ast.stmt) -> bool:
    """Whether a statement of a cell that draws may be an answer all the same."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return isinstance(node.value, ast.Lambda)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _names(node: ast.AST) -> Iterator[str]:
    """Functions and classes that are defined on the level of the module, also below an `if` or a `try`."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif not isinstance(node, ast.expr):
        for child in ast.iter_child_nodes(node):
            yield from _names(child)
