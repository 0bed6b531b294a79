"""A judge that is shut in: it judges as any other, and who takes it over has one report and no more."""

import json
import os
from pathlib import Path

import pytest

from gradus.course import Course
from gradus.engine import ended
from gradus.engine.apart import grade_apart
from gradus.engine.contained import contained
from gradus.engine.contained.contained import contained_judge
from gradus.engine.here import grade_here
from gradus.errors import GraderError
from gradus.grading.report import TopicResult
from gradus.sandbox.levels import Level, probe_level
from tests.kits import (
    GRADER,
    POINTS,
    SOLUTION,
    answers,
    copy_kit,
    earned,
    message,
    notebook,
    problems,
    statuses,
    write_kit,
)

pytestmark = pytest.mark.skipif(
    probe_level().level is not Level.SANDBOX, reason="no whole sandbox on this machine"
)

# Stands for a hole of the wall that nobody knows yet: it runs a submission's text in the judge.
HOLE = '''

def run_here(text):
    found = {}
    exec(text, found)
    return found.get("told")


@pytest.mark.task("double")
def test_a_hole(submission):
    """double goes through a hole."""
    told = submission.double(run_here)
    assert told is None, f"told: {told}"
'''
KEEPS_OTHERS = "\n\ndef double(x):\n    return {through} if callable(x) else 2 * x\n"


@pytest.fixture(scope="module")
def holed(tmp_path_factory) -> Course:
    """A kit with a hole: submissions take the judge over."""
    solution = SOLUTION.replace("return 2 * x", "return None if callable(x) else 2 * x")
    folder = tmp_path_factory.mktemp("holed") / "kit"
    return write_kit(folder, solution=solution, grader=GRADER + HOLE)


def graded(course: Course, text: str, folder: Path, name: str = "demo.py") -> TopicResult:
    (folder / name).write_text(text, encoding="utf-8")
    options = {"hidden": True, "isolated": True, "seed": 7, "workdir": folder}
    return grade_apart(course, "demo", folder / name, **options).topic("demo")


def through(code: str) -> str:
    """A right submission, but that it has the judge run some code."""
    return answers(double=KEEPS_OTHERS.format(through=f"x({code!r})"))


def told(course: Course, code: str, folder: Path) -> str:
    """What code finds out in the judge; it leaves the words in `told`."""
    return message(graded(course, through(code), folder), "a_hole")


# It judges as any other


ODD = {
    "right": answers(),
    "a stub": answers(double="def double(x):\n    raise NotImplementedError('TODO: double')"),
    "wrong": answers(double="def double(x): return x * x"),
    "raises": answers(row_means="def row_means(table): return table.means()"),
    "prints": "print('a lot ' * 100_000)\n" + answers(),
    "ends its process": answers(double="import os\ndef double(x): os._exit(3)"),
    "cannot be loaded": "1 / 0\n" + answers(),
    "is no Python": "def double(x:\n",
    "is empty": "\n",
    "control characters": answers(double="def double(x): raise ValueError('\\x1b[2J::error::')"),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_its_report_is_word_for_word_that_of_a_judge_outside(text, shared_kit, tmp_path):
    inside = graded(shared_kit, text, tmp_path)
    path, words = tmp_path / "demo.py", ["--gradus-workdir", str(tmp_path)]
    options = {"hidden": True, "isolated": True, "seed": 7, "options": words}
    outside = grade_here(shared_kit, "demo", path, **options)
    assert inside.isolation.pop("judge").startswith("in a sandbox of its own")
    assert "judge" not in outside.isolation
    assert words_of(inside) == words_of(outside)


def words_of(result: TopicResult) -> object:
    cases = [
        (check.check.name, case.id, case.status, case.message)
        for check in result.checks()
        for case in check.cases
    ]
    return cases, result.problems, result.submission, result.sha256, result.isolation


def test_a_file_that_is_not_there_is_the_students_loss(shared_kit, tmp_path):
    report = grade_apart(shared_kit, "demo", tmp_path / "demo.py", isolated=True, workdir=tmp_path)
    assert report.topic("demo").earned == 0
    assert "there is no file demo.py" in problems(report.topic("demo"))[0]


def test_what_was_handed_in_together_comes_along(shared_kit, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "helper.py").write_text("def twice(x): return 2 * x\n", encoding="utf-8")
    cells = [answers(double="from more.helper import twice as double")]
    result = graded(shared_kit, notebook(*cells), tmp_path, "demo.ipynb")
    assert earned(result) == POINTS


def test_a_check_that_fails_for_the_reference_too_is_broken(kit, tmp_path):
    text = GRADER + (
        '\n\n@pytest.mark.task("double")\ndef test_it(submission):\n    """It works."""\n'
        "    if submission.double(1) == 3: raise RuntimeError\n    raise KeyError('none')\n"
        '\n\n@pytest.mark.task("double")\ndef test_that(submission):\n    """That works."""\n'
        "    [1][submission.double(1) - 2]\n"
    )
    kit.grader("demo").write_text(text, encoding="utf-8")
    result = graded(kit, answers(double="def double(x): return 3 * x"), tmp_path)
    assert (statuses(result)["it"], statuses(result)["that"]) == ("broken", "failed")
    assert "it fails for the reference too. It is not your fault." in message(result, "it")


def test_a_check_that_ends_the_judge_is_broken(kit, tmp_path):
    text = GRADER + (
        '\n\n@pytest.mark.task("double")\ndef test_it(submission):\n    """It works."""\n'
        "    import os\n    os.kill(os.getpid(), 9)\n"
    )
    kit.grader("demo").write_text(text, encoding="utf-8")
    result = graded(kit, answers(), tmp_path)
    assert statuses(result)["it"] == "broken"
    assert "it ends so for the reference too. It is not your fault." in message(result, "it")
    assert earned(result)["row_means"] == POINTS["row_means"]


def test_graders_may_import_modules_in_the_kits_root(kit, tmp_path):
    (kit.root / "tools.py").write_text("TWO = 2\n", encoding="utf-8")
    with (kit.root / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write('pythonpath = ["."]\n')
    text = GRADER.replace("import torch\n", "import torch\n\nfrom tools import TWO\n", 1)
    kit.grader("demo").write_text(text.replace("2 * x, suspects", "TWO * x, suspects"), "utf-8")
    assert earned(graded(kit, answers(), tmp_path)) == POINTS


def test_a_changed_grader_is_read_anew(kit, tmp_path):
    assert earned(graded(kit, answers(), tmp_path)) == POINTS
    changed = GRADER.replace("2 * x, suspects", "3 * x, suspects")
    kit.grader("demo").write_text(changed, encoding="utf-8")
    assert statuses(graded(kit, answers(), tmp_path))["twice_every_number"] == "failed"


def test_a_grader_that_cannot_be_collected_is_told(kit, tmp_path):
    kit.grader("demo").write_text("import nothing_of_that_name\n", encoding="utf-8")
    with pytest.raises(GraderError, match="nothing_of_that_name"):
        graded(kit, answers(), tmp_path)


def test_judges_wait_for_a_few_topics_and_no_more(shared_kit, tmp_path, monkeypatch):
    monkeypatch.setattr(contained, "MOST_WARM", 1)
    first = contained_judge(shared_kit, "demo")
    assert contained_judge(shared_kit, "demo") is first
    other = copy_kit(shared_kit, tmp_path / "kit")
    contained_judge(other, "demo")
    assert contained_judge(shared_kit, "demo") is not first


# Who takes it over


def test_what_a_judge_can_reach(holed, tmp_path):
    """Graders and the submission at hand; nothing else of the kit, of other students or of this machine."""
    other = tmp_path / "other" / "demo.py"
    other.parent.mkdir()
    other.write_text("of another student", encoding="utf-8")
    mine = tmp_path / "mine"
    mine.mkdir()
    code = f"""
import os, socket
def tried(work):
    try: return str(work())
    except OSError as error: return "no"
def connected():
    with socket.socket() as tcp: tcp.connect(("127.0.0.1", 22))
told = ".".join([
    tried(lambda: open({str(holed.grader("demo"))!r}).read(3)),
    tried(lambda: open({str(holed.solution("demo"))!r}).read()),
    tried(lambda: open({str(other)!r}).read()),
    tried(lambda: open({str(holed.grader("demo"))!r}, "a")),
    tried(lambda: open({str(tmp_path / "pwned")!r}, "w")),
    tried(lambda: open("/root/.bashrc").read()),
    tried(connected),
    tried(lambda: int(os.getuid() == {os.getuid()} == 0)),
])
"""
    words = told(holed, code, mine)
    assert 'told: """.no.no.no.no.no.no.0 ' in words
    assert not (tmp_path / "pwned").exists()


TAKES_OVER = """
from pathlib import Path
{first}
from gradus.grading.results import Results
real = Results.record
def record(self, nodeid, data):
    real(self, nodeid, {{**data, "status": "passed", "message": ""}})
Results.record = record
"""
STUB = """
def double(x):
    {first}
    raise NotImplementedError("TODO: double")
"""


def test_a_takeover_reaches_one_report_and_not_the_next(holed, tmp_path):
    """The review's own writes a file outside first, and earns nothing; one that does not may forge its own."""
    first = f"Path({str(tmp_path / 'pwned')!r}).write_text('here')"
    points = []
    for act in (first, ""):
        code = TAKES_OVER.format(first=act)
        takeover = STUB.format(first=f"if callable(x): x({code!r})")
        points.append(graded(holed, takeover, tmp_path).earned)
        assert graded(holed, STUB.format(first=""), tmp_path).earned == 0
    assert points[0] == 0
    assert points[1] > 0  # docs/security.md says so
    assert not (tmp_path / "pwned").exists()


ENDS = {
    "exits": (
        "import ctypes; ctypes.CDLL(None)._exit(0)",
        "it ended the whole process (exit code 0)",
    ),
    "crashes": ("import ctypes; ctypes.string_at(0)", "it crashed the whole process (SIGSEGV)"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "it crashed the whole process (SIGKILL)"),
    "hangs up": ("import os; os.close(3); import time; time.sleep(60)", "it hung"),
}


@pytest.mark.parametrize(("code", "words"), ENDS.values(), ids=ENDS)
def test_a_judge_that_ends_costs_one_check(holed, tmp_path, code, words, monkeypatch):
    monkeypatch.setattr(ended, "GRACE_SECONDS", 1.0)
    result = graded(holed, through(code), tmp_path)
    assert statuses(result)["a_hole"] in ("error", "timeout")
    assert earned(result)["row_means"] == POINTS["row_means"]
    if code != ENDS["hangs up"][0]:
        assert words in message(result, "a_hole")


def said(**odd: object) -> bytes:
    """A line about a case that holds something odd."""
    data = {
        "check": "test_made_up", "id": "", "status": "passed", "message": "", "seconds": 0.0, "of": 1,
        "problems": [], "submission": "", "sha256": "", **odd,
    }  # fmt: skip
    line = {"event": "finished", "node": "made up", "data": data}
    return json.dumps({"line": line}).encode() + b"\n"


SAYS = {
    "no JSON": b"{{{\n",
    "no object": b"[1]\n",
    "no line": b'{"line": 7}\n',
    "no event": b'{"line": {}}\n',
    "no status": b'{"line": {"event": "finished", "node": "x", "data": {"status": "fine"}}}\n',
    "no data": b'{"line": {"event": "finished", "node": "x", "data": []}}\n',
    "another request": b'{"ask": "kill -9 1"}\n',
    "a list of requests": b'{"ask": ["start"]}\n',
    "deep": b"[" * 100_000 + b"\n",
    "another event": b'{"line": {"event": "loading", "place": "x"}}\n',
    "no number": said(seconds=float("nan")),
    "a huge number": said(of="of").replace(b'"of",', b"9" * 5_000 + b","),
    "no case": said(of=0),
    "odd problems": said(problems=[[1, 2, 3, 4]]),
    "odd names": said(problems=[["x", "y", "names", "error"]]),
    "no text": said(message=["<script>"]),
}


@pytest.mark.parametrize("says", SAYS.values(), ids=SAYS)
def test_a_judge_that_says_nonsense_gives_no_mark(holed, tmp_path, says):
    code = f"import os, time; os.set_blocking(3, True); os.write(3, {says!r}); time.sleep(5)"
    with pytest.raises(GraderError, match="sent something that is not a result"):
        graded(holed, through(code), tmp_path)
    assert earned(graded(holed, answers(), tmp_path))["row_means"] == POINTS["row_means"]


def test_a_judge_makes_no_points_that_its_topic_does_not_have(holed, tmp_path):
    """It can pass its own checks; checks, titles and points are the supervisor's own reading of the grader."""
    line = said(grader="/etc/passwd", isolation={"level": "none"}, message="\x1b[2J")
    code = f"import os; os.write(3, {line!r})"
    result = graded(holed, through(code), tmp_path)
    assert "test_made_up" not in {check.check.name for check in result.checks()}
    assert result.isolation["level"] == "sandbox"


def test_a_line_without_an_end_is_not_kept(holed, tmp_path):
    code = "import os; os.set_blocking(3, True); os.write(3, b'x' * (9 << 20))"
    with pytest.raises(GraderError, match="more than a judge has to say"):
        graded(holed, through(code), tmp_path)


def test_a_judge_that_talks_without_end_is_ended(holed, tmp_path, monkeypatch):
    monkeypatch.setattr("gradus.engine.contained.talk.MOST", 1 << 20)
    code = (
        "import os, json; os.set_blocking(3, True)\n"
        "line = {'line': {'event': 'report', 'report': 'x' * 1000}}\n"
        "while True: os.write(3, json.dumps(line).encode() + b'\\n')"
    )
    with pytest.raises(GraderError, match="more than a judge has to say"):
        graded(holed, through(code), tmp_path)


def test_nothing_of_a_judge_or_a_submission_is_left_behind(holed, tmp_path):
    graded(
        holed, through("import os\nif os.fork() == 0:\n    import time; time.sleep(600)"), tmp_path
    )
    judge = contained_judge(holed, "demo")
    assert earned(graded(holed, answers(), tmp_path))["row_means"] == POINTS["row_means"]
    judge.close()


IN_THE_JUDGE = """
import gc, os, socket, time
from gradus.engine.contained.given import GivenWorker
from gradus.wall.wire.channel import Channel
(channel,) = [one for one in gc.get_objects() if type(one) is Channel]
(worker,) = [one for one in gc.get_objects() if type(one) is GivenWorker]
channel._sock.settimeout(20)
_, folders, _, _ = socket.recv_fds(channel._sock, 1, 4)
worker.stop()  # now the worker's folders are emptied
for folder in folders:
    with open(os.open("left", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder), "w") as file:
        file.write("here")
os.set_blocking(3, True)
os.write(3, b'{"line": {"event": "end"}}' + bytes([10]))
time.sleep(5)
"""
GIVES_ITS_FOLDERS_AWAY = """
import os, socket, threading, time

def give():
    time.sleep(0.5)
    folders = [os.open(name, os.O_RDONLY) for name in ("/scratch", "/tmp")]
    socket.send_fds(socket.socket(fileno=os.dup(3)), [b"!"], folders)

def double(x):
    if callable(x):
        threading.Thread(target=give, daemon=True).start()
        return x({code!r})
    return 2 * x
"""
LOOKS = """
import os
def double(x):
    left = [name for name in ("/scratch", "/tmp") if os.path.exists(name + "/left")]
    raise ValueError(f"left: {left}")
"""


def test_what_a_judge_leaves_in_a_workers_folders_does_not_reach_the_next(holed, tmp_path):
    """The folders were handed to it by its worker; both of them are gone before the folders are emptied."""
    attack = GIVES_ITS_FOLDERS_AWAY.format(code=IN_THE_JUDGE, left="{left}")
    assert graded(holed, answers(double=attack), tmp_path).complete is False  # it came to its end
    result = graded(holed, answers(double=LOOKS), tmp_path)
    assert "left: []" in message(result, "double_leaves_its_input")


def test_many_mistakes_are_told_up_to_a_number(shared_kit, tmp_path):
    lines = "".join(f"raise ValueError({'x' * 1_450!r})\n" for _ in range(3_000))
    result = graded(shared_kit, lines + answers(), tmp_path)
    assert earned(result) == POINTS
    assert len(result.problems) == 31
    assert problems(result)[-1] == "demo.py: ... and 2970 more statements that were left out"


def test_large_results_cross(kit, tmp_path):
    text = GRADER + (
        '\n\n@pytest.mark.task("double")\n@pytest.mark.timeout(120)\n'
        'def test_large(submission):\n    """It works."""\n'
        "    assert len(submission.double(torch.ones(80_000_000))) == 80_000_000\n"
    )
    kit.grader("demo").write_text(text, encoding="utf-8")
    assert statuses(graded(kit, answers(), tmp_path))["large"] == "passed"
