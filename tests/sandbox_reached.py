"""Start one sandbox as whoever runs this, and print as JSON what it reaches and what a worker answers.

`python sandbox_reached.py '{"code": "answer = 1", "kit": "/path"}'`
"""

import json
import sys
from pathlib import Path

from gradus.sandbox.errors import SandboxError
from gradus.sandbox.levels import Level
from gradus.sandbox.limits import Limits
from gradus.sandbox.slot import Slot
from gradus.wall.slots import hidden_from_submissions

SERVE = Path(__file__).parent / "sandbox_serve.py"


def main(wish):
    hidden = hidden_from_submissions(Path(wish["kit"])) if "kit" in wish else ()
    limits = Limits(memory=400 << 20, processes=wish.get("processes", 64))
    readable = [SERVE, *map(Path, wish.get("readable", ()))]
    with Slot(readable, limits, Level.SANDBOX, hidden=hidden) as slot:
        try:
            worker = slot.start(f"{SERVE}:serve")
        except SandboxError as error:
            return {"error": str(error)}
        worker.socket.settimeout(60)
        with worker.socket.makefile("rw", encoding="utf-8") as lines:
            lines.readline()
            print(json.dumps(wish["code"]), file=lines, flush=True)
            try:
                line = lines.readline()
            except (TimeoutError, OSError):
                line = ""
        ended = worker.stop().words
        isolation = slot.isolation
        return {
            "level": str(isolation.level),
            "details": isolation.details,
            "answer": json.loads(line) if line else None,
            "ended": ended,
        }


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
