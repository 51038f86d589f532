"""Keys: as people have them, known by their bytes, weak ones refused; the session key made once and kept to itself."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pytest_golive.errors import KeyRefused
from pytest_golive.signing.keys import ED25519, P256, PublicKey, session_key

FIELD = 2**255 - 19
ORDER_EIGHT_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER_Y = (0, 1, FIELD - 1, ORDER_EIGHT_Y, FIELD - ORDER_EIGHT_Y)
SMALL_ORDER = sorted(
    {
        (y | sign << 255).to_bytes(32, "little")
        for base in SMALL_ORDER_Y
        for y in (base, base + FIELD)
        if y < 2**255
        for sign in (0, 1)
    }
)


def _public(private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    text = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return text.decode("ascii")


@pytest.mark.parametrize("private", [Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())])
def test_an_openssh_line_is_read(private: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
    """Both accepted kinds are read from the line that people have, with or without a comment, and written as the same line."""
    line = _public(private)
    key = PublicKey.parse(line + " ann@example.org with words\n")
    assert key == PublicKey.parse(line)
    assert key.line == line
    assert key.kind == line.split()[0]


def test_keys_are_equal_by_their_bytes_alone() -> None:
    """Two keys are the same exactly if kind and bytes are."""
    one, two = (PublicKey.parse(_public(Ed25519PrivateKey.generate())) for _ in range(2))
    assert one == PublicKey(ED25519, one.raw)
    assert len({one, two, PublicKey(ED25519, one.raw)}) == 2


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    """What we call a key is what ssh-keygen calls it."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not installed")
    for private in (Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())):
        file = tmp_path / "key.pub"
        file.write_text(_public(private) + "\n")
        shown = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True).stdout
        assert PublicKey.parse(_public(private)).fingerprint in shown.split()


def test_d16_all_fourteen_small_order_keys_are_refused() -> None:
    """Each encoding of a point of small order is refused, and each would have let anybody forge a signature."""
    assert len(SMALL_ORDER) == 14
    for raw in SMALL_ORDER:
        with pytest.raises(KeyRefused, match="small order"):
            PublicKey(ED25519, raw)
        line = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw).decode("ascii")
        with pytest.raises(KeyRefused, match="small order"):
            PublicKey.parse(line)


def _forged(raw: bytes) -> int:
    """How many of a hundred messages a signature made without any private key is good for."""
    key = Ed25519PublicKey.from_public_bytes(raw)
    forgery = (1).to_bytes(32, "little") + bytes(32)
    good = 0
    for number in range(100):
        with contextlib.suppress(InvalidSignature):
            key.verify(forgery, b"%d" % number)
            good += 1
    return good


def test_d16_such_keys_really_verify_what_nobody_signed() -> None:
    """The library below accepts forged signatures under each of these keys, so our refusal is what protects."""
    assert all(_forged(raw) for raw in SMALL_ORDER)
    assert _forged((1).to_bytes(32, "little")) == 100


def test_keys_in_a_second_form_are_refused() -> None:
    """A y coordinate beyond the field is another spelling of a smaller one and is refused."""
    with pytest.raises(KeyRefused, match="canonical"):
        PublicKey(ED25519, (FIELD + 3).to_bytes(32, "little"))


def test_ordinary_keys_are_not_refused() -> None:
    """No fresh key is taken for a weak one."""
    for _ in range(200):
        raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        assert PublicKey(ED25519, raw).raw == raw


GOOD = _public(Ed25519PrivateKey.generate())
KIND, BODY = GOOD.split()
BLOB = base64.b64decode(BODY)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 é",
        "ssh-ed25519 AAAA",
        f"ssh-ed25519 {BODY[:-4]}",
        f"{P256} {BODY}",
        f"ssh-dss {BODY}",
        f"ssh-ed25519 {base64.b64encode(BLOB + b'x').decode()}",
        f"ssh-ed25519 {base64.b64encode(BLOB + bytes(4)).decode()}",
        _public(rsa.generate_private_key(65537, 2048)),
        _public(ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=str.split("empty no-blob no-base64 no-ascii short cut other-word dsa longer padded rsa p384"),
)
def test_other_lines_are_refused(line: str) -> None:
    """Malformed lines, other kinds and lines whose word and bytes disagree are refused with a hint."""
    with pytest.raises(KeyRefused) as caught:
        PublicKey.parse(line)
    assert caught.value.hint


def test_a_point_off_the_curve_is_refused() -> None:
    """A P-256 key must be a point of its curve, uncompressed."""
    with pytest.raises(KeyRefused, match="curve"):
        PublicKey(P256, b"\x04" + bytes(63) + b"\x01")
    compressed = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(KeyRefused, match="curve"):
        PublicKey(
            P256,
            compressed.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint),
        )


def test_the_session_key_is_made_once(tmp_path: Path) -> None:
    """The first use makes the key, 0600 in a folder of 0700 whatever the umask; the second use finds it."""
    path = tmp_path / "golive" / "session.key"
    old = os.umask(0)
    try:
        first = session_key(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert session_key(path).public == first.public
    assert os.listdir(path.parent) == ["session.key"]
    assert first.public.verify(first.sign(b"x"), b"x")
    assert not first.public.verify(first.sign(b"x"), b"y")


def test_the_session_key_does_not_show_itself(tmp_path: Path) -> None:
    """The text of a signer names the public key and nothing of the private one."""
    signer = session_key(tmp_path / "k" / "session.key")
    assert repr(signer) == f"SessionKey({signer.fingerprint})"


def test_ssh_keygen_reads_the_session_key(tmp_path: Path) -> None:
    """The file is an ordinary OpenSSH key."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not installed")
    path = tmp_path / "k" / "session.key"
    signer = session_key(path)
    shown = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True).stdout
    assert PublicKey.parse(shown) == signer.public


def test_a_pkcs8_key_is_read_too(tmp_path: Path) -> None:
    """A key that another tool wrote in the common form serves as well."""
    private = Ed25519PrivateKey.generate()
    path = tmp_path / "session.key"
    text = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(text)
    path.chmod(0o600)
    assert session_key(path).public.line == _public(private)


def test_several_first_uses_get_one_key(tmp_path: Path) -> None:
    """Processes that come first at the same moment all end up with the same key, and leave one file."""
    path = tmp_path / "golive" / "session.key"
    code = (
        "import sys\nfrom pathlib import Path\nfrom pytest_golive.signing.keys import session_key\n"
        "sys.stdin.read(1)\nprint(session_key(Path(sys.argv[1])).fingerprint)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
    told = {process.communicate(timeout=60)[0] for process in running}
    assert told == {session_key(path).fingerprint + "\n"}
    assert os.listdir(path.parent) == ["session.key"]


def test_a_key_that_came_first_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a key while another process was quicker takes that other key and drops the own one."""
    path = tmp_path / "k" / "session.key"
    first = session_key(path)
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    assert session_key(path).public == first.public
    assert os.listdir(path.parent) == ["session.key"]


def _encrypted(path: Path) -> None:
    secret = serialization.BestAvailableEncryption(b"pass")
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    )
    path.chmod(0o600)


def _other_kind(path: Path) -> None:
    plain = serialization.NoEncryption()
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, plain
        )
    )
    path.chmod(0o600)


def _text(content: bytes, mode: int = 0o600) -> object:
    def write(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(mode)

    return write


def _linked(path: Path) -> None:
    session_key(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def _readable(path: Path) -> None:
    session_key(path)
    path.chmod(0o640)


def _shared_folder(path: Path) -> None:
    session_key(path)
    path.parent.chmod(0o777)


BAD = {
    "readable by others": (_readable, "others can read"),
    "in a shared folder": (_shared_folder, "others can replace"),
    "link": (_linked, "symbolic link"),
    "broken link": (lambda path: path.symlink_to("/nowhere"), "symbolic link"),
    "folder": (lambda path: path.mkdir(), "Is a directory"),
    "pipe": (lambda path: os.mkfifo(path, 0o600), "not a regular file"),
    "empty": (_text(b""), "is not an unencrypted"),
    "garbage": (_text(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), "is not an unenc"),
    "huge": (_text(b"x" * 20_000), "is not an unencrypted"),
    "encrypted": (_encrypted, "is not an unencrypted"),
    "another kind": (_other_kind, "is not an unencrypted"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_key_file_that_cannot_be_trusted_is_refused(tmp_path: Path, name: str) -> None:
    """A key that others may have read or replaced, or that is no key, is refused with a hint and left as it is."""
    make, reason = BAD[name]
    path = tmp_path / "session.key"
    make(path)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(KeyRefused, match=reason) as caught:
        session_key(path)
    assert caught.value.hint
    assert sorted(os.listdir(tmp_path)) == before


def test_a_folder_that_cannot_be_made_is_a_refusal(tmp_path: Path) -> None:
    """If the key's folder cannot be made the message names the path, and nothing is left behind."""
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyRefused, match="cannot be used") as caught:
        session_key(tmp_path / "file" / "session.key")
    assert caught.value.hint


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the key cannot be brought to the disk there is neither a key nor a draft of one."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyRefused, match="No space left"):
        session_key(tmp_path / "k" / "session.key")
    assert os.listdir(tmp_path / "k") == []
