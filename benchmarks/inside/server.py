"""A server on loopback that answers every check after a fixed time, and counts what it answered.

A process of its own, started as `python server.py MILLISECONDS`; it prints its port. Thousands of connections may wait at once.
It ends when its standard input is closed, so that it cannot outlive whoever started it.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import sys

served = 0


class Answer(asyncio.Protocol):
    """One connection: each request for /check/N is answered late, one for /served at once with the count since the last time."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            close = b"connection: close" in head.lower()
            if path == b"/served":
                self._count()
            else:
                body = b'{"state":"healthy","n":%d}' % int(path.rpartition(b"/")[2])
                asyncio.get_running_loop().call_later(self._delay, self._send, body, close)

    def _count(self) -> None:
        global served
        body = b"%d" % served
        served = -1
        self._send(body, close=True)

    def _send(self, body: bytes, close: bool) -> None:
        global served
        if self._transport.is_closing():
            return
        served += 1
        how = b"close" if close else b"keep-alive"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n"
        self._transport.write(head % (len(body), how) + body)
        if close:
            self._transport.close()


async def serve(delay: float) -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = await loop.create_server(lambda: Answer(delay), sock=listening, backlog=4096)
    print(listening.getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(serve(int(sys.argv[1]) / 1000))
