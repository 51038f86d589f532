"""`golive serve`: how things stand as a web page of this machine, for people, for Prometheus, and with an emergency stop."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import re
import sys

from pytest_golive.cli.shared import settings_path, trusted_keys
from pytest_golive.cli.words import say
from pytest_golive.errors import Misuse

PORT = 8420
_WARM = 20.0
"""Seconds that the first reading of journal and report may keep the server from listening."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen."""
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=PORT, help=f"the port; 0 takes a free one and prints it (default: {PORT})")
    parser.add_argument(
        "--behind-proxy",
        action="append",
        default=[],
        metavar="NAME",
        help="the name by which a proxy with TLS is called that stands in front; needed beyond loopback",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, which are the ordinary end: exit status 0."""
    names = _names(options.behind_proxy)
    host = _host(options.host, names)
    if not 0 <= options.port <= 65_535:
        raise Misuse(f"{options.port} is no port", hint="for instance --port 0, which takes a free one")
    from pytest_golive.serving import Halt, Observer, Routes, Server

    path = settings_path(options)
    observer = Observer(path, os.environ, trusted_keys)
    halt = Halt(path, os.environ)
    observer.warm(_WARM)
    try:
        server = Server(host, options.port, Routes(observer, halt, names), lambda line: _log(observer.redactor.text(line)))
    except OSError as error:
        raise Misuse(
            f"{host} port {options.port} cannot be listened on: {error.strerror}", hint="name another with --port"
        ) from None
    with server:
        shown = f"[{host}]" if ":" in host else host
        say(f"Status page: http://{shown}:{server.port}/ (emergency stop: {'armed' if halt.armed else 'absent'})")
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdout.flush()
            server.serve_forever(poll_interval=0.2)
        with contextlib.suppress(KeyboardInterrupt):
            halt.rest(_WARM)
    say("The status page has ended.")
    return 0


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _names(given: list[str]) -> tuple[str, ...]:
    for name in given:
        if not _NAME.fullmatch(name):
            raise Misuse(f"{name!r} is no host name", hint="write it as browsers do, without https:// and without a path")
    return tuple(given)


def _host(host: str, names: tuple[str, ...]) -> str:
    """The address to listen on; beyond this machine only behind a proxy, which brings TLS and says who may come."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise Misuse(f"{host!r} is no address", hint="for instance 127.0.0.1") from None
    if not address.is_loopback and not names:
        raise Misuse(
            f"{host} is reached from other machines, and this server has neither TLS nor a login",
            hint="keep 127.0.0.1, or put a proxy with TLS and a login in front and name it: --behind-proxy status.example.org",
        )
    return str(address)
