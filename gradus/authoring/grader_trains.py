"""Finds checks that look at what became of their own model although the submission had a copy of it."""

import ast
from collections.abc import Iterator, Mapping

LOOKS = ("assert_trained", "assert_not_trained")
WHAT = "looks at what became of a model that the submission never had: it gets copies"
REMEDY = "Mark the check with @pytest.mark.trains, or look at the model that came back"


def unmarked(functions: Mapping[str, ast.FunctionDef]) -> Iterator[ast.FunctionDef]:
    """The checks that need the mark and lack it.

    Args:
        functions: Of a grader file, by name.
    """
    looking = {name for name, node in functions.items() if _looks_at_what_it_passed(node)}
    for name, node in functions.items():
        if (
            name.startswith("test_")
            and not _is_marked(node)
            and looking & _reached(name, functions)
        ):
            yield node


def _is_marked(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(mark).startswith("pytest.mark.trains") for mark in node.decorator_list)


def _reached(name: str, functions: Mapping[str, ast.FunctionDef]) -> set[str]:
    """A function and those that it calls, directly or not."""
    found, waiting = set[str](), [name]
    while waiting:
        current = waiting.pop()
        if current in found or current not in functions:
            continue
        found.add(current)
        waiting += [n.id for n in ast.walk(functions[current]) if isinstance(n, ast.Name)]
    return found


def _looks_at_what_it_passed(node: ast.FunctionDef) -> bool:
    passed, seen = set[str](), set[str]()
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        names = [word.id for word in call.args if isinstance(word, ast.Name)]
        if isinstance(call.func, ast.Name) and call.func.id in LOOKS:
            seen.update(names[:1])
        elif ast.unparse(call.func).startswith("submission."):
            passed.update(names)
            passed.update(k.value.id for k in call.keywords if isinstance(k.value, ast.Name))
    return bool(passed & seen)
