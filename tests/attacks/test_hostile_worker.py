"""A judge among hostile messages: a stateful model takes thousands of steps, and nothing happens."""

import pytest

from tests.attacks import hostile_worker

pytestmark = pytest.mark.filterwarnings("ignore")


def test_thousands_of_steps_of_a_hostile_worker_do_nothing():
    hostile_worker.run(examples=60, steps=50)


def test_the_watch_sees_what_must_not_happen(tmp_path, monkeypatch):
    """The control: each kind of event is seen."""
    hostile_worker.watch()
    monkeypatch.setattr(hostile_worker, "violations", seen := [])
    monkeypatch.setattr(hostile_worker, "watching", True)
    for act in (
        lambda: (tmp_path / "a").write_text("x"),
        lambda: (tmp_path / "a").unlink(),
        lambda: exec(compile(f"x = '{hostile_worker.MARK}'", "<x>", "exec")),
        lambda: __import__("pickle").loads(b"cos\nsystem\n."),
        lambda: __import__("subprocess").run(["true"], check=False),
    ):
        before = len(seen)
        act()
        assert len(seen) > before
