"""From measured values to a bar: how far right answers may fall, and wrong ones rise, by chance.

The formulas, their sources and their limits are in docs/thresholds.md. Everything here is written for
"more is better"; values of which less is better come in, and bars go out, with their sign changed.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gradus.errors import GraderError

RIGHT_FAILS = 1e-4  # a right answer is below the bar at most so often
WRONG_PASSES = 1e-3  # the baseline is above the bar at most so often
POOR_FIT = 0.01  # Shapiro-Wilk's p below which a normal curve is not believed
LOWEST_CHANCE = 1e-9  # no smaller chance is ever stated: no sample of this size knows one

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """A monotonous change of scale on which values may be closer to normal."""

    name: str
    to: Callable[[Values], Values]
    back: Callable[[float], float]


@dataclass(frozen=True)
class _Fit:
    """A normal curve (on a scale) with what its prediction limits need."""

    scale: Scale
    centre: float
    spread: float
    freedom: int
    seeds: int
    two_piece: bool

    @property
    def width(self) -> float:
        """Standard deviation of a new value about the estimated centre."""
        return self.spread * math.sqrt(1 + 1 / self.seeds)

    def limit(self, chance: float) -> float:
        """The value below which a new one falls with this chance."""
        return self.scale.back(self.centre - stats.t.isf(chance, self.freedom) * self.width)

    def below(self, bar: float) -> float:
        """The chance that a new value is below `bar`."""
        place = float(self.scale.to(np.array([bar]))[0])
        return float(stats.t.cdf((place - self.centre) / self.width, self.freedom))


@dataclass(frozen=True)
class Limit:
    """How far values may fall by chance, and on which scale that was the farthest."""

    value: float
    scale: str
    fit: float  # Shapiro-Wilk's p on that scale; NaN where all values are the same
    two_piece: bool


def smallest_step(samples: Sequence[Sequence[float]]) -> float:
    """The smallest difference between two values of the same sample; 0 where no two differ."""
    steps = [np.diff(np.unique(np.asarray(sample))) for sample in samples]
    return min((float(step.min()) for step in steps if len(step)), default=0.0)


def lower_limit(
    values: Sequence[float], chance: float, step: float, *, sign: int = 1, share: bool = False
) -> Limit:
    """The value below which another seed falls with at most `chance`: the lowest that a fit gives.

    Args:
        values: One for each seed, more being better.
        chance: Of a new value to fall below the limit.
        step: The smallest difference that values can show; a spread is never taken to be below half of it.
        sign: -1 where the values are those of "less is better" with their sign changed.
        share: Whether the values cannot be below 0 or above 1.

    Raises:
        GraderError: If all values are the same and no step is known.
    """
    fits = _fits(np.asarray(values, dtype=np.float64), step, sign, share)
    limits = [Limit(fit.limit(chance), fit.scale.name, p, fit.two_piece) for fit, p in fits]
    return min(limits, key=lambda limit: limit.value)


def chance_below(
    values: Sequence[float], bar: float, step: float, *, sign: int = 1, share: bool = False
) -> float:
    """The estimated chance that another seed falls below `bar`: the largest that a fit gives."""
    fits = _fits(np.asarray(values, dtype=np.float64), step, sign, share)
    return min(1.0, max(LOWEST_CHANCE, *(fit.below(bar) for fit, _ in fits)))


def round_bar(right: float, wrong: float) -> float:
    """The number with the fewest digits near a third of the way from the wrong limit to the right one.

    Nearer to the wrong ones: exact checks find most mistakes, and nobody knows every right answer.

    Raises:
        ValueError: If there is no gap: `wrong` is not below `right`.
    """
    gap = right - wrong
    if not gap > 0 or not math.isfinite(gap):
        raise ValueError(f"no gap between {wrong} and {right}")
    place = wrong + gap / 3
    for digits in range(1, 17):
        bar = float(f"{place:.{digits}g}")
        if abs(bar - place) <= gap / 8:
            return bar
    return place


def _fits(values: Values, step: float, sign: int, share: bool) -> Iterator[tuple[_Fit, float]]:
    """Normal curves on each scale that the sample does not contradict, with Shapiro-Wilk's p.

    Where it contradicts all of them: on all, and beside each the curve of the worse half alone.
    """
    scales = list(_scales(values, step, sign, share))
    fitness = [_shapiro(scale.to(values)) for scale in scales]
    none_fits = all(p < POOR_FIT for p in fitness)
    for scale, p in zip(scales, fitness, strict=True):
        if p < POOR_FIT and not none_fits:
            continue
        placed, floor = scale.to(values), _floor(scale, values, step)
        seeds, spread = len(placed), max(float(placed.std(ddof=1)), floor)
        if not spread > 0:
            raise GraderError(
                f"all {seeds} seeds gave {abs(values[0]):g}, so their spread is unknown: measure something "
                "finer, or write the smallest step that the value can take into the table, for a share "
                "of 200 samples `step = 0.005`"
            )
        yield _Fit(scale, float(placed.mean()), spread, seeds - 1, seeds, two_piece=False), p
        median = float(np.median(placed))
        worse = placed[placed < median] - median
        if none_fits and len(worse) > 1:
            spread = max(float(np.sqrt((worse**2).mean())), floor)
            yield _Fit(scale, median, spread, len(worse), seeds, two_piece=True), p


def _scales(values: Values, step: float, sign: int, share: bool) -> Iterator[Scale]:
    """As they are, and where values have bounds: the log odds of shares, the logarithm of positive values."""
    yield Scale("plain", lambda x: x, float)
    sizes = sign * values
    if share:
        edge = min(step / 2, 0.25) or 1e-6  # 0 and 1 stand for the half step beside them

        def odds(x: Values) -> Values:
            inside = np.clip(sign * x, edge, 1 - edge)
            return sign * np.log(inside / (1 - inside))

        yield Scale("logit", odds, lambda y: sign / (1 + math.exp(-max(-700.0, sign * y))))
    elif sizes.min() > 0:
        tiny = float(sizes.min()) / 1e6  # a bar at or beyond 0 has no logarithm
        yield Scale(
            "log",
            lambda x: sign * np.log(np.maximum(sign * x, tiny)),
            lambda y: sign * float(np.exp(min(sign * y, 700.0))),
        )


def _floor(scale: Scale, values: Values, step: float) -> float:
    """Half a step downwards from the mean, on the scale: the most that values in steps can hide of a spread.

    What was rounded to one value lay within an interval of one step, and nothing in an interval has a
    standard deviation above half its length (Popoviciu).
    """
    mean = scale.back(float(scale.to(np.array([values.mean()]))[0]))  # 1 is no share on its scale
    ends = scale.to(np.array([mean, mean - step / 2]))
    return float(ends[0] - ends[1])


def _shapiro(values: Values) -> float:
    if np.ptp(values) == 0:
        return math.nan
    return float(stats.shapiro(values).pvalue)
