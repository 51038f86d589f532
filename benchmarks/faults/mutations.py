"""A valid marker, changed at random; none of what comes out may be accepted."""

from __future__ import annotations

import random
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.faults.scene import signed
from pytest_golive.errors import MarkerRejected
from pytest_golive.guard.marker import parse
from pytest_golive.signing.keys import SessionKey

_WORDS = (
    b"micro",
    b"large",
    b"true",
    b"false",
    b"production",
    b"staging",
    b"2099-01-01",
    b"\r\n",
    b"\n",
    b"\0",
    b"# ",
    b'"',
    b"\xef\xbb\xbf",
)


def _place(chance: random.Random, text: bytes) -> tuple[int, int]:
    start = chance.randrange(len(text))
    return start, min(len(text), start + chance.randint(1, 40))


def _flip(chance: random.Random, text: bytes, _other: bytes) -> bytes:
    changed = bytearray(text)
    changed[chance.randrange(len(text))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _byte(chance: random.Random, text: bytes, _other: bytes) -> bytes:
    changed = bytearray(text)
    changed[chance.randrange(len(text))] = chance.randrange(256)
    return bytes(changed)


def _insert(chance: random.Random, text: bytes, _other: bytes) -> bytes:
    at = chance.randrange(len(text) + 1)
    return text[:at] + (chance.choice(_WORDS) if chance.random() < 0.5 else chance.randbytes(chance.randint(1, 4))) + text[at:]


def _delete(chance: random.Random, text: bytes, _other: bytes) -> bytes:
    start, end = _place(chance, text)
    return text[:start] + text[end:]


def _repeat(chance: random.Random, text: bytes, _other: bytes) -> bytes:
    start, end = _place(chance, text)
    return text[:end] + text[start:end] + text[end:]


def _cut(chance: random.Random, text: bytes, _other: bytes) -> bytes:
    return text[: chance.randrange(len(text))]


def _splice(chance: random.Random, text: bytes, other: bytes) -> bytes:
    """A part of another valid marker by the same key in the same place."""
    start, end = _place(chance, text)
    return text[:start] + other[start:end] + text[end:]


def _lines(chance: random.Random, text: bytes, other: bytes) -> bytes:
    """Lines swapped, doubled, dropped, or taken from the other marker."""
    lines = text.splitlines(keepends=True)
    one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
    turn = chance.randrange(4)
    if turn == 0:
        lines[one], lines[two] = lines[two], lines[one]
    elif turn == 1:
        lines.insert(one, lines[two])
    elif turn == 2:
        del lines[one]
    else:
        others = other.splitlines(keepends=True)
        lines[one] = others[min(one, len(others) - 1)]
    return b"".join(lines)


def _signature(chance: random.Random, text: bytes, _other: bytes) -> bytes:
    """Another writing of nearly the same signature: its letters, its padding, its last bits, another line."""
    head, line, tail = text.rpartition(b'- "')
    letters = bytearray(tail)
    letters[chance.randrange(len(letters))] = chance.choice(b'ABCDEFabcdef0189+/-_= \n"')
    return head + line + bytes(letters) + (b"" if chance.random() < 0.8 else line + tail)


KINDS: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (
    _flip,
    _byte,
    _insert,
    _delete,
    _repeat,
    _cut,
    _splice,
    _lines,
    _signature,
)


def mutate(count: int, seed: int) -> list[bytes]:
    """Hold `count` changed markers against the key that signed the original; those that were accepted."""
    chance = random.Random(seed)
    signer = SessionKey(Ed25519PrivateKey.generate())
    original, other = signed(signer, 7), signed(signer, 8)
    parse(original, [signer.public])
    accepted = []
    done = 0
    while done < count:
        text = original
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            text = chance.choice(KINDS)(chance, text or original, other)
        if text in (original, other):
            continue
        done += 1
        try:
            parse(text, [signer.public])
        except MarkerRejected:
            continue
        accepted.append(text)
    return accepted
