"""No attack on the machine gets through the sandbox; each is proved to work where there is none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradus.sandbox.levels import Level, probe_level
from tests.attacks.everything import ATTACKS, NEEDS_ROOT, NO_CONTROL

EVERYTHING = Path(__file__).parent / "everything.py"
NOBODY = 65534
pytestmark = pytest.mark.skipif(
    probe_level().level is not Level.SANDBOX, reason=f"no sandbox here: {probe_level()}"
)


def as_nobody():
    """The words that run a command as an ordinary user who can read this Python, wherever it lies."""
    line = [shutil.which("bwrap"), "--dev-bind", "/", "/", "--die-with-parent"]
    line += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), EVERYTHING.parent.parent.parent}
    if any(Path("/root") in prefix.parents for prefix in prefixes):  # closed to others
        line += ["--perms", "0755", "--tmpfs", "/root"]
        for prefix in prefixes:
            if Path("/root") in prefix.parents:
                for outer in list(reversed(prefix.parents))[2:]:
                    line += ["--perms", "0755", "--dir", str(outer)]
                line += ["--ro-bind", str(prefix), str(prefix)]
    words = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    return [*line, "--chdir", "/tmp", "--", *words]


def run(way, before=()):
    """What came of every attack."""
    variables = {**os.environ, "GRADUS_TEST_SECRET": "x", "PYTHONPATH": str(EVERYTHING.parents[2])}
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [*before, sys.executable, str(EVERYTHING), way],
        capture_output=True,
        text=True,
        env=variables,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def sandboxed():
    return run("sandbox")


@pytest.fixture(scope="module")
def sandboxed_as_nobody():
    if os.geteuid() != 0:
        pytest.skip("this already is an ordinary user")
    return run("sandbox", as_nobody())


@pytest.fixture(scope="module")
def plain():
    return run("plain")


def test_there_are_many():
    assert len(ATTACKS) >= 25
    assert {*NO_CONTROL, *NEEDS_ROOT} <= set(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_sandbox_stops(attack, sandboxed):
    assert sandboxed["isolation"].startswith("sandbox ")
    said = sandboxed[attack]
    assert "error" in said or not eval_text(said["evidence"]), said


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_sandbox_of_an_ordinary_user_stops(attack, sandboxed_as_nobody):
    assert sandboxed_as_nobody["isolation"].startswith("sandbox ")
    said = sandboxed_as_nobody[attack]
    assert "error" in said or not eval_text(said["evidence"]), said


@pytest.mark.parametrize("attack", ATTACKS)
def test_without_a_sandbox_succeeds(attack, plain):
    if attack in NO_CONTROL:
        pytest.skip(f"{attack} {NO_CONTROL[attack]}")
    if attack in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip(f"{attack} needs {NEEDS_ROOT[attack]}")
    assert eval_text(plain[attack].get("evidence", "''")), plain[attack]


def eval_text(text):
    """Whether a `repr` is of something truthy: none of these is ever empty but the empty ones."""
    return text not in ("''", "[]", "False", "None", "0", "{}", "b''")
