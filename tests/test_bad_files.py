"""Files that cannot be read, or only in part: what is left is graded, and the message tells what is not."""

import os

import nbformat
import pytest

from gradus.authoring.export import stub_text
from gradus.engine.here import grade_here
from gradus.submission.notebook_source import read_notebook
from gradus.topic import Topic
from tests.kits import (
    POINTS,
    answers,
    code_cells,
    earned,
    grade,
    message,
    notebook,
    problems,
    statuses,
)

NOTHING = dict.fromkeys(POINTS, 0)


def broken_syntax(source: str) -> str:
    return source.replace("return 2 * x", "return 2 * (x")


def test_a_syntax_error_in_a_file_with_cells_costs_only_its_cell(shared_kit):
    result = grade(shared_kit, broken_syntax(answers()))
    words = "demo.py:20: SyntaxError: '(' was never closed return 2 * (x ^"
    assert problems(result) == [words]
    assert words in message(result, "twice_every_number")
    assert earned(result) == {**POINTS, "double": 0}


def test_a_syntax_error_in_a_file_without_cells_costs_all_and_points_at_the_line(shared_kit):
    text = "\n".join(code_cells(broken_syntax(answers())))
    result = grade(shared_kit, text)
    assert problems(result) == ["demo.py:8: SyntaxError: '(' was never closed return 2 * (x ^"]
    assert earned(result) == NOTHING


def test_a_syntax_error_in_a_notebook_costs_only_its_cell(shared_kit):
    text = notebook(*code_cells(broken_syntax(answers())))
    result = grade(shared_kit, text, "demo.ipynb")
    assert problems(result) == [
        "demo.ipynb cell 2:6: SyntaxError: '(' was never closed return 2 * (x ^"
    ]
    assert earned(result) == {**POINTS, "double": 0}


def test_a_notebook_may_hold_magics_shell_lines_checks_and_other_languages(shared_kit):
    setup = "import gradus\n\ncheck = gradus.checker('demo')"
    cells = [setup, "%matplotlib inline\n!ls\nprint?", "%%bash\nif [ 1 ]; then", *code_cells(answers()),
             "files = !ls\ncheck('double')\n1 / 0", "%cd /\ntwo = double(torch.ones(1))"]  # fmt: skip
    result = grade(shared_kit, notebook(*cells), "demo.ipynb")
    assert problems(result) == ["demo.ipynb cell 8:3: ZeroDivisionError: division by zero"]
    assert earned(result) == POINTS


GAP = "# ## 2. row_means\n"  # the last line of the text above a task


def test_code_below_the_text_above_a_task_is_run(shared_kit):
    helper = "\nFACTOR = 2\n\n\ndef twice(x):\n    return FACTOR * x\n"
    text = answers(double="def double(x):\n    return twice(x)").replace(GAP, GAP + helper)
    result = grade(shared_kit, text)
    assert (problems(result), earned(result)) == ([], POINTS)


def test_a_second_definition_below_a_text_counts_as_in_python(shared_kit):
    wrong = "\ndef double(x):\n    return x**2\n"
    result = grade(shared_kit, answers().replace(GAP, GAP + wrong))
    assert earned(result) == {**POINTS, "double": 1}
    assert "`x` was squared" in message(result, "twice_every_number")


def test_a_syntax_error_below_a_text_is_told_with_its_line_and_costs_only_itself(shared_kit):
    text = answers().replace(GAP, f"{GAP}\nprint('hello'\n")
    line = text.split("\n").index("print('hello'") + 1
    result = grade(shared_kit, text)
    [problem] = problems(result)
    assert problem.startswith(f"demo.py:{line}: SyntaxError: '(' was never closed")
    assert earned(result) == POINTS


def test_a_text_in_quotes_is_a_text(shared_kit):
    result = grade(shared_kit, answers().replace(GAP, '"""\n## 2. row_means: it\'s (nearly\n"""\n'))
    assert (problems(result), earned(result)) == ([], POINTS)


@pytest.mark.parametrize(
    "last", ["# %% [markdown]\n# The end.\n", '# %% tags=["picture"]\n1 / 0\n']
)
def test_what_stands_at_the_end_of_a_stub_is_run(kit, last):
    path = kit.solution("demo")
    path.write_text(f"{answers()}\n\n{last}", encoding="utf-8")
    stub = stub_text(Topic.load(path))
    assert stub.endswith("\n\n# %%\n")
    assert earned(grade(kit, stub)) == NOTHING
    for text in (stub, stub.removesuffix("# %%\n")):  # and one that an earlier version made
        result = grade(kit, text + "def double(x):\n    return 2 * x\n")
        assert earned(result) == {**NOTHING, "double": 3}


def with_magic(*lines: str) -> str:
    """A right notebook with these lines above the answer to `double`."""
    cells = code_cells(answers())
    above = "\n".join([*lines, ""])
    return notebook(*(above + c if c.startswith("def double") else c for c in cells))


@pytest.mark.parametrize("lines", [
    ["%%time"], ["", "  ", "%%time"], ["%%capture out"], ["%%prun -q"], ["%%capture", "%%time"],
    ["%%time", "", "%%capture --no-stderr"], ["%%time --no-raise-error", "%matplotlib inline"],
])  # fmt: skip
def test_a_cell_magic_that_runs_python_leaves_the_answer_below_it(shared_kit, lines):
    result = grade(shared_kit, with_magic(*lines), "demo.ipynb")
    assert (problems(result), earned(result)) == ([], POINTS)


def test_lines_below_a_cell_magic_keep_their_numbers(shared_kit):
    result = grade(shared_kit, with_magic("%%time", "", "1 / 0"), "demo.ipynb")
    assert problems(result) == ["demo.ipynb cell 2:3: ZeroDivisionError: division by zero"]
    assert earned(result) == POINTS


@pytest.mark.parametrize("magic", ["%%timeit", "%%python3", "%%writefile helper.py", "%%nope -x"])
def test_an_answer_below_another_cell_magic_is_missing_and_told(shared_kit, magic):
    result = grade(shared_kit, with_magic("", "%%time", magic), "demo.ipynb")
    name = magic.split()[0]
    words = (
        f"demo.ipynb cell 2:1: the cell begins with {name}, so it is not run here, "
        f"and what it defines is not used: double. Remove the line with {name}."
    )
    assert problems(result) == [words]
    assert words in message(result, "twice_every_number")
    assert earned(result) == {**POINTS, "double": 0}


TIMED = """\
%time FACTOR = 2
%time --no-raise-error def times(x): return FACTOR * x
if True:
    %prun ZERO = times(0)
a, b = %time times(1), ZERO
TEXT = '''
%time gone
'''
assert TEXT.strip() == "%time gone"
%timeit 1 / 0
%time
"""


def test_a_timed_statement_is_run_as_python(shared_kit):
    double = "def double(x):\n    return times(x) + b + a - 2"
    text = notebook(TIMED, *code_cells(answers(double=double)))
    result = grade(shared_kit, text, "demo.ipynb")
    assert (problems(result), earned(result)) == ([], POINTS)


def with_picture(text):
    """A notebook whose last cell is one that draws a picture for the reader, and cannot be run."""
    whole = nbformat.reads(text, as_version=4)
    whole.cells.append(nbformat.v4.new_code_cell("1 / 0", metadata={"tags": ["picture"]}))
    return whole


def test_pictures_of_the_handout_are_not_run(shared_kit):
    whole = with_picture(notebook(*code_cells(answers())))
    for text in (nbformat.writes(whole), nbformat.writes(read_notebook(nbformat.writes(whole)))):
        result = grade(shared_kit, text, "demo.ipynb")
        assert (problems(result), earned(result)) == ([], POINTS)
    module = grade(shared_kit, answers() + '\n# %% tags=["picture"]\n1 / 0\n')
    assert (problems(module), earned(module)) == ([], POINTS)


def test_a_notebook_of_format_3_is_graded(shared_kit):
    v3 = nbformat.v3
    sheet = v3.new_worksheet(cells=[v3.new_code_cell(text) for text in code_cells(answers())])
    result = grade(shared_kit, v3.writes_json(v3.new_notebook(worksheets=[sheet])), "demo.ipynb")
    assert earned(result) == POINTS


FILES = {
    "empty": ("demo.py", b" \n\n", "is empty. Did you save it? `gradus reset demo` makes a new one."),
    "Latin-1": ("demo.py", answers().replace("Twice", "Zwölf").encode("latin-1"),
        "line 16 is not UTF-8 text (byte 0xf6). Save the file with the encoding \"UTF-8\"."),
    "UTF-16": ("demo.py", answers().encode("utf-16"), "line 1 is not UTF-8 text (byte 0xff)."),
    "NUL bytes": ("demo.py", answers().encode() + b"\0", "is not a text file (it holds NUL bytes)."),
    "6 MB": ("demo.py", answers().encode() + b"#" * 6_000_000, "is 6 MB large; at most 5 MB are read."),
    "no JSON": ("demo.ipynb", b"import torch", "is not a notebook ("),
    "JSON, but no notebook": ("demo.ipynb", b"[1, 2]", "is not a notebook ("),
    "cut off": ("demo.ipynb", notebook(*code_cells(answers()))[:-40].encode(), "is not a notebook ("),
    "no cells": ("demo.ipynb", notebook().encode(), "is a notebook without cells. Was it saved after the work"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_an_unreadable_file_earns_nothing_and_says_why(shared_kit, name):
    file, data, words = FILES[name]
    result = grade(shared_kit, data, file)
    assert problems(result)[0].startswith(f"{file}: {words}")
    assert earned(result) == NOTHING
    assert set(statuses(result).values()) == {"error"}
    assert words[:20] in message(result, "affine_learns")


def test_a_missing_file_earns_nothing_and_names_the_path(shared_kit):
    result = grade_here(shared_kit, "demo", shared_kit.root / "elsewhere" / "demo.py")
    [problem] = problems(result)
    assert problem.startswith("demo.py: there is no file demo.py. Was it moved or renamed?")
    assert earned(result) == NOTHING


@pytest.mark.parametrize("data", [
    b"\xef\xbb\xbf" + answers().encode(), answers().replace("\n", "\r\n").encode(),
    answers().replace("\n", "\r").encode(), ("from __future__ import annotations\n" + answers()).encode(),
], ids=["byte order mark", "CRLF", "CR", "future import"])  # fmt: skip
def test_how_an_editor_saves_a_file_makes_no_difference(shared_kit, data):
    assert earned(grade(shared_kit, data)) == POINTS


@pytest.mark.parametrize("isolated", [False, True])
def test_a_device_is_not_read(shared_kit, tmp_path, isolated):
    path = tmp_path / "demo.py"
    os.mkfifo(path)
    result = grade_here(shared_kit, "demo", path, isolated=isolated)
    (problem,) = result.problems
    assert problem.message.startswith("is a device, a pipe or a socket, not a file")
    assert result.earned == 0
