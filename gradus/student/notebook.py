"""`check("conv2d")` in a notebook: run the checks of one task on what the notebook has defined."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus.course import Course, find_course
from gradus.errors import GradusError
from gradus.grading.tables import task_table

if TYPE_CHECKING:
    from gradus.grading.report import TaskResult
    from gradus.student.cells import Cells

GRADED_BY_NBGRADER = "NBGRADER_EXECUTION"  # nbgrader's own word for what it runs a notebook for


class Score(float):
    """Points earned: a plain float for nbgrader, a table for people."""

    table: str = ""

    def _repr_html_(self) -> str:
        return self.table


class Checker:
    """What `gradus.checker(topic)` returns; call it with the name of a task."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.course: Course = find_course(Path.cwd())
        self.course.require(topic)
        self._told = False  # that nothing can be remembered here
        shell = _shell()
        if shell is not None:
            _cells_of(shell)  # from now on cells are noted

    def __repr__(self) -> str:
        return f'check("TASK") runs the checks of one task of {self.topic}'

    def __call__(self, task: str) -> Score:
        """Run the checks of `task` on what this notebook has defined so far.

        Raises:
            GradusError: If the topic has no such task, or this is not a notebook.
        """
        from gradus.engine.here import grade_here
        from gradus.grading.grader_file import require_task
        from gradus.grading.session import grading_now
        from gradus.submission.loader import load_names

        if grading_now():
            return Score(0.0)  # a submission that checks itself while it is being graded
        require_task(self.course.grader(self.topic), task)
        shell = _shell()
        if shell is None:
            raise GradusError(
                "check(...) works inside a notebook. In a terminal: pytest graders/, or gradus check."
            )
        pieces = _cells_of(shell).pieces()
        result = grade_here(
            self.course,
            self.topic,
            loaded=load_names(_visible(shell.user_ns), self.topic),
            tasks=[task],
        )
        graded = result.task(task)
        self._remember(graded, pieces)
        score = Score(graded.earned)
        score.table = task_table(graded)
        return score

    def _remember(self, graded: "TaskResult", pieces: list[str]) -> None:
        """Keep the result with the code that was run, unless somebody else is graded."""
        from gradus.grading.grader_file import tasks_in
        from gradus.grading.remembered.memory import not_kept, now, remember
        from gradus.grading.remembered.task_code import codes_in

        files = [path for path in self.course.forms(self.topic) if path.suffix == ".ipynb"]
        if self._told or not files or os.environ.get(GRADED_BY_NBGRADER) == "autograde":
            return
        codes = codes_in(pieces, tasks_in(self.course.grader(self.topic)))
        try:
            remember(self.course, self.topic, (graded,), codes, files[0], now())
        except OSError as error:
            self._told = True
            print(not_kept(self.course, error))


def _visible(names: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in names.items() if not name.startswith("_")}


def _shell() -> Any:
    """IPython's shell; None outside of a notebook."""
    if "IPython" not in sys.modules:
        return None  # to import it takes as long as many checks
    from IPython import get_ipython

    return get_ipython()


def _cells_of(shell: Any) -> "Cells":
    from gradus.student.cells import cells_of

    return cells_of(shell)
