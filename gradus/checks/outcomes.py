"""How a check says that an answer is wrong."""

from typing import NoReturn

DETACHED = (
    "gradient missing: look for .detach(), .item(), .data, .numpy(), torch.tensor(...) "
    "or torch.no_grad() on the way"
)


class Mismatch(AssertionError):
    """An answer that is wrong: what was expected, what came, and words that explain it."""

    def __init__(self, expected: str, got: str, *notes: str) -> None:
        super().__init__(expected, got, *notes)
        self.expected, self.got, self.notes = expected, got, [note for note in notes if note]

    def __str__(self) -> str:
        return "; ".join([f"expected {self.expected}, got {self.got}", *self.notes])


class Failure(AssertionError):
    """An answer that is wrong in a way that one sentence tells."""


def fail(message: str) -> NoReturn:
    """End the check: the answer is wrong, and `message` tells the student how."""
    __tracebackhide__ = True
    raise Failure(message)
