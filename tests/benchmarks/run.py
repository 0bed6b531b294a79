"""`make bench`: figures that students and CI feel, each measured side by side with a yardstick in one run.

Prints one line a figure: `name: value (goal ...)`. Not a test: a busy machine moves every figure.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDS = 5


def seconds(*words: str) -> float:
    """Wall-clock time of one command, run from the kit's root."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - start


def side_by_side(ours: Callable[[], float], yardstick: Callable[[], float]) -> tuple[float, float]:
    """Median of ours and of the yardstick, taken in turns so that both meet the same machine."""
    pairs = [(ours(), yardstick()) for _ in range(ROUNDS)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def grade(*words: str) -> float:
    """Time to grade the references."""
    return seconds("-m", "pytest", "-q", "--submission", "solutions", *words)


def main() -> None:
    """Measure and print."""
    bare = "import torch, pytest"
    ours, torch_and_pytest = side_by_side(
        lambda: grade("graders/test_tensors.py"), lambda: seconds("-c", bare)
    )
    ratio = ours / torch_and_pytest
    print(f"pytest graders/test_tensors.py / python -c {bare!r}: {ratio:.2f} (goal at most 1.4)")
    ours, torch_and_pytest = side_by_side(
        lambda: seconds(
            "-m",
            "gradus.cli",
            "check",
            "tensors.standardize",
            "--submission",
            "solutions/tensors.py",
        ),
        lambda: seconds("-c", bare),
    )
    ratio = ours / torch_and_pytest
    print(f"gradus check tensors.standardize / python -c {bare!r}: {ratio:.2f} (goal at most 1.3)")
    for beside in ("students.py", "engine.py", "topics.py", "wall.py", "simulated_gpu.py"):
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name(beside))], cwd=ROOT, check=True
        )
    code = "import sys, gradus; sys.exit('torch' in sys.modules)"
    ours, base = side_by_side(lambda: seconds("-c", code), lambda: seconds("-c", "pass"))
    print(f"import gradus / empty Python: {ours / base:.2f} (goal at most 2; imports no torch)")


if __name__ == "__main__":
    main()
