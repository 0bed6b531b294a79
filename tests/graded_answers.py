"""Many answers to one topic, graded in one pytest run: starting one takes longer than most checks do."""

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gradus.course import Course
from gradus.grading.devices import CPU, SIMULATED, case_of
from gradus.grading.plugin import SESSION
from gradus.grading.report import TopicResult
from gradus.grading.run import QUIET, arguments
from gradus.grading.session import GradingSession
from gradus.submission.status import Status

Sides = dict[bool, TopicResult]  # in this process (`False`), and maybe behind the wall (`True`)


@dataclass(frozen=True)
class Wanted:
    """An answer to `task`, and the tasks to grade in this process and `behind` the wall.

    The checks in `slow` are left out; random inputs are those of `seed`. A wrong answer meets the CPU alone;
    only where that does not notice it it meets the simulated GPU too, and then what is slow. One loss is
    `enough`: the checks after it are left out.
    """

    path: Path
    task: str
    tasks: Sequence[str]
    right: bool
    behind: Sequence[str] = ()
    slow: frozenset[str] = frozenset()
    seed: int = 0
    enough: bool = False


class _Grading:
    """A pytest plugin that runs the collected checks once for each submission and side of the wall."""

    def __init__(self, topic: str, wanted: Sequence[Wanted]) -> None:
        self._topic, self._wanted = topic, wanted
        self.results: list[Sides] = []
        self.failure: BaseException | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop."""
        here = Path.cwd()
        try:
            for wanted in self._wanted:
                sides = self._sides(session, wanted)
                everywhere = replace(wanted, right=True)
                for more in (everywhere, replace(everywhere, slow=frozenset())):
                    if not wanted.right and wanted.task not in lost(sides[False]):
                        sides = self._sides(session, more)
                self.results.append(sides)
                os.chdir(here)
        except BaseException as error:  # pytest would print it; the caller is to have it
            self.failure = error
        return True

    def _sides(self, session: pytest.Session, wanted: Wanted) -> Sides:
        sides = {False: self._grade(session, wanted, isolated=False)}
        if wanted.behind:
            sides[True] = self._grade(session, replace(wanted, tasks=wanted.behind), isolated=True)
        return sides

    def _grade(self, session: pytest.Session, wanted: Wanted, *, isolated: bool) -> TopicResult:
        """One submission, on one side. Fixtures that serve a whole file are kept for the next one."""
        config = session.config
        config.option.submission, config.option.isolated = wanted.path, isolated
        config.option.gradus_seed = wanted.seed
        grading = config.stash[SESSION] = GradingSession(config)
        items = [item for item in session.items if _runs(item, wanted)]
        failed = session.testsfailed
        for item, following in zip(items, [*items[1:], session.items[0]], strict=True):
            item._report_sections.clear()
            item.user_properties.clear()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if wanted.enough and session.testsfailed > failed:
                break
        grading.submissions.close()
        return only(grading.results.report().topic(self._topic), wanted.tasks)


def _runs(item: pytest.Item, wanted: Wanted) -> bool:
    mark = item.get_closest_marker("task")
    assert mark is not None
    if mark.args[0] not in wanted.tasks or getattr(item, "originalname", item.name) in wanted.slow:
        return False
    return wanted.right or case_of(item) == CPU


def only(result: TopicResult, tasks: Sequence[str]) -> TopicResult:
    """The part of a result that is about these tasks."""
    return replace(result, tasks=tuple(task for task in result.tasks if task.name in tasks))


def lost(result: TopicResult) -> dict[str, list[str]]:
    """Messages of the checks that ran and did not pass, by task."""
    fine = (Status.PASSED, Status.NOT_RUN)
    found = {
        task.name: [c.message for c in task.checks if c.status not in fine] for task in result.tasks
    }
    return {task: messages for task, messages in found.items() if messages}


def grade_many(course: Course, topic: str, wanted: Sequence[Wanted]) -> list[Sides]:
    """For each submission its results in this process, and behind the wall where that is wanted.

    Hidden checks are run too. Devices are the CPU and the simulated GPU, which both sides have everywhere.
    """
    plugin = _Grading(topic, wanted)
    words = arguments(course, topic, None, hidden=True, devices=(CPU, SIMULATED))
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        pytest.main([*words, *QUIET], plugins=[plugin])
    if plugin.failure is not None:
        raise plugin.failure
    assert len(plugin.results) == len(wanted), output.getvalue()[-2000:]
    return plugin.results
