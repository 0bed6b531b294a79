"""Expressions of a grader: what is known of their value, and what they do with values that are unchecked."""

import ast
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from gradus.authoring import grader_names as names
from gradus.authoring.grader_values import (
    FALSE_ON_NAN,
    KNOWN,
    MODULE,
    OBSERVED,
    OWN,
    RAW,
    SETTLED,
    SHELL,
    TRUE_ON_NAN,
    Level,
    Places,
    Value,
    container,
    improved,
    joined,
    path_of,
)

FIRST = "Pass it to assert_matches, assert_tensor, assert_number, assert_items or assert_kind first"
COUNT = "Assert first how many there are (assert_items with a count, assert_tensor with a shape)"
ORDER = "Assert first that they are finite (assert_items(..., of=float), assert_tensor)"


class Expressions:
    """Computes what is known of an expression's value, and reports what is done with unchecked ones."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def report(self, node: ast.AST, what: str, remedy: str) -> None:
        raise NotImplementedError

    def helper(self, name: str) -> ast.FunctionDef | None:
        raise NotImplementedError

    def call_helper(self, function: ast.FunctionDef, given: dict[str, Value]) -> Any:
        raise NotImplementedError

    def unchecked(self, node: ast.AST, what: str, operand: ast.AST) -> None:
        self.report(node, f"{what} of `{short(operand)}`, which is unchecked", FIRST)

    def truth(self, node: ast.expr, value: Value) -> None:
        """A value is used as a condition."""
        told = isinstance(node, ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
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
        method = getattr(self, f"of_{type(node).__name__}", None)
        if method is not None:
            found: Value = method(node)
            return found
        return joined(self.value(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))

    def _with_fields(self, path: str, value: Value) -> Value:
        """A container with what was learnt of its items since."""
        start = f"{path}["
        found = {p[len(start) : -1]: v for p, v in self.places.known.items() if p.startswith(start) and p.count("[") == start.count("[")}
        return replace(value, fields=tuple(sorted({**dict(value.fields), **found}.items()))) if found else value

    def of_Name(self, node: ast.Name) -> Value:
        return OWN

    def of_Lambda(self, node: ast.Lambda) -> Value:
        return OWN

    def of_JoinedStr(self, node: ast.JoinedStr) -> Value:
        return OWN  # a text for a message

    def of_Attribute(self, node: ast.Attribute) -> Value:
        if isinstance(node.value, ast.Name) and node.value.id == "submission":
            return OWN  # a name of the student's, not yet called
        base = self.value(node.value)
        if base.observed:
            return {"result": RAW, "calls": SETTLED}.get(node.attr, SHELL)
        if base.level is Level.RAW and node.attr in names.TENSOR:
            self.unchecked(node, f"`.{node.attr}`", node.value)
            return OWN  # told once
        if node.attr in names.PLAIN and not base.unchecked:
            return SETTLED if base.level else OWN
        return base.item()

    def of_Subscript(self, node: ast.Subscript) -> Value:
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

    def of_Starred(self, node: ast.Starred) -> Value:
        return self.value(node.value)

    def of_Tuple(self, node: ast.Tuple | ast.List | ast.Set) -> Value:
        return container(self.value(part) for part in node.elts)

    of_List = of_Set = of_Tuple

    def of_Dict(self, node: ast.Dict) -> Value:
        whole = container(self.value(part) for part in (*filter(None, node.keys), *node.values))
        return Value(whole.level)

    def of_UnaryOp(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            self.truth(node.operand, value)
        elif value.unchecked:
            self.unchecked(node, f"`{ast.unparse(node)[0]}`", node.operand)
            return OWN
        inverts = isinstance(node.op, ast.Not | ast.Invert)
        return value.negated() if inverts else joined([value])

    def of_BinOp(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
            return OWN
        for side, value in ((node.left, left), (node.right, right)):
            if value.level in (Level.RAW, Level.MODULE):
                self.unchecked(node, "arithmetic", side)
                return OWN
        return joined([left, right])

    def of_BoolOp(self, node: ast.BoolOp) -> Value:
        before, found = self.places, []
        self.places = before.copy()
        for part in node.values:
            value = self.value(part)
            self.truth(part, value)
            found.append(value)
            self.narrow(part, isinstance(node.op, ast.And))
        self.places = before
        return joined(found)

    def of_Compare(self, node: ast.Compare) -> Value:
        sides = [node.left, *node.comparators]
        values = [self.value(side) for side in sides]
        if all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
            return OWN
        if all(_is_type_call(side) or isinstance(side, ast.Constant) and side.value is None for side in sides[:1]):
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

    def of_IfExp(self, node: ast.IfExp) -> Value:
        condition = self.value(node.test)
        self.truth(node.test, condition)
        before, found = self.places, []
        for truth, part in ((True, node.body), (False, node.orelse)):
            self.places = before.copy()
            self.narrow(node.test, truth)
            found.append(self.value(part))
        self.places = before
        return found[0] if found[0] == found[1] else joined(found)

    def of_NamedExpr(self, node: ast.NamedExpr) -> Value:
        value = self.value(node.value)
        self.places.put(node.target.id, value)
        return value

    def of_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        return self._comprehension(node.generators, [node.elt])

    of_SetComp = of_GeneratorExp = of_ListComp

    def of_DictComp(self, node: ast.DictComp) -> Value:
        return self._comprehension(node.generators, [node.key, node.value])

    def _comprehension(self, generators: list[ast.comprehension], results: list[ast.expr]) -> Value:
        before, counted = self.places, True
        self.places = before.copy()
        for generator in generators:
            over = self.value(generator.iter)
            counted &= over.counted
            self.assign(generator.target, self.items_of(generator.iter, over))
            for condition in generator.ifs:
                found = self.value(condition)
                self.truth(condition, found)
                self.narrow(condition, True)
        values = [self.value(result) for result in results]
        self.places = before
        whole = container(values)
        each = values[0] if len(values) == 1 and values[0].level in (Level.MODULE, Level.SHELL) else None
        return Value(whole.level, counted=counted, on_nan=joined(values).on_nan, each=each)

    def assign(self, target: ast.expr, value: Value) -> None:
        raise NotImplementedError

    def items_of(self, node: ast.expr, over: Value) -> Value:
        """What a loop over an expression gives at each turn."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            inner = [self.items_of(arg, self.value(arg)) for arg in node.args]
            if node.func.id == "zip":
                return container(inner)
            if node.func.id == "enumerate" and inner:
                return container([OWN, inner[0]])
        if over.parts:
            return over.parts[0] if all(p == over.parts[0] for p in over.parts) else joined(over.parts)
        return over.item()

    # Calls

    def of_Call(self, node: ast.Call) -> Value:
        given = [self.value(part) for part in node.args]
        named = {word.arg: self.value(word.value) for word in node.keywords}
        function = node.func
        if isinstance(function, ast.Attribute):
            return self._method(node, function, given, named)
        if not isinstance(function, ast.Name):
            return RAW if self.value(function).unchecked else joined([*given, *named.values()])
        known = self.places.get(function.id)
        if known is not None and known.unchecked:
            return RAW  # an object of the student's is called
        if function.id in names.ASSERTIONS:
            return self._assertion(function.id, node, given)
        if function.id in names.LOOKING:
            return OWN
        if function.id == "getattr" and given:
            return given[0].item()
        if function.id == "map" and node.args and ast.unparse(node.args[0]) == "type":
            return OWN
        if function.id in names.COLLECTING:
            return self._collected(node, given)
        if function.id in names.CONVERTING:
            return self._converted(function.id, node, given)
        if function.id in names.FEEDING:
            return RAW if joined([*given, *named.values()]).unchecked else OWN
        helper = self.helper(function.id)
        if helper is not None:
            return self._helped(helper, node, given, named)
        return self._foreign(node, [*zip(node.args, given, strict=True)])

    def _method(
        self, node: ast.Call, function: ast.Attribute, given: list[Value], named: dict[str | None, Value]
    ) -> Value:
        base = function.value
        if isinstance(base, ast.Name) and base.id == "submission":
            return RAW
        if _is_submission(base):
            return OBSERVED if function.attr == "observe" else RAW
        owner = self.value(base)
        if owner.level is Level.MODULE:
            if function.attr in names.PARAMETERS:
                return KNOWN
            if function.attr in ("modules", "children"):
                return Value(Level.SHELL, each=MODULE)
            if function.attr in ("named_modules", "named_children"):
                return Value(Level.SHELL, each=container([SETTLED, MODULE]))
            return MODULE if function.attr in names.MODES else RAW
        if owner.level is Level.RAW:
            return self.value(function) if function.attr in names.TENSOR else RAW
        if owner.level is Level.SHELL:
            return SHELL if function.attr in ("items", "values", "keys") else self._of_shell(function, owner)
        if function.attr in ("append", "add", "extend", "insert") and (path := path_of(base)):
            self.places.known[path] = container([self.places.get(path) or OWN, *given])
            return OWN
        helper = self.helper(f".{function.attr}")
        if helper is not None:
            return self._helped(helper, node, [OWN, *given], named, [base, *node.args])
        pairs = [*zip(node.args, given, strict=True)]
        if ast.unparse(function) == "threshold.reached" or function.attr in ("reached", "require"):
            pairs += [(word.value, named[word.arg]) for word in node.keywords]
        whole = self._foreign(node, pairs)
        if function.attr in ("equal", "allclose", "isclose"):
            level = joined([owner, whole]).level
            return Value(min(level, Level.SETTLED), on_nan=frozenset([FALSE_ON_NAN] if level is Level.KNOWN else []))
        if owner.level is Level.KNOWN and function.attr in names.PLAIN:
            return SETTLED
        return Value(max(owner.level, whole.level), counted=owner.counted, on_nan=owner.on_nan | whole.on_nan)

    def _of_shell(self, function: ast.Attribute, owner: Value) -> Value:
        return RAW if function.attr in ("pop", "get") else owner.item()

    def _assertion(self, name: str, node: ast.Call, given: list[Value]) -> Value:
        if name in names.CALLING:
            return RAW
        words = {word.arg: word.value for word in node.keywords}
        value = OWN
        if name in names.SETTLING:
            value = SETTLED
        elif name == "assert_tensor":
            loose = isinstance(words.get("finite"), ast.Constant)
            shape = words.get("shape")
            counted = shape is not None and not _has_none(shape)
            value = Value(Level.KNOWN if loose else Level.SETTLED, counted=counted)
        elif name == "assert_items":
            counted = len(node.args) > 2 or "count" in words
            of = names.of_items(ast.unparse(words["of"])) if "of" in words else SHELL
            value = Value(of.level, counted=counted)
        elif name == "assert_form" and len(node.args) > 1:
            value = self._formed(node.args[0], node.args[1])
        elif name == "assert_kind" and len(node.args) > 1:
            value = names.KINDS.get(ast.unparse(node.args[1]), RAW)
            if value.level is Level.KNOWN:
                value = SETTLED if ast.unparse(node.args[1]) == "float" else KNOWN
        if name != "assert_form" and value is not OWN and node.args and (not given or given[0].level > Level.OWN):
            path = path_of(node.args[0])
            if given:
                value = improved(given[0], value)
            if path is not None:
                self.places.put(path, value)
        return value

    def _formed(self, got: ast.expr, form: ast.expr) -> Value:
        """What is known after `assert_form`, of the whole and of the items of a dict."""
        form, path = self._written_out(form), path_of(got)
        value = self.form_of(form)
        if path is not None:
            self.places.put(path, value)
        return value

    def constant(self, name: str) -> ast.expr | None:
        raise NotImplementedError

    def _written_out(self, form: ast.expr) -> ast.expr:
        """A form itself, where a constant of the file holds it."""
        return (self.constant(form.id) if isinstance(form, ast.Name) else None) or form

    def form_of(self, node: ast.expr) -> Value:
        """What is known of a value that has a form (`assert_form`)."""
        node = self._written_out(node)
        if isinstance(node, ast.Name) and node.id == "object":
            return RAW
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "dict.fromkeys" and len(node.args) == 2:
            return _of_items([self.form_of(node.args[1])])
        if isinstance(node, ast.Tuple | ast.List):
            if len(node.elts) == 2 and isinstance(node.elts[1], ast.Constant):  # [form, ...]
                return _of_items([self.form_of(node.elts[0])])
            return replace(_of_items(found := [self.form_of(part) for part in node.elts]), parts=tuple(found))
        if isinstance(node, ast.Subscript):  # list[form]: any number
            return replace(_of_items([self.form_of(node.slice)]), counted=False)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return replace(self.form_of(node.left), parts=None)
        if isinstance(node, ast.Dict):
            return self._form_of_dict(node)
        return MODULE if ast.unparse(node).endswith("nn.Module") else SETTLED

    def _form_of_dict(self, node: ast.Dict) -> Value:
        fields: dict[str, Value] = {}
        for key, part in zip(node.keys, node.values, strict=True):
            value = self.form_of(part)
            if key is not None:
                fields[ast.unparse(key)] = value
            elif isinstance(part, ast.Call) and isinstance(part.args[0], ast.Tuple):  # **dict.fromkeys(...)
                fields |= {ast.unparse(name): value.item() for name in part.args[0].elts}
        if "str" in fields:
            return _of_items([fields["str"]])
        return replace(_of_items([self.form_of(part) for part in node.values]), fields=tuple(fields.items()))

    def _collected(self, node: ast.Call, given: list[Value]) -> Value:
        """A container of the check's own, filled from others."""
        name = ast.unparse(node.func)
        counted = all(value.counted for value in given)
        if name == "zip" and any(word.arg == "strict" for word in node.keywords):
            counted = any(value.counted for value in given)
        whole = container([value.item() if value.level is Level.RAW else value for value in given])
        return Value(whole.level, counted=counted)

    def _converted(self, name: str, node: ast.Call, given: list[Value]) -> Value:
        for part, value in zip(node.args, given, strict=True):
            raw = value.level in (Level.RAW, Level.MODULE)
            if name == "len" and value.level is Level.SHELL:
                continue
            if raw or (value.level is Level.SHELL):
                self.unchecked(node, f"{name}()", part)
                return OWN
            if name in ("all", "any", "sum", "max", "min") and not value.counted:
                self.looped(part, value)
            if name in ("max", "min", "sorted") and value.level is Level.KNOWN:
                self.report(node, f"{name}() of `{short(part)}` may pass over a NaN", ORDER)
        whole = joined(given)
        if name in names.WHOLE:
            return Value(min(whole.level, Level.SETTLED), on_nan=whole.on_nan if name == "bool" else frozenset())
        return Value(whole.level, on_nan=whole.on_nan)

    def _helped(
        self,
        helper: ast.FunctionDef,
        node: ast.Call,
        given: list[Value],
        named: dict[str | None, Value],
        parts: list[ast.expr] | None = None,
    ) -> Value:
        """A function or method of this file; what it asserts about its parameters is known afterwards."""
        parameters = [arg.arg for arg in (*helper.args.posonlyargs, *helper.args.args)]
        parts = parts or node.args
        known = next((n for n, part in enumerate(parts) if isinstance(part, ast.Starred)), len(parts))
        places = dict(zip(parameters[:known], given, strict=False))
        paths = dict(zip(parameters[:known], parts, strict=False))
        if known < len(parts):
            pairs = zip(parts[known:], given[known:], strict=True)
            rest = joined(v.item() if isinstance(part, ast.Starred) else v for part, v in pairs)
            places.update(dict.fromkeys(parameters[known:], rest))
        if helper.args.vararg is not None:
            places[helper.args.vararg.arg] = container(given[len(parameters) :])
        for word in node.keywords:
            if word.arg is not None:
                places[word.arg], paths[word.arg] = named[word.arg], word.value
        places.pop("submission", None)
        done = self.call_helper(helper, places)
        for name, part in paths.items():
            path, after = path_of(part), done.after(name)
            before = places.get(name, OWN)
            if path is not None and after is not None and after.level < before.level:
                self.places.put(path, after)
            elif path is not None and after is not None and after.counted and not before.counted:
                self.places.put(path, after)
        result: Value = done.result
        return result

    def _foreign(self, node: ast.Call, pairs: Iterable[tuple[ast.expr, Value]]) -> Value:
        """A function that is not of this file: torch's, or another library's."""
        found = list(pairs)
        for part, value in found:
            if value.unchecked and value.level is not Level.MODULE:
                name = short(node.func)
                self.report(node, f"`{name}` is given `{short(part)}`, which is unchecked", FIRST)
                return OWN
        whole = joined(value for _, value in found)
        if whole.level is Level.MODULE:
            return RAW
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in ("equal", "allclose", "isclose"):
            nan = [FALSE_ON_NAN] if whole.level is Level.KNOWN else []
            return Value(min(whole.level, Level.SETTLED), on_nan=frozenset(nan))
        return Value(whole.level, on_nan=whole.on_nan)

    # What a condition tells

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
        elif truth and isinstance(test, ast.Call) and ast.unparse(test.func) in ("assert_items", "assert_form"):
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
        equal = isinstance(op, ast.Eq | ast.Is) is truth and isinstance(op, ast.Eq | ast.NotEq | ast.Is | ast.IsNot)
        left, right = test.left, test.comparators[0]
        if isinstance(right, ast.Constant) and right.value is None and equal:
            if (path := path_of(left)) is not None:
                self.places.put(path, OWN)
        elif equal and _is_type_call(left) and isinstance(left, ast.Call):
            self._is_a(left.args[0], right)
        elif isinstance(left, ast.Call) and ast.unparse(left.func) == "len":
            path, before = path_of(left.args[0]), self.value(left.args[0])
            more = ast.Gt | ast.GtE if truth else ast.Lt | ast.LtE
            some = equal or isinstance(op, more)
            if path is not None and some and not before.counted:
                self.places.known[path] = replace(before, counted=True)
        elif equal and isinstance(left, ast.Attribute) and left.attr == "shape" and (path := path_of(left.value)):
            self.places.known[path] = replace(self.value(left.value), counted=True)


def short(node: ast.AST) -> str:
    """An expression, for a message."""
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_type_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def _is_submission(node: ast.expr) -> bool:
    """Whether an expression is `submission.name`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "submission"


def _of_items(items: list[Value]) -> Value:
    """A container whose type is asserted, with such items."""
    shut = any(item.level >= Level.MODULE for item in items)
    each = items[0] if items and all(item == items[0] for item in items) else None
    return Value(Level.SHELL if shut else Level.SETTLED, each=each)


def _has_none(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Constant) and part.value is None for part in ast.walk(node))
