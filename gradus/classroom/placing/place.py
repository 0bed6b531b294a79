"""Whose answer to which topic each file is that was handed in, in whatever form a class hands in."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gradus.classroom.placing.choosing import Chosen, choose
from gradus.classroom.placing.content import tasks_of, topic_by_content
from gradus.classroom.placing.layouts import several
from gradus.classroom.placing.names import OfTopic, alike, identifiers, topic_in
from gradus.classroom.placing.owners import Owned, owned
from gradus.classroom.placing.walking import ANSWERS, ZIP, Found, Unplaced, shown_path, walk
from gradus.course import Course
from gradus.errors import GradusError
from gradus.grading.grader_file import PREFIX
from gradus.shown import shown_name

__all__ = ["HandedIn", "Placing", "Unplaced", "place"]
_MOST_NAMED, _MOST_OF_A_CROWD = 3, 8


@dataclass(frozen=True)
class HandedIn:
    """One answer to one topic: whose, which file, and what was handed in together with it."""

    student: str
    topic: str
    file: Path
    folder: Path | None  # what was handed in together with it; None: the file alone
    called: str = ""  # what a person calls the file: `submissions.zip: ann/tensors.py`
    said: str = ""  # how it was placed, where a person should know


@dataclass(frozen=True)
class Placing:
    """What was found, by student and in teaching order, and what is nobody's answer."""

    found: tuple[HandedIn, ...]
    unplaced: tuple[Unplaced, ...]


def place(places: Sequence[Path], course: Course, topics: Sequence[str], scratch: Path) -> Placing:
    """Find out whose answer to which topic each file is.

    Args:
        places: Folders of a class or of a student, zips, single files. See `owners.owned` for what students
            are called.
        course: Its topics are told apart.
        topics: Those that are asked for; none: all.
        scratch: Where zips are unpacked; what is returned may lie there.

    Raises:
        GradusError: If there is no such place or no such topic, or the disk is full.
    """
    asked = {course.require(topic) for topic in topics} or set(course.topics)
    placer = _Placer(course, tuple(topic for topic in course.topics if topic in asked))
    for one in places:
        try:
            one.stat()
        except (OSError, ValueError) as error:  # the second: a NUL in its name
            why = getattr(error, "strerror", None) or str(error)
            raise GradusError(f"{one}: cannot be read ({why}). Is the name right?") from error
    for one in places:
        placer.look_into(one, scratch, of_several=len(places) > 1)
    return placer.placing()


class _Placer:
    """Collects what belongs to whom, and then decides."""

    def __init__(self, course: Course, asked: tuple[str, ...]) -> None:
        self._course, self._asked = course, asked
        self._by_student: dict[str, list[Owned]] = defaultdict(list)
        self._where: dict[str, str] = {}  # student -> what a person calls the place of their files
        self._called: dict[Path, str] = {}  # path -> what a person calls it
        self._unplaced: list[Unplaced] = []

    def look_into(self, one: Path, scratch: Path, of_several: bool) -> None:
        """Collect what is in one of the places that were given."""
        name, found, said = one.resolve().name, [], len(self._unplaced)
        is_zip = one.suffix.lower() == ZIP and one.is_file()
        above = (name,) if is_zip or (of_several and one.is_dir()) else ()
        for item in walk(one, scratch, above):
            if isinstance(item, Found):
                found.append(item)
            else:
                self._unplaced.append(item)
        if all(item.is_folder for item in found) and len(self._unplaced) == said:
            why = "holds no file that can be read. Is it the right one?"
            self._unplaced.append(Unplaced(shown_name(name), why))
        if not found:
            return
        for mine in owned(one, found, self._course.topics, self._asked, of_several):
            if mine.found.path not in self._called:  # a place may lie in another
                self._called[mine.found.path] = shown_path((*above, *mine.found.names))
                self._add(mine, above)

    def _add(self, mine: Owned, above: tuple[str, ...]) -> None:
        where = self._called[mine.found.path]
        if not mine.found.is_folder and not _is_answer(mine) and mine.alone and not mine.of_system:
            if self._named(mine) is not None or mine.known:
                self._unplaced.append(Unplaced(where, "is no .py, .ipynb or .zip. Ask for one."))
            return  # such as a list of marks
        if mine.alone and mine.known:
            where = mine.who
        elif not (mine.found.is_folder or mine.alone):
            depth = len(mine.found.names) - len(mine.names)
            where = shown_path((*above, *mine.found.names[:depth])) or mine.who
        self._where.setdefault(mine.who, where)
        self._by_student[mine.who].append(mine)

    def placing(self) -> Placing:
        """Decide for every student and topic."""
        chosen = {
            who: self._answers(mine)
            for who, mine in self._by_student.items()
            if not self._is_several(who, mine)
        }
        handed_in = {topic for of_one in chosen.values() for topic in of_one}
        called = identifiers(chosen)
        like, explained = alike(called), {one.path for one in self._unplaced}
        without: dict[tuple[str, ...], list[str]] = defaultdict(list)
        found = []
        for who in sorted(chosen, key=lambda who: called[who]):
            topics = [topic for topic in self._asked if topic in chosen[who]]
            for topic in topics:
                one, said = chosen[who][topic].one, chosen[who][topic].said
                said = "; ".join(filter(None, [said, like.get(who, "")]))
                folder = None if one.alone else one.found.path.parent
                shown = self._called[one.found.path]
                found.append(HandedIn(called[who], topic, one.found.path, folder, shown, said))
            missing = [t for t in self._asked if t not in topics and (t in handed_in or not topics)]
            is_empty = all(one.found.is_folder for one in self._by_student[who])
            if missing and topics:
                without[tuple(missing)].append(who)
            elif missing and not (
                is_empty and any(_below(path, self._where[who]) for path in explained)
            ):
                why = self._nothing(who, missing)
                self._unplaced.append(Unplaced(self._where[who], why))
        for of_topics, group in without.items():
            self._unplaced += self._without(of_topics, group, called)
        return Placing(tuple(found), tuple(self._unplaced))

    def _without(
        self, missing: Sequence[str], group: Sequence[str], called: Mapping[str, str]
    ) -> Iterator[Unplaced]:
        """What is said of those who handed in other topics: one line for a crowd."""
        why = _not_found(missing)
        if len(group) <= _MOST_NAMED:
            yield from (Unplaced(self._where[who], f"{why} Ask for it.") for who in group)
            return
        names = ", ".join(called[who] for who in group[:_MOST_OF_A_CROWD])
        more = f" and {len(group) - _MOST_OF_A_CROWD} more" * (len(group) > _MOST_OF_A_CROWD)
        words = f"{why} They handed in other topics: {names}{more}. Ask for it."
        yield Unplaced(f"{len(group)} students", words)

    def _is_several(self, who: str, mine: Sequence[Owned]) -> bool:
        """Whether it may be the folder of several students; that is said. No mark is better than another's."""
        if any(one.of_system or one.own_place for one in mine):
            return False
        others = several([one.names for one in mine if _is_answer(one)], self._course.topics)
        if others:
            more = ", ..." * (len(others) > _MOST_NAMED)
            why = (
                f"holds answers in {', '.join(map(shown_name, others[:_MOST_NAMED]))}{more}. Are they of "
                "several students? Then grade it by itself; else leave one of them there."
            )
            self._unplaced.append(Unplaced(self._where[who], why))
        return bool(others)

    def _answers(self, mine: Sequence[Owned]) -> dict[str, Chosen]:
        """What counts of one student, by topic."""
        answers = [one for one in mine if _is_answer(one)]
        named, unnamed = defaultdict(list), []
        for one in answers:
            name = self._named(one)
            if name is None:
                unnamed.append(one)
            else:
                named[name.topic].append(one)
        chosen = {t: self._chosen(t, named[t]) for t in self._asked if t in named}
        guessed = defaultdict(list)
        for one in unnamed if len(chosen) < len(self._asked) else []:
            topic = topic_by_content(one.found.path, self._course, self._asked) or one.hint
            guessed[topic].append(one)
        for topic in self._asked:
            if topic not in chosen and topic in guessed:
                chosen[topic] = self._chosen(topic, guessed[topic])
        if not named and not chosen and len(self._asked) == 1:
            (topic,) = self._asked
            sure = [one for one in unnamed if one.known]
            notebooks = [one for one in sure if one.names[-1].lower().endswith(".ipynb")]
            for only in (notebooks, sure):
                if len(only) == 1 and not chosen:
                    chosen[topic] = self._chosen(topic, only)
        return chosen

    def _chosen(self, topic: str, candidates: Sequence[Owned]) -> Chosen:
        chosen = choose(candidates, tasks_of(self._course, topic), self._called)
        own = chosen.one.names[-1]
        tells = Path(own).stem.lower() == topic or (chosen.one.alone and self._named(chosen.one))
        if chosen.said or tells:
            return chosen
        return replace(chosen, said=f"{shown_path((own,))} was taken for {topic}")

    def _named(self, one: Owned) -> OfTopic | None:
        """The topic in a file's name; where there are several, the one that is asked for."""
        return topic_in(Path(one.names[-1]).stem, self._course.topics, self._asked)

    def _nothing(self, who: str, missing: Sequence[str]) -> str:
        """What is said of somebody who has no answer at all."""
        files = [one for one in self._by_student[who] if not one.found.is_folder]
        names = [shown_path((one.names[-1],)) for one in files][:_MOST_NAMED]
        why = _not_found(missing)
        if not names:
            return f"{why} Ask for it."
        more = f" and {len(files) - len(names)} more" if len(files) > len(names) else ""
        answers = any(_is_answer(one) for one in files)
        file = f"{missing[0]}.ipynb or .py"
        remedy = f"Rename the right one to {file}" if answers else f"Ask for {file}"
        return f"{why} There is {', '.join(names)}{more}. {remedy}."


def _below(path: str, where: str) -> bool:
    """Whether a person's name for something is that of a place, or of something in it."""
    return path == where or path.startswith((f"{where}/", f"{where}: "))


def _not_found(missing: Sequence[str]) -> str:
    words = ", ".join(missing) if len(missing) <= _MOST_NAMED else "any topic that is asked for"
    return f"no file for {words} was found."


def _is_answer(one: Owned) -> bool:
    """Whether it could be one; tests that a student has beside it are none."""
    name = one.names[-1].lower()
    return not one.found.is_folder and name.endswith(ANSWERS) and not name.startswith(PREFIX)
