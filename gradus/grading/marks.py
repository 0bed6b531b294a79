"""The marks of checks."""

import pytest

DECLARED = (
    "task(name, points=1, hint=''): the task that a check belongs to, and what it is worth.",
    "hidden: a check that stays with the instructor.",
    "devices(*names): of cpu, simulated and cuda, those that a check with `device` runs on.",
    "trains: a check whose own models, optimizers and loaders the submission gets, and not copies.",
    "gpu: a test that needs a real GPU; skipped elsewhere.",
)


def is_check(item: pytest.Item) -> bool:
    """Whether a test is a graded check."""
    return item.get_closest_marker("task") is not None


def trains(item: pytest.Item) -> bool:
    """Whether a check passes its own models, optimizers and loaders, to see what becomes of them."""
    return item.get_closest_marker("trains") is not None


def is_hidden(item: pytest.Item) -> bool:
    """Whether a check stays with the instructor."""
    return item.get_closest_marker("hidden") is not None


def hidden_last(items: list[pytest.Item]) -> None:
    """Put the hidden checks of each file behind its public ones.

    What a hidden check passes to a submission must not come out in the message of a public one.
    """
    place = {path: number for number, path in enumerate(dict.fromkeys(i.path for i in items))}
    items.sort(key=lambda i: (place[i.path], is_check(i) and is_hidden(i)))
