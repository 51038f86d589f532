"""The panel for people at /dashboard.html: mode, profit, positions, and the button that stops everything.

It asks the server that it came from and no other: its addresses have no host in them.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

_SCRIPT = """
async function refresh() {
  const told = await (await fetch('/api/dashboard', {cache: 'no-store'})).json();
  for (const name of ['mode', 'instance', 'commit', 'generated_at']) document.getElementById(name).textContent = told[name];
  for (const name of ['realized', 'unrealized', 'equity']) document.getElementById(name).textContent = 'R' + told.pnl[name];
  document.getElementById('stop').className = told.halted ? 'failed' : '';
}
document.getElementById('stop').onclick = () => fetch('/api/emergency-stop', {method: 'POST',
  headers: {'Content-Type': 'application/json'}, body: JSON.stringify({reason: 'button', by: 'dashboard'})}).then(refresh);
setInterval(refresh, 5000);
"""


def panel(told: Mapping[str, Any]) -> str:
    """The page with what is so now; its script keeps it so."""

    def cell(name: str, value: object) -> str:
        return f'<tr><th>{html.escape(name)}</th><td id="{html.escape(name)}">{html.escape(str(value))}</td></tr>'

    rows = [cell(name, told[name]) for name in ("mode", "instance", "commit", "generated_at")]
    rows += [cell(name, f"R{told['pnl'][name]}") for name in ("realized", "unrealized", "equity")]
    held = "".join(
        f"<tr><td>{html.escape(one['pair'])}</td><td>{one['quantity']}</td><td>R{one['unrealized']}</td></tr>"
        for one in told["positions"]
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Helios</title>'
        "<style>.failed{color:#b00}</style></head>"
        '<body data-api="/api/dashboard"><h1>Helios</h1>'
        f"<table>{''.join(rows)}</table>"
        f"<table><tr><th>pair</th><th>quantity</th><th>unrealized</th></tr>{held}</table>"
        f'<button id="stop" data-post="/api/emergency-stop">EMERGENCY STOP</button><script>{_SCRIPT}</script></body></html>\n'
    )
