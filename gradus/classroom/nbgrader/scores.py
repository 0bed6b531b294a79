"""What nbgrader takes for the score of a cell: of gradus's checks, or of an instructor's own test."""

import re
from collections.abc import Collection
from typing import Any

import nbformat
from nbgrader.utils import is_grade

from gradus.classroom.clean import OURS
from gradus.classroom.own_cells.chosen import checked_task, grade_id
from gradus.classroom.own_cells.outputs import error
from gradus.errors import GraderError
from gradus.grading.report import TopicResult
from gradus.grading.tables import task_table
from gradus.topic import CHECK_PREFIX

_ASKS = re.compile(r"""\s*check\(\s*["'](\w+)["']\s*\)\s*""")
_STUDENTS = "What this cell of the student's has put out:"
_UNPROTECTED = "Graded by this cell's own code, in the process of the submission, which can change the outcome."


def score_output(result: TopicResult, task: str, worth: float, number: int) -> Any:
    """One float, and a table for people; nbgrader would take no output, or anything else, for full marks.

    Where a cell is worth other points than its task has in the grader, the same part of them is earned.

    Args:
        result: Of all checks, hidden ones too.
        task: The cell's.
        worth: Points of the cell in the gradebook.
        number: Of the cell.
    """
    graded = result.task(task)
    scaled = graded.earned * worth / graded.possible
    table = task_table(result.visible().task(task), earned=graded.earned)
    if worth != graded.possible:
        table += (
            f"<div>This cell is worth {worth:g} points: {graded.earned:g} of {graded.possible:g} "
            f"count as {scaled:.4g}.</div>"
        )
    return nbformat.v4.new_output(
        "execute_result",
        data={"text/plain": repr(float(scaled)), "text/html": table},
        metadata={OURS: "score"},
        execution_count=number,
    )


def own_outputs(outputs: list[Any] | None, worth: float) -> list[Any]:
    """Outputs of an instructor's own test cell, for nbgrader to take its score from, with a note.

    None: it was not run. nbgrader would take no output for full marks.

    nbgrader stops at partial credit above what the cell is worth, and takes less than 0, or NaN, for full
    marks: that is cut.
    """
    if outputs is None:
        return [error("NotRun", "this cell was not run.")]
    for output in outputs:  # of the first result alone nbgrader takes a score
        if output.output_type == "execute_result":
            output.data["text/plain"] = _within(output.data["text/plain"], worth)
            break
    return [*outputs, _note(_UNPROTECTED)]


def labelled(outputs: list[Any]) -> list[Any]:
    """What a student's cell has put out, with a line that says so: nobody takes it for gradus's words."""
    return [_note(_STUDENTS), *outputs] if outputs else []


def _note(words: str) -> Any:
    data = {"text/plain": words, "text/html": f"<i>{words}</i>"}
    return nbformat.v4.new_output("display_data", data=data, metadata={OURS: "note"})


def _within(text: str, worth: float) -> str:
    try:
        score = float(text)
    except ValueError:
        return text
    return text if 0 <= score <= worth else repr(float(worth if score > worth else 0))


def require_known_checks(notebook: Any, topic: str, tasks: Collection[str]) -> None:
    """Refuse an assignment that asks for the checks of a task which the grader no longer has.

    A cell that is worth nothing may ask for what it likes: so a task is taken out of an assignment that has
    submissions, of which nbgrader lets no cell be removed.

    Raises:
        GraderError: With what to do.
    """
    for cell in notebook.cells:
        asked = _ASKS.fullmatch(cell.source) if cell.cell_type == "code" else None
        is_ours = asked is not None and grade_id(cell).startswith(CHECK_PREFIX)
        if is_ours and is_grade(cell) and _worth(cell) and not checked_task(cell, tasks):
            raise GraderError(
                f"{topic}: no mark was recorded, since the assignment's cell {grade_id(cell)} asks for a task "
                f"that graders/test_{topic}.py does not have. Was the kit changed after the release? Put the "
                "task back, or give the cell 0 points: docs/instructors.md, 'When tasks change'."
            )


def _worth(cell: Any) -> float:
    return float(cell.metadata["nbgrader"].get("points", 0))


def without_cell(notebook: Any, tasks: Collection[str]) -> list[str]:
    """Tasks of the grader that the assignment has no cell for: their points are not in the gradebook."""
    there = {checked_task(cell, tasks) for cell in notebook.cells}
    return [task for task in tasks if task not in there]
