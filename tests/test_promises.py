"""What every topic promises. A topic is covered by being there: its file in solutions/ is enough."""

import re
from collections import Counter
from pathlib import Path

import pytest

from gradus.authoring.export import outputs
from gradus.course import find_course
from gradus.engine.here import grade_here, run_here
from gradus.engine.job import Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.grading.devices import CPU
from gradus.grading.grader_file import read_checks, without_hidden
from gradus.grading.report import TopicResult
from gradus.submission.loader import Loaded
from gradus.submission.status import Status
from gradus.topic import Topic, todo_line
from tests.answers import answers_in, trained_checks
from tests.kits import comparable

COURSE = find_course(Path(__file__).parent)
FOUND = sorted(path.stem for path in (COURSE.root / "solutions").glob("*.py"))
MISTAKES, ALTERNATIVES, HINTS, CHECKS = 8, 4, 2, 2  # at least

MINUTES = range(5, 41)


@pytest.fixture(params=FOUND)
def topic(request):
    return Topic.load(COURSE.solution(request.param))


def test_the_course_lists_exactly_the_topics_that_are_there():
    assert sorted(COURSE.topics) == FOUND


def test_every_task_is_explained_hinted_and_checked(topic):
    public = Counter(c.task for c in read_checks(COURSE.grader(topic.name)) if not c.hidden)
    for name, task in topic.tasks.items():
        assert task.docstring, f"{name} has no docstring"
        assert len(task.hints) >= HINTS, f"{name} has {len(task.hints)} hints"
        assert public[name] >= CHECKS, f"{name} has {public[name]} public checks"
        assert task.minutes, f"{name}: write `# TASK: 10 minutes, easy` below its BEGIN SOLUTION"
        assert task.minutes in MINUTES, (
            f"{name} takes {task.minutes} minutes: cut it into two tasks"
        )
    assert set(public) <= set(topic.tasks)


def graded_on_both_sides(topic, path):
    """The result, which is the same in this process and behind the wall."""
    here, behind = (
        grade_here(COURSE, topic.name, path, hidden=True, isolated=isolated)
        for isolated in (False, True)
    )
    assert comparable(behind) == comparable(here)
    assert here.complete
    assert not here.problems
    return here


def test_the_solution_earns_every_point(topic):
    result = graded_on_both_sides(topic, topic.path)
    wrong = [check.message for check in result.checks() if check.status is not Status.PASSED]
    assert not wrong
    assert result.earned == result.possible > 0


def test_the_untouched_stub_earns_nothing_and_shows_todo(topic):
    result = graded_on_both_sides(topic, COURSE.exercise(topic.name))
    assert result.earned == 0
    assert {check.status for check in result.checks()} == {Status.TODO}


UNUSABLE = {"no file": None, "an empty file": "", "nothing of the topic": "answer = 42\n"}


def test_a_file_without_the_answers_earns_nothing(topic, tmp_path):
    jobs = []
    for what, text in UNUSABLE.items():
        path = tmp_path / what / f"{topic.name}.py"
        path.parent.mkdir()
        if text is not None:
            path.write_text(text, encoding="utf-8")
        jobs.append(Job(path, hidden=True, folder=path.parent))

    def grade(judge: WarmJudge) -> list[TopicResult]:
        behind = [run_here(judge, job, isolated=True) for job in jobs]
        return [graded.result for graded in (*judge.grade(jobs), *behind)]

    for result in with_judge(COURSE, topic.name, grade, devices=(CPU,)):
        assert result.earned == 0
        assert {check.status for check in result.checks()} == {Status.ERROR}


def test_the_grader_runs_the_students_own_code_in_every_check(topic, tmp_path):
    text = "class MyOwn(BaseException): pass\n" + topic.stub
    for task in topic.tasks:
        text = text.replace(todo_line(task), "raise MyOwn")
    path = tmp_path / f"{topic.name}.py"
    path.write_text(text, encoding="utf-8")
    result = grade_here(COURSE, topic.name, path, hidden=True, options=["--device", CPU])
    for check in result.checks():
        assert check.status is Status.ERROR, check
        assert "MyOwn" in check.message


def test_a_notebook_earns_what_the_module_earns(topic):
    notebook = topic.path.with_suffix(".ipynb")
    untouched = COURSE.exercise(topic.name).with_suffix(".ipynb")
    options = {"hidden": True, "options": ["--device", CPU]}
    right = grade_here(COURSE, topic.name, notebook, isolated=True, **options)  # as in nbgrader
    stub = grade_here(COURSE, topic.name, untouched, **options)
    assert (right.earned, stub.earned) == (right.possible, 0)
    assert {check.status for check in stub.checks()} == {Status.TODO}
    assert not right.problems
    assert not stub.problems


def test_exports_are_current(topic):
    for path, text in outputs(COURSE, topic.name).items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} is stale; run `gradus export`"
        )


def test_exports_are_the_same_in_every_run(topic):
    assert outputs(COURSE, topic.name) == outputs(COURSE, topic.name)


def test_the_stub_is_what_nbgrader_makes_of_the_solution(topic):
    import nbformat

    notebook = nbformat.read(COURSE.exercise(topic.name).with_suffix(".ipynb"), as_version=4)
    cells = {c.metadata.get("nbgrader", {}).get("grade_id"): c.source for c in notebook.cells}
    for task in topic.tasks:
        assert cells[task] in topic.stub
        assert todo_line(task) in cells[task]


def test_answers_and_hints_stay_out_of_what_students_get(topic):
    student = COURSE.exercise(topic.name)
    for text in (student.read_text("utf-8"), student.with_suffix(".ipynb").read_text("utf-8")):
        assert "SOLUTION" not in text
        assert "TASK:" not in text
        assert not [h for task in topic.tasks.values() for h in task.hints if h in text]


def test_hidden_checks_leave_no_trace_in_the_public_grader(topic):
    checks = read_checks(COURSE.grader(topic.name))
    public = without_hidden(COURSE.grader(topic.name).read_text("utf-8"))
    assert "mark.hidden" not in public
    for check in checks:
        assert (check.name in re.findall(r"def (\w+)", public)) is not check.hidden
        assert not check.hidden or check.title not in public
    compile(public, "public grader", "exec")


def test_annotations_of_the_solution_hold(topic, tmp_path, monkeypatch):
    from importlib import import_module

    from jaxtyping import install_import_hook

    name = f"typed_{topic.name}"
    tmp_path.joinpath(f"{name}.py").write_text(topic.source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with install_import_hook(name, "beartype.beartype"):
        module = import_module(name)
    loaded = Loaded(module, None, name, filenames={str(tmp_path / f"{name}.py")})
    slow = trained_checks(COURSE.grader(topic.name))  # their shapes are those of quick ones
    spared = [f"--deselect=graders/test_{topic.name}.py::{check}" for check in slow]
    result = grade_here(COURSE, topic.name, loaded=loaded, hidden=True, options=spared)
    wrong = [check for check in result.checks() if check.status is not Status.PASSED]
    assert {c.check.name: c.message for c in wrong} == dict.fromkeys(slow, "")


@pytest.mark.parametrize(
    ("room", "least"), [("mistakes", MISTAKES), ("alternatives", ALTERNATIVES)]
)
def test_the_graders_are_graded(topic, room, least):
    answers = answers_in(COURSE.root / "tests" / room / f"{topic.name}.py")
    assert len(answers) >= least
    assert {answer.task for answer in answers} <= set(topic.tasks)
    if room == "mistakes":
        assert {answer.task for answer in answers} == set(topic.tasks), "a task without a mistake"


def test_no_stray_files():
    rooms = {
        "solutions": {f"{name}{end}" for name in FOUND for end in (".py", ".ipynb")},
        "exercises": {f"{name}{end}" for name in FOUND for end in (".py", ".ipynb")},
        "graders": {f"test_{name}.py" for name in FOUND} | {"thresholds.toml"},
        "tests/mistakes": {f"{name}.py" for name in FOUND},
        "tests/alternatives": {f"{name}.py" for name in FOUND},
    }
    for room, expected in rooms.items():
        there = {
            p.name for p in (COURSE.root / room).iterdir() if not p.name.startswith((".", "__"))
        }
        assert there == expected, room
