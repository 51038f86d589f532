"""The desk's people: persons of a demonstration who answer what only people can answer, each with a key of their own.

Their names say that they are not real. Keys are made anew for every start and lie in the home folder, as does the roster that
names them; their statements go the same way as anybody's, through the same code that refuses what would not be believed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, final

from pytest_golive import attesting, checklist, config, probes
from pytest_golive.errors import GoliveError
from pytest_golive.guard import state
from pytest_golive.model import Context, Item, Outcome
from pytest_golive.probes.attestation import Attestation
from pytest_golive.redaction import Redactor
from pytest_golive.signing import roster
from pytest_golive.signing.key_files import FileKey, file_key

if TYPE_CHECKING:
    from pytest_golive.config import Settings
    from pytest_golive.model import Checklist

PREFIX = "demo-"
"""How the id of everybody begins who is not real."""

_PER_ROLE = 2
_COMMENT = "Demonstration only: no real person has looked at this."
_SECONDS = 5.0


def attend(settings_path: Path, environ: Mapping[str, str]) -> Sequence[str]:
    """Let demo persons answer every attestation item of the lists that these settings bind; notes on what they could not.

    Faulty settings or lists are left for the gate to tell.
    """
    try:
        settings = config.load(settings_path, environ)
        paths = checklist.find(settings.checklists, settings.root, settings.path.name)
        if not any(b"attestation:" in path.read_bytes() for path in paths):
            return ()
        lists = checklist.load(paths, root=settings.root, **settings.variables)
    except (GoliveError, OSError):
        return ()
    try:
        return answer(settings, lists, datetime.now(UTC))
    except (GoliveError, OSError) as error:
        return (f"the demo persons cannot speak: {error}",)


def answer(settings: Settings, lists: Iterable[Checklist], now: datetime) -> Sequence[str]:
    """The same, for lists that are loaded already."""
    items = [item for one in lists for item in one.items if item.kind == Attestation.word]
    return _Office(settings, items, now).answer_all() if items else ()


@final
class _Office:
    """Keys, roster and folder of one start."""

    def __init__(self, settings: Settings, items: Sequence[Item], now: datetime) -> None:
        self._settings = settings
        self._witnesses = settings.witnesses
        self._items = items
        self._now = now.replace(microsecond=0)
        roles = dict.fromkeys(role for item in items for role in _probe(item).asked_roles)
        folder = settings.root / "people"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._hands = {(role, number): fresh_key(folder / f"{_id(role, number)}.key") for role in roles for number in _numbers()}
        self._write_roster(list(roles))
        self._roll = roster.read(self._witnesses.roster)

    def answer_all(self) -> Sequence[str]:
        """Replace what earlier persons left by statements of today's."""
        folder = self._witnesses.folder
        folder.mkdir(exist_ok=True)
        for stale in folder.glob(f"*.{PREFIX}*.json"):
            stale.unlink()
        notes = []
        for item in self._items:
            try:
                self._answer(item)
            except (GoliveError, OSError) as error:
                notes.append(f"{item.id} is not attested: {error}")
        return notes

    def _answer(self, item: Item) -> None:
        """One person of each role speaks; if the item asks for more persons than that, so does the next."""
        for number in _numbers():
            for role in _probe(item).asked_roles:
                signer = self._hands[role, number]
                made = attesting.draft(
                    item, root=self._settings.root, witnesses=self._witnesses, roll=self._roll, signer=signer,
                    role=role, comment=_COMMENT, valid_for=None, now=self._now,
                )  # fmt: skip
                line = attesting.seal(made, signer=signer, roll=self._roll, witnesses=self._witnesses, now=self._now)
                state.replace_file(str(made.path), line, 0o600, durable=False)
            if self._suffices(item):
                return

    def _suffices(self, item: Item) -> bool:
        context = Context(
            root=self._settings.root, environ={}, now=lambda: self._now, deadline=time.monotonic() + _SECONDS,
            witnesses=self._witnesses,
        )  # fmt: skip
        facts = probes.observe(item.probe, context, Redactor()).facts
        return item.expect.judge(facts, self._now).outcome is Outcome.PASSED

    def _write_roster(self, roles: Sequence[str]) -> None:
        quoted = ", ".join(f'"{role}"' for role in roles)
        lines = [
            "# Written at every start of the demo desk; nobody here is real.",
            "version = 1",
            f"roles = [{quoted}]",
        ]
        for (role, number), key in self._hands.items():
            lines += [
                f"\n[persons.{_id(role, number)}]",
                f'name = "{_name(role, number)}"',
                f'roles = ["{role}"]',
                f'keys = [{{key = "{key.public.line}"}}]',
            ]
        state.replace_file(str(self._witnesses.roster), ("\n".join(lines) + "\n").encode("ascii"), 0o600, durable=False)


def _probe(item: Item) -> Attestation:
    assert isinstance(item.probe, Attestation)
    return item.probe


def _numbers() -> range:
    return range(1, _PER_ROLE + 1)


def _id(role: str, number: int) -> str:
    return f"{PREFIX}{role}" + (f"-{number}" if number > 1 else "")


def _name(role: str, number: int) -> str:
    words = " ".join(word.upper() if len(word) < 3 else word.title() for word in role.split("-"))
    return f"Demo {words}" + (f" {number}" if number > 1 else "")


def fresh_key(path: Path) -> FileKey:
    """A new key without a passphrase in a file of mode 0600, in the place of one that was there."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(text)
    return file_key(path, lambda: None)
