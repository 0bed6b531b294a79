"""`make bench`, what a student waits for: from a save to its result, and the quick commands."""

import os
import pty
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from gradus.course import find_course, load_course
from gradus.topic import Topic, todo_line

ROUNDS = 15
TOPIC, TASK = "tensors", "one_hot"
GRADUS = [sys.executable, "-m", "gradus.cli"]
DONE = re.compile(rb"graded in .*waiting for a file")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder, "course")
        print(
            f"gradus init of all topics, s: {_median([*GRADUS, 'init', str(course)], folder, 1):.2f} (goal 2)"
        )
        saved = _saves(course)
        cold = _median([sys.executable, "-m", "pytest", "-q", "-k", TASK], str(course), 3)
        print(
            f"gradus watch, {TOPIC}.{TASK}, from a save to its result, ms: {1e3 * saved:.0f} (goal 300)"
        )
        print(
            f"the same with a cold pytest -k {TASK}, ms: {1e3 * cold:.0f}, {cold / saved:.0f} times as long"
        )
        for words in ([], ["list"], ["hint", TASK, "--again"]):
            took = _median([*GRADUS, *words], str(course), ROUNDS)
            print(f"{' '.join(['gradus', *words])}, ms: {1e3 * took:.0f} (goal 250)")


def _median(words: Sequence[str], folder: str, rounds: int) -> float:
    """Seconds that a command takes; it may exit with 1, since most answers are stubs."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
        times.append(time.perf_counter() - start)
        assert done.returncode in (0, 1), done
    return statistics.median(times)


def _saves(folder: Path) -> float:
    """Seconds from a save to its result on the screen of a `gradus watch`."""
    course = load_course(folder)
    path = course.exercise(TOPIC)
    stub = path.read_text("utf-8")
    reference = Topic.load(find_course(Path(__file__).parent).solution(TOPIC)).tasks[TASK].source
    right = re.sub(
        rf"^def {TASK}\(.*?{re.escape(todo_line(TASK))}\n",
        lambda _: reference,
        stub,
        flags=re.M | re.S,
    )
    assert right != stub
    wrong = right.replace("labels[..., None] == classes", "labels[..., None] != classes")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(sys.executable, [*GRADUS, "watch", f"{TOPIC}.{TASK}"])
    times = []
    _read_until(terminal, DONE)
    for number in range(ROUNDS):
        time.sleep(0.5)
        start = time.perf_counter()
        path.write_text(wrong if number % 2 else right, "utf-8")
        word = b"expected" if number % 2 else b"is done"
        _read_until(terminal, re.compile(word + rb".*" + DONE.pattern, re.S))
        times.append(time.perf_counter() - start)
    os.write(terminal, b"q")
    _read_until(terminal, None)
    os.waitpid(pid, 0)
    return statistics.median(times)


def _read_until(terminal: int, wanted: re.Pattern[bytes] | None) -> None:
    """Read what is drawn until it is there; with None to the end."""
    text = b""
    while wanted is None or not wanted.search(text):
        if not select.select([terminal], [], [], 60)[0]:
            raise TimeoutError(text)
        try:
            text += os.read(terminal, 1 << 16)
        except OSError:  # the other side is closed
            return


if __name__ == "__main__":
    main()
