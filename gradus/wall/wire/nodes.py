"""Values as bytes: a JSON head and raw buffers, the same both ways across the judge's wall.

The head holds typed nodes; tensors and arrays lie in the body, each with its place in it. `decode` trusts
nothing: whatever the bytes are, it returns a value or raises `WireError`, and never allocates more than
the limits below. Pickle is not involved.
"""

import collections
import json
from collections.abc import Callable
from typing import Any

import torch

from gradus.errors import GradusError
from gradus.wall.wire.limits import MAX_DIGITS, MAX_HEAD

Node = Any  # what json.loads makes
Pack = Callable[[Any], Node]
Unpack = Callable[[dict[str, Any]], Any]

DTYPES = {
    str(getattr(torch, name)).removeprefix("torch."): getattr(torch, name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    )
}
QUICK = {torch.float32, torch.float64, torch.int64, torch.int32, torch.bool}  # as NumPy has them
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    # Loops, which a time limit can interrupt: numbers can be chosen to have the same hash.
    "set": lambda parts: {part for part in parts},  # noqa: C416
    "frozenset": lambda parts: frozenset({part for part in parts}),  # noqa: C416
    "deque": collections.deque,
    "slice": lambda parts: slice(*parts),
    "range": lambda parts: range(*parts),
    "size": torch.Size,
    "complex": lambda parts: complex(*parts),
}
MAPPINGS: dict[str, Any] = {
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
}
TUPLES: dict[str, Any] = {
    "torch.nn.utils.rnn.PackedSequence": torch.nn.utils.rnn.PackedSequence,
}
CONSTANTS = {
    **{f"torch.{name}": dtype for name, dtype in DTYPES.items()},
    **{str(layout): layout for layout in (torch.strided, torch.sparse_coo)},
    **{
        str(layout): layout
        for layout in (torch.contiguous_format, torch.channels_last, torch.preserve_format)
    },
    "Ellipsis": Ellipsis,
}


BEGUN = {"kind": "begun", "value": None}  # a worker's word that it is ready for a check

_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_FROM_JSON = json.JSONDecoder()


class WireError(GradusError):
    """Bytes that are no message, or a value that may not be sent."""


def hexadecimal(text: str) -> str:
    """The text of a number beyond 64 bits.

    Raises:
        WireError: If it is too long.
    """
    if len(text) > MAX_DIGITS:
        raise WireError(f"a number of {len(text)} digits is too large to be sent")
    return text


def to_json(node: Node) -> bytes:
    """The head of a message.

    Raises:
        WireError: If it is too large.
    """
    head = _JSON.encode(node).encode()
    if len(head) > MAX_HEAD:
        raise WireError(
            f"a value of {len(head) >> 20} MB of text: at most {MAX_HEAD >> 20} MB can be sent "
            "(numbers in a tensor or an array take far less)"
        )
    return head


def from_json(head: bytes) -> Node:
    """The nodes of a head.

    Raises:
        WireError: If it is not JSON.
    """
    try:
        return _FROM_JSON.decode(head.decode())
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError(f"malformed head ({type(error).__name__})") from None
