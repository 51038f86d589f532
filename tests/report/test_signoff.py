"""Approvals in a page: what is shown of them, what is refused, and the digest that they sign."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import canonical, report
from pytest_golive.errors import ReportRejected
from pytest_golive.signing.keys import SessionKey
from tests.report.signing_off import approval, signed

Make = Callable[..., dict[str, Any]]
Sign = Callable[[dict[str, Any]], str]
QUORUM = {"roster": "f" * 64, "persons": 2, "roles": {"operations": 1, "qa": 1}, "operator_counts": False}


@pytest.fixture(scope="module")
def envelope(statement: Make, sign: Sign) -> str:
    """The evidence of a GO for which two roles have to sign."""
    return sign(statement(signoff=QUORUM))


@pytest.fixture(scope="module")
def page(envelope: str) -> bytes:
    """The page of that evidence, unsigned."""
    return report.render(envelope)


@pytest.fixture(scope="module")
def lines(page: bytes, key: SessionKey) -> list[str]:
    """Three approvals, of three persons."""
    return [
        signed(approval(page, "ada", "qa", comment="Read on paper."), key),
        signed(approval(page, "bob", "operations", signed_at="2026-11-21T12:00:00+02:00"), key),
        signed(approval(page, "cleo", "security"), key),
    ]


def block(page: bytes) -> str:
    """What a reader sees in the approvals region."""
    found = re.search(rb"<!--golive:approvals-->\n(.*?)<script", page, flags=re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]*>", " ", found[1].decode()).split())


def test_any_order_of_signing_gives_the_same_bytes(envelope: str, lines: list[str]) -> None:
    """Approvals are a set: in whatever order and however often they are brought, the page is the same."""
    pages = {report.render(envelope, order) for order in itertools.permutations(lines)}
    assert len(pages) == 1
    assert report.render(envelope, [*lines, *lines]) in pages


def test_lines_stand_in_the_order_of_their_payloads(envelope: str, lines: list[str]) -> None:
    """The lines are sorted by the digest of what was signed."""
    kept = report.extract(report.render(envelope, lines)).approvals
    digests = [canonical.sha256(base64.b64decode(json.loads(line)["payload"])) for line in kept]
    assert digests == sorted(digests)
    assert sorted(kept) == sorted(lines)


def test_a_signed_page_verifies(envelope: str, lines: list[str], page: bytes, key: SessionKey) -> None:
    """A page with approvals verifies byte for byte, and hands out its lines and the digest that they signed."""
    verified = report.verify(report.render(envelope, lines), [key.public])
    assert sorted(verified.approvals) == sorted(lines)
    assert verified.presentation_sha256 == report.presentation(page)


def test_approvals_do_not_change_what_was_signed(envelope: str, lines: list[str], page: bytes) -> None:
    """The presentation is the same with none, one and three approvals."""
    assert {report.presentation(report.render(envelope, lines[:number])) for number in range(4)} == {report.presentation(page)}


def test_everything_that_was_signed_is_shown(envelope: str, lines: list[str], page: bytes, key: SessionKey) -> None:
    """Printed name, role, meaning, times with zone, comment, both digests, key and method stand in the block."""
    signed_page = report.render(envelope, lines)
    seen = block(signed_page)
    for words in (
        "Signed by 3 people, none missing",
        "Signed qa Ada Lovelace I approve this release. Read on paper.",
        "Signed operations Bob Risk",
        "2026-11-21 12:00:00 +02:00",
        "2026-11-21 22:00:05 UTC",
        report.presentation(page),
        f"{key.fingerprint} , ssh-ed25519",
    ):
        assert words in seen
    digest = canonical.sha256(base64.b64decode(json.loads(envelope)["payload"]))
    assert seen.count(digest) == 3
    assert "Not signed" not in seen


def test_what_is_missing_is_told_with_its_command(envelope: str, lines: list[str], page: bytes) -> None:
    """Each signature that the quorum wants and does not have is a row that says so, and how to give it."""
    assert block(page).count("Not signed") == 3  # the state and a row for each role
    assert "golive approve report.html --role qa" in block(page)
    half = block(report.render(envelope, lines[:1]))
    assert "1 signature missing" in half
    assert half.count("Not signed") == 1
    assert "Not signed Role operations golive approve report.html --role operations" in half
    assert "--role qa" not in half


def test_persons_are_counted_and_not_approvals(statement: Make, sign: Sign, key: SessionKey) -> None:
    """One person in two roles is one person, and the second is still asked for."""
    envelope = sign(statement(signoff=QUORUM))
    page = report.render(envelope)
    both = [signed(approval(page, "ada", role), key) for role in ("qa", "operations")]
    assert "Not signed One more person" in block(report.render(envelope, both))


def test_the_operator_does_not_count(statement: Make, sign: Sign, key: SessionKey) -> None:
    """Who ran the gate is told beside their approval, and the role is still asked for."""
    envelope = sign(statement(signoff=QUORUM))
    page = report.render(envelope)
    line = signed(approval(page, "ada-o", "qa", name="Ada Operator"), key)
    seen = block(report.render(envelope, [line]))
    assert "qa, who ran the gate" in seen
    assert "Not signed Role qa" in seen
    counts = sign(statement(signoff={**QUORUM, "operator_counts": True}))
    line = signed(approval(report.render(counts), "ada-o", "qa", name="Ada Operator"), key)
    assert "Not signed Role qa" not in block(report.render(counts, [line]))


def test_of_two_by_one_person_in_one_role_the_latest_stands(envelope: str, page: bytes, key: SessionKey) -> None:
    """Signing again replaces one's own approval, whichever is brought first."""
    early = signed(approval(page, comment="first"), key)
    late = signed(approval(page, comment="second", signed_at="2026-11-21T11:00:01+00:00"), key)
    for order in ([early, late], [late, early]):
        assert report.extract(report.render(envelope, order)).approvals == (late,)


def test_two_writings_of_one_signature_count_once(envelope: str, page: bytes, key: SessionKey) -> None:
    """The same payload under another signature stands once, and it does not matter which came first."""
    line = signed(approval(page), key)
    other = json.loads(line)
    other["signatures"][0]["sig"] = base64.b64encode(b"\x01" * 64).decode()
    twin = canonical.dumps(other).decode()
    first, second = (report.render(envelope, order) for order in ([line, twin], [twin, line]))
    assert first == second
    assert len(report.extract(first).approvals) == 1


def refused(envelope: str, line: str) -> str:
    """Why a page refuses a line."""
    with pytest.raises(ReportRejected) as caught:
        report.render(envelope, [line])
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[]",
        "not json",
        "{" * 5_000,
        '{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[]}',
        "ä",
    ],
)
def test_a_line_that_is_no_approval(line: str, envelope: str) -> None:
    """What is no envelope is refused, and not shown as nothing."""
    assert "a line among the approvals is no approval" in refused(envelope, line)


def spoiled(statement: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The statement with one member set."""
    holder = statement
    *way, last = path.split("/")
    for step in way:
        holder = holder[step]
    holder[last] = value
    return statement


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("predicateType", "urn:pytest-golive:attestation:v0.1"),
        ("more", 1),
        ("subject", []),
        ("predicate/schema", 2),
        ("predicate/unseen", "a clause that the page does not show"),
        ("predicate/name", ""),
        ("predicate/role", None),
        ("predicate/meaning", "m" * 301),
        ("predicate/comment", "c" * 4_001),
        ("predicate/comment", 7),
        ("predicate/signed_at", "2026-11-21T11:00:00"),
        ("predicate/expires", "tomorrow"),
    ],
)
def test_an_approval_of_another_shape(path: str, value: Any, envelope: str, page: bytes, key: SessionKey) -> None:
    """An approval that lacks something, or holds something that the page would not show, is refused."""
    assert "is no approval" in refused(envelope, signed(spoiled(approval(page), path, value), key))


def test_a_signature_with_more_in_it(envelope: str, page: bytes, key: SessionKey) -> None:
    """A member of a signature that nothing signed and nothing shows is refused, and so is a second signature."""
    made = json.loads(signed(approval(page), key))
    made["signatures"][0]["note"] = "unseen"
    assert "other members than ours" in refused(envelope, canonical.dumps(made).decode())
    del made["signatures"][0]["note"]
    made["signatures"] *= 2
    assert "is no approval" in refused(envelope, canonical.dumps(made).decode())


def sshsig(kind: bytes) -> bytes:
    """The beginning of an SSHSIG blob: magic, version, and a public key of this kind."""
    return b"SSHSIG" + struct.pack(">II", 1, len(kind) + 8) + struct.pack(">I", len(kind)) + kind + bytes(100)


@pytest.mark.parametrize(
    ("signature", "form", "told"),
    [
        (bytes(64), "", "ssh-ed25519"),
        (b"0" * 71, "", "ecdsa-sha2-nistp256"),
        (bytes(384), "", "ssh-rsa, rsa-sha2-512"),
        (sshsig(b"sk-ssh-ed25519@openssh.com"), "sshsig", "SSHSIG of a security key, sk-ssh-ed25519@openssh.com"),
        (sshsig(b"ssh-ed25519"), "sshsig", "SSHSIG, ssh-ed25519"),
    ],
)
def test_the_method_is_told(signature: bytes, form: str, told: str, envelope: str, page: bytes, key: SessionKey) -> None:
    """How a signature was made stands beside its key, as its own form tells it."""
    made = json.loads(signed(approval(page), key))
    made["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    if form:
        made["signatures"][0]["format"] = form
    seen = block(report.render(envelope, [canonical.dumps(made).decode()]))
    assert f"{key.fingerprint} , {told} Not signed" in seen


@pytest.mark.parametrize(
    "blob", [b"", b"SSHSIG", sshsig(b""), sshsig(b"\x00\x1b"), sshsig(b"x" * 70), b"sshsig" + sshsig(b"a")[6:]]
)
def test_what_is_no_sshsig(blob: bytes, envelope: str, page: bytes, key: SessionKey) -> None:
    """A signature that is called SSHSIG and is none is refused."""
    made = json.loads(signed(approval(page), key))
    made["signatures"][0] |= {"sig": base64.b64encode(blob).decode(), "format": "sshsig"}
    assert "is no approval" in refused(envelope, canonical.dumps(made).decode())


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace('"payload"', ' "payload"'),
        lambda line: line[:-1] + ',"more":1}',
        lambda line: line.replace('"keyid":', '"format":"other","keyid":'),
        lambda line: line.replace('"keyid":', '"format":"sshsig","keyid":'),
        lambda line: line + "\n",
        lambda line: line.replace("vnd.in-toto+json", "vnd.other+json"),
    ],
)
def test_an_envelope_of_another_writing(change: Callable[[str], str], envelope: str, page: bytes, key: SessionKey) -> None:
    """An envelope that is not written in its one way is refused."""
    line = change(signed(approval(page), key))
    assert "is no approval" in refused(envelope, line)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"environment": "staging"}, "its environment is 'staging', and here it is 'production'"),
        ({"run": "ffff"}, "its run is 'ffff'"),
        ({"word": "GO WITH WARNINGS"}, "its word is"),
    ],
)
def test_an_approval_of_something_else(changes: dict[str, str], told: str, envelope: str, page: bytes, key: SessionKey) -> None:
    """An approval that speaks of another environment, run or word is refused by name."""
    assert told in refused(envelope, signed(approval(page, **changes), key))


def test_h9_an_approval_moved_from_another_report(statement: Make, sign: Sign, envelope: str, key: SessionKey) -> None:
    """An approval of other evidence, or of another look of the same evidence, is refused."""
    other = report.render(sign(statement(signoff=QUORUM, journal_head="0" * 64)))
    assert "another page" in refused(envelope, signed(approval(other), key))
    for subject in (0, 1):
        made = approval(report.render(envelope))
        made["subject"][subject]["digest"]["sha256"] = "0" * 64
        assert "another page" in refused(envelope, signed(made, key))


@pytest.mark.parametrize("word", ["NO-GO", "INCOMPLETE"])
def test_what_is_no_go_has_no_approvals(word: str, statement: Make, failed: Make, sign: Sign, key: SessionKey) -> None:
    """A NO-GO and an INCOMPLETE cannot be approved, and their pages say so."""
    envelope = sign(statement(word, [failed("a")], signoff=QUORUM))
    page = report.render(envelope)
    assert f"{word} cannot be approved" in block(page)
    assert "golive approve" not in block(page)
    assert "cannot be approved" in refused(envelope, signed(approval(page), key))


def test_a_run_that_opens_no_gate_has_no_approvals(statement: Make, sign: Sign, key: SessionKey) -> None:
    """A GO over other phases is nothing to approve."""
    run = {**statement()["predicate"]["golive"]["run"], "gates": False}
    envelope = sign(statement(run=run))
    assert "opens no gate" in refused(envelope, signed(approval(report.render(envelope)), key))


def test_no_more_than_sixty_four(envelope: str, page: bytes, key: SessionKey) -> None:
    """Sixty-four approvals are shown, one more is refused before anything is read."""
    many = [signed(approval(page, f"person-{number}"), key) for number in range(65)]
    assert len(report.extract(report.render(envelope, many[:64])).approvals) == 64
    with pytest.raises(ReportRejected, match="more than 64"):
        report.render(envelope, many)


def test_nobody_is_asked(statement: Make, sign: Sign, key: SessionKey) -> None:
    """Without a quorum the page says that none is demanded, unsigned and signed."""
    envelope = sign(statement())
    page = report.render(envelope)
    assert "Not signed No quorum is demanded here" in block(page)
    assert "Signed by 1 person" in block(report.render(envelope, [signed(approval(page), key)]))


def test_hostile_approvals_are_text(envelope: str, page: bytes, key: SessionKey) -> None:
    """What people wrote is escaped, and what cannot be seen is spelled out."""
    evil = "</script><!--/golive:approvals--><script>\u202e\x00\x1b[31m"
    made = approval(page, "ada", "qa", name=evil, meaning=evil, comment=evil * 2)
    shown = report.render(envelope, [signed(made, key)])
    assert shown.count(b"<script") == page.count(b"<script")
    assert b"\\u202e\\u0000\\u001b[31m" in shown
    assert report.verify(shown, [key.public]).approvals
    assert report.presentation(shown) == report.presentation(page)


def test_a_change_among_approvals_is_found(envelope: str, lines: list[str], key: SessionKey) -> None:
    """A name, a line taken out but still shown, lines in another order: each is an altered page."""
    shown = report.render(envelope, lines)
    kept = [line.encode() + b"\n" for line in report.extract(shown).approvals]
    for evil in (
        shown.replace(b"Ada Lovelace", b"Eve Lovelace"),
        shown.replace(kept[0], b""),
        shown.replace(kept[0] + kept[1], kept[1] + kept[0]),
        shown.replace(kept[0], kept[0] + kept[0]),
        shown.replace(b'<div class="signatures">', b'<style>.unsigned{display:none}</style><div class="signatures">'),
    ):
        assert evil != shown
        with pytest.raises(ReportRejected, match="altered"):
            report.verify(evil, [key.public])


def by_sed(page: bytes, path: Path) -> str:
    """The digest that the commands of the manual print."""
    path.write_bytes(page)
    script = r"""sed '/<!--golive:approvals-->/,/<!--\/golive:approvals-->/d' "$1" | sha256sum"""
    done = subprocess.run(["sh", "-c", script, "sh", str(path)], capture_output=True, check=True, timeout=20)
    return done.stdout.decode().split()[0]


def test_a_stranger_finds_the_same_digest(envelope: str, lines: list[str], page: bytes, tmp_path: Path) -> None:
    """sed and sha256sum give the digest that approvals sign, also for pages that were altered around the region."""
    if not (shutil.which("sed") and shutil.which("sha256sum")):
        pytest.skip("sed and sha256sum are not installed")
    begin, end = b"<!--golive:approvals-->", b"<!--/golive:approvals-->"
    shown = report.render(envelope, lines)
    assert by_sed(shown, tmp_path / "signed") == report.presentation(page)
    for number, other in enumerate(
        [
            page,
            shown.replace(b"\n", b"\r\n"),
            shown.replace(end, b""),
            shown.replace(begin, b"x" + begin),
            shown.replace(begin, begin + end),
            begin + b"\n" + shown,
            shown + begin,
            shown + begin + b"\nmore\n" + end + b"\nrest",
            shown.replace(end + b"\n", end),
            b"",
            end + b"\n" + begin,
        ]
    ):
        assert by_sed(other, tmp_path / str(number)) == report.presentation(other), number
