"""One function of a grader, statement by statement: what is known of each value, and what is done with it."""

import ast
from typing import Any, Protocol

from gradus.authoring.grader_calls import Calls
from gradus.authoring.grader_texts import NAN, fails, leaves, short
from gradus.authoring.grader_values import (
    FALSE_ON_NAN,
    OWN,
    TRUE_ON_NAN,
    Level,
    Places,
    Value,
    container,
    joined,
    path_of,
)


class File(Protocol):
    """The grader that a function stands in."""

    functions: dict[str, ast.FunctionDef]
    constants: dict[str, ast.expr]

    def called(self, function: ast.FunctionDef, given: dict[str, Value]) -> "Function": ...

    def found(self, function: str, node: ast.AST, what: str, remedy: str) -> None: ...


class Function(Calls):
    """A function and the values of its parameters; `run` follows it from its first line to its last."""

    def __init__(self, file: File, node: ast.FunctionDef, given: dict[str, Value]) -> None:
        super().__init__(Places(given))
        self.file, self.node = file, node
        self.result: Value = OWN
        self._results: list[Value] = []
        self._inner: dict[str, ast.FunctionDef] = {}
        self._ends: list[Places] = []  # how things are wherever it returns

    def run(self) -> None:
        """Follow it, and note what it returns and what it has asserted about its parameters."""
        if not self.block(self.node.body):
            self._ends.append(self.places.copy())
        if self._results:
            first = self._results[0]
            self.result = first if all(r == first for r in self._results) else joined(self._results)
        if self._ends:
            self.places.meet(self._ends)

    def after(self, name: str) -> Value | None:
        """What is known of a parameter when the call has returned."""
        return self.places.get(name)

    def report(self, node: ast.AST, what: str, remedy: str) -> None:
        self.file.found(self.node.name, node, what, remedy)

    def helper(self, name: str) -> ast.FunctionDef | None:
        return self._inner.get(name) or self.file.functions.get(name)

    def constant(self, name: str) -> ast.expr | None:
        return self.file.constants.get(name)

    def call_helper(self, function: ast.FunctionDef, given: dict[str, Value]) -> "Function":
        if function.name in self._inner:  # it sees what this function knows
            given = {**self.places.known, **given}
        return self.file.called(function, given)

    # Statements

    def block(self, statements: list[ast.stmt]) -> bool:
        """Follow statements; True where nothing comes after them."""
        return any(self.statement(statement) for statement in statements)

    def statement(self, node: ast.stmt) -> bool:
        method = getattr(self, f"on_{type(node).__name__.lower()}", None)
        if method is not None:
            return bool(method(node))
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self.value(part)
        return isinstance(node, ast.Continue | ast.Break)

    def on_raise(self, node: ast.Raise) -> bool:
        return True

    def on_return(self, node: ast.Return) -> bool:
        self._results.append(self.value(node.value) if node.value else OWN)
        self._ends.append(self.places.copy())
        return True

    def on_expr(self, node: ast.Expr) -> bool:
        self.value(node.value)
        return fails([node])

    def on_assign(self, node: ast.Assign) -> bool:
        value = self.value(node.value)
        for target in node.targets:
            self.assign(target, value)
        return False

    def on_annassign(self, node: ast.AnnAssign) -> bool:
        if node.value is not None:
            self.assign(node.target, self.value(node.value))
        return False

    def on_augassign(self, node: ast.AugAssign) -> bool:
        both = ast.BinOp(ast.copy_location(_loaded(node.target), node), node.op, node.value)
        self.assign(node.target, self.value(ast.copy_location(both, node)))
        return False

    def on_functiondef(self, node: ast.FunctionDef) -> bool:
        self._inner[node.name] = node
        return False

    def on_if(self, node: ast.If) -> bool:
        condition = self.value(node.test)
        self.truth(node.test, condition)
        if fails(node.body) and FALSE_ON_NAN in condition.on_nan:
            self.report(node.test, f"`{short(node.test)}` is false for NaN, so NaN passes", NAN)
        if (leaves(node.body) or fails(node.orelse)) and TRUE_ON_NAN in condition.on_nan:
            self.report(node.test, f"`{short(node.test)}` is true for NaN, so NaN passes", NAN)
        before = self.places
        ways = []
        ended = []
        for truth, body in ((True, node.body), (False, node.orelse)):
            self.places = before.copy()
            self.narrow(node.test, truth)
            ended.append(self.block(body))
            ways += [] if ended[-1] else [self.places]
        self.places = before
        if ways:
            self.places.meet(ways)
        return all(ended)

    def on_assert(self, node: ast.Assert) -> bool:
        condition = self.value(node.test)
        self.truth(node.test, condition)
        if TRUE_ON_NAN in condition.on_nan:
            self.report(node.test, f"`{short(node.test)}` is true for NaN, so NaN passes", NAN)
        self.narrow(node.test, True)
        return False

    def on_for(self, node: ast.For) -> bool:
        over = self.value(node.iter)
        self.looped(node.iter, over)
        before = self.places.copy()
        self.assign(node.target, self.items_of(node.iter, over))
        self.block(node.body)
        inside = self.places
        self._each_asserted(node, over, inside)
        self.places = before
        self.places.meet([before.copy(), inside] if not over.counted else [inside])
        self.block(node.orelse)
        return False

    def _each_asserted(self, node: ast.For, over: Value, inside: Places) -> None:
        """A loop that asserts something of each item has asserted it of the whole."""
        target, whole = node.target, node.iter
        if isinstance(whole, ast.Call) and ast.unparse(whole.func) == "enumerate":
            whole = whole.args[0]
            target = target.elts[1] if isinstance(target, ast.Tuple) else target
        item = inside.get(target.id) if isinstance(target, ast.Name) else None
        if (
            isinstance(whole, ast.Tuple | ast.List)
            and item is not None
            and item.level < Level.MODULE
        ):
            for part in whole.elts:
                if (path := path_of(part)) is not None:
                    inside.put(path, item)
            return
        path = path_of(whole)
        if path is not None and item is not None and item.level < Level.MODULE <= over.level:
            inside.put(path, Value(item.level, counted=over.counted))

    def on_while(self, node: ast.While) -> bool:
        self.truth(node.test, self.value(node.test))
        self.block(node.body)
        return False

    def on_with(self, node: ast.With) -> bool:
        for item in node.items:
            value = self.value(item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value)
        return self.block(node.body)

    def on_try(self, node: ast.Try) -> bool:
        before = self.places.copy()
        ended = self.block(node.body) or self.block(node.orelse)
        ways = [] if ended else [self.places]
        for handler in node.handlers:
            self.places = before.copy()
            if not self.block(handler.body):
                ways.append(self.places)
        self.places = before
        if ways:
            self.places.meet(ways)
        return self.block(node.finalbody) or not ways

    def assign(self, target: ast.expr, value: Value) -> None:
        """Put a value into a name, or its items into several."""
        if isinstance(target, ast.Tuple | ast.List):
            parts = value.parts
            whole = parts is not None and len(parts) == len(target.elts)
            for place, inner in enumerate(target.elts):
                self.assign(inner, parts[place] if parts and whole else value.item())
            return
        if isinstance(target, ast.Starred):
            self.assign(target.value, value)
            return
        path = path_of(target)
        if path is not None:
            self.places.put(path, value)
        if not isinstance(target, ast.Name):  # what holds it now holds something unchecked
            holder: Any = target
            while isinstance(holder, ast.Attribute | ast.Subscript):
                holder = holder.value
            if isinstance(holder, ast.Name) and value.unchecked:
                known = self.places.get(holder.id)
                if known is not None and known.level < Level.SHELL:
                    self.places.known[holder.id] = container([value])


def _loaded(target: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(target), mode="eval").body
