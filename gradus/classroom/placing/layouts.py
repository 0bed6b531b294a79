"""How the folders of a place lie: where students' folders begin, and whether all of it is one student's."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from gradus.classroom.placing.names import from_canvas, from_system, topic_in, without_copy_mark
from gradus.classroom.placing.walking import ANSWERS, ZIP, Found

_OF_NBGRADER = {"gradebook.db", "nbgrader_config.py", "release", "source"}
_SUBMITTED, _OWN = "submitted", "exercises"

# What a student calls the folders of several versions.
_VERSION = re.compile(
    r"(?:old|new|backup|bak|first|last|final|draft|copy|attempt|try|version|ver|v|hw|week|submission|[\W\d_])+",
    re.IGNORECASE,
)

Names = tuple[str, ...]


def within(found: Sequence[Found], topics: Names, in_kit: bool) -> list[tuple[Names, Found]]:
    """Names below the folder that holds a class: nbgrader's submitted/, or the only folder that there is.

    In an instructor's kit that is a folder beside its exercises.
    """
    inner = [(one.names, one) for one in found]
    while True:
        # A list of marks beside the folder of a class changes nothing.
        counted = [(n, one) for n, one in inner if len(n) > 1 or _may_be_handed_in(n[0], one)]
        first = {names[0] for names, _ in counted}
        if _SUBMITTED in first and (first & _OF_NBGRADER or len(first) == 1):
            inner = [(n, one) for n, one in inner if n[0] == _SUBMITTED]
        elif in_kit and len(of_class := _classes(inner, topics)) == 1:
            inner = [(n, one) for n, one in inner if n[0] in of_class]
            in_kit = False
        elif len(first) != 1 or from_system(*first) is not None or not is_class(inner, topics):
            return inner
        inner = [(names[1:], one) for names, one in inner if len(names) > 1]


def _may_be_handed_in(name: str, one: Found) -> bool:
    return one.is_folder or name.lower().endswith((*ANSWERS, ZIP))


def several(answers: Sequence[Names], topics: Names) -> list[str]:
    """Who may have handed in what counts as one student's: late/ann/, late/ben/; nobody where it is one's.

    Args:
        answers: Names of answers below the folder.
        topics: Of the course.
    """
    folders: dict[str, set[str]] = defaultdict(set)
    people = set()
    for names in answers:
        known = from_canvas(names[0]) or from_system(names[0])
        named = topic_in(Path(names[-1]).stem, topics)
        if known is not None:
            people.add(known.who)
        elif named is not None:
            folders[named.topic].add(without_copy_mark(names[0]) if len(names) > 1 else _OWN)
    if len(people) > 1 and not any(_OWN in holders for holders in folders.values()):
        return sorted(people)
    for holders in folders.values():
        own = any(name == _OWN or _VERSION.fullmatch(name) for name in holders)
        if len(holders) > 1 and not own:
            return sorted(holders)
    return []


def _classes(inner: Sequence[tuple[Names, Found]], topics: Names) -> set[str]:
    """The outermost folders that hold the folders of students."""
    inside = defaultdict(list)
    for names, one in inner:
        inside[names[0]].append((names, one))
    return {name for name, of in inside.items() if name != _OWN and is_class(of, topics)}


def is_class(inner: Sequence[tuple[Names, Found]], topics: Names) -> bool:
    """Whether folders of the only folder hold answers to the same topic: they are students, and it is none."""
    holders = defaultdict(set)
    for names, one in inner:
        named = topic_in(Path(names[-1]).stem, topics)
        if named is None or one.is_folder or not names[-1].lower().endswith(ANSWERS):
            continue
        if len(names) == 2:  # alice_tensors.py
            holders[named.topic].update({named.rest} - {"", "test"})
        elif len(names) > 2 and names[1] != _OWN:
            holders[named.topic].add(names[1])
    return any(len(folders) > 1 for folders in holders.values())


def downloads(inner: Sequence[tuple[Names, Found]]) -> set[str]:
    """The outermost folders that a learning management system packed, where most are such: week1/, week2/.

    In the folders of students its names mean nothing: a student may call a file after somebody else.
    """
    inside: dict[str, list[bool]] = defaultdict(list)
    for names, one in inner:
        if len(names) == 1 and one.is_folder:
            inside[names[0]] += []
        elif len(names) == 2 and (one.is_folder or names[1].lower().endswith(ANSWERS)):
            inside[names[0]].append(bool(from_system(names[1]) or from_canvas(names[1])))
    packed = {folder for folder, are in inside.items() if 2 * sum(are) > len(are)}
    return packed if 2 * len(packed) > len(inside) else set()


def is_one_students(inner: Sequence[tuple[Names, Found]], topics: Names) -> bool:
    """Whether a place beside others looks like one student's: no two of its folders could be two students'."""
    folders: dict[str, set[str]] = defaultdict(set)
    for names, one in inner:
        named = topic_in(stem_of(names[-1]), topics)
        if len(names) == 1 and not one.is_folder and named is not None and named.rest:
            return False  # alice_tensors.py
        own = topic_in(names[0], topics)
        if (own is None or own.rest) and (one.is_folder or len(names) > 1):
            answers = named is not None and names[-1].lower().endswith(ANSWERS)
            folders[names[0]].update([named.topic] if named is not None and answers else [])
    with_answers = [found for found in folders.values() if found]
    in_all = sum(len(found) for found in with_answers)
    apart = len(with_answers) > 1 and len(set().union(*with_answers)) == in_all
    return len(folders) <= 1 or apart  # hw1/tensors.py, hw2/cnn.py


def stem_of(name: str) -> str:
    """A name without the ending of a zip or of an answer."""
    return Path(name).stem if name.lower().endswith((*ANSWERS, ZIP)) else name
