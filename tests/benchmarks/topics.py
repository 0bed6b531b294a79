"""What each topic's graders cost on its reference: seconds and memory, in this process and behind the wall.

`python tests/benchmarks/topics.py [TOPIC ...]`. Goals on two cores: 6 s a topic (gan and dqn 10 s) and 1.2 GB;
all of them in one run 60 s, and isolated 1.5 times that. Not a test: a busy machine moves every figure.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import psutil

from gradus.course import find_course

ROOT = Path(__file__).parents[2]
ROUNDS = 3
SECONDS, LONG, MEMORY = 6.0, {"gan": 10.0, "dqn": 10.0}, 1.2e9


def cost(*words: str) -> tuple[float, float]:
    """Wall-clock seconds of grading, and the most memory that its processes held together, in bytes.

    Pages that processes share are counted once (PSS), where the system tells.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--hidden",
        "--submission",
        "solutions",
        *words,
    ]
    begun, most = time.perf_counter(), 0.0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, sum(map(held, tree(process.pid))))
            time.sleep(0.1)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed")
    return time.perf_counter() - begun, most


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def held(process: psutil.Process) -> float:
    """Bytes of memory of one process."""
    try:
        about = process.memory_full_info()
    except psutil.Error:
        return 0.0
    return float(getattr(about, "pss", about.rss))


def main() -> None:
    """Measure and print."""
    topics = sys.argv[1:] or find_course(ROOT).topics
    print("topic          seconds  goal   memory    isolated   ratio   memory")
    for topic in topics:
        grader = f"graders/test_{topic}.py"
        rounds = [(cost(grader), cost(grader, "--isolated")) for _ in range(ROUNDS)]
        here, behind = (median(r[side][0] for r in rounds) for side in (0, 1))
        room, room_behind = (max(r[side][1] for r in rounds) for side in (0, 1))
        print(
            f"{topic:13} {here:6.1f} s {LONG.get(topic, SECONDS):4.0f} s {room / 1e6:5.0f} MB"
            f"   {behind:7.1f} s {behind / here:7.2f} {room_behind / 1e6:5.0f} MB"
            f"{'   over a goal' if here > LONG.get(topic, SECONDS) or room > MEMORY else ''}"
        )
    here, behind = cost("graders"), cost("graders", "--isolated")
    ratio = behind[0] / here[0]
    print(
        f"all, in one run: {here[0]:.1f} s (goal 60), isolated {behind[0]:.1f} s: {ratio:.2f} (goal 1.5)"
    )


if __name__ == "__main__":
    main()
