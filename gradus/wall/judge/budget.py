"""The seconds that one submission may cost, every load and every check together."""

import time
from types import TracebackType

from gradus.sandbox.levels import Isolation

SECONDS = 600.0


class Budget:
    """Counts the time in which a submission's process was waited for.

    Args:
        seconds: That there are.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._used, self._depth = 0.0, 0
        self._begun = 0.0

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at the least."""
        return max(0.0, self.seconds - self._used)

    def spending(self) -> "Budget":
        """Count the block of a `with` statement; one inside another counts once."""
        return self

    def __enter__(self) -> None:
        if self._depth == 0:
            self._begun = time.monotonic()
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._used += time.monotonic() - self._begun


def reached(isolation: Isolation, limit: float) -> dict[str, str]:
    """What a submission is held to, in words: the level, what is shut off, and its seconds."""
    time = f"{limit:g} s for one submission, all loads and checks together"
    return {"level": str(isolation.level), **isolation.details, "time": time}
