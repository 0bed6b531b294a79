"""Code cells of a notebook as plain Python: what a kernel would run, without magics and check cells.

nbformat and jupytext take longer to import than torch does, and every notebook is graded in a process of
its own: they are imported only where a notebook needs them.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from gradus.errors import SubmissionError

_CHECK_CALL = re.compile(r"^\s*check\(.*\)\s*;?\s*(#.*)?$")
_MAYBE_MAGIC = re.compile(
    r"^[\s#]*[%?!]|\?\s*$|=\s*[%!]|^[# ]*(cat|cd|cp|mv|rm|rmdir|mkdir|copy|ddir|echo|ls|ldir|ren)\b",
    re.MULTILINE,
)


@dataclass(frozen=True)
class CodeCell:
    """One code cell; `number` counts all cells of the notebook from 1, as a person would."""

    text: str
    number: int


def read_notebook(text: str) -> Any:
    """Parse a notebook of any version since 2011 as the current one.

    Raises:
        SubmissionError: If it is not a notebook.
    """
    import nbformat

    try:
        notebook = nbformat.reads(text, as_version=4)
        notebook = nbformat.v4.upgrade(notebook, notebook.nbformat, notebook.nbformat_minor)
        sources = [cell.source for cell in notebook.cells]
    except Exception as error:  # nbformat raises its own, JSON's, KeyError and AttributeError alike
        raise SubmissionError(
            f"is not a notebook ({type(error).__name__}: {str(error)[:80]}). "
            "Open it in Jupyter, save it, and hand in that file."
        ) from error
    if not sources:
        raise SubmissionError("is a notebook without cells. Was it saved after the work was done?")
    return notebook


def code_cells(text: str) -> list[CodeCell]:
    """The code cells that define something, with magics turned into comments.

    Raises:
        SubmissionError: If `text` is not a notebook.
    """
    found = []
    for number, (kind, source) in enumerate(_cells(text), start=1):
        if kind != "code":
            continue
        lines = source.splitlines()
        if lines and lines[0].lstrip().startswith("%%"):
            continue  # the whole cell is in another language
        plain = _without_magic([_without_check(line) for line in lines])
        found.append(CodeCell("\n".join(plain) + "\n", number))
    return found


def _cells(text: str) -> list[tuple[str, str]]:
    """Kind and text of every cell."""
    try:
        data = json.loads(text)
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in data["cells"]]
        if data["nbformat"] == 4 and cells:
            return cells
    except (ValueError, KeyError, TypeError, RecursionError):
        pass  # an old notebook, or none: nbformat knows
    return [(cell.cell_type, "".join(cell.source)) for cell in read_notebook(text).cells]


def _without_magic(lines: list[str]) -> list[str]:
    """The lines, with those that only IPython understands turned into comments."""
    if not _MAYBE_MAGIC.search("\n".join(lines)):
        return lines
    import jupytext.magics

    plain: list[str] = jupytext.magics.comment_magic(lines, "python", global_escape_flag=True)
    return plain


def _without_check(line: str) -> str:
    """A line that only asks for a check is not the student's answer."""
    return "pass" if _CHECK_CALL.match(line) else line
