"""The stretches of a file that are compiled on their own: all of it, or cells where all does not compile."""

import ast
import re
import warnings
from dataclasses import dataclass

from gradus.topic import Cell, split_cells

MOST_JOINED = 20  # cells that are tried as one, where the first alone is not Python
_CODE = re.compile(r"^[ \t\f]*[^#\s]", re.MULTILINE)  # a line that is neither blank nor a comment
_GOES_ON = re.compile(r"[ \t]|(?:case|elif|else|except|finally)\b")


@dataclass(frozen=True)
class Piece:
    """A stretch of source that is compiled on its own."""

    text: str
    filename: str  # as it stands in tracebacks
    line: int  # the file's line number of the first line of `text`
    left_out: str = ""  # why it is not run
    pictures: tuple[range, ...] = ()  # lines of the file that draw: only what they define is run


def percent_pieces(text: str, filename: str) -> list[Piece]:
    """Cut a percent file as far as it must be.

    Where the whole is Python, `# %%` lines are comments. Else a mistake costs the cell that it stands in:
    the file is cut at all of those that may stand between two statements.
    """
    tree = parsed(text)
    if tree is not None:
        cells = split_cells(text, _lines_inside(tree))
        return [Piece(text, filename, 1, pictures=tuple(_lines(c) for c in cells if c.picture))]
    lines = text.split("\n")
    cells = split_cells(text, _lines_that_go_on(lines))
    pieces, at = [], 0
    while at < len(cells):
        joined, taken = _first_that_is_python(lines, cells[at : at + MOST_JOINED])
        of_piece = cells[at : at + taken]
        at += taken
        if _CODE.search(joined):
            drawn = tuple(_lines(cell) for cell in of_piece if cell.picture)
            pieces.append(Piece(joined, filename, of_piece[0].line, pictures=drawn))
    return pieces


def parsed(text: str) -> ast.Module | None:
    """The syntax tree of a text; None where it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come again when it is compiled
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _lines(cell: Cell) -> range:
    return range(cell.line, cell.line + cell.text.count("\n") + 1)


def _lines_inside(tree: ast.Module) -> set[int]:
    """Lines in the middle of a statement: in a body, a string, brackets, below a decorator."""
    inside: set[int] = set()
    for node in tree.body:
        inside.update(range(first_line(node), (node.end_lineno or node.lineno) + 1))
    return inside


def first_line(node: ast.stmt) -> int:
    """The line of a statement's first decorator, or its own."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _lines_that_go_on(lines: list[str]) -> set[int]:
    """Comments that cannot stand between two statements, as far as the code around them tells."""
    found: set[int] = set()
    comments: list[int] = []  # since the last line of code
    decorated = False
    for number, line in enumerate(lines, start=1):
        if _CODE.match(line) is None:
            comments.append(number)
            continue
        if decorated or _GOES_ON.match(line):
            found.update(comments)
        decorated = line.startswith("@")
        comments = []
    return found


def _first_that_is_python(lines: list[str], cells: list[Cell]) -> tuple[str, int]:
    """The text of the first cell, or of as many more as make it Python: a string may hold `# %%` lines."""
    begin = cells[0].line - 1
    if not _CODE.search(cells[0].text):
        return cells[0].text, 1
    for taken, cell in enumerate(cells, start=1):
        end = cell.line - 1 + len(cell.text.rstrip("\n").split("\n"))
        joined = "\n".join(lines[begin:end]) + "\n"
        if parsed(joined) is not None:
            return joined, taken
    return cells[0].text, 1
