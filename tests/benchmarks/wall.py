"""`make bench`, second part: what the judge's wall costs, each figure beside what it is compared with."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gradus.wall.judge.host import Host
from gradus.wall.judge.isolated import IsolatedSubmission
from gradus.wall.judge.source import Source
from gradus.wall.slots import slot_of

SUBMISSION = "def same(x):\n    return x\n"
LARGE = 16 << 20  # bytes


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Median time of one round."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "demo.py")
        path.write_text(SUBMISSION, encoding="utf-8")
        host = Host(slot_of(Path(folder)), Source(path, "demo", "demo.py"))

        def restart() -> None:
            host.close()
            IsolatedSubmission(host)

        ready = milliseconds(restart, 20)
        print(f"a worker is ready, the last one gone, ms: {ready:.1f} (goal at most 50)")
        same = IsolatedSubmission(host).same
        small = torch.ones(4)
        tiny = milliseconds(lambda: same(small), 2_000)
        print(f"a call with a tiny tensor, ms: {tiny:.2f} (goal at most 0.5)")
        large = torch.ones(LARGE // 4)
        there_and_back = copies = 0.0
        for _ in range(5):
            there_and_back += milliseconds(lambda: same(large), 5)
            copies += milliseconds(lambda: (large.clone(), large.clone()), 5)
        ratio = there_and_back / copies
        print(f"16 MB there and back / two copies of it: {ratio:.2f} (goal at most 3)")
        host.close()


if __name__ == "__main__":
    sys.exit(main())
