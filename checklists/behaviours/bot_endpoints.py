"""Do the addresses of document 003 answer whom they should, and nobody else? One look for all of them."""

from __future__ import annotations

from typing import Any

from behaviours.ask import Answer, ask
from behaviours.bot_calls import administrator, bearer, caller, signed

PATHS = {
    "summary": "/api/portfolio/summary",
    "profits": "/api/profits?period=daily",
    "countdown": "/api/countdown/status",
    "reconcile": "/api/ledger/reconcile",
    "integrity": "/api/ledger/verify-integrity",
    "limits": "/api/limits/config",
    "usage": "/api/limits/usage",
    "breakers": "/api/circuit-breaker/status",
}


def answers(api: str, home: str, user: str) -> dict[str, Any]:
    """For each address the answer to a user, and the statuses for a stranger and for somebody with a forged token."""
    who = caller(api, home, user, "user")
    forged = bearer(signed("f" * 64, name=user))
    facts: dict[str, Any] = {}
    for name, path in PATHS.items():
        answer = who.get(path)
        facts[name] = {
            "status": answer.status,
            "stranger": ask("GET", api + path).status,
            "forged": ask("GET", api + path, headers=forged).status,
            "error_key": bool(answer.body.get("error")),
            "body": _told(answer),
        }
    chief = administrator(api, home).get(PATHS["breakers"])
    facts["everybody"] = {"status": chief.status, "body": _told(chief)}
    return facts


def reinvestment(api: str, home: str, user: str) -> dict[str, Any]:
    """Facts on the status of the reinvestment, and on who may see it."""
    path = "/api/admin/reinvest/status"
    answer = administrator(api, home).get(path)
    return {
        "status": answer.status,
        "as_user": caller(api, home, user, "user").get(path).status,
        "stranger": ask("GET", api + path).status,
        "body": _told(answer),
    }


def _told(answer: Answer) -> dict[str, Any]:
    return dict(answer.body)
