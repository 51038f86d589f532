"""SSHSIG, held against ssh-keygen both ways; and every blob that is not one person's signature for this purpose."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from pytest_golive.signing import dsse, sshsig
from pytest_golive.signing.choice import Wrapped
from pytest_golive.signing.public import SK_ED25519, SK_P256, PublicKey
from pytest_golive.signing.ssh_wire import Reader, string
from tests.signing.agents import Token, armoured, bare, needs
from tests.signing.people import Hand, hand

MESSAGE = b"DSSEv1 2 hi 2 ho"
KINDS = ("ed25519", "p256", "rsa")


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Hand]:
    """A key of each plain kind, in a file of its own."""
    folder = tmp_path_factory.mktemp("hands")
    return {kind: hand(folder, kind, kind=kind) for kind in KINDS}


def _ssh_keygen_says(folder: Path, public: PublicKey, blob: bytes, message: bytes = MESSAGE, more: str = "") -> bool:
    (folder / "allowed").write_text(f"ann {more} {public.line}\n")
    (folder / "sig").write_text(armoured(blob))
    words = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "ann", "-n", sshsig.NAMESPACE, "-s", "sig"]
    return subprocess.run(words, cwd=folder, input=message, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_ssh_keygen_verifies_what_we_make(hands: dict[str, Hand], tmp_path: Path, kind: str) -> None:
    """Each plain kind in the SSHSIG form is good for ssh-keygen and for us, and bad for one changed byte."""
    needs("ssh-keygen")
    key = Wrapped(hands[kind].key, hands[kind].key.public.signing_as("sshsig"))
    made = key.sign(MESSAGE)
    assert _ssh_keygen_says(tmp_path, key.public, made)
    assert not _ssh_keygen_says(tmp_path, key.public, made, MESSAGE + b"x")
    assert key.public.verify(made, MESSAGE)
    assert not key.public.verify(made, MESSAGE + b"x")


@pytest.mark.parametrize("digest", ["sha512", "sha256"])
@pytest.mark.parametrize("kind", KINDS)
def test_we_verify_what_ssh_keygen_makes(hands: dict[str, Hand], tmp_path: Path, kind: str, digest: str) -> None:
    """What ssh-keygen signs for our namespace counts, with either digest; for the namespace of git it does not."""
    needs("ssh-keygen")
    public = hands[kind].key.public.signing_as("sshsig")

    def made(namespace: str) -> bytes:
        words = ["ssh-keygen", "-Y", "sign", "-O", f"hashalg={digest}", "-f", hands[kind].path, "-n", namespace]
        return bare(subprocess.run(words, input=MESSAGE, capture_output=True, check=True).stdout.decode())

    assert public.verify(made(sshsig.NAMESPACE), MESSAGE)
    assert not public.verify(made(sshsig.NAMESPACE), MESSAGE + b"x")
    assert not public.verify(made("git"), MESSAGE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_roster_says_which_form_counts(hands: dict[str, Hand], kind: str) -> None:
    """A key that signs as sshsig does not count with a plain signature, nor the other way round: the envelope has no say."""
    key = hands[kind].key
    wrapped = key.public.signing_as("sshsig")
    assert wrapped == key.public
    assert not wrapped.verify(key.sign(MESSAGE), MESSAGE)
    assert not key.public.verify(Wrapped(key, wrapped).sign(MESSAGE), MESSAGE)


def test_an_envelope_marks_its_form(hands: dict[str, Hand]) -> None:
    """The mark stands in the envelope for others, and taking it away or adding it changes nothing for us."""
    key = hands["ed25519"].key
    wrapped = Wrapped(key, key.public.signing_as("sshsig"))
    line = dsse.sign(b"{}", wrapped)
    assert '"format":"sshsig"' in line.replace(" ", "")
    assert '"format"' not in dsse.sign(b"{}", key)
    assert dsse.open_envelope(line, [wrapped.public]).payload == b"{}"
    bare_line = line.replace('"format":"sshsig",', "")
    assert bare_line != line
    assert dsse.open_envelope(bare_line, [wrapped.public]).payload == b"{}"


@pytest.mark.parametrize("kind", [SK_ED25519, SK_P256])
def test_a_token_counts_for_ssh_keygen_and_for_us(tmp_path: Path, kind: str) -> None:
    """A token's signature with a touch is good for both; bad for another message."""
    needs("ssh-keygen")
    token = Token(kind)
    made = sshsig.make(token.public.blob, MESSAGE, token.signature)
    assert _ssh_keygen_says(tmp_path, token.public, made)
    assert token.public.verify(made, MESSAGE)
    assert not token.public.verify(made, b"other")


@pytest.mark.parametrize("kind", [SK_ED25519, SK_P256])
def test_a_token_without_a_touch_does_not_count(kind: str) -> None:
    """Without the touch flag it is no person's will, whatever other flags say; ssh-keygen 9.2 takes such a signature."""
    token = Token(kind)

    def made(flags: int) -> bytes:
        return sshsig.make(token.public.blob, MESSAGE, lambda data: token.signature(data, flags=flags))

    assert [flags for flags in (0, 1, 4, 5, 0xFE) if token.public.verify(made(flags), MESSAGE)] == [1, 5]


def test_a_signature_for_another_application_does_not_count() -> None:
    """What a token signed for a web site is no approval."""
    token = Token()
    made = sshsig.make(token.public.blob, MESSAGE, lambda data: token.signature(data, application="https://example.org"))
    assert not token.public.verify(made, MESSAGE)


def _changed(made: bytes) -> dict[str, bytes]:
    """Blobs that are almost the one that was made."""
    fields = Reader(made[10:])
    public, namespace, reserved, digest, signature = (fields.string() for _ in range(5))
    head = made[:10]

    def put(*parts: bytes) -> bytes:
        return head + b"".join(string(part) for part in parts)

    assert put(public, namespace, reserved, digest, signature) == made
    inner = Reader(signature)
    kind, body = inner.string(), inner.string()
    other = Token().public.blob
    return {
        "empty": b"",
        "magic": b"XSHSIG" + made[6:],
        "version": made[:6] + (2).to_bytes(4, "big") + made[10:],
        "namespace": put(public, b"git", reserved, digest, signature),
        "namespace-longer": put(public, namespace + b"x", reserved, digest, signature),
        "namespace-empty": put(public, b"", reserved, digest, signature),
        "reserved": put(public, namespace, b"x", digest, signature),
        "digest": put(public, namespace, reserved, b"sha1", signature),
        "other-digest": put(public, namespace, reserved, b"sha256", signature),
        "no-ascii": put(public, namespace, reserved, b"\xff", signature),
        "key": put(other, namespace, reserved, digest, signature),
        "no-key": put(b"", namespace, reserved, digest, signature),
        "algorithm": put(public, namespace, reserved, digest, string(b"ssh-rsa") + string(body)),
        "inner-tail": put(public, namespace, reserved, digest, signature + b"x"),
        "inner-cut": put(public, namespace, reserved, digest, signature[:-1]),
        "no-signature": put(public, namespace, reserved, digest, b""),
        "empty-signature": put(public, namespace, reserved, digest, string(kind) + string(b"")),
        "tail": made + b"\0",
        "cut": made[:-1],
        "huge": made + bytes(sshsig.MAX_BLOB),
        "raw": body,
    }


CHANGES = sorted(_changed(sshsig.make(b"k", b"m", lambda data: string(b"ssh-ed25519") + string(b"s"))))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", [*KINDS, SK_ED25519, SK_P256])
def test_a_changed_blob_is_not_true(hands: dict[str, Hand], kind: str, change: str) -> None:
    """Each field of the blob is bound, nothing may follow it, and whatever else comes is not true instead of an exception."""
    if kind in hands:
        key = hands[kind].key
        public = key.public.signing_as("sshsig")
        made = Wrapped(key, public).sign(MESSAGE)
    else:
        token = Token(kind)
        public, made = token.public, sshsig.make(token.public.blob, MESSAGE, token.signature)
    assert public.verify(made, MESSAGE)
    assert not public.verify(_changed(made)[change], MESSAGE)


@pytest.mark.parametrize("digest", ["sha1", "md5", "sha3_512", "SHA512", "shake_128"])
def test_another_digest_does_not_count(hands: dict[str, Hand], digest: str) -> None:
    """A blob that is rightly signed over a digest of another kind is refused: who may choose it may choose a broken one."""
    key = hands["ed25519"].key
    public = key.public.signing_as("sshsig")
    parts = (public.blob, sshsig.NAMESPACE.encode(), b"", digest.encode())
    hashed = hashlib.new(digest)
    hashed.update(MESSAGE)
    body = hashed.digest(64) if digest == "shake_128" else hashed.digest()  # type: ignore[call-arg]
    signed = b"SSHSIG" + b"".join(map(string, (*parts[1:], body)))
    made = b"SSHSIG" + (1).to_bytes(4, "big") + b"".join(map(string, (*parts, public.dressed(key.sign(signed)))))
    assert not public.verify(made, MESSAGE)


def test_an_approval_is_no_login_and_no_commit() -> None:
    """The bytes that are signed begin with the name of the form and hold our namespace, so that no other protocol takes them."""
    signed = sshsig.to_sign(MESSAGE)
    assert signed.startswith(b"SSHSIG" + string(b"golive-approval@pytest-golive"))
    assert signed.endswith(string(hashlib.sha512(MESSAGE).digest()))
