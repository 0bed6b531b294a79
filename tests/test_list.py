"""`gradus list`, the index that it reads, names of tasks, and what a shell completes."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from gradus.course import find_course, load_course
from gradus.errors import CourseError
from gradus.grading.grader_file import read_checks
from gradus.student.index import index
from gradus.topic import Topic
from tests.kits import POINTS, SOLUTION, answers, write_kit
from tests.test_cli import gradus

COURSE = find_course()
TIMED = SOLUTION.replace(
    "    # HINT: Doubling", "    # TASK: 5 minutes, easy\n    # HINT: Doubling"
).replace("    # HINT: A row", "    # TASK: 75 minutes, hard\n    # HINT: A row")


@pytest.fixture
def kit(tmp_path, monkeypatch):
    """A kit of the test's own, with the working folder in it."""
    course = write_kit(tmp_path / "kit", solution=TIMED)
    monkeypatch.chdir(course.root)
    return course


def test_the_index_knows_all_that_is_declared():
    for name, topic in index(COURSE).items():
        source = Topic.load(COURSE.solution(name))
        checks = [check for check in read_checks(COURSE.grader(name)) if not check.hidden]
        points = Counter()
        for check in checks:
            points[check.task] += check.points
        assert topic.title == source.title
        assert [task.name for task in topic.tasks] == list(source.tasks)
        for task in topic.tasks:
            known = source.tasks[task.name]
            assert task.points == points[task.name]
            assert task.checks == sum(check.task == task.name for check in checks)
            assert (task.minutes, task.difficulty) == (known.minutes, known.difficulty)
            assert (task.hints, task.about) == (len(known.hints), known.docstring.split("\n")[0])


def test_no_two_topics_have_a_task_of_one_name():
    names = Counter(task.name for topic in index(COURSE).values() for task in topic.tasks)
    assert [name for name, times in names.items() if times > 1] == []


def test_every_task_is_listed_with_state_points_minutes_and_totals(kit, capfd):
    assert gradus("list").splitlines() == [
        "A demonstration",
        "            task        points  minutes  difficulty",
        "demo                    0 / 7    1 h 20 min left",
        "  not tried double      0 / 3      5 min  easy",
        "  not tried row_means   0 / 2     75 min  hard",
        "  not tried Affine      0 / 2",
        "next: gradus check demo.double",
    ]
    text = answers(row_means="def row_means(table):\n    return table\n")
    kit.exercise("demo").write_text(text, encoding="utf-8")
    gradus("check", "demo", code=1)
    kit.exercise("demo").write_text(
        text.replace("self.bias\n", "self.bias + 0\n"), encoding="utf-8"
    )
    assert gradus("list", "demo").splitlines()[2:] == [
        "demo                    3 / 7    1 h 15 min left",
        "  done      double      3 / 3      5 min  easy",
        "  tried     row_means   0 / 2     75 min  hard",
        "  edited    Affine      0 / 2",
        "next: gradus check demo.row_means",
    ]


def test_the_whole_course_fits_a_terminal_and_adds_up():
    lines = gradus("list").splitlines() + gradus().splitlines()
    assert max(map(len, lines)) <= 80
    points = sum(topic.points for topic in index(COURSE).values())
    assert f"/ {points}" in next(line for line in lines if line.startswith("total"))


def test_an_unknown_topic_is_told_with_those_that_there_are(kit):
    with pytest.raises(CourseError, match=r"no topic 'nope'. There are: demo"):
        gradus("list", "nope")


def test_without_a_solution_what_the_grader_says_is_listed(kit):
    (kit.root / "hints.json").write_text(json.dumps({"demo": {"double": ["a", "b"]}}), "utf-8")
    kit.solution("demo").unlink()
    topic = index(kit)["demo"]
    assert [(t.name, t.points, t.minutes, t.hints) for t in topic.tasks] == [
        (name, points, None, 2 * (name == "double")) for name, points in POINTS.items()
    ]
    assert "  not tried double      0 / 3" in gradus("list")


def test_a_damaged_grader_is_told_and_nothing_else_is_lost(kit):
    (kit.root / "course.toml").write_text('topics = ["demo", "other"]\n', encoding="utf-8")
    (kit.root / "graders" / "test_other.py").write_text("def broken(:\n", encoding="utf-8")
    out = gradus("list")
    assert "test_other.py:1: " in out
    assert "double" in out
    assert "test_other.py:1: " in gradus()
    assert index(load_course(kit.root))["demo"].tasks


def test_the_index_follows_its_files_and_bears_damage(kit):
    assert index(kit)["demo"].points == 7
    known = kit.state / "index.json"
    grader = kit.grader("demo")
    grader.write_text(
        grader.read_text("utf-8").replace('"double", points=2', '"double", points=4'), "utf-8"
    )
    assert index(kit)["demo"].points == 9
    solution = kit.solution("demo")
    solution.write_text(TIMED.replace("75 minutes", "70 minutes"), encoding="utf-8")
    assert index(kit)["demo"].tasks[1].minutes == 70
    for text in (
        "",
        "{",
        "[]",
        '{"version": 1, "known": 3}',
        '{"version": 1, "known": {"demo": 1}}',
    ):
        known.write_text(text, encoding="utf-8")
        assert index(kit)["demo"].points == 9
    data = json.loads(known.read_text("utf-8"))
    data["known"]["demo"]["data"]["tasks"] = [{"name": 3}]
    known.write_text(json.dumps(data), encoding="utf-8")
    assert index(kit)["demo"].points == 9
    known.unlink()
    known.mkdir()
    assert index(kit)["demo"].points == 9


def modules_of(*words):
    """What a command imports."""
    code = (
        "import sys; sys.argv[0] = 'gradus'\nfrom gradus.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=COURSE.root,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [(), ("list",), ("hint", "one_hot", "--again")])
def test_what_is_asked_for_often_imports_little(words):
    modules_of("list")  # what was worked out is kept
    slow = {"torch", "numpy", "pytest", "nbformat", "jsonschema", "pydantic", "rich", "jupytext"}
    assert not slow & modules_of(*words)


def test_pytest_finds_the_checks_of_a_task_by_its_name():
    words = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-k", "one_hot"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=COURSE.root)
    found = {line.partition("::")[2].partition("[")[0] for line in done.stdout.splitlines()}
    checks = read_checks(COURSE.grader("tensors"))
    assert found - {""} == {c.name for c in checks if c.task == "one_hot" and not c.hidden}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("gradus check dou", {"double"}),
        ("gradus check de", {"demo"}),
        ("gradus check demo.", {"demo.double", "demo.row_means", "demo.Affine"}),
        ("gradus check demo ", {"double", "row_means", "Affine"}),
        ("gradus check demo A", {"Affine"}),
        ("gradus hint row", {"row_means"}),
        ("gradus reset demo.d", {"demo.double"}),
        ("gradus solution Aff", {"Affine"}),
        ("gradus list d", {"demo"}),
        ("gradus restore d", {"demo"}),
        ("gradus check demo double ", set()),
    ],
)
def test_a_shell_completes_topics_and_tasks(kit, line, wanted):
    assert set(completed(kit.root, line)) == wanted


def completed(folder, line):
    """What bash would offer at the end of a line."""
    words = line.split(" ")
    told = {
        "_GRADUS_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    code = "import sys; sys.argv = ['gradus']\nfrom gradus.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, **told},
    )
    assert not done.stderr
    return done.stdout.split()


def test_where_nothing_can_be_completed_nothing_is_said(kit, tmp_path):
    assert completed(tmp_path, "gradus check d") == []
    (kit.root / "course.toml").write_text("topics = 3\n", encoding="utf-8")
    assert completed(kit.root, "gradus check d") == []
