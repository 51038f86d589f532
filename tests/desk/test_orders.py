"""Orders: what they move, what stops them, and what is left behind in ledger and log."""

from __future__ import annotations

import os
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest


def test_a_permitted_order_moves_the_balances_at_the_exchange(start: Any) -> None:
    """With a marker, a real order is filled and the exchange's own balances change by exactly price, quantity and fee."""
    desk = start()
    desk.activate()
    before = desk.at_exchange("alpha")
    status, order = desk.order("alpha")
    after = desk.at_exchange("alpha")
    assert (status, order["state"], order["environment"]) == (200, "filled", "live")
    assert order["exchange_order_id"].startswith("CB-")
    assert order["activation"]
    assert before["USDT"] - after["USDT"] == order["price"] * Decimal("0.001") + order["fee"]
    assert after["BTC"] - before["BTC"] == Decimal("0.001")


def test_without_a_marker_a_real_order_is_skipped_with_the_documented_lines(start: Any) -> None:
    """A refused order leaves a warning, an [ORDER_SKIPPED] line and a row, and the next intent is processed."""
    desk = start()
    before = desk.at_exchange("alpha")
    status, order = desk.order("alpha")
    assert (status, order["state"], order["gate"]) == (409, "skipped", "guard")
    assert "marker not found" in order["reason"]
    assert desk.at_exchange("alpha") == before
    log = (desk.desk.home / "logs" / "execution.log").read_text()
    assert "⚠️  GO-LIVE flag not active, skipping real trading order for BTCUSDT" in log
    assert log.count("[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated") == 1
    skips = desk.get("/skips")["skips"]
    assert [(skip["account"], skip["side"], skip["quantity"], skip["gate"]) for skip in skips] == [
        ("alpha", "BUY", Decimal("0.001"), "guard")
    ]
    assert desk.order("alpha", testnet=True)[1]["state"] == "filled"


def test_every_intent_that_is_stopped_has_one_row_and_one_line(start: Any) -> None:
    """As many [ORDER_SKIPPED] lines and rows as orders that were stopped, whichever gate it was."""
    desk = start()
    for quantity in ("0.001", "0.002", "9"):
        desk.order("gamma", quantity=quantity)
    desk.order("gamma", side="SELL")
    log = (desk.desk.home / "logs" / "execution.log").read_text()
    assert log.count("[ORDER_SKIPPED] ") == desk.get("/skips")["total"] == 4


def test_a_marker_that_was_taken_away_and_put_back_does_not_revive(start: Any) -> None:
    """An order goes with the marker, is skipped without it, and still skipped when the same file is back."""
    desk = start()
    marker = desk.activate()
    assert desk.order("alpha")[1]["state"] == "filled"
    os.rename(marker, marker.with_suffix(".aside"))
    assert desk.order("alpha")[1]["gate"] == "guard"
    os.rename(marker.with_suffix(".aside"), marker)
    order = desk.order("alpha")[1]
    assert order["gate"] == "guard"
    assert "withdrawn" in order["reason"]


@pytest.mark.parametrize(
    "changes",
    [{"environment": "staging"}, {"config": "0" * 64}, {"allowed_profiles": ("large",)}],
    ids=lambda change: next(iter(change)),
)
def test_a_marker_for_something_else_does_not_permit(start: Any, changes: dict[str, Any]) -> None:
    """A marker for another environment, other settings or other profiles lets no order through."""
    desk = start()
    desk.activate(**changes)
    assert desk.order("alpha")[1]["gate"] == "guard"


def test_an_empty_marker_file_does_not_permit(start: Any) -> None:
    """Touching the marker's path enables nothing."""
    desk = start()
    (desk.desk.home / "go_live.active").touch()
    assert desk.order("alpha")[1]["gate"] == "guard"


def test_a_testnet_order_needs_no_marker_and_touches_no_real_balance(shared: Any) -> None:
    """A testnet order is filled by the testnet and recorded as such."""
    real, paper = shared.at_exchange("alpha"), shared.at_exchange("alpha", testnet=True)
    status, order = shared.order("alpha", testnet=True)
    assert (status, order["environment"], order["exchange_order_id"][:3]) == (200, "testnet", "TN-")
    assert shared.at_exchange("alpha") == real
    assert shared.at_exchange("alpha", testnet=True)["USDT"] < paper["USDT"]


def test_the_same_key_is_the_same_order(shared: Any) -> None:
    """An order that is sent again, even many times at once, is carried out once."""
    before = shared.at_exchange("drill-b")
    with ThreadPoolExecutor(6) as pool:
        answers = [body for _, body in pool.map(lambda _: shared.order("drill-b", key="once-only"), range(6))]
    assert len({answer["exchange_order_id"] for answer in answers}) == 1
    assert sorted(answer["replayed"] for answer in answers) == [False, True, True, True, True, True]
    assert shared.at_exchange("drill-b")["BTC"] - before["BTC"] == Decimal("0.001")


def test_a_key_cannot_be_used_for_another_order(shared: Any) -> None:
    """The key of one order with the contents of another is refused."""
    shared.order("drill-b", key="key-of-one")
    assert shared.order("drill-b", key="key-of-one", quantity="0.002")[0] == 422


def test_a_fifth_of_the_capital_is_never_promised(shared: Any) -> None:
    """An order that would eat into the buffer is refused, and one that just does not is filled."""
    standing = next(account for account in shared.get("/capital")["accounts"] if account["account"] == "drill-a")
    assert standing["buffer"] == 1
    too_much = (standing["total"] * Decimal("0.81") / 60000).quantize(Decimal("0.0001"))
    status, order = shared.order("drill-a", quantity=too_much)
    assert (status, order["state"], order["gate"]) == (409, "rejected", "capital")
    enough = (standing["total"] * Decimal("0.78") / 60000).quantize(Decimal("0.0001"))
    assert shared.order("drill-a", quantity=enough)[1]["state"] == "filled"
    standing = next(account for account in shared.get("/capital")["accounts"] if account["account"] == "drill-a")
    assert Decimal("0.20") <= standing["buffer"] < Decimal("0.23")
    assert shared.order("drill-a", quantity="0.01")[1]["gate"] == "capital"
    assert shared.order("drill-a", side="SELL", quantity=enough)[1]["state"] == "filled"
    standing = next(account for account in shared.get("/capital")["accounts"] if account["account"] == "drill-a")
    assert standing["reserved"] == 0


def test_every_position_has_a_reservation_of_its_cost(shared: Any) -> None:
    """What is held is promised, to the cent, also what was found at the exchange when the account was taken on."""
    positions = shared.get("/positions")["positions"]
    assert {position["account"] for position in positions} >= {"alpha", "beta"}
    assert [position["reserved"] for position in positions] == [position["cost"] for position in positions]


def test_a_closed_trade_has_made_what_the_exchange_says(start: Any) -> None:
    """The profit of a trade that was bought and sold in parts is the change of cash at the exchange, to the last digit."""
    desk = start()
    before = desk.at_exchange("drill-a")["USDT"]
    for side, quantity in (("BUY", "0.002"), ("BUY", "0.001"), ("SELL", "0.0007"), ("SELL", "0.0023")):
        assert desk.order("drill-a", side=side, quantity=quantity)[1]["state"] == "filled"
    trade = desk.get("/trades?limit=1")["trades"][0]
    assert trade["profit"] == desk.at_exchange("drill-a")["USDT"] - before
    assert (trade["account"], trade["quantity"]) == ("drill-a", Decimal("0.003"))


def test_what_is_not_held_cannot_be_sold(shared: Any) -> None:
    """A sale beyond the position is refused before it reaches anybody."""
    assert shared.order("gamma", side="SELL", testnet=True)[1]["gate"] == "position"


@pytest.mark.parametrize(
    "wish",
    [
        {"account": "nobody"},
        {"symbol": "XYZ"},
        {"side": "HOLD"},
        {"quantity": "0"},
        {"quantity": "-1"},
        {"quantity": "0.00001"},
        {"quantity": "many"},
        {"quantity": True},
        {"testnet": "yes"},
        {"key": "with space"},
        {"leverage": 10},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_told_so(shared: Any, wish: dict[str, Any]) -> None:
    """A malformed order is answered with a clear error and leaves no trace in the ledger."""
    total = shared.get("/orders")["total"]
    status, body = shared.order(**{"account": "drill-b", **wish})
    assert status in (400, 404)
    assert body["error"]
    assert shared.get("/orders")["total"] == total


def test_dry_run_simulates_and_sends_nothing(start: Any) -> None:
    """With DRY_RUN_MODE on, a real order is simulated even with a marker, and no exchange hears of it."""
    desk = start(environ={"DRY_RUN_MODE": "true"})
    desk.activate()
    before = desk.at_exchange("alpha")
    status, order = desk.order("alpha")
    assert (status, order["state"], order["environment"]) == (200, "simulated", "simulated")
    assert order["exchange_order_id"] is None
    assert desk.at_exchange("alpha") == before
    assert desk.get("/mode")["mode"] == "DRY_RUN"


@pytest.mark.parametrize(
    ("environ", "mode", "gate"),
    [
        ({"LIVE_CAPITAL_VERIFIED": "false"}, "MONITOR", "guard"),
        ({"LIVE_CAPITAL_VERIFIED": "yes"}, "MONITOR", "guard"),
        ({"APP_STORE_MODE": "true"}, "MONITOR", "mode"),
    ],
    ids=str,
)
def test_a_switch_that_is_not_live_stops_real_orders(start: Any, environ: dict[str, str], mode: str, gate: str) -> None:
    """Any value of a mode switch but its live one keeps real orders back, marker or not."""
    desk = start(environ=environ)
    desk.activate()
    assert desk.get("/mode")["mode"] == mode
    assert desk.order("alpha")[1]["gate"] == gate


def test_an_unreadable_dry_run_switch_counts_as_dry(start: Any) -> None:
    """A switch with a value nobody defined is on the safe side."""
    assert start(environ={"DRY_RUN_MODE": "nope"}).get("/mode")["mode"] == "DRY_RUN"


def test_the_stop_file_stops_the_next_order_and_only_while_it_is_there(start: Any) -> None:
    """While EMERGENCY_STOP stands no order goes, real or not; without it they go again."""
    desk = start()
    stop = desk.desk.home / "EMERGENCY_STOP"
    stop.touch()
    assert desk.order("drill-a")[1]["gate"] == "stop-file"
    assert desk.order("alpha")[1]["gate"] == "stop-file"
    stop.unlink()
    assert desk.order("drill-a")[1]["state"] == "filled"


def test_the_emergency_stop_stops_orders_and_outlives_a_restart(start: Any) -> None:
    """An emergency stop holds over a restart, with its reason and time, until somebody resets it."""
    desk = start()
    desk.post("/ess/trip", reason="position sizes look wrong")
    tripped = desk.get("/ess")
    assert desk.order("drill-a")[1]["gate"] == "emergency-stop"
    desk.desk.stop()
    again = start()
    ess = again.get("/ess")
    assert (ess["state"], ess["reason"], ess["since"]) == ("active", "position sizes look wrong", tripped["since"])
    assert again.order("drill-a")[1]["gate"] == "emergency-stop"
    again.post("/ess/reset", reason="looked at it")
    assert again.order("drill-a")[1]["state"] == "filled"


def test_a_second_process_sees_the_same_state(shared: Any) -> None:
    """Whoever opens the ledger beside the desk reads the orders that the desk tells of."""
    order = shared.order("drill-b", testnet=True)[1]
    ledger = sqlite3.connect(f"file:{shared.desk.home / 'ledger.sqlite'}?mode=ro", uri=True)
    try:
        row = ledger.execute("SELECT state, exchange_order_id FROM orders WHERE id = ?", (order["id"],)).fetchone()
    finally:
        ledger.close()
    assert row == ("filled", order["exchange_order_id"])


def test_an_order_whose_end_nobody_saw_is_found_at_the_exchange(start: Any) -> None:
    """A desk that was killed between the fill and its booking books it at its next start, once."""
    desk = start()
    order = desk.order("drill-a")[1]
    desk.desk.process.kill()
    desk.desk.stop()
    ledger = sqlite3.connect(desk.desk.home / "ledger.sqlite")
    with ledger:
        ledger.execute("UPDATE orders SET state = 'sent', exchange_order_id = NULL, price = NULL WHERE id = ?", (order["id"],))
        ledger.execute("DELETE FROM positions WHERE account = 'drill-a'")
        ledger.execute("DELETE FROM reservations WHERE account = 'drill-a'")
    ledger.close()
    again = start()
    found = next(row for row in again.get("/orders")["orders"] if row["id"] == order["id"])
    assert (found["state"], found["exchange_order_id"]) == ("filled", order["exchange_order_id"])
    held = [position["quantity"] for position in again.get("/positions")["positions"] if position["account"] == "drill-a"]
    assert held == [again.at_exchange("drill-a")["BTC"]]


def test_the_logs_hold_no_credential(shared: Any) -> None:
    """No API key or secret, nor the beginning of one, stands in a log, the ledger or an answer."""
    shared.order("alpha")
    texts = [path.read_text(errors="replace") for path in (shared.desk.home / "logs").iterdir()]
    texts.append((shared.desk.home / "ledger.sqlite").read_text(errors="replace"))
    texts += [str(shared.get(target)) for target in ("/", "/mode", "/brokers", "/accounts", "/orders", "/dashboard.json")]
    assert shared.desk.secrets
    assert not re.search("|".join(value[:8] for value in shared.desk.secrets.values()), "\n".join(texts))
    assert not any(value in repr(shared.desk) for value in shared.desk.secrets.values())
