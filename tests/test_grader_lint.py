"""The lint over graders: what a submission could decide itself is found, what was asserted first is not."""

import textwrap
from pathlib import Path

import pytest

from gradus.authoring.grader_lint import lint_grader, lint_text, main
from gradus.course import find_course
from gradus.errors import GraderError

COURSE = find_course(Path(__file__).parent)
TEMPLATE = COURSE.root / "gradus" / "authoring" / "templates" / "grader.py.txt"


@pytest.mark.parametrize("topic", COURSE.topics)
def test_graders_compare_nothing_that_they_have_not_looked_at(topic):
    assert [str(finding) for finding in lint_grader(COURSE.grader(topic))] == []


def test_the_grader_of_a_new_topic_has_no_findings():
    assert lint_text(TEMPLATE.read_text(encoding="utf-8")) == []


def found(body: str, helpers: str = "") -> list[str]:
    """What is found in a check with this body."""
    text = f"{textwrap.dedent(helpers)}\n\ndef test_it(submission, threshold):\n"
    return [f.what for f in lint_text(text + textwrap.indent(textwrap.dedent(body), "    "))]


GOT = "got = submission.f(2)\n"
UNCHECKED = {
    "a difference": "if abs(got - 3) <= 1e-6:\n    return",
    "a difference the other way": "x = 3 - got",
    "minus": "x = -got",
    "abs": "x = abs(got)",
    "a conversion": "x = float(got)",
    "int": "x = int(got)",
    "a rounded one": "x = round(got, 2)",
    "a length": "x = len(got)",
    "a largest one": "x = max(got)",
    "a sum": "x = sum(got)",
    "a product": "x = 2 * got",
    "a matrix product": "x = got @ got",
    "more than": "if got > 3:\n    fail('no')",
    "equal": "if got == 3:\n    return",
    "nearly equal": "if got == pytest.approx(3):\n    return",
    "not equal": "if got != 3:\n    fail('no')",
    "truth": "if got:\n    fail('no')",
    "no truth": "if not got:\n    fail('no')",
    "truth beside others": "if 1 == 2 or got:\n    fail('no')",
    "truth of a choice": "x = 1 if got else 2",
    "an assert": "assert got",
    "a shape": "if got.shape == (2, 3):\n    return",
    "a dtype": "x = got.dtype",
    "a device": "x = got.device.type",
    "its largest value": "x = got.abs().max()",
    "a norm": "x = (3 - got).norm()",
    "a number in it": "x = got.item()",
    "torch's function": "x = torch.equal(got, torch.ones(2))",
    "a function of a part of torch": "x = F.relu(got)",
    "math's function": "x = math.isfinite(got)",
    "a threshold": "threshold.require('bar', got, 'the share')",
    "an item": "x = got[0] + 1",
    "an attribute": "x = got.weight + 1",
    "a method of the student's": "x = got.speed() + 1",
    "what a call of it gives": "x = got(3) + 1",
    "an item of a loop": "for item in list(got):\n    x = item + 1",
    "an item of a comprehension": "x = [item + 1 for item in got]",
    "one of several": "a, b = got\nx = a < 3",
    "another name": "other = got\nx = other + 1",
    "added to": "got += 1",
    "a branch": "if 1 == 2:\n    assert_number(got)\nx = got + 1",
    "a wrong kind of test": "if isinstance(got, Whatever):\n    x = got + 1",
    "after a list of what is not known": "assert_items(got, list, 3)\nx = got[0] + 1",
}  # fmt: skip


@pytest.mark.parametrize("name", UNCHECKED)
def test_what_is_done_with_an_unchecked_value_is_found(name):
    assert len(found(GOT + UNCHECKED[name])) >= 1


SOURCES = {
    "a probe": "got = submission.probe(f, 1)",
    "observed": "got = submission.f.observe(1).result",
    "observed in two lines": "seen = submission.f.observe(1)\ngot = seen.result",
    "inputs unchanged": "got = assert_inputs_unchanged(submission.f, 1)",
    "avoids": "got = assert_avoids(submission.f, {}, 1)",
    "a class": "got = submission.Thing(1).value",
    "getattr": "got = getattr(submission.Thing(1), 'value')",
    "next": "got = next(submission.f(1))",
    "a dict": "got = submission.probe(f)['size']",
    "an append": "several = []\nseveral.append(submission.f(1))\ngot = several[0]",
    "a list of calls": "several = [submission.f(n) for n in range(3)]\ngot = several[0]",
    "a helper": "got = helper(submission)",
    "a name of its own": "f = submission.f\ngot = f(1)",
    "a name that is computed": "got = getattr(submission, 'f')(1)",
    "a function that is passed on": "got = calling(submission.f)",
    "a keyword": "got = wrapped(value=submission.f(1))",
}
HELPERS = """
def helper(submission):
    return submission.f(1)

def wrapped(value):
    return value

def calling(function):
    return function(1)
"""


@pytest.mark.parametrize("name", SOURCES)
def test_everything_that_comes_from_a_submission_is_unchecked(name):
    assert len(found(SOURCES[name] + "\nx = got + 1", HELPERS)) == 1


ALLOWED = {
    "matches": "assert_matches(got, 3)\nx = got - 3",
    "a tensor": "assert_tensor(got, shape=(2,))\nif got.max() > 3:\n    fail('no')",
    "its own result": "x = assert_tensor(got).abs().max() + 1",
    "a number": "assert_number(got)\nif got > 3:\n    fail('no')",
    "a list of numbers": "assert_items(got, list, 3, of=float)\nx = max(got) + sum(got) + len(got)",
    "items one by one": "assert_items(got, list, 3)\nfor x in got:\n    assert_number(x)\ny = sum(got)",
    "a length of a list": "assert_items(got, list)\nx = len(got) + 1",
    "a form": "assert_form(got, {'a': int, 'b': [float] * 3})\nx = got['a'] + sum(got['b'])",
    "a form that is unpacked": "a, b = assert_form(got, [int, bool])\nif b:\n    x = a + 1",
    "a form with a part that is open": "assert_form(got, {'a': int, 'b': object})\nx = got['a'] + 1",
    "isinstance": "if not isinstance(got, int):\n    fail('no')\nx = got + 1",
    "isinstance beside": "if isinstance(got, torch.Tensor) and got.shape == (2,):\n    return",
    "isinstance, or": "if not isinstance(got, torch.Tensor) or got.shape != (2,):\n    fail('no')",
    "type": "if type(got) is int and got != 3:\n    fail('no')",
    "None": "if got is None:\n    fail('no')",
    "a message": "fail(f'expected 3, got {got!r}, a {type(got).__name__}')",
    "back to the submission": "submission.g(got, other=got)",
    "a helper that asserts": "looked_at(got)\nx = got + 1",
    "a helper's result": "x = looked_at(got) + 1",
    "a module's parameters": "assert_kind(got, nn.Module)\nx = sum(p.numel() for p in got.parameters())",
    "a length of the student's own": "assert_length(got, 3)",
    "a loader": "for x in DataLoader(got):\n    assert_matches(x, 3)",
    "gradients": "assert_same_gradients(submission.f, f, 3, random=random)",
    "numbers of the check": "x = 3\nif x > 2 and abs(x) < 4:\n    fail('no')",
}  # fmt: skip
ASSERTING = "def looked_at(value):\n    assert_number(value)\n    return value\n"


@pytest.mark.parametrize("name", ALLOWED)
def test_what_was_asserted_first_is_allowed(name):
    assert [w for w in found(GOT + ALLOWED[name], ASSERTING) if "loop" not in w] == []


def test_a_part_of_a_form_that_is_open_stays_unchecked():
    form = "assert_form(got, {'a': int, 'b': object})\n"
    assert found(GOT + form + "x = got['b'] + 1") == [
        "arithmetic of `got['b']`, which is unchecked"
    ]


VACUOUS = {
    "more than a limit": "if got.abs().max() > 3:\n    fail('no')",
    "less than a limit": "if got.min() < 3:\n    fail('no')",
    "one of two": "if got.min() < 3 or 1 == 2:\n    fail('no')",
    "kept in a name": "far = got.abs().max() > 3\nif far:\n    fail('no')",
    "any": "if any(x > 3 for x in got.tolist()):\n    fail('no')",
    "any of a tensor": "if bool((got > 3).any()):\n    fail('no')",
    "turned round, then leaving": "if not got.max() <= 3:\n    return\nfail('no')",
    "an assert that is turned round": "assert not got.max() > 3",
    "equal tensors": "if torch.equal(got, got + 1):\n    fail('no')",
    "close tensors": "if torch.allclose(got, got + 1):\n    fail('no')",
    "equal numbers": "if got.sum() == 3:\n    fail('no')",
    "a largest of Python's": "x = max(got.tolist())",
    "the other branch": "if got.max() <= 3:\n    x = 1\nif got.min() >= 3:\n    raise Failure('no')",
}  # fmt: skip


@pytest.mark.parametrize("name", VACUOUS)
def test_a_comparison_that_nan_passes_is_found(name):
    loose = "assert_tensor(got, shape=(3,), finite=False)\n"
    assert len(found(GOT + loose + VACUOUS[name])) == 1
    assert (
        found(GOT + "assert_tensor(got, shape=(3,))\n" + VACUOUS[name]) == []
    )  # no NaN comes there


FAILS_ON_NAN = {
    "not at most": "if not got.abs().max() <= 3:\n    fail('no')",
    "not equal": "if not torch.equal(got, torch.ones(3)):\n    fail('no')",
    "leaving": "if got.abs().max() <= 3:\n    return\nfail('no')",
    "all": "if not bool((got <= 3).all()):\n    fail('no')",
    "an assert": "assert got.max() <= 3",
    "another number": "if got.sum() != 3:\n    fail('no')",
    "a count": "if len(got) > 3:\n    fail('no')",
    "a shape": "if got.shape[0] > 3 or got.numel() < 2:\n    fail('no')",
    "a threshold": "threshold.require('bar', got.mean().item(), 'the share')",
}  # fmt: skip


@pytest.mark.parametrize("name", FAILS_ON_NAN)
def test_the_form_that_nan_fails_is_allowed(name):
    assert found(GOT + "assert_tensor(got, shape=(3,), finite=False)\n" + FAILS_ON_NAN[name]) == []


EMPTY = {
    "a loop": "for x in got:\n    assert_matches(x, 3)",
    "a loop with numbers": "for n, x in enumerate(got):\n    assert_matches(x, n)",
    "all": "if not all(x is None for x in got):\n    fail('no')",
    "a sum": "x = sum(1 for _ in got)",
    "two in step": "for x, y in zip(got, submission.g(1)):\n    assert_matches(x, 3)",
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("first", ["", "assert_items(got, list)\n"], ids=["raw", "a list"])
def test_a_loop_over_what_may_be_empty_is_found(name, first):
    assert any("may be empty" in what for what in found(GOT + first + EMPTY[name]))


COUNTED = {
    "a count": "assert_items(got, list, 3)",
    "its length": "assert_items(got, list)\nif len(got) != 3:\n    fail('no')",
    "at least so many": "assert_items(got, list)\nif len(got) < 3:\n    fail('no')",
    "something": "if not assert_items(got, list):\n    fail('no')",
    "a form": "assert_form(got, [object, ...])",
    "what it matches": "assert_matches(got, [1, 2])",
}


@pytest.mark.parametrize("name", COUNTED)
def test_a_loop_over_what_was_counted_is_allowed(name):
    assert found(f"{GOT}{COUNTED[name]}\nfor x in got:\n    assert_matches(x, 3)") == []


def test_a_step_beside_the_checks_own_list_counts():
    assert found(GOT + "for x, y in zip(got, [1, 2], strict=True):\n    assert_matches(x, y)") == []


def test_a_finding_says_where_and_what_to_do(tmp_path, capsys):
    path = tmp_path / "test_demo.py"
    path.write_text("def test_it(submission):\n    x = -submission.f(1)\n", encoding="utf-8")
    assert main([str(path)]) == 1
    told = capsys.readouterr().out
    assert told.startswith(
        f"{path}:2: test_it: `-` of `submission.f(1)`, which is unchecked. Pass it to"
    )
    path.write_text(
        "def test_it(submission):\n    assert_matches(submission.f(1), 2)\n", encoding="utf-8"
    )
    assert main([str(path)]) == 0


TRAINS = """
def helper(submission, model):
    submission.train(model, 3)
    assert_trained(model, {}, "cpu")
"""
CHECK = "def test_it(submission):\n    helper(submission, nn.Linear(1, 1))\n"


def test_a_check_that_looks_at_what_became_of_its_own_model_needs_the_mark():
    (finding,) = lint_text(TRAINS + CHECK)
    assert (finding.where, finding.line) == ("test_it", 5)
    assert "@pytest.mark.trains" in finding.remedy
    assert lint_text(f"{TRAINS}@pytest.mark.trains\n{CHECK}") == []
    assert lint_text(TRAINS.replace("train(model, 3)", "train(3)") + CHECK) == []


def test_without_a_file_the_kits_graders_are_meant(kit, capsys, monkeypatch):
    monkeypatch.chdir(kit.root)
    kit.grader("demo").write_text("def test_it(submission):\n    submission.f(1)\n", "utf-8")
    assert main([]) == 0
    assert capsys.readouterr().out == "1 files, 0 findings\n"
    kit.grader("demo").write_text("def test_it(submission):\n    -submission.f(1)\n", "utf-8")
    assert main([]) == 1
    assert main(["no_such_file.py"]) == 2
    assert "no_such_file.py: cannot be read" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert main(["--option"]) == 2


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "test_bad.py").write_text("def (", encoding="utf-8")
    for name in ("test_none.py", "test_bad.py"):
        with pytest.raises(GraderError, match="cannot be read"):
            lint_grader(tmp_path / name)
