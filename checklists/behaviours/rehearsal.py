"""The complete rollback of document 001, step 6, rehearsed on a second desk: by its own trigger, then step by step."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from behaviours.ask import get, post, signed, until
from behaviours.scratch import Desk, desk, restarted
from behaviours.second_gate import activate, alerts, checklist, journal, pid_and_start, settings, went

OPERATOR = "Drill Operator"
DECISIONS = {("alpha", "BTCUSDT"): "wait", ("beta", "ETHUSDT"): "cancel"}
_BOX = re.compile(r"- \[(?P<box>[ xX])\] (?P<text>.+)")
_DONE = re.compile(r"- \[[xX]\] (?P<text>[^(]+) \((?P<time>\d\d:\d\d:\d\d UTC), (?P<by>[^)]+)\)")


def rollback(checkout: str, home: str) -> dict[str, Any]:
    """Facts on an automatic rollback, and on each of the eight steps by hand, each looked at elsewhere."""
    with desk(checkout, home, settings(), DESK_BREAKER_COOL_DOWN="0.5") as second:
        checklist(second)
        activate(second)
        live = went(second)
        if live["state"] != "filled":
            # nothing can be taken back that was never on
            return {"live": live}
        automatic = _automatic(second)
        until(lambda: all(one["state"] == "active" for one in get(f"{second.api}/accounts").body["accounts"]), 10)
        activate(second)
        again = went(second)
        marks = [("Marker removed", _stamp())]
        began = time.time()
        second.marker.unlink()
        removed = went(second)
        Path(second.home, "golive.yaml").write_text(settings(enabled=False), encoding="ascii")
        denied = activate(second)
        marks.append(("activation_enabled is false", _stamp()))
        disabled = {
            "enabled": "activation_enabled: true" in Path(second.home, "golive.yaml").read_text(encoding="ascii"),
            "exit": denied.exit, "named": "activation_enabled is false" in denied.output, "marker": second.marker.exists(),
        }  # fmt: skip
        dotenv = Path(second.home, ".env")
        text = dotenv.read_text(encoding="utf-8")
        dotenv.write_text(re.sub(r"^DESK_ACCOUNTS=.*$", "DESK_ACCOUNTS=testnet", text, flags=re.MULTILINE), encoding="utf-8")
        changed = time.time()
        marks.append(("Accounts set to testnet", _stamp()))
        before = pid_and_start(second)
        with restarted(second, checkout) as third:
            marks.append(("Services restarted", _stamp()))
            process = {
                "another_process": pid_and_start(third) != before,
                "younger_than_change": Path(third.home, "desk.pid").stat().st_mtime > changed,
                "health": get(f"{third.api}/health").body["state"],
                "services": sorted({one["state"] for one in get(f"{third.api}/health").body["services"].values()}),
            }
            accounts = _accounts(third)
            verified = _verified(third, began)
            marks.append(("Rollback verified at the exchange", _stamp()))
            positions = _decided(third)
            marks.append(("Open positions decided", _stamp()))
            papers = _papers(third, home, marks)
        return {
            "live": live,
            "automatic": automatic,
            "again": again,
            "removed": removed,
            "disabled": disabled,
            "accounts": accounts,
            "process": process,
            "verified": verified,
            "positions": positions,
            **papers,
        }


def _automatic(second: Desk) -> dict[str, Any]:
    """Let the breakers of both drill accounts open at once; what became of the marker without anybody's hand."""
    for account in ("drill-a", "drill-b"):
        post(f"{second.api}/accounts/{account}/faults", {"failures": 12})
        wish = {"account": account, "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.0001", "testnet": True}
        for _ in range(3):
            post(f"{second.api}/orders", wish)
    gone = until(lambda: not second.marker.exists(), 5)
    order = went(second)
    for account in ("drill-a", "drill-b"):
        post(f"{second.api}/accounts/{account}/faults", {"failures": 0})
    until(lambda: "automatic-rollback" in {one["kind"] for one in alerts(second)}, 3)
    last = [one for one in journal(second) if one["event"] == "deactivated"]
    return {
        "marker_gone": gone,
        "order": order,
        "alerted": "automatic-rollback" in {one["kind"] for one in alerts(second)},
        "journalled_by": last[-1]["detail"]["operator"] if last else "",
    }


def _accounts(second: Desk) -> dict[str, Any]:
    """Where each account trades now: the switch in .env, what the desk says, and where an order of each really goes."""
    told = get(f"{second.api}/accounts").body["accounts"]
    testnet = next(one["url"] for one in get(f"{second.api}/venues").body["venues"] if one["venue"] == "testnet")
    key, order = second.order()
    environ = second.environ
    there = signed(testnet, f"/orders/{key}", environ["TESTNET_API_KEY"], environ["TESTNET_API_SECRET"]).status
    return {
        "switch": re.findall(r"^DESK_ACCOUNTS=(.*)$", Path(second.home, ".env").read_text(encoding="utf-8"), re.MULTILINE),
        "environments": sorted({one["environment"] for one in told}),
        "elsewhere": sorted(one["account"] for one in told if one["venue"]["url"] != testnet),
        "told": len(told),
        "order": {"environment": order["environment"], "at_live_exchange": second.at_exchange(key), "at_testnet": there},
    }


def _verified(second: Desk, began: float) -> dict[str, Any]:
    """Real orders since the marker went, by the live exchange's own list, and what the logs say of that time."""
    environ = second.environ
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))
    fills = signed(second.urls["coinbase"], "/account/alpha/trades", environ["COINBASE_API_KEY"], environ["COINBASE_API_SECRET"])
    system = Path(second.home, "logs", "system.log").read_text(encoding="utf-8").splitlines()
    execution = Path(second.home, "logs", "execution.log").read_text(encoding="utf-8").splitlines()
    late = [line for line in execution if line[:19] > since]
    return {
        "asked": fills.status,
        "fills_before": sum(one["at"][:19] <= since for one in fills.body["trades"]),
        "fills_since": sum(one["at"][:19] > since for one in fills.body["trades"]),
        "sent_lines": sum("[ORDER_FILLED]" in line and "testnet" not in line for line in late),
        "skip_lines": sum("[ORDER_SKIPPED]" in line for line in execution),
        "errors": sum(" ERROR " in line and line[:19] > since for line in system),
        "lines_read": len(system) + len(execution),
    }


def _decided(second: Desk) -> dict[str, Any]:
    """Decide each open position, and see at the exchange whether its resting orders are what was decided."""
    held = [one for one in get(f"{second.api}/positions").body["positions"] if one["environment"] == "live"]
    for one in held:
        wish = DECISIONS.get((one["account"], one["symbol"]), "wait")
        post(f"{second.api}/decisions", {"account": one["account"], "symbol": one["symbol"], "decision": wish, "by": OPERATOR})
    made = {(one["account"], one["symbol"]): one for one in get(f"{second.api}/decisions").body["decisions"]}
    urls = {one["venue"]: one["url"] for one in get(f"{second.api}/venues").body["venues"]}
    brokers = {"alpha": "coinbase", "beta": "kraken", "gamma": "kraken"}

    def resting(account: str, symbol: str) -> list[str]:
        name = brokers[account]
        key, secret = second.environ[f"{name.upper()}_API_KEY"], second.environ[f"{name.upper()}_API_SECRET"]
        orders = signed(urls[name], f"/account/{account}/orders", key, secret).body["orders"]
        return sorted(order["type"] for order in orders if order["symbol"] == symbol)

    def as_decided(place: tuple[str, str], decision: str) -> bool:
        return resting(*place) == ([] if decision == "cancel" else ["stop-loss", "take-profit"])

    places = [(one["account"], one["symbol"]) for one in held]
    until(lambda: all(place in made and as_decided(place, made[place]["decision"]) for place in places), 6)
    return {
        "open": len(held),
        "undecided": sorted(f"{account} {symbol}" for account, symbol in places if (account, symbol) not in made),
        "by": sorted({one["decided_by"] for one in made.values()}),
        "decisions": sorted({one["decision"] for one in made.values()}),
        "differ": sorted(
            f"{place[0]} {place[1]}" for place in places if place in made and not as_decided(place, made[place]["decision"])
        ),
    }


def _papers(second: Desk, home: str, marks: list[tuple[str, str]]) -> dict[str, Any]:
    """Fill in a copy of the checklist of the rollback document, write the incident, and read both again as anybody would."""
    shipped = Path(home, "documents", "GO_LIVE_ROLLBACK.md").read_text(encoding="utf-8")
    section = shipped.split("## Post-rollback checklist", 1)[1].split("\n## ", 1)[0]
    steps = [re.sub(r" \(.*\)$", "", match["text"]) for match in map(_BOX.match, section.splitlines()) if match]
    folder = Path(second.home, "documents", "incidents")
    folder.mkdir(parents=True, exist_ok=True)
    incident, filled = folder / "rollback.md", folder / "rollback-checklist.md"
    rows = "\n".join(f"| {at} | {text}, {OPERATOR} |" for text, at in marks)
    incident.write_text(
        f"# Incident: rollback drill\n\n## Timeline\n\n| time | what happened |\n|---|---|\n{rows}\n\n"
        "## Root cause\n\nA drill: the breakers of two accounts were opened on purpose.\n\n"
        f"## Actions\n\n| action | owner |\n|---|---|\n| None, the rollback held | {OPERATOR} |\n",
        encoding="utf-8",
    )
    done = {**dict(marks), "This checklist complete": _stamp()}
    if incident.exists():
        done["Incident document begun"] = _stamp()
    lines = [f"- [x] {step} ({done[step]}, {OPERATOR})" if step in done else f"- [ ] {step}" for step in steps]
    filled.write_text("# Post-rollback checklist\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    read = filled.read_text(encoding="utf-8").splitlines()
    return {
        "checklist": {
            "steps": sum(bool(_BOX.match(line)) for line in read),
            "open": [line[6:] for line in read if line.startswith("- [ ]")],
            "signed": sum(bool(_DONE.fullmatch(line)) for line in read),
        },
        "incident": _document(incident),
        "shipped_incident": _document(Path(home, "documents", "incidents", "rollback-rehearsal.md")),
    }


def _document(path: Path) -> dict[str, Any]:
    """Sections with their words, and what looks as if nobody had filled it in."""
    if not path.exists():
        return {"exists": False}
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {
        "exists": True,
        "sections": [{"title": part.splitlines()[0].strip().casefold(), "words": len(part.split()[1:])} for part in parts],
        "placeholders": re.findall(r"TODO|TBD|FIXME|YYYY|<[a-z -]+>|\[[A-Z][a-z ]+\]|\.\.\.", text),
        "timeline_rows": len(re.findall(r"^\| \d\d:\d\d", text, flags=re.MULTILINE)),
    }


def _stamp() -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime())
