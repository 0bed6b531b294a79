"""What people see of a submission in a terminal, in a CI log and in reports: words, and nothing that acts."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradus.errors import SubmissionError
from gradus.grading.report_file import read_report
from gradus.shown import continued, quoted, safe, visible
from tests.hostile import COMMANDS, HOSTILE, KEPT, STEERING, commands, forged, steers
from tests.kits import answers

PARTS = [*HOSTILE, *KEPT, "::", "##", "[", "vso", "error", "\u0301", "\u20e3", "1", "  | ", "    "]


@given(st.lists(st.sampled_from(PARTS)).map("".join))
@settings(max_examples=500, deadline=None)
def test_every_text_becomes_safe_and_then_stays_as_it_is(text):
    for make in (visible, safe, continued, quoted):
        once = make(text)
        assert make(once) == once
        assert not steers(once)
        assert make is visible or not commands(once)


@given(st.text(st.characters(max_codepoint=0x2FFFF)))
@settings(max_examples=500, deadline=None)
def test_any_other_text_too(text):
    for make in (visible, safe, continued, quoted):
        assert make(make(text)) == make(text)
        assert not steers(make(text))


@pytest.mark.parametrize(
    "text",
    [
        KEPT,
        "a tab\tand\nlines",
        "x[::2], x[1::2], std::vector, graders/test_a.py::test_b",
        "# a comment ## another [1]",
        "C:\\new\\x1b",
        "1️⃣ ©️ 🏳️\u200d🌈 naïve e\u0301 가\u1112\u1161\u11ab",
    ],
)
def test_plain_text_stays_as_it_is(text):
    assert safe(text) == text


def test_what_acts_is_written_out():
    assert safe("a\x1b[31mb\r\nc\rd\u202e") == "a\\x1b[31mb\nc\\rd\\u202e"
    assert safe(" ::error::x\n##[group]y ##VSO[z]") == " \\::error::x\n#\\#[group]y #\\#VSO[z]"
    assert (
        safe("PAS\u200bSED PAS\u200dSED PAS\ufe0fSED") == r"PAS\u200bSED PAS\u200dSED PAS\ufe0fSED"
    )
    assert steers(STEERING)
    assert len(commands(COMMANDS)) == 7


EVIL = f"""
import sys, warnings
EVIL = {HOSTILE!r}
KEPT = {KEPT!r}
Evil = type(EVIL.replace("\\0", "").encode("utf-8", "replace").decode(), (), {{}})
class Repr:
    def __repr__(self):
        return EVIL
"""
BODIES = {
    "raises": "raise ValueError(EVIL)",
    "raises a type": "raise type('Error' + Evil.__name__, (Exception,), {})(EVIL)",
    "notes": "error = KeyError(EVIL)\n    error.__notes__ = [EVIL]\n    raise error",
    "an odd type": "return Evil()",
    "keys": "return {EVIL: x, Repr(): x}",
    "a list": "return [Repr(), EVIL, Evil, Evil()]",
    "a name": "f = lambda: 1\n    f.__name__ = EVIL\n    return f",
    "a source line": "raise ValueError('\u202e\u200b ::error::')  # \x0c ##[error] \u2066",
    "asserts": "assert False, EVIL",
    "exits": "sys.exit(EVIL)",
    "a todo": "raise NotImplementedError('TODO ' + EVIL)",
    "prints": "print(EVIL); print(EVIL, file=sys.stderr); print(KEPT); return x ** 2",
    "warns": "warnings.warn(EVIL); return x ** 2",
}


def evil(body: str) -> str:
    """A submission that does this in `double`, with a statement that fails while it is loaded."""
    text = answers(double=f"{EVIL}\ndef double(x):\n    {body}\n")
    return f"{text}\n\n# %%\nprint({HOSTILE!r})\nraise ValueError({HOSTILE!r})\n"


@pytest.mark.parametrize("isolated", [False, True], ids=["in-process", "isolated"])
@pytest.mark.parametrize("name", BODIES)
def test_no_text_of_a_submission_acts_on_a_terminal_or_a_ci_service(
    kit, run_pytest, name, isolated
):
    path = Path("hand\x1b[31med \u202ein\n::error::x.py")
    path.write_text(evil(BODIES[name]), encoding="utf-8", errors="surrogatepass")
    words = ["--isolated"] if isolated else []
    run = run_pytest(
        f"--submission={path}", "--gradus-report=r.json", "--junitxml=j.xml", "-rA", *words,
    )  # fmt: skip
    shown = [*run.stdout.lines, *run.stderr.lines]
    text = "\n".join(shown)
    assert "gradus: demo" in text
    report = read_report(Path("r.json")).topic("demo")
    raw = json.dumps(json.loads(Path("r.json").read_text(encoding="utf-8")), ensure_ascii=False)
    junit = ElementTree.parse("j.xml")
    texts = [
        *(e.text or "" for e in junit.iter()),
        *(v for e in junit.iter() for v in e.attrib.values()),
    ]
    for found in (steers, commands, forged):
        assert found(text) == []
        assert found("\n".join(texts)) == []
    assert steers(json.loads(json.dumps(raw))) == []
    assert report.task("double").earned < report.task("double").possible


def test_both_sides_of_the_wall_show_the_same(kit, run_pytest):
    shown = []
    for words in ([], ["--isolated"]):
        Path("evil.py").write_text(evil(BODIES["raises"]), encoding="utf-8")
        run_pytest("--submission=evil.py", "--gradus-report=r.json", *words)
        topic = read_report(Path("r.json")).topic("demo")
        shown.append([topic.problems, [check.message for check in topic.checks()]])
    assert shown[0] == shown[1]


def test_printed_text_keeps_its_letters_and_is_marked(kit, run_pytest):
    Path("prints.py").write_text(evil(BODIES["prints"]), encoding="utf-8")
    run = run_pytest("--submission=prints.py")
    assert f"  | {KEPT}" in run.stdout.lines
    assert "  | PASSED" in run.stdout.lines
    assert any(line.startswith("  | \\x1b[2J") for line in run.stdout.lines)


def test_the_command_to_repeat_a_check_runs_nothing_else(kit, run_pytest):
    path = Path("a b; touch owned.py")
    path.write_text(answers(double="def double(x): return x ** 2"), encoding="utf-8")
    run = run_pytest(f"--submission={path}")
    assert "--submission 'a b; touch owned.py'" in run.stdout.str()


def test_errors_of_the_command_line_are_safe_to_read(kit):
    assert steers(str(SubmissionError(f"no {HOSTILE}"))) == []
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "gradus.cli",
            "hint",
            HOSTILE.replace("\0", "").replace("\ud800", ""),
        ],
        cwd=kit.root,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert (steers(done.stderr), commands(done.stderr), forged(done.stderr)) == ([], [], [])
