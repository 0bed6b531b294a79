"""Random values of checks: repeatable from the grade's seed, and no way back to it from what is seen."""

import zlib
from pathlib import Path

import pytest
import torch

from gradus.checks.random_source import INPUTS, TORCH, RandomSource
from gradus.grading.report_file import read_report
from tests.kits import answers, message

NAME = "test_demo.py::test_it"
DRAWS = {
    "normal": lambda source: source.normal(3, 4),
    "uniform": lambda source: source.uniform(5, low=-1.0, high=2.0),
    "integers": lambda source: source.integers(0, 100, 6),
    "permutation": lambda source: source.permutation(9),
    "seed": lambda source: torch.tensor(source.seed()),
    "generator": lambda source: torch.tensor(source.generator().initial_seed()),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_gives_the_same_values_and_anything_else_gives_others(name):
    draw = DRAWS[name]
    first = draw(RandomSource(2**127 + 5, NAME))
    assert torch.equal(draw(RandomSource(2**127 + 5, NAME)), first)
    for other in (
        RandomSource(2**127 + 6, NAME),
        RandomSource(5, NAME),  # the low bits alone do not decide
        RandomSource(2**127 + 5, NAME + "[1]"),
        RandomSource(2**127 + 5, NAME, TORCH),
    ):
        assert not torch.equal(draw(other), first)


@pytest.mark.parametrize("name", DRAWS)
def test_two_draws_of_a_source_differ(name):
    source = RandomSource(0, NAME)
    assert not torch.equal(DRAWS[name](source), DRAWS[name](source))


def test_values_are_what_they_are_called():
    source = RandomSource(1, NAME)
    values, shares = source.normal(40_000), source.uniform(40_000, low=2.0, high=4.0)
    assert abs(float(values.mean())) < 0.03
    assert float(values.std()) == pytest.approx(1.0, abs=0.03)
    assert float(shares.min()) >= 2.0
    assert float(shares.max()) < 4.0
    assert float(shares.mean()) == pytest.approx(3.0, abs=0.03)
    assert set(source.integers(2, 5, 200).tolist()) == {2, 3, 4}
    assert sorted(source.permutation(20).tolist()) == list(range(20))
    assert all(0 <= source.seed() < 2**31 for _ in range(100))
    assert source.normal(2, dtype=torch.float64).dtype == torch.float64


def test_neither_part_of_the_names_runs_into_the_next_one():
    one = RandomSource(1, "2", "inputs").seed()
    assert one != RandomSource(12, "", "inputs").seed()
    assert one != RandomSource(1, "2inputs", "").seed()


def known_search(seen: int, name: str, limit: int) -> list[int]:
    """The search that found seeds when a check's generator was `crc32(name) ^ seed * constant`."""
    found = []
    for seed in range(limit):
        start = zlib.crc32(name.encode()) ^ (seed * 0x9E3779B1 % 2**62)
        old = torch.Generator().manual_seed(start)
        if int(torch.randint(0, 2**31 - 1, (), generator=old)) == seen:
            found.append(seed)
    return found


def test_the_known_search_finds_nothing_from_torchs_own_seed():
    for seed in (3, 77, 4000):
        assert known_search(RandomSource(seed, NAME, TORCH).seed(), NAME, 5000) == []


def test_a_generator_that_was_found_gives_no_other_draw():
    """A submission that finds the state behind one draw, by trying all 2**32, has that draw alone."""
    source = RandomSource(2**100, NAME)
    for draw in (source.normal, source.uniform):
        first, later = draw(1000), draw(1000)
        # What one continued stream would have given after the first draw, at any near offset:
        streams = first.tolist()
        assert not set(streams) & set(later.tolist())
    states = {RandomSource(2**100, NAME)._next().get_state().numpy().tobytes()}
    for seed in range(200):
        states.add(
            RandomSource(2**100 + seed, f"{NAME}{seed}")._next().get_state().numpy().tobytes()
        )
    assert len(states) == 201


SEEN = """
def double(x):
    import torch
    raise ValueError(f"{torch.initial_seed()} {float(x.flatten()[0]):.6f}")
"""


@pytest.mark.parametrize("isolated", [False, True], ids=["in-process", "isolated"])
def test_what_a_submission_sees_is_not_of_the_inputs_stream(graded, isolated):
    text = answers(double=SEEN)
    seed = 2**127 + 11
    options = [f"--gradus-seed={seed}", *(["--isolated"] if isolated else [])]
    once, again = (message(graded(text, *options), "twice_every_number") for _ in range(2))
    assert once == again  # a grade can be taken again
    word = once.partition("ValueError: ")[2].split()[0]
    assert word.isdigit()
    names = [f"test_demo.py::test_twice_every_number[{size}]" for size in (0, 1, 2, 3, 4, 5, 7)]
    assert word in {str(RandomSource(seed, name, TORCH).seed()) for name in names}
    assert word not in {str(RandomSource(seed, name, INPUTS).seed()) for name in names}
    assert read_report(Path("report.json")).seed == seed
