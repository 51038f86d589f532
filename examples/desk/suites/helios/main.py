"""The bot's own program, as it is deployed: it reads .env beside it, finds its mode by the code under src, and tells both.

`python main.py` serves `/api/mode/current` on 127.0.0.1 at HELIOS_PORT (8100; 0 takes a free one) until SIGTERM, and keeps its
process id in bot.pid. It trades nothing by itself: trading goes through the desk.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
ORCHESTRATOR = HERE / "src" / "trading" / "orchestrator" / "mode_orchestrator.py"


def main() -> int:
    """Serve until the word comes; exit status 0."""
    values = dotenv(HERE / ".env")
    mode = orchestrator().mode_of(values)
    told = {
        "mode": mode.mode,
        "reason": mode.reason,
        "commit": (HERE / "COMMIT").read_text(encoding="ascii").strip(),
        "sources": {path.relative_to(HERE).as_posix(): digest(path) for path in sorted((HERE / "src").rglob("*.py"))},
        "pid": os.getpid(),
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }

    class Handler(BaseHTTPRequestHandler):
        """Answers the one question."""

        def do_GET(self) -> None:
            """The mode, or 404."""
            known = self.path == "/api/mode/current"
            body = json.dumps(told if known else {"error": "not found"}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *words: object) -> None:
            """Questions are no events."""

    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("HELIOS_PORT", "8100"))), Handler)
    pid = HERE / "bot.pid"
    signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=server.shutdown).start())
    pid.write_text(f"{os.getpid()}\n", encoding="ascii")
    say(f"INFO helios is up in mode {mode.mode} on port {server.server_address[1]}")
    try:
        server.serve_forever(poll_interval=0.05)
    finally:
        server.server_close()
        pid.unlink(missing_ok=True)
        say("INFO helios goes down")
    return 0


def orchestrator() -> ModuleType:
    """The module that decides the mode, from the deployed tree."""
    spec = importlib.util.spec_from_file_location("deployed_orchestrator", ORCHESTRATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def dotenv(path: Path) -> dict[str, str]:
    """The variables of .env."""
    pairs = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#")
    return {name: value for name, mark, value in pairs if mark}


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def say(text: str) -> None:
    """One line of the log."""
    print(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
