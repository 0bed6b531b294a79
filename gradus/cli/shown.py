"""Progress in lines of at most 80 columns."""

from collections.abc import Iterable, Iterator, Sequence

from gradus.cli.app import styled
from gradus.course import Course
from gradus.grading.remembered.other_form import words
from gradus.student.progress import State, TaskProgress, TopicProgress, day_and_time

BAR = 10
COLOURS = {State.DONE: "green", State.TRIED: "yellow", State.EDITED: "cyan", State.OPEN: None}
WIDTH = 80


def overview(course: Course, topics: Sequence[TopicProgress]) -> Iterator[str]:
    """A line for each topic, the totals, what a student may have missed, and what comes next."""
    width = max([len("topic"), *(len(t.topic.name) for t in topics)])
    head = f"{'topic':<{width}}   points             last check        next task"
    yield styled(head, bold=True)
    for topic in topics:
        yield _topic_line(topic, width)
    yield styled(f"{'total':<{width}} {_points(topics)} {_bar(topics)}", bold=True)
    for topic in topics:
        if topic.edited():
            yield _cut(f"edited, not checked yet: {topic.topic.name}: {', '.join(topic.edited())}")
        if topic.newer is not None:
            yield words(course, topic.newer)
        if topic.topic.problem:
            yield styled(f"{topic.topic.name}: {topic.topic.problem}", fg="red")
    yield from _next(topics)


def tasks(topics: Sequence[TopicProgress]) -> Iterator[str]:
    """A line for each task below the one of its topic, and the totals."""
    everything = [task for topic in topics for task in topic.tasks]
    if len(topics) == 1:
        yield topics[0].topic.title
    width = max([len("task"), *(len(task.task.name) for task in everything)])
    yield styled(f"{'':<12}{'task':<{width}}   points  minutes  difficulty", bold=True)
    for topic in topics:
        name = f"{topic.topic.name:<{width + 13}}"
        yield styled(f"{name}{_points([topic])}{_left([topic])}", bold=True)
        if topic.topic.problem:
            yield styled(f"  {topic.topic.problem}", fg="red")
        for task in topic.tasks:
            yield _task_line(task, width)
    if len(topics) > 1:
        yield styled(f"{'total':<{width + 13}}{_points(topics)}{_left(topics)}", bold=True)
    yield from _next(topics)


def _left(topics: Iterable[TopicProgress]) -> str:
    left = sum(topic.minutes_left for topic in topics)
    if not left:
        return ""
    hours, minutes = divmod(left, 60)
    return "  " + (f"{hours} h {minutes} min left" if hours else f"{minutes} min left")


def _task_line(task: TaskProgress, width: int) -> str:
    about = task.task
    minutes = "" if about.minutes is None else f"{about.minutes:>4} min"
    points = f"{task.earned:>3} / {about.points:<3}"
    colour = COLOURS[task.state]
    state = styled(f"{task.state.value:<10}", **({"fg": colour} if colour else {"dim": True}))
    return f"  {state}{about.name:<{width}} {points} {minutes:<8}  {about.difficulty}".rstrip()


def _topic_line(topic: TopicProgress, width: int) -> str:
    checked = day_and_time(topic.last) if topic.last is not None else ""
    begun = topic.last is not None or topic.earned
    colour = "green" if topic.topic.points and topic.earned == topic.topic.points else "yellow"
    bar = styled(_bar([topic]), fg=colour) if begun else _bar([topic])
    step = topic.next_task or "done"
    room = WIDTH - width - 42
    return f"{topic.topic.name:<{width}} {_points([topic])} {bar}  {checked:<16}  {step[:room]}".rstrip()


def _points(topics: Iterable[TopicProgress]) -> str:
    known = list(topics)
    return f"{sum(t.earned for t in known):>3} / {sum(t.topic.points for t in known):<3}"


def _bar(topics: Iterable[TopicProgress]) -> str:
    known = list(topics)
    possible = sum(topic.topic.points for topic in known)
    full = BAR * sum(topic.earned for topic in known) // max(1, possible)
    return "#" * full + "." * (BAR - full)


def _next(topics: Iterable[TopicProgress]) -> Iterator[str]:
    begun = next((topic for topic in topics if topic.next_task is not None), None)
    if begun is not None:
        yield f"next: gradus check {begun.topic.name}.{begun.next_task}"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."
