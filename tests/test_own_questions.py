"""What an instructor adds to an nbgrader course, or changes in it: questions, tests, points, assignments."""

import csv
import signal
import subprocess
import sys
from dataclasses import dataclass

import nbformat
import pytest
from nbgrader.api import Gradebook

from gradus.classroom.demo import nbgrader_environment
from gradus.sandbox.levels import Level, probe_level
from tests.nbgrader_course import Classroom, cell_of, filled, right_answers
from tests.test_cli import gradus

pytestmark = pytest.mark.skipif(
    probe_level().level is not Level.SANDBOX, reason="this machine has no sandbox"
)
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PARTIAL = """\
score = 0
if double(2) == 4:
    score += 1
if double(3) == 6:
    score += 3
score"""
ASSERT = """\
assert double(1) == 2
### BEGIN HIDDEN TESTS
assert row_means is not None
### END HIDDEN TESTS"""
PLOT = """\
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
print("it goes up")"""
CELLS = {
    "own-test": (PARTIAL, {"grade": True, "locked": True, "points": 4}),
    "own-assert": (ASSERT, {"grade": True, "locked": True, "points": 1}),
    "too-much": ("1000", {"grade": True, "locked": True, "points": 1}),
    "plot": ("### BEGIN SOLUTION\npass\n### END SOLUTION", {"grade": True, "solution": True, "points": 3}),
    "words": ("Explain.", {"grade": True, "solution": True, "points": 2}),
}  # fmt: skip
OTHER = {
    "answer": ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", {"solution": True}),
    "test-it": ("assert x == 1", {"grade": True, "locked": True, "points": 2}),
}


def cell(name, text, about):
    flags = {"grade": False, "solution": False, "locked": False, "task": False, **about}
    kind = nbformat.v4.new_markdown_cell if name == "words" else nbformat.v4.new_code_cell
    return kind(text, metadata={"nbgrader": {"schema_version": 3, "grade_id": name, **flags}})


@dataclass(frozen=True)
class Graded:
    """The course after autograde and feedback."""

    classroom: Classroom
    log: str
    told: str  # by generate_feedback

    def outputs(self, student, name, topic="demo"):
        """Those of a cell of the graded notebook."""
        path = self.classroom.folder / "autograded" / student / topic / f"{topic}.ipynb"
        return cell_of(nbformat.read(path, as_version=4), name).outputs

    def marks(self, assignment="demo"):
        """Everybody's points in the gradebook, with what is possible."""
        with (self.classroom.folder / "grades.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["assignment"] == assignment]
        return {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}


@pytest.fixture(scope="module")
def graded(shared_classroom, tmp_path_factory):
    classroom = shared_classroom.copied(tmp_path_factory.mktemp("own"))
    source = classroom.folder / "source"
    notebook = nbformat.read(source / "demo" / "demo.ipynb", as_version=4)
    notebook.cells += [cell(name, *about) for name, about in CELLS.items()]
    cell_of(notebook, "check-Affine").metadata.nbgrader.points = 20  # the grader has 2
    nbformat.write(notebook, source / "demo" / "demo.ipynb")
    other = nbformat.v4.new_notebook(cells=[cell(name, *about) for name, about in OTHER.items()])
    other.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    (source / "history").mkdir()
    nbformat.write(other, source / "history" / "history.ipynb")
    for name in ("demo", "history"):
        done = classroom.nbgrader("generate_assignment", name, "--force")
        assert done.returncode == 0, done.stdout

    right = right_answers(classroom.kit, "demo")
    released = classroom.released()
    perfect = filled(released, {**right, "plot": PLOT})
    words = cell_of(perfect, "words")
    words.source = "It goes up. ![plot](attachment:plot.png)"
    words.attachments = {"plot.png": {"image/png": PICTURE}}
    perfect.cells.append(nbformat.v4.new_code_cell("print('my own cell')\n1 / 0"))
    classroom.hand_in("perfect", perfect)
    classroom.hand_in(
        "wrong", filled(released, {**right, "double": "def double(x):\n    return 4"})
    )
    classroom.hand_in("half", filled(released, {"Affine": right["Affine"]}))
    ends = filled(released, {**right, "plot": "import os\nos._exit(0)"})
    plot = cell_of(ends, "plot")
    ends.cells.remove(plot)
    ends.cells.insert(0, plot)
    classroom.hand_in("ends", ends)
    classroom.hand_in("no-notebook", b"%PDF-1.7")
    with Gradebook(f"sqlite:///{classroom.folder / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_assignment("demo", duedate="2026-01-01 12:00:00 UTC")
    (classroom.handed_in("ends").parent / "timestamp.txt").write_text("2026-01-01 13:30:00 UTC")
    with (classroom.folder / "nbgrader_config.py").open("a") as config:
        config.write('c.LateSubmissionPlugin.penalty_method = "zero"\n')
    done = classroom.nbgrader("autograde", "demo")
    assert done.returncode == 0, done.stdout
    for student, text in (("perfect", "x = 1"), ("wrong", "x = 2")):
        place = classroom.folder / "submitted" / student / "history"
        place.mkdir(parents=True)
        own = nbformat.read(classroom.folder / "release/history/history.ipynb", as_version=4)
        cell_of(own, "answer").source = text
        nbformat.write(own, place / "history.ipynb")
    stock = classroom.nbgrader("autograde", "history")
    assert stock.returncode == 0, stock.stdout
    feedback = classroom.nbgrader("generate_feedback", "demo")
    assert feedback.returncode == 0
    assert classroom.nbgrader("export").returncode == 0
    return Graded(classroom, done.stdout + stock.stdout, feedback.stdout)


def test_own_tests_give_what_nbgrader_would_give(graded):
    assert graded.marks() == {
        "perfect": (3 + 2 + 20 + 4 + 1 + 1, 3 + 2 + 20 + 4 + 1 + 1 + 3 + 2),
        "wrong": (1 + 2 + 20 + 1 + 1, 36),  # 1 of 3, and double(2) == 4
        "half": (20 + 1, 36),
        "ends": (0, 36),  # 3 + 2 + 20, but late
        "no-notebook": (0 + 1, 36),
    }


def test_own_tests_say_that_they_are_not_protected(graded):
    *_, note = graded.outputs("perfect", "own-test")
    assert (
        "in the process of the submission, which can change the outcome" in note.data["text/plain"]
    )
    assert "can change the outcome" in graded.classroom.feedback("perfect")


def test_a_test_that_did_not_run_gives_no_points_and_says_why(graded):
    (error, _) = graded.outputs("ends", "own-assert")
    assert error.ename == "NotRun"
    assert "ended the whole process" in error.evalue
    (error, _) = graded.outputs("no-notebook", "own-assert")
    assert error.ename == "NameError"


def test_points_that_were_edited_are_earned_in_the_same_part_and_said(graded):
    (output,) = graded.outputs("perfect", "check-Affine")
    assert output.data["text/plain"] == "20.0"
    assert "This cell is worth 20 points: 2 of 2 count as 20." in output.data["text/html"]


def test_plots_text_and_errors_of_student_code_are_shown(graded):
    label, picture, text = graded.outputs("perfect", "plot")
    assert label.data["text/plain"] == "What this cell of the student's has put out:"
    assert "image/png" in picture.data
    assert text.text == "it goes up\n"
    page = graded.classroom.feedback("perfect")
    assert picture.data["image/png"][:60] in page.replace("\n", "")
    assert "my own cell" in page
    assert "ZeroDivisionError" in page


def test_pictures_that_were_pasted_into_answers_are_shown(graded):
    assert PICTURE in graded.classroom.feedback("perfect").replace("\n", "")


def test_an_assignment_that_is_no_topic_is_graded_as_nbgrader_does_it(graded):
    marks = graded.marks("history")
    assert (marks["perfect"], marks["wrong"]) == ((2, 2), (0, 2))
    said = "history is no topic of the kit: nbgrader runs it, without a sandbox"
    assert graded.log.count(said) == 1  # of two students
    (error,) = graded.outputs("wrong", "test-it", "history")
    assert error.ename == "AssertionError"
    stub = cell_of(
        nbformat.read(graded.classroom.folder / "release/history/history.ipynb", as_version=4),
        "answer",
    )
    assert "YOUR CODE HERE" in stub.source


def test_the_log_is_short_and_ends_with_a_table(graded):
    assert "Copying" not in graded.log
    assert (
        "perfect                              demo: 31 of 36, and a part to be graded by hand"
        in graded.log
    )


def test_nothing_is_logged_that_means_nothing_to_an_instructor(graded):
    assert "Attribute 'checksum'" not in graded.log  # of a test of which the release holds less
    assert "Alternative text" not in graded.told
    assert "was changed" not in graded.log
    assert "seconds late" not in graded.log + graded.told
    assert len(graded.told.splitlines()) == graded.told.count("Feedback for ") == 5


def test_the_table_has_the_mark_that_is_exported_and_why_it_is_less(graded):
    assert (
        "ends                                 demo: 0 of 36, 25 lost, late by 1:30:00" in graded.log
    )


def test_hidden_tests_of_ones_own_are_in_no_answer_so_that_nothing_is_graded_twice(
    graded, monkeypatch
):
    released = (graded.classroom.release / "demo.ipynb").read_text("utf-8")
    assert "row_means is not None" not in released
    monkeypatch.chdir(graded.classroom.folder)
    assert "5 are graded already" in gradus("grade", "submitted", "demo")


def test_feedback_goes_to_those_who_handed_in_by_the_exchange(graded, tmp_path):
    pages = graded.classroom.folder / "feedback"
    (pages / "wrong" / "demo" / "timestamp.txt").write_text("2026-12-01 10:00:00 UTC")
    (pages / "wrong" / "demo" / "submission_secret.txt").write_text("secret")
    exchange = tmp_path / "exchange"
    exchange.mkdir(mode=0o777)
    exchange.chmod(0o777)
    done = graded.classroom.nbgrader("release_feedback", "demo", f"--Exchange.root={exchange}")
    assert done.returncode == 0, done.stdout
    assert "perfect did not hand in by the exchange, and gets no feedback by it" in done.stdout
    (page,) = exchange.rglob("*.html")
    assert page.read_text("utf-8") == graded.classroom.feedback("wrong")


def test_a_task_that_the_grader_no_longer_has_is_refused_and_the_remedy_works(graded):
    classroom = graded.classroom
    grader, source = classroom.kit.grader("demo"), classroom.folder / "source/demo/demo.ipynb"
    text = grader.read_text("utf-8")
    grader.write_text(text.replace('task("Affine", points=1)', 'task("double", points=1)'), "utf-8")
    refused = classroom.nbgrader("autograde", "demo", "--student", "half", "--force")
    notebook = nbformat.read(source, as_version=4)
    cell_of(notebook, "check-Affine").metadata.nbgrader.points = 0
    nbformat.write(notebook, source)
    released = classroom.nbgrader("generate_assignment", "demo", "--force")
    again = classroom.nbgrader("autograde", "demo", "--student", "half", "--force")
    grader.write_text(text, encoding="utf-8")
    assert refused.returncode != 0
    assert "check-Affine asks for a task that graders/test_demo.py does not have" in refused.stdout
    assert released.returncode == 0, released.stdout
    assert again.returncode == 0, again.stdout
    # 2 of 5 in a cell worth 3, and an own test: the checks of Affine belong to double now.
    assert "half                                 demo: 2.2 of 16" in again.stdout


def test_ctrl_c_stops_the_class_in_one_line_and_the_command_goes_on(graded):
    classroom = graded.classroom
    right = right_answers(classroom.kit, "demo")
    slow = "def row_means(table):\n    while True:\n        pass"
    for name in ("y-slow", "z-last"):
        classroom.hand_in(
            name, filled(classroom.released(), {**right, "row_means": slow, "plot": name})
        )

    def hear() -> None:  # a shell lets what it starts in the background ignore Ctrl+C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        [sys.executable, "-m", "nbgrader", "autograde", "demo"], cwd=classroom.folder, preexec_fn=hear,
        env=nbgrader_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        log = ""
        for line in running.stdout:
            log += line
            if "Autograding" in line and "y-slow" in line:
                running.send_signal(signal.SIGINT)
        assert running.wait() == 130
    assert "Stopped. The same command goes on with those who have no mark." in log
    assert "Traceback" not in log
    assert "y-slow                               demo: no mark" in log
    again = classroom.nbgrader("autograde", "demo")
    assert again.returncode == 0, again.stdout
    assert "z-last                               demo: " in again.stdout
    assert "no mark" not in again.stdout
