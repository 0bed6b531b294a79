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
from gradus.errors import GradusError
from gradus.grading.marks import is_check
from gradus.grading.run import grade_here
from gradus.submission.status import Status
from gradus.topic import Topic


class _Measuring:
    """A pytest plugin: one check, on the CPU, without a time limit; notes what it reaches."""

    def __init__(self, check: str, threads: int) -> None:
        self.check, self.threads = check, threads
        self.tries: dict[str, list[dict[str, float]]] = {}  # case of a check -> its tries
        self._case = ""

    def note(self, values: Mapping[str, float]) -> None:
        self.tries[self._case].append(dict(values))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self._measured(item)]

    def _measured(self, item: pytest.Item) -> bool:
        known: Any = item  # pytest.Function knows its fixtures and its case
        device = known.callspec.params.get("device", "cpu") if hasattr(known, "callspec") else "cpu"
        return is_check(item) and known.originalname == self.check and device == "cpu"

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


def measure(course: Course, topic: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Every case's tries for one answer and one seed, or the message of what went wrong."""
    plugin = _Measuring(job["check"], job["threads"])
    with recording(plugin.note):
        result = grade_here(
            course, topic, Path(job["path"]), hidden=True, seed=job["seed"], plugins=[plugin]
        )
    for check in result.checks():
        if check.status not in (Status.PASSED, Status.FAILED, Status.NOT_RUN):
            return {"problem": check.message}
    empty = [case for case, tries in plugin.tries.items() if not tries]
    if empty or not plugin.tries:
        told = [check.message for check in result.checks() if check.message]
        why = told[0] if told else f"{empty}: no value was compared with `threshold.reached`"
        return {"problem": why}
    return {"tries": plugin.tries}


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
    for line in sys.stdin:
        job = json.loads(line)
        try:
            say(measure(course, topic, job))
        except GradusError as error:
            say({"problem": str(error)})


if __name__ == "__main__":
    main()
