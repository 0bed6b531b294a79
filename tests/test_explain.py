"""`gradus explain` and `gradus replay`: what an instructor asks of them, and what is asked wrongly."""

import codecs
import unicodedata

import pytest
from typer.testing import CliRunner

from gradus import cli
from gradus.errors import GradusError
from tests.kits import answers, write_kit
from tests.terminal import NEEDS_TMUX, Terminal
from tests.test_cli import gradus

PER_SECOND = "def double(x):\n    import time\n    raise RuntimeError(f'at {time.time_ns()}')"
LOUD = "def double(x):\n    raise ValueError('[bold]:smile:[/bold] \\x1b[2J \\u202e')"
KOREAN = "김민준"
CLASS = {
    "ann": answers(double=LOUD),
    "smithjane_12345": answers(double="def double(x:\n    return x", row_means=""),
    "smithjohn_12346": answers(row_means="def row_means(t): return t"),
    unicodedata.normalize("NFD", KOREAN): answers(),
    "chance": answers(double="import os\n\n\ndef double(x): return 1 // (os.urandom(1)[0] % 2)"),
    "time": answers(double=PER_SECOND),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A kit with a class that is graded, and the working folder in it."""
    course = write_kit(tmp_path_factory.mktemp("class") / "kit")
    for student, text in CLASS.items():
        (course.root / "in" / student).mkdir(parents=True)
        (course.root / "in" / student / "demo.py").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(course.root)
        gradus("grade", "in", "--allow-unsandboxed")
        yield course


def test_words_of_a_student_are_shown_as_they_are_and_steer_nothing(graded):
    out = gradus("explain", "ann", "double")
    assert r"ValueError: [bold]:smile:[/bold] \x1b[2J \u202e" in out


def test_what_was_not_loaded_stands_under_its_label(graded):
    out = gradus("explain", "smithjane_12345", "demo")
    assert "\n  not loaded demo.py:15: SyntaxError: '(' was never closed\n" in out
    assert "\n                 def double(x:\n" in out


def test_hidden_checks_take_no_more_than_there_is(graded):
    out = gradus("explain", "smithjohn_12346", "row_means")
    assert "row_means: 0 of 2, 2 lost\n" in out
    assert "-1  hidden, failed: A row of one number is its own mean." in out


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("smithjane", "Is 'smithjane_12345' meant?"),
        ("Smith", "Is 'smithjane_12345' or 'smithjohn_12346' meant?"),
        ("smithjnae_12345", "Is 'smithjane_12345' or 'smithjohn_12346' meant?"),
        ("ANN", "Is 'ann' meant?"),
        ("zoe", "There are: ann, chance, smithjane_12345, smithjohn_12346, time, "),
        ("", "There are: ann, chance, smithjane_12345"),
    ],
)
def test_a_student_who_has_no_grade_is_told_with_who_comes_near(graded, asked, words):
    for command in ("explain", "replay"):
        with pytest.raises(GradusError) as error:
            gradus(command, asked, "demo")
        assert f"gradus-grades.db: nobody called {asked!r} has a grade. {words}" in str(error.value)
        assert "is named by gradus grade, with the reason" in str(error.value)


def test_a_name_is_found_in_either_form_of_its_letters(graded):
    for form in ("NFC", "NFD"):
        assert "demo: 7 of 7 points" in gradus(
            "explain", unicodedata.normalize(form, KOREAN), "demo"
        )


def test_a_task_or_topic_that_is_misspelled_is_told(graded):
    for words in (["explain", "ann", "demo.duoble"], ["replay", "ann", "demo.duoble"]):
        with pytest.raises(GradusError, match=r"demo: no task 'duoble'. Is demo.double meant\?"):
            gradus(*words)
    with pytest.raises(GradusError, match=r"Is demo meant\?"):
        gradus("replay", "ann", "dmeo")


def test_before_anybody_is_graded_that_is_said(graded):
    (graded.root / "none").mkdir()
    gradus("grade", "none", "--allow-unsandboxed", "--store", "new.db", code=1)
    with pytest.raises(GradusError, match=r"new.db: nobody has a grade yet. Run gradus grade."):
        gradus("explain", "ann", "demo", "--store", "new.db")


def test_other_words_are_no_other_mark(graded):
    out = gradus("replay", "time", "demo.double")
    assert "time, demo: graded again with the same seed, and every check agrees." in out
    assert "note: some messages have other words" in out


def test_a_replay_with_other_checks_says_so(graded):
    path = graded.grader("demo")
    grader = path.read_text("utf-8")
    changed = grader.replace("2 * x, suspects", "3 * x, suspects")
    assert changed != grader
    path.write_text(changed, "utf-8")
    try:
        out = gradus("replay", KOREAN, "demo", code=1)
    finally:
        path.write_text(grader, "utf-8")
    assert "graded again with the same seed, and not every check agrees." in out
    assert "points: 7, 5 now" in out
    assert "test_twice_every_number: passed now broken" in out  # the reference fails it too
    assert "note: the checks, the reference, the data or --limit are not those of the mark" in out


def test_an_answer_that_differs_each_time_is_told_from_other_checks(graded):
    for _ in range(12):  # a third agree by chance
        out = CliRunner().invoke(cli.app, ["replay", "chance", "demo"]).output
        if "not every check agrees" in out:
            break
    assert " now " in out
    assert "note: nothing else has changed: the answer gives other results each time" in out


@NEEDS_TMUX
def test_on_a_terminal_no_word_is_cut(graded):
    with Terminal(graded.root, 40) as terminal:
        screen = terminal.run("gradus explain smithjane_12345 demo.double", "double: 0 of 3")
    assert "isolation" in screen
    assert (
        "\n -2  error: double gives two times every number.\n     problem  demo.py:15: " in screen
    )
    words = {word for line in screen.splitlines() for word in line.split()}
    out = gradus("explain", "smithjane_12345", "demo.double")
    assert set(out.split()) <= words


def test_a_check_that_nobody_passes_is_said_with_what_to_do(tmp_path, monkeypatch):
    course = write_kit(tmp_path / "kit")
    squared = answers(double="def double(x): return x**2")
    for student in range(5):
        (course.root / "in" / str(student)).mkdir(parents=True)
        (course.root / "in" / str(student) / "demo.py").write_text(squared, encoding="utf-8")
    monkeypatch.chdir(course.root)
    out = gradus("grade", "in", "--allow-unsandboxed")
    assert "  5 of 5 fail  double: double gives two times every number.\n" in out
    command = "gradus check demo --submission solutions/demo.py --hidden"
    assert (
        f"nobody passes  double gives two times every number. Does the reference? {command}" in out
    )
    assert "7 of 7 points" in gradus(*command.split()[1:])


def test_points_that_cannot_be_written_are_not_lost(graded):
    words = ["grade", "in", "--allow-unsandboxed", "--csv"]
    with pytest.raises(
        GradusError, match=r"nowhere.*: cannot be written .* What is graded is kept"
    ):
        gradus(*words, "nowhere/points.csv")
    assert f"{len(CLASS)} are graded already" in gradus(*words, "points.csv")


def test_names_are_text_in_a_spreadsheet(graded):
    for name in ("=1+1", "\uff1d1", "a;=2", "-b", "@c"):
        (graded.root / "formulas" / name).mkdir(parents=True)
        (graded.root / "formulas" / name / "demo.py").write_text(answers(), encoding="utf-8")
    gradus("grade", "formulas", "--allow-unsandboxed", "--csv", "points.csv", "--store", "names.db")
    data = (graded.root / "points.csv").read_bytes()
    rows = data.removeprefix(codecs.BOM_UTF8).decode("utf-8").splitlines()
    assert data.startswith(codecs.BOM_UTF8)
    assert rows[0] == '"student","demo","total"'
    assert sorted(rows[1:]) == sorted(
        f'"{name}",7,7' for name in ("'=1+1", "'\uff1d1", "a;=2", "'-b", "'@c")
    )
