"""The sections of golive.yaml: what each part of the settings holds, with the safest value where one is missing."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from pytest_golive import events, hours, quantities
from pytest_golive.model import Phase
from pytest_golive.variables import closest

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _seconds(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError("a duration needs a unit: write 30s, 10m, 12h or 30d")  # noqa: TRY004 - pydantic collects it
    return quantities.seconds(value) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_seconds), Field(strict=False)]
"""Seconds, written as people say them: 30s, 12h."""

Profile = Literal["micro", "small", "medium", "large"]


class Section(BaseModel):
    """A mapping of golive.yaml: no key that is not known, no value of another kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Target(Section):
    """What is probed: a name for people, the variables of the checklists, and what the gate may do to it."""

    name: str = "unnamed target"
    demo: bool = False
    allow_acting: bool = False
    variables: dict[str, Any] = Field(default_factory=dict)


class ModeSwitch(Section):
    """A variable that says whether the service trades for real: the value that means live, and the one that means safe."""

    live: str
    safe: str
    pid_file: str = ""


class Answers(Section):
    """The ids of the items that answer the last three activation checks of document 001 (section STEP 3)."""

    risk_state: str = ""
    ess_inactive: str = ""
    testnet_history: str = ""


class Activation(Section):
    """Where the marker is written, how long it lives, how old the evidence may be, and whose keys count.

    `trusted_keys` names a file of OpenSSH public keys; without it only the session key of this user counts. `windows` are the
    times at which an activation is possible (`mon-fri 08:00-18:00 Europe/Berlin`); none means always. `place` says whether the
    evidence must have been made on this machine and in this folder, or may come from `any`, such as a pipeline. With
    `host: this` the marker counts on the machine that activates and on no other.
    """

    marker: str = "go_live.active"
    state: str = "guard.state"
    valid_for: Duration = 12 * 3600.0
    max_age: Duration = 3600.0
    trusted_keys: str = ""
    answers: Answers = Answers()
    windows: list[str] = Field(default_factory=list)
    place: Literal["same", "any"] = "same"
    host: Literal["this", "any"] = "any"

    @field_validator("windows")
    @classmethod
    def _opens(cls, windows: list[str]) -> list[str]:
        for window in windows:
            hours.parse(window)
        return windows


class Signoff(Section):
    """Whether approvals are demanded whatever the roster says, how long one may live at most, and who may resume or waive.

    Without `resume_roles` these are the roles of the environment's quorum, or every role of a roster that asks for none; without
    `waiver_roles` those of the quorum and nobody else. `max_waiver` is the longest row of waivers that one item may have.
    """

    required: bool = False
    resume_roles: list[str] = Field(default_factory=list)
    max_approval: Duration = 24 * 3600.0
    waiver_roles: list[str] = Field(default_factory=list)
    max_waiver: Duration = 30 * 24 * 3600.0

    @field_validator("max_approval", "max_waiver")
    @classmethod
    def _lives(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("what lives for no time approves nothing: write 24h or 30d")
        return value


class Rung(Section):
    """What a profile above micro stands on: `needs` are ids (or patterns) of items, `live_for` and `calm_for` what the journal
    must tell of the time before. `capital` is for people.
    """

    capital: str = ""
    needs: list[str] = Field(default_factory=list)
    live_for: Duration = 0.0
    calm_for: Duration = 0.0


BEAT = "watch.json"
"""The file, beside the reports, in which the watch leaves its newest round."""


class Watching(Section):
    """What `golive watch` looks at (ids match `items`), and what follows: any critical failure takes the marker back.

    A failure of one of `stops_on` stops as well: the circuit breaker of document 001 (line 565). `unclear` is the number of
    rounds in a row after which a critical item that cannot be checked counts as failed; `announce` is how long before its end an
    activation is announced.
    """

    every: Duration = 30.0
    phases: list[Annotated[Phase, Field(strict=False)]] = Field(default=[Phase.MONITORING], min_length=1)
    items: list[str] = Field(default=["*"], min_length=1)
    stops_on: list[str] = Field(default_factory=list)
    unclear: int = Field(default=3, ge=1)
    announce: Duration = 3600.0

    @field_validator("every")
    @classmethod
    def _rests(cls, value: float) -> float:
        if value < 1:
            raise ValueError("a watch that never rests burdens the target: write at least 1s")
        return value


class Notify(Section):
    """Who is told of what: a name for people and the variable that holds an Apprise address, and the events that are announced.

    `within` is the longest time that telling may take, all messages together.
    """

    to: dict[str, str] = Field(default_factory=dict)
    on: list[str] = Field(
        default=["activated", "activation-denied", "deactivated", "stopped", "resumed", "no-go", "expiring", "break-glass"]
    )
    within: Duration = 10.0

    @field_validator("to")
    @classmethod
    def _names_variables(cls, to: dict[str, str]) -> dict[str, str]:
        for variable in to.values():
            if not _VARIABLE.fullmatch(variable):
                raise ValueError("name the environment variable that holds the address, never the address itself")
        return to

    @field_validator("on")
    @classmethod
    def _can_be_told(cls, on: list[str]) -> list[str]:
        for event in on:
            if event not in events.ANNOUNCED:
                raise ValueError(f"{event!r} is not announced{closest(event, tuple(events.ANNOUNCED))}")
        return on


class OnStop(Section):
    """What a stop does besides: `cancel` is a command, as a list of words, that cancels the open orders of the target.

    It is run in the folder of golive.yaml, by no shell, for at most `timeout`; its failure is told and undoes nothing.
    """

    cancel: list[str] = Field(default_factory=list)
    timeout: Duration = 15.0


class Serving(Section):
    """What the status page shows besides: `brokers` are ids (or patterns) of the items that say how each broker is.

    `orders_log` is the log of the service that trades, whose lines `[ORDER_SKIPPED]` are counted; without it none are.
    """

    brokers: list[str] = Field(default_factory=list)
    orders_log: str = ""
