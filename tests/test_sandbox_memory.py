"""Memory of a worker is held by a control group, and by the watchdog where there is none."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradus.sandbox import group_places, groups, memory
from gradus.sandbox.group_places import Place
from gradus.sandbox.groups import Group
from gradus.sandbox.levels import Level, probe_level
from gradus.sandbox.limits import Limits
from gradus.sandbox.slot import Slot
from tests.test_sandbox import SERVE_FILE, run, started

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux"),
    pytest.mark.skipif(
        probe_level().level is not Level.SANDBOX, reason=f"no sandbox here: {probe_level()}"
    ),
]
MB = 1 << 20
LIMITS = Limits(memory=300 * MB, shared=64 * MB)
HOLDERS = ["watchdog", "control group"]


@pytest.fixture(params=HOLDERS)
def held(request, monkeypatch):
    """A slot whose memory is held in one of the two ways."""
    groups.best_place.cache_clear()
    if request.param == "watchdog":
        monkeypatch.setenv(group_places.GRANTED, "off")
    elif groups.best_place() is None:
        pytest.skip("no control group is to be had here")
    with Slot([SERVE_FILE], LIMITS) as slot:
        yield slot
    groups.best_place.cache_clear()


MANY = """
import time
for _ in range(10):
    if os.fork() == 0:
        {take}
        time.sleep(30)
        os._exit(0)
time.sleep(30)
"""
TAKERS = {
    "anonymous": "kept = bytearray(150 << 20); kept[::4096] = b'1' * len(range(0, len(kept), 4096))",
    "sockets": """
        import socket
        kept = []
        try:
            while True:
                pair = socket.socketpair(); kept.append(pair)
                for one in pair:
                    one.setblocking(False)
                    try:
                        while True: one.send(b"1" * 65536)
                    except BlockingIOError: pass
        except OSError: pass
    """,
}


@pytest.mark.parametrize("taker", TAKERS)
def test_a_whole_tree_that_takes_too_much_is_stopped(held, taker):
    worker = started(held)
    assert run(worker, MANY.format(take=TAKERS[taker].strip())) is None
    assert worker.stop().words == "it took more than 300 MB of memory and was stopped"


@pytest.mark.parametrize(
    "code",
    [
        "mmap.mmap(os.open('/dev/zero', os.O_RDWR), 1 << 20, mmap.MAP_SHARED)",
        "os.memfd_create('x')",
        "mmap.mmap(-1, 1 << 22, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)",
        "socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)",
        "socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)",
        "fcntl.fcntl(os.pipe()[1], 1031, 1 << 20)",
        "[os.pipe() for _ in range(200)]",
    ],
)
def test_memory_that_nothing_counts_is_not_to_be_had(held, code):
    worker = started(held)
    code = f"import fcntl, mmap, socket\ntry: {code}; answer = 'had'\nexcept OSError: answer = 'refused'"
    assert run(worker, code) == "refused"
    worker.stop()


def test_zeros_can_still_be_read(held):
    worker = started(held)
    assert run(worker, "answer = open('/dev/zero', 'rb').read(4).hex()") == "00000000"
    worker.stop()


def test_shared_memory_without_a_file(held):
    worker = started(held)
    code = (
        "import mmap\ntry: mmap.mmap(-1, 4096); answer = 'had'\nexcept OSError: answer = 'refused'"
    )
    counted = held.isolation.details["memory"].startswith("held by a control group")
    assert run(worker, code) == ("had" if counted else "refused")
    worker.stop()


def test_a_group_ends_with_a_judge_that_is_killed():
    if groups.best_place() is None or groups.best_place().folder is None:
        pytest.skip("no control group can be made here")
    code = """
import os, sys, time
from gradus.sandbox.groups import Group
from gradus.sandbox.limits import Limits
print(Group.make(Limits()).folder, flush=True)
time.sleep(100)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as judge:
        folder = Path(judge.stdout.readline().strip())
        assert folder.is_dir()
        judge.kill()
    for _ in range(500):
        if not folder.exists():
            return
        time.sleep(0.02)
    pytest.fail(f"{folder} is left")


def test_a_folder_that_is_no_group_is_not_believed(monkeypatch, tmp_path):
    groups.best_place.cache_clear()
    monkeypatch.setenv(group_places.GRANTED, str(tmp_path))
    try:
        assert groups.best_place() is None
        assert memory.probe().startswith("watched every 50 ms")
    finally:
        groups.best_place.cache_clear()


def test_own_groups_of_both_versions(tmp_path):
    """With the kernel's files as they look in a delegated scope, and in an old container."""
    proc, v2, v1 = tmp_path / "proc", tmp_path / "unified", tmp_path / "memory"
    for folder in (proc, v2 / "user.slice/a.scope", v1 / "docker/b"):
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text("")
    (v2 / "user.slice/a.scope/cgroup.controllers").write_text("cpu memory pids")
    (proc / "mountinfo").write_text(
        f"30 20 0:26 / {v2} rw shared:4 - cgroup2 cgroup2 rw\n"
        f"31 20 0:27 /docker {v1}/docker rw shared:5 - cgroup cgroup rw,memory\n"
        "32 20 0:28 / /sys rw - sysfs sysfs rw\n"
    )
    (proc / "cgroup").write_text("4:memory:/docker/b\n2:cpu,cpuacct:/\n0::/user.slice/a.scope\n")
    assert group_places.own_groups(proc) == [
        ("v1", v1 / "docker/b"),
        ("v2", v2 / "user.slice/a.scope"),
    ]
    (v2 / "user.slice/a.scope/cgroup.controllers").write_text("cpu")
    assert [version for version, _ in group_places.own_groups(proc)] == ["v1"]
    assert group_places.own_groups(tmp_path) == []


def test_a_group_is_divided_only_where_its_processes_are_ours(tmp_path):
    place = Place(tmp_path, "v2", "a fake")
    (tmp_path / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
    assert not group_places.divided(place)
    assert not (tmp_path / group_places.LEAF).exists()
    (tmp_path / "cgroup.subtree_control").unlink()
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    group_places.divided(place)
    assert (tmp_path / group_places.LEAF / "cgroup.procs").read_text() == str(os.getpid())


def test_systemd_is_asked_for_a_scope_with_the_limits(tmp_path):
    fake = tmp_path / "systemd-run"
    fake.write_text(
        '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do echo "$1"; shift; done; echo 0::/x.scope'
    )
    fake.chmod(0o755)
    place = Place(None, "v2", "made by systemd (--user)", (str(fake), "--user", "--scope"))
    group = Group.below(place, LIMITS)
    line = group.entered(["bwrap"])
    assert line[:3] == [str(fake), "--user", "--scope"]
    size = LIMITS.memory + groups.ZYGOTE
    assert line[3:] == [
        f"--property=MemoryMax={size}",
        "--property=MemorySwapMax=0",
        f"--property=TasksMax={LIMITS.processes + 4}",
        "bwrap",
    ]
    assert group.works()
    group.close()


def test_a_worker_that_has_forked_often_is_followed_by_a_new_sandbox():
    """Numbers of processes go on, and would tell the next submission something."""
    few = "for _ in range(20):\n  if os.fork() == 0: os._exit(0)\n  os.wait()\nanswer = os.getpid()"
    with Slot([SERVE_FILE], LIMITS) as slot:
        numbers = []
        for code in (few, few, few.replace("20", "70"), "answer = os.getpid()"):
            worker = started(slot)
            numbers.append(run(worker, code))
            worker.stop()
    assert numbers[0] < numbers[1] < numbers[2]
    assert numbers[3] <= numbers[0]
