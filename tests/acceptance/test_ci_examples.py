"""The examples for CI systems: they can be read, their commands exist, and they do what they say in a project of two minds."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_golive.cli import COMMANDS

CI = Path(__file__).parents[2] / "examples/ci"
NO = {"READY": "no"}


def read(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text(encoding="utf-8"))


def scripts() -> dict[str, str]:
    """Every script of the examples by where it stands."""
    found = {f"action:{step['id']}": step["run"] for step in read("github/action.yml")["runs"]["steps"]}
    for name, job in read("github/golive.yml")["jobs"].items():
        for number, step in enumerate(job["steps"]):
            if "run" in step:
                found[f"github:{name}:{number}"] = step["run"]
    gitlab = read("gitlab/.gitlab-ci.yml")
    found |= {f"gitlab:{name}": "\n".join(gitlab[name]["script"]) for name in ("golive", "deploy")}
    jenkins = re.findall(r"sh '([^']*)'", (CI / "jenkins/Jenkinsfile").read_text(encoding="utf-8"))
    found |= {"jenkins:golive": jenkins[0], "jenkins:deploy": jenkins[1]}
    tox = configparser.ConfigParser()
    tox.read(CI / "tox/tox.ini", encoding="utf-8")
    found["tox:golive"] = tox["testenv:golive"]["commands"].replace("{posargs}", "")
    found["pre-push"] = (CI / "pre-push/pre-push").read_text(encoding="utf-8")
    return found


@pytest.fixture
def trading(project: Any) -> Any:
    """A project with a start script that leaves a trace, and pytest and golive on its path."""
    folder = Path(sys.executable).parent
    if not (folder / "golive").exists():
        pytest.skip("the golive command is not installed beside this Python")
    start = project.write("deploy.sh", "#!/bin/sh\necho started >started\n")
    start.chmod(0o755)
    return replace(project, environ={**project.environ, "PATH": f"{folder}:{project.environ['PATH']}"})


def shell(project: Any, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a CI system does."""
    bash = shutil.which("bash") or pytest.skip("bash is not installed")
    command = [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(
        command, cwd=project.root, env={**project.environ, **env}, capture_output=True, text=True, check=False, timeout=120
    )


def test_commands_and_options_exist(project: Any) -> None:
    """Every word of golive that an example uses is a command, and every option of the gate is one of pytest's."""
    known = project.pytest("--help").out
    everything = "\n".join(scripts().values())
    assert set(re.findall(r"\bgolive ([a-z][a-z-]+)", re.sub(r"(?m)^\s*(#|echo).*", "", everything))) <= set(COMMANDS)
    options = set(re.findall(r"--(?:golive|junit)[a-z-]*", everything))
    assert {"--golive-json", "--golive-codequality", "--golive-no-marker"} <= options
    assert [option for option in options if option not in known] == []


def test_actions_are_pinned_and_nothing_is_pasted_into_a_script() -> None:
    """Foreign actions are named by their commit, jobs have no rights but reading, and no expression stands inside a script."""
    workflow = read("github/golive.yml")
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}|\./\.github/actions/golive", one) for one in used)
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["deploy"]["needs"] == "golive"
    assert not [name for name, script in scripts().items() if "${{" in script]


@pytest.mark.parametrize("gate", ["gitlab:golive", "jenkins:golive", "tox:golive"])
def test_the_gate_decides_the_job(gate: str, trading: Any) -> None:
    """The job of the gate ends well if the decision permits, and not otherwise."""
    assert shell(trading, scripts()[gate]).returncode == 0
    assert shell(trading, scripts()[gate], **NO).returncode == 1


def test_nothing_starts_without_a_marker(trading: Any) -> None:
    """The start, which is the same everywhere, runs while the marker is in force; before that, and after a NO-GO, it does not."""
    (start,) = {scripts()[name].strip() for name in ("github:deploy:1", "gitlab:deploy", "jenkins:deploy")}
    refused = shell(trading, start)
    assert refused.returncode == 1
    assert "GO-LIVE not activated" in refused.stderr
    assert trading.gate().word == "GO"
    assert shell(trading, start).returncode == 0
    assert (trading.root / "started").read_text() == "started\n"
    (trading.root / "started").unlink()
    assert trading.gate(env=NO).word == "NO-GO"
    assert shell(trading, start).returncode == 1
    assert not (trading.root / "started").exists()


def action(
    project: Any, *words: str, strict: str = "false", config: str = "golive.yaml", **env: str
) -> tuple[int, dict[str, str]]:
    """The status of the composite action's step, and its outputs."""
    output = project.root / "output"
    output.write_text("")
    inputs = {"CONFIG": config, "ARGS": "\n".join(words), "FAIL_ON_WARNING": strict, "GITHUB_OUTPUT": str(output)}
    done = shell(project, scripts()["action:gate"], **inputs, **env)
    return done.returncode, dict(line.split("=", 1) for line in output.read_text().splitlines())


def test_the_composite_action(trading: Any) -> None:
    """Its outputs say what was decided, whatever it was; every output that it promises is one of them."""
    status, told = action(trading)
    assert (status, told["verdict"], told["blocking"]) == (0, "GO", "0")
    assert Path(told["report-path"]).exists()
    assert Path(told["marker-path"]).exists()
    assert set(told) == set(read("github/action.yml")["outputs"])
    status, told = action(trading, **NO)
    assert (status, told["verdict"], told["blocking"], told["warnings"], told["marker-path"]) == (1, "NO-GO", "2", "1", "")
    status, told = action(trading, "-k", "one and not two")
    assert (status, told["verdict"]) == (1, "INCOMPLETE")
    status, told = action(trading, config="nowhere.yaml")
    assert (status, told["verdict"], told["report-path"]) == (4, "none", "")


def test_a_warning_may_fail_the_action(trading: Any, make_item: Any) -> None:
    """GO WITH WARNINGS passes, unless it was asked not to."""
    trading.checklist(make_item("one"), make_item("two", severity="warning", probe="env: {name: NOT_THERE}"))
    assert action(trading)[0] == 0
    status, told = action(trading, strict="true")
    assert (status, told["verdict"], told["warnings"]) == (1, "GO WITH WARNINGS", "1")


def test_the_workflow_activates_from_the_page(trading: Any) -> None:
    """The deploying job activates from the page of the gate's job, and does nothing if the marker is in force already."""
    trading.gate("--golive-no-marker")
    (report,) = trading.reports()
    activate = scripts()["github:deploy:0"]
    assert shell(trading, activate, REPORT=str(report)).returncode == 0
    before = trading.marker.read_bytes()
    assert shell(trading, activate, REPORT=str(report)).returncode == 0
    assert trading.marker.read_bytes() == before
    trading.marker.unlink()
    assert shell(trading, activate, REPORT="no-such-page.html").returncode == 1


def test_the_hook_lets_no_release_out_that_the_gate_refuses(trading: Any, tmp_path: Path) -> None:
    """A branch is pushed freely, a tag only past the gate, and only if it is the commit that lies here, without changes."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    name = {f"GIT_{who}_{what}": "alice@desk.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    trading = replace(trading, environ={**trading.environ, **name})
    hook = shlex.quote(str(CI / "pre-push/pre-push"))
    made = f"""git init -q -b main . && git init -q --bare {shlex.quote(str(tmp_path / "origin.git"))}
        git remote add origin {shlex.quote(str(tmp_path / "origin.git"))}; cp {hook} .git/hooks/pre-push
        git add golive.yaml checklists deploy.sh && git commit -qm first && git tag -a v1 -m v1"""
    assert shell(trading, made).returncode == 0
    assert shell(trading, "git push -q origin main", **NO).returncode == 0
    refused = shell(trading, "git push -q origin v1", **NO)
    assert refused.returncode != 0
    assert "NO-GO" in refused.stdout + refused.stderr
    assert shell(trading, "git push -q origin v1").returncode == 0
    assert not trading.marker.exists()
    assert shell(trading, "git push -q origin :v1", **NO).returncode == 0
    again = shell(trading, "echo >>deploy.sh; git push -q origin v1")
    assert "changes that no commit holds" in again.stderr
    again = shell(trading, "git commit -qam second; git push -q origin v1")
    assert "v1 is not the commit that lies here" in again.stderr
    assert os.listdir(tmp_path / "origin.git/refs/tags") == []
