"""Words for pytest's command line, and what else a topic needs that is graded from Python."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from gradus.course import Course
from gradus.errors import GraderError
from gradus.grading.grader_file import read_checks

QUIET = (
    *("-q", "--no-header", "--color=no", "--capture=sys"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # a notebook has gradus imported
    # These plugins cost more time than the checks of a small topic.
    *("-p", "no:cacheprovider", "-p", "no:logging"),
    *("-p", "no:unraisableexception", "-p", "no:threadexception"),
)  # words for pytest's command line, where it runs inside another program
# What a grade needs, and nothing else that happens to be installed: some plugins lose reports or time limits.
NAMED = ("-p", "pytest_timeout", "-p", "gradus.grading.plugin")
NO_SETTINGS = Path(__file__).with_name("no_settings.ini")
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
    """The kit as pytest's root, with its own settings, whatever the working folder is.

    A course of a student's has none: then an empty file keeps pytest from those of a folder above.
    """
    own, root = course.root / "pyproject.toml", target(course.root, cwd)
    settings = own if own.exists() else NO_SETTINGS
    return [f"--rootdir={root}", f"--confcutdir={root}", "-c", target(settings, cwd)]


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
