"""Which checks a task was graded by: a hash of their code, with what they use of their grader."""

import ast
import hashlib
from pathlib import Path

from gradus.grading.grader_file import mark_of, parse_grader, reached_from
from gradus.submission.pieces import first_line


def checks_codes(grader: Path) -> dict[str, str]:
    """A hash for each task of the code of its public checks; other words of theirs are no change.

    Raises:
        GraderError: If the grader is damaged.
    """
    tree = parse_grader(grader)
    lines = grader.read_text(encoding="utf-8").split("\n")
    by_task: dict[str, list[ast.stmt]] = {}
    rest = []
    for node in tree.body:
        mark = mark_of(node, "task") if isinstance(node, ast.FunctionDef) else None
        if mark is None or not isinstance(node, ast.FunctionDef):
            rest.append(node)
        elif mark_of(node, "hidden") is None:
            by_task.setdefault(_task_of(mark), []).append(node)
    codes = {node: _code(node, lines) for node in tree.body}
    found = {}
    for task, checks in by_task.items():
        used = reached_from(checks, rest)
        helpers = [node for node in rest if _name(node) in used]
        text = "\n\n".join(codes[node] for node in (*checks, *helpers))
        found[task] = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return found


def _task_of(mark: ast.expr) -> str:
    match mark:
        case ast.Call(args=[ast.Constant(value=str(task)), *_]):
            return task
        case ast.Call(keywords=words):
            named = [word.value for word in words if word.arg == "task"]
            return next((str(v.value) for v in named if isinstance(v, ast.Constant)), "")
    return ""


def _name(node: ast.stmt) -> str | None:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def _code(node: ast.stmt, lines: list[str]) -> str:
    """A definition without its docstring, and without the words of its mark."""
    first, last = first_line(node), node.end_lineno or node.lineno
    left_out: set[int] = set()
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
        said = node.body[0]
        if len(node.body) > 1:
            left_out.update(range(said.lineno, (said.end_lineno or said.lineno) + 1))
    if isinstance(node, ast.FunctionDef) and (mark := mark_of(node, "task")) is not None:
        left_out.update(range(mark.lineno, (mark.end_lineno or mark.lineno) + 1))
    kept = (lines[n - 1].strip("\r") for n in range(first, last + 1) if n not in left_out)
    return "\n".join(line for line in kept if line.strip() and not line.lstrip().startswith("#"))
