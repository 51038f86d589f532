"""`python -m examples.desk.cancelling --home FOLDER`: take back every order that rests for real money and is no exit.

It speaks with the exchanges itself and needs no desk that answers, because it is for the moment in which none does. A stop-loss
or a take-profit stays: without it a position would have nobody, and what becomes of positions is decided by people.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.desk import jsontext
from examples.desk.broker import Broker
from examples.desk.errors import BrokerError
from examples.desk.settings import Home, credentials
from examples.desk.symbols import OPENING, TESTNET

EXITS = ("stop-loss", "take-profit")
SECONDS = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if nothing that opens a position rests any more at any exchange; the last line says how many there were."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk.cancelling", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the desk's home folder")
    home = Home(path=parser.parse_args(arguments).home.absolute())
    environ = {**_of_the_process(home), **os.environ}
    addresses = _addresses(home, environ)
    cancelled, exits, trouble = 0, 0, []
    for venue in OPENING:
        if venue == TESTNET:
            continue
        key, secret = (environ.get(name, "") for name in credentials(venue))
        broker = Broker(venue, addresses.get(venue, ""), key=key, secret=secret, timeout=SECONDS)
        try:
            done, kept, left = _cancelled(broker, OPENING[venue])
            cancelled, exits = cancelled + done, exits + kept
            trouble += [f"{venue}: {identity} could not be taken back" for identity in left]
        except BrokerError as error:
            trouble.append(f"{venue}: {error.message}")
    for line in trouble:
        print(line)
    told = f"{cancelled} open orders taken back, {exits} exits left where they are"
    print(f"{told}; what rests at {len(trouble)} places is not known" if trouble else told)
    return 1 if trouble else 0


def _cancelled(broker: Broker, accounts: Sequence[str] | Mapping[str, object]) -> tuple[int, int, list[str]]:
    """How many orders were taken back and how many exits stay, and which are still there afterwards."""
    done, exits, left = 0, 0, []
    for account in accounts:
        for order in broker.open_orders(account):
            if order["type"] in EXITS:
                exits += 1
                continue
            try:
                done += broker.cancel(order["client_order_id"])["status"] == "cancelled"
            except BrokerError as error:
                if error.status not in (404, 409):
                    raise
        # what the exchange says afterwards counts, not what it answered
        left += [order["client_order_id"] for order in broker.open_orders(account) if order["type"] not in EXITS]
    return done, exits, left


def _addresses(home: Home, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Where each exchange is: by the environment, as the gate knows it, else as the desk wrote it down when it started."""
    written: dict[str, str] = {}
    path = home.path / "deployment" / "addresses.json"
    if path.exists():
        written = dict(jsontext.loads(path.read_text(encoding="utf-8")))
    told = {venue: environ[f"DESK_{venue.upper()}"] for venue in OPENING if environ.get(f"DESK_{venue.upper()}")}
    return {**written, **told}


def _of_the_process(home: Home) -> Mapping[str, str]:
    """The keys of the desk that runs, if one does: they are made up anew for each."""
    try:
        pid = int(home.pid.read_text(encoding="ascii"))
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except (OSError, ValueError):
        return {}
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if entry)
    names = {name for venue in OPENING for name in credentials(venue)}
    return {name.decode(): value.decode() for name, _, value in pairs if name.decode("utf-8", "replace") in names}


if __name__ == "__main__":
    sys.exit(main())
