"""Redaction: no secret in any output, wherever it was planted, and honest facts left readable."""

from __future__ import annotations

import base64
import json
import string
import urllib.parse
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_golive.redaction import REDACTED, Redactor
from pytest_golive.redaction.names import strength

CANARY = "kX9-qW7z_Rt5/Lm3+Vb1"

secrets = st.text(string.ascii_letters + string.digits + "-_/+=.~!$%^&*@#", min_size=8, max_size=40).filter(
    lambda s: len(set(s)) > 5 and s.strip(".") and not s.lower().isalpha()
)

PLACES: dict[str, Callable[[str], Any]] = {
    "a value": lambda s: {"body": {"note": s}},
    "inside a text": lambda s: {"body": f"started with {s}, and went on"},
    "in a list": lambda s: {"rows": [[1, s], {"x": [s]}]},
    "a key": lambda s: {"seen": {s: 1}},
    "a part of a key": lambda s: {f"value of {s} was": 1},
    "a URL": lambda s: {"line": f"GET https://h/p?x={s}&y=1"},
    "a quoted URL": lambda s: {"line": f"GET https://h/p?x={urllib.parse.quote(s, safe='')}"},
    "a form": lambda s: {"line": urllib.parse.urlencode({"x": s})},
    "percent in lower case": lambda s: {"line": urllib.parse.quote(s, safe="").replace("%2F", "%2f").replace("%2B", "%2b")},
    "base64": lambda s: {"line": base64.b64encode(s.encode()).decode()},
    "url-safe base64": lambda s: {"line": base64.urlsafe_b64encode(s.encode()).decode()},
    "hexadecimal": lambda s: {"line": s.encode().hex()},
    "JSON in a text": lambda s: {"body": json.dumps({"deep": [s]})},
    "JSON in JSON": lambda s: {"body": json.dumps({"deep": json.dumps([s])})},
    "a header dump": lambda s: {"head": f"Host: h\r\nX-Thing: {s}\r\nAccept: */*"},
    "a log line": lambda s: {"log": f"2026-11-21 10:00:00 ERROR order refused: {s}"},
    "a Python repr": lambda s: {"log": repr({"x": s, "y": [s]})},
    "HTML": lambda s: {"page": f"<p>{s}</p>"},
    "shell": lambda s: {"command": ["curl", "-H", f"X-Thing: {s}", f"--data=x={s}"]},
    "twice in a row": lambda s: {"line": s + s},
    "a tuple": lambda s: {"t": (s, 1)},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_canary_is_never_seen_again(place: str) -> None:
    """A known secret is gone from every place, in every writing of it, and numbers beside it stay."""
    planted = PLACES[place](CANARY)
    clean = json.dumps(Redactor([CANARY]).facts(planted), ensure_ascii=False)
    encoded = base64.b64encode(CANARY.encode()).decode()
    for form in (
        CANARY,
        urllib.parse.quote(CANARY, safe=""),
        encoded[:-3],
        encoded.replace("+", "-").replace("/", "_")[:-3],
        CANARY.encode().hex(),
    ):
        assert form not in clean
    assert REDACTED in clean


@given(secrets, st.sampled_from(sorted(PLACES)))
def test_any_secret_is_gone_from_any_place(secret: str, place: str) -> None:
    """The same for any secret that is not a word: neither it nor its JSON form is left."""
    clean = repr(Redactor([secret]).facts(PLACES[place](secret)))
    assert secret not in clean
    assert urllib.parse.quote(secret, safe="") not in clean
    assert base64.b64encode(secret.encode()).decode().rstrip("=") not in clean


@given(
    st.text(string.ascii_letters + string.digits, min_size=12, max_size=40),
    st.integers(6, 40),
    st.sampled_from(" ,;:'\"()[]/=&*…-"),
)
def test_an_end_of_a_secret_that_stands_alone_is_gone(secret: str, length: int, beside: str) -> None:
    """Six characters of the beginning or the end are a leak of the secret."""
    assume(length < len(secret) and not secret.isalpha() and len(set(secret)) > 6)
    redactor = Redactor([secret])
    for part in (secret[:length], secret[-length:]):
        assume(part.lower() not in ("default",))
        assert part not in redactor.text(f"a{beside}{part}{beside}b")
        assert part not in redactor.text(part)
        assert part not in redactor.text(f"key {part}***")


def test_five_characters_or_a_part_of_a_word_stay() -> None:
    """Shorter parts, and parts inside other words, say nothing; neither do words that begin like a secret."""
    redactor = Redactor(["hunter2hunter9", "production-db-77", "abc"])
    text = "hunte xhunter2 hunter2x in production, abc"
    assert redactor.text(text) == text
    assert redactor.text("hunter2") == REDACTED
    assert redactor.text("hunter9") == REDACTED
    assert redactor.text("production-db") == REDACTED


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda i: st.lists(i, max_size=3) | st.dictionaries(st.text(), i, max_size=3),
    )
)
def test_the_shape_stays(value: Any) -> None:
    """Whatever comes in, what goes out has the same kinds and lengths, and nothing raises."""

    def shape(part: Any) -> Any:
        if isinstance(part, dict):
            return [shape(each) for each in part.values()]
        return [shape(each) for each in part] if isinstance(part, list) else type(part)

    assert shape(Redactor(["secret-canary"]).facts(value)) == shape(value)


@given(st.text(string.printable, max_size=200))
def test_redacting_again_changes_nothing(text: str) -> None:
    """What was redacted once is left as it is, so that several redactors may look at it."""
    redactor = Redactor([CANARY])
    once = redactor.text(f"password={text} {CANARY}")
    assert redactor.text(once) == once


HONEST = {
    "tokens_seen": 5,
    "token": None,
    "secret": True,
    "key_permissions": {"withdraw": False, "trade": True, "scope": "spot"},
    "keys": 3,
    "key": "trade_id",
    "primary_key": "exchange_id_0000001",
    "public_key": "AAAAC3NzaC1lZDI1NTE5AAAAIJ",
    "api_key_count": "2",
    "token_ttl": "3600s",
    "token_url": "https://auth.example/token",
    "has_password": "yes",
    "signature": "valid",
    "signature_algorithm": "ed25519",
    "password": "",
    "cookie": "present",
    "api_key": "missing",
    "monkey": "see-monkey-do-1234",
    "passed": "3 of 3",
    "compass": "north",
    "author": "A. Person",
    "authenticated": "yes indeed",
    "design": "blue",
    "assignee": "ops",
    "tokenizer": "bpe",
    "auth": "basic",
    "keyboard": "qwerty layout 1234567",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "commit": "20f5cdd1e4a1f6d0c7a9b7f2e6c3d5b4a8f90123",
    "at": "2026-11-21T10:00:05.123456+00:00",
    "items": [{"name": "MAX_DRAWDOWN", "value": "0.20"}, {"name": "token refresh worker", "text": "running"}],
    "url": "https://host:8443/users/a@b",
    "log": "10:00:05 3 tokens: 5 left, bearer token required, Basic authentication is off; signature: valid",
    "decimal": Decimal("0.20"),
    "wrong_secret": {"status": 401},
    "fingerprint": "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDd8aH6xGTKgcA7Zz0",
    "certificate": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "pair": ["state", "ok"],
    "command": "deploy --replicas 3 --token-ttl 60",
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_facts_stay_readable(name: str) -> None:
    """Counts, switches, states, digests, public keys and names that only sound like secrets are left as they are."""
    facts = {name: HONEST[name]}
    assert Redactor([CANARY]).facts(facts) == facts


NAMED: list[Any] = [
    {"password": "x"},
    {"DB_PASSWORD": "hunter2"},
    {"dbPassword": "hunter2"},
    {"dbpassword": "hunter2"},
    {"pass": "hunter2"},
    {"client_secret": "hunter2"},
    {"apiKey": "hunter2"},
    {"API-KEY": "hunter2"},
    {"apikey": "hunter2"},
    {"X-Api-Key": "hunter2"},
    {"private_key": "hunter2"},
    {"passphrase": "correct horse"},
    {"token": "hunter2"},
    {"accessToken": "hunter2"},
    {"API_TOKEN_2": "hunter2"},
    {"tokens": ["hunter2", "hunter3"]},
    {"authorization": "Custom hunter2"},
    {"Set-Cookie": "sid=hunter2"},
    {"signature": "hunter2"},
    {"credentials": ["hunter2"]},
    {"dsn": "host=h password=hunter2"},
    {"secret": {"value": "hunter2"}},
    {"secrets": [{"text": "hunter2"}]},
    {"key": "hunter2hunter2hunter2"},
    {"auth": "hunter2hunter2hunter2"},
    {"session_id": "hunter2hunter2hunter2"},
    {"password_hash": "hunter2"},
    {"body": {"name": "API_KEY", "set": True, "value": "hunter2"}},
    {"rows": [{"header": "Authorization", "values": ["hunter2"]}]},
    {"headers": [["Cookie", "hunter2"]]},
    {"headers": [("X-Auth-Token", "hunter2")]},
]


@pytest.mark.parametrize("facts", NAMED)
def test_what_stands_under_a_secret_name_is_gone(facts: Any) -> None:
    """A name that says so hides its value, however it is written and however short the value is."""
    clean = repr(Redactor().facts(facts))
    assert "hunter" not in clean
    assert REDACTED in clean


def test_a_probe_may_show_what_it_was_told_is_no_secret() -> None:
    """At the top, `name` and `value` are the probe's own: `secret: false` shows the value, unless it is known."""
    facts = {"name": "BROKER_API_KEY", "set": True, "value": "k9Qd81hvnq"}
    assert Redactor().facts(facts) == facts
    assert Redactor(["k9Qd81hvnq"]).facts(facts)["value"] == REDACTED


def test_numbers_and_switches_under_a_secret_name_stay() -> None:
    """A mapping below a secret name is gone through, and what is no text is no secret."""
    facts = {"secret": {"length": 40, "set": True, "rotated": None, "state": "ok"}, "token": 5, "password": False}
    assert Redactor().facts(facts) == facts


TEXTS: list[tuple[str, str]] = [
    ("postgres://app:hunter2@db/x", "postgres://[redacted]@db/x"),
    ("postgres://app:hun@te/r2@db/x", "postgres://[redacted]@db/x"),
    ("redis://:hunter2@cache:6379/0", "redis://[redacted]@cache:6379/0"),
    ("https://hunter2@host/p", "https://[redacted]@host/p"),
    ("https://h/p?a=1&signature=hunter2&b=2", "https://h/p?a=1&signature=[redacted]&b=2"),
    ("https://h/p?X-Amz-Signature=hunter2&X-Amz-Date=1", "https://h/p?X-Amz-Signature=[redacted]&X-Amz-Date=1"),
    ("https://h/p?access_token=hunter2#f", "https://h/p?access_token=[redacted]"),
    ("next=%2Fp%3Ftoken%3Dhunter2 end", "next=%2Fp%3Ftoken%3D[redacted] end"),
    ("token=hunter2&x=1", "token=[redacted]&x=1"),
    ("  export DB_PASSWORD=hun,ter;2}x\nB=1", "  export DB_PASSWORD=[redacted]\nB=1"),
    ("login password=hunter2, user=a", "login password=[redacted], user=a"),
    ("(password=hunter2)", "(password=[redacted])"),
    ("password => 'hunter2',", "password => '[redacted]',"),
    ('{"api_key": "hun\\"ter2", "x": 1}', '{"api_key": "[redacted]", "x": 1}'),
    ('{\\"api_key\\": \\"hunter2\\", \\"x\\": 1}', '{\\"api_key\\": \\"[redacted]\\", \\"x\\": 1}'),
    ("{'password': 'hunter2', 'x': 1}", "{'password': '[redacted]', 'x': 1}"),
    ("{'password': b'hunter2'}", "{'password': b'[redacted]'}"),
    ('"tokens": ["hunter2", "hunter3"], "x": 1', '"tokens": [redacted], "x": 1'),
    ("Authorization: Custom a=hunter2, b=hunter3\r\nHost: h", "Authorization: [redacted]\r\nHost: h"),
    ("Cookie: sid=hunter2; x=hunter3\nHost: h", "Cookie: [redacted]\nHost: h"),
    ("-H 'X-Api-Key: hunter2'", "-H 'X-Api-Key: [redacted]"),
    ("sent Bearer hunter2 to h", "sent Bearer [redacted] to h"),
    ("sent basic YTpodW50ZXIy to h", "sent basic [redacted] to h"),
    ("deploy --password hunter2 --fast", "deploy --password [redacted] --fast"),
    ("id AKIAIOSFODNN7EXAMPLE used", "id [redacted] used"),
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_ghi used", "jwt [redacted] used"),
    ("ghp_0123456789abcdefghijklmnopqrstuvwxyz", "[redacted]"),
    ("https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/x", "https://api.telegram.org/[redacted]/x"),
    ("https://hooks.slack.com/services/T000/B000/hunter2hunter2", "https://[redacted]"),
    ("a\n-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nb", "a\n[redacted]\nb"),
    ("private_key: -----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", "private_key: [redacted]"),
    ("a -----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\nhunter3", "a [redacted]"),
    ("-----BEGIN PUBLIC KEY-----\nA -----BEGIN PRIVATE KEY-----x", "-----BEGIN PUBLIC KEY-----\nA [redacted]"),
    ("%2Fpassword=hunter2", "%2Fpassword=[redacted]"),
    ("password=12345 token=12345 tokens: 12345", "password=[redacted] token=12345 tokens: 12345"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "clean"), TEXTS)
def test_free_text_is_cleaned_where_it_must_be_and_only_there(text: str, clean: str) -> None:
    """Unknown secrets in URLs, headers, pairs, flags, key blocks and tokens are gone; what stands around them stays."""
    redactor = Redactor()
    assert redactor.text(text) == clean
    assert redactor.text(clean) == clean


def test_a_long_text_is_cleaned_to_its_end() -> None:
    """Size is no hiding place: a secret at the end of a megabyte is found, whatever stands before it."""
    redactor = Redactor([CANARY])
    for filler in (
        "a",
        "a=",
        "://a:b",
        "token=",
        "token='",
        'token="\\',
        "-----BEGIN CERTIFICATE-----",
        "bearer ",
        "eyJ",
        "[",
        "\n",
        "kX9-qW",
    ):
        text = redactor.text(filler * (1_000_000 // len(filler)) + f" {CANARY} password=hunter2")
        assert CANARY not in text
        assert "hunter2" not in text


def test_a_secret_of_several_lines_is_found_line_by_line() -> None:
    """A key block in a variable comes back in logs one line at a time."""
    redactor = Redactor(["-----BEGIN K-----\nMIIEvQIBADANBgkqhk01\nshort\n-----END K-----\n"])
    assert redactor.text("line MIIEvQIBADANBgkqhk01 read") == "line [redacted] read"
    assert redactor.text("a short line") == "a short line"


def test_the_environment_tells_the_secrets() -> None:
    """Values of variables with secret names, and passwords in URLs of any variable, are known; switches and words are not."""
    redactor = Redactor.from_environment(
        {
            "EXCHANGE_API_KEY": "hunter2hunter2",
            "DATABASE_URL": "postgres://app:swordfish9@db/x",
            "SIGNING_KEY": "k",
            "TOKEN_REQUIRED": "required-always",
            "AUTH_TOKEN": "disabled",
            "DB_PASSWORD": "postgres",
            "SSH_AUTH_SOCK": "/tmp/ssh-abc123/agent.7",
            "PATH": "/usr/bin:/bin",
        }
    )
    assert redactor.text("x hunter2hunter2 swordfish9") == f"x {REDACTED} {REDACTED}"
    text = "disabled postgres k required-always /tmp/ssh-abc123/agent.7 /usr/bin:/bin"
    assert redactor.text(text) == text


def test_two_keys_that_become_one_are_both_kept() -> None:
    """Redacting keys never drops a value."""
    clean = Redactor([CANARY, CANARY[::-1]]).facts({CANARY: 1, CANARY[::-1]: 2, "x": 3})
    assert sorted(clean.values()) == [1, 2, 3]
    assert all(key == "x" or REDACTED in key for key in clean)


def test_the_word_for_redacted_is_no_secret() -> None:
    """A secret that is part of the mark itself would eat the mark; it is not looked for."""
    redactor = Redactor(["redacted", "[redacted]", CANARY])
    assert redactor.text(f"a {CANARY} [redacted]") == "a [redacted] [redacted]"


@pytest.mark.parametrize(
    ("name", "sure"),
    [
        ("", 0),
        ("12", 0),
        ("key", 1),
        ("storage_key", 2),
        ("unique_key", 0),
        ("needs_token", 0),
        ("token_kind", 0),
        ("order_session_id", 1),
        ("seed", 1),
    ],
)
def test_a_name_says_how_surely_its_value_is_secret(name: str, sure: int) -> None:
    """Names are read word by word, and the last word decides whether they are about a secret or hold one."""
    assert strength(name) == sure


@pytest.mark.parametrize("name", ["PWD", "OLDPWD"])
def test_the_folder_of_a_shell_is_no_secret(name: str) -> None:
    """Every shell exports its folder as PWD; a gate that hid it could not judge a single path below it."""
    redactor = Redactor.from_environment({name: "/srv/trading/desk", "DB_PWD": "correct-horse-battery"})
    assert redactor.text("/srv/trading/desk/ledger.sqlite") == "/srv/trading/desk/ledger.sqlite"
    assert "correct-horse" not in redactor.text("correct-horse-battery")
