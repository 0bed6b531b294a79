"""pytest's gradus plugin: options, marks, fixtures, and the hooks that turn tests into graded checks.

Light on purpose: it is loaded wherever gradus is installed, so torch and the rest come in only
when a check (a test with a `task` mark) is about to run.
"""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from gradus.grading.devices import CHOICES, cuda_is_there, parameters, problem, torch_name
from gradus.grading.marks import DECLARED, hidden_last, is_check
from gradus.grading.neighbours import spoiled
from gradus.grading.options import add_options, useless
from gradus.grading.stash import CASES
from gradus.grading.warned import make_safe

if TYPE_CHECKING:
    from gradus.checks.random_source import RandomSource
    from gradus.grading.session import GradingSession
    from gradus.submission.calls import Submission

SESSION = pytest.StashKey["GradingSession"]()
_RUN = pytest.StashKey[pytest.Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a grading run."""
    add_options(parser.getgroup("gradus", "gradus: graded exercises"))


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    for line in DECLARED:
        config.addinivalue_line("markers", line)
    if lacking := problem(config.getoption("--device")) or useless(config) or spoiled(config):
        raise pytest.UsageError(lacking)
    config.pluginmanager.register(_Results(config), "gradus-results")
    if config.getoption("--gradus-journal") is not None:
        from gradus.grading.own_process import end_with_supervisor

        end_with_supervisor()
    if config.getoption("--isolated"):
        from gradus.grading.isolation import prepare

        prepare(config)


class _Results:
    """Keeps what comes back from checks (with pytest-xdist: from the workers); one for each pytest run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Behind other plugins, which may have shuffled."""
        if any(map(is_check, items)):
            hidden_last(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: Any) -> None:
        if SESSION in self._config.stash:  # other projects' warnings are none of our business
            make_safe(warning_message)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data: dict[str, Any] | None = getattr(report, "gradus", None)
        if data is not None:
            session_of(self._config).results.record(report.nodeid, data)


def session_of(config: pytest.Config) -> "GradingSession":
    """The grading session of this pytest run, made when the first check is met."""
    if SESSION not in config.stash:
        from gradus.grading.session import GradingSession

        config.stash[SESSION] = GradingSession(config)
    return config.stash[SESSION]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave hidden checks out, pick tasks, and give every check a time limit."""
    if any(map(is_check, items)):
        from gradus.grading.selection import select

        select(config, items, session_of(config))
    need_gpu = [item for item in items if item.get_closest_marker("gpu") is not None]
    if need_gpu and not cuda_is_there():
        reason = "needs a real GPU, and torch finds no CUDA device here"
        for item in need_gpu:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, object, object]:
    """Count a check's cases. One that takes `device` runs once on every device that there is."""
    if metafunc.definition.get_closest_marker("task") is None:
        return (yield)
    if "device" in metafunc.fixturenames:
        config = metafunc.config
        mark = metafunc.definition.get_closest_marker("devices")
        chosen = parameters(
            config.getoption("--device"),
            isolated=config.getoption("--isolated"),
            allowed=mark.args if mark is not None else CHOICES,
        )
        metafunc.parametrize("device", chosen, indirect=True)
    result = yield
    cases = metafunc.config.stash.setdefault(CASES, {})
    cases[metafunc.definition.path, metafunc.definition.name] = max(1, len(metafunc._calls))
    return result


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """A device as torch calls it: "cpu", or "cuda" for a GPU, simulated where there is no real one."""
    session_of(request.config).require_gpu(request.param)
    return torch_name(request.param)


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> "Submission":
    """The student's names, as attributes."""
    return session_of(request.config).submission_of(request.node)


@pytest.fixture
def random(request: pytest.FixtureRequest) -> "RandomSource":
    """Seeded values; the same on every device and in every run with the same seed."""
    return session_of(request.config).random_of(request.node)


@pytest.fixture
def threshold(request: pytest.FixtureRequest) -> Callable[[str], float]:
    """`threshold("digits_accuracy")`: the measured bar for a trained result of this topic."""
    return session_of(request.config).thresholds_of(request.node)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Load the submission before the clock of the first check starts to run."""
    if not is_check(item):
        return (yield)
    from gradus.grading.time_limit import loading_may_end

    with loading_may_end(item.config), session_of(item.config).running(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the student's code from ending the run while a check's fixtures are made."""
    if not is_check(item):
        return (yield)
    with session_of(item.config).interrupts_charged(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the student's code from ending the run while a check runs."""
    if not is_check(item):
        return (yield)
    with session_of(item.config).interrupts_charged(item):
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Keep a check's time, with a signal or, where it cannot serve, a thread: its over-run costs it alone."""
    if not is_check(item):
        return None
    from gradus.grading.time_limit import set_timer

    return set_timer(item, settings, session_of(item.config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn what a check raised into a status and words for the student."""
    report = yield
    if is_check(item):
        session_of(item.config).finish(item, call, report)
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, object] | None:
    """A stub is no failure to read about, and an unloadable file is told once, in the summary."""
    data: dict[str, Any] | None = getattr(report, "gradus", None)
    if data is None or report.passed:
        return None
    if data["status"] == "todo":
        return "todo", "T", ("TODO", {"yellow": True})
    if data["unloaded"]:
        return "not loaded", "L", ("NOT LOADED", {"red": True})
    if data["repeated"]:
        return "failed likewise", "F", ("FAILED", {"red": True})
    if data["status"] == "broken":
        return "failed", "B", ("BROKEN", {"red": True, "bold": True})
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Points by topic and task, and what to do next."""
    if SESSION in config.stash and not hasattr(config, "workerinput"):
        from gradus.grading.summary import write_summary

        results = config.stash[SESSION].results
        write_summary(terminalreporter, results.report(), results.notes)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report."""
    if SESSION in session.config.stash and not hasattr(session.config, "workerinput"):
        grading = session.config.stash[SESSION]
        grading.submissions.close()
        path = session.config.getoption("--gradus-report")
        own_work = grading.submissions.are_own_work()
        devices = session.config.getoption("--device")
        grading.results.write(path, own_work=own_work, devices=devices)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep the run: it knows the exit code when the configuration is all that is left."""
    session.config.stash[_RUN] = session


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing to student code that ran in this process (with pytest-xdist: in the workers)."""
    grading, run = config.stash.get(SESSION, None), config.stash.get(_RUN, None)
    worker = hasattr(config, "workerinput")
    elsewhere = bool(config.getoption("numprocesses", None)) and not worker
    if grading is None or run is None or elsewhere or grading.submissions.isolated:
        return
    if grading.results.nodes():
        from gradus.grading.own_process import leave_after_student_code

        leave_after_student_code(config, int(run.exitstatus), worker=worker)
