"""A user of one's own at the bots' API: registered, given paper money, and taken off again with its bots, whatever happened."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from behaviours.ask import Answer, ask, environment_of

ADMINISTRATOR = "admin"
SYMBOL = "BTCUSDT"
EDGE_BPS = "200"


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in."""

    api: str
    name: str
    token: str

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One call with this person's token."""
        return ask(method, self.api + path, body, {"Authorization": f"Bearer {self.token}"})

    def say(self, sentence: str) -> Answer:
        """A sentence in the chat."""
        return self.ask("POST", "/api/chat", {"message": sentence})

    def order(self, bot: str, side: str, quantity: str, edge_bps: str = EDGE_BPS) -> Answer:
        """An order of one of this person's bots."""
        wish = {"side": side, "quantity": quantity, "edge_bps": edge_bps, "key": f"golive-{secrets.token_hex(8)}"}
        return self.ask("POST", f"/api/bots/{bot}/orders", wish)


def sign_in(api: str, name: str, password: str) -> Session:
    """A session; RuntimeError if the desk does not give one."""
    answer = ask("POST", f"{api}/api/auth/login", {"name": name, "password": password})
    if answer.status != 200:
        raise RuntimeError(f"{name} cannot sign in: {answer.status} {answer.body.get('error', '')}")
    return Session(api, name, answer.body["token"])


def administrator(api: str, environ: Mapping[str, str]) -> Session:
    """The administrator, by the password in the environment of the desk."""
    return sign_in(api, ADMINISTRATOR, environ["ADMIN_PASSWORD"])


def administrator_at(api: str, home: str) -> Session:
    """The same, of the desk whose pid stands in this home folder."""
    return administrator(api, environment_of(f"{home}/desk.pid"))


@contextlib.contextmanager
def visitor(admin: Session, *, money: str = "1000") -> Iterator[Session]:
    """A new user with paper money; bots and user are gone at the end."""
    name, password = f"golive-{secrets.token_hex(4)}", secrets.token_urlsafe(18)
    _must(ask("POST", f"{admin.api}/api/auth/register", {"name": name, "password": password}), 201)
    try:
        _must(admin.ask("POST", f"/api/admin/users/{name}/funding", {"amount": money}), 201)
        yield sign_in(admin.api, name, password)
    finally:
        for bot in admin.ask("GET", "/api/bots").body["bots"]:
            if bot["user"] == name:
                admin.ask("POST", f"/api/bots/{bot['name']}/stop", {"reason": "end of the drill"})
                admin.ask("DELETE", f"/api/bots/{bot['name']}")
        _must(admin.ask("DELETE", f"/api/admin/users/{name}"), 200)


@contextlib.contextmanager
def books_of(environ: Mapping[str, str]) -> Iterator[Any]:
    """The document database of the desk with this environment, by a client of one's own."""
    from pymongo import MongoClient

    with MongoClient(environ["MONGO_URL"], serverSelectionTimeoutMS=3000, directConnection=True) as client:
        yield client.get_default_database()


def is_there(admin: Session, name: str) -> bool:
    """Whether the desk still knows this user."""
    return name in [user["name"] for user in admin.ask("GET", "/api/admin/users").body["users"]]


def create_bot(session: Session, *, capital: str = "400", symbol: str = SYMBOL) -> str:
    """A bot of this person; its name."""
    name = f"golive-{secrets.token_hex(4)}"
    _must(session.ask("POST", "/api/bots", {"name": name, "symbol": symbol, "capital": capital}), 201)
    return name


def _must(answer: Answer, status: int) -> None:
    if answer.status != status:
        raise RuntimeError(f"the desk answered {answer.status} where {status} was needed: {answer.body.get('error', '')}")
