"""Each real position has its exits at the exchange, and the books follow when one of them fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from examples.desk.broker import Broker
from examples.desk.settings import credentials


def _resting(desk: Any, broker: str, account: str) -> list[tuple[str, Decimal]]:
    key, secret = (desk.desk.secrets[name] for name in credentials(broker))
    orders = Broker(broker, desk.desk.urls[broker], key=key, secret=secret).open_orders(account)
    return sorted((order["type"], order["quantity"]) for order in orders)


def test_a_holding_gets_both_exits_at_its_exchange(shared: Any, eventually: Any) -> None:
    """What was found at the exchange is protected there, for the whole quantity, and reviewed."""
    wanted = [("stop-loss", Decimal("0.1")), ("take-profit", Decimal("0.1"))]
    eventually(lambda: _resting(shared, "coinbase", "alpha") == wanted)
    eventually(lambda: len(shared.get("/reviews")["reviews"]) == 2)
    assert {review["verdict"] for review in shared.get("/reviews")["reviews"]} == {"good"}


def test_the_exits_follow_the_position(start: Any, eventually: Any) -> None:
    """A purchase makes both exits larger, a sale of all takes them away."""
    desk = start()
    desk.activate()
    assert desk.order("gamma")[1]["state"] == "filled"
    eventually(lambda: _resting(desk, "kraken", "gamma") == [("stop-loss", Decimal("0.001")), ("take-profit", Decimal("0.001"))])
    assert desk.order("gamma")[1]["state"] == "filled"
    eventually(lambda: _resting(desk, "kraken", "gamma") == [("stop-loss", Decimal("0.002")), ("take-profit", Decimal("0.002"))])
    assert desk.order("gamma", side="SELL", quantity=Decimal("0.002"))[1]["state"] == "filled"
    eventually(lambda: _resting(desk, "kraken", "gamma") == [])
    assert "[first-trade]" in (desk.desk.home / "records" / "operational_log.md").read_text()


def test_an_exit_that_fills_closes_the_position_in_the_books(start: Any, eventually: Any) -> None:
    """When the price comes to a take-profit, the position is a closed trade, and the other exit is gone."""
    desk = start()
    status, _ = desk.post("/venues/coinbase/price", symbol="BTCUSDT", factor="1.2")
    assert status == 200
    eventually(lambda: [t for t in desk.get("/trades")["trades"] if t["environment"] == "live"])
    (trade,) = [t for t in desk.get("/trades")["trades"] if t["environment"] == "live"]
    assert (trade["account"], trade["state"]) == ("alpha", "closed")
    assert trade["profit"] > 0
    eventually(lambda: _resting(desk, "coinbase", "alpha") == [])
    assert desk.at_exchange("alpha")["BTC"] == 0


def test_a_decision_to_cancel_takes_the_exits_away(start: Any, eventually: Any) -> None:
    """A position whose exits somebody cancelled by decision stays without them; a decision on nothing is refused."""
    desk = start()
    eventually(lambda: len(_resting(desk, "kraken", "beta")) == 2)
    assert desk.post("/decisions", account="beta", symbol="ETHUSDT", decision="cancel", by="ann")[0] == 200
    eventually(lambda: _resting(desk, "kraken", "beta") == [])
    assert desk.post("/decisions", account="gamma", symbol="BTCUSDT", decision="wait", by="ann")[0] == 400
    assert desk.post("/decisions", account="alpha", symbol="BTCUSDT", decision="hope", by="ann")[0] == 400


def test_accounts_that_were_set_to_testnet_trade_nowhere_else(start: Any) -> None:
    """After a rollback each account says testnet, with that address, and its orders go there."""
    desk = start(environ={"DESK_ACCOUNTS": "testnet"})
    desk.activate()
    assert {account["environment"] for account in desk.get("/accounts")["accounts"]} == {"testnet"}
    assert {account["venue"]["url"] for account in desk.get("/accounts")["accounts"]} == {desk.desk.urls["testnet"]}
    status, order = desk.order("alpha")
    assert (status, order["environment"]) == (200, "testnet")


def test_two_accounts_in_quarantine_roll_back_by_themselves(start: Any, eventually: Any) -> None:
    """With the breakers of two accounts open at once the marker goes, orders are skipped, and the alert says why."""
    desk = start(environ={"DESK_BREAKER_COOL_DOWN": "60"})
    marker = desk.activate()
    assert desk.order("gamma")[1]["state"] == "filled"
    for account in ("drill-a", "drill-b"):
        desk.post(f"/accounts/{account}/faults", failures=3)
        for _ in range(3):
            desk.order(account)
    eventually(lambda: not marker.exists())
    assert desk.order("gamma")[1]["state"] == "skipped"
    eventually(lambda: "automatic-rollback" in {alert["kind"] for alert in desk.get("/alerts")["alerts"]})


def test_dashboards_are_found_and_filled(shared: Any) -> None:
    """The API finds the dashboard by its title, and every query of every panel has data."""
    (found,) = shared.get("/grafana/api/search?query=resilience")
    panels = shared.get(f"/grafana/api/dashboards/uid/{found['uid']}")["dashboard"]["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(queries) > 10
    from urllib.parse import quote

    empty = [query for query in queries if not shared.get(f"/api/v1/query?query={quote(query)}")["data"]["result"]]
    assert empty == []
    assert shared.status("/api/v1/query?query=rate(x[5m])") == 400
