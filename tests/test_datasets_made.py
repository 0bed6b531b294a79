"""The data that a kit makes itself: the ring, the grid world and the reviews are what their words say."""

import ast
import random
import runpy
from collections import Counter
from pathlib import Path

import pytest
import torch
from gymnasium.utils.env_checker import check_env

from datasets.gridworld import GOAL, PIT, STARTS, GridWorld, after, reward_of
from datasets.reviews import load_reviews
from datasets.ring import measure_ring, ring_centres, sample_ring

GRADER = Path(__file__).parent.parent / "graders" / "test_dqn.py"


def test_samples_of_the_ring_itself_cover_it():
    coverage = measure_ring(sample_ring(4000, torch.Generator().manual_seed(0)))
    assert coverage.modes == 8
    assert coverage.near == pytest.approx(0.989, abs=0.01)
    assert coverage.smallest == pytest.approx(0.12, abs=0.02)


@pytest.mark.parametrize(
    ("samples", "modes", "near"),
    [
        (torch.zeros(5, 2), 0, 0.0),
        (torch.full((5, 2), torch.nan), 0, 0.0),
        (torch.full((5, 2), torch.inf), 0, 0.0),
        (ring_centres()[:3], 3, 1.0),
        (torch.cat([ring_centres()[:1].repeat(99, 1), ring_centres()[1:2]]), 1, 1.0),
    ],
    ids=["in the middle", "NaN", "infinite", "three modes", "one of a hundred is no mode"],
)
def test_strays_and_lost_modes_are_counted(samples, modes, near):
    coverage = measure_ring(samples)
    assert (coverage.modes, coverage.near, coverage.smallest) == (modes, near, 0.0)


def test_no_sample_covers_nothing_and_is_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        measure_ring(torch.zeros(0, 2))


def test_the_grid_is_an_environment_as_gymnasium_wants_it():
    check_env(GridWorld(), skip_render_check=True)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.99])
def test_the_grids_values_solve_the_bellman_equation(gamma):
    values = runpy.run_path(str(GRADER))["exact_values"](gamma)
    for cell in STARTS:
        for action in range(4):
            there = after(cell, action)
            later = 0.0 if there in (GOAL, PIT) else gamma * values[there].max()
            assert values[cell, action] == pytest.approx(float(reward_of(there) + later), abs=1e-12)


def test_the_grids_time_limit_truncates_and_its_ends_terminate():
    env = GridWorld(limit=3)
    env.reset(seed=0)
    env.cell = 0
    assert [env.step(0)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    env.cell, env.steps = 14, 2
    observation, reward, terminated, truncated, _ = env.step(1)
    assert (observation[GOAL], reward, terminated, truncated) == (1.0, 1.0, True, False)


@pytest.mark.parametrize("language", ["english", "korean", "both"])
def test_reviews_come_in_twins_that_only_their_order_tells_apart(language):
    texts, labels, test_texts, test_labels = load_reviews(3, 400, 100, language)
    for part, answers in ((texts, labels.tolist()), (test_texts, test_labels.tolist())):
        for first, second in zip(range(0, len(part), 2), range(1, len(part), 2), strict=True):
            assert part[first] != part[second]
            assert Counter(part[first].split()) == Counter(part[second].split())
            assert {answers[first], answers[second]} == {0, 1}
    assert len(set(texts) | set(test_texts)) == 500
    korean = sum(any("가" <= letter <= "힣" for letter in text) for text in texts)
    assert {"english": korean == 0, "korean": korean == 400, "both": 100 < korean < 300}[language]


def test_reviews_depend_on_their_seed_alone():
    state = random.getstate()
    once, again, other = load_reviews(5, 20, 10), load_reviews(5, 20, 10), load_reviews(6, 20, 10)
    assert random.getstate() == state
    assert (once[0], once[2]) == (again[0], again[2])
    assert torch.equal(once[1], again[1])
    assert once[0] != other[0]


def test_the_verdicts_of_reviews_are_those_of_their_words():
    texts, labels, _, _ = load_reviews(0, 400, 2, "english")
    good, bad = (
        {"good", "great", "fun", "lovely", "superb"},
        {"bad", "dull", "awful", "boring", "poor"},
    )
    for text, label in zip(texts, labels.tolist(), strict=True):
        parts = text.split(" but ")
        words = (parts[1] if len(parts) == 2 else text.split(" though ")[0]).split()
        assert bool(good & set(words)) != bool(bad & set(words))
        assert label == (bool(good & set(words)) != ("not" in words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((1, 3, 2), "train must be even"),
        ((1, 2, 0), "test must be"),
        ((1, 2, 2, "latin"), "language"),
    ],
)
def test_reviews_that_cannot_be_made_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        load_reviews(*words)


GIVEN = {  # what checks take from `datasets`, which submissions may import: data and rules, no expected values
    *("load_digits_split", "load_reviews", "sample_ring", "measure_ring"),
    *("GridWorld", "CELLS", "MOVES", "STARTS", "after", "reward_of"),
}


def test_checks_take_no_expected_value_from_what_a_submission_may_import():
    taken = set()
    for path in GRADER.parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("datasets"):
                taken |= {alias.name for alias in node.names}
    assert taken == GIVEN
