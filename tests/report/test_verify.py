"""Pages that were altered, damaged, cut or forged, each told apart."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import canonical, report
from pytest_golive.errors import ReportRejected
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import SessionKey, session_key

Make = Callable[..., dict[str, Any]]
Sign = Callable[[dict[str, Any]], str]


@pytest.fixture(scope="module")
def nogo(statement: Make, item: Make, failed: Make) -> dict[str, Any]:
    """A statement with one failing item."""
    return statement("NO-GO", [item("a"), failed("b")])


@pytest.fixture(scope="module")
def page(nogo: dict[str, Any], sign: Sign) -> bytes:
    """A page as it was made."""
    return report.render(sign(nogo))


@pytest.fixture
def rejected(key: SessionKey) -> Callable[[bytes], ReportRejected]:
    """The reason for which a page is refused."""

    def reason(page: bytes) -> ReportRejected:
        with pytest.raises(ReportRejected) as refused:
            report.verify(page, [key.public])
        assert refused.value.hint
        assert "\n" not in str(refused.value)
        return refused.value

    return reason


Rejected = Callable[[bytes], ReportRejected]


def test_a_page_as_it_was_made_verifies(page: bytes, nogo: dict[str, Any], key: SessionKey) -> None:
    """The statement, its digest and the key that signed it come back from an untouched page."""
    verified = report.verify(page, [key.public])
    assert verified.payload == nogo
    assert verified.payload_sha256 == canonical.digest(nogo)
    assert verified.keyids == (key.fingerprint,)


def test_extract_gives_what_was_put_in(page: bytes, nogo: dict[str, Any], sign: Sign) -> None:
    """The envelope comes out as it was put in, and there are no approvals."""
    assert report.extract(page) == report.Extracted(envelope=sign(nogo), approvals=())


def test_h1_a_visible_word_is_changed(page: bytes, rejected: Rejected) -> None:
    """NO-GO turned into GO on the page alone is found, with the line where it stands."""
    reason = rejected(page.replace(b'<span class="word">NO-GO', b'<span class="word">GO')).message
    assert reason.startswith("the page was altered: line ")
    assert "GO</span>" in reason


def test_h1_an_item_is_taken_out(page: bytes, rejected: Rejected) -> None:
    """A failing card that was cut out of the page is missed."""
    start, end = page.index(b'<article class="card blocking"'), page.index(b"</article>")
    assert "altered" in rejected(page[:start] + page[end:]).message


def test_h2_style_in_the_approvals_region(page: bytes, rejected: Rejected) -> None:
    """Style that was put among the approvals is found."""
    evil = page.replace(b"<!--golive:approvals-->\n", b"<!--golive:approvals-->\n<style>.blocking{display:none}</style>\n")
    assert "altered" in rejected(evil).message


def test_h3_script_in_the_approvals_region(page: bytes, rejected: Rejected) -> None:
    """A script that was put among the approvals is found."""
    evil = page.replace(b"<!--/golive:approvals-->\n", b"<script>document.title='GO'</script>\n<!--/golive:approvals-->\n")
    assert "altered" in rejected(evil).message


@pytest.mark.parametrize(
    "second",
    [
        b'<script type="application/vnd.in-toto+dsse" id="golive-evidence">\n{}\n</script>\n',
        b"<script id='golive-evidence'>{}</script>\n",
        b"<div ID=GOLIVE-EVIDENCE></div>\n",
    ],
)
@pytest.mark.parametrize("place", [b"<main", b"</body>"])
def test_h4_a_second_evidence_element(second: bytes, place: bytes, page: bytes, rejected: Rejected) -> None:
    """Two elements that claim to be the evidence are refused, however the second is written and wherever it stands."""
    assert rejected(page.replace(place, second + place)).message == "the page has more than one golive-evidence element"


def test_h5_the_page_shows_another_payload(nogo: dict[str, Any], statement: Make, sign: Sign, rejected: Rejected) -> None:
    """A page that was rendered from kinder evidence and carries the real one is found."""
    kind = sign(statement("GO"))
    real = sign(nogo)
    assert "altered" in rejected(report.render(kind).replace(kind.encode(), real.encode())).message


def test_h6_junk_after_the_end(page: bytes, rejected: Rejected) -> None:
    """What follows the end of the page is found and measured."""
    assert rejected(page + b"<p>GO</p>").message == "the page was altered: 9 bytes follow its end"


def test_h7_the_content_policy_is_removed(page: bytes, rejected: Rejected) -> None:
    """A page without its content security policy does not verify."""
    start = page.index(b"<meta http-equiv")
    assert "line 5" in rejected(page[:start] + page[page.index(b"\n", start) + 1 :]).message


def test_h10_crlf(page: bytes, rejected: Rejected) -> None:
    """Line ends that mail has changed are damage and no forgery."""
    reason = rejected(page.replace(b"\n", b"\r\n")).message
    assert reason == "transport-damaged, evidence intact: line ends were changed to CRLF"


def test_h11_byte_order_mark(page: bytes, rejected: Rejected) -> None:
    """A byte order mark is damage and no forgery, alone and with changed line ends."""
    reason = rejected(b"\xef\xbb\xbf" + page).message
    assert reason == "transport-damaged, evidence intact: a byte order mark was put in front"
    both = rejected(b"\xef\xbb\xbf" + page.replace(b"\n", b"\r\n")).message
    assert both.endswith("a byte order mark was put in front and line ends were changed to CRLF")


def test_damage_does_not_excuse_a_forgery(page: bytes, rejected: Rejected) -> None:
    """A page that was altered and then sent by mail is called altered."""
    evil = page.replace(b'class="word">NO-GO', b'class="word">GO').replace(b"\n", b"\r\n")
    assert "altered" in rejected(evil).message


def test_another_key(page: bytes, tmp_path: Path) -> None:
    """A page that no trusted key signed is refused before anything is rendered, and so is one under no key at all."""
    tmp_path.chmod(0o700)
    other = session_key(tmp_path / "other")
    for keys in ([other.public], []):
        with pytest.raises(ReportRejected, match="not to be believed: no trusted key"):
            report.verify(page, keys)


def test_altered_evidence(page: bytes, nogo: dict[str, Any], key: SessionKey, rejected: Rejected) -> None:
    """Evidence that was changed after it was signed is refused, even if the page fits it."""
    envelope = json.loads(dsse.sign(canonical.dumps(nogo), key))
    kinder = json.loads(json.dumps(nogo).replace("degraded", "healthy!"))
    envelope["payload"] = json.loads(dsse.sign(canonical.dumps(kinder), key))["payload"]
    assert "not to be believed" in rejected(report.render(canonical.dumps(envelope).decode())).message


def test_every_byte_counts(page: bytes, rejected: Rejected) -> None:
    """One changed byte anywhere in the page is enough to refuse it."""
    for at in range(0, len(page), max(1, len(page) // 150)):
        other = b"X" if page[at : at + 1] != b"X" else b"Y"
        assert rejected(page[:at] + other + page[at + 1 :]).message


@pytest.mark.parametrize(
    "change",
    [
        lambda envelope: envelope["signatures"][0].update(keyid="SHA256:of-somebody-else"),
        lambda envelope: envelope["signatures"][0].pop("keyid"),
        lambda envelope: envelope["signatures"][0].update(note="x"),
        lambda envelope: envelope["signatures"].append(envelope["signatures"][0]),
        lambda envelope: envelope.update(note="x"),
        lambda envelope: envelope.update(payload=envelope["payload"].replace("+", "-").replace("/", "_")),
    ],
)
def test_what_the_signature_does_not_cover(
    change: Callable[[dict[str, Any]], Any], statement: Make, failed: Make, sign: Sign, rejected: Rejected
) -> None:
    """A key id, an alphabet or a member that no signature covers cannot be changed either, even if the page fits it."""
    nogo = statement("NO-GO", [failed("a", title="\xff\xfe?>~" * 40)])
    envelope = json.loads(sign(nogo))
    before = json.dumps(envelope)
    change(envelope)
    assert json.dumps(envelope) != before
    assert "written" in rejected(report.render(canonical.dumps(envelope).decode())).message


def test_a_page_that_is_cut_short(page: bytes, rejected: Rejected) -> None:
    """A page whose end is missing is called cut short, wherever it was cut."""
    for at in (16, 200, len(page) // 2, page.index(b"golive-evidence") + 40, len(page) - len("</html>\n")):
        assert rejected(page[:at]).message == "the page is cut short: its end is missing"


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"<html></html>", b"%PDF-1.7", "ä".encode()])
def test_what_is_no_page(content: bytes, rejected: Rejected) -> None:
    """Any other file is called what it is: no sign-off page."""
    assert rejected(content).message == "this is not a sign-off page"


def test_a_byte_that_is_not_ascii(page: bytes, rejected: Rejected) -> None:
    """A byte that no page of ours can hold is named with its offset."""
    assert "not ASCII, at offset" in rejected(page.replace(b"Wanted", "Wänted".encode())).message


def test_the_largest_page(page: bytes, monkeypatch: pytest.MonkeyPatch, key: SessionKey, rejected: Rejected) -> None:
    """A page of the largest size is read, one byte more is refused unread."""
    assert report.MAX_PAGE == 50_000_000
    # the function of the same name hides the module
    monkeypatch.setattr(importlib.import_module("pytest_golive.report.verify"), "MAX_PAGE", len(page))
    assert report.verify(page, [key.public])
    assert "larger than" in rejected(page + b"\n").message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"golive-evidence", b"golive-elsewhere", "no golive-evidence element"),
        (b"<!--golive:approvals-->\n", b"", "no approvals region"),
        (b"<!--/golive:approvals-->\n", b"", "no approvals region"),
        (b"<!--/golive:approvals-->", b"<!--golive:approvals-->", "approvals region of the page has no end"),
        (b"<main", b"<!--golive:approvals-->\n<main", "more than one approvals region"),
        (b"<main", b'<div id="golive-approvals"></div><main', "more than one golive-approvals element"),
        (b'id="golive-approvals"', b'id="golive-approval"', "no list in its approvals region"),
    ],
)
def test_parts_are_there_exactly_once(old: bytes, new: bytes, reason: str, page: bytes, rejected: Rejected) -> None:
    """A page without one of its parts, or with one of them twice, is refused by the name of the part."""
    assert reason in rejected(page.replace(old, new)).message


def test_approvals_nobody_can_check(page: bytes, rejected: Rejected) -> None:
    """An approval that this version cannot check makes the page unverifiable, and is never ignored."""
    begin = b'id="golive-approvals">\n'
    signed = page.replace(begin, begin + b'{"payload":""}\n')
    assert report.extract(signed).approvals == ('{"payload":""}',)
    assert "approvals" in rejected(signed).message


@pytest.mark.parametrize(
    "writing",
    [lambda text: text.replace('"schema":1', '"schema": 1'), lambda text: text.replace('"schema":1', '"schema":1,"schema":1')],
)
def test_evidence_has_one_writing(
    writing: Callable[[str], str], nogo: dict[str, Any], key: SessionKey, rejected: Rejected
) -> None:
    """A signed payload that is not canonical, such as one with a member twice, does not verify."""
    payload = writing(canonical.dumps(nogo).decode()).encode()
    assert rejected(report.render(dsse.sign(payload, key))).message == "the evidence is not canonical JSON"


def test_a_signed_contradiction(
    statement: Make, failed: Make, page: bytes, sign: Sign, nogo: dict[str, Any], rejected: Rejected
) -> None:
    """A trusted signature over GO and a blocking item does not make a page that verifies."""
    lie = sign(statement("GO", [failed("a")]))
    assert "contradicts itself" in rejected(page.replace(sign(nogo).encode(), lie.encode())).message
