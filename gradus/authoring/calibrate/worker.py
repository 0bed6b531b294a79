"""The process that measures: runs the trained checks on one answer with one seed, and writes their values.

`python -m gradus.authoring.calibrate.worker KIT TOPIC` reads one JSON line for each run and answers with
one. It runs under whatever interpreter it is started with, so another version of torch is one of these.
"""

import json
import os
import sys
from collections.abc import Generator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import gradus
from gradus.authoring.notice import tasks_that_may_notice
from gradus.checks.thresholds import recording
from gradus.course import Course, load_course
from gradus.engine.here import run_here
from gradus.engine.job import Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.errors import GradusError
from gradus.grading.devices import CPU
from gradus.grading.items import check_of
from gradus.submission.status import Status
from gradus.topic import Topic


class _Measuring:
    """A pytest plugin: runs checks without a time limit, and notes what they reach."""

    def __init__(self) -> None:
        self.threads = 1  # of torch, for the next job
        self.tries: dict[str, list[dict[str, float]]] = {}  # case of a check -> its tries
        self._case = ""

    def note(self, values: Mapping[str, float]) -> None:
        self.tries[self._case].append(dict(values))

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self) -> bool:
        return True  # a value is measured however busy the machine is

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        import torch

        self._case = item.nodeid.partition("::")[2]
        self.tries[self._case] = []
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            return (yield)
        finally:
            torch.set_num_threads(before)


def measure(judge: WarmJudge, measuring: _Measuring, job: Mapping[str, Any]) -> dict[str, Any]:
    """Every case's tries for one answer and one seed, or the message of what went wrong.

    Args:
        judge: Has the checks of the topic.
        measuring: A plugin of its pytest.
        job: As `gradus.authoring.calibrate.workers` writes it.
    """
    measuring.threads, measuring.tries = job["threads"], {}
    cases = [item.nodeid for item in judge.items if check_of(item).name == job["check"]]
    asked = Job(Path(job["path"]), cases=cases, hidden=True, seed=job["seed"])
    with recording(measuring.note):
        checks = list(run_here(judge, asked).result.checks())
    for check in checks:
        if check.status not in (Status.PASSED, Status.FAILED, Status.NOT_RUN):
            return {"problem": check.message}
    empty = [case for case, tries in measuring.tries.items() if not tries]
    if empty or not measuring.tries:
        told = [check.message for check in checks if check.message]
        why = told[0] if told else f"{empty}: no value was compared with `threshold.reached`"
        return {"problem": why}
    return {"tries": measuring.tries}


def answers(course: Course, name: str) -> list[dict[str, Any]]:
    """The answers that tests/mistakes and tests/alternatives mark as a baseline or as trained.

    `tasks` are those whose checks an answer can make a difference to.
    """
    found: list[dict[str, Any]] = []
    topic = Topic.load(course.solution(name))
    tests = course.root / "tests"
    mistakes = tests / "mistakes" / f"{name}.py"
    for path in (tests / "alternatives" / f"{name}.py", mistakes):
        if not path.exists():
            continue
        for answer in import_module("tests.answers").answers_in(path):
            if answer.trained or answer.baseline_of:
                found.append(
                    {
                        "about": f"{answer.task}: {answer.about}",
                        "source": answer.source(topic),
                        "baseline_of": answer.baseline_of,
                        "trained": answer.trained,
                        "tasks": tasks_that_may_notice(
                            topic, answer.task, course.grader(name), mistakes
                        ),
                    }
                )
    return found


def main() -> None:
    """Answer jobs until there are no more."""
    import torch

    course, topic = load_course(Path(sys.argv[1])), sys.argv[2]
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what an answer prints goes elsewhere

    def say(data: Mapping[str, Any]) -> None:
        out.write(json.dumps(data) + "\n")
        out.flush()

    try:
        greeting: dict[str, Any] = {"torch": torch.__version__.partition("+")[0]}
        greeting["gradus"] = str(Path(gradus.__file__).parent)
        say({**greeting, "answers": answers(course, topic)})
    except (GradusError, ValueError, SyntaxError, ImportError) as error:
        say({"problem": f"tests/mistakes and tests/alternatives of {topic}: {error}"})
        return
    jobs, measuring = sys.stdin, _Measuring()  # pytest puts another stdin in the place of this one

    def use(judge: WarmJudge) -> None:
        for line in jobs:
            try:
                say(measure(judge, measuring, json.loads(line)))
            except GradusError as error:
                say({"problem": str(error)})

    try:
        with_judge(course, topic, use, devices=(CPU,), plugins=[measuring])
    except GradusError as error:  # the grader cannot be imported: each job is to say so
        for _ in jobs:
            say({"problem": str(error)})


if __name__ == "__main__":
    main()
