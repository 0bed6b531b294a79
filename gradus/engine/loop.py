"""pytest for the engine: it collects the checks, and then a warm judge takes the place of its loop."""

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import pytest

from gradus.course import Course
from gradus.engine.judge import WarmJudge
from gradus.errors import GraderError
from gradus.grading.run import (
    NAMED,
    QUIET,
    Asked,
    configuration,
    forget_stale_grader,
    no_other_plugins,
    target,
)

T = TypeVar("T")


class _Loop(Generic[T]):
    """A pytest plugin: hands the warm judge over where pytest would run the tests."""

    def __init__(self, topic: str, reference: Path, use: Callable[[WarmJudge], T]) -> None:
        self._topic, self._reference, self._use = topic, reference, use
        self.results: list[T] = []
        self.failure: BaseException | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop."""
        if session.testsfailed or not session.items:
            return True  # told by `with_judge`, with pytest's words
        try:
            judge = WarmJudge(self._topic, session, self._reference)
            self.results.append(self._use(judge))
        except BaseException as error:  # pytest would print it; the caller is to have it
            self.failure = error
        return True


def with_judge(
    course: Course,
    topic: str,
    use: Callable[[WarmJudge], T],
    *,
    tasks: Sequence[str] = (),
    devices: Sequence[str] = (),
    hidden: bool = True,
    options: Iterable[str] = (),
    plugins: Sequence[object] = (),
) -> T:
    """Collect a topic's checks, and call `use` with the warm judge that has them.

    Args:
        course: The kit.
        topic: One of its topics.
        use: What to do with the judge; the judge ends with it.
        tasks: Collect the checks of these alone; of all when empty.
        devices: That checks run on; those of a plain pytest run when empty.
        hidden: Collect hidden checks too.
        options: Further words for pytest's command line.
        plugins: Further pytest plugins.

    Raises:
        GraderError: If pytest could not collect the checks; carries its output.
    """
    grader = course.grader(topic)
    words = [target(grader), *configuration(course)]
    words += ["--hidden"] if hidden else []
    words += [word for device in devices for word in ("--device", device)]
    words += [*QUIET, *NAMED]
    loop = _Loop(topic, course.solution(topic), use)
    forget_stale_grader(grader)
    output = io.StringIO()
    with _silent(output), no_other_plugins():
        pytest.main([*words, *options], plugins=[loop, Asked(grader, tasks), *plugins])
    if loop.failure is not None:
        raise loop.failure
    if not loop.results:
        raise GraderError(f"{grader}: pytest ran no check.\n{output.getvalue()[-3000:]}")
    return loop.results[0]


@contextlib.contextmanager
def _silent(output: io.StringIO) -> Iterator[None]:
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        yield
