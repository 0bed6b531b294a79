"""The warm judge and its children: what a child says, and how it ends."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gradus.engine import apart, children
from gradus.engine.children import Children, fork
from gradus.engine.here import run_here
from gradus.engine.job import Graded, Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.errors import GraderError
from gradus.grading import devices
from tests.kits import POINTS, answers, comparable, earned

pytestmark = pytest.mark.skipif(not apart.can_fork(), reason="this system cannot fork")


def say(pipe: int, *lines: object) -> None:
    os.write(pipe, b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def talked(function, seconds: float = 60.0) -> tuple[list[object], object]:
    """What a child that runs `function` says until it can say no more, and how it ended."""
    together, until = Children(), time.monotonic() + seconds
    together.add(fork(function))
    heard: list[object] = []
    try:
        while len(together):
            for child, lines in together.wait():
                heard += [line["event"] for line in lines]
                if child.closed or time.monotonic() > until:
                    return heard, together.remove(child)
    finally:
        together.close()
    raise AssertionError("it was lost")


def test_all_that_a_child_said_is_heard_however_soon_it_ended():
    def many(pipe):
        say(pipe, *({"event": number} for number in range(3_000)))
        os._exit(3)

    heard, ended = talked(many)
    assert heard == list(range(3_000))
    assert (ended.code, ended.hung) == (3, False)


@pytest.mark.parametrize("nonsense", [b"{\n", b"[1]\n", b"7\n", b'{"no": 1}\n', b"\xff\xfe\n"])
def test_after_nonsense_a_child_is_not_believed(nonsense):
    def talks(pipe):
        say(pipe, {"event": "first"})
        os.write(pipe, nonsense)
        say(pipe, {"event": "second"})
        time.sleep(60)

    heard, ended = talked(talks)
    assert heard == ["first"]
    assert ended.code == -9


def test_a_line_without_an_end_is_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(children, "LONGEST", 100_000)

    def floods(pipe):
        while True:
            os.write(pipe, b"x" * 10_000)

    assert talked(floods)[1].code == -9


def test_a_child_that_hangs_is_killed_when_its_time_is_over():
    def hangs(pipe):
        say(pipe, {"event": "here"})
        time.sleep(60)

    heard, ended = talked(hangs, 0.5)
    assert (heard, ended.hung) == (["here"], True)


def test_a_child_that_has_left_another_behind_is_gone_all_the_same(tmp_path):
    """The pipe stays open in the other one."""
    alive = tmp_path / "alive"

    def leaves(pipe):
        os.setpgid(0, 0)
        if os.fork() == 0:
            while True:
                alive.touch()
                time.sleep(0.01)
        say(pipe, {"event": "here"})
        os._exit(0)

    heard, ended = talked(leaves)
    assert (heard, ended.code, ended.hung) == (["here"], 0, False)
    time.sleep(0.2)
    alive.unlink(missing_ok=True)
    time.sleep(0.2)
    assert not alive.exists()


def test_a_child_that_closes_its_pipe_and_goes_on_is_ended():
    def closes(pipe):
        os.closerange(3, 100)
        time.sleep(60)

    heard, ended = talked(closes)
    assert (heard, ended.code) == ([], -9)


def grade_all(course, folder: Path, texts: dict[str, str], **about: object) -> dict[str, object]:
    """Results by name, from one warm judge with two children at a time."""
    jobs = []
    for name, text in texts.items():
        path = folder / name / "demo.py"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        jobs.append(Job(path, folder=path.parent, hidden=True, **about))

    def use(judge: WarmJudge) -> dict[str, object]:
        found = {}
        for graded in judge.grade(jobs, at_once=2):
            found[graded.job.folder.name] = graded.result
        return found

    return with_judge(course, "demo", use)


def test_one_judge_grades_many_answers_and_none_touches_another(shared_kit, tmp_path):
    double = "def double(x):"
    texts = {
        "right": answers(),
        "wrong": answers(double=f"{double} return x"),
        "exits": answers(double=f"{double}\n    import ctypes\n    ctypes.CDLL(None)._exit(0)"),
        "patches": answers(double=f"torch.ones = None\n{double} return 2 * x"),
        "right again": answers(),
    }
    found = grade_all(shared_kit, tmp_path, texts)
    less = {**POINTS, "double": 0}
    assert {name: earned(result) for name, result in found.items()} == {
        "right": POINTS,
        "wrong": {**POINTS, "double": 1},
        "exits": less,
        "patches": earned(found["patches"]),
        "right again": POINTS,
    }
    assert all(result.complete for result in found.values())


def test_a_job_without_a_check_is_an_error(shared_kit, tmp_path):
    with pytest.raises(GraderError, match="none of its checks is asked for"):
        grade_all(shared_kit, tmp_path, {"right": answers()}, tasks=["no such task"])


def graded_by(course, folder: Path, text: str, use) -> object:
    """What `use` makes of a warm judge and a job for an answer with this text."""
    path = folder / "demo.py"
    path.write_text(text, encoding="utf-8")
    job = Job(path, hidden=True, folder=folder)
    return with_judge(course, "demo", lambda judge: use(judge, job))


def test_a_judge_that_has_graded_in_its_own_process_and_behind_the_wall_forks_still(
    shared_kit, tmp_path
):
    def use(judge: WarmJudge, job: Job) -> list[Graded]:
        here, behind = run_here(judge, job), run_here(judge, job, isolated=True)
        return [here, behind, *judge.grade([job])]

    here, behind, forked = graded_by(shared_kit, tmp_path, answers(double="double = None"), use)
    assert comparable(behind.result) == comparable(forked.result)
    assert earned(here.result) == earned(forked.result) == {**POINTS, "double": 0}
    assert list(here.cases) == list(behind.cases) == list(forked.cases)


@pytest.mark.parametrize("way", ["here", "forked"])
def test_limits_and_the_end_of_a_job_are_its_own(shared_kit, tmp_path, way):
    def use(judge: WarmJudge, job: Job) -> list[Graded]:
        limits = {item.nodeid: 0.2 for item in judge.items}
        jobs = [replace(job, limits=limits, enough=True), job]
        return [run_here(judge, j) for j in jobs] if way == "here" else list(judge.grade(jobs))

    slow = "def double(x):\n    import time\n    time.sleep(0.4)\n    return 2 * x"
    short, full = graded_by(shared_kit, tmp_path, answers(double=slow), use)
    assert [case["status"] for case in short.cases.values()] == ["timeout"]
    assert earned(full.result) == POINTS


def test_to_ask_for_cuda_does_not_start_it(monkeypatch):
    """It is asked of the driver's library, so that children can use it still."""
    monkeypatch.delenv("PYTORCH_NVML_BASED_CUDA_CHECK", raising=False)
    assert devices.cuda_is_there() == torch.cuda.is_available()
    assert os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"
