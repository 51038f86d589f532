"""What smoke_test.sh runs: one line for each check, and their count at the end. Nothing but the standard library.

It knows what an operator knows: the home folder, and the addresses in the environment of the process that runs there.
"""

import json
import os
import smtplib
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 5


def main(home: Path) -> int:
    """Exit status 0 if there were checks and all of them passed."""
    addresses = json.loads((home / "deployment" / "addresses.json").read_text(encoding="utf-8"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    checks: dict[str, Callable[[], str]] = {
        "process": lambda: _process(home),
        "api answers": lambda: _expect(_get(opener, addresses["api"] + "/api/health/ping"), 200, "status", "ok"),
        "desk is healthy": lambda: _expect(_get(opener, addresses["api"] + "/health"), 200, "state", "healthy"),
        "strangers are turned away": lambda: _expect(_get(opener, addresses["api"] + "/api/portfolio/summary"), 401),
        "front speaks TLS": lambda: _front(home, addresses["https"]),
        "document store listens": lambda: _listens(addresses["docstore"]),
        "mail server greets": lambda: _mail(addresses["mail"]),
    }
    failed = 0
    for name, check in checks.items():
        try:
            wrong = check()
        except (OSError, ValueError, KeyError, smtplib.SMTPException) as error:
            wrong = f"{type(error).__name__}: {error}"
        failed += bool(wrong)
        print(f"FAIL {name}: {wrong}" if wrong else f"ok   {name}")
    print(f"{len(checks)} checks, {failed} failed")
    return 0 if checks and not failed else 1


def _process(home: Path) -> str:
    pid = int((home / "desk.pid").read_text(encoding="ascii"))
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return "" if b"examples.desk" in command else f"pid {pid} is not the desk"


def _get(opener: urllib.request.OpenerDirector, url: str) -> tuple[int, Any]:
    try:
        with opener.open(url, timeout=SECONDS) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, {}


def _expect(answer: tuple[int, Any], status: int, key: str | None = None, value: object = None) -> str:
    found, body = answer
    if found != status:
        return f"status {found} instead of {status}"
    return "" if key is None or body.get(key) == value else f"{key} is {body.get(key)!r} instead of {value!r}"


def _front(home: Path, url: str) -> str:
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=str(home / "tls" / "ca.pem"))
    plain = socket.create_connection(("127.0.0.1", parts.port or 443), timeout=SECONDS)
    with context.wrap_socket(plain, server_hostname=parts.hostname) as secure:
        return "" if secure.version() in ("TLSv1.2", "TLSv1.3") else f"it speaks {secure.version()}"


def _listens(address: str) -> str:
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=SECONDS).close()
    return ""


def _mail(address: str) -> str:
    host, _, port = address.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=SECONDS) as server:
        code, _ = server.ehlo()
        return "" if code == 250 and server.has_extn("starttls") else f"it answers {code}"


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(Path(sys.argv[1]).resolve()))
