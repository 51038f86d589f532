"""What can be asked of this room over HTTP and told to it: mode, positions, profit, trades, rehearsals, the emergency stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from examples.desk import clock
from examples.desk.errors import BrokerError, DeskError
from examples.desk.routing import forge, records, repository
from examples.desk.routing.books import LIVE_ACCOUNT, PAPER
from examples.desk.routing.panel import panel
from examples.desk.routing.room import Routing
from examples.desk.routing.safety import LiveSafetyGates, SafetyError, Trade
from examples.desk.web import Answer, Refused, Request, Routes, answer, page

if TYPE_CHECKING:
    from examples.desk.service import Service

_STATUS = {"filled": 200, "partial": 200, "pending": 202, "rejected": 409, "failed": 502, "unknown": 504}
_AMOUNTS = frozenset({
    "quantity", "size_zar", "price", "filled", "average", "fee", "stop", "target", "entry_price", "realized", "unrealized",
    "equity", "opening", "profit", "fees", "entry_value", "exit_value", "amount",
})  # fmt: skip


def routes(desk: Service) -> Routes:
    """The addresses under /api, the panel, and the forge."""
    room = desk.routing

    def told(action: Callable[..., Any]) -> Callable[..., Answer]:
        """The action, with what it may refuse as an answer that says so."""

        def act(request: Request, **names: str) -> Answer:
            try:
                found = action(request, **names)
            except SafetyError as error:
                raise Refused(409, f"{error.check}: {error.message}") from error
            except BrokerError as error:
                raise Refused(502, error.message) from error
            except DeskError as error:
                raise Refused(400, str(error)) from error
            return found if isinstance(found, Answer) else answer(_numbers(found))

        return act

    def current(request: Request) -> Any:
        return _mode(room)

    def switch(request: Request) -> Any:
        wish = request.json()
        if wish.get("mode") != PAPER:
            raise Refused(
                403, "only PAPER can be switched to here; LIVE is set in the environment, and then the desk is restarted"
            )
        room.force_paper(True, _text(wish, "by"))
        return _mode(room)

    def orders(request: Request) -> Any:
        found = room.books.ledger.rows(
            "SELECT * FROM helios_orders WHERE account = ? ORDER BY id DESC LIMIT 200", _of(room, request)
        )
        return {"account": _of(room, request), "orders": found, "checked_at": clock.now()}

    def positions(request: Request) -> Any:
        found = room.engine.pnl(_of(room, request))
        return {"account": found["account"], "positions": found["positions"], "checked_at": clock.now()}

    def trade(request: Request) -> Answer:
        wish = request.json()
        account, side = _account(room, _text(wish, "account")), _text(wish, "side")
        if side != "BUY":
            raise Refused(400, "side is BUY; a position is closed at /api/positions/close")
        found = room.engine.trade(
            Trade(
                account=account, pair=_text(wish, "pair"), side=side, size_zar=_amount(wish, "size_zar", whatever=True),
                key=_text(wish, "key"), limit=_maybe(wish, "limit"), stop=_maybe(wish, "stop"), target=_maybe(wish, "target"),
            )
        )  # fmt: skip
        return answer(_numbers(found), _STATUS.get(found["state"], 200))

    def close(request: Request) -> Any:
        wish = request.json()
        return room.engine.close(
            _account(room, _text(wish, "account")), _text(wish, "pair"), source="manual", key=_text(wish, "key")
        )

    def move(name: str, kind: str) -> Callable[[Request], Any]:
        def act(request: Request) -> Any:
            wish = request.json()
            account, pair = _account(room, _text(wish, "account")), _text(wish, "pair")
            return room.engine.move_exit(account, pair, kind, _amount(wish, name))

        return act

    def gates(request: Request) -> Any:
        refusal, connected = room.live_refusal(), room.live.connected()
        return {
            "gates": list(LiveSafetyGates.names),
            "live": {"permitted": not refusal, "reason": refusal, "connected": connected},
            "limits": {
                "MAX_POSITION_SIZE_ZAR": room.limits.position_zar,
                "MAX_PORTFOLIO_RISK_PCT": room.limits.portfolio_risk_pct,
                "MAX_DAILY_LOSS_ZAR": room.limits.daily_loss_zar,
                "MAX_OPEN_POSITIONS": room.limits.open_positions,
            },
            "checked_at": clock.now(),
        }

    def rehearse(request: Request) -> Any:
        wish = request.json()
        terms = {name: value for name, value in wish.items() if name != "opening"}
        terms |= {name: str(terms[name]) for name in ("slippage", "partial", "failure") if name in terms}
        return {"account": room.rehearse(opening=_amount(wish, "opening"), terms=terms)}

    def forget(request: Request, account: str) -> Any:
        room.forget(account)
        return {"account": account, "forgotten": room.books.account(account) is None}

    def feed(request: Request, account: str) -> Any:
        wish = request.json()
        if _account(room, account) == LIVE_ACCOUNT:
            raise Refused(403, "the price of the live account is VALR's")
        pair, prices = _text(wish, "pair"), wish.get("prices")
        if not isinstance(prices, list) or not 1 <= len(prices) <= 200:
            raise Refused(400, "prices is a list of 1 to 200 amounts")
        return {"account": account, "cycles": [room.engine.feed(account, pair, _decimal(price, "prices")) for price in prices]}

    def stop(request: Request) -> Any:
        wish = request.json()
        return room.engine.stop(_text(wish, "reason"), _text(wish, "by"))

    def release(request: Request) -> Any:
        wish = request.json()
        return room.halt.release(_text(wish, "reason"), _text(wish, "by"))

    def try_alert(request: Request) -> Any:
        wish = request.json()
        return {"alert": room.try_alert(f"Test alert by {_text(wish, 'by')}: {_text(wish, 'text')}")}

    def restart(request: Request) -> Any:
        room.restart()
        return _mode(room)

    def version(request: Request) -> Any:
        home = desk.settings.home.path
        return {
            "instance": room.instance,
            "started_at": room.started_at,
            "commit": records.deployed(home).get("commit", ""),
            "sources": repository.running(),
            "checked_at": clock.now(),
        }

    return (
        ("GET", "/api/mode/current", told(current)),
        ("POST", "/api/mode/switch", told(switch)),
        ("GET", "/api/orders", told(orders)),
        ("GET", "/api/positions", told(positions)),
        ("POST", "/api/positions/close", told(close)),
        ("POST", "/api/positions/stop", told(move("stop", "stop-loss"))),
        ("POST", "/api/positions/target", told(move("target", "take-profit"))),
        ("GET", "/api/pnl", told(lambda request: room.engine.pnl(_of(room, request)))),
        ("POST", "/api/trades", told(trade)),
        ("GET", "/api/gates", told(gates)),
        ("POST", "/api/rehearsals", told(rehearse)),
        ("DELETE", "/api/rehearsals/{account}", told(forget)),
        ("POST", "/api/rehearsals/{account}/prices", told(feed)),
        ("GET", "/api/emergency-stop", told(lambda request: {**room.halt.state(), "checked_at": clock.now()})),
        ("POST", "/api/emergency-stop", told(stop)),
        ("POST", "/api/emergency-stop/release", told(release)),
        ("POST", "/api/engine/restart", told(restart)),
        ("POST", "/api/alerts/test", told(try_alert)),
        ("GET", "/api/version", told(version)),
        ("GET", "/api/dashboard", told(lambda request: _dashboard(room, desk))),
        ("GET", "/dashboard.html", lambda request: page(panel(_numbers(_dashboard(room, desk))), "text/html")),
        *forge.routes(desk.settings),
    )


def _mode(room: Routing) -> dict[str, Any]:
    mode, stop = room.mode, room.halt.state()
    return {
        "mode": mode.mode,
        "trading_mode": mode.trading_mode,
        "enable_paper_trading": mode.enable_paper_trading,
        "agreed": mode.agreed,
        "forced_paper": mode.forced,
        "reason": mode.reason,
        "client": room.orchestrator.client(mode).name,
        "halted": stop["halted"],
        "instance": room.instance,
        "started_at": room.started_at,
        "checked_at": clock.now(),
    }


def _dashboard(room: Routing, desk: Service) -> dict[str, Any]:
    mode, pnl, stop = _mode(room), room.engine.pnl(LIVE_ACCOUNT), room.halt.state()
    return {
        **{name: mode[name] for name in ("mode", "client", "instance", "halted")},
        "commit": records.deployed(desk.settings.home.path).get("commit", ""),
        "pid_file": str(desk.settings.home.pid),
        "refresh_seconds": 5,
        "stop": stop,
        "pnl": {name: pnl[name] for name in ("realized", "unrealized", "cash", "equity")},
        "positions": pnl["positions"],
        "pending_orders": len(room.books.pending(LIVE_ACCOUNT)),
        "generated_at": clock.now(),
    }


def _of(room: Routing, request: Request) -> str:
    return _account(room, request.query.get("account", LIVE_ACCOUNT))


def _account(room: Routing, name: str) -> str:
    if room.books.account(name) is None:
        raise Refused(404, f"no account {name}")
    return name


def _text(wish: Mapping[str, Any], name: str) -> str:
    value = wish.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise Refused(400, f"{name} is a text of 1 to 200 characters")
    return value


def _amount(wish: Mapping[str, Any], name: str, *, whatever: bool = False) -> Decimal:
    """An amount; `whatever` lets those through that a gate is to refuse."""
    value = _decimal(wish.get(name), name)
    if not whatever and not (value.is_finite() and value > 0):
        raise Refused(400, f"{name} is an amount above zero")
    return value


def _maybe(wish: Mapping[str, Any], name: str) -> Decimal | None:
    return None if wish.get(name) is None else _amount(wish, name)


def _decimal(value: Any, name: str) -> Decimal:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
            raise InvalidOperation
        return Decimal(value)
    except InvalidOperation:
        raise Refused(400, f"{name} is an amount, as a number or a text") from None


def _numbers(value: Any) -> Any:
    """Amounts of the books, which are kept as text, as numbers."""
    if isinstance(value, Mapping):
        return {
            name: Decimal(part) if name in _AMOUNTS and isinstance(part, str) and part else _numbers(part)
            for name, part in value.items()
        }
    return [_numbers(part) for part in value] if isinstance(value, (list, tuple)) else value
