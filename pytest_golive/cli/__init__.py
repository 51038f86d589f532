"""The `golive` command: words and I/O only.

    golive status       which mode the service is in, what its switches say, whether a marker and a stop file are there
    golive check        every gating item in a line, with what to do; writes no marker
    golive drill        show of every item that it can fail
    golive activate     run the gate and activate, or activate from a report
    golive verify       is this sign-off page what was signed, byte for byte
    golive guard        start a command only if real trading is permitted right now
    golive attest       sign for what no machine can see
    golive deactivate   take the marker back
    golive schema       the JSON Schema of checklist files, for editors
    golive history      every attempt to activate, by whom, and what became of it

Exit status: 0 yes, 1 no, 2 the command line is wrong. Each command imports what it needs and no more, so that `status`
answers at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from pytest_golive.cli import running
from pytest_golive.cli.shared import load_settings, operator_of, page_bytes, redacted, settings_path, trusted_keys
from pytest_golive.cli.words import icon, mode_icon, say
from pytest_golive.errors import GoliveError, Misuse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a `GoliveError` is told in its own words, never as a traceback."""
    options = _parser().parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        status: int = options.run(options)
    except GoliveError as error:
        print(f"golive {options.command}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"golive {options.command}: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"golive {options.command}: interrupted; nothing was activated", file=sys.stderr)
        return 130
    return status


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="golive", description="A go-live checklist as a gate.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        sub.add_argument("--config", metavar="FILE", help="settings (default: $GOLIVE_CONFIG, or golive.yaml here)")
        sub.set_defaults(run=run)
        return sub

    command("status", _status, "show mode, switches, marker and stop file")
    check = command("check", running.check, "run every gating item and tell what to do; write no marker")
    check.add_argument("pytest", nargs="*", metavar="ARG", help="arguments for pytest, after --")
    drill = command("drill", running.drill, "look at every item, then change what was seen, and show that each verdict turns")
    drill.add_argument("--phase", action="append", default=[], help="drill the items of this phase; may be repeated")
    drill.add_argument("pytest", nargs="*", metavar="ARG", help="arguments for pytest, after --")
    activate = command("activate", running.activate, "run the gate and activate; with REPORT, activate from that page")
    activate.add_argument("report", nargs="?", metavar="REPORT", help="a sign-off page that is still fresh")
    activate.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    activate.add_argument("--operator", metavar="NAME", help="who activates (default: $GOLIVE_OPERATOR, or the login)")
    verify = command("verify", _verify, "check a sign-off page: signature, digests, and every byte of what it shows")
    verify.add_argument("report", metavar="REPORT")
    verify.add_argument("--key", action="append", default=[], metavar="FILE", help="trust the OpenSSH public keys in this file")
    attest = command("attest", _attest, "sign a statement about an item that asks a person, and keep it for the next run")
    attest.add_argument("item", metavar="ITEM", help="the item's id")
    attest.add_argument("--role", help="for which of your roles you speak (default: the one that the item asks)")
    attest.add_argument("--comment", default="", metavar="TEXT", help="what you want to say about it; signed too")
    attest.add_argument("--key", metavar="PATH", help="your OpenSSH private key (default: the session key of this user)")
    attest.add_argument("--valid-for", metavar="TIME", help="how long it holds, such as 7d (default: as long as the item allows)")
    attest.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    guard = command("guard", _guard, "run a command only if real trading is permitted right now")
    guard.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to start; nothing asks only")
    past = command("history", _history, "tell every attempt to activate, from the journal")
    past.add_argument("--as", dest="form", choices=("text", "json", "csv"), default="text", help="how to write it (text)")
    command("schema", _schema, "print the JSON Schema of checklist files, for editors")
    off = command("deactivate", _deactivate, "take the marker back, and burn its counter")
    off.add_argument("--reason", required=True, help="why; kept in the journal")
    off.add_argument("--operator", metavar="NAME", help="who deactivates (default: $GOLIVE_OPERATOR, or the login)")
    return parser


# The commands.


def _status(options: argparse.Namespace) -> int:
    from pytest_golive import standing

    settings = load_settings(options)
    seen = standing.look(settings, os.environ, trusted_keys(settings))
    say(f"{icon('📊 ')}{settings.target.name.upper()} TRADING MODE STATUS")
    say(f"Current Mode: {mode_icon(seen.mode)}{seen.mode}")
    say("")
    say("Environment Settings:")
    for name, value in seen.switches:
        say(f"  {name}: {value}")
    for path, present in seen.stops:
        say(f"  Emergency Stop File: {'PRESENT' if present else 'Not present'} ({path})")
    say("")
    say(f"Marker: {seen.marker}")
    say(f"Real trading: {'PERMITTED' if seen.permitted else 'BLOCKED'}{f' - {seen.reason}' if seen.reason else ''}")
    return 0


def _schema(_options: argparse.Namespace) -> int:
    import json

    from pytest_golive.checklist.schema import schema

    say(json.dumps(schema(), indent=1, sort_keys=True))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from pytest_golive import report

    settings = load_settings(options) if options.config or settings_path(options).exists() else None
    keys = trusted_keys(settings, options.key)
    if not keys:
        raise Misuse("no key is trusted here", hint="name the signer's public key with --key FILE")
    verified = report.verify(page_bytes(options.report), keys)
    golive = verified.payload["predicate"]["golive"]
    say(f"VERIFIED  {options.report}")
    say(f"  decision  {golive['decision']['word']}  {' '.join(golive['decision']['reasons'])}")
    demo = " (DEMO)" if golive["target"]["demo"] else ""
    say(f"  target    {golive['target']['name']}, {golive['target']['environment']}{demo}")
    say(f"  commit    {golive['manifest']['commit'] or 'unknown'}")
    say(f"  made      {golive['decision']['at']} by {golive['run']['operator']}")
    say(f"  valid     until {golive['decision']['valid_until']}")
    say(f"  evidence  sha256:{verified.payload_sha256}")
    say(f"  signed by {', '.join(verified.keyids)}")
    return 0


def _attest(options: argparse.Namespace) -> int:
    from pytest_golive.cli.attest import attest

    return attest(options, load_settings(options, probing=True))


def _guard(options: argparse.Namespace) -> int:
    from pytest_golive import standing

    settings = load_settings(options)
    permission = standing.guard(settings, os.environ, trusted_keys(settings), logger=standing.silent()).allows()
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not permission.allowed:
        print(f"golive guard: GO-LIVE not activated: {permission.reason}", file=sys.stderr)
        return 1
    if argv:
        try:
            os.execvp(argv[0], argv)  # noqa: S606 - starting the user's own command is what this is for
        except OSError as error:
            raise Misuse(f"{argv[0]} cannot be started: {error.strerror}", hint="look at the command after --") from None
    say(f"GO-LIVE is active (activation {permission.activation})")
    return 0


def _deactivate(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from pytest_golive import activation
    from pytest_golive.journal import Journal

    settings = load_settings(options)
    existed = os.path.lexists(settings.marker)
    activation.deactivate(
        marker=settings.marker,
        state=settings.state,
        journal=Journal(settings.resolve(settings.journal)),
        reason=redacted(options.reason),
        operator=operator_of(options),
        now=datetime.now(UTC),
    )
    gone = "was removed" if existed else "was not there"
    say(f"REAL TRADING IS NOW DISABLED: {settings.marker} {gone}; its counter is burned.")
    return 0


def _history(options: argparse.Namespace) -> int:
    from pytest_golive.cli import history

    return history.run(options, load_settings(options), say)
