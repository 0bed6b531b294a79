"""The last lines of a failure's message: where to get a hint, and the command that shows it again."""

import shlex

import pytest

from gradus.grading.report import Check
from gradus.grading.submissions import Submissions
from gradus.submission.reading import show_path


def hint(check: Check) -> str:
    """The hint line of a failure."""
    return check.hint or f"gradus hint {check.topic}.{check.task}"


class Commands:
    """The commands of one pytest run."""

    def __init__(self, config: pytest.Config, submissions: Submissions) -> None:
        self._config, self._submissions = config, submissions

    def missing(self) -> str:
        """What the command lacks in a terminal: who runs it means the wall too.

        It is no part of the report, which is the same on both sides of the wall.
        """
        return " --isolated" if self._submissions.isolated and not self._apart() else ""

    def _apart(self) -> bool:
        """Whether this run grades for somebody else: its paths and its seed are not the student's."""
        supervised = self._submissions.journal.kept
        return supervised or self._config.getoption("--gradus-workdir") is not None

    def again(self, item: pytest.Item, check: Check) -> str:
        """The command that shows a failure again."""
        apart = self._apart()
        given = check.topic in self._submissions.given
        if given or (apart and self._submissions.path_of(item).suffix == ".ipynb"):
            return f'check("{check.task}")'
        if apart:
            return f"gradus check {check.topic}.{check.task}"
        parts = ["pytest", shlex.quote(show_path(item.path)), "-k", check.name]
        if self._config.getoption("--submission") is not None:
            parts += ["--submission", shlex.quote(str(self._config.getoption("--submission")))]
        if check.hidden:
            parts += ["--hidden"]
        if self._config.getoption("--gradus-seed"):
            parts += ["--gradus-seed", str(self._config.getoption("--gradus-seed"))]
        return " ".join(parts)
