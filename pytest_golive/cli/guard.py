"""`golive guard`: start a command only if real trading is permitted right now."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from pytest_golive import standing
from pytest_golive.cli.shared import load_settings, trusted_keys
from pytest_golive.cli.words import say
from pytest_golive.errors import Misuse


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command to start, if any."""
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to start; nothing asks only")


def run(options: argparse.Namespace) -> int:
    """Become the command, or exit status 1 with the reason why not.

    The command takes the place of this process, so that its exit status, its signals and its process id are its own.
    """
    settings = load_settings(options)
    permission = standing.guard(settings, os.environ, trusted_keys(settings), logger=standing.silent()).allows()
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not permission.allowed:
        print(f"golive guard: GO-LIVE not activated: {permission.reason}", file=sys.stderr)
        return 1
    if argv:
        # Python ignores these two, and what is ignored stays so in the program that is started
        for name in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(name, signal.SIG_DFL)
        try:
            os.execvp(argv[0], argv)  # noqa: S606 - starting the user's own command is what this is for
        except OSError as error:
            raise Misuse(f"{argv[0]} cannot be started: {error.strerror}", hint="look at the command after --") from None
    say(f"GO-LIVE is active (activation {permission.activation})")
    return 0
