"""A gate of its own on a second desk: six preflight items, three of the activation, and every way in which it must say no."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from behaviours.ask import get
from behaviours.scratch import Desk

_SETTINGS = """\
version: 1
activation_enabled: {enabled}
min_testnet_trades: 3
checklists: [second.yaml]
target: {{name: Second desk, demo: true}}
activation:
  answers: {{risk_state: second-act-risk, ess_inactive: second-act-ess, testnet_history: second-act-history}}
{extra}
"""

_ITEM = """\
- id: {id}
  title: {title}
  severity: critical
  phase: {phase}
  owner: drill
  source: {{document: "001", section: "{section}", line: {line}}}
  why: The drill needs an item that can be made to fail.
  fix: Look at the second desk.
  {probe}
  expect: {expect}
"""

_LOOKS = (
    ("second-preflight-health", "/health", "{status: 200, error_key: false, body.state: healthy}"),
    ("second-preflight-risk", "/risk", "{status: 200, body.state: OK, body.gate_loaded: true}"),
    ("second-preflight-exchanges", "/brokers", '{status: 200, "body.brokers[*].authenticated": {all: true}}'),
    ("second-preflight-stores", "/cache/health", "{status: 200, body.state: healthy}"),
    ("second-preflight-metrics", "/metrics", "{status: 200, text: {contains: desk_risk_state}}"),
    ("second-preflight-breakers", "/accounts", '{status: 200, "body.accounts[*].state": {all: active, len: {ge: 2}}}'),
)
PREFLIGHT = tuple(name for name, _, _ in _LOOKS)


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    exit: int
    output: str


def settings(*, enabled: bool = True, extra: str = "") -> str:
    """The golive.yaml of a second gate; `extra` are further lines below activation."""
    return _SETTINGS.format(enabled=str(enabled).lower(), extra=extra)


def checklist(second: Desk, *more: str) -> None:
    """Write the list of the second gate, with `more` items at its end."""
    items = [
        _item(name, "pre-deploy", f'http: {{url: "{second.api}{path}"}}', expect, section="STEP 2", line=74)
        for name, path, expect in _LOOKS
    ]
    history = "sqlite:///{home}/ledger.sqlite"
    query = "select entry_order_id from trades where environment = 'testnet' and state = 'closed'"
    activation = [
        ("second-act-risk", f'http: {{url: "{second.api}/risk"}}', "{status: 200, body.state: OK}"),
        ("second-act-ess", f'http: {{url: "{second.api}/ess"}}', "{status: 200, body.state: inactive}"),
        ("second-act-history", f'sql: {{url: "{history.format(home=second.home)}", query: "{query}"}}', "{count: {ge: 3}}"),
    ]
    items += [_item(name, "activation", probe, expect, section="STEP 3", line=113) for name, probe, expect in activation]
    head = "version: 1\nchecklist: {name: second, title: The second gate, owner: drill}\nitems:\n"
    Path(second.home, "second.yaml").write_text(head + "".join([*items, *more]), encoding="utf-8")


def golive(second: Desk, *words: str, config: str = "golive.yaml") -> Ran:
    """Run the `golive` command on the second desk; in this process, which is that of one check and ends with it."""
    from pytest_golive.cli import main

    said = io.StringIO()
    with contextlib.chdir(second.home), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main([*words, "--config", config])
    return Ran(status, said.getvalue())


def activate(second: Desk, *words: str, config: str = "golive.yaml") -> Ran:
    """`golive activate`, from a page if one is named."""
    return golive(second, "activate", *words, "--yes", "--operator", "drill", config=config)


def lines_of(output: str) -> dict[str, str]:
    """PASS, WARN or FAIL of each preflight item that the output of an activation names."""
    found = {}
    for line in output.splitlines():
        head, bar, rest = line.partition(" | ")
        name = rest.split(":")[0].strip()
        if bar and name.startswith("second-"):
            found[name] = head.split()[-1]
    return found


def went(second: Desk) -> dict[str, Any]:
    """Send one real order; what the desk says of it, whether the exchange has it, and the new lines of the log about it."""
    log = Path(second.home, "logs", "execution.log")
    read = log.stat().st_size if log.exists() else 0
    key, order = second.order()
    with log.open("rb") as stream:
        stream.seek(read)
        new = stream.read().decode("utf-8", "replace").splitlines()
    wanted = "[ORDER_SKIPPED] BUY BTCUSDT qty=0.0001 - GO-LIVE not activated"
    return {
        "state": order["state"],
        "gate": order["gate"],
        "at_exchange": second.at_exchange(key),
        "skip_lines": sum(wanted in line for line in new),
        "sent_lines": sum("[ORDER_FILLED]" in line for line in new),
    }


def journal(second: Desk) -> list[Mapping[str, Any]]:
    """The records of the second gate's journal, read without the gate's own code."""
    path = Path(second.home, "reports", "journal.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def pid_and_start(second: Desk) -> tuple[int, int]:
    """The process that trades, and when the kernel says that it began."""
    pid = int(Path(second.home, "desk.pid").read_text(encoding="ascii"))
    return pid, int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])


def alerts(second: Desk) -> list[Mapping[str, Any]]:
    """The alerts of the second desk, the newest first."""
    found: list[Mapping[str, Any]] = get(f"{second.api}/alerts").body["alerts"]
    return found


def item(name: str, phase: str, probe: str, expect: str) -> str:
    """The YAML of one more item."""
    return _item(name, phase, probe, expect, section="STEP 3", line=111)


def _item(name: str, phase: str, probe: str, expect: str, *, section: str, line: int) -> str:
    return _ITEM.format(
        id=name, title=name.replace("-", " "), phase=phase, probe=probe, expect=expect, section=section, line=line
    )
