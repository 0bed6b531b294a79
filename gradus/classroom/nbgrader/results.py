"""A grade's result in the cells of a notebook, where nbgrader reads the score and people read why.

A graded cell's output is one plain float (nbgrader takes it as the score) and a table for people.
"""

import re
from collections.abc import Iterable
from typing import Any

import nbformat
from nbgrader.utils import is_grade

from gradus.authoring.notebooks import CHECK_PREFIX
from gradus.classroom.grade.answer import Answer
from gradus.classroom.nbgrader.module_notebook import lines_of, text_of
from gradus.grading.report import TopicResult
from gradus.grading.tables import task_table
from gradus.submission.status import Problem

_LINE = re.compile(r":(\d+)")


def grade_id_of(cell: Any) -> str:
    """nbgrader's name of a cell; "" where it has none."""
    metadata = cell.metadata.get("nbgrader", {})
    grade_id = metadata.get("grade_id") if isinstance(metadata, dict) else None
    return grade_id if isinstance(grade_id, str) else ""


def show_result(notebook: Any, result: TopicResult, answer: Answer) -> None:
    """Write the outputs of all code cells: scores, and what could not be loaded.

    Args:
        notebook: What was graded, or what shows the module that was.
        result: Of its grade.
        answer: What was graded.
    """
    is_module = answer.name.endswith(".py")
    places = _places(result, answer) if is_module else {}
    rest = next((c for c in notebook.cells if c.cell_type == "code"), None)
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        cell.execution_count = number
        if is_module:
            name = "" if cell is rest else grade_id_of(cell) or "-"
            problems = [p for p in result.problems if places[p] == name]
        else:
            where = f"{answer.name} cell {number}:"
            problems = [p for p in result.problems if p.where.startswith(where)]
        cell.outputs = _errors(problems)
        grade_id = grade_id_of(cell)
        if is_grade(cell) and grade_id.startswith(CHECK_PREFIX):
            cell.outputs = [_score(result, grade_id.removeprefix(CHECK_PREFIX), number)]


def _places(result: TopicResult, answer: Answer) -> dict[Problem, str]:
    """The task in which each problem of a module stands; "" for those outside of all."""
    text, _ = text_of(answer.name, answer.data)
    lines = lines_of(text, [task.name for task in result.tasks])
    places = {}
    for problem in result.problems:
        found = _LINE.search(problem.where.removeprefix(answer.name))
        line = int(found[1]) if found else 0
        inside = (n for n, blocks in lines.items() if any(line in block.lines for block in blocks))
        places[problem] = next(inside, "")
    return places


def _score(result: TopicResult, task: str, number: int) -> Any:
    """One float; nbgrader would take no output, or anything else, for full marks."""
    graded = result.task(task)
    visible = result.visible().task(task)
    return nbformat.v4.new_output(
        "execute_result",
        data={
            "text/plain": repr(float(graded.earned)),
            "text/html": task_table(visible, earned=graded.earned),
        },
        execution_count=number,
    )


def _errors(problems: Iterable[Problem]) -> list[Any]:
    """What kept a cell from being loaded, as the error output that a kernel would have shown."""
    return [_error(problem) for problem in problems]


def _error(problem: Problem) -> Any:
    name = re.match(r"\w+(?=:)", problem.message)
    return nbformat.v4.new_output(
        "error",
        ename=name[0] if name else "Error",
        evalue=problem.message,
        traceback=[f"{problem.where}: {problem.message}"],
    )
