"""Isolation, risk and health: failures stay where they are, are seen, and pass."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from examples.desk import risk
from examples.desk.cache import ask
from examples.desk.risk import Limits, judge

LIMITS = Limits(max_drawdown=Decimal("0.20"), warn_drawdown=Decimal("0.10"), max_exposure=Decimal("0.80"))


def test_failures_in_a_row_quarantine_one_account_and_no_other(start: Any, eventually: Any) -> None:
    """So many failures open the breaker of that account; the other trades on, and the first recovers by itself."""
    desk = start(environ={"DESK_BREAKER_COOL_DOWN": "0.5"})
    assert desk.post("/accounts/drill-a/faults", failures=4)[0] == 200
    for _ in range(3):
        assert desk.order("drill-a")[1]["state"] == "failed"
    sick = desk.get("/accounts/drill-a")
    assert (sick["state"], sick["breaker"]["trips"]) == ("quarantined", 1)
    assert desk.order("drill-a")[1]["gate"] == "breaker"
    assert desk.order("drill-b")[1]["state"] == "filled"
    sound = desk.get("/accounts/drill-b")
    assert (sound["state"], sound["breaker"]["trips"], sound["breaker"]["failures"]) == ("active", 0, 0)
    # the fourth failure was for the first probe, so it takes a second one
    eventually(lambda: desk.get("/accounts/drill-a")["state"] == "active")
    assert desk.get("/accounts/drill-a")["breaker"]["recoveries"] == 1
    assert desk.order("drill-a")[1]["state"] == "filled"


def test_fewer_failures_than_the_threshold_do_not_quarantine(start: Any) -> None:
    """A success in between begins the count anew."""
    desk = start()
    for _ in range(2):
        desk.post("/accounts/drill-a/faults", failures=2)
        assert [desk.order("drill-a")[1]["state"] for _ in range(3)] == ["failed", "failed", "filled"]
    assert desk.get("/accounts/drill-a")["breaker"]["trips"] == 0


def test_a_quarantine_outlives_a_restart(start: Any) -> None:
    """A desk that is started again does not free an account that was in quarantine."""
    desk = start(environ={"DESK_BREAKER_COOL_DOWN": "3000"})
    desk.post("/accounts/drill-a/faults", failures=3)
    for _ in range(3):
        desk.order("drill-a")
    desk.desk.stop()
    again = start(environ={"DESK_BREAKER_COOL_DOWN": "3000"})
    assert again.get("/accounts/drill-a")["state"] == "quarantined"


def test_nothing_is_broken_on_purpose_where_real_money_is(shared: Any) -> None:
    """Failures can be injected into drill accounts only."""
    assert shared.post("/accounts/alpha/faults", failures=3)[0] == 403


def test_a_crash_of_prices_stops_new_real_positions_but_not_selling(start: Any) -> None:
    """In a CRITICAL risk state a real purchase is refused by the risk gate, and a sale still goes."""
    desk = start()
    desk.activate()
    desk.fault("risk-critical", on=True)
    assert desk.get("/risk")["state"] == "CRITICAL"
    assert desk.order("gamma")[1]["gate"] == "risk"
    assert desk.order("alpha", side="SELL")[1]["state"] == "filled"


def test_an_exchange_that_cannot_be_asked_makes_the_risk_unknown(shared: Any, eventually: Any) -> None:
    """No answer is not OK: the state is UNKNOWN and says which exchange it was."""
    shared.fault("broker-outage:kraken", on=True)
    try:
        eventually(lambda: shared.get("/risk")["state"] == "UNKNOWN")
        assert "kraken" in shared.get("/risk")["reason"]
        assert shared.status("/capital") == 502
    finally:
        shared.fault("broker-outage:kraken", on=False)


@pytest.mark.parametrize(
    ("equity", "positions", "state"),
    [
        ("100", "80", risk.OK),
        ("90.01", "0", risk.OK),
        ("90", "0", risk.WARNING),
        ("80", "0", risk.CRITICAL),
        ("100", "80.1", risk.CRITICAL),
    ],
)
def test_the_risk_state_follows_from_the_figures(equity: str, positions: str, state: str) -> None:
    """Drawdown counts from its limit on, exposure above it."""
    assert judge(Decimal(equity), Decimal(100), Decimal(positions), LIMITS)[0] == state


def test_a_missing_credential_is_seen_everywhere(start: Any) -> None:
    """A desk without the secret of a broker starts, and says so: broker unhealthy, adoption failed, risk unknown."""
    desk = start(environ={"KRAKEN_API_SECRET": ""})
    assert desk.get("/brokers/kraken/health")["state"] == "unhealthy"
    assert desk.get("/brokers/coinbase/health")["state"] == "healthy"
    assert {failure["account"] for failure in desk.get("/adoption")["failures"]} == {"beta", "gamma"}
    assert desk.get("/risk")["state"] == "UNKNOWN"


def test_a_halted_thread_takes_no_order_and_says_so(shared: Any) -> None:
    """An order for an account whose thread is halted is refused at once, and the other accounts trade on."""
    shared.fault("thread-halted:drill-b", on=True)
    try:
        status, body = shared.order("drill-b")
        assert status == 503
        assert "halted" in body["error"]
        assert shared.order("drill-a")[1]["state"] == "filled"
        assert shared.get("/threads")["halted"] == ["drill-b"]
    finally:
        shared.fault("thread-halted:drill-b", on=False)
    assert shared.order("drill-b")[1]["state"] == "filled"


def test_the_dashboard_shows_a_failed_broker_in_red(shared: Any, eventually: Any) -> None:
    """A broker that fails is in a red cell, and the page loads itself again every five seconds."""
    import urllib.request

    def page() -> str:
        with urllib.request.urlopen(shared.desk.urls["api"] + "/dashboard") as answer:
            return str(answer.read().decode())

    assert '<meta http-equiv="refresh" content="5">' in page()
    eventually(lambda: 'class="failed"' not in page())
    shared.fault("broker-unhealthy:coinbase", on=True)
    try:
        eventually(lambda: '<td>coinbase</td><td><span class="failed">unhealthy</span>' in page())
    finally:
        shared.fault("broker-unhealthy:coinbase", on=False)


def test_the_cache_keeps_what_it_is_given_until_its_time_is_over(shared: Any, eventually: Any) -> None:
    """SET, GET, EXPIRE and DEL do what they do in Redis, and what is no command is an error."""
    address = shared.desk.urls["cache"]
    assert ask(address, "SET", "probe", "value") == "OK"
    assert ask(address, "GET", "probe") == "value"
    assert ask(address, "DEL", "probe") == 1
    assert ask(address, "GET", "probe") is None
    ask(address, "SET", "brief", "value")
    assert ask(address, "EXPIRE", "brief", "1") == 1
    eventually(lambda: ask(address, "GET", "brief") is None)
    with pytest.raises(ValueError, match="unknown command"):
        ask(address, "FLUSHALL")


def test_the_exchange_believes_no_wrong_signature_and_no_replay(shared: Any) -> None:
    """A private call needs the right secret, a fresh time and a nonce that was never used."""
    import time

    from examples.desk.venues import signature
    from examples.desk.web import call

    url, key, secret = shared.desk.urls["kraken"], shared.desk.secrets["KRAKEN_API_KEY"], shared.desk.secrets["KRAKEN_API_SECRET"]

    def status(nonce: str, *, with_secret: str = secret, late: int = 0) -> int:
        stamp = str(time.time_ns() // 1_000_000 - late * 1000)
        headers = {"X-Key": key, "X-Timestamp": stamp, "X-Nonce": nonce}
        headers["X-Signature"] = signature(with_secret, stamp, nonce, "GET", "/account/beta", b"")
        return call(url, "GET", "/account/beta", headers=headers)[0]

    assert status("one") == 200
    assert status("one") == 401
    assert status("two", with_secret=secret + "x") == 401
    assert status("three", late=60) == 401
    assert call(url, "POST", "/control", body=b'{"outage": true}')[0] == 401
