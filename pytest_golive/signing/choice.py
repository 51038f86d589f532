"""Which key signs for a person: the one that is named, else the one of theirs that stands on the roster.

The agent comes first, because its keys never leave it. Nothing is guessed: two keys that would both do are a question, and a key
that is not on the roster is never taken unless somebody named it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import final

from pytest_golive.errors import KeyRefused
from pytest_golive.signing import agent, sshsig
from pytest_golive.signing.key_files import file_key, public_half
from pytest_golive.signing.keys import Held, PublicKey, Signer, session_key
from pytest_golive.signing.roster import Roster
from pytest_golive.signing.trusted import session_key_path

AskPassphrase = Callable[[str], bytes | None]
"""Asks a person for what the prompt says, without showing it; None if there is nobody to ask."""

FILES = ("id_ed25519", "id_ecdsa", "id_rsa")
_NAME_ONE = "name one: --key PATH, --key agent:FINGERPRINT or --key kms:URI; golive key show lists yours"


def choose(
    *,
    key: str | None,
    environ: Mapping[str, str],
    roster: Roster,
    ask_passphrase: AskPassphrase,
    now: datetime | None = None,
    session: bool = False,
) -> Signer:
    """The key that signs, in the form that the roster demands of it; KeyRefused in one line if there is not exactly one.

    `key` is a path, `agent:` with a fingerprint or comment, or `kms:` with a URI. With `now`, a key that does not count now is
    not found by itself. With `session`, the session key of this machine may be found, if it is on the roster and no other is.
    """
    if key is not None:
        signer = _named(key, environ, roster, ask_passphrase)
    else:
        signer = _found(environ, roster, ask_passphrase, now, session=session)
    held = roster.holder(signer.public)
    if held is not None and held[1].public.form == "sshsig" and signer.public.form == "raw":
        return Wrapped(signer, held[1].public)
    return signer


def ssh_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The key files that ssh itself would try, as far as they are there."""
    home = environ.get("HOME")
    return tuple(path for name in FILES if home and (path := Path(home, ".ssh", name)).is_file())


@final
class Wrapped(Held):
    """A key whose plain signatures are put into an SSHSIG, because the roster counts no other form."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Signer, public: PublicKey) -> None:
        super().__init__(public)
        self._inner = inner

    def sign(self, message: bytes) -> bytes:
        """The SSHSIG blob over these bytes."""
        return sshsig.make(self.public.blob, message, lambda signed: self.public.dressed(self._inner.sign(signed)))


def _named(key: str, environ: Mapping[str, str], roster: Roster, ask: AskPassphrase) -> Signer:
    scheme, _, rest = key.partition(":")
    if scheme == "agent":
        return _of_agent(rest, environ)
    if scheme == "kms":
        from pytest_golive.signing import kms

        return kms.signer(rest, roster.public_keys, ask)
    return _opened(Path(key).expanduser(), ask)


def _opened(path: Path, ask: AskPassphrase) -> Signer:
    return file_key(path, lambda: ask(f"Passphrase of {path}: "))


def _of_agent(wanted: str, environ: Mapping[str, str]) -> Signer:
    holder = agent.agent(environ)
    if holder is None:
        raise KeyRefused("there is no ssh-agent: $SSH_AUTH_SOCK is not set", hint='start one: eval "$(ssh-agent)"; ssh-add')
    offered = holder.identities()
    fitting = [one for one in offered if wanted and wanted in (one.comment, one.public and one.public.fingerprint)]
    accepted = [one.public for one in fitting if one.public is not None]
    if len(fitting) == 1 and not accepted:
        raise KeyRefused(f"the key {wanted} of the ssh-agent: {fitting[0].refused}", hint=_NAME_ONE)
    if len(accepted) != 1:
        told = f"{len(accepted)} keys of that name" if accepted else "no such key"
        shown = ", ".join(one.public.fingerprint for one in offered if one.public) or "none that is accepted"
        raise KeyRefused(f"the ssh-agent has {told}: {wanted}", hint=f"it has {shown}")
    return holder.signer(accepted[0])


def _found(environ: Mapping[str, str], roster: Roster, ask: AskPassphrase, now: datetime | None, *, session: bool) -> Signer:
    """The agent's one key that is on the roster, else the first such key file, else the session key if it may be."""

    def counts(public: PublicKey | None) -> bool:
        held = roster.holder(public) if public else None
        if held is not None and now is not None and not held[1].valid_at(now):
            over.append(f"your key {held[1].public.fingerprint} is on the roster and does not count: {held[1].standing(now)}")
            return False
        return held is not None

    over: list[str] = []
    told: list[str] = []
    holder = agent.agent(environ)
    if holder is not None:
        try:
            offered = [one.public for one in holder.identities() if one.public and counts(one.public)]
        except KeyRefused as refused:
            told.append(refused.message)
            offered = []
        if len(offered) > 1:
            shown = ", ".join(public.fingerprint for public in offered)
            raise KeyRefused(f"the ssh-agent has {len(offered)} keys that are on the roster: {shown}", hint=_NAME_ONE)
        if offered:
            return holder.signer(offered[0])
    for path in ssh_files(environ):
        try:
            fits = counts(public_half(path))
        except KeyRefused as refused:
            told.append(refused.message)
            continue
        if fits:
            return _opened(path, ask)
    if session and (path := session_key_path(environ)).exists() and counts((own := session_key(path)).public):
        return own
    if over:
        raise KeyRefused(over[0], hint="name another key of yours with --key, or let somebody put it right on the roster")
    because = "".join(f"; {reason}" for reason in told)
    raise KeyRefused(f"your key is not on the roster: none in an ssh-agent or in ~/.ssh is{because}", hint=_NAME_ONE)
