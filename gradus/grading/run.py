"""Grade one topic from Python, in this process."""

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gradus.course import Course
from gradus.errors import GraderError
from gradus.grading.grader_file import read_checks
from gradus.grading.report import Report, TopicResult

QUIET = (
    *("-q", "--no-header", "--color=no", "--capture=sys"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # a notebook has gradus imported
    # These plugins cost more time than the checks of a small topic.
    *("-p", "no:cacheprovider", "-p", "no:logging"),
    *("-p", "no:unraisableexception", "-p", "no:threadexception"),
)  # words for pytest's command line, where it runs inside another program
# What a grade needs, and nothing else that happens to be installed: some plugins lose reports or time limits.
NAMED = ("-p", "pytest_timeout", "-p", "gradus.grading.plugin")
NO_OTHERS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
_changed: dict[Path, int | None] = {}  # grader -> when it was changed last, as this process has it


def arguments(
    course: Course,
    topic: str,
    submission: Path | None,
    *,
    hidden: bool = False,
    isolated: bool = False,
    tasks: Iterable[str] = (),
    cases: Sequence[str] = (),
    seed: int = 0,
    devices: Iterable[str] = (),
    limit: float | None = None,
    cwd: Path | None = None,
) -> list[str]:
    """pytest's command-line arguments for one topic; it runs in `cwd`, or where this process does."""
    words = [*(cases or [target(course.grader(topic), cwd)]), "--gradus-seed", str(seed)]
    words += ["--submission", str(submission)] if submission is not None else []
    words += ["--hidden"] if hidden else []
    words += ["--isolated"] if isolated else []
    words += ["--limit", str(limit)] if limit is not None else []
    for task in tasks:
        words += ["--task", task]
    for device in devices:
        words += ["--device", device]
    return words


def target(path: Path, cwd: Path | None = None) -> str:
    """A path as pytest takes it: relative, since `::`, `[` and `$` in a folder's name mean something to it."""
    try:
        return os.path.relpath(path, cwd or Path.cwd())
    except ValueError:  # on another drive
        return str(path)


def configuration(course: Course, cwd: Path | None = None) -> list[str]:
    """The kit as pytest's root, with its own settings, whatever the working folder is."""
    settings = course.root / "pyproject.toml"
    words = ["-c", target(settings, cwd)] if settings.exists() else []
    return [f"--rootdir={target(course.root, cwd)}", *words]


class Asked:
    """A pytest plugin that makes no test of a check of other tasks: that takes longer than to run a quick one.

    Args:
        grader: The grader's file.
        tasks: Those that are asked for; all when empty.
    """

    def __init__(self, grader: Path, tasks: Iterable[str]) -> None:
        self._unasked = _unasked(grader, tasks)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, name: str) -> list[pytest.Item] | None:
        """Take the place of pytest where it would make a test."""
        return [] if name in self._unasked else None


class _Given:
    """A pytest plugin that hands a loaded module in and takes the report out."""

    def __init__(self, topic: str, loaded: Any) -> None:
        self.topic, self.loaded = topic, loaded
        self.report: Report | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        from gradus.grading.plugin import session_of

        if self.loaded is not None:
            session_of(config).submissions.given[self.topic] = self.loaded

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        from gradus.grading.plugin import SESSION

        if SESSION in config.stash:
            self.report = config.stash[SESSION].results.report()


@contextlib.contextmanager
def no_other_plugins() -> Iterator[None]:
    """Let pytest load no plugin because it is installed."""
    kept = {name: os.environ.get(name) for name in NO_OTHERS}
    os.environ.update(NO_OTHERS)
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _unasked(grader: Path, tasks: Iterable[str]) -> frozenset[str]:
    """Checks of other tasks than these; none where a task is unknown, which pytest is to tell."""
    with contextlib.suppress(GraderError):  # that too
        checks, wanted = read_checks(grader), set(tasks)
        if wanted and wanted <= {check.task for check in checks}:
            return frozenset(check.name for check in checks if check.task not in wanted)
    return frozenset()


def forget_stale_grader(grader: Path) -> None:
    """Let a grader be imported whose name another kit's has taken in this process, or an earlier version."""
    known = getattr(sys.modules.get(grader.stem), "__file__", None)
    changed = grader.stat().st_mtime_ns if grader.exists() else None
    if known is not None and (Path(known) != grader or _changed.get(grader) != changed):
        del sys.modules[grader.stem]
    _changed[grader] = changed


@contextlib.contextmanager
def _torch_undisturbed() -> Iterator[None]:
    """Give back torch's random numbers and settings: a notebook goes on with them."""
    import torch

    from gradus.submission.settings import settings_kept

    devices = list(range(torch.cuda.device_count()))
    with settings_kept(), torch.random.fork_rng(devices):
        yield


def grade_here(
    course: Course,
    topic: str,
    submission: Path | None = None,
    *,
    loaded: Any = None,
    hidden: bool = False,
    isolated: bool = False,
    tasks: Sequence[str] = (),
    seed: int = 0,
    workdir: Path | None = None,
    options: Sequence[str] = (),
    plugins: Sequence[object] = (),
) -> TopicResult:
    """Grade in this process: quick, but a submission that crashes Python takes this process with it.

    Args:
        course: The kit.
        topic: One of its topics.
        submission: A file or folder; not needed with `loaded`.
        loaded: A `gradus.submission.loader.Loaded` in place of a file.
        hidden: Run hidden checks too.
        isolated: Run the submission behind the wall; it then cannot take this process with it.
        tasks: Only these tasks; all when empty.
        seed: Of the random inputs.
        workdir: With `isolated`: what was handed in together, the submission among it. The student's code
            gets a copy of it for its working folder.
        options: Further words for pytest's command line.
        plugins: Further pytest plugins.

    Raises:
        GraderError: If pytest could not run the checks; carries its output.
    """
    given = _Given(topic, loaded)
    words = arguments(
        course, topic, submission, hidden=hidden, isolated=isolated, tasks=tasks, seed=seed
    )
    words += [*QUIET, *NAMED]
    words += ["--gradus-workdir", str(workdir)] if workdir is not None else []
    words += options
    forget_stale_grader(course.grader(topic))
    output = io.StringIO()
    redirected = contextlib.redirect_stdout(output), contextlib.redirect_stderr(output)
    with redirected[0], redirected[1], _torch_undisturbed(), no_other_plugins():
        code = pytest.main(words, plugins=[given, Asked(course.grader(topic), tasks), *plugins])
    if code == pytest.ExitCode.INTERNAL_ERROR:  # and so checks that should have run did not
        raise GraderError(
            f"{course.grader(topic)}: pytest stopped in the middle.\n{output.getvalue()[-2000:]}"
        )
    if given.report is None or not given.report.topics:
        raise GraderError(
            f"{course.grader(topic)}: pytest ran no check.\n{output.getvalue()[-2000:]}"
        )
    return given.report.topic(topic)
