"""A case's time limit for a class: many times what the reference takes, and never more than the check's own."""

import pytest

from gradus.course import Course
from gradus.engine import limits as limits_in
from gradus.engine.apart import SPAWN, can_fork, grade_apart
from gradus.engine.limits import LEAST_SECONDS, TIMES, limits
from gradus.grading.options import case_limits
from tests.kits import GRADER, POINTS, SOLUTION, answers, earned, message, statuses, write_kit

SLEEPS = 0.4
SLOW = SOLUTION.replace(
    "    return 2 * x", f"    __import__('time').sleep({SLEEPS})\n    return 2 * x"
)
LONG = GRADER.replace(
    '@pytest.mark.task("double", points=2', '@pytest.mark.timeout(60)\n@pytest.mark.task("double", points=2'
).replace('@pytest.mark.task("Affine"', '@pytest.mark.timeout(1)\n@pytest.mark.task("Affine"')  # fmt: skip


@pytest.fixture(scope="module")
def slow_kit(tmp_path_factory) -> Course:
    """The reference takes its time for `double`, whose first check may take 60 s; those of `Affine` 1 s."""
    return write_kit(tmp_path_factory.mktemp("slow") / "kit", solution=SLOW, grader=LONG)


@pytest.fixture(scope="module")
def measured(slow_kit) -> dict[str, float]:
    """Limits by the name of the case."""
    return {node.partition("::test_")[2]: s for node, s in limits(slow_kit, "demo").items()}


def test_a_case_may_take_many_times_what_the_reference_takes(measured):
    assert TIMES * SLEEPS <= measured["twice_every_number[1]"] < 60


def test_cases_of_a_check_have_the_same_limit(measured):
    assert measured["twice_every_number[1]"] == measured["twice_every_number[4]"]
    assert measured["one_mean_for_each_row[cpu]"] == measured["one_mean_for_each_row[simulated]"]


def test_hidden_cases_have_one_too_and_none_has_less_than_is_needed_for_a_slow_start(measured):
    assert measured["rows_of_one"] >= LEAST_SECONDS
    assert measured["one_mean_for_each_row[cpu]"] >= LEAST_SECONDS


def test_a_check_s_own_limit_is_never_raised(measured):
    assert measured["affine_computes"] == 1
    assert all(seconds <= 10 for name, seconds in measured.items() if "twice" not in name)


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """The topics whose reference is run from here on, by processes that know nothing yet."""
    ran: list[str] = []
    run = limits_in.grade_spawned

    def count(course, topic, *words, **options):
        ran.append(topic)
        return run(course, topic, *words, **options)

    monkeypatch.setattr(limits_in, "grade_spawned", count)
    return ran


def forget(monkeypatch) -> None:
    monkeypatch.setattr(limits_in, "_known", {})


def test_the_reference_is_run_once_and_again_when_the_grader_changes(kit, counted, monkeypatch):
    first = limits(kit, "demo", isolated=False)
    forget(monkeypatch)
    assert limits(kit, "demo", isolated=False) == first
    assert counted == ["demo"]
    (kit.state / "limits" / "demo.json").write_text("{", encoding="utf-8")
    forget(monkeypatch)
    assert set(limits(kit, "demo", isolated=False)) == set(first)
    assert len(counted) == 2
    grader = kit.grader("demo").read_text(encoding="utf-8")
    kit.grader("demo").write_text(grader.replace("test_rows_of_one", "test_ones"), encoding="utf-8")
    assert "graders/test_demo.py::test_ones" in limits(kit, "demo", isolated=False)
    assert len(counted) == 3


def test_own_limits_hold_without_a_reference_and_where_it_fails(kit):
    text = kit.solution("demo").read_text(encoding="utf-8")
    kit.solution("demo").write_text(text.replace("return 2 * x", "return 3 * x"), encoding="utf-8")
    found = limits(kit, "demo", isolated=False)
    assert not [node for node in found if "twice" in node]
    assert [node for node in found if "affine" in node]
    kit.solution("demo").unlink()
    assert limits(kit, "demo", isolated=False) == {}


MODES = ["behind the wall", "started", "forked"]


@pytest.mark.parametrize("mode", MODES)
def test_a_hang_costs_little_and_a_slow_answer_no_points(shared_kit, tmp_path, monkeypatch, mode):
    if mode == "started" or not can_fork():
        monkeypatch.setenv(SPAWN, "1")
    path = tmp_path / "demo.py"
    slow = "def double(x):\n    __import__('time').sleep(0.5)\n    return 2 * x"
    hangs = "def row_means(table):\n    while True: pass"
    path.write_text(answers(double=slow, row_means=hangs), encoding="utf-8")
    isolated = mode == "behind the wall"
    result = grade_apart(
        shared_kit, "demo", path, hidden=True, isolated=isolated, measured=True
    ).topic("demo")
    assert earned(result) == {**POINTS, "row_means": 0}
    assert statuses(result)["rows_of_one"] == "timeout"
    seconds = limits(shared_kit, "demo", isolated=isolated)[
        "graders/test_demo.py::test_rows_of_one"
    ]
    assert seconds < 10
    assert f"stopped after {seconds}s: is there an endless loop?" in message(result, "rows_of_one")


def test_a_plain_run_has_the_checks_own_limits(pytestconfig):
    assert case_limits(pytestconfig) == {}
