"""Pages of every kind that a reader may meet, for tests that open them in a browser and for people who want to look at them.

`pages(key)` makes all of them; `python -m tests.report.gallery FOLDER` writes them as files.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pytest_golive import canonical, report
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import Signer, session_key
from tests.report.conftest import make_failed, make_item, make_statement
from tests.report.signing_off import approval, signed

BEGAN = datetime(2026, 11, 21, 10, 0, 1, tzinfo=UTC)
QUORUM = {"roster": "f" * 64, "persons": 2, "roles": {"operations": 1, "qa": 1}, "operator_counts": False}
LISTS = (
    ("nija", "NIJA go-live", "000"),
    ("amarktai", "Adaptive paper trading", "003"),
    ("quantum", "Quantum Trader - activation program", "001"),
)
TITLES = (
    "Dry run is switched off",
    "Maximum drawdown is set and sane",
    "The API key cannot withdraw",
    "Orders reach the exchange in under two seconds",
    "The ledger agrees with the exchange",
    "Secrets are readable by the service alone",
    "The emergency stop is reachable from outside",
    "Logs rotate before the disk is full",
    "The certificate is valid for another month",
    "A restore from last night's backup was rehearsed",
)
PREVIOUS = {"word": "GO WITH WARNINGS", "run": "77aa01c2d3e4f506", "at": "2026-11-20T09:00:00+00:00", "evidence": "a" * 64}


def items(count: int = 60) -> list[dict[str, Any]]:
    """Items of three lists and two phases that all passed, with times as a pool of eight would give them."""
    made = []
    for number in range(count):
        name, _, document = LISTS[number * len(LISTS) // count]
        title = TITLES[number % len(TITLES)]
        facts = {"value": f"seen-{number}", "seconds": {"$decimal": "0.20"}}
        began = BEGAN + timedelta(milliseconds=400 + 350 * (number // 8) + 20 * (number % 8))
        made.append(
            make_item(
                f"{name}-item-{number}",
                title=title,
                checklist=name,
                phase="sign-off" if number % 20 > 15 else "pre-deploy",
                kind="attestation" if number % 20 == 19 else ("env", "http", "sql", "tls")[number % 4],
                source={"document": document, "section": str(number % 5 + 1), "line": 12 + number, "note": ""},
                place=f"checklists/{name}.yaml:{12 + 9 * number}",
                evidence={
                    "facts": facts,
                    "began": began.isoformat(),
                    "seconds": f"{(number * 37 % 90) / 100 + (2.4 if number % 23 == 5 else 0):.3f}",
                    "attempts": 1,
                    "sha256": canonical.digest(facts),
                    "cut": 0,
                },
            )
        )
    return made


def _blocked(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items with two that fail, one that could not be checked, one that hangs on another, a warning and a waiver."""
    listed[7] = _over(listed[7], make_failed(since="2026-11-21T10:00:05+00:00"))
    listed[23] = _over(
        listed[23],
        make_failed(
            title="The ledger agrees with the exchange",
            reason="difference: wanted at most 0.00000001, found 0.0042",
            checks=[
                {"path": "difference", "wanted": "at most 0.00000001", "found": "0.0042", "met": False},
                {"path": "entries", "wanted": "at least 100", "found": "4182", "met": True},
            ],
            fix="Run `desk reconcile --since yesterday` and book what is missing; see https://desk.example/ledger.",
            since="2026-11-19T09:00:00+00:00",
        ),
    )
    unseen: dict[str, Any] = {"checks": [], "evidence": None}
    listed[31] |= {"outcome": "error", "verdict": "blocking", "reason": "connection refused by 10.0.4.7:5432", **unseen}
    listed[32] |= {
        "outcome": "blocked", "verdict": "warned", "severity": "warning", "reason": f"needs {listed[31]['id']}", **unseen,
    }  # fmt: skip
    listed[41] = _over(listed[41], make_failed(severity="warning", title="A backup is younger than a day"))
    listed[47] = _waived(listed[47])
    for number in (31, 32, 41):
        listed[number]["since"] = "2026-11-20T09:00:00+00:00"
    listed[52] |= {"outcome": "not-applicable", "reason": "no account at this exchange", **unseen}
    return listed


def _over(item: dict[str, Any], failed: dict[str, Any]) -> dict[str, Any]:
    """The item as it looks when it fails like `failed`."""
    kept = ("id", "declared", "checklist", "phase", "source", "place", "evidence", "kind")
    return {**failed, **{name: item[name] for name in kept}}


def _waived(item: dict[str, Any]) -> dict[str, Any]:
    failed = make_failed(
        title="The certificate is valid for another month",
        verdict="waived",
        waiver={
            "reason": "The new certificate is ordered and comes on Monday.",
            "until": "2026-12-01T00:00:00+00:00",
            "approved_by": ["Bob Risk"],
            "role": "risk",
            "signed_at": "2026-11-20T15:00:00+00:00",
            "statement": "b" * 64,
        },
    )
    return {**_over(item, failed), "since": "2026-11-18T16:30:00+00:00"}


def _changes(listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def named(*numbers: int) -> list[dict[str, Any]]:
        return [{"id": listed[number]["id"], "title": listed[number]["title"]} for number in numbers]

    return {
        "newly_failing": named(7, 31),
        "fixed": named(3, 4, 12),
        "still_failing": [{**named(23)[0], "since": "2026-11-19T09:00:00+00:00"}],
        "added": named(50, 51),
        "removed": [{"id": "nija-old-broker", "title": "The old broker is switched off"}],
        "demands": named(8),
        "checklists": ["amarktai"],
    }


def statements() -> dict[str, dict[str, Any]]:
    """The statement of each kind of page."""
    checklists = [
        {"name": name, "title": title, "owner": "platform", "path": f"checklists/{name}.yaml"} for name, title, _ in LISTS
    ]
    run = {
        **make_statement()["predicate"]["golive"]["run"],
        "ended": "2026-11-21T10:00:05+00:00",
        "sum_seconds": "29.220",
        "wall_seconds": "4.112",
    }
    usual: dict[str, Any] = {"checklists": checklists, "run": run, "signoff": QUORUM, "previous": PREVIOUS}
    real = {"target": {"name": "Trading desk", "environment": "production", "demo": False}}
    warned = items()
    warned[41] = _over(warned[41], make_failed(severity="warning", title="A backup is younger than a day"))
    warned[47] = _waived(warned[47])
    blocked = _blocked(items())
    unrun = items()
    for number in range(40, 60):
        unrun[number] |= {"outcome": "not-run", "verdict": "blocking", "reason": "did not run", "checks": [], "evidence": None}
    idle = {
        "item": "nija-item-3", "reason": "The desk was being moved.", "until": "2026-11-30T00:00:00+00:00",
        "approved_by": ["Bob Risk"], "why": "the item passes without it",
    }  # fmt: skip
    notice = {
        "what": "BREAK GLASS: an activation without its quorum is in force", "at": "2026-11-20T23:10:00+00:00",
        "by": "Cleo Ops", "reason": "The exchange closed our positions at midnight.",
    }  # fmt: skip
    made = {
        "go": make_statement("GO", items(), **usual, **real),
        "go-with-warnings": make_statement("GO WITH WARNINGS", warned, **usual, **real, idle_waivers=[idle]),
        "no-go": make_statement(
            "NO-GO", blocked, **{**usual, "changes": _changes(blocked)}, notices=[notice], idle_waivers=[idle]
        ),
        "incomplete": make_statement(
            "INCOMPLETE", unrun, **{**usual, "run": {**run, "partial": ["deselected by -k: 20"]}, "previous": None}
        ),
        "rehearsal": make_statement("GO", items(9), **{**usual, "run": {**run, "gates": False, "phases": ["rollback"]}}),
    }
    reasons = {
        "go": ["60 of 60 items pass."],
        "go-with-warnings": ["1 warning.", "1 waived.", "58 of 60 items pass."],
        "no-go": [
            "2 critical items fail.", "1 critical item could not be checked.", "2 warnings.", "1 waived.", "54 of 60 items pass."
        ],
        "incomplete": ["Partial run: deselected by -k: 20.", "20 critical items were not run.", "40 of 60 items pass."],
        "rehearsal": ["9 of 9 items pass."],
    }  # fmt: skip
    for name, statement in made.items():
        statement["predicate"]["golive"]["decision"]["reasons"] = reasons[name]
    return made


def pages(key: Signer) -> dict[str, bytes]:
    """A page of each kind by its name, also half signed and signed; all evidence and all approvals are signed with `key`."""
    envelopes = {name: dsse.sign(canonical.dumps(statement), key) for name, statement in statements().items()}
    made = {name: report.render(envelope) for name, envelope in envelopes.items()}
    for name in ("go", "go-with-warnings"):
        lines = [
            signed(approval(made[name], "ada", "qa", comment="Read together with the desk; the backup is on its way."), key),
            signed(approval(made[name], "bob", "operations", signed_at="2026-11-21T12:20:00+01:00"), key),
        ]
        made[f"{name}-half-signed"] = report.render(envelopes[name], lines[:1])
        made[f"{name}-signed"] = report.render(envelopes[name], lines)
    return made


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as keys:
        for name, page in pages(session_key(Path(keys) / "session")).items():
            (folder / f"{name}.html").write_bytes(page)
