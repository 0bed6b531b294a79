"""Build an assignment again that an instructor has changed: own cells, texts and points stay."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

Cell = dict[str, Any]


@dataclass
class Rebuilt:
    """The cells of the new assignment.

    Args:
        cells: Of the new build, with what an instructor has added, changed or taken out.
        kept: What was kept of the instructor's, in words.
        conflicts: What both have changed, in words: the kit's is in the assignment.
    """

    cells: list[Cell]
    kept: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def rebuild(last: Sequence[Cell], edited: Sequence[Cell], new: Sequence[Cell]) -> Rebuilt:
    """Put what an instructor has changed since the last build into a new one.

    Args:
        last: Cells as the last build wrote them.
        edited: The same, with an instructor's changes.
        new: Cells of the kit as it is now.
    """
    made = Rebuilt([dict(cell) for cell in new])
    before, now = [_key(cell) for cell in last], [_key(cell) for cell in edited]
    for what, i, i2, j, j2 in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if what == "equal":
            for old, own in zip(last[i:i2], edited[j:j2], strict=True):
                _keep_changes(made, old, own)
            continue
        if i2 > i:
            _take_out(made, before[i:i2], replaced=j2 > j)
        if j2 > j:
            _put_in(made, before[:i], edited[j:j2])
    return made


def _key(cell: Cell) -> str:
    """What a cell is known by: nbgrader's name of it, else its text."""
    return _name(cell) or f"{cell.get('cell_type')}\n{_source(cell)}"


def _name(cell: Cell) -> str:
    return str(cell.get("metadata", {}).get("nbgrader", {}).get("grade_id", ""))


def _source(cell: Cell) -> str:
    return "".join(cell.get("source", ""))


def _called(cell: Cell) -> str:
    """A cell for a person."""
    first = next(iter(_source(cell).strip().splitlines()), "an empty cell")
    return _name(cell) or f"“{first[:40]}”"


def _keep_changes(made: Rebuilt, old: Cell, own: Cell) -> None:
    """Points and text of a cell that is still there."""
    place = _find(made, _key(old))
    if place is None:
        return
    cell = made.cells[place]
    points, own_points = (c["metadata"].get("nbgrader", {}).get("points") for c in (old, own))
    if own_points != points:
        about = {**cell["metadata"]["nbgrader"], "points": own_points}
        cell["metadata"] = {**cell["metadata"], "nbgrader": about}
        made.kept.append(f"{own_points:g} points of {_name(own)}")
    if _source(own) != _source(old) and _source(own) != _source(cell):
        if _source(cell) == _source(old):
            cell["source"] = own["source"]
            made.kept.append(f"your text of {_called(own)}")
        else:
            made.conflicts.append(_called(own))


def _take_out(made: Rebuilt, keys: Sequence[str], *, replaced: bool) -> None:
    for key in keys:
        place = _find(made, key)
        if place is not None:
            cell = made.cells.pop(place)
            if not replaced:
                made.kept.append(f"without {_called(cell)}")


def _put_in(made: Rebuilt, before: Sequence[str], cells: Sequence[Cell]) -> None:
    """Behind the last cell before them that is still there."""
    places = (_find(made, key) for key in reversed(before))
    place = next((place + 1 for place in places if place is not None), 0)
    for cell in cells:
        if _find(made, _key(cell)) is None:
            made.cells.insert(place, dict(cell))
            made.kept.append(_called(cell))
            place += 1


def _find(made: Rebuilt, key: str) -> int | None:
    return next((n for n, cell in enumerate(made.cells) if _key(cell) == key), None)
