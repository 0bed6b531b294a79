"""Comprehensions of a grader, and what a loop gives at each turn."""

import ast

from gradus.authoring.grader_narrowing import Narrowing
from gradus.authoring.grader_values import OWN, Level, Value, container, joined


class Loops(Narrowing):
    """Follows what is walked through."""

    def of_listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        return self._comprehension(node.generators, [node.elt])

    of_setcomp = of_generatorexp = of_listcomp

    def of_dictcomp(self, node: ast.DictComp) -> Value:
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
        each = (
            values[0]
            if len(values) == 1 and values[0].level in (Level.MODULE, Level.SHELL)
            else None
        )
        return Value(whole.level, counted=counted, on_nan=joined(values).on_nan, each=each)

    def items_of(self, node: ast.expr, over: Value) -> Value:
        """What a loop over an expression gives at each turn."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            inner = [self.items_of(arg, self.value(arg)) for arg in node.args]
            if node.func.id == "zip":
                return container(inner)
            if node.func.id == "enumerate" and inner:
                return container([OWN, inner[0]])
        if over.parts:
            return (
                over.parts[0] if all(p == over.parts[0] for p in over.parts) else joined(over.parts)
            )
        return over.item()
