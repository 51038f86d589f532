"""Terms and tokens of the bots: what cannot be meant is refused, what was not issued here is not believed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from examples.desk.bots import terms, tokens
from examples.desk.errors import DeskError
from examples.desk.home import prepare
from examples.desk.settings import read_dotenv

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
SECRET = "0f" * 32


def test_the_shipped_variables_are_the_documents_defaults(tmp_path: Any) -> None:
    """A new home's .env holds every variable of the terms, with the value that document 003 gives it."""
    prepare(tmp_path / "home")
    shipped = read_dotenv(tmp_path / "home" / ".env")
    assert {name: shipped[name] for name in terms.DEFAULTS} == terms.DEFAULTS
    assert terms.load(shipped) == terms.load({})


def test_a_home_of_before_gets_new_variables_but_no_mode_switch(tmp_path: Any) -> None:
    """What was not shipped before comes into an old .env; what the operator took out stays out, switches above all."""
    home = tmp_path / "home"
    prepare(home)
    (home / ".env").write_text("MAX_DRAWDOWN_PERCENT=0.15\n", encoding="utf-8")
    (home / ".shipped.env").write_text("MIN_EDGE_BPS=10.0\n", encoding="utf-8")
    prepare(home)
    found = read_dotenv(home / ".env")
    assert found["MAX_DRAWDOWN_PERCENT"] == "0.15"
    assert found["REINVEST_TOP_N"] == "3"
    assert "MIN_EDGE_BPS" not in found
    assert "DRY_RUN_MODE" not in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MAX_DRAWDOWN_PERCENT", "20"),
        ("MAX_DRAWDOWN_PERCENT", "0"),
        ("MAX_DAILY_LOSS_PERCENT", "0.3"),
        ("BURST_LIMIT_WINDOW_SECONDS", "0"),
        ("MAX_TRADES_PER_BOT_DAILY", "501"),
        ("MIN_EDGE_BPS", "NaN"),
        ("REINVEST_PERCENTAGE", "0.8"),
        ("DAILY_REINVEST_TIME", "25:00"),
        ("MAX_ERRORS_PER_HOUR", ""),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(name: str, text: str) -> None:
    """Wrong units, zeros that switch a limit off, and limits that contradict each other end the start."""
    with pytest.raises(DeskError):
        terms.load({name: text})


def test_a_token_names_its_user_until_it_ends() -> None:
    """A token is believed while it lasts, and not a second longer."""
    token = tokens.mint(SECRET, name="anna", role="user", now=NOW)
    assert tokens.read(SECRET, token, now=NOW).name == "anna"
    with pytest.raises(tokens.BadToken):
        tokens.read(SECRET, token, now=NOW + tokens.LIFETIME)
    with pytest.raises(tokens.BadToken):
        tokens.read(SECRET, token, now=NOW - timedelta(minutes=1))


def test_a_token_under_another_secret_or_algorithm_is_refused() -> None:
    """Neither a foreign signature, nor changed claims, nor the algorithm none gets in."""
    token = tokens.mint(SECRET, name="anna", role="user", now=NOW)
    head, body, mark = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    raised = base64.urlsafe_b64encode(json.dumps({**claims, "role": "admin"}).encode()).rstrip(b"=").decode()
    bare = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    for forged in (
        tokens.mint("f" * 64, name="anna", role="user", now=NOW),
        f"{head}.{raised}.{mark}",
        f"{bare}.{body}.",
        "x",
        "",
    ):
        with pytest.raises(tokens.BadToken):
            tokens.read(SECRET, forged, now=NOW)


def test_a_short_secret_signs_nothing() -> None:
    """A secret that can be guessed is not used, and nothing is believed under it."""
    with pytest.raises(DeskError, match="32"):
        tokens.mint("short", name="anna", role="user", now=NOW)
    with pytest.raises(tokens.BadToken):
        tokens.read("", tokens.mint(SECRET, name="a", role="user", now=NOW), now=NOW)


@pytest.mark.parametrize("text", ["0", "0.05", "61", "-1", "soon", "nan"])
def test_a_period_that_cannot_be_meant_is_refused(text: str) -> None:
    """How often the desk looks is a tenth of a second to a minute; what is not set is the default."""
    with pytest.raises(DeskError, match="WATCH_EVERY_SECONDS"):
        terms.seconds({"WATCH_EVERY_SECONDS": text}, "WATCH_EVERY_SECONDS", 1)
    assert terms.seconds({}, "WATCH_EVERY_SECONDS", 1) == 1
    assert terms.seconds({"WATCH_EVERY_SECONDS": "0.2"}, "WATCH_EVERY_SECONDS", 1) == 0.2
