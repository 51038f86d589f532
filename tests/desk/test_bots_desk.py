"""The bots on a running desk: what its API lets whom do, and what a second process sees of it."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

import pytest

from examples.desk import docstore, jsontext
from examples.desk.bots.store import COLLECTIONS
from examples.desk.web import call


class Voice:
    """Somebody with a token."""

    def __init__(self, client: Any, token: str) -> None:
        self._url, self._headers = client.desk.urls["api"], {"Authorization": f"Bearer {client.desk.tokens[token]}"}

    def ask(self, method: str, target: str, **body: Any) -> tuple[int, Any]:
        """Status and body."""
        return call(self._url, method, target, body=jsontext.dumps(body).encode(), headers=self._headers)


@pytest.fixture
def anna(shared: Any) -> Voice:
    return Voice(shared, "DESK_TOKEN")


@pytest.fixture
def chief(shared: Any) -> Voice:
    return Voice(shared, "DESK_ADMIN_TOKEN")


@pytest.fixture
def bot(anna: Voice) -> Any:
    """A running bot of anna's, gone after the test."""
    name = f"test-{secrets.token_hex(4)}"
    assert anna.ask("POST", "/api/bots", name=name, symbol="BTCUSDT", capital=500)[0] == 201
    assert anna.ask("POST", f"/api/bots/{name}/start")[0] == 200
    yield name
    anna.ask("POST", f"/api/bots/{name}/stop")
    assert anna.ask("DELETE", f"/api/bots/{name}")[0] == 200


def test_strangers_and_users_are_kept_out(shared: Any, anna: Voice) -> None:
    """Without a token it is 401, at an administrator's address 403, and somebody else's bot is not to be moved."""
    assert shared.status("/api/portfolio/summary") == 401
    assert shared.status("/api/health/ping") == 200
    assert anna.ask("GET", "/api/admin/users")[0] == 403
    assert anna.ask("POST", "/api/bots/ben-btc/pause")[0] == 403
    assert anna.ask("GET", "/api/portfolio/summary?user=ben")[0] == 403


def test_every_collection_is_there_for_any_client(shared: Any) -> None:
    """A MongoDB client of another process sees the eleven collections and the users."""
    database = docstore.connect(shared.desk.variables["DESK_MONGO_URL"])
    try:
        assert set(COLLECTIONS) <= set(database.list_collection_names())
        users = {row["name"]: row for row in database["users"].find()}
    finally:
        database.client.close()
    assert {"admin", "anna", "ben"} <= set(users)
    assert all(row["password"].startswith("$2b$") for row in users.values())


def test_an_order_of_a_bot_moves_the_account_at_the_paper_exchange(shared: Any, anna: Voice, bot: str) -> None:
    """A filled order is in the ledger, and what the exchange holds for the user has changed by it."""

    def held() -> Decimal:
        told = anna.ask("GET", "/api/ledger/reconcile")[1]["users"][0]
        return next(Decimal(row["exchange"]) for row in told["assets"] if row["asset"] == "BTC")

    before = held()
    status, order = anna.ask(
        "POST", f"/api/bots/{bot}/orders", side="BUY", quantity="0.0002", edge_bps=60, key=secrets.token_hex(8)
    )
    assert (status, order["state"]) == (200, "filled")
    assert held() - before == Decimal("0.0002")
    assert anna.ask("GET", "/api/ledger/reconcile")[1]["users"][0]["discrepancy"] == 0


def test_a_stop_file_stops_bots_too(shared: Any, anna: Voice, bot: str) -> None:
    """While the desk's stop file is there, no bot gets an order out."""
    shared.fault("stop-file", on=True)
    try:
        status, order = anna.ask(
            "POST", f"/api/bots/{bot}/orders", side="BUY", quantity="0.0001", edge_bps=60, key=secrets.token_hex(8)
        )
    finally:
        shared.fault("stop-file", on=False)
    assert (status, order["gate"]) == (409, "system")


def test_the_ledger_is_not_corrected_by_anybody(chief: Voice) -> None:
    """Not even an administrator changes or removes a fill."""
    assert chief.ask("DELETE", "/api/ledger/fills/1")[0] == 422
    assert chief.ask("PUT", "/api/ledger/fills/1", price=1)[0] == 422
    assert chief.ask("GET", "/api/ledger/verify-integrity")[1]["faults"] == []


def test_a_store_that_is_down_is_told_and_nothing_else_ends(shared: Any, anna: Voice, eventually: Any) -> None:
    """Without its document store the bots answer 503, the desk goes on, and both are well again afterwards."""
    shared.fault("docstore-down", on=True)
    try:
        assert shared.status("/api/health/ping") == 503
        assert anna.ask("GET", "/api/bots")[0] == 503
        assert shared.status("/mode") == 200
    finally:
        shared.fault("docstore-down", on=False)
    eventually(lambda: anna.ask("GET", "/api/bots")[0] == 200)


def test_a_market_scenario_ends_by_itself_when_it_is_taken_back(shared: Any, chief: Voice) -> None:
    """The paper market stands where it is put, and where it stood once the scenario is over."""
    before = Decimal(call(shared.desk.urls["testnet"], "GET", "/ticker/BTCUSDT")[1]["price"])
    assert chief.ask("POST", "/api/admin/paper-market", factor="1.1")[0] == 200
    risen = Decimal(call(shared.desk.urls["testnet"], "GET", "/ticker/BTCUSDT")[1]["price"])
    assert chief.ask("POST", "/api/admin/paper-market", factor=1)[0] == 200
    after = Decimal(call(shared.desk.urls["testnet"], "GET", "/ticker/BTCUSDT")[1]["price"])
    assert risen > before * Decimal("1.05")
    assert abs(after - before) < before * Decimal("0.02")
    assert chief.ask("POST", "/api/admin/paper-market", factor=9)[0] == 400
