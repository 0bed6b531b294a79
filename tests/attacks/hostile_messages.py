"""Messages of a hostile worker, drawn quickly: most are nearly right, so that they get far."""

import random
from collections.abc import Sequence
from typing import Any

from tests.attacks.wire_samples import CHANGE, EXCEPTION, MORE, WORDS

MARK = "hostile"  # stands in each text of the worker's that could be run
NUMBERS = (
    -1,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    12,
    2**31,
    2**62,
    10**18,
    2**80,
    -(2**63),
    0.0,
    1e400,
    True,
)
TEXTS = (
    *("f", "", "\0", "\ud800", "class", "call", "len", "a.b", "cpu", "meta", "cuda", "O8", "f4"),
    *("float32", "int64", "torch.float32", "torch.return_types.max", "torch.return_types.sys"),
    *("torch.nn.utils.rnn.PackedSequence", "ValueError", "KeyboardInterrupt", "passed", "todo"),
    *(MARK, f"import {MARK}", f"{MARK}=print()", f"__import__('{MARK}')", "torch.nn.Linear"),
)
ABILITIES = ("call", "len", "iter", "next", "getitem", "setitem", "add", "neg", "enter", "eq")
KINDS = (None, None, "builtins.function", "torch.utils.data.Dataset", "torch.nn.Linear", "x")
REQUESTS = ("callback", "callback", "advance", "pull", "function", "probe", "get", "load", MARK)


class Drawn:
    """Draws messages from a source of random numbers.

    Args:
        source: The source.
        numbers: Of the judge's objects, which a worker may know or guess.
        tensors: Numbers of shared tensors.
    """

    def __init__(
        self, source: random.Random, numbers: Sequence[int] = (), tensors: Sequence[int] = ()
    ) -> None:
        self.source = source
        self.numbers, self.tensors = list(numbers) or [0], list(tensors) or [0]

    def one(self, *ways: Any) -> Any:
        """One of several values or functions that give one."""
        way = self.source.choice(ways)
        return way() if callable(way) else way

    def some(self, draw: Any, most: int = 3) -> list[Any]:
        """A few values."""
        return [draw() for _ in range(self.source.randint(0, most))]

    def number(self) -> Any:
        """A number, most often one that may be somebody's."""
        return self.one(lambda: self.source.randint(0, 9), lambda: self.source.choice(NUMBERS))

    def text(self) -> str:
        """A text, some of which mean something."""
        return self.source.choice(TEXTS)

    def pairs(self, words: Any) -> Any:
        """The node of a dict with some of these words."""
        chosen = self.source.sample(words, self.source.randint(0, min(4, len(words))))
        return {"$": "dict", "v": [[word, self.node(2)] for word in chosen]}

    def tensor(self) -> Any:
        """The node of a tensor, of which there may be no values."""
        node = {"$": "tensor", "d": self.one("float32", "int64", "bool", self.text)}
        node |= {"s": self.one([], [0], [2], lambda: self.some(self.number)), "b": 0}
        for key, draw in (("t", self.number), ("x", self.number)):
            if self.source.random() < 0.1:
                node[key] = self.some(draw)
        for key in ("at", "as", "made"):
            if self.source.random() < 0.1:
                node[key] = self.text()
        return node

    def object(self) -> Any:
        """An object of the submission's."""
        return {
            "$": "mine", "n": self.number(), "type": f"{MARK}()", "module": f"import {MARK}",
            "known": self.source.choice(KINDS), "can": self.some(lambda: self.one(*ABILITIES)),
        }  # fmt: skip

    def module(self) -> Any:
        """A module of the submission's, with parts and tensors by number."""
        tensors = self.some(
            lambda: [self.one("p", "b"), self.text(), self.number(), self.one(True, False)]
        )
        about = {"$": "dict", "v": [["type", MARK], ["module", MARK], ["known", "torch.nn.Linear"]]}
        about["v"].append(["can", ["call"]])
        part = ["", self.number(), self.one(True, False), about, tensors]
        return {"$": "module", "v": [part, *self.some(self.node, 1)]}

    def named(self) -> Any:
        """A named tuple whose names could be code."""
        fields = self.some(self.text)
        return {"$": "named", "type": f"m.{self.text()}", "fields": fields, "v": fields}

    def node(self, depth: int = 0) -> Any:
        """Any node."""
        ways = [
            self.number,
            self.text,
            None,
            True,
            self.tensor,
            self.object,
            self.named,
            self.module,
        ]
        ways += [lambda: {"$": self.one("yours", "shared", "output"), "n": self.number()}]
        if depth < 4:
            ways += [lambda: self.some(lambda: self.node(depth + 1))]
            ways += [lambda: {"$": self.one(*WORDS), "v": self.some(lambda: self.node(depth + 1))}]
            ways += [lambda: self.pairs(MORE), lambda: {"$": "input", "v": self.node(depth + 1)}]
        return self.one(*ways)

    def more(self) -> Any:
        """What travels with a message."""
        return self.one(
            {"$": "dict", "v": [["grad", True]]},
            {"$": "dict", "v": [["grad", False]]},
            lambda: {
                "$": "dict",
                "v": [["grad", True], ["dead", self.some(lambda: self.some(self.number))]],
            },
            lambda: {"$": "dict", "v": [["changes", self.some(lambda: self.pairs(CHANGE))]]},
            lambda: {"$": "dict", "v": [["states", [[self.number(), self.node()]]]]},
            lambda: {"$": "dict", "v": [["modules", [self.node()]]]},
            lambda: {
                "$": "dict",
                "v": [["parameters", [[self.number(), self.one("weight", "", 1), self.node()]]]],
            },
            lambda: self.pairs(MORE),
        )

    def request(self) -> Any:
        """A request of the judge."""
        target = {
            "$": self.one("yours", "yours", "yours", "shared"),
            "n": self.source.randint(0, 9),
        }
        rest = self.one([[], {"$": "dict", "v": []}], [], lambda: self.some(self.node, 5))
        return {"kind": "ask", "value": [self.one(*REQUESTS), target, *rest]}

    def advance(self) -> Any:
        """A request for an item, which has one word."""
        return {"kind": "ask", "value": ["advance", {"$": "yours", "n": self.source.randint(0, 9)}]}

    def pull(self) -> Any:
        """A request for gradients."""
        words = [self.number(), self.some(self.tensor), self.some(lambda: True)]
        return {"kind": "ask", "value": ["pull", *words, *self.source.choices([True, False], k=3)]}

    def told(self) -> Any:
        """A reply."""
        return {"kind": "told", "value": self.node()}

    def graph(self) -> Any:
        """A reply with a graph behind it."""
        leaves = self.some(self.number)
        return {
            "kind": "told", "value": [{"$": "output", "n": self.one(0, self.number)}],
            "outputs": [{"$": "tensor", "d": "float32", "s": [0], "b": 0}], "graph": [self.number(), leaves],
        }  # fmt: skip

    def raised(self) -> Any:
        """An exception."""
        values = [self.one(self.text, self.node, []) for _ in EXCEPTION]
        return {
            "kind": "raised",
            "value": {"$": "dict", "v": [list(p) for p in zip(EXCEPTION, values, strict=True)]},
        }

    def plain(self, depth: int = 0) -> Any:
        """A node that is well-formed."""
        ways = [1, "f", None, True, {"$": "tensor", "d": "float32", "s": [0], "b": 0}]
        ways += [
            lambda: {"$": "yours", "n": self.source.choice(self.numbers)},
            lambda: {"$": "shared", "n": self.source.choice(self.tensors)},
            lambda: {
                **self.object(),
                "n": self.source.randint(0, 99),
                "known": None,
                "can": ["call"],
            },
        ]
        if depth < 2:
            ways += [lambda: self.some(lambda: self.plain(depth + 1))]
        return self.one(*ways)

    def well_formed(self) -> Any:
        """A message that is served, or refused for what it asks and not for its form."""
        target = {"$": "yours", "n": self.source.choice(self.numbers)}
        words = {"$": "dict", "v": [["x", self.plain()]] if self.source.random() < 0.2 else []}
        kind, value = self.one(
            lambda: ("ask", ["callback", target, self.some(self.plain), words]),
            lambda: ("ask", ["callback", self.plain(), self.some(self.plain), words]),
            lambda: ("ask", ["advance", target]),
            lambda: ("ask", ["pull", self.source.randint(0, 5), [None], [True], True, False, True]),
            lambda: ("told", self.plain()),
            lambda: ("loading", MARK),
        )
        more = [["grad", self.source.random() < 0.9]]
        if self.source.random() < 0.2:
            change = [["number", self.source.choice(self.tensors)], ["value", self.tensor()]]
            more += [["changes", [{"$": "dict", "v": change}]]]
        if self.source.random() < 0.1:
            more += [["dead", [[self.source.randint(0, 99)], self.tensors[:1], [1]]]]
        if self.source.random() < 0.1:
            more += [["states", [[self.source.choice(self.numbers), self.plain()]]]]
        if self.source.random() < 0.1:
            place = [self.source.choice(self.numbers), self.one("weight", "0.bias", "x")]
            new = {"$": "shared", "n": self.source.choice(self.tensors)}
            more += [["parameters", [[*place, self.one(new, None)]]]]
        return {"kind": kind, "value": value, "more": {"$": "dict", "v": more}}

    def message(self) -> Any:
        """Any message; three of four are well-formed."""
        if self.source.random() < 0.75:
            return self.well_formed()
        ways = (self.request, self.request, self.advance, self.pull, self.told, self.told)
        message = self.one(*ways, self.graph, self.raised, {"kind": "loading", "value": MARK})
        message = dict(message)
        if self.source.random() < 0.8:
            message["more"] = self.more()
        for key in ("new", "graph", "outputs", "gradients", "objects"):
            if self.source.random() < 0.04:
                message[key] = self.some(self.node)
        if self.source.random() < 0.05:
            message["new"] = [
                {"n": self.number(), "p": True, "g": True, "v": self.tensor(), "d": None}
            ]
        return message
