"""The nine tests of document 001, step 7, against the gate's own activation and guard; the settings are those of the target.

DESK_SETTINGS names the golive.yaml that is to be looked at.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pytest_golive import canonical, yaml12
from pytest_golive.activation import activate
from pytest_golive.approval import Policy
from pytest_golive.errors import ActivationDenied
from pytest_golive.guard import Guard
from pytest_golive.journal import Journal
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import SessionKey

NOW = datetime.now(UTC)
FIELDS = {
    "environment": str,
    "activation_enabled": bool,
    "required_preflight": bool,
    "allowed_profiles": list,
    "default_profile": str,
    "require_testnet_history": bool,
    "require_risk_state": str,
    "require_ess_inactive": bool,
    "min_testnet_trades": int,
}


@dataclass(frozen=True)
class Order:
    """What an execution service asks the guard about."""

    side: str = "BUY"
    symbol: str = "BTCUSDT"
    quantity: str = "0.001"


def _item(name: str, path: str, found: str, *, met: bool = True) -> dict[str, Any]:
    wanted = f"at least {found}" if found.isdigit() else f"= {found}"
    check = {"path": path, "wanted": wanted, "found": found, "met": met}
    return {
        "id": name, "declared": name, "severity": "critical", "phase": "activation", "outcome": "passed" if met else "failed",
        "reason": "" if met else f"{path}: found {found}", "fix": "mend it", "checks": [check], "evidence": {"facts": {}},
    }  # fmt: skip


class Desk:
    """A folder with a signed run, signed activation items, and an execution service that asks the guard."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "go_live.active"
        self._state = folder / "guard.state"
        self._journal = Journal(folder / "journal.jsonl")
        self._signer = SessionKey(Ed25519PrivateKey.generate())
        self.sent: list[Order] = []
        self.reason = ""

    def activate(self, *, enabled: bool = True, preflight: bool = True, risk: str = "OK") -> bool:
        """Document 001's go_live_activate: whether real trading is activated now."""
        word = "GO" if preflight else "NO-GO"
        run = {"decision": {"word": word, "at": NOW, "valid_until": NOW + timedelta(hours=12)}}
        items = [
            _item("risk", "body.state", risk, met=risk == "OK"),
            _item("ess", "body.state", "inactive"),
            _item("testnet", "body.trades", "4"),
        ]
        try:
            activate(
                evidence=self._sign(run, failed=[] if preflight else ["preflight"]),
                readiness=self._sign({"items": items}),
                keys=[self._signer.public],
                signer=self._signer,
                journal=self._journal,
                marker=self.marker,
                state=self._state,
                environment="production",
                operator="suite",
                allowed_profiles=["micro"],
                default_profile="micro",
                activation_enabled=enabled,
                required_preflight=True,
                require_risk_state="OK",
                require_ess_inactive=True,
                require_testnet_history=True,
                min_testnet_trades=3,
                answers={"risk_state": "risk", "ess_inactive": "ess", "testnet_history": "testnet"},
                valid_for=timedelta(hours=1),
                max_age=timedelta(hours=1),
                now=NOW,
                policy=Policy(environment="production", required=False, roster=None, at_most=timedelta(hours=1)),
            )
        except ActivationDenied as denied:
            self.reason = denied.message
            return False
        return True

    def execute(self, *orders: Order) -> None:
        """Send what the guard lets go, skip the rest and go on with the next, as an execution service does."""
        guard = Guard(self.marker, environment="production", keys=[self._signer.public], state=self._state, profile="micro")
        for order in orders:
            if guard.allows(order):
                self.sent.append(order)

    def _sign(self, changes: dict[str, Any], failed: list[str] | None = None) -> str:
        manifest = {"commit": "c0ffee", "config": "", "environment": "production"}
        golive = {
            "schema": 1,
            "target": {"environment": "production"},
            "decision": {"word": "GO", "at": NOW, "valid_until": NOW + timedelta(hours=12)},
            "run": {"partial": [], "phases": ["pre-deploy", "sign-off"], "gates": True},
            "manifest": manifest,
            "items": [],
            **changes,
        }
        subject = [{"name": "release-manifest.json", "digest": {"sha256": canonical.digest(manifest)}}]
        predicate = {"result": "FAILED" if failed else "PASSED", "failedTests": failed or [], "golive": golive}
        return dsse.sign(canonical.dumps({"subject": subject, "predicate": predicate}), self._signer)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def settings() -> dict[str, Any]:
    path = os.environ["DESK_SETTINGS"]
    return dict(yaml12.load(Path(path).read_text(encoding="utf-8"), path))


def test_activation_disabled_returns_false(desk: Desk) -> None:
    """With activation_enabled false nothing is activated, whatever else holds."""
    assert desk.activate(enabled=False) is False
    assert "activation_enabled" in desk.reason
    assert not desk.marker.exists()


def test_activation_enabled_but_risk_state_bad_returns_false(desk: Desk) -> None:
    """A risk state of CRITICAL denies the activation."""
    assert desk.activate(risk="CRITICAL") is False
    assert "CRITICAL" in desk.reason
    assert not desk.marker.exists()


def test_activation_enabled_and_risk_ok_creates_flag(desk: Desk) -> None:
    """With every condition met the marker is there."""
    assert desk.activate() is True, desk.reason
    assert desk.marker.is_file()


def test_preflight_failure_prevents_activation(desk: Desk) -> None:
    """A run that said no activates nothing."""
    assert desk.activate(preflight=False) is False
    assert "NO-GO" in desk.reason
    assert not desk.marker.exists()


def test_execution_skips_order_when_flag_missing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Without the marker an order is skipped with its line in the log, and nothing is raised."""
    with caplog.at_level(logging.INFO, logger="golive.guard"):
        desk.execute(Order(), Order(symbol="ETHUSDT"))
    assert desk.sent == []
    assert "[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated" in caplog.text


def test_execution_allows_order_when_flag_exists(desk: Desk) -> None:
    """With the marker of an activation the order goes."""
    assert desk.activate(), desk.reason
    desk.execute(Order())
    assert desk.sent == [Order()]


def test_config_structure(settings: dict[str, Any]) -> None:
    """The settings have the nine fields of document 001, each of its type."""
    wrong = {name: type(settings.get(name)).__name__ for name, kind in FIELDS.items() if not isinstance(settings.get(name), kind)}
    assert wrong == {}


def test_activation_creates_marker_with_correct_content(desk: Desk) -> None:
    """The marker says that it is one, when, by whom, where and for which profiles."""
    assert desk.activate(), desk.reason
    text = desk.marker.read_text(encoding="utf-8")
    assert text.startswith("# GO-LIVE ACTIVATION MARKER")
    fields = dict(re.findall(r"^(\w+): (.*)$", text, re.MULTILINE))
    assert fields["activated"] == "true"
    assert datetime.fromisoformat(fields["timestamp"].strip('"')).utcoffset() == timedelta(0)
    assert fields["operator"].strip('"') == "suite"
    assert fields["environment"].strip('"') == "production"
    assert "micro" in fields["allowed_profiles"]


def test_default_profile_is_micro(settings: dict[str, Any]) -> None:
    """Whoever names no profile gets the smallest one."""
    assert settings["default_profile"] == "micro"
