"""Cheats that forge points: behind the wall they earn nothing, and win where there is none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gradus.grading.selection import SECONDS
from gradus.wall.judge.host import BEGIN_SECONDS, Host
from tests.attacks.attacked_kit import RIGHT, TASKS, WRONG, write_attacked_kit
from tests.attacks.forging import IN_PROCESS, NOWHERE, Cheat, grade_text
from tests.attacks.forging_containers import CONTAINERS
from tests.attacks.forging_ends import ENDS
from tests.attacks.forging_lasting import LASTING
from tests.attacks.forging_lies import LIES
from tests.attacks.forging_looks import LOOKS
from tests.attacks.forging_modules import MODULES
from tests.attacks.forging_numbers import NUMBERS
from tests.attacks.forging_patches import PATCHES
from tests.attacks.forging_talk import TALK
from tests.attacks.forging_tensors import TENSORS
from tests.attacks.forging_wire import WIRE

NEW: list[Cheat] = [*CONTAINERS, *NUMBERS, *TENSORS, *MODULES, *LASTING]
CHEATS: list[Cheat] = [*PATCHES, *LIES, *LOOKS, *ENDS, *WIRE, *TALK, *NEW]
HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The kit that is attacked."""
    return write_attacked_kit(tmp_path_factory.mktemp("attacked") / "kit")


@pytest.fixture(scope="module")
def without_a_wall(course):
    """Points by cheat and task where judge and cheat share a process."""
    names = [cheat.name for cheat in CHEATS if cheat.wins == IN_PROCESS]
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.forging", str(course.root), *names],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout)


def test_right_answers_earn_all_points_and_wrong_ones_none(course):
    for text, points in ((RIGHT, 2), (WRONG, 0)):
        for words in ([], ["--isolated"]):
            earned, _ = grade_text(course, text, TASKS, *words)
            assert earned == {"honest": 1, **dict.fromkeys(TASKS, points)}


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch):
    """A worker that does not answer is waited for less long than in a class."""
    monkeypatch.setattr("gradus.wall.judge.host.BEGIN_SECONDS", 1.0)


@pytest.mark.parametrize("cheat", CHEATS, ids=str)
def test_earns_nothing_behind_the_wall(course, cheat):
    earned, result = grade_text(course, WRONG + cheat.text, cheat.tasks, "--isolated")
    assert earned == {task.name: task.earned for task in result.tasks}  # the report is as told
    assert {task: earned[task] for task in cheat.tasks} == dict.fromkeys(cheat.tasks, 0)
    assert earned["honest"] == (0 if cheat.costs_honest else 1)


@pytest.mark.parametrize(
    "cheat", [c for c in CHEATS if c.name.startswith("a check's begin")], ids=str
)
def test_a_worker_that_does_not_begin_is_replaced_before_the_check_calls_it(
    course, cheat, monkeypatch
):
    started = []
    start = Host._start
    monkeypatch.setattr(Host, "_start", lambda host: started.append(host) or start(host))
    earned, _ = grade_text(course, RIGHT + cheat.text, TASKS, "--isolated")
    assert earned == {"honest": 1, **dict.fromkeys(TASKS, 2)}  # no check is charged for it
    assert len(started) > 2


def test_a_check_has_time_left_when_its_worker_has_not_begun():
    assert 2 * BEGIN_SECONDS <= SECONDS


@pytest.mark.parametrize("cheat", [c for c in CHEATS if c.wins == IN_PROCESS], ids=str)
def test_wins_where_there_is_no_wall(without_a_wall, cheat):
    earned = without_a_wall[cheat.name]
    assert {task: earned.get(task) for task in cheat.tasks} == dict.fromkeys(cheat.tasks, 2)


def test_cheats_have_names_of_their_own():
    assert len({cheat.name for cheat in CHEATS}) == len(CHEATS) >= 280


def test_a_new_cheat_without_a_control_says_why():
    assert all(cheat.why for cheat in NEW if cheat.wins == NOWHERE)
