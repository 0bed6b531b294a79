"""Workers as a judge that is shut in has them: its supervisor starts and stops them."""

import socket

from gradus.engine.contained.talk import Said, Talk
from gradus.sandbox.endings import Ended
from gradus.sandbox.levels import Isolation


class GivenWorker:
    """A running submission; `socket` is the judge's end of its channel."""

    def __init__(self, talk: Talk, channel: socket.socket) -> None:
        self.socket = channel
        self._talk = talk
        self._ended: Ended | None = None

    def interrupt(self) -> bool:
        """Have it stop what it is doing; False when there is nothing to interrupt."""
        return self._ended is None and bool(self._talk.ask("interrupt")[0]["sent"])

    def stop(self) -> Ended:
        """End it, and say how it ended. May be called again: the answer stays."""
        if self._ended is None:
            told: Said = self._talk.ask("stop")[0]
            self._ended = Ended(told["words"], told["code"], told["over_memory"])
            self.socket.close()
        return self._ended


class GivenWorkers:
    """Where the judge's workers come from.

    Args:
        talk: With the supervisor.
        isolation: The level that they run at, in words.
    """

    def __init__(self, talk: Talk, isolation: Isolation) -> None:
        self._talk, self._isolation = talk, isolation

    @property
    def isolation(self) -> Isolation:
        """The level that workers run at, in words."""
        return self._isolation

    def start_worker(self) -> GivenWorker:
        """A new worker; there is one at a time."""
        _, (descriptor,) = self._talk.ask("start")
        return GivenWorker(self._talk, socket.socket(fileno=descriptor))
