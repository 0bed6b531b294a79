"""Which of several files is a student's answer to a topic, and why."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus.classroom.nbgrader.module_notebook import module_named
from gradus.classroom.placing.content import content_of
from gradus.classroom.placing.owners import Owned
from gradus.classroom.placing.walking import shown_path
from gradus.errors import GradusError
from gradus.submission.encoding import decode_source
from gradus.submission.reading import read_source

_SAME_TIME = 2  # seconds: a checkout or a zip does not tell nearer times apart
_MOST_NAMED = 3


@dataclass(frozen=True)
class Chosen:
    """The file that counts, and what was not taken, in words."""

    one: Owned
    said: str = ""


@dataclass(frozen=True)
class _Known:
    """A file with what the choice goes by."""

    one: Owned
    saved: float
    complete: bool
    answered: int
    number: int  # of a copy: `tensors (2)` is 2


def choose(candidates: Sequence[Owned], tasks: Sequence[str], called: Mapping[Path, str]) -> Chosen:
    """The one that counts.

    That is: in the folder that was given as the student's own; of the latest attempt; in exercises/, where
    there is that folder; one that defines the tasks; one that holds answers; the one that was saved last;
    where all that is the same, the one in fewer folders.

    Args:
        candidates: One at least.
        tasks: Of the topic.
        called: What a person calls each path, where names below the student's folder do not differ.
    """
    candidates = [one for one in candidates if not _shows_another(one, candidates)]
    if len(candidates) == 1:
        return Chosen(candidates[0])
    left = [_known(one, tasks) for one in candidates]
    reasons = []
    for reason, of in _RULES:
        newest = max(known.saved for known in left)
        best = max(of(known, newest) for known in left)
        kept = [known for known in left if of(known, newest) == best]
        if len(kept) < len(left):
            reasons.append(reason)
        left = kept
    taken = min(left, key=lambda known: known.one.found.names).one
    short = {one.found.path: shown_path(one.names) for one in candidates}
    names = short if len(set(short.values())) == len(candidates) else called
    others = [names[one.found.path] for one in candidates if one is not taken]
    named = ", ".join(others[:_MOST_NAMED])
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    why = ", ".join(dict.fromkeys(reasons)) or "they do not differ"
    return Chosen(taken, f"{names[taken.found.path]} was taken ({why}), not {named}{more}")


_RULES: tuple[tuple[str, Callable[[_Known, float], Any]], ...] = (
    # Where each student's folder is given, nobody's is outdone by what another one calls a folder.
    ("in the student's own folder", lambda known, _: known.one.own_place),
    ("the latest attempt", lambda known, _: known.one.attempt),
    ("in exercises/", lambda known, _: "exercises" in known.one.names[:-1]),
    ("with the tasks", lambda known, _: known.complete),
    ("with answers", lambda known, _: known.answered > 0),
    ("saved last", lambda known, newest: known.saved >= newest - _SAME_TIME),
    ("with more answers", lambda known, _: known.answered),
    ("the last copy", lambda known, _: known.number),
    ("in fewer folders", lambda known, _: -len(known.one.names)),
    ("the notebook", lambda known, _: known.one.names[-1].lower().endswith(".ipynb")),
)


def _shows_another(one: Owned, candidates: Sequence[Owned]) -> bool:
    """Whether it is the notebook that gradus has made of a module beside it, for people to read."""
    path = one.found.path
    beside = {o.found.path.name for o in candidates if o.found.path.parent == path.parent}
    if path.suffix != ".ipynb" or not any(name.endswith(".py") for name in beside):
        return False
    try:
        return (
            module_named(decode_source(read_source(path, path.stem, path.name), python=False))
            in beside
        )
    except GradusError:
        return False


def _known(one: Owned, tasks: Sequence[str]) -> _Known:
    content = content_of(one.found.path, tasks)
    saved = one.found.path.stat().st_mtime
    numbers = re.findall(r"\d+", Path(one.names[-1]).stem)
    number = int(numbers[-1][:9]) if numbers else 0
    return _Known(one, saved, 2 * content.defined >= len(tasks), content.answered, number)
