"""What each topic's graders cost on its reference: seconds and memory, in this process and behind the wall.

`python tests/benchmarks/topics.py [TOPIC ...]`. Goals on two cores: 6 s a topic (gan and dqn 10 s) and 1.2 GB;
all of them in one run 60 s, and isolated 1.5 times that. Not a test: a busy machine moves every figure.
Seconds are the least of three rounds, since other work can only add to them; what `import torch, pytest`
takes stands beside them, as a measure of the machine. Memory comes from a run of its own: asking costs time.
"""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from gradus.course import find_course

ROOT = Path(__file__).parents[2]
ROUNDS = 3
SECONDS, LONG, MEMORY = 6.0, {"gan": 10.0, "dqn": 10.0}, 1.2e9
GRADE = ("-m", "pytest", "-q", "--hidden", "--submission", "solutions")


def seconds(*words: str) -> float:
    """Wall-clock seconds of one run of Python with these words."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def memory(*words: str) -> float:
    """The most memory that the processes of one run of Python held together, in bytes.

    Pages that processes share are counted once (PSS), where the system tells.
    """
    most = 0.0
    with subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, sum(map(held, tree(process.pid))))
            time.sleep(0.1)
    return most


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
    print("topic          import torch   seconds   goal   isolated  ratio   memory  isolated")
    for name in [*topics, "all, in one run"]:
        graders = [f"graders/test_{topic}.py" for topic in (topics if " " in name else [name])]
        goal = 60.0 if " " in name else LONG.get(name, SECONDS)
        yard, here, behind = (
            min(side)
            for side in zip(
                *(
                    (
                        seconds("-c", "import torch, pytest"),
                        seconds(*GRADE, *graders),
                        seconds(*GRADE, *graders, "--isolated"),
                    )
                    for _ in range(ROUNDS)
                ),
                strict=True,
            )
        )
        room, room_behind = memory(*GRADE, *graders), memory(*GRADE, *graders, "--isolated")
        over = " over a goal" if here > goal or max(room, room_behind) > MEMORY else ""
        print(
            f"{name:15} {yard:8.1f} s {here:7.1f} s {goal:4.0f} s {behind:8.1f} s {behind / here:6.2f}"
            f" {room / 1e6:5.0f} MB {room_behind / 1e6:6.0f} MB{over}",
            flush=True,
        )


if __name__ == "__main__":
    main()
