"""How the commands speak: lines, symbols where the terminal can show them, and the words of document 001."""

from __future__ import annotations

import shlex
import sys
from typing import Any

WIDTH = 80


def say(text: str) -> None:
    """Print a line, whatever the terminal can show; where there is no output at all, to nobody."""
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def printable(text: str) -> str:
    """The text with control and direction characters in the open: what is read must be what is meant."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def named(text: str, page: str) -> str:
    """The text with the page in the place of REPORT, so that a command in it can be copied."""
    return printable(text).replace("REPORT", shlex.quote(printable(page)))


def icon(symbol: str, plain: str = "") -> str:
    """A symbol where the terminal can show it; the words beside it carry the meaning."""
    try:
        symbol.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return plain
    return symbol


def mode_icon(mode: str) -> str:
    """The symbol of a mode."""
    return icon({"LIVE": "🟢 ", "DRY RUN MODE (SIMULATION)": "🧪 "}.get(mode, "📊 "))


def badge(item: dict[str, Any]) -> str:
    """The verdict of an item, as it stands in front of its line."""
    if item["verdict"] == "waived":
        return f"{icon('⚠️  ')}[WAIVED]"
    if item["verdict"] == "clear":
        return f"{icon('✅ ')}[PASS]"
    if item["verdict"] == "warned":
        return f"{icon('⚠️  ')}[WARNING]"
    return f"{icon('❌ ')}[CRITICAL]"


def banner(text: str) -> None:
    """Print a heading."""
    say("=" * WIDTH)
    say(text)
    say("=" * WIDTH)


def say_denied(reason: str) -> None:
    """Print that nothing was activated, and why."""
    say(f"\n{icon('❌ ')}GO-LIVE NOT ACTIVATED: {reason}")
    say("Real trading stays BLOCKED.")


def say_activated(marker: str, expires: str) -> None:
    """Print where the marker is, until when, and what to do next."""
    banner(f"{icon('✅ ')}GO-LIVE ACTIVATED SUCCESSFULLY")
    say("\nREAL TRADING IS NOW ENABLED\n")
    say(f"Marker: {marker} (expires {expires})\n")
    say("Next steps:")
    say("  1. Watch the risk dashboard without a break")
    say("  2. Look at the positions after the first trade")
    say("  3. See that the emergency stop system stays inactive")
    say("  4. Follow your operator manual from here on")
    say("\nTo deactivate: golive deactivate --reason '...', or delete the marker")
