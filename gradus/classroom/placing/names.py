"""What names say: whose a file is, by the systems that hand-ins are downloaded from, and of which topic."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from gradus.shown import visible

# The person or group, in small letters and without spaces, the person's number, the file's number, its name.
# With anonymous grading: a code in place of both. (lib/content_zipper.rb of Canvas)
_CANVAS = re.compile(
    r"(?:(?P<who>\w+?)(?:_(?i:late))?_(?P<id>\d{2,})|(?:LATE_)?(?P<anon>anon_\w+?))_\d{3,}_(?P<rest>.+)",
    re.DOTALL,
)
# The name, or `Participant`, behind a group's name and a hyphen, and the number of the grading worksheet.
_MOODLE = re.compile(
    r"(?P<who>.+?_\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<rest>.*))?", re.DOTALL
)
# What follows the first of these is the name that the student gave the file.
_BLACKBOARD = re.compile(
    r"(?P<head>.+?)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<rest>.+)|\.txt)", re.DOTALL
)
_WORDS = "|".join(["copy", *(unicodedata.normalize(form, "복사본") for form in ("NFC", "NFD"))])
_COPY = re.compile(rf"(?: ?\(\d+\)|[-_ ]+(?:{_WORDS})(?: ?\d+)?)+$", re.IGNORECASE)
_EDGES = " .-_()[]"


@dataclass(frozen=True)
class FromSystem:
    """What a learning management system wrote into a file's name: whose it is, and the name it had."""

    who: str
    rest: str  # "" for a folder
    attempt: str = ""  # later ones are greater
    head: str = (
        ""  # Blackboard's: the assignment and the person, not told apart by more than underscores
    )


def from_canvas(name: str) -> FromSystem | None:
    """Read a name of Canvas's; None where it is another."""
    found = _CANVAS.fullmatch(name)
    if found is None:
        return None
    return FromSystem(found["anon"] or f"{found['who']}_{found['id']}", found["rest"])


@lru_cache(maxsize=4096)
def from_system(name: str) -> FromSystem | None:
    """Read a name of Moodle's or Blackboard's, which nobody gives by chance; None where it is another."""
    found = _BLACKBOARD.fullmatch(name)
    if found:
        head = found["head"]
        return FromSystem(head.rpartition("_")[2] or head, found["rest"] or "", found["when"], head)
    found = _MOODLE.fullmatch(name)
    if found:
        return FromSystem(found["who"], found["rest"] or "")
    return None


@dataclass(frozen=True)
class OfTopic:
    """The topic that a name names, and what else it says: `alice_tensors (1)` says `alice`."""

    topic: str
    rest: str


@lru_cache(maxsize=4096)  # each name is asked for several times
def topic_in(stem: str, topics: tuple[str, ...], asked: tuple[str, ...] = ()) -> OfTopic | None:
    """The one topic that a file's or a folder's name without its ending names; None: none, or several.

    Of several it is the one that is asked for: `gan_tensors` may be what a student called Gan handed in.

    Words are compared, so `cnn` is not in `cnns`; capital letters and the signs between words do not count.
    """
    found = []
    for topic in topics:
        match = _pattern(topic).search(stem)
        if match:
            found.append((match.end() - match.start(), topic, match))
    if not found:
        return None
    _, topic, match = max(found, key=lambda one: one[0])
    if any(m.start() < match.start() or m.end() > match.end() for _, _, m in found):
        return topic_in(stem, asked) if asked else None
    before = stem[: match.start()].strip(_EDGES)
    after = _COPY.sub("", stem[match.end() :]).strip(_EDGES)
    return OfTopic(topic, "_".join(part for part in (before, after) if part))


@lru_cache(maxsize=256)
def _pattern(topic: str) -> "re.Pattern[str]":
    words = r"[-_ .]+".join(map(re.escape, topic.split("_")))
    return re.compile(rf"(?<![^\W_]){words}(?![^\W_])", re.IGNORECASE)


def without_copy_mark(stem: str) -> str:
    """`alice` of `alice (1)`."""
    return _COPY.sub("", stem) or stem


def identifier(name: str) -> str:
    """A student's name as it may stand in tables, in file names and in a terminal; never empty."""
    plain = "".join(c if c.isprintable() else f"<{ord(c):x}>" for c in name)
    plain = re.sub(r"[/\\]", "_", visible(plain)).strip()
    return plain if plain.strip(".") else "_"


def identifiers(students: Iterable[str]) -> dict[str, str]:
    """What each student is called, no two the same."""
    called: dict[str, str] = {}
    taken: set[str] = set()
    for who in sorted(students):
        name, number = identifier(who), 2
        while name in taken:
            name, number = f"{identifier(who)}~{number}", number + 1
        taken.add(name)
        called[who] = name
    return called


def alike(called: Mapping[str, str]) -> dict[str, str]:
    """What is said where students' names differ in capital letters or the form of letters only."""
    groups = defaultdict(list)
    for who in called:
        groups[unicodedata.normalize("NFKC", who).casefold()].append(who)
    said = {}
    for group in groups.values():
        for who in group if len(group) > 1 else []:
            other = next(one for one in group if one != who)
            said[who] = f"another student is called {called[other]!a}"
    return said
