"""No attack on the machine gets through the sandbox; each is proved to work where there is none."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradus.sandbox.groups import best_place
from gradus.sandbox.levels import Level, probe_level
from tests.attacks.everything import ATTACKS
from tests.attacks.machine_table import COUNTED, NEEDS_ROOT, NO_CONTROL
from tests.users import as_nobody, without_sys_admin

EVERYTHING = Path(__file__).parent / "everything.py"
WAYS = ("with a control group", "watched", "as an ordinary user", "as root in Docker")
pytestmark = pytest.mark.skipif(
    probe_level().level is not Level.SANDBOX, reason=f"no sandbox here: {probe_level()}"
)


def run(way, before=(), **variables):
    """What came of every attack."""
    variables = {**os.environ, "GRADUS_TEST_SECRET": "x", **variables}
    variables |= {"PYTHONPATH": str(EVERYTHING.parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*before, sys.executable, str(EVERYTHING), way],
        capture_output=True,
        text=True,
        env=variables,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def outcome(way):
    """What comes of every attack in one of the ways, or why it cannot be tried here."""
    root = os.geteuid() == 0
    if way == "plain":
        return run("plain")
    if way == "with a control group":
        if best_place() is None:
            return "no control group is to be had here"
        return run("sandbox")
    if way == "watched":
        return run("sandbox", GRADUS_CGROUP="off")
    if not root:
        return "this already is an ordinary user"
    if way == "as an ordinary user":
        return run("sandbox", as_nobody())
    return run("sandbox", without_sys_admin(), GRADUS_CGROUP="off")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What came of a way: found once, also where several processes run these tests."""
    known = {}
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder

    def find(way):
        if way not in known:
            with (folder / f"{way}.json").open("a+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                if text := file.read():
                    known[way] = json.loads(text)
                else:
                    known[way] = outcome(way)
                    json.dump(known[way], file)
        if isinstance(known[way], str):
            pytest.skip(known[way])
        return known[way]

    return find


def test_there_are_many():
    assert len(ATTACKS) >= 100
    assert {*NO_CONTROL, *NEEDS_ROOT, *COUNTED} <= set(ATTACKS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_sandbox_stops(attack, way, results):
    found = results(way)
    assert found["isolation"].startswith("sandbox ")
    if attack in COUNTED and "held by a control group" in found["isolation"]:
        pytest.skip(f"{attack} does no harm where a control group counts")
    said = found[attack]
    assert "error" in said or not eval_text(said["evidence"]), said


@pytest.mark.parametrize("attack", ATTACKS)
def test_without_a_sandbox_succeeds(attack, results):
    if attack in NO_CONTROL:
        pytest.skip(f"{attack} {NO_CONTROL[attack]}")
    if attack in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip(f"{attack} needs {NEEDS_ROOT[attack]}")
    said = results("plain")[attack]
    assert eval_text(said.get("evidence", "''")), said


def eval_text(text):
    """Whether a `repr` is of something truthy: none of these is ever empty but the empty ones."""
    return text not in ("''", "[]", "False", "None", "0", "{}", "b''")
