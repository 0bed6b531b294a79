"""The files that CI services read are well-formed, call what is there, and keep strangers off own runners."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from ruamel.yaml import YAML

from tests.versions import PYTHONS, RESOLUTIONS

ROOT = Path(__file__).parent.parent
GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
CI, GPU = (ROOT / ".github" / "workflows" / f"{name}.yml" for name in ("ci", "gpu"))
GITLAB = ROOT / ".gitlab-ci.yml"
SCHEMAS = {**dict.fromkeys(GITHUB, "vendor.github-workflows"), GITLAB: "vendor.gitlab-ci"}
SCRIPTS = sorted((ROOT / ".ci").iterdir())


def linted(path, schema):
    """Exit code and words of the linter; its schemas come with it."""
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, str(path)])
    return done.exit_code, done.output


def read(path):
    """What a YAML file says; in YAML 1.2, where `on` is a word."""
    return YAML(typ="safe", pure=True).load(path.read_text("utf-8"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_each_file_is_in_its_services_form(path):
    assert linted(path, SCHEMAS[path]) == (0, "ok -- validation done\n")


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (CI, "runs-on:", "runs_on:"),
        (CI, "timeout-minutes: 60", "timeout-minutes: [60]"),
        (GPU, "workflow_dispatch:", "workflow_despatch:"),
        (GPU, "contents: read", "contents: reed"),
        (GPU, "types: [labeled]", "types: [labeled"),
        (GITLAB, "script:", "scripts:"),
        (GITLAB, "when: always", "when: allways"),
        (GITLAB, "expire_in: 30 days", "expires: 30 days"),
    ],
)
def test_the_linter_would_notice(tmp_path, path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    broken = tmp_path / path.name
    broken.write_text(text.replace(old, new), encoding="utf-8")
    code, said = linted(broken, SCHEMAS[path])
    assert code == 1, said


@pytest.mark.parametrize("path", [ROOT / ".github" / "workflows" / "versions.yml", GITLAB])
def test_every_python_is_run_with_the_lowest_and_the_newest(path):
    if path != GITLAB:
        matrix = read(path)["jobs"]["versions"]["strategy"]["matrix"]
        run = {f"{python}:{which}" for python in matrix["python"] for which in matrix["which"]}
    else:
        rows = read(path)["versions"]["parallel"]["matrix"]
        run = {text for row in rows for text in row["VERSIONS"]}
    assert run == {f"{python}:{which}" for python in PYTHONS for which in RESOLUTIONS}


def commands():
    """Every line that a job runs."""
    for path in GITHUB:
        for job in read(path)["jobs"].values():
            for step in job["steps"]:
                yield from step.get("run", "").splitlines()
    for job in read(GITLAB).values():
        if isinstance(job, dict):
            yield from job.get("script", [])


def test_jobs_call_scripts_that_are_there_and_each_script_is_called():
    called = {ROOT / name for line in commands() for name in re.findall(r"\.ci/\w+", line)}
    assert called == set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_uses_targets_folders_options_and_marks_that_there_are(script, pytestconfig):
    text = re.sub(r"(?m)(^|\s)#.*$", "", script.read_text("utf-8")).replace("\\\n", " ")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for target in re.findall(r"^make (\w+)", text, re.MULTILINE):
        assert target in targets
    known = {re.split(r"\W", line)[0] for line in pytestconfig.getini("markers")}
    for line in re.findall(r"-m pytest (.*?)(?: \|\||$)", text, re.MULTILINE):
        assert (ROOT / line.split()[0]).is_dir()
        for option in re.findall(r"--[\w-]+", line):
            pytestconfig.getoption(option)  # ValueError: there is no such option
        assert set(re.findall(r" -m (\w+)", line)) <= known


def test_an_own_runner_runs_a_pull_request_only_where_somebody_has_labelled_it():
    own = [
        (workflow, job)
        for workflow in map(read, GITHUB)
        for job in workflow["jobs"].values()
        if "self-hosted" in job["runs-on"]
    ]
    assert own
    for workflow, job in own:
        assert set(workflow["on"]) == {"workflow_dispatch", "schedule", "pull_request"}
        assert workflow["on"]["pull_request"] == {"types": ["labeled"]}  # a later push: no run
        only = "github.event_name != 'pull_request' || github.event.label.name == 'gpu'"
        assert job["if"] == only
        assert workflow["permissions"] == {"contents": "read"}
        assert job["steps"][0]["with"] == {"persist-credentials": False}
        assert job["timeout-minutes"] > max(s.get("timeout-minutes", 0) for s in job["steps"]) > 0


FAKES = {
    "nvidia-smi": "echo a card",
    "make": 'echo "make $*"; mkdir -p .venv/bin; cp python .venv/bin/python',
    "python": 'echo "$*" | cut -c-60; [[ "$*" != *"$FAILS"* ]]',
}


def run_on_a_card(folder, fails):
    """Run .ci/gpu where everything that it calls is a fake; `fails` is part of the command that does."""
    (folder / ".ci").mkdir()
    (folder / ".ci" / "gpu").write_bytes((ROOT / ".ci" / "gpu").read_bytes())
    for name, text in FAKES.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    return subprocess.run(
        ["bash", folder / ".ci" / "gpu"],
        env={**os.environ, "PATH": path, "FAILS": fails},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("fails", "code", "steps"),
    [
        ("nothing", 0, 5),
        ("get_device_name", 1, 3),  # a torch that sees no card: nothing would be tested
        ("pytest tests", 1, 5),
        ("pytest graders", 1, 5),
    ],
)
def test_the_job_tells_the_card_runs_both_suites_and_fails_with_either(
    tmp_path, fails, code, steps
):
    done = run_on_a_card(tmp_path, fails)
    assert done.returncode == code, done.stderr
    told = done.stdout.splitlines()
    order = ["a card", "make setup", "-c import torch", "-m pytest tests -m gpu"]
    order += ["-m pytest graders --submission solutions"]
    assert [line.startswith(start) for line, start in zip(told, order, strict=False)] == [
        True
    ] * steps
    assert (tmp_path / "build" / "gpu").is_dir() == (steps == 5)
