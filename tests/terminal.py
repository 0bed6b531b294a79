"""A terminal of 80 columns and 24 rows for tests: tmux, with a server of its own."""

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import TracebackType

import pytest

NEEDS_TMUX = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
PATIENCE = 90.0  # seconds until something has to stand on the screen, on a busy machine
PROMPT = "ready$ "


class Terminal:
    """A shell in a folder, whose screen can be read and which can be typed into.

    Args:
        folder: Where the shell starts.
    """

    def __init__(self, folder: Path, rows: int = 24) -> None:
        self._server = f"gradus-{uuid.uuid4().hex[:12]}"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        shell = f"env PATH={shlex.quote(path)} PS1={shlex.quote(PROMPT)} sh"
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            str(rows),
            "-c",
            str(folder),
            shell,
        )
        self.sees(PROMPT.strip())

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tmux("kill-server")

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._server, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def screen(self) -> str:
        """What stands on the screen now."""
        return self._tmux("capture-pane", "-p")

    def type(self, text: str) -> None:
        """Press keys."""
        self._tmux("send-keys", "-l", text)

    def press(self, key: str) -> None:
        """Press a key that has a name, such as Enter or C-c."""
        self._tmux("send-keys", key)

    def run(self, command: str, *seen: str) -> str:
        """Type a command on an empty screen; the screen when it has ended and shows these words."""
        self.type(f"clear; {command}")
        self.press("Enter")
        return self.sees(*seen, last=PROMPT.strip())

    def sees(self, *words: str, last: str = "") -> str:
        """Wait until all the words stand on the screen, and its last line begins with `last`; the screen."""
        until = time.monotonic() + PATIENCE
        while True:
            screen = self.screen()
            lines = screen.rstrip().splitlines()
            at_end = not last or (bool(lines) and lines[-1].strip() == last)
            if at_end and all(word in screen for word in words):
                return screen
            if time.monotonic() > until:
                pytest.fail(f"expected {words} on the screen, got:\n{screen}")
            time.sleep(0.05)
