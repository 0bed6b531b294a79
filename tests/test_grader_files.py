"""What a grader file declares, and what students get of it."""

import ast

import pytest

from gradus.errors import GraderError
from gradus.grading.grader_file import read_checks, without_hidden
from tests.kits import CHECKS, GRADER, POINTS, answers, earned, grade, statuses

CHECK = '''\
@pytest.mark.task("double")
def test_it(submission):
    """A claim."""
'''


def test_checks_are_read_in_file_order_with_what_their_marks_say(shared_kit):
    checks = read_checks(shared_kit.grader("demo"))
    names = [name for names in CHECKS.values() for name in names]
    assert [check.name for check in checks if not check.hidden] == names
    first, hidden = checks[0], checks[3]
    assert (first.topic, first.task, first.points) == ("demo", "double", 2)
    assert (first.title, first.hint) == (
        "double gives two times every number.",
        "Two times, not squared.",
    )
    assert (hidden.name, hidden.hidden, checks[1].points) == ("test_rows_of_one", True, 1)


DAMAGED = {
    "syntax": ("import pytest\ndef test_it(:\n", "test_demo.py:2: invalid syntax."),
    "no arguments": (CHECK.replace('("double")', ""), "test_it: write the mark as `@pytest.mark.task("),
    "a computed name": (CHECK.replace('"double"', "TASK"), "with plain literals"),
    "an unknown argument": (CHECK.replace('"double"', '"double", marks=2'), "with plain literals"),
    "a number for a name": (CHECK.replace('"double"', "3"), "a task is named as in the exercise, got 3."),
    "no points": (CHECK.replace('"double"', '"double", 0'), "points must be a positive whole number, got 0."),
    "half points": (CHECK.replace('"double"', '"double", points=0.5'), "whole number, got 0.5."),
    "true points": (CHECK.replace('"double"', '"double", True'), "must be a positive whole number, got True."),
    "no claim": (CHECK.replace("A claim.", ""), "a check needs a docstring, the line that the student"),
    "one name twice": (f"{CHECK}\n\n{CHECK}", "test_demo.py:7: a second check named test_it; rename one."),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_declaration_is_refused_with_its_place(tmp_path, name):
    text, words = DAMAGED[name]
    path = tmp_path / "test_demo.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GraderError) as caught:
        read_checks(path)
    assert words in str(caught.value)


def test_a_grader_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(GraderError, match=r"test_none.py: cannot be read \("):
        read_checks(tmp_path / "test_none.py")
    (tmp_path / "test_bytes.py").write_bytes(b"\xff\xfe")
    with pytest.raises(GraderError, match=r"test_bytes.py: cannot be read \("):
        read_checks(tmp_path / "test_bytes.py")


def test_a_mark_that_no_decorator_made_stops_the_run(kit, run_pytest):
    text = (
        GRADER
        + '\n\npytestmark = pytest.mark.task("double")\n\n\ndef test_more():\n    """More."""\n'
    )
    kit.grader("demo").write_text(text, encoding="utf-8")
    run = run_pytest("-k", "more")
    words = "test_more has a task mark that was not made by a decorator."
    assert words in run.stdout.str() + run.stderr.str()
    assert run.ret != 0


def test_students_get_the_grader_without_its_hidden_part_and_else_byte_for_byte():
    start, end = GRADER.index("# What follows is"), GRADER.index('@pytest.mark.task("Affine"')
    rest = GRADER[:start] + GRADER[end:]
    assert without_hidden(GRADER) == rest.replace("import math\n\n", "").replace(
        "import torch\n", ""
    )


def test_what_students_get_still_grades(kit):
    path = kit.grader("demo")
    path.write_text(without_hidden(path.read_text(encoding="utf-8")), encoding="utf-8")
    result = grade(kit, answers(), hidden=True)
    assert earned(result) == POINTS
    assert "rows_of_one" not in statuses(result)


HIDDEN = '''\
"""Checks."""

import math, os
import pytest
from random import (  # noqa: F401
    choice,
    shuffle,
)

PUBLIC = 1
SECRET: int = 2
SECRET += 3
UNUSED = 4


def shared(n):
    return shared(n - 1) if n else PUBLIC


def secret(n):
    """A helper's helper; the two call each other."""
    return other(n - 1) if n else SECRET


def other(n):
    return secret(n), math.pi


@pytest.fixture
def table():
    return shuffle([SECRET])


class Secret:
    size = 5


if UNUSED:
    LATE = choice(os.environ)


@pytest.mark.task("a")
def test_public():
    """A claim."""
    assert shared(2)


@pytest.mark.parametrize("x", [Secret(), SECRET])
@pytest.mark.hidden
@pytest.mark.task("a")
def test_hidden(table, x):
    """A secret claim."""
    assert shared(1) and other(1) and math.e and choice([1]) and test_public
'''


def test_helpers_that_only_hidden_checks_use_go_with_them():
    left = without_hidden(HIDDEN)
    for word in ("secret", "Secret", "SECRET", "other", "table", "math", "shuffle", "hidden"):
        assert word not in left
    for part in (
        "import os\nimport pytest\nfrom random import choice\n\nPUBLIC = 1\nUNUSED = 4\n",
        "\n\n\ndef shared(n):",
        "if UNUSED:\n    LATE = choice(os.environ)\n",
        '\n\n\n@pytest.mark.task("a")\ndef test_public():',
    ):
        assert part in left
    ast.parse(left)


def test_a_grader_without_hidden_checks_stays_as_it_is():
    text = without_hidden(GRADER)
    assert without_hidden(text) == text


def test_odd_line_ends_do_not_shift_what_is_cut():
    odd = GRADER.replace('"""Checks for `demo`."""', '"""Checks\x0c for\u2028 `demo`."""')
    assert without_hidden(odd).replace("\x0c", "").replace("\u2028", "") == without_hidden(GRADER)
