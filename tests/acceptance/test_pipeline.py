"""What a run says to the CI system that runs it: GitHub's commands and step summary, GitLab's code quality report."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., str]
EVIL = "no\n::set-output name=verdict::GO\r::error::x ##[error]x | <img src=x> `a` [b](https://desk.example) 100% @everyone"

SKIPPING = f"""
import pytest

@pytest.fixture(autouse=True)
def skipping(request):
    if request.node.name == "two":
        pytest.skip({EVIL!r})
"""


@pytest.fixture
def github(project: Any) -> dict[str, str]:
    """The environment of a step."""
    return {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(project.root), "GITHUB_STEP_SUMMARY": str(project.root / "step.md")}


def commands(out: str) -> list[str]:
    """The lines that GitHub takes for commands; it trims them before it looks."""
    return [line for line in re.split(r"[\r\n]", out) if line.lstrip().startswith("::")]


def test_annotations_name_the_decision_and_each_failing_item(project: Any, github: dict[str, str], make_item: Make) -> None:
    """The decision comes first, then blocking items as errors and warnings as warnings, each at its line of the checklist."""
    holds = {"probe": "env: {name: HOME}", "expect": "expect: {value: {contains: /}}"}
    project.checklist(make_item("one", title="'a, b: c'"), make_item("two", **holds), make_item("three", severity="warning"))
    run = project.gate("-p", "no:pytest_github_actions_annotate_failures", env={**github, "READY": "no"})
    first, error, warning = commands(run.out)
    assert first == "::error title=go-live%3A NO-GO::1 critical item fails. 1 warning. 1 of 3 items pass."
    assert error.startswith(
        "::error file=checklists/main.yaml,line=4,title=a%2C b%3A c::failed: value: wanted = yes, found no%0Afix: set"
    )
    assert warning.startswith("::warning file=checklists/main.yaml,line=24,title=Item three::failed: ")
    assert run.out.rindex("::warning") < run.out.index("= go-live =")


def test_a_go_is_a_notice_and_nobody_else_is_told(project: Any, github: dict[str, str]) -> None:
    """A GO is said without alarm; outside GitHub no line is a command and no summary is written."""
    assert commands(project.gate(env=github).out) == ["::notice title=go-live%3A GO::3 of 3 items pass."]
    (project.root / "step.md").unlink()
    assert commands(project.gate(env={**github, "GITHUB_ACTIONS": ""}).out) == []
    assert not (project.root / "step.md").exists()


def test_what_others_say_is_no_command(project: Any, github: dict[str, str], make_item: Make) -> None:
    """What a target, a fixture or a checklist says, full of commands of GitHub, reaches the log as something that is none."""
    fix = json.dumps("look there\n::error::x\n ##[error]x")
    project.checklist(make_item("one", fix=fix), make_item("two", fix=fix), make_item("three", severity="warning", fix=fix))
    project.write("conftest.py", SKIPPING)
    for option in ("-q", "-v"):
        out = project.gate(option, env={**github, "READY": EVIL}).out
        found = commands(out)
        assert "##[" not in out
        assert "# #[error]x" in out
        assert {line.partition(" ")[0] for line in found} == {"::error", "::warning"}
        assert all(re.match(r"::(error|warning) (file=[^:,]+,line=\d+,)?title=[^:,]*::", line) for line in found)
        assert len(found) == 4


def test_the_step_summary_shows_text_as_text(project: Any, github: dict[str, str]) -> None:
    """The summary holds the decision, each failing item and the way to the page; nothing in it is markup but our own table."""
    project.gate(env={**github, "READY": EVIL})
    text = (project.root / "step.md").read_text(encoding="utf-8")
    assert text.startswith("## go-live: NO-GO\n\n2 critical items fail. 1 warning. 0 of 3 items pass.\n")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 5
    assert all(line.count("|") == 5 for line in table)
    assert not set("<>`[]@%") & set("".join(table[2:]))
    assert "<img src=x> `a` [b](https://desk.example) 100% @everyone" in html.unescape(table[2])
    (report,) = project.reports()
    assert f"<code>{report.relative_to(project.root)}</code>" in html.unescape(text)


def test_the_step_summary_has_an_end(project: Any, github: dict[str, str], make_item: Make) -> None:
    """A long list is cut below what GitHub would drop whole, and says how much was left out; so are the annotations."""
    fix = "x" * 500
    project.checklist(*(make_item(f"i-{number}", fix=fix) for number in range(400)))
    out = project.gate("-q", env={**github, "READY": "no"}).out
    text = (project.root / "step.md").read_text(encoding="utf-8")
    assert 150_000 < len(text.encode()) <= 200_000
    shown = sum(line.startswith("| blocking") for line in text.splitlines())
    assert f"… and {400 - shown} more; the sign-off page has all of them" in text
    assert len(commands(out)) == 10


def test_code_quality(project: Any) -> None:
    """GitLab's report has the decision unless it permits, then blockers, then warnings as minor, all with lasting names."""

    def quality(**env: str) -> list[dict[str, Any]]:
        project.gate("--golive-codequality=quality.json", env=env)
        found: list[dict[str, Any]] = json.loads((project.root / "quality.json").read_text())
        return found

    decision, one, two, three = quality(READY="no")
    assert (decision["check_name"], decision["severity"]) == ("golive:decision", "blocker")
    assert decision["description"].startswith("NO-GO: 2 critical items fail.")
    assert decision["location"] == {"path": "golive.yaml", "lines": {"begin": 1}}
    assert [found["severity"] for found in (one, two, three)] == ["blocker", "blocker", "minor"]
    assert one["location"] == {"path": "checklists/main.yaml", "lines": {"begin": 4}}
    assert len({found["fingerprint"] for found in (decision, one, two, three)}) == 4
    path = project.root / "checklists/main.yaml"
    path.write_text("# a line more\n" + path.read_text())
    assert [found["fingerprint"] for found in quality(READY="no")[1:]] == [found["fingerprint"] for found in (one, two, three)]
    assert quality() == []


def test_an_incomplete_run_is_no_clean_report(project: Any) -> None:
    """A run in which nothing failed because not everything was looked at leaves a blocker, and not an empty list."""
    project.gate("--golive-codequality=quality.json", "-k", "one")
    (found, *rest) = json.loads((project.root / "quality.json").read_text())
    assert found["description"].startswith("INCOMPLETE: ")
    assert found["severity"] == "blocker"
    assert len(rest) == 2


def test_an_older_report_does_not_outlive_a_run_that_could_not_begin(project: Any) -> None:
    """A faulty checklist takes the earlier report away; a file that is not ours is left, and the run does not begin."""
    project.gate("--golive-codequality=quality.json", env={"READY": "no"})
    project.write("checklists/main.yaml", "version: 1\n")
    assert project.gate("--golive-codequality=quality.json").status == 4
    assert not (project.root / "quality.json").exists()
    project.write("quality.json", '{"mine": 1}')
    run = project.gate("--golive-codequality=quality.json")
    assert "quality.json is no code quality report of the gate" in run.text
    assert (project.root / "quality.json").read_text() == '{"mine": 1}'


def test_a_report_that_cannot_be_written_is_trouble(project: Any) -> None:
    """What was asked for and is not there makes the run not green; a step summary that cannot be written is only told."""
    run = project.gate("--golive-codequality=no/such/folder.json")
    assert run.status == 1
    assert "Trouble:" in run.out
    run = project.gate(env={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(project.root / "no/step.md")})
    assert run.status == 0
    assert "golive: the step summary could not be written" in run.out
