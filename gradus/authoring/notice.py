"""Which tasks' checks can tell a changed answer to one task from the reference."""

import ast
from functools import cache
from pathlib import Path

from gradus.grading.grader_file import read_checks
from gradus.topic import Topic


def affected_by(topic: Topic, task: str, mistakes: Path) -> set[str]:
    """The task and every task that may lose points with it.

    Those whose reference uses it, directly or not, and those whose checks cannot do without it: a
    file of mistakes names them in `CHECKS_CALL = {task: {tasks that its checks call}}`.
    """
    uses = {
        name: {n.id for n in ast.walk(ast.parse(other.source)) if isinstance(n, ast.Name)}
        for name, other in topic.tasks.items()
    }
    for name, called in _checks_call(mistakes).items():
        uses[name] |= called
    affected = {task}
    while True:
        more = {name for name, used in uses.items() if used & affected} - affected
        if not more:
            return affected
        affected |= more


def _checks_call(mistakes: Path) -> dict[str, set[str]]:
    """`CHECKS_CALL` of a file of mistakes; nothing where there is no such file, or no such table."""
    if not mistakes.exists():
        return {}
    for node in ast.parse(mistakes.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="CHECKS_CALL")]):
                found: dict[str, set[str]] = ast.literal_eval(node.value)
                return found
    return {}


def tasks_that_may_notice(topic: Topic, task: str, grader: Path, mistakes: Path) -> list[str]:
    """The tasks to grade for an answer to `task`: those that it affects, and those whose checks name it.

    All others would run the very code of the reference under checks that never touch the answer.
    """
    affected = affected_by(topic, task, mistakes)
    named = _names_in_checks(grader, grader.stat().st_mtime_ns)
    noticing = {owner for owner, names in named if affected & names}
    return [name for name in topic.tasks if name in affected | noticing]


@cache
def _names_in_checks(grader: Path, changed: int) -> list[tuple[str, frozenset[str]]]:
    """For each check its task, and all that it and its helpers name; read again once the file has `changed`."""
    tree = ast.parse(grader.read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}

    def names(function: str, seen: set[str]) -> set[str]:
        if function in seen or function not in functions:
            return set()
        nodes = list(ast.walk(functions[function]))
        found = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
        found |= {
            str(n.value) for n in nodes if isinstance(n, ast.Constant)
        }  # getattr(student, "name")
        for node in nodes:
            if isinstance(node, ast.Name):
                found |= names(node.id, seen | {function})
        return found

    return [(check.task, frozenset(names(check.name, set()))) for check in read_checks(grader)]
