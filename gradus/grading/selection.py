"""Which checks of a pytest run are run, and in what order."""

from pathlib import Path
from typing import Any

import pytest

from gradus.grading.marks import is_check, is_hidden
from gradus.grading.neighbours import refuse
from gradus.grading.options import case_limits
from gradus.grading.session import GradingSession

SECONDS = 10  # of one case of a check, unless it has a timeout mark of its own


def select(config: pytest.Config, items: list[pytest.Item], session: GradingSession) -> None:
    """Leave hidden checks out, pick tasks, and give every check a time limit and its task's name.

    Raises:
        pytest.UsageError: If a task is unknown, or something in this run cannot go with grading.
    """
    refuse(config)
    checks = [item for item in items if is_check(item)]
    dropped = []
    wanted = set(config.getoption("--task"))
    done, limits = session.results.nodes(), case_limits(config)
    other_topics = _graders_of_other_topics(config.getoption("--submission"), checks)
    for item in checks:
        mark = item.get_closest_marker("task")
        task = mark.args[0] if mark and mark.args else None
        item.extra_keyword_matches.add(str(task))  # for `pytest -k`: checks are named by claims
        unwanted = (bool(wanted) and task not in wanted) or item.path in other_topics
        if (
            item.nodeid in done
            or unwanted
            or (is_hidden(item) and not config.getoption("--hidden"))
        ):
            dropped.append(item)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS))
        if item.nodeid in limits:
            item.add_marker(pytest.mark.timeout(limits[item.nodeid]), append=False)
        item.add_marker(pytest.mark.filterwarnings("default"))  # a warning is no wrong answer
    _require_tasks(wanted, checks)
    if len(checks) == len(items) and config.option.reportchars == "fE":
        terminal: Any = config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None:
            terminal.reportchars = ""  # the table of points says what pytest's short summary would
    if dropped:
        gone = set(dropped)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=dropped)


def _graders_of_other_topics(submission: Path | None, checks: list[pytest.Item]) -> set[Path]:
    """Graders that `--submission cnn.py` is not meant for, where one of them is meant: `test_cnn.py`."""
    paths = {item.path for item in checks}
    if submission is None or submission.is_dir():
        return set()
    meant = {path for path in paths if path.stem == f"test_{submission.stem}"}
    return paths - meant if meant else set()


def _require_tasks(wanted: set[str], checks: list[pytest.Item]) -> None:
    marks = [item.get_closest_marker("task") for item in checks]
    there = list(dict.fromkeys(str(mark.args[0]) for mark in marks if mark and mark.args))
    unknown = wanted - set(there)
    if unknown:
        raise pytest.UsageError(
            f"no task {sorted(unknown)[0]!r} here. There are: {', '.join(there)}."
        )
