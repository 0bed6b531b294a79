"""What `assert_form(got, form)` tells of a value, read from the form as it is written in a grader."""

import ast
from dataclasses import replace

from gradus.authoring.grader_loops import Loops
from gradus.authoring.grader_values import (
    MODULE,
    RAW,
    SETTLED,
    Level,
    Value,
    path_of,
)


class Forms(Loops):
    """Reads forms."""

    def formed(self, got: ast.expr, form: ast.expr) -> Value:
        """What is known after `assert_form`, of the whole and of the items of a dict."""
        form, path = self._written_out(form), path_of(got)
        value = self.form_of(form)
        if path is not None:
            self.places.put(path, value)
        return value

    def _written_out(self, form: ast.expr) -> ast.expr:
        """A form itself, where a constant of the file holds it."""
        return (self.constant(form.id) if isinstance(form, ast.Name) else None) or form

    def form_of(self, node: ast.expr) -> Value:
        """What is known of a value that has a form (`assert_form`)."""
        node = self._written_out(node)
        if isinstance(node, ast.Name) and node.id == "object":
            return RAW
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "dict.fromkeys"
            and len(node.args) == 2
        ):
            return _of_items([self.form_of(node.args[1])])
        if isinstance(node, ast.Tuple | ast.List):
            if len(node.elts) == 2 and isinstance(node.elts[1], ast.Constant):  # [form, ...]
                return _of_items([self.form_of(node.elts[0])])
            return replace(
                _of_items(found := [self.form_of(part) for part in node.elts]), parts=tuple(found)
            )
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
            elif isinstance(part, ast.Call) and isinstance(
                part.args[0], ast.Tuple
            ):  # **dict.fromkeys(...)
                fields |= {ast.unparse(name): value.item() for name in part.args[0].elts}
        if "str" in fields:
            return _of_items([fields["str"]])
        return replace(
            _of_items([self.form_of(part) for part in node.values]), fields=tuple(fields.items())
        )


def _of_items(items: list[Value]) -> Value:
    """A container whose type is asserted, with such items."""
    shut = any(item.level >= Level.MODULE for item in items)
    each = items[0] if items and all(item == items[0] for item in items) else None
    return Value(Level.SHELL if shut else Level.SETTLED, each=each)
