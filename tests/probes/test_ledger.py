"""ledger: sound rows add up; flawed rows and an empty ledger have no figure that could pass."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError

COLUMNS = {
    "id": "id", "at": "time", "symbol": "pair", "side": "side", "quantity": "qty", "price": "price",
    "fee": "fee", "order_id": "oid", "mode": "mode",
}  # fmt: skip
GOOD = """\
id,time,pair,side,qty,price,fee,oid,mode
1,2026-11-17T10:00:00Z,BTC,buy,1,100,1,KR-1,live
2,2026-11-18T10:00:00Z,BTC,SELL,1,120,1,KR-2,live
3,2026-11-19T10:00:00Z,BTC,BUY,2,100,2,KR-3,live
4,2026-11-20T10:00:00+00:00,BTC,SELL,1,95,1,KR-4,live
"""
FIGURES = ("closed", "gross", "realized", "fees", "win_rate", "average", "equity", "max_drawdown", "sharpe", "worst_day", "open")


def _ledger(look: Any, text: str = GOOD, **fields: Any) -> Any:
    (look.root / "trades.csv").write_text(text)
    return look("ledger", **{"csv": "trades.csv", "columns": COLUMNS, "opening": "1000", **fields})


def _with(*lines: str) -> str:
    return GOOD + "".join(f"{line}\n" for line in lines)


def test_sound_rows_add_up(look: Any) -> None:
    """Profit, fees, rates and the equity are those worked out by hand."""
    facts = _ledger(look)
    assert (facts["rows"], facts["count"], facts["closed"]) == (4, 4, 2)
    assert (facts["gross"], facts["realized"], facts["fees"]) == (Decimal(15), Decimal(11), Decimal(5))
    assert (facts["win_rate"], facts["average"], facts["wins"], facts["losses"]) == (Decimal("0.5"), Decimal("5.5"), 1, 1)
    assert (facts["equity"], facts["days"], facts["losing_days"], facts["losing_now"]) == (Decimal(1011), 3, 1, 1)
    assert facts["max_drawdown"] == Decimal("0.006876227897838899803536345776")
    assert facts["worst_day"]["fraction"] == -facts["max_drawdown"]
    assert Decimal(5) < facts["sharpe"] < Decimal(6)
    assert facts["open"] == [
        {"account": "", "symbol": "BTC", "quantity": Decimal(1), "cost": Decimal(100), "opened_at": "2026-11-19T10:00:00+00:00"}
    ]
    assert (facts["first_at"], facts["last_at"]) == ("2026-11-17T10:00:00+00:00", "2026-11-20T10:00:00+00:00")
    assert (facts["span_days"], facts["active_days"]) == (Decimal("3.0"), 4)
    assert all(
        facts[name] == [] for name in ("flaws", "duplicates", "paper_ids", "unmatched", "nulls", "missing_fees", "repeated")
    )
    assert "unknown" not in facts


@pytest.mark.parametrize("source", ["csv", "jsonl"])
def test_an_empty_ledger_proves_nothing(look: Any, source: str) -> None:
    """Without a row the count is 0 and no figure is told, so that an expectation on one is an error."""
    (look.root / "empty").write_text("id,time,pair,side,qty,price,fee,oid,mode\n" if source == "csv" else "\n")
    facts = look("ledger", **{source: "empty", "columns": COLUMNS, "opening": "1000"})
    assert (facts["rows"], facts["count"]) == (0, 0)
    assert not set(FIGURES) & set(facts)


@pytest.mark.parametrize(
    ("line", "fact", "told"),
    [
        ("5,2026-11-20T11:00:00Z,BTC,BUY,,100,1,KR-5,live", "nulls", ("quantity", "missing")),
        ("5,,BTC,BUY,1,100,1,KR-5,live", "nulls", ("at", "missing")),
        ("5,2026-11-20T11:00:00Z,BTC,BUY,1,n/a,1,KR-5,live", "nulls", ("price", "unreadable")),
        ("5,2026-11-20T11:00:00Z,BTC,BUY,NaN,1,1,KR-5,live", "nulls", ("quantity", "unreadable")),
        ("5,2026-11-20T11:00:00Z,BTC,BUY,1e99,1,1,KR-5,live", "nulls", ("quantity", "unreadable")),
        ("5,2026-11-20T11:00:00Z,BTC,HOLD,1,100,1,KR-5,live", "nulls", ("side", "unreadable")),
        ("5,2026-11-20T11:00:00Z,BTC,BUY,1,100,1,,live", "nulls", ("order_id", "missing")),
        ("5,20-11-2026,BTC,BUY,1,100,1,KR-5,live", "nulls", ("at", "unreadable")),
        ("5,2026-11-20T11:00:00Z,BTC,BUY,0,100,1,KR-5,live", "zero", ("quantity", "zero")),
        ("5,2026-11-20T11:00:00Z,BTC,BUY,1,0.00,1,KR-5,live", "zero", ("price", "zero")),
        ("5,2026-11-20T11:00:00Z,BTC,BUY,-1,100,1,KR-5,live", "negative", ("quantity", "negative")),
        ("5,2026-11-21T11:00:00Z,BTC,BUY,1,100,1,KR-5,live", "future", ("at", "future")),
        ("5,2026-11-20T11:00:00Z,BTC,BUY,1,100,,KR-5,live", "missing_fees", ("fee", "missing")),
        ("4,2026-11-20T11:00:00Z,BTC,BUY,1,100,1,KR-5,live", "repeated", ("id", "twice")),
    ],
)
def test_a_flawed_row_is_told_and_silences_the_figures(look: Any, line: str, fact: str, told: tuple[str, str]) -> None:
    """Each flaw stands in its own list with row and column, and nothing is added up over it."""
    facts = _ledger(look, _with(line))
    assert [(each["row"], each["column"], each["reason"]) for each in facts[fact]] == [(5, *told)]
    assert facts["flaws"] == facts[fact]
    assert (facts["rows"], facts["count"]) == (5, 4)
    assert not set(FIGURES) & set(facts)


def test_a_sale_of_nothing_silences_the_figures(look: Any) -> None:
    """A short sale, or a ledger that begins in the middle, is told and not counted as profit."""
    facts = _ledger(look, _with("5,2026-11-20T11:00:00Z,ETH,SELL,1,100,1,KR-5,live"))
    assert facts["unmatched"] == [{"row": 5, "symbol": "ETH", "quantity": Decimal(1)}]
    assert facts["flaws"] == []
    assert not set(FIGURES) & set(facts)


def test_an_order_id_counts_once(look: Any) -> None:
    """Two rows with one order id of the exchange are duplicates; whether that may be is for the expectation to say."""
    facts = _ledger(look, _with("5,2026-11-20T11:00:00Z,BTC,BUY,1,100,1,KR-4,live"))
    assert facts["duplicates"] == ["KR-4"]
    assert facts["closed"] == 2


@pytest.mark.parametrize("oid", ["paper_17", "SIM-1", "mock1", "order-paper-3", "dry_run_8", "test-9", "x_simulated-sim"])
def test_a_paper_trade_told_as_live_shows(look: Any, oid: str) -> None:
    """Order ids of paper trades in live rows are told; in paper rows they are what they should be."""
    line = f"5,2026-11-20T11:00:00Z,BTC,BUY,1,100,1,{oid},live"
    assert _ledger(look, _with(line))["paper_ids"] == [oid]
    assert _ledger(look, _with(line.replace(",live", ",paper")))["paper_ids"] == []
    columns = {word: name for word, name in COLUMNS.items() if word != "mode"}
    assert _ledger(look, _with(line.replace(",live", ",paper")), columns=columns)["paper_ids"] == [oid]


def test_a_window_judges_the_last_days_and_matches_the_whole(look: Any) -> None:
    """A sale in the window that closes an older purchase has its profit; the window's equity begins where it stood."""
    facts = _ledger(look, last="2d")
    assert (facts["rows"], facts["count"], facts["closed"], facts["realized"]) == (4, 2, 1, Decimal(-7))
    assert (facts["equity"], facts["fees"], facts["win_rate"]) == (Decimal(1011), Decimal(3), 0)
    assert facts["unknown"] == {"sharpe": "a Sharpe ratio needs the returns of at least two days"}
    between = _ledger(look, since="2026-11-18", until="2026-11-19T00:00:00Z")
    assert (between["count"], between["closed"], between["realized"]) == (1, 1, Decimal(18))
    assert not set(FIGURES) & set(_ledger(look, last="1h"))


def test_where_keeps_what_is_meant(look: Any) -> None:
    """Rows of another mode are left out of everything, and a column that is not there is an error."""
    text = _with("5,2026-11-20T11:00:00Z,BTC,BUY,0,100,1,paper-5,paper")
    assert _ledger(look, text, where={"mode": "live"})["flaws"] == []
    assert _ledger(look, text, where={"mode": ["live", "paper"]})["rows"] == 5
    assert _ledger(look, text, where={"mode": "shadow"})["rows"] == 0
    with pytest.raises(ProbeError, match="has no column kind") as caught:
        _ledger(look, where={"kind": "live"})
    assert "pair" in caught.value.hint


def test_a_fact_needs_its_column(look: Any) -> None:
    """Without fees there is only a gross profit; without order ids nothing is said of duplicates or paper trades."""
    columns = {word: name for word, name in COLUMNS.items() if word not in ("fee", "order_id", "id")}
    facts = _ledger(look, columns=columns)
    assert facts["gross"] == 15
    assert not {"realized", "fees", "win_rate", "equity", "duplicates", "paper_ids", "missing_fees", "repeated"} & set(facts)
    assert "no column of fees" in facts["unknown"]["realized"]
    with pytest.raises(ProbeError, match="has no column amount"):
        _ledger(look, columns=COLUMNS | {"quantity": "amount"})


def test_without_an_opening_there_is_no_equity(look: Any) -> None:
    """Equity, drawdown and Sharpe ratio need the equity that it began with."""
    facts = _ledger(look, opening=None)
    assert facts["realized"] == 11
    assert not {"equity", "max_drawdown", "sharpe", "days", "worst_day"} & set(facts)


def test_orders_that_were_not_filled_are_counted_apart(look: Any) -> None:
    """With a column of states the fill rate is told, so that a suspiciously perfect one can be refused."""
    (look.root / "o.jsonl").write_text(
        "".join(
            json.dumps({"time": 1795168800 + n, "pair": "BTC", "side": "buy", "qty": 1, "price": 2, "state": state}) + "\n"
            for n, state in enumerate(["filled", "FILLED", "rejected", "filled"])
        )
    )
    columns = {"at": "time", "symbol": "pair", "side": "side", "quantity": "qty", "price": "price", "state": "state"}
    facts = look("ledger", jsonl="o.jsonl", columns=columns, at_unit="s")
    assert (facts["rows"], facts["count"], facts["fill_rate"]) == (4, 3, Decimal("0.75"))
    assert facts["states"] == {"filled": 3, "rejected": 1}
    assert facts["first_at"].startswith("2026-11-20T")
    assert look("ledger", jsonl="o.jsonl", columns=columns)["nulls"] != []


def test_rows_come_from_a_database_too(look: Any, tmp_path: Path) -> None:
    """The same rows by SQL give the same figures; more rows than the limit are an error, not half a sum."""
    header, *lines = GOOD.splitlines()
    with sqlite3.connect(tmp_path / "t.db") as base:
        base.execute(f"CREATE TABLE trades ({header})")
        base.executemany("INSERT INTO trades VALUES (?,?,?,?,?,?,?,?,?)", [line.split(",") for line in lines])
    base.close()
    source = {"url": "sqlite:///t.db", "query": "SELECT * FROM trades"}
    assert look("ledger", sql=source, columns=COLUMNS, opening=1000) == _ledger(look)
    with pytest.raises(ProbeError, match="more than 3 rows"):
        look("ledger", sql={**source, "limit": 3}, columns=COLUMNS)
    with pytest.raises(ProbeError, match="does not exist"):
        look("ledger", sql={**source, "url": "sqlite:///gone.db"}, columns=COLUMNS)


BALANCES = '{"balances": {"BTC": "0.992", "USDT": 5, "ETH": 0}, "none": {}, "word": {"BTC": "much"}, "list": [1]}'


def _reconcile(value: str = "value.balances", **assets: str) -> dict[str, Any]:
    return {"with": {"file": {"path": "b.json", "format": "json"}, "value": value}, "assets": assets or {"BTC": "BTC"}}


def test_the_other_book_is_compared(look: Any) -> None:
    """What is open is held against the amounts of another source, asset by asset, as a part of the larger amount."""
    (look.root / "b.json").write_text(BALANCES)
    facts = _ledger(look, reconcile=_reconcile(BTC="BTC", ETHX="ETH"))
    assert facts["largest_difference"] == Decimal("0.008")
    assert [each["asset"] for each in facts["reconciled"]] == ["BTC", "ETH"]
    assert (facts["reconciled"][0]["difference"], facts["reconciled"][1]["relative"]) == (Decimal("-0.008"), 0)
    assert _ledger(look, reconcile=_reconcile(BTC="DOGE"))["largest_difference"] == 1
    flawed = _ledger(look, _with("5,2026-11-20T11:00:00Z,BTC,BUY,,1,1,KR-5,live"), reconcile=_reconcile())
    assert "largest_difference" not in flawed


@pytest.mark.parametrize(
    ("reconcile", "words"),
    [
        (_reconcile("value.gone"), "has no value.gone"),
        (_reconcile("value.none"), "no mapping from asset"),
        (_reconcile("value.list"), "no mapping from asset"),
        (_reconcile("value.word"), "other book's BTC is"),
        (_reconcile(ETH="ETH"), "holds BTC, which assets does not name"),
        ({**_reconcile(), "with": {"http": {"url": "http://127.0.0.1:9/"}, "value": "body"}}, "cannot be read"),
    ],
)
def test_a_comparison_with_nothing_is_an_error(look: Any, reconcile: dict[str, Any], words: str) -> None:
    """A book that cannot be read, is empty, or says no number never agrees."""
    (look.root / "b.json").write_text(BALANCES)
    with pytest.raises(ProbeError, match=words):
        _ledger(look, reconcile=reconcile)


def test_a_password_of_its_database_is_no_fact(look: Any) -> None:
    """The address of the database is guarded as the kind sql guards it."""
    with pytest.raises(ProbeError) as caught:
        look("ledger", sql={"url": "mysql+mysqldb://u:pw-123456-x@h/d", "query": "SELECT 1"}, columns=COLUMNS)
    assert "pw-123456-x" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "text", "words"),
    [
        ("csv", "", "no header"),
        ("csv", "a,a\n1,2\n", "no header"),
        ("csv", "a,b\n1,2,3\n", "3 cells"),
        ("csv", 'a,b\n1,"2', "not CSV"),
        ("jsonl", "{}\n[1]\n", ":2: not a JSON object"),
        ("jsonl", '{"a": 1, "a": 2}\n', "stands twice"),
        ("jsonl", "{\n", "not JSON"),
    ],
)
def test_a_file_that_is_none_is_an_error(look: Any, source: str, text: str, words: str) -> None:
    """Ragged lines, equal names and broken JSON are told with their place, not skipped."""
    (look.root / "x").write_text(text)
    with pytest.raises(ProbeError, match=words):
        look("ledger", **{source: "x", "columns": COLUMNS})


def test_a_missing_file_is_an_error(look: Any) -> None:
    """No file is not an empty ledger."""
    with pytest.raises(ProbeError, match="does not exist"):
        look("ledger", csv="gone.csv", columns=COLUMNS)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"csv": "x", "jsonl": "y"},
        {"csv": "x", "last": "7d", "since": "2026-01-01"},
        {"csv": "x", "last": 7},
        {"csv": "x", "since": "yesterday"},
        {"csv": "x", "zone": "Mars/Base"},
        {"csv": "x", "opening": "0"},
        {"csv": "x", "opening": "much"},
        {"csv": "x", "where": {"mode": []}},
        {"csv": "x", "paper": "("},
    ],
)
def test_a_ledger_that_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    """One source, one window, real zones and an opening above zero are demanded when the checklist is loaded."""
    with pytest.raises(ValidationError):
        probes.kind("ledger").model_validate({"columns": COLUMNS, **fields})


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"])
def test_a_time_of_no_clock_is_a_flaw(look: Any, tmp_path: Path, at: str) -> None:
    """The first and last instants that can be written, and that of a clock never set, are no times of a trade."""
    (tmp_path / "t.csv").write_text(f"at,symbol,side,quantity,price\n{at},BTC,buy,1,1\n")
    columns = {name: name for name in ("at", "symbol", "side", "quantity", "price")}
    facts = look("ledger", csv="t.csv", columns=columns, zone="America/New_York")
    assert [flaw["column"] for flaw in facts["flaws"]] == ["at"]
