"""`golive extract`: what a page carries for machines, and the commands by which a stranger checks it without this tool."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from pytest_golive import approving, verifying
from pytest_golive.cli.signing_off import keys_that_count, now_utc, policy_here, tell
from pytest_golive.cli.words import say
from pytest_golive.errors import EnvelopeRejected
from pytest_golive.signing import dsse
from pytest_golive.signing.approval import claimed
from pytest_golive.signing.keys import PublicKey

BUNDLE = "report.intoto.jsonl"
_OPENSSL = {
    "ssh-ed25519": "openssl pkeyutl -verify -pubin -inkey {pem} -rawin -in pae -sigfile sig",
    "ecdsa-sha2-nistp256": "openssl dgst -sha256 -verify {pem} -signature sig pae",
    "ssh-rsa": "openssl dgst -sha512 -verify {pem} -signature sig pae",
}
_NAMESPACE = "golive-approval@pytest-golive"
_TAKEN_APART = r"""check() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "yes: $what"; else echo "NO:  $what"; false; fi; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" envelope.json; }
open_line() {
  sed -n "$1p" report.intoto.jsonl >envelope.json
  field payloadType | tr -d '\n' >type
  field payload | tr '_-' '/+' | base64 -d >body
  field sig | tr '_-' '/+' | base64 -d >sig
  { printf 'DSSEv1 %d ' "$(wc -c <type)"; cat type; printf ' %d ' "$(wc -c <body)"; cat body; } >pae
}"""

_SHOWN = r"""shown() { sed '/<!--golive:approvals-->/,/<!--\/golive:approvals-->/d' "$page" | sha256sum | cut -d' ' -f1; }"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which page, whom to believe, and where to."""
    parser.add_argument("report", metavar="REPORT")
    parser.add_argument("--to", metavar="DIR", help="write into this folder (default: that of the page)")
    parser.add_argument("--key", action="append", default=[], metavar="FILE", help="trust the OpenSSH public keys in this file")
    parser.add_argument("--roster", metavar="FILE", help="take the keys of approvers from this roster")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the files were written; the page must be what was signed."""
    path = Path(options.report)
    page = approving.read(path)
    settings, policy = policy_here(options, verifying.environment_of(page))
    keys = keys_that_count(settings, options.key)
    opened = approving.open_page(page, keys, policy, now_utc())
    folder = Path(options.to) if options.to else path.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    lines = [opened.envelope, *opened.verified.approvals]
    roll = policy.roster.public_keys if policy.roster else ()
    signers = [("evidence", _who_signed(opened.envelope, keys))]
    signers += [("-".join(claimed(line)), _who_signed(line, roll)) for line in lines[1:]]
    _write(folder / BUNDLE, "".join(f"{line}\n" for line in lines))
    for name, public in signers:
        if public is not None:
            _write(folder / f"{name}.pem", _pem(public))
            _write(folder / f"{name}.pub", f"{public.line}\n")
    say(f"Written to {folder}: {BUNDLE}, and the keys of who signed as .pem and .pub")
    say("Whoever does not trust this tool runs there, in sh, with openssl and sed:\n")
    tell(_commands(signers, path.resolve(), opened.report.evidence, opened.report.presentation))
    return 0


def _who_signed(line: str, keys: tuple[PublicKey, ...]) -> PublicKey | None:
    """The key that signed this line; None if nobody who is known here did."""
    trusted = {key.fingerprint: key for key in keys}
    try:
        (fingerprint,) = dsse.open_envelope(line, keys).keyids
    except (EnvelopeRejected, ValueError):
        return None
    return trusted[fingerprint]


def _pem(public: PublicKey) -> str:
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.loaded().public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def _commands(signers: list[tuple[str, PublicKey | None]], page: Path, evidence: str, presentation: str) -> Iterator[str]:
    """The commands; each tells what it looked at and whether that holds, and fails if it does not."""
    yield from _TAKEN_APART.splitlines()
    yield f"page={shlex.quote(str(page))}"
    yield _SHOWN
    yield f"check 'the page without its approvals is the one that was signed' test \"$(shown)\" = {presentation}"
    for number, (name, public) in enumerate(signers, 1):
        yield f"open_line {number}"
        if public is None:
            yield f"check 'line {number}, {name}: its key is not known here' false"
            continue
        yield from _signature(name, public)
        if number == 1:
            yield f"check 'evidence: it is the one that was approved' test \"$(sha256sum <body | cut -d' ' -f1)\" = {evidence}"
            continue
        for what, digest in (("evidence", evidence), ("page", presentation)):
            yield f"check '{name}: it names this {what}' grep -q '\"sha256\":\"{digest}\"' body"


def _signature(name: str, public: PublicKey) -> Iterator[str]:
    told = f"check '{name}: signed by {public.fingerprint}'"
    if public.form != "sshsig":
        yield f"{told} {_OPENSSL[public.kind].format(pem=f'{name}.pem')}"
        return
    yield "{ echo -----BEGIN SSH SIGNATURE-----; base64 <sig; echo -----END SSH SIGNATURE-----; } >armored"
    yield f'printf \'%s namespaces="{_NAMESPACE}" %s\\n\' {name} "$(cat {name}.pub)" >allowed_signers'
    yield f"{told} ssh-keygen -Y verify -f allowed_signers -I {name} -n {_NAMESPACE} -s armored <pae"


def _write(path: Path, text: str) -> None:
    approving.replace(path, text.encode("ascii"))
