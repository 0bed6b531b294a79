"""The house is in order: gradus starts light, the README tells the truth. (Layers: `lint-imports`.)"""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from gradus.course import find_course
from gradus.engine.here import grade_here
from gradus.grading.grader_file import read_checks
from gradus.topic import Topic

ROOT = Path(__file__).parent.parent


def test_importing_gradus_and_its_plugin_brings_no_torch():
    code = "import sys, gradus, gradus.cli, gradus.grading.plugin; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_top_level_rooms_are_the_agreed_ones():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    rooms = {name.partition("/")[0] for name in tracked if "/" in name}
    agreed = "gradus exercises solutions graders datasets tests docs .ci .devcontainer .github"
    assert rooms <= set(agreed.split())


def test_the_commands_of_the_readme_are_there():
    readme = (ROOT / "README.md").read_text("utf-8")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for target in re.findall(r"\bmake (\w+)", readme):
        assert target in targets
    from gradus.cli import app

    commands = {c.name or c.callback.__name__ for c in app.registered_commands}
    for command in re.findall(r"^\s*gradus (\w+)", readme, re.MULTILINE):
        assert command in commands


def test_the_dev_container_installs_what_is_there():
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert (ROOT / "constraints.txt").exists()
    (extra,) = re.findall(r"-e '\.\[(\w+)\]'", told["postCreateCommand"])
    assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text("utf-8")


def test_extras_are_asked_for_by_names_that_there_are():
    extras = set(importlib.metadata.metadata("gradus-kit").get_all("Provides-Extra"))
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "gradus").rglob("*.py")]
    for page in pages:
        text = page.read_text("utf-8")
        assert set(re.findall(r"gradus-kit\[(\w+)\]", text)) <= extras, page
        assert "gradus[dev" not in text, page
        assert "gradus[instr" not in text, page


def test_the_links_of_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links {link}"


def test_ci_runs_the_readmes_own_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")
    assert "make test" in (ROOT / "README.md").read_text("utf-8")


def test_the_message_in_the_readme_is_what_a_student_reads(tmp_path):
    course = find_course(ROOT)
    text = course.solution("cnn").read_text("utf-8")
    assert text.count("sh, sw = as_pair(stride)") == 1
    wrong = tmp_path / "cnn.py"
    wrong.write_text(text.replace("sh, sw = as_pair(stride)", "sh, sw = 1, 1"), encoding="utf-8")
    result = grade_here(course, "cnn", wrong, tasks=["conv2d"])
    check = next(c for c in result.checks() if c.check.name == "test_stride_and_padding")
    message = check.message.replace(f" --submission {wrong}", "")
    assert message in (ROOT / "README.md").read_text("utf-8")


def test_the_readmes_table_of_topics_is_true():
    course = find_course(ROOT)
    rows = re.findall(
        r"^\| `(\w+)` \| (\d+) \| (\d+) \|", (ROOT / "README.md").read_text("utf-8"), re.M
    )
    true = []
    for name in course.topics:
        points = sum(c.points for c in read_checks(course.grader(name)) if not c.hidden)
        true.append((name, str(len(Topic.load(course.solution(name)).tasks)), str(points)))
    assert rows == true


def test_every_pin_can_be_installed_on_every_python_that_it_is_meant_for():
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        pin, _, marker = line.partition(";")
        name, _, version = pin.strip().partition("==")
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another system
        if found.version.partition("+")[0] != version:
            continue
        allowed = SpecifierSet(found.metadata.get("Requires-Python") or "")
        for python in ("3.10.0", "3.11.0", "3.12.0"):
            here = {"python_version": python[:4], "python_full_version": python}
            if not marker or Marker(marker).evaluate(here):
                assert allowed.contains(python), f"{line}: needs Python {allowed}"
