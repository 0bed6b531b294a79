"""Which code a task's answer is: the same hash in a module and in a notebook, whatever comments say.

Results hold for that code: an edit of another task, or of a comment, takes no points away.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from gradus.errors import SubmissionError
from gradus.grading.grader_file import defined_by, reached_from
from gradus.submission.pieces import first_line, parsed
from gradus.submission.reading import pieces_of, read_source
from gradus.topic import todo_line

_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER)
_LAYOUT = {tokenize.INDENT: "\t", tokenize.DEDENT: "\b", tokenize.NEWLINE: "\n"}


@dataclass(frozen=True)
class TaskCode:
    """The code of one task: a hash of it and of the helpers that it names; `todo` while the stub is there."""

    digest: str
    todo: bool


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
    """The code of each task that pieces of source define, the last one of a name; broken pieces count not."""
    known: dict[str, _Definition] = {}
    for piece in pieces:
        lines = piece.split("\n")
        tree = parsed(piece)
        for node in tree.body if tree is not None else ():
            text = "\n".join(lines[first_line(node) - 1 : node.end_lineno])
            if not isinstance(node, ast.Import | ast.ImportFrom):
                known.update(dict.fromkeys(defined_by(node), _Definition(node, text)))
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


def _without_comments(text: str) -> str:
    """The words of a definition; `ast.dump` would be another one in another Python."""
    words = tokenize.generate_tokens(io.StringIO(text + "\n").readline)
    return "".join(_LAYOUT.get(w.type, w.string) for w in words if w.type not in _NO_CODE)
