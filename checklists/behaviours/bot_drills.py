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

from behaviours.ask import Answer, post, until
from behaviours.bot_session import Session, administrator, books_of, create_bot, visitor
from behaviours.scratch import Desk, desk

FAILURES = 3
"""Failed requests that the second desk allows within an hour."""
TINY = "0.00001"
"""A loss of a day, as a fraction of capital, that one small trade there and back is sure to reach."""
QUANTITY = "0.0001"
PATIENCE = 8


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
    """Facts on orders beyond the burst limit, and on four kinds of trouble: each caused, each awaited in the mailbox."""
    limits = {"MAX_DAILY_LOSS_PERCENT": TINY, "MAX_ERRORS_PER_HOUR": str(FAILURES), "DESK_FAULTS": "allowed"}
    with desk(checkout, home, **mail_settings(), **limits) as second:
        admin = administrator(second.api, second.environ)
        with visitor(admin, money="2000") as user, books_of(second.environ) as books:
            told = {
                "breaker": _tripped(second, user, books),
                "burst": _burst(user),
                "reconciliation": _discrepancy(second, user, books),
                **_without_its_store(second, admin),
            }
            user.ask("POST", "/api/chat", {"message": "help"})
        return told


def _tripped(second: Desk, user: Session, books: Any) -> dict[str, Any]:
    bot = create_bot(user, capital="500")
    user.ask("POST", f"/api/bots/{bot}/start", {})
    began = datetime.now(UTC)
    sides = [user.order(bot, side, QUANTITY).body["state"] for side in ("BUY", "SELL")]
    after = user.order(bot, "BUY", QUANTITY).body
    told = _told(second, "circuit-breaker", bot)
    record = books["circuit_breaker_state"].find_one({"bot": bot}) or {}
    log = Path(second.home, "logs", "system.log").read_text(encoding="utf-8").splitlines()
    at = record.get("at")
    return {
        "orders": sides,
        "next_order": after["state"],
        "status": user.ask("GET", f"/api/bots/{bot}").body["status"],
        "records": books["circuit_breaker_state"].count_documents({"bot": bot}),
        "rule": record.get("rule", ""),
        "dated": at is not None and abs((at.replace(tzinfo=UTC) - began).total_seconds()) < 60,
        "log_lines": sum(bot in line and "circuit breaker" in line for line in log),
        **told,
    }


def _burst(user: Session) -> dict[str, Any]:
    """Orders until one is refused, with what the limiter had counted before each."""
    bot = create_bot(user, capital="500")
    user.ask("POST", f"/api/bots/{bot}/start", {})
    limits = user.ask("GET", "/api/limits/config").body["limits"]
    seen: list[dict[str, Any]] = []
    began = time.monotonic()
    while len(seen) < 25 and (not seen or seen[-1]["state"] == "filled"):
        used = user.ask("GET", "/api/limits/usage").body["burst"]["used"]
        order = user.order(bot, "BUY", QUANTITY)
        refused = [gate for gate in order.body.get("gates", []) if not gate.get("passed", True)]
        seen.append(
            {
                "used": used,
                "status": order.status,
                "state": order.body["state"],
                "gate": refused[0]["gate"] if refused else "",
                "reason": str(order.body.get("reason", "")),
            }
        )
    return {
        "limit": limits["BURST_LIMIT_ORDERS_PER_EXCHANGE"],
        "window_seconds": limits["BURST_LIMIT_WINDOW_SECONDS"],
        "seconds": Decimal(f"{time.monotonic() - began:.2f}"),
        "filled": [one["used"] for one in seen[:-1]],
        "refused": seen[-1],
    }


def _discrepancy(second: Desk, user: Session, books: Any) -> dict[str, Any]:
    """Money in the books that the exchange has never seen."""
    event = {"event_id": f"drill:{secrets.token_hex(8)}", "kind": "funding", "user": user.name, "asset": "USDT", "amount": 500}
    books["ledger_events"].insert_one({**event, "at": datetime.now(UTC)})
    try:
        return _told(second, "reconciliation", user.name)
    finally:
        books["ledger_events"].delete_one({"event_id": event["event_id"]})


def _without_its_store(second: Desk, admin: Session) -> dict[str, Any]:
    """The document store goes away: health turns, requests fail; and comes back."""
    _switch(second, on=True)
    try:
        with ThreadPoolExecutor(FAILURES + 2) as pool:
            answers = list(pool.map(lambda _: admin.ask("GET", "/api/limits/usage"), range(FAILURES + 2)))
        statuses = [answer.status for answer in answers]
        health = _told(second, "health", "document store")
        errors = _told(second, "error-rate", "")
    finally:
        _switch(second, on=False)
    back = until(lambda: any(one["text"].startswith("over:") for one in _of(second, "health")), PATIENCE)
    return {"health": {**health, "all_clear": back}, "errors": {**errors, "statuses": statuses, "limit": FAILURES}}


def _told(second: Desk, kind: str, word: str) -> dict[str, Any]:
    """Whether a mail of this kind that names this word came, and after how long."""
    began = time.monotonic()
    came = until(lambda: any(word in one["text"] for one in _of(second, kind)), PATIENCE)
    found = [one for one in _of(second, kind) if word in one["text"]]
    return {
        "mailed": came,
        "mails": len(found),
        "seconds": Decimal(f"{time.monotonic() - began:.2f}"),
        "to": found[0]["to"] if found else "",
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
