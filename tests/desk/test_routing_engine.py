"""Trading in rand: gates, fills, positions, exits and the halt, over books of their own and a venue that the test holds."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.desk.errors import BrokerError
from examples.desk.ledger import Ledger
from examples.desk.routing.books import LIVE, PAPER, Books
from examples.desk.routing.clients import PaperTradingClient, Terms, VALRTradingClient
from examples.desk.routing.engine import Engine, Way
from examples.desk.routing.execution import MonitoredExecution
from examples.desk.routing.market import BookMarket
from examples.desk.routing.safety import LiveSafetyGates, RiskLimits, SafetyError, Trade
from examples.desk.routing.stop import Halt

LIMITS = RiskLimits(
    position_zar=Decimal(250), portfolio_risk_pct=Decimal(10), daily_loss_zar=Decimal(500), open_positions=Decimal(3)
)
PAIR = "BTCZAR"
EXACT = Terms(slippage=Decimal(0), partial=Decimal(0), failure=Decimal(0))


class Venue:
    """A venue of one price, which fills, rests, or loses the answer, as the test wants it."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.down = False
        self.answer_lost = False

    def price(self, pair: str) -> Decimal:
        return Decimal(1_000_000)

    def balances(self) -> Mapping[str, Decimal]:
        if self.down:
            raise BrokerError("valr: ConnectionRefusedError")
        return {"ZAR": Decimal(800)}

    def place(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        rests = order["kind"] != "market"
        quantity = Decimal(order["quantity"]) or (Decimal(order["size_zar"]) / 1_000_000)
        fill = {"quantity": quantity, "price": order["price"] or 1_000_000, "fee": quantity * 1000}
        self.orders[order["key"]] = {
            "state": "pending" if rests else "filled", "order_id": f"V-{len(self.orders)}", "client_order_id": order["key"],
            "fills": [] if rests else [fill], "then": fill,
        }  # fmt: skip
        if self.answer_lost:
            raise BrokerError("valr: TimeoutError", unknown=True)
        return self.orders[order["key"]]

    def found(self, pair: str, key: str) -> Mapping[str, Any] | None:
        return self.orders.get(key)

    def open_orders(self) -> Sequence[Mapping[str, Any]]:
        return [order for order in self.orders.values() if order["state"] == "pending"]

    def cancel(self, pair: str, key: str) -> bool:
        self.orders[key]["state"] = "cancelled"
        return True

    def reach(self, key: str) -> None:
        """The price has come to a resting order."""
        self.orders[key] |= {"state": "filled", "fills": [self.orders[key]["then"]]}


class Room:
    """An engine with a paper account `p` and a live one `l`."""

    def __init__(self, path: Path) -> None:
        self.moment = datetime(2026, 5, 4, 12, tzinfo=UTC)
        self.ledger = Ledger(path)
        self.books = Books(self.ledger, now=lambda: self.moment)
        self.market = BookMarket(self.books)
        self.venue = Venue()
        self.terms = EXACT
        self.refusal = ""
        self.alerts: list[tuple[str, str]] = []
        self.alert: Callable[[str, str], None] = lambda title, message: self.alerts.append((title, message))
        self.paper = PaperTradingClient(self.books, self.market.last, terms=lambda name: self.terms, rng=random.Random(1))
        self.live = VALRTradingClient(self.venue)
        self.engine = self.another_engine()
        self.books.open_account("p", PAPER, purpose="test", opening=Decimal(5000))
        self.books.open_account("l", LIVE, purpose="test", opening=Decimal(0))

    def another_engine(self) -> Engine:
        """An engine that has seen nothing."""
        return Engine(
            self.books, ways=self._way, market=self.market, gates=LiveSafetyGates(LIMITS),
            execution=MonitoredExecution(self.books, lambda title, message: self.alert(title, message), quiet=True),
            halt=Halt(self.books),
        )  # fmt: skip

    def _way(self, account: Mapping[str, Any]) -> Way:
        live = account["mode"] == LIVE
        client: Any = self.live if live else self.paper
        return Way(
            path=account["mode"], client=client, trader=lambda: client, confirm_live=lambda trade: self.refusal,
            connected=client.connected, resting_exits=live, activation=lambda: "act-1" if live else "",
        )  # fmt: skip

    def buy(self, account: str = "p", size: object = 200, pair: str = PAIR, key: str = "", **more: object) -> dict[str, Any]:
        """A wish to buy, with a stop that keeps the risk small."""
        told = {"stop": 980_000, **more}
        amounts = {name: Decimal(str(value)) for name, value in told.items()}
        key = key or f"k{random.Random(repr((account, size, pair, told))).random()}"
        return self.engine.trade(
            Trade(account=account, pair=pair, side="BUY", size_zar=Decimal(str(size)), key=key, **amounts)  # type: ignore[arg-type]
        )

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of one of the room's tables."""
        return self.ledger.rows(f"SELECT * FROM helios_{table} ORDER BY id")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A room with a price."""
    made = Room(tmp_path / "ledger.sqlite")
    made.engine.feed("p", PAIR, Decimal(1_000_000))
    yield made
    made.ledger.close()


def test_a_paper_buy_pays_price_and_fee_and_touches_no_venue(room: Room) -> None:
    """Balances move by exactly quantity, price and a thousandth; the venue hears of nothing."""
    order = room.buy()
    assert (order["state"], order["client"]) == ("filled", "PaperTradingClient")
    assert room.books.holding("p", "BTC") == Decimal("0.0002")
    assert room.books.holding("p", "ZAR") == 5000 - 200 - Decimal("0.2")
    assert room.venue.orders == {}


def test_the_same_key_is_the_same_order(room: Room) -> None:
    """Sent again, it is told again, by the engine that sent it and by one that knows only the ledger."""
    first = room.buy(key="one")
    again = room.buy(key="one")
    room.engine = room.another_engine()
    later = room.buy(key="one")
    assert [order["replayed"] for order in (first, again, later)] == [False, True, True]
    assert len(room.rows("orders")) == 1


@pytest.mark.parametrize(
    ("size", "check"),
    [("250.01", "size"), ("-1", "size"), ("NaN", "size"), ("0", "size")],
    ids=["above", "negative", "nan", "zero"],
)
def test_a_refused_trade_leaves_a_rejection_and_nothing_else(room: Room, size: str, check: str) -> None:
    """The row names the check; there is neither order nor position."""
    assert room.buy(size=size)["check"] == check
    assert [row["check_name"] for row in room.rows("rejections")] == [check]
    assert room.rows("orders") == room.rows("positions") == []


@pytest.mark.parametrize(
    ("price", "reason"), [(979_999, "stop-loss"), (1_020_001, "take-profit")], ids=["stop-loss", "take-profit"]
)
def test_an_exit_closes_the_whole_position_and_its_profit_is_exact(room: Room, price: int, reason: str) -> None:
    """Short of it nothing happens; beyond it the position is gone and the trade says what it brought."""
    room.buy(target=1_020_000)
    assert room.engine.feed("p", PAIR, Decimal(1_000_500))["closed_by"] == ""
    assert room.engine.feed("p", PAIR, Decimal(price))["closed_by"] == reason
    (trade,) = room.rows("trades")
    gross = Decimal("0.0002") * (price - 1_000_000)
    fees = Decimal("0.2") + Decimal("0.0002") * price / 1000
    assert Decimal(trade["profit"]) == gross - fees
    assert room.books.position("p", PAIR) is None
    assert room.books.holding("p", "BTC") == 0


def test_the_loss_of_a_day_ends_with_the_day(room: Room) -> None:
    """At the limit nothing is bought any more; after midnight UTC it is a new day."""
    for number in range(3):
        room.engine.feed("p", PAIR, Decimal(1_000_000))
        room.buy(size=250, key=f"loss-{number}")
        room.engine.feed("p", PAIR, Decimal(10))
    room.engine.feed("p", PAIR, Decimal(1_000_000))
    assert room.buy(key="same-day")["check"] == "daily-loss"
    room.moment += timedelta(hours=12, seconds=1)
    assert room.buy(key="next-day")["state"] == "filled"


def test_a_position_without_a_stop_risks_all_of_itself(room: Room) -> None:
    """What passes with a stop near by is refused without one when it is more than a tenth of the equity."""
    room.books.move("p", "ZAR", Decimal(-4000))
    trade = Trade(account="p", pair=PAIR, side="BUY", size_zar=Decimal(200), key="bare")
    assert room.engine.trade(trade)["check"] == "portfolio-risk"
    assert room.buy()["state"] == "filled"


def test_a_limit_order_rests_until_its_price_comes(room: Room) -> None:
    """It is pending above, filled at the limit below, and never dearer."""
    assert room.buy(limit=990_000)["state"] == "pending"
    room.engine.feed("p", PAIR, Decimal(995_000))
    assert [row["state"] for row in room.rows("orders")] == ["pending"]
    room.engine.feed("p", PAIR, Decimal(989_000))
    (fill,) = room.rows("fills")
    assert Decimal(fill["price"]) == 989_000


def test_the_emergency_stop_cancels_what_rests_and_lets_nothing_begin(room: Room) -> None:
    """Also not by an engine that was started later; an exit goes all the same, and a release ends it."""
    room.buy(size=100)
    room.buy(pair="ETHZAR", limit=900_000, size=50) if room.engine.feed("p", "ETHZAR", Decimal(1_000_000)) else None
    told = room.engine.stop("test", "me")
    assert (told["halted"], len(told["cancelled"]), told["not_cancelled"]) == (True, 1, [])
    assert room.books.pending() == []
    room.engine = room.another_engine()
    assert room.buy(key="after")["check"] == "halted"
    assert room.engine.close("p", PAIR, source="manual", key="out")["state"] == "filled"
    room.engine.halt.release("over", "me")
    assert room.buy(key="again")["state"] == "filled"


def test_the_emergency_stop_does_not_wait_for_a_trade_that_hangs(room: Room) -> None:
    """While the venue keeps a trade waiting, the books say halted already, and that trade is not sent."""
    seen: list[bool] = []
    waiting, pressed = threading.Event(), threading.Event()

    def slow() -> Mapping[str, Decimal]:
        waiting.set()
        assert pressed.wait(10)
        seen.append(room.engine.halt.halted)
        return {"ZAR": Decimal(800)}

    room.venue.balances = slow  # type: ignore[method-assign]
    results: list[dict[str, Any]] = []
    trade = threading.Thread(target=lambda: results.append(room.buy("l")))
    trade.start()
    assert waiting.wait(10)
    stop = threading.Thread(target=lambda: room.engine.stop("test", "me"))
    stop.start()
    while not room.engine.halt.halted:
        stop.join(0.01)
    pressed.set()
    trade.join(10)
    stop.join(10)
    assert seen[0] is True
    assert results[0]["check"] == "halted"
    assert room.venue.orders == {}


def test_an_order_that_cannot_be_cancelled_stays_pending_and_is_told(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop does not claim what the venue did not do."""
    room.buy("l", target=1_020_000)
    monkeypatch.setattr(room.venue, "cancel", lambda pair, key: False)
    told = room.engine.stop("test", "me")
    assert len(told["not_cancelled"]) == len(room.books.pending()) == 2


def test_a_live_trade_without_confirmation_reaches_nobody(room: Room) -> None:
    """SafetyError in the words of the plan, and the venue has no order."""
    room.refusal = "marker not found"
    order = room.buy("l")
    assert (order["check"], order["reason"]) == ("mode", "LIVE mode not explicitly enabled: marker not found")
    assert room.venue.orders == {}


def test_a_live_trade_without_connection_reaches_nobody(room: Room) -> None:
    """A venue that does not answer a signed call gets no order."""
    room.venue.down = True
    assert room.buy("l")["check"] == "connection"
    assert room.venue.orders == {}


def test_a_live_position_has_both_exits_at_the_venue_and_one_ends_the_other(room: Room) -> None:
    """The stop fills there, the position closes here, and the target is taken back."""
    order = room.buy("l", target=1_020_000, key="live")
    assert (order["state"], order["activation"], order["client"]) == ("filled", "act-1", "VALRTradingClient")
    assert {one["client_order_id"] for one in room.venue.open_orders()} == {"live-stop-loss", "live-take-profit"}
    room.venue.reach("live-stop-loss")
    room.engine.reconcile("l")
    (trade,) = room.rows("trades")
    assert trade["closed_by"] == "stop-loss"
    assert room.venue.open_orders() == []
    assert room.books.position("l", PAIR) is None


def test_an_order_whose_answer_was_lost_is_unknown_until_the_venue_was_asked(room: Room) -> None:
    """It is not called failed, it is not sent again, and its fill is entered once."""
    room.venue.answer_lost = True
    assert room.buy("l", key="lost")["state"] == "unknown"
    assert room.alerts[0][0] == "LIVE TRADE UNKNOWN"
    room.venue.answer_lost = False
    room.engine.reconcile("l")
    room.engine.reconcile("l")
    assert room.books.order("lost")["state"] == "filled"  # type: ignore[index]
    assert len(room.rows("fills")) == 1


def test_a_failing_alert_never_costs_the_trade(room: Room) -> None:
    """The trade stands, and the books say that nobody was told."""

    def broken(title: str, message: str) -> None:
        raise OSError("no route to host")

    room.alert = broken
    assert room.buy("l")["state"] == "filled"
    assert room.rows("alerts")[0]["state"] == "failed: OSError"


def test_a_live_trade_is_alerted_with_pair_side_and_size(room: Room) -> None:
    """The title and the fields of the plan."""
    room.buy("l")
    title, message = room.alerts[0]
    assert title == "LIVE TRADE EXECUTED"
    assert message.startswith("Pair: BTCZAR, Side: BUY, Size: R200.00")


def test_an_exit_is_alerted_when_it_fills_and_not_when_it_is_placed(room: Room) -> None:
    """Three orders stand at the venue after an entry; people hear of the entry, and later of the one exit that filled."""
    room.buy("l", target=1_020_000, key="live")
    assert [message.split(",")[1] for _, message in room.alerts] == [" Side: BUY"]
    room.venue.reach("live-take-profit")
    room.engine.reconcile("l")
    assert [message.split(",")[1] for _, message in room.alerts] == [" Side: BUY", " Side: SELL"]
    assert "Key: live-take-profit" in room.alerts[1][1]


def test_paper_fills_are_no_better_than_real_ones(room: Room) -> None:
    """Over many orders some slip, some fill in part, some fail, and none is better than its price."""
    room.terms = Terms()
    room.books.move("p", "ZAR", Decimal(1_000_000))
    states = []
    for number in range(300):
        states.append(room.buy(size=50, key=f"many-{number}")["state"])
        if room.books.position("p", PAIR):
            room.engine.close("p", PAIR, source="manual", key=f"out-{number}")
    assert {"filled", "partial", "failed"} <= set(states)
    bought = [Decimal(row["price"]) for row in room.rows("fills") if row["side"] == "BUY"]
    assert min(bought) >= 1_000_000
    assert max(bought) > 1_000_000


def test_closing_nothing_is_refused(room: Room) -> None:
    """There is no short position."""
    with pytest.raises(SafetyError, match="no open position"):
        room.engine.close("p", PAIR, source="manual", key="nothing")
