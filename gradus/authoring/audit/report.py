"""What an audit found out: shares by task, survivors, and what is wrong with the records."""

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gradus.authoring.audit.equivalents import Records, read_records, records_path
from gradus.authoring.audit.mutants import Mutant, mutants_of
from gradus.authoring.audit.run import Outcome
from gradus.course import Course
from gradus.submission.status import Status
from gradus.topic import Topic


@dataclass(frozen=True)
class Plan:
    """What is to be graded, and what is known about it beforehand."""

    topic: Topic
    mutants: tuple[Mutant, ...]
    records: Records
    stale: tuple[str, ...]


def make_plan(course: Course, name: str, tasks: Collection[str] = ()) -> Plan:
    """Make the mutants of a topic (or of these tasks), and look its records up.

    Raises:
        TopicError: If there is no such task, or the file of records is damaged.
    """
    topic = Topic.load(course.solution(course.require(name)))
    records = read_records(records_path(course, name))
    mutants = mutants_of(topic, tasks)
    stale = records.stale(topic, mutants, tasks)
    return Plan(topic, tuple(records.to_grade(mutants)), records, tuple(stale))


@dataclass(frozen=True)
class Counts:
    """Mutants of one task. `total` leaves out those that are recorded as equivalent."""

    task: str
    total: int
    noticed: int
    elsewhere: int
    equivalent: int


@dataclass(frozen=True)
class Findings:
    """The outcomes of one topic, seen together with its records."""

    plan: Plan
    outcomes: Sequence[Outcome]

    @property
    def survivors(self) -> list[Outcome]:
        """Mutants that no check noticed, and that nobody has explained."""
        return [o for o in self.outcomes if o.survived and not self._equivalent(o)]

    @property
    def broken(self) -> list[Outcome]:
        """Mutants on which a check failed by the grader's own fault."""
        return [o for o in self.outcomes if o.status is Status.BROKEN]

    @property
    def share(self) -> float:
        """Part of the mutants that were noticed; 1 where there is none."""
        counts = self.counts()
        total = sum(count.total for count in counts)
        return sum(count.noticed for count in counts) / total if total else 1.0

    def counts(self) -> list[Counts]:
        """Numbers by task."""
        found = []
        for task in dict.fromkeys(outcome.mutant.task for outcome in self.outcomes):
            mine = [o for o in self.outcomes if o.mutant.task == task]
            judged = [o for o in mine if not self._equivalent(o)]
            noticed = [o for o in judged if not o.survived and o.status is not Status.BROKEN]
            found.append(
                Counts(
                    task,
                    len(judged),
                    len(noticed),
                    sum(o.elsewhere for o in noticed),
                    len(mine) - len(judged),
                )
            )
        return found

    def complaints(self) -> list[str]:
        """Records that are no longer true: their mutant does not arise, or a check notices it now."""
        found = list(self.plan.stale)
        for outcome in self.outcomes:
            if self._equivalent(outcome) and not outcome.survived:
                found.append(
                    f"{outcome.mutant.task}: {outcome.mutant.operator}: {outcome.mutant.new!r} is "
                    f"recorded as equivalent, but {outcome.check or 'loading it'} notices it "
                    f"({outcome.status.value}). Is the check too strict, or the record wrong?"
                )
        return found

    def _equivalent(self, outcome: Outcome) -> bool:
        return self.plan.records.are_equivalent(outcome.mutant)


def difference(topic: Topic, mutant: Mutant) -> list[str]:
    """The changed lines with one line around them, as `diff -u` writes them."""
    before = topic.source.splitlines()
    after = mutant.source(topic).splitlines()
    return list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
