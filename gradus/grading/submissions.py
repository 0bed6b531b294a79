"""What one pytest run grades: finds submissions and loads them, in this process or behind the wall."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gradus.course import Course, find_course
from gradus.errors import CourseError
from gradus.grading.devices import CUDA, case_of
from gradus.grading.grader_file import topic_of
from gradus.grading.journal import Journal
from gradus.grading.marks import trains
from gradus.grading.remembered.memory import is_own
from gradus.grading.report import NO_WALL
from gradus.submission.calls import Access, Submission
from gradus.submission.loader import Loaded, load_submission
from gradus.submission.reading import find_submission, show_path
from gradus.submission.settings import seed_for_loading

if TYPE_CHECKING:
    from gradus.sandbox.slots import Workers
    from gradus.wall.judge.host import Host
    from gradus.wall.judge.source import Source
    from gradus.wall.judge.wall import Wall


class Submissions:
    """The submissions of one run, each loaded once."""

    def __init__(self, config: pytest.Config, journal: Journal) -> None:
        self.config, self.journal = config, journal
        self.statement_seconds: float | None = (
            None  # for one statement of a file; None: the usual limit
        )
        self.given: dict[str, Loaded] = {}  # topic -> a module handed in by the caller (a notebook)
        self._loaded: dict[str, Loaded] = {}
        self._courses: dict[Path, Course] = {}  # folder of graders -> its kit
        self._sources: dict[tuple[str, Path | None], Source] = {}
        # Where this process can see neither what was handed in nor a sandbox: both from the supervisor.
        self.received: Source | None = None
        self.workers: Workers | None = None
        self._wall: Wall | None = None  # made with the first check, where --isolated asks for one
        workdir: Path | None = config.getoption("--gradus-workdir")
        if workdir is not None and not config.getoption("--isolated"):
            os.chdir(workdir)  # the student's code reads and writes there

    def course_of(self, item: pytest.Item) -> Course:
        """The kit that a check belongs to; its root is put on the import path (for `datasets`)."""
        folder = item.path.parent
        if folder not in self._courses:
            try:
                self._courses[folder] = find_course(folder)
            except CourseError:
                self._courses[folder] = Course(folder.parent, ())
        course = self._courses[folder]
        if str(course.root) not in sys.path:
            sys.path.insert(0, str(course.root))
        return course

    def are_own_work(self) -> bool:
        """Whether this run grades what the student works in (and not a submission, or living objects)."""
        if self.given or self.config.getoption("--gradus-workdir") is not None:
            return False  # the second: what was handed in may lie in a course of its own
        chosen: Path | None = self.config.getoption("--submission")
        return chosen is None or is_own(chosen)

    def are_waited_for(self) -> bool:
        """Whether who wrote it waits for the result; a mark is taken with all checks."""
        return bool(self.given) or (self.are_own_work() and not self.isolated)

    def path_of(self, item: pytest.Item) -> Path:
        """What is graded: `--submission`, else the student's own file."""
        chosen: Path | None = self.config.getoption("--submission")
        topic = topic_of(item.path)
        where = chosen if chosen is not None else self.course_of(item).exercises
        return find_submission(where, topic)

    def load(self, item: pytest.Item) -> Loaded:
        """The submission of a check's topic, loaded once."""
        topic = topic_of(item.path)
        if self.isolated:
            return self._host(item).loaded
        if topic in self.given:
            return self.given[topic]
        if topic not in self._loaded:
            seed_for_loading()
            limit: dict[str, Any] = {}
            if self.statement_seconds is not None:
                limit["seconds"] = self.statement_seconds
            self._loaded[topic] = load_submission(
                self.path_of(item),
                topic,
                **limit,
                before=self.journal.loading,
                lost=self.journal.lost_places(),
                keyboard=not self.journal.kept,
            )
        return self._loaded[topic]

    @property
    def isolated(self) -> bool:
        """Whether submissions run behind the wall."""
        return bool(self.config.getoption("--isolated")) and not self.given

    def _host(self, item: pytest.Item, reference: Path | None = None) -> "Host":
        """The process that holds a check's submission, or the reference."""
        from gradus.grading.isolation import workers_of
        from gradus.wall.judge.budget import SECONDS
        from gradus.wall.judge.wall import Wall

        if self._wall is None:
            root = self.course_of(item).root
            limit = self.config.getoption("--limit") or SECONDS
            self._wall = Wall(root, self.workers or workers_of(self.config, root), limit=limit)
        return self._wall.host(self._source(item, reference))

    def _source(self, item: pytest.Item, reference: Path | None) -> "Source":
        """Where a check's submission lies, or the reference: looked for once a topic."""
        from gradus.wall.judge.source import Source

        if self.received is not None and reference is None:
            return self.received
        topic = topic_of(item.path)
        if (topic, reference) not in self._sources:
            path = reference or self.path_of(item)
            workdir: Path | None = self.config.getoption("--gradus-workdir")
            chosen: Path | None = self.config.getoption("--submission")
            alone = chosen is not None and not chosen.is_dir() and workdir is None
            folder = None if reference or alone else workdir or path.parent
            shown = show_path(path, workdir)
            known = Source(path, topic, shown, folder, handed_in=reference is None)
            self._sources[topic, reference] = known
        return self._sources[topic, reference]

    def reached(self) -> dict[str, str]:
        """How well submissions are shut in, in words."""
        return dict(NO_WALL) if self._wall is None else self._wall.reached()

    def close(self) -> None:
        """End what runs of submissions."""
        if self._wall is not None:
            self._wall.close()

    def make(self, item: pytest.Item, reference: Path | None = None) -> Submission:
        """What a check is given: the submission, or the reference in its place."""
        if self.isolated:
            from gradus.wall.judge.isolated import IsolatedSubmission

            host, grader = self._host(item, reference), getattr(item, "module", None)
            gpu = case_of(item) == CUDA
            return IsolatedSubmission(host, grader, on_gpu=gpu, lends=trains(item))
        loaded = (
            self.load(item)
            if reference is None
            else load_submission(reference, topic_of(item.path))
        )
        return Submission(Access(loaded, lends=trains(item)))
