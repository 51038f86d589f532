"""Speaking to the bots' API: as somebody who is there, and as a user made for one drill and taken away after it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from behaviours.ask import Answer, ask, environment_of
from behaviours.ask import signed as at_exchange
from behaviours.bot_access import bearer, signed

EDGE = "60"
"""Basis points that cover every cost of a small order."""


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, at one API."""

    api: str
    name: str
    token: str

    def get(self, path: str) -> Answer:
        """What is told at this path."""
        return ask("GET", self.api + path, headers=bearer(self.token))

    def send(self, path: str, body: Mapping[str, Any] | None = None, *, method: str = "POST") -> Answer:
        """What is answered to a body."""
        return ask(method, self.api + path, {} if body is None else body, headers=bearer(self.token))

    def order(self, bot: str, side: str, quantity: str, *, edge: str = EDGE, key: str = "") -> Mapping[str, Any]:
        """What became of an order of a bot."""
        wish = {"side": side, "quantity": quantity, "edge_bps": edge, "key": key or f"golive-{secrets.token_hex(8)}"}
        return self.send(f"/api/bots/{bot}/orders", wish).body


def caller(api: str, home: str, name: str, role: str) -> Caller:
    """Somebody who is there, with a token as the desk itself signs it."""
    return Caller(api, name, signed(environment_of(f"{home}/desk.pid")["JWT_SECRET"], name=name, role=role))


def administrator(api: str, home: str) -> Caller:
    """The administrator."""
    return caller(api, home, "admin", "admin")


@contextlib.contextmanager
def drill_user(api: str, home: str, *, funding: str, max_trades_daily: int | None = None) -> Iterator[Caller]:
    """A user with paper money, registered and logged in; with all bots taken away at the end, whatever happened."""
    name, password = f"drill-{secrets.token_hex(5)}", secrets.token_urlsafe(18)
    chief = administrator(api, home)
    body: dict[str, Any] = {"name": name, "password": password}
    if max_trades_daily is not None:
        body["max_trades_daily"] = max_trades_daily
    answer = ask("POST", f"{api}/api/auth/register", body)
    if answer.status != 201:
        raise RuntimeError(f"no user can be registered: {answer.status} {answer.body.get('error', '')}")
    try:
        chief.send(f"/api/admin/users/{name}/funding", {"amount": funding})
        login = ask("POST", f"{api}/api/auth/login", {"name": name, "password": password})
        if login.status != 200:
            raise RuntimeError(f"the new user cannot log in: {login.status} {login.body.get('error', '')}")
        yield Caller(api, name, str(login.body["token"]))
    finally:
        dismissed(chief, name)


def dismissed(chief: Caller, name: str) -> bool:
    """Whether a user and all bots of that user are gone."""
    for bot in chief.get("/api/bots").body["bots"]:
        if bot["user"] == name:
            if bot["status"] not in ("created", "stopped"):
                chief.send(f"/api/bots/{bot['name']}/stop", {"reason": "the drill is over"})
            chief.send(f"/api/bots/{bot['name']}", method="DELETE")
    chief.send(f"/api/admin/users/{name}", method="DELETE")
    left = [row["name"] for row in chief.get("/api/admin/users").body["users"]]
    return name not in left and all(bot["user"] != name for bot in chief.get("/api/bots").body["bots"])


def bot(user: Caller, *, capital: str, start: bool = True, **more: Any) -> str:
    """The name of a new bot on BTCUSDT; RuntimeError if it cannot be made or started."""
    name = f"{user.name}-{secrets.token_hex(3)}"
    made = user.send("/api/bots", {"name": name, "symbol": "BTCUSDT", "capital": capital, **more})
    if made.status != 201:
        raise RuntimeError(f"no bot can be created: {made.status} {made.body.get('error', '')}")
    if start:
        user.send(f"/api/bots/{name}/start", {"reason": "drill"})
    return name


@contextlib.contextmanager
def documents(url: str) -> Iterator[Any]:
    """The desk's database, as any other client sees it; amounts are Decimal, times have their zone."""
    from bson.codec_options import CodecOptions
    from pymongo import MongoClient

    client: Any = MongoClient(url, serverSelectionTimeoutMS=3000, directConnection=True)
    try:
        database = client.get_default_database(default="desk", codec_options=CodecOptions(tz_aware=True))
        yield database
    finally:
        client.close()


def rows(database: Any, collection: str, **wanted: Any) -> list[dict[str, Any]]:
    """Documents with exact numbers."""
    return [_exact(row) for row in database[collection].find(wanted, {"_id": 0})]


def paper(home: str, exchange: str, target: str) -> Mapping[str, Any]:
    """What the paper exchange itself says, asked with the desk's key but not by the desk."""
    environ = environment_of(f"{home}/desk.pid")
    answer = at_exchange(exchange, target, environ["TESTNET_API_KEY"], environ["TESTNET_API_SECRET"])
    if answer.status != 200:
        raise RuntimeError(f"the paper exchange does not tell {target}: {answer.status} {answer.body.get('error', '')}")
    return answer.body


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_exact(part) for part in value]
    return value.to_decimal() if hasattr(value, "to_decimal") else value
