"""The bot's own tests of how it deals with the exchange, run by its go-live checklist."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from crypto_trading_bot import books, config
from crypto_trading_bot.kraken_client import KrakenClient, KrakenError, signature
from crypto_trading_bot.reconcile import reconcile
from crypto_trading_bot.risk_guard import RiskGuard, simulated

LEDGER = """
CREATE TABLE accounts(account TEXT, broker TEXT, kind TEXT);
CREATE TABLE positions(account TEXT, environment TEXT, symbol TEXT, quantity TEXT);
CREATE TABLE orders(idempotency_key TEXT, account TEXT, environment TEXT, state TEXT, created_at TEXT);
INSERT INTO accounts VALUES ('beta', 'kraken', 'live');
INSERT INTO positions VALUES ('beta', 'live', 'BTCUSDT', '0.5');
INSERT INTO orders VALUES ('KR-1', 'beta', 'live', 'filled', '2026-01-02T00:00:00Z');
"""


class Exchange:
    """An exchange that says what it is told to say."""

    def __init__(self, btc: str = "0.5", orders: dict[str, str] | None = None) -> None:
        self.btc = btc
        self.orders = {"KR-1": "2026-01-02T00:00:01Z"} if orders is None else orders

    def balances(self, account: str) -> dict[str, Decimal]:
        return {"BTC": Decimal(self.btc), "USDT": Decimal(1)}

    def trades(self, account: str) -> list[dict[str, Any]]:
        return [{"client_order_id": order, "at": at} for order, at in self.orders.items()]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(LEDGER + books.SCHEMA)
    connection.close()
    return path


def test_books_and_exchange_that_agree_have_nothing_to_tell(ledger: Path) -> None:
    report = reconcile(ledger, Exchange())
    assert (report["compared_balances"], report["compared_trades"], report["accounts"]) == (1, 1, ["beta"])
    assert not report["balance_diffs"] + report["mismatches"] + report["legacy_unmatched"]


@pytest.mark.parametrize(
    ("exchange", "where"),
    [
        (Exchange(btc="0.4"), "balance_diffs"),
        (Exchange(orders={}), "mismatches"),
        (Exchange(orders={"KR-1": "2026-01-02", "KR-2": "2026-01-03"}), "mismatches"),
        (Exchange(orders={"KR-1": "2026-01-02", "KR-0": "2025-12-31"}), "legacy_unmatched"),
    ],
)
def test_a_difference_is_told_in_its_place(ledger: Path, exchange: Exchange, where: str) -> None:
    assert len(reconcile(ledger, exchange)[where]) == 1


@pytest.fixture
def refusing() -> Iterator[str]:
    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"error": "EAPI:Invalid key"}).encode()
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_refused_key_is_a_credential_error(ledger: Path, refusing: str) -> None:
    client = KrakenClient(refusing, "key", "secret")
    with pytest.raises(KrakenError) as caught:
        client.balances("beta")
    assert caught.value.credentials
    assert reconcile(ledger, client)["credential_errors"]


def test_a_signature_depends_on_everything_it_signs() -> None:
    made = {
        signature(*words)
        for words in (
            ("s", "1", "n", "/a"),
            ("t", "1", "n", "/a"),
            ("s", "2", "n", "/a"),
            ("s", "1", "m", "/a"),
            ("s", "1", "n", "/b"),
        )
    }
    assert len(made) == 5


@pytest.mark.parametrize(
    ("value", "live"), [({}, False), ({"IS_LIVE": "true"}, True), ({"IS_LIVE": "True"}, False), ({"IS_LIVE": "1"}, False)]
)
def test_only_the_exact_word_is_live(value: dict[str, str], live: bool) -> None:
    assert config.is_live(value) is live


def test_a_guard_halts_and_stays_halted() -> None:
    seen = simulated(RiskGuard(enabled=True, max_drawdown=Decimal("0.15")), Decimal("0.25"))
    assert (seen["halted"], seen["orders_after_halt"]) == (True, 0)
    assert simulated(RiskGuard(enabled=True, max_drawdown=Decimal("0.15")), Decimal("0.10"))["halted"] is False
