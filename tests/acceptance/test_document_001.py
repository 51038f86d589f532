"""The nine tests of document 001 (lines 254 to 292), as behaviours of this product."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_golive import config
from pytest_golive.guard import Guard
from pytest_golive.signing.keys import session_key

Make = Callable[..., str]

SETTINGS = """\
activation_enabled: true
min_testnet_trades: 3
activation:
  answers: {risk_state: act-risk, ess_inactive: act-ess, testnet_history: act-history}
"""


@dataclass(frozen=True)
class Order:
    side: str = "BUY"
    symbol: str = "BTCUSDT"
    quantity: str = "0.001"


@pytest.fixture
def quantum(project: Any, make_item: Make) -> Any:
    """Document 001's risk state, emergency stop and testnet history as files that a test can change."""
    project.settings(SETTINGS)
    read = "file: {{path: {}, format: json}}"
    project.checklist(
        make_item("preflight"),
        make_item("act-risk", phase="activation", probe=read.format("risk.json"), expect="expect: {value.state: OK}"),
        make_item("act-ess", phase="activation", probe=read.format("ess.json"), expect="expect: {value.state: inactive}"),
        make_item(
            "act-history",
            phase="activation",
            probe=read.format("trades.json"),
            expect="expect: {'value.trades[*]': {len: {ge: 3}}}",
        ),
    )
    project.write("risk.json", '{"state": "OK"}')
    project.write("ess.json", '{"state": "inactive"}')
    project.write("trades.json", '{"trades": [1, 2, 3]}')
    return project


def guard(project: Any) -> Guard:
    settings = config.load(project.root / "golive.yaml", {})
    key = session_key(Path(project.environ["HOME"], ".local/share/golive/session.key")).public
    return Guard(settings.marker, environment="production", keys=[key], state=settings.state, config=settings.sha256)


def test_1_activation_disabled_returns_false(quantum: Any) -> None:
    """activation_enabled: false denies the activation with that reason, exit 1, no marker."""
    quantum.settings(SETTINGS.replace("activation_enabled: true", "activation_enabled: false"))
    run = quantum.golive("activate", "--yes")
    assert run.status == 1
    assert "activation_enabled is false" in run.out
    assert not quantum.marker.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("risk.json", '{"state": "CRITICAL"}'),
        ("risk.json", '{"state": "WARNING"}'),
        ("risk.json", "{}"),
        ("ess.json", '{"state": "active"}'),
        ("trades.json", '{"trades": [1, 2]}'),
    ],
)
def test_2_a_bad_state_denies(quantum: Any, name: str, content: str) -> None:
    """A risk state that is not OK, an active emergency stop and too few trades each deny, and the item is named."""
    quantum.write(name, content)
    run = quantum.golive("activate", "--yes")
    assert run.status == 1
    assert f"act-{ {'risk.json': 'risk', 'ess.json': 'ess', 'trades.json': 'history'}[name] }" in run.out
    assert not quantum.marker.exists()


def test_3_all_well_creates_the_marker(quantum: Any) -> None:
    """With every condition met the activation succeeds, exit 0, and the marker stands."""
    run = quantum.golive("activate", "--yes")
    assert run.status == 0, run.text
    assert "GO-LIVE ACTIVATED SUCCESSFULLY" in run.out
    assert "REAL TRADING IS NOW ENABLED" in run.out
    assert "PREFLIGHT RESULTS: 1 passed, 0 failed" in run.out
    assert quantum.marker.exists()


def test_4_a_failed_preflight_prevents_activation(quantum: Any) -> None:
    """A failing preflight check ends it before the activation, exit 1."""
    run = quantum.golive("activate", "--yes", env={"READY": "no"})
    assert run.status == 1
    assert "PREFLIGHT RESULTS: 0 passed, 1 failed" in run.out
    assert "Attempting GO-LIVE activation" not in run.out
    assert not quantum.marker.exists()


def test_5_orders_are_skipped_without_the_marker(quantum: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without a marker the guard refuses and logs the two lines of the document."""
    with caplog.at_level(logging.INFO, logger="golive.guard"):
        permission = guard(quantum).allows(Order())
    assert not permission.allowed
    assert "GO-LIVE flag not active, skipping real trading order for BTCUSDT" in caplog.text
    assert "[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated" in caplog.text


def test_6_orders_go_with_the_marker(quantum: Any) -> None:
    """With the marker of a passing run the guard allows; after it is deleted and put back it does not."""
    assert quantum.golive("activate", "--yes").status == 0
    mine = guard(quantum)
    assert mine.allows(Order()).allowed
    content = quantum.marker.read_bytes()
    quantum.marker.unlink()
    assert not mine.allows(Order()).allowed
    quantum.marker.write_bytes(content)
    assert not mine.allows(Order()).allowed
    assert not guard(quantum).allows(Order()).allowed


def test_7_the_structure_of_the_settings(quantum: Any) -> None:
    """The nine fields exist with their names, and an empty file has the document's defaults."""
    settings = config.load(quantum.settings("reports: reports\n"), {})
    assert (settings.environment, settings.activation_enabled, settings.required_preflight) == ("production", False, True)
    assert (settings.allowed_profiles, settings.default_profile) == (["micro"], "micro")
    assert (settings.require_testnet_history, settings.require_risk_state) == (True, "OK")
    assert (settings.require_ess_inactive, settings.min_testnet_trades) == (True, 3)


def test_8_the_content_of_the_marker(quantum: Any) -> None:
    """The marker is YAML with the document's five fields, who activated it, and a time in UTC."""
    assert quantum.golive("activate", "--yes", "--operator", "bob").status == 0
    text = quantum.marker.read_text()
    fields = yaml.safe_load(text)
    assert text.startswith("# GO-LIVE ACTIVATION MARKER\n")
    assert fields["activated"] is True
    assert fields["operator"] == "bob"
    assert fields["environment"] == "production"
    assert fields["allowed_profiles"] == ["micro"]
    assert fields["timestamp"].endswith("+00:00")


def test_9_the_default_profile_is_micro(quantum: Any) -> None:
    """What names no profile gets the smallest one."""
    assert config.load(quantum.root / "golive.yaml", {}).default_profile == "micro"


def test_the_checks_stop_at_the_first_no(quantum: Any) -> None:
    """The activation items are asked in their order, and nothing is asked after a no."""
    quantum.write("risk.json", '{"state": "CRITICAL"}')
    quantum.write("trades.json", "not json")
    run = quantum.golive("activate", "--yes")
    assert "act-risk" in run.out
    assert "act-history" not in run.out


def test_a_demand_without_an_answer_denies(quantum: Any) -> None:
    """A check that is demanded but answered by no item denies: a stub would have said OK."""
    quantum.settings(SETTINGS.replace("risk_state: act-risk, ", ""))
    run = quantum.golive("activate", "--yes")
    assert run.status == 1
    assert "no item answers it" in run.out


def test_deactivate_takes_the_marker_back(quantum: Any) -> None:
    """One command takes the marker back, journals why, and burns its counter."""
    assert quantum.golive("activate", "--yes").status == 0
    content = quantum.marker.read_bytes()
    run = quantum.golive("deactivate", "--reason", "maintenance")
    assert run.status == 0
    assert "REAL TRADING IS NOW DISABLED" in run.out
    assert not quantum.marker.exists()
    quantum.marker.write_bytes(content)
    assert quantum.golive("guard").status == 1
    assert "maintenance" in (quantum.root / "reports/journal.jsonl").read_text()


def test_guard_starts_a_command_only_if_live(quantum: Any) -> None:
    """`golive guard -- command` runs the command with a marker, and refuses with the reason without."""
    run = quantum.golive("guard", "--", "echo", "started")
    assert (run.status, run.out) == (1, "")
    assert "GO-LIVE not activated" in run.err
    assert quantum.golive("activate", "--yes").status == 0
    run = quantum.golive("guard", "--", "echo", "started")
    assert (run.status, run.out) == (0, "started\n")


def test_activation_from_a_report(quantum: Any) -> None:
    """A page that is still fresh can activate later; one that says NO-GO cannot."""
    assert quantum.gate("--golive-no-marker").status == 0
    assert quantum.golive("activate", "--yes", str(quantum.reports()[0])).status == 0
    assert quantum.marker.exists()
    quantum.marker.unlink()
    assert quantum.gate("--golive-no-marker", env={"READY": "no"}).status == 1
    bad = next(page for page in quantum.reports() if "no-go" in page.parent.name)
    run = quantum.golive("activate", "--yes", str(bad))
    assert run.status == 1
    assert not quantum.marker.exists()
