"""Notebooks in a real Jupyter kernel: the released folder by itself, and those of every topic."""

import shutil

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.preprocessors import Execute
from nbgrader.utils import determine_grade

import gradus
from gradus.course import find_course
from gradus.engine.here import grade_here
from gradus.errors import CourseError, GradusError
from gradus.grading.remembered.memory import remembered
from tests.kits import forget_graders
from tests.nbgrader_class import SQUARED
from tests.nbgrader_course import as_bytes, cell_of, filled, right_answers

COURSE = find_course()
ANSWERS = {
    "double": SQUARED,
    "row_means": "def row_means(table):\n    while True:\n        pass",
    "Affine": "def Affine(weight, bias):\n    return lambda x: weight * x + bias + 0 * torch.rand(3)",
}
MORE = {
    "mend double": "def double(x):\n    return 2 * x",
    "check again": 'check("double")',
    "undisturbed": """
torch.set_num_threads(2)
torch.manual_seed(7)
expected = torch.rand(1)
torch.manual_seed(7)
score = check("double")
score, bool(torch.rand(1) == expected), torch.get_num_threads()
""",
    "no such task": 'check("nope")',
    "no such topic": 'gradus.checker("nope")',
    "what it is": "check",
}


def run(notebook, folder):
    """Run every cell, errors or not, in a kernel that works in `folder`."""
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    where = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=600, allow_errors=True, resources=where).execute()


def result_of(cell):
    """The text and the table that stand below a check cell, and nothing else does."""
    (output,) = cell.outputs
    assert output.output_type == "execute_result", output
    return output.data["text/plain"], output.data["text/html"]


def error_of(cell):
    (output,) = cell.outputs
    assert output.output_type == "error"
    return f"{output.ename}: {output.evalue}"


@pytest.fixture(scope="module")
def handout(shared_classroom, tmp_path_factory):
    """What a student downloads: a released folder, far from the kit that it was made from."""
    folder = tmp_path_factory.mktemp("handout")
    classroom = shared_classroom.copied(folder)
    right = right_answers(classroom.kit, "demo")
    shutil.copytree(classroom.release, folder / "download")
    shutil.rmtree(classroom.kit.root)
    shutil.rmtree(classroom.folder / "source")
    yield classroom, folder / "download", right
    forget_graders()


@pytest.fixture(scope="module")
def executed(handout):
    """A half-right notebook after nbgrader's own Execute has run it, and further cells below it."""
    classroom, folder, _ = handout
    notebook = filled(classroom.released(), ANSWERS)
    for name, source in MORE.items():
        cell = nbformat.v4.new_code_cell(source)
        cell.metadata["more"] = name
        notebook.cells.append(cell)
    Execute(timeout=600).preprocess(notebook, {"metadata": {"path": str(folder)}})
    return notebook


def more(notebook, name):
    return next(cell for cell in notebook.cells if cell.metadata.get("more") == name)


def test_a_check_cell_shows_one_plain_float_and_a_table(executed):
    results = {
        task: result_of(cell_of(executed, f"check-{task}"))
        for task in ("double", "row_means", "Affine")
    }
    assert {task: text for task, (text, _) in results.items()} == {
        "double": "1.0",
        "row_means": "0.0",
        "Affine": "0.0",
    }
    assert all(html.startswith("<div") and "</table>" in html for _, html in results.values())
    assert "`x` was squared" in results["double"][1]
    assert "endless loop" in results["row_means"][1]


def test_stock_nbgrader_takes_the_score_that_pytest_gives_for_public_checks(
    executed, handout, tmp_path
):
    path = tmp_path / "demo.ipynb"
    path.write_bytes(as_bytes(filled(handout[0].released(), ANSWERS)))
    result = grade_here(find_course(handout[1]), "demo", path)
    scores = {
        task.name: determine_grade(cell_of(executed, f"check-{task.name}")) for task in result.tasks
    }
    assert scores == {task.name: (task.earned, task.possible) for task in result.tasks}


def test_a_check_judges_what_the_notebook_has_defined_last(executed):
    assert result_of(more(executed, "check again"))[0] == "3.0"


def test_what_a_check_found_is_remembered_for_the_terminal(executed, handout):
    known = remembered(find_course(handout[1]), "demo")
    assert {task: records[0].result.earned for task, records in known.items()} == {
        "double": 3,
        "row_means": 0,
        "Affine": 0,
    }
    assert [record.result.earned for record in known["double"]] == [3, 1]
    assert {records[0].file for records in known.values()} == {"demo.ipynb"}


def test_a_check_leaves_random_numbers_and_threads_of_the_notebook_alone(executed):
    (output,) = more(executed, "undisturbed").outputs
    assert output.data["text/plain"] == "(3.0, True, 2)"


def test_an_unknown_task_or_topic_is_told_with_those_that_there_are(executed):
    assert error_of(more(executed, "no such task")) == (
        "GradusError: demo: no task 'nope'. There are: double, row_means, Affine."
    )
    topic = error_of(more(executed, "no such topic"))
    assert topic.startswith("CourseError: ")
    assert topic.endswith("no topic 'nope'. There are: demo.")


def test_the_check_says_what_it_is(executed):
    (output,) = more(executed, "what it is").outputs
    assert "one task of demo" in output.data["text/plain"]


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (True, "Success! Your notebook passes all the tests."),
        (False, "VALIDATION FAILED ON 3 CELL(S)!"),
    ],
)
def test_nbgrader_validate_tells_a_student_whether_all_is_right(handout, answered, words):
    classroom, folder, right = handout
    path = folder / f"validate-{answered}.ipynb"
    path.write_bytes(as_bytes(filled(classroom.released(), right if answered else {})))
    done = classroom.nbgrader("validate", path.name, cwd=folder)
    assert words in done.stdout


def test_outside_a_notebook_check_points_to_the_terminal(handout, monkeypatch):
    monkeypatch.chdir(handout[1])
    with pytest.raises(GradusError, match=r"works inside a notebook\. In a terminal: pytest"):
        gradus.checker("demo")("double")


def test_away_from_the_kit_checks_says_where_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match=r"no course.toml here or in a folder above"):
        gradus.checker("demo")


@pytest.mark.parametrize("topic", COURSE.topics)
def test_the_solution_notebook_shows_full_points_in_a_kernel(topic):
    notebook = run(nbformat.read(COURSE.solution(topic).with_suffix(".ipynb"), 4), COURSE.root)
    graded = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert graded
    shown = {c.metadata.nbgrader.grade_id: result_of(c)[0] for c in graded}
    assert shown == {
        c.metadata.nbgrader.grade_id: repr(float(c.metadata.nbgrader.points)) for c in graded
    }
    loud = [c.source for c in notebook.cells for o in c.outputs if o.output_type == "error"]
    assert not loud


def test_the_untouched_notebook_shows_zero_points_and_no_error_below_a_check():
    first = COURSE.exercise(COURSE.topics[0]).with_suffix(".ipynb")
    notebook = run(nbformat.read(first, 4), COURSE.root)
    graded = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert {result_of(cell)[0] for cell in graded} == {"0.0"}
    assert all("todo" in result_of(cell)[1] for cell in graded)
