"""The observability dashboard: one page that loads itself again every five seconds and shows failed states in red."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from examples.desk import clock
from examples.desk.health import HEALTHY
from examples.desk.symbols import BROKERS

if TYPE_CHECKING:
    from examples.desk.service import Service

REFRESH = 5
"""Seconds after which the page loads itself again."""

_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{refresh}"><title>Trading desk</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem; color: #1d2530; background: #fff }}
table {{ border-collapse: collapse; margin-bottom: 1.5rem }} th, td {{ text-align: left; padding: .3rem 1.2rem .3rem 0 }}
.good {{ color: #14692f }} .failed {{ color: #fff; background: #b3141c; font-weight: 700; padding: 0 .5rem }}
</style></head><body>
<h1>Trading desk</h1><p>{mode}, as of <time>{at}</time></p>
{tables}
</body></html>
"""


def facts(desk: Service) -> dict[str, Any]:
    """What the page shows."""
    risk = desk.risk.assess(at_most_old=0.5)
    threads = desk.threads()
    failures = [row for row in desk.adoption.records() if row["state"] == "failed"]
    return {
        "generated_at": clock.now(),
        "refresh_seconds": REFRESH,
        "mode": desk.settings.mode,
        "brokers": [
            {"name": name, "state": found["state"], "age_seconds": found["age_seconds"], "checked_at": found["checked_at"]}
            for name, found in ((name, desk.broker_health[name].state()) for name in BROKERS)
        ],
        "adoption_failures": len(failures),
        "halted_threads": threads["halted"],
        "risk_state": risk.state,
        "ess_state": desk.stop_system.state()["state"],
        "stop_file_present": os.path.lexists(desk.settings.home.stop_file),
        "marker_present": os.path.lexists(desk.settings.home.marker),
        "services": {name: service["state"] for name, service in desk.health()["services"].items()},
    }


def page(found: Mapping[str, Any]) -> str:
    """The facts as HTML."""
    brokers = [(b["name"], b["state"], b["state"] == HEALTHY, f"{b['age_seconds']} s") for b in found["brokers"]]
    services = [(name, state, state == HEALTHY, "") for name, state in found["services"].items()]
    halted, failures = found["halted_threads"], found["adoption_failures"]
    safety = [
        ("Risk", found["risk_state"], found["risk_state"] == "OK", ""),
        ("Emergency stop", found["ess_state"], found["ess_state"] == "inactive", ""),
        ("Stop file", "present" if found["stop_file_present"] else "not present", not found["stop_file_present"], ""),
        ("Halted threads", ", ".join(halted) or "none", not halted, ""),
        ("Adoption failures", str(failures), failures == 0, ""),
    ]
    tables = _table("Brokers", brokers) + _table("Services", services) + _table("Safety", safety)
    return _PAGE.format(
        refresh=found["refresh_seconds"], mode=html.escape(found["mode"]), at=clock.iso(found["generated_at"]), tables=tables
    )


def _table(title: str, rows: Iterable[tuple[str, str, bool, str]]) -> str:
    cells = "".join(
        f'<tr><td>{html.escape(name)}</td><td><span class="{"good" if good else "failed"}">{html.escape(state)}</span></td>'
        f"<td>{html.escape(note)}</td></tr>\n"
        for name, state, good, note in rows
    )
    return f"<h2>{title}</h2>\n<table>\n{cells}</table>\n"
