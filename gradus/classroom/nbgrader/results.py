"""A grade's result in the cells of a notebook, where nbgrader reads the score and people read why.

A graded cell's output is one plain float (nbgrader takes it as the score) and a table for people.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import nbformat

from gradus.classroom.grade.answer import Answer
from gradus.classroom.nbgrader.module_notebook import lines_of, text_of
from gradus.classroom.nbgrader.scores import labelled, own_outputs, score_output
from gradus.classroom.own_cells.chosen import checked_task, grade_id, graded_by_itself
from gradus.grading.report import TopicResult
from gradus.submission.status import Problem

_LINE = re.compile(r":(\d+)")


def show_result(
    notebook: Any, result: TopicResult, answer: Answer, ran: Mapping[int, list[Any]]
) -> None:
    """Write the outputs of all code cells: scores, what they put out, and what could not be loaded.

    Args:
        notebook: What was graded, or what shows the module that was.
        result: Of its grade.
        answer: What was graded.
        ran: What cells put out that were run, by number.
    """
    is_module = answer.name.endswith(".py")
    places = _places(result, answer) if is_module else {}
    rest = next((c for c in notebook.cells if c.cell_type == "code"), None)
    tasks = [task.name for task in result.tasks]
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        cell.execution_count = number
        worth = cell.metadata.get("nbgrader", {}).get("points", 0)
        if task := checked_task(cell, tasks):
            cell.outputs = [score_output(result, task, worth, number)]
        elif graded_by_itself(cell, tasks):
            cell.outputs = own_outputs(ran.get(number), worth)
        else:
            if is_module:
                name = "" if cell is rest else grade_id(cell) or "-"
                problems = [p for p in result.problems if places[p] == name]
            else:
                where = f"{answer.name} cell {number}:"
                problems = [p for p in result.problems if p.where.startswith(where)]
            outputs = ran.get(number, [])
            said = any(output.output_type == "error" for output in outputs)
            cell.outputs = [*labelled(outputs), *([] if said else _errors(problems))]


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
