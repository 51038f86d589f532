"""Keys in the ssh-agent: the agent signs, and the private key never comes here (draft-ietf-sshm-ssh-agent).

Whatever listens on the socket is given little time and little room, and is believed in nothing: a signature counts only once it
verifies under the key that was asked for. Signing waits longer than listing, because a person may have to confirm or to touch
a token.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from pytest_golive.errors import KeyRefused
from pytest_golive.signing import sshsig
from pytest_golive.signing.keys import Held
from pytest_golive.signing.public import RSA, PublicKey
from pytest_golive.signing.ssh_wire import Reader, string

LIST_SECONDS = 5.0
SIGN_SECONDS = 60.0
MAX_ANSWER = 256 * 1024
MAX_KEYS = 2048
_LIST, _LISTED = 11, 12
_SIGN, _SIGNED = 13, 14
_RSA_SHA2_512 = 4
_START = 'start one and add your key: eval "$(ssh-agent)"; ssh-add; or name a key file with --key PATH'
_CONFIRM = "confirm or touch when you are asked; "
_SOUND = "see what listens on $SSH_AUTH_SOCK: ssh-add -l; or name a key file with --key PATH"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key that the agent offers: what it is called there, and why it is not accepted if it is not."""

    comment: str
    kind: str
    public: PublicKey | None
    refused: str = ""


@final
class Agent:
    """The agent behind one socket."""

    __slots__ = ("_path", "_seconds")

    def __init__(self, path: str, *, list_seconds: float = LIST_SECONDS, sign_seconds: float = SIGN_SECONDS) -> None:
        self._path = path
        self._seconds = {_LIST: list_seconds, _SIGN: sign_seconds}

    def identities(self) -> tuple[Identity, ...]:
        """What the agent offers, in its order; KeyRefused with one line if it does not answer as an agent does."""
        answer = self._ask(_LIST, b"", _LISTED)
        try:
            count = answer.uint32()
            if count > MAX_KEYS:
                raise ValueError("too many keys")
            found = [(answer.string(), answer.string()) for _ in range(count)]
            answer.end()
            return tuple(_identity(blob, comment) for blob, comment in found)
        except ValueError:
            raise KeyRefused("the ssh-agent answers what is no list of keys", hint=_SOUND) from None

    def signer(self, public: PublicKey) -> AgentKey:
        """Something that signs with this key of the agent."""
        return AgentKey(self, public)

    def signature(self, public: PublicKey, message: bytes) -> bytes:
        """The whole SSH signature by this key: the name of its algorithm, the signature, and what a token adds."""
        flags = _RSA_SHA2_512 if public.kind == RSA else 0
        answer = self._ask(_SIGN, string(public.blob) + string(message) + flags.to_bytes(4, "big"), _SIGNED)
        try:
            signature = answer.string()
            answer.end()
        except ValueError:
            raise _no_signature(public) from None
        return signature

    def _ask(self, question: int, body: bytes, expected: int) -> Reader:
        """The fields of the one answer to one question."""
        end = time.monotonic() + self._seconds[question]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(self._seconds[question])
                line.connect(self._path)
                line.sendall(string(bytes([question]) + body))
                length = int.from_bytes(_receive(line, 4, end), "big")
                if not 1 <= length <= MAX_ANSWER:
                    raise KeyRefused("the ssh-agent answers what no agent would", hint=_SOUND)
                answer = Reader(_receive(line, length, end))
        except TimeoutError:
            told = f"the ssh-agent did not answer within {self._seconds[question]:g} seconds"
            raise KeyRefused(told, hint=_CONFIRM + _SOUND) from None
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or str(error)
            raise KeyRefused(f"there is no ssh-agent at $SSH_AUTH_SOCK: {told}", hint=_START) from None
        kind = answer.byte()
        if kind != expected:
            if question == _SIGN:
                raise KeyRefused(
                    "the ssh-agent refuses to sign", hint="confirm or touch when you are asked; unlock it: ssh-add -X"
                )
            raise KeyRefused("the ssh-agent refuses to list its keys", hint=_SOUND)
        return answer


@final
class AgentKey(Held):
    """A key that stays in the agent."""

    __slots__ = ("_agent",)

    def __init__(self, agent: Agent, public: PublicKey) -> None:
        super().__init__(public)
        self._agent = agent

    def sign(self, message: bytes) -> bytes:
        """The signature, which was verified; for a token's key an SSHSIG blob, else the plain form."""
        public = self.public
        try:
            if public.is_token:
                made = sshsig.make(public.blob, message, lambda signed: self._agent.signature(public, signed))
            else:
                public = public.signing_as("raw")
                fields = Reader(self._agent.signature(public, message))
                if fields.string() != public.algorithm.encode():
                    raise ValueError("another algorithm")
                made = public.plain(fields.string())
                fields.end()
        except ValueError:
            raise _no_signature(public) from None
        if not public.verify(made, message):
            raise _no_signature(public)
        return made


def agent(environ: Mapping[str, str]) -> Agent | None:
    """The agent that the environment names; None if it names none."""
    path = environ.get("SSH_AUTH_SOCK")
    return Agent(path) if path else None


def _identity(blob: bytes, comment: bytes) -> Identity:
    text, kind = comment.decode("utf-8", "replace"), ""
    try:
        kind = Reader(blob).string().decode("ascii")
        return Identity(comment=text, kind=kind, public=PublicKey.of_blob(blob))
    except KeyRefused as refused:
        return Identity(comment=text, kind=kind, public=None, refused=refused.message)
    except ValueError:
        return Identity(comment=text, kind=kind, public=None, refused="this is no key")


def _receive(line: socket.socket, length: int, end: float) -> bytes:
    """So many bytes before `end`, however slowly they drip."""
    parts = bytearray()
    while len(parts) < length:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        line.settimeout(left)
        part = line.recv(length - len(parts))
        if not part:
            raise ValueError("it hung up before it had answered")
        parts += part
    return bytes(parts)


def _no_signature(public: PublicKey) -> KeyRefused:
    told = f"what the ssh-agent answers is no signature of {public.fingerprint}"
    if public.is_token:
        return KeyRefused(told, hint="touch the token when it blinks: a signature without a touch does not count")
    return KeyRefused(told, hint=_SOUND)
