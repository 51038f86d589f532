"""The `golive` command: words and I/O only.

Each command is one file of this room, with `arguments(parser)` and `run(options)`, and is imported when it is called and not
before, so that `status` answers at once. Exit status: 0 yes, 1 no, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

from pytest_golive.cli.words import named, printable
from pytest_golive.errors import GoliveError

COMMANDS: Mapping[str, str] = {
    "status": "show mode, switches, marker and stop file",
    "check": "run every gating item and tell what to do; write no marker",
    "drill": "look at every item, then change what was seen, and show that each verdict turns",
    "attest": "sign a statement about an item that asks a person, and keep it for the next run",
    "waive": "accept the failure of an item until a day, with a signature",
    "roster": "show, check and write who may sign, for what and until when",
    "key": "show which keys you have here, and print a public key for other software",
    "approve": "read what a report says, and sign it into the same file",
    "merge": "put the approvals of several copies of one report into one",
    "verify": "check a sign-off page: signature, digests, quorum, and every byte of what it shows",
    "extract": "write what a page carries for machines, and how a stranger checks it without this tool",
    "repair": "make a page again that was damaged on its way",
    "activate": "run the gate and activate; with REPORT, activate from that page",
    "guard": "run a command only if real trading is permitted right now",
    "profile": "show the ladder of capital profiles, and how far the next one is",
    "watch": "look at the monitoring items again and again, and take the marker back when one of them turns",
    "serve": "show how things stand as a web page of this machine, with an emergency stop behind a token",
    "metrics": "write what Prometheus should know: decision, marker, stop, journal",
    "stop": "stop all real trading, at once, for every process and over every restart",
    "resume": "take a stop away, as a person on the roster, with a reason",
    "deactivate": "take the marker back, and burn its counter",
    "rollback": "walk the way back step by step; it goes on where it stopped",
    "break-glass": "activate for at most an hour without a passing run: two persons sign, everybody sees it",
    "journal": "show that the journal is whole, write it out, vouch for it, or mend it",
    "history": "tell every attempt to activate, from the journal",
    "schema": "print the JSON Schema of checklist files, for editors",
}
"""Each command and what it does, in the order in which a release meets them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a `GoliveError` is told in its own words, never as a traceback."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        status: int = options.run(options)
    except GoliveError as error:
        _complain(options, str(error))
        return 1
    except OSError as error:
        _complain(options, f"{error.filename}: {error.strerror or error}" if error.filename else str(error.strerror or error))
        return 1
    except KeyboardInterrupt:
        _complain(options, "interrupted; golive status tells what stands")
        return 130
    return status


def _complain(options: argparse.Namespace, text: str) -> None:
    """The error in its lines, with nothing in it that moves a terminal, and with the page that its commands are about."""
    pages = [page for page in (getattr(options, "report", None), *getattr(options, "reports", ())) if page]
    lines = (named(line, pages[0]) if pages else printable(line) for line in text.split("\n"))
    print(f"golive {options.command}: " + "\n".join(lines), file=sys.stderr)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the command that these arguments call."""
    parser = argparse.ArgumentParser(prog="golive", description="A go-live checklist as a gate.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        sub.add_argument("--config", metavar="FILE", help="settings (default: $GOLIVE_CONFIG, or golive.yaml here)")
        if name in arguments:
            room = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
            room.arguments(sub)
            sub.set_defaults(run=room.run)
    return parser.parse_args(arguments)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
