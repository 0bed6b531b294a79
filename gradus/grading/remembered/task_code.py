"""Which code a task's answer is: the same hash in a module and in a notebook, whatever comments say.

Results hold for that code: an edit of another task, or of a comment, takes no points away.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gradus.errors import SubmissionError
from gradus.grading.grader_file import defined_by, reached_from
from gradus.grading.remembered.definition import places_by_lines
from gradus.grading.remembered.memory import TaskCode
from gradus.submission.pieces import first_line, parsed
from gradus.submission.reading import pieces_of, read_source
from gradus.topic import todo_line

_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER)
_LAYOUT = {tokenize.INDENT: "\t", tokenize.DEDENT: "\b", tokenize.NEWLINE: "\n"}


@dataclass(frozen=True)
class _Definition:
    node: ast.stmt
    text: str


def codes_in_file(path: Path, tasks: Collection[str]) -> dict[str, TaskCode]:
    """The code of each task that a module or a notebook defines; none where it cannot be read."""
    try:
        pieces = pieces_of(path, path.name, read_source(path, path.stem, path.name))
    except SubmissionError:
        return {}
    return codes_in([piece.text for piece in pieces], tasks)


def codes_in(pieces: Iterable[str], tasks: Collection[str]) -> dict[str, TaskCode]:
    """The code of each task that pieces of source define, the last one of a name; with a mistake in it, too."""
    known: dict[str, _Definition] = {}
    for piece in pieces:
        tree = parsed(piece)
        known.update(_definitions(piece, tree) if tree is not None else _broken(piece, tasks))
    helpers = [known[name].node for name in known if name not in tasks]
    found = {}
    for task in tasks:
        if task in known:
            named = reached_from([known[task].node], helpers) - set(tasks)
            texts = [known[task].text, *(known[name].text for name in sorted(named & set(known)))]
            code = "\n\n".join(_without_comments(text) for text in texts)
            digest = hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()[:16]
            found[task] = TaskCode(digest, todo_line(task) in known[task].text)
    return found


def _definitions(piece: str, tree: ast.Module) -> dict[str, _Definition]:
    lines, found = piece.split("\n"), {}
    for node in tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            text = "\n".join(lines[first_line(node) - 1 : node.end_lineno])
            found.update(dict.fromkeys(defined_by(node), _Definition(node, text)))
    return found


def _broken(piece: str, tasks: Iterable[str]) -> dict[str, _Definition]:
    """Tasks in a piece that is not Python."""
    lines, found = piece.split("\n"), {}
    for task in tasks:
        for place in places_by_lines(piece, task):
            text = "\n".join(lines[place.first - 1 : place.last])
            found[task] = _Definition(ast.Pass(), text)
    return found


def _without_comments(text: str) -> str:
    """The words of a definition, the same in every Python; those of `ast.dump` are not."""
    try:
        return "".join(_words(text + "\n"))
    except (tokenize.TokenError, SyntaxError):  # with a mistake in it
        return text


def _words(text: str) -> Iterator[str]:
    """Tokens. An f-string is one, as it was before Python 3.12."""
    lines, depth, begin = io.StringIO(text).readlines(), 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name.endswith("STRING_START"):
            begin = begin if depth else token.start
            depth += 1
        elif name.endswith("STRING_END"):
            depth -= 1
            if not depth:
                yield _between(lines, begin, token.end)
        elif not depth and token.type not in _NO_CODE:
            yield _LAYOUT.get(token.type, token.string)


def _between(lines: list[str], begin: tuple[int, int], end: tuple[int, int]) -> str:
    (first, left), (last, right) = begin, end
    if first == last:
        return lines[first - 1][left:right]
    inner = lines[first : last - 1]
    return "".join([lines[first - 1][left:], *inner, lines[last - 1][:right]])
