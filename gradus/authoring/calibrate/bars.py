"""A bar: what right and wrong answers reached, and the number between them."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scipy import stats

from gradus.authoring.calibrate.limits import (
    RIGHT_FAILS,
    WRONG_PASSES,
    Limit,
    chance_below,
    lower_limit,
    round_bar,
    smallest_step,
)
from gradus.authoring.calibrate.workers import Tries
from gradus.checks.thresholds import AT_LEAST, AT_MOST
from gradus.errors import GraderError


@dataclass(frozen=True)
class Sample:
    """What one answer reached: a value for each seed."""

    about: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float:
        """The standard deviation over the seeds."""
        return statistics.stdev(self.values)


@dataclass(frozen=True)
class Bar:
    """Everything that is known of one bar."""

    name: str
    direction: str
    step: float  # the smallest difference that values can show
    reference: Sample
    baseline: Sample
    alternatives: tuple[Sample, ...]
    all_cores: Sample | None  # the reference's first seeds again
    other_torch: Mapping[str, Sample] = field(default_factory=dict)  # version -> the reference

    @property
    def sign(self) -> int:
        """1 where more is better."""
        return 1 if self.direction == AT_LEAST else -1

    @property
    def share(self) -> bool:
        """Whether values seem to have no room outside 0 to 1: more is better, and none is outside."""
        values = [value for sample in (*self.right, self.baseline) for value in sample.values]
        return self.sign > 0 and min(values) >= 0 and max(values) <= 1

    @property
    def right(self) -> tuple[Sample, ...]:
        """Every sample that must get over the bar."""
        return (self.reference, *self.alternatives, *self.other_torch.values())

    def right_limit(self, sample: Sample) -> Limit:
        """How badly a right answer does once in 10,000 times."""
        signed = [self.sign * value for value in sample.values]
        limit = lower_limit(signed, RIGHT_FAILS, self.step, sign=self.sign, share=self.share)
        return Limit(self.sign * limit.value, limit.scale, limit.fit, limit.two_piece)

    def wrong_limit(self) -> float:
        """How well the baseline does once in 1,000 times."""
        signed = [-self.sign * value for value in self.baseline.values]
        limit = lower_limit(signed, WRONG_PASSES, self.step, sign=-self.sign, share=self.share)
        return -self.sign * limit.value

    def hardest(self) -> tuple[Sample, Limit]:
        """The right sample that comes closest to the wrong ones, and its limit."""
        limits = [(sample, self.right_limit(sample)) for sample in self.right]
        return min(limits, key=lambda pair: self.sign * pair[1].value)

    def threshold(self) -> float:
        """The bar: between the limits of right and wrong answers, a third of the way from the wrong ones.

        Raises:
            GraderError: If the two overlap: no bar keeps both promises.
        """
        sample, limit = self.hardest()
        wrong = self.wrong_limit()
        try:
            return self.sign * round_bar(self.sign * limit.value, self.sign * wrong)
        except ValueError as error:
            raise GraderError(
                f"{self.name}: no bar is safe. Once in {1 / RIGHT_FAILS:,.0f} runs a right answer gets as "
                f"bad as {limit.value:.4g} ({_told(sample)}); once in {1 / WRONG_PASSES:,.0f} the baseline "
                f"gets as good as {wrong:.4g} ({_told(self.baseline)}). Train longer, give the check several "
                "tries, measure what tells the two apart better, or choose another baseline."
            ) from error

    def false_fail(self, threshold: float) -> float:
        """The largest estimated chance that a right answer misses the bar."""
        bar = self.sign * threshold
        signed = [[self.sign * value for value in sample.values] for sample in self.right]
        return max(
            chance_below(values, bar, self.step, sign=self.sign, share=self.share)
            for values in signed
        )

    def best_of_baseline(self) -> float:
        """The best that the baseline reached."""
        return self.sign * max(self.sign * value for value in self.baseline.values)

    def same_seeds(self) -> Sample:
        """The reference with one thread, with the seeds that it was measured with on all cores."""
        assert self.all_cores is not None
        return Sample(self.reference.about, self.reference.values[: len(self.all_cores.values)])

    def threads_p(self) -> float:
        """Paired t-test: the chance of such a difference if the number of threads made none."""
        assert self.all_cores is not None
        once, again = self.same_seeds().values, self.all_cores.values
        differences = [a - b for a, b in zip(again, once, strict=True)]
        if len(set(differences)) < 2:
            return 1.0 if not any(differences) else 0.0
        return float(stats.ttest_1samp(differences, 0.0).pvalue)


def direction_of(
    name: str, right: Iterable[Tries], wrong: Iterable[Tries], given: object = None
) -> str:
    """Which side of the bar right answers are on: as the table says, or as the values do.

    Raises:
        GraderError: If the table says something else than `at least` or `at most`, or the values are the same.
    """
    if given is not None:
        if given not in (AT_LEAST, AT_MOST):
            raise GraderError(
                f'{name}: `direction` must be "{AT_LEAST}" or "{AT_MOST}", got {given!r}.'
            )
        return str(given)
    middles = [_median(name, tries) for tries in (right, wrong)]
    if middles[0] == middles[1]:
        raise GraderError(
            f"{name}: the reference and the baseline both reach {middles[0]:.4g}: choose another baseline."
        )
    return AT_LEAST if middles[0] > middles[1] else AT_MOST


def _median(name: str, results: Iterable[Tries]) -> float:
    values = [t[name] for cases in results for tries in cases.values() for t in tries if name in t]
    return statistics.median([v for v in values if math.isfinite(v)] or [0.0])


def reached(tries: Tries, name: str, signs: Mapping[str, int], *, right: bool) -> float:
    """One seed's value for a bar: that of the best try, and the worst case where a check has several.

    A check passes as soon as one try gets over all bars. For a right answer that is taken to be the try that
    is best at the first of them; for a wrong one each bar has its own best try, which favours it.
    """
    of_cases = []
    for found in tries.values():
        asked = [t for t in found if name in t]
        if not asked:
            continue
        leading = next(iter(asked[0])) if right else name
        best = max(asked, key=lambda t: _rank(t[leading], signs[leading]))
        of_cases.append(best[name])
    return min(of_cases, key=lambda value: _rank(value, signs[name]))


def _rank(value: float, sign: int) -> float:
    return sign * value if math.isfinite(value) else -math.inf


def sample(
    about: str, name: str, results: Sequence[Tries], signs: Mapping[str, int], *, right: bool
) -> Sample:
    """A bar's values over the seeds; a wrong answer's that are not finite miss every bar and are left out.

    Raises:
        GraderError: If a right answer's value is not finite, or too few of a wrong answer's are.
    """
    values = [reached(tries, name, signs, right=right) for tries in results]
    finite = tuple(value for value in values if math.isfinite(value))
    if right and len(finite) < len(values):
        seed = next(n for n, value in enumerate(values, start=1) if not math.isfinite(value))
        raise GraderError(
            f"{name}: {about} reached {values[seed - 1]} with seed {seed}: it diverged. "
            "Lower its learning rate."
        )
    if len(finite) < 3:
        raise GraderError(
            f"{name}: the baseline ({about}) nearly always diverges: choose one whose values are numbers."
        )
    return Sample(about, finite)


def steps(samples: Sequence[Sample], given: object, name: str) -> float:
    """The step that values move by: as the table says, or the smallest that was seen.

    Raises:
        GraderError: If the table says something else than a positive number.
    """
    if given is None:
        return smallest_step([s.values for s in samples])
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < math.inf:
        raise GraderError(f"{name}: `step` must be a positive number, got {given!r}.")
    return float(given)


def _told(sample: Sample) -> str:
    return f"{sample.about}: {sample.mean:.4g}, sd {sample.sd:.2g}, {len(sample.values)} seeds"
