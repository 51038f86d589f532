"""Whose signatures together are enough: a report, its approvals and the roster to what is still missing; a pure function.

Distinct persons over distinct keys are counted, never signatures or key ids, and the operator of the run counts only where the
quorum says so. An approval that does not hold is never passed over: somebody put it there and believes that it counts, so as long
as it stands nothing is approved. Any doubt about what is demanded is a no.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final

from pytest_golive.errors import ApprovalRejected
from pytest_golive.signing.approval import About, Approval, believe, claimed
from pytest_golive.signing.keys import PublicKey
from pytest_golive.signing.roster import Person, Quorum, Roster

_ORDINALS = ("a first", "a second", "a third", "a fourth", "a fifth")
_APART = re.compile(r"@[^\s<>()\[\]]*|[<>()\[\]\\/,;|]")
"""What stands between the names of one person: brackets, the domain in front of a login, and the one behind it."""
_NUMBERS = ("no", "one", "two", "three", "four", "five")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report as its signed evidence tells it; `operators` are the names it was run under, `signers` its keys' fingerprints.

    `signoff` is the quorum that was demanded when it was made, null if none was; it is read strictly where it is used.
    """

    evidence: str
    presentation: str
    environment: str
    run: str
    word: str
    operators: tuple[str, ...]
    signers: tuple[str, ...]
    signoff: object


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """The approvals of a page, line by line, and the digest of the page without them; none by default."""

    lines: tuple[str, ...] = ()
    presentation: str = ""


NO_SIGNATURES = Signatures()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What this place demands: its environment, its roster if it has one, and whether a quorum is demanded in any case.

    `trouble` says why the roster cannot be used, and `hint` what to do; `at_most` is the longest life of an approval.
    """

    environment: str
    required: bool
    roster: Roster | None
    at_most: timedelta
    trouble: str = ""
    hint: str = ""

    @property
    def quorum(self) -> Quorum | None:
        """The quorum that the roster names for this environment."""
        return self.roster.quorums.get(self.environment) if self.roster else None

    @property
    def demands(self) -> bool:
        """Whether an activation here needs approvals; a roster that cannot be read demands them."""
        return self.required or bool(self.trouble) or self.quorum is not None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """An approval that holds, with the key that signed it; `aside` says why it counts towards no quorum, empty if it does."""

    approval: Approval
    person: Person
    key: PublicKey
    aside: str
    line: str

    @property
    def who(self) -> str:
        """Printed name and role."""
        return f"{self.person.name} ({self.approval.role})"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An approval that stands there and does not hold: whose it claims to be, why not, and what to do; none of it is believed."""

    person: str
    role: str
    reason: str
    hint: str
    line: str

    @property
    def who(self) -> str:
        """What it claims, in words."""
        return f"{self.person or 'somebody'} ({self.role or 'no role'})"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What the quorum still wants, in words; `role` is empty where any role will do, `candidates` are names of who could sign."""

    role: str
    words: str
    candidates: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a report stands: what is demanded of it, who approved it, what was rejected and why, and what is missing.

    `trouble` is why nothing can be counted at all; `notes` are told beside a yes as well as beside a no.
    """

    demanded: bool
    believed: tuple[Believed, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
    trouble: str = ""
    hint: str = ""
    environment: str = ""

    @property
    def approved(self) -> bool:
        """Whether everything that is demanded is there, and nothing that does not hold."""
        return not (self.trouble or self.rejected or self.missing)

    @property
    def approved_by(self) -> tuple[str, ...]:
        """Who approved it, as `id (role)`, without those who do not count."""
        return tuple(sorted(f"{one.person.id} ({one.approval.role})" for one in self.believed if not one.aside))

    @property
    def line(self) -> str:
        """The whole in one line: yes and by whom, or the first thing that is in the way."""
        notes = "".join(f"; {note}" for note in self.notes)
        if self.trouble:
            return self.trouble
        if self.rejected:
            first = self.rejected[0]
            return f"the approval of {first.who} does not hold: {first.reason}"
        if self.missing:
            return f"the quorum of {self.environment} is open: missing {', '.join(one.words for one in self.missing)}{notes}"
        if not self.demanded:
            return f"no quorum is demanded for {self.environment}{notes}"
        return f"approved by {', '.join(one.who for one in self.believed if not one.aside)}{notes}"

    @property
    def next_step(self) -> str:
        """What to do about the first thing that is in the way."""
        if self.trouble:
            return self.hint
        if self.rejected:
            return self.rejected[0].hint
        return f"golive approve REPORT --role {self.missing[0].role or 'ROLE'}" if self.missing else ""


def report_of(statement: Mapping[str, Any], *, evidence: str, presentation: str, signers: Sequence[str]) -> Report:
    """The report of a statement that was verified; KeyError or TypeError if it is none of ours."""
    golive = statement["predicate"]["golive"]
    run = golive["run"]
    return Report(
        evidence=evidence,
        presentation=presentation,
        environment=golive["target"]["environment"],
        run=run.get("id", ""),
        word=golive["decision"]["word"],
        operators=tuple(str(run[name]) for name in ("operator", "login") if run.get(name)),
        signers=tuple(signers),
        signoff=golive.get("signoff"),
    )


def stand(report: Report, lines: Iterable[str], policy: Policy, now: datetime) -> Standing:
    """How the report stands with these approvals, by this policy, at this moment."""
    lines = tuple(lines)
    demanded = policy.demands or report.signoff is not None
    standing = Standing(demanded=demanded, environment=policy.environment)
    if report.environment != policy.environment:
        return _troubled(
            standing,
            f"the report is about {report.environment}, and this is {policy.environment}",
            "run the gate for this environment, or name its settings with --config",
        )
    if policy.trouble:
        return _troubled(standing, policy.trouble, policy.hint)
    roster = policy.roster
    if roster is None:
        if not demanded and not lines:
            return standing
        why = "approvals are demanded" if demanded else "the page carries approvals"
        return _troubled(standing, f"{why}, and there is no roster here", "put the roster where golive.yaml names it (roster:)")
    try:
        quorum = _stricter(policy.quorum, report.signoff)
    except (KeyError, TypeError, ValueError):
        return _troubled(standing, "the quorum in the evidence is malformed", "run pytest --golive again")
    if demanded and policy.quorum is None:
        return _troubled(
            standing,
            f"approvals are demanded, and the roster names no quorum for {policy.environment}",
            f"write a table [quorum.{policy.environment}] into the roster",
        )
    about = About(
        evidence=report.evidence,
        presentation=report.presentation,
        environment=report.environment,
        run=report.run,
        word=report.word,
        at_most=policy.at_most,
    )
    believed, rejected = _sorted_out(lines, roster, about, now, lambda person: _aside(person, report, quorum))
    return Standing(
        demanded=demanded,
        believed=tuple(sorted(believed, key=lambda one: (one.person.id, one.approval.role))),
        rejected=tuple(rejected),
        missing=_missing(quorum, believed, roster, report) if quorum else (),
        notes=_notes(report.signoff, policy),
        environment=policy.environment,
    )


def is_operator(person: Person, report: Report) -> bool:
    """Whether this person ran the gate: by name, by login, or by holding the key that signed the evidence.

    Names are compared by their letters and digits alone, and `Ann Example <ann@example.org>` and `CORP\\ann` name Ann:
    who wrongly does not count is told so, who wrongly counts is not.
    """
    names = {_folded(name) for name in (person.id, person.name, *person.logins)} - {""}
    ran = {_folded(part) for name in report.operators for part in (name, *_APART.split(name))}
    held = {key.public.fingerprint for key in person.keys}
    return bool(names & ran) or bool(held & set(report.signers))


def signoff_of(policy: Policy) -> dict[str, Any] | None:
    """What the evidence of a run says of the quorum that will be asked; None if none is demanded."""
    if not policy.demands:
        return None
    quorum = policy.quorum or Quorum(persons=1, roles={})
    return {
        "roster": policy.roster.sha256 if policy.roster else "",
        "persons": quorum.persons,
        "roles": dict(quorum.roles),
        "operator_counts": quorum.operator_counts,
    }


def _sorted_out(
    lines: Iterable[str], roster: Roster, about: About, now: datetime, aside: Callable[[Person], str]
) -> tuple[list[Believed], list[Rejected]]:
    believed: list[Believed] = []
    rejected: list[Rejected] = []
    for line in lines:
        try:
            approval, signed = believe(line.encode("utf-8", "surrogateescape"), roster, about, now)
        except ApprovalRejected as refused:
            person, role = claimed(line)
            hint = f"{refused.hint}; or leave it out, which is told: golive merge REPORT --drop-rejected"
            rejected.append(Rejected(person=person, role=role, reason=refused.message, hint=hint, line=line))
            continue
        told = aside(signed.person)
        believed.append(Believed(approval=approval, person=signed.person, key=signed.key.public, aside=told, line=line))
    return believed, rejected


def _aside(person: Person, report: Report, quorum: Quorum | None) -> str:
    if quorum is not None and not quorum.operator_counts and is_operator(person, report):
        return "the operator of the run does not count"
    return ""


def _stricter(here: Quorum | None, signed: object) -> Quorum | None:
    """What both the roster of now and the evidence demand; a roster that was weakened since the run does not weaken the run."""
    if signed is None or here is None:
        return here
    if not isinstance(signed, Mapping):
        raise TypeError("no quorum")
    persons, roles, operator = signed["persons"], signed["roles"], signed["operator_counts"]
    if not isinstance(roles, Mapping) or not all(type(number) is int for number in (persons, *roles.values())):
        raise TypeError("no counts")
    return Quorum(
        persons=max(here.persons, persons),
        roles={role: max(here.roles.get(role, 0), roles.get(role, 0)) for role in (*here.roles, *roles)},
        operator_counts=here.operator_counts and operator is True,
    )


def _missing(quorum: Quorum, believed: Sequence[Believed], roster: Roster, report: Report) -> tuple[Missing, ...]:
    counting = [one for one in believed if not one.aside]
    persons = {one.person.id for one in counting}
    able = [person for person in roster.persons if quorum.operator_counts or not is_operator(person, report)]
    missing: list[Missing] = []
    slots = 0
    for role, least in sorted(quorum.roles.items()):
        signed = {one.person.id for one in counting if one.approval.role == role}
        if (short := least - len(signed)) > 0:
            slots += short
            names = tuple(person.name for person in able if role in person.roles and person.id not in signed)
            missing.append(Missing(role=role, words=f"{_number(short)} of {role}", candidates=names))
    for number in range(len(persons) + slots + 1, quorum.persons + 1):
        names = tuple(person.name for person in able if person.id not in persons)
        missing.append(Missing(role="", words=f"{_ordinal(number)} person", candidates=names))
    return tuple(missing)


def _notes(signed: object, policy: Policy) -> tuple[str, ...]:
    if not isinstance(signed, Mapping) or policy.roster is None or signed.get("roster") == policy.roster.sha256:
        return ()
    return ("the roster was changed since the run, and this is judged by the present one and by the quorum of then",)


def _troubled(standing: Standing, trouble: str, hint: str) -> Standing:
    return Standing(demanded=standing.demanded, environment=standing.environment, trouble=trouble, hint=hint)


def _folded(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", name).casefold() if letter.isalnum())


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _ordinal(number: int) -> str:
    return _ORDINALS[number - 1] if number <= len(_ORDINALS) else "one more"
