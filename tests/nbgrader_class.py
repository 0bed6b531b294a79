"""A class over the small kit (tests/kits.py): what each student hands in, and the points it deserves."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import nbformat

from tests.nbgrader_course import Classroom, as_bytes, cell_of, filled, right_answers

SQUARED = 'def double(x):\n    """Twice x."""\n    return x * x'
NOT_ONE_COLUMN = (
    "def row_means(table):\n    return table.mean(-1) if table.shape[1] > 1 else table.sum() * 0"
)
NOISE = """
import sys
import warnings

print("n" * 3_000_000)
print("to stderr", file=sys.stderr)


def double(x):
    warnings.warn("a warning of the student's")
    print("o" * 3_000_000, file=sys.stderr)
    return 2 * x
"""
ENDS_PYTHON = """
def double(x):
    os._exit(0)


import os
os._exit(3)
"""
HELPER = "from helper import twice\nfrom more.things import ONE\n\n\ndef double(x):\n    return ONE * twice(x)"
FILES = {
    "helper.py": "def twice(x):\n    return 2 * x\n",
    "more/things.py": "ONE = 1\n",
    "random.py": "raise RuntimeError('not the real one')\n",
    "torch.py": "raise RuntimeError('not the real one')\n",
    "conftest.py": "raise RuntimeError('no settings of the kit')\n",
    "sitecustomize.py": "raise RuntimeError('not wanted')\n",
    "test_demo.py": "def test_nothing():\n    pass\n",
    "graders/test_demo.py": "def test_nothing():\n    pass\n",
    "pytest.ini": "[pytest]\naddopts = --version\n",
}


@dataclass(frozen=True)
class Student:
    """A submission and the points that it deserves: for double (of 3), row_means (of 2), Affine (of 2)."""

    notebook: Any
    deserves: tuple[int, int, int]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def points(self) -> int:
        """Of 7."""
        return sum(self.deserves)


def make_class(classroom: Classroom) -> dict[str, Student]:
    """The students by name."""
    released = classroom.released()
    right = right_answers(classroom.kit, "demo")
    perfect = filled(released, right)

    def with_(**answers: str) -> Any:
        return filled(released, {**right, **answers})

    def edited(edit: Callable[[Any], object]) -> Any:
        notebook = copy.deepcopy(perfect)
        edit(notebook)
        return notebook

    slow = "def row_means(table):\n    while True:\n        pass"
    return {
        "perfect": Student(perfect, (3, 2, 2)),
        "untouched": Student(released, (0, 0, 0)),
        "only-double": Student(filled(released, {"double": right["double"]}), (3, 0, 0)),
        "squares": Student(with_(double=SQUARED), (1, 2, 2)),
        "one-column": Student(with_(row_means=NOT_ONE_COLUMN), (3, 1, 2)),
        "syntax-error": Student(with_(row_means="def row_means(table:\n    return"), (3, 0, 2)),
        "ends-python": Student(with_(double=ENDS_PYTHON), (0, 2, 2)),
        "hangs": Student(with_(row_means=slow), (3, 0, 2)),
        "prints": Student(with_(double=NOISE), (3, 2, 2)),
        "no-check-cell": Student(edited(_delete("check-double")), (3, 2, 2)),
        "no-answer-cell": Student(edited(_delete("row_means")), (3, 0, 2)),
        "twice": Student(edited(_repeat_cells), (1, 2, 2)),
        "answer-as-text": Student(edited(_answer_as_text), (3, 2, 2)),
        "checks-changed": Student(edited(_change_checks), (1, 2, 2)),
        "format-3": Student(_format_3(perfect), (3, 2, 2)),
        "format-4-2": Student(edited(_format_4_2), (3, 2, 2)),
        "damaged": Student(_damaged(perfect), (3, 2, 2)),
        "not-json": Student(b"%PDF-1.7 my homework", (0, 0, 0)),
        "empty": Student(b"", (0, 0, 0)),
        "not-utf-8": Student(as_bytes(perfect).replace(b"Twice", b"Tw\xefce"), (0, 0, 0)),
        "with-files": Student(with_(double=HELPER), (3, 2, 2), FILES),
    }


def _delete(grade_id: str) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells.remove(cell_of(notebook, grade_id))


def _repeat_cells(notebook: Any) -> None:
    for grade_id in ("double", "check-double"):
        cell = copy.deepcopy(cell_of(notebook, grade_id))
        cell.source = SQUARED if grade_id == "double" else cell.source
        notebook.cells.append(cell)


def _answer_as_text(notebook: Any) -> None:
    cell = cell_of(notebook, "row_means")
    cell.cell_type, cell.attachments = "markdown", {"a.png": {"image/png": "aGVsbG8="}}
    del cell["outputs"], cell["execution_count"]


def _change_checks(notebook: Any) -> None:
    cell_of(notebook, "double").source = "def double(x):\n    return None"
    cell_of(notebook, "check-double").source = "3.0"
    cell_of(notebook, "check-double").metadata.nbgrader.points = 1000
    cell_of(
        notebook, "setup"
    ).source = "check = lambda task: 100.0\nimport gradus\ngradus.checks = 0"


def _format_3(notebook: Any) -> bytes:
    return nbformat.writes(copy.deepcopy(notebook), version=3).encode()


def _format_4_2(notebook: Any) -> None:
    notebook.nbformat_minor = 2
    for cell in notebook.cells:
        del cell["id"]
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.schema_version = 1
            del cell.metadata.nbgrader["task"]
    extra = nbformat.from_dict(copy.deepcopy(cell_of(notebook, "check-double")))
    extra.metadata.nbgrader.update(grade_id="check-extra", points=100.0)
    notebook.cells.append(extra)


def _damaged(notebook: Any) -> bytes:
    """Ids that collide, metadata of the wrong kind, a kind of cell that there is not, half an emoji."""
    data = json.loads(as_bytes(notebook))
    for cell in data["cells"]:
        cell["id"] = "all the same!"
    data["cells"][0].update(metadata=None, source="\ud83d")
    data["cells"][1]["metadata"]["nbgrader"] = "yes"
    data["cells"].append({"cell_type": "heading", "source": "No metadata"})
    return b"\xef\xbb\xbf" + json.dumps(data).encode()
