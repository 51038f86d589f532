"""`python -m examples.desk`: look around in a running desk, take the tour, or serve.

Without a command the desk runs in the foreground until Ctrl-C and shows what can be asked of it.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import final

from examples.desk import jsontext, settings
from examples.desk.errors import DeskError
from examples.desk.launch import PAST, Desk, home_of, launch


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if all went well, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m examples.desk", description="A small but real trading desk on loopback.")
    parser.add_argument("--home", type=Path, help="its home folder (default: $GOLIVE_DESK_HOME, or reports/desk)")
    parser.add_argument("--faults", action="store_true", help="allow faults to be switched on, for drills")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("tour", help="send three orders: with the marker, without it, and after it was put back")
    commands.add_parser("day", help="a whole day of a release: approvals, a red flag, the way back, and the second activation")
    serve = commands.add_parser("serve", help="be the desk's process (what launch() starts)")
    serve.add_argument("--home", type=Path, required=True, dest="serve_home")
    serve.add_argument("--tethered", action="store_true", help="end when standard input ends")
    told = parser.parse_args(arguments)
    try:
        if told.command == "serve":
            return _serve(told.serve_home, os.environ, tethered=told.tethered)
        if told.command == "tour":
            from examples.desk.tour import tour

            return tour(home_of(os.environ, told.home), os.environ)
        if told.command == "day":
            from examples.desk.day import day

            with tempfile.TemporaryDirectory(prefix="desk-day-") as folder:
                return day(told.home or Path(folder, "desk"), os.environ)
        return _look_around(home_of(os.environ, told.home), faults=told.faults)
    except KeyboardInterrupt:
        return 130
    except DeskError as error:
        print(f"desk: {error}", file=sys.stderr)
        return 1


def _serve(home: Path, environ: Mapping[str, str], *, tethered: bool) -> int:
    """Run the desk in this process; one line of JSON tells when it is ready."""
    from examples.desk.api import Api
    from examples.desk.bots import deploying
    from examples.desk.service import Service
    from examples.desk.web import Server

    loaded = settings.load(home, environ)
    end = _End(loaded.environ.get("DESK_ENDS_AT") or "TERM,INT,HUP", tethered=tethered)
    desk = Service(loaded)
    try:
        desk.start()
        routes = Api(desk).routes()
        server = Server(routes)
        server.start()
        desk.clerk.reachable_at(server.url)
        urls = {"api": server.url, **desk.addresses, **desk.open_front(routes)}
        deploying.bring(desk.settings.home.path, urls)
        print(jsontext.dumps({"urls": urls, "variables": variables(desk.settings.home.path, urls)}), flush=True)
        end.wait()
        server.stop()
    finally:
        desk.stop()
    return 0


@final
class _End:
    """The word that the process is to end: a signal, or the end of standard input if it is tethered."""

    def __init__(self, names: str, *, tethered: bool) -> None:
        # a signal handler must not touch a lock that the waiting main thread may hold, so the word comes through a pipe
        self._told, telling = os.pipe()
        os.set_blocking(telling, False)
        signal.set_wakeup_fd(telling)
        for name in ("TERM", "INT", "HUP"):
            signal.signal(signal.Signals[f"SIG{name}"], _woken if name in names.split(",") else signal.SIG_IGN)
        self._tether = [sys.stdin.fileno()] if tethered else []

    def wait(self) -> None:
        """Wait for the word."""
        while True:
            ready, _, _ = select.select([self._told, *self._tether], [], [])
            if self._told in ready or not os.read(self._tether[0], 4096):
                return


def _woken(number: int, frame: FrameType | None) -> None:
    return


def variables(home: Path, urls: Mapping[str, str]) -> Mapping[str, str]:
    """The environment variables that golive.yaml of the desk asks for."""
    host, _, port = urls["cache"].rpartition(":")
    mail_host, _, mail_port = urls["mail"].rpartition(":")
    mongo_host, _, mongo_port = urls["docstore"].rpartition(":")
    return {
        "DESK_HOME": str(home),
        "DESK_API": urls["api"],
        "DESK_API_PORT": urls["api"].rpartition(":")[2],
        "DESK_MODEL": urls["model"],
        "DESK_SSH_PORT": urls["ssh"].rpartition(":")[2],
        "DESK_COINBASE": urls["coinbase"],
        "DESK_KRAKEN": urls["kraken"],
        "DESK_TESTNET": urls["testnet"],
        "DESK_VALR": urls["valr"],
        "DESK_HTTPS": urls["https"],
        "DESK_HTTPS_PORT": urls["https"].rpartition(":")[2],
        "DESK_HTTP": urls["http"],
        "DESK_CA": str(settings.Home(path=home).ca),
        "DESK_MAIL": str(settings.Home(path=home).mail),
        "DESK_SMTP_HOST": mail_host,
        "DESK_SMTP_PORT": mail_port,
        "DESK_CACHE": urls["cache"],
        "DESK_CACHE_HOST": host,
        "DESK_CACHE_PORT": port,
        "DESK_MONGO_URL": f"mongodb://{urls['docstore']}/",
        "DESK_MONGO_HOST": mongo_host,
        "DESK_MONGO_PORT": mongo_port,
        "DESK_ROOT": str(settings.ROOT),
        "DESK_PYTHON": sys.executable,
    }


def _look_around(home: Path, *, faults: bool) -> int:
    with launch(home, {**os.environ, PAST: "traded"}, faults=faults) as desk:
        try:
            _show(desk, faults=faults)
            status = desk.process.wait()
        except KeyboardInterrupt:
            print("\nThe desk is stopped.")
            return 0
    print(f"desk: it ended by itself with status {status} (see {home}/logs/stderr.log)", file=sys.stderr)
    return 1


def _show(desk: Desk, *, faults: bool) -> None:
    api, order = desk.urls["api"], '{"account": "alpha", "symbol": "BTCUSDT", "side": "BUY", "quantity": "0.001"}'
    send = f"curl -s {api}/orders -H 'Content-Type: application/json' -d"
    print(f"The desk runs (pid {desk.pid}) on {desk.home}\n")
    for name, url in desk.urls.items():
        print(f"  {name:10} {url}")
    for note in desk.notes:
        print(f"  note: {note}")
    print(f"\nDashboard: {api}/dashboard\n\nTry:\n  curl -s {api}/mode\n  curl -s {api}/capital")
    print(f"  {send} '{order}'")
    print(f"  {send} '{order[:-1]}, \"testnet\": true}}'")
    if faults:
        print(f'  curl -s {api}/faults -H \'Content-Type: application/json\' -d \'{{"name": "stop-file", "on": true}}\'')
    print("\nCtrl-C stops it.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
