"""The desk's HTTP API: JSON in, JSON out, times in ISO 8601 UTC, amounts as numbers with their exact decimal digits."""

from __future__ import annotations

import dataclasses
import os
import re
from decimal import Decimal
from typing import Any, final

from examples.desk import clock, dashboard, faults, metrics
from examples.desk.bots.upkeep_web import Counter
from examples.desk.bots.web import Door
from examples.desk.errors import BrokerError, DeskError
from examples.desk.gates import Intent
from examples.desk.guarding import ENVIRONMENT
from examples.desk.health import HEALTHY
from examples.desk.office.routes import routes as office
from examples.desk.routing.web import routes as routing
from examples.desk.service import SERVICES, Service
from examples.desk.symbols import ACCOUNTS, BROKERS, SYMBOLS, TESTNET, Account
from examples.desk.venues.routes import routes as venues
from examples.desk.web import Answer, Refused, Request, Routes, answer, page

_KEY = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_STATUS = {"filled": 200, "simulated": 200, "skipped": 409, "rejected": 409, "failed": 502, "unknown": 504}
_POSITIONS = (
    "SELECT p.account, p.environment, p.symbol, p.quantity, p.cost, r.amount AS reserved, p.opened_at FROM positions p"
    " LEFT JOIN reservations r ON r.reference = p.environment || ':' || p.account || ':' || p.symbol ORDER BY p.id"
)


@final
class Api:
    """Answers for one running desk."""

    def __init__(self, desk: Service) -> None:
        self._desk = desk

    def routes(self) -> Routes:
        """Every address of the desk."""
        return (
            ("GET", "/", self._index),
            ("GET", "/health", self._health),
            ("GET", "/services/{name}/health", self._service),
            ("GET", "/brokers", self._brokers),
            ("GET", "/brokers/{name}/health", self._broker),
            ("GET", "/cache/health", lambda request: answer(self._desk.cache_health())),
            ("GET", "/docstore/health", lambda request: answer(self._desk.docstore_health())),
            ("GET", "/adoption", self._adoption),
            ("GET", "/threads", lambda request: answer(self._desk.threads())),
            ("GET", "/capital", self._capital),
            ("GET", "/accounts", self._accounts),
            ("GET", "/accounts/{name}", lambda request, name: answer(self._account(_account(name)))),
            ("POST", "/accounts/{name}/faults", self._account_faults),
            ("GET", "/risk", self._risk),
            ("GET", "/ess", lambda request: answer(self._desk.stop_system.state())),
            ("POST", "/ess/trip", self._trip),
            ("POST", "/ess/reset", self._reset),
            ("GET", "/mode", self._mode),
            ("GET", "/orders", self._orders),
            ("POST", "/orders", self._order),
            ("GET", "/positions", self._positions),
            ("GET", "/trades", self._trades),
            ("GET", "/skips", self._skips),
            ("GET", "/metrics", lambda request: page(metrics.text(self._desk), "text/plain; version=0.0.4")),
            ("GET", "/dashboard", lambda request: page(dashboard.page(dashboard.facts(self._desk)), "text/html")),
            ("GET", "/dashboard.json", lambda request: answer(dashboard.facts(self._desk))),
            *routing(self._desk),
            *venues(self._desk),
            *office(self._desk),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._fault),
            *Counter(self._desk.upkeep, Door(self._desk.floor)).routes(),
        )

    def _index(self, request: Request) -> Answer:
        return answer({"desk": "embedded trading desk", "endpoints": [f"{method} {path}" for method, path, _ in self.routes()]})

    def _health(self, request: Request) -> Answer:
        found = self._desk.health()
        return answer(found, 200 if found["state"] == HEALTHY else 503)

    def _service(self, request: Request, name: str) -> Answer:
        if name not in SERVICES:
            raise Refused(404, f"no service {name}; there are {', '.join(SERVICES)}")
        found = self._desk.service_health(name)
        return answer(found, 200 if found["state"] == HEALTHY else 503)

    def _brokers(self, request: Request) -> Answer:
        return answer({"brokers": [self._desk.broker_health[name].state() for name in BROKERS], "checked_at": clock.now()})

    def _broker(self, request: Request, name: str) -> Answer:
        if name not in self._desk.broker_health:
            raise Refused(404, f"no broker {name}; there are {', '.join(self._desk.broker_health)}")
        return answer(self._desk.broker_health[name].state())

    def _adoption(self, request: Request) -> Answer:
        records = self._desk.adoption.records()
        failures = [
            {key: row[key] for key in ("account", "broker", "reason", "at")} for row in records if row["state"] == "failed"
        ]
        return answer({"failures": failures, "accounts": len(ACCOUNTS), "records": records, "checked_at": clock.now()})

    def _capital(self, request: Request) -> Answer:
        try:
            standings = [self._standing(name) for name in ACCOUNTS]
        except BrokerError as error:
            raise Refused(502, f"the capital cannot be told: {error.message}") from error
        required = self._desk.settings.capital_buffer
        return answer({"accounts": standings, "buffer_required": required, "checked_at": clock.now()})

    def _standing(self, name: str) -> dict[str, Any]:
        return dataclasses.asdict(self._desk.capital.standing(name))

    def _accounts(self, request: Request) -> Answer:
        return answer({"accounts": [self._account(account) for account in ACCOUNTS.values()], "checked_at": clock.now()})

    def _account(self, account: Account) -> dict[str, Any]:
        environment = TESTNET if account.drill or self._desk.settings.testnet_only else "live"
        breaker = self._desk.isolation.breaker(account.name)
        venue = self._desk.capital.venue(account, environment)
        try:
            balances, reason = dict(venue.balances(account.name)), ""
        except BrokerError as error:
            balances, reason = None, error.message
        rows = self._desk.ledger.rows("SELECT state, count(*) AS n FROM orders WHERE account = ? GROUP BY state", account.name)
        return {
            "account": account.name,
            "broker": account.broker,
            "kind": "drill" if account.drill else "live",
            "environment": environment,
            "venue": {"name": venue.name, "url": venue.url},
            "profile": account.profile,
            "state": "active" if breaker["state"] == "closed" else "quarantined",
            "breaker": breaker,
            "orders": {row["state"]: row["n"] for row in rows},
            "balances": balances,
            "reason": reason,
            "checked_at": clock.now(),
        }

    def _account_faults(self, request: Request, name: str) -> Answer:
        account, wish = _account(name), request.json()
        if not account.drill:
            raise Refused(403, f"{name} is no drill account; nothing is broken on purpose where real money is")
        failures = wish.get("failures")
        if not isinstance(failures, int) or isinstance(failures, bool) or not 0 <= failures <= 20:
            raise Refused(400, "failures is how many of the account's next orders are refused: 0 to 20")
        self._desk.neighbours.steer(TESTNET, refuse=name, failures=failures)
        return answer({"account": name, "failures": failures, "checked_at": clock.now()})

    def _risk(self, request: Request) -> Answer:
        found = self._desk.risk.assess()
        gates = self._desk.orders.gates
        limits = dataclasses.asdict(self._desk.risk.limits)
        return answer({**dataclasses.asdict(found), "gate_loaded": "risk" in gates, "gates": gates, "limits": limits})

    def _trip(self, request: Request) -> Answer:
        self._desk.stop_system.trip(_reason(request))
        return answer(self._desk.stop_system.state())

    def _reset(self, request: Request) -> Answer:
        self._desk.stop_system.reset(_reason(request))
        return answer(self._desk.stop_system.state())

    def _mode(self, request: Request) -> Answer:
        settings, home = self._desk.settings, self._desk.settings.home
        permission = self._desk.guard.allows()
        return answer(
            {
                "mode": settings.mode,
                "dry_run_mode": settings.dry_run,
                "live_capital_verified": settings.capital_verified,
                "app_store_mode": settings.app_store_mode,
                "is_live": settings.kraken_live,
                "environment": ENVIRONMENT,
                "stop_file": {"path": str(home.stop_file), "present": os.path.lexists(home.stop_file)},
                "marker": {"path": str(home.marker), "present": os.path.lexists(home.marker)},
                "guard": {"allowed": permission.allowed, "reason": permission.reason, "activation": permission.activation},
                "checked_at": clock.now(),
            }
        )

    def _orders(self, request: Request) -> Answer:
        return self._list(request, "orders", "SELECT * FROM orders ORDER BY id DESC LIMIT ?")

    def _positions(self, request: Request) -> Answer:
        return answer({"positions": [_exact(row) for row in self._desk.ledger.rows(_POSITIONS)], "checked_at": clock.now()})

    def _trades(self, request: Request) -> Answer:
        return self._list(request, "trades", "SELECT * FROM trades ORDER BY id DESC LIMIT ?")

    def _skips(self, request: Request) -> Answer:
        return self._list(request, "skips", "SELECT * FROM skips ORDER BY id DESC LIMIT ?")

    def _list(self, request: Request, name: str, query: str) -> Answer:
        limit = request.query.get("limit", "100")
        if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
            raise Refused(400, "limit is a number from 1 to 1000")
        row = self._desk.ledger.row(f"SELECT count(*) AS n FROM {name}")
        rows = [_exact(found) for found in self._desk.ledger.rows(query, int(limit))]
        return answer({name: rows, "total": row["n"] if row else 0, "checked_at": clock.now()})

    def _order(self, request: Request) -> Answer:
        intent = _intent(request)
        try:
            order = self._desk.submit(intent)
        except DeskError as error:
            raise Refused(503, str(error)) from error
        same = (order["account"], order["symbol"], order["side"], order["quantity"])
        if order["replayed"] and same != (intent.account, intent.symbol, intent.side, intent.quantity):
            raise Refused(422, f"the key {intent.key} was used for another order")
        return answer(order, _STATUS.get(order["state"], 500))

    def _faults(self, request: Request) -> Answer:
        return answer(
            {"allowed": self._desk.settings.faults_allowed, "names": faults.names(), "on": faults.switched_on(self._desk)}
        )

    def _fault(self, request: Request) -> Answer:
        if not self._desk.settings.faults_allowed:
            raise Refused(403, "this desk was started without faults")
        wish = request.json()
        name, on = wish.get("name"), wish.get("on")
        if not isinstance(name, str) or not isinstance(on, bool):
            raise Refused(400, "a fault has a name, and on: true or false")
        try:
            faults.switch(self._desk, name, on=on)
        except LookupError as error:
            raise Refused(404, str(error.args[0])) from error
        except DeskError as error:
            raise Refused(409, str(error)) from error
        return answer({"name": name, "on": on, "checked_at": clock.now()})


def _account(name: str) -> Account:
    if name not in ACCOUNTS:
        raise Refused(404, f"no account {name}; there are {', '.join(ACCOUNTS)}")
    return ACCOUNTS[name]


def _reason(request: Request) -> str:
    reason = request.json().get("reason")
    if not isinstance(reason, str) or not reason.strip() or len(reason) > 200:
        raise Refused(400, "a reason of at most 200 letters is needed")
    return reason.strip()


def _intent(request: Request) -> Intent:
    wish = request.json()
    unknown = set(wish) - {"account", "symbol", "side", "quantity", "testnet", "key"}
    if unknown:
        raise Refused(400, f"an order has no {', '.join(sorted(unknown))}")
    account = _account(str(wish.get("account", "")))
    symbol, side, testnet = str(wish.get("symbol", "")), wish.get("side"), wish.get("testnet", False)
    if symbol not in SYMBOLS:
        raise Refused(400, f"symbol is one of {', '.join(SYMBOLS)}")
    if side not in ("BUY", "SELL"):
        raise Refused(400, "side is BUY or SELL")
    if not isinstance(testnet, bool):
        raise Refused(400, "testnet is true or false")
    key = wish.get("key", request.headers.get("idempotency-key", ""))
    if key != "" and not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise Refused(400, "key is at most 64 letters, digits, dots, colons and dashes")
    return Intent(
        account=account.name, symbol=symbol, side=side, quantity=_quantity(wish.get("quantity"), symbol), testnet=testnet, key=key
    )


def _quantity(value: Any, symbol: str) -> Decimal:
    step = SYMBOLS[symbol].step
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not 0 < value < 1_000_000 or Decimal(value) % step:
        raise Refused(400, f"quantity is more than 0, in steps of {step}")
    return Decimal(value)


def _exact(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the ledger with its amounts as numbers."""
    amounts = ("quantity", "price", "fee", "cost", "reserved", "entry_value", "exit_value", "fees", "profit")
    return {name: Decimal(value) if name in amounts and value is not None else value for name, value in row.items()}
