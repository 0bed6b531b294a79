"""Calls in a grader: the submission, assertions of gradus.checks, helpers of the file, everything else."""

import ast
from collections.abc import Iterable

from gradus.authoring import grader_names as names
from gradus.authoring.grader_forms import Forms
from gradus.authoring.grader_texts import FIRST, ORDER, short
from gradus.authoring.grader_values import (
    FALSE_ON_NAN,
    KNOWN,
    MODULE,
    OBSERVED,
    OWN,
    RAW,
    SETTLED,
    SHELL,
    Level,
    Value,
    container,
    improved,
    joined,
    path_of,
)


class Calls(Forms):
    """Knows what calls give, and what they do with unchecked values."""

    def of_call(self, node: ast.Call) -> Value:
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
        if function.id == "getattr" and ast.unparse(node.args[0]) == "submission":
            return RAW
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
        self,
        node: ast.Call,
        function: ast.Attribute,
        given: list[Value],
        named: dict[str | None, Value],
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
            return (
                SHELL
                if function.attr in ("items", "values", "keys")
                else self._of_shell(function, owner)
            )
        if function.attr in ("append", "add", "extend", "insert") and (path := path_of(base)):
            held = container([(self.places.get(path) or OWN).item(), *given])
            self.places.known[path] = Value(held.level)
            return OWN
        helper = self.helper(f".{function.attr}")
        if helper is not None:
            return self._helped(helper, node, [OWN, *given], named, [base, *node.args])
        pairs = [*zip(node.args, given, strict=True)]
        if ast.unparse(function) == "threshold.reached" or function.attr in ("reached", "require"):
            pairs += [(word.value, named[word.arg]) for word in node.keywords]
        whole = self._foreign(node, pairs)
        if function.attr in ("equal", "allclose", "isclose"):
            loose = owner.level is Level.KNOWN or bool(whole.on_nan)
            level = min(joined([owner, whole]).level, Level.SETTLED)
            return Value(level, on_nan=frozenset([FALSE_ON_NAN] if loose else []))
        if owner.level is Level.KNOWN and function.attr in names.PLAIN:
            return SETTLED
        return Value(
            max(owner.level, whole.level), counted=owner.counted, on_nan=owner.on_nan | whole.on_nan
        )

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
            value = self.formed(node.args[0], node.args[1])
        elif name == "assert_kind" and len(node.args) > 1:
            value = names.KINDS.get(ast.unparse(node.args[1]), RAW)
            if value.level is Level.KNOWN:
                value = SETTLED if ast.unparse(node.args[1]) == "float" else KNOWN
        if (
            name != "assert_form"
            and value is not OWN
            and node.args
            and (not given or given[0].level > Level.OWN)
        ):
            path = path_of(node.args[0])
            if given:
                value = improved(given[0], value)
            if path is not None:
                self.places.put(path, value)
        return value

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
            return Value(
                min(whole.level, Level.SETTLED),
                on_nan=whole.on_nan if name == "bool" else frozenset(),
            )
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
        known = next(
            (n for n, part in enumerate(parts) if isinstance(part, ast.Starred)), len(parts)
        )
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
            if (path is not None and after is not None and after.level < before.level) or (
                path is not None and after is not None and after.counted and not before.counted
            ):
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


def _is_submission(node: ast.expr) -> bool:
    """Whether an expression is `submission.name`."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "submission"
    )


def _has_none(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Constant) and part.value is None for part in ast.walk(node))
