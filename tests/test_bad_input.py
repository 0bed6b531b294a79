"""Whatever is handed in, pytest goes on: it costs the points that it must, and the message tells why."""

import sys
from pathlib import Path

import pytest

from gradus.grading import selection
from gradus.grading.report_file import read_report
from gradus.submission.loader import load_submission
from gradus.submission.settings import StudentSettings
from tests.kits import (
    POINTS,
    answers,
    earned,
    grade,
    message,
    problems,
    statuses,
    with_cell,
)

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


def test_an_endless_loop_costs_its_check_alone(shared_kit, monkeypatch):
    monkeypatch.setattr(selection, "SECONDS", 3)
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


def test_a_time_limit_lets_an_import_come_to_its_end(kit):
    grader = kit.grader("demo")
    text = grader.read_text(encoding="utf-8")
    mark = '@pytest.mark.task("row_means", points=2)'
    grader.write_text(text.replace(mark, f"@pytest.mark.timeout(1)\n{mark}"), encoding="utf-8")
    module = kit.root / "slow_to_import.py"
    module.write_text("import time\n\ntime.sleep(1.5)\ntimes = [1]\n", encoding="utf-8")
    loops = """
def row_means(table):
    from slow_to_import import times
    while True:
        times[0] += 1
"""
    result = grade(kit, answers(row_means=loops))
    assert statuses(result)["one_mean_for_each_row"] == "timeout"
    assert sys.modules.pop("slow_to_import").times[0] > 1


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


LEFT = {  # what a submission may leave behind, in its file or in a call
    "stdout closed": "sys.stdout.close()",
    "no stderr": "sys.stderr = None",
    "stdout wrapped anew": "import io; sys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-8'); print('x')",
    "a low recursion limit": "sys.setrecursionlimit(40)",
    "inference mode": "sys.mode = torch.inference_mode(); sys.mode.__enter__()",
    "another dtype": "torch.set_default_dtype(torch.float64)",
    "another device": "torch.set_default_device('meta')",
    "grad mode off": "torch.set_grad_enabled(False)",
}


@pytest.mark.parametrize("isolated", [False, True], ids=["in-process", "isolated"])
@pytest.mark.parametrize("left", LEFT)
def test_what_a_submission_leaves_set_does_not_reach_the_checks(shared_kit, left, isolated):
    there = f"import sys\n{answers()}\n{LEFT[left]}\n"
    assert earned(grade(shared_kit, there, isolated=isolated)) == POINTS
    assert print("the stream is still open") is None
    if left == "grad mode off":
        return  # it is part of what a call does, as for a function that is decorated with no_grad
    body = f"def row_means(table):\n    {LEFT[left]}\n    return table.mean(dim=-1)"
    in_a_call = f"import sys\n{answers(row_means=body)}\n"
    assert earned(grade(shared_kit, in_a_call, isolated=isolated)) == POINTS


def test_a_program_without_streams_has_none_to_lend(monkeypatch):
    """As pythonw.exe is: `print` then does nothing, and is no error."""
    monkeypatch.setattr("sys.stdout", None)
    with StudentSettings().in_force():
        print("nowhere")
    assert sys.stdout is None
