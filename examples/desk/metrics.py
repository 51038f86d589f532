"""The desk's figures as Prometheus text, read anew for each scrape."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, final

from examples.desk import clock
from examples.desk.bots.traffic import machine
from examples.desk.errors import BrokerError
from examples.desk.health import HEALTHY
from examples.desk.risk import CRITICAL, OK, UNKNOWN, WARNING
from examples.desk.symbols import ACCOUNTS, BROKERS, TESTNET

if TYPE_CHECKING:
    from examples.desk.service import Service

_STATES = {OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3}


@final
class _Family:
    """One metric: name, kind, meaning, and its samples."""

    def __init__(self, name: str, kind: str, meaning: str, samples: Iterable[tuple[Mapping[str, str], Decimal | int]]) -> None:
        self._head = f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"
        self._name = name
        self._samples = samples

    def __str__(self) -> str:
        return self._head + "".join(f"{self._name}{_labels(labels)} {value}\n" for labels, value in self._samples)


def text(desk: Service) -> str:
    """The whole page; empty while a drill has silenced it."""
    return "" if desk.metrics_silenced else "".join(map(str, _families(desk)))


def _families(desk: Service) -> Iterator[_Family]:
    rows = desk.ledger.rows("SELECT state, environment, count(*) AS n FROM orders GROUP BY state, environment")
    yield _Family(
        "desk_orders_total", "counter", "Order intents by what became of them.",
        [({"state": row["state"], "environment": row["environment"]}, row["n"]) for row in rows],
    )  # fmt: skip
    rows = desk.ledger.rows("SELECT gate, count(*) AS n FROM skips GROUP BY gate")
    yield _Family(
        "desk_orders_skipped_total", "counter", "Order intents that a gate stopped, by gate.",
        [({"reason": row["gate"]}, row["n"]) for row in rows] or [({"reason": "guard"}, 0)],
    )  # fmt: skip
    row = desk.ledger.row("SELECT count(*) AS n FROM trades WHERE environment = ?", TESTNET)
    yield _Family("desk_testnet_trades_total", "counter", "Closed trades on the testnet.", [({}, row["n"] if row else 0)])
    risk = desk.risk.assess(at_most_old=0.5)
    yield _Family("desk_risk_state", "gauge", "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", [({}, _STATES[risk.state])])
    if risk.drawdown is not None:
        yield _Family("desk_drawdown_ratio", "gauge", "Fall from the highest equity, as a fraction.", [({}, risk.drawdown)])
    bot = desk.keeping.figures()
    yield _Family("bot_closed_trades", "gauge", "Closed trades of the bot at Kraken.", [({}, bot["trades"])])
    yield _Family("bot_roi_percent", "gauge", "Their profit, in percent of the opening equity.", [({}, bot["roi"])])
    yield _Family("bot_max_drawdown_ratio", "gauge", "Their deepest fall, as a fraction.", [({}, bot["drawdown"])])
    active = desk.stop_system.state()["state"] != "inactive"
    yield _Family("desk_ess_active", "gauge", "Whether the emergency stop is active.", [({}, int(active))])
    yield _Family(
        "desk_broker_healthy", "gauge", "Whether an authenticated call to the broker succeeds.",
        [({"broker": name}, int(desk.broker_health[name].state()["state"] == HEALTHY)) for name in BROKERS],
    )  # fmt: skip
    yield _Family(
        "desk_thread_alive", "gauge", "Whether the trading thread of an account lives.",
        [({"account": thread["account"]}, int(thread["alive"])) for thread in desk.threads()["threads"]],
    )  # fmt: skip
    yield _Family("desk_capital_buffer_ratio", "gauge", "Unpromised fraction of the capital.", list(_buffers(desk)))
    yield _Family(
        "desk_breaker_open", "gauge", "Whether the account is in quarantine.",
        [({"account": name}, int(desk.isolation.breaker(name)["state"] != "closed")) for name in ACCOUNTS],
    )  # fmt: skip
    present = os.path.lexists(desk.settings.home.marker)
    yield _Family("golive_marker_present", "gauge", "Whether the marker file stands; not whether it holds.", [({}, int(present))])
    yield _Family(
        "golive_order_permitted", "gauge", "Whether the guard would let an order go.", [({}, int(desk.guard.allows().allowed))]
    )
    for name, kind, meaning, samples in (
        *desk.upkeep.traffic.series(),
        *desk.upkeep.series(),
        *machine(desk.settings.home.path),
        *desk.clerk.metrics(),
    ):
        yield _Family(name, kind, meaning, samples)
    yield _Family(
        "desk_scrape_time_seconds",
        "gauge",
        "When this page was made, in seconds since 1970.",
        [({}, int(clock.now().timestamp()))],
    )


def _buffers(desk: Service) -> Iterator[tuple[Mapping[str, str], Decimal]]:
    for name in ACCOUNTS:
        try:
            yield {"account": name}, desk.capital.standing(name).buffer
        except BrokerError:
            continue


def _labels(labels: Mapping[str, str]) -> str:
    def quoted(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{quoted(value)}"' for name, value in labels.items()) + "}" if labels else ""
