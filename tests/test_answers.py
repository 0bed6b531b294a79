"""Graders are graded: wrong answers lose points on their task, unusual right answers get full marks."""

import os
from functools import cache
from pathlib import Path
from zlib import crc32

import pytest

from gradus.course import find_course
from gradus.grading.grader_file import read_checks
from gradus.grading.report import TopicResult
from gradus.topic import Topic
from tests.answers import affected_by, answers_in, tasks_that_may_notice, trained_checks
from tests.graded_answers import Sides, Wanted, grade_many, like, lost
from tests.kits import comparable

COURSE = find_course(Path(__file__).parent)
TOPICS = {name: Topic.load(COURSE.solution(name)) for name in COURSE.topics}
CHUNK = 25  # answers that one warm judge grades; conftest sends them to one worker
# The first right and the first wrong answer of each task meet all tasks that could notice them, and their own
# task also behind the wall. The others meet their own task, without the wall: right ones all of it, wrong ones
# up to the first check that notices them. Checks that train for seconds are left out where a quick one has
# noticed a mistake, for right answers to other tasks, and behind the wall. `make test-answers` leaves nothing
# out, which takes four times as long; CI runs it weekly.
EVERYTHING = bool(os.environ.get("GRADUS_ALL_ANSWERS_IN_FULL"))


def answers(room: str) -> list[object]:
    """A pytest parameter for every answer in tests/<room>/; ids begin with topic and chunk."""
    found = []
    for topic in COURSE.topics:
        tasks: set[str] = set()
        of_topic = answers_in(COURSE.root / "tests" / room / f"{topic}.py")
        for place, answer in enumerate(of_topic):
            name = f"{topic}-{place // CHUNK}-{answer.task}-{answer.about}".replace(" ", "_")
            full = EVERYTHING or answer.task not in tasks
            found.append(pytest.param(topic, answer, full, id=name))
            tasks.add(answer.task)
    return found


@cache
def noticing(name: str, task: str) -> list[str]:
    """The tasks to grade for an answer to one task."""
    return tasks_that_may_notice(TOPICS[name], task, COURSE.grader(name), mistakes_of(name))


@cache
def spared_by(name: str, task: str) -> frozenset[str]:
    """Checks that right answers to one task do not meet: the trained ones of the other tasks."""
    if EVERYTHING:
        return frozenset()
    own = {check.name for check in read_checks(COURSE.grader(name)) if check.task == task}
    return trained_checks(COURSE.grader(name)) - own


def mistakes_of(name: str) -> Path:
    """A topic's file of known wrong answers."""
    return COURSE.root / "tests" / "mistakes" / f"{name}.py"


@pytest.fixture(scope="session")
def known() -> dict[str, Sides | Exception]:
    """What this process has graded, by test."""
    return {}


@pytest.fixture
def graded(request, known, tmp_path) -> TopicResult:
    """What every check that could notice the test's answer says of it, the same on both sides of the wall."""
    nodeid = request.node.nodeid
    if nodeid not in known:
        same = [item for item in request.session.items if chunk_of(item) == chunk_of(request.node)]
        grade_chunk(same, known, tmp_path)
    sides = known[nodeid]
    if isinstance(sides, Exception):
        raise sides
    here = sides[False]
    if True in sides:
        behind = sides[True]
        assert comparable(behind) == comparable(like(here, behind))
    return here


def not_run(graded: TopicResult) -> set[str]:
    """The checks that were left out."""
    return {result.check.name for result in graded.checks() if not result.cases}


def chunk_of(item: pytest.Item) -> tuple[str, ...]:
    """What tests have in common whose answers are graded together."""
    function, _, name = item.nodeid.partition("[")
    return function, *name.split("-")[:2]


def grade_chunk(
    items: list[pytest.Item], known: dict[str, Sides | Exception], folder: Path
) -> None:
    """Grade the answers of these tests; one that cannot be written down is its own test's failure."""
    wanted: dict[str, Wanted] = {}
    for number, item in enumerate(items):
        name, answer, full = (item.callspec.params[n] for n in ("topic", "answer", "full"))
        path = folder / str(number) / f"{name}.py"
        path.parent.mkdir()
        try:
            path.write_text(answer.source(TOPICS[name]), encoding="utf-8")
        except ValueError as error:
            known[item.nodeid] = error
            continue
        right = "mistake" not in item.originalname
        trained = trained_checks(COURSE.grader(name))
        slow = spared_by(name, answer.task) if right else trained
        slow_behind = frozenset() if EVERYTHING else trained
        tasks = noticing(name, answer.task) if full else [answer.task]
        behind = (tasks if EVERYTHING else [answer.task]) if full else ()
        seed = crc32(answer.about.encode())  # random inputs of its own: a class is graded with any
        wanted[item.nodeid] = Wanted(
            path, answer.task, tasks, right, behind, slow, slow_behind, seed,
            enough=not (full or right),
        )  # fmt: skip
    known.update(zip(wanted, grade_many(COURSE, name, list(wanted.values())), strict=True))


@pytest.mark.parametrize(("topic", "answer", "full"), answers("mistakes"))
def test_a_mistake_loses_points_on_its_task(topic, answer, full, graded):
    assert not full or not_run(graded) <= trained_checks(COURSE.grader(topic))
    assert answer.task in lost(graded), f"no check of {answer.task} noticed: {answer.about}"
    elsewhere = set(lost(graded)) - affected_by(TOPICS[topic], answer.task, mistakes_of(topic))
    assert not elsewhere, f"{elsewhere} lost points too: {lost(graded)}"
    statuses = {check.status.value for check in graded.checks()}
    assert "broken" not in statuses
    assert "todo" not in statuses


@pytest.mark.parametrize(("topic", "answer", "full"), answers("alternatives"))
def test_an_unusual_right_answer_gets_full_marks(topic, answer, full, graded):
    assert not lost(graded)
    assert not_run(graded) <= spared_by(topic, answer.task)
