"""What the loader defines is what Python, or a notebook's kernel, would define."""

import sys
import sysconfig
import tokenize
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from gradus.submission.loader import load_submission
from gradus.submission.magics import as_python
from tests.kits import notebook

CORPUS = {
    "bodies": """\
import functools

def plain(x):
    \"\"\"A text

    of several lines.\"\"\"
    total = 0
    for n in range(x):

        if n % 2:
            total += n
        else:
            total -= n
    return total

@functools.lru_cache(
    maxsize=None
)
@functools.lru_cache
def decorated(x):
    return x + 1

class Kept:
    size = 3

    def get(self):
        return self.size

seen = [plain(5), decorated(2), Kept().get()]
""",
    "strings": '''\
text = """one
two "three" \'\'\'
four"""
raw = r\'\'\'\\
%time x
\'\'\'
more = f"""{len(text)}
{raw!r}"""
def f():
    """
    check(1)
    """
    return f.__doc__
seen = [text, raw, more, f()]
''',
    "brackets": """\
rows = [
    1,
2,
    (3
        % 2),
]
table = {
"a": rows,
}
def f(
    a,
b=2,
):
    return (a
        % b)
seen = [rows, table, f(7)]
""",
    "branches": """\
if len("a") > 1:
    way = "long"
elif len("a") == 1:
    way = "one"
else:
    way = "none"
try:
    import no_such_module
except ImportError:
    found = False
else:
    found = True
finally:
    done = True
match way:
    case "one":
        matched = 1
    case _:
        matched = 2
for n in range(2):
    pass
else:
    ended = True
with open(__file__) as file:
    first = file.readline()
seen = [way, found, done, matched, ended]
""",
    "names of commands": """\
cat, cp, ls = 1, [2], {"a": 3}
cp += [5]
cp.append(6)
cp[0]
ls["a"]
cat -= 2
cat in cp
seen = [cat, cp, ls]
""",
    "annotations": """\
from __future__ import annotations
def f(x: NotThere) -> NorThis:
    return x
class C:
    field: Nowhere = 1
seen = [f.__annotations__, C.__annotations__]
""",
    "a check of one's own": """\
def check(x):
    return x + 1
seen = [check(1)]
if seen:
    check(2)
def twice(x):
    def check(y):
        return 2 * y
    check(x)
    return check(x)
seen += [twice(2)]
""",
}


def loaded_from(folder, text, name="demo.py"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load_submission(path, "demo", keyboard=False)


def by_python(folder, text):
    """What `exec` defines, of a file at the same place."""
    module = ModuleType("submission_demo")
    module.__file__ = str(folder / "demo.py")
    (folder / "demo.py").write_text(text, encoding="utf-8")
    exec(compile(text, "demo.py", "exec", dont_inherit=True), vars(module))
    return vars(module)


def is_python(text):
    try:
        compile(text, "demo.py", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


MARKS = ("# %%", "# %% [markdown]", '# %% tags=["other"]')


def with_mark(text, at, mark):
    lines = text.split("\n")
    return "\n".join([*lines[:at], mark, *lines[at:]])


def marked(text):
    """The text with a mark at each place in turn, as long as it is Python."""
    for at in range(text.count("\n") + 1):
        variant = with_mark(text, at, MARKS[at % len(MARKS)])
        if is_python(variant):
            yield variant


@pytest.mark.parametrize("name", CORPUS)
def test_a_mark_is_a_comment_wherever_it_stands(tmp_path, name):
    for variant in [CORPUS[name], *marked(CORPUS[name])]:
        expected = by_python(tmp_path, variant)
        loaded = loaded_from(tmp_path, variant)
        assert not loaded.problems, variant
        assert set(loaded.names()) == {n for n in expected if not n.startswith("_")}, variant
        assert loaded.module.seen == expected["seen"], variant
        assert loaded.module.__doc__ == expected.get("__doc__"), variant


BROKEN = "x = (1\n"


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("name", CORPUS)
def test_a_mistake_costs_its_cell_and_leaves_what_marks_cannot_cut(tmp_path, name, before):
    for variant in marked(CORPUS[name]):
        if name == "annotations" and before:
            continue  # a future import behind a statement is none of Python's
        expected = by_python(tmp_path, variant)["seen"]
        parts = [BROKEN, variant] if before else [variant, BROKEN]
        text = "# %%\n" + "\n# %%\n".join(parts)
        loaded = loaded_from(tmp_path, text)
        (problem,) = loaded.problems
        line = text.split("\n").index("x = (1") + 1
        assert problem.where.endswith(f"demo.py:{line}"), text
        assert loaded.module.seen == expected, text


@pytest.mark.parametrize("name", CORPUS)
def test_lines_that_are_python_are_no_magics(name):
    lines = CORPUS[name].split("\n")
    assert as_python(lines) == lines


def test_no_line_of_pythons_own_library_is_a_magic():
    folder = Path(sysconfig.get_path("stdlib"))
    paths = [*folder.glob("*.py"), *(folder / "test").glob("test_[f-g]*.py")]
    assert len(paths) > 100
    for path in paths:
        try:
            with tokenize.open(path) as file:
                lines = file.read().split("\n")
        except (SyntaxError, UnicodeDecodeError):
            continue  # wrong on purpose
        if is_python("\n".join(lines)):
            assert as_python(lines) == lines, path


# A notebook's cell -> what it defines, as `repr`s. `None`: the name is not defined.
CELLS = {
    "an indented magic alone in a block": (
        "try:\n    import no_such_module\nexcept ImportError:\n    !pip install it\nx = 1", {"x": "1"}),
    "an indented magic in an if": ("if 1:\n    %pip install it\nx = 1", {"x": "1"}),
    "a command of several lines": ("!pip install \\\n  it\nx = 1", {"x": "1"}),
    "a quote in a command": ("!echo it's\nx = 1", {"x": "1"}),
    "an operator in brackets": ("a, b = 7, 4\nx = (a\n        %b)", {"x": "3"}),
    "a magic in a text": ("x = '''\n%time y\n!ls\n'''", {"x": r"'\n%time y\n!ls\n'"}),
    "lines of a command": ("x = !ls", {"x": "[]"}),
    "a value in brackets": ("d = {}\nd['k'] = %time 3", {"d": "{'k': 3}"}),
    "a value behind an if": ("if 1: x = %time 3", {"x": "3"}),
    "a time in a block": ("if 1:\n    %time x = 3", {"x": "3"}),
    "a statement over several lines": ("%time x = max(1,\n  3)", {"x": "3"}),
    "memory of a statement": ("%memit -r 1 -c x = 3", {"x": "3"}),
    "profile of a statement": ("%prun -s cumtime -q -l 5 x = 3\n%lprun -f len y = 4",
        {"x": "3", "y": "4"}),
    "only measures": ("%timeit x = 3", {"x": None}),
    "help": ("?len\nlen?\nlen??\n??len\n%time?\nx = 1", {"x": "1"}),
    "calls": (",print a b\n;print a b\n/print 1, 2\nx = 1", {"x": "1"}),
    "commands without a sign": ("pip install it\nls\nls -la\ncd ..\ncat *.txt\nx = 1", {"x": "1"}),
    "magics without a sign": ("matplotlib inline\ntime x = 3", {"x": "3"}),
    "commands as names": ("cp = 1\ncp += 5\nls = [1]\nls[0]\nls.append(cp)\nmv = cp", {"cp": "6",
        "ls": "[1, 6]", "mv": "6"}),
    "prompts": (">>> def f(a):\n...     return a\n>>> x = f(2)", {"x": "2"}),
    "prompts of IPython": ("In [1]: def f(a):\n   ...:     return a\n   ...: x = f(2)", {"x": "2"}),
    "all is indented": ("    def f(a):\n        return a\n    x = f(2)", {"x": "2"}),
    "an indented cell magic": ("  %%time\n  x = 3", {"x": "3"}),
    "memory of a cell": ("%%memit -r 1\nx = 3", {"x": "3"}),
    "display": ("display(1)\nfrom gradus.errors import GradusError\nx = get_ipython()\nx.magic('time')\n"
        "y = x.getoutput('ls')\nx.run_line_magic('matplotlib', 'inline')\nx = 1", {"x": "1", "y": "[]"}),
    "a check in a block": ("if True:\n    check('f')\nfor t in ('a', 'b'):\n    check(t)\nx = 1", {"x": "1"}),
    "a check on a line": ("check('a'); x = 1", {"x": "1"}),
    "a check over lines": ("check(\n  'f'\n)\nx = 1", {"x": "1"}),
    "a text with a check": ('x = """\ncheck(1)\n"""', {"x": r"'\ncheck(1)\n'"}),
    "a check got ready": ("import gradus\ncheck = gradus.checker('demo')\nx = check('f')", {"x": "0.0"}),
    "got ready otherwise": ("from gradus import checker as c\nx = c('demo')('f')", {"x": "0.0"}),
    "a line separator in a text": ("x = '\u2028'", {"x": r"'\u2028'"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_defines_what_it_does_in_jupyter(tmp_path, name):
    cell, expected = CELLS[name]
    loaded = loaded_from(tmp_path, notebook(cell), "demo.ipynb")
    assert not loaded.problems
    own = vars(loaded.module)
    assert {n: repr(own[n]) if n in own else None for n in expected} == expected


def test_stand_ins_are_no_names_of_the_students(tmp_path):
    loaded = loaded_from(tmp_path, "def f():\n    display(get_ipython(), check('f'))")
    assert loaded.names() == ["f"]
    loaded.module.f()
    loaded = loaded_from(tmp_path, "def check(): pass")
    assert loaded.names() == ["check"]


def test_the_kits_own_checks_are_as_before(tmp_path):
    import gradus

    before = gradus.checks
    loaded_from(tmp_path, "import gradus\ncheck = gradus.checker('demo')")
    assert gradus.checks is before


def test_a_file_that_a_notebook_runs_gives_it_names(tmp_path):
    (tmp_path / "helper.py").write_text(
        "import sys\nTWO = 2\ndef f(x):\n    return TWO * x * ONE\n"
    )
    loaded = loaded_from(tmp_path, notebook("ONE = 1\n%run -i helper.py", "x = f(3)"), "demo.ipynb")
    assert (loaded.problems, loaded.module.x) == ([], 6)
    assert str(tmp_path / "helper.py") in loaded.filenames
    (tmp_path / "helper.py").write_text("def f(x):\n    return x\n")
    loaded = loaded_from(tmp_path, notebook("%run helper", "x = f(3)"), "demo.ipynb")
    assert (loaded.problems, loaded.module.x) == ([], 3)


@pytest.mark.parametrize("line", ["run nope.py", "run other.ipynb", "pylab inline", "store -r f"])
def test_a_magic_whose_names_are_lost_is_told(tmp_path, line):
    loaded = loaded_from(tmp_path, notebook(f"y = 1\n%{line}\nx = 1"), "demo.ipynb")
    (problem,) = loaded.problems
    assert problem.where.endswith("demo.ipynb cell 1:2")
    assert f"%{line.split()[0]}" in problem.message
    assert (loaded.module.x, loaded.module.y) == (1, 1)


def test_a_future_import_holds_for_the_cells_behind_it(tmp_path):
    cells = [
        "def before(x: int): pass",
        "from __future__ import annotations",
        "def f(x: Nowhere): pass",
    ]
    loaded = loaded_from(tmp_path, notebook(*cells), "demo.ipynb")
    assert not loaded.problems
    assert loaded.module.before.__annotations__ == {"x": int}
    assert loaded.module.f.__annotations__ == {"x": "Nowhere"}


def test_what_a_statement_would_have_defined_is_told(tmp_path):
    text = "if True:\n    1 / 0\n    def f(): pass\n    async def g():\n        def inner(): pass\n"
    (problem,) = loaded_from(tmp_path, text).problems
    assert problem.names == ("f", "g")


PICTURE = "import matplotlib.nope\ndef f(x):\n    return x\ng = lambda x: x\nshown = f(3)\n"


def test_of_a_cell_that_draws_definitions_are_run(tmp_path):
    module = f'# %% tags=["picture"]\n{PICTURE}# %%\ny = f(1)\n'
    whole = nbformat.reads(notebook(PICTURE, "y = f(1)"), as_version=4)
    whole.cells[0].metadata["tags"] = ["picture"]
    broken = f"{module}# %%\n{BROKEN}"
    files = [(module, "demo.py"), (nbformat.writes(whole), "demo.ipynb"), (broken, "demo.py")]
    for text, name in files:
        loaded = loaded_from(tmp_path, text, name)
        assert len(loaded.problems) == (text is broken)
        assert [n for n in loaded.names() if n in "fgy" or n == "shown"] == ["f", "g", "y"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "shift_jis"])
@pytest.mark.parametrize("first", ["", "#!/usr/bin/env python\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_encoding_that_a_comment_names_is_honoured(tmp_path, encoding, first, end):
    word = "é" if encoding != "shift_jis" else "水"
    text = f"{first}# -*- coding: {encoding} -*-\nx = '{word}'\n".replace("\n", end)
    (tmp_path / "demo.py").write_bytes(text.encode(encoding))
    loaded = load_submission(tmp_path / "demo.py", "demo")
    assert (loaded.problems, loaded.module.x) == ([], word)


@pytest.mark.parametrize(("data", "words"), [
    (b"# coding: nope\nx = 1", "line 1 names the encoding 'nope', which Python does not know."),
    (b"\n# coding: zlib\nx = 1", "line 2 names the encoding 'zlib', which Python does not know."),
    (b"# coding: punycode\nx = 1", "line 1 names the encoding 'punycode', which is none for a program."),
    (b"# coding: ascii\nx = '\xe9'", "line 2 is not ascii text (byte 0xe9)."),
    (b"x = 1\n# coding: latin-1\ny = '\xe9'", "line 3 is not UTF-8 text (byte 0xe9)."),
    (b"\n\n# coding: latin-1\ny = '\xe9'", "line 4 is not UTF-8 text (byte 0xe9)."),
])  # fmt: skip
def test_what_does_not_decode_is_told(tmp_path, data, words):
    (tmp_path / "demo.py").write_bytes(data)
    (problem,) = load_submission(tmp_path / "demo.py", "demo").problems
    assert problem.message.startswith(words)


def test_neither_ipython_nor_jupytext_is_imported(tmp_path):
    import subprocess

    path = tmp_path / "demo.ipynb"
    path.write_text(notebook("%matplotlib inline\n!ls\nx = 1"), encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from gradus.submission.loader import load_submission\n"
        f"loaded = load_submission(Path({str(path)!r}), 'demo')\n"
        "print(loaded.problems, loaded.module.x, {'IPython', 'jupytext', 'nbformat'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "[] 1 set()", done.stderr
