"""Trading in rand on a desk that runs: what its API does is seen in the ledger, at VALR, and after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from examples.desk import jsontext
from examples.desk.broker import Broker
from examples.desk.routing.faults import NAMES
from examples.desk.web import call


def valr(desk: Any) -> Broker:
    """VALR, asked with the desk's own key."""
    secrets = desk.desk.secrets
    return Broker("valr", desk.desk.urls["valr"], key=secrets["VALR_API_KEY"], secret=secrets["VALR_API_SECRET"])


def rows(desk: Any, query: str) -> list[tuple[Any, ...]]:
    """Rows of the ledger, read by this process."""
    with closing(sqlite3.connect(desk.desk.home / "ledger.sqlite", timeout=10)) as ledger:
        return ledger.execute(query).fetchall()


def buy(desk: Any, account: str = "live", key: str = "one", **more: Any) -> tuple[int, Any]:
    """A wish for R200 of BTC."""
    wish = {"account": account, "pair": "BTCZAR", "side": "BUY", "size_zar": 200, "key": key, "stop": 900_000, **more}
    return call(desk.desk.urls["api"], "POST", "/api/trades", body=jsontext.dumps(wish).encode())


@pytest.fixture
def rehearsal(shared: Any) -> Iterator[str]:
    """A rehearsal on the shared desk, forgotten at the end."""
    name = shared.post("/api/rehearsals", opening=5000, partial=0, failure=0, follows=False)[1]["account"]
    shared.post(f"/api/rehearsals/{name}/prices", pair="BTCZAR", prices=[1_000_000])
    yield name
    call(shared.desk.urls["api"], "DELETE", f"/api/rehearsals/{name}")


def test_without_a_marker_no_live_trade_reaches_valr(shared: Any) -> None:
    """The desk says LIVE, the guard says no, and VALR has traded nothing."""
    assert shared.get("/api/mode/current")["client"] == "VALRTradingClient"
    status, told = buy(shared)
    assert (status, told["check"]) == (409, "mode")
    assert "marker not found" in told["reason"]
    assert valr(shared).fills("helios") == []


def test_a_rehearsal_is_seen_by_another_process_and_leaves_nothing(shared: Any, rehearsal: str) -> None:
    """Its order stands in the ledger file; once forgotten, no table knows its name."""
    assert buy(shared, rehearsal, key="seen")[0] == 200
    assert rows(shared, "SELECT state, client FROM helios_orders WHERE key = 'seen'") == [("filled", "PaperTradingClient")]
    assert call(shared.desk.urls["api"], "DELETE", f"/api/rehearsals/{rehearsal}")[1]["forgotten"] is True
    tables = [name for (name,) in rows(shared, "SELECT name FROM sqlite_master WHERE name LIKE 'helios_%' AND type = 'table'")]
    for table in tables:
        columns = [row[1] for row in rows(shared, f"PRAGMA table_info({table})")]
        if "account" in columns:
            assert rows(shared, f"SELECT 1 FROM {table} WHERE account = '{rehearsal}'") == []


def test_only_rehearsals_are_forgotten_and_fed(shared: Any) -> None:
    """Neither the live account nor the paper run can be taken out or given prices of somebody's choice."""
    for account in ("live", "paper"):
        assert call(shared.desk.urls["api"], "DELETE", f"/api/rehearsals/{account}")[0] == 400
    assert shared.post("/api/rehearsals/live/prices", pair="BTCZAR", prices=[1])[0] == 403


def test_live_cannot_be_switched_on_over_the_api(shared: Any) -> None:
    """The only way to LIVE is the environment and a restart."""
    assert shared.post("/api/mode/switch", mode="LIVE", by="me")[0] == 403


def test_the_forge_tells_only_those_with_the_token(shared: Any) -> None:
    """401 without it, the protection with it, and no protection once the hook cannot run."""
    url, target = shared.desk.urls["api"], "/forge/repos/helios/helios-trading-v3/branches/main/protection"
    bearer = {"Authorization": f"Bearer {shared.desk.secrets['FORGE_TOKEN']}"}
    assert call(url, "GET", target)[0] == 401
    status, told = call(url, "GET", target, headers=bearer)
    assert (status, told["allow_force_pushes"], told["required_pull_request_reviews"]["required_approving_review_count"]) == (
        200, {"enabled": False}, 1,
    )  # fmt: skip
    hook = shared.desk.home / "helios-remote.git" / "hooks" / "update"
    hook.chmod(0o644)
    try:
        assert call(url, "GET", target, headers=bearer)[0] == 404
    finally:
        hook.chmod(0o755)


def test_with_a_marker_a_live_trade_moves_rand_and_its_exits_rest_at_valr(start: Any, eventually: Callable[..., None]) -> None:
    """Balances at VALR move by price and fee, both exits rest there, and a stop past the market closes it all."""
    desk = start()
    desk.activate()
    before = valr(desk).balances("helios")
    status, order = buy(desk, target=2_000_000)
    assert (status, order["state"], order["client"]) == (200, "filled", "VALRTradingClient")
    after = valr(desk).balances("helios")
    assert before["ZAR"] - after["ZAR"] == order["filled"] * order["average"] + order["fee"]
    assert after["BTC"] == order["filled"]
    assert sorted(one["type"] for one in valr(desk).open_orders("helios")) == ["stop-loss", "take-profit"]
    desk.post("/api/positions/stop", account="live", pair="BTCZAR", stop=3_000_000)
    eventually(lambda: not desk.get("/api/positions")["positions"])
    eventually(lambda: not valr(desk).open_orders("helios"))
    ((profit, reason),) = rows(desk, "SELECT profit, closed_by FROM helios_trades WHERE account = 'live'")
    assert reason == "stop-loss"
    assert valr(desk).balances("helios")["ZAR"] - before["ZAR"] == pytest.approx(Decimal(profit), abs=Decimal("0.000001"))


def test_back_to_paper_refuses_live_trades_until_the_next_start(start: Any) -> None:
    """An operator's word goes before the variables, and the marker does not help."""
    desk = start()
    desk.activate()
    assert desk.post("/api/mode/switch", mode="PAPER", by="me")[1]["client"] == "PaperTradingClient"
    assert buy(desk)[1]["check"] == "mode"
    assert valr(desk).fills("helios") == []


def test_an_emergency_stop_survives_a_restart(start: Any) -> None:
    """The new process is halted until somebody releases it; positions are as they were, and nothing is sent twice."""
    desk = start()
    name = desk.post("/api/rehearsals", opening=5000, partial=0, failure=0, follows=False)[1]["account"]
    desk.post(f"/api/rehearsals/{name}/prices", pair="BTCZAR", prices=[1_000_000])
    assert buy(desk, name, key="kept")[0] == 200
    desk.post("/api/emergency-stop", reason="test", by="me")
    held = rows(desk, "SELECT * FROM helios_positions WHERE state = 'open'")
    desk.desk.stop()
    again = start()
    assert again.get("/api/mode/current")["halted"] is True
    assert rows(again, "SELECT * FROM helios_positions WHERE state = 'open'") == held
    assert buy(again, name, key="kept")[1]["replayed"] is True
    assert buy(again, name, key="new")[1]["check"] == "halted"
    again.post("/api/emergency-stop/release", reason="over", by="me")
    assert buy(again, name, key="new")[0] == 200


def test_switches_that_disagree_mean_paper_even_with_a_marker(start: Any) -> None:
    """Nothing reaches VALR, whatever the guard says."""
    desk = start(environ={"ENABLE_PAPER_TRADING": "True"})
    desk.activate()
    assert desk.get("/api/mode/current")["client"] == "PaperTradingClient"
    assert buy(desk)[1]["check"] == "mode"
    assert valr(desk).fills("helios") == []


def test_every_defect_can_be_put_in_and_taken_out(shared: Any) -> None:
    """Switched on and off again, the desk trades on paper as before."""
    for name in NAMES:
        shared.fault(f"helios:{name}", on=True)
        shared.fault(f"helios:{name}", on=False)
    told = shared.post("/api/rehearsals", opening=1000, partial=0, failure=0)[1]["account"]
    cycles = shared.post(f"/api/rehearsals/{told}/prices", pair="BTCZAR", prices=[1_000_000] * 11 + [980_000])[1]["cycles"]
    assert cycles[-1]["signal"]["order"]["state"] == "filled"
    call(shared.desk.urls["api"], "DELETE", f"/api/rehearsals/{told}")
