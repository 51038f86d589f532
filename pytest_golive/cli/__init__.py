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
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pytest_golive.errors import GoliveError, Misuse

if TYPE_CHECKING:
    import subprocess

    from pytest_golive.config import Settings
    from pytest_golive.signing.keys import PublicKey

WIDTH = 80
_PATIENCE = 15.0
"""Seconds that an interrupted run of the gate has to end its own programs."""


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
    check = command("check", _check, "run every gating item and tell what to do; write no marker")
    check.add_argument("pytest", nargs="*", metavar="ARG", help="arguments for pytest, after --")
    drill = command("drill", _drill, "look at every item, then change what was seen, and show that each verdict turns")
    drill.add_argument("--phase", action="append", default=[], help="drill the items of this phase; may be repeated")
    drill.add_argument("pytest", nargs="*", metavar="ARG", help="arguments for pytest, after --")
    activate = command("activate", _activate, "run the gate and activate; with REPORT, activate from that page")
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


# Reading what the commands share.


def _settings(options: argparse.Namespace, *, probing: bool = False) -> Settings:
    from pytest_golive import config

    return config.load(_settings_path(options), os.environ, probing=probing)


def _settings_path(options: argparse.Namespace) -> Path:
    return Path(options.config or os.environ.get("GOLIVE_CONFIG") or "golive.yaml")


def _operator(options: argparse.Namespace) -> str:
    from pytest_golive.closing import login

    name: str = options.operator or os.environ.get("GOLIVE_OPERATOR") or login()
    return _redacted(name)


def _redacted(text: str) -> str:
    from pytest_golive.redaction import Redactor

    return Redactor.from_environment(os.environ).text(text)


def _trusted(settings: Settings | None, files: Sequence[str] = ()) -> tuple[PublicKey, ...]:
    """The keys that count here: those of the named files, else of the settings, else this user's own session key."""
    from pytest_golive.signing.keys import session_key
    from pytest_golive.signing.trusted import read_keys, session_key_path

    if files:
        return tuple(key for file in files for key in read_keys(Path(file)))
    if settings is not None and settings.activation.trusted_keys:
        return read_keys(settings.resolve(settings.activation.trusted_keys))
    path = session_key_path(os.environ)
    return (session_key(path).public,) if path.exists() else ()


# The commands.


def _status(options: argparse.Namespace) -> int:
    from pytest_golive import standing

    settings = _settings(options)
    seen = standing.look(settings, os.environ, _trusted(settings))
    _say(f"{_icon('📊 ')}{settings.target.name.upper()} TRADING MODE STATUS")
    _say(f"Current Mode: {_mode_icon(seen.mode)}{seen.mode}")
    _say("")
    _say("Environment Settings:")
    for name, value in seen.switches:
        _say(f"  {name}: {value}")
    for path, present in seen.stops:
        _say(f"  Emergency Stop File: {'PRESENT' if present else 'Not present'} ({path})")
    _say("")
    _say(f"Marker: {seen.marker}")
    _say(f"Real trading: {'PERMITTED' if seen.permitted else 'BLOCKED'}{f' - {seen.reason}' if seen.reason else ''}")
    return 0


def _check(options: argparse.Namespace) -> int:
    summary = _run_gate(options, ["--golive-no-marker", *options.pytest])
    _say(f"{_icon('🚀 ')}{summary['target'].upper()} GO-LIVE VALIDATION")
    _say("")
    _say(f"{_icon('📋 ')}PRE-FLIGHT CHECK RESULTS")
    _say("")
    for item in summary["items"]:
        _say(f"{_badge(item)} {item['title']}  [{item['id']}]")
        _say(f"   {item['reason'] or item['found']}")
        if item["verdict"] not in ("clear", "waived"):
            _say(f"   {_icon('→ ', '-> ')}Remediation: {item['fix']}")
        _say("")
    counts = summary["counts"]
    _say(f"{_icon('📊 ')}SUMMARY")
    _say(f"Total checks: {len(summary['items'])}")
    _say(f"Passed: {counts['clear']}")
    _say(f"Critical failures: {counts['blocking']}")
    _say(f"Warnings: {counts['warned']}")
    _say(f"Decision: {summary['word']} - {' '.join(summary['reasons'])}")
    _say(f"Report: {summary['report']}")
    if summary["trouble"]:
        _say(f"Trouble: {summary['trouble']}")
    return 0 if summary["status"] == 0 else 1


def _activate(options: argparse.Namespace) -> int:
    if options.report:
        return _activate_report(options)
    if _settings_path(options).exists():
        settings = _settings(options)
        _banner(f"{settings.target.name.upper()} - GO-LIVE ACTIVATION")
        if not settings.activation_enabled:
            _denied(f"activation_enabled is false in {settings.path}")
            return 1
    else:
        _banner("GO-LIVE ACTIVATION")
    if not _confirmed(options):
        return 1
    _say(f"\n{_icon('📋 ')}Running pre-flight checks...\n")
    extra = ["--golive-operator", options.operator] if options.operator else []
    summary = _run_gate(options, extra)
    for item in summary["items"]:
        if item["verdict"] in ("clear", "waived"):
            _say(f"{_icon('✅ ')}PASS | {item['id']}")
        else:
            icon, word = ("❌ ", "FAIL") if item["verdict"] == "blocking" else ("⚠️  ", "WARN")
            _say(f"{_icon(icon)}{word} | {item['id']}: {item['reason']}")
            _say(f"       Remediation: {item['fix']}")
    counts = summary["counts"]
    failed = len(summary["items"]) - counts["clear"] - counts["waived"] - counts["warned"]
    warned = f", {counts['warned']} warnings" if counts["warned"] else ""
    _banner(f"PREFLIGHT RESULTS: {counts['clear'] + counts['waived']} passed, {failed} failed{warned}")
    if not summary["permits"]:
        _denied(f"{summary['word']}: {' '.join(summary['reasons'])}")
        return 1
    _say(f"\n{_icon('🚀 ')}All pre-flight checks passed. Attempting GO-LIVE activation...\n")
    for name, met, line in summary["activation_checks"]:
        _say(f"{_icon('✅ ' if met else '❌ ')}{name}: {line}")
    if not summary["marker"]:
        _denied(summary["denied"] or summary["trouble"] or "no marker was written")
        return 1
    _activated(summary["marker"], summary["expires"])
    return 0


def _schema(_options: argparse.Namespace) -> int:
    import json

    from pytest_golive.checklist.schema import schema

    _say(json.dumps(schema(), indent=1, sort_keys=True))
    return 0


def _drill(options: argparse.Namespace) -> int:
    phases = [f"--golive-phase={phase}" for phase in options.phase]
    told = _run_gate(options, ["--golive-drill", *phases, *options.pytest])["drill"]
    for fault in told["faults"]:
        _say(f"PROVES NOTHING  {fault['id']}: {fault['what']}")
    for left in told["undrilled"]:
        _say(f"NOT DRILLED     {left['id']}: {left['why']}")
    _say(f"{told['items']} items, {told['operators']} operators held against changed values")
    _say(
        "All of them noticed." if told["holds"] else f"{len(told['faults'])} prove nothing, {len(told['undrilled'])} not drilled."
    )
    return 0 if told["holds"] else 1


def _activate_report(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from pytest_golive import closing, report

    settings = _settings(options, probing=True)
    _banner(f"{settings.target.name.upper()} - GO-LIVE ACTIVATION")
    page = _read(options.report)
    report.verify(page, _trusted(settings))
    if not _confirmed(options):
        return 1
    done = closing.activate_report(
        report.extract(page).envelope, settings, os.environ, operator=_operator(options), now=datetime.now(UTC)
    )
    for line in done.checks:
        _say(f"{_icon('✅ ')}{line.name}: {line.line}")
    _activated(str(done.marker), done.expires.isoformat())
    return 0


def _verify(options: argparse.Namespace) -> int:
    from pytest_golive import report

    settings = _settings(options) if options.config or _settings_path(options).exists() else None
    keys = _trusted(settings, options.key)
    if not keys:
        raise Misuse("no key is trusted here", hint="name the signer's public key with --key FILE")
    verified = report.verify(_read(options.report), keys)
    golive = verified.payload["predicate"]["golive"]
    _say(f"VERIFIED  {options.report}")
    _say(f"  decision  {golive['decision']['word']}  {' '.join(golive['decision']['reasons'])}")
    demo = " (DEMO)" if golive["target"]["demo"] else ""
    _say(f"  target    {golive['target']['name']}, {golive['target']['environment']}{demo}")
    _say(f"  commit    {golive['manifest']['commit'] or 'unknown'}")
    _say(f"  made      {golive['decision']['at']} by {golive['run']['operator']}")
    _say(f"  valid     until {golive['decision']['valid_until']}")
    _say(f"  evidence  sha256:{verified.payload_sha256}")
    _say(f"  signed by {', '.join(verified.keyids)}")
    return 0


def _attest(options: argparse.Namespace) -> int:
    from pytest_golive.cli.attest import attest

    return attest(options, _settings(options, probing=True))


def _guard(options: argparse.Namespace) -> int:
    from pytest_golive import standing

    settings = _settings(options)
    permission = standing.guard(settings, os.environ, _trusted(settings), logger=standing.silent()).allows()
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not permission.allowed:
        print(f"golive guard: GO-LIVE not activated: {permission.reason}", file=sys.stderr)
        return 1
    if argv:
        try:
            os.execvp(argv[0], argv)  # noqa: S606 - starting the user's own command is what this is for
        except OSError as error:
            raise Misuse(f"{argv[0]} cannot be started: {error.strerror}", hint="look at the command after --") from None
    _say(f"GO-LIVE is active (activation {permission.activation})")
    return 0


def _deactivate(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from pytest_golive import activation
    from pytest_golive.journal import Journal

    settings = _settings(options)
    existed = os.path.lexists(settings.marker)
    activation.deactivate(
        marker=settings.marker,
        state=settings.state,
        journal=Journal(settings.resolve(settings.journal)),
        reason=_redacted(options.reason),
        operator=_operator(options),
        now=datetime.now(UTC),
    )
    gone = "was removed" if existed else "was not there"
    _say(f"REAL TRADING IS NOW DISABLED: {settings.marker} {gone}; its counter is burned.")
    return 0


def _history(options: argparse.Namespace) -> int:
    from pytest_golive.cli import history

    return history.run(options, _settings(options), _say)


# Running the gate in a process of its own, as any user would.


def _run_gate(options: argparse.Namespace, extra: Sequence[str]) -> dict[str, Any]:
    """Run `pytest --golive` quietly and read the summary that it writes; its own words are shown if it could not decide."""
    import json
    import tempfile

    with tempfile.TemporaryDirectory(prefix="golive-") as folder:
        summary = Path(folder, "summary.json")
        config = ["--golive-config", str(_settings_path(options).absolute())] if _named(options) else []
        quiet = ["-q", "--no-header", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", "--golive", *quiet, f"--golive-json={summary}", *config, *extra]
        done = _finished(command)
        try:
            told: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
        except FileNotFoundError:
            said = (done.stderr.strip() or done.stdout.strip()).removeprefix("ERROR: ").removeprefix("golive: ")
            raise Misuse(said or f"pytest ended with status {done.returncode}", hint="") from None
    told["status"] = done.returncode
    return told


def _finished(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The command, run to its end; if we are interrupted it is asked to end as well, so that it can end what it started."""
    import subprocess

    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            process.terminate()
            try:
                process.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _named(options: argparse.Namespace) -> bool:
    return bool(options.config or os.environ.get("GOLIVE_CONFIG"))


def _read(path: str) -> bytes:
    from pytest_golive.report import MAX_PAGE

    with open(path, "rb") as stream:
        content = stream.read(MAX_PAGE + 1)
    if len(content) > MAX_PAGE:
        raise Misuse(f"{path} is larger than {MAX_PAGE} bytes", hint="this is no sign-off page")
    return content


def _confirmed(options: argparse.Namespace) -> bool:
    if options.yes:
        return True
    if not sys.stdin.isatty():
        _denied("real trading is not enabled without confirmation: add --yes")
        return False
    try:
        answer = input("This enables REAL TRADING if every check passes. Type 'yes' to go on: ")
    except EOFError:
        answer = ""
    if answer.strip().lower() == "yes":
        return True
    _denied("not confirmed")
    return False


# Words.


def _say(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _icon(symbol: str, plain: str = "") -> str:
    """A symbol where the terminal can show it; the words beside it carry the meaning."""
    try:
        symbol.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return plain
    return symbol


def _mode_icon(mode: str) -> str:
    return _icon({"LIVE": "🟢 ", "DRY RUN MODE (SIMULATION)": "🧪 "}.get(mode, "📊 "))


def _badge(item: dict[str, Any]) -> str:
    if item["verdict"] in ("clear", "waived"):
        return f"{_icon('✅ ')}[PASS]"
    if item["verdict"] == "warned":
        return f"{_icon('⚠️  ')}[WARNING]"
    return f"{_icon('❌ ')}[CRITICAL]"


def _banner(text: str) -> None:
    _say("=" * WIDTH)
    _say(text)
    _say("=" * WIDTH)


def _denied(reason: str) -> None:
    _say(f"\n{_icon('❌ ')}GO-LIVE NOT ACTIVATED: {reason}")
    _say("Real trading stays BLOCKED.")


def _activated(marker: str, expires: str) -> None:
    _banner(f"{_icon('✅ ')}GO-LIVE ACTIVATED SUCCESSFULLY")
    _say("\nREAL TRADING IS NOW ENABLED\n")
    _say(f"Marker: {marker} (expires {expires})\n")
    _say("Next steps:")
    _say("  1. Watch the risk dashboard without a break")
    _say("  2. Look at the positions after the first trade")
    _say("  3. See that the emergency stop system stays inactive")
    _say("  4. Follow your operator manual from here on")
    _say("\nTo deactivate: golive deactivate --reason '...', or delete the marker")
