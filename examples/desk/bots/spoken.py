"""What the command router can have done on this desk: the same life cycle, the same stop and the same figures as the API has.

The emergency stop pulls the desk's own stop and pauses each running bot; both are in a database and outlive a restart. Lifting it
lets exactly those bots run again that it paused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, final

from examples.desk.bots.commands import ADMIN, Person
from examples.desk.errors import DeskError

if TYPE_CHECKING:
    from examples.desk.risk import EmergencyStop

RUNNING, PAUSED = "running", "paused"
REASON = "emergency stop by chat"


class Lives(Protocol):
    """The life cycle of bots."""

    def named(self, name: str) -> Mapping[str, Any]: ...
    def every(self, user: str | None = None) -> list[dict[str, Any]]: ...
    def turn(self, name: str, word: str, *, by: str, reason: str = "") -> Mapping[str, Any]: ...


@final
class Spoken:
    """The desk as the router speaks to it."""

    def __init__(
        self,
        *,
        lives: Lives,
        stop: EmergencyStop,
        portfolio: Callable[[str], Mapping[str, Any]],
        health: Callable[[], str],
        report: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._lives = lives
        self._stop = stop
        self._figures = portfolio
        self._health = health
        self._report = report

    def status(self) -> Mapping[str, Any]:
        """Health and stop in two words, and how many bots are in which state."""
        bots: dict[str, int] = {}
        for bot in self._lives.every():
            bots[bot["status"]] = bots.get(bot["status"], 0) + 1
        return {"state": self._health(), "emergency_stop": self._stop.state()["state"], "bots": bots}

    def portfolio(self, person: str) -> Mapping[str, Any]:
        """The person's own figures."""
        return self._figures(person)

    def bots(self, person: Person) -> list[Mapping[str, Any]]:
        """The person's own bots; every bot for an administrator."""
        found = self._lives.every(None if person.role == ADMIN else person.name)
        return [{key: bot[key] for key in ("name", "user", "symbol", "status", "reason")} for bot in found]

    def turn(self, person: Person, word: str, bot: str) -> Mapping[str, Any]:
        """One step of a bot's life; a bot of somebody else is not there for who is no administrator."""
        found = self._lives.named(bot)
        if found["user"] != person.name and person.role != ADMIN:
            raise DeskError(f"there is no bot {bot}", hint="list bots")
        return self._lives.turn(bot, word, by=person.name, reason="by chat")

    def emergency_stop(self, person: str) -> Mapping[str, Any]:
        """Nothing trades any more: first the stop, which holds for every order, then the bots."""
        if self._stop.state()["state"] == "inactive":
            self._stop.trip(f"{REASON}: {person}")
        halted = []
        for bot in self._lives.every():
            if bot["status"] == RUNNING:
                # a bot that was moved by somebody else at this moment does not trade either: the stop is pulled already
                with contextlib.suppress(DeskError):
                    halted.append(self._lives.turn(bot["name"], "pause", by=person, reason=REASON)["name"])
        return {"halted": len(halted), "bots": halted}

    def lift_stop(self, person: str) -> Mapping[str, Any]:
        """The stop is reset, and the bots that it paused run again; a stop that somebody pulled elsewhere stays."""
        state = self._stop.state()
        if state["state"] != "inactive" and not str(state["reason"]).startswith(REASON):
            raise DeskError("the emergency stop was not pulled by chat", hint=f"it says: {state['reason']}; see /ess/reset")
        self._stop.reset(f"lifted by chat: {person}")
        resumed = []
        for bot in self._lives.every():
            if bot["status"] == PAUSED and bot["reason"] == REASON:
                with contextlib.suppress(DeskError):
                    resumed.append(self._lives.turn(bot["name"], "resume", by=person, reason="emergency stop lifted")["name"])
        return {"resumed": len(resumed), "bots": resumed}

    def report(self) -> Mapping[str, Any]:
        """A report of now, by mail."""
        return self._report()
