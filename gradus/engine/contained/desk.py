"""What a supervisor does for a judge that is shut in: a new worker, interrupt it, stop it. Nothing else."""

from gradus.engine.contained.talk import Nonsense, Said, Talk
from gradus.sandbox.slot import Worker
from gradus.sandbox.slots import WarmSlot

MOST_WORKERS = 1_000  # for one judge: each case may lose one, and each statement of a file


class Desk:
    """Serves one judge.

    Args:
        talk: With the judge.
        slot: Where the workers come from.
    """

    def __init__(self, talk: Talk, slot: WarmSlot) -> None:
        self._talk, self._slot = talk, slot
        self._worker: Worker | None = None
        self._started = 0

    def serve(self, asked: object) -> None:
        """Do what is asked for, and answer.

        Raises:
            Nonsense: If it is nothing that a judge may ask for.
            SandboxError: If there is no worker to be had.
            OSError: If the judge does not take the answer.
        """
        if asked == "start" and self._started < MOST_WORKERS:
            self.close()
            self._started += 1
            self._worker = worker = self._slot.start_worker()
            self._talk.say({"started": True}, [worker.socket.fileno()])
        elif asked == "interrupt":
            sent = self._worker is not None and self._worker.interrupt()
            self._talk.say({"sent": sent})
        elif asked == "stop":
            self._talk.say(self.close())
        else:
            raise Nonsense("a request that a judge may not make")

    def kill(self) -> None:
        """Kill the worker that there is."""
        if self._worker is not None:
            self._worker.kill()

    def close(self) -> Said:
        """Stop the worker that there is; how it ended."""
        worker, self._worker = self._worker, None
        if worker is None:
            return {"words": "its process is gone", "code": None, "over_memory": False}
        ended = worker.stop()
        return {"words": ended.words, "code": ended.code, "over_memory": ended.over_memory}
