"""The activation program of document 001, gone through on second desks: what lets real trading begin, and what does not."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import secrets
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from behaviours.ask import get, post, until
from behaviours.scratch import Desk, desk
from behaviours.second_gate import (
    PREFLIGHT,
    activate,
    alerts,
    checklist,
    golive,
    item,
    journal,
    lines_of,
    pid_and_start,
    settings,
    went,
)

_ROSTER = """\
version = 1
roles = ["operator"]

[persons.ann]
name = "Ann"
roles = ["operator"]
keys = [{{key = "{ann}"}}]

[persons.bea]
name = "Bea"
roles = ["operator"]
keys = [{{key = "{bea}"}}]
"""
_APPROVED = 'attestation: {role: operator, look_at: "the report of this activation was read", valid_for: 1h}'


def program(checkout: str, home: str) -> dict[str, Any]:
    """Facts on each layer of defence taken away in turn, on an activation, its way back and a second one, with an order each."""
    answers = _answers(home)
    with desk(checkout, home, settings(), DESK_FAULTS="allowed") as second:
        checklist(second)
        Path(second.home, ".gitignore").write_text("*\n!golive.yaml\n", encoding="ascii")
        _git(second, "init", "--quiet", "--initial-branch=main")
        Path(second.home, "off.yaml").write_text(settings(enabled=False), encoding="ascii")
        _commit(second, "the activation is enabled")
        begun = pid_and_start(second)
        before = went(second)
        layers = [_layer("configuration", second, "activation_enabled is false", config="off.yaml")]
        post(f"{second.api}/faults", {"name": "metrics-empty", "on": True})
        layers.append(_layer("preflight", second, "second-preflight-metrics"))
        post(f"{second.api}/faults", {"name": "metrics-empty", "on": False})
        first = _activated(second)
        if first["order"]["state"] != "filled":
            # where even a whole activation lets nothing go, nothing that follows shows that something was held back
            return {"answers": answers, "before": before, "layers": layers, "first": first}
        kept = Path(second.home, "kept.copy")
        shutil.copy2(second.marker, kept)
        second.marker.unlink()
        removed = {**went(second), "same_process": pid_and_start(second) == begun}
        shutil.copy2(kept, second.marker)
        layers.append({"layer": "marker", **went(second)})
        second.marker.write_text("activated: true\noperator: nobody\nallowed_profiles: micro\n", encoding="ascii")
        layers.append({"layer": "guard", **went(second)})
        second.marker.unlink()
        page = first.pop("page")
        post(f"{second.api}/faults", {"name": "risk-critical", "on": True})
        state = get(f"{second.api}/risk").body["state"]
        layers.append({**_layer("risk", second, "second-act-risk", page), "risk_state": state})
        post(f"{second.api}/faults", {"name": "risk-critical", "on": False})
        post(f"{second.api}/ess/trip", {"reason": "drill"})
        ess = _layer("emergency stop", second, "second-act-ess", page)
        post(f"{second.api}/ess/reset", {"reason": "drill"})
        history = _history(second, page)
        again = _activated(second)
        again.pop("page")
        stopped = golive(second, "deactivate", "--reason", "end of the drill", "--operator", "drill")
        deactivated = {"exit": stopped.exit, "marker": second.marker.exists(), **went(second)}
        return {
            "answers": answers,
            "before": before,
            "layers": layers,
            "first": first,
            "removed": removed,
            "ess": ess,
            "history": history,
            "again": again,
            "differences": sorted(name for name in PREFLIGHT if first["preflight"].get(name) != again["preflight"].get(name)),
            "deactivated": deactivated,
            "audit": _audit(second),
            "export": _export(second),
        }


def approvals_and_windows(checkout: str, home: str) -> dict[str, Any]:
    """Facts on activations with one operator's approval, the same operator's twice, and two; outside of a window and inside."""
    today, later = datetime.now(UTC), datetime.now(UTC) + timedelta(days=2)
    open_ = f"  windows: [{_day(today)} 00:00-24:00 UTC, {_day(today + timedelta(days=1))} 00:00-24:00 UTC]"
    with desk(checkout, home, settings(extra=open_)) as second:
        keys = {name: _key(second, name) for name in ("ann", "bea")}
        Path(second.home, "golive.roster.toml").write_text(_ROSTER.format(**keys), encoding="ascii")
        shut = f"  windows: [{_day(later)} 00:00-24:00 UTC]"
        Path(second.home, "shut.yaml").write_text(settings(extra=shut), encoding="ascii")
        checklist(second, item("second-two-operators", "activation", _APPROVED, "{persons: {ge: 2}, missing_roles: {len: 0}}"))
        page = _page(golive(second, "check", config="shut.yaml").output)
        one, twice = _approved(second, page, "ann"), _approved(second, page, "ann")
        closed = _approved(second, page, "bea")
        two = _tried(second)
        order = went(second)
        marker = _fields(second)
        stopped = golive(second, "deactivate", "--reason", "end of the drill", "--operator", "drill")
        return {
            "approvals": {"one": one, "same_twice": twice, "two": two},
            "windows": {"shut": closed, "open": two},
            "activated": {"marker": marker, "order": order},
            "deactivated": {"exit": stopped.exit, "marker": second.marker.exists(), **went(second)},
            "notified": _notified(second),
        }


def _activated(second: Desk) -> dict[str, Any]:
    """Run the gate and activate; what was said, in which order, what stands in the marker, and what became of an order."""
    ran = activate(second)
    last = ran.output.find("second-preflight-breakers")
    report = next((one["detail"]["report"] for one in reversed(journal(second)) if one["event"] == "run"), "")
    return {
        "exit": ran.exit,
        "said": "GO-LIVE ACTIVATED SUCCESSFULLY" in ran.output,
        "preflight": lines_of(ran.output),
        "preflight_first": 0 <= last < ran.output.find("Attempting GO-LIVE activation"),
        "marker": _fields(second),
        "order": went(second),
        "page": report,
    }


def _fields(second: Desk) -> dict[str, str]:
    """What an auditor can read in the marker, without the gate's code; empty if there is none."""
    text = second.marker.read_text(encoding="utf-8") if second.marker.exists() else ""
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and line[:1] != "#")
    wanted = ("activated", "operator", "environment", "allowed_profiles", "timestamp")
    return {name: fields[name].strip('"') for name in wanted if name in fields}


def _layer(name: str, second: Desk, wanted: str, *words: str, config: str = "golive.yaml") -> dict[str, Any]:
    ran = activate(second, *words, config=config)
    return {"layer": name, "exit": ran.exit, "named": wanted in ran.output, "marker": second.marker.exists(), **went(second)}


def _answers(home: str) -> dict[str, str]:
    """Which items answer the checks of an activation on the desk itself, by its settings."""
    import yaml

    told: dict[str, str] = yaml.safe_load(Path(home, "golive.yaml").read_text(encoding="utf-8"))["activation"]["answers"]
    return told


def _history(second: Desk, page: str) -> dict[str, Any]:
    """Closed trades of the testnet before and after one more, and an activation for which there are none."""
    before = _closed(second)
    statuses, states = [], []
    for side in ("BUY", "SELL"):
        key = f"history-{secrets.token_hex(8)}"
        wish = {"account": "drill-a", "symbol": "BTCUSDT", "side": side, "quantity": "0.0001", "testnet": True, "key": key}
        states.append(post(f"{second.api}/orders", wish).body["state"])
        statuses.append(second.at_exchange(key, "testnet"))
    after = _closed(second)
    post(f"{second.api}/faults", {"name": "no-testnet-history", "on": True})
    without = _layer("history", second, "second-act-history", page)
    post(f"{second.api}/faults", {"name": "no-testnet-history", "on": False})
    return {"before": before, "orders": states, "at_testnet": statuses, "added": after - before, "without": without}


def _closed(second: Desk) -> int:
    with closing(sqlite3.connect(f"file:{second.home}/ledger.sqlite?mode=ro", uri=True, timeout=10)) as ledger:
        query = "SELECT count(*) FROM trades WHERE environment = 'testnet' AND state = 'closed'"
        return int(ledger.execute(query).fetchone()[0])


def _page(output: str) -> str:
    pages = [line.partition(": ")[2].strip() for line in output.splitlines() if line.startswith("Report: ")]
    if not pages:
        raise RuntimeError(f"the second gate left no page: {output[-400:]}")
    return pages[0]


def _tried(second: Desk, page: str = "") -> dict[str, Any]:
    """An activation from a page, under settings whose window is shut; without a page the whole way, under open ones."""
    ran = activate(second, page, config="shut.yaml") if page else activate(second)
    return {
        "exit": ran.exit,
        "said": "GO-LIVE ACTIVATED SUCCESSFULLY" in ran.output,
        "marker": second.marker.exists(),
        "told_window": "activation windows" in ran.output and "UTC" in ran.output,
        "told_operators": "second-two-operators" in ran.output,
    }


def _approved(second: Desk, page: str, who: str) -> dict[str, Any]:
    signed = golive(second, "attest", "second-two-operators", "--yes", "--key", f"{who}.key")
    return {"signed": signed.exit == 0, **_tried(second, page)}


def _day(moment: datetime) -> str:
    return ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[moment.weekday()]


def _key(second: Desk, name: str) -> str:
    """Make a key for a person of the drill; its public line."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    path = Path(second.home, f"{name}.key")
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode("ascii")


def _commit(second: Desk, message: str) -> None:
    _git(second, "add", "golive.yaml")
    _git(second, "commit", "--quiet", "--no-verify", "-m", message)


def _git(second: Desk, *words: str) -> str:
    person = ("-c", "user.name=Drill Operator", "-c", "user.email=drill@desk.invalid", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *person, *words],
        cwd=second.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return done.stdout


def _audit(second: Desk) -> dict[str, Any]:
    """For each activation in the journal: when, by whom, and the commit that holds the settings it was made with."""
    committed = {}
    for line in _git(second, "log", "--format=%H %an %aI", "--", "golive.yaml").splitlines():
        commit, author = line.split(" ", 1)
        content = _git(second, "show", f"{commit}:golive.yaml").encode()
        committed[hashlib.sha256(content).hexdigest()] = author
    records = journal(second)
    told = []
    for record in (one for one in records if one["event"] == "activated"):
        detail = record["detail"]
        page = next(
            (Path(one["detail"]["report"]) for one in records if one["detail"].get("evidence") == detail["evidence"]), None
        )
        digests = [digest for digest in committed if page is not None and digest in page.read_text(encoding="utf-8")]
        told.append(
            {
                "at": record["at"],
                "operator": detail.get("operator", ""),
                "environment": detail.get("environment", ""),
                "profiles": detail.get("allowed_profiles", []),
                "configuration_committed": len(digests) == 1,
                "configuration_by": committed[digests[0]] if digests else "",
            }
        )
    return {"activations": told, "ends": [one["detail"].get("operator", "") for one in records if one["event"] == "deactivated"]}


def _export(second: Desk) -> dict[str, Any]:
    """What `golive history` writes, counted, beside what the journal holds, counted without it."""
    wanted = sum(one["event"] in ("activated", "activation-denied") for one in journal(second))
    as_json, as_csv = golive(second, "history", "--as", "json"), golive(second, "history", "--as", "csv")
    rows = list(csv.DictReader(io.StringIO(as_csv.output))) if as_csv.exit == 0 else []
    return {
        "journal": wanted,
        "json": len(json.loads(as_json.output)["attempts"]) if as_json.exit == 0 else -1,
        "csv": len(rows),
        "without_operator": sum(not row.get("operator") for row in rows),
        "exits": [as_json.exit, as_csv.exit],
    }


def _notified(second: Desk) -> dict[str, Any]:
    """The notifications that the mail server has accepted, and the files in which it keeps them."""

    def both() -> bool:
        kinds = {one["kind"] for one in alerts(second) if one["delivered"]}
        return {"go-live-activated", "go-live-deactivated"} <= kinds

    until(both, 5)
    mails = [path.read_text(encoding="utf-8", errors="replace") for path in Path(second.home, "mail").glob("*.eml")]
    return {
        "alerts": [
            {"kind": one["kind"], "delivered": one["delivered"]} for one in alerts(second) if one["kind"].startswith("go-live-")
        ],
        "activated_mails": sum("go-live-activated" in mail for mail in mails),
        "deactivated_mails": sum("go-live-deactivated" in mail for mail in mails),
    }
