"""Expressions of a grader: what is known of their value, and what they do with values that are unchecked."""

import ast
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

from gradus.authoring import grader_names as names
from gradus.authoring.grader_texts import COUNT, FIRST, is_type_call, short
from gradus.authoring.grader_values import (
    FALSE_ON_NAN,
    OWN,
    RAW,
    SETTLED,
    SHELL,
    TRUE_ON_NAN,
    Level,
    Places,
    Value,
    container,
    joined,
    path_of,
)


class Expressions(ABC):
    """Computes what is known of an expression's value, and reports what is done with unchecked ones."""

    def __init__(self, places: Places) -> None:
        self.places = places

    @abstractmethod
    def report(self, node: ast.AST, what: str, remedy: str) -> None:
        """Tell a finding."""

    @abstractmethod
    def helper(self, name: str) -> ast.FunctionDef | None:
        """The function of the file that a name stands for."""

    @abstractmethod
    def call_helper(self, function: ast.FunctionDef, given: dict[str, Value]) -> Any:
        """Follow a call of such a function."""

    @abstractmethod
    def constant(self, name: str) -> ast.expr | None:
        """What the file gives a name at its top."""

    @abstractmethod
    def narrow(self, test: ast.expr, truth: bool) -> None:
        """Take over what a condition says where it holds, or does not."""

    @abstractmethod
    def of_call(self, node: ast.Call) -> Value:
        """A call's value."""

    def unchecked(self, node: ast.AST, what: str, operand: ast.AST) -> None:
        self.report(node, f"{what} of `{short(operand)}`, which is unchecked", FIRST)

    def truth(self, node: ast.expr, value: Value) -> None:
        """A value is used as a condition."""
        told = isinstance(node, ast.BoolOp) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        )
        if value.unchecked and value.level is not Level.SHELL and not told:
            self.unchecked(node, "truth", node)

    def looped(self, node: ast.expr, value: Value) -> None:
        """A verdict rests on each item: there must be some."""
        if not value.counted:
            self.report(node, f"a loop over `{short(node)}`, which may be empty", COUNT)

    def value(self, node: ast.expr) -> Value:
        """What is known of an expression's value."""
        path = path_of(node)
        known = self.places.get(path) if path else None
        if known is not None and path is not None:
            return self._with_fields(path, known)
        method = getattr(self, f"of_{type(node).__name__.lower()}", None)
        if method is not None:
            found: Value = method(node)
            return found
        return joined(
            self.value(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)
        )

    def _with_fields(self, path: str, value: Value) -> Value:
        """A container with what was learnt of its items since."""
        start = f"{path}["
        found = {
            p[len(start) : -1]: v
            for p, v in self.places.known.items()
            if p.startswith(start) and p.count("[") == start.count("[")
        }
        return (
            replace(value, fields=tuple(sorted({**dict(value.fields), **found}.items())))
            if found
            else value
        )

    def of_name(self, node: ast.Name) -> Value:
        return OWN

    def of_lambda(self, node: ast.Lambda) -> Value:
        return OWN

    def of_joinedstr(self, node: ast.JoinedStr) -> Value:
        return OWN  # a text for a message

    def of_attribute(self, node: ast.Attribute) -> Value:
        if isinstance(node.value, ast.Name) and node.value.id == "submission":
            return RAW  # a name of the student's: what a call of it gives is unchecked
        base = self.value(node.value)
        if base.observed:
            return {"result": RAW, "calls": SETTLED}.get(node.attr, SHELL)
        if base.level is Level.RAW and node.attr in names.TENSOR:
            self.unchecked(node, f"`.{node.attr}`", node.value)
            return OWN  # told once
        if node.attr in names.PLAIN and not base.unchecked:
            return SETTLED if base.level else OWN
        return base.item()

    def of_subscript(self, node: ast.Subscript) -> Value:
        base = self.value(node.value)
        self.value(node.slice)
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if base.parts and isinstance(index, int) and -len(base.parts) <= index < len(base.parts):
            return base.parts[index]
        field = dict(base.fields).get(ast.unparse(node.slice))
        if field is not None:
            return field
        if isinstance(node.slice, ast.Slice) and base.level is Level.SHELL:
            return SHELL
        return base.item()

    def of_starred(self, node: ast.Starred) -> Value:
        return self.value(node.value)

    def of_tuple(self, node: ast.Tuple | ast.List | ast.Set) -> Value:
        return container(self.value(part) for part in node.elts)

    of_list = of_set = of_tuple

    def of_dict(self, node: ast.Dict) -> Value:
        whole = container(self.value(part) for part in (*filter(None, node.keys), *node.values))
        return Value(whole.level)

    def of_unaryop(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            self.truth(node.operand, value)
        elif value.unchecked:
            self.unchecked(node, f"`{ast.unparse(node)[0]}`", node.operand)
            return OWN
        inverts = isinstance(node.op, ast.Not | ast.Invert)
        return value.negated() if inverts else joined([value])

    def of_binop(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
            return OWN
        for side, value in ((node.left, left), (node.right, right)):
            if value.level in (Level.RAW, Level.MODULE):
                self.unchecked(node, "arithmetic", side)
                return OWN
        return joined([left, right])

    def of_boolop(self, node: ast.BoolOp) -> Value:
        before, found = self.places, []
        self.places = before.copy()
        for part in node.values:
            value = self.value(part)
            self.truth(part, value)
            found.append(value)
            self.narrow(part, isinstance(node.op, ast.And))
        self.places = before
        return joined(found)

    def of_compare(self, node: ast.Compare) -> Value:
        sides = [node.left, *node.comparators]
        values = [self.value(side) for side in sides]
        if all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
            return OWN
        if all(
            is_type_call(side) or (isinstance(side, ast.Constant) and side.value is None)
            for side in sides[:1]
        ):
            return OWN
        for side, value in zip(sides, values, strict=True):
            if value.level in (Level.RAW, Level.MODULE):
                self.unchecked(node, "a comparison", side)
                return OWN
            if value.level is Level.SHELL and not isinstance(node.ops[0], ast.In | ast.NotIn):
                self.unchecked(node, "a comparison", side)
                return OWN
        both = joined(values)
        if both.level is not Level.KNOWN or isinstance(node.ops[0], ast.In | ast.NotIn):
            return Value(min(both.level, Level.SETTLED), on_nan=both.on_nan)
        differs = len(node.ops) == 1 and isinstance(node.ops[0], ast.NotEq)
        return Value(Level.SETTLED, on_nan=frozenset([TRUE_ON_NAN if differs else FALSE_ON_NAN]))

    def of_ifexp(self, node: ast.IfExp) -> Value:
        condition = self.value(node.test)
        self.truth(node.test, condition)
        before, found = self.places, []
        for truth, part in ((True, node.body), (False, node.orelse)):
            self.places = before.copy()
            self.narrow(node.test, truth)
            found.append(self.value(part))
        self.places = before
        return found[0] if found[0] == found[1] else joined(found)

    def of_namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self.value(node.value)
        self.places.put(node.target.id, value)
        return value

    @abstractmethod
    def assign(self, target: ast.expr, value: Value) -> None:
        """Give a target its value."""
