"""Whose each file of a place is: by what a learning management system wrote, by folders, by the file's name."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradus.classroom.placing.layouts import (
    Names,
    downloads,
    is_class,
    is_one_students,
    stem_of,
    within,
)
from gradus.classroom.placing.names import (
    FromSystem,
    from_canvas,
    from_system,
    topic_in,
    without_copy_mark,
)
from gradus.classroom.placing.walking import ANSWERS, ZIP, Found

_IN_BRACKETS = re.compile(r"\(([^()\n]+)\)\s*$")
_LONGEST_NOTE = 2000  # bytes


@dataclass(frozen=True)
class Owned:
    """A file or a folder and whose it is; `names` are those below what is the student's."""

    found: Found
    who: str
    names: Names
    attempt: str = ""  # later ones are greater
    alone: bool = False  # by its own name: what lies beside it is somebody else's
    known: bool = True  # False: its name alone tells whose it is, and no topic stands in it
    of_system: bool = False  # a learning management system wrote whose it is
    own_place: bool = False  # all of the place is this student's
    hint: str | None = None  # the topic that a folder around it names


def owned(
    place: Path, found: Sequence[Found], topics: Names, asked: Names, of_several: bool = False
) -> list[Owned]:
    """Whose each file and each outermost folder of a place is.

    A student is called as the system calls them: `smithjane_12345` is Canvas's name and number (the column ID
    of its gradebook), `Jane Smith_1234567` Moodle's name and the number of its grading worksheet, `jsmith` the
    account in Blackboard. Elsewhere it is the outermost folder or zip, or what a file's name says besides the
    topic: `alice` of `alice_tensors.py`. What lies directly in a place under the name of a topic is of who the
    place is named after.

    Args:
        place: A folder, a zip or a file.
        found: What was found in it, one thing at least.
        topics: Of the course.
        asked: Those that are asked for.
        of_several: Whether other places were given too: `class/*` gives the folder of each student.
    """
    return _Place(place, found, topics, asked, of_several).all()


class _Place:
    """One place, and what is known of it as a whole."""

    def __init__(
        self,
        place: Path,
        found: Sequence[Found],
        topics: Names,
        asked: Names,
        of_several: bool,
    ) -> None:
        self._topics, self._asked = topics, asked
        self._is_file = len(found) == 1 and found[0].path == place.resolve()
        around = place.resolve().parent if self._is_file else place.resolve()
        self._name = stem_of(around.name)
        in_kit = (place / "solutions").is_dir()
        self._inner = within(found, topics, in_kit)  # names as they count -> what lies there
        self._downloads = downloads(self._inner)  # folders that are nobody's
        self._deepest = 1 if self._downloads else 0  # where a system's names may stand
        self._canvas = self._folders_of_canvas()
        self._blackboard = self._accounts()
        outermost = {names[0] for names, one in self._inner if one.is_folder}
        self._is_one_students = "exercises" in outermost or self._has_answers_in_it()
        named = [topic_in(stem_of(name), topics, asked) for name in outermost]
        # tensors-alice, cnn-bob, as GitHub Classroom calls them; one alone may be a student called like a topic
        self._tells_topics = len(named) > 1 and all(one is not None and one.rest for one in named)
        if of_several and not self._is_file and is_one_students(self._inner, topics):
            self._is_one_students = True
        of_system = None if self._is_file else from_system(around.name) or from_canvas(around.name)
        inside = [((around.name, *names), one) for names, one in self._inner]
        if of_system is not None and (of_several or not is_class(inside, topics)):
            self._name, self._is_one_students, self._deepest = of_system.who, True, -1

    def all(self) -> list[Owned]:
        return [self._owned(names, one) for names, one in self._inner if self._counts(names, one)]

    def _counts(self, names: Names, one: Found) -> bool:
        if not one.is_folder:
            return True
        of_system = any(self._from_system(names, at) for at in self._depths(names))
        below = self._below_topics(names)
        mine = len(names) > 1 or names[0] not in self._downloads
        outermost = len(below) == 1 and self._topic(below[0]) is None and mine
        return of_system or (outermost and not self._is_one_students)

    def _owned(self, names: Names, one: Found) -> Owned:
        hints = [self._topic(stem_of(name)) for name in names[:-1]]
        hint = next((topic for topic in reversed(hints) if topic is not None), None)
        for at in self._depths(names):
            known = self._from_system(names, at)
            if known is not None:
                below = (*([known.rest] if known.rest else []), *names[at + 1 :])
                alone = at == len(names) - 1 and not one.is_folder
                return Owned(
                    one, known.who, below or names, known.attempt, alone, of_system=True, hint=hint
                )
        if self._is_one_students:
            return Owned(one, self._name, names, own_place=True, hint=hint)
        named = topic_in(Path(names[-1]).stem, self._topics, self._asked)
        below = self._below_topics(names, named.topic if named is not None else None)
        if len(below) > 1 or one.is_folder:
            who = stem_of(below[0])
            folder = topic_in(who, self._topics, self._asked) if self._tells_topics else None
            who = folder.rest if folder is not None else who
            return Owned(one, who, below[1:] or below, hint=hint)
        if named is None:
            who = without_copy_mark(stem_of(below[0]))
            return Owned(one, who, below, alone=True, known=self._is_file, hint=hint)
        return Owned(one, named.rest or self._name, below, alone=True, hint=hint)

    def _below_topics(self, names: Names, topic: str | None = None) -> Names:
        """Names without the folders of topics around them; a student may be called like another topic."""
        while len(names) > 1 and self._topic(names[0]) in (
            self._topics if topic is None else [topic]
        ):
            names = names[1:]
        return names

    def _topic(self, name: str) -> str | None:
        """The topic that a folder is for."""
        found = topic_in(name, self._topics)
        return found.topic if found is not None and not found.rest else None

    def _depths(self, names: Names) -> range:
        """Where a system's names are believed: not in what a student packed, who may write another's."""
        return range(min(len(names), self._deepest + 1))

    def _from_system(self, names: Names, at: int) -> FromSystem | None:
        known = from_canvas(names[at]) if names[:at] in self._canvas else None
        known = known or from_system(names[at])
        if known is None or not known.head:
            return known
        who = self._blackboard[names[:at], known.head]
        return FromSystem(who, known.rest, known.attempt, known.head)

    def _folders_of_canvas(self) -> set[Names]:
        """Folders in which most answers and zips have names of Canvas's."""
        inside = defaultdict(list)
        for names, _ in self._inner:
            if names[-1].lower().endswith((*ANSWERS, ZIP)):
                inside[names[:-1]].append(from_canvas(names[-1]) is not None)
        return {folder for folder, are in inside.items() if 2 * sum(are) > len(are)}

    def _accounts(self) -> dict[tuple[Names, str], str]:
        """The account of each head of Blackboard's: by the note beside it; else what follows the last `_`.

        Where two heads of a folder would give one account, they are two students: `HW1_a_smith`, `HW1_b_smith`.
        """
        accounts: dict[tuple[Names, str], str] = {}
        sure = set()
        for names, one in self._inner:
            for at, name in enumerate(names):
                known = from_system(name)
                if known is None or not known.head:
                    continue
                key = (names[:at], known.head)
                accounts.setdefault(key, known.who)
                if not known.rest and not one.is_folder and at == len(names) - 1:
                    account = _account_in(one.path)
                    if account and f"_{known.head}".endswith(f"_{account}"):
                        accounts[key] = account
                        sure.add(key)
        guessed = defaultdict(list)
        for key, account in accounts.items():
            guessed[key[0], account].append(key)
        for keys in guessed.values():
            unsure = [key for key in keys if key not in sure]
            if len(keys) > 1:
                accounts.update((key, key[1]) for key in unsure)
        return accounts

    def _has_answers_in_it(self) -> bool:
        """Whether a topic's file lies in the place itself, and nothing of that topic is anybody else's."""
        direct: set[str] = set()
        deeper: set[str] = set()
        for names, one in self._inner:
            topic = None if one.is_folder else self._answer(names[-1])
            if topic is not None:
                (direct if len(names) == 1 else deeper).add(topic)
        beside = is_class([((self._name, *names), one) for names, one in self._inner], self._topics)
        return bool(direct) and not direct & deeper and not self._is_file and not beside

    def _answer(self, name: str) -> str | None:
        """The topic that a file is an answer to by its whole name."""
        return self._topic(Path(name).stem) if name.lower().endswith(ANSWERS) else None


def _account_in(note: Path) -> str:
    """The account in the note that Blackboard puts beside files: `Name: Jane Smith (jsmith)`."""
    try:
        with note.open("rb") as file:
            first = file.read(_LONGEST_NOTE).decode("utf-8-sig", "replace").partition("\n")[0]
    except OSError:
        return ""
    found = _IN_BRACKETS.search(first)
    return found[1].strip() if found else ""
