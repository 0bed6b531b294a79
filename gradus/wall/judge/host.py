"""A submission behind the wall: starts its worker, loads it, and starts another when that one is lost."""

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from gradus.errors import SubmissionError
from gradus.sandbox.slots import Running, Workers
from gradus.simulated_gpu.active import active
from gradus.submission.calls import StudentError
from gradus.submission.exits import ProcessLost, SubmissionExit
from gradus.submission.loader import Loaded
from gradus.submission.status import Problem, Status
from gradus.submission.time_limit import CELL_SECONDS
from gradus.wall.judge.budget import SECONDS, Budget
from gradus.wall.judge.judge import Judge
from gradus.wall.judge.source import Source
from gradus.wall.judge.told import read_told
from gradus.wall.wire.channel import Channel
from gradus.wall.wire.nodes import WireError

RESTARTS = 100  # statements of one file that may each end a process while it is loaded
GRACE_SECONDS = 30.0
LOAD_SECONDS = 600.0  # of a whole file, however many statements it has and however they end
BEGIN_SECONDS = 5.0  # for a worker to get ready for a check, out of the check's own time


class Host:
    """One submission and the worker that holds it at the moment.

    Args:
        slot: Where workers come from.
        source: What was handed in.
        import_from: Folders that the student's code may import from.
        limit: Seconds that the submission may take in all.
    """

    def __init__(
        self,
        slot: Workers,
        source: Source,
        import_from: Sequence[Path] = (),
        *,
        limit: float = SECONDS,
    ) -> None:
        self._slot, self._source = slot, source
        self._budget = Budget(limit)
        self._import_from = [str(path) for path in import_from]
        self._lost: dict[str, str] = {}  # statements that ended a worker -> what to tell
        self._worker: Running | None = None
        self._judge: Judge | None = None
        self._given_up: Problem | None = None  # why there will be no worker any more
        self._told = False  # the problems of the first load; those of later ones stay here
        self._on_gpu = self._lends = False
        self.known: set[str] = set()  # names that the submission is known to define
        self.loaded = Loaded(ModuleType(f"submission_{source.topic}"), source.path, source.shown)
        self._load()

    def judge(self) -> Judge:
        """The conversation with a living worker, in which the submission is loaded.

        Raises:
            StudentError: If it cannot be loaded at all.
        """
        if self._judge is not None and self._judge.beginning:
            with contextlib.suppress(ProcessLost):  # another one takes its place
                self._await_begin()
        self._give_up_when_spent()
        if (self._judge is None or self._judge.lost is not None) and self._given_up is None:
            self._load()
            if self._judge is not None and self._given_up is None and (self._on_gpu or active()):
                self._begin(self._judge)  # the check goes on as it began
                self._await_begin()
        if self._judge is None or self._given_up is not None:
            problem = self._given_up or self.loaded.problems[0]
            raise StudentError(f"{problem.where}: {problem.message}", problem.kind)
        return self._judge

    def begin(
        self, grader: ModuleType | None, *, on_gpu: bool = False, lends: bool = False
    ) -> None:
        """A new check of this grader file, perhaps on a real GPU, which may lend its models (`trains`)."""
        self._on_gpu, self._lends = on_gpu, lends
        if not self.loaded.sha256:
            return  # there is no file, and so no process
        with contextlib.suppress(ProcessLost, StudentError):  # the check's first call will tell
            judge = self.judge()
            if grader is not None:
                judge.by_value(grader)
            judge.lends = lends
            self._begin(judge)

    def _begin(self, judge: Judge) -> None:
        with self._within(judge, time.monotonic() + BEGIN_SECONDS):
            judge.begin(on_gpu=self._on_gpu)

    def _await_begin(self) -> None:
        if self._judge is not None and self._judge.lost is None and self._judge.beginning:
            with self._within(self._judge, time.monotonic() + BEGIN_SECONDS):
                self._judge.await_begin()

    def renew_if_gpu_is_lost(self) -> None:
        """End a worker that its GPU no longer answers; the next call starts another one."""
        if self._judge is None or self._judge.lost is not None:
            return
        with contextlib.suppress(ProcessLost):
            self._await_begin()
            with self._within(self._judge, time.monotonic() + BEGIN_SECONDS):
                lost = self._judge.request("gpu_is_lost")
            if lost is True:
                self.close()

    @contextlib.contextmanager
    def _within(self, judge: Judge, deadline: float) -> Iterator[None]:
        """Give a worker so much time. What it raises must not get out: no check has asked for it."""
        judge.channel.deadline = deadline
        try:
            with self._budget.spending():
                yield
        except (Exception, SubmissionExit) as error:
            raise judge.loses(WireError(f"an exception: {type(error).__name__}")) from None
        finally:
            judge.channel.deadline = None

    def close(self) -> None:
        """End the worker; the next call starts another one."""
        self._ended(None)
        self._judge = None

    def _load(self) -> None:
        """Load the submission in a worker. torch's random numbers go on here as if nothing had been."""
        drawn = torch.default_generator.get_state()
        try:
            self._load_in_worker()
        finally:
            torch.default_generator.set_state(drawn)
            self._told = True

    def _load_in_worker(self) -> None:
        source = self._source
        self.known.clear()
        try:
            data = source.read()
        except SubmissionError as error:
            self._give_up(str(error))
            return
        self.loaded.sha256 = hashlib.sha256(data).hexdigest()
        files = {**source.beside(), source.path.name: data}
        loading = Budget(LOAD_SECONDS)
        for _ in range(RESTARTS):
            judge = self._start()
            deadline = time.monotonic() + min(loading.left, self._budget.left)
            try:
                with loading.spending(), self._within(judge, deadline):
                    self._take(self._ask_to_load(judge, files))
            except ProcessLost as error:
                if self._give_up_when_spent():
                    return
                if not judge.loading:
                    self._give_up(str(error))
                    return
                self._lost[judge.loading] = f"{error}; left out"
            else:
                return
        self._give_up("too many of its statements end the process")

    def _ask_to_load(self, judge: Judge, files: dict[str, bytes]) -> Any:
        about = {
            "file": self._source.path.name,
            "topic": self._source.topic,
            "shown": self._source.shown,
            "lost": self._lost,
            "import_from": self._import_from,
        }
        return judge.request("load", about, files, seconds=CELL_SECONDS + GRACE_SECONDS)

    def _start(self) -> Judge:
        self.close()
        self._worker = worker = self._slot.start_worker()
        self._judge = judge = Judge(
            Channel(worker.socket, judge=True),
            interrupt=worker.interrupt,
            ended=self._ended,
            budget=self._budget,
        )
        judge.lends = self._lends
        return judge

    def _take(self, told: Any) -> None:
        """Believe what the worker says of its file, as far as it is well-formed."""
        try:
            problems, names = read_told(told)
            if not self._told:  # after a check a submission could tell here what that check gave it
                self.loaded.problems[:], self.loaded.defined = problems, names
        except (TypeError, ValueError):
            self._give_up("its process sent something that is no answer")

    def _give_up_when_spent(self) -> bool:
        """Whether the submission's time is over: then there is no worker for it any more."""
        if self._budget.left:
            return False
        if self._given_up is None:
            self.close()
            words = f"it took more than the {self._budget.seconds:g} s that it may take in all"
            self._give_up(f"{words} (--limit), loading and all checks together", Status.TIMEOUT)
        return True

    def _give_up(self, words: str, kind: Status = Status.ERROR) -> None:
        self._given_up = Problem(self._source.shown, words, kind=kind)
        if not self._told:
            self.loaded.problems[:], self.loaded.defined = [self._given_up], []

    def _ended(self, error: Exception | None) -> str:
        """End the worker; how it ended, in words."""
        worker, self._worker = self._worker, None
        if worker is None:
            return "its process is gone"
        ended = worker.stop()
        if isinstance(error, TimeoutError):
            return "it hung, and nothing could interrupt it"
        if isinstance(error, WireError):
            return f"its process sent something that is no answer ({error})"
        return ended.words
