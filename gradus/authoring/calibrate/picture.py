"""The picture of a bar: a histogram of the reference, a row of dots for each other answer, and the bar."""

import io
import math
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from gradus.authoring.calibrate.bars import Bar, Sample

# Mid tones on no background: they read on a light page and on a dark one.
INK, RIGHT, OTHER, WRONG, EDGE = "#808080", "#3b8bd0", "#2a9d6f", "#d9534f", "#d08a1d"
SETTINGS: Any = {
    "svg.hashsalt": "gradus",  # with no date, the same values give the same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
WIDTH, LABEL = 8.6, 34  # inches; characters in a line of a label


def draw(bar: Bar, threshold: float, path: Path) -> bool:
    """Write the picture as SVG, byte for byte the same for the same values; True when the file changed."""
    rows = [(s, OTHER) for s in bar.alternatives]
    rows += [(Sample(f"torch {v}", s.values), RIGHT) for v, s in sorted(bar.other_torch.items())]
    rows += [(bar.all_cores, RIGHT)] if bar.all_cores is not None else []
    rows += [(Sample(f"must miss the bar: {bar.baseline.about}", bar.baseline.values), WRONG)]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, 2.3 + 0.42 * len(rows)), layout="constrained")
        top, below = figure.subplots(
            2, 1, sharex=True, height_ratios=[1.7, 0.42 * len(rows) + 0.1], squeeze=True
        )
        for place, (sample, colour) in enumerate(rows):
            below.plot(
                sample.values, [-place] * len(sample.values), "o",
                color=colour, alpha=0.6, markersize=6, markeredgewidth=0,
            )  # fmt: skip
        below.set_ylim(-len(rows) + 0.4, 0.6)
        below.set_yticks(
            [-place for place in range(len(rows))],
            ["\n".join(textwrap.wrap(sample.about, LABEL)) for sample, _ in rows],
        )
        _histogram(top, bar, below.get_xlim())
        _edge(top, below, bar, threshold)
        for axes in (top, below):
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
            axes.patch.set_visible(False)
        top.spines["bottom"].set_visible(False)
        top.tick_params(axis="x", length=0)
        data = io.BytesIO()
        figure.savefig(data, format="svg", transparent=True, metadata={"Date": None})
    text = data.getvalue().replace(b"\r\n", b"\n")
    if path.exists() and path.read_bytes() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return True


def _histogram(axes: Any, bar: Bar, shown: tuple[float, float]) -> None:
    """The reference's values; a column is wide enough to be seen where the baseline is far away."""
    values = bar.reference.values
    low, high = min(values), max(values)
    whole = max(high, shown[1]) - min(low, shown[0])
    width = max((high - low) / 12, whole / 60)
    columns = max(1, math.ceil((high - low) / width))
    start = (low + high - columns * width) / 2
    axes.hist(values, bins=columns, range=(start, start + columns * width), color=RIGHT, alpha=0.85)
    axes.set_yticks([0, len(values) // 3])
    axes.set_ylabel(f"the reference,\n{len(values)} seeds", rotation=0, ha="right", va="center")
    axes.set_ylim(bottom=0)


def _edge(top: Any, below: Any, bar: Bar, threshold: float) -> None:
    """The bar itself, with a faint ground on the side where a check fails."""
    low, high = below.get_xlim()
    margin = 0.04 * (high - low)
    low, high = min(low, threshold - margin), max(high, threshold + margin)
    failing = (low, threshold) if bar.sign > 0 else (threshold, high)
    for axes in (top, below):
        axes.axvspan(*failing, color=WRONG, alpha=0.09, linewidth=0)
        axes.axvline(threshold, color=EDGE, linewidth=2)
        axes.set_xlim(low, high)
    top.annotate(
        f" {bar.direction} {threshold:g} ", (threshold, 1), xycoords=("data", "axes fraction"),
        ha="left" if bar.sign > 0 else "right", va="top", color=EDGE, fontweight="bold",
    )  # fmt: skip
