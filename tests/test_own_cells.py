"""Cells that gradus does not grade: run in a sandbox as a kernel would, bounded, never silently left out."""

import base64

import nbformat
import pytest

from gradus.classroom.clean import GradusClean
from gradus.classroom.own_cells.chosen import have_to_run
from gradus.classroom.own_cells.outputs import LONGEST_TEXT, MOST_OUTPUTS, believed
from gradus.classroom.own_cells.run import Times, run_cells
from gradus.sandbox.levels import Level, probe_level

pytestmark = pytest.mark.skipif(
    probe_level().level is not Level.SANDBOX, reason="this machine has no sandbox"
)


@pytest.fixture(scope="module")
def run(shared_kit):
    """Run cells; gives the outputs of each."""

    def run_all(*cells, files=None, **times):
        seconds = Times(**{"cell": 20.0, "all": 60.0, **times})
        numbered = dict(enumerate(cells, start=1))
        found = run_cells(shared_kit, numbered, files or {}, seconds)
        assert list(found) == list(numbered)
        return list(found.values())

    return run_all


def plain(outputs):
    """What the outputs say, in a line each."""
    said = []
    for output in outputs:
        if output.output_type == "stream":
            said.append(f"{output.name}: {output.text}")
        elif output.output_type == "error":
            said.append(f"{output.ename}: {output.evalue}")
        else:
            said.append(f"{output.output_type}: {output.data['text/plain']}")
    return said


def test_text_results_and_errors_come_back_in_their_order(run):
    first, second, third = run(
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three')\nx = 3\nx",
        "1 / 0",
        "x + 1",
    )
    assert plain(first) == [
        "stdout: one\n",
        "stderr: two\n",
        "stdout: three\n",
        "execute_result: 3",
    ]
    assert plain(second) == ["ZeroDivisionError: division by zero"]
    assert "Cell In[2], line 1" in "".join(second[0].traceback)
    assert plain(third) == ["execute_result: 4"]


def test_magics_await_and_files_beside_work(run):
    (timed, listed, awaited, file) = run(
        "%timeit -n1 -r1 1 + 1",
        "!ls",
        "import asyncio\nawait asyncio.sleep(0)\n7",
        "open('data/a.txt').read()",
        files={"data/a.txt": b"hello"},
    )
    assert "per loop" in plain(timed)[0]
    assert plain(listed) == ["stdout: data\r\n"]
    assert plain(awaited) == ["execute_result: 7"]
    assert plain(file) == ["execute_result: 'hello'"]


def test_a_plot_is_a_picture(run):
    (outputs,) = run("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    (picture,) = outputs
    assert base64.b64decode(picture.data["image/png"]).startswith(b"\x89PNG")


def test_a_cell_that_never_ends_is_stopped_and_the_next_one_runs(run):
    endless, after = run("while True: pass", "'after'", cell=1.0)
    assert plain(endless) == ["CellTimeoutError: the cell was stopped after 1 s"]
    assert plain(after) == ["execute_result: 'after'"]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL|signal 9|killed"),
        (
            "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN)\nwhile True: pass",
            "could not be stopped",
        ),
    ],
)
def test_cells_after_one_that_ended_the_process_say_that_they_were_not_run(run, cell, why):
    first, lost, rest = run("1", cell, "2", cell=1.0)
    assert plain(first) == ["execute_result: 1"]
    (error,) = lost
    assert error.ename == "NotFinished"
    assert any(word in error.evalue for word in why.split("|"))
    (error,) = rest
    assert error.ename == "NotRun"
    assert "since cell 2 did not come to its end" in error.evalue


def test_there_is_nobody_to_type(run):
    ((error,),) = run("input('name? ')")
    assert error.ename == "NoInput"


def test_exit_ends_a_cell_and_not_the_notebook(run):
    _, after = run("exit()", "5")
    assert plain(after) == ["execute_result: 5"]


def test_outputs_are_bounded(run):
    printed, many, large = run(
        "for number in range(100_000): print('n' * 100)",
        f"from IPython.display import display\nfor number in range({MOST_OUTPUTS + 50}): display(number)",
        "print('m' * 10_000_000)",
    )
    assert len(printed) == 1
    assert printed[0].text.endswith("more characters are not shown)\n")
    assert len(printed[0].text) < LONGEST_TEXT + 100
    assert len(many) == MOST_OUTPUTS + 1
    assert "50 more outputs of this cell are not shown" in many[-1].text
    assert len(large[0].text) < LONGEST_TEXT + 100


def test_a_process_that_speaks_for_another_cell_is_not_believed(run):
    says = """
import os
for number in range(3, 10):
    try:
        os.write(number, b'{"cell": 7, "outputs": []}\\n')
    except OSError:
        pass
"""
    first, second = run(says, "2")
    assert "something odd" in first[0].evalue
    assert second[0].ename == "NotRun"


def test_solutions_and_hidden_checks_are_out_of_reach(run, shared_kit):
    (outputs,) = run(f"import pathlib\nlist(pathlib.Path({str(shared_kit.root)!r}).rglob('*.py'))")
    assert plain(outputs) == ["execute_result: []"]


@pytest.mark.parametrize(
    "outputs",
    [
        None,
        [1],
        [{"output_type": "stream"}],
        [{"output_type": "error", "ename": "E", "evalue": "", "traceback": None}],
        [{"output_type": "other"}],
        [{"output_type": "display_data", "data": {"image/png": 3}}],
        [{"output_type": "execute_result", "data": []}],
    ],
)
def test_nonsense_is_no_output(outputs):
    with pytest.raises(ValueError, match=r"no |unknown"):
        believed(outputs, 1)


def cell(source, grade_id="", **about):
    metadata = {"grade_id": grade_id, "grade": False, "locked": False, **about}
    return nbformat.v4.new_code_cell(source, metadata={"nbgrader": metadata} if grade_id else {})


@pytest.mark.parametrize(
    ("cells", "runs"),
    [
        ([cell("import torch", "given-1", locked=True), cell("def double(x): return 2 * x", "double")], False),
        ([cell("check('double')", "check-double", grade=True, locked=True)], False),
        ([cell("")], False),
        ([cell("def double(x:", "double")], False),
        ([cell('"""Words."""\nimport math\nTWO = 2\ndef double(x): return 2 * x', "double")], False),
        ([cell("def double(x): return 2 * x\nprint(double(1))", "double")], True),
        ([cell("%%time\ndef double(x): return 2 * x", "double")], False),
        ([cell("%%bash\nls", "double")], True),
        ([cell("plot()")], True),
        ([cell("assert double(1) == 2", "own-test", grade=True, locked=True)], True),
        ([cell("assert double(1) == 2", "check-own", grade=True, locked=True)], True),
    ],
)  # fmt: skip
def test_a_notebook_runs_only_for_what_gradus_does_not_grade(cells, runs):
    assert have_to_run(nbformat.v4.new_notebook(cells=cells), ["double"]) == runs


def test_what_is_shown_of_student_code_is_harmless():
    data = [
        {"text/html": "<table><tr><td onclick='x()'>1</td></tr></table><script>x()</script>"},
        {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' onload='x()'></svg>"},
        {"text/markdown": "**bold** <script>x()</script>"},
        {"text/latex": "$x$ <script>x()</script>"},
        {"application/javascript": "x()"},
    ]
    outputs = [nbformat.v4.new_output("display_data", data=one) for one in data]
    made = nbformat.v4.new_code_cell("plot()", outputs=outputs)
    notebook, _ = GradusClean().preprocess(nbformat.v4.new_notebook(cells=[made]), {})
    table, drawing, bold, formula, script = (one.data for one in notebook.cells[0].outputs)
    assert "<table><tbody><tr><td>1</td></tr></tbody></table>" in table["text/html"]
    assert '<img src="data:image/svg+xml;base64,' in drawing["text/html"]
    for html in (table, drawing, formula):  # a formula may reach over what lies around it
        assert html["text/html"].startswith('<div style="contain:paint;overflow:auto">')
    assert "<strong>bold</strong>" in bold["text/html"]
    assert "<script" not in bold["text/html"] + formula["text/html"]
    assert script == {"text/plain": "(an output that is not shown here: application/javascript)"}
