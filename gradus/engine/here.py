"""Grade in the caller's process: living objects, an answer that is trusted, one behind the wall."""

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gradus.course import Course
from gradus.engine.job import Graded, Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.engine.running import Running
from gradus.errors import GraderError
from gradus.grading.report import TopicResult
from gradus.submission.loader import Loaded


def grade_here(
    course: Course,
    topic: str,
    submission: Path | None = None,
    *,
    loaded: Loaded | None = None,
    hidden: bool = False,
    isolated: bool = False,
    tasks: Sequence[str] = (),
    seed: int = 0,
    options: Sequence[str] = (),
    plugins: Sequence[object] = (),
) -> TopicResult:
    """Grade in this process: quick, but a submission that crashes Python takes this process with it.

    Args:
        course: The kit.
        topic: One of its topics.
        submission: A file or folder; not needed with `loaded`.
        loaded: What living code has defined, in place of a file.
        hidden: Run hidden checks too.
        isolated: Run the submission behind the wall; it then cannot take this process with it.
        tasks: Only these tasks; all when empty.
        seed: Of the random inputs.
        options: Further words for pytest's command line.
        plugins: Further pytest plugins.

    Raises:
        GraderError: If pytest could not run the checks; carries its output.
    """
    job = Job(submission, tasks=tasks, hidden=hidden, seed=seed)
    words = [word for task in tasks for word in ("--task", task)]  # an unknown one is told
    words += [*(["--isolated"] if isolated else []), *options]

    def use(judge: WarmJudge) -> TopicResult:
        return run_here(judge, job, loaded=loaded).result

    with _torch_undisturbed():
        return with_judge(
            course, topic, use, tasks=tasks, hidden=hidden, options=words, plugins=plugins
        )


def run_here(
    judge: WarmJudge, job: Job, *, loaded: Loaded | None = None, isolated: bool = False
) -> Graded:
    """Grade in the process of a warm judge; what that warms up, its children find warm.

    Nobody supervises: the job's `grace` and `memory` count for nothing. With `isolated` the answer runs
    behind the wall, in a copy of the job's `folder`, and nothing of it is left: the judge may fork again.

    Raises:
        GraderError: If the checks could not be run through.
    """
    items, config = judge.chosen(job), judge.config
    options: Any = config.option
    kept = options.isolated, options.gradus_workdir
    if isolated:
        options.isolated, options.gradus_workdir = True, job.folder
    running = Running(config, job)
    if loaded is not None:
        running.session.submissions.given[judge.topic] = loaded
    config.pluginmanager.register(running)
    try:
        running.run(items)
    except Exception as error:  # and so checks that should have run did not
        why = traceback.format_exc()[-2000:]
        raise GraderError(f"{judge.topic}: pytest stopped in the middle.\n{why}") from error
    finally:
        config.pluginmanager.unregister(running)
        running.session.submissions.close()
        options.isolated, options.gradus_workdir = kept
    return Graded(job, running.session.results.report(), running.cases)


@contextlib.contextmanager
def _torch_undisturbed() -> Iterator[None]:
    """Give back torch's random numbers and settings: a notebook goes on with them."""
    import torch

    from gradus.submission.settings import settings_kept

    devices = list(range(torch.cuda.device_count()))
    with settings_kept(), torch.random.fork_rng(devices):
        yield
