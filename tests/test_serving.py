"""The status page under attack and in doubt: real sockets, hostile clients, broken files, and nothing green by accident."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive import journal as journals
from pytest_golive import stopping
from pytest_golive.errors import GoliveError, Misuse
from pytest_golive.guard import marker as markers
from pytest_golive.guard.marker import Marker
from pytest_golive.journal import Journal
from pytest_golive.redaction import Redactor
from pytest_golive.serving import Halt, Observer, Routes, Server, halting, server, skipped, status
from pytest_golive.serving.chain import Chain
from pytest_golive.serving.kept import Kept
from pytest_golive.serving.newest import Found
from pytest_golive.signing.keys import PublicKey
from tests.serving import TOKEN, Client
from tests.signing.people import hand

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOSTILE = "</p><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\x1b[31m"
SECRET = "hunter2-hunter2-hunter2"
FORM = {"content_type": "application/x-www-form-urlencoded"}


class Place(Client):
    """A folder with settings, and its status page in a thread of this process."""

    def __init__(self, root: Path, port: int, routes: Routes, log: list[str]) -> None:
        super().__init__(port)
        self.root, self.routes, self.log = root, routes, log

    @property
    def stop_file(self) -> Path:
        return self.root / "EMERGENCY_STOP"

    @property
    def journal(self) -> Journal:
        return Journal(self.root / "reports/journal.jsonl")

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/status.json")[2])
        return found


Start = Callable[..., Place]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts status pages over this test's folder, and stops them."""
    running: list[tuple[Server, threading.Thread]] = []

    def begin(
        settings: str = "",
        *,
        environ: dict[str, str] | None = None,
        names: tuple[str, ...] = (),
        keys: tuple[PublicKey, ...] = (),
    ) -> Place:
        (tmp_path / "golive.yaml").write_text(f"version: 1\n{settings}", encoding="utf-8")
        (tmp_path / "reports").mkdir(exist_ok=True)
        known = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "GOLIVE_SERVE_TOKEN": TOKEN, **(environ or {})}
        observer = Observer(tmp_path / "golive.yaml", known, lambda _: keys)
        log: list[str] = []
        routes = Routes(observer, Halt(tmp_path / "golive.yaml", known), names)
        observer.warm(20)
        made = Server("127.0.0.1", 0, routes, log.append)
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((made, thread))
        return Place(tmp_path, made.port, routes, log)

    yield begin
    for made, thread in running:
        made.shutdown()
        thread.join()
        made.server_close()


@pytest.fixture
def place(start: Start) -> Place:
    """An ordinary one, with an emergency stop."""
    return start()


def is_one_line(text: str) -> bool:
    """Whether an error page says one thing, and not how the code got there."""
    return "Traceback" not in text and ".py" not in text and text.count('class="said"') == 1


# who may ask at all


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "localhost.", "[::2]", "127.0.0.2"]
)
def test_another_name_is_not_answered(place: Place, host: str) -> None:
    """A name that is not this machine's gets nothing, so that no page of the web can be bound to us by its name server."""
    code, _, text = place.get("/status.json", host=host)
    assert code == 421
    assert is_one_line(text)
    assert place.get("/status.json", host=f"localhost:{place.port}")[0] == 200
    assert place.get("/status.json", host="[::1]")[0] == 200


def test_a_proxy_is_called_by_its_name(start: Start) -> None:
    """Behind a proxy its name is answered too, and a stop must come from its page, over TLS."""
    place = start(names=("status.example.org",))
    assert place.get("/", host="status.example.org")[0] == 200
    assert place.stop(once=place.once(), host="status.example.org", origin="http://status.example.org")[0] == 403
    assert not place.stop_file.exists()
    assert place.stop(once=place.once(), host="status.example.org", origin="https://status.example.org")[0] == 200
    assert place.stop_file.exists()


def test_nothing_is_shared_across_origins(place: Place) -> None:
    """No answer allows another origin to read it, to frame it, or to keep it."""
    for path in ("/", "/status.json", "/metrics", "/stop", "/nowhere"):
        headers = place.get(path, origin="https://evil.example")[1]
        assert not any(name.startswith("access-control") for name in headers)
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "code", "allow"),
    [
        ("POST", "/", 405, "GET, HEAD"),
        ("DELETE", "/stop", 405, "GET, HEAD, POST"),
        ("OPTIONS", "/status.json", 405, "GET, HEAD"),
        ("POST", "/activate", 404, None),
        ("GET", "/resume", 404, None),
        ("GET", "/favicon.ico", 404, None),
        ("BREW", "/", 405, "GET, HEAD"),
    ],
)
def test_only_what_is_there_is_answered(place: Place, method: str, path: str, code: int, allow: str | None) -> None:
    """A path that is not there is 404, a method that is not possible 405 with those that are, each in one line."""
    got, headers, text = place.send(method, path)
    assert got == code
    assert headers.get("allow") == allow
    assert is_one_line(text)


def test_head_tells_as_much_as_get_without_a_body(place: Place) -> None:
    """HEAD has the headers of GET and not one byte more."""
    code, headers, text = place.get("/stop", method="HEAD")
    assert (code, text) == (200, "")
    assert int(headers["content-length"]) > 1000


# the stop


def test_the_question_alone_stops_nothing(place: Place) -> None:
    """Opening the confirmation page, however often and with whatever query, changes nothing."""
    assert place.get(f"/stop?token={TOKEN}&once={place.once()}&reason=x")[0] == 200
    assert not place.stop_file.exists()


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
def test_a_wrong_token_stops_nothing(place: Place, token: str) -> None:
    """Anything but the operator's token is refused, says so, and keeps what was typed but the token."""
    code, _, text = place.stop(once=place.once(), token=token, reason=f"why {HOSTILE}")
    assert code == 403
    assert "token is wrong" in text
    assert "<script" not in text
    assert TOKEN not in text
    assert not place.stop_file.exists()


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://127.0.0.1", "http://localhost:1", "https://127.0.0.1:{port}"]
)
def test_a_page_of_others_stops_nothing(place: Place, origin: str | None) -> None:
    """A form that was not sent by a page of this very server is refused although both tokens are right."""
    given = None if origin is None else origin.format(port=place.port)
    code, _, text = place.stop(once=place.once(), origin=given)
    assert code == 403
    assert is_one_line(text)
    body = f"once={place.once()}&token={TOKEN}".encode()
    crossed = {**FORM, "origin": place.origin, "sec_fetch_site": "cross-site"}
    assert place.send("POST", "/stop", body, crossed)[0] == 403
    assert not place.stop_file.exists()


def test_a_one_time_token_works_once(place: Place) -> None:
    """The page that has stopped cannot be sent again; a forged one, one of another server and none at all never work."""
    once = place.once()
    assert place.stop(once=once)[0] == 200
    place.stop_file.unlink()
    forged = f"{once.partition('.')[0]}9{once[once.index('.') :]}"
    other = Halt(place.root / "golive.yaml", {"GOLIVE_SERVE_TOKEN": TOKEN}).once()
    for one in (once, forged, other, "", "a.b.c", "..", "\u0661.x.y"):
        assert place.stop(once=one)[0] == 403, one
    assert not place.stop_file.exists()


def test_a_one_time_token_grows_old() -> None:
    """What was asked a quarter of an hour ago is asked again; until then it holds."""
    seconds = [1000.0]
    halt = Halt(Path("golive.yaml"), {"GOLIVE_SERVE_TOKEN": TOKEN}, lambda: seconds[0])
    early, late = halt.once(), halt.once()
    seconds[0] += halting.LIVES - 1
    assert halt.refuses(early, TOKEN) == ""
    seconds[0] += 2
    assert "too old" in halt.refuses(late, TOKEN)


def test_a_flood_of_questions_pushes_nobody_out(place: Place) -> None:
    """However many confirmation pages are asked for, and wrong tokens tried, the first one still stops."""
    once = place.once()
    for _ in range(300):
        place.routes._halt.once()
        assert place.routes._halt.refuses(place.routes._halt.once(), "wrong") != ""
    assert place.stop(once=once)[0] == 200


def test_without_a_token_there_is_no_button(start: Start) -> None:
    """No variable, no button, no page, and no stop; a token that could be guessed is refused at the start."""
    place = start(environ={"GOLIVE_SERVE_TOKEN": ""})
    assert "/stop" not in place.get("/")[2]
    assert place.get("/stop")[0] == 404
    assert place.stop(token="")[0] == 403
    assert not place.stop_file.exists()
    with pytest.raises(Misuse, match="could be guessed"):
        Halt(place.root, {"GOLIVE_SERVE_TOKEN": "x" * (halting.SHORTEST - 1)})


def test_a_stop_tells_who_and_why(place: Place) -> None:
    """Reason and name reach the stop file as data: neither becomes an option, a script, or a secret."""
    assert place.stop(once=place.once(), reason=f"--file=/tmp/x {HOSTILE}", operator="--config=x")[0] == 200
    word = stopping.look(place.stop_file)
    assert word is not None
    assert word.words[0].reason == f"--file=/tmp/x {HOSTILE}"
    assert word.by == "--config=x"


def test_a_stop_that_did_not_hold_is_told(start: Start) -> None:
    """Where no stop file can be made the answer is no success, and what to do by hand is on the page."""
    place = start("stops: [nowhere/deeper/STOP]\n")
    (place.root / "nowhere").write_text("a file stands in the folder's place")
    code, _, text = place.stop(once=place.once())
    assert code == 500
    assert "Look again" in text
    assert "by hand" in text


def test_broken_settings_keep_nobody_from_stopping(place: Place) -> None:
    """Settings that cannot be read give one line and 503, and the stop works all the same."""
    (place.root / "golive.yaml").write_text("version: 1\nno_such_key: 1\n")
    code, _, text = place.get("/")
    assert code == 503
    assert "no_such_key" in text
    assert is_one_line(text)
    assert 'href="/stop"' in text
    assert place.get("/healthz")[0] == 503
    assert place.stop(once=place.once())[0] == 200
    assert place.stop_file.exists()


# what is sent


@pytest.mark.parametrize(
    "path",
    [
        "/reports/../golive.yaml",
        "/reports/..%2fgolive.yaml",
        "/reports/%2e%2e/golive.yaml",
        "/reports/20261121T120000Z-go/../../golive.yaml",
        "/reports/20261121T120000Z-go/../journal.jsonl",
        "/reports//etc/passwd",
        "/reports/journal.jsonl",
        "/reports/journal.jsonl/report.html",
        "/reports/20261121T120000Z-go/report.html/",
        "/reports/20261121T120000Z-go/report.html%00",
        "/reports/20261121T120000Z-go",
        "/reports/",
        "//reports/20261121T120000Z-go/report.html",
        "http://127.0.0.1/golive.yaml",
        "/../golive.yaml",
    ],
)
def test_nothing_but_pages_of_reports_is_served(place: Place, path: str) -> None:
    """No way of writing a path leads out of the folder, or to anything in it but a report's page."""
    folder = place.root / "reports/20261121T120000Z-go"
    folder.mkdir()
    (folder / "report.html").write_text("<!DOCTYPE html>\nthe page")
    assert place.get(path)[0] == 404
    code, headers, text = place.get("/reports/20261121T120000Z-go/report.html")
    assert (code, text) == (200, "<!DOCTYPE html>\nthe page")
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_links_lead_nowhere(place: Place) -> None:
    """Neither a folder nor a page that is a link is followed, and a pipe keeps nobody waiting."""
    (place.root / "secret").mkdir()
    (place.root / "secret/report.html").write_text("secret")
    (place.root / "reports/20261121T120000Z-go").symlink_to(place.root / "secret")
    other = place.root / "reports/20261121T120001Z-go"
    other.mkdir()
    (other / "report.html").symlink_to(place.root / "secret/report.html")
    pipe = place.root / "reports/20261121T120002Z-go"
    pipe.mkdir()
    os.mkfifo(pipe / "report.html")
    for second in (0, 1, 2):
        code, _, text = place.get(f"/reports/20261121T12000{second}Z-go/report.html")
        assert code == 403
        assert "secret" not in text
    assert place.get("/reports/20261121T120009Z-go/report.html")[0] == 404


def test_a_large_body_is_not_read(place: Place) -> None:
    """Ten megabytes are refused before they are read, and the sender still sees why."""
    code, _, text = place.send("POST", "/stop", b"x" * 10_000_000, {**FORM, "origin": place.origin})
    assert code == 413
    assert is_one_line(text)
    assert place.get("/healthz")[0] == 200


HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(400)) + b"\r\n", b"431"),
        (HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"y" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", b"400"),
        (HEAD + b"Host: evil.example\r\n\r\n", b"400"),
        (HEAD + b"no colon at all\r\n\r\n", b"400"),
        (b"POST /stop HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456", b"400"),
        (b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nshort", b"400"),
        (b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
    ],
)
def test_what_is_no_request_is_refused(place: Place, content: bytes, code: bytes) -> None:
    """Header bombs, other protocols, contradictions and false lengths get one line, and the server goes on."""
    said = place.raw(content, close=True)
    assert said.split(b" ", 2)[1] == code, said[:200]
    assert b"Traceback" not in said
    assert place.get("/healthz")[0] == 200


def test_a_connection_has_one_request(place: Place) -> None:
    """What follows a request in the same connection is not looked at, so that nobody can hide one behind another."""
    said = place.raw(HEAD + b"\r\n" + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert said.count(b"HTTP/1.1 200") == 1


def test_a_slow_client_is_not_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that drips is ended by the deadline of the whole, not of each byte, and others are answered meanwhile."""
    monkeypatch.setattr(server, "READING", 0.6)
    with closing(socket.create_connection(("127.0.0.1", place.port), timeout=30)) as slow:
        slow.sendall(HEAD)
        assert place.get("/healthz")[0] == 200
        slow.settimeout(0.05)
        said = b""
        # it never stops sending by itself: only the deadline ends this
        while not said:
            try:
                slow.sendall(b"X: y\r\n")
                said = slow.recv(100)
            except TimeoutError:
                continue
    assert said.startswith(b"HTTP/1.1 408")


def test_silent_connections_take_no_more_than_their_places(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the places that there are a connection is closed at once; when they are free again it is answered as before."""
    held = [socket.create_connection(("127.0.0.1", place.port), timeout=30) for _ in range(server.MAX_CONNECTIONS)]
    assert place.raw(HEAD + b"\r\n") == b""
    for one in held:
        one.close()
    wait_for(lambda: place.raw(HEAD + b"\r\n") != b"")
    assert any("too many connections" in line for line in place.log)


def test_the_log_obeys_nobody(place: Place) -> None:
    """A request is one line of the log, whatever its path holds, and its query is not in it."""
    place.raw(b"GET /\x1b[31m\xff?secret=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    place.get("/stop?token=" + TOKEN)
    assert len(place.log) == 2
    assert '"GET /?[31m?" 404' in place.log[0]
    assert "secret" not in "".join(place.log)
    assert TOKEN not in "".join(place.log)


# what is shown


def test_what_people_wrote_stays_text(start: Start) -> None:
    """Hostile text in the journal, a stop, the watch and the log becomes neither markup nor a control character."""
    place = start(f"serve: {{brokers: [{json.dumps(HOSTILE[:40])}], orders_log: desk.log}}\n")
    place.journal.append("deactivated", {"operator": HOSTILE, "reason": HOSTILE}, NOW)
    stopping.stop([place.stop_file], reason=HOSTILE, operator=HOSTILE, now=NOW)
    red = dict.fromkeys(("id", "title", "reason", "fix"), HOSTILE)
    now = datetime.now(UTC).isoformat()
    (place.root / "reports/watch.json").write_text(json.dumps({"at": now, "watched": 1, "red": [red], "clear": []}))
    (place.root / "desk.log").write_text(f"{now} [ORDER_SKIPPED] BUY X qty=1 - GO-LIVE not activated ({HOSTILE})\n")
    wait_for(lambda: len(place.told["journal"]["events"]) == 1 and place.told["skipped"].get("total") == 1)
    text = place.get("/")[2]
    assert text.count("&lt;script&gt;") >= 8
    assert "<script" not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_no_secret_gets_out(start: Start) -> None:
    """A secret of the environment is in no answer, whoever wrote it into a reason, a log or a watch, and neither is the token."""
    place = start("serve: {orders_log: desk.log}\n", environ={"API_SECRET": SECRET})
    place.journal.append("deactivated", {"operator": "ann", "reason": f"key {SECRET}"}, NOW)
    stopping.stop([place.stop_file], reason=f"it was {SECRET} and {TOKEN}", operator=SECRET, now=NOW)
    now = datetime.now(UTC).isoformat()
    red = {"id": "a", "title": "t", "reason": f"found {SECRET}", "fix": "f"}
    (place.root / "reports/watch.json").write_text(json.dumps({"at": now, "watched": 1, "red": [red], "clear": []}))
    (place.root / "desk.log").write_text(f"{now} [ORDER_SKIPPED] BUY X qty=1 - GO-LIVE not activated ({SECRET})\n")
    wait_for(lambda: len(place.told["journal"]["events"]) == 1 and place.told["skipped"].get("total") == 1)
    once = place.once()
    said = [place.get(path)[2] for path in ("/", "/status.json", "/metrics", "/healthz", "/stop", f"/{SECRET}")]
    said += [place.stop(once=once, token="wrong", reason=SECRET, operator=SECRET)[2]]
    said += [place.stop(once=once, reason=SECRET)[2], place.stop_file.read_text().split("\n")[-2]]
    for text in said:
        assert SECRET not in text
        assert TOKEN not in text


def wait_for(holds: Callable[[], bool]) -> None:
    """Ask again until it holds; what is dear is read beside the requests."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it never came about"


# what is not known


def test_an_altered_journal_is_red(place: Place) -> None:
    """A chain that does not hold is told on the page, in the metrics and by 503, and what it says is not counted."""
    for number in range(3):
        place.journal.append("deactivated", {"operator": "ann", "reason": str(number)}, NOW)
    wait_for(lambda: place.told["journal"]["records"] == 3)
    path = place.journal.path
    path.write_bytes(path.read_bytes().replace(b'"reason":"1"', b'"reason":"7"'))
    wait_for(lambda: bool(place.told["journal"]["trouble"]))
    assert "was altered" in place.told["alarms"][-1]
    code, _, text = place.get("/healthz")
    assert code == 503
    assert "was altered" in json.loads(text)["wrong"][0]
    assert "golive_journal_whole 0.0" in place.get("/metrics")[2]
    assert "golive_events_total" not in place.get("/metrics")[2]


def test_a_locked_journal_keeps_nobody_waiting(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody holds the journal's lock every path is answered with what was known; nobody waits for the lock."""
    place.journal.append("deactivated", {"operator": "ann"}, NOW)
    wait_for(lambda: place.told["journal"]["records"] == 1)
    # a reader that waited would wait for an hour, and this test with it
    monkeypatch.setattr("pytest_golive.serving.chain.LOCKED", 3600.0)
    with place.journal.path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        os.utime(place.journal.path, ns=(1, 1))
        for path in ("/", "/status.json", "/metrics", "/healthz"):
            assert place.get(path)[0] == 200
        assert place.told["journal"]["records"] == 1
        fcntl.flock(holder, fcntl.LOCK_UN)
        # the reader that waits beside must have ended before the folder goes
        wait_for(lambda: place.told["journal"]["records"] == 1 and place.routes._observer._chain._kept._busy is None)


def test_the_journal_is_read_once_for_many_requests(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the file is the same, no request reads it again; a new record is read, once."""
    for number in range(50):
        place.journal.append("deactivated", {"operator": "ann", "reason": str(number)}, NOW)
    wait_for(lambda: place.told["journal"]["records"] == 50)
    read: list[int] = []
    real = journals.Journal.entries

    def counted(self: Journal) -> Any:
        read.append(1)
        return real(self)

    monkeypatch.setattr(journals.Journal, "entries", counted)
    for _ in range(20):
        assert place.get("/")[0] == 200
    assert read == []
    place.journal.append("deactivated", {"operator": "ann"}, NOW)
    wait_for(lambda: place.told["journal"]["records"] == 51)
    assert place.get("/")[0] == 200
    assert read == [1]


def test_nothing_is_left_behind(place: Place) -> None:
    """After many requests the server holds as many descriptors and log handlers as after a few."""

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(logging.getLogger("golive.status").handlers)

    for _ in range(5):
        place.get("/")
    before = held()
    for path in ("/", "/metrics", "/healthz", "/stop", "/nowhere") * 12:
        place.get(path)
    # a connection that is just being closed may still be there
    wait_for(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))


def test_what_cannot_be_made_is_told() -> None:
    """A value whose making fails is an error for whoever asks, not an old value that looks well."""
    kept: Kept[int] = Kept()
    assert kept.ask("a", lambda before: 1, 20) == (1, True)
    with pytest.raises(GoliveError, match="ZeroDivisionError"):
        kept.ask("b", lambda before: (before or 0) // 0, 20)
    assert kept.ask("c", lambda before: (before or 0) + 1, 20) == (2, True)


def test_an_error_is_one_line(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails inside gives 500 and the kind of error, and neither its text nor a traceback."""

    def fails(now: datetime) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(place.routes._observer, "status", fails)
    code, _, text = place.get("/")
    assert code == 500
    assert "ValueError" in text
    assert SECRET not in text
    assert is_one_line(text)


def test_nothing_known_is_not_green(place: Place) -> None:
    """An empty folder is blocked, and says that there is no report."""
    told = place.told
    assert told["tone"] == "blocked-alarm"
    assert told["alarms"] == ["The newest report: there is no report yet: run pytest --golive"]
    assert ">BLOCKED</span>" in place.get("/")[2]


def test_a_page_that_does_not_verify_is_not_believed(place: Place) -> None:
    """A report that somebody put there is shown as what it is, and its word is not."""
    folder = place.root / "reports/20990101T000000Z-go"
    folder.mkdir()
    (folder / "report.html").write_text("<!DOCTYPE html>\n<html>GO</html>")
    wait_for(lambda: place.told["report"]["present"])
    told = place.told["report"]
    assert told["believed"] is False
    assert "word" not in told
    assert any("The newest report:" in line for line in place.told["alarms"])
    assert "not to be believed" in place.get("/")[2]


def found(**items: str) -> Found:
    """A page of GO with items of these outcomes."""
    listed = [
        {"id": name.replace("_", "-"), "title": name, "outcome": outcome, "reason": "", "evidence": None}
        for name, outcome in items.items()
    ]
    decision = {"at": NOW.isoformat(), "valid_until": (NOW + timedelta(hours=1)).isoformat()}
    told: Any = object()
    return Found(folder="f", golive={"decision": decision, "items": listed, "aside": []}, told=told, approvals=(), trouble="")


NO_WATCH = status.of_watch(None, "no watch has run here", 30, NOW)


def states(patterns: list[str], page: Found | None, watch: dict[str, Any] = NO_WATCH, now: datetime = NOW) -> dict[str, str]:
    """The state of each broker."""
    return {one["id"]: one["state"] for one in status.of_brokers(patterns, page, watch, now)}


def beat(at: datetime, red: tuple[str, ...] = (), clear: tuple[str, ...] = ()) -> dict[str, Any]:
    """A round of the watch."""
    told = [{"id": name, "title": name, "reason": "r", "fix": "f"} for name in red]
    return status.of_watch({"at": at.isoformat(), "watched": 2, "red": told, "clear": list(clear)}, "", 30, NOW)


def test_a_broker_is_up_only_if_somebody_saw_it_lately() -> None:
    """Passed is up; failed is down; not looked at, unclear, too old, or named by nobody is unknown."""
    page = found(broker_a="passed", broker_b="failed", broker_c="error", broker_d="not-run", other="passed")
    assert states(["broker-*"], page) == {"broker-a": "up", "broker-b": "down", "broker-c": "unknown"}
    assert states(["broker-d", "gone-*"], page) == {"broker-d": "unknown", "gone-*": "unknown"}
    assert states(["broker-a"], page, now=NOW + timedelta(hours=1)) == {"broker-a": "unknown"}
    assert states(["broker-a"], None) == {"broker-a": "unknown"}


def test_the_newer_look_counts() -> None:
    """The watch overrides an older report, in both directions, and no longer once it fell silent."""
    page = found(broker_a="passed", broker_b="failed")
    later = beat(NOW + timedelta(seconds=1), red=("broker-a",), clear=("broker-b",))
    assert states(["broker-*"], page, later) == {"broker-a": "down", "broker-b": "up"}
    earlier = beat(NOW - timedelta(seconds=1), red=("broker-a",), clear=("broker-b",))
    assert states(["broker-*"], page, earlier) == {"broker-a": "up", "broker-b": "down"}
    silent = beat(NOW - timedelta(hours=2), clear=("broker-c",))
    assert states(["broker-c"], None, silent) == {"broker-c": "unknown"}


def test_brackets_of_an_id_are_brackets() -> None:
    """`health[kraken]` names one item, and not the items health followed by one of its letters."""
    told = {"id": "health[kraken]", "title": "t", "outcome": "passed", "reason": "", "evidence": None}
    page = found()
    page = replace(page, golive={**page.golive, "items": [told, {**told, "id": "healthk"}]})
    assert states(["health[kraken]"], page) == {"health[kraken]": "up"}
    assert states(["health[*]"], page) == {"health[kraken]": "up"}


def test_a_blind_watch_is_not_green(place: Place) -> None:
    """A round that saw nothing has nothing red either, and is an alarm all the same."""
    beat = place.root / "reports/watch.json"
    for clear, blind in ((["one"], False), ([], True)):
        beat.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), "watched": len(clear), "red": [], "clear": clear}))
        assert any("The watch is blind" in line for line in place.told["alarms"]) is blind
        assert ("Blind:" in place.get("/")[2]) is blind


def test_a_switch_says_where_it_was_read(start: Start) -> None:
    """What this server was started with is not taken for what the process that trades has now."""
    switch = '{live: "false", safe: "true"'
    place = start(f"mode:\n  DRY_RUN: {switch}}}\n  DRY_RUN_2: {switch}, pid_file: desk.pid}}\n", environ={"DRY_RUN": "false"})
    (place.root / "desk.pid").write_text(str(os.getpid()))
    assert [(one["name"], one["lives"]) for one in place.told["guard"]["switches"]] == [("DRY_RUN", False), ("DRY_RUN_2", True)]
    assert place.get("/")[2].count("at this server's start") == 1


@pytest.mark.parametrize(("age", "silent"), [(0, False), (149, False), (151, True), (-59, False), (-61, True)])
def test_a_watch_falls_silent(age: int, silent: bool) -> None:
    """Three rounds and a minute may be missing; a round from the future is as little worth as an old one."""
    assert beat(NOW - timedelta(seconds=age))["silent"] is silent


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"at": "x", "watched": 1, "red": []}',
        '{"at": "2026-01-01T00:00:00", "watched": 1, "red": []}',
        "[" * 99999,
    ],
)
def test_a_file_that_is_no_round_is_no_watch(place: Place, content: str) -> None:
    """A broken, foreign or timeless file counts as no watch at all, and is told."""
    (place.root / "reports/watch.json").write_text(content)
    watch = place.told["watch"]
    assert (watch["present"], watch["silent"]) == (False, True)
    assert watch["trouble"]


LINE = "[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated"


def skips(tmp_path: Path, *lines: str) -> skipped.Skipped:
    """What is told of a log of these lines."""
    path = tmp_path / "desk.log"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return skipped.within(skipped.scan(path, Redactor()), NOW)


def test_skips_are_counted_by_reason_and_hour(tmp_path: Path) -> None:
    """Of the last 24 hours each line counts once: under its reason, in its hour; the most frequent reason comes first."""
    told = skips(
        tmp_path,
        f"2026-11-20T11:59:59Z {LINE} (too long ago)",
        f"2026-11-20T12:00:01Z {LINE} (marker not found)",
        f"2026-11-21 11:30:00,123 {LINE} (stop (file) present)",
        f"2026-11-21T13:45:00+02:00 {LINE} (stop (file) present)",
        f"2026-11-21T11:50:00Z {LINE}",
        "2026-11-21T11:55:00Z ORDER sent",
    )
    assert told.total == 4
    assert told.reasons == (("stop (file) present", 2), ("marker not found", 1), ("GO-LIVE not activated", 1))
    assert (told.hours[0], told.hours[-1]) == (1, 3)
    assert sum(told.hours) == told.total
    assert told.newest == NOW - timedelta(minutes=10)


def test_skips_without_a_time_are_told(tmp_path: Path) -> None:
    """A line without a time belongs to the one before it, and is counted apart if there is none."""
    told = skips(tmp_path, f"{LINE} (first)", "2026-11-21T11:00:00Z the service began", f"{LINE} (second)")
    assert (told.total, told.undated) == (1, 1)
    assert told.reasons == (("second", 1),)


def test_a_log_that_is_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the part that is read may begin within the day, it is said that there may be more."""
    monkeypatch.setattr(skipped, "MAX_BYTES", 400)
    lines = [f"2026-11-21T11:00:{second:02}Z {LINE} (r)" for second in range(20)]
    told = skips(tmp_path, *lines)
    assert told.cut
    assert 0 < told.total < 20


def test_a_log_that_is_not_there_is_trouble(start: Start) -> None:
    """A named log that cannot be read is red, and not a count of none."""
    place = start("serve: {orders_log: gone.log}\n")
    assert any(line.startswith("Skipped orders: gone.log cannot be read") for line in place.told["alarms"])
    assert "0 in 24 hours" not in place.get("/")[2]


def test_a_broken_glass_in_force_is_loud(start: Start, tmp_path: Path) -> None:
    """A marker without a passing run says so in its own band of the page, with both names and the reason."""
    signer = hand(tmp_path, "session").key
    now = datetime.now(UTC)
    marker = Marker(
        timestamp=now,
        operator="ann",
        environment="production",
        allowed_profiles=("micro",),
        activation_id="a1",
        counter=1,
        not_before=now - timedelta(seconds=1),
        expires=now + timedelta(hours=1),
        break_glass="the exchange delists <b>tonight</b>",
        approved_by=("ann (operations)", "ben (risk)"),
        config="0" * 64,
    )
    place = start(keys=(signer.public,))
    (tmp_path / "go_live.active").write_bytes(markers.render(marker, signer))
    (tmp_path / "go_live.active").chmod(0o644)
    text = place.get("/")[2]
    assert "The glass is broken: activated without a passing run</b>the exchange delists &lt;b&gt;tonight&lt;/b&gt;" in text
    assert "By ann (operations) and ben (risk)" in text
    assert place.told["marker"]["believed"] is True
    # its configuration is another one, so that the guard refuses it
    assert place.told["tone"] == "blocked-alarm"


def test_a_marker_that_nobody_signed_is_red(place: Place) -> None:
    """A file in the marker's place that is not to be believed is an alarm, and shows nothing of what it claims."""
    (place.root / "go_live.active").write_text("operator: mallory\n")
    assert "A file stands in the marker's place that no trusted key signed" in place.told["alarms"]
    assert "mallory" not in place.get("/")[2]


def test_a_broken_glass_is_loud_until_it_was_reviewed() -> None:
    """What two persons activated without a run stands among the alarms of every page until its review."""
    entry = journals.Entry(
        seq=1,
        at=NOW,
        event="break-glass",
        detail={"activation_id": "x", "persons": ["ann", "ben"], "approved_by": ["Ann", "Ben"], "reason": "fire"},
        prev="",
        hash="h",
    )
    told = status.of_journal(Chain(entries=(entry,), at=NOW, trouble=""))
    assert [one["by"] for one in told["unreviewed"]] == ["Ann and Ben"]
    reviewed = replace(entry, seq=2, event="break-glass-reviewed", detail={"activation_id": "x"})
    assert status.of_journal(Chain(entries=(entry, reviewed), at=NOW, trouble=""))["unreviewed"] == []
