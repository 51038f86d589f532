"""What the desk's API tells of its office."""

from __future__ import annotations

from typing import TYPE_CHECKING

from examples.desk import clock
from examples.desk.web import Answer, Refused, Request, Routes, answer

if TYPE_CHECKING:
    from examples.desk.service import Service


def routes(desk: Service) -> Routes:
    """The addresses of the office."""
    clerk = desk.clerk

    def told(**facts: object) -> Answer:
        return answer({**facts, "checked_at": clock.now()})

    def review(request: Request, number: str) -> Answer:
        by = request.json().get("by")
        if not number.isdecimal() or not isinstance(by, str) or not by.strip():
            raise Refused(400, "an anomaly has a number, and whoever looked at it a name: by")
        if not clerk.anomalies.review(int(number), by.strip()):
            raise Refused(404, f"no open anomaly {number}")
        return told(id=int(number), reviewer=by.strip())

    def decide(request: Request) -> Answer:
        wish = request.json()
        try:
            made = clerk.decisions.decide(*(str(wish.get(name, "")) for name in ("account", "symbol", "decision", "by")))
        except (ValueError, LookupError) as error:
            raise Refused(400, str(error.args[0])) from error
        return told(**made)

    return (
        ("GET", "/alerts", lambda request: told(alerts=clerk.alerts.all())),
        ("GET", "/anomalies", lambda request: told(anomalies=clerk.anomalies.all(), open=len(clerk.anomalies.open()))),
        ("POST", "/anomalies/{number}/review", review),
        ("GET", "/reviews", lambda request: told(reviews=clerk.reviews.all())),
        ("GET", "/protection", lambda request: told(protections=clerk.protection.standing())),
        ("GET", "/decisions", lambda request: told(decisions=clerk.decisions.all())),
        ("POST", "/decisions", decide),
        ("GET", "/activations", lambda request: told(events=clerk.lookout.events(), standing=clerk.lookout.standing())),
        *clerk.grafana.routes(),
    )
