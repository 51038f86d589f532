"""The HTTP API of document 003, under its own paths. All but the health check and the login need a bearer token."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar, final

from examples.desk import clock
from examples.desk.bots import tokens
from examples.desk.bots.floor import Floor
from examples.desk.bots.lifecycle import Forbidden
from examples.desk.bots.pipeline import FAILED, FILLED, REJECTED, UNKNOWN, Order
from examples.desk.bots.store import Row, Twin, Unreachable
from examples.desk.bots.users import ADMIN, USER
from examples.desk.errors import BrokerError, DeskError
from examples.desk.symbols import SYMBOLS
from examples.desk.web import Action, Answer, Refused, Request, Routes, answer

_T = TypeVar("_T")
_KEY = re.compile(r"[A-Za-z0-9._:-]{8,64}")
_STATUS = {FILLED: 200, REJECTED: 409, FAILED: 502, UNKNOWN: 504}
_LIMITS = (
    "MAX_TRADES_PER_BOT_DAILY",
    "MAX_TRADES_PER_USER_DAILY",
    "BURST_LIMIT_ORDERS_PER_EXCHANGE",
    "BURST_LIMIT_WINDOW_SECONDS",
    "MAX_DRAWDOWN_PERCENT",
    "MAX_DAILY_LOSS_PERCENT",
    "MAX_CONSECUTIVE_LOSSES",
    "MAX_ERRORS_PER_HOUR",
    "MIN_EDGE_BPS",
    "SAFETY_MARGIN_BPS",
    "SLIPPAGE_BUFFER_BPS",
)
_REINVESTMENT = ("REINVEST_THRESHOLD", "REINVEST_TOP_N", "REINVEST_PERCENTAGE", "DAILY_REINVEST_TIME")


@final
@dataclass(frozen=True, slots=True)
class Protected:
    """An address that lets only a role in, and says which."""

    role: str
    action: Callable[..., Answer]

    def __call__(self, request: Request, **names: str) -> Answer:
        return self.action(request, **names)


@final
class Door:
    """Answers for one floor; every answer to a stranger is 401, to a user who may not 403."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def routes(self) -> Routes:
        """Every address of the bots."""
        mine, admin = self.mine, self.admin
        return (
            ("GET", "/api/health/ping", self._ping),
            ("POST", "/api/auth/register", self._register),
            ("POST", "/api/auth/login", self._login),
            ("GET", "/api/auth/me", mine(self._me)),
            ("GET", "/api/portfolio/summary", mine(self._summary)),
            ("GET", "/api/profits", mine(self._profits)),
            ("GET", "/api/countdown/status", mine(self._countdown)),
            ("GET", "/api/ledger/reconcile", mine(self._reconcile)),
            ("GET", "/api/ledger/verify-integrity", mine(self._integrity)),
            ("GET", "/api/ledger/fills", mine(self._fills)),
            ("DELETE", "/api/ledger/fills/{number}", admin(self._immutable)),
            ("PUT", "/api/ledger/fills/{number}", admin(self._immutable)),
            ("GET", "/api/limits/config", mine(self._limits)),
            ("GET", "/api/limits/usage", mine(self._usage)),
            ("GET", "/api/circuit-breaker/status", mine(self._breakers)),
            ("GET", "/api/bots", mine(self._bots)),
            ("POST", "/api/bots", mine(self._create)),
            ("GET", "/api/bots/{name}", mine(self._bot)),
            ("DELETE", "/api/bots/{name}", mine(self._remove)),
            ("POST", "/api/bots/{name}/orders", mine(self._order)),
            ("POST", "/api/bots/{name}/breaker/reset", mine(self._reset)),
            ("POST", "/api/bots/{name}/promote", admin(self._promote)),
            ("POST", "/api/bots/{name}/{word}", mine(self._turn)),
            ("GET", "/api/admin/users", admin(self._users)),
            ("POST", "/api/admin/users/{name}/funding", admin(self._fund)),
            ("DELETE", "/api/admin/users/{name}", admin(self._dismiss)),
            ("GET", "/api/admin/reinvest/status", admin(self._reinvestment)),
            ("POST", "/api/admin/reinvest/trigger", admin(self._trigger)),
            ("POST", "/api/admin/paper-market", admin(self._market)),
        )

    def bearer(self, request: Request) -> tokens.Bearer:
        """Whom the request speaks for; Refused 401 without a token that is believed, or of a user who is gone."""
        self._refuse_closed(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "send Authorization: Bearer and a token")
        try:
            found = tokens.read(self._floor.environ.get("JWT_SECRET", ""), token.strip(), now=self._floor.now())
            self._floor.users.named(found.name)
        except Unreachable as error:
            raise Refused(503, str(error)) from error
        except DeskError as error:
            raise Refused(401, error.message) from error
        return found

    def _refuse_closed(self, request: Request) -> None:
        if request.path in self._floor.closed:
            raise Refused(503, "this address is closed for a drill")

    def mine(self, action: Callable[..., Answer]) -> Action:
        """An address for whoever is signed in; the action gets the bearer too."""
        return Protected(USER, lambda request, **names: _done(lambda: action(request, self.bearer(request), **names)))

    def admin(self, action: Callable[..., Answer]) -> Action:
        """An address for administrators."""

        def checked(request: Request, **names: str) -> Answer:
            who = self.bearer(request)
            if who.role != ADMIN:
                raise Refused(403, "this is for administrators")
            return _done(lambda: action(request, who, **names))

        return Protected(ADMIN, checked)

    def _ping(self, request: Request) -> Answer:
        from pymongo.errors import PyMongoError

        self._refuse_closed(request)

        try:
            good, reason = self._floor.store.database.command("ping")["ok"] == 1, ""
        except PyMongoError as error:
            good, reason = False, type(error).__name__
        told = {"status": "ok" if good else "degraded", "database": "ok" if good else reason, "checked_at": clock.now()}
        return answer(told, 200 if good else 503)

    def _register(self, request: Request) -> Answer:
        wish = request.json()
        name, password = str(wish.get("name", "")), str(wish.get("password", ""))
        limit = wish.get("max_trades_daily")
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise Refused(400, "max_trades_daily is a whole number of at least 1")
        row = _done(lambda: self._floor.users.create(name, password, max_trades_daily=limit))
        return answer({"name": row["name"], "role": row["role"], "created_at": row["created_at"]}, 201)

    def _login(self, request: Request) -> Answer:
        wish = request.json()
        try:
            user = self._floor.users.known(str(wish.get("name", "")), str(wish.get("password", "")))
        except DeskError as error:
            raise Refused(401, error.message) from error
        now, secret = self._floor.now(), self._floor.environ.get("JWT_SECRET", "")
        token = _done(lambda: tokens.mint(secret, name=user["name"], role=user["role"], now=now))
        return answer({"token": token, "token_type": "Bearer", "expires_at": now + tokens.LIFETIME, "role": user["role"]})

    def _me(self, request: Request, who: tokens.Bearer) -> Answer:
        return answer({"name": who.name, "role": who.role, "expires_at": who.expires_at, "checked_at": clock.now()})

    def _summary(self, request: Request, who: tokens.Bearer) -> Answer:
        return answer(self._floor.portfolio.summary(self._subject(request, who)))

    def _profits(self, request: Request, who: tokens.Bearer) -> Answer:
        return answer(self._floor.portfolio.profits(self._subject(request, who), request.query.get("period", "daily")))

    def _countdown(self, request: Request, who: tokens.Bearer) -> Answer:
        now = self._floor.now()
        report = now.replace(
            hour=self._floor.terms.report_at.hour, minute=self._floor.terms.report_at.minute, second=0, microsecond=0
        )
        moments = {
            "reinvestment": self._floor.reinvestment.next_run,
            "report": report if report > now else report + timedelta(days=1),
            "limits_reset": (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0),
        }
        told = {name: {"at": at, "seconds": int((at - now).total_seconds())} for name, at in moments.items()}
        return answer({**told, "checked_at": now})

    def _reconcile(self, request: Request, who: tokens.Bearer) -> Answer:
        names = [row["name"] for row in self._floor.users.every()] if who.role == ADMIN else [who.name]
        names = [name for name in names if self._floor.users.funded(name)]
        told = [self._floor.portfolio.reconcile(name) for name in names]
        return answer({"users": told, "checked": len(told), "checked_at": clock.now()})

    def _integrity(self, request: Request, who: tokens.Bearer) -> Answer:
        return answer(self._floor.portfolio.integrity())

    def _fills(self, request: Request, who: tokens.Bearer) -> Answer:
        rows = self._floor.store.all("fills_ledger", user=self._subject(request, who))
        return answer({"fills": rows[-500:], "total": len(rows), "checked_at": clock.now()})

    def _immutable(self, request: Request, who: tokens.Bearer, number: str) -> Answer:
        wanted = {"number": int(number) if number.isdecimal() else 0}
        if request.method == "DELETE":
            self._floor.store.remove("fills_ledger", **wanted)
        else:
            self._floor.store.change("fills_ledger", wanted, **request.json())
        return answer({"number": number})

    def _limits(self, request: Request, who: tokens.Bearer) -> Answer:
        named = self._floor.terms.named()
        told = {name: named[name] for name in _LIMITS}
        return answer({"limits": told, "required_edge_bps": self._floor.pipeline.required_edge_bps, "checked_at": clock.now()})

    def _usage(self, request: Request, who: tokens.Bearer) -> Answer:
        user, terms = self._subject(request, who), self._floor.terms
        bots = [
            {
                "bot": bot["name"],
                "used": self._floor.pipeline.usage(user=user, bot=bot["name"])["bot_today"],
                "limit": min(terms.max_trades_per_bot, bot.get("max_trades_daily") or terms.max_trades_per_bot),
            }
            for bot in self._floor.life.every(user)
        ]
        used = self._floor.pipeline.usage(user=user)
        return answer(
            {
                "user": {"name": user, "used": used["user_today"], "limit": terms.max_trades_per_user},
                "burst": {"used": used["burst"], "limit": terms.burst_orders, "window_seconds": terms.burst_seconds},
                "bots": bots,
                "checked_at": clock.now(),
            }
        )

    def _breakers(self, request: Request, who: tokens.Bearer) -> Answer:
        wanted = {} if who.role == ADMIN else {"user": who.name}
        bots = self._floor.life.every(wanted.get("user"))
        told = []
        for bot in bots:
            measures, trip = self._floor.breaker.measures(bot), self._floor.breaker.open_trip(bot["name"])
            told.append(
                {
                    "bot": bot["name"],
                    "state": "open" if trip else "closed",
                    "rule": trip["rule"] if trip else "",
                    "drawdown": measures.drawdown,
                    "daily_loss": measures.daily_loss,
                    "consecutive_losses": measures.consecutive_losses,
                    "errors_last_hour": measures.errors_last_hour,
                }
            )
        open_ones = [one["bot"] for one in told if one["state"] == "open"]
        return answer(
            {"bots": told, "tripped": open_ones, "trips": self._floor.breaker.trips(**wanted)[-100:], "checked_at": clock.now()}
        )

    def _bots(self, request: Request, who: tokens.Bearer) -> Answer:
        rows = self._floor.life.every(None if who.role == ADMIN else who.name)
        return answer({"bots": rows, "total": len(rows), "checked_at": clock.now()})

    def _create(self, request: Request, who: tokens.Bearer) -> Answer:
        wish = request.json()
        unknown = set(wish) - {"name", "symbol", "capital", "strategy", "max_trades_daily"}
        if unknown:
            raise Refused(400, f"a bot has no {', '.join(sorted(unknown))}")
        bot = self._floor.life.create(
            who.name,
            str(wish.get("name", "")),
            symbol=str(wish.get("symbol", "")),
            capital=_amount(wish.get("capital"), "capital"),
            strategy=_strategy(wish.get("strategy")),
            max_trades_daily=_count(wish.get("max_trades_daily")),
        )
        return answer(bot, 201)

    def _bot(self, request: Request, who: tokens.Bearer, name: str) -> Answer:
        bot = self._own(who, name)
        worker, runner = self._floor.workers["bots"], self._floor.runner
        beat = {"turns": runner.turns, "alive": worker.alive, "last_turn_at": worker.last_beat}
        filled = len(self._floor.store.all("fills_ledger", bot=name))
        return answer({**bot, "fills": filled, "runner": beat, "checked_at": clock.now()})

    def _turn(self, request: Request, who: tokens.Bearer, name: str, word: str) -> Answer:
        if word not in ("start", "pause", "resume", "stop"):
            raise Refused(404, f"a bot cannot {word}")
        self._own(who, name)
        return answer(self._floor.life.turn(name, word, by=who.name, reason=str(request.json().get("reason", ""))[:200]))

    def _promote(self, request: Request, who: tokens.Bearer, name: str) -> Answer:
        return answer(self._floor.life.promote(name, by=who.name))

    def _remove(self, request: Request, who: tokens.Bearer, name: str) -> Answer:
        self._own(who, name)
        self._floor.life.remove(name)
        return answer({"name": name, "removed": True})

    def _order(self, request: Request, who: tokens.Bearer, name: str) -> Answer:
        bot, wish = self._own(who, name), request.json()
        key, side = wish.get("key"), wish.get("side")
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise Refused(400, "key is 8 to 64 letters, digits, dots, colons and dashes")
        if side not in ("BUY", "SELL"):
            raise Refused(400, "side is BUY or SELL")
        quantity = _amount(wish.get("quantity"), "quantity")
        if quantity % SYMBOLS[bot["symbol"]].step:
            raise Refused(400, f"quantity comes in steps of {SYMBOLS[bot['symbol']].step}")
        edge = _amount(wish.get("edge_bps", 0), "edge_bps", zero=True)
        order = self._floor.pipeline.take(Order(bot=name, side=side, quantity=quantity, edge_bps=edge, key=key))
        return answer(order, _STATUS.get(order["state"], 202))

    def _reset(self, request: Request, who: tokens.Bearer, name: str) -> Answer:
        self._own(who, name)
        reason = str(request.json().get("reason", "")).strip()
        if not reason:
            raise Refused(400, "a reason is needed")
        self._floor.breaker.reset(name, by=who.name, reason=reason[:200])
        return answer({"bot": name, "state": "closed", "checked_at": clock.now()})

    def _users(self, request: Request, who: tokens.Bearer) -> Answer:
        shown = ("name", "role", "account", "max_trades_daily", "created_at")
        rows = [{name: row.get(name) for name in shown} for row in self._floor.users.every()]
        return answer({"users": rows, "total": len(rows), "checked_at": clock.now()})

    def _fund(self, request: Request, who: tokens.Bearer, name: str) -> Answer:
        event = self._floor.users.fund(name, _amount(request.json().get("amount"), "amount"))
        return answer({key: event[key] for key in ("event_id", "kind", "user", "amount", "asset", "at")}, 201)

    def _dismiss(self, request: Request, who: tokens.Bearer, name: str) -> Answer:
        self._floor.users.remove(name)
        return answer({"name": name, "removed": True})

    def _reinvestment(self, request: Request, who: tokens.Bearer) -> Answer:
        named, worker = self._floor.terms.named(), self._floor.workers["reinvestment"]
        next_run, now = self._floor.reinvestment.next_run, self._floor.now()
        return answer(
            {
                "settings": {name: named[name] for name in _REINVESTMENT},
                "running": worker.alive,
                "last_beat": worker.last_beat,
                "next_run": next_run,
                "next_run_time": next_run.strftime("%H:%M"),
                "seconds_until_next_run": int((next_run - now).total_seconds()),
                "last": self._floor.reinvestment.last(),
                "checked_at": now,
            }
        )

    def _trigger(self, request: Request, who: tokens.Bearer) -> Answer:
        user = request.json().get("user")
        return answer(self._floor.reinvestment.cycle(by=who.name, user=None if user is None else str(user)))

    def _market(self, request: Request, who: tokens.Bearer) -> Answer:
        """Move the paper exchange's prices, as a scenario wants it; nothing with real money trades there."""
        factor = _amount(request.json().get("factor"), "factor")
        if not Decimal("0.5") <= factor <= 2:
            raise Refused(400, "factor is from 0.5 to 2; 1 is the market itself")
        self._floor.scenario(factor)
        return answer({"factor": factor, "checked_at": clock.now()})

    def _subject(self, request: Request, who: tokens.Bearer) -> str:
        """Whose figures are asked for: one's own, or for an administrator anybody's."""
        name = request.query.get("user", who.name)
        if name != who.name and who.role != ADMIN:
            raise Refused(403, "these are somebody else's figures")
        return str(self._floor.users.named(name)["name"])

    def _own(self, who: tokens.Bearer, name: str) -> Row:
        bot = self._floor.life.named(name)
        if bot["user"] != who.name and who.role != ADMIN:
            raise Refused(403, "this is somebody else's bot")
        return bot


def _done(action: Callable[[], _T]) -> _T:
    try:
        return action()
    except (Twin, Forbidden) as error:
        raise Refused(409, str(error)) from error
    except Unreachable as error:
        raise Refused(503, str(error)) from error
    except BrokerError as error:
        raise Refused(502, str(error)) from error
    except DeskError as error:
        raise Refused(404 if error.message.startswith("there is no") else 422, str(error)) from error


def _amount(value: Any, name: str, *, zero: bool = False) -> Decimal:
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
        value = Decimal(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, Decimal))
        or not 0 <= value < 1_000_000_000
        or (not value and not zero)
    ):
        raise Refused(400, f"{name} is a number above 0")
    return Decimal(value)


def _count(value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise Refused(400, "max_trades_daily is a whole number of at least 1")
    return value


def _strategy(value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Refused(400, "strategy is an object with kind")
    if value.get("kind") != "accumulate":
        return {"kind": str(value.get("kind"))}
    return {"kind": "accumulate", **{name: _amount(value.get(name), name) for name in ("quantity", "every_seconds", "edge_bps")}}
