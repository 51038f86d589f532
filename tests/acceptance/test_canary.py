"""A secret never stands in an output: planted wherever a target can leak it, looked for in everything a run leaves behind."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest

Make = Callable[..., str]


@pytest.fixture
def parrot() -> Iterator[str]:
    """A server that repeats whatever credentials it is sent, in its body and in its headers."""

    class Parrot(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = self.headers.get("Authorization", "none")
            body = f'{{"error": "bad credentials {told}", "echo": "{told}", "token": "{told}"}}'.encode()
            self.send_response(401)
            self.send_header("X-Debug", told)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def spellings(canary: str) -> list[str]:
    """The ways in which the canary might be written; a prefix of it is a leak too."""
    return [canary, canary[:8], quote(canary, safe=""), base64.b64encode(canary.encode()).decode()]


@pytest.mark.parametrize("arguments", [[], ["-v"], ["-vv", "--full-trace"], ["-n2"]], ids=" ".join)
def test_a_secret_is_nowhere(project: Any, make_item: Make, parrot: str, arguments: list[str]) -> None:
    """Whatever a probe meets, the secret stands neither on the terminal nor in any file of the run."""
    canary = f"cnry{secrets.token_hex(12)}/+="
    project.write(".env", f"BROKER_SECRET={canary}\nPLAIN=1\n")
    project.write("app.log", f"2026-11-21T10:00:00Z connecting with key {canary}\n")
    project.write(
        "checklists/leaks.py",
        LEAKS,
    )
    fails = "expect: {exit: 99}"
    project.checklist(
        make_item("one"),
        make_item(
            "echo",
            probe=f"http: {{url: '{parrot}/?api_key={quote(canary, safe='')}', bearer: BROKER_TOKEN}}",
            expect="expect: {status: 200, body.echo: nothing}",
        ),
        make_item("value", probe="env: {name: BROKER_TOKEN, secret: true}", expect="expect: {length: 1}"),
        make_item("careless", probe="env: {name: BROKER_TOKEN}", expect="expect: {value: other}"),
        make_item("dotenv", probe="dotenv: {path: .env, name: BROKER_SECRET, secret: true}", expect="expect: {length: 1}"),
        make_item("log", probe="log: {path: app.log, matches: {key: 'key'}}", expect="expect: {counts.key: 99}"),
        make_item(
            "command",
            probe="command: {run: [sh, -c, 'echo token=$BROKER_TOKEN; echo $BROKER_TOKEN >&2'], pass_env: [BROKER_TOKEN]}",
            expect=fails,
        ),
        make_item("python", probe="python: {call: 'leaks:look'}", expect="expect: {seen: other}"),
        make_item("raises", probe="python: {call: 'leaks:fails'}", expect="expect: {seen: other}"),
        make_item("file", probe="file: {path: app.log, format: text}", expect="expect: {text: other}"),
        make_item("program", probe="command: {run: ['/nowhere/prog', '--token=x']}", expect=fails),
    )
    env = {"BROKER_TOKEN": canary, "BROKER_SECRET": canary}
    run = project.gate("--junitxml=junit.xml", *arguments, env=env)
    assert run.word == "NO-GO"
    assert run.outcome("echo") == "failed"
    outputs = {"terminal": run.text}
    for path in [
        *project.root.rglob("*.xml"),
        *project.root.rglob("*.json"),
        *project.root.rglob("*.jsonl"),
        *project.root.rglob("report.html"),
    ]:
        outputs[str(path.relative_to(project.root))] = path.read_text(encoding="utf-8")
    page = next(content for name, content in outputs.items() if name.endswith("report.html"))
    outputs["payload"] = payload_of(page)
    assert len(outputs) >= 5
    for name, content in outputs.items():
        for spelling in spellings(canary):
            assert spelling not in content, (name, spelling)


def payload_of(page: str) -> str:
    """The signed statement that a page carries."""
    import json

    line = page.split('id="golive-evidence">')[1].split("</script>")[0].strip()
    return base64.b64decode(json.loads(line)["payload"]).decode()


def test_the_marker_holds_no_secret(project: Any) -> None:
    """The marker names digests and persons, and nothing of the environment."""
    canary = secrets.token_hex(16)
    assert project.gate(env={"BROKER_TOKEN": canary}).status == 0
    assert canary[:8] not in project.marker.read_text()
    assert canary[:8] not in (project.root / "reports/journal.jsonl").read_text()


LEAKS = """\
import os

def look():
    print(os.environ['BROKER_TOKEN'])
    return {'seen': 'it is ' + os.environ['BROKER_TOKEN'], 'nested': [{'password': os.environ['BROKER_TOKEN']}]}

def fails():
    raise ValueError('cannot use ' + os.environ['BROKER_TOKEN'])
"""
