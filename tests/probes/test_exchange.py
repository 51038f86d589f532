"""exchange against the street's venues, which verify each signature, and against servers that lie as real ones do."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from examples.desk.launch import made_up
from examples.desk.settings import credentials
from examples.desk.symbols import OPENING, TESTNET, traded
from examples.desk.venues.exchange import Exchange
from examples.desk.venues.matching import Wish
from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.redaction import Redactor

NAMES = {"kraken": "kraken", "coinbase": "coinbase", "binance": TESTNET, "valr": "valr"}
SYMBOL = {"kraken": "XBTUSDT", "coinbase": "BTC-USDT", "binance": "BTCUSDT", "valr": "BTCZAR"}
KEYS = {"key_env": "THE_KEY", "secret_env": "THE_SECRET"}
Lie = Callable[..., Any]


@dataclass
class Street:
    """A venue of the street that runs in this process, and the probe that asks it."""

    venue: str
    exchange: Exchange
    environ: dict[str, str]

    def ask(self, ask: str, **more: Any) -> Facts:
        context = Context(root=Path("/"), environ=self.environ, now=lambda: datetime.now(UTC), deadline=time.monotonic() + 10)
        fields = {"venue": self.venue, "url": self.exchange.server.url, "ask": ask, **KEYS, **more}
        return probes.observe(probes.kind("exchange").model_validate(fields), context, Redactor()).facts

    @property
    def symbol(self) -> str:
        return "BTCZAR" if self.venue == "valr" else "BTCUSDT"

    def place(self, kind: str = "market", price: str | None = None, side: str = "BUY") -> str:
        key = f"t{secrets.token_hex(6)}"
        self.exchange.matching.place(
            Wish(
                account=self.exchange.owner,
                client_order_id=key,
                symbol=self.exchange.market.symbol(self.symbol),
                side=side,
                quantity=Decimal("0.0001"),
                kind=kind,
                trigger=None if price is None else Decimal(price),
            )
        )
        return key


def _street(folder: Path, venue: str) -> Street:
    name = NAMES[venue]
    key, secret = (made_up(variable) for variable in credentials(name))
    exchange = Exchange(
        folder / "store.sqlite",
        name=name,
        prefix="T",
        key=key,
        secret=secret,
        control="lever",
        symbols=traded(name),
        opening=OPENING[name],
    )
    exchange.start()
    return Street(venue, exchange, {"THE_KEY": key, "THE_SECRET": secret})


@pytest.fixture(params=sorted(NAMES))
def street(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Street]:
    """Each of the four venues."""
    one = _street(tmp_path, request.param)
    yield one
    one.exchange.server.stop()
    one.exchange.close()


def test_what_a_key_may_do_is_told_and_money_going_away_is_seen(street: Street) -> None:
    """A key that may read and trade is told so; as soon as it may withdraw, or may no longer trade, that is seen."""
    facts = street.ask("permissions", try_wrong_secret=True)
    seen = (facts["can_read"], facts["can_trade"], facts["can_withdraw"], facts["wrong_secret_refused"])
    assert seen == (True, True, False, True)
    assert facts["permissions"]
    street.exchange.keyring.permissions = frozenset({"read", "withdraw"})
    facts = street.ask("permissions")
    assert (facts["can_read"], facts["can_trade"], facts["can_withdraw"]) == (True, False, True)


def test_nothing_that_is_told_is_taken_for_a_secret(street: Street) -> None:
    """The words and numbers of the venues come through the redaction whole."""
    street.place("limit", "1000")
    symbol = SYMBOL[street.venue]
    told = [
        street.ask("permissions"),
        street.ask("balances"),
        street.ask("open_orders"),
        street.ask("order", client_order_id=street.place(), symbol=symbol),
        street.ask("order_book", symbol=symbol),
        street.ask("ticker", symbol=symbol),
        street.ask("time"),
    ]
    assert "redacted" not in repr(told)


def test_a_permission_that_nobody_knows_is_an_error(street: Street) -> None:
    """An unknown permission may be the right to take the money away, so nothing is told."""
    street.exchange.keyring.strange = "Delegate"
    with pytest.raises(ProbeError, match=r"(?i)permission that is not known here: .*delegate"):
        street.ask("permissions")


def test_a_wrong_secret_and_a_wrong_key_are_not_accepted(street: Street) -> None:
    """Any non-empty key does not do: the venue checks, and its refusal is an error that shows neither key nor signature."""
    right = street.environ["THE_KEY"]
    street.environ["THE_KEY"] = "0" * 30 + "wrong-key"
    for ask in ("permissions", "balances", "open_orders"):
        with pytest.raises(ProbeError, match="does not accept the key") as caught:
            street.ask(ask)
        assert "wrong-key" not in str(caught.value)
    street.environ["THE_KEY"] = right
    assert street.ask("balances")["count"] > 0


def test_balances_are_those_of_the_venue_to_the_last_digit(street: Street) -> None:
    """What is held is told by asset, under the names that everybody uses, and what limit orders reserve is not available."""
    street.place("limit", "1000")
    facts = street.ask("balances")
    cash = "ZAR" if street.venue == "valr" else "USDT"
    held = street.exchange.matching.balances()
    assert {asset: amount for asset, amount in facts["balances"].items() if amount} == {a: b for a, b in held.items() if b}
    assert facts["balances"][cash] - facts["available"][cash] == Decimal("0.1001")
    assert facts["count"] == len([amount for amount in held.values() if amount])


def test_open_orders_are_told_with_what_they_wait_for(street: Street) -> None:
    """A limit, a stop-loss and a take-profit are told with side, quantity and price; of another symbol there are none."""
    expected = {
        street.place("limit", "1000"): ("limit", "buy", "price", 1000),
        street.place("stop-loss", "900", "SELL"): ("stop-loss", "sell", "trigger", 900),
        street.place("take-profit", "9000000", "SELL"): ("take-profit", "sell", "trigger", 9_000_000),
    }
    facts = street.ask("open_orders", symbol=SYMBOL[street.venue])
    assert facts["count"] == 3
    for order in facts["orders"]:
        kind, side, name, price = expected[order["client_order_id"]]
        assert (order["type"], order["side"], order["quantity"], order[name]) == (kind, side, Decimal("0.0001"), price)
    assert street.ask("open_orders", symbol="ETHUSDT")["count"] == 0
    assert street.ask("open_orders")["count"] == 3


def test_an_order_is_found_by_its_client_id_in_each_state(street: Street) -> None:
    """A filled, a resting and a cancelled order are told as such, and one that never was is not found."""
    filled, resting = street.place(), street.place("limit", "1000")
    symbol = SYMBOL[street.venue]
    facts = street.ask("order", client_order_id=filled, symbol=symbol)
    assert (facts["found"], facts["state"], facts["filled"], facts["side"]) == (True, "filled", Decimal("0.0001"), "buy")
    assert street.ask("order", client_order_id=resting, symbol=symbol)["state"] == "open"
    if street.venue != "coinbase":
        street.exchange.matching.cancel(resting)
        assert street.ask("order", client_order_id=resting, symbol=symbol)["state"] == "cancelled"
    assert street.ask("order", client_order_id="never-was", symbol=symbol)["found"] is False


def test_the_book_is_told_and_an_empty_one_has_no_best_price(street: Street) -> None:
    """Bids, asks and the spread between them are numbers; with nobody in the book there is no best price to pass on."""
    facts = street.ask("order_book", symbol=SYMBOL[street.venue])
    assert 0 < facts["best_bid"] < facts["best_ask"]
    assert 0 < facts["spread"] < Decimal("0.01")
    assert facts["bid_count"] == len(facts["bids"]) > 5
    street.exchange._book_empty = True
    facts = street.ask("order_book", symbol=SYMBOL[street.venue])
    assert (facts["bid_count"], facts["ask_count"], facts["bids"]) == (0, 0, [])
    assert "best_bid" not in facts
    assert "spread" not in facts


def test_price_and_clock_are_public(street: Street) -> None:
    """They are told without a key, and an unknown symbol is an error."""
    without: dict[str, Any] = {"key_env": None, "secret_env": None}
    assert street.ask("ticker", symbol=SYMBOL[street.venue], **without)["price"] > 1000
    assert abs(street.ask("time", **without)["skew_seconds"]) < 5
    with pytest.raises(ProbeError):
        street.ask("ticker", symbol="NOSUCH", **without)


def test_a_venue_that_is_down_is_an_error(street: Street) -> None:
    """503 is never a fact."""
    street.exchange._outage = True
    for ask in ("permissions", "balances", "open_orders"):
        with pytest.raises(ProbeError):
            street.ask(ask)


LIES: dict[str, dict[str, tuple[bytes, str]]] = {
    "kraken": {
        "an error in a good status": (b'{"error": ["EGeneral:Internal error"], "result": {"permissions": []}}', "Internal error"),
        "no list of errors": (b'{"result": {"permissions": ["modify-trades"]}}', "does not tell whether there were errors"),
        "no permissions": (b'{"error": [], "result": {"validUntil": "0", "ipAllowlist": []}}', "permissions is missing"),
        "a word instead of a list": (b'{"error": [], "result": {"permissions": "modify-trades"}}', "permissions is no list"),
    },
    "coinbase": {
        "an error in a good status": (b'{"error": "INTERNAL", "message": "oops", "can_view": true}', "oops"),
        "a missing field": (b'{"can_view": true, "can_trade": true}', "can_transfer is missing"),
        "text for truth": (
            b'{"can_view": "true", "can_trade": true, "can_transfer": false}',
            "can_view is neither true nor false",
        ),
    },
    "binance": {
        "an error in a good status": (b'{"code": -1000, "msg": "oops"}', "oops"),
        "a missing field": (
            b'{"enableReading": true, "enableSpotAndMarginTrading": true, "ipRestrict": true}',
            "enableWithdrawals is missing",
        ),
        "null": (b'{"enableWithdrawals": null, "enableReading": true}', "enableWithdrawals is missing|not known"),
    },
    "valr": {
        "an error in a good status": (b'{"code": -1, "message": "oops", "permissions": ["Trade"]}', "oops"),
        "an error key in a good status": (b'{"error": "oops", "permissions": ["Trade"]}', "an error without a word|oops"),
        "a missing field": (b'{"label": "x"}', "permissions is missing"),
        "a stub": (b'"ok"', "permissions is missing"),
    },
}


@pytest.mark.parametrize(("venue", "lie_"), [(venue, lie_) for venue, lies in LIES.items() for lie_ in lies])
def test_a_lie_about_permissions_is_an_error(look: Any, lie: Lie, venue: str, lie_: str) -> None:
    """200 with an error in it, a missing field, a wrong type and a stub prove nothing about a key."""
    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": _secret_of(venue)}
    body, told = LIES[venue][lie_]
    with pytest.raises(ProbeError, match=told):
        look("exchange", venue=venue, url=lie(body).url, ask="permissions", **KEYS)


def test_a_bot_that_counts_in_milliseconds_can_still_trade_after_the_gate_has_asked(look: Any, lie: Lie) -> None:
    """Kraken refuses any nonce below the last, so the gate's are no larger than those of the process whose key it borrows."""
    from urllib.parse import parse_qs

    def talk(server: Any, connection: Any) -> None:
        text = connection.recv(65_536)
        while not text.rpartition(b"\r\n\r\n")[2]:
            text += connection.recv(65_536)
        server.asked.append(text)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + b'{"error": ["EAPI:Invalid nonce"]}'.ljust(40))

    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": _secret_of("kraken")}
    server = lie(by=talk)
    with pytest.raises(ProbeError, match="another process uses the key") as caught:
        look("exchange", venue="kraken", url=server.url, ask="permissions", **KEYS)
    assert "key of its own" in caught.value.hint
    nonce = int(parse_qs(server.asked[0].rpartition(b"\r\n\r\n")[2].decode())["nonce"][0])
    assert nonce <= (time.time() + 86_400) * 1000


@pytest.mark.parametrize("venue", sorted(NAMES))
@pytest.mark.parametrize(
    "body",
    [b"<html>log in</html>", b"[]", b"{}", b"null", b'{"balances": "none"}', b'{"error": [], "result": []}'],
)
def test_what_is_no_balance_sheet_is_an_error_or_nothing_held(look: Any, lie: Lie, venue: str, body: bytes) -> None:
    """A page, a stub or a wrong shape is an error; at most an empty list is told, as nothing held."""
    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": _secret_of(venue)}
    try:
        facts = look("exchange", venue=venue, url=lie(body).url, ask="balances", **KEYS)
    except ProbeError:
        return
    assert (venue, body, facts["balances"], facts["count"]) == ("valr", b"[]", {}, 0)


def test_a_number_that_is_none_is_an_error(look: Any, lie: Lie) -> None:
    """NaN, an empty text and a word do not pass as an amount."""
    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": "s" * 20}
    for amount in ("NaN", "", "much", "1,000", "0x10", "Infinity"):
        body = f'[{{"currency": "ZAR", "total": "{amount}", "available": "1"}}]'.encode()
        with pytest.raises(ProbeError, match="total is no"):
            look("exchange", venue="valr", url=lie(body).url, ask="balances", **KEYS)


def test_a_venue_that_checks_no_signature_is_found_out(look: Any, lie: Lie) -> None:
    """Where a wrong secret is answered like the right one, that is told as a fact."""
    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": "s" * 20}
    server = lie(b'{"permissions": ["View access", "Trade"]}')
    facts = look("exchange", venue="valr", url=server.url, ask="permissions", try_wrong_secret=True, **KEYS)
    assert facts["wrong_secret_refused"] is False


def test_another_order_than_the_one_asked_for_is_an_error(look: Any, lie: Lie) -> None:
    """An answer about somebody else's order does not count."""
    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": "s" * 20}
    body = (
        b'{"orderId": "1", "customerOrderId": "other", "currencyPair": "BTCZAR", "orderSide": "buy", "orderType": "limit",'
        b' "originalQuantity": "1", "remainingQuantity": "0", "orderStatusType": "Filled"}'
    )
    with pytest.raises(ProbeError, match="another order"):
        look("exchange", venue="valr", url=lie(body).url, ask="order", client_order_id="mine", symbol="BTCZAR", **KEYS)


def test_a_404_of_something_else_is_not_a_missing_order(look: Any, lie: Lie) -> None:
    """That an order is not there is believed only in the venue's own words, not from any page that is not found."""
    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": "s" * 20}
    server = lie(b'{"error": "nothing is at this address"}', status="404 Not Found")
    with pytest.raises(ProbeError):
        look("exchange", venue="valr", url=server.url, ask="order", client_order_id="mine", symbol="BTCZAR", **KEYS)


@pytest.mark.parametrize("venue", sorted(NAMES))
def test_a_key_that_comes_back_is_not_shown(look: Any, lie: Lie, venue: str) -> None:
    """Key and secret stand in no fact and no error, also when the venue repeats them, whole or in part."""
    key, secret = "K3y" + secrets.token_hex(16), _secret_of(venue)
    look.environ |= {"THE_KEY": key, "THE_SECRET": secret}
    body = f'{{"error": ["EGeneral:{key} {key[:8]}"], "message": "{key} {key[:8]}", "msg": "{key}", "code": -5}}'.encode()
    server = lie(body)
    with pytest.raises(ProbeError) as caught:
        look("exchange", venue=venue, url=server.url, ask="permissions", **KEYS)
    told = f"{caught.value.message} {caught.value.hint}"
    assert key[:6] not in told
    assert secret[:12] not in told
    assert "ignature=" not in told


def test_keys_may_be_those_of_the_process_that_trades(look: Any, lie: Lie, tmp_path: Path) -> None:
    """With pid_file the key is read from that process; a variable that is not there is an error that names it."""
    import subprocess
    import sys

    server = lie(b'{"permissions": ["View access"]}')
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        env={"PATH": "/usr/bin:/bin", "THE_KEY": "child-key-child-key", "THE_SECRET": "child-secret-child"},
        stdin=subprocess.PIPE,
    )
    try:
        (tmp_path / "pid").write_text(f"{child.pid}\n")
        facts = look("exchange", venue="valr", url=server.url, ask="permissions", pid_file="pid", **KEYS)
        assert facts["can_read"] is True
        assert b"child-key-child-key" in server.asked[0]
        with pytest.raises(ProbeError, match="OTHER_KEY is not set"):
            look(
                "exchange",
                venue="valr",
                url=server.url,
                ask="permissions",
                pid_file="pid",
                key_env="OTHER_KEY",
                secret_env="THE_SECRET",
            )
    finally:
        child.communicate(b"\n")
    with pytest.raises(ProbeError, match=r"does not run|has ended"):
        look("exchange", venue="valr", url=server.url, ask="permissions", pid_file="pid", **KEYS)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"venue": "valr", "ask": "balances"}, "needs key_env"),
        ({"venue": "valr", "ask": "order_book"}, "needs symbol"),
        ({"venue": "valr", "ask": "order", **KEYS}, "client_order_id"),
        ({"venue": "valr", "ask": "time", "key_env": "A"}, "stand together"),
        ({"venue": "valr", "ask": "ticker", "symbol": "../../x?y"}, "only letters"),
        ({"venue": "valr", "ask": "time", "url": "http://user:pw@host"}, "nothing behind"),
        ({"venue": "nasdaq", "ask": "time"}, "valr"),
        ({"venue": "valr", "ask": "time", "try_wrong_secret": True}, "ask: permissions"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_when_it_is_written(fields: dict[str, Any], told: str) -> None:
    """What is missing or contradicts itself is a fault of the checklist."""
    with pytest.raises(ValidationError, match=told):
        probes.kind("exchange").model_validate(fields)


def test_a_secret_of_the_wrong_form_says_which_form_is_right(look: Any, lie: Lie) -> None:
    """Kraken's secret is Base64 and Coinbase's a private key; what is neither is told without being shown."""
    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": "not?a?secret?at?all"}
    for venue, told in (("kraken", "not Base64"), ("coinbase", "no private key")):
        with pytest.raises(ProbeError, match=told) as caught:
            look("exchange", venue=venue, url=lie(b"{}").url, ask="permissions", **KEYS)
        assert "not?a?secret" not in str(caught.value)


def test_krakens_documented_example_gives_its_documented_signature() -> None:
    """The signature of the example in Kraken's own documentation comes out as it stands there."""
    from examples.desk.venues.dialects.kraken import signature

    secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    expected = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    assert signature(secret, "/0/private/AddOrder", "1616492376594", body) == expected


def test_binances_documented_example_gives_its_documented_signature() -> None:
    """The signature of the example in Binance's own documentation comes out as it stands there."""
    from examples.desk.venues.dialects.binance import signature

    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    assert signature(secret, query) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


def _secret_of(venue: str) -> str:
    return made_up(credentials(NAMES[venue])[1])


@pytest.mark.parametrize(("networks", "restricted"), [("10.1.2.3/32", True), ("", False), ("0.0.0.0/0", False), (None, False)])
def test_a_key_that_anybody_may_use_is_not_restricted(look: Any, lie: Lie, networks: str | None, restricted: bool) -> None:
    """An empty list of addresses, and a network of all addresses, keep nobody out."""
    look.environ |= {"THE_KEY": "k" * 20, "THE_SECRET": _secret_of("valr")}
    body = json.dumps({"permissions": ["View access"], "allowedIpAddressCidr": networks}).encode()
    assert look("exchange", venue="valr", url=lie(body).url, ask="permissions", **KEYS)["ip_restricted"] is restricted
