"""Do the cache and the database work: not is a port open, but does what was written come back?"""

from __future__ import annotations

import secrets
import socket
import sqlite3
from typing import Any


def round_trip(host: str, port: int, ledger: str) -> dict[str, Any]:
    """Facts on PING, SET, GET and DEL of a key of our own, and on a query of the ledger."""
    name, value = f"golive:probe:{secrets.token_hex(6)}", secrets.token_hex(6)
    with socket.create_connection((host, int(port)), timeout=5) as line:
        stream = line.makefile("rwb")
        try:
            ping = _command(stream, "PING")
            _command(stream, "SET", name, value, "EX", "30")
            read_back = _command(stream, "GET", name) == value
        finally:
            deleted = _command(stream, "DEL", name) == "1"
        gone = _command(stream, "GET", name) == ""
    database = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5)
    try:
        answer = database.execute("SELECT 1").fetchone()[0]
        tables = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
    finally:
        database.close()
    return {
        "cache": {"ping": ping, "read_back": read_back, "deleted": deleted and gone},
        "database": {"answer": answer, "tables": tables},
    }


def _command(stream: Any, *words: str) -> str:
    """One command in the Redis protocol; the answer as text, empty for nothing."""
    parts = [f"*{len(words)}\r\n", *(f"${len(word.encode())}\r\n{word}\r\n" for word in words)]
    stream.write("".join(parts).encode())
    stream.flush()
    line = stream.readline().decode().rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    if kind == "-":
        raise RuntimeError(f"the cache refused {words[0]}: {rest}")
    if kind == "$":
        size = int(rest)
        return "" if size < 0 else str(stream.read(size + 2)[:size].decode())
    return rest
