"""pytest's gradus plugin as a student and an instructor meet it: `pytest graders/...` and its options."""

import json
from pathlib import Path

import pytest

from gradus.grading.report_file import read_report
from tests.kits import (
    CASES,
    POINTS,
    answers,
    code_cells,
    earned,
    message,
    notebook,
    statuses,
)

WRONG_MEANS = "def row_means(table): return table.mean()"
WRONG_FOR_ONE = "def row_means(table): return table.mean(1) if table.shape[1] > 1 else table"


def test_without_options_the_exercise_is_graded(kit, run_pytest):
    run_pytest("--gradus-report=report.json").assert_outcomes()
    assert earned(read_report(Path("report.json")).topic("demo")) == dict.fromkeys(POINTS, 0)
    kit.exercise("demo").write_text(answers(), encoding="utf-8")
    run_pytest("--gradus-report=report.json").assert_outcomes(passed=CASES, deselected=1)
    topic = read_report(Path("report.json")).topic("demo")
    assert (earned(topic), topic.submission) == (POINTS, "exercises/demo.py")


@pytest.mark.parametrize("place", ["one.py", "handed_in", "one.ipynb"])
def test_a_submission_is_a_file_a_folder_or_a_notebook(kit, run_pytest, place):
    (kit.root / "handed_in").mkdir()
    (kit.root / "handed_in" / "demo.py").write_text(answers(), encoding="utf-8")
    (kit.root / "one.py").write_text(answers(), encoding="utf-8")
    (kit.root / "one.ipynb").write_text(notebook(*code_cells(answers())), encoding="utf-8")
    run_pytest(f"--submission={place}", "--gradus-report=report.json").assert_outcomes(
        passed=CASES, deselected=1
    )
    assert earned(read_report(Path("report.json")).topic("demo")) == POINTS


EVERY_STATUS = '''\
import pytest


@pytest.mark.task("double")
def test_passes(submission):
    """Right."""


@pytest.mark.task("double")
def test_fails(submission):
    """Wrong."""
    assert submission.double(1) == 3, "not three"


@pytest.mark.task("double")
def test_raises(submission):
    """It raises."""
    submission.double(None)


@pytest.mark.task("double")
@pytest.mark.timeout(2)
def test_hangs(submission):
    """It hangs."""
    submission.double("hang")


@pytest.mark.task("row_means")
def test_is_a_stub(submission):
    """It is a stub."""
    submission.row_means(1)


@pytest.mark.task("row_means")
def test_cannot_use_the_answer(submission):
    """The check cannot use the answer, but the reference's."""
    submission.double(1).bit_length()


@pytest.mark.task("Affine")
def test_is_broken(submission):
    """The check fails for the reference too."""
    return undefined_name


@pytest.mark.task("Affine")
def test_is_skipped(submission):
    """The check needs what is not here."""
    pytest.skip("no GPU")


@pytest.mark.task("Affine")
def test_cleans_up_badly(submission, request):
    """What follows the check fails."""
    request.addfinalizer(lambda: 1 / 0)
'''


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("raise NotImplementedError('TODO: double')", "todo"),
        ("raise NotImplementedError", "todo"),
        ("return torch.ones(2, 3, dtype=torch.int).log_softmax(1)", "error"),
    ],
)
def test_only_the_students_own_line_says_todo(graded, body, status):
    topic = graded(answers(double=f"def double(x):\n    {body}"), "--task=double")
    assert statuses(topic)["twice_every_number"] == status


def test_every_status_is_told_apart(kit, graded):
    kit.grader("demo").write_text(EVERY_STATUS, encoding="utf-8")
    double = "def double(x):\n    while x == 'hang': pass\n    return 2.0 * x"
    stub = "def row_means(table): raise NotImplementedError('TODO: row_means')"
    topic = graded(answers(double=double, row_means=stub))
    assert statuses(topic) == {
        "passes": "passed",
        "fails": "failed",
        "raises": "error",
        "hangs": "timeout",
        "is_a_stub": "todo",
        "cannot_use_the_answer": "failed",
        "is_broken": "broken",
        "is_skipped": "not run",
        "cleans_up_badly": "broken",
    }
    assert earned(topic) == {"double": 1, "row_means": 0, "Affine": 0}
    assert not topic.complete
    assert "problem not three" in message(topic, "fails")
    assert "could not go on with this: AttributeError" in message(topic, "cannot_use_the_answer")
    assert "It is not your fault." in message(topic, "is_broken")


def test_a_parametrized_check_is_all_or_nothing(graded):
    topic = graded(answers(double="def double(x): return 2 * x if len(x) == 1 else x"))
    assert earned(topic)["double"] == 1  # of 3; the other check's
    assert [case.status.value for case in topic.checks()[0].cases] == ["passed", "failed"]


def test_a_hidden_check_is_neither_run_nor_told_without_the_option(graded):
    topic = graded(answers(row_means=WRONG_FOR_ONE))
    assert "rows_of_one" not in statuses(topic)
    assert topic.complete
    assert earned(topic) == POINTS


def test_a_hidden_check_takes_points_away_and_adds_none(graded):
    topic = graded(answers(row_means=WRONG_FOR_ONE), "--hidden")
    assert statuses(topic)["rows_of_one"] == "failed"
    assert earned(topic) == {**POINTS, "row_means": 1}
    assert {task.name: task.possible for task in topic.tasks} == POINTS
    assert "rows_of_one" not in statuses(topic.visible())
    assert "--hidden" in message(topic, "rows_of_one")
    assert earned(graded(answers(), "--hidden")) == POINTS
    assert earned(graded(answers(row_means=WRONG_MEANS), "--hidden"))["row_means"] == 0


def test_one_task_can_be_picked(graded):
    topic = graded(answers(double="def double(x): return x"), "--task=row_means", "--task=Affine")
    assert statuses(topic)["twice_every_number"] == "not run"
    assert earned(topic) == {**POINTS, "double": 0}
    assert not topic.complete


def test_an_unknown_task_is_refused_with_those_there_are(run_pytest):
    run = run_pytest("--task=doubel")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines(["*no task 'doubel' here. There are: double, row_means, Affine."])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("-x", {"twice_every_number": "passed", "one_mean_for_each_row": "failed", "affine_learns": "not run"}),
        ("-k=affine", {"affine_learns": "passed", "twice_every_number": "not run"}),
        ("graders/test_demo.py::test_affine_learns", {"affine_learns": "passed", "affine_computes": "not run"}),
        ("graders/test_demo.py::test_twice_every_number[4]", {"twice_every_number": "not run"}),
    ],
)  # fmt: skip
def test_a_partial_run_leaves_the_rest_as_not_run(graded, word, expected):
    topic = graded(answers(row_means=WRONG_MEANS), word)
    assert {name: statuses(topic)[name] for name in expected} == expected
    assert not topic.complete


def test_a_seed_changes_the_inputs_and_stands_in_the_report(graded):
    wrong = answers(double="def double(x): return 3 * x")
    first = message(graded(wrong), "twice_every_number")
    assert message(graded(wrong, "--gradus-seed=0"), "twice_every_number") == first
    other = message(graded(wrong, "--gradus-seed=7"), "twice_every_number")
    assert read_report(Path("report.json")).seed == 7
    assert other.endswith("--gradus-seed 7")
    assert other.partition("expected")[2].split()[0] != first.partition("expected")[2].split()[0]


def test_without_the_reference_an_unusable_answer_is_taken_to_be_wrong(kit, graded):
    kit.grader("demo").write_text(EVERY_STATUS, encoding="utf-8")
    kit.solution("demo").unlink()
    topic = graded(answers(), "-k", "broken")
    assert statuses(topic)["is_broken"] == "failed"


def test_a_warning_is_no_wrong_answer(graded, recwarn):
    text = "import warnings\ndef double(x):\n    warnings.warn('careful', DeprecationWarning)\n    return 2 * x"
    assert earned(graded(answers(double=text))) == POINTS


def test_two_processes_give_the_same_report_as_one(graded):
    def comparable() -> object:
        data = json.loads(Path("report.json").read_text(encoding="utf-8"))
        data.pop("created")
        for task in data["topics"][0]["tasks"]:
            for check in task["checks"]:
                check["cases"] = sorted(
                    ({**case, "seconds": 0} for case in check["cases"]), key=lambda case: case["id"]
                )
        return data

    text = answers(double="def double(x): return x**2", row_means=WRONG_FOR_ONE)
    graded(text, "--hidden")
    alone = comparable()
    graded(text, "--hidden", "-n2")
    assert comparable() == alone


def test_results_of_a_submission_are_not_remembered(kit, graded):
    graded(answers())
    assert not (kit.root / ".gradus").exists()
