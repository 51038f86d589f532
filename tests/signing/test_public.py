"""Public keys beyond Ed25519 and P-256: RSA from 3072 bits, and the keys of tokens, which have one form only."""

from __future__ import annotations

import base64
import functools

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from pytest_golive.errors import KeyRefused
from pytest_golive.signing.public import ED25519, P256, RSA, SK_ED25519, SK_P256, PublicKey
from pytest_golive.signing.ssh_wire import Reader, mpint, string
from tests.signing.agents import Token
from tests.signing.people import rsa_line


@functools.cache
def _rsa(bits: int = 3072, exponent: int = 65537) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(exponent, bits)


def _of(exponent: int, modulus: int) -> PublicKey:
    return PublicKey(RSA, mpint(exponent) + mpint(modulus))


def _public(private: rsa.RSAPrivateKey) -> PublicKey:
    numbers = private.public_key().public_numbers()
    return _of(numbers.e, numbers.n)


def test_an_rsa_key_of_3072_bits_counts_with_sha512() -> None:
    """RSA from 3072 bits verifies PKCS #1 v1.5 over SHA-512, and no other padding or digest."""
    private = _rsa()
    key = _public(private)
    assert key.verify(private.sign(b"x", padding.PKCS1v15(), hashes.SHA512()), b"x")
    assert not key.verify(private.sign(b"x", padding.PKCS1v15(), hashes.SHA512()), b"y")
    assert not key.verify(private.sign(b"x", padding.PKCS1v15(), hashes.SHA256()), b"x")
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), padding.PSS.MAX_LENGTH)
    assert not key.verify(private.sign(b"x", pss, hashes.SHA512()), b"x")
    assert not key.verify(b"", b"x")


@pytest.mark.parametrize("bits", [1024, 2048, 3064])
def test_short_rsa_keys_are_refused(bits: int) -> None:
    """Under 3072 bits a key is told with its size and refused."""
    with pytest.raises(KeyRefused, match=f"has {bits} bits"):
        PublicKey.parse(rsa_line(bits))


@pytest.mark.parametrize(
    ("exponent", "modulus", "words"),
    [
        (3, lambda n: n, "exponent"),
        (65538, lambda n: n, "exponent"),
        (65535, lambda n: n, "exponent"),
        (1, lambda n: n, "exponent"),
        (2**64 + 13, lambda n: n, "exponent"),
        (65537, lambda n: n + 1, "small factor"),
        (65537, lambda n: n - n % 7, "small factor"),
        (65537, lambda n: n << 6000, "9072 bits"),
        (65537, lambda n: 0, "0 bits"),
    ],
    ids=str.split("three even below one huge even-modulus seven long nothing"),
)
def test_rsa_keys_that_prove_nothing_are_refused(exponent: int, modulus: object, words: str) -> None:
    """An exponent that is small or even, a modulus that anybody can take apart, and one that takes minutes to verify."""
    assert callable(modulus)
    with pytest.raises(KeyRefused, match=words):
        _of(exponent, modulus(_public(_rsa()).loaded().public_numbers().n))  # type: ignore[union-attr]


def test_an_rsa_key_has_one_spelling() -> None:
    """Numbers with a zero byte too many or the sign bit set are another spelling of the key, and are refused."""
    key = _public(_rsa())
    fields = Reader(key.raw)
    exponent, modulus = fields.string(), fields.string()
    for spelled in (string(b"\0" + exponent) + string(modulus), string(exponent) + string(modulus[1:])):
        line = f"{RSA} {base64.b64encode(string(RSA.encode()) + spelled).decode()}"
        with pytest.raises(KeyRefused, match="nothing else"):
            PublicKey.parse(line)


@pytest.mark.parametrize("kind", [SK_ED25519, SK_P256])
def test_a_tokens_key_is_read_with_its_application(kind: str) -> None:
    """The application is a part of the key: two applications are two keys, and the line comes back as it was."""
    one = Token(kind).public
    assert PublicKey.parse(one.line + " ann@laptop") == one
    other = PublicKey(kind, one.raw, "ssh:work")
    assert (one == other, one.fingerprint == other.fingerprint) == (False, False)
    assert (one.form, one.is_token, one.material == other.material) == ("sshsig", True, True)
    assert one.signing_as("raw").form == "sshsig"


@pytest.mark.parametrize("application", ["", "https://example.org", "ssh:\n"])
def test_a_token_for_another_purpose_is_refused(application: str) -> None:
    """A web site's credential is no ssh key, whoever wrapped it as one."""
    with pytest.raises(KeyRefused, match="begins with ssh:"):
        PublicKey(SK_ED25519, Token().public.raw, application)
    with pytest.raises(KeyRefused):
        PublicKey(ED25519, Token().public.raw, "ssh:")


def test_a_tokens_key_is_never_verified_as_a_plain_one() -> None:
    """A plain signature by the token's private half is not what a token makes, and does not count."""
    for kind in (SK_ED25519, SK_P256):
        token = Token(kind)
        private = token.private
        made = private.sign(b"x", ec.ECDSA(hashes.SHA256())) if kind == SK_P256 else private.sign(b"x")  # type: ignore[call-arg]
        plain = PublicKey(P256 if kind == SK_P256 else ED25519, token.public.raw)
        assert plain.verify(made, b"x")
        assert not token.public.verify(made, b"x")


def test_d16_a_token_of_small_order_is_refused() -> None:
    """D16: the arithmetic holds for tokens as for plain keys."""
    for y in (0, 1, 2**255 - 20):
        with pytest.raises(KeyRefused, match="small order"):
            PublicKey(SK_ED25519, y.to_bytes(32, "little"), "ssh:")
