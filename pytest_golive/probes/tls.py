"""The certificate of a TLS service, and whether it is to be trusted; what is wrong with it is told, not raised."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, ClassVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Port, ProbeModel, Text, spoken
from pytest_golive.probes.paths import absolute

_DAY = Decimal(86_400)
_HUNDREDTH = Decimal("0.01")


class Tls(ProbeModel):
    """Which certificate is served there, and would a client trust it?

    ```yaml
    tls: {host: api.example.com, port: 443}
    expect: {trusted: true, days_left: {gt: 14}, name_matches: true, version: {in: [TLSv1.2, TLSv1.3]}}
    ```

    `name` is the name that the certificate must be for, if it is not `host`; `ca_file` names the authorities to trust
    instead of those of the machine. A certificate that is expired, not yet valid, self-signed, for another name or of an
    unknown authority is told. A host that cannot be reached, and a port that does not speak TLS, are errors.

    Facts: `address`, `name`, `trusted` (all of it, as a strict client judges), `verify_error` (empty if trusted), `version`,
    `cipher`; of the certificate `not_before`, `not_after`, `days_left` (negative if it is over), `expired`, `not_yet_valid`,
    `names`, `name_matches`, `subject`, `issuer`, `self_signed`, `algorithm` (such as EC 256 or RSA 2048), `sha256` (the
    fingerprint).
    """

    word: ClassVar[str] = "tls"

    host: Text
    port: Port
    name: Text | None = None
    ca_file: Text | None = None

    def look(self, context: Context) -> Facts:
        name = self.name or self.host
        strict = trusting(None if self.ca_file is None else absolute(context.root, self.ca_file))
        facts: dict[str, Any] = {"address": f"{self.host}:{self.port}", "name": name, "trusted": True, "verify_error": ""}
        try:
            seen = self._handshake(strict, name, context)
        except ssl.SSLCertVerificationError as error:
            facts |= {"trusted": False, "verify_error": error.verify_message or "it does not verify"}
            seen = self._handshake(_trusting_anybody(), name, context)
        version, cipher, content = seen
        return facts | {"version": version, "cipher": cipher} | _told(content, name, context.now())

    def _handshake(self, tls: ssl.SSLContext, name: str, context: Context) -> tuple[str, str, bytes]:
        """Version, cipher and certificate; SSLCertVerificationError if the context does not trust it, else `ProbeError`."""
        where, allowed = f"{self.host}:{self.port}", context.remaining()
        try:
            with socket.create_connection((self.host, self.port), timeout=max(allowed, 0.001)) as plain:
                plain.settimeout(max(context.remaining(), 0.001))
                with tls.wrap_socket(plain, server_hostname=name) as secure:
                    content, cipher = secure.getpeercert(binary_form=True), secure.cipher()
                    if content is None or cipher is None:
                        raise ProbeError(f"{where} shows no certificate", hint="see how TLS is set up there")
                    return secure.version() or "", cipher[0], content
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            reason = str(error.reason or "the handshake failed").lower().replace("_", " ")
            raise ProbeError(
                f"no TLS with {where}: {reason}", hint="see whether TLS is spoken at this port, and which versions"
            ) from None
        except TimeoutError:
            raise ProbeError(
                f"no answer from {where}: timed out after {spoken(allowed)}", hint="see what listens there"
            ) from None
        except (socket.gaierror, UnicodeError):
            raise ProbeError(
                f"the host name {self.host} cannot be resolved", hint="correct the host, or see the name service"
            ) from None
        except ConnectionRefusedError:
            raise ProbeError(f"connection refused by {where}", hint="start the service, or correct the address") from None
        except (ConnectionResetError, BrokenPipeError):
            raise ProbeError(f"{where} broke the handshake off", hint="see whether TLS is spoken at this port") from None
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise ProbeError(f"{where} cannot be reached: {reason}", hint="see the network between here and there") from None


def trusting(ca_file: str | None) -> ssl.SSLContext:
    """A strict client that trusts the authorities in a file, or those of the machine; `ProbeError` if the file cannot be used."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = (
            (error.strerror or "it holds no certificate").lower()
            if not isinstance(error, ssl.SSLError)
            else "it holds no certificate"
        )
        raise ProbeError(f"the CA file {ca_file} cannot be used: {reason}", hint="ca_file is the path of a PEM file") from None


def _trusting_anybody() -> ssl.SSLContext:
    """A client that only looks: nothing is sent over what it opens."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls


def _told(content: bytes, name: str, now: datetime) -> dict[str, Any]:
    try:
        certificate = x509.load_der_x509_certificate(content)
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        names = _names(certificate)
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        algorithm = _algorithm(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ProbeError(
            "the certificate that is served cannot be read", hint="see what is served there with openssl s_client"
        ) from None
    left = Decimal(int((ends - now).total_seconds())) / _DAY
    return {
        "not_before": begins.astimezone(UTC).isoformat(),
        "not_after": ends.astimezone(UTC).isoformat(),
        "days_left": left.quantize(_HUNDREDTH, rounding=ROUND_FLOOR),
        "expired": now > ends,
        "not_yet_valid": now < begins,
        "names": names,
        "name_matches": any(_matches(pattern, name) for pattern in names),
        "subject": subject,
        "issuer": issuer,
        "self_signed": certificate.subject == certificate.issuer,
        "algorithm": algorithm,
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(":"),
    }


def _names(certificate: x509.Certificate) -> list[str]:
    """The names that a client looks at: a certificate that has only a common name has none."""
    try:
        several = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in several.get_values_for_type(x509.IPAddress)]
    return [*several.get_values_for_type(x509.DNSName), *addresses]


def _matches(pattern: str, name: str) -> bool:
    """Whether a name of a certificate is this name; `*` stands for the whole first label and nothing else (RFC 9525, 6.3)."""
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(pattern)
    except ValueError:
        pass
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        first, _, rest = name.partition(".")
        return bool(first) and rest == pattern[2:] and "." in rest
    return pattern == name


def _algorithm(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey")
