"""Real sandboxes: what each level reaches, how workers end, and that nothing of them is left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradus.sandbox import cleaning, levels
from gradus.sandbox.bubblewrap import command
from gradus.sandbox.errors import SandboxError
from gradus.sandbox.levels import Level, probe_level
from gradus.sandbox.limits import Limits
from gradus.sandbox.slot import Slot
from gradus.sandbox.tasks import descendants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux")
SERVE_FILE = Path(__file__).parent / "sandbox_serve.py"
SERVE = f"{SERVE_FILE}:serve"
MB = 1 << 20
LIMITS = Limits(memory=400 * MB, files=3000, cpu_seconds=600)
WAYS = {
    "sandbox": {"level": Level.SANDBOX},
    "namespaces": {"level": Level.NAMESPACES},
    "process": {"level": Level.PROCESS},
    "once": {"fork_server": False},
}
GREEDY = """
import time
for _ in range(4):
    if os.fork() == 0:
        kept = bytearray(180 << 20)
        kept[::4096] = b"1" * len(range(0, len(kept), 4096))
        time.sleep(60)
time.sleep(60)
"""


@pytest.fixture(scope="module", params=WAYS)
def slot(request):
    """One slot of each kind, shared by the tests: each worker is a new one."""
    way = WAYS[request.param]
    level = way.get("level", Level.PROCESS)
    if list(Level).index(level) < list(Level).index(probe_level().level):
        pytest.skip(f"this machine reaches {probe_level()}")
    with Slot([SERVE_FILE], LIMITS, **way) as slot:
        yield slot


@pytest.fixture(scope="module")
def boxed():
    if probe_level().level is not Level.SANDBOX:
        pytest.skip(f"this machine reaches {probe_level()}")
    with Slot([SERVE_FILE], LIMITS) as slot:
        yield slot


def started(slot):
    worker = slot.start(SERVE)
    worker.socket.settimeout(60)
    worker.lines = worker.socket.makefile("rw", encoding="utf-8")
    assert worker.lines.readline() == "ready\n"
    return worker


def run(worker, code):
    """What `answer` is after `code`; None when the worker is lost on the way."""
    print(json.dumps(code), file=worker.lines, flush=True)
    try:
        line = worker.lines.readline()
    except ConnectionResetError:
        line = ""
    return json.loads(line) if line else None


@pytest.mark.parametrize(
    ("code", "words", "number"),
    [
        ("os._exit(3)", "it ended the whole process (exit code 3)", 3),
        ("os.kill(os.getpid(), 11)", "it crashed the whole process (SIGSEGV)", -11),
        ("os.kill(os.getpid(), 9)", "it crashed the whole process (SIGKILL)", -9),
        (GREEDY, "it took more than 400 MB of memory and was stopped", None),
    ],
    ids=["exit", "crash", "kill", "memory"],
)
def test_endings_in_words(slot, code, words, number):
    worker = started(slot)
    assert run(worker, code) is None
    ended = worker.stop()
    assert ended.words == words
    assert number is None or ended.code == number
    assert worker.stop() is ended


def test_a_worker_that_still_runs_is_stopped(slot):
    worker = started(slot)
    assert worker.running()
    assert worker.stop().words == "it was still running and was stopped"
    assert not worker.running()
    assert not worker.interrupt()


def test_interrupt(slot):
    worker = started(slot)
    code = """
import signal, time
caught = []
signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
os.write(%d, b"now\\n")
while not caught:
    time.sleep(0.01)
answer = "interrupted"
"""
    number = run(
        worker,
        "answer = [int(n) for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')"
        " and 'socket' in os.readlink(f'/proc/self/fd/{n}')][0]",
    )
    print(json.dumps(code % number), file=worker.lines, flush=True)
    assert worker.lines.readline() == "now\n"
    assert worker.interrupt()
    assert json.loads(worker.lines.readline()) == "interrupted"
    worker.stop()


def test_greed_in_one_process_is_a_memory_error(slot):
    worker = started(slot)
    code = "try: bytearray(2 << 30); answer = 'had'\nexcept MemoryError: answer = 'refused'"
    assert run(worker, code) == "refused"
    worker.stop()


def test_torch_works_after_the_fork(slot):
    worker = started(slot)
    code = """
import torch
x = torch.rand(300, 300, requires_grad=True)
(x @ x).sum().backward()
from torch.utils.data import DataLoader
batches = DataLoader(torch.arange(8.0), batch_size=4, num_workers=1)
answer = [x.grad.shape[0], sum(float(batch.sum()) for batch in batches), torch.get_num_threads()]
"""
    assert run(worker, code) == [300, 28.0, 1]
    worker.stop()


def test_nothing_is_left_for_the_next_worker(slot):
    worker = started(slot)
    code = """
import pathlib, subprocess, tempfile
pathlib.Path("mine").write_text("x")
pathlib.Path(tempfile.gettempdir(), "mine").write_text("x")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import time
        time.sleep(100)
    os._exit(0)
answer = os.wait()[1]
"""
    assert run(worker, code) == 0
    worker.stop()
    worker = started(slot)
    code = "import tempfile; answer = [os.path.exists(f'{p}/mine') for p in ('.', tempfile.gettempdir())]"
    assert run(worker, code) == [False, False]
    worker.stop()


def test_one_worker_at_a_time(slot):
    worker = started(slot)
    with pytest.raises(SandboxError, match="one worker at a time"):
        slot.start(SERVE)
    worker.stop()


def test_a_sandbox_that_is_lost_is_started_anew(boxed):
    worker = started(boxed)
    os.kill(boxed._host.root, signal.SIGKILL)
    assert worker.lines.readline() == ""
    assert worker.stop().words == "it was lost together with its sandbox"
    worker = started(boxed)
    assert run(worker, "answer = 1") == 1
    worker.stop()


def test_restart_and_close_end_the_worker(boxed):
    worker = started(boxed)
    boxed.restart()
    assert not worker.running()
    worker = started(boxed)
    boxed.close()
    assert worker.stop().words == "it was still running and was stopped"
    assert run(started(boxed), "answer = 2") == 2
    boxed.restart()


def test_what_a_worker_sees(boxed):
    worker = started(boxed)
    code = """
answer = {"uid": os.getuid(), "cwd": os.getcwd(), "env": sorted(os.environ), "pid1": os.getppid(),
  "home": os.listdir("/root") if os.path.exists("/root") and os.access("/root", 4) else [],
  "fds": len(os.listdir("/proc/self/fd"))}
"""
    seen = run(worker, code)
    worker.stop()
    assert seen["cwd"] == "/scratch"
    assert seen["pid1"] == 1
    assert "PYTEST_CURRENT_TEST" not in seen["env"]
    assert seen["fds"] == 5  # 0-2, the channel, the listing itself
    assert not {".ssh", ".bashrc", ".profile", ".cache"} & set(seen["home"])
    assert os.geteuid() != 0 or seen["uid"] not in (0, 65534)
    assert boxed.isolation.level is Level.SANDBOX
    assert set(boxed.isolation.details) == {"files", "network", "system calls", "memory", "user"}


def test_files_without_end(boxed):
    worker = started(boxed)
    code = (
        "import time\nfor i in range(9000): os.close(os.open(str(i), os.O_CREAT))\ntime.sleep(60)"
    )
    assert run(worker, code) is None
    assert worker.stop().words == "it made more than 3000 files and was stopped"


@pytest.mark.parametrize("way", WAYS)
def test_nothing_outlives_a_judge_that_is_killed(way, tmp_path):
    code = f"""
import sys, time
from tests.test_sandbox import LIMITS, SERVE, SERVE_FILE, WAYS, Slot, run, started
slot = Slot([SERVE_FILE], LIMITS, **WAYS[{way!r}])
worker = started(slot)
run(worker, "import subprocess; subprocess.Popen(['sleep', '300']); answer = 1")
from gradus.sandbox.tasks import descendants
import os
print(*descendants(os.getpid()), flush=True)
time.sleep(300)
"""
    if list(Level).index(WAYS[way].get("level", Level.PROCESS)) < list(Level).index(
        probe_level().level
    ):
        pytest.skip(f"this machine reaches {probe_level()}")
    root = Path(__file__).parent.parent
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root) as judge:
        processes = [int(word) for word in judge.stdout.readline().split()]
        judge.kill()
    assert len(processes) >= 2
    for _ in range(1500):
        alive = [number for number in processes if _lives(number)]
        if not alive:
            return
        time.sleep(0.02)
    pytest.fail(f"still there: {alive}")


def _lives(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_without_bubblewrap_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(levels.shutil, "which", lambda name: None)
    found = probe_level.__wrapped__()
    assert found.level is Level.PROCESS
    assert found.details["remedy"] == "apt install bubblewrap"
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        command(["true"])


def test_a_level_out_of_reach_is_refused():
    with pytest.raises(SandboxError, match="level sandbox was asked for"):
        Slot(level=Level.SANDBOX, fork_server=False).start(SERVE)


@pytest.mark.parametrize("path", ["/", "/home", "/nowhere/at/all"])
def test_what_may_not_be_readable(path):
    with pytest.raises(SandboxError, match=path):
        command(["true"], readable=[Path(path)])


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's workers read as that user")
def test_files_that_only_root_can_read_are_named(tmp_path):
    secret = tmp_path / "data"
    secret.mkdir(mode=0o700)
    with pytest.raises(SandboxError, match="chmod -R o"):
        Slot([secret], level=Level.SANDBOX).start(SERVE)


def test_a_worker_module_that_cannot_be_imported_is_told(boxed):
    with Slot([], LIMITS) as slot, pytest.raises(SandboxError, match="no_such_module"):
        slot.start("no_such_module:serve")


def test_emptying_a_folder_keeps_mounts_and_follows_no_links(tmp_path):
    top, outside = tmp_path / "top", tmp_path / "outside"
    for folder in (top / "a/mounted", top / "b/c", outside):
        folder.mkdir(parents=True)
    (outside / "kept").write_text("x")
    (top / "link").symlink_to(outside)
    (top / "a/file").write_text("x")
    (top / "b/c/file").write_text("x")
    line = f"1 2 0:1 / {top}/a/mounted ro - tmpfs tmpfs ro"
    assert cleaning.empty(top, cleaning.kept_inside(top, [line])) == []
    assert sorted(str(path.relative_to(top)) for path in top.rglob("*")) == ["a", "a/mounted"]
    assert (outside / "kept").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_that_end_while_they_are_looked_at_do_no_harm():
    code = "for i in $(seq 150); do true & true & wait; done; echo over"
    with subprocess.Popen(["sh", "-c", code], stdout=subprocess.PIPE, text=True) as shell:
        seen = {shell.pid}
        while shell.poll() is None:
            seen.update(descendants(os.getpid()))  # the watch would end with an error
        assert shell.stdout.read() == "over\n"
    assert len(seen) > 10
