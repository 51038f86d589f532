"""The addresses of the upkeep: chat, reports, stored keys, what is watched, and the description of all addresses of the bots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, final

from examples.desk import clock, logs
from examples.desk.bots import commands
from examples.desk.bots.tokens import Bearer
from examples.desk.bots.upkeep import EVERY_HOURS, Upkeep
from examples.desk.bots.users import ADMIN
from examples.desk.bots.web import Door
from examples.desk.errors import DeskError
from examples.desk.web import Answer, Refused, Request, Routes, answer

_STATUS = {"done": 200, "asked": 200, "not-understood": 200, "refused": 403, "failed": 409}
_NAME = re.compile(r"\{(\w+)\}")


@final
class Counter:
    """Answers for one upkeep; who asks is found out at the door of the bots."""

    def __init__(self, upkeep: Upkeep, door: Door) -> None:
        self._upkeep = upkeep
        self._door = door

    def routes(self) -> Routes:
        """Every address of the upkeep, and before them those of the bots; all of them counted."""
        mine, admin = self._door.mine, self._door.admin
        told = (
            ("POST", "/api/chat", mine(self._chat)),
            ("GET", "/api/keys", mine(self._keys)),
            ("POST", "/api/keys", mine(self._keep)),
            ("GET", "/api/keys/{exchange}/check", mine(self._check)),
            ("DELETE", "/api/keys/{exchange}", mine(self._forget)),
            ("GET", "/api/reports/daily", admin(self._deliveries)),
            ("POST", "/api/reports/daily/send-test", admin(self._send_test)),
            ("GET", "/api/admin/alerts/rules", admin(self._rules)),
            ("GET", "/api/admin/tasks", admin(self._tasks)),
        )
        described: Mapping[str, Any] = {}
        own = ("GET", "/api/openapi.json", lambda request: answer(described))
        every: Routes = (own, *told, *self._door.routes())
        described = description(every)
        return self._upkeep.traffic.watched(every)

    def _chat(self, request: Request, who: Bearer) -> Answer:
        message = request.json().get("message")
        if not isinstance(message, str) or not message.strip():
            raise Refused(400, "message is what you want to say")
        reply = self._upkeep.router.say(commands.Person(name=who.name, role=who.role), message)
        told: dict[str, Any] = {
            "outcome": reply.outcome,
            "command": reply.command,
            "reply": reply.text,
            "facts": reply.facts,
            "checked_at": clock.now(),
        }
        if reply.token:
            told["confirmation"] = {"token": reply.token, "expires_at": reply.expires_at}
        return answer(told, _STATUS[reply.outcome])

    def _keys(self, request: Request, who: Bearer) -> Answer:
        rows = self._upkeep.vault.all_of(who.name)
        return answer({"keys": rows, "total": len(rows), "checked_at": clock.now()})

    def _keep(self, request: Request, who: Bearer) -> Answer:
        wish = request.json()
        exchange, key, secret = (wish.get(name) for name in ("exchange", "key", "secret"))
        if exchange not in self._upkeep.exchanges:
            raise Refused(400, f"exchange is one of {', '.join(self._upkeep.exchanges)}")
        if not isinstance(exchange, str) or not isinstance(key, str) or not isinstance(secret, str):
            raise Refused(400, "key and secret are texts")
        return answer(self._upkeep.vault.keep(who.name, exchange, key, secret), 201)

    def _check(self, request: Request, who: Bearer, exchange: str) -> Answer:
        if exchange not in self._upkeep.exchanges:
            raise Refused(404, f"there is no exchange {exchange}")
        return answer({**self._upkeep.check_key(who.name, exchange), "checked_at": clock.now()})

    def _forget(self, request: Request, who: Bearer, exchange: str) -> Answer:
        if not self._upkeep.vault.forget(who.name, exchange):
            raise Refused(404, f"there is no key for {exchange}")
        return answer({"exchange": exchange, "removed": True})

    def _deliveries(self, request: Request, who: Bearer) -> Answer:
        rows = self._upkeep.deliveries()
        return answer(
            {
                "deliveries": rows[-100:],
                "total": len(rows),
                "last_due": self._upkeep.reports.last_due(),
                "next_due": self._upkeep.reports.next_due(),
                "checked_at": clock.now(),
            }
        )

    def _send_test(self, request: Request, who: Bearer) -> Answer:
        try:
            return answer({**self._upkeep.reports.send_test(), "accepted": True, "checked_at": clock.now()})
        except DeskError as error:
            raise Refused(502, str(error)) from error

    def _tasks(self, request: Request, who: Bearer) -> Answer:
        workers = self._upkeep.workers
        told = {
            name: {"alive": worker.alive, "last_turn_at": worker.last_beat, "every_hours": EVERY_HOURS.get(name)}
            for name, worker in workers.items()
        }
        return answer({"tasks": told, "logs": logs.opened(), "checked_at": clock.now()})

    def _rules(self, request: Request, who: Bearer) -> Answer:
        return answer({"rules": self._upkeep.watch.rules(), "checked_at": clock.now()})


def description(routes: Routes) -> Mapping[str, Any]:
    """The addresses as OpenAPI 3.1; `x-role` is who is let in: admin, user, or anybody."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, action in routes:
        role = getattr(action, "role", "")
        entry: dict[str, Any] = {
            "x-role": role or "anybody",
            "responses": {"default": {"description": 'JSON; an error is {"error": "…"}'}},
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _NAME.findall(path)
            ],
        }
        if role:
            entry["security"] = [{"bearer": []}]
            entry["responses"]["401"] = {"description": "no token, or one that is not believed"}
        if role == ADMIN:
            entry["responses"]["403"] = {"description": "the token of a user who is no administrator"}
        paths.setdefault(path, {})[method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bots", "version": "1"},
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
        "paths": paths,
    }
