"""How targets lie when they are asked, and what the kinds make of it: rules 1 to 5 and 9 of what a gate must do.

In each test the same item is put to a target that lies, where it must not pass, and to one that tells the truth, where it must.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.acceptance.lying import ERROR, FAILED, PASSED, Bench, Liar, at

Serve = Callable[..., Liar]
HEALTHY = {"status": 200, "error_key": False, "body.status": "healthy", "body.at": {"age": {"le": "60s"}}}


# Rule 1: facts, not the exit status and not the status of HTTP


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"status": "healthy", "at": at(seconds=5)}, PASSED),
        ({"error": "database is locked", "status": "healthy", "at": at(seconds=5)}, FAILED),
        ({"errors": ["no session"], "status": "healthy", "at": at(seconds=5)}, FAILED),
        ({"status": "degraded", "at": at(seconds=5)}, FAILED),
        ({"status": "critical", "at": at(seconds=5)}, FAILED),
        ({"status": None, "at": at(seconds=5)}, FAILED),
        ({"at": at(seconds=5)}, ERROR),
        ([], ERROR),
        ("OK", ERROR),
    ],
    ids=str,
)
def test_status_200_says_nothing(bench: Bench, serve: Serve, body: Any, outcome: str) -> None:
    """Status 200 passes nothing: an error beside it, another state than asked for, or no state at all is seen."""
    server = serve(lambda *_: (200, body))
    assert bench.outcome({"http": {"url": server.url}}, HEALTHY) == outcome


def test_a_constant_health_route_is_found_out_by_a_second_place(bench: Bench, serve: Serve) -> None:
    """A health route that is a constant is held against the thing itself, and the disagreement is told with both values."""
    server = serve(lambda *_: (200, {"exchange": "up", "at": at(seconds=0)}))
    with socket.create_server(("127.0.0.1", 0)) as exchange:
        port = exchange.getsockname()[1]
        sources = {
            "health": {"http": {"url": server.url}, "value": "body.exchange"},
            "exchange": {
                "tcp": {"host": "127.0.0.1", "port": port},
                "value": "connected",
                "map": {"true": "up", "false": "down"},
            },
        }
        assert bench.outcome({"agree": {"sources": sources}}, {"distinct": 1, "values.health": "up"}) == PASSED
    found = bench.finding({"agree": {"sources": sources}}, {"distinct": 1, "values.health": "up"})
    assert found.outcome == FAILED
    assert found.evidence is not None
    assert found.evidence.facts["values"] == {"health": "up", "exchange": "down"}


def test_status_500_does_not_say_that_nothing_happened(bench: Bench, serve: Serve) -> None:
    """An action that answers 500 and took effect is seen by reading the state in another place."""
    mode = {"now": "PAPER"}

    def desk(method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        if method == "POST":
            mode["now"] = "LIVE"
            return 500, {"error": "could not switch"}
        return 200, {"mode": mode["now"]}

    server = serve(desk)
    bench.allow_acting = True
    bench.write(
        "checklists/switching.py",
        "import json, urllib.error, urllib.request as ask\n"
        "def refused(url):\n"
        "    try:\n"
        "        status = ask.urlopen(ask.Request(url, data=b'', method='POST')).status\n"
        "    except urllib.error.HTTPError as error:\n"
        "        status = error.code\n"
        "        error.close()\n"
        "    with ask.urlopen(url) as answer:\n"
        "        return {'answered': status, 'mode': json.load(answer)['mode']}\n",
    )
    probe = {"python": {"call": "switching:refused", "args": {"url": server.url}}, "acts": True}
    assert bench.outcome(probe, {"answered": 500}) == PASSED, "the answer alone would have passed for a refusal"
    mode["now"] = "PAPER"
    found = bench.finding(probe, {"answered": 500, "mode": "PAPER"})
    assert (found.outcome, found.reason) == (FAILED, "mode: wanted = PAPER, found LIVE")


AUDIT = {"exit": 0, "counts.checked": {"ge": 1}, "required_missing": {"len": 0}, "forbidden_found": {"len": 0}}


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ("echo '12 rows checked'; echo 'audit complete'", PASSED),
        ("echo '12 rows checked'; echo 'row 3: FAIL: no fee'; echo 'audit complete'", FAILED),
        ("echo '12 rows checked'; echo 'row 3: FAIL' >&2; echo 'audit complete'", FAILED),
        ("printf '12 rows checked\\naudit complete\\n\\033[31mFA\\033[0mIL\\n'", FAILED),
        ("echo 'Traceback (most recent call last):' >&2; echo '12 rows checked'; echo 'audit complete'", FAILED),
        ("echo '0 rows checked'; echo 'audit complete'", FAILED),
        ("echo 'trades.csv: not found, nothing to validate'; echo 'audit complete'", ERROR),
        ("echo '12 rows checked'", FAILED),
        ("exit 0", ERROR),
    ],
)
def test_exit_0_says_nothing(bench: Bench, says: str, outcome: str) -> None:
    """A program that prints failures, checked nothing, or did not come to its end is not passed by its exit status 0."""
    program = bench.script("audit.sh", f"{says}\nexit 0")
    command = {
        "run": [program],
        "require": ["^audit complete$"],
        "forbid": ["\\bFAIL", "Traceback"],
        "counts": {"checked": "^([0-9]+) rows checked"},
    }
    assert bench.outcome({"command": command}, AUDIT) == outcome


# Rule 2: what could not be checked, and nothing to check, is not proven


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("import no_such_exchange_client\ndef look(): return {'ok': True}", "cannot be imported"),
        ("from json import no_such_name\ndef look(): return {'ok': True}", "cannot be imported"),
        ("def look(): raise NotImplementedError('later')", "is not implemented"),
        ("def look(): raise ConnectionError('refused')", "raised ConnectionError"),
        ("def look(): pass", "returned nothing"),
        ("def look(): return {}", "returned no facts"),
        ("def look(): return True", "not a mapping of facts"),
        ("import sys\ndef look(): sys.exit(0)", "raised SystemExit"),
        ("import os\ndef look(): os._exit(0)", "ended without a result"),
        ("import pytest\ndef look(): pytest.skip('offline')", "raised Skipped"),
    ],
)
def test_what_could_not_be_checked_is_an_error(bench: Bench, code: str, word: str) -> None:
    """A check that cannot be imported, is not written, skips itself, or returns nothing is an error that says so."""
    bench.write("checklists/stub.py", code)
    found = bench.finding({"python": {"call": "stub:look"}}, {"ok": {"absent": True}})
    assert found.outcome == ERROR
    assert word in found.reason


def test_a_module_that_is_removed_turns_nothing_green(bench: Bench) -> None:
    """What passed with a module, and failed with it broken, is an error when the module is gone."""
    module = bench.write("checklists/risk.py", "def look(): return {'limit': '0.05'}")
    probe, expect = {"python": {"call": "risk:look"}}, {"limit": "0.05"}
    assert bench.outcome(probe, expect) == PASSED
    module.unlink()
    assert bench.outcome(probe, expect) == ERROR


SUITES = {
    "import pytest\ndef test_a(): pass\n": PASSED,
    "import pytest\n@pytest.mark.skip(reason='no desk')\ndef test_a(): pass\n": FAILED,
    "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): pass\n": FAILED,
    "import pytest\ndef test_a(): pytest.xfail('known')\n": FAILED,
    "def check_a(): pass\n": FAILED,
}


def test_a_suite_that_skips_is_not_green(bench: Bench) -> None:
    """A nested suite whose tests were skipped, expected to fail, or not found is not a suite that passed."""
    expect = {"exit": 0, "passed": {"ge": 1}, "failed": 0, "errors": 0, "skipped": 0, "xfailed": 0}
    items = []
    for number, suite in enumerate(SUITES):
        bench.write(f"service/test_{number}.py", suite)
        probe = {"cwd": "service", "run": [f"test_{number}.py"], "env": {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}}
        items.append({"pytest": probe, "expect": expect, "timeout": "60s"})
    bench.write("service/pytest.ini", "[pytest]\n")
    assert [found.outcome for found in bench.findings(*items)] == list(SUITES.values())


HEAD = "id,at,symbol,side,quantity,price,fee,order,mode,state\n"
COLUMNS = {
    "id": "id",
    "at": "at",
    "symbol": "symbol",
    "side": "side",
    "quantity": "quantity",
    "price": "price",
    "fee": "fee",
    "order_id": "order",
    "mode": "mode",
}


def test_an_integrity_check_over_nothing_proves_nothing(bench: Bench) -> None:
    """Over an empty ledger no figure is told, `all` holds of nothing, and whoever asks gets an error and not five of five."""
    bench.write("trades.csv", HEAD)
    ledger = {"ledger": {"csv": "trades.csv", "columns": COLUMNS}}
    assert bench.outcome(ledger, {"count": {"ge": 1}}) == FAILED
    assert bench.outcome(ledger, {"realized": {"ge": 0}}) == ERROR
    assert bench.outcome(ledger, {"fills": 0, "win_rate": {"ge": 0}}) == ERROR
    bench.write("rows.json", '{"rows": [], "checks": []}')
    rows = {"file": {"path": "rows.json", "format": "json"}}
    for operator in ({"all": "passed"}, {"none": "failed"}, {"unique": True}, {"sum": {"ge": 0}}, {"not_contains": "failed"}):
        assert bench.outcome(rows, {"value.checks": operator}) == ERROR, operator
    assert bench.outcome(rows, {"value.rows[*].fee": {"all": {"gt": 0}}}) == ERROR


def test_an_alert_over_no_channel_was_not_sent(bench: Bench, serve: Serve) -> None:
    """An alert test that says sent, over 0 channels, is refused for its channels."""
    answer = {"sent": True, "channels": [{"name": "mail", "delivered": True}]}
    server = serve(lambda *_: (200, answer))
    expect = {
        "error_key": False,
        "body.sent": True,
        "body.channels": {"len": {"ge": 1}},
        "body.channels[*].delivered": {"all": True},
    }
    assert bench.outcome({"http": {"url": server.url}}, expect) == PASSED
    answer["channels"] = []
    found = bench.finding({"http": {"url": server.url}}, expect)
    assert found.outcome == ERROR
    assert "body.channels" in found.reason


TRADE = f"1,{at(hours=3)},BTCUSDT,buy,0.5,60000,30,OX-1,live,filled\n"


def test_a_reconciliation_after_a_failed_fetch_is_an_error(bench: Bench, serve: Serve) -> None:
    """Where the other book could not be fetched, or holds nothing, nothing matches, and that is an error with its name."""
    told: list[Any] = [(200, {"balances": {"BTC": "0.5"}})]
    server = serve(lambda *_: told[0])
    bench.write("trades.csv", HEAD + TRADE)
    book = {"with": {"http": {"url": server.url}, "value": "body.balances"}, "assets": {"BTCUSDT": "BTC"}}
    ledger = {"ledger": {"csv": "trades.csv", "columns": COLUMNS, "reconcile": book}}
    expect = {"largest_difference": {"le": "0.01"}}
    assert bench.outcome(ledger, expect) == PASSED
    told[0] = (200, {"balances": {"BTC": "0.6"}})
    assert bench.outcome(ledger, expect) == FAILED
    for lie in [(500, {"error": "no session"}), (200, {"error": "no session", "balances": {}}), (200, {}), (200, "")]:
        told[0] = lie
        assert bench.outcome(ledger, expect) == ERROR, lie
    server.stop()
    found = bench.finding(ledger, expect)
    assert found.outcome == ERROR
    assert "the other book cannot be read" in found.reason


# Rules 4 and 5: two places for a mode, and evidence that is neither old nor of the future


def test_a_mode_in_two_places_must_agree(bench: Bench, serve: Serve) -> None:
    """A mode that the service holds and one that the environment only echoes are compared, and both are shown."""
    server = serve(lambda *_: (200, {"mode": "LIVE"}))
    sources = {
        "service": {"http": {"url": server.url}, "value": "body.mode"},
        "env": {"dotenv": {"path": ".env", "name": "DRY_RUN"}, "value": "value", "map": {"true": "PAPER", "false": "LIVE"}},
    }
    agree, expect = {"agree": {"sources": sources}}, {"distinct": 1, "values.service": "LIVE"}
    bench.write(".env", "DRY_RUN=false\n")
    assert bench.outcome(agree, expect) == PASSED
    bench.write(".env", "DRY_RUN=true\n")
    found = bench.finding(agree, expect)
    assert found.outcome == FAILED
    assert found.evidence is not None
    assert found.evidence.facts["values"] == {"service": "LIVE", "env": "PAPER"}
    for unknown in ("DRY_RUN=maybe\n", "DRY_RUN=\n", "OTHER=true\n"):
        bench.write(".env", unknown)
        assert bench.outcome(agree, expect) == ERROR, unknown


@pytest.mark.parametrize(
    ("beat", "outcome"),
    [
        (at(seconds=20), PASSED),
        (at(seconds=-3), PASSED),
        (at(hours=-1), ERROR),
        (at(seconds=-30), ERROR),
        (at(minutes=2), FAILED),
        (at(days=400), FAILED),
        ("just now", ERROR),
        ("2026-11-21T09:59:50", ERROR),
        (None, ERROR),
        ("", ERROR),
    ],
)
def test_a_heartbeat_is_bounded_on_both_sides(bench: Bench, beat: str | None, outcome: str) -> None:
    """A heartbeat that is old, an hour ahead, without a zone, or no time at all is not fresh."""
    bench.write("beat.json", '{"at": null}' if beat is None else f'{{"at": "{beat}"}}')
    found = bench.finding({"file": {"path": "beat.json", "format": "json"}}, {"value.at": {"age": {"lt": "60s"}}})
    assert found.outcome == outcome
    assert found.reason or outcome == PASSED


def test_a_stale_page_of_metrics_is_seen(bench: Bench, serve: Serve) -> None:
    """A gauge that says when it was last fed is an age, bounded on both sides."""
    moment = ["1795255180"]
    server = serve(lambda *_: (200, f"# TYPE last_price_at gauge\nlast_price_at {moment[0]}\n"))
    probe = {"metrics": {"url": server.url, "name": "last_price_at", "epoch": True}}
    expect = {"value_age_seconds": {"between": [-5, 60]}}
    assert bench.outcome(probe, expect) == PASSED
    for lie in ("1795254180", "1795258800"):
        moment[0] = lie
        assert bench.outcome(probe, expect) == FAILED
    for lie in ("NaN", "1795255180000"):
        moment[0] = lie
        assert bench.outcome(probe, expect) == ERROR


# Rule 9: env files, units, ranges


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("MAX_DRAWDOWN=0.05\n", PASSED),
        ("MAX_DRAWDOWN=0.05\nMAX_DRAWDOWN=0.05\n", FAILED),
        ("MAX_DRAWDOWN=5\nMAX_DRAWDOWN=0.05\n", FAILED),
        ("MAX_DRAWDOWN=0.05 # five percent\n", FAILED),
        ("MAX_DRAWDOWN=0.05# five percent\n", ERROR),
        ("MAX_DRAWDOWN=5\n", FAILED),
        ("MAX_DRAWDOWN=5%\n", ERROR),
        ("MAX_DRAWDOWN=0\n", FAILED),
        ("MAX_DRAWDOWN=-0.05\n", FAILED),
        ("MAX_DRAWDOWN=\n", ERROR),
        ("MAX_DRAWDOWN\n", ERROR),
        ("#MAX_DRAWDOWN=0.05\n", ERROR),
        ("", ERROR),
    ],
)
def test_a_limit_in_an_env_file_is_one_plausible_number(bench: Bench, text: str, outcome: str) -> None:
    """A name that stands twice, a comment in the value, 5 for 5 %, a sign, and nothing at all are not a limit."""
    bench.write(".env", text)
    expect = {"value": {"gt": 0, "le": "0.20"}, "duplicates": 0, "inline_comment": False}
    assert bench.outcome({"dotenv": {"path": ".env", "name": "MAX_DRAWDOWN", "as": "decimal"}}, expect) == outcome


def test_of_two_lines_it_is_told_which_one_won(bench: Bench) -> None:
    """Both lines of a name that stands twice are told, the one that won, and that they differ."""
    bench.write(".env", "\nMODE=paper\nOTHER=1\nMODE=live\n")
    facts = {"value": "live", "lines": [2, 4], "line": 4, "duplicates": 1, "conflicting": True}
    assert bench.outcome({"dotenv": {"path": ".env", "name": "MODE"}}, facts) == PASSED


def test_one_limit_in_two_units_does_not_agree(bench: Bench) -> None:
    """A limit of 5 that one module reads as a fraction and another as a percentage is two limits."""
    bench.write(".env", "LIMIT=5\n")
    bench.write("risk.json", '{"limit": 0.05}')
    sources = {
        "env": {"dotenv": {"path": ".env", "name": "LIMIT", "as": "decimal"}, "value": "value"},
        "module": {"file": {"path": "risk.json", "format": "json"}, "value": "value.limit"},
    }
    found = bench.finding({"agree": {"sources": sources, "as": "decimal"}}, {"spread": {"le": "0.001"}})
    assert found.outcome == FAILED
    assert found.evidence is not None
    assert found.evidence.facts["spread"] == Decimal("0.99")
