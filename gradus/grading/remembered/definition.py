"""One task's definition in a student's text, whatever else stands there, replaced by another."""

import ast
import re
from dataclasses import dataclass

from gradus.grading.grader_file import defined_by
from gradus.submission.pieces import first_line, parsed, percent_pieces

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_INNER_COMMENT = re.compile(r"[ \t]+#")
_BEGINS = re.compile(
    r"(?:async\s+def|def|class|import|from)\b|@|# %%"
)  # what a broken definition ends at


@dataclass(frozen=True)
class Place:
    """The lines of a definition, counted from 1, both included."""

    first: int
    last: int


def places(text: str, task: str) -> list[Place]:
    """Where a task is defined on the outermost level; with a mistake in it, too."""
    found: list[Place] = []
    normal = text.replace("\r\n", "\n").replace("\r", "\n")
    for piece in percent_pieces(normal, "student"):
        tree = parsed(piece.text)
        before = piece.line - 1
        if tree is None:
            found += [
                Place(p.first + before, p.last + before) for p in places_by_lines(piece.text, task)
            ]
            continue
        for node in tree.body:
            if task in defined_by(node) and not isinstance(node, ast.Import | ast.ImportFrom):
                last = _with_comments(piece.text.split("\n"), node.end_lineno or node.lineno)
                found.append(Place(first_line(node) + before, last + before))
    return found


def replaced(text: str, place: Place, definition: str) -> str:
    """The text with other lines in a place, with the line ends that the text has there."""
    lines = _LINE.findall(text)
    old = lines[place.first - 1 : place.last]
    end = next((e for line in [*old, *lines] if (e := line[len(line.rstrip("\r\n")) :])), "\n")
    new = definition.rstrip("\n").replace("\n", end)
    closing = old[-1][len(old[-1].rstrip("\r\n")) :]
    return "".join([*lines[: place.first - 1], new, closing, *lines[place.last :]])


def appended(text: str, definition: str, mark: str = "") -> str:
    """The text with a definition at its end."""
    end = next((e for line in _LINE.findall(text) if (e := line[len(line.rstrip("\r\n")) :])), "\n")
    gap = "" if not text else (end * 2 if text.endswith(("\n", "\r")) else end * 3)
    return text + gap + f"{mark}{definition}".replace("\n", end)


def _with_comments(lines: list[str], last: int) -> int:
    """The last line of a definition with the indented comments below it: they are of its body."""
    for number in range(last + 1, len(lines) + 1):
        line = lines[number - 1]
        if _INNER_COMMENT.match(line):
            last = number
        elif line.strip():
            break
    return last


def places_by_lines(text: str, task: str) -> list[Place]:
    """Definitions in text that is not Python: to the next thing that begins on the outermost level."""
    lines = text.split("\n")
    begins = re.compile(rf"(?:async\s+def|def|class)\s+{re.escape(task)}\b")
    found = []
    for number, line in enumerate(lines):
        if begins.match(line) is None:
            continue
        first, last = number, number
        while first > 0 and lines[first - 1].startswith("@"):
            first -= 1
        for after in range(number + 1, len(lines)):
            if _BEGINS.match(lines[after]):
                break
            if lines[after].strip():
                last = after
        found.append(Place(first + 1, last + 1))
    return found
