"""Bad files, folders and targets: one clear line each, what to do next, exit status not 0, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., str]


def refused(run: Any, *words: str) -> None:
    assert run.status not in (0, 5)
    assert "Traceback" not in run.text
    assert "INTERNALERROR" not in run.text
    for word in words:
        assert word in run.text
    assert not run.project.marker.exists()
    assert not run.project.reports()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            "activation_enabeld: true\n",
            ["golive.yaml:2:1: unknown key 'activation_enabeld' - did you mean 'activation_enabled'?"],
        ),
        ("activation_enabled: yes\n", ["golive.yaml:2:1: 'activation_enabled' must be true or false"]),
        ("activation_enabled: 'true'\n", ["'activation_enabled' must be true or false"]),
        ("activation: {valid_for: 12}\n", ["golive.yaml:2:14: 'activation.valid_for': a duration needs a unit"]),
        ("allowed_profiles: []\n", ["allowed_profiles"]),
        ("default_profile: large\n", ["default_profile must be one of allowed_profiles"]),
        ("required_preflight: false\n", ["required_preflight cannot be switched off for production"]),
        ("target: {variables: {api_key: abc}}\n", ["'api_key' looks like a secret"]),
        ("target: {variables: {api: '${env:NO_SUCH_ADDRESS}'}}\n", ["the environment variable NO_SUCH_ADDRESS is not set"]),
        ("checklists: ['nowhere/*.yaml']\n", ["'nowhere/*.yaml' matches no file"]),
        ("checklists: []\n", ["checklists"]),
        (
            "activation_enabled: true\nactivation_enabled: false\n",
            ["golive.yaml:3:1: the key 'activation_enabled' stands here a second time"],
        ),
        ("target: [\n", ["golive.yaml", "not YAML"]),
        ("phases: [someday]\n", ["phases"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_are_refused(project: Any, settings: str, words: list[str]) -> None:
    """A fault in golive.yaml is told with its place."""
    project.settings(settings)
    refused(project.pytest("--golive"), *words)


def test_missing_settings(project: Any) -> None:
    """Without golive.yaml there is nothing to gate, and that is said."""
    (project.root / "golive.yaml").unlink()
    refused(project.pytest("--golive"), "golive.yaml:1:1: this file does not exist", "--golive-config")
    refused(project.pytest("--golive", "--golive-config=other.yaml"), "other.yaml:1:1: this file does not exist")
    refused(project.golive("status"), "golive.yaml:1:1: this file does not exist")


ASK = "attestation: {{role: qa, look_at: it, valid_for: 1d, revoked_by: [{}]}}"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("probe", "htpp: {url: 'http://x'}"), ["unknown key or kind 'htpp' - did you mean 'http'?"]),
        (("probe", "env: {nmae: READY}"), ["unknown key 'env.nmae' - did you mean 'name'?", "'env.name' is required"]),
        (("probe", "env: {name: READY}\n  file: {path: x}"), ["exactly one kind, this has 2: env, file"]),
        (("probe", "timeout: 5s"), ["the item has no kind"]),
        (("expect", "expect: {}"), ["expect"]),
        (("expect", ""), ["'expect' is required"]),
        (("expect", "expect: {value: {gte: 3}}"), ["gte"]),
        (("severity", "blocker"), ["'severity'"]),
        (("phase", "later"), ["'phase'"]),
        (("extra", "timeout: 5"), ["a duration needs a unit"]),
        (("extra", "requires: [tow]"), ["'one' needs 'tow', which no list declares - did you mean 'two'?"]),
        (("extra", "requires: [two]"), ["circle"]),
        (("probe", ASK.format("tow")), ["'one' needs 'tow', which no list declares - did you mean 'two'?"]),
        (("probe", ASK.format("two")), ["circle"]),
        (("probe", ASK.format("one")), ["circle", "'one' is a person's statement too"]),
        (("extra", "for_each: {x: []}"), ["for_each.x must be a list with at least one element"]),
        (("extra", "for_each: {x: '${brokers}'}"), ["the variable 'brokers' is not declared"]),
        (("title", "'${nothing}'"), ["the variable 'nothing' is not declared"]),
        (("extra", "sevirity: x"), ["unknown key or kind 'sevirity' - did you mean 'severity'?"]),
        (("extra", "id: again"), ["the key 'id' stands here a second time"]),
    ],
    ids=str,
)
def test_lists_are_refused(project: Any, make_item: Make, wrong: tuple[str, str], words: list[str]) -> None:
    """A fault in a list is told with file, line and column, and nothing runs."""
    project.checklist(make_item("one", **{wrong[0]: wrong[1]}), make_item("two", extra="requires: [one]"))
    run = project.pytest("--golive")
    refused(run, "checklists/main.yaml:", *words)


def test_all_faults_of_all_lists_at_once(project: Any, make_item: Make) -> None:
    """Faults of several files are told together, each with its place."""
    project.checklist(make_item("one", probe="evn: {}"), make_item("two", severity="bad"))
    project.checklist(make_item("three", phase="bad"), name="other")
    run = project.pytest("--golive")
    refused(
        run,
        "checklists/main.yaml:12:3: unknown key or kind 'evn'",
        "checklists/main.yaml:16:3: 'severity'",
        "checklists/other.yaml:7:3: 'phase'",
    )


def test_ids_are_unique_over_all_lists(project: Any, make_item: Make) -> None:
    """The same id in two lists is refused, with both places."""
    project.checklist(make_item("one"))
    project.checklist(make_item("one"), name="other")
    refused(project.pytest("--golive"), "the id 'one' is already used in checklists/main.yaml:4")


def test_a_list_without_a_critical_item(project: Any, make_item: Make) -> None:
    """A list that could never block is refused."""
    project.checklist(make_item("one", severity="warning"))
    refused(project.pytest("--golive"), "no item is critical")


@pytest.mark.parametrize(
    "text", ["", "version: 1\n", "version: 1\nchecklist: {name: xx, title: x, owner: x}\nitems: []\n", "- a\n", "version: 2\n"]
)
def test_empty_lists(project: Any, text: str) -> None:
    """A list that declares nothing is refused."""
    project.write("checklists/main.yaml", text)
    refused(project.pytest("--golive"), "checklists/main.yaml:")


def test_a_list_that_is_too_large(project: Any) -> None:
    """A file over a megabyte is not read."""
    project.write("checklists/main.yaml", "# " + "x" * 1_000_000)
    refused(project.pytest("--golive"), "more than 1000000 are not read")


def test_reports_cannot_be_written(project: Any) -> None:
    """A folder for reports that cannot be made is told before anything runs."""
    project.write("blocked", "a file")
    project.settings("reports: blocked/reports\njournal: journal.jsonl\n")
    refused(project.pytest("--golive"), "reports cannot be written here")


def test_the_marker_cannot_be_written(project: Any) -> None:
    """A marker that cannot be written is told after the page was, and the run is not green."""
    project.write("blocked", "a file")
    project.settings(MARKER_NOWHERE)
    run = project.gate()
    assert run.status == 1
    assert "Traceback" not in run.text
    assert "blocked" in run.out
    assert len(project.reports()) == 1


def test_the_journal_cannot_be_written(project: Any) -> None:
    """Without a journal nothing is activated."""
    project.write("blocked", "a file")
    project.settings((project.root / "golive.yaml").read_text().removeprefix("version: 1\n") + "journal: blocked/journal.jsonl\n")
    run = project.pytest("--golive")
    assert run.status not in (0, 5)
    assert "Traceback" not in run.text
    assert not project.marker.exists()


def test_a_session_key_that_others_can_read(project: Any, tmp_path: Path) -> None:
    """A signing key with a wide mode is refused before anything runs."""
    assert project.gate("--golive-no-marker").status == 0
    key = tmp_path / "home/.local/share/golive/session.key"
    key.chmod(0o644)
    run = project.pytest("--golive")
    assert run.status == 4
    assert "session key" in run.text
    assert "chmod" in run.text


def test_an_unknown_phase(project: Any) -> None:
    """A misspelt phase on the command line is a usage error that names the phases."""
    refused(project.pytest("--golive", "--golive-phase=pre-deplyo"), "no such phase", "pre-deploy")


def test_the_summary_cannot_be_written(project: Any) -> None:
    """A summary that cannot be written makes the run not green, because a pipeline would read an old one."""
    run = project.pytest("--golive", "--golive-json=nowhere/summary.json")
    assert run.status == 1
    assert "nowhere/summary.json" in run.out


def test_an_old_summary_is_not_left_for_a_new_run(project: Any) -> None:
    """A run that cannot begin leaves no summary of an earlier one behind, which a pipeline would read as its own."""
    assert project.gate().word == "GO"
    project.settings("nonsense: 1\n")
    assert project.pytest("--golive", f"--golive-json={project.root / 'summary.json'}").status == 4
    assert not (project.root / "summary.json").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no"),
        (b"hello", "no"),
        (b"<!DOCTYPE html>" + b"x" * 1000, "no"),
    ],
)
def test_files_that_are_no_report(project: Any, content: bytes, words: str) -> None:
    """`golive verify` of something else is a no with a reason."""
    project.gate("--golive-no-marker")
    path = project.root / "other.html"
    path.write_bytes(content)
    run = project.golive("verify", str(path))
    assert run.status == 1
    assert "Traceback" not in run.text
    assert run.err.startswith("golive verify: ")


def test_a_report_that_is_not_there(project: Any) -> None:
    """`golive verify` of nothing says so."""
    project.gate("--golive-no-marker")
    run = project.golive("verify", "nowhere.html")
    assert run.status == 1
    assert "nowhere.html: No such file or directory" in run.err


MARKER_NOWHERE = """\
activation_enabled: true
require_testnet_history: false
require_risk_state: ''
require_ess_inactive: false
activation: {marker: blocked/go_live.active, state: blocked/state}
"""
