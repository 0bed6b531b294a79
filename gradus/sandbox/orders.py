"""What the judge tells a zygote when it starts it: one JSON object on the command line."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gradus.sandbox.limits import Limits


@dataclass(frozen=True)
class Ready:
    """What a zygote has ready for its workers, besides torch and the module of what they run.

    Args:
        around: "module:function"; called with the zygote's loop and with `about`, it calls the loop while it
            holds what all workers inherit. "": nothing is held.
        about: What the function is told.
        memory_files: Whether workers may make shared memory without a name, which only a control group counts.
    """

    around: str = ""
    about: str = ""
    memory_files: bool = False


@dataclass(frozen=True)
class Orders:
    """How a zygote sets itself up. `control` is its end of the judge's control socket."""

    control: int = -1
    user: int | None = None  # the unused user to become: set where the judge is root
    seccomp: bool = True
    shared_anonymous: bool = False  # memory without a file: a control group counts it
    namespace: bool = True  # process 1 of a namespace of its own, which it may empty
    folders: tuple[str, ...] = ("/scratch", "/tmp", "/dev/shm")  # the first is the working folder
    others: int = 0  # processes of the same user elsewhere
    limits: Limits = field(default_factory=Limits)
    probe: bool = False  # only say what was reached
    serve: str = ""  # what to import ahead: "module:function" or "/path/to/file.py:function"
    ready: Ready = field(default_factory=Ready)
    once: bool = False  # be the worker, and run `serve`: where there is no fork server
    channel: str = ""  # for `once`: "fd:5" or "tcp:PORT:TOKEN"

    def text(self) -> str:
        """These orders as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "Orders":
        """The orders in `text`, which the judge wrote."""
        data: dict[str, Any] = json.loads(text)
        limits, ready = Limits(**data.pop("limits")), Ready(**data.pop("ready"))
        return cls(**{**data, "folders": tuple(data["folders"]), "limits": limits, "ready": ready})

    @property
    def scratch(self) -> Path:
        """The worker's working folder."""
        return Path(self.folders[0])
