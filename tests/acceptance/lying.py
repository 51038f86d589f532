"""A bench on which targets lie: a checklist of one item over a small server, script or file, judged as in every run."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pytest_golive import checklist
from pytest_golive.model import Finding, Item, Outcome, Witnesses
from pytest_golive.redaction import Redactor
from pytest_golive.trial import Surroundings, Trial

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
PASSED, FAILED, ERROR, NOT_RUN = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.NOT_RUN
HEADING = {"name": "lies", "title": "Lies", "owner": "platform"}
COMMON = {
    "title": "It tells the truth",
    "severity": "critical",
    "phase": "pre-deploy",
    "owner": "platform",
    "source": {"document": "000", "section": "1", "line": 1},
    "why": "a lie costs money",
    "fix": "see what is true",
}
Answer = tuple[int, Any]


def at(**ago: float) -> str:
    """The instant that long before the bench's clock, as text."""
    return (NOW - timedelta(**ago)).isoformat()


class Bench:
    """Judges items in a folder of its own, with an environment of its own and a clock that stands still."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"PATH": os.environ["PATH"]}
        self.allow_acting = False

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def script(self, name: str, text: str) -> str:
        return str(self.write(name, f"#!/bin/sh\n{text}\n", 0o755))

    def items(self, *written: Mapping[str, Any]) -> tuple[Item, ...]:
        """The items as the loader reads them; JSON is YAML."""
        items = [{"id": f"lie-{number}", **COMMON, **one} for number, one in enumerate(written)]
        path = self.write("checklists/lies.yaml", json.dumps({"version": 1, "checklist": HEADING, "items": items}))
        return checklist.load([path], root=self.root, variables={})[0].items

    def findings(self, *written: Mapping[str, Any]) -> list[Finding]:
        items = self.items(*written)
        trial = Trial(items, self._around())
        try:
            trial.begin([item.id for item in items])
            return [trial.finding(item.id) for item in items]
        finally:
            trial.close()

    def finding(self, probe: Mapping[str, Any], expect: Mapping[str, Any], **more: Any) -> Finding:
        return self.findings({**probe, "expect": expect, **more})[0]

    def outcome(self, probe: Mapping[str, Any], expect: Mapping[str, Any], **more: Any) -> Outcome:
        return self.finding(probe, expect, **more).outcome

    def _around(self) -> Surroundings:
        witnesses = Witnesses(
            roster=self.root / "golive.roster.toml", folder=self.root / "attestations", environment="production"
        )
        return Surroundings(
            root=self.root,
            environ=self.environ,
            now=lambda: NOW,
            redactor=Redactor.from_environment(self.environ),
            allow_acting=self.allow_acting,
            witnesses=witnesses,
        )


class Liar:
    """An HTTP server that answers by a function of method, path and headers: a status and what becomes JSON."""

    def __init__(self, answer: Callable[[str, str, Mapping[str, str]], Answer]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = answer(self.command, self.path, self.headers)
                body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain" if isinstance(content, str) else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = _reply

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
