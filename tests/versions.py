"""What pyproject.toml allows is what was run: the lowest and the newest of everything, on each Python.

    python tests/versions.py                       all
    python tests/versions.py 3.10:lowest 3.13:newest

For each: an environment in build/versions/, made by uv; then every reference must earn everything there, every
stub nothing, and the plugin's tests must pass. The last lines are a table in Markdown, for docs/versions.md.
"""

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gradus.course import load_course

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "versions"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
# Those of tests/test_neighbours.py come last: the other tests do without.
NEIGHBOURS = (
    "pytest-forked",
    "pytest-randomly",
    "pytest-repeat",
    "pytest-rerunfailures",
    "typeguard",
)
TESTS = (
    "plugin", "report", "loader", "devices", "endless", "thread_limit", "apart", "limits", "nbgrader"
)  # fmt: skip
SHOWN = (
    "torch",
    "torchvision",
    "numpy",
    "scikit-learn",
    "jaxtyping",
    "pytest",
    "pytest-timeout",
    "nbgrader",
)


@dataclass(frozen=True)
class Setup:
    """A Python and how versions are chosen."""

    python: str
    which: str

    @classmethod
    def parse(cls, text: str) -> "Setup":
        """`3.10:lowest`."""
        python, _, which = text.partition(":")
        if python not in PYTHONS or which not in RESOLUTIONS:
            raise argparse.ArgumentTypeError(f"such as 3.10:lowest or 3.13:newest; got {text!r}")
        return cls(python, which)

    @property
    def folder(self) -> Path:
        return BUILD / f"{self.python}-{self.which}"

    @property
    def interpreter(self) -> Path:
        names = ("Scripts/python.exe", "bin/python")
        return next((p for n in names if (p := self.folder / n).exists()), self.folder / names[1])


def uv(*words: object) -> None:
    program = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
    subprocess.run([program, *map(str, words)], cwd=ROOT, check=True)


def install(setup: Setup) -> None:
    """A fresh environment. Wheels only: the lowest version is the lowest that there is for this Python."""
    uv("venv", "-q", "--clear", "-p", setup.python, setup.folder)
    python = ("-p", setup.interpreter)
    lowest = ("--resolution", RESOLUTIONS[setup.which], "--only-binary", ":all:")
    uv("pip", "install", "-q", "--compile-bytecode", *python, *lowest, "-e", ".[dev]")


def pytest(setup: Setup, *words: str) -> int:
    command = [str(setup.interpreter), "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    print("\n$", *command[1:], flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def graded(setup: Setup, folder: str) -> list[dict[str, object]]:
    """The topics of a report of everything in a folder."""
    report = setup.folder / f"{folder}.json"
    pytest(setup, "graders", "--submission", folder, "--hidden", f"--gradus-report={report}")
    if not report.exists():
        return []
    topics: list[dict[str, object]] = json.loads(report.read_text(encoding="utf-8"))["topics"]
    return topics


def problems(setup: Setup) -> list[str]:
    """What is wrong with the kit there."""
    course = list(load_course(ROOT).topics)
    found = []
    right, stubs = graded(setup, "solutions"), graded(setup, "exercises")
    for name, topics in (("solutions", right), ("exercises", stubs)):
        if [topic["name"] for topic in topics] != course or not all(t["complete"] for t in topics):
            found.append(f"not all checks of {name}/ have run")
    found += [f"{t['name']}: the reference" for t in right if t["earned"] != t["possible"]]
    found += [f"{t['name']}: the stub" for t in stubs if t["earned"] or not only_todo(t)]
    # One at a time: modules that submissions import stay in the process.
    found += [f for name in TESTS if pytest(setup, f := f"tests/test_{name}.py")]
    uv("pip", "install", "-q", "-p", setup.interpreter, "--no-deps", "py", *NEIGHBOURS)
    last = "tests/test_neighbours.py"
    found += [last] if pytest(setup, "-p", "no:randomly", last) else []
    return found


def only_todo(topic: dict[str, object]) -> bool:
    tasks: list[dict[str, object]] = topic["tasks"]  # type: ignore[assignment]
    return all(task["status"] == "todo" for task in tasks)


def versions(setup: Setup) -> list[str]:
    code = "import importlib.metadata as m, platform, sys; print(platform.python_version())\n"
    code += "for name in sys.argv[1:]: print(m.version(name))"
    done = subprocess.run(
        [str(setup.interpreter), "-c", code, *SHOWN], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("setups", nargs="*", type=Setup.parse, metavar="PYTHON:lowest|newest")
    chosen = parser.parse_args().setups
    chosen = chosen or [Setup(python, which) for python in PYTHONS for which in RESOLUTIONS]
    rows, failed = [], False
    for setup in chosen:
        try:
            install(setup)
            wrong, known = problems(setup), versions(setup)
        except subprocess.CalledProcessError as error:
            wrong, known = [f"not installed ({error.cmd[1]})"], [setup.python]
        failed |= bool(wrong)
        row = [*known, *["?"] * (len(SHOWN) + 1 - len(known))]
        rows.append([row[0], setup.which, *row[1:], "; ".join(wrong) or "passes"])
    print("\n| Python | versions |", *(f"{name} |" for name in SHOWN), "result |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for row in rows:
        print("|", " | ".join(row), "|")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
