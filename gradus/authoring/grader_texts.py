"""What the lint over graders says, and the forms of code that it names or looks for."""

import ast

from gradus.authoring.grader_names import FAILING

FIRST = "Pass it to assert_matches, assert_tensor, assert_number, assert_items or assert_kind first"
COUNT = "Assert first how many there are (assert_items with a count, assert_tensor with a shape)"
ORDER = "Assert first that they are finite (assert_items(..., of=float), assert_tensor)"
NAN = (
    "Write `if not x <= limit: fail(...)`, which NaN fails too, or assert that it is finite "
    "(assert_tensor, assert_number, assert_items(..., of=float))"
)


def short(node: ast.AST) -> str:
    """An expression, for a message."""
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_type_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def fails(body: list[ast.stmt]) -> bool:
    """Whether statements end in a failure of the check."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    return (
        isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Call)
        and isinstance(last.value.func, ast.Name)
        and last.value.func.id in FAILING
    )


def leaves(body: list[ast.stmt]) -> bool:
    """Whether statements go on with the next thing, or end the check, without a failure."""
    return bool(body) and isinstance(body[-1], ast.Return | ast.Continue)
