"""A warm process that grades one topic for somebody who waits at a terminal. Imports no torch."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gradus.course import Course

GONE = "gone"
END_SECONDS = 3.0  # for a process that is told that nothing more is asked of it


class Warm:
    """The process of one topic, and what is asked of it.

    Args:
        course: The kit.
        topic: One of its topics.
        hear: Called with this object and each line that the process says, in a thread; at its end with the
            event `GONE` and the end of what it wrote to stderr.
    """

    def __init__(
        self, course: Course, topic: str, hear: "Callable[[Warm, dict[str, Any]], object]"
    ) -> None:
        self.topic = topic
        self._hear = hear
        settings = {"PYTEST_ADDOPTS": "", "PYTHONUNBUFFERED": "1"}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gradus.engine.warm_process", str(course.root), topic],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=course.root,
            env={**os.environ, **settings},
            start_new_session=True,  # Ctrl+C is for the terminal's own process
        )
        threading.Thread(target=self._listen, name=f"gradus-{topic}", daemon=True).start()

    def ask(self, tasks: Sequence[str], submission: Path | None = None) -> None:
        """Grade the answer, its file as it is now; what is being graded is given up."""
        self._say({"tasks": list(tasks), "submission": str(submission) if submission else None})

    def close(self) -> None:
        """End the process with what it has started."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _say(self, request: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it has ended, which `hear` is told
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            with contextlib.suppress(ValueError):
                self._hear(self, json.loads(text))
        self._process.wait()
        self._errors.seek(0)
        self._hear(
            self, {"event": GONE, "text": self._errors.read().decode("utf-8", "replace")[-2000:]}
        )
