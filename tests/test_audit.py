"""`gradus audit`: mutants of the reference, and whether the checks notice them."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gradus.authoring.audit.equivalents import read_records, records_path
from gradus.authoring.audit.mutants import mutants_of
from gradus.authoring.audit.report import make_plan
from gradus.authoring.audit.run import grade_mutants
from gradus.course import find_course
from gradus.errors import GraderError, TopicError
from gradus.topic import Topic
from tests.kits import GRADER, SOLUTION, write_kit

COURSE = find_course(Path(__file__).parent)


def topic_with(*lines):
    """A topic with one task, `f`, whose answer is these lines."""
    answer = textwrap.indent("\n".join(["### BEGIN SOLUTION", *lines, "### END SOLUTION"]), "    ")
    source = f'# %%\ndef f(x, n: int = 3):\n    """Not to be changed: 1 + 1."""\n{answer}\n'
    return Topic("made_up", source, Path("made_up.py"))


SLIPS = {
    "off by one": ("return x[1:]", "return x[0:]"),
    "bound off by one": ("return x[:n]", "return x[:n - 1]"),
    "keepdim added": ("return x.sum(dim=1)", "return x.sum(dim=1, keepdim=True)"),
    "detach added": ("y = x * n", "y = (x * n).detach()"),
    "transpose dropped": ("return x.mT", "return x"),
    "transpose added": ("return x @ n", "return x @ n.mT"),
    "call dropped": ("return torch.sqrt(x + 1)", "return (x + 1)"),
    "statement dropped": ("optimizer.zero_grad()", "pass"),
    "device or dtype dropped": ("return f(n, device=x.device)", "return f(n)"),
    "other dtype": ("return x.to(torch.int64)", "return x.to(torch.int32)"),
    "other function": ("return x.mean()", "return x.sum()"),
    "in place": ("return x.clamp(0)", "return x.clamp_(0)"),
    "operand dropped": ("return x * n + 1", "return x * n"),
    "operands swapped": ("return x - n", "return n - x"),
    "arguments swapped": ("return torch.where(x > 0, n, x)", "return torch.where(n, x > 0, x)"),
    "index reversed": ("return x[:, None]", "return x[None, :]"),
    "condition ignored": ("if n > 1: x = n", "if False: x = n"),
    "sign": ("return x + n", "return -(x + n)"),
    "mutmut: name": ("return x.sum(keepdim=True)", "return x.sum(keepdim=False)"),
    "mutmut: number": ("return x.sum(1)", "return x.sum(2)"),
    "mutmut: swap op": ("return x < n", "return x <= n"),
    "mutmut: arg removal": ("return x.sum(n, x)", "return x.sum(x)"),
}


@pytest.mark.parametrize("operator", SLIPS)
def test_a_slip_is_made_once_and_said_as_it_stands_in_the_file(operator):
    before, after = SLIPS[operator]
    topic = topic_with("# HINT: none", before)
    made = [m for m in mutants_of(topic) if (m.operator, m.new) == (operator, after)]
    assert [(m.task, m.line, m.old) for m in made] == [("f", 6, before)]
    assert made[0].source(topic) == topic.source.replace(before, after)


def test_only_answers_are_changed_and_no_words_or_annotations():
    topic = topic_with(
        "y: list[int] = [1]",
        "if n < 0:",
        '    raise ValueError(f"n is {n - 1}, " + "below 0")',
        "def helper(z: int = 4) -> 'x + y':",
        '    """Add 1 + 1."""',
        "    return z",
        "return y",
    )
    for mutant in mutants_of(topic):
        text = mutant.source(topic)
        assert 'raise ValueError(f"n is {n - 1}, " + "below 0")' in text
        for kept in (
            "n: int = 3",
            "Not to be changed: 1 + 1.",
            "list[int]",
            "'x + y'",
            '"Add 1 + 1."',
        ):
            assert kept in text


def test_mutants_are_the_same_in_every_run_each_different_and_each_compiles():
    topic = Topic("demo", SOLUTION, Path("demo.py"))
    mutants = mutants_of(topic)
    assert mutants == mutants_of(topic)
    texts = [mutant.source(topic) for mutant in mutants]
    assert len({topic.source, *texts}) == len(texts) + 1
    for text in texts:
        compile(text, "demo.py", "exec")
    assert {mutant.task for mutant in mutants} == {"double", "row_means", "Affine"}
    assert mutants_of(topic, ["double"]) == [m for m in mutants if m.task == "double"]


@pytest.mark.parametrize("topic", COURSE.topics)
def test_the_records_of_every_topic_are_well_formed_and_their_mutants_still_arise(topic):
    assert make_plan(COURSE, topic).stale == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[equivalent", "is not TOML"),
        ("[[other]]\n", "got `other`"),
        ('[[equivalent]]\ntask = "double"\n', "equivalent 1 must have the texts"),
        ('[[no_mistake]]\ntask = "f"\noperator = "sign"\nreason = " "\n', "gives no reason"),
        (
            '[[no_mistake]]\ntask = "f"\noperator = "sign"\nreason = "a"\n' * 2,
            "2 stands there twice",
        ),
    ],
)
def test_a_damaged_file_of_records_is_told(tmp_path, text, words):
    path = tmp_path / "demo.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TopicError, match=words) as error:
        read_records(path)
    assert str(path) in str(error.value)


# What follows runs the command. It forks, which a process with threads (pytest-xdist's) had better not do.

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def audit(course, *words, code=0):
    """Run the command in a kit, as a person would; returns its output."""
    done = subprocess.run(
        [sys.executable, "-m", "gradus.cli", "audit", "demo", "--jobs", "2", *words],
        cwd=course.root, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def numbers(out, task):
    """The columns of a task's line: mutants, noticed, share, and what else there is."""
    return next(line.split()[1:] for line in out.splitlines() if line.startswith(task))


RISKY = """
    import os
    print("noise")
    rows = []
    n = 2
    while n > 1:
        rows.append(torch.empty(20_000_000))
        n -= 1
    if n > 100:
        os.kill(os.getpid(), 9)
    return 2 * x
"""  # mutants of it run for ever, with and without taking memory, or kill their process


@needs_fork
def test_survivors_are_shown_and_what_is_printed_explains_them_once_a_reason_is_given(tmp_path):
    blind = GRADER.replace("@pytest.mark.task", "@pytest.mark.timeout(2)\n@pytest.mark.task")
    blind = blind.replace("assert_matches(submission.row_means(table), table.sum(1) / 5)", "pass")
    solution = SOLUTION.replace("\n    return 2 * x\n", RISKY)
    course = write_kit(tmp_path / "kit", solution=solution, grader=blind)
    out = audit(course, "--task", "row_means", "--task", "double", "--min", "0.95", code=1)

    assert "-    return table.mean(dim=-1)\n+    return table.sum(dim=-1)\n" in out
    mutants, noticed, share = numbers(out, "row_means")[:3]
    assert int(noticed) < int(mutants)
    assert share == f"{int(noticed) / int(mutants):.0%}"
    assert '-    print("noise")\n+    pass\n' in out
    assert "\nnoise\n" not in out
    for dangerous in ("n += 1", "n -= 0", "if True:"):
        assert not re.search(rf"^\\+ +{re.escape(dangerous)}", out, re.MULTILINE)

    tables = out[out.index("\n# 1\n") :]
    other = '[[equivalent]]\ntask = "row_means"\noperator = "sign"\nold = "a"\nnew = "-a"\nreason = ""\n'
    path = records_path(course, "demo")
    path.parent.mkdir(parents=True)
    path.write_text((tables + other).replace('reason = ""', 'reason = "We shall see."'), "utf-8")
    course.grader("demo").write_text(GRADER, encoding="utf-8")
    out = audit(course, "--task", "row_means", "--min", "1", code=2)
    assert "row_means: sign: '-a' no longer arises" in out
    assert "'return table.sum(dim=-1)' is recorded as equivalent, but test_" in out
    assert int(numbers(out, "row_means")[-1]) == int(mutants) - int(noticed)


@needs_fork
def test_a_check_that_fails_by_itself_is_loud(tmp_path):
    second = "    ran.append(1)\n    if len(ran) > 2:\n        raise RuntimeError('tired')\n"
    grader = GRADER.replace("import math\n", "import math\n\nran = []\n", 1)
    grader = grader.replace(
        "    x = random.normal(size)\n", f"{second}    x = random.normal(size)\n"
    )
    course = write_kit(tmp_path / "kit", grader=grader)
    out = audit(course, "--task", "double", code=3)
    assert "BROKEN: test_twice_every_number fails by itself" in out
    assert "RuntimeError: tired" in out


def test_a_reference_that_fails_is_told_before_any_mutant_is_graded(kit):
    text = kit.grader("demo").read_text("utf-8").replace("2 * x, suspects", "3 * x, suspects")
    kit.grader("demo").write_text(text, encoding="utf-8")
    plan = make_plan(kit, "demo", ["double"])
    with pytest.raises(
        GraderError, match="test_twice_every_number does not pass for the reference"
    ):
        grade_mutants(kit, plan.topic, plan.mutants, jobs=1)
