"""One run of the graders inside pytest: loads submissions, judges cases, keeps results, writes the report."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import pytest
import torch

from gradus import dynamo_later, torchvision_ops
from gradus.checks.random_source import INPUTS, TORCH, RandomSource
from gradus.checks.thresholds import read_thresholds
from gradus.grading.commands import Commands, hint
from gradus.grading.devices import CPU, SIMULATED, case_of, cuda_is_there, present, without_device
from gradus.grading.failure import (
    NotTried,
    Verdict,
    judge,
    message_text,
    with_reference_verdict,
)
from gradus.grading.grader_file import topic_of
from gradus.grading.items import (
    case_id,
    check_of,
    limit_of,
    no_traceback,
    raised_by_student,
    shorten_output,
)
from gradus.grading.journal import GPU_LOST, Journal
from gradus.grading.reference import LOST, SECONDS, reference_passes
from gradus.grading.report import NOT_TRIED
from gradus.grading.results import Results
from gradus.grading.stash import CASES
from gradus.grading.submissions import Submissions
from gradus.grading.told import Told
from gradus.submission.calls import Submission, access_of
from gradus.submission.exits import ProcessLost, SubmissionExit, exits_intercepted
from gradus.submission.gpu import gpu_is_lost
from gradus.submission.module_calls import copied_for_modules
from gradus.submission.raised import raised
from gradus.submission.settings import settings_kept
from gradus.submission.status import Status

QUIT_BY_HAND = "Quitting debugger"  # what pytest raises for `q`
_running: list[str] = []  # node ids of the checks that run in this process now


def _seed(number: int) -> None:
    """`torch.manual_seed`, which also looks for devices of other makers, ten times as quick."""
    torch.default_generator.manual_seed(number)
    if cuda_is_there():
        torch.cuda.manual_seed_all(number)


def grading_now() -> bool:
    """Whether a check is running in this process: `check(...)` inside a submission then does nothing."""
    return bool(_running)


class GradingSession:
    """What one pytest run knows about submissions, checks and results."""

    def __init__(self, config: pytest.Config, journal: Journal | None = None) -> None:
        self.config = config
        self.journal = journal or Journal.in_file(config.getoption("--gradus-journal"))
        self.submissions = Submissions(config, self.journal)
        self._commands = Commands(config, self.submissions)
        self._current: dict[str, Submission] = {}  # node id -> what its check holds
        hidden, seed = bool(config.getoption("--hidden")), int(config.getoption("--gradus-seed"))
        self.results = Results(self.journal, hidden=hidden, seed=seed)
        past = [data for _, data in self.journal.finished()]
        self._lost = {(data["grader"], data["check"]) for data in past if data.get("lost")}
        timeouts = [data for data in past if data["status"] == Status.TIMEOUT.value]
        self._told = Told(self._lost, [(data["grader"], data["check"]) for data in timeouts])
        self._lost_gpu = ""  # the check that the GPU was lost in
        torchvision_ops.install()
        dynamo_later.install()
        torch.set_num_threads(1)  # two threads on busy cores cost up to 20 times one

    @contextmanager
    def running(self, item: pytest.Item) -> Iterator[None]:
        """Around everything that pytest does with one check."""
        _running.append(item.nodeid)
        known: Any = item
        known.repr_failure = no_traceback  # pytest's costs 0.1 s a failure
        try:
            with self._prepared(item):
                yield
        finally:
            _running.remove(item.nodeid)
        if self._lost_gpu and self.journal.kept:  # the supervisor goes on in a fresh process
            sys.stdout.flush()
            os._exit(GPU_LOST)

    @contextmanager
    def _prepared(self, item: pytest.Item) -> Iterator[None]:
        """The submission is loaded, and the device of the case is there."""
        capture: Any = self.config.pluginmanager.getplugin("capturemanager")
        self.submissions.course_of(item)
        with ExitStack() as stack:
            with (
                capture.item_capture("setup", item) if capture else nullcontext(),
                settings_kept(),
            ):
                loaded = self.submissions.load(item)  # a module is loaded once, for all devices
                stack.enter_context(present(item, loaded.filenames))
                self._current[item.nodeid] = self.submissions.make(item)
            shorten_output(item)
            with self._begun(item):
                yield

    @contextmanager
    def _begun(self, item: pytest.Item) -> Iterator[None]:
        self.journal.started(
            item.nodeid, limit_of(item), self.data(item, Verdict(Status.ERROR, ()))
        )
        # Students' own layers draw from it, and may see it.
        _seed(self.random_of(item, TORCH).seed())
        modules = nullcontext() if self.submissions.isolated else copied_for_modules()
        try:
            with exits_intercepted(), settings_kept(), modules:
                yield
        finally:
            del self._current[item.nodeid]

    @contextmanager
    def interrupts_charged(self, item: pytest.Item) -> Iterator[None]:
        """Make what pytest takes for the end of the run an error of the check, where a student raised it.

        A KeyboardInterrupt is a person's, as is `q` in a debugger, but in a supervised process: no keyboard
        reaches it.
        """
        try:
            yield
        except (pytest.exit.Exception, KeyboardInterrupt) as error:
            by_hand = isinstance(error, KeyboardInterrupt) or str(error) == QUIT_BY_HAND
            person = by_hand and not self.journal.kept
            loaded = access_of(self._current[item.nodeid]).loaded
            if person or not raised(error, loaded.filenames).frames:
                raise
            raise SubmissionExit(repr(error)).with_traceback(error.__traceback__) from None

    def submission_of(self, item: pytest.Item) -> Submission:
        """What the check's `submission` fixture hands out.

        Raises:
            NotTried: If another case of the check ran out of time or lost its process: the check's
                points are lost already. In a student's own run, if another check of the task ran out of
                time: nobody waits for each of them.
        """
        if (str(item.path), check_of(item).name) in self._lost:
            raise NotTried(f"{NOT_TRIED}case of this check was lost with its process")
        if self._told.elsewhere(item, check_of(item), Status.TIMEOUT):
            raise NotTried(f"{NOT_TRIED}case of this check ran out of time", Status.TIMEOUT)
        if self._told.task_timed_out(item, check_of(item)) and self.submissions.are_waited_for():
            raise NotTried(f"{NOT_TRIED}check of this task ran out of time", Status.TIMEOUT)
        return self._current[item.nodeid]

    def require_gpu(self, case: str) -> None:
        """Skip a case that needs a GPU which an earlier check has lost."""
        if case != CPU and self._lost_gpu:
            pytest.skip(
                f"{self._lost_gpu} has made the GPU unusable for this process (see its message); "
                "`gradus check` goes on in a fresh one"
            )

    def random_of(self, item: pytest.Item, purpose: str = INPUTS) -> RandomSource:
        """The check's source of random values, from its start; devices of one case share it."""
        name = without_device(item.nodeid.rpartition("/")[2])
        return RandomSource(self.config.getoption("--gradus-seed"), name, purpose)

    def thresholds_of(self, item: pytest.Item) -> Callable[[str], float]:
        """Reads the topic's table of graders/thresholds.toml."""
        return read_thresholds(item.path.parent / "thresholds.toml", topic_of(item.path))

    # Judging

    def finish(self, item: pytest.Item, call: pytest.CallInfo[None], report: Any) -> None:
        """Give a phase's report the check's status and words."""
        shorten_output(item)
        report.sections = [
            (f"Captured {kind} {when}", text) for when, kind, text in item._report_sections
        ]
        if call.excinfo is None and report.when != "call":
            return
        check, submission = check_of(item), self._current[item.nodeid]
        loaded, if_broken = access_of(submission).loaded, ""
        if report.when == "teardown" and call.excinfo is not None:
            verdict = Verdict(
                Status.BROKEN, (("problem", f"after the check: {call.excinfo.value!r}"),)
            )
        elif call.excinfo is None:
            verdict = Verdict(Status.PASSED, ())
        elif call.excinfo.errisinstance(pytest.skip.Exception) and not raised_by_student(
            call, loaded
        ):
            verdict = Verdict(Status.NOT_RUN, (("skipped", str(call.excinfo.value)),))
        else:
            verdict = judge(call.excinfo.value, submission)
            if isinstance(call.excinfo.value, ProcessLost):
                self._lost.add((str(item.path), check.name))
            if not verdict.certain:
                broken = self.data(item, Verdict(Status.BROKEN, LOST), call.duration)
                self.journal.reference(item.nodeid, SECONDS, broken)
                passes = reference_passes(item, self.submissions, self.random_of(item))
                if passes is None:  # none here: who supervises this process may have it
                    if_broken = self.data(item, with_reference_verdict(verdict, False))["message"]
                verdict = with_reference_verdict(verdict, passes)
        if case_of(item) != CPU and verdict.status is not Status.PASSED:
            access_of(submission).renew_if_gpu_is_lost()
            if gpu_is_lost():
                self._lost_gpu = check.name
        report.gradus = self.data(item, verdict, call.duration)
        if if_broken:
            report.gradus["if_broken"] = if_broken
        in_table = any(problem.message in verdict.cause for problem in loaded.problems)
        report.gradus["repeated"] = self._told.before(item, check, verdict) or in_table
        if verdict.status not in (Status.PASSED, Status.NOT_RUN):
            report.outcome = "failed"
            report.longrepr = report.gradus["message"] + self._commands.missing()
        if report.when != "teardown":  # JUnit reports take them from the item, at its end
            item.user_properties += [("gradus_task", check.task), ("gradus_points", check.points)]

    def data(self, item: pytest.Item, verdict: Verdict, seconds: float = 0.0) -> dict[str, Any]:
        """Plain data about a case, which travels with pytest's report (between processes too)."""
        check, loaded = check_of(item), access_of(self._current[item.nodeid]).loaded
        message = ""
        if verdict.status is not Status.PASSED:
            message = message_text(
                check, verdict, hint(check), self._commands.again(item, check),
                simulated=case_of(item) == SIMULATED,
            )  # fmt: skip
        return {
            "grader": str(item.path),
            "check": check.name,
            "id": case_id(item),
            "status": verdict.status.value,
            "message": message,
            "seconds": round(seconds, 3),
            "of": self.config.stash[CASES][item.path, check.name],
            "unloaded": bool(loaded.problems) and not loaded.names(),
            "problems": loaded.told(),
            "submission": loaded.shown,
            "sha256": loaded.sha256,
            "isolation": self.submissions.reached(),
        }
