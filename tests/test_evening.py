"""An evening of a student's in a terminal of 80x24: ten tasks of `tensors`, each with a real mistake first."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gradus.course import Course, find_course, load_course
from gradus.topic import Topic, todo_line
from tests.terminal import NEEDS_TMUX, Terminal
from tests.users import ROOT

WAITS = "waiting for a file to be saved"


@dataclass(frozen=True)
class Step:
    """A task, what a student writes first, and what is then on the screen."""

    task: str
    wrong: str
    seen: tuple[str, ...]


EVENING = [
    Step("from_rows", "return torch.Tensor(rows)", ("expected", "got")),
    Step("number_grid", "return torch.ones(rows, cols)", ("expected int64", "got      float32")),
    Step("standardize", "return (x - x.mean()) / (x.std() + eps)", ("standardize(", "expected")),
    Step("pairwise_distances", "return (a - b).square().sum(-1).sqrt()", ("raised", "exercises/tensors.py:")),
    Step("split_heads", "return x.rehsape(x.shape[0], heads, -1)", ("AttributeError", "rehsape")),
    Step("merge_heads", "return x.transpose(1, 2).view(*x.shape[:2], -1)", ("raised   RuntimeError",)),
    Step("one_hot", "return torch.nn.functional.one_hot(labels, num_classes", ("SyntaxError", "never closed")),
    Step("masked_mean", "while True: pass", ("checking for",)),
    Step("gather_rows", "x[torch.arange(len(x))[:, None], index]", ("None", "gather_rows(")),
    Step("best_of", "print(x.shape)\n    return x.max(), x.argmax()", ("printed  | torch.Size(",)),
]  # fmt: skip


@pytest.fixture(scope="module")
def reference() -> Topic:
    return Topic.load(find_course(ROOT).solution("tensors"))


class Exercise:
    """The file that the student edits."""

    def __init__(self, course: Course) -> None:
        self._path = course.exercise("tensors")

    def text(self) -> str:
        return self._path.read_text("utf-8")

    def save(self, old: str, new: str) -> None:
        """Replace a text that is there once, as an editor saves."""
        before = self.text()
        assert before.count(old) == 1, old
        self._path.write_text(before.replace(old, new), encoding="utf-8")


def answer(reference: Topic, task: str) -> str:
    """The body of the reference's function: what stands in place of the TODO."""
    lines = reference.tasks[task].source.splitlines()
    begin, end = (
        next(n for n, row in enumerate(lines) if word in row) for word in ("BEGIN", "END")
    )
    return "\n".join(lines[begin + 1 : end]).strip()


@pytest.fixture
def evening(tmp_path) -> Iterator[Terminal]:
    with Terminal(tmp_path) as terminal:
        yield terminal


@NEEDS_TMUX
def test_an_evening(evening, reference, tmp_path):
    terminal = evening
    terminal.run("gradus init 'my course' --topic tensors", "my course")
    terminal.run("cd 'my course'")
    course = load_course(tmp_path / "my course")
    exercise = Exercise(course)

    terminal.run("gradus", "tensors", "next: gradus check tensors.from_rows")
    screen = terminal.run("gradus check from_rows", "next: from_rows   exercises/tensors.py:")
    assert "gradus hint tensors.from_rows" in screen

    terminal.type("clear; gradus watch")
    terminal.press("Enter")
    terminal.sees("next: from_rows", WAITS)
    for step in EVENING:
        exercise.save(todo_line(step.task), step.wrong)
        named = f"gradus watch   tensors.{step.task}"
        terminal.sees(*step.seen, named)
        exercise.save(step.wrong, answer(reference, step.task))
        screen = terminal.sees(f"tensors.{step.task} is done.", named, WAITS)
        assert len(screen.rstrip().splitlines()) <= 24
    terminal.type("l")
    terminal.sees("done      best_of", "not tried join_and_split")
    terminal.type("n")
    terminal.sees("gradus watch   tensors.join_and_split", "next: join_and_split", WAITS)
    terminal.type("h")
    terminal.sees("1 of ")
    terminal.type("q")
    terminal.sees(last="ready$")

    terminal.run("gradus", "50 / 68", "next: gradus check tensors.join_and_split")
    terminal.run("gradus solution best_of", "return values, indices")
    screen = terminal.run("gradus solution low_rank", "--anyway")
    assert "return" not in screen
    done = exercise.text()
    terminal.run("gradus reset one_hot", "gradus restore tensors")
    terminal.run("gradus", "43 / 68")
    terminal.run("gradus restore tensors", "is as it was kept")
    assert exercise.text() == done
    screen = terminal.run("cd exercises && gradus check tensors", "tensors: 50 of 68 points")
    assert "todo     join_and_split 5, low_rank 4, scale_ 4, share_with_numpy 5" in screen
