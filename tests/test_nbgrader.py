"""nbgrader over a class of the small kit: its own commands release, grade and give feedback."""

import os
import re
import shutil
import sys
from dataclasses import dataclass

import nbformat
import pytest
from nbgrader.api import Gradebook

import gradus
from gradus.classroom.execute import GradusExecute
from gradus.classroom.grade.answer import read_answer
from gradus.course import find_course
from gradus.engine.here import grade_here
from gradus.errors import GraderError
from tests.kits import copy_kit, forget_graders
from tests.nbgrader_class import Student, make_class
from tests.nbgrader_course import Classroom, cell_of, filled, right_answers

HIDDEN = ("rows_of_one", "A row of one number", "narrow", "math", "for the instructor", "hidden")


@pytest.fixture(scope="module")
def classroom(shared_classroom, tmp_path_factory):
    yield shared_classroom.copied(tmp_path_factory.mktemp("nbgrader"))
    forget_graders()


@dataclass(frozen=True)
class Graded:
    classroom: Classroom
    students: dict[str, Student]
    returncode: int
    log: str
    marks: dict[str, float]

    def outputs(self, student: str, task: str) -> str:
        """What stands below a check cell in the graded notebook."""
        folder = self.classroom.folder / "autograded" / student / "demo"
        notebook = nbformat.read(folder / "demo.ipynb", as_version=4)
        (output,) = cell_of(notebook, f"check-{task}").outputs
        return output.data["text/html"]

    def feedback(self) -> dict[str, str]:
        """The pages that students get back."""
        return {name: self.classroom.feedback(name) for name in self.students}


@pytest.fixture(scope="module")
def graded(classroom):
    students = make_class(classroom)
    for name, student in students.items():
        classroom.hand_in(name, student.notebook, student.files)
    done = classroom.nbgrader("autograde", "demo")
    assert classroom.nbgrader("generate_feedback", "demo").returncode == 0
    return Graded(classroom, students, done.returncode, done.stdout, classroom.marks())


# Release


def test_the_release_is_the_exported_student_notebook(classroom):
    exported = nbformat.read(classroom.kit.root / "exercises" / "demo.ipynb", as_version=4)
    assert [c.source for c in classroom.released().cells] == [c.source for c in exported.cells]


def test_no_released_file_holds_an_answer_or_a_trace_of_a_hidden_check(classroom):
    answers = ["2 * x\n", "table.mean(dim=-1)\n", "nn.Parameter(torch.tensor", "SOLUTION"]
    files = [path for path in classroom.release.rglob("*") if path.is_file()]
    names = {path.relative_to(classroom.release).as_posix() for path in files}
    assert names == {"demo.ipynb", "course.toml", "hints.json", "graders/test_demo.py"}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not [trace for trace in (*HIDDEN, *answers) if trace in text], path


def test_a_check_cell_is_worth_the_public_points_of_its_task(classroom):
    graded_cells = [
        c.metadata.nbgrader for c in classroom.released().cells if "nbgrader" in c.metadata
    ]
    points = {cell.grade_id: cell.points for cell in graded_cells if cell.grade}
    assert points == {"check-double": 3, "check-row_means": 2, "check-Affine": 2}


# Autograde


def test_no_submission_stops_nbgrader(graded):
    assert graded.returncode == 0, graded.log
    assert "ERROR" not in graded.log


def test_each_submission_gets_the_points_that_it_deserves(graded):
    assert graded.marks == {name: student.points for name, student in graded.students.items()}


def test_nbgrader_and_pytest_give_the_same_points(graded, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))  # loading a submission adds its folder
    monkeypatch.setattr(gradus, "checks", gradus.checks)  # one of them overwrites it
    paths = {name: graded.classroom.handed_in(name) for name in graded.students}
    del paths[
        "answer-as-text"
    ]  # pytest sees no answer there; nbgrader turns the cell back into code
    earned = {
        name: [
            task.earned
            for task in grade_here(graded.classroom.kit, "demo", path, hidden=True).tasks
        ]
        for name, path in paths.items()
    }
    assert earned == {name: list(graded.students[name].deserves) for name in paths}
    assert {name: sum(points) for name, points in earned.items()} == {
        name: graded.marks[name] for name in paths
    }


def test_an_old_mark_is_kept_and_force_takes_it_anew(graded):
    again = graded.classroom.nbgrader("autograde", "demo")
    assert f"{len(graded.students)} graded before, and left as they were" in again.stdout
    assert "Skipping" not in again.stdout
    forced = graded.classroom.nbgrader("autograde", "demo", "--force", "--student", "squares")
    assert (again.returncode, forced.returncode) == (0, 0)
    assert "Skipping" not in forced.stdout
    assert "Autograding" in forced.stdout
    assert graded.classroom.scores() == graded.marks


def test_formgraders_button_gives_the_same_mark(graded):
    with graded.classroom.formgrader() as post:
        answer = post("submission/demo/squares/autograde")
    assert answer["success"], answer["error"]
    assert "GradusExecute" in answer["log"]
    assert graded.classroom.scores() == graded.marks


def test_a_notebook_under_another_name_gets_no_mark_and_is_reported(graded):
    graded.classroom.hand_in("misnamed", graded.students["perfect"].notebook)
    path = graded.classroom.handed_in("misnamed")
    path.rename(path.with_name("my homework.ipynb"))
    done = graded.classroom.nbgrader("autograde", "demo", "--student", "misnamed")
    assert done.returncode != 0
    assert "Skipping unknown notebook" in done.stdout
    assert "error processing assignment 'demo' for student 'misnamed'" in done.stdout


def test_links_and_special_files_are_refused_before_anything_is_copied(tmp_path, shared_classroom):
    other = shared_classroom.copied(tmp_path)
    perfect = filled(other.released(), right_answers(other.kit, "demo"))
    reference = other.kit.solution("demo")
    names = ("honest", "linked-notebook", "linked-file", "linked-device", "pipe", "later")
    for name in (*names, "linked-folder", "linked-student"):
        other.hand_in(name, perfect)
    for name, place in {
        "linked-folder": "linked-folder/demo",
        "linked-student": "linked-student",
    }.items():
        shutil.rmtree(other.folder / "submitted" / place)
        (other.folder / "submitted" / place).symlink_to(
            other.folder / "submitted" / place.replace(name, "honest")
        )
    notebook = other.handed_in("linked-notebook")
    notebook.unlink()
    notebook.symlink_to(reference.with_suffix(".ipynb"))
    other.handed_in("linked-file").with_name("answers.py").symlink_to(reference)
    other.handed_in("linked-device").with_name("timestamp.txt").symlink_to("/dev/zero")
    folder = other.handed_in("pipe").with_name("data")
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    assert other.nbgrader("autograde", "demo", "--student", "later").returncode == 0
    other.handed_in("later").with_name("timestamp.txt").symlink_to("/dev/zero")

    done = other.nbgrader("autograde", "demo", "--force")
    assert done.returncode != 0
    refused = {
        "linked-notebook": "demo.ipynb is a link",
        "linked-file": "answers.py is a link",
        "linked-device": "timestamp.txt is a link",
        "pipe": "data/pipe is a device, a pipe or a socket",
        "later": "timestamp.txt is a link",
        "linked-folder": f"{other.folder}/submitted/linked-folder/demo is a link",
        "linked-student": f"{other.folder}/submitted/linked-student is a link",
    }
    for student, words in refused.items():
        message = f"holds links, special files or unreadable ones: {words}. Nothing of this"
        assert f"submitted/{student}/demo: {message}" in done.stdout
        assert not (other.folder / "autograded" / student / "demo").exists()
    assert other.marks()["honest"] == 7


TELLS_ITS_PROCESS = '''
import os

BEFORE = []


@pytest.mark.task("double")
def test_whose_process():
    """The process is told."""
    BEFORE.append(os.getpid())
    raise AssertionError(f"process {BEFORE[-1]}, before it: {BEFORE[:-1]}")
'''


def test_each_submission_is_graded_in_a_process_of_its_own(tmp_path, shared_kit):
    kit = copy_kit(shared_kit, tmp_path / "kit")
    with kit.grader("demo").open("a", encoding="utf-8") as file:
        file.write(TELLS_ITS_PROCESS)
    answer = read_answer(kit, "demo", kit.root / "exercises" / "demo.ipynb", None)
    graded_by = GradusExecute(kit=str(kit.root), store="")
    told = []
    for _ in range(2):
        with pytest.raises(GraderError, match=r"test_whose_process is broken") as raised:
            graded_by.grade(kit, "demo", answer, "a key")  # the reference fails this check too
        told += re.findall(r"process \d+, before it: .*", str(raised.value))
    assert len(told) == 2
    assert all("before it: []" in text for text in told)
    assert len(set(told)) == 2  # two processes


# Feedback


def test_feedback_shows_the_points_of_every_task(graded):
    shown = {
        name: dict(re.findall(r"<b>(\w+): (\d) of \d points", page))
        for name, page in graded.feedback().items()
    }
    assert shown == {
        name: dict(zip(("double", "row_means", "Affine"), map(str, student.deserves), strict=True))
        for name, student in graded.students.items()
    }


def test_feedback_holds_no_trace_of_hidden_checks_or_of_the_graders_machine(graded):
    traces = (
        "rows_of_one",
        "A row of one number",
        "narrow",
        str(graded.classroom.kit.root),
        "/tmp",
    )
    pages = graded.feedback()
    assert {name: [t for t in traces if t in page] for name, page in pages.items()} == {
        name: [] for name in pages
    }


def test_feedback_says_what_is_wrong(graded):
    assert "`x` was squared" in graded.outputs("squares", "double")
    assert "was it deleted or renamed" in graded.outputs("no-answer-cell", "row_means")
    assert "endless loop" in graded.outputs("hangs", "row_means")
    assert "SyntaxError" in graded.outputs("syntax-error", "row_means")
    assert "os._exit(0)" in graded.outputs("ends-python", "double")
    pages = graded.feedback()
    unreadable = {
        name for name, page in pages.items() if "This submission could not be graded" in page
    }
    assert unreadable == {"not-json", "empty", "not-utf-8"}


def test_what_a_hidden_check_takes_away_shows_as_points_only(graded):
    table = graded.outputs("one-column", "row_means")
    assert "row_means: 1 of 2 points" in table
    assert table.count("passed") == 1
    assert "failed" not in table


# When the kit is at fault, and a real topic


def test_a_broken_grader_gives_no_mark_spares_the_others_and_can_be_mended(
    tmp_path, shared_classroom
):
    other = shared_classroom.copied(tmp_path)
    kit = other.kit
    whole = kit.grader("demo").read_text(encoding="utf-8")
    released, right = other.released(), right_answers(kit, "demo")
    other.hand_in("raises", filled(released, {"Affine": right["Affine"]}))
    other.hand_in("skips", filled(released, {"row_means": right["row_means"]}))
    other.hand_in("untouched", released)

    broken = whole.replace("2 * x + 1, requires", "undefined, requires")
    broken = broken.replace("table.sum(1) / 5", "pytest.skip('no GPU')")
    kit.grader("demo").write_text(broken, encoding="utf-8")
    done = other.nbgrader("autograde", "demo")
    assert done.returncode != 0
    words = "demo: no mark was recorded, since the grader's check test_"
    assert f"{words}affine_computes is broken" in done.stdout
    assert f"{words}one_mean_for_each_row did not run" in done.stdout
    assert auto_scores(other) == {"raises": [None] * 3, "skips": [None] * 3, "untouched": [0.0] * 3}

    kit.grader("demo").write_text(whole, encoding="utf-8")
    assert other.nbgrader("autograde", "demo").returncode == 0
    assert other.scores() == {"raises": 2, "skips": 2, "untouched": 0}


def auto_scores(classroom):
    """What the gradebook holds for each task of each student: None where there is no mark."""
    with Gradebook(f"sqlite:///{classroom.folder / 'gradebook.db'}") as gradebook:
        return {
            student.id: [
                grade.auto_score
                for grade in gradebook.find_submission_notebook("demo", "demo", student.id).grades
            ]
            for student in gradebook.students
        }


def test_a_real_topic_is_released_and_graded_alike(tmp_path):
    kit = find_course()
    other = Classroom.build(kit, tmp_path / "course")
    released, right = other.released(), right_answers(kit, other.topic)
    wrong = {**right, next(iter(right)): released.cells[0].source}
    other.hand_in("right", filled(released, right))
    other.hand_in("wrong", filled(released, wrong))
    exported = nbformat.read(kit.root / "exercises" / f"{other.topic}.ipynb", as_version=4)
    assert [c.source for c in released.cells] == [c.source for c in exported.cells]
    assert other.nbgrader("autograde", other.topic).returncode == 0
    results = {
        name: grade_here(kit, other.topic, other.handed_in(name), hidden=True)
        for name in ("right", "wrong")
    }
    assert other.scores() == {name: result.earned for name, result in results.items()}
    assert results["right"].earned == results["right"].possible
    assert 0 < results["wrong"].earned < results["right"].earned
