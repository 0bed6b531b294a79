"""The package as people install it: a wheel in a fresh environment, and an evening's first commands there.

The environment is fresh but for what the wheel requires: that comes from the one that the tests run in.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from gradus.course import find_course
from gradus.sandbox.levels import Level, probe_level
from gradus.topic import Topic

pytest.importorskip("hatchling", reason="needs hatchling and build")
pytest.importorskip("build", reason="needs hatchling and build")
ROOT = Path(__file__).parent.parent
PACKAGES = [path for path in map(Path, sys.path) if path.name == "site-packages"]
ROOMS = ("datasets", "exercises", "graders", "solutions")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, made from the source distribution, made from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    (found,) = out.glob("gradus_kit-*-py3-none-any.whl")
    return found


class Environment:
    """A virtual environment with the wheel in it."""

    def __init__(self, root: Path, wheel: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
        self.scripts = root / ("Scripts" if sys.platform == "win32" else "bin")
        self.python = self.scripts / Path(sys.executable).name
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "-q"]
        subprocess.run(
            [*pip, "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)], check=True
        )
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        done = subprocess.run([str(self.python), "-c", where], capture_output=True, text=True)
        self.packages = Path(done.stdout.strip())
        (self.packages / "theirs.pth").write_text("".join(f"{path}\n" for path in PACKAGES))

    def run(self, *words, cwd, code=0):
        """Run `gradus ...` or `python ...` of this environment; returns all that it printed."""
        program = self.python if words[0] == "python" else self.scripts / words[0]
        variables = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [str(program), *map(str, words[1:])],
            cwd=cwd,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("student") / "env", wheel)


@pytest.fixture(scope="module")
def course(installed):
    """A course of one topic, made by the installed command."""
    folder = installed.python.parent.parent.parent
    out = installed.run("gradus", "init", "my course", "--topic", "tensors", cwd=folder)
    assert "next: cd" in out
    return find_course(folder / "my course")


def test_the_wheel_carries_the_kit_and_no_tests(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"gradus"}
    kit = {name.removeprefix("gradus/kit/") for name in names if name.startswith("gradus/kit/")}
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *ROOMS, "course.toml"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    if tracked:
        assert kit == set(tracked)
    for topic in find_course(ROOT).topics:
        for name in (
            f"solutions/{topic}.py",
            f"graders/test_{topic}.py",
            f"exercises/{topic}.ipynb",
        ):
            assert name in kit
    code = {p.relative_to(ROOT).as_posix() for p in (ROOT / "gradus").rglob("*.py")}
    assert code <= set(names)
    assert "gradus/authoring/templates/grader.py.txt" in names
    assert "gradus/grading/no_settings.ini" in names


def test_the_source_distribution_is_small_and_whole(wheel):
    (path,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(path) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "course.toml"} <= names
    assert path.stat().st_size < 4_000_000


def test_a_student_s_install_brings_no_linter_and_no_nbgrader(wheel):
    with zipfile.ZipFile(wheel) as files:
        (name,) = [n for n in files.namelist() if n.endswith(".dist-info/METADATA")]
        about = HeaderParser().parsestr(files.read(name).decode("utf-8"))
    assert about["Name"] == "gradus-kit"
    assert set(about.get_all("Provides-Extra")) == {"notebook", "instructor", "cluster", "dev"}
    needed = [n for n in about.get_all("Requires-Dist") if "extra ==" not in n]
    names = {re.match(r"[\w-]+", line)[0] for line in needed}
    assert {"torch", "pytest", "typer"} <= names
    assert not names & {
        "ruff",
        "mypy",
        "nbgrader",
        "jupytext",
        "nbformat",
        "hypothesis",
        "jupyterlab",
    }


def test_the_course_has_no_trace_of_what_the_wheel_keeps(course, installed):
    found = {
        path.relative_to(course.root).as_posix()
        for path in course.root.rglob("*")
        if path.is_file() and ".gradus" not in path.parts and ".pytest_cache" not in path.parts
    }
    data = {f"datasets/{path.name}" for path in (ROOT / "datasets").glob("*.py")}
    assert {name for name in found if "__pycache__" not in name} == data | {
        *("README.md", "course.toml", "exercises/tensors.py", "exercises/tensors.ipynb"),
        "graders/test_tensors.py",
    }
    for name in found - {n for n in found if n.endswith(".pyc")}:
        text = (course.root / name).read_text("utf-8")
        assert "mark.hidden" not in text
        assert "SOLUTION" not in text


def test_an_evening_begins(course, installed):
    stub = course.exercise("tensors").read_text("utf-8")
    todo = re.compile(r"^def one_hot\(.*?TODO: one_hot\"\)\n", re.MULTILINE | re.DOTALL)
    answer = Topic.load(find_course(ROOT).solution("tensors")).tasks["one_hot"].source
    answered, count = todo.subn(lambda found: answer, stub)
    assert count == 1
    course.exercise("tensors").write_text(answered, encoding="utf-8")
    below = course.root / "exercises"
    assert "7 of 7 points" in installed.run("gradus", "check", "one_hot", cwd=below)
    assert "1 of " in installed.run("gradus", "hint", "one_hot", cwd=below)
    assert "tensors" in installed.run("gradus", cwd=below)
    done = installed.run("python", "-m", "pytest", "-q", "--task", "one_hot", cwd=course.root)
    assert "passed" in done
    out = installed.run("gradus", "update", cwd=course.root)
    assert "your work stays as it is: exercises/tensors.py" in out
    assert course.exercise("tensors").read_text("utf-8") == answered
    course.exercise("tensors").write_text(stub, encoding="utf-8")


def test_a_newer_wheel_comes_into_the_course_and_the_work_stays(course, installed):
    kit = installed.packages / "gradus" / "kit"
    solution, grader = kit / "solutions" / "tensors.py", kit / "graders" / "test_tensors.py"
    for path in (solution, grader):
        text = path.read_text("utf-8")
        path.write_text(text.replace('"""', '"""Newer. ', 1), encoding="utf-8")
    before = course.exercise("tensors").read_text("utf-8")
    course.exercise("tensors").write_text(before + "\nMINE = 1\n", encoding="utf-8")
    out = installed.run("gradus", "update", cwd=course.root)
    assert "1 in graders/" in out
    assert "gradus reset tensors" in out
    assert "Newer. " in course.grader("tensors").read_text("utf-8")
    assert "mark.hidden" not in course.grader("tensors").read_text("utf-8")
    assert "MINE = 1" in course.exercise("tensors").read_text("utf-8")
    course.exercise("tensors").write_text(before, encoding="utf-8")


def test_what_an_extra_would_bring_is_asked_for_by_its_name(course, installed):
    hide = "import sys; sys.modules.update(dict.fromkeys(['libcst', 'nbgrader', 'nbformat']))\n"
    code = hide + "from gradus.cli import main; sys.argv[1:] = {}; main()"
    for words, extra in (
        (["audit", "tensors"], "dev"),
        (["course", "class"], "instructor"),
        (["demo"], "instructor"),
    ):
        out = installed.run("python", "-c", code.format(words), cwd=course.root, code=2)
        assert f'pip install "gradus-kit[{extra}]"' in out, out
        assert "Traceback" not in out


def test_the_cell_for_colab_leaves_the_torch_that_is_there(wheel, installed, tmp_path):
    page = (ROOT / "docs" / "install.md").read_text("utf-8")
    (cell,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code = [line for line in cell.splitlines() if line[:1] not in ("%", "!")]
    subprocess.run([sys.executable, "-c", "\n".join(code)], cwd=tmp_path, check=True)
    pins = (tmp_path / "there.txt").read_text("utf-8").split()
    assert [pin.partition("==")[0] for pin in pins] == ["torch", "torchvision", "numpy"]
    (line,) = re.findall(r"^%(pip install .*) gradus-kit$", cell, re.MULTILINE)
    words = [sys.executable, "-m", "pip", "--python", str(installed.python)]
    words += [*line.replace(" -q", "").split()[1:], "--dry-run", "--no-index", str(wheel)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch" not in done.stdout.partition("Would install")[2]


LOOK = """
import json, os, pathlib, gradus
kit = pathlib.Path(gradus.__file__).parent / "kit"
seen = {"kit": sorted(os.listdir(kit)) if kit.exists() else []}
for name in ("solutions/tensors.py", "graders/test_tensors.py", "exercises/tensors.py", "course.toml"):
    try: seen[name] = (kit / name).read_text("utf-8")[:9]
    except OSError as error: seen[name] = type(error).__name__
raise ValueError("seen " + json.dumps(seen) + " end")
"""


@pytest.mark.skipif(
    probe_level().level is not Level.SANDBOX, reason=f"no sandbox here: {probe_level()}"
)
def test_behind_the_wall_the_installed_kit_is_not_to_be_seen(course, installed):
    for folder in (course.root, *course.root.parents):
        if os.access(folder, os.W_OK) and "pytest-of-" in str(folder):
            folder.chmod(0o755)
    (course.root / "look.py").write_text(LOOK, encoding="utf-8")
    report = course.root / "report.json"
    installed.run(
        "python", "-m", "pytest", "-q", "graders", "--submission", "look.py",
        "--isolated=sandbox", f"--gradus-report={report}", cwd=course.root, code=1,
    )  # fmt: skip
    (problem,) = json.loads(report.read_text("utf-8"))["topics"][0]["problems"][:1]
    said = re.search(r"seen (\{.*\}) end", " ".join(problem["message"].split()))
    seen = json.loads(said[1])
    assert seen.pop("kit") == []
    assert set(seen.values()) == {"FileNotFoundError"}
    (course.root / "look.py").unlink()
    report.unlink()
