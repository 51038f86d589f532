"""Monitored execution: a line before, the trade, a line after, an alert; and the result goes back whatever the alert did."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, final

from examples.desk.logs import formatter, rotating
from examples.desk.routing.books import LIVE, Books
from examples.desk.routing.clients import FAILED, PENDING, UNKNOWN, Report, TradingClient
from examples.desk.routing.safety import Trade

LOGGER = "desk.helios"

_log = logging.getLogger(LOGGER)

Alert = Callable[[str, str], None]
"""Sends a title and a message to people now; raises if it could not."""


def open_log(path: Path) -> None:
    """Append from now on to this file; what an earlier call in this process opened is closed."""
    for old in list(_log.handlers):
        _log.removeHandler(old)
        old.close()
    handler = rotating(path)
    handler.setFormatter(formatter())
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


@final
class MonitoredExecution:
    """Carries trades out so that somebody sees each of them."""

    def __init__(self, books: Books, alert: Alert | None, *, quiet: bool = False) -> None:
        """Without an alert nobody is told, and nothing says that anybody was: for a run over what is past."""
        self._books = books
        self._alert = alert
        # a run over weeks that lasts a moment is no event of the log
        self._log = logging.getLogger(f"{LOGGER}.quiet") if quiet else _log
        self._log.disabled = quiet

    def execute_trade_with_monitoring(
        self, trade: Trade, order: Mapping[str, Any], client: TradingClient, *, path: str
    ) -> Report:
        """What became of the trade; `path` is LIVE for trades on the live path, rehearsed ones included."""
        self._log.critical("🔴 %s TRADE EXECUTION: %s client=%s", path, trade, client.name)
        report = client.execute(order)
        told = f"{trade} client={client.name} state={report.state} order={report.venue_order_id or '-'}"
        if report.state == FAILED:
            self._log.critical("❌ %s TRADE FAILED: %s reason=%s", path, told, report.reason)
        elif report.state == PENDING:
            self._log.critical("⏳ %s ORDER RESTS: %s", path, told)
        elif report.state == UNKNOWN:
            self._log.critical("❓ %s TRADE UNKNOWN: %s reason=%s", path, told, report.reason)
            if path == LIVE:
                self.tell("LIVE TRADE UNKNOWN", f"{told} - VALR is asked until it is known", account=trade.account)
        else:
            self.executed(order, report, client=client.name, path=path)
        return report

    def executed(self, order: Mapping[str, Any], report: Report, *, client: str, path: str) -> None:
        """The line after, and the alert: at once, or when an order that rested is filled."""
        size = sum((fill.quantity * fill.price for fill in report.fills), Decimal(0))
        self._log.critical(
            "✅ %s TRADE EXECUTED: %s %s R%.2f account=%s key=%s client=%s state=%s order=%s", path, order["side"], order["pair"],
            size, order["account"], order["key"], client, report.state, report.venue_order_id or "-",
        )  # fmt: skip
        if path == LIVE:
            told = f"Pair: {order['pair']}, Side: {order['side']}, Size: R{size:.2f}"
            self.tell(
                "LIVE TRADE EXECUTED", f"{told}, Account: {order['account']}, Key: {order['key']}", account=order["account"]
            )

    def tell(self, title: str, message: str, *, account: str) -> None:
        """Send an alert and write down whether it went; a failed one is logged and never costs the trade."""
        if self._alert is None:
            return
        state = "sent"
        try:
            self._alert(title, message)
        except Exception as error:  # noqa: BLE001 - whatever the channel does, the trade has happened
            state = f"failed: {type(error).__name__}"
            _log.error("the alert %r did not go: %s", title, error)
        self._books.insert("helios_alerts", account=account, title=title, message=message, state=state, at=self._books.at())
