"""Bring an exercise, or one task of it, back to its start; what was there is kept."""

import json
import tokenize
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from gradus.course import Course
from gradus.errors import GradusError, SubmissionError
from gradus.grading.remembered.definition import appended, places, replaced
from gradus.student.work.backups import change, file_of
from gradus.student.work.fresh import fresh_module, fresh_notebook, source_of
from gradus.submission.encoding import decode_source
from gradus.submission.notebook_source import notebook_cells

MODULE, NOTEBOOK = ".py", ".ipynb"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Reset:
    """What was done."""

    file: Path
    backup: Path | None  # None where nothing was there to be lost
    note: str = ""  # what the student should know besides


def form_of(course: Course, topic: str, task: str | None, *, notebook: bool) -> str:
    """The form that is meant: the module, but where the notebook is asked for, or nothing else can be.

    A module that is gone comes back by a reset of the whole topic, unless notebooks are all that is handed out.
    """
    there = course.forms(topic)
    alone = [path.suffix for path in there] == [NOTEBOOK]
    handed_out = alone and there[0].parent == course.root
    return NOTEBOOK if notebook or handed_out or (alone and task is not None) else MODULE


def reset_topic(course: Course, topic: str, form: str) -> Reset:
    """Write a module or a notebook as it was at the start.

    Raises:
        GradusError: If the start is not at hand, or the file cannot be written; it is then as it was.
    """
    source = source_of(course, topic)
    text = fresh_notebook(course, source) if form == NOTEBOOK else fresh_module(source)
    path = file_of(course, topic, form)
    return Reset(path, change(course, topic, path, text.encode("utf-8")))


def reset_task(course: Course, topic: str, task: str, form: str) -> Reset:
    """Write one task as it was at the start; all else in the file stays as it is.

    Raises:
        GradusError: If the start is not at hand, the file is not there or damaged, or it cannot be
            written; it is then as it was.
    """
    stub = source_of(course, topic).stub_of(task)
    path = file_of(course, topic, form)
    whole = f"gradus reset {topic}" + (" --notebook" if form == NOTEBOOK else "")
    try:
        data = path.read_bytes()
        change_text = _in_notebook if form == NOTEBOOK else _in_module
        new, note = change_text(data, task, stub)
    except FileNotFoundError as error:
        raise GradusError(f"{path}: is not there. The whole topic anew: {whole}") from error
    except OSError as error:
        raise GradusError(f"{path}: {error.strerror}.") from error
    except (SubmissionError, UnicodeEncodeError) as error:
        raise GradusError(f"{path}: {error} The whole topic anew: {whole}") from error
    return Reset(path, change(course, topic, path, new), note)


def _in_module(data: bytes, task: str, stub: str) -> tuple[bytes, str]:
    text = decode_source(data, python=True)
    encoding = tokenize.detect_encoding(BytesIO(data.removeprefix(BOM)).readline)[0]
    text = data.removeprefix(BOM).decode(encoding)  # with the line ends that it has
    new, note = _in_text(text, task, stub, mark="# %%\n")
    return (BOM if data.startswith(BOM) else b"") + new.encode(encoding), note


def _in_text(text: str, task: str, stub: str, mark: str) -> tuple[str, str]:
    """The text with the stub in place of the definition that counts, which is the last one."""
    found = places(text, task)
    if not found:
        return appended(text, stub, mark), f"{task} was not in it; it is at its end now."
    note = ""
    if len(found) > 1:
        lines = ", ".join(str(place.first) for place in found[:-1])
        note = f"{task} is defined in line {lines} too; that was left, and the last one is the stub now."
    return replaced(text, found[-1], stub), note


def _in_notebook(data: bytes, task: str, stub: str) -> tuple[bytes, str]:
    text = decode_source(data, python=False)
    notebook, cells = notebook_cells(text)
    code = [cell for cell in cells if cell.get("cell_type") == "code"]
    defining = [cell for cell in code if places(_source(cell), task)]
    own = [cell for cell in code if _grade_id(cell) == task]
    note = ""
    if defining:
        cell = defining[-1]
        cell["source"] = _in_text(_source(cell), task, stub, mark="")[0]
        cell["source"] = cell["source"].rstrip("\n").splitlines(keepends=True)
        if len(defining) > 1:
            numbers = ", ".join(str(cells.index(cell) + 1) for cell in defining[:-1])
            note = f"{task} is defined in cell {numbers} too; that was left."
    elif own:
        cell = own[-1]
        cell["source"] = stub.rstrip("\n").splitlines(keepends=True)
    else:
        cell = _new_cell(notebook, task, stub)
        cells.append(cell)
        note = f"{task} was not in it; it is in its last cell now."
    for shown in (cell, *(c for c in code if _grade_id(c) == f"check-{task}")):
        shown["outputs"], shown["execution_count"] = [], None
    return _to_text(notebook, data).encode("utf-8", "surrogatepass"), note


def _to_text(notebook: dict[str, Any], before: bytes) -> str:
    end = "\n" if before.endswith(b"\n") else ""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + end


def _new_cell(notebook: dict[str, Any], task: str, stub: str) -> dict[str, Any]:
    source = stub.rstrip("\n").splitlines(keepends=True)
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
    }
    has_ids = notebook.get("nbformat_minor", 0) >= 5
    return {**cell, "source": source, **({"id": f"start-of-{task}"[:64]} if has_ids else {})}


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _grade_id(cell: dict[str, Any]) -> str:
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return str(about.get("grade_id", "")) if isinstance(about, dict) else ""
