"""Notebooks of a topic, made with nbgrader's own preprocessors: the instructor's and the student's.

Needs the extra `instructor` (nbgrader). Byte for byte the same in every run.
"""

import copy
from collections import Counter
from typing import Any

import jupytext
import nbformat
from nbgrader.preprocessors import ClearOutput, ClearSolutions, ComputeChecksums, LockCells

from gradus.errors import TopicError
from gradus.grading.report import Check
from gradus.topic import CHECK_PREFIX, PICTURE, Topic, todo_line, without_effort

SCHEMA = 3  # of nbgrader's cell metadata
LANGUAGE = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
}


class ClearAnswers(ClearSolutions):
    """nbgrader's ClearSolutions with a stub line that names the task (the cell's grade_id)."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Replace the answer regions of one cell."""
        self.code_stub = {
            "python": todo_line(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
        }
        cleared: tuple[Any, Any] = super().preprocess_cell(cell, resources, cell_index)
        return cleared


def source_notebook(topic: Topic, checks: tuple[Check, ...]) -> Any:
    """The instructor's notebook: handout, answers, and one graded cell after each task.

    Raises:
        TopicError: If a task has no check, or a check names no task.
    """
    points = Counter(dict.fromkeys(topic.tasks, 0))
    for check in checks:
        if check.task not in points:
            raise TopicError(
                f"{topic.path}: {check.name} checks the task {check.task!r}, which is not there. "
                f"There are: {', '.join(topic.tasks)}."
            )
        points[check.task] += 0 if check.hidden else check.points
    plain = jupytext.reads(without_effort(topic.source), fmt="py:percent")
    cells = []
    given = 0
    for cell in plain.cells:
        draws = PICTURE in cell.metadata.get("tags", [])
        cell.metadata = {"tags": [PICTURE]} if draws else {}
        cells.append(cell)
        if cell.cell_type != "code" or draws:
            continue
        task = _task_in(topic, cell.source)
        if task is not None:
            cell.metadata["nbgrader"] = _metadata(task, solution=True)
            check = nbformat.v4.new_code_cell(f'check("{task}")')
            check.metadata["nbgrader"] = _metadata(
                CHECK_PREFIX + task, grade=True, locked=True, points=points[task]
            )
            cells.append(check)
            continue
        given += 1
        cell.metadata["nbgrader"] = _metadata(f"given-{given}", locked=True)
        if given == 1:
            setup = nbformat.v4.new_code_cell(
                f'import gradus\n\ncheck = gradus.checker("{topic.name}")'
            )
            setup.metadata["nbgrader"] = _metadata("setup", locked=True)
            cells.append(setup)
    return _notebook(topic, cells)


def student_notebook(source: Any) -> Any:
    """The notebook that students get: answers cleared, given and graded cells locked."""
    notebook = copy.deepcopy(source)
    resources: Any = {}
    for step in (LockCells(), ClearAnswers(), ClearOutput(), ComputeChecksums()):
        notebook, resources = step.preprocess(notebook, resources)
    return notebook


def to_text(notebook: Any) -> str:
    """A notebook as its file holds it."""
    return str(nbformat.writes(notebook)) + "\n"


def _notebook(topic: Topic, cells: list[Any]) -> Any:
    for index, cell in enumerate(cells):
        cell.id = f"{topic.name}-{index}"  # nbformat draws random ids
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(LANGUAGE))
    nbformat.validate(notebook)
    return notebook


def _task_in(topic: Topic, source: str) -> str | None:
    return next(
        (n for n, t in topic.tasks.items() if without_effort(t.source).strip() == source.strip()),
        None,
    )


def _metadata(grade_id: str, **flags: object) -> dict[str, object]:
    blank = {"grade": False, "solution": False, "locked": False, "task": False}
    return {"schema_version": SCHEMA, "grade_id": grade_id, **blank, **flags}
