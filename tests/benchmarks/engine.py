"""`make bench`, the engine: what an answer costs, cold and warm."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from gradus.course import find_course
from gradus.engine import one_thread
from gradus.engine.contained.contained import contained_judge
from gradus.engine.job import Job
from gradus.engine.judge import WarmJudge
from gradus.engine.loop import with_judge

ROUNDS = 20
TOPIC, TASK = "tensors", "standardize"
QUICK = "test_dtype_is_obeyed"


def main() -> None:
    """Measure and print."""
    one_thread()
    course = find_course(Path(__file__).parent)

    def use(judge: WarmJudge) -> tuple[float, float]:
        reference = course.solution(TOPIC)
        with tempfile.TemporaryDirectory() as folder:
            one = Job(reference, tasks=[TASK], folder=Path(folder))
            whole = Job(reference, hidden=True, folder=Path(folder))
            times: dict[str, list[float]] = {"one": [], "whole": []}
            for _ in range(ROUNDS):
                for name, job in (("one", one), ("whole", whole)):
                    start = time.perf_counter()
                    (graded,) = judge.grade([job])
                    times[name].append(time.perf_counter() - start)
                    assert graded.result.task(TASK).earned == graded.result.task(TASK).possible
            return statistics.median(times["one"]), statistics.median(times["whole"])

    one, whole = with_judge(course, TOPIC, use, devices=["cpu", "simulated"])
    print(f"{TOPIC}.{TASK} asked of a warm judge, ms: {1e3 * one:.0f} (goal at most 300)")
    print(f"all of {TOPIC}, hidden checks too, asked of a warm judge, ms: {1e3 * whole:.0f}")
    contained()


def contained() -> None:
    """The same for judges that are shut in."""
    course = find_course(Path(__file__).parent)
    reference, judge = course.solution(TOPIC), contained_judge(course, TOPIC)
    quick = f"graders/test_{TOPIC}.py::{QUICK}"
    jobs = {"pair": Job(reference, cases=[quick]), "whole": Job(reference, hidden=True)}
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            start = time.perf_counter()
            result = judge.grade(job).topic(TOPIC)
            times[name].append(time.perf_counter() - start)
            assert all(c.status.value == "passed" for k in result.checks() for c in k.cases)
    pair, whole = (1e3 * statistics.median(found[1:]) for found in times.values())
    print(f"a judge and a worker of its own for a submission, and one quick check, ms: {pair:.0f}")
    print(f"all of {TOPIC}, hidden checks too, with a judge that is shut in, ms: {whole:.0f}")


if __name__ == "__main__":
    sys.exit(main())
