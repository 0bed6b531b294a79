"""A task's checks as an HTML table, for notebooks and feedback; needs no style sheet.

Colours are the notebook's own where it has them (JupyterLab, light or dark), else those of a white page.
"""

from html import escape

from gradus.grading.report import LABEL, CheckResult, TaskResult
from gradus.submission.status import Status

MARKS = {
    Status.PASSED: ("✓", "var(--jp-success-color1,#1a7f37)"),
    Status.TODO: ("○", "var(--jp-warn-color1,#9a6700)"),
    Status.NOT_RUN: ("○", "var(--jp-ui-font-color2,#57606a)"),
}
WRONG = "var(--jp-error-color1,#cf222e)"
MUTED = "color:var(--jp-ui-font-color2,#57606a)"
# MathJax would make a formula of what stands between two dollars in a message, a link among them.
NO_FORMULAS = "tex2jax_ignore mathjax_ignore"
TABLE = '<table style="border-collapse:collapse;border:0;margin:4px 0">'
ROW = '<tr style="background:none">'
CELL = "text-align:left;vertical-align:top;border:0;padding:2px 12px 2px 0"
MONO = "font-family:monospace;font-size:90%;padding-top:0;padding-bottom:0"


def task_table(task: TaskResult, earned: float | None = None) -> str:
    """Checks, points and messages of a task.

    Args:
        task: The result, without hidden checks where a student will read it.
        earned: Points to show, where hidden checks took some away.
    """
    rows = "".join(_row(result) for result in task.checks)
    taken = task.earned - (task.earned if earned is None else earned)
    rows += _taken(taken) if taken > 0 else ""
    points = f"{task.earned if earned is None else earned:g} of {task.possible} points"
    return (
        f'<div class="{NO_FORMULAS}" style="text-align:left"><b>{escape(task.name)}: {points}</b>'
        f"{TABLE}{rows}</table></div>"
    )


def _row(result: CheckResult) -> str:
    mark, colour = MARKS.get(result.status, ("✗", WRONG))
    points = result.check.points
    earned = points if result.status is Status.PASSED else 0
    detail = _detail(result.message) if result.status is not Status.TODO else ""
    return (
        f'{ROW}<td style="{CELL};white-space:nowrap;color:{colour}">{mark} {result.status.value}</td>'
        f'<td style="{CELL};white-space:nowrap">{earned} / {points}</td>'
        f'<td style="{CELL}">{escape(result.check.title)}{detail}</td></tr>'
    )


def _taken(points: float) -> str:
    """What a student may know of hidden checks: that they took points away."""
    were = "1 point was" if points == 1 else f"{points:g} points were"
    return (
        f'{ROW}<td style="{CELL};white-space:nowrap;color:{WRONG}">✗ not shown</td>'
        f'<td style="{CELL};white-space:nowrap">-{points:g}</td>'
        f'<td style="{CELL}">{were} lost in checks that are not shown</td></tr>'
    )


def _detail(message: str) -> str:
    """The message below its title: a label and its lines on each row, so that long lines wrap in place."""
    rows: list[tuple[str, list[str]]] = []
    for line in message.splitlines():
        label, text = line[:LABEL].strip(), line[LABEL:]
        if not line.startswith(" ") and not rows:
            continue  # of the title
        if label or not rows:
            rows.append((label, [text]))
        else:
            rows[-1][1].append(text)
    if not rows:
        return ""
    inner = "".join(
        f'{ROW}<td style="{CELL};{MONO};{MUTED}">{escape(label)}</td>'
        f'<td style="{CELL};{MONO};white-space:pre-wrap;overflow-wrap:anywhere">'
        f"{escape(chr(10).join(lines))}</td></tr>"
        for label, lines in rows
    )
    return f"{TABLE}{inner}</table>"
