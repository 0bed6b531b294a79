"""Whatever is handed in, pytest goes on: it costs the points that it must, and the message tells why."""

from pathlib import Path

import nbformat
import pytest

from gradus.grading import plugin
from gradus.grading.loader import load_submission
from gradus.grading.report_file import read_report
from gradus.grading.run import grade_here
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
    with_cell,
)

NOTHING = dict.fromkeys(POINTS, 0)

# What was written in place of `double` -> the status of its first check, and words of its message.
FUNCTIONS = {
    "renamed": ("def doubled(x): return 2 * x", "error", "does not define `double`; is `doubled` meant"),
    "other case": ("def Double(x): return 2 * x", "error", "is `Double` meant to be it? Give it back its name"),
    "deleted": ("", "error", "demo.py does not define `double`; was it deleted or renamed?"),
    "no parameter": ("def double(): return 2", "error",
        "`double()` cannot be called as double(float32 tensor (1,)): too many positional arguments."),
    "a parameter too many": ("def double(x, y): return 2 * x", "error",
        "`double(x, y)` cannot be called as double(float32 tensor (1,)): missing a required argument: 'y'."),
    "a number": ("double = 3", "error", "`double` is 3, not a function or class; was the name"),
    "returns nothing": ("def double(x): 2 * x", "failed", "got None did you forget to return it?"),
    "returns text": ("def double(x): return 'two'", "failed",
        "expected a float32 tensor (1,) got a str of 3: 'two'"),
    "returns a list": ("def double(x): return (2 * x).tolist()", "failed",
        "expected a float32 tensor (1,) got a list of 1:"),
    "yields": ("def double(x): yield 2 * x", "failed", "got generator object"),
    "returns an unprintable int": ("def double(x): return 10**5000", "failed",
        "the check could not go on with this: ValueError: Exceeds the limit"),
    "other dtype": ("def double(x): return 2 * x.double()", "failed", "expected float32 got float64"),
    "other shape": ("def double(x): return 2 * x[None]", "failed", "expected shape (1,) got (1, 1) an axis"),
    "wrong value": ("def double(x): return x**2", "failed", "`x` was squared"),
    "raises": ("def double(x):\n    return x.twice", "error",
        "raised AttributeError: 'Tensor' object has no attribute 'twice' demo.py:16 in double return x.twice"),
    "is a stub": ("def double(x):\n    raise NotImplementedError('TODO: double')", "todo", "TODO: double"),
    "recurses": ("def double(x): return double(x)", "error", "raised RecursionError: maximum recursion depth"),
    "sys.exit": ("import sys\ndef double(x): sys.exit(0)", "error", "it ends the program (SystemExit(0))"),
    "os._exit": ("import os\ndef double(x): os._exit(0)", "error", "it ends the program (os._exit(0))"),
    "os.abort": ("import os\ndef double(x): os.abort()", "error", "it ends the program (os.abort())"),
    "pytest.exit": ("import pytest\ndef double(x): pytest.exit('so')", "error",
        "it ends the program (Exit('so'))"),
    "pytest.skip": ("import pytest\ndef double(x): pytest.skip('so')", "error", "it steers pytest (Skipped)"),
    "pytest.xfail": ("import pytest\ndef double(x): pytest.xfail('so')", "error", "it steers pytest (XFailed)"),
    "pytest.fail": ("import pytest\ndef double(x): pytest.fail('so')", "error", "it steers pytest (Failed)"),
    "raises megabytes": ("def double(x): raise ValueError('so ' * 2_000_000)", "error", "ValueError: so so"),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_useless_function_costs_its_own_points_and_says_why(shared_kit, name):
    text, status, words = FUNCTIONS[name]
    result = grade(shared_kit, answers(double=text))
    assert statuses(result)["twice_every_number"] == status
    assert words in message(result, "twice_every_number")
    assert len(message(result, "twice_every_number")) < 2_500
    assert {**earned(result), "double": 0} == {**POINTS, "double": 0}
    assert earned(result)["double"] <= 1  # for leaving its input alone
    assert result.complete


CLASSES = {
    "renamed": ("class Afine: pass", "affine_computes", "does not define `Affine`; is `Afine` meant to be it?"),
    "no module": ("class Affine:\n    def __init__(self, w, b): self.w, self.b = w, b\n"
        "    def __call__(self, x): return self.w * x + self.b", "affine_learns", "Affine is not an nn.Module"),
    "no super().__init__()": ("class Affine(nn.Module):\n    def __init__(self, w, b):\n"
        "        self.weight = nn.Parameter(torch.tensor(w))", "affine_computes",
        "raised AttributeError: cannot assign parameters before Module.__init__() call"),
    "other constructor": ("class Affine(nn.Module):\n    def __init__(self): super().__init__()",
        "affine_computes",
        "`Affine()` cannot be called as Affine(2, 1): too many positional arguments"),
    "fails when it is defined": ("class Affine(nn.Modul): pass", "affine_computes",
        "AttributeError: module 'torch.nn' has no attribute 'Modul'"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_a_useless_class_costs_its_own_points_and_says_why(shared_kit, name):
    text, check, words = CLASSES[name]
    result = grade(shared_kit, answers(Affine=text))
    assert words in message(result, check)
    assert statuses(result)[check] in ("error", "failed")
    assert {**earned(result), "Affine": 2} == POINTS


# A statement outside of functions -> what is said about it; no task needs it.
STATEMENTS = {
    "1 / 0": "demo.py:25: ZeroDivisionError: division by zero",
    "import no_such_module": "demo.py:25: ModuleNotFoundError: No module named 'no_such_module'",
    "import sys; sys.exit(3)": "demo.py:25: ends the program (SystemExit(3)) while the file is loaded",
    "import os; os._exit(3)": "demo.py:25: ends the program (os._exit(3)) while the file is loaded",
    "import os; os.abort()": "demo.py:25: ends the program (os.abort()) while the file is loaded",
    "import pytest; pytest.exit('so')": "demo.py:25: _pytest.outcomes.Exit: so",
    "import pytest; pytest.skip('so', allow_module_level=True)": "demo.py:25: Skipped: so",
    "raise NotImplementedError('TODO: later')": "demo.py:25: calls a task that is still a TODO (TODO: later)",
    "x = 1\nreturn x": "demo.py:26: SyntaxError: 'return' outside function return x ^",
    "x = (1\n\ny = 2": "demo.py:25: SyntaxError: '(' was never closed x = (1 ^",
    "raise ValueError('so ' * 2_000_000)": "demo.py:25: ValueError: so so so",
}  # fmt: skip


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_statement_that_fails_when_loaded_costs_nothing_else(shared_kit, text):
    result = grade(shared_kit, with_cell(text))
    [problem] = problems(result)
    assert problem.startswith(STATEMENTS[text])
    assert len(problem) < 2_000
    assert earned(result) == POINTS


@pytest.mark.parametrize("text", [
    "import warnings; warnings.warn('careful')", 'r = "\\d"', "s = 1 is 1", "print('loud ' * 1_000_000)",
    "import sys; print('loud', file=sys.stderr)", "input = 3", "torch.set_default_dtype(torch.float64)",
])  # fmt: skip
def test_warnings_output_and_settings_when_loaded_are_no_problem(shared_kit, recwarn, text):
    result = grade(shared_kit, with_cell(text))
    assert (problems(result), earned(result)) == ([], POINTS)


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
    cells = ["%matplotlib inline\n!ls\nprint?", "%%bash\nif [ 1 ]; then", *code_cells(answers()),
             "files = !ls\ncheck('double')\n1 / 0", "%cd /\ntwo = double(torch.ones(1))"]  # fmt: skip
    result = grade(shared_kit, notebook(*cells), "demo.ipynb")
    assert problems(result) == ["demo.ipynb cell 7:3: ZeroDivisionError: division by zero"]
    assert earned(result) == POINTS


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
    "no JSON": ("demo.ipynb", b"import torch", "is not a notebook (NotJSONError: Notebook does not appear"),
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


def test_an_endless_loop_costs_its_check_alone(shared_kit, monkeypatch):
    monkeypatch.setattr(plugin, "SECONDS", 3)
    text = "def double(x):\n    while len(x) == 4: pass\n    return 2 * x"
    result = grade(shared_kit, answers(double=text))
    words = "stopped after 3.0s: is there an endless loop? it was at demo.py:16 in double while"
    assert words in message(result, "twice_every_number")
    assert statuses(result)["twice_every_number"] == "timeout"
    assert earned(result) == {**POINTS, "double": 1}


def test_an_endless_loop_when_loaded_costs_its_statement_alone(shared_kit, monkeypatch):
    monkeypatch.setitem(load_submission.__kwdefaults__, "seconds", 2.0)
    result = grade(shared_kit, with_cell("while True:\n    pass"))
    assert problems(result) == [
        "demo.py:25: ran longer than 2 s while the file was loaded; left out"
    ]
    assert earned(result) == POINTS


def test_megabytes_of_output_reach_neither_terminal_nor_report(kit, run_pytest):
    body = "print('out ' * 2_000_000)\n    print('err ' * 2_000_000, file=sys.stderr)"
    text = f"import sys\ndef double(x):\n    {body}"
    path = kit.root / "demo.py"
    path.write_text(answers(double=text) + "\n# %%\nprint('load ' * 2_000_000)\n", encoding="utf-8")
    run = run_pytest(f"--submission={path}", "--gradus-report=report.json")
    run.stdout.fnmatch_lines(["*(8,000,001 characters in all; the end of it:)*"])
    assert len(run.stdout.str()) < 30_000
    assert Path("report.json").stat().st_size < 10_000


def test_what_a_student_does_to_the_input_never_reaches_the_check(shared_kit):
    result = grade(shared_kit, answers(double="def double(x): return x.mul_(2)"))
    assert statuses(result)["twice_every_number"] == "passed"
    assert "input was changed in place: argument 1 (float32 tensor (3,))" in message(
        result, "double_leaves_its_input"
    )


def test_characters_that_cannot_be_written_do_not_lose_the_report(kit, run_pytest):
    path = kit.root / "demo.py"
    path.write_text(answers(double="def double(x): raise ValueError('\\ud800')"), encoding="utf-8")
    run_pytest(f"--submission={path}", "--gradus-report=report.json")
    [topic] = read_report(Path("report.json")).topics
    assert "ValueError: \\ud800" in message(topic, "twice_every_number")
    assert earned(topic) == {**POINTS, "double": 0}
