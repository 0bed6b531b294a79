"""Values as bytes: a JSON head and raw buffers, the same both ways across the judge's wall.

The head holds typed nodes; tensors and arrays lie in the body, each with its place in it. `decode` trusts
nothing: whatever the bytes are, it returns a value or raises `WireError`, and never allocates more than
the limits below. Pickle is not involved.
"""

import collections
import ctypes
import json
import math
from collections.abc import Callable
from types import EllipsisType
from typing import Any

import numpy as np
import torch

from gradus.errors import GradusError
from gradus.submission.calls import is_expanded, unexpanded

MAX_HEAD = 8 << 20  # bytes of JSON
MAX_BODY = 512 << 20  # bytes of all tensors of a message
MAX_DEPTH = 40  # of nested containers
MAX_DIMS = 64
MAX_SIZE = 1 << 40  # of one dim
MAX_DIGITS = 20_000  # of a number beyond 64 bits, hexadecimal

Node = Any  # what json.loads makes
Pack = Callable[[Any], Node]
Unpack = Callable[[dict[str, Any]], Any]

_DTYPES = {
    str(getattr(torch, name)).removeprefix("torch."): getattr(torch, name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    )
}
_QUICK = {torch.float32, torch.float64, torch.int64, torch.int32, torch.bool}  # as NumPy has them
_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {
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
_MAPPINGS: dict[str, Any] = {
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
}
_TUPLES: dict[str, Any] = {
    "torch.nn.utils.rnn.PackedSequence": torch.nn.utils.rnn.PackedSequence,
}
_CONSTANTS = {
    **{f"torch.{name}": dtype for name, dtype in _DTYPES.items()},
    **{str(layout): layout for layout in (torch.strided, torch.sparse_coo)},
    **{
        str(layout): layout
        for layout in (torch.contiguous_format, torch.channels_last, torch.preserve_format)
    },
    "Ellipsis": Ellipsis,
}


_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)


class WireError(GradusError):
    """Bytes that are no message, or a value that may not be sent."""


class Encoder:
    """Turns values into nodes and collects their buffers.

    Args:
        special: Gives the node of a value that the wire has no word for, or raises.
        tensor: Asked first for every tensor: gives its node, or None to send its values.
    """

    def __init__(self, special: Pack, tensor: Pack = lambda value: None) -> None:
        self._special, self._tensor = special, tensor
        self.buffers: list[memoryview] = []
        self.size = 0

    def node(self, value: Any, depth: int = 0) -> Node:
        """The node of a value.

        Raises:
            WireError: If it is nested too deeply or too large.
        """
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is float:
            return value
        if kind is int:
            if value.bit_length() <= 63:
                return value
            return {"$": "int", "v": self._within(hex(value), MAX_DIGITS)}
        if depth > MAX_DEPTH:
            raise WireError(f"a value is nested more than {MAX_DEPTH} deep (is it inside itself?)")
        if kind is list:
            return [self.node(item, depth + 1) for item in value]
        if kind is dict or kind in _MAPPINGS.values() or kind is collections.defaultdict:
            name = kind.__name__ if kind.__name__ in _MAPPINGS else "dict"
            pairs = [
                [self.node(key, depth + 1), self.node(item, depth + 1)]
                for key, item in value.items()
            ]
            return {"$": name, "v": pairs}
        if isinstance(value, torch.Tensor):
            node = self._tensor(value)
            return self.tensor(value) if node is None else node
        if isinstance(value, tuple) and kind is not tuple and kind is not torch.Size:
            return self._named_tuple(value, depth)
        return self._plain(value, kind, depth)

    def _plain(self, value: Any, kind: type, depth: int) -> Node:
        if kind in (tuple, set, frozenset, collections.deque):
            items = [self.node(item, depth + 1) for item in value]
            return {"$": kind.__name__, "v": items}
        if kind is torch.Size:
            return {"$": "size", "v": list(value)}
        if kind is slice:
            return {
                "$": "slice",
                "v": [self.node(v) for v in (value.start, value.stop, value.step)],
            }
        if kind is range:
            return {"$": "range", "v": [value.start, value.stop, value.step]}
        if kind is complex:
            return {"$": "complex", "v": [value.real, value.imag]}
        if kind is bytes or kind is bytearray:
            return {"$": "bytes", "b": self._place(memoryview(bytes(value))), "n": len(value)}
        if kind in (torch.dtype, torch.layout, torch.memory_format, EllipsisType):
            if str(value) in _CONSTANTS:
                return {"$": "constant", "v": str(value)}
        elif kind is torch.device:
            return {"$": "device", "v": str(value)}
        elif isinstance(value, np.generic) and value.dtype.kind in "biufc":
            return {"$": "scalar", "v": self._array(np.asarray(value))}
        elif kind is np.ndarray and value.dtype.kind in "biufc" and value.dtype.itemsize <= 16:
            return self._array(value)
        return self._special(value)

    def tensor(self, value: torch.Tensor) -> Node:
        """The node that carries a tensor's values, strides and device."""
        with torch._C.DisableTorchFunctionSubclass():
            kind, value = type(value), value.detach()
            if value.layout is torch.sparse_coo:
                parts = value.coalesce()
                inside = [self.tensor(parts.indices()), self.tensor(parts.values())]
                return {"$": "sparse", "v": inside, "s": list(value.shape)}
            if value.layout is not torch.strided or value.dtype not in _DTYPE_NAMES:
                return self._special(value)
            node: dict[str, Any] = {"$": "tensor", "d": _DTYPE_NAMES[value.dtype]}
            if is_expanded(value):
                node["x"], value = list(value.shape), unexpanded(value)
            node["s"] = list(value.shape)
            if not value.is_contiguous():
                node["t"] = list(value.stride())
            if value.device.type != "cpu":
                node["at"] = str(value.device)
            if kind is not torch.Tensor and kind is not torch.nn.Parameter:
                node["as"] = kind.__name__[:100]
            node["b"] = 0
            if value.device.type != "meta" and value.numel():
                node["b"] = self._place(_bytes_of(value))
        return node

    def _array(self, value: "np.ndarray[Any, Any]") -> Node:
        node = {"$": "array", "d": value.dtype.newbyteorder("=").str[1:], "s": list(value.shape)}
        if value.flags.f_contiguous and not value.flags.c_contiguous:
            node["f"] = True
            value = value.T
        data = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
        node["b"] = self._place(memoryview(data.tobytes()))
        return node

    def _named_tuple(self, value: Any, depth: int) -> Node:
        kind = type(value)
        fields = getattr(kind, "_fields", None)
        if fields is None and kind.__module__ != "torch.return_types":
            return self.node(tuple(value), depth)
        return {
            "$": "named",
            "type": f"{kind.__module__}.{kind.__qualname__}"[:200],
            "fields": list(fields or ()),
            "v": [self.node(item, depth + 1) for item in tuple(value)],
        }

    def _place(self, data: memoryview) -> int:
        place = self.size
        self.size += data.nbytes
        if self.size > MAX_BODY:
            raise WireError(f"more than {MAX_BODY >> 20} MB of tensors in one message")
        if data.nbytes:
            self.buffers.append(data.cast("B") if data.format != "B" or data.ndim != 1 else data)
        return place

    @staticmethod
    def _within(text: str, limit: int) -> str:
        if len(text) > limit:
            raise WireError(f"a number of {len(text)} digits is too large to be sent")
        return text


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    """The values of a detached tensor, row by row."""
    if tensor.dtype in _QUICK and tensor.device.type == "cpu" and tensor.is_contiguous():
        return memoryview(tensor.numpy().data).cast("B")
    dense = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    flat = dense.as_strided((dense.numel(),), (1,)).view(torch.uint8)
    return memoryview(flat.numpy().data)


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
        return json.loads(head)
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError(f"malformed head ({type(error).__name__})") from None


class Decoder:
    """Turns nodes back into values. Every byte of the body is given out at most once.

    Args:
        body: The buffers of the message.
        special: Gives the value of a node with a word of a higher layer, or raises `WireError`.
    """

    def __init__(self, body: memoryview, special: Unpack) -> None:
        self._body, self._special = body, special
        self._left = len(body)
        self._gaps = MAX_BODY  # bytes that strides may leave unused

    def value(self, node: Node) -> Any:
        """The value of a node.

        Raises:
            WireError: If the node is malformed in any way.
        """
        try:
            return self._value(node, 0)
        except WireError:
            raise
        except (
            *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
            *(RecursionError, MemoryError, RuntimeError, NotImplementedError),
        ) as error:
            raise WireError(f"malformed node ({type(error).__name__})") from None

    def _value(self, node: Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise WireError("nested too deeply")
        if isinstance(node, list):
            return [self._value(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        word = node.get("$")
        if word in _SEQUENCES:
            return _SEQUENCES[word]([self._value(item, depth + 1) for item in _list(node["v"])])
        if word in _MAPPINGS:
            pairs = [_list(pair) for pair in _list(node["v"])]
            items = [
                (self._value(key, depth + 1), self._value(item, depth + 1)) for key, item in pairs
            ]
            mapping = _MAPPINGS[word]()
            for key, item in items:
                mapping[key] = item
            return mapping
        if word == "tensor":
            return self._tensor(node)
        if word == "sparse":
            return self._sparse(node)
        if word == "array":
            return self._array(node)
        if word == "scalar":
            return self._array(node["v"]).reshape(-1)[0]
        if word == "bytes":
            return bytes(self._take(node["b"], node["n"]))
        if word == "int":
            return int(Encoder._within(node["v"], MAX_DIGITS), 16)
        if word == "constant":
            return _CONSTANTS[node["v"]]
        if word == "device":
            return torch.device(node["v"])
        if word == "named":
            return self._named_tuple(node, depth)
        return self._special(node)

    def _tensor(self, node: dict[str, Any]) -> torch.Tensor:
        dtype, shape = _DTYPES[node["d"]], _sizes(node["s"])
        if math.prod(shape) * dtype.itemsize > self._left:
            raise WireError("more data promised than sent")
        device = torch.device(node.get("at", "cpu"))
        if device.type == "meta":
            return torch.empty(shape, dtype=dtype, device="meta")
        tensor = torch.empty(shape, dtype=dtype)  # no view of something else: it may become a leaf
        if tensor.numel():
            raw = self._take(node["b"], tensor.numel() * dtype.itemsize)
            ctypes.memmove(
                tensor.data_ptr(), _address(raw), len(raw)
            )  # one copy: `raw` may be shared
            if dtype is torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
                raise WireError("a truth value that is neither 0 nor 1")
        if "t" in node:
            tensor = self._with_strides(tensor, _sizes(node["t"]))
        if "x" in node:
            whole = _sizes(node["x"])
            if math.prod(whole) * dtype.itemsize > MAX_BODY:
                raise WireError("an expanded tensor beyond the limits")
            tensor = tensor.expand(whole)
        if "as" in node:
            name = str(node["as"])[:100]
            tensor = tensor.as_subclass(type(name, (torch.Tensor,), {}))
        if device.type == "cpu":
            return tensor
        try:
            return tensor.to(device)
        except Exception as error:  # torch has several for a device that is not there
            raise WireError(f"no such device ({type(error).__name__})") from None

    def _sparse(self, node: dict[str, Any]) -> torch.Tensor:
        shape = _sizes(node["s"])
        indices, values = (self._tensor(part) for part in _list(node["v"]))
        if math.prod(shape) * values.dtype.itemsize > MAX_BODY:
            raise WireError("a sparse tensor beyond the limits")
        made = torch.sparse_coo_tensor(indices, values, shape, check_invariants=True)
        return made.coalesce()

    def _with_strides(self, tensor: torch.Tensor, strides: list[int]) -> torch.Tensor:
        """The same values in another layout, where the layout has no gaps and no overlaps worth a copy."""
        if len(strides) != tensor.dim() or tensor.numel() == 0:
            return tensor
        extent = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, strides, strict=True))
        if extent > 16 * tensor.numel() + 4096 or extent < tensor.numel():
            return tensor
        self._gaps -= (extent - tensor.numel()) * tensor.dtype.itemsize
        if self._gaps < 0:
            raise WireError("tensors with gaps beyond the limits")
        return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)

    def _array(self, node: dict[str, Any]) -> "np.ndarray[Any, Any]":
        shape = _sizes(node["s"])
        dtype = np.dtype(_text(node["d"], 4))
        if dtype.kind not in "biufc":
            raise WireError("no array of numbers")
        raw = bytearray(self._take(node["b"], math.prod(shape) * dtype.itemsize))
        if dtype.kind == "b" and bool((np.frombuffer(raw, dtype=np.uint8) > 1).any()):
            raise WireError("a truth value that is neither 0 nor 1")
        flat = np.frombuffer(raw, dtype=dtype)
        return flat.reshape(shape[::-1]).T if node.get("f") else flat.reshape(shape)

    def _named_tuple(self, node: dict[str, Any], depth: int) -> Any:
        items = [self._value(item, depth + 1) for item in _list(node["v"])]
        module, _, name = _text(node["type"], 200).rpartition(".")
        if module == "torch.return_types":
            kind = vars(torch.return_types)[name]
            if not isinstance(kind, type) or not issubclass(kind, tuple):
                raise WireError("no named tuple")
            return kind(items)
        if f"{module}.{name}" in _TUPLES:
            return _TUPLES[f"{module}.{name}"](*items)
        fields = [_text(field, 100) for field in _list(node["fields"])]
        return collections.namedtuple(name, fields)(*items)

    def _take(self, place: Any, count: Any) -> memoryview:
        if type(place) is not int or type(count) is not int or place < 0 or count < 0:
            raise WireError("no place in the body")
        self._left -= count
        if self._left < 0 or place + count > len(self._body):
            raise WireError("more data promised than sent")
        return self._body[place : place + count]


def _address(data: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


def _list(node: Node) -> list[Any]:
    if not isinstance(node, list):
        raise WireError("a list is missing")
    return node


def _text(node: Node, limit: int) -> str:
    if not isinstance(node, str) or len(node) > limit:
        raise WireError("a text is missing or too long")
    return node


def _sizes(node: Node) -> list[int]:
    sizes = _list(node)
    if len(sizes) > MAX_DIMS or any(type(n) is not int or not 0 <= n <= MAX_SIZE for n in sizes):
        raise WireError("no shape")
    return sizes
