"""Read what a grader file declares, without importing it: every check with its task and points."""

import ast
import contextlib
import difflib
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from gradus.errors import GraderError, GradusError
from gradus.grading.report import Check

PREFIX = "test_"


def topic_of(path: Path) -> str:
    """The topic that a grader file checks: `test_cnn.py` checks `cnn`."""
    return path.stem.removeprefix(PREFIX)


def parse_grader(path: Path) -> ast.Module:
    """The syntax tree of a grader file.

    Raises:
        GraderError: If it cannot be read or parsed.
    """
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GraderError(f"{path}: cannot be read ({error}).") from error
    except SyntaxError as error:
        raise GraderError(f"{path}:{error.lineno}: {error.msg}.") from error


def read_checks(path: Path) -> tuple[Check, ...]:
    """Every function with a `task` mark, in file order.

    Raises:
        GraderError: If the file cannot be parsed, a mark is not made of literals, points are not a
            positive whole number, or a check has no docstring or a name that was used before.
    """
    with contextlib.suppress(OSError):
        about = path.stat()
        return _checks_of(path, (about.st_mtime_ns, about.st_size, about.st_ino))
    return _checks_of(path, None)


@lru_cache(maxsize=64)
def _checks_of(path: Path, saved: object) -> tuple[Check, ...]:
    """As `read_checks`. `saved`: as it was then; a process may live longer than a grader stays as it is."""
    found: dict[str, Check] = {}
    for node in parse_grader(path).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        mark = mark_of(node, "task")
        if mark is None:
            continue
        if node.name in found:
            raise GraderError(
                f"{path}:{node.lineno}: a second check named {node.name}; rename one."
            )
        found[node.name] = _check(path, node, mark)
    return tuple(found.values())


def tasks_in(path: Path) -> list[str]:
    """The tasks that a grader file checks, in order."""
    return list(dict.fromkeys(check.task for check in read_checks(path)))


def require_task(path: Path, task: str) -> str:
    """The name of a task that the grader file checks.

    Raises:
        GradusError: If it checks no such task; names those that it does.
    """
    known = tasks_in(path)
    if task not in known:
        near = difflib.get_close_matches(task, known, n=1)
        guess = f"Is {near[0]} meant? " if near else ""
        there = ", ".join(known)
        raise GradusError(f"{topic_of(path)}: no task {task!r}. {guess}There are: {there}.")
    return task


def mark_of(node: ast.FunctionDef, name: str) -> ast.expr | None:
    """The decorator `@pytest.mark.<name>` or `@pytest.mark.<name>(...)` of a function."""
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(target) in (f"pytest.mark.{name}", f"mark.{name}"):
            return decorator
    return None


def _check(path: Path, node: ast.FunctionDef, mark: ast.expr) -> Check:
    where = f"{path}:{node.lineno}: {node.name}"
    try:
        if not isinstance(mark, ast.Call):
            raise ValueError("no arguments")
        values: list[Any] = [ast.literal_eval(argument) for argument in mark.args]
        named = {str(word.arg): ast.literal_eval(word.value) for word in mark.keywords}
        task, points, hint = _task_arguments(*values, **named)
    except (ValueError, TypeError) as error:
        raise GraderError(
            f'{where}: write the mark as `@pytest.mark.task("name", points=2)` with plain literals '
            f"({error})."
        ) from error
    if not (isinstance(task, str) and task.isidentifier()):
        raise GraderError(f"{where}: a task is named as in the exercise, got {task!r}.")
    if type(points) is not int or points < 1:
        raise GraderError(f"{where}: points must be a positive whole number, got {points!r}.")
    title = (ast.get_docstring(node) or "").partition("\n")[0]
    if not title:
        raise GraderError(f"{where}: a check needs a docstring, the line that the student reads.")
    hidden = mark_of(node, "hidden") is not None
    return Check(topic_of(path), node.name, task, points, title, hidden, hint)


def _task_arguments(task: str, points: int = 1, hint: str = "") -> tuple[str, int, str]:
    return task, points, hint


def without_hidden(source: str) -> str:
    """A grader file as students get it: hidden checks are gone, and what only they used is gone too.

    Kept byte for byte otherwise. Comments that stand between a removed part and what comes before it
    go with it: they may speak of it.
    """
    body = ast.parse(source).body
    hidden = [n for n in body if isinstance(n, ast.FunctionDef) and mark_of(n, "hidden")]
    rest = [node for node in body if node not in hidden]
    asked = reached_from(hidden, rest)
    others = [n for n in rest if not defined_by(n) or not defined_by(n) <= asked or _is_check(n)]
    needed = reached_from(others, rest).union(
        *(defined_by(node) for node in rest if _is_check(node))
    )
    return _cut(source, body, (asked - needed) | {node.name for node in hidden})


def reached_from(start: Sequence[ast.stmt], nodes: Sequence[ast.stmt]) -> set[str]:
    """Names that statements use, and those that the definitions of these names use, and so on."""
    names = {name for node in start for name in _names_used(node)}
    rest = [(defined_by(node), node) for node in nodes]
    while True:
        reached = [node for defined, node in rest if defined & names]
        if not reached:
            return names
        rest = [(defined, node) for defined, node in rest if not defined & names]
        names |= {name for node in reached for name in _names_used(node)}


def _is_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name.startswith(PREFIX)


def defined_by(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {alias.asname or alias.name.partition(".")[0] for alias in names}
        case ast.Assign(targets=[ast.Name(id=name)]):
            return {name}
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return {name}
    return set()


@lru_cache(maxsize=1024)  # a statement is asked several times, and a grader has thousands of nodes
def _names_used(node: ast.stmt) -> frozenset[str]:
    """Names read in a statement, and the fixtures that a function asks for."""
    names, parts = set(), list[Any]([node])
    for part in parts:  # ast.walk takes twice as long
        if type(part) is ast.Name:
            names.update([part.id] if type(part.ctx) is ast.Load else [])
            continue
        if type(part) is ast.arg:
            names.add(part.arg)
        for name in part._fields:
            value = getattr(part, name, None)
            if isinstance(value, list):
                parts += [one for one in value if isinstance(one, ast.AST)]
            elif isinstance(value, ast.AST):
                parts.append(value)
    return frozenset(names)


def _cut(source: str, body: Sequence[ast.stmt], names: set[str]) -> str:
    lines = list(io.StringIO(source))  # split at \n only, as Python counts lines
    for node in reversed(body):
        gone = defined_by(node) & names
        if not gone:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom) and gone != defined_by(node):
            node.names = [
                a for a in node.names if (a.asname or a.name.partition(".")[0]) not in names
            ]
            lines[node.lineno - 1 : node.end_lineno] = [ast.unparse(node) + "\n"]
            continue
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(d.lineno for d in decorators)]) - 1
        while start > 0 and (lines[start - 1].startswith("#") or not lines[start - 1].strip()):
            start -= 1
        del lines[start : node.end_lineno]
    return "".join(lines).strip("\n") + "\n"
