"""The books held against the exchange: every holding, and every order that either side says was filled.

A trade that the exchange has and the books do not is a mismatch; if it is older than the books, it is `legacy_unmatched`, and
has to be looked at only while it is recent.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from .kraken_client import KrakenError

TOLERANCE = Decimal("0.00000001")
_HELD = (
    "SELECT p.account, p.symbol, p.quantity FROM positions p JOIN accounts a USING (account)"
    " WHERE a.broker = 'kraken' AND p.environment = 'live'"
)
_ORDERS = (
    "SELECT o.idempotency_key AS key, o.account, o.state FROM orders o JOIN accounts a USING (account)"
    " WHERE a.broker = 'kraken' AND o.environment = 'live'"
)
_BEGAN = "SELECT min(created_at) AS began FROM orders"
_ACCOUNTS = "SELECT account FROM accounts WHERE broker = 'kraken' AND kind = 'live' ORDER BY account"


class Exchange(Protocol):
    """What is asked of the exchange."""

    def balances(self, account: str) -> Mapping[str, Decimal]: ...
    def trades(self, account: str) -> list[dict[str, Any]]: ...


def reconcile(ledger: Path, exchange: Exchange, now: datetime | None = None) -> dict[str, Any]:
    """The report, as values for JSON; what could not be compared is in it as an error, never left out."""
    report: dict[str, Any] = {
        "checked_at": (now or datetime.now(UTC)).isoformat(),
        "accounts": [],
        "compared_balances": 0,
        "balance_diffs": [],
        "compared_trades": 0,
        "mismatches": [],
        "legacy_unmatched": [],
        "credential_errors": [],
        "errors": [],
    }
    connection = sqlite3.connect(f"file:{quote(str(ledger))}?mode=ro", uri=True, timeout=10)
    try:
        connection.row_factory = sqlite3.Row
        books = {name: connection.execute(query).fetchall() for name, query in
                 (("held", _HELD), ("orders", _ORDERS), ("began", _BEGAN), ("accounts", _ACCOUNTS))}  # fmt: skip
    finally:
        connection.close()
    for row in books["accounts"]:
        account = row["account"]
        try:
            balances, trades = exchange.balances(account), exchange.trades(account)
        except KrakenError as error:
            report["credential_errors" if error.credentials else "errors"].append(f"{account}: {error}")
            continue
        report["accounts"].append(account)
        _balances(report, account, [held for held in books["held"] if held["account"] == account], balances)
        orders = {row["key"]: row["state"] for row in books["orders"] if row["account"] == account}
        _trades(report, account, orders, trades, books["began"][0]["began"] or "")
    return report


def settled(ledger: Path, exchange: Exchange) -> dict[str, Any]:
    """The report, looked at once more if something differs, because an order may be on its way from one to the other."""
    report = reconcile(ledger, exchange)
    for _ in range(3):
        if not report["balance_diffs"] and not report["mismatches"]:
            break
        time.sleep(0.2)
        report = reconcile(ledger, exchange)
    return report


def _balances(report: dict[str, Any], account: str, held: Sequence[sqlite3.Row], balances: Mapping[str, Decimal]) -> None:
    booked = {row["symbol"].removesuffix("USDT"): Decimal(row["quantity"]) for row in held}
    for asset in sorted({*booked, *balances} - {"USDT"}):
        report["compared_balances"] += 1
        ours, theirs = booked.get(asset, Decimal(0)), balances.get(asset, Decimal(0))
        if abs(ours - theirs) > TOLERANCE:
            report["balance_diffs"].append({"account": account, "asset": asset, "books": str(ours), "exchange": str(theirs)})


def _trades(
    report: dict[str, Any], account: str, orders: Mapping[str, str], trades: Sequence[Mapping[str, Any]], began: str
) -> None:
    filled = {key for key, state in orders.items() if state == "filled"}
    theirs = {str(trade["client_order_id"]): str(trade["at"]) for trade in trades}
    report["compared_trades"] += len(filled | theirs.keys())
    for order in sorted(filled - theirs.keys()):
        report["mismatches"].append({"account": account, "order": order, "why": "the exchange does not know it"})
    for order in sorted(theirs.keys() - orders.keys()):
        if theirs[order] < began:
            report["legacy_unmatched"].append({"account": account, "order": order, "at": theirs[order]})
        else:
            report["mismatches"].append({"account": account, "order": order, "why": "it is not in the books"})
