"""Records of this room under records/helios: the capital it began with, what was deployed, and how the system stood then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from examples.desk import clock, jsontext
from examples.desk.routing.books import LIVE_ACCOUNT, Books
from examples.desk.symbols import RAND

if TYPE_CHECKING:
    from examples.desk.routing.room import Routing

FOLDER = Path("records", "helios")


def starting_capital(books: Books, balance: Decimal) -> None:
    """Write down once what VALR held before the first live trade; file and ledger say the same."""
    path = books.ledger.path.parent / FOLDER / "STARTING_CAPITAL.json"
    row = books.ledger.row("SELECT * FROM helios_capital WHERE account = ? ORDER BY id", LIVE_ACCOUNT)
    if row is None:
        at = books.at()
        books.insert("helios_capital", account=LIVE_ACCOUNT, amount=balance, currency=RAND, venue="valr", at=at)
        row = {"amount": format(balance, "f"), "currency": RAND, "venue": "valr", "at": at}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = {"amount": Decimal(row["amount"]), "currency": RAND, "venue": "valr", "recorded_at": at}
        path.write_text(jsontext.dumps(told) + "\n", encoding="utf-8")


def deployed(home: Path) -> Mapping[str, Any]:
    """What was deployed, and when; empty if nobody wrote it down."""
    path = home / FOLDER / "DEPLOYED.json"
    if not path.is_file():
        return {}
    told = json.loads(path.read_text(encoding="utf-8"))
    return told if isinstance(told, dict) else {}


def system_state(room: Routing) -> None:
    """Describe the system as it stands after a deployment; one description for each commit."""
    home = room.books.ledger.path.parent
    commit = str(deployed(home).get("commit", ""))
    path = home / FOLDER / "SYSTEM_STATE.md"
    if not commit or (path.is_file() and commit in path.read_text(encoding="utf-8")):
        return
    mode, pnl = room.mode, room.engine.pnl(LIVE_ACCOUNT)
    path.write_text(
        f"""# State of the system

Written on {clock.now().date().isoformat()}, after the deployment of {commit}.

## Mode

TRADING_MODE is {mode.trading_mode}, ENABLE_PAPER_TRADING is {mode.enable_paper_trading}; together they mean {mode.mode}.
Trades for real money also need the go-live marker, which the guard asks for before each of them.

## Version

| what | value |
| --- | --- |
| commit | {commit} |
| branch | main |

## Balance

VALR holds {pnl["cash"]:.2f} rand for the account, {pnl["equity"]:.2f} rand with what is held in coins.

## Open positions

{len(pnl["positions"])} positions are open, {len(room.books.pending(LIVE_ACCOUNT))} orders rest at VALR.
""",
        encoding="utf-8",
    )
