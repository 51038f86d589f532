"""What the desk stands on: its interpreter and packages, the addresses where it listens, its certificate, and its front."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 5
_LISTEN = "0A"
_ASK = """
import importlib.metadata as m, json, re, sys
wanted = [line.split("#")[0].strip() for line in open(sys.argv[1], encoding="utf-8")]
found = {}
for line in filter(None, wanted):
    name = re.match(r"[A-Za-z0-9._-]+", line)[0]
    try:
        found[line] = m.version(name)
    except m.PackageNotFoundError:
        found[line] = None
version = "%d.%d.%d" % sys.version_info[:3]
print(json.dumps({"version": version, "prefix": sys.prefix, "base_prefix": sys.base_prefix, "found": found}))
"""


def interpreter(home: str, requirements: str) -> dict[str, Any]:
    """Facts on the interpreter that runs the desk's process, and on what of the requirements is installed for it."""
    from packaging.requirements import Requirement

    pid = int(Path(home, "desk.pid").read_text(encoding="ascii"))
    program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    done = subprocess.run(
        [program, "-I", "-c", _ASK, requirements],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    told = json.loads(done.stdout)
    needs = {line: Requirement(line) for line in told["found"]}
    return {
        "executable": program,
        "same_program": os.path.realpath(program) == os.path.realpath(f"/proc/{pid}/exe"),
        "version": told["version"],
        "prefix": told["prefix"],
        "virtual": told["prefix"] != told["base_prefix"],
        "requirements": len(needs),
        "missing": [line for line, version in told["found"].items() if version is None],
        "unfit": [
            f"{line}: {version}"
            for line, version in told["found"].items()
            if version is not None and not needs[line].specifier.contains(version, prereleases=True)
        ],
    }


def frontends(home: str, checkout: str) -> dict[str, Any]:
    """Facts on frontends that are built here, and on the Node.js that they would be built with."""
    found = [path for folder in (home, f"{checkout}/examples") for path in Path(folder).rglob("package.json")]
    node = shutil.which("node")
    version = ""
    if node:
        done = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=10, check=True, stdin=subprocess.DEVNULL
        )
        version = done.stdout.strip().lstrip("v")
    major = int(version.split(".")[0]) if version else 0
    return {
        "frontends": [str(path) for path in found],
        "without_node": [str(path) for path in found if major < _least(path)],
        "node": version,
        "searched": sum(1 for _ in Path(checkout, "examples").rglob("*.py")),
    }


def _least(path: Path) -> int:
    """The major version of Node.js that a frontend asks for; never less than 18."""
    asked = json.loads(path.read_text(encoding="utf-8")).get("engines", {}).get("node", "")
    number = re.search(r"\d+", asked)
    return max(18, int(number[0]) if number else 0)


def bound(port: int) -> dict[str, Any]:
    """Facts on the addresses at which somebody listens on a port, and on whether the other addresses of this host answer."""
    listening = sorted({*_listening("/proc/net/tcp", int(port)), *_listening("/proc/net/tcp6", int(port))})
    others = [address for address in _addresses() if not address.startswith("127.") and address != "::1"]
    return {
        "listening": listening,
        "other_addresses": others,
        "reachable_elsewhere": [address for address in others if _connects(address, int(port))],
        "reachable_here": _connects("127.0.0.1", int(port)),
    }


def certificate_file(path: str) -> dict[str, Any]:
    """The fingerprint of the certificate that was obtained, from its file."""
    text = Path(path).read_text(encoding="ascii")
    first = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)
    if first is None:
        raise RuntimeError(f"{path} holds no certificate")
    return {"path": path, "sha256": hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0])).digest().hex(":")}


def front(http: str, https: str, ca_file: str, api: str) -> dict[str, Any]:
    """Facts on what the world gets in the clear, and on what it gets encrypted."""
    trusting = ssl.create_default_context(cafile=ca_file)
    return {
        "plain": [_asked(http, path) for path in ("/", "/health", "/api/portfolio/summary")],
        "secure": _asked(https, "/health", trusting),
        "backend": _asked(api, "/health"),
        "connected": {"http": _connects_to(http), "https": _connects_to(https)},
        "ports_differ": urlsplit(http).port != urlsplit(https).port,
    }


def _asked(url: str, path: str, tls: ssl.SSLContext | None = None) -> dict[str, Any]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPConnection(host, port, timeout=SECONDS)
        if tls is None
        else http.client.HTTPSConnection(host, port, timeout=SECONDS, context=tls)
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read()
        headers: Mapping[str, str] = {name.lower(): value for name, value in response.getheaders()}
        location = urlsplit(headers.get("location", ""))
        age = re.search(r"max-age=(\d+)", headers.get("strict-transport-security", ""))
        return {
            "path": path,
            "status": response.status,
            "to_scheme": location.scheme,
            "to_host": location.hostname or "",
            "content": b"state" in content or b"equity" in content,
            "hsts_seconds": int(age[1]) if age else 0,
        }
    finally:
        connection.close()


def _connects_to(url: str) -> bool:
    parts = urlsplit(url)
    return _connects(parts.hostname or "", parts.port or 0)


def _connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _listening(table: str, port: int) -> list[str]:
    """The addresses of a table of the kernel at which somebody listens on the port."""
    found = []
    for line in Path(table).read_text(encoding="ascii").splitlines()[1:] if os.path.exists(table) else ():
        where, state = line.split()[1], line.split()[3]
        address, _, number = where.rpartition(":")
        if state == _LISTEN and int(number, 16) == port:
            words = [struct.pack("<I", int(address[index : index + 8], 16)) for index in range(0, len(address), 8)]
            family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
            found.append(socket.inet_ntop(family, b"".join(words)))
    return found


def _addresses() -> list[str]:
    """Every address of this host."""
    tables = [line.split() for line in Path("/proc/net/fib_trie").read_text(encoding="ascii").splitlines()]
    # a local address of this host stands above the line that says so
    return sorted(
        {before[1] for before, line in pairwise(tables) if line[:2] == ["/32", "host"] and "LOCAL" in line and before[0] == "|--"}
    )
