"""Pages as a browser shows them: headless Chromium, with what a page did on the way."""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


def open_page(address: str, *words: str) -> str:
    """The page's HTML after its scripts have run; skips where there is no browser."""
    if not CHROMIUM:
        pytest.skip("no Chromium here, and only a browser shows what a page does")
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--disable-background-networking", f"--user-data-dir={profile}",
                "--virtual-time-budget=8000", "--window-size=1200,2400", *words, "--dump-dom", address,
            ],
            capture_output=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def picture_of(address: str, path: Path) -> None:
    """Keep a picture of the page, for people."""
    open_page(address, f"--screenshot={path}")


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """A server that notes who asks for what: its address, and the paths asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
