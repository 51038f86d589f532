"""What the scripts share: the home folder they work on, and the exchange they ask."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

BOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BOT))

from crypto_trading_bot.kraken_client import KrakenClient, environment_of  # noqa: E402 - the path is known only now


def options(about: str | None) -> argparse.Namespace:
    """The arguments of a script: the home folder is the one that the bot lies in, unless another is named."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--home", type=Path, default=BOT.parent, help="the desk's home folder")
    parser.add_argument("--url", default=os.environ.get("KRAKEN_URL", ""), help="the exchange (default: $KRAKEN_URL)")
    return parser.parse_args()


def client(told: argparse.Namespace) -> KrakenClient:
    """The exchange, with the keys of the process that trades."""
    environ = environment_of(told.home / "desk.pid")
    return KrakenClient(told.url, environ.get("KRAKEN_API_KEY", ""), environ.get("KRAKEN_API_SECRET", ""))
