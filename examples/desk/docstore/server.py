"""The wire: messages of MongoDB's protocol in and out of a loopback port.

OP_MSG carries the commands; the older OP_QUERY is understood for the first greeting, which clients send in it because they do
not know yet whom they talk to. Formats: the MongoDB Wire Protocol reference, "Standard Message Header", "OP_MSG" and "OP_QUERY".
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import struct
import threading
from pathlib import Path
from typing import Any, final

import bson

from examples.desk.docstore.commands import MAX_MESSAGE, VERSION, Commands
from examples.desk.docstore.store import Store

LOOPBACK = "127.0.0.1"
_HEADER = struct.Struct("<iiii")
_REPLY, _QUERY, _MESSAGE = 1, 2004, 2013
_CHECKSUM, _MORE_TO_COME = 1, 2
_replies = itertools.count(1)


@final
class DocumentServer:
    """A store, served on a loopback port that stays the same over `down` and `up`."""

    def __init__(self, path: Path, port: int = 0) -> None:
        self._store = Store(path)
        self.commands = Commands(self._store)
        self._port = port
        self._server: _Server | None = None
        self.up()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self._port}"

    def age(self, *, old: bool) -> None:
        """Answer as a version that is too old, or as the right one."""
        self.commands.version = (4, 2, 8) if old else VERSION

    def up(self) -> None:
        """Listen; nothing happens if it does already."""
        if self._server is None:
            self._server = _Server(self.commands, self._port)
            self._port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def down(self) -> None:
        """Stop listening and hang up on everybody; what is stored stays."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()

    def close(self) -> None:
        """End for good."""
        self.down()
        self._store.close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, commands: Commands, port: int) -> None:
        self.commands = commands
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
        # a client that hangs up in the middle, or speaks something else, is its own affair
        return


class _Connection(socketserver.StreamRequestHandler):
    server: _Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while header := self.rfile.read(_HEADER.size):
            length, number, _, kind = _HEADER.unpack(header)
            if not _HEADER.size < length <= MAX_MESSAGE:
                raise ValueError("a message of that length is none")
            body = self.rfile.read(length - _HEADER.size)
            if kind == _MESSAGE:
                flags, command = _message(body)
                reply = self.server.commands.answer(command)
                if not flags & _MORE_TO_COME:
                    self._send(number, _MESSAGE, struct.pack("<IB", 0, 0) + bson.encode(reply))
            elif kind == _QUERY:
                reply = self.server.commands.answer(_query(body))
                self._send(number, _REPLY, struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(reply))
            else:
                raise ValueError(f"operation {kind} is not known")

    def _send(self, number: int, kind: int, body: bytes) -> None:
        self.wfile.write(_HEADER.pack(_HEADER.size + len(body), next(_replies), number, kind) + body)


def _message(body: bytes) -> tuple[int, dict[str, Any]]:
    """The flags of an OP_MSG, and its command with the document sequences put in their places."""
    (flags,) = struct.unpack_from("<I", body)
    end = len(body) - (4 if flags & _CHECKSUM else 0)
    command: dict[str, Any] = {}
    sequences: dict[str, Any] = {}
    at = 4
    while at < end:
        section = body[at]
        (size,) = struct.unpack_from("<i", body, at + 1)
        part = body[at + 1 : at + 1 + size]
        if section == 0:
            command = bson.decode(part)
        elif section == 1:
            name, _, rest = part[4:].partition(b"\x00")
            sequences[name.decode()] = bson.decode_all(rest)
        else:
            raise ValueError(f"a section of kind {section} is not known")
        at += 1 + size
    return flags, command | sequences


def _query(body: bytes) -> dict[str, Any]:
    """The command of an OP_QUERY on a `$cmd` collection."""
    name, _, rest = body[4:].partition(b"\x00")
    database, _, collection = name.decode().partition(".")
    if collection != "$cmd":
        raise ValueError("only commands are understood in this old message")
    (size,) = struct.unpack_from("<i", rest, 8)
    command: dict[str, Any] = bson.decode(rest[8 : 8 + size])
    return {**command.get("$query", command), "$db": database}
