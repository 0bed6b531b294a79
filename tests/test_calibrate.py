"""`gradus calibrate` as the author of a trained check meets it, and the bars that the kit has."""

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from gradus import cli
from gradus.authoring.calibrate import run, workers
from gradus.authoring.calibrate.asked import bars_asked
from gradus.authoring.calibrate.bars import Bar, Sample, reached, sample
from gradus.authoring.calibrate.limits import RIGHT_FAILS, chance_below, lower_limit, round_bar
from gradus.authoring.calibrate.page import page, page_text, picture
from gradus.authoring.calibrate.picture import draw
from gradus.authoring.calibrate.plan import plan_of
from gradus.authoring.calibrate.tables import table_of, write_tables
from gradus.checks.thresholds import AT_LEAST, AT_MOST, read_tables, read_thresholds
from gradus.course import Course, find_course
from gradus.errors import GraderError, GradusError
from tests.kits import GRADER, answers, copy_kit, grade, message, statuses, write_kit

ROOT = Path(__file__).parent.parent

TRAINED = '''

@pytest.mark.task("double")
@pytest.mark.parametrize("size", [300, 400])
def test_doubles_with_noise(submission, random, threshold, device, size):
    """double is close to twice, with noise."""
    for noise in (1.0, 0.2):
        x = random.normal(size)
        y = submission.double(x) + noise * random.normal(size)
        share = (y.sign() == x.sign()).double().mean()
        if threshold.reached(share=share, error=(y - 2 * x).abs().mean()):
            return
    fail(f"expected a share of {threshold('share'):.0%} with an error of {threshold('error'):g}")
'''
MISTAKES = """
from tests.answers import mistake

@mistake("double", "minus", baseline_of=["share", "error"])
def minus(x):
    return -2 * x
"""


def write(folder: Path) -> Course:
    """The small kit with two trained checks, and the answers that they are calibrated with."""
    course = write_kit(
        folder, grader=GRADER.replace("assert_matches,", "assert_matches, fail,") + TRAINED
    )
    mistakes = folder / "tests" / "mistakes" / "demo.py"
    mistakes.parent.mkdir(parents=True)
    mistakes.write_text(MISTAKES, encoding="utf-8")
    for name in ("__init__.py", "answers.py"):
        shutil.copy(ROOT / "tests" / name, folder / "tests" / name)
    (folder / "docs").mkdir()
    page(course).write_text("# Bars\n\nWords.\n", encoding="utf-8")
    return course


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Course:
    """A kit that was calibrated; no test changes it."""
    course = write(tmp_path_factory.mktemp("calibrated") / "kit")
    kept = course.state / "calibration" / "demo.jsonl"
    done = []

    def advance(count: int) -> None:
        done.append(count)
        assert kept.read_text("utf-8").count("\n") == sum(
            done
        )  # each result, as soon as it is there

    run.calibrate(course, "demo", progress=run.Progress(advance=advance))
    return course


@pytest.fixture
def kit(measured, tmp_path, monkeypatch) -> Course:
    """The calibrated kit, for a test of its own."""
    course = copy_kit(measured, tmp_path / "kit")
    shutil.copytree(measured.state / "calibration", course.state / "calibration")
    monkeypatch.chdir(course.root)
    return course


def gradus(*words: str, code: int = 0) -> str:
    """Run a command in this process; returns its output in one line."""
    done = CliRunner().invoke(cli.app, list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def bars(course: Course) -> dict[str, dict]:
    """The tables of the small kit."""
    return read_tables(course.root / "graders" / "thresholds.toml")["demo"]


# What calibrating writes


def test_a_bar_lies_between_right_and_wrong_answers_whichever_way_is_better(measured):
    share, error = bars(measured)["share"], bars(measured)["error"]
    assert (share["direction"], error["direction"]) == (AT_LEAST, AT_MOST)
    assert share["baseline"]["best"] < share["threshold"] < share["min"]
    assert error["max"] < error["threshold"] < error["baseline"]["best"]
    for table in (share, error):
        assert table["seeds"] == 30
        assert table["baseline"]["seeds"] == 30
        assert table["false_fail"] <= RIGHT_FAILS


def test_a_right_answers_values_are_those_of_one_try_and_a_wrong_ones_the_best_of_all(measured):
    error = bars(measured)["error"]
    assert 0.1 < error["min"] < error["max"] < 0.25  # of the second try alone, with noise 0.2
    results = {"case": [{"share": 0.9, "error": 0.5}, {"share": 0.8, "error": 0.1}]}
    signs = {"share": 1, "error": -1}
    assert reached(results, "error", signs, right=True) == 0.5
    assert reached(results, "error", signs, right=False) == 0.1


def test_all_cases_must_pass_so_the_worst_counts():
    results = {"a": [{"share": 0.7}, {"share": 0.9}], "b": [{"share": 0.8}]}
    assert reached(results, "share", {"share": 1}, right=True) == 0.8


def test_the_calibrated_kit_grades_with_its_bars(kit):
    right = grade(kit, answers())
    assert statuses(right)["doubles_with_noise"] == "passed"
    wrong = grade(kit, answers(double="def double(x): return -2 * x"))
    assert statuses(wrong)["doubles_with_noise"] == "failed"
    share = bars(kit)["share"]["threshold"]
    assert f"expected a share of {share:.0%} with" in message(wrong, "doubles_with_noise")


def test_pictures_and_page_show_every_bar(measured):
    text = page(measured).read_text("utf-8")
    assert text.startswith("# Bars\n\nWords.\n\n")
    for name, table in bars(measured).items():
        assert f"### demo.{name}: {table['direction']} {table['threshold']:g}" in text
        drawn = picture(measured, "demo", name).read_text("utf-8")
        assert f"{table['direction']} {table['threshold']:g}" in drawn
        assert f"](thresholds/demo.{name}.svg)" in text


def test_a_table_that_is_not_measured_yet_is_left_out_of_the_page():
    measured = {"demo": {**next(iter(TABLES.values()))}}
    waiting = {**measured, "later": {"bar": {"step": 0.1}}}
    assert page_text("", waiting) == page_text("", measured)


def test_a_run_that_was_killed_goes_on_where_it_was_and_comments_are_no_change(kit):
    for path in (kit.solution("demo"), kit.grader("demo")):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n# a comment\n")
    kept = kit.state / "calibration" / "demo.jsonl"
    lines = kept.read_text("utf-8").splitlines(keepends=True)
    kept.write_text("".join(lines[:-1]) + lines[-1][:50], encoding="utf-8")  # killed while it wrote
    other = (
        kit.root / "python"
    )  # another interpreter is measured too, and its version of torch named
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    other.chmod(0o755)
    done = []
    progress = run.Progress(advance=done.append)
    outcome = run.calibrate(kit, "demo", python=str(other), progress=progress)
    assert done == [len(lines) - 1, 1, run.SEEDS]
    names = ["thresholds.toml", "demo.share.svg", "demo.error.svg", "thresholds.md"]
    assert [path.name for path in outcome.changed] == names
    share = bars(kit)["share"]
    assert share["other_torch"][share["torch"]]["mean"] == share["mean"]


@pytest.mark.parametrize(
    ("python", "words"),
    [("/no/python", "/no/python: cannot be started"), ("/bin/false", "ended with code 1")],
)
def test_an_interpreter_that_cannot_measure_is_named(shared_kit, python, words):
    with pytest.raises(GradusError, match=words):
        workers.Pool(shared_kit, "demo", python)


def test_check_tells_which_bars_hold_and_writes_nothing(kit):
    path = kit.root / "graders" / "thresholds.toml"
    text = path.read_text("utf-8")
    share = bars(kit)["share"]
    text = text.replace(f"threshold = {share['threshold']}", "threshold = 0.999", 1)
    text = text.replace(f"mean = {share['mean']}", "mean = 0.5", 1)
    path.write_text(text, encoding="utf-8")
    out = gradus("calibrate", "--check", "--seeds", "3", "--jobs", "1", code=1)
    assert "fails demo.share, at least 0.999" in out
    assert "the reference reached only 0.9" in out
    assert "the reference has moved" in out
    assert "holds demo.error" in out
    assert "measure anew: gradus calibrate demo" in out
    assert path.read_text("utf-8") == text


def test_authors_comments_and_step_stay_and_tables_that_nobody_asks_for_go(kit):
    path = kit.root / "graders" / "thresholds.toml"
    text = path.read_text("utf-8").replace("[demo.share]", "[demo.share]\n# mine\nstep = 0.0025")
    text = re.sub(r"mean = .*\n", "mean = 0.5\n", text, count=1)
    path.write_text(text + "\n[demo.old]\nthreshold = 1\n", encoding="utf-8")
    table = bars(kit)["share"]
    new = {key: value for key, value in table.items() if key not in ("step", "date", "threads")}
    assert write_tables(path, "demo", {"share": {**new, "mean": 0.75}})
    after = path.read_text("utf-8")
    assert "# mine\nstep = 0.0025" in after
    assert set(bars(kit)) == {"share"}
    assert "threads" not in bars(kit)["share"]
    assert not write_tables(path, "demo", {"share": {**new, "mean": 0.75}})


# What an author is told


def test_too_few_seeds_are_refused(shared_kit):
    with pytest.raises(GradusError, match=r"--seeds: a bar needs at least 30 seeds, got 29"):
        run.calibrate(shared_kit, "demo", seeds=29)
    with pytest.raises(GradusError, match="--python: it measures and writes"):
        gradus("calibrate", "--check", "--python", "python")


def test_an_answer_that_does_not_reach_its_bar_is_named_with_its_message(kit):
    job = workers.Job(
        "an alternative", answers(double="def double(x): 1 / 0"), "test_doubles_with_noise", 7
    )
    with workers.Pool(kit, "demo") as pool:
        with pytest.raises(GraderError) as caught:
            list(pool.run([job]))
        never = replace(job, check="test_affine_learns")
        with pytest.raises(GraderError, match="no value was compared"):
            list(pool.run([never]))
    assert "test_doubles_with_noise, an alternative, seed 7: " in str(caught.value)
    assert "ZeroDivisionError" in str(caught.value)


ASKED = """
import pytest

@pytest.mark.task("a")
def test_a(threshold):
    {}
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ASKED.format("threshold(NAME)"), r"test_demo.py:6: `threshold\(...\)` must name its bars"),
        (ASKED.format("threshold.reached()"), r"`threshold.reached\(...\)` must name"),
        (ASKED.format("threshold.reached(**{})"), r"`threshold.reached\(...\)` must name"),
        (ASKED.format("threshold('a')\n\ndef f(threshold):\n    threshold('b')"), "outside a check"),
        (
            ASKED.format("threshold('x')")
            + ASKED.format("threshold.require('x', 1.0, 'it')").replace("test_a", "test_b"),
            "test_b asks for the bar 'x', which is that of test_a",
        ),
        ("def", "test_demo.py:1: invalid syntax"),
    ],
)  # fmt: skip
def test_bars_that_cannot_be_told_from_the_file_are_refused(tmp_path, text, words):
    path = tmp_path / "test_demo.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GraderError, match=words):
        bars_asked(path)


def marked(*bars: str, about: str = "double: minus") -> dict[str, object]:
    return {"about": about, "source": "", "baseline_of": bars, "trained": False, "tasks": []}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([marked("share")], r"no wrong answer is marked as the baseline of 'error': add `baseline_of"),
        ([marked("shore")], "is the baseline of 'shore', which no check asks for. There are: share"),
        ([marked("share"), marked("share", about="x")], "'share' has two baselines, 'double: minus' and 'x'"),
    ],
)  # fmt: skip
def test_a_bar_without_its_one_baseline_is_refused(measured, answers, words):
    with pytest.raises(GradusError, match=words):
        plan_of(measured, "demo", answers)


def test_a_topic_without_bars_has_nothing_to_calibrate(shared_kit, monkeypatch):
    monkeypatch.chdir(shared_kit.root)
    with pytest.raises(GradusError, match="no check asks for a bar"):
        gradus("calibrate")


def bar(
    right: list[float], wrong: list[float], direction: str = AT_LEAST, step: float = 0.0
) -> Bar:
    """A bar with these values."""
    return Bar(
        "it",
        direction,
        step,
        Sample("right", tuple(right)),
        Sample("wrong", tuple(wrong)),
        (),
        None,
    )


def test_a_bar_holds_for_alternatives_and_other_versions_of_torch_too():
    good, old, plain = (np.linspace(low, low + 0.04, 30) for low in (0.9, 0.7, 0.5))
    alone = bar(good, np.linspace(0.1, 0.14, 10))
    versions = replace(alone, other_torch={"2.0": Sample("torch 2.0", tuple(old))})
    both = replace(versions, alternatives=(Sample("plain SGD", tuple(plain)),))
    limits = [one.hardest()[1].value for one in (alone, versions, both)]
    assert limits == sorted(limits, reverse=True)
    assert both.threshold() < limits[2] < 0.5 < limits[1] < 0.7 < limits[0] < 0.9
    assert both.hardest()[0].about == "plain SGD"
    table = table_of(both, "2.1")
    assert table["alternatives"][0]["min"] == 0.5
    assert table["other_torch"]["2.0"]["seeds"] == 30
    assert "for plain SGD" in table["method"]


def test_without_a_gap_no_bar_is_drawn():
    with pytest.raises(
        GraderError, match=r"it: no bar is safe. Once in 10,000 runs .* \(right: 0.7"
    ):
        bar([0.6, 0.7, 0.8] * 10, [0.3, 0.5, 0.4] * 4).threshold()


def test_values_that_are_no_numbers_are_refused_for_right_answers_and_miss_for_wrong_ones():
    tries = [{"case": [{"loss": value}]} for value in (1.0, 2.0, 3.0, float("nan"))]
    with pytest.raises(GraderError, match="loss: x reached nan with seed 4: it diverged"):
        sample("x", "loss", tries, {"loss": -1}, right=True)
    assert sample("x", "loss", tries, {"loss": -1}, right=False).values == (1.0, 2.0, 3.0)
    with pytest.raises(GraderError, match="nearly always diverges"):
        sample("x", "loss", tries[1:], {"loss": -1}, right=False)


# The statistics


def test_a_limit_is_missed_as_often_as_it_says():
    draws = np.random.default_rng(0)
    missed = [
        draws.normal() < lower_limit(draws.normal(size=30), 0.1, 0.0).value for _ in range(400)
    ]
    assert 0.05 < sum(missed) / 400 < 0.15  # 0.1 with a standard error of 0.015


def test_the_prediction_limit_is_that_of_the_books():
    values = np.linspace(-1.0, 1.0, 30)
    limit = lower_limit(values, 1e-4, 0.0)
    spread = values.std(ddof=1) * (1 + 1 / 30) ** 0.5
    assert limit.value == pytest.approx(stats.t.ppf(1e-4, 29) * spread)
    assert chance_below(values, limit.value, 0.0) == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("values", "sign", "share", "scale"),
    [
        (np.exp(np.random.default_rng(1).normal(size=40)), -1, False, "log"),
        (1 / (1 + np.exp(-2 - np.random.default_rng(2).normal(size=40))), 1, True, "logit"),
        (np.random.default_rng(3).normal(5, 1, size=40), 1, False, "plain"),
    ],
)
def test_of_the_scales_that_fit_the_one_that_leaves_most_room_counts(values, sign, share, scale):
    limit = lower_limit(sign * values, 1e-4, 0.0, sign=sign, share=share)
    assert limit.scale == scale
    assert chance_below(sign * values, limit.value, 0.0, sign=sign, share=share) == pytest.approx(
        1e-4
    )


def test_a_few_bad_seeds_widen_the_worse_side():
    values = [0.95 + 0.001 * n for n in range(27)] + [0.5, 0.55, 0.6]
    limit = lower_limit(values, 1e-4, 0.001)
    assert limit.two_piece
    assert limit.value < np.mean(values) - 4.4 * np.std(values)


def test_a_spread_is_never_taken_to_be_below_half_a_step():
    assert 0.9 < lower_limit([1.0] * 30, 1e-4, 0.005, share=True).value < 1 - 4 * 0.005
    with pytest.raises(GraderError, match=r"all 30 seeds gave 8, .* `step = 0.005`"):
        lower_limit([8.0] * 30, 1e-4, 0.0)
    modes = bar([8.0] * 30, [0.0, 1.0] * 15, step=1.0)
    assert 3 < modes.threshold() < 6
    assert table_of(modes, "2.0")["false_fail"] <= RIGHT_FAILS


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [(0.9, 0.1, 0.4), (0.93, 0.9137, 0.92), (-1.2, -1.46, -1.4), (8e-5, 2e-5, 4e-5)],
)
def test_a_bar_has_few_digits_and_lies_nearer_to_the_wrong_side(right, wrong, expected):
    assert round_bar(right, wrong) == expected


def test_pictures_are_the_same_bytes_in_every_run(tmp_path):
    it = bar([0.9, 0.92, 0.95] * 10, [0.1, 0.2, 0.15])
    it = replace(it, alternatives=(Sample("a & <b>", (0.7, 0.8)),), all_cores=Sample("all", (0.9,)))
    first, second = tmp_path / "a" / "first.svg", tmp_path / "second.svg"
    assert draw(it, 0.5, first)
    assert draw(it, 0.5, second)
    assert first.read_bytes() == second.read_bytes()
    assert not draw(it, 0.5, first)


# Bars while grading


def written(folder: Path, text: str) -> Path:
    path = folder / "thresholds.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_one_try_is_required_with_a_message_that_tells_the_bar(tmp_path):
    text = '[demo.a]\nthreshold = 0.5\ndirection = "at least"\n[demo.b]\nthreshold = 2\ndirection = "at most"'
    threshold = read_thresholds(written(tmp_path, text), "demo")
    assert (threshold("a"), threshold("b")) == (0.5, 2.0)
    assert threshold.reached(a=0.5, b=2.0)
    assert not threshold.reached(a=0.5, b=2.1)
    assert not threshold.reached(a=float("nan"))
    threshold.require("b", 1.9, "a loss")
    with pytest.raises(AssertionError) as caught:
        threshold.require("a", 0.1234567, "a share of right digits", "is it softmax twice?")
    words = "expected a share of right digits of at least 0.5, got 0.1235; is it softmax twice?"
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"\[demo.a\]: there is no such table. Run `gradus calibrate demo`."),
        ("[demo]\na = 1", r"\[demo.a\]: there is no such table"),
        ("demo = 1", "`demo` must be a table of bars, got 1"),
        ("[demo.a]\nx = 1", "`threshold` must be a number, got None"),
        ("[demo.a]\nthreshold = nan", "`threshold` must be a number, got nan"),
        ("[demo.a]\nthreshold = true", "`threshold` must be a number, got True"),
        ("[demo.a]\nthreshold = 1", '`direction` must be "at least" or "at most", got None'),
        ("[demo.a", r"thresholds.toml: cannot be read \("),
    ],
)
def test_a_damaged_bar_is_the_graders_fault_and_told_with_its_place(tmp_path, text, words):
    with pytest.raises(GraderError, match=words):
        read_thresholds(written(tmp_path, text), "demo")("a")


# The bars of this kit


COURSE = find_course(Path(__file__).parent)
TABLES = read_tables(COURSE.root / "graders" / "thresholds.toml")


def test_every_bar_that_a_check_asks_for_is_there_and_no_other():
    asked = {topic: set(bars_asked(COURSE.grader(topic))) for topic in COURSE.topics}
    assert {topic: set(tables) for topic, tables in TABLES.items()} == {
        topic: names for topic, names in asked.items() if names
    }
    there = {path.name for path in (COURSE.root / "docs" / "thresholds").glob("*")}
    assert there == {f"{topic}.{name}.svg" for topic, names in asked.items() for name in names}


@pytest.mark.parametrize(
    ("topic", "name"), [(topic, name) for topic, tables in TABLES.items() for name in tables]
)
def test_every_bar_is_measured_and_keeps_its_promises(topic, name):
    table = TABLES[topic][name]
    sign = 1 if table["direction"] == AT_LEAST else -1
    worst = "min" if sign > 0 else "max"
    assert table["false_fail"] <= RIGHT_FAILS
    for right in (table, *table.get("alternatives", []), *table.get("other_torch", {}).values()):
        assert right["seeds"] >= run.SEEDS
        assert sign * right[worst] > sign * table["threshold"]
    assert sign * table["baseline"]["best"] < sign * table["threshold"]
    assert table["baseline"]["seeds"] >= run.SEEDS


def test_the_page_shows_the_bars_as_they_are():
    text = page(COURSE).read_text("utf-8")
    assert page_text(text, TABLES) == text, "docs/thresholds.md is stale; run `gradus calibrate`"
