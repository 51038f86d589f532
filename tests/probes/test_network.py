"""http and tcp against servers that lie, drip, hang, break off and speak nonsense."""

from __future__ import annotations

import concurrent.futures
import io
import socket
import ssl
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import responses
import trustme
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError
from pytest_golive.probes import connection

Lie = Callable[..., Any]


def test_an_error_in_a_good_status_is_seen(look: Any, lie: Lie) -> None:
    """200 with an error key is told as such."""
    facts = look("http", url=lie(b'{"error": "no such account", "balance": 0.20}').url)
    assert facts["status"] == 200
    assert facts["error_key"] is True
    assert facts["body"]["balance"] == Decimal("0.20")


@pytest.mark.parametrize(
    ("body", "is_"),
    [
        (b'{"error": null}', False),
        (b'{"Errors": ["x"]}', True),
        (b'{"exception": "x"}', True),
        (b'{"errors": []}', False),
        (b"[1]", False),
    ],
)
def test_only_a_truthy_error_counts(look: Any, lie: Lie, body: bytes, is_: bool) -> None:
    """An empty error is none; errors and exception count, in any case of letters."""
    assert look("http", url=lie(body).url)["error_key"] is is_


def test_a_bad_status_is_a_fact(look: Any, lie: Lie) -> None:
    """500 is told with its body, for the action may have taken effect all the same."""
    facts = look("http", url=lie(b'{"mode": "live"}', status="500 Oops").url, method="POST", json={"mode": "live"})
    assert (facts["status"], facts["reason"], facts["body"]) == (500, "Oops", {"mode": "live"})


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"state": "ok", "state": "critical"}', "'state' stands twice"),
        (b'{"a": 1', "line 1"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"", "line 1"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_exactly_json_has_no_body(look: Any, lie: Lie, body: bytes, fault: str) -> None:
    """NaN, two equal keys, half an object and broken UTF-8 are not read as data; why is told."""
    facts = look("http", url=lie(body).url)
    assert facts["ok_json"] is False
    assert "body" not in facts
    assert fault in facts["json_fault"]


def test_json_where_it_was_asked_for_is_an_error(look: Any, lie: Lie) -> None:
    """With `as: json` a login page with status 200 is an error."""
    server = lie(b"<html>log in</html>", kind="text/html")
    with pytest.raises(ProbeError, match=r"status 200.*is not JSON"):
        look("http", url=server.url, as_="json")
    facts = look("http", url=server.url)
    assert (facts["ok_json"], facts["text"]) == (False, "<html>log in</html>")
    assert "json_fault" not in facts


def test_text_may_be_asked_for(look: Any, lie: Lie) -> None:
    """With `as: text` JSON stays text."""
    facts = look("http", url=lie(b"{}").url, as_="text")
    assert (facts["ok_json"], facts["text"]) == (False, "{}")


@pytest.mark.parametrize(
    ("body", "kind", "text", "told"),
    [
        ("größe".encode(), "text/plain", "größe", None),
        ("größe".encode("latin-1"), "text/plain; charset=latin-1", "größe", None),
        (b"a\xffb", "text/plain", "a�b", True),
        (b"ab", "text/plain; charset=klingon", "ab", True),
    ],
)
def test_text_is_read_in_its_encoding(look: Any, lie: Lie, body: bytes, kind: str, text: str, told: bool | None) -> None:
    """The charset that is named is used, else UTF-8; what does not fit is told."""
    facts = look("http", url=lie(body, kind=kind).url)
    assert facts["text"] == text
    assert facts.get("undecodable") is told


def test_a_flood_is_cut_and_has_no_body(look: Any, lie: Lie) -> None:
    """An answer over max_bytes is not read as data, and says that it was cut."""
    facts = look("http", url=lie(b'{"a": "' + b"x" * 5_000 + b'"}').url, max_bytes=1_000)
    assert facts["truncated"] is True
    assert facts["bytes"] == 1_000
    assert "body" not in facts
    whole_so_far = b'{"state": "healthy"}' + b" " * 2_000 + b"and then nonsense"
    assert "body" not in look("http", url=lie(whole_so_far).url, max_bytes=1_000)


def _drip_headers(server: Any, connection: socket.socket) -> None:
    server.request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not server.over.wait(0.03):
        connection.sendall(b"X-Drip: 1\r\n")


def _drip_body(server: Any, connection: socket.socket) -> None:
    server.request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not server.over.wait(0.03):
        connection.sendall(b"x")


def _never(server: Any, connection: socket.socket) -> None:
    server.request(connection)
    server.over.wait(60)


@pytest.mark.parametrize("by", [_drip_headers, _drip_body, _never])
def test_a_server_that_drips_or_never_answers_times_out(look: Any, lie: Lie, by: Any) -> None:
    """The deadline counts for the whole exchange, however the bytes come."""
    started = time.monotonic()
    with pytest.raises(ProbeError, match=r"no complete answer from 127.0.0.1:\d+: timed out after 0\.[0-3]\d* s"):
        look("http", 0.3, url=lie(by=by).url)
    assert time.monotonic() - started < 10


def test_each_read_gets_only_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read late in the exchange waits no longer than until the deadline, and one after it does not wait at all."""
    waits: list[float] = []

    class Sock:
        def settimeout(self, seconds: float) -> None:
            waits.append(seconds)

    clock = iter([100.0, 104.0, 105.5])
    monkeypatch.setattr(connection.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(connection._thread, "deadline", 105.0)
    reader = connection._Deadlined(io.BytesIO(b"abc"), Sock())  # type: ignore[arg-type]
    reader.readinto(bytearray(1))
    reader.readinto(bytearray(1))
    assert waits == [5.0, 1.0]
    with pytest.raises(TimeoutError):
        reader.readinto(bytearray(1))


def test_a_drip_that_ends_in_time_is_an_answer(look: Any, lie: Lie) -> None:
    """Slow is not broken: an answer in single bytes within the deadline is whole."""

    def slowly(server: Any, connection: socket.socket) -> None:
        server.request(connection)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":
            connection.sendall(bytes([byte]))

    assert look("http", url=lie(by=slowly).url)["body"] == {}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "closed the connection without a complete answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "broke off in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off|is not HTTP"),
    ],
)
def test_half_an_answer_is_an_error(look: Any, lie: Lie, raw: bytes, words: str) -> None:
    """An answer that ends early, or is none, is told in plain words."""
    with pytest.raises(ProbeError, match=words) as caught:
        look("http", url=lie(raw, raw=True).url)
    assert "Error(" not in caught.value.message
    assert "0x" not in caught.value.message


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_there_is_told_in_plain_words(look: Any) -> None:
    """A refused connection and an unknown host are errors in one sentence."""
    port = _free_port()
    with pytest.raises(ProbeError) as caught:
        look("http", url=f"http://127.0.0.1:{port}/health")
    assert caught.value.message == f"connection refused by 127.0.0.1:{port}"
    with pytest.raises(ProbeError, match=r"the host name in nowhere\.invalid:443 cannot be resolved"):
        look("http", url="https://nowhere.invalid/")


def test_a_redirect_is_told_and_not_followed(look: Any, lie: Lie) -> None:
    """A health route that sends to a login page is a 302, unless following was asked for."""
    target = lie(b'{"a": 1}')
    moved = lie(b"", status="302 Found", more=f"Location: {target.url}/x\r\n")
    facts = look("http", url=moved.url)
    assert (facts["status"], facts["headers"]["location"], facts["redirects"]) == (302, f"{target.url}/x", [])
    followed = look("http", url=moved.url, follow=True)
    assert (followed["status"], followed["url"], followed["redirects"]) == (200, f"{target.url}/x", [f"{moved.url}/"])


def test_a_circle_of_redirects_ends(look: Any, lie: Lie) -> None:
    """More than five redirects are an error."""
    with pytest.raises(ProbeError, match="more than 5 redirects"):
        look("http", url=lie(b"", status="302 Found", more="Location: /again\r\n").url, follow=True)


def test_a_token_is_sent_and_never_told(look: Any, lie: Lie) -> None:
    """The bearer comes from the named variable, and does not come back even if the server echoes it."""
    look.environ["DESK_AUTH"] = token = "tok-9f2K-very-long"

    def echo(server: Any, connection: socket.socket) -> None:
        said = server.request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Echo: " + token.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(said) + said)

    server = lie(by=echo)
    facts = look("http", url=server.url, bearer="DESK_AUTH")
    assert f"Authorization: Bearer {token}".encode() in server.asked[0]
    assert token not in repr(facts)


def test_user_and_password_are_sent_and_never_told(look: Any, lie: Lie) -> None:
    """Basic credentials come from named variables; those in an address do not stay in it."""
    look.environ |= {"U": "operator", "P": "pw-77-secret"}
    server = lie(b"{}")
    look("http", url=server.url, basic={"user": "U", "password": "P"})
    assert b"Authorization: Basic b3BlcmF0b3I6cHctNzctc2VjcmV0" in server.asked[0]
    facts = look("http", url=f"http://operator:pw-77-secret@127.0.0.1:{server.port}/")
    assert facts["url"] == f"http://127.0.0.1:{server.port}/"
    assert "pw-77-secret" not in repr(facts)


def test_a_variable_that_is_not_set_is_an_error(look: Any, lie: Lie) -> None:
    """Nothing is sent without the credential that was declared."""
    server = lie(b"{}")
    with pytest.raises(ProbeError, match="the variable TOKEN is not set"):
        look("http", url=server.url, bearer="TOKEN")
    assert server.asked == []


def test_the_environment_does_not_choose_where_to_ask(
    look: Any, lie: Lie, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a proxy nor a netrc of the environment gets between the gate and the target."""
    proxy, target = lie(b'{"who": "proxy"}'), lie(b'{"who": "target"}')
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u password p\n")
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    moved = lie(b"", status="302 Found", more=f"Location: {target.url}/\r\n")
    assert look("http", url=target.url)["body"] == {"who": "target"}
    assert look("http", url=moved.url, follow=True)["body"] == {"who": "target"}
    assert not any(b"Authorization" in asked for asked in target.asked)
    assert proxy.asked == []


def test_a_cookie_of_one_item_is_not_sent_by_another(look: Any, lie: Lie) -> None:
    """What a server sets is told, and not carried to the next request of the same thread."""
    server = lie(b"{}", more="Set-Cookie: a=b; Path=/\r\n")
    look("http", url=server.url)
    look("http", url=server.url)
    moved = lie(b"", status="302 Found", more=f"Location: {server.url}/\r\n")
    look("http", url=moved.url, follow=True)
    assert len(server.asked) == 3
    assert not any(b"Cookie" in asked for asked in server.asked)


def test_what_is_sent_is_what_was_written(look: Any, lie: Lie) -> None:
    """Method, headers and JSON body go out as declared."""
    server = lie(b"{}")
    look("http", url=f"{server.url}/p?q=1", method="PUT", headers={"X-A": "b"}, json={"n": Decimal("0.5"), "i": Decimal("2.0")})
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /p?q=1 HTTP/1.1\r\n")
    assert b"X-A: b" in head
    assert b"Content-Type: application/json" in head
    assert body in (b"", b'{"n": 0.5, "i": 2}')


def test_the_clock_of_the_server_is_told(look: Any, lie: Lie) -> None:
    """The date header is a time with zone, and its distance from the gate's clock a number."""
    facts = look("http", url=lie(b"{}", more="Date: Sat, 21 Nov 2026 11:00:00 GMT\r\n").url)
    assert facts["date"] == "2026-11-21T11:00:00+00:00"
    assert facts["clock_skew_seconds"] == 3600
    assert "date" not in look("http", url=lie(b"{}", more="Date: soon\r\n").url)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "ftp://x/"}, "http://"),
        ({"url": "http:///x"}, "host"),
        ({"url": "http://x:99999/"}, "not a URL"),
        ({"url": "http://x/", "body": "a", "json": 1}, "either body or json"),
        ({"url": "http://x/", "bearer": "A", "basic": {"user": "U", "password": "P"}}, "only one of"),
        ({"url": "http://x/", "bearer": "A", "headers": {"authorization": "x"}}, "only one of"),
        ({"url": "http://x/", "headers": {"a b": "x"}}, "header"),
        ({"url": "http://x/", "headers": {"a": "x\r\nb: c"}}, "header"),
        ({"url": "http://x/", "verify": False}, "verify"),
        ({"url": "http://x/", "method": "get"}, "method"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(fields: dict[str, Any], words: str) -> None:
    """Wrong addresses, contradictions, and an unverified certificate are faults of the checklist."""
    with pytest.raises(ValidationError, match=words):
        probes.kind("http").model_validate(fields)


@responses.activate
def test_the_responses_library_stands_in_for_a_server(look: Any) -> None:
    """A user's unit test may replace the network by `responses`."""
    responses.get("https://desk.test/health", json={"state": "healthy"})
    facts = look("http", url="https://desk.test/health")
    assert (facts["status"], facts["body"]) == (200, {"state": "healthy"})


def _tls(lie: Lie, certificate: trustme.LeafCert) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    def wrapped(server: Any, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            server.request(secure)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    return lie(by=wrapped)


def test_certificates_are_verified(look: Any, lie: Lie, tmp_path: Path) -> None:
    """A known authority passes; an unknown one, another host and plain HTTP are errors in plain words."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    good = _tls(lie, authority.issue_cert("127.0.0.1"))
    assert look("http", url=f"https://127.0.0.1:{good.port}/", verify="ca.pem")["body"] == {}
    with pytest.raises(ProbeError, match=r"certificate of 127.0.0.1:\d+ is not accepted: unable to get local issuer"):
        look("http", url=f"https://127.0.0.1:{good.port}/")
    other = _tls(lie, authority.issue_cert("elsewhere.test"))
    with pytest.raises(ProbeError, match=r"is not accepted: .*not valid for"):
        look("http", url=f"https://127.0.0.1:{other.port}/", verify="ca.pem")

    def plain(_: Any, connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ProbeError, match=r"no TLS with 127.0.0.1:\d+: wrong version number"):
        look("http", url=f"https://127.0.0.1:{lie(by=plain).port}/", verify="ca.pem")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none_is_an_error(look: Any, lie: Lie, tmp_path: Path, content: str | None) -> None:
    """A missing or broken CA file is told by its path."""
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(ProbeError, match=r"the CA file .*ca\.pem cannot be used"):
        look("http", url=f"https://127.0.0.1:{lie(b'{}').port}/", verify="ca.pem")


def test_many_at_once_each_get_their_own_answer(look: Any, lie: Lie) -> None:
    """Probes in many threads share nothing that mixes their answers or deadlines."""

    def echo(server: Any, connection: socket.socket) -> None:
        path = server.request(connection).split(b" ")[1][1:]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n[%s]" % (len(path) + 2, path))

    server = lie(by=echo)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(lambda n: look("http", url=f"{server.url}/{n}")["body"], range(60)))
    assert bodies == [[n] for n in range(60)]


def test_a_listening_port_is_connected(look: Any, lie: Lie) -> None:
    """A port where somebody listens is told as connected, without a banner unless one was asked for."""
    facts = look("tcp", host="127.0.0.1", port=lie(by=_never).port)
    assert facts["connected"] is True
    assert "banner" not in facts


def test_a_refused_port_is_a_fact(look: Any) -> None:
    """Refused can be expected; it is not an error."""
    facts = look("tcp", host="127.0.0.1", port=_free_port())
    assert (facts["connected"], facts["reason"]) == (False, "refused")


def test_an_unknown_host_is_an_error(look: Any) -> None:
    """A name that nobody knows says nothing about a port."""
    with pytest.raises(ProbeError, match="cannot be resolved"):
        look("tcp", host="nowhere.invalid", port=1)


def test_a_banner_is_read_to_its_line_end(look: Any, lie: Lie) -> None:
    """What is sent is answered, and the first line is the banner, without escape sequences."""

    def ping(_: Any, connection: socket.socket) -> None:
        if connection.recv(100) == b"PING\r\n":
            connection.sendall(b"+P\x1b[1mON")
            connection.sendall(b"G\r\n")
            _never(_, connection)

    facts = look("tcp", host="127.0.0.1", port=lie(by=ping).port, send="PING\r\n", expect_banner=True)
    assert (facts["banner"], facts["closed"]) == ("+PONG", False)


def test_a_port_that_closes_says_so(look: Any, lie: Lie) -> None:
    """A connection that is closed at once has an empty banner, and is told as closed."""
    facts = look("tcp", host="127.0.0.1", port=lie(raw=True, by=lambda *_: None).port, expect_banner=True)
    assert (facts["banner"], facts["closed"]) == ("", True)


def test_a_banner_that_does_not_come_times_out(look: Any, lie: Lie) -> None:
    """A server that accepts and drips without ending a line is an error at the deadline."""

    def drip(server: Any, connection: socket.socket) -> None:
        while not server.over.wait(0.03):
            connection.sendall(b"x")

    with pytest.raises(ProbeError, match=r"timed out after 0.3 s"):
        look("tcp", 0.3, host="127.0.0.1", port=lie(by=drip).port, expect_banner=True)
