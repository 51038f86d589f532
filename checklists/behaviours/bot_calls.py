"""Speaking to the bots' API: as somebody who is there, and as a user made for one drill and taken away after it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from behaviours.ask import Answer, ask, environment_of
from behaviours.ask import signed as at_exchange

EDGE = "60"
"""Basis points that cover every cost of a small order."""
PEOPLE = {"admin": "admin", "user": "anna"}
"""A user of the desk for each role."""
LIFETIME = 600


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

    def say(self, sentence: str) -> Answer:
        """A sentence in the chat."""
        return self.send("/api/chat", {"message": sentence})

    def order(self, bot: str, side: str, quantity: str, *, edge: str = EDGE, key: str = "") -> Mapping[str, Any]:
        """What became of an order of a bot."""
        return self.ordered(bot, side, quantity, edge=edge, key=key).body

    def ordered(self, bot: str, side: str, quantity: str, *, edge: str = EDGE, key: str = "") -> Answer:
        """The same, with the status of the answer."""
        wish = {"side": side, "quantity": quantity, "edge_bps": edge, "key": key or f"golive-{secrets.token_hex(8)}"}
        return self.send(f"/api/bots/{bot}/orders", wish)


def signed(secret: str, *, role: str = "user", name: str = PEOPLE["user"], algorithm: str = "HS256", **claims: Any) -> str:
    """A JSON Web Token; a claim of None is left out."""
    now = int(time.time())
    told = {"sub": name, "role": role, "iat": now, "exp": now + LIFETIME, **claims}
    body = {key: value for key, value in told.items() if value is not None}
    text = f"{_packed({'alg': algorithm, 'typ': 'JWT'})}.{_packed(body)}"
    mark = "" if algorithm == "none" else _letters(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())
    return f"{text}.{mark}"


def token(home: str, role: str, name: str | None = None) -> str:
    """A token as the desk itself would sign it, for somebody who is there."""
    return signed(environment_of(f"{home}/desk.pid")["JWT_SECRET"], role=role, name=name or PEOPLE[role])


def bearer(value: str) -> Mapping[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {value}"}


def caller(api: str, home: str, name: str, role: str) -> Caller:
    """Somebody who is there, with a token as the desk itself signs it."""
    return Caller(api, name, token(home, role, name))


def administrator(api: str, home: str) -> Caller:
    """The administrator."""
    return chief_of(api, environment_of(f"{home}/desk.pid"))


def chief_of(api: str, environ: Mapping[str, str]) -> Caller:
    """The administrator of the desk that was started with this environment."""
    return caller_of(api, environ, "admin")


def caller_of(api: str, environ: Mapping[str, str], role: str, name: str = "") -> Caller:
    """Somebody of the desk that was started with this environment."""
    name = name or PEOPLE[role]
    return Caller(api, name, signed(environ["JWT_SECRET"], role=role, name=name))


@contextlib.contextmanager
def drill_user(chief: Caller, *, funding: str, max_trades_daily: int | None = None) -> Iterator[Caller]:
    """A user with paper money, registered and logged in; with all bots taken away at the end, whatever happened."""
    limit = {} if max_trades_daily is None else {"max_trades_daily": max_trades_daily}
    user = newcomer(chief, funding=funding, **limit)
    try:
        yield user
    finally:
        dismissed(chief, user.name)


def newcomer(chief: Caller, *, funding: str, **more: Any) -> Caller:
    """A user with paper money, registered and logged in; gone again if that does not work."""
    name, password = f"drill-{secrets.token_hex(5)}", secrets.token_urlsafe(18)
    wish = {"name": name, "password": password, **more}
    _must(ask("POST", f"{chief.api}/api/auth/register", wish), 201, "no user can be registered")
    try:
        _must(chief.send(f"/api/admin/users/{name}/funding", {"amount": funding}), 201, "the new user cannot be funded")
        login = ask("POST", f"{chief.api}/api/auth/login", {"name": name, "password": password})
        _must(login, 200, "the new user cannot log in")
    except BaseException:
        dismissed(chief, name)
        raise
    return Caller(chief.api, name, str(login.body["token"]))


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
    _must(made, 201, "no bot can be created")
    if start:
        user.send(f"/api/bots/{name}/start", {"reason": "drill"})
    return name


@contextlib.contextmanager
def documents(url: str) -> Iterator[Any]:
    """The database of a desk, as any other client sees it; times have their zone, `rows` makes amounts exact."""
    from bson.codec_options import CodecOptions
    from pymongo import MongoClient

    client: Any = MongoClient(url, serverSelectionTimeoutMS=3000, directConnection=True)
    try:
        database = client.get_default_database(default="desk", codec_options=CodecOptions(tz_aware=True))
        yield database
    finally:
        client.close()


def documents_of(home: str) -> contextlib.AbstractContextManager[Any]:
    """The database of the desk at this home, by the address that its process was started with."""
    return documents(environment_of(f"{home}/desk.pid")["MONGO_URL"])


def rows(database: Any, collection: str, **wanted: Any) -> list[dict[str, Any]]:
    """Documents with exact numbers."""
    return [_exact(row) for row in database[collection].find(wanted, {"_id": 0})]


def paper(home: str, exchange: str, target: str) -> Mapping[str, Any]:
    """What the paper exchange itself says, asked with the desk's key but not by the desk."""
    return paper_of(environment_of(f"{home}/desk.pid"), exchange, target)


def paper_of(environ: Mapping[str, str], exchange: str, target: str) -> Mapping[str, Any]:
    """The same, with the key in this environment."""
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


def _must(answer: Answer, status: int, trouble: str) -> None:
    if answer.status != status:
        raise RuntimeError(f"{trouble}: {answer.status} {answer.body.get('error', '')}")


def _packed(value: Any) -> str:
    return _letters(json.dumps(value, separators=(",", ":")).encode())


def _letters(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
