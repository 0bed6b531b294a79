"""Which bars the checks of a topic ask for, read from the grader without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from gradus.errors import GraderError
from gradus.grading.grader_file import mark_of, parse_grader

FIXTURE = "threshold"


def bars_asked(grader: Path) -> dict[str, str]:
    """Bar -> the check that asks for it, in file order.

    Raises:
        GraderError: If the file cannot be parsed, a bar is asked for outside a check or in two checks, or
            its name is not written out.
    """
    found: dict[str, str] = {}
    for function in parse_grader(grader).body:
        for line, bar in _bars(grader, function):
            if not isinstance(function, ast.FunctionDef) or mark_of(function, "task") is None:
                raise GraderError(
                    f"{grader}:{line}: the bar {bar!r} is asked for outside a check. "
                    "Ask in the check itself, and give helpers what comes of it."
                )
            if found.setdefault(bar, function.name) != function.name:
                raise GraderError(
                    f"{grader}:{line}: {function.name} asks for the bar {bar!r}, which is that of "
                    f"{found[bar]}. Each check needs bars of its own: what is reached differs."
                )
    return found


def _bars(grader: Path, function: ast.stmt) -> Iterator[tuple[int, str]]:
    """Names in `threshold("a")`, `threshold.reached(a=..., b=...)` and `threshold.require("a", ...)`."""
    for call in ast.walk(function):
        if not isinstance(call, ast.Call):
            continue
        asked = ast.unparse(call.func)
        if asked == f"{FIXTURE}.reached":
            names: list[object] = [word.arg for word in call.keywords]
        elif asked in (FIXTURE, f"{FIXTURE}.require"):
            first = call.args[0] if call.args else None
            names = [first.value if isinstance(first, ast.Constant) else None]
        else:
            continue
        for name in names or [None]:
            if not isinstance(name, str):
                raise GraderError(
                    f"{grader}:{call.lineno}: `{asked}(...)` must name its bars in plain text, "
                    f'for instance `{FIXTURE}.reached(accuracy=...)` or `{FIXTURE}("accuracy")`.'
                )
            yield call.lineno, name
