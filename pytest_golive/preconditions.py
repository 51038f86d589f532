"""What an activation demands: the five checks of document 001 in its order, then whatever else is critical by then.

Pure: signed statements, settings and a time come in, lines for people come out. A statement is believed only as far as its
signature reaches, and only for as long as it is fresh; a setting that demands something which no item answers is a no.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, final

from pytest_golive import approval, canonical, ladder
from pytest_golive.errors import EnvelopeRejected
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import PublicKey

PERMITTING = ("GO", "GO WITH WARNINGS")
FUTURE = timedelta(seconds=5)
"""By how much a statement may be younger than the clock, for clocks that tick apart."""

_AGAIN = "run pytest --golive again, and activate from its result"


class CheckLine(NamedTuple):
    """One activation check: its name, whether it lets the activation pass, and a line for people."""

    name: str
    ok: bool
    line: str


class Refusal(Exception):
    """A check says no: for which reason, and what to do next."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


@final
@dataclass(frozen=True, kw_only=True)
class Demands:
    """What the settings ask for, and the signed statements that are to answer it; each is opened once."""

    evidence: str
    readiness: str | None
    keys: Sequence[PublicKey]
    environment: str
    activation_enabled: bool
    required_preflight: bool
    require_risk_state: str
    require_ess_inactive: bool
    require_testnet_history: bool
    min_testnet_trades: int
    answers: Mapping[str, str]
    max_age: timedelta
    now: datetime
    policy: approval.Policy
    signatures: approval.Signatures
    any_place: bool
    profiles: Sequence[str]
    rungs: Mapping[str, ladder.Rung]
    past: Callable[[], ladder.Past]

    @functools.cached_property
    def run(self) -> Statement:
        """The statement of the gate run; Refusal if it cannot be believed."""
        return read(self.evidence, self.keys, "the evidence of the gate run")

    @functools.cached_property
    def ready(self) -> Statement | None:
        """The statement about the activation items; None if they were not looked at, Refusal if it cannot be believed."""
        return None if self.readiness is None else read(self.readiness, self.keys, _READY)

    @functools.cached_property
    def standing(self) -> approval.Standing:
        """How the report of the run stands with its approvals; Refusal if the run cannot be believed."""
        run, given = self.run, self.signatures
        report = approval.report_of(run.whole, evidence=run.digest, presentation=given.presentation, signers=run.signers)
        return approval.stand(report, given.lines, self.policy, self.now)


_READY = "what was seen at the activation"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signed statement says of a run, as far as an activation needs it; `whole` is all of it, `signers` fingerprints.

    `waived` are the ends of the waivers that the run rested on, by item.
    """

    digest: str
    whole: Mapping[str, Any]
    signers: tuple[str, ...]
    result: str
    failed: tuple[str, ...]
    word: str
    at: datetime
    valid_until: datetime
    environment: str
    partial: tuple[str, ...]
    phases: tuple[str, ...]
    gates: bool
    manifest: Mapping[str, Any]
    items: Mapping[str, Mapping[str, Any]]
    waived: Mapping[str, datetime]


def read(envelope: str, keys: Sequence[PublicKey], noun: str) -> Statement:
    """The statement in an envelope that one of `keys` signed; Refusal for any other. `noun` names it in messages."""
    try:
        opened = dsse.open_envelope(envelope, keys)
        payload = opened.payload
        statement = dsse.strict_json(payload)
    except EnvelopeRejected as error:
        raise Refusal(f"{noun} cannot be believed: {error.message}", _AGAIN) from None
    try:
        predicate = statement["predicate"]
        golive = predicate["golive"]
        decision, manifest, items = golive["decision"], golive["manifest"], golive["items"]
        read = Statement(
            digest=canonical.sha256(payload),
            whole=statement,
            signers=opened.keyids,
            result=predicate["result"],
            failed=tuple(predicate["failedTests"]),
            word=decision["word"],
            at=_time(decision["at"]),
            valid_until=_time(decision["valid_until"]),
            environment=golive["target"]["environment"],
            partial=tuple(golive["run"]["partial"]),
            phases=tuple(golive["run"]["phases"]),
            gates=golive["run"]["gates"] is True,
            manifest=manifest,
            items={item["id"]: item for item in items},
            waived={item["id"]: _time(item["waiver"]["until"]) for item in items if item.get("waiver")},
        )
        if golive["schema"] != 1 or len(read.items) != len(items) or manifest["environment"] != read.environment:
            raise ValueError("not the statement of a gate run")
        if not all(_is_item(item) for item in items):
            raise ValueError("an item is not written as the gate writes it")
        if statement["subject"][0]["digest"]["sha256"] != canonical.digest(manifest):
            raise ValueError("the manifest is not the one that the subject names")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise Refusal(f"{noun} is not a statement of this version of the gate", _AGAIN) from None
    return read


def _is_item(item: Mapping[str, Any]) -> bool:
    texts = ("id", "declared", "phase", "severity", "outcome", "reason", "fix")
    checks, evidence = item["checks"], item["evidence"]
    return (
        all(isinstance(item[name], str) for name in texts)
        and all({"path", "wanted", "found", "met"} <= check.keys() for check in checks)
        and (evidence is None or "facts" in evidence)
    )


def _flag(demands: Demands) -> str:
    if not demands.activation_enabled:
        raise Refusal("activation_enabled is false in golive.yaml", "set activation_enabled: true by hand when you mean to trade")
    return "activation_enabled is true"


def _preflight(demands: Demands) -> str:
    run = demands.run
    if not demands.required_preflight:
        return "skipped: required_preflight is false"
    if run.word not in PERMITTING:
        raise Refusal(f"the gate run said {run.word}", "mend what its report names, and run pytest --golive again")
    if run.failed:
        raise Refusal(f"the gate run says {run.word} although items failed: {', '.join(run.failed[:5])}", _AGAIN)
    if run.result not in ("PASSED", "WARNED"):
        raise Refusal(f"the gate run says {run.word} although its result is {run.result}", _AGAIN)
    if not run.gates:
        raise Refusal(f"the run judged only the phase {', '.join(run.phases)}, which opens no gate", "run pytest --golive")
    if run.partial:
        raise Refusal(f"the gate run was partial: {run.partial[0]}", "run all of it: pytest --golive")
    _fresh(run, demands, "the gate run")
    for identity, until in run.waived.items():
        if until <= demands.now:
            raise Refusal(f"the gate run rested on a waiver of {identity}, which ended at {until.isoformat()}", _AGAIN)
    return f"the gate run said {run.word} at {run.at.isoformat(timespec='seconds')}"


def _risk_state(demands: Demands) -> str:
    wanted = demands.require_risk_state
    if not wanted:
        return "skipped: require_risk_state is empty"
    for item in _answers(demands, "risk_state", "require_risk_state"):
        if not _saw_word(item, wanted):
            raise Refusal(f"{item['id']} passed without seeing the risk state {wanted}", "let the item expect that state")
    return f"the risk state is {wanted}"


def _ess_inactive(demands: Demands) -> str:
    if not demands.require_ess_inactive:
        return "skipped: require_ess_inactive is false"
    _answers(demands, "ess_inactive", "require_ess_inactive")
    return "the emergency stop system is inactive"


def _testnet_history(demands: Demands) -> str:
    if not demands.require_testnet_history:
        return "skipped: require_testnet_history is false"
    for item in _answers(demands, "testnet_history", "require_testnet_history"):
        seen = max(_counts(item), default=0)
        if seen < demands.min_testnet_trades:
            raise Refusal(
                f"{item['id']} saw {seen} testnet trades, and {demands.min_testnet_trades} are required",
                "trade on the testnet first, and let the item expect at least as many trades as the settings do",
            )
    return f"at least {demands.min_testnet_trades} trades on the testnet"


def _quorum(demands: Demands) -> str:
    """The approvals of the report, by the roster of now."""
    standing = demands.standing
    if not standing.approved:
        raise Refusal(standing.line, standing.next_step)
    return standing.line


def _profiles(demands: Demands) -> str:
    """What the profiles above the lowest stand on: criteria that passed in the evidence, a history, and people's approval."""
    climbed = [profile for profile in demands.profiles if ladder.highest([profile]) != 0]
    for profile in climbed:
        rung = demands.rungs.get(profile)
        if rung is None:
            raise Refusal(
                f"nothing says what the profile {profile} stands on", f"name its criteria under profiles.{profile}.needs"
            )
        if not demands.policy.demands:
            raise Refusal(
                f"{rung.profile} is a promotion, and nobody has to approve it here",
                f"name a quorum for {demands.environment} on the roster, and let it approve the page",
            )
        if why := ladder.unmet(rung, demands.run.items, demands.past()):
            raise Refusal(why, f"keep {rung.profile} out of allowed_profiles until then; golive profile tells how far it is")
    return ", ".join(f"{profile} has been earned" for profile in climbed) or "no profile above the lowest"


def _remaining(demands: Demands) -> str:
    """The other critical items of the activation phase."""
    if demands.readiness is None:
        return "no further items of the activation phase"
    ready = _ready(demands)
    answered = set(demands.answers.values())
    others = [
        item
        for item in ready.items.values()
        if item["phase"] == "activation" and item["severity"] == "critical" and item["id"] not in answered
    ]
    for item in others:
        _passed(item)
    return f"{len(others)} further critical items of the activation phase passed"


CHECKS: Mapping[str, Callable[[Demands], str]] = {
    "activation_enabled": _flag,
    "preflight": _preflight,
    "risk_state": _risk_state,
    "ess_inactive": _ess_inactive,
    "testnet_history": _testnet_history,
    "quorum": _quorum,
    "profiles": _profiles,
    "activation_items": _remaining,
}
"""The checks in the order in which they are asked; the first five are those of document 001."""


def _answers(demands: Demands, name: str, setting: str) -> Sequence[Mapping[str, Any]]:
    """The passed item that the settings name as the answer to one check, or all instances of it."""
    wanted = demands.answers.get(name)
    if not wanted:
        raise Refusal(f"{setting} is set, but no item answers it", f"name one under activation.answers.{name} in golive.yaml")
    ready = _ready(demands)
    found = [item for item in ready.items.values() if wanted in (item["id"], item["declared"])]
    if not found:
        raise Refusal(f"{wanted}, which answers {setting}, was not looked at", "declare it with phase: activation")
    for item in found:
        _passed(item)
        if item["evidence"] is None:
            raise Refusal(f"{item['id']} passed without evidence", _AGAIN)
    return found


def _passed(item: Mapping[str, Any]) -> None:
    if item["outcome"] != "passed":
        because = f": {item['reason']}" if item["reason"] else ""
        raise Refusal(f"{item['id']} {_PHRASES.get(item['outcome'], 'is not passed')}{because}", item["fix"])


_PHRASES = {
    "failed": "failed",
    "error": "could not be checked",
    "blocked": "is blocked",
    "pending": "is pending",
    "not-run": "was not run",
    "not-applicable": "does not apply",
}


def _ready(demands: Demands) -> Statement:
    ready = demands.ready
    if ready is None:
        raise Refusal("the items of the activation phase were not looked at", _AGAIN)
    _fresh(ready, demands, _READY)
    beside = ("roster", "place") if demands.any_place else ("roster",)
    now, then = ({k: v for k, v in one.manifest.items() if k not in beside} for one in (ready, demands.run))
    if differing := sorted(name for name in {*now, *then} if now.get(name) != then.get(name)):
        told = ", ".join(f"{_PARTS[name]} ({name})" if name in _PARTS else name for name in differing)
        raise Refusal(f"this is not what the gate run tested; different since then: {told}", _AGAIN)
    return ready


_PARTS = {
    "tree": "the committed files",
    "dirty": "whether anything is uncommitted",
    "changes": "the uncommitted files",
    "config": "golive.yaml",
    "resolved": "what golive.yaml takes from the environment",
    "place": "the machine or the folder",
    "code": "the code of Python checks",
}
"""The parts of a manifest, for people."""


def _fresh(statement: Statement, demands: Demands, noun: str) -> None:
    if statement.environment != demands.environment:
        raise Refusal(f"{noun} is about {statement.environment}, and this is {demands.environment}", "run the gate for this one")
    if statement.at > demands.now + FUTURE:
        raise Refusal(f"{noun} is dated in the future: {statement.at.isoformat()}", "set the clocks right")
    if demands.now - statement.at > demands.max_age or demands.now >= statement.valid_until:
        raise Refusal(f"{noun} is too old: it is of {statement.at.isoformat()}", _AGAIN)


def _saw_word(item: Mapping[str, Any], word: str) -> bool:
    """Whether a met check of the item demanded exactly this word; one that merely stands in the facts is no answer."""
    met = [check for check in item["checks"] if check["met"] is True]
    return any(check["wanted"] == f"= {word}" and check["found"] == word for check in met)


def _counts(item: Mapping[str, Any]) -> list[int]:
    """The whole numbers that met checks of the item demanded a least number of."""
    found = [check["found"] for check in item["checks"] if check["met"] is True and "at least" in check["wanted"]]
    return [int(match[1]) for text in found if (match := re.fullmatch(r"(?:length )?(\d{1,9})", text))]


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment
