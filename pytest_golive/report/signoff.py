"""The approvals of a page: lines that anybody may bring, read strictly, and shown with everything that was signed in them.

No signature is looked at here, because a page cannot know whom to trust: it shows what is claimed, and `golive verify` holds the
claims against the roster. What the page does refuse is a line that is no approval of exactly this page, or that carries something
which the page would not show. Among several approvals of one person in one role the latest stands, so that the bytes of a page do
not depend on the order in which people signed; who merges pages must have verified the signatures before, or a forged line with a
later date would take the place of a true one (which can only make a quorum fail, never meet it).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, final

from pytest_golive import canonical
from pytest_golive.errors import EnvelopeRejected, ReportRejected
from pytest_golive.report import words
from pytest_golive.report.words import Moment
from pytest_golive.signing import dsse

APPROVAL_TYPE = "urn:pytest-golive:approval:v0.1"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
BEGIN = "<!--golive:approvals-->"
END = "<!--/golive:approvals-->"
MAX_APPROVALS = 64
MAX_COMMENT = 4_000
MAX_WORD = 300

_PREDICATE = frozenset(
    ("schema", "environment", "run", "word", "person", "name", "role", "meaning", "comment", "signed_at", "expires")
)
_HINT = "take it out, or get the page again from whoever approved it"
_PERMITS = ("GO", "GO WITH WARNINGS")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's approval as its line claims it; `operator` if that person also ran the gate."""

    line: str
    sha256: str
    person: str
    name: str
    role: str
    meaning: str
    comment: str
    signed_at: Moment
    expires: Moment
    evidence: str
    presentation: str
    fingerprint: str
    method: str
    operator: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A signature that the quorum still wants, and the command by which it is given."""

    wanted: str
    command: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The sign-off block: who signed, who did not, and what the quorum asks; `state` says it in a sentence."""

    state: str
    signed: Sequence[Approval]
    missing: Sequence[Open]
    asked: str
    note: str


def presentation(page: bytes) -> str:
    """The sha256 of a page without its approvals, which each approval signs.

    It is what `sed '/<!--golive:approvals-->/,/<!--\\/golive:approvals-->/d' report.html | sha256sum` prints: whole lines, from
    each line that opens the region to the next later one that closes it, or to the end of the file.
    """
    return hashlib.sha256(_outside(page)).hexdigest()


def _outside(page: bytes) -> bytes:
    begin, end = BEGIN.encode(), END.encode()
    kept: list[bytes] = []
    at = 0
    while (found := page.find(begin, at)) >= 0:
        start = page.rfind(b"\n", 0, found) + 1
        kept.append(page[at:start])
        line_end = page.find(b"\n", found)
        closing = page.find(end, line_end + 1) if line_end >= 0 else -1
        after = page.find(b"\n", closing) if closing >= 0 else -1
        if after < 0:
            return b"".join(kept)
        at = after + 1
    kept.append(page[at:])
    return b"".join(kept)


def read(lines: Iterable[str], golive: Mapping[str, Any], *, evidence: str, shown: str) -> tuple[Approval, ...]:
    """The approvals of the page whose evidence and presentation have these digests: one per person and role, in their one order.

    ReportRejected if one of the lines is no approval of this page, or if they are more than `MAX_APPROVALS`.
    """
    brought = tuple(dict.fromkeys(lines))
    if len(brought) > MAX_APPROVALS:
        raise ReportRejected(f"the page carries more than {MAX_APPROVALS} approvals", hint=_HINT)
    if brought and (why := unapprovable(golive)):
        raise ReportRejected(f"the page carries approvals, and {why}", hint=_HINT)
    latest: dict[tuple[str, str], tuple[tuple[datetime, str], Approval]] = {}
    # of two writings of the same signature the smaller line stands, whichever came first
    for line in sorted(brought):
        one = _approval(line, golive, evidence=evidence, shown=shown)
        rank = (datetime.fromisoformat(one.signed_at.iso), one.sha256)
        before = latest.get((one.person, one.role))
        if before is None or rank > before[0]:
            latest[one.person, one.role] = (rank, one)
    return tuple(sorted((one for _, one in latest.values()), key=lambda one: one.sha256))


def unapprovable(golive: Mapping[str, Any]) -> str:
    """Why nobody can approve this run; empty if people can."""
    word = golive["decision"]["word"]
    if word not in _PERMITS:
        return f"{'an' if word == 'INCOMPLETE' else 'a'} {word} cannot be approved"
    return "" if golive["run"]["gates"] is True else "a run that opens no gate cannot be approved"


def block(golive: Mapping[str, Any], approvals: Sequence[Approval]) -> Block:
    """What the sign-off block shows of these approvals.

    It counts what is claimed, as a reader would; the count that matters is that of `golive verify`, which knows the roster.
    """
    demand = golive["signoff"]
    # people read in the order of signing, whatever the order of the lines
    approvals = sorted(approvals, key=lambda one: (datetime.fromisoformat(one.signed_at.iso), one.sha256))
    if why := unapprovable(golive):
        return Block(state="Not signed", signed=(), missing=(), asked="", note=f"There is nothing to sign: {why}.")
    if demand is None:
        state = _people(approvals) if approvals else "Not signed"
        missing = () if approvals else (Open(wanted="No person has approved this report.", command=_command("ROLE")),)
        return Block(
            state=state,
            signed=approvals,
            missing=missing,
            asked="No quorum is demanded here: an approval is welcome, and nothing waits for it.",
            note="",
        )
    counting = [one for one in approvals if demand["operator_counts"] is True or not one.operator]
    missing_rows: list[Open] = []
    for role, least in sorted(demand["roles"].items()):
        holders = {one.person for one in counting if one.role == role}
        missing_rows += [Open(wanted=f"Role {role}", command=_command(role))] * max(0, least - len(holders))
    persons = {one.person for one in counting}
    further = demand["persons"] - len(persons) - len(missing_rows)
    missing_rows += [Open(wanted="One more person", command=_command("ROLE"))] * max(0, further)
    if not approvals:
        state = "Not signed"
    elif missing_rows:
        state = f"{_people(approvals)}, {len(missing_rows)} signature{'s' if len(missing_rows) != 1 else ''} missing"
    else:
        state = f"{_people(approvals)}, none missing"
    return Block(state=state, signed=approvals, missing=tuple(missing_rows), asked=_asked(demand), note=_operator(golive, demand))


def _people(approvals: Sequence[Approval]) -> str:
    number = len({one.person for one in approvals})
    return f"Signed by {number} {'person' if number == 1 else 'people'}"


def _asked(demand: Mapping[str, Any]) -> str:
    roles = [f"{least} for {role}" for role, least in sorted(demand["roles"].items())]
    number = demand["persons"]
    people = f"at least {number} {'person' if number == 1 else 'different people'}"
    *front, last = roles or [""]
    named = f"{', '.join(front)} and {last}" if front else last
    return f"Asked: {people}{', among them ' + named if named else ''}."


def _operator(golive: Mapping[str, Any], demand: Mapping[str, Any]) -> str:
    if demand["operator_counts"] is True:
        return ""
    return f"Whoever ran the gate ({golive['run']['operator']}) does not count."


def _command(role: str) -> str:
    return f"golive approve report.html --role {role}"


def _approval(line: str, golive: Mapping[str, Any], *, evidence: str, shown: str) -> Approval:
    try:
        payload, signature, keyid, form = _envelope(line)
        statement = dsse.strict_json(payload)
        if canonical.dumps(statement) != payload:
            raise ValueError("what was signed is not canonical JSON")
        predicate = _members(statement)
        subjects = {each["name"]: each["digest"] for each in statement["subject"]}
        if statement["subject"] != [{"digest": subjects[name], "name": name} for name in ("evidence", "presentation")]:
            raise ValueError("it is not about the evidence and the presentation of a page")
        texts = {name: _text(predicate[name]) for name in ("person", "name", "role", "meaning")}
        if len(predicate["comment"]) > MAX_COMMENT:
            raise ValueError("its comment is too long to be shown")
        signed, expires = words.moment(predicate["signed_at"]), words.moment(predicate["expires"])
        method = _method(signature, form)
    except (EnvelopeRejected, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        why = error.message if isinstance(error, EnvelopeRejected) else f"{type(error).__name__}: {ascii(str(error))[:120]}"
        raise ReportRejected(f"a line among the approvals is no approval: {why}", hint=_HINT) from error
    run = golive["run"]
    here = {"environment": golive["target"]["environment"], "run": run["id"], "word": golive["decision"]["word"]}
    for name, value in here.items():
        if predicate[name] != value:
            raise _elsewhere(texts, f"its {name} is {ascii(predicate[name])[:80]}, and here it is {value!a}")
    if subjects != {"evidence": {"sha256": evidence}, "presentation": {"sha256": shown}}:
        raise _elsewhere(texts, "it was signed over another page")
    return Approval(
        line=line,
        sha256=canonical.sha256(payload),
        **texts,
        comment=predicate["comment"],
        signed_at=signed,
        expires=expires,
        evidence=evidence,
        presentation=shown,
        fingerprint=keyid,
        method=method,
        operator=bool({run["operator"], run.get("login")} & {texts["person"], texts["name"]}),
    )


def _elsewhere(texts: Mapping[str, str], why: str) -> ReportRejected:
    who = ascii(texts["person"])[:80]
    return ReportRejected(f"the approval of {who} is not one of this page: {why}", hint=_HINT)


def _envelope(line: str) -> tuple[bytes, bytes, str, str]:
    """Payload, signature, the key id and the form that an envelope names, if it is written in its one way."""
    envelope = dsse.strict_json(line)
    if "<" in line or canonical.dumps(envelope) != line.encode("ascii"):
        raise ValueError("it is not one line of canonical JSON")
    if envelope.keys() != {"payload", "payloadType", "signatures"} or envelope["payloadType"] != dsse.PAYLOAD_TYPE:
        raise ValueError("it is not an envelope of ours")
    (signature,) = envelope["signatures"]
    if signature.keys() - {"format"} != {"keyid", "sig"} or signature.get("format", "sshsig") != "sshsig":
        raise ValueError("its signature has other members than ours")
    keyid = _text(signature["keyid"])
    return dsse.strict_base64(envelope["payload"]), dsse.strict_base64(signature["sig"]), keyid, signature.get("format", "")


def _members(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """The predicate of an approval that has exactly the members which the page shows."""
    predicate: Mapping[str, Any] = statement["predicate"]
    if statement.keys() != {"_type", "subject", "predicateType", "predicate"} or predicate.keys() != _PREDICATE:
        raise ValueError("it has other members than an approval")
    if (statement["_type"], statement["predicateType"], predicate["schema"]) != (STATEMENT_TYPE, APPROVAL_TYPE, 1):
        raise ValueError("it is another kind of statement")
    return predicate


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_WORD:
        raise ValueError("a name in it is empty, too long or no text")
    return value


def _method(signature: bytes, form: str) -> str:
    """How a signature was made, as its own form tells."""
    if form:
        kind = _sshsig_key(signature)
        return f"SSHSIG of a security key, {kind}" if kind.startswith("sk-") else f"SSHSIG, {kind}"
    if len(signature) == 64:
        return "ssh-ed25519"
    return "ecdsa-sha2-nistp256" if len(signature) < 80 else "ssh-rsa, rsa-sha2-512"


def _sshsig_key(blob: bytes) -> str:
    """The kind of key in an SSHSIG blob: `SSHSIG`, version, then the public key, which begins with its kind (PROTOCOL.sshsig)."""
    size = int.from_bytes(blob[14:18], "big")
    if blob[:10] != b"SSHSIG\x00\x00\x00\x01" or not 0 < size <= 64 or len(blob) < 18 + size:
        raise ValueError("its signature is no SSHSIG")
    kind = blob[18 : 18 + size].decode("ascii")
    if not kind.isprintable():
        raise ValueError("its signature names no kind of key")
    return kind
