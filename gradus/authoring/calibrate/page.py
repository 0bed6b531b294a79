"""The end of docs/thresholds.md: every bar with its figures and its picture, made from thresholds.toml."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gradus.course import Course

MARK = "<!-- From here on written by `gradus calibrate`. -->\n"


def page(course: Course) -> Path:
    """Where the bars are explained."""
    return course.root / "docs" / "thresholds.md"


def picture(course: Course, topic: str, bar: str) -> Path:
    """Where the picture of a bar is."""
    return course.root / "docs" / "thresholds" / f"{topic}.{bar}.svg"


def page_text(before: str, tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The page with its written part renewed."""
    start = before.partition(MARK)[0].rstrip("\n") + "\n\n"
    return start + MARK + "\n" + "\n".join(_sections(tables))


def write_page(course: Course, tables: Mapping[str, Any]) -> bool:
    """Renew the page, where the kit has one; True when it changed."""
    path = page(course)
    if not path.exists():
        return False
    before = path.read_text(encoding="utf-8")
    text = page_text(before, tables)
    if text != before:
        path.write_text(text, encoding="utf-8", newline="\n")
    return text != before


def _sections(tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    for topic, bars in tables.items():
        for name, table in bars.items():
            if "threshold" not in table:
                continue  # the author has written about it, and measured nothing yet
            yield f"### {topic}.{name}: {table['direction']} {table['threshold']:g}\n"
            yield f"![{topic}.{name}](thresholds/{topic}.{name}.svg)\n"
            yield "| answer | seeds | mean | standard deviation | lowest | highest |"
            yield "|---|---|---|---|---|---|"
            rows = [{"about": f"the reference, torch {table['torch']}", **table}]
            rows += table.get("alternatives", [])
            rows += [
                {"about": f"the reference, torch {version}", **numbers}
                for version, numbers in table.get("other_torch", {}).items()
            ]
            for row in rows:
                cells = [row["about"], row["seeds"]]
                cells += [f"{row[key]:.4g}" for key in ("mean", "sd", "min", "max")]
                yield f"| {' | '.join(map(str, cells))} |"
            yield ""
            base = table["baseline"]
            yield f"A right answer misses it with a chance of at most {table['false_fail']:g}:"
            yield f"{table['method']}."
            yield f"The baseline, *{base['about']}*, reached {base['best']:.4g} at best,"
            yield f"{base['mean']:.4g} in the mean of {base['seeds']} seeds."
            threads = table.get("threads")
            if threads is not None:
                yield (
                    f"On {threads['cores']} threads the mean of {threads['seeds']} seeds was "
                    f"{threads['mean']:.4g}, on one {threads['one_thread']:.4g} (p {threads['p']:g})."
                )
            yield ""
