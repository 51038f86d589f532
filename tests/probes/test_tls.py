"""tls against servers whose certificates are good, over, not yet valid, self-signed, for somebody else, or none at all."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError

Lie = Callable[..., Any]
Serve = Callable[..., int]
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that one test file trusts and the machine does not."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """The file of that authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts TLS servers on loopback; gives their port."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(context: ssl.SSLContext) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain:
                    plain.settimeout(5)
                    try:
                        with context.wrap_socket(plain, server_side=True) as secure:
                            secure.recv(1)
                    except OSError:
                        continue

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        threads.append(thread)
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(5)


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _self_made(folder: Path, *, names: bool = True) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=30))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "self.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "self.pem")
    return context


def test_a_good_certificate_is_trusted(look: Any, serve: Serve, authority: trustme.CA, ca_file: str) -> None:
    """Under its authority, for its name and within its time a certificate is trusted, and what stands in it is told."""
    port = serve(_context(authority.issue_cert("localhost", "127.0.0.1", not_after=NOW + dt.timedelta(days=40))))
    facts = look("tls", host="127.0.0.1", port=port, name="localhost", ca_file=ca_file)
    assert (facts["trusted"], facts["verify_error"], facts["name_matches"]) == (True, "", True)
    assert (facts["expired"], facts["not_yet_valid"], facts["self_signed"]) == (False, False, False)
    assert facts["version"] in ("TLSv1.2", "TLSv1.3")
    assert facts["names"] == ["localhost", "127.0.0.1"]
    assert "trustme" in facts["issuer"]
    assert len(facts["sha256"]) == 95
    assert facts["algorithm"].split()[0] in ("EC", "RSA")
    assert isinstance(facts["days_left"], Decimal)


def test_days_are_counted_by_the_clock_that_is_handed_in(look: Any, serve: Serve, authority: trustme.CA, ca_file: str) -> None:
    """Ten days and a half before the end, ten days and a half are left, to the hundredth and rounded down."""
    from tests.probes.conftest import NOW as STILL

    end = STILL + dt.timedelta(days=10, hours=12)
    port = serve(_context(authority.issue_cert("localhost", not_after=end)))
    assert look("tls", host="127.0.0.1", port=port, name="localhost", ca_file=ca_file)["days_left"] == Decimal("10.50")


@pytest.mark.parametrize(
    ("begins", "ends", "what", "error"),
    [
        (-40, -2, "expired", "expired"),
        (400, 800, "not_yet_valid", "not yet valid"),
    ],
)
def test_a_certificate_out_of_its_time_is_told(
    look: Any, serve: Serve, authority: trustme.CA, ca_file: str, begins: int, ends: int, what: str, error: str
) -> None:
    """A certificate that is over, or is for later, is not trusted, and both facts say so."""
    times = {"not_before": NOW + dt.timedelta(days=begins), "not_after": NOW + dt.timedelta(days=ends)}
    port = serve(_context(authority.issue_cert("localhost", **times)))
    facts = look("tls", host="127.0.0.1", port=port, name="localhost", ca_file=ca_file)
    assert (facts["trusted"], facts[what]) == (False, True)
    assert error in facts["verify_error"]
    assert (facts["days_left"] < 0) is (what == "expired")


def test_a_certificate_for_somebody_else_is_told(look: Any, serve: Serve, authority: trustme.CA, ca_file: str) -> None:
    """A good certificate for another name is not trusted, and its names are told."""
    port = serve(_context(authority.issue_cert("other.example")))
    facts = look("tls", host="127.0.0.1", port=port, name="desk.example", ca_file=ca_file)
    assert (facts["trusted"], facts["name_matches"], facts["names"]) == (False, False, ["other.example"])
    assert "desk.example" in facts["verify_error"]


def test_an_unknown_authority_is_told(look: Any, serve: Serve, authority: trustme.CA) -> None:
    """Without its authority the certificate is not trusted by the machine's own, though everything else about it is right."""
    port = serve(_context(authority.issue_cert("localhost")))
    facts = look("tls", host="127.0.0.1", port=port, name="localhost")
    assert (facts["trusted"], facts["name_matches"], facts["expired"]) == (False, True, False)
    assert facts["verify_error"]


@pytest.mark.parametrize("names", [True, False])
def test_a_self_signed_certificate_is_told(look: Any, serve: Serve, tmp_path: Path, names: bool) -> None:
    """Self-signed is not trusted; one with nothing but a common name has no name that a client would look at."""
    facts = look("tls", host="127.0.0.1", port=serve(_self_made(tmp_path, names=names)), name="localhost")
    assert (facts["trusted"], facts["self_signed"], facts["name_matches"]) == (False, True, names)
    assert facts["names"] == (["localhost"] if names else [])
    assert facts["algorithm"] == "EC 256"


def test_a_port_may_come_from_the_environment() -> None:
    """An address out of a variable is text: digits are a port, anything else is a fault of the checklist."""
    kind = probes.kind("tls")
    assert kind.model_validate({"host": "localhost", "port": "443"}) == kind.model_validate({"host": "localhost", "port": 443})
    for port in ("0", "65536", "https", "4 43", "-1", "", True, 443.0):
        with pytest.raises(ValidationError):
            kind.model_validate({"host": "localhost", "port": port})


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.com", "example.com", False),
        ("API.example.com", "api.EXAMPLE.com", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
    ],
)
def test_a_star_stands_for_one_label(pattern: str, name: str, fits: bool) -> None:
    """`*.example.com` is for api.example.com, and neither for example.com itself nor for what lies deeper."""
    from pytest_golive.probes.tls import _matches

    assert _matches(pattern, name) is fits


def test_a_port_without_tls_is_an_error(look: Any, lie: Lie) -> None:
    """A plain web server has no certificate, and that is no fact about one."""

    def plain(server: Any, connection: socket.socket) -> None:
        connection.recv(5)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ProbeError, match=r"no TLS with 127\.0\.0\.1:\d+|broke the handshake off"):
        look("tls", host="127.0.0.1", port=lie(by=plain).port)


def test_nobody_there_is_an_error(look: Any) -> None:
    """A refused connection, an unknown name and a CA file that is none are errors that say so."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        with pytest.raises(ProbeError, match="connection refused"):
            look("tls", host="127.0.0.1", port=port)
    with pytest.raises(ProbeError, match="cannot be resolved"):
        look("tls", host="no-such-host.invalid", port=443)


def test_a_ca_file_that_is_none_is_an_error(look: Any, tmp_path: Path) -> None:
    """A missing CA file and one without certificates are errors, never a reason to trust the machine's own."""
    with pytest.raises(ProbeError, match="cannot be used: no such file"):
        look("tls", host="127.0.0.1", port=1, ca_file="missing.pem")
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(ProbeError, match="holds no certificate"):
        look("tls", host="127.0.0.1", port=1, ca_file="empty.pem")


def test_a_server_that_says_nothing_times_out(look: Any, lie: Lie) -> None:
    """A handshake that nobody answers ends at the deadline."""

    def silent(server: Any, connection: socket.socket) -> None:
        server.over.wait(30)

    with pytest.raises(ProbeError, match="timed out"):
        look("tls", 0.3, host="127.0.0.1", port=lie(by=silent).port)
