"""The marker `go_live.active`: a text that people and YAML readers can read, and that only a trusted key can make.

What is signed is exactly the text above the line `golive_signatures:`. There is one way to write a marker's fields and
the parser accepts no other, so the fields it gives are the bytes that were signed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, final

from pytest_golive.errors import EnvelopeRejected, MarkerRejected

if TYPE_CHECKING:
    from pytest_golive.signing.keys import PublicKey, Signer

MARKER_TYPE = "application/vnd.pytest-golive.marker.v1+yaml"
MAX_MARKER = 64 * 1024
MAX_SIGNATURES = 64

_SIGNATURES = b"golive_signatures:\n"
_HEADER = """\
# GO-LIVE ACTIVATION MARKER
# REAL TRADING is ENABLED for as long as this file stands and its signature holds.
# Do not edit, move or delete it, except to DISABLE real trading at once.

"""
_FOOTER = """\

# The execution service looks here before each real order.
# Without this file every real order is BLOCKED.

"""
_PRINTABLE = re.compile(r"[ !#-\[\]-~]{0,200}")
_LINE = re.compile(r"([a-z_]+): (.+)")
_TEXT = re.compile(r'"([ !#-\[\]-~]{0,200})"')
_COUNT = re.compile(r"[1-9][0-9]{0,17}")
_SIGNATURE = re.compile(rb'- "([A-Za-z0-9+/]{86,96}={0,2})"')
_HINT = "remove the marker and activate again"
_TEXTS = (
    "operator",
    "environment",
    "activation_id",
    "host",
    "commit",
    "manifest",
    "config",
    "report",
    "roster",
    "break_glass",
    "journal_head",
)
_TIMES = ("timestamp", "not_before", "expires")
_LISTS = ("allowed_profiles", "approved_by")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What one activation permits: where, for which profiles, from when until when, on the strength of what.

    Times are UTC. `counter` counts activations from 1. `manifest`, `config`, `report` and `roster` are sha256 digests, `report`
    that of the evidence payload, `roster` empty where there was none, `journal_head` the digest of the newest journal record;
    `host` is empty if any machine may use the marker. `approved_by` are the people whose approvals the quorum counted, each as
    `name (role)`. `break_glass` is the reason of an activation without a passing run, empty for every other. MarkerRejected for
    values that cannot be written plainly.
    """

    timestamp: datetime
    operator: str
    environment: str
    allowed_profiles: tuple[str, ...]
    activation_id: str
    counter: int
    not_before: datetime
    expires: datetime
    host: str = ""
    commit: str = ""
    manifest: str = ""
    config: str = ""
    report: str = ""
    roster: str = ""
    break_glass: str = ""
    approved_by: tuple[str, ...] = ()
    journal_head: str = ""

    def __post_init__(self) -> None:
        texts = {name: getattr(self, name) for name in _TEXTS}
        listed = ((name, text) for name in _LISTS for text in getattr(self, name))
        for name, text in (*texts.items(), *listed):
            if not _PRINTABLE.fullmatch(text):
                raise MarkerRejected(
                    f"{name} of a marker is printable ASCII without quotes and backslashes", hint="write it plainly"
                )
        if not self.operator or not self.environment or not self.activation_id or not all(self.allowed_profiles):
            raise MarkerRejected("a marker names its operator, environment, activation and profiles", hint=_HINT)
        if not all(self.approved_by):
            raise MarkerRejected("a marker names each of its approvers", hint=_HINT)
        if not self.allowed_profiles:
            raise MarkerRejected("a marker allows at least one profile", hint="set allowed_profiles in golive.yaml")
        if not _COUNT.fullmatch(str(self.counter)):
            raise MarkerRejected("the counter of a marker counts from 1", hint=_HINT)
        if any(getattr(self, name).utcoffset() != timedelta(0) for name in _TIMES):
            raise MarkerRejected("the times of a marker are UTC", hint=_HINT)
        if not self.not_before < self.expires:
            raise MarkerRejected("a marker expires after it begins", hint=_HINT)


def printable(text: str) -> str:
    """The text as a marker can hold it: every other character becomes a question mark, and 200 are kept."""
    return "".join(letter if _PRINTABLE.fullmatch(letter) else "?" for letter in text[:200])


def render(marker: Marker, signer: Signer) -> bytes:
    """The whole marker file, signed."""
    from base64 import b64encode

    from pytest_golive.signing.dsse import pae

    body = _body(marker)
    return body + _SIGNATURES + b'- "' + b64encode(signer.sign(pae(MARKER_TYPE, body))) + b'"\n'


def parse(content: bytes, keys: Sequence[PublicKey]) -> Marker:
    """The marker in these bytes; MarkerRejected unless each of its signatures is by another one of `keys`."""
    from pytest_golive.signing.dsse import pae, strict_base64, who_signed

    if len(content) > MAX_MARKER:
        raise MarkerRejected(f"the marker is larger than {MAX_MARKER} bytes", hint=_HINT)
    above, line, below = content.partition(b"\n" + _SIGNATURES)
    if not line:
        raise MarkerRejected("the marker is not signed" if content else "the marker is empty", hint=_HINT)
    body = above + b"\n"
    if not below.endswith(b"\n"):
        raise MarkerRejected("the marker is cut short", hint=_HINT)
    found = [_SIGNATURE.fullmatch(text) for text in below[:-1].split(b"\n", MAX_SIGNATURES - 1)]
    try:
        signatures = [strict_base64(match[1].decode("ascii")) for match in found if match]
    except EnvelopeRejected:
        signatures = []
    if len(signatures) != len(found):
        raise MarkerRejected("the signatures of the marker are malformed", hint=_HINT)
    if len(who_signed(pae(MARKER_TYPE, body), signatures, keys)) != len(signatures):
        raise MarkerRejected(
            "the signature of the marker does not hold: it was edited, or a key that is not trusted here made it",
            hint=_HINT,
        )
    return _fields(body)


def _body(marker: Marker) -> bytes:
    def text(value: str) -> str:
        return f'"{value}"'

    def listed(values: Sequence[str]) -> str:
        return f"[{', '.join(text(value) for value in values)}]"

    def time(value: datetime) -> str:
        return text(value.isoformat(timespec="microseconds"))

    lines = [
        "activated: true",
        f"timestamp: {time(marker.timestamp)}",
        f"operator: {text(marker.operator)}",
        f"environment: {text(marker.environment)}",
        f"allowed_profiles: {listed(marker.allowed_profiles)}",
        "schema: 1",
        f"activation_id: {text(marker.activation_id)}",
        f"counter: {marker.counter}",
        f"not_before: {time(marker.not_before)}",
        f"expires: {time(marker.expires)}",
        *(f"{name}: {text(getattr(marker, name))}" for name in _TEXTS[3:-1]),
        f"approved_by: {listed(marker.approved_by)}",
        f"journal_head: {text(marker.journal_head)}",
    ]
    return (_HEADER + "\n".join(lines) + "\n" + _FOOTER).encode("ascii")


def _fields(body: bytes) -> Marker:
    """The fields of a signed body; whatever `_body` would not write itself is refused."""
    try:
        lines = (_LINE.fullmatch(line) for line in body.decode("ascii").split("\n"))
        found = {match[1]: match[2] for match in lines if match}
        fields: dict[str, Any] = {name: _text(found[name]) for name in _TEXTS}
        fields |= {name: datetime.fromisoformat(_text(found[name])).astimezone(UTC) for name in _TIMES}
        fields |= {name: tuple(_TEXT.findall(found[name])) for name in _LISTS}
        fields["counter"] = int(found["counter"])
        marker = Marker(**fields)
    except (KeyError, ValueError, TypeError, OverflowError):
        raise MarkerRejected("the marker does not have the fields of a marker", hint=_HINT) from None
    if _body(marker) != body:
        raise MarkerRejected("the marker is not written as this version writes it", hint=_HINT)
    return marker


def _text(scalar: str) -> str:
    match = _TEXT.fullmatch(scalar)
    if match is None:
        raise ValueError(scalar)
    return match[1]
