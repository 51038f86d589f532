"""What the looks at the VALR desk share: rehearsals that are forgotten again, the ledger read from outside, VALR itself."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

from behaviours.ask import Answer, ask, environment_of, get, post, until

FEE = Decimal("0.001")
LIVE_SWITCHES = {"TRADING_MODE": "LIVE", "ENABLE_PAPER_TRADING": "False"}


def rows(home: str, query: str, *values: object) -> list[dict[str, Any]]:
    """Rows of the ledger as a second process reads them."""
    with contextlib.closing(sqlite3.connect(f"file:{home}/ledger.sqlite?mode=ro", uri=True, timeout=5)) as ledger:
        ledger.row_factory = sqlite3.Row
        return [dict(row) for row in ledger.execute(query, values).fetchall()]


def number(value: object) -> Decimal:
    """An amount of the ledger or of an answer; zero stands for none."""
    return Decimal(str(value)) if value not in (None, "") else Decimal(0)


@dataclass(frozen=True)
class Rehearsal:
    """A paper account of our own."""

    api: str
    home: str
    account: str

    def feed(self, pair: str, *prices: object) -> Sequence[Mapping[str, Any]]:
        """Prices of a pair, one after the other; what each cycle made of it."""
        told = post(
            f"{self.api}/api/rehearsals/{self.account}/prices", {"pair": pair, "prices": [str(price) for price in prices]}
        )
        return list(told.body["cycles"])

    def buy(self, pair: str, size: object, **more: object) -> Answer:
        """Ask for a BUY of so many rand, under a key of its own unless one is given."""
        key = more.pop("key", None) or f"golive-{secrets.token_hex(8)}"
        wish = {"account": self.account, "pair": pair, "side": "BUY", "size_zar": str(size), "key": key}
        return post(f"{self.api}/api/trades", {**wish, **{name: str(value) for name, value in more.items()}})

    def close(self, pair: str) -> Answer:
        """Sell what the open position holds."""
        wish = {"account": self.account, "pair": pair, "key": f"golive-{secrets.token_hex(8)}"}
        return post(f"{self.api}/api/positions/close", wish)

    def pnl(self) -> Mapping[str, Any]:
        """Profit as the desk tells it."""
        return get(f"{self.api}/api/pnl?account={self.account}").body

    def rows(self, table: str, where: str = "") -> list[dict[str, Any]]:
        """Our rows of a table of the ledger, the oldest first."""
        return rows(self.home, f"SELECT * FROM helios_{table} WHERE account = ? {where} ORDER BY id", self.account)  # noqa: S608


@contextlib.contextmanager
def rehearsal(api: str, home: str, opening: int, **terms: object) -> Iterator[Rehearsal]:
    """A rehearsal that always fills whole; forgotten at the end, whatever happened."""
    told = post(f"{api}/api/rehearsals", {"opening": str(opening), "partial": "0", "failure": "0", **terms})
    account = str(told.body["account"])
    try:
        yield Rehearsal(api, home, account)
    finally:
        ask("DELETE", f"{api}/api/rehearsals/{account}", {})


def valr(url: str, home: str, path: str) -> Any:
    """What VALR itself answers to a signed read, asked with the keys of the process that trades."""
    environ = environment_of(f"{home}/desk.pid")
    key, secret = environ.get("VALR_API_KEY", ""), environ.get("VALR_API_SECRET", "")
    stamp = str(time.time_ns() // 1_000_000)
    mark = hmac.new(secret.encode(), f"{stamp}GET{path}".encode(), hashlib.sha512).hexdigest()
    answer = ask("GET", url + path, headers={"X-VALR-API-KEY": key, "X-VALR-TIMESTAMP": stamp, "X-VALR-SIGNATURE": mark})
    if answer.status != 200:
        raise RuntimeError(f"VALR answered {answer.status} to {path}")
    return answer.body.get("list", answer.body)


def balances(url: str, home: str) -> dict[str, Decimal]:
    """What VALR holds, by currency."""
    return {one["currency"]: Decimal(one["total"]) for one in valr(url, home, "/v1/account/balances")}


def lines(home: str, *words: str) -> list[str]:
    """Lines of the trading log that hold all of these words, the oldest first; of what was rotated too."""
    found = []
    for path in sorted(Path(home, "logs").glob("helios.log*"), key=lambda path: path.stat().st_mtime):
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as log:
            found += [line.rstrip("\n") for line in log if all(word in line for word in words)]
    return found


def mails(home: str, word: str, seconds: float) -> list[EmailMessage]:
    """The messages in the mailbox that hold this word; waits for the first of them."""
    found: list[EmailMessage] = []

    def arrived() -> bool:
        parser = BytesParser(_class=EmailMessage, policy=default)
        told = [parser.parsebytes(path.read_bytes()) for path in sorted(Path(home, "mail").glob("*.eml"))[-100:]]
        found[:] = [mail for mail in told if word in mail.get_content()]
        return bool(found)

    until(arrived, seconds)
    return found
