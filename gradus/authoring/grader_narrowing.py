"""What follows for a value where a condition of a grader is true, or false."""

import ast
from dataclasses import replace

from gradus.authoring import grader_names as names
from gradus.authoring.grader_expressions import Expressions
from gradus.authoring.grader_texts import is_type_call
from gradus.authoring.grader_values import (
    OWN,
    RAW,
    Level,
    joined,
    path_of,
)


class Narrowing(Expressions):
    """Learns from conditions."""

    def narrow(self, test: ast.expr, truth: bool) -> None:
        """Know what follows where a condition is true, or false."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.narrow(test.operand, not truth)
        elif isinstance(test, ast.BoolOp):
            if isinstance(test.op, ast.And) is truth:
                for part in test.values:
                    self.narrow(part, truth)
        elif truth and isinstance(test, ast.Call) and ast.unparse(test.func) == "isinstance":
            self._is_a(test.args[0], test.args[1])
        elif (
            truth
            and isinstance(test, ast.Call)
            and ast.unparse(test.func) in ("assert_items", "assert_form")
        ):
            self.narrow(test.args[0], True)
        elif truth and (path := path_of(test)) is not None:
            before = self.value(test)  # it holds something
            if not before.counted and before.level is not Level.RAW:
                self.places.known[path] = replace(before, counted=True)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1:
            self._compared(test, test.ops[0], truth)

    def _is_a(self, what: ast.expr, kind: ast.expr) -> None:
        path, before = path_of(what), self.value(what)
        kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        if isinstance(kind, ast.BinOp):
            kinds = [kind.left, kind.right]
        found = [names.KINDS.get(ast.unparse(one), RAW) for one in kinds]
        value = joined(found)
        if path is not None and value.level < before.level:
            self.places.put(path, value)

    def _compared(self, test: ast.Compare, op: ast.cmpop, truth: bool) -> None:
        equal = isinstance(op, ast.Eq | ast.Is) is truth and isinstance(
            op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot
        )
        left, right = test.left, test.comparators[0]
        if isinstance(right, ast.Constant) and right.value is None and equal:
            if (path := path_of(left)) is not None:
                self.places.put(path, OWN)
        elif equal and is_type_call(left) and isinstance(left, ast.Call):
            self._is_a(left.args[0], right)
        elif isinstance(left, ast.Call) and ast.unparse(left.func) == "len":
            path, before = path_of(left.args[0]), self.value(left.args[0])
            more = ast.Gt | ast.GtE if truth else ast.Lt | ast.LtE
            some = equal or isinstance(op, more)
            if path is not None and some and not before.counted:
                self.places.known[path] = replace(before, counted=True)
        elif (
            equal
            and isinstance(left, ast.Attribute)
            and left.attr == "shape"
            and (path := path_of(left.value))
        ):
            self.places.known[path] = replace(self.value(left.value), counted=True)
