"""Code cells of a notebook as plain Python: what a kernel would run, without magics.

nbformat takes longer to import than torch does, and every notebook is graded in a process of its own: it is
imported only where a notebook needs it.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from gradus.errors import SubmissionError
from gradus.submission.magics import as_python, without_cell_magics, without_prompts
from gradus.topic import CHECK_PREFIX, PICTURE

_LEFT_OUT = (
    "the cell begins with {0}, so it is not run here, and what it defines is not used: {1}. "
    "Remove the line with {0}."
)
_DEFINES = re.compile(r"^(?:class|def|async\s+def)\s+(\w+)\s*[(:\[]", re.MULTILINE)


@dataclass(frozen=True)
class CodeCell:
    """One code cell; `number` counts all cells of the notebook from 1, as a person would."""

    text: str
    number: int
    left_out: str = ""  # why it is not run
    picture: bool = False  # draws for the reader: of such a cell only definitions are run


def read_notebook(text: str) -> Any:
    """Parse a notebook of any version since 2011 as a current one, reduced to what grading needs.

    Kept are each cell's kind, text, pictures and nbgrader's metadata; all else (outputs, ids, other
    metadata) may be damaged in a hundred ways that nbformat and nbgrader refuse.

    Raises:
        SubmissionError: If it is not a notebook.
    """
    import nbformat

    # Not by nbformat's `new_code_cell`, which validates each cell by itself: most of the time of reading.
    cells = [_essence(cell, f"cell-{number}") for number, cell in enumerate(_cells(text), start=1)]
    metadata = {"language_info": {"name": "python"}}
    return nbformat.from_dict(
        {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    )


def _cells(text: str) -> list[dict[str, Any]]:
    try:
        cells = _parse(text.removeprefix("\ufeff"))
        for cell in cells:
            _text(cell)
    except ModuleNotFoundError as error:
        raise SubmissionError(
            "is a notebook of an old format, for which nbformat is needed. Open it in Jupyter and save it, "
            'or: pip install "gradus-kit[notebook]".'
        ) from error
    except Exception as error:  # nbformat raises its own, JSON's, KeyError and AttributeError alike
        raise SubmissionError(
            f"is not a notebook ({type(error).__name__}: {str(error)[:80]}). "
            "Open it in Jupyter, save it, and hand in that file."
        ) from error
    if not cells:
        raise SubmissionError("is a notebook without cells. Was it saved after the work was done?")
    return cells


def _parse(text: str) -> list[dict[str, Any]]:
    data = json.loads(text)
    if data["nbformat"] == 4:
        return list(data["cells"])
    import nbformat

    notebook = nbformat.reads(text, as_version=4)
    return list(nbformat.v4.upgrade(notebook, notebook.nbformat, notebook.nbformat_minor).cells)


def _essence(cell: dict[str, Any], name: str) -> dict[str, Any]:
    kind = cell.get("cell_type")
    kind = kind if kind in ("code", "markdown") else "raw"
    kept: dict[str, Any] = {"tags": [PICTURE]} if _draws(cell) else {}
    essence = {"cell_type": kind, "id": name, "metadata": kept, "source": _text(cell)}
    if kind == "code":
        essence.update(execution_count=None, outputs=[])
    metadata = cell.get("metadata")
    if isinstance(metadata, dict) and "nbgrader" in metadata:
        kept["nbgrader"] = metadata["nbgrader"]
    attached = _attached(cell.get("attachments"))
    if kind == "markdown" and attached:
        essence["attachments"] = attached
    return essence


def _attached(attachments: Any) -> dict[str, dict[str, str]]:
    """Pictures that were pasted into a cell, as far as they are whole."""
    if not isinstance(attachments, dict):
        return {}
    return {
        str(name): {kind: data for kind, data in kinds.items() if isinstance(data, str)}
        for name, kinds in attachments.items()
        if isinstance(kinds, dict)
    }


def _draws(cell: dict[str, Any]) -> bool:
    """Whether a cell draws a picture of the handout."""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return isinstance(tags, list) and PICTURE in tags


def _text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"]).encode("utf-8", "replace").decode()  # half an emoji is no text


def notebook_cells(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A notebook of the current format as its file has it, and its cells, which are parts of it.

    Raises:
        SubmissionError: If it is not a notebook, or one of before 2015.
    """
    _cells(text)
    notebook: dict[str, Any] = json.loads(text.removeprefix("\ufeff"))
    if notebook["nbformat"] != 4:
        raise SubmissionError("is a notebook of an old format. Open it in Jupyter and save it.")
    return notebook, notebook["cells"]


def bare_notebook(text: str) -> str:
    """A notebook with what a grade may depend on and nothing else: the code, and where it stands.

    Numbers of cells stand in messages, so that other cells stay as empty ones. Two notebooks that differ in
    outputs, in words or in how they were saved give the same, and so do one as it was handed in and one into
    which nbgrader has put an instructor's own tests again.

    Raises:
        SubmissionError: If `text` is not a notebook.
    """
    cells = [_bare(cell) for cell in _cells(text)]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(notebook, ensure_ascii=False, sort_keys=True)


def _bare(cell: dict[str, Any]) -> dict[str, Any]:
    if cell.get("cell_type") != "code":
        return {"cell_type": "markdown", "metadata": {}, "source": ""}
    source = "" if _is_own_test(cell) else _text(cell).replace("\r\n", "\n").replace("\r", "\n")
    metadata = {"tags": [PICTURE]} if _draws(cell) else {}
    return {
        "cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [],
        "source": source,
    }  # fmt: skip


def _is_own_test(cell: dict[str, Any]) -> bool:
    """Whether nbgrader's metadata call it a test that an instructor has added: no answer of a student's."""
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    if not isinstance(about, dict) or str(about.get("grade_id", "")).startswith(CHECK_PREFIX):
        return False
    return about.get("grade") is True and about.get("solution") is False


def code_cells(text: str) -> list[CodeCell]:
    """The code cells that define something, as Python.

    Raises:
        SubmissionError: If `text` is not a notebook.
    """
    found = []
    for number, cell in enumerate(_cells(text), start=1):
        if cell.get("cell_type") != "code":
            continue
        text, magic = plain_cell(_text(cell))
        if magic is None:
            found.append(CodeCell(text, number, picture=_draws(cell)))
            continue
        names = _DEFINES.findall(text)
        if names:  # else it is in another language, or only measures
            found.append(CodeCell(text, number, _LEFT_OUT.format(magic, ", ".join(names))))
    return found


def plain_cell(source: str) -> tuple[str, str | None]:
    """The text of a code cell as Python, line for line, or as it is with the magic for which it is not run."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines, magic = without_cell_magics(without_prompts(lines))
    return "\n".join(as_python(lines) if magic is None else lines) + "\n", magic
