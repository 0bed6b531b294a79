"""Messages that workers send, and strategies for messages that none would send."""

import json
from typing import Any

import torch
from hypothesis import strategies as st

from gradus.wall.wire.encode import Encoder
from gradus.wall.wire.nodes import to_json

DTYPES = (
    *(
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.complex64,
        torch.complex128,
    ),
    *(torch.bool, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
)
WORDS = (
    *(
        "tuple",
        "set",
        "frozenset",
        "deque",
        "slice",
        "range",
        "size",
        "complex",
        "dict",
        "OrderedDict",
    ),
    *(
        "Counter",
        "tensor",
        "array",
        "scalar",
        "bytes",
        "int",
        "constant",
        "device",
        "named",
        "shared",
    ),
    *("input", "output", "yours", "mine", "module"),
)
KEYS = (
    "$",
    "v",
    "b",
    "n",
    "d",
    "s",
    "t",
    "x",
    "at",
    "as",
    "f",
    "type",
    "fields",
    "module",
    "known",
    "can",
)
EXCEPTION = ("type", "module", "known", "message", "kind", "text", "frames", "number", "back")
MORE = ("grad", "changes", "random", "dead", "out", "record", "states", "modules")
CHANGE = ("number", "value", "grad", "requires_grad")

numbers = st.one_of(
    st.integers(-2, 20),
    st.sampled_from([2**31, 2**40, 2**62, 10**18, 2**80, -(2**63), 2**64]),
    st.floats(),
)
texts = st.one_of(
    st.sampled_from(
        [
            *(
                "float32",
                "bool",
                "int64",
                "f4",
                "O8",
                "c16",
                "cpu",
                "meta",
                "cuda",
                "hpu:3",
                "xla",
                "mps",
            ),
            *(
                "torch.float32",
                "torch.return_types.max",
                "torch.return_types.sys",
                "a.b",
                "ff",
                "call",
            ),
            *(
                "len",
                "eq",
                "torch.nn.Linear",
                "builtins.function",
                "ValueError",
                "passed",
                "",
                "\0",
            ),
            *(
                "torch.nn.utils.rnn.PackedSequence",
                "torch.return_types.__builtins__",
                "\ud800",
                "class",
            ),
        ]
    ),
    st.text(max_size=5),
)
plain = st.one_of(st.none(), st.booleans(), numbers, texts)


def _nodes(children: Any) -> Any:
    sizes = st.lists(numbers, max_size=4)
    return st.one_of(
        st.lists(children, max_size=4),
        st.builds(
            lambda word, rest: {**rest, "$": word},
            st.sampled_from(WORDS),
            st.dictionaries(st.sampled_from(KEYS), st.one_of(children, sizes), max_size=7),
        ),
        st.fixed_dictionaries({
            "$": st.just("tensor"), "d": st.sampled_from(["float32", "int64", "bool", "complex64"]),
            "s": st.lists(st.integers(0, 5), max_size=3), "b": st.integers(0, 8),
        }, optional={"t": sizes, "x": sizes, "at": texts, "as": texts}),
        st.builds(
            lambda pairs: {"$": "dict", "v": [list(pair) for pair in pairs]},
            st.lists(st.tuples(st.sampled_from(EXCEPTION + MORE + CHANGE), children), max_size=9),
        ),
        st.dictionaries(st.sampled_from(KEYS), children, max_size=4),
    )  # fmt: skip


nodes = st.recursive(plain, _nodes, max_leaves=25)


def mapping_of(words: tuple[str, ...], values: Any = nodes) -> Any:
    """Nodes of dicts with some of these words."""
    return st.builds(
        lambda items: {"$": "dict", "v": [[word, item] for word, item in items.items()]},
        st.dictionaries(st.sampled_from(words), values, max_size=len(words)),
    )


exceptions = st.builds(
    lambda values: {"$": "dict", "v": [list(p) for p in zip(EXCEPTION, values, strict=True)]},
    st.tuples(*[st.one_of(texts, nodes, st.lists(texts, max_size=2))] * len(EXCEPTION)),
)
changes = st.lists(mapping_of(CHANGE, st.one_of(st.sampled_from([1, 3]), nodes)), max_size=3)
abouts = st.tuples(texts, texts, st.one_of(st.none(), texts), st.lists(texts, max_size=3)).map(list)
messages = st.fixed_dictionaries(
    {
        "kind": st.one_of(st.sampled_from(["told", "told", "raised", "ask", "loading"]), nodes),
        "value": st.one_of(nodes, exceptions),
    },
    optional={
        "more": st.one_of(nodes, mapping_of(MORE, st.one_of(nodes, changes))),
        "new": st.one_of(
            nodes,
            st.lists(
                st.fixed_dictionaries(dict.fromkeys(("n", "p", "g", "v", "d"), nodes)), max_size=2
            ),
        ),
        "graph": st.one_of(nodes, st.tuples(numbers, st.lists(numbers, max_size=3)).map(list)),
        "outputs": st.one_of(nodes, st.lists(nodes, max_size=2)),
        "gradients": st.one_of(nodes, st.lists(nodes, max_size=1)),
        "objects": nodes,
    },
)


def sample_values() -> list[Any]:
    """One value of each kind that the wire has a word for."""
    table = torch.arange(12.0).reshape(3, 4)
    return [
        [None, True, 1, -1.5, "text", 2**70, b"bytes", 1j, slice(1, None), range(3), ...],
        {"a": (1, 2), 3: {4, 5}, (6,): frozenset([7])},
        [table, table.T, table[:, ::2], table[0].expand(3, 4), table.to(torch.bfloat16)],
        [
            torch.Size([1, 2]),
            torch.float32,
            torch.device("cpu"),
            table.numpy(),
            table.numpy()[0, 0],
        ],
        torch.max(table, dim=0),
    ]


def sample_heads() -> list[tuple[bytes, bytes]]:
    """Heads and bodies of valid messages."""
    made = []
    for value in sample_values():
        encoder = Encoder(lambda value: json.dumps(str(value)))
        node = encoder.node(value)
        made.append((to_json(node), b"".join(encoder.buffers)))
        told = {"kind": "told", "value": node, "more": {"$": "dict", "v": [["grad", True]]}}
        made.append((to_json(told), b"".join(encoder.buffers)))
    return made
