"""Own questions of a course under attack, and in a clumsy class: nobody gets points for what did not run."""

import nbformat
import pytest

from gradus.classroom.clean import OURS, GradusClean, GradusShow
from gradus.classroom.nbgrader.scores import own_outputs
from gradus.classroom.own_cells.outputs import MOST_OUTPUTS
from gradus.classroom.own_cells.run import Times, run_cells
from gradus.sandbox.levels import Level, probe_level
from gradus.topic import PICTURE
from tests.nbgrader_course import cell_of, filled, right_answers

pytestmark = pytest.mark.skipif(
    probe_level().level is not Level.SANDBOX, reason="this machine has no sandbox"
)
SHOWS_MUCH = """\
def double(x):
    from IPython.display import display
    for number in range(300):
        display(number)
    return 0"""
RAISES_EMOJI = "def double(x):\n    raise ValueError('\\ud83d')"


def own(name, text, kind=nbformat.v4.new_code_cell, **about):
    flags = {"grade": False, "solution": False, "locked": True, "task": False, **about}
    return kind(text, metadata={"nbgrader": {"schema_version": 3, "grade_id": name, **flags}})


@pytest.fixture(scope="module")
def classroom(shared_classroom, tmp_path_factory):
    """A course with own tests, and nothing else that has to run; graded."""
    made = shared_classroom.copied(tmp_path_factory.mktemp("attacks"))
    source = made.folder / "source" / "demo" / "demo.ipynb"
    notebook = nbformat.read(source, as_version=4)
    notebook.cells += [
        own("own-test", "assert double(1) == 2", grade=True, points=10),
        own("given-test", "assert double(2) == 4", grade=True, points=20),
        own("project", "Describe a project.", nbformat.v4.new_markdown_cell, task=True, points=5),
    ]
    nbformat.write(notebook, source)
    released = made.nbgrader("generate_assignment", "demo", "--force")
    assert released.returncode == 0, released.stdout
    stub = made.released()
    tagged = filled(stub, {})
    for name in ("own-test", "given-test"):
        cell_of(tagged, name).metadata["tags"] = [PICTURE]
    without = filled(stub, {})
    without.cells = [cell for cell in without.cells if "project" not in str(cell.metadata)]
    made.hand_in("tagged", tagged)
    made.hand_in("without-project", without)
    made.hand_in("shows-much", filled(stub, {"double": SHOWS_MUCH}))
    made.hand_in("emoji", filled(stub, {"double": RAISES_EMOJI}))
    made.hand_in("right", filled(stub, right_answers(made.kit, "demo")))
    done = made.nbgrader("autograde", "demo")
    assert done.returncode == 0, done.stdout
    return made


def test_names_that_are_patterns_take_nobodys_mark_and_do_not_stop_the_class(classroom):
    before = classroom.scores()
    for name in ("*", "a\nb", "[r]ight"):
        classroom.hand_in(name, classroom.released())
    classroom.hand_in("z-last", classroom.released())
    done = classroom.nbgrader("autograde", "demo")
    assert done.returncode != 0
    assert {name: classroom.scores()[name] for name in (*before, "z-last")} == {
        **before,
        "z-last": 0,
    }
    for name in ("*", "'a\\nb'", "[r]ight"):
        assert f"{name}: nbgrader takes no student of this name" in done.stdout
    assert "right                                demo: 37 of 42, and" in done.stdout


def graded(classroom, student):
    path = classroom.folder / "autograded" / student / "demo" / "demo.ipynb"
    return nbformat.read(path, as_version=4)


def test_an_own_test_gives_nothing_where_it_failed_or_did_not_run(classroom):
    none = dict.fromkeys(("tagged", "without-project", "emoji"), 0)
    shows_much = 1  # of a check of gradus: twice 0 is 0
    scores = classroom.scores()
    scores.pop("z-last", None)
    assert scores == {**none, "shows-much": shows_much, "right": 7 + 10 + 20}


@pytest.mark.parametrize("student", ["right", "without-project"])
def test_a_task_that_a_person_grades_stays_one(classroom, student):
    about = cell_of(graded(classroom, student), "project").metadata.nbgrader
    assert (about.task, about.points, about.grade) == (True, 5, False)


@pytest.mark.parametrize(
    ("said", "score"), [("nan", "0.0"), ("-1", "0.0"), ("inf", "4.0"), ("3", "3"), ("yes", "yes")]
)
def test_a_score_of_an_own_test_lies_between_0_and_its_points(said, score):
    output = nbformat.v4.new_output("execute_result", data={"text/plain": said})
    assert own_outputs([output], 4.0)[0].data["text/plain"] == score


@pytest.fixture(scope="module")
def run(shared_kit):
    """Run cells; gives the outputs of each."""

    def run_all(*cells, files=None, **times):
        seconds = Times(**{"cell": 20.0, "all": 60.0, **times})
        return list(run_cells(shared_kit, dict(enumerate(cells, 1)), files or {}, seconds).values())

    return run_all


@pytest.mark.parametrize(
    "cell",
    [
        "from IPython.display import HTML\nHTML('x' * 9_000_000)",
        "from IPython.display import HTML, display\nfor _ in range(9): display(HTML('x' * 1_900_000))",
        "'x' * 9_000_000",
        "raise ValueError('x' * 9_000_000)",
    ],
)
def test_large_outputs_cost_no_other_cell_anything(run, cell):
    *large, after = run(cell, cell, cell, cell, "'after'")
    assert [output.data["text/plain"] for output in after] == ["'after'"]
    assert all(large)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("show(); 1 / 0", "error"),
        ("show()\n3", "execute_result"),
        ("show(); import sys; print('x', file=sys.stderr)", "stream"),
    ],
)
def test_what_a_score_is_taken_from_is_never_left_out(run, cell, kind):
    many = f"def show():\n  for number in range({MOST_OUTPUTS + 9}): display(number)"
    large = (
        "def show():\n  for number in range(9): display({'text/html': 'x' * 1_900_000}, raw=True)"
    )
    for shows in (many, large):
        _, outputs = run(shows, cell)
        assert kind in [output.output_type for output in outputs[:-1]]


def test_cells_that_never_end_take_no_longer_in_all_than_they_may(run):
    stubborn = "import time\ntry: time.sleep(50)\nexcept BaseException: time.sleep(1)"
    *_, last = run(*[stubborn] * 50, cell=0.2, all=1.0)
    assert "all cells together took longer than 1 s" in last[0].evalue


def test_files_beside_leave_room_to_save_a_model(run):
    save = "open('model.pt', 'wb').write(b'x' * (40 << 20))"
    (outputs,) = run(save, files={"data.bin": b"x" * (60 << 20)})
    assert outputs[0].output_type == "execute_result"


def test_a_progress_bar_is_its_last_state_and_colours_are_left_out():
    text = "0%\r 50%\r100%\r\n\x1b[31mred\x1b[0m\nlast\r"
    outputs = [nbformat.v4.new_output("stream", text=text)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=outputs)])
    cleaned, _ = GradusClean().preprocess(notebook, {})
    assert cleaned.cells[0].outputs[0].text == "100%\nred\nlast"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/html", "<div>" * 100_000),
        ("text/html", "&" * 1_900_000),
        ("text/latex", "<" * 100_000),
        ("text/markdown", "[" * 100_000),
    ],
)
def test_markup_that_takes_a_parser_minutes_is_not_parsed(kind, text):
    data = {kind: text, "text/plain": "its text"}
    outputs = [nbformat.v4.new_output("display_data", data=data)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=outputs)])
    cleaned, _ = GradusClean().preprocess(notebook, {})
    (output,) = cleaned.cells[0].outputs
    assert output.data == {"text/plain": f"its text\n({kind}: too much of it to be shown here)"}


def test_markup_of_a_notebook_is_bounded_in_all_and_a_cleaned_one_stays():
    data = {"text/html": "<i>a</i>" * 4_000}
    outputs = [nbformat.v4.new_output("display_data", data=data) for _ in range(20)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=outputs)])
    cleaned, _ = GradusClean().preprocess(notebook, {})
    shown = [output for output in cleaned.cells[0].outputs if "text/html" in output.data]
    assert len(shown) == 7
    again, _ = GradusShow().preprocess(cleaned, {})
    assert [o for o in again.cells[0].outputs if "text/html" in o.data] == shown


def test_outputs_of_a_kernel_cannot_pass_for_those_of_gradus(shared_kit):
    """An assignment that is no topic is run by nbgrader, whose kernel keeps an output's metadata."""
    forged = nbformat.v4.new_output(
        "display_data", data={"text/html": "<script>x()</script>"}, metadata={OURS: "score"}
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[forged])])
    clean = GradusClean()
    clean.config.GradusExecute.kit = str(shared_kit.root)
    cleaned, _ = clean.preprocess(notebook, {"nbgrader": {"notebook": "history"}})
    (output,) = cleaned.cells[0].outputs
    assert "<script" not in output.data.get("text/html", "")
    assert not output.metadata
