"""The people whose bots trade: their roles, their passwords as bcrypt hashes, their accounts at the paper exchange, their money.

Paper money comes from the testnet's tap and is entered as a funding event, so that books and exchange begin with the same sum.
"""

from __future__ import annotations

import re
import uuid
from decimal import Decimal
from typing import Any, Protocol, final

from examples.desk.bots.store import Row, Store
from examples.desk.clock import Clock
from examples.desk.errors import DeskError
from examples.desk.symbols import CASH

ADMIN, USER = "admin", "user"
ROUNDS = 10
"""Work factor of bcrypt: 2^10 rounds for each guess."""
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 72

_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")


class Tap(Protocol):
    """Where paper money comes from."""

    def fund(self, account: str, asset: str, amount: Decimal) -> Any: ...


@final
class Users:
    """Everybody who may log in."""

    def __init__(self, store: Store, tap: Tap, *, now: Clock) -> None:
        self.store = store
        self._tap = tap
        self._now = now

    def create(self, name: str, password: str, *, role: str = USER, max_trades_daily: int | None = None) -> Row:
        """A new user without money; DeskError for a name or a password that will not do, Twin if the name is taken."""
        import bcrypt

        if not _NAME.fullmatch(name):
            raise DeskError("a user name is 2 to 40 small letters, digits and dashes", hint="for instance anna-2")
        if not SHORTEST_PASSWORD <= len(password.encode()) <= LONGEST_PASSWORD:
            raise DeskError(
                f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} bytes", hint="bcrypt looks at no more than 72"
            )
        row = {
            "name": name,
            "role": role,
            "password": bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode(),
            # its own at the exchange for each user that ever was, so that a name used again does not inherit
            "account": f"paper-{name}-{uuid.uuid4().hex[:8]}",
            "max_trades_daily": max_trades_daily,
            "created_at": self._now(),
        }
        self.store.add("users", row)
        return row

    def change_password(self, name: str, password: str) -> None:
        """Give a user another password."""
        import bcrypt

        self.store.change("users", {"name": name}, password=bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode())

    def known(self, name: str, password: str) -> Row:
        """The user with this password; DeskError, the same for both mistakes, if there is none."""
        import bcrypt

        row = self.store.one("users", name=name)
        # a hash is compared in any case, so that the time does not tell whether the name exists
        stored = row["password"] if row else "$2b$10$" + "." * 53
        if not bcrypt.checkpw(password.encode()[:LONGEST_PASSWORD], stored.encode()) or row is None:
            raise DeskError("name or password is wrong", hint="try again")
        return row

    def named(self, name: str) -> Row:
        """The user; DeskError if there is none."""
        row = self.store.one("users", name=name)
        if row is None:
            raise DeskError(f"there is no user {name}", hint="see /api/admin/users")
        return row

    def every(self) -> list[Row]:
        """All users."""
        return self.store.all("users")

    def fund(self, name: str, amount: Decimal) -> Row:
        """Paper money for a user, at the exchange and in the books."""
        user = self.named(name)
        if not 0 < amount <= 1_000_000:
            raise DeskError("funding is more than 0 and at most 1000000", hint=CASH)
        self._tap.fund(user["account"], CASH, amount)
        event = {
            "event_id": f"funding:{uuid.uuid4().hex}",
            "kind": "funding",
            "user": name,
            "amount": amount,
            "asset": CASH,
            "at": self._now(),
        }
        self.store.add("ledger_events", event)
        return event

    def funded(self, name: str) -> Decimal:
        """All paper money that a user was given."""
        return sum((row["amount"] for row in self.store.all("ledger_events", kind="funding", user=name)), Decimal(0))

    def remove(self, name: str) -> None:
        """Take a user off who has no bots any more; fills and events stay, as they are written once."""
        self.named(name)
        if self.store.all("bots", user=name):
            raise DeskError(f"{name} has bots", hint="stop and remove them first")
        self.store.remove("users", name=name)
