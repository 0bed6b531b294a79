"""Messages that are small and cost the judge much: classes, names and hashes that a worker makes up."""

import itertools
import time

import pytest
import torch

from gradus.wall.judge import proxies
from gradus.wall.judge.proxies import Remote, proxy_class
from gradus.wall.wire.decode import MOST_KINDS, Decoder
from gradus.wall.wire.exceptions import Originals
from gradus.wall.wire.kinds import FORWARDED
from gradus.wall.wire.nodes import WireError
from tests.attacks.wire_targets import no_word

SAME_HASH = 2**61 - 1  # multiples of it


def decode(node, body=b""):
    return Decoder(memoryview(bytearray(body)), no_word).value(node)


def named(name):
    return {"$": "named", "type": f"student.{name}", "fields": ["a"], "v": [1]}


def of_class(name):
    return {"$": "tensor", "d": "float32", "s": [0], "b": 0, "as": name}


@pytest.mark.parametrize("make", [named, of_class])
def test_a_class_is_made_once_for_a_message_and_few_are_made(make):
    alike = decode([make("Same")] * 10_000)
    assert len(set(map(type, alike))) == 1
    decode([make(f"T{i}") for i in range(MOST_KINDS)])
    with pytest.raises(WireError, match="classes of their own"):
        decode([make(f"T{i}") for i in range(MOST_KINDS + 1)])


def sets_in_sets(levels, width):
    """Two sets of sets of ... of numbers, all with the same hash, that differ in one number each."""
    numbers = itertools.count(4)
    common = []

    def member(level):
        if level == 0:
            return next(numbers) * SAME_HASH
        return {"$": "frozenset", "v": [*common[level - 1], member(level - 1)]}

    for level in range(levels):
        common.append([member(level) for _ in range(width - 1)])
    return {"$": "set", "v": [member(levels), member(levels)]}


def test_few_alike_on_many_levels_are_refused_at_once():
    begun = time.process_time()
    with pytest.raises(WireError, match="the same hash"):
        decode(sets_in_sets(7, 4))  # a megabyte: 11 seconds, which no signal interrupts
    assert time.process_time() - begun < 5


def test_sets_in_sets_are_well_where_none_are_alike():
    parts = [{"$": "frozenset", "v": [{"$": "frozenset", "v": [i, i + 1]}]} for i in range(100)]
    assert len(decode({"$": "set", "v": parts})) == 100
    alike = {
        "$": "dict",
        "v": [[{"$": "tuple", "v": [i, -1 - j]}, 0] for i in range(9) for j in (0, 1)],
    }
    assert len(decode(alike)) == 18  # hash(-1) == hash(-2)


def test_the_class_of_a_proxy_keeps_no_more_than_it_needs():
    proxies._kinds.clear()
    proxy_class(Remote, "T", "m", None, ["add"] * 100_000)
    proxy_class(Remote, "T", "m", None, ["len", "add"])
    proxy_class(Remote, "T", "m", None, ["add", "len"])
    assert max(map(len, proxies._kinds)) <= 4 + len(FORWARDED)
    assert len(proxies._kinds) == 2


@pytest.mark.parametrize("name", ["x" * 201, torch.zeros(10_000_000), ["T"], None, 7])
def test_the_names_of_a_proxys_class_are_short_texts(name):
    for words in ((name, "m"), ("T", name)):
        with pytest.raises(WireError, match="malformed name"):
            proxy_class(Remote, *words, None, [])


def test_an_exceptions_number_is_no_address():
    originals, errors = Originals(), [ValueError() for _ in range(3)]
    assert [originals.keep(error) for error in errors] == [1, 2, 3]
    assert originals.find(2) is errors[1]
    assert originals.find(id(errors[1])) is None
