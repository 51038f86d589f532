"""The checks that a trade passes before it is sent; the first that says no raises SafetyError and nothing is sent.

The four of the plan (mode confirmed, trade size, daily loss, connection) come first and in its order; portfolio risk and the
number of open positions follow. Exits pass the mode and the connection only: a limit must never keep a position open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import final

from examples.desk.routing.books import LIVE

PARAMETERS = ("MAX_POSITION_SIZE_ZAR", "MAX_PORTFOLIO_RISK_PCT", "MAX_DAILY_LOSS_ZAR", "MAX_OPEN_POSITIONS")


class SafetyError(Exception):
    """A trade that may not be; `check` names what it failed."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.check = check
        self.message = message


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What somebody wants to trade. A BUY says how many rand, a SELL how much; `limit` makes it rest until the price is there."""

    account: str
    pair: str
    side: str
    size_zar: Decimal
    key: str
    quantity: Decimal | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    source: str = "manual"
    signal_id: int | None = None

    def __str__(self) -> str:
        amount = f"R{self.size_zar}" if self.side == "BUY" else f"qty={self.quantity}"
        return f"{self.side} {self.pair} {amount} account={self.account} key={self.key}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Rand, percent and a count; None for a limit that is not set or not a number, which refuses every entry."""

    position_zar: Decimal | None
    portfolio_risk_pct: Decimal | None
    daily_loss_zar: Decimal | None
    open_positions: Decimal | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> RiskLimits:
        """The limits that stand in these variables."""
        position, risk, loss, count = (_positive(environ.get(name, "")) for name in PARAMETERS)
        return cls(position_zar=position, portfolio_risk_pct=risk, daily_loss_zar=loss, open_positions=count)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an account stands before the trade; each is asked anew, for the answer of a minute ago proves nothing."""

    mode: str
    confirm_live: Callable[[], str]
    connected: Callable[[], bool]
    daily_loss: Callable[[], Decimal]
    risk_pct_with: Callable[[Trade], Decimal]
    open_pairs: Callable[[], frozenset[str]]


@final
class LiveSafetyGates:
    """Every trade's way to a client leads through here."""

    names = ("mode", "size", "daily-loss", "connection", "portfolio-risk", "open-positions")

    def __init__(self, limits: RiskLimits) -> None:
        self.limits = limits

    def validate_trade_before_execution(self, trade: Trade, standing: Standing) -> bool:
        """True, or SafetyError by the first check that the trade fails."""
        if standing.mode == LIVE and (reason := standing.confirm_live()):
            raise SafetyError("mode", f"LIVE mode not explicitly enabled: {reason}")
        entry = trade.side == "BUY"
        if entry:
            self._size(trade)
            self._daily_loss(standing)
        if not standing.connected():
            raise SafetyError("connection", "VALR API not connected")
        if entry:
            self._portfolio_risk(trade, standing)
            self._open_positions(trade, standing)
        return True

    def _size(self, trade: Trade) -> None:
        most = _required("MAX_POSITION_SIZE_ZAR", "size", self.limits.position_zar)
        if not trade.size_zar.is_finite() or trade.size_zar <= 0:
            raise SafetyError("size", f"Trade size {trade.size_zar} is not a positive amount")
        if trade.size_zar > most:
            raise SafetyError("size", f"Trade size {trade.size_zar} exceeds limit MAX_POSITION_SIZE_ZAR={most}")

    def _daily_loss(self, standing: Standing) -> None:
        most = _required("MAX_DAILY_LOSS_ZAR", "daily-loss", self.limits.daily_loss_zar)
        if (loss := standing.daily_loss()) >= most:
            raise SafetyError("daily-loss", f"Daily loss limit reached: {loss:.2f} of MAX_DAILY_LOSS_ZAR={most}")

    def _portfolio_risk(self, trade: Trade, standing: Standing) -> None:
        most = _required("MAX_PORTFOLIO_RISK_PCT", "portfolio-risk", self.limits.portfolio_risk_pct)
        if (risk := standing.risk_pct_with(trade)) > most:
            raise SafetyError("portfolio-risk", f"Portfolio risk {risk:.2f} % exceeds limit MAX_PORTFOLIO_RISK_PCT={most}")

    def _open_positions(self, trade: Trade, standing: Standing) -> None:
        most = _required("MAX_OPEN_POSITIONS", "open-positions", self.limits.open_positions)
        if (count := len(standing.open_pairs() | {trade.pair})) > most:
            raise SafetyError("open-positions", f"{count} open positions exceed limit MAX_OPEN_POSITIONS={most}")


def _required(name: str, check: str, value: Decimal | None) -> Decimal:
    if value is None:
        raise SafetyError(check, f"{name} is not set to a positive number, so nothing is within it")
    return value


def _positive(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and value > 0 else None
