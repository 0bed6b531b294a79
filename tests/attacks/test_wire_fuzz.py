"""Fuzzing what reads a worker's bytes: values come back as they were, and nonsense ends in `WireError`."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import hypothesis.extra.numpy as numpy_values
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradus.wall.wire.decode import Decoder
from gradus.wall.wire.encode import Encoder
from gradus.wall.wire.nodes import WireError, from_json, to_json
from gradus.wall.wire.snapshot import same_bits
from tests.attacks import wire_targets as targets
from tests.attacks.wire_samples import (
    DTYPES,
    abouts,
    changes,
    exceptions,
    messages,
    nodes,
    sample_heads,
    sample_values,
)

pytestmark = pytest.mark.filterwarnings("ignore")
HERE = Path(__file__).parents[2]
many = settings(
    derandomize=True, deadline=None, max_examples=150, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
some = settings(many, max_examples=100)


def across(value):
    """A value after a journey over the wire."""
    encoder = Encoder(targets.no_word)
    head = to_json(encoder.node(value))
    body = bytearray(b"".join(encoder.buffers))
    assert len(body) == encoder.size
    return Decoder(memoryview(body), targets.no_word).value(from_json(head))


def steps(tensor):
    """The strides that matter."""
    pairs = zip(tensor.stride(), tensor.shape, strict=True)
    return [step for step, size in pairs if size > 1] if tensor.numel() else []


def same(a, b):
    """Whether two values are the same, with type, strides of tensors, and NaN equal to itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return same_bits(a, b) and steps(a) == steps(b)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(map(repr, a)) == list(map(repr, b)) and all(map(same, a.values(), b.values()))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or repr(a) == repr(b)


@st.composite
def tensors(draw):
    """A tensor of any dtype in any layout that a view can have."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    dense = torch.empty(shape, dtype=dtype)
    if dense.numel():
        size = dense.numel() * dtype.itemsize
        raw = draw(st.binary(min_size=size, max_size=size))
        raw = bytes(x % 2 for x in raw) if dtype is torch.bool else raw
        dense = torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)
    kind = draw(st.sampled_from(["dense", "permuted", "expanded", "sliced"]))
    if kind == "permuted" and shape:
        return dense.permute(draw(st.permutations(range(len(shape)))))
    if kind == "expanded":
        return dense.unsqueeze(0).expand(draw(st.integers(2, 3)), *shape)
    if kind == "sliced" and shape:
        return dense.repeat_interleave(2, 0)[::2]
    return dense


hashable = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
)
arrays = numpy_values.arrays(
    st.sampled_from(["f2", "f4", "f8", "i1", "i8", "u4", "?", "c8"]),
    numpy_values.array_shapes(min_dims=0, min_side=0),
)
values = st.recursive(
    st.one_of(hashable, tensors(), arrays, st.just(...), st.sampled_from(DTYPES)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(hashable, inner, max_size=4),
        st.sets(st.integers(), max_size=4),
        st.frozensets(st.text(max_size=3), max_size=4),
        st.builds(slice, st.integers(), st.none(), st.integers()),
        st.builds(range, st.integers(-9, 9), st.integers(-9, 9)),
    ),
    max_leaves=12,
)


@many
@given(values)
def test_values_come_back_as_they_were(value):
    assert same(across(value), value)


@many
@given(tensors())
def test_tensors_come_back_bit_by_bit_with_their_strides(tensor):
    came = across(tensor)
    assert same_bits(came, tensor)
    assert steps(came) == steps(tensor)


@many
@given(st.data())
def test_damaged_messages_are_read_or_refused(data):
    head, body = data.draw(st.sampled_from(sample_heads()))
    whole = bytearray(head + b"\0" + body)
    for place, byte in data.draw(
        st.lists(
            st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=5
        )
    ):
        whole[place] = byte
    cut = data.draw(st.integers(0, len(whole)))
    damaged = bytes(whole[:cut] if data.draw(st.booleans()) else whole)
    head, _, body = damaged.partition(b"\0")
    targets.decode(head, body)
    targets.converse(targets.framed(head, body))


@many
@given(nodes, st.binary(max_size=64))
def test_any_json_is_a_value_or_refused(node, body):
    targets.decode(json.dumps(node).encode(), body)


@some
@given(st.binary(max_size=200), st.binary(max_size=64))
def test_any_bytes_are_a_value_or_refused(head, body):
    targets.decode(head, body)
    targets.receive(head + body)
    targets.converse(head + body)


@some
@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)))
)
def test_any_announcement_of_a_frame_is_kept_or_refused(headers):
    targets.receive(b"".join(targets.FRAME.pack(*header) for header in headers) + b"{}" * 20)


@many
@given(exceptions, st.binary(max_size=32))
def test_any_description_makes_an_exception_or_is_refused(node, body):
    targets.rebuild(json.dumps(node).encode(), body)


@many
@given(changes, st.binary(max_size=64))
def test_any_change_of_shared_tensors_is_made_or_refused(node, body):
    targets.apply(json.dumps(node).encode(), body)


@many
@given(abouts)
def test_any_type_makes_a_proxy_or_is_refused(node):
    targets.proxy(json.dumps(node).encode(), b"")


@some
@given(
    st.lists(messages, min_size=1, max_size=3),
    st.binary(max_size=64),
    st.sampled_from(["function", "load"]),
)
def test_any_answer_is_a_result_an_exception_or_the_end_of_the_worker(heads, body, ask):
    targets.converse(b"".join(targets.framed(head, body) for head in heads), ask=ask)


def test_samples_are_messages():
    for value, (head, body) in zip(sample_values(), sample_heads()[::2], strict=True):
        came = Decoder(memoryview(bytearray(body)), targets.no_word).value(from_json(head))
        assert type(came) is type(value)


GREEDY = [
    {"$": "tensor", "d": "float64", "s": [2**30], "b": 0},
    {"$": "tensor", "d": "float64", "s": [1], "x": [2**40], "b": 0},
    [{"$": "tensor", "d": "complex128", "s": [2], "t": [4000], "b": 0}] * 60_000,
    {"$": "array", "d": "f8", "s": [2**40, 2**20], "b": 0},
    {"$": "bytes", "b": 0, "n": 2**62},
    {"$": "int", "v": "f" * 7_000_000},
    [[]] * 2_000_000,
    {"$": "range", "v": [0, 10**18, 1]},
]


def test_no_message_takes_more_memory_than_the_limits_allow():
    """In a process that may take no more than 3 GB beyond what it has at the start."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.test_wire_fuzz"],
        cwd=HERE, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["done"] * len(GREEDY)


def test_a_fuzzer_that_follows_the_code_finds_nothing():
    pytest.importorskip("atheris")
    done = subprocess.run(
        [sys.executable, "tests/attacks/fuzz_wire.py", "-runs=5000", "-seed=1", "-max_len=400"],
        cwd=HERE, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Done 5000" in done.stderr


if __name__ == "__main__":
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 30), used + (3 << 30)))
    for node in GREEDY:
        try:
            Decoder(memoryview(bytearray(64)), targets.no_word).value(node)
            from_json(to_json(node))
        except WireError:
            pass
        sys.stdout.write("done\n")
