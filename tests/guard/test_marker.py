"""The marker's text: what people read, what YAML reads and what was signed are the same."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_golive.errors import MarkerRejected
from pytest_golive.guard.marker import MARKER_TYPE, MAX_MARKER, MAX_SIGNATURES, Marker, parse, printable, render
from pytest_golive.signing.dsse import pae
from pytest_golive.signing.keys import SessionKey

SIGNER = SessionKey(Ed25519PrivateKey.generate())
SECOND = SessionKey(Ed25519PrivateKey.generate())
LINE = b"golive_signatures:\n"


def _signed(body: bytes, *signers: SessionKey) -> bytes:
    """Any text with valid signatures under it."""
    signatures = (b'- "' + base64.b64encode(signer.sign(pae(MARKER_TYPE, body))) + b'"\n' for signer in signers)
    return body + LINE + b"".join(signatures)


def test_the_text_is_that_of_document_001(marker_with: Any) -> None:
    """The header, the five keys in their order, the further keys, the footer and the signatures stand in that order."""
    lines = render(marker_with(), SIGNER).decode("ascii").splitlines()
    assert lines[0] == "# GO-LIVE ACTIVATION MARKER"
    assert [line.partition(":")[0] for line in lines if line and line[0] not in "#-"] == [
        *("activated", "timestamp", "operator", "environment", "allowed_profiles"),
        *("schema", "activation_id", "counter", "not_before", "expires", "host", "commit", "manifest", "config"),
        *("report", "roster", "break_glass", "approved_by", "journal_head", "golive_signatures"),
    ]
    assert "activated: true" in lines
    assert 'allowed_profiles: ["micro"]' in lines
    assert any("BLOCKED" in line for line in lines[lines.index('journal_head: ""') :])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    operator=st.from_regex(r"[ !#-\[\]-~]{1,60}", fullmatch=True),
    profiles=st.lists(st.from_regex(r"[ !#-\[\]-~]{1,20}", fullmatch=True), min_size=1, max_size=4),
    counter=st.integers(1, 10**18 - 1),
    seconds=st.integers(0, 4 * 10**15),
    approvers=st.lists(st.sampled_from(["ann (qa)", "a-1 (operations)", "b" * 64 + " (" + "c" * 64 + ")"]), max_size=4),
)
def test_yaml_reads_the_same_fields(operator: str, profiles: list[str], counter: int, seconds: int, approvers: list[str]) -> None:
    """Our parser and a YAML reader agree on every field of every marker that can be written."""
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=seconds)
    marker = Marker(
        timestamp=moment,
        operator=operator,
        environment="production",
        allowed_profiles=tuple(profiles),
        activation_id="ab",
        counter=counter,
        not_before=moment,
        expires=moment + timedelta(hours=1),
        approved_by=tuple(approvers),
    )
    content = render(marker, SIGNER)
    assert parse(content, [SIGNER.public]) == marker
    read = yaml.safe_load(content)
    assert read.pop("activated") is True
    assert read.pop("schema") == 1
    assert len(read.pop("golive_signatures")) == 1
    assert set(read) == set(Marker.__slots__)
    for name, value in read.items():
        ours = getattr(marker, name)
        if isinstance(ours, datetime):
            assert value == ours.isoformat(timespec="microseconds")
        elif isinstance(ours, tuple):
            assert value == list(ours)
        else:
            assert (type(value), value) == (type(ours), ours)


def _edited(content: bytes) -> bytes:
    return content.replace(b'["micro"]', b'["micro", "large"]')


TAMPERING = {
    "edited profiles": _edited,
    "extra field": lambda content: content.replace(b"schema: 1\n", b"schema: 1\nmore: 1\n"),
    "duplicate field": lambda content: content.replace(b"schema: 1\n", b"schema: 1\nschema: 1\n"),
    "removed field": lambda content: content.replace(b"schema: 1\n", b""),
    "edited comment": lambda content: content.replace(b"BLOCKED", b"ALLOWED"),
    "prepended line": lambda content: b"activated: true\n" + content,
    "appended line": lambda content: content + b"activated: true\n",
    "appended comment": lambda content: content + b"# note\n",
    "appended blank": lambda content: content + b"\n",
    "second signature line": lambda content: content + LINE,
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "BOM": lambda content: b"\xef\xbb\xbf" + content,
    "last newline cut": lambda content: content[:-1],
    "signature cut": lambda content: content[:-10],
    "signatures cut": lambda content: content[: content.index(LINE)],
    "no signature": lambda content: content[: content.index(LINE)] + LINE,
    "signature twice": lambda content: content + content.rpartition(b"\n- ")[2].join([b"- ", b""]),
    "other alphabet": lambda content: content[: content.index(LINE)] + LINE + b'- "' + b"_" * 86 + b'=="\n',
    "loose base64": lambda content: content.replace(b'=="\n', b'="\n'),
    "nothing": lambda content: b"",
    "zeros": lambda content: bytes(100),
    "huge": lambda content: content + b"#" * 70_000,
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_refused(marker_with: Any, name: str) -> None:
    """Not one byte of a marker can be changed, added or taken away."""
    content = render(marker_with(), SIGNER)
    changed = TAMPERING[name](content)
    assert changed != content
    with pytest.raises(MarkerRejected):
        parse(changed, [SIGNER.public])


def test_every_single_byte_counts(marker_with: Any) -> None:
    """Whichever byte is flipped, the marker is refused."""
    content = render(marker_with(), SIGNER)
    for place in range(len(content)):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(MarkerRejected):
            parse(changed, [SIGNER.public])


@pytest.mark.parametrize(
    "body",
    [
        b"activated: true\n",
        b"# nothing\n\n",
        b'activated: true\noperator: "x"\n\n',
    ],
)
def test_signed_nonsense_is_refused(body: bytes) -> None:
    """A valid signature over a text that is no marker makes no marker."""
    with pytest.raises(MarkerRejected, match="fields"):
        parse(_signed(body, SIGNER), [SIGNER.public])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"schema: 1\n", b"schema: 2\n"),
        (b"activated: true\n", b"activated: false\n"),
        (b"counter: 7\n", b"counter: 07\n"),
        (b"counter: 7\n", b"counter: 0\n"),
        (b'operator: "ann"\n', b'operator: "ann"\noperator: "bob"\n'),
        (b'operator: "ann"\n', b"operator: ann\n"),
        (b'["micro"]', b'["micro",]'),
        (b'["micro"]', b"[]"),
        (b"+00:00", b"Z"),
        (b"+00:00", b"+01:00"),
        (b"+00:00", b""),
        (b"schema: 1\n", b"schema: 1\nroster: 2\n"),
        (b"# Without", b"#  Without"),
    ],
)
def test_a_signed_marker_of_another_form_is_refused(marker_with: Any, old: bytes, new: bytes) -> None:
    """There is one way to write a marker; a signed text that is written otherwise, or by a later version, is not read."""
    body = render(marker_with(), SIGNER).partition(LINE)[0]
    changed = body.replace(old, new)
    assert changed != body
    with pytest.raises(MarkerRejected):
        parse(_signed(changed, SIGNER), [SIGNER.public])


def test_each_signature_is_by_another_trusted_key(marker_with: Any) -> None:
    """Two trusted keys may sign; one key twice, or a stranger beside a trusted key, spoils the marker."""
    body = render(marker_with(), SIGNER).partition(LINE)[0]
    both = [SIGNER.public, SECOND.public]
    assert parse(_signed(body, SIGNER, SECOND), both) == marker_with()
    for keys, signers in ((both, (SIGNER, SIGNER)), ([SIGNER.public], (SIGNER, SECOND)), ([SIGNER.public], (SECOND,))):
        with pytest.raises(MarkerRejected, match="does not hold"):
            parse(_signed(body, *signers), keys)


def test_a_signature_for_another_purpose_does_not_count(marker_with: Any) -> None:
    """The same text signed under another payload type is no marker."""
    body = render(marker_with(), SIGNER).partition(LINE)[0]
    signature = base64.b64encode(SIGNER.sign(pae("application/vnd.in-toto+json", body)))
    with pytest.raises(MarkerRejected, match="does not hold"):
        parse(body + LINE + b'- "' + signature + b'"\n', [SIGNER.public])


@pytest.mark.parametrize("operator", ["ann\nallowed_profiles: [large]", 'ann"', "ann\\", "Žofie", "ann\x7f", "x" * 201, ""])
def test_fields_that_cannot_be_written_plainly_are_refused(marker_with: Any, operator: str) -> None:
    """A name cannot smuggle a line, a quote or an escape into the marker."""
    with pytest.raises(MarkerRejected):
        marker_with(operator=operator)
    if operator:
        assert marker_with(operator=printable(operator)).operator != operator


@pytest.mark.parametrize(
    "changes",
    [
        {"counter": 0},
        {"counter": -1},
        {"counter": 10**18},
        {"allowed_profiles": ()},
        {"allowed_profiles": ("",)},
        {"allowed_profiles": ('"',)},
        {"environment": ""},
        {"expires": datetime(2026, 11, 21, 10, 0, tzinfo=UTC)},
        {"timestamp": datetime(2026, 11, 21, 10, 0)},  # noqa: DTZ001 - a time without its zone is what is refused
    ],
)
def test_senseless_fields_are_refused(marker_with: Any, changes: dict[str, Any]) -> None:
    """A marker that counts from nothing, allows nothing, or ends before it begins cannot be made."""
    with pytest.raises(MarkerRejected):
        marker_with(**changes)


def test_openssl_agrees(marker_with: Any, tmp_path: Path) -> None:
    """With sed and openssl alone anybody can check a marker."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    marker, body, pae_file, sig, key = (tmp_path / name for name in ("go_live.active", "body", "pae", "sig", "key"))
    marker.write_bytes(render(marker_with(), SIGNER))
    subprocess.run(f"sed '/^golive_signatures:$/,$d' {marker} >{body}", shell=True, check=True)
    pae_file.write_bytes(pae(MARKER_TYPE, body.read_bytes()))
    sig.write_bytes(base64.b64decode(yaml.safe_load(marker.read_bytes())["golive_signatures"][0]))
    pem = Ed25519PublicKey.from_public_bytes(SIGNER.public.raw).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key.write_bytes(pem)
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", pae_file, "-sigfile", sig]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    pae_file.write_bytes(pae_file.read_bytes() + b" ")
    assert subprocess.run(words, capture_output=True, check=False).returncode != 0


def refusal(act: Callable[[], object]) -> str:
    """What a refusal says; each says what to do, too."""
    with pytest.raises(MarkerRejected) as caught:
        act()
    assert caught.value.hint == "remove the marker and activate again"
    return caught.value.message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: b"", "the marker is empty"),
        (lambda content: content[: content.index(LINE)], "the marker is not signed"),
        (lambda content: content[:-1], "the marker is cut short"),
        (lambda content: content + b"x\n", "the signatures of the marker are malformed"),
        (lambda content: content + LINE, "the signatures of the marker are malformed"),
        (lambda content: content.replace(b'- "', b'- "='), "the signatures of the marker are malformed"),
        (
            lambda content: content.replace(b"counter: 7", b"counter: 8"),
            "the signature of the marker does not hold: it was edited, or a key that is not trusted here made it",
        ),
        (lambda content: content + b"#" * MAX_MARKER, "the marker is larger than 65536 bytes"),
        (lambda _: _signed(b"# nothing\n\n", SIGNER), "the marker does not have the fields of a marker"),
        (
            lambda content: _signed(content[: content.index(LINE)].replace(b"# Without", b"#  Without"), SIGNER),
            "the marker is not written as this version writes it",
        ),
    ],
)
def test_why_a_marker_is_refused_is_told(marker_with: Any, change: Callable[[bytes], bytes], told: str) -> None:
    """Each refusal in its words, and what to do about it."""
    assert refusal(lambda: parse(change(render(marker_with(), SIGNER)), [SIGNER.public])) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"host": "ž"}, "host of a marker is printable ASCII without quotes and backslashes"),
        ({"approved_by": ("ann", '"')}, "approved_by of a marker is printable ASCII without quotes and backslashes"),
        ({"allowed_profiles": ()}, "a marker allows at least one profile"),
    ],
)
def test_a_field_that_cannot_stand_there_is_named(marker_with: Any, changes: dict[str, Any], told: str) -> None:
    """Which field it is, and how to write it."""
    with pytest.raises(MarkerRejected) as caught:
        marker_with(**changes)
    hints = ("write it plainly", "set allowed_profiles in golive.yaml")
    assert (caught.value.message, caught.value.hint) == (told, hints["least" in told])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"operator": ""}, "a marker names its operator, environment, activation and profiles"),
        ({"environment": ""}, "a marker names its operator, environment, activation and profiles"),
        ({"activation_id": ""}, "a marker names its operator, environment, activation and profiles"),
        ({"allowed_profiles": ("micro", "")}, "a marker names its operator, environment, activation and profiles"),
        ({"approved_by": ("ann (qa)", "")}, "a marker names each of its approvers"),
        ({"counter": 0}, "the counter of a marker counts from 1"),
        ({"counter": True}, "the counter of a marker counts from 1"),
        ({"timestamp": datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=1)))}, "the times of a marker are UTC"),
        ({"not_before": datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=1)))}, "the times of a marker are UTC"),
        ({"expires": datetime(2027, 11, 21, tzinfo=timezone(timedelta(hours=1)))}, "the times of a marker are UTC"),
        ({"expires": datetime(2026, 11, 21, 10, 0, tzinfo=UTC)}, "a marker expires after it begins"),
    ],
)
def test_what_makes_no_marker_is_told(marker_with: Any, changes: dict[str, Any], told: str) -> None:
    """Who, where, which, when: each that is missing or senseless in its words."""
    assert refusal(lambda: marker_with(**changes)) == told


def test_a_marker_may_be_as_large_as_it_may_be(marker_with: Any) -> None:
    """One of exactly the largest size is read, and one that is a byte larger is not."""

    def sized(size: int) -> bytes:
        names = ["x" * 196] * 300  # each takes 200 bytes with its quotes, comma and blank
        least = len(render(marker_with(approved_by=(*names, "y")), SIGNER))
        more, rest = divmod(size - least, 200)
        return render(marker_with(approved_by=(*names, *["x" * 196] * more, "y" * (1 + rest))), SIGNER)

    largest = sized(MAX_MARKER)
    assert len(largest) == MAX_MARKER
    assert parse(largest, [SIGNER.public]).counter == 7
    assert refusal(lambda: parse(sized(MAX_MARKER + 1), [SIGNER.public])) == "the marker is larger than 65536 bytes"


def test_there_may_be_as_many_signatures_as_there_may_be(marker_with: Any) -> None:
    """Sixty-four keys may sign, and a line more makes no marker, although each of them is trusted."""
    signers = [SessionKey(Ed25519PrivateKey.generate()) for _ in range(MAX_SIGNATURES + 1)]
    keys = [signer.public for signer in signers]
    body = render(marker_with(), SIGNER).partition(LINE)[0]
    assert parse(_signed(body, *signers[:-1]), keys) == marker_with()
    assert refusal(lambda: parse(_signed(body, *signers), keys)) == "the signatures of the marker are malformed"


def test_a_marker_is_read_alike_in_every_zone(marker_with: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its times are UTC wherever the machine lives."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert parse(render(marker_with(), SIGNER), [SIGNER.public]) == marker_with()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_cannot_stand_in_a_marker_is_made_printable() -> None:
    """Each letter that may not stand there becomes a question mark, and two hundred are kept."""
    assert printable('a"b\\c\nž~ ') == "a?b?c??~ "
    assert printable("x" * 201) == "x" * 200
