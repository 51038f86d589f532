"""A page held against its own evidence: a trusted signature, and then every byte rendered again and compared.

Signatures alone would miss a page that shows something else than what was signed; comparing misses nothing. Mail and browsers
like to change line ends, so that this damage, which leaves the evidence whole, is told apart from a forgery; it is still refused.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from pytest_golive import canonical
from pytest_golive.errors import EnvelopeRejected, ReportRejected
from pytest_golive.report.render import (
    APPROVALS_BEGIN,
    APPROVALS_END,
    APPROVALS_LIST,
    ELEMENT_END,
    EVIDENCE_BEGIN,
    parse,
    render_statement,
)
from pytest_golive.report.signoff import presentation
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import PublicKey

MAX_PAGE = 50_000_000
"""Bytes of the largest page that is read at all."""

_START = b"<!DOCTYPE html>\n"
_BOM = b"\xef\xbb\xbf"
_AGAIN = "get the file again from where it was made; do not act on this copy"
_EVIDENCE = re.compile(r"<[^<>]*golive-evidence", re.IGNORECASE)
_LIST = re.compile(r"<[^<>]*golive-approvals", re.IGNORECASE)
_REGION = re.compile(r"<!--\s*/?\s*golive:approvals", re.IGNORECASE)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What a page carries for machines, as it stands there: nothing of it has been verified."""

    envelope: str
    approvals: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReport:
    """The statement of a page that verified, its digest, and the fingerprints of the trusted keys that signed it.

    `approvals` are the lines of the page, each of which speaks of exactly this evidence and this presentation. Nobody has looked
    at their signatures yet: whose they are and whether they count is for `approval` to say, which has the roster.
    """

    payload: dict[str, Any]
    payload_sha256: str
    keyids: tuple[str, ...]
    presentation_sha256: str
    approvals: tuple[str, ...]


def extract(page: bytes) -> Extracted:
    """The envelope and the approvals of a page; ReportRejected unless each stands there exactly once, in its one form."""
    _refuse_large(page)
    if not page.startswith(_START):
        raise ReportRejected("this is not a sign-off page", hint="name a report.html that a run has left behind")
    if b"</html>" not in page:
        raise ReportRejected("the page is cut short: its end is missing", hint=_AGAIN)
    try:
        text = page.decode("ascii")
    except UnicodeDecodeError as error:
        raise ReportRejected(f"the page holds a byte that is not ASCII, at offset {error.start}", hint=_AGAIN) from None
    envelope = _between(text, EVIDENCE_BEGIN, "\n" + ELEMENT_END, _EVIDENCE, 1, "golive-evidence element")
    region = _between(text, APPROVALS_BEGIN, APPROVALS_END, _REGION, 2, "approvals region")
    if APPROVALS_LIST not in region:
        raise ReportRejected("the page has no list in its approvals region", hint=_AGAIN)
    lines = _between(text, APPROVALS_LIST, ELEMENT_END, _LIST, 1, "golive-approvals element")
    return Extracted(envelope=envelope, approvals=tuple(lines.splitlines()))


def verify(page: bytes, keys: Sequence[PublicKey]) -> VerifiedReport:
    """The statement that one of `keys` signed and that this page shows, byte for byte; ReportRejected for anything else.

    Whether the statement is still valid, and whether it permits anything, is for the caller to judge.
    """
    _refuse_large(page)
    mended = undamaged(page)
    verified = _verify(mended, keys)
    if mended != page:
        marks = [
            *(["a byte order mark was put in front"] if page.startswith(_BOM) else []),
            *(["line ends were changed to CRLF"] if b"\r\n" in page else []),
        ]
        raise ReportRejected(
            f"transport-damaged, evidence intact: {' and '.join(marks)}",
            hint="nothing that is shown was altered: golive repair REPORT; send it zipped or as application/octet-stream",
        )
    return verified


def undamaged(page: bytes) -> bytes:
    """The page without what mail and browsers do to line ends and beginnings; whether that makes it true is for `verify`."""
    return page.removeprefix(_BOM).replace(b"\r\n", b"\n")


def _refuse_large(page: bytes) -> None:
    if len(page) > MAX_PAGE:
        raise ReportRejected(f"the page is larger than {MAX_PAGE:,} bytes", hint="this is no sign-off page")


def _verify(page: bytes, keys: Sequence[PublicKey]) -> VerifiedReport:
    found = extract(page)
    try:
        opened = dsse.open_envelope(found.envelope, keys)
    except EnvelopeRejected as error:
        raise ReportRejected(f"the evidence is not to be believed: {error.message}", hint=error.hint) from error
    _refuse_other_writing(found.envelope, opened)
    statement, digest = parse(opened.payload), canonical.sha256(opened.payload)
    if not _is_canonical(statement, opened.payload):
        raise ReportRejected("the evidence is not canonical JSON", hint="make it again with an unmodified pytest-golive")
    again = render_statement(statement, digest, found.envelope, found.approvals)
    if page != again:
        raise ReportRejected(
            _difference(page, again), hint="the page shows something else than what was signed; do not act on it"
        )
    return VerifiedReport(
        payload=statement,
        payload_sha256=digest,
        keyids=opened.keyids,
        presentation_sha256=presentation(page),
        approvals=found.approvals,
    )


def _refuse_other_writing(envelope: str, opened: dsse.Opened) -> None:
    """Refuse an envelope that is not written in its one way: its own key named, in one alphabet, and nothing else in it.

    The signature covers neither the key id nor the alphabet, so that a changed byte there would go unseen.
    """
    read = dsse.strict_json(envelope)
    signature = read["signatures"][0]
    again = {
        "payload": base64.b64encode(opened.payload).decode("ascii"),
        "payloadType": opened.payload_type,
        "signatures": [
            {"keyid": opened.keyids[0], "sig": base64.b64encode(dsse.strict_base64(signature["sig"])).decode("ascii")}
        ],
    }
    if canonical.dumps(again) != envelope.encode("ascii"):
        raise ReportRejected(
            "the page was altered: its evidence is not written as the key that signed it writes it",
            hint="get the file again from where it was made",
        )


def _is_canonical(statement: dict[str, Any], payload: bytes) -> bool:
    """Whether the payload is the one writing that has one reading: no member twice, nothing that is not JSON."""
    try:
        return canonical.dumps(statement) == payload
    except (ValueError, RecursionError):
        return False


def _between(text: str, begin: str, end: str, mention: re.Pattern[str], mentions: int, name: str) -> str:
    """What stands between the one `begin` and the first `end` after it, if `mention` matches as often as it must."""
    count = len(mention.findall(text))
    if count < mentions or begin not in text:
        raise ReportRejected(f"the page has no {name}", hint=_AGAIN)
    if count > mentions:
        raise ReportRejected(f"the page has more than one {name}", hint="do not trust it: somebody added to it")
    start = text.index(begin) + len(begin)
    stop = text.find(end, start)
    if stop < 0:
        raise ReportRejected(f"the {name} of the page has no end", hint=_AGAIN)
    return text[start:stop]


def _difference(page: bytes, again: bytes) -> str:
    """Where the page first leaves what its evidence renders to."""
    if page.startswith(again):
        return f"the page was altered: {len(page) - len(again):,} bytes follow its end"
    # the common prefix by halving: one comparison of megabytes is cheap, one of each byte is not
    low, high = 0, min(len(page), len(again))
    while low < high:
        middle = (low + high + 1) // 2
        if page[:middle] == again[:middle]:
            low = middle
        else:
            high = middle - 1
    line = page.count(b"\n", 0, low) + 1
    shown, signed = (ascii(text[low : low + 40].decode("ascii", "replace")) for text in (page, again))
    return f"the page was altered: line {line} shows {shown} where the signed evidence gives {signed}"
