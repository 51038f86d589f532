"""Statements, envelopes and pages to look at, made without a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import canonical
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import SessionKey, session_key

REASONS = {
    "GO": "4 of 4 items pass.",
    "GO WITH WARNINGS": "1 warning. 3 of 4 items pass.",
    "NO-GO": "1 critical item fails. 3 of 4 items pass.",
    "INCOMPLETE": "3 critical items were not run. 1 of 4 items pass.",
}


def make_item(id: str = "desk-dry-run-off", **changes: Any) -> dict[str, Any]:
    """An item of the statement that passed, but for what is changed."""
    facts = {"value": "false", "seconds": {"$decimal": "0.20"}}
    item: dict[str, Any] = {
        "id": id,
        "declared": id.partition("[")[0],
        "title": "Dry run is switched off",
        "severity": "critical",
        "phase": "pre-deploy",
        "owner": "platform",
        "checklist": "nija",
        "source": {"document": "000", "section": "Pre-flight", "line": 12, "note": ""},
        "place": "checklists/nija.yaml:12",
        "why": "Orders of a dry run never reach the exchange.",
        "fix": "Set `DRY_RUN_MODE=false` in the service's .env and restart it; see https://desk.example/runbook.",
        "kind": "env",
        "acts": False,
        "covers": [],
        "demand": None,
        "since": None,
        "outcome": "passed",
        "verdict": "clear",
        "reason": "",
        "checks": [{"path": "value", "wanted": "equal to 'false'", "found": "'false'", "met": True}],
        "waiver": None,
        "evidence": {
            "facts": facts,
            "began": "2026-11-21T10:00:01+00:00",
            "seconds": "0.103",
            "attempts": 1,
            "sha256": canonical.digest(facts),
            "cut": 0,
        },
    }
    return {**item, **changes}


def make_failed(id: str = "desk-broker-health", *, severity: str = "critical", **changes: Any) -> dict[str, Any]:
    """An item that failed, and blocks or warns as its severity says."""
    failed: dict[str, Any] = {
        "title": "Every broker is healthy",
        "severity": severity,
        "outcome": "failed",
        "verdict": "blocking" if severity == "critical" else "warned",
        "reason": "body.state: wanted equal to 'healthy', found 'degraded'",
        "checks": [
            {"path": "status", "wanted": "equal to 200", "found": "200", "met": True},
            {"path": "body.state", "wanted": "equal to 'healthy'", "found": "'degraded'", "met": False},
        ],
    }
    return make_item(id, **{**failed, **changes})


def make_statement(word: str = "GO", items: Iterable[dict[str, Any]] = (), **changes: Any) -> dict[str, Any]:
    """A statement that says `word` over the items; `changes` replace members of its go-live part."""
    listed = list(items) or [make_item(f"desk-item-{number}") for number in range(4)]
    golive: dict[str, Any] = {
        "schema": 1,
        "template": 2,
        "target": {"name": "Embedded trading desk", "environment": "production", "demo": True},
        "decision": {
            "word": word,
            "reasons": [REASONS[word]],
            "at": "2026-11-21T10:00:05+00:00",
            "valid_until": "2026-11-21T22:00:05+00:00",
        },
        "run": {
            "id": "0b5dca1dc3c24a31",
            "operator": "Ada Operator",
            "host": "desk-1",
            "began": "2026-11-21T10:00:01+00:00",
            "ended": "2026-11-21T10:00:05+00:00",
            "wall_seconds": "3.214",
            "sum_seconds": "14.028",
            "command": "pytest --golive",
            "phases": ["pre-deploy", "sign-off"],
            "gates": True,
            "partial": [],
            "versions": {"pytest-golive": "0.1.0", "pytest": "9.2.0", "python": "3.11.7"},
        },
        "manifest": {
            "commit": "4f0c1c2ab5a1e8b7c90d3f6e21b4a5d6c7e8f901",
            "tree": "9a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
            "dirty": False,
            "config": "c" * 64,
            "environment": "production",
            "checklists": {"checklists/nija.yaml": "d" * 64},
        },
        "journal_head": "e" * 64,
        "previous": None,
        "changes": None,
        "signoff": None,
        "idle_waivers": [],
        "notices": [],
        "checklists": [{"name": "nija", "title": "NIJA go-live", "owner": "platform", "path": "checklists/nija.yaml"}],
        "items": listed,
        "aside": [],
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "release-manifest.json", "digest": {"sha256": "a" * 64}}],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": {"GO": "PASSED", "GO WITH WARNINGS": "WARNED"}.get(word, "FAILED"),
            "configuration": [],
            "passedTests": [],
            "warnedTests": [],
            "failedTests": [],
            "golive": {**golive, **changes},
        },
    }


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SessionKey:
    """The key that signs what these tests render."""
    folder: Path = tmp_path_factory.mktemp("key")
    folder.chmod(0o700)
    return session_key(folder / "session")


@pytest.fixture(scope="session")
def item() -> Callable[..., dict[str, Any]]:
    """The builder of a passed item."""
    return make_item


@pytest.fixture(scope="session")
def failed() -> Callable[..., dict[str, Any]]:
    """The builder of a failed item."""
    return make_failed


@pytest.fixture(scope="session")
def statement() -> Callable[..., dict[str, Any]]:
    """The builder of a whole statement."""
    return make_statement


@pytest.fixture(scope="session")
def sign(key: SessionKey) -> Callable[[dict[str, Any]], str]:
    """A signed envelope of a statement."""
    return lambda statement: dsse.sign(canonical.dumps(statement), key)
