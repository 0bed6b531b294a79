"""A class of odd hand-ins over a small kit of two topics, as three systems pack it, and what each deserves."""

import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

from gradus.authoring.export import export
from gradus.course import Course, load_course
from tests.kits import answers, code_cells, notebook, with_cell, write_kit

TOPICS = """\
topics = ["demo", "sums"]
"""
SUMS = '''\
# %% [markdown]
# # Sums

# %%
import torch
from torch import Tensor

# %% [markdown]
# ## 1. add_up


# %%
def add_up(x: Tensor) -> Tensor:
    """The sum of all numbers."""
    ### BEGIN SOLUTION
    # HINT: `x.sum()`
    return x.sum()
    ### END SOLUTION
'''
OF_SUMS = '''\
"""Checks for `sums`."""

import pytest

from gradus.checks import assert_matches


@pytest.mark.task("add_up", points=4)
def test_sums_all(submission, random):
    """add_up adds all numbers."""
    x = random.normal(5)
    assert_matches(submission.add_up(x), x.sum())
'''


def odd_kit(folder: Path) -> Course:
    """The small kit with a second topic, `sums`, of 4 points."""
    write_kit(folder)
    (folder / "course.toml").write_text(TOPICS, encoding="utf-8")
    (folder / "solutions" / "sums.py").write_text(SUMS, encoding="utf-8")
    (folder / "graders" / "test_sums.py").write_text(OF_SUMS, encoding="utf-8")
    course = load_course(folder)
    export(course, course.topics)
    return course


@dataclass(frozen=True)
class Odd:
    """What one student handed in, and what it deserves.

    Args:
        points: In `demo`, of 7: double 3, row_means 2, Affine 2. None: there is nothing to grade.
        data: The content of one file; or of several by their names.
        name: Of the one file.
        said: Words that are printed about this student.
        sums: Points in `sums`, of 4, where that was handed in too.
    """

    points: int | None
    data: str | bytes | Mapping[str, str | bytes] = b""
    name: str = "demo.py"
    said: str = ""
    sums: int | None = None

    @property
    def files(self) -> dict[str, bytes]:
        """The files by name."""
        data = self.data if isinstance(self.data, Mapping) else {self.name: self.data}
        return {n: d if isinstance(d, bytes) else d.encode() for n, d in data.items()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _encrypted(data: bytes) -> bytes:
    """The zip as one whose entries ask for a password."""
    for head, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data = re.sub(
            re.escape(head) + b"." * (at - 4) + b".",
            lambda found: found[0][:-1] + bytes([found[0][-1] | 1]),
            data,
            flags=re.DOTALL,
        )
    return data


RIGHT = answers()
STUB = "def double(x):\n    raise NotImplementedError('TODO: double')"
SQUARED = "def double(x):\n    return x * x"
RIGHT_NOTEBOOK = notebook(*code_cells(RIGHT))


def _in(first: str, then: str = "return 2 * x") -> str:
    """A right file but for what `double` does first."""
    return answers(double=f"def double(x):\n    {first}\n    {then}")


def _edited(**about: object) -> str:
    """The right notebook with other values in it, at its top or (`cells_*`) in each of its cells."""
    data = json.loads(RIGHT_NOTEBOOK)
    for name, value in about.items():
        for one in data["cells"] if name.startswith("cells_") else [data]:
            one[name.removeprefix("cells_")] = value
    return json.dumps(data)


def _with_cells(*cells: str) -> str:
    return notebook(*cells, *code_cells(RIGHT))


_OUTPUT = {"output_type": "stream", "name": "stdout", "text": "0123456789" * 100_000}

# Right, in odd styles and odd forms.
RIGHT_ONES = {
    "plain": Odd(7, RIGHT),
    "lambda": Odd(7, answers(double="double = lambda x: x + x")),
    "callable": Odd(
        7,
        answers(
            double="class Twice:\n    def __call__(self, x):\n        return x + x\n\n\ndouble = Twice()"
        ),
    ),
    "partial": Odd(
        7,
        answers(
            double="import functools\n\ndouble = functools.partial(torch.mul, torch.tensor(2.0))"
        ),
    ),
    "decorated": Odd(
        7,
        answers(
            double="def same(f):\n    return lambda *a: f(*a)\n\n\n@same\ndef double(x):\n    return x + x"
        ),
    ),
    "korean": Odd(
        7, answers(double="def double(숫자):\n    결과 = 숫자 + 숫자  # 두 배\n    return 결과")
    ),
    "crlf": Odd(7, RIGHT.replace("\n", "\r\n")),
    "bom": Odd(7, b"\xef\xbb\xbf" + RIGHT.encode()),
    "magics": Odd(
        7,
        _with_cells("%matplotlib inline\n!pip install torch\n?torch", "%%bash\necho hello"),
        "demo.ipynb",
    ),
    "checks": Odd(
        7,
        _with_cells("from gradus import check\ncheck('double')", "check('demo')"),
        "demo.ipynb",
    ),
    "format3": Odd(
        7, nbformat.writes(nbformat.reads(RIGHT_NOTEBOOK, as_version=4), version=3), "demo.ipynb"
    ),
    "outputs": Odd(7, _edited(cells_outputs=[_OUTPUT]), "demo.ipynb"),
    "metadata": Odd(7, _edited(metadata=None, cells_id="all the same!"), "demo.ipynb"),
    "capitals": Odd(7, RIGHT_NOTEBOOK, "DEMO.IPYNB"),
    "copy": Odd(7, RIGHT_NOTEBOOK, "demo (1).ipynb"),
    "misnamed": Odd(7, RIGHT, "hw1 final FINAL.py", said="was taken for demo"),
    "controls": Odd(7, _in(r"print('\x1b[2J\x1b]0;title\x07::error::now\r')")),
    "megabytes": Odd(7, _in("[print('x' * 1_000_000) for _ in range(100 // 4)]")),
    "threads": Odd(
        7,
        with_cell(
            "import threading, time\nthreading.Thread(target=time.sleep, args=(9999,)).start()"
        ),
    ),
    "atexit": Odd(7, with_cell("import atexit, os\natexit.register(os._exit, 5)")),
    "writes": Odd(7, with_cell("open('out.txt', 'w').write('x' * 1000)\nopen('out.txt').read()")),
    "offline": Odd(
        7,
        with_cell(
            "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\n    torch = 0\n"
            "except OSError:\n    pass"
        ),
    ),
    "resubmitted": Odd(
        7,
        {"demo.py": answers(double=SQUARED), "demo-1.py": RIGHT},
        said="demo-1.py was taken (the last copy), not",
    ),
    "both": Odd(7, {"demo.py": RIGHT, "sums.py": SUMS}, sums=4),
}

# Partly right, or wrong: the points are those of what works.
PARTS = {
    "halfright": Odd(3, answers(row_means="", Affine="")),
    "squared": Odd(5, answers(double=SQUARED)),
    "hiddenloss": Odd(
        6, answers(row_means="def row_means(t): return t.sum(-1) / max(t.shape[-1], 2)")
    ),
    "dtype": Odd(5, _in("x = x.double()")),
    "shape": Odd(5, answers(row_means="def row_means(t): return t.mean(-1, keepdim=True)")),
    "device": Odd(
        5, answers(row_means="def row_means(t): return torch.stack([r.mean().cpu() for r in t])")
    ),
    "nan": Odd(5, _in("x = x * float('nan')")),
    "inplace": Odd(6, _in("return x.mul_(2)")),
    "nothing": Odd(5, _in("return None")),
    "cell": Odd(
        4, notebook(*code_cells(answers(double="def double(x:\n    return 2 * x"))), "demo.ipynb"
    ),
    "syntax": Odd(4, answers(double="def double(x:\n    return 2 * x")),
    "patched": Odd(
        5,
        answers(double=SQUARED)
        + "\n\ntorch.equal = torch.allclose = torch.testing.assert_close = lambda *a, **k: True\n",
    ),
    "builtins": Odd(
        5,
        answers(double=SQUARED)
        + "\n\nimport builtins, pytest\n\nbuiltins.all = builtins.isinstance = lambda *a: True\n"
        "pytest.fail = print\n",
    ),
    "exits": Odd(4, _in("import os; os._exit(0)")),
    "sysexit": Odd(7, with_cell("import sys\nsys.exit(0)")),
    "segfault": Odd(4, _in("import ctypes; ctypes.string_at(0)")),
    "killed": Odd(4, _in("import os; os.kill(os.getpid(), 9)")),
    "recursion": Odd(4, _in("return double(x)")),
    "memory": Odd(4, _in("x = torch.ones(40_000_000_000)")),
    "forks": Odd(
        7,
        with_cell(
            "import os, time\nfor _ in range(40):\n    if not os.fork():\n        time.sleep(99)"
        ),
    ),
    "stdin": Odd(7, with_cell("name = input('Your name? ')")),
    "importloop": Odd(7, with_cell("while True:\n    pass")),
    "callloop": Odd(5, _in("while x.numel() == 4: pass")),
    "network": Odd(
        7, with_cell("import urllib.request\nurllib.request.urlopen('http://192.0.2.1')")
    ),
}

# Hardly readable, or not at all.
UNREADABLE = {
    "notjson": Odd(0, b"%PDF-1.7 my homework", "demo.ipynb"),
    "cut": Odd(0, RIGHT_NOTEBOOK[:-400], "demo.ipynb"),
    "empty": Odd(0, b"", "demo.py"),
    "nul": Odd(0, RIGHT.replace("Twice", "Tw\0ce")),
    "notutf8": Odd(0, RIGHT.replace("Twice", "Tw\xefce").encode("latin-1")),
    "utf16": Odd(0, RIGHT.encode("utf-16")),
    "othertopic": Odd(0, SUMS, "demo.py"),
    "hw2": Odd(None, SUMS, "homework 2.py", "homework 2.py was taken for sums", sums=4),
    "large": Odd(None, RIGHT + "# padding\n" * 600_000, said="is 6 MB large"),
    "pdf": Odd(None, b"%PDF-1.7", "report.pdf", "There is report.pdf. Ask for demo.ipynb or .py"),
    "rar": Odd(None, b"Rar!\x1a\x07", "work.rar", "archive of a kind that is not read (.rar)"),
}

# Zips of students'.
INNER = zipped({"hw/demo.ipynb": RIGHT_NOTEBOOK.encode(), "__MACOSX/hw/._demo.ipynb": b"\0"})
ZIPS = {
    "zip": Odd(7, INNER, "work.zip"),
    "zipinzip": Odd(7, zipped({"more/inner.zip": INNER}), "work.zip"),
    "encrypted": Odd(None, _encrypted(zipped({"demo.py": b"x = 1"})), "work.zip", "is encrypted"),
    "bomb": Odd(None, zipped({"demo.py": bytes(210_000_000)}), "work.zip", "would take 210 MB"),
    "outside": Odd(
        7, zipped({"../../demo.py": b"x", "demo.py": RIGHT.encode()}), "work.zip", "leads out"
    ),
    "damaged": Odd(None, INNER[:-30], "work.zip", "is damaged or no zip"),
}

# In folders of their own.
CHECKOUT = {
    ".git/HEAD": "ref: refs/heads/main",
    "course.toml": TOPICS,
    "exercises/demo.py": RIGHT,
    "exercises/sums.py": SUMS,
    "graders/test_demo.py": "raise SystemExit",
    "solutions/demo.py": STUB,
}
FOLDERS = {
    "Git Kim": Odd(7, CHECKOUT, sums=4),
    "Helper Lee": Odd(
        7,
        {
            "demo.py": answers(double="from helper import twice as double"),
            "helper.py": "def twice(x):\n    return 2 * x\n",
            "torch.py": "raise RuntimeError('not the real one')\n",
        },
    ),
    "김민준": Odd(7, {"과제/demo.ipynb": RIGHT_NOTEBOOK}),
    "=1+1": Odd(7, {"demo.py": RIGHT}),
    "Both Forms": Odd(
        7,
        {"demo.py": answers(double=STUB), "demo.ipynb": RIGHT_NOTEBOOK},
        said="demo.ipynb was taken",
    ),
    "Empty Folder": Odd(None, {}, said="no file for demo, sums was found"),
    "A Link": Odd(None, {}, said="is a link"),
    "A Pipe": Odd(None, {}, said="is a device, a pipe or a socket"),
}
ATTEMPTS = {"twice": Odd(7, RIGHT, said="the latest attempt"), "late": Odd(7, RIGHT)}


def hand_in(course: Course, folder: Path) -> dict[str, Odd]:
    """Write what Canvas, Moodle and Blackboard give into a folder; who handed it in, as gradus calls them."""
    stub = Odd(0, course.exercise("demo").read_text("utf-8"))
    folder.mkdir(parents=True)
    return {
        **_canvas(
            {"stub": stub, **RIGHT_ONES, **PARTS, **UNREADABLE, **ZIPS}, folder / "canvas.zip"
        ),
        **_moodle(FOLDERS, folder / "moodle"),
        **_blackboard(ATTEMPTS, folder / "blackboard.zip"),
    }


def _canvas(students: Mapping[str, Odd], path: Path) -> dict[str, Odd]:
    named, entries = {}, {}
    for number, (who, odd) in enumerate(students.items(), start=100):
        named[f"{who}_{number}"] = odd
        late = "_LATE" if number % 7 == 0 else ""
        for name, data in odd.files.items():
            entries[f"{who}{late}_{number}_{9000 + len(entries)}_{name}"] = data
    path.write_bytes(zipped(entries))
    return named


def _moodle(students: Mapping[str, Odd], folder: Path) -> dict[str, Odd]:
    named = {}
    for number, (who, odd) in enumerate(students.items(), start=500):
        named[f"{who}_{number}"] = odd
        own = folder / f"{who}_{number}_assignsubmission_file_"
        own.mkdir(parents=True)
        for name, data in odd.files.items():
            (own / name).parent.mkdir(exist_ok=True)
            (own / name).write_bytes(data)
        if "Link" in who:
            (own / "demo.py").symlink_to(folder.parent.parent / "solutions" / "demo.py")
        if "Pipe" in who:
            os.mkfifo(own / "demo.py")
    return named


def _blackboard(students: Mapping[str, Odd], path: Path) -> dict[str, Odd]:
    entries = {}
    for who, odd in students.items():
        start = f"Homework 1_{who}_attempt_2026-05-0"
        entries[f"{start}1-10-00-00.txt"] = f"Name: A Name ({who})\nAssignment: HW1\n".encode()
        if odd.said:  # an earlier attempt
            entries[f"{start}1-10-00-00_demo.py"] = answers(double=SQUARED).encode()
        entries[f"{start}2-09-00-00_demo.py"] = odd.files["demo.py"]
    path.write_bytes(zipped(entries))
    return dict(students)
