"""Write measured bars into `graders/thresholds.toml`; what an author wrote beside them stays."""

import datetime
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import Table

from gradus.authoring.calibrate.bars import Bar, Sample
from gradus.authoring.calibrate.workers import cores

HEAD = "Bars for trained results, written by `gradus calibrate` (docs/thresholds.md says how).\n"
OPTIONAL = ("alternatives", "threads", "other_torch")


def table_of(bar: Bar, torch: str) -> dict[str, Any]:
    """Everything that stands in a bar's table, but the date.

    Raises:
        GraderError: If no bar is safe.
    """
    threshold = bar.threshold()
    hardest, limit = bar.hardest()
    normal = "two-piece normal" if limit.two_piece else "normal"
    table: dict[str, Any] = {"threshold": threshold, "direction": bar.direction}
    table |= _numbers(bar.reference)
    table["false_fail"] = _short(bar.false_fail(threshold), 2)
    table["method"] = (
        f"{normal} prediction limit, {limit.scale} scale, {_short(limit.value, 3):g} for {hardest.about} "
        f"(Shapiro-Wilk p {limit.fit:.2g})"
    )
    table["baseline"] = {
        "about": bar.baseline.about,
        "mean": _short(bar.baseline.mean),
        "best": _short(bar.best_of_baseline()),
        "seeds": len(bar.baseline.values),
    }
    if bar.alternatives:
        table["alternatives"] = [{"about": s.about, **_numbers(s)} for s in bar.alternatives]
    if bar.all_cores is not None:
        table["threads"] = {
            "cores": cores(),
            "seeds": len(bar.all_cores.values),
            "mean": _short(bar.all_cores.mean),
            "one_thread": _short(bar.same_seeds().mean),
            "p": _short(bar.threads_p(), 2),
        }
    table["torch"] = torch
    if bar.other_torch:
        table["other_torch"] = {v: _numbers(s) for v, s in sorted(bar.other_torch.items())}
    return table


def write_tables(path: Path, topic: str, tables: dict[str, dict[str, Any]]) -> bool:
    """Write the tables of a topic, and take out those that no check asks for; True when the file changed.

    A table that says what it said before keeps its date. Comments and keys of the author's stay.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else f"# {HEAD}"
    document = tomlkit.parse(before)
    if topic not in document:
        document.append(topic, tomlkit.table(is_super_table=True))
    of_topic: Any = document[topic]
    for name in [name for name in of_topic if name not in tables]:
        del of_topic[name]
    for name, new in tables.items():
        if name not in of_topic:
            of_topic.append(name, tomlkit.table())
        _update(of_topic[name], new)
    text = tomlkit.dumps(document)
    if text != before:
        path.write_text(text, encoding="utf-8", newline="\n")
    return text != before


def _update(table: Table, new: dict[str, Any]) -> None:
    old = {key: value for key, value in table.unwrap().items() if key != "date"}
    same = old == {**old, **new} and not any(key in old and key not in new for key in OPTIONAL)
    if same and "date" in table:
        return
    for key in OPTIONAL:
        if key in table and key not in new:
            del table[key]
    for key, value in {**new, "date": datetime.date.today().isoformat()}.items():
        table[key] = _item(value)


def _item(value: Any) -> Any:
    """The value as TOML: a mapping in one line, a list of mappings in a line for each."""
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        inline.update({key: _item(item) for key, item in value.items()})
        return inline
    if isinstance(value, list):
        array = tomlkit.array().multiline(multiline=True)
        array.extend([_item(item) for item in value])
        return array
    return value


def _numbers(sample: Sample) -> dict[str, Any]:
    return {
        "mean": _short(sample.mean),
        "sd": _short(sample.sd),
        "min": _short(min(sample.values)),
        "max": _short(max(sample.values)),
        "seeds": len(sample.values),
    }


def _short(value: float, digits: int = 5) -> float:
    return float(f"{value:.{digits}g}")
