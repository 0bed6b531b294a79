"""Which cells of a notebook are gradus's own, and whether the others have to be run."""

import ast
from collections.abc import Collection
from typing import Any

from nbgrader.utils import is_grade, is_solution

from gradus.submission.notebook_source import plain_cell
from gradus.topic import CHECK_PREFIX, PICTURE

_GIVEN = ("setup", "given-")  # cells of the handout that are no task
_DEFINES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom),
    *(ast.Assign, ast.AnnAssign),
)


def grade_id(cell: Any) -> str:
    """nbgrader's name of a cell; "" where it has none."""
    metadata = cell.metadata.get("nbgrader", {})
    name = metadata.get("grade_id") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def checked_task(cell: Any, tasks: Collection[str]) -> str:
    """The task whose points a cell shows; "" for every other cell."""
    name = grade_id(cell)
    task = name.removeprefix(CHECK_PREFIX)
    return task if is_grade(cell) and name.startswith(CHECK_PREFIX) and task in tasks else ""


def graded_by_itself(cell: Any, tasks: Collection[str]) -> bool:
    """Whether it is an instructor's own test cell, which no person grades."""
    is_test = cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)
    return is_test and not checked_task(cell, tasks)


def have_to_run(notebook: Any, tasks: Collection[str], *, shows_module: bool = False) -> bool:
    """Whether a notebook has cells that gradus does not grade, or answers that put something out.

    Of one that shows a module, only cells count that somebody grades: nobody has run it as a notebook.
    """
    cells = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    if shows_module:
        return any(is_grade(cell) and not checked_task(cell, tasks) for cell in cells)
    return any(_has_to_run(cell, tasks) for cell in cells)


def _has_to_run(cell: Any, tasks: Collection[str]) -> bool:
    if graded_by_itself(cell, tasks):  # whatever it is called, and whatever tag a student gave it
        return True
    name = grade_id(cell)
    if name.startswith(_GIVEN) or PICTURE in cell.metadata.get("tags", []):
        return False
    if checked_task(cell, tasks):
        return False
    return name not in tasks or _puts_out(cell.source)


def _puts_out(source: str) -> bool:
    """Whether an answer does more than define."""
    text, magic = plain_cell(source)
    if magic is not None:
        return True
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False  # which loading it tells
    return not all(isinstance(node, _DEFINES) or _is_text(node) for node in body)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
