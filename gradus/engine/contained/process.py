"""What runs in the judge's sandbox: a zygote with a topic's checks collected, and a child for each answer."""

import contextlib
import json
import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradus.course import load_course
from gradus.engine.child import keep_still, own_run
from gradus.engine.contained.given import GivenWorkers
from gradus.engine.contained.talk import Talk, say_whole
from gradus.engine.job import Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge
from gradus.engine.running import Running
from gradus.grading import time_limit
from gradus.grading.isolation import GIVEN
from gradus.grading.journal import FAULT, Journal, Line
from gradus.sandbox.levels import Isolation, Level
from gradus.simulated_gpu import simulation
from gradus.wall.judge import isolated, wall
from gradus.wall.judge.source import Received

# What every child needs is imported before it is forked.
AHEAD = (time_limit, isolated, wall, simulation)
_ready: list[WarmJudge] = []  # what children inherit


def collected(loop: Callable[[], None], about: str) -> None:
    """Collect a topic's checks, and call the zygote's loop while they are there.

    Args:
        loop: Forks the children.
        about: JSON: the kit's `root`, the `topic`, and the `devices` that are asked for.
    """
    told = json.loads(about)
    course = load_course(Path(told["root"]))
    os.chdir(course.root)  # pytest takes its paths from here

    def use(judge: WarmJudge) -> None:
        _ready.append(judge)
        loop()

    options = [f"--isolated={GIVEN}", "-p", "no:faulthandler"]
    with_judge(course, told["topic"], use, hidden=True, devices=told["devices"], options=options)


def serve(descriptor: int) -> None:
    """Grade the one answer that the supervisor tells of, and tell it every step."""
    keep_still()  # pytest has faulthandler write to a descriptor that is now the talk's
    talk = Talk(socket.socket(fileno=descriptor))
    (judge,) = _ready
    told = talk.listen()
    files = {name: talk.listen(size) for name, size in told["files"]}
    journal = Journal(lambda line: say_whole(talk, {"line": line}), told["past"])
    try:
        job = Job(None, **told["job"])
        items = _left(judge, job, told["past"])
        _run(judge, job, journal, talk, told, files).run(items)
        journal.end()
    except BaseException:  # the tool's own fault: nothing of it is the answer's
        with contextlib.suppress(BaseException):
            journal.write(FAULT, text=traceback.format_exc())


def _left(judge: WarmJudge, job: Job, past: list[Line]) -> list[pytest.Item]:
    done = {line["node"] for line in past if line["event"] == "finished"}
    return [item for item in judge.chosen(job) if item.nodeid not in done]


def _run(
    judge: WarmJudge,
    job: Job,
    journal: Journal,
    talk: Talk,
    told: dict[str, Any],
    files: dict[str, bytes],
) -> Running:
    about = told["source"]
    path = Path.cwd() / about["name"]
    options: Any = judge.config.option
    options.limit, options.gradus_workdir = told["limit"], path.parent
    running = own_run(judge.config, job, journal)
    options.submission = path
    isolation = Isolation(Level(told["level"]), told["details"])
    submissions = running.session.submissions
    submissions.workers = GivenWorkers(talk, isolation)
    submissions.received = Received(
        path,
        judge.topic,
        about["shown"],
        handed_in=False,
        data=files.pop("", b""),
        problem=about["problem"],
        others=files,
    )
    return running
