"""The seven tests of document 000 (lines 62 to 75), as behaviours of this product."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., str]

SWITCHES = "mode:\n  DRY_RUN_MODE: {live: 'false', safe: 'true'}\n  LIVE_CAPITAL_VERIFIED: {live: 'true', safe: 'false'}\n"
LIVE = {"DRY_RUN_MODE": "false", "LIVE_CAPITAL_VERIFIED": "true"}


@pytest.fixture
def nija(project: Any, make_item: Make) -> Any:
    """Document 000's switches, capital and isolation as a small list over files."""
    project.settings((project.root / "golive.yaml").read_text().removeprefix("version: 1\n") + SWITCHES)
    project.checklist(
        make_item(
            "dry-run-off",
            probe="env: {name: DRY_RUN_MODE, as: boolean}",
            expect="expect: {value: false}",
            fix="export DRY_RUN_MODE=false",
        ),
        make_item(
            "capital-verified",
            probe="env: {name: LIVE_CAPITAL_VERIFIED, as: boolean}",
            expect="expect: {value: true}",
            fix="Set LIVE_CAPITAL_VERIFIED=true to enable live trading",
        ),
        make_item("no-stop", probe="file: {path: EMERGENCY_STOP}", expect="expect: {exists: false}"),
        make_item(
            "buffer",
            probe="file: {path: capital.json, format: json}",
            expect="expect: {'value.accounts[*].buffer': {all: {ge: '0.20'}, len: {ge: 1}}}",
        ),
        make_item(
            "isolation",
            probe="file: {path: accounts.json, format: json}",
            expect="expect: {'value.accounts[*].breaker': {all: {is: string}, unique: true}}",
        ),
    )
    project.write("capital.json", '{"accounts": [{"buffer": 0.25}, {"buffer": 0.20}]}')
    project.write("accounts.json", '{"accounts": [{"breaker": "a"}, {"breaker": "b"}]}')
    return project


def test_1_imports() -> None:
    """Everything that the command needs imports, and the face of the package names what it has."""
    code = "import pytest_golive, pytest_golive.cli, pytest_golive.guard, pytest_golive.plugin; print(pytest_golive.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "__version__" in done.stdout


def test_2_the_validator_starts(nija: Any) -> None:
    """`golive check` reads settings and lists and runs every check."""
    run = nija.golive("check", env=LIVE)
    assert run.status == 0, run.text
    assert "Total checks: 5" in run.out
    assert "Passed: 5" in run.out
    assert "Critical failures: 0" in run.out
    assert not nija.marker.exists()


@pytest.mark.parametrize("value", ["true", "1", "maybe", "", None])
def test_3_dry_run_blocks(nija: Any, value: str | None) -> None:
    """Only an explicit false lets DRY_RUN_MODE pass; true, unreadable, empty and unset all block, with the fix."""
    env = {**LIVE, "DRY_RUN_MODE": value} if value is not None else {"LIVE_CAPITAL_VERIFIED": "true"}
    run = nija.golive("check", env=env)
    assert run.status == 1
    assert "[CRITICAL] Item dry-run-off" in run.out
    assert "Remediation: export DRY_RUN_MODE=false" in run.out


@pytest.mark.parametrize("value", ["false", None])
def test_4_unverified_capital_blocks(nija: Any, value: str | None) -> None:
    """LIVE_CAPITAL_VERIFIED must be true; the line says how to set it."""
    env = {**LIVE, "LIVE_CAPITAL_VERIFIED": value} if value is not None else {"DRY_RUN_MODE": "false"}
    run = nija.golive("check", env=env)
    assert run.status == 1
    assert "Remediation: Set LIVE_CAPITAL_VERIFIED=true to enable live trading" in run.out


def test_5_a_stop_file_blocks(nija: Any) -> None:
    """The stop file blocks the check, the activation and the guard."""
    nija.write("EMERGENCY_STOP", "")
    assert nija.golive("check", env=LIVE).status == 1
    assert nija.golive("activate", "--yes", env=LIVE).status == 1
    assert "EMERGENCY_STOP" in nija.golive("guard", env=LIVE).err
    assert "Emergency Stop File: PRESENT" in nija.golive("status", env=LIVE).out
    assert not nija.marker.exists()


@pytest.mark.parametrize(
    "content", ['{"accounts": [{"buffer": 0.25}, {"buffer": 0.1999}]}', '{"accounts": []}', '{"accounts": [{}]}', "{}", "x"]
)
def test_6_capital_safety(nija: Any, content: str) -> None:
    """An account below 20 %, no account, no buffer and unreadable accounts all block."""
    nija.write("capital.json", content)
    run = nija.gate(env=LIVE)
    assert (run.status, run.word) == (1, "NO-GO")


@pytest.mark.parametrize(
    "content", ['{"accounts": [{"breaker": "a"}, {"breaker": "a"}]}', '{"accounts": []}', '{"accounts": [{"breaker": null}]}']
)
def test_7_account_isolation(nija: Any, content: str) -> None:
    """A breaker that is shared, missing or unknown blocks."""
    nija.write("accounts.json", content)
    run = nija.gate(env=LIVE)
    assert (run.status, run.word) == (1, "NO-GO")


def test_status_tells_the_three_modes(nija: Any) -> None:
    """Status names dry run, monitoring and live, and each switch with its value."""
    assert "Current Mode: " in nija.golive("status", env=LIVE).out
    assert "DRY RUN MODE (SIMULATION)" in nija.golive("status").out
    assert "MONITOR MODE (DISABLED)" in nija.golive("status", env=LIVE).out
    assert "LIVE_CAPITAL_VERIFIED: false" in nija.golive("status", env={**LIVE, "LIVE_CAPITAL_VERIFIED": "false"}).out
    assert nija.golive("activate", "--yes", env=LIVE).status == 0
    status = nija.golive("status", env=LIVE)
    assert "LIVE\n" in status.out
    assert "Real trading: PERMITTED" in status.out
    assert "Emergency Stop File: Not present" in status.out


def test_activation_refuses_with_failures(nija: Any) -> None:
    """A failing critical check refuses the activation; a failing warning does not."""
    run = nija.golive("activate", "--yes", env={**LIVE, "DRY_RUN_MODE": "true"})
    assert run.status == 1
    assert "GO-LIVE NOT ACTIVATED" in run.out
    assert not nija.marker.exists()


def test_activation_wants_to_be_confirmed(nija: Any) -> None:
    """Without a terminal and without --yes nothing is activated."""
    run = nija.golive("activate", env=LIVE)
    assert run.status == 1
    assert "add --yes" in run.out
    assert not nija.marker.exists()


def test_every_check_is_in_the_report_and_the_run_in_the_journal(nija: Any) -> None:
    """After a run each check can be found again, passed ones too."""
    assert nija.golive("check", env=LIVE).status == 0
    page = nija.reports()[-1].read_text()
    for identity in ("dry-run-off", "capital-verified", "no-stop", "buffer", "isolation"):
        assert f'id="item-{identity}"' in page
    assert '"event":"run"' in (nija.root / "reports/journal.jsonl").read_text()


def test_checks_change_nothing(nija: Any) -> None:
    """A check leaves every file of the project as it was, but for reports."""
    before = {path: path.read_bytes() for path in nija.root.rglob("*") if path.is_file()}
    assert nija.golive("check", env=LIVE).status == 0
    after = {path: path.read_bytes() for path in nija.root.rglob("*") if path.is_file() and "reports" not in path.parts}
    assert {path: content for path, content in after.items() if "__pycache__" not in path.parts} == before
