"""Whose turn it is while a class is graded: an answer is read when it is graded, and its grade kept at once."""

import errno
import os
import random
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gradus.classroom.grade.answer import dependencies, key_of, read_answer
from gradus.classroom.grade.outline import odd_in
from gradus.classroom.grade.pool import Answered, Asked
from gradus.classroom.grade.store import Graded, Short, Store, Whose
from gradus.classroom.placing.place import HandedIn
from gradus.classroom.verdicts import require_verdicts
from gradus.course import Course
from gradus.engine.ended import Ended
from gradus.errors import GraderError, GradusError, SubmissionError

TRIES = 3  # for an answer of which the kit was changed while it was graded


@dataclass(frozen=True)
class Settings:
    """How a class is graded.

    Args:
        jobs: Answers at a time.
        limit: Seconds that one answer may take in all.
        devices: That checks run on; those of a plain pytest run when empty.
        regrade: Whether to grade anew what is in the store.
    """

    jobs: int
    limit: float = 600.0
    devices: tuple[str, ...] = ()
    regrade: bool = False


@dataclass
class Work:
    """What there is to do.

    Args:
        left: The answers to grade, each once: by key those who handed it in. Their files are read again
            when it is their turn, for a class does not fit into memory.
        counts: By student and topic, the key of the answer that counts now.
        known: How many hand-ins the store has a grade of.
        refused: What is not graded, with the reason.
    """

    left: dict[str, list[HandedIn]] = field(default_factory=dict)
    counts: dict[tuple[str, str], str] = field(default_factory=dict)
    known: int = 0
    refused: list[tuple[HandedIn, str]] = field(default_factory=list)

    def marks(self, store: Store) -> list[Short]:
        """The grades of what was handed in now: one of an older answer is no mark for a new one."""
        return [
            one for one in store.shorts() if self.counts.get((one.student, one.topic)) == one.key
        ]


@dataclass(frozen=True)
class Done:
    """One answer is no longer to be graded.

    Args:
        whose: Who handed it in.
        problem: Why there is no mark, where there is none.
        odd: What a person may want to look at, where there is one.
        elsewhere: Whether another run has graded it meanwhile.
    """

    whose: Sequence[HandedIn]
    problem: str = ""
    odd: str = ""
    elsewhere: bool = False


@dataclass(frozen=True)
class _Turn:
    """An answer that is to be graded, and how often it was."""

    topic: str
    key: str
    whose: Sequence[HandedIn]
    tries: int = 0
    depends: str = ""  # what its grade depends on, as it was when it began
    was_killed: bool = False  # one of its processes was, the time before


class Turns:
    """Whose turn it is, who is being graded, and what became of them."""

    def __init__(self, course: Course, work: Work, store: Store, settings: Settings) -> None:
        self._course, self._work, self._store = course, work, store
        self._settings = settings
        self.left = deque(
            _Turn(whose[0].topic, key, tuple(whose)) for key, whose in _mixed(work.left)
        )
        self._running: dict[str, _Turn] = {}
        self._said: list[Done] = []

    def said(self) -> Iterator[Done]:
        """What was done without being graded."""
        said, self._said = self._said, []
        yield from said

    def asked(self) -> Iterator[Asked]:
        """The answers that are to be graded, each read when it is its turn."""
        while self.left:
            turn = self.left.popleft()
            one, settings = turn.whose[0], self._settings
            try:
                answer = read_answer(self._course, turn.topic, one.file, one.folder)
            except SubmissionError as error:
                self._others(turn)
                self._work.counts.pop((one.student, one.topic), None)
                self._said.append(Done([one], str(error)))
                continue
            depends = self._depends(turn.topic)
            key = key_of(turn.topic, answer, depends)
            if key != turn.key:  # what others handed in may be as it was
                self._others(turn)
                turn = replace(turn, whose=[one])
            for who in turn.whose:
                self._work.counts[who.student, who.topic] = key
            if key in self._running:
                same = self._running[key]
                self._running[key] = replace(same, whose=[*same.whose, *turn.whose])
            elif not settings.regrade and self._store.known(key):
                self._store.hand_in([whose_of(who, key) for who in turn.whose])
                self._said.append(Done(turn.whose, elsewhere=True))
            else:
                turn = replace(turn, key=key, tries=turn.tries + 1, depends=depends)
                self._running[key] = turn
                yield Asked(
                    key, turn.topic, answer.packed(), None, settings.limit, settings.devices
                )

    def _depends(self, topic: str) -> str:
        return dependencies(self._course, topic, self._settings.limit, self._settings.devices)

    def _others(self, turn: _Turn) -> None:
        """Those who handed in the same, without the first of them."""
        if len(turn.whose) > 1:
            self.left.appendleft(replace(turn, whose=turn.whose[1:]))

    def take(self, answered: Answered) -> Iterator[Done]:
        """Keep a grade."""
        asked, problem = answered.asked, answered.problem
        turn = self._running.pop(asked.key)
        if self._depends(turn.topic) != turn.depends:
            if turn.tries < TRIES:  # nobody knows which checks it met
                self.left.append(replace(turn, key=""))
                return
            problem = "the kit was changed each time while it was graded. Grade it again."
        if answered.report is not None and not problem:
            try:
                require_verdicts(answered.report.topic(turn.topic))
            except GraderError as error:
                problem = str(error)
        _require_room(problem)
        if not turn.was_killed and _killed(answered):
            # By whom, nobody knows: the system where memory was short, a person, or the answer itself.
            self.left.append(replace(turn, was_killed=True))
            return
        if answered.report is not None and not problem:
            grade = graded_of(answered)
            whose = [whose_of(one, asked.key) for one in turn.whose]
            try:
                self._store.keep(grade, whose, replace=self._settings.regrade)
            except GradusError as error:
                names = ", ".join(one.student for one in turn.whose)
                raise GradusError(
                    f"{error}\nGraded, and not kept: {names}, {turn.topic}. What was kept before stays; the "
                    "same command goes on from there."
                ) from error
            yield Done(turn.whose, odd=odd_in(answered.report.topic(turn.topic)))
        else:
            yield Done(turn.whose, problem)


def _mixed(left: dict[str, list[HandedIn]]) -> list[tuple[str, list[HandedIn]]]:
    """In the order of topics, and else in none: two runs of one class rarely take the same answer at a time."""
    order = {topic: n for n, topic in enumerate(dict.fromkeys(w[0].topic for w in left.values()))}
    mixed = list(left.items())
    random.shuffle(mixed)
    return sorted(mixed, key=lambda one: order[one[1][0].topic])


def _killed(answered: Answered) -> bool:
    """Whether one of its processes was, in the middle of a check or between two of them."""
    words, topics = Ended(-9).words(), answered.report.topics if answered.report is not None else ()
    checks = (check for topic in topics for check in topic.checks())
    return words in answered.problem or any(words in check.message for check in checks)


def _require_room(problem: str) -> None:
    if os.strerror(errno.ENOSPC) in problem:
        raise GradusError(
            f"{tempfile.gettempdir()}: there is no room for what is graded ({problem}). Make room, or set "
            "TMPDIR to a folder on another disk. What was graded is kept; the same command goes on from there."
        )


def graded_of(answered: Answered) -> Graded:
    """What the store keeps of an answer that got a report."""
    assert answered.report is not None
    asked = answered.asked
    return Graded(
        asked.key, asked.topic, asked.answer, answered.seed, answered.report, answered.seconds
    )


def whose_of(one: HandedIn, key: str) -> Whose:
    """Whose answer a key stands for, and what a person calls the file."""
    return Whose(one.student, one.topic, key, one.called)
