"""A cache that speaks RESP, the protocol of Redis: just the commands that a desk and a check of it need."""

from __future__ import annotations

import contextlib
import fnmatch
import socket
import socketserver
import threading
import time
from typing import Any, final

LOOPBACK = "127.0.0.1"
_MAX_PARTS = 16
_MAX_BYTES = 64 * 1024


@final
class Cache:
    """Keys with values and an optional end of life, served on a loopback port that stays the same over `down` and `up`."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[bytes, float | None]] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._port = 0
        self._server: _Server | None = None
        self.up()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self._port}"

    def up(self) -> None:
        """Listen; nothing happens if it does already."""
        if self._server is None:
            self._server = _Server(self, self._port)
            self._port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def down(self) -> None:
        """Stop listening and hang up on everybody."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()

    def command(self, parts: list[bytes]) -> bytes:
        """The reply to one command."""
        name, arguments = parts[0].upper(), parts[1:]
        with self._lock:
            match name, arguments:
                case b"PING", []:
                    return b"+PONG\r\n"
                case b"HELLO", [b"2" | b"3" as version, *_]:
                    told = {"server": b"redis", "version": b"7.0.0", "mode": b"standalone", "role": b"master"}
                    parts = b"".join(_bulk(name.encode()) + _bulk(value) for name, value in told.items())
                    parts += _bulk(b"proto") + b":%s\r\n" % version
                    return (b"%%%d\r\n" % (len(told) + 1) if version == b"3" else b"*%d\r\n" % (2 * len(told) + 2)) + parts
                case b"SELECT", [b"0"]:
                    return b"+OK\r\n"
                case b"INFO", [*_]:
                    return _bulk(self._info())
                case b"DBSIZE", []:
                    return b":%d\r\n" % len(self._living())
                case b"EXISTS", keys if keys:
                    return b":%d\r\n" % sum(self._value(key) is not None for key in keys)
                case b"TYPE", [key]:
                    return b"+none\r\n" if self._value(key) is None else b"+string\r\n"
                case b"PTTL", [key]:
                    return b":%d\r\n" % self._left(key)
                case b"TTL", [key]:
                    left = self._left(key)
                    return b":%d\r\n" % (left if left < 0 else round(left / 1000))
                case b"SCAN", [b"0", *wishes]:
                    options = {name.upper(): value for name, value in zip(wishes[::2], wishes[1::2], strict=False)}
                    pattern = options.get(b"MATCH", b"*").decode()
                    keys = [key for key in self._living() if fnmatch.fnmatchcase(key.decode(errors="replace"), pattern)]
                    return b"*2\r\n" + _bulk(b"0") + b"*%d\r\n" % len(keys) + b"".join(map(_bulk, keys))
                case b"SET", [key, value]:
                    self._entries[key] = (value, None)
                    return b"+OK\r\n"
                case b"SET", [key, value, unit, amount] if unit.upper() == b"EX" and amount.isdigit():
                    self._entries[key] = (value, time.monotonic() + int(amount))
                    return b"+OK\r\n"
                case b"GET", [key]:
                    kept = self._value(key)
                    return b"$-1\r\n" if kept is None else _bulk(kept)
                case b"DEL", keys if keys:
                    present = [key for key in keys if self._value(key) is not None]
                    for key in present:
                        del self._entries[key]
                    return b":%d\r\n" % len(present)
                case b"EXPIRE", [key, amount] if amount.isdigit():
                    kept = self._value(key)
                    if kept is None:
                        return b":0\r\n"
                    self._entries[key] = (kept, time.monotonic() + int(amount))
                    return b":1\r\n"
        return b"-ERR unknown command or wrong arguments\r\n"

    def _value(self, key: bytes) -> bytes | None:
        value, end = self._entries.get(key, (None, None))
        if end is not None and end <= time.monotonic():
            del self._entries[key]
            return None
        return value

    def _living(self) -> list[bytes]:
        """The keys whose life has not ended."""
        return [key for key in list(self._entries) if self._value(key) is not None]

    def _left(self, key: bytes) -> int:
        """Milliseconds that a key has left; -1 if it has no end, -2 if there is none."""
        if self._value(key) is None:
            return -2
        _, end = self._entries[key]
        return -1 if end is None else max(1, int((end - time.monotonic()) * 1000))

    def _info(self) -> bytes:
        """What INFO tells of a server: the version whose commands these are, its role, and the bytes that it keeps."""
        used = sum(len(key) + len(value) for key, (value, _) in self._entries.items())
        told = {
            "redis_version": "7.0.0",
            "redis_mode": "standalone",
            "server_name": "cache of the embedded desk",
            "uptime_in_seconds": int(time.monotonic() - self._began),
            "role": "master",
            "used_memory": used,
            "maxmemory": 0,
        }
        return "".join(f"{name}:{value}\r\n" for name, value in told.items()).encode()


def _bulk(text: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, cache: Cache, port: int) -> None:
        self.cache = cache
        self._open: set[socket.socket] = set()
        super().__init__((LOOPBACK, port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # a caller that hangs up in the middle of a command is its own affair
        return


class _Connection(socketserver.StreamRequestHandler):
    timeout = 30
    server: _Server

    def handle(self) -> None:
        third = False
        while True:
            try:
                parts = _read(self.rfile)
            except ValueError as error:
                self.wfile.write(f"-ERR {error}\r\n".encode())
                return
            if not parts:
                return
            reply = self.server.cache.command(parts)
            if parts[0].upper() == b"HELLO":
                third = reply.startswith(b"%")
            # nothing at all is written differently in the third version of the protocol
            self.wfile.write(b"_\r\n" if third and reply == b"$-1\r\n" else reply)


def _read(file: Any) -> list[bytes]:
    """The parts of one command; empty if the other side hung up."""
    line = file.readline(_MAX_BYTES)
    if not line.endswith(b"\r\n"):
        return []
    if not line.startswith(b"*"):
        return list(line.split())[:_MAX_PARTS] or [b""]
    parts = []
    for _ in range(_length(line, b"*", _MAX_PARTS)):
        size = _length(file.readline(64), b"$", _MAX_BYTES)
        part = file.read(size + 2)
        if len(part) != size + 2:
            return []
        parts.append(part[:-2])
    return parts


def _length(line: bytes, mark: bytes, most: int) -> int:
    text = line[1:].strip()
    if line[:1] != mark or not text.isdigit() or int(text) > most:
        raise ValueError("protocol error")
    return int(text)


def ask(address: str, *parts: str, timeout: float = 1.0) -> str | int | None:
    """The cache's reply to one command; OSError if there is none, ValueError if it is an error."""
    host, _, port = address.rpartition(":")
    command = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p.encode()), p.encode()) for p in parts)
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(command)
        with connection.makefile("rb") as file:
            line = file.readline(_MAX_BYTES)
            if line[:1] == b"$" and line != b"$-1\r\n":
                return bytes(file.read(int(line[1:]))).decode()
    if not line:
        raise ConnectionResetError("the cache hung up")
    kind, text = line[:1], line[1:].strip().decode()
    if kind == b"-":
        raise ValueError(text)
    return None if kind == b"$" else int(text) if kind == b":" else text
