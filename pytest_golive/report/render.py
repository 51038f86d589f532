"""The signed evidence to the bytes of the page: a pure function, so that anybody can make the same page again.

The page is ASCII with line feeds, runs no script and asks for nothing from anywhere; its content security policy says so to the
browser. Everything that people or targets wrote is escaped by the template engine, and what cannot be seen is spelled out.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, final

from pytest_golive import canonical
from pytest_golive.errors import EnvelopeRejected, ReportRejected
from pytest_golive.report import reading, signoff, strip, words
from pytest_golive.signing import dsse

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

EVIDENCE_BEGIN = '<script type="application/vnd.in-toto+dsse" id="golive-evidence">\n'
APPROVALS_BEGIN = f"{signoff.BEGIN}\n"
APPROVALS_LIST = '<script type="application/vnd.in-toto.bundle" id="golive-approvals">\n'
APPROVALS_END = f"{signoff.END}\n"
ELEMENT_END = "</script>\n"
PAGE_END = "</body>\n</html>\n"
_TEMPLATES: Mapping[int, str] = {1: "page-1", 2: "page-2"}
_PLAIN = bytes(range(0x20, 0x7F)).replace(b"<", b"")
_HINT = "make it again from the run that it claims to come from"


@final
@dataclass(frozen=True, slots=True)
class _Form:
    """A template and its style, with the digest by which the page lets a browser apply it; `signoff` writes the approvals."""

    template: Template
    signoff: Template | None
    style: str
    style_digest: str


def render(envelope: str, approvals: Sequence[str] = ()) -> bytes:
    """The page of one evidence envelope, a line of DSSE JSON; ReportRejected if there is no go-live statement in it.

    Signatures are not looked at: whom to trust is the business of `verify`, which renders again what a trusted key signed. The
    approvals are lines of DSSE JSON in any order; each has to be one of exactly this page, or the page is refused.
    """
    payload = _payload(envelope)
    return render_statement(parse(payload), canonical.sha256(payload), envelope, approvals)


def render_statement(statement: Mapping[str, Any], digest: str, envelope: str, approvals: Sequence[str] = ()) -> bytes:
    """The page of a statement that was taken out of `envelope`; `digest` is the sha256 of the payload it was parsed from."""
    if not envelope.isascii() or envelope.encode("ascii").translate(None, _PLAIN):
        raise ReportRejected("the envelope is not one line of plain text", hint=_HINT)
    version = _template_version(statement)
    if version == 1 and approvals:
        # nothing that nobody can see may be in a page
        raise ReportRejected(
            "the page carries approvals, and template 1 cannot show them", hint="run the gate again and approve its new page"
        )
    form = _form(version)
    page = reading.read(statement, digest)
    text = form.template.render(
        page=page,
        strip=strip.draw(page.order, tuple(page.sections)),
        style=form.style,
        style_digest=form.style_digest,
        approvals_begin=APPROVALS_BEGIN,
        approvals_list=APPROVALS_LIST + ELEMENT_END,
        approvals_end=APPROVALS_END,
    )
    head = _bytes(text)
    tail = b"".join((EVIDENCE_BEGIN.encode(), envelope.encode(), b"\n", ELEMENT_END.encode(), PAGE_END.encode()))
    if form.signoff is not None:
        # in the text of the page a `<` of others is escaped, so that the region stands in it exactly once
        before, after = head.split((APPROVALS_BEGIN + APPROVALS_END).encode())
        shown = hashlib.sha256(b"".join((before, after, tail))).hexdigest()
        signed = signoff.read(approvals, statement["predicate"]["golive"], evidence=digest, shown=shown)
        head = b"".join((before, _region(form.signoff, statement["predicate"]["golive"], signed), after))
    return head + tail


def _region(template: Template, golive: Mapping[str, Any], signed: Sequence[signoff.Approval]) -> bytes:
    """The approvals region: what people read, and the lines that machines read."""
    block = _bytes(template.render(block=signoff.block(golive, signed)))
    lines = "".join(f"{one.line}\n" for one in signed)
    return b"".join((APPROVALS_BEGIN.encode(), block, f"{APPROVALS_LIST}{lines}{ELEMENT_END}{APPROVALS_END}".encode("ascii")))


def _bytes(text: str) -> bytes:
    return words.visible(text).encode("ascii", "xmlcharrefreplace")


def parse(payload: bytes) -> dict[str, Any]:
    """The JSON object in a payload; ReportRejected if it is something else."""
    try:
        statement = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ReportRejected("the evidence is not JSON", hint=_HINT) from error
    if not isinstance(statement, dict):
        raise ReportRejected("the evidence is not a JSON object", hint=_HINT)
    return statement


def _payload(envelope: str) -> bytes:
    try:
        return dsse.strict_base64(json.loads(envelope)["payload"])
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError, EnvelopeRejected) as error:
        raise ReportRejected("this is not a DSSE envelope", hint=_HINT) from error


def _template_version(statement: Mapping[str, Any]) -> int:
    try:
        version = statement["predicate"]["golive"]["template"]
    except (KeyError, TypeError) as error:
        raise ReportRejected("the evidence is not a go-live statement", hint=_HINT) from error
    if type(version) is not int or version not in _TEMPLATES:
        raise ReportRejected(
            f"the page wants template {ascii(version)[:40]}, which is not known here",
            hint="use the version of pytest-golive that wrote it, or a newer one",
        )
    return version


def _content(text: str) -> Markup:
    """Text escaped for the inside of an element, never for an attribute: quotes stay, of which facts in JSON are full."""
    from markupsafe import Markup

    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704 - escaped right here


@functools.cache
def _form(version: int) -> _Form:
    """The compiled template and its style; the files of a version never change once it was released."""
    from jinja2 import Environment, StrictUndefined

    room = resources.files(__package__)
    style = (room / f"{_TEMPLATES[version]}.css").read_text(encoding="ascii")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )

    def compiled(name: str) -> Template:
        return environment.from_string((room / f"{name}.html.j2").read_text(encoding="ascii"))

    environment.filters["content"] = _content
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    name = _TEMPLATES[version]
    return _Form(compiled(name), None if version == 1 else compiled(f"{name}-signoff"), style, digest)
