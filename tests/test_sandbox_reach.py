"""What a sandbox shows and hides, how it is had with fewer rights, and what its filter does not know."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradus.errors import GraderError
from gradus.sandbox import levels
from gradus.sandbox.levels import Level, probe_level
from gradus.sandbox.remedies import ALLOW, OTHERWISE, remedy_for
from gradus.sandbox.shown import views
from gradus.sandbox.slots import warm_slot
from gradus.wall.slots import hidden_from_submissions, slot_of
from tests.users import ROOT, without_becoming, without_sys_admin

REACHED = Path(__file__).parent / "sandbox_reached.py"
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux"),
    pytest.mark.skipif(
        probe_level().level is not Level.SANDBOX, reason=f"no sandbox here: {probe_level()}"
    ),
]


def reached(code, before=(), python=sys.executable, variables=None, **wish):
    """What `sandbox_reached.py` tells of a worker that runs `code`."""
    done = subprocess.run(
        [*before, str(python), str(REACHED), json.dumps({"code": code, **wish})],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(ROOT),
            **(variables or {}),
        },
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def open_folder(tmp_path):
    """A folder that every user can read, as a kit is."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return tmp_path


SEEN = """
import gradus, pathlib, torch
secret = pathlib.Path({kit!r})
answer = {{"file": gradus.__file__, "kit": sorted(os.listdir(secret)) if secret.exists() else []}}
for name in ("solutions/tensors.py", "graders/test_tensors.py", "gradebook.db", "datasets/digits.py"):
    try: answer[name] = (secret / name).read_text()
    except OSError as error: answer[name] = type(error).__name__
"""


def make_kit(root):
    for name in ("solutions/tensors.py", "graders/test_tensors.py", "datasets/digits.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("secret")
    (root / "course.toml").write_text("topics = []")
    (root / "gradebook.db").write_text("secret")


def make_environment(root, packages):
    """A virtual environment, made in place, that imports this one's packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    (folder,) = (root / "lib").glob("python3.*/site-packages")
    (folder / "theirs.pth").write_text("".join(f"{path}\n" for path in packages))
    return root / "bin/python"


THEIR_PACKAGES = [path for path in map(Path, sys.path) if path.name == "site-packages"]


def test_an_environment_whose_root_is_the_kit(open_folder):
    kit = open_folder / "kit"
    python = make_environment(kit, THEIR_PACKAGES)
    make_kit(kit)
    seen = reached(
        SEEN.format(kit=str(kit)), python=python, kit=str(kit), readable=[f"{kit}/datasets"]
    )
    assert seen["level"] == "sandbox"
    assert set(seen["answer"]["kit"]) <= {
        "bin",
        "include",
        "lib",
        "lib64",
        "pyvenv.cfg",
        "datasets",
    }
    assert seen["answer"]["datasets/digits.py"] == "secret"
    hidden = [seen["answer"][name] for name in ("solutions/tensors.py", "graders/test_tensors.py")]
    assert [*hidden, seen["answer"]["gradebook.db"]] == ["FileNotFoundError"] * 3


def test_a_kit_that_lies_among_packages_is_covered(open_folder):
    prefix = open_folder / "python"
    python = make_environment(prefix, THEIR_PACKAGES)
    (packages,) = (prefix / "lib").glob("python3.*/site-packages")
    make_kit(packages / "exercises_of_a_course")
    (packages / "graders").mkdir()
    (packages / "graders/test_tensors.py").write_text("secret")
    (packages / "library/solutions").mkdir(parents=True)
    (packages / "library/solutions/__init__.py").write_text("x")
    code = (
        SEEN.format(kit=str(packages / "exercises_of_a_course"))
        + f"""
for name in ("graders/test_tensors.py", "library/solutions/__init__.py"):
    answer["among " + name] = pathlib.Path({str(packages)!r}, name).exists()
try: pathlib.Path({str(packages)!r}, "graders/mine").write_text("x")
except OSError as error: answer["written"] = error.strerror
"""
    )
    seen = reached(code, python=python, kit=str(open_folder / "elsewhere"))["answer"]
    assert seen["kit"] == []
    assert not seen["among graders/test_tensors.py"]
    assert seen["among library/solutions/__init__.py"]  # no kit's
    assert seen["written"] == "Read-only file system"


def test_the_kit_of_a_wheel_is_covered_in_every_folder_of_packages_that_is_shown(open_folder):
    other = open_folder / "other" / "lib" / "python3.99" / "site-packages"
    make_kit(other / "gradus" / "kit")
    python = make_environment(open_folder / "env", [*THEIR_PACKAGES, other])
    (own,) = (open_folder / "env" / "lib").glob("python3.*/site-packages")
    make_kit(own / "gradus" / "kit")
    code = SEEN.format(kit=str(other / "gradus" / "kit"))
    code += f"answer['own'] = os.listdir({str(own / 'gradus' / 'kit')!r})"
    seen = reached(code, python=python, kit=str(ROOT))["answer"]
    assert seen["kit"] == []
    assert seen["own"] == []


def test_the_checkout_that_gradus_is_run_from_is_covered_for_a_course_elsewhere(tmp_path):
    """Its folder is one that Python imports from, and so would be shown."""
    (tmp_path / "course.toml").write_text('topics = ["demo"]\n', "utf-8")
    assert ROOT in hidden_from_submissions(tmp_path)


def test_a_kit_in_a_system_folder_is_covered_and_its_data_is_not():
    steps = views([Path("/usr")], [Path("/usr/share/doc")], [Path("/usr/share")]).steps
    assert [(str(path), state) for path, state in steps if "/usr" in str(path)] == [
        ("/usr/share", False),
        ("/usr/share/doc", True),
    ]


def test_python_within_what_is_hidden_is_refused():
    with pytest.raises(GraderError, match="is to be hidden"):
        views([], [], [Path(levels.__file__).parent.parent])


def test_what_is_hidden_is_found(tmp_path):
    make_kit(tmp_path)
    found = hidden_from_submissions(tmp_path)
    assert {tmp_path, tmp_path / "graders", tmp_path / "gradebook.db"} <= set(found)


@pytest.mark.parametrize("also_a_kit", [False, True])
def test_the_package_that_is_imported_outside_is_imported_inside(open_folder, also_a_kit):
    other = open_folder / "checkout"
    shutil.copytree(ROOT / "gradus", other / "gradus", ignore=shutil.ignore_patterns("__pycache__"))
    if also_a_kit:
        make_kit(other)
    seen = reached(SEEN.format(kit=str(other)), variables={"PYTHONPATH": str(other)}, kit=str(ROOT))
    assert seen["level"] == "sandbox"
    assert seen["answer"]["file"] == str(other / "gradus/__init__.py")
    if also_a_kit:
        assert seen["answer"]["solutions/tensors.py"] == "FileNotFoundError"


WHO = """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
answer = {"uid": os.getuid(), "caps": status["CapEff"].strip()}
try: os.setresuid(0, 0, 0)
except OSError as error: answer["root"] = error.strerror
try: open("/proc/sys/kernel/core_pattern", "w"); answer["core"] = "opened"
except OSError as error: answer["core"] = "refused"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a root who can give rights up")
@pytest.mark.parametrize(
    ("before", "user"),
    [
        (without_sys_admin(), "one of its own, in a user namespace"),
        (without_becoming(), "root's own, without its rights"),
    ],
    ids=["as in Docker", "nor to become another user"],
)
def test_root_without_the_right_to_mount(before, user):
    skip_unless_it_runs(before)
    seen = reached(WHO, before)
    assert seen["level"] == "sandbox"
    assert seen["answer"]["root"] in ("Invalid argument", "Operation not permitted")
    assert seen["answer"]["core"] == "refused"
    assert seen["answer"]["caps"] == "0000000000000000"
    assert seen["answer"]["uid"] not in (0, 65534)
    assert seen["details"]["user"] == user


def skip_unless_it_runs(before):
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is missing; apt install util-linux")
    done = subprocess.run([*before, "true"], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"rights cannot be given up here: {done.stderr}")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a root who can give rights up")
def test_processes_are_counted_where_the_system_does_not():
    skip_unless_it_runs(without_becoming())
    code = """
import time
for _ in range(40):
    if os.fork() == 0: time.sleep(60)
time.sleep(60)
"""
    variables = {"GRADUS_CGROUP": "off"}
    seen = reached(code, without_becoming(), variables=variables, processes=20)
    assert seen["ended"] == "it started more than 20 processes"


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (
            "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces "
            "exceeded (ENOSPC)",
            "user.max_user_namespaces=15000",
        ),
        ("bwrap: Creating new namespace failed: Operation not permitted", ALLOW),
        (
            "bwrap: No permissions to create new namespace, likely because the kernel does not allow "
            "non-privileged user namespaces.",
            "kernel.unprivileged_userns_clone=1",
        ),
        ("bwrap: setting up uid map: Permission denied", "apparmor_restrict_unprivileged_userns=0"),
        (
            "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
            "systempaths=unconfined",
        ),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "apparmor_restrict"),
        ("bwrap: Failed to make / slave: Permission denied", "apparmor=unconfined"),
        ("bwrap: Unknown option --disable-userns", "bubblewrap 0.8"),
        ("bwrap: Can't find source path /root/py: Permission denied", "outside of home folders"),
        ("bwrap: execvp /root/py/bin/python: Permission denied", "may run them"),
        ("bwrap: creation of new user namespaces was not disabled as requested", "15000"),
        ("bwrap: something new", OTHERWISE),
    ],
)
def test_remedies_match_what_bubblewrap_says(words, remedy):
    assert remedy in remedy_for(words)


def test_no_words_need_no_remedy():
    assert remedy_for("") == ""


def test_calls_newer_than_the_list_do_not_exist():
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
answer = []
for number in (470, 900, 4095):
    libc.syscall(ctypes.c_long(number), -1, 0, 0, 0, 0)
    answer.append(os.strerror(ctypes.get_errno()))
libc.syscall(ctypes.c_long(467), -1, 0, 0, 0, 0)
answer.append(os.strerror(ctypes.get_errno()))
"""
    *unknown, open_tree = reached(code)["answer"]
    assert unknown == ["Function not implemented"] * 3
    assert open_tree in ("Function not implemented", "Operation not permitted")


def test_a_level_that_is_insisted_on(monkeypatch):
    assert slot_of(ROOT, Level.SANDBOX).isolation.level is Level.SANDBOX
    assert slot_of(ROOT, Level.SANDBOX) is slot_of(ROOT, Level.SANDBOX)
    assert slot_of(ROOT, Level.SANDBOX) is not slot_of(ROOT)
    monkeypatch.setattr(levels.shutil, "which", lambda name: None)
    poor = probe_level.__wrapped__()
    monkeypatch.setattr("gradus.sandbox.slot.probe_level", lambda: poor)
    for level in (Level.SANDBOX, Level.NAMESPACES):
        with pytest.raises(GraderError, match=r"only process: bubblewrap is missing; apt install"):
            warm_slot((ROOT / "datasets",), "os:getpid", level=level)
