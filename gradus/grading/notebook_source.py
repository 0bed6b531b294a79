"""Code cells of a notebook as plain Python: what a kernel would run, without magics and check cells."""

import re
from dataclasses import dataclass
from typing import Any

import jupytext.magics
import nbformat

from gradus.errors import SubmissionError

_CHECK_CALL = re.compile(r"^\s*check\(.*\)\s*;?\s*(#.*)?$")


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
    for number, cell in enumerate(read_notebook(text).cells, start=1):
        if cell.cell_type != "code":
            continue
        lines = "".join(cell.source).splitlines()
        if lines and lines[0].lstrip().startswith("%%"):
            continue  # the whole cell is in another language
        lines = [_without_check(line) for line in lines]
        plain = jupytext.magics.comment_magic(lines, language="python", global_escape_flag=True)
        found.append(CodeCell("\n".join(plain) + "\n", number))
    return found


def _without_check(line: str) -> str:
    """A line that only asks for a check is not the student's answer."""
    return "pass" if _CHECK_CALL.match(line) else line
