"""What makes bots trade by themselves: turn after turn, each running bot whose time has come sends what its strategy wants.

`accumulate` buys the same quantity every few seconds, as a savings plan does. A bot that is not running is looked at and left.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, final

from examples.desk.bots.pipeline import Order, Pipeline
from examples.desk.bots.store import Store, whole
from examples.desk.clock import Clock
from examples.desk.errors import DeskError

EVERY = 0.1
"""Seconds from turn to turn."""

_log = logging.getLogger("desk.system")


@final
class Runner:
    """The turns of all bots; `turns` counts them since the start."""

    def __init__(self, store: Store, pipeline: Pipeline, *, now: Clock) -> None:
        self._store = store
        self._pipeline = pipeline
        self._now = now
        self.turns = 0

    def turn(self) -> None:
        """Look at every bot once."""
        try:
            for bot in self._store.all("bots", status={"$in": list(self._store.trading)}):
                if bot["strategy"]["kind"] == "accumulate" and self._due(bot):
                    self._cycle(bot)
        except DeskError as error:
            _log.warning("the bots' turn: %s", error)
        self.turns += 1

    def _cycle(self, bot: Mapping[str, Any]) -> None:
        plan, now = bot["strategy"], whole(self._now())
        self._store.change("bots", {"name": bot["name"]}, cycles=bot["cycles"] + 1, last_cycle_at=now)
        quantity, edge = Decimal(plan["quantity"]), Decimal(plan["edge_bps"])
        self._pipeline.take(Order(bot=bot["name"], side="BUY", quantity=quantity, edge_bps=edge, key=f"cycle-{uuid.uuid4().hex}"))

    def _due(self, bot: Mapping[str, Any]) -> bool:
        last = bot.get("last_cycle_at")
        return last is None or (self._now() - last).total_seconds() >= float(bot["strategy"]["every_seconds"])
