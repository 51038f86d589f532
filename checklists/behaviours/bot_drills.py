"""What is too rough for the target itself, tried on a second desk: a limit is hit, a breaker trips, a store goes away.

Whether somebody was told is read from the mailbox, where only the mail server writes.
"""

from __future__ import annotations

import email
import email.policy
import secrets
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from behaviours.ask import Answer, environment_of, post, until
from behaviours.bot_calls import Caller, bot, caller_of, documents, newcomer, paper_of
from behaviours.scratch import Desk, desk

FAILURES = 3
"""Failed requests that the second desk allows within an hour."""
TINY = "0.00001"
"""A loss of a day, as a fraction of capital, that one small trade there and back is sure to reach."""
QUANTITY = "0.0001"
PATIENCE = 8
MOST = 25
"""Orders after which a burst counts as never refused."""
PAPER = "testnet"


def mail_settings() -> dict[str, str]:
    """Variables that give a second desk a mail server and a document store of its own."""
    ports = [_free_port() for _ in range(2)]
    return {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(ports[0]),
        "DESK_POST_PORT": str(ports[0]),
        "SMTP_PASSWORD": secrets.token_hex(16),
        "MONGO_URL": f"mongodb://127.0.0.1:{ports[1]}/desk",
    }


def mails(home: str) -> list[dict[str, str]]:
    """Subject, recipient and text of every mail that the server of a desk took, the oldest first."""
    found = []
    for path in sorted(Path(home, "mail").glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = message.get_body()
        text = body.get_content() if body is not None else ""
        found.append(
            {"file": path.name, "to": str(message["X-Envelope-To"]), "subject": str(message["Subject"]), "text": text.strip()}
        )
    return found


def alarms(checkout: str, home: str) -> dict[str, Any]:
    """Facts on orders beyond the burst limit, and on four kinds of trouble: each caused, each awaited in the mailbox.

    The second desk looks at its rules more often than the first, so that nobody waits for seconds; which rules there are, whom
    they write to and what their limits are comes from the .env of the first.
    """
    quick = {"WATCH_EVERY_SECONDS": "0.2", "STORE_TIMEOUT_SECONDS": "0.3"}
    limits = {"MAX_DAILY_LOSS_PERCENT": TINY, "MAX_ERRORS_PER_HOUR": str(FAILURES), "DESK_FAULTS": "allowed"}
    with desk(checkout, home, **mail_settings(), **limits, **quick) as second:
        # the whole desk goes at the end, so nobody needs to be taken away again
        admin, anna = (caller_of(second.api, second.environ, role) for role in ("admin", "user"))
        user = newcomer(admin, funding="2000")
        with documents(second.environ["MONGO_URL"]) as books:
            _add_unknown_money(books, user.name)
            tripped = _tripped(anna)
            burst = _burst(second, user, books)
            mailed = {"reconciliation": _told(second, "reconciliation", user.name)}
            breaker = {**tripped, **_told(second, "circuit-breaker", tripped["bot"]), **_trip(second, books, tripped["bot"])}
        told = {"burst": burst, "breaker": breaker, **mailed, **_without_its_store(second, admin)}
    recipient = environment_of(f"{home}/desk.pid")["REPORT_RECIPIENT"]
    for one in told.values():
        one["elsewhere"] = [address for address in one.pop("to", ()) if address != recipient]
    return {**told, "recipient": recipient}


def _tripped(user: Caller) -> dict[str, Any]:
    """A bot that loses more than it may in a day: its orders, and what it is then."""
    name = bot(user, capital="500")
    sides = [user.order(name, side, QUANTITY)["state"] for side in ("BUY", "SELL")]
    return {
        "bot": name,
        "orders": sides,
        "next_order": user.order(name, "BUY", QUANTITY)["state"],
        "status": user.get(f"/api/bots/{name}").body["status"],
    }


def _trip(second: Desk, books: Any, name: str) -> dict[str, Any]:
    """What is kept of a trip: the record, its date, its line in the log."""
    records = list(books["circuit_breaker_state"].find({"bot": name}))
    log = Path(second.home, "logs", "system.log").read_text(encoding="utf-8").splitlines()
    return {
        "records": len(records),
        "rule": records[0].get("rule", "") if records else "",
        "seconds_ago": [Decimal(f"{(datetime.now(UTC) - row['at']).total_seconds():.1f}") for row in records],
        "log_lines": sum(name in line and "circuit breaker" in line for line in log),
    }


def _burst(second: Desk, user: Caller, books: Any) -> dict[str, Any]:
    """Orders until one is refused, by a user who has not ordered before, and how many of them the exchange has."""
    name = bot(user, capital="500")
    limits = user.get("/api/limits/config").body["limits"]
    seen: list[dict[str, Any]] = []
    began = time.monotonic()
    while len(seen) < MOST and (not seen or seen[-1]["state"] == "filled"):
        key = f"golive-{secrets.token_hex(8)}"
        order = user.ordered(name, "BUY", QUANTITY, key=key)
        refused = [gate for gate in order.body.get("gates", []) if not gate.get("passed", True)]
        seen.append(
            {
                "key": key,
                "status": order.status,
                "state": order.body["state"],
                "gate": refused[0]["gate"] if refused else "",
                "reason": str(order.body.get("reason", "")),
            }
        )
    seconds = Decimal(f"{time.monotonic() - began:.2f}")
    account = books["users"].find_one({"name": user.name})["account"]
    trades = paper_of(second.environ, second.urls[PAPER], f"/account/{account}/trades")["trades"]
    there = [trade["client_order_id"] for trade in trades]
    return {
        "limit": limits["BURST_LIMIT_ORDERS_PER_EXCHANGE"],
        "window_seconds": limits["BURST_LIMIT_WINDOW_SECONDS"],
        "seconds": seconds,
        "filled": sum(one["state"] == "filled" for one in seen),
        "at_exchange": len(there),
        "refused": {**seen[-1], "at_exchange": there.count(seen[-1]["key"])},
    }


def _add_unknown_money(books: Any, user: str) -> None:
    """Money in the books that the exchange has never seen."""
    event = {"event_id": f"drill:{secrets.token_hex(8)}", "kind": "funding", "user": user, "asset": "USDT", "amount": 500}
    books["ledger_events"].insert_one({**event, "at": datetime.now(UTC)})


def _without_its_store(second: Desk, admin: Caller) -> dict[str, Any]:
    """The document store goes away: health turns, requests fail; and comes back."""
    before = _failures(second.api)
    _switch(second, on=True)
    try:
        with ThreadPoolExecutor(FAILURES + 2) as pool:
            answers = list(pool.map(lambda _: admin.get("/api/limits/usage"), range(FAILURES + 2)))
        statuses = [answer.status for answer in answers]
        counted = _failures(second.api) - before
        health = _told(second, "health", "document store")
        errors = _told(second, "error-rate", "")
    finally:
        _switch(second, on=False)
    back = until(lambda: any(one["text"].startswith("over:") for one in _of(second, "health")), PATIENCE)
    return {
        "health": {**health, "all_clear": back},
        "errors": {**errors, "statuses": statuses, "counted": counted, "limit": FAILURES},
    }


def _failures(api: str) -> Decimal:
    """How many requests the desk says that it failed at."""
    from behaviours.bot_upkeep import samples

    return sum((value for name, _, value in samples(api) if name == "bots_http_errors_total"), Decimal(0))


def _told(second: Desk, kind: str, word: str) -> dict[str, Any]:
    """Whether a mail of this kind that names this word came, and after how long."""
    began = time.monotonic()
    came = until(lambda: any(word in one["text"] for one in _of(second, kind)), PATIENCE)
    found = [one for one in _of(second, kind) if word in one["text"]]
    return {
        "mailed": came,
        "mails": len(found),
        "seconds": Decimal(f"{time.monotonic() - began:.2f}"),
        "to": [one["to"] for one in found],
    }


def _of(second: Desk, kind: str) -> list[dict[str, str]]:
    return [one for one in mails(second.home) if one["subject"] == f"[bots] {kind}"]


def _switch(second: Desk, *, on: bool) -> Answer:
    wish: Mapping[str, Any] = {"name": "docstore-down", "on": on}
    answer = post(f"{second.api}/faults", wish)
    if answer.status != 200:
        raise RuntimeError(f"the document store cannot be switched: {answer.status} {answer.body.get('error', '')}")
    return answer


def _free_port() -> int:
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("there is no free port from 20000 to 32000")
