"""Read what a grader file declares, without importing it: every check with its task and points."""

import ast
from functools import lru_cache
from pathlib import Path
from typing import Any

from gradus.errors import GraderError
from gradus.grading.report import Check

PREFIX = "test_"


def topic_of(path: Path) -> str:
    """The topic that a grader file checks: `test_cnn.py` checks `cnn`."""
    return path.stem.removeprefix(PREFIX)


@lru_cache(maxsize=64)
def read_checks(path: Path) -> tuple[Check, ...]:
    """Every function with a `task` mark, in file order.

    Raises:
        GraderError: If the file cannot be parsed, a mark is not made of literals, points are not a
            positive whole number, or a check has no docstring or a name that was used before.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GraderError(f"{path}: cannot be read ({error}).") from error
    except SyntaxError as error:
        raise GraderError(f"{path}:{error.lineno}: {error.msg}.") from error
    found: dict[str, Check] = {}
    for node in tree.body:
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
    hidden = {
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and mark_of(node, "hidden") is not None
    }
    orphans: set[str] = set()
    for _ in range(100):  # a helper may have had helpers of its own
        kept = [node for node in ast.parse(source).body if not _defines(node) & (hidden | orphans)]
        used = {name for node in kept for name in _names_used(node)}
        gone = [node for node in ast.parse(source).body if _defines(node) & (hidden | orphans)]
        once_used = {name for node in gone for name in _names_used(node)}
        more = {
            name
            for node in kept
            for name in _defines(node)
            if name in once_used
            and name not in used - _own_uses(node)
            and not name.startswith("test_")
        }
        if not more:
            break
        orphans |= more
    return _cut(source, hidden | orphans)


def _defines(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {alias.asname or alias.name.partition(".")[0] for alias in names}
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


def _names_used(node: ast.stmt) -> set[str]:
    """Names read in a statement, and the fixtures that a function asks for."""
    names = {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    return names | {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def _own_uses(node: ast.stmt) -> set[str]:
    """A function that calls itself does not keep itself alive."""
    return _defines(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()


def _cut(source: str, names: set[str]) -> str:
    lines = source.splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):
        gone = _defines(node) & names
        if not gone:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom) and gone != _defines(node):
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
