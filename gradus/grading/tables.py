"""A task's checks as an HTML table, for notebooks and feedback."""

from html import escape

from gradus.grading.report import CheckResult, Status, TaskResult

COLOURS = {Status.PASSED: "#1a7f37", Status.TODO: "#9a6700", Status.NOT_RUN: "#57606a"}
WRONG = "#cf222e"
CELL = 'style="text-align:left;vertical-align:top;padding:2px 10px 2px 0'


def task_table(task: TaskResult, earned: float | None = None) -> str:
    """Checks, points and messages of a task; needs no style sheet.

    Args:
        task: The result, without hidden checks where a student will read it.
        earned: Points to show, where hidden checks took some away.
    """
    rows = "".join(_row(result) for result in task.checks)
    points = f"{task.earned if earned is None else earned:g} of {task.possible} points"
    return (
        f'<div style="text-align:left"><b>{escape(task.name)}: {points}</b>'
        f'<table style="border-collapse:collapse;margin:4px 0">{rows}</table></div>'
    )


def _row(result: CheckResult) -> str:
    passed = result.status is Status.PASSED
    colour = COLOURS.get(result.status, WRONG)
    detail = ""
    if result.message and result.status is not Status.TODO:
        lines = result.message.partition("\n")[2]
        detail = f'<pre style="margin:2px 0 6px;white-space:pre-wrap">{escape(lines)}</pre>'
    points = result.check.points
    return (
        f'<tr><td {CELL};color:{colour};white-space:nowrap">{"✓" if passed else "✗"} '
        f"{result.status.value}</td>"
        f'<td {CELL};white-space:nowrap">{points if passed else 0} / {points}</td>'
        f'<td {CELL}">{escape(result.check.title)}{detail}</td></tr>'
    )
