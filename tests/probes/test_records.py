"""log and sql: what was written down, how much of it was looked at, and nothing that is not there."""

from __future__ import annotations

import gzip
import os
import sqlite3
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import MissingExtra, ProbeError
from pytest_golive.probes import sql as sql_kind

LINES = """\
2026-11-21T08:00:00Z ERROR old
    Traceback of the old one, ERROR too
2026-11-21T09:50:00Z INFO started
2026-11-21T09:55:00Z ERROR first
  continued ERROR
2026-11-21T09:59:00Z ERROR second
2026-11-21T09:59:30Z INFO fine
"""


def _log(look: Any, text: str | bytes, name: str = "desk.log", **fields: Any) -> Any:
    data = text.encode() if isinstance(text, str) else text
    (look.root / name).write_bytes(data)
    return look("log", path=name, **fields)


def test_only_the_window_is_counted(look: Any, tmp_path: Path) -> None:
    """Lines before the window, and what belongs to them, are not counted; what was covered is told."""
    facts = _log(look, LINES, since="15m", matches={"errors": "ERROR", "panic": "PANIC"})
    assert facts["counts"] == {"errors": 3, "panic": 0}
    assert (facts["lines"], facts["scanned_lines"], facts["undated"]) == (7, 5, 0)
    assert facts["covered"] == {"from": "2026-11-21T09:50:00+00:00", "to": "2026-11-21T09:59:30+00:00"}
    assert facts["window"] == {"from": "2026-11-21T09:45:00+00:00", "to": "2026-11-21T10:00:00+00:00"}
    assert facts["first"] == {"errors": "2026-11-21T09:55:00Z ERROR first"}
    assert facts["last"] == {"errors": "2026-11-21T09:59:00Z ERROR second"}
    assert facts["newest_age_seconds"] == 30
    assert facts["files"] == [str(tmp_path / "desk.log")]


def test_without_a_window_every_line_counts(look: Any) -> None:
    """Without since all lines are scanned, dated or not."""
    facts = _log(look, "ERROR a\n" + LINES, matches={"errors": "ERROR"})
    assert facts["counts"] == {"errors": 6}
    assert (facts["scanned_lines"], facts["undated"]) == (8, 1)
    assert "window" not in facts


def test_silence_is_told(look: Any) -> None:
    """An empty log, and one in which nothing is young enough, are scanned with 0 lines."""
    empty = _log(look, "", since="15m", matches={"errors": "ERROR"})
    assert (empty["lines"], empty["scanned_lines"]) == (0, 0)
    assert "newest_age_seconds" not in empty
    stale = _log(look, LINES.splitlines()[0] + "\n", since="15m")
    assert stale["scanned_lines"] == 0
    assert stale["newest_age_seconds"] == 7200
    assert "covered" not in stale


def test_a_line_of_the_future_shows(look: Any) -> None:
    """A clock that runs ahead gives a negative age."""
    assert _log(look, "2026-11-21T11:00:00Z x\n", since="15m")["newest_age_seconds"] == -3600


def test_a_missing_log_is_an_error(look: Any) -> None:
    """No file, or no match of a pattern, is not a log without errors."""
    for path in ("gone.log", "gone-*.log"):
        with pytest.raises(ProbeError, match="there is no log"):
            look("log", path=path)
    with pytest.raises(ProbeError, match=r"folder .* does not exist"):
        look("log", path="gone/desk.log")


def test_a_window_over_lines_without_time_is_an_error(look: Any) -> None:
    """If no line has a time that can be read, nothing can be said about the last minutes."""
    with pytest.raises(ProbeError, match=r"no line of .* has a time that can be read"):
        _log(look, "Nov 21 09:59:00 ERROR\n", since="15m", matches={"errors": "ERROR"})


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("2026-11-21 09:59:00,123 ERROR", {}),
        ("[2026-11-21T09:59:00.123456789Z] ERROR", {}),
        ("2026-11-21T10:59:00+01:00 ERROR", {}),
        ("2026-11-21T10:59:00+0100 ERROR", {}),
        ('{"level": "ERROR", "ts": "2026-11-21T09:59:00Z"}', {}),
        ("2026-11-21 10:59:00 ERROR", {"zone": "Europe/Berlin"}),
        ("21/Nov/2026:09:59:00 +0000 ERROR", {"timestamp": {"pattern": r"^(\S+ \S+)", "format": "%d/%b/%Y:%H:%M:%S %z"}}),
        ("t=1795255140.5 ERROR", {"timestamp": {"pattern": r"t=([\d.]+)", "format": "epoch"}}),
    ],
)
def test_the_time_of_a_line_is_read(look: Any, line: str, fields: dict[str, Any]) -> None:
    """ISO with any zone, anywhere near the start, and what timestamp describes, are read as the same moment."""
    facts = _log(look, line + "\n", since="2m", matches={"errors": "ERROR"}, **fields)
    assert facts["counts"] == {"errors": 1}
    assert facts["newest_age_seconds"] in (59, 60)


def test_a_time_that_is_none_is_not_read(look: Any) -> None:
    """The 32nd of a month is no time; the line belongs to the one before."""
    facts = _log(look, "2026-11-21T09:59:00Z a\n2026-11-32T09:59:00Z b\n", since="2m")
    assert (facts["scanned_lines"], facts["undated"]) == (2, 0)


def test_where_leaves_out_the_rest(look: Any) -> None:
    """The test suite's own errors in the same log are left out by `where`."""
    text = "2026-11-21T09:59:00Z desk ERROR a\n2026-11-21T09:59:01Z tests ERROR b\n"
    facts = _log(look, text, since="5m", where=" desk ", matches={"errors": "ERROR"})
    assert (facts["scanned_lines"], facts["counts"]) == (1, {"errors": 1})


def test_broken_bytes_and_colours_are_read_all_the_same(look: Any) -> None:
    """A line that is not in the encoding is told and still searched, also behind colours."""
    facts = _log(look, b"2026-11-21T09:59:00Z \x1b[31mERR\x1b[0mOR \xff\r\n", since="5m", matches={"errors": "ERROR"})
    assert (facts["unreadable"], facts["counts"]) == (1, {"errors": 1})
    assert facts["last"]["errors"] == "2026-11-21T09:59:00Z ERROR �"


def test_rotated_files_are_followed(look: Any, tmp_path: Path) -> None:
    """A rotation within the window hides nothing; older parts, also packed ones, are read in their order."""
    (tmp_path / "desk.log.1").write_text("2026-11-21T09:58:00Z ERROR in one\n")
    with gzip.open(tmp_path / "desk.log.2.gz", "wb") as packed:
        packed.write(b"2026-11-21T09:57:00Z ERROR in two\n")
    (tmp_path / "desk.log.3").write_text("2026-11-21T08:00:00Z ERROR in three\n")
    (tmp_path / "desk.log.bak").write_text("2026-11-21T09:59:00Z ERROR no log\n")
    times = {"desk.log.1": "09:58", "desk.log.2.gz": "09:57", "desk.log.3": "08:00"}
    for name, at in times.items():
        stamp = _moment(at)
        os.utime(tmp_path / name, (stamp, stamp))
    facts = _log(look, "2026-11-21T09:59:30Z INFO\n", since="15m", rotated=True, matches={"errors": "ERROR"})
    assert [Path(each).name for each in facts["files"]] == ["desk.log.2.gz", "desk.log.1", "desk.log"]
    assert facts["counts"] == {"errors": 2}
    assert facts["first"]["errors"].endswith("in two")
    assert facts["last"]["errors"].endswith("in one")
    assert look("log", path="desk.log", since="15m", matches={"errors": "ERROR"})["counts"] == {"errors": 0}


def _moment(clock: str) -> float:
    """The seconds since 1970 of a time of the test's day."""
    from datetime import datetime

    return datetime.fromisoformat(f"2026-11-21T{clock}:00+00:00").timestamp()


def test_a_file_under_two_names_counts_once(look: Any, tmp_path: Path) -> None:
    """A link to a log that matches the pattern too does not double its lines."""
    (tmp_path / "a.log").write_text(LINES)
    os.link(tmp_path / "a.log", tmp_path / "b.log")
    assert look("log", path="*.log", matches={"e": "ERROR"})["counts"] == {"e": 5}


def test_a_pattern_reads_every_match(look: Any, tmp_path: Path) -> None:
    """Several logs are counted together; first and last go by their time, not by their name."""
    (tmp_path / "a.log").write_text("2026-11-21T09:59:00Z ERROR late\n")
    (tmp_path / "b.log").write_text("2026-11-21T09:58:00Z ERROR early\n")
    facts = look("log", path="*.log", since="5m", matches={"e": "ERROR"})
    assert facts["counts"] == {"e": 2}
    assert facts["first"]["e"].endswith("early")
    assert facts["last"]["e"].endswith("late")


def test_a_log_too_large_for_its_window_is_an_error(look: Any) -> None:
    """The end of a log is enough if it reaches back far enough; else it proves too little."""
    assert _log(look, LINES, since="7m", max_bytes=200)["scanned_lines"] == 4
    for fields in ({"since": "15m"}, {}):
        with pytest.raises(ProbeError, match="reaches back further than the last 100 bytes"):
            _log(look, LINES, max_bytes=100, **fields)


def test_a_packed_log_that_is_none_is_an_error(look: Any, tmp_path: Path) -> None:
    """Half a gzip file is told, in plain words."""
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"abc" * 100)[:-6])
    with pytest.raises(ProbeError, match="not a whole gzip file"):
        look("log", path="x.gz")
    (tmp_path / "y.gz").write_bytes(b"plain")
    with pytest.raises(ProbeError, match=r"y\.gz cannot be looked at"):
        look("log", path="y.gz")


@pytest.mark.parametrize(
    "fields",
    [
        {"since": "15"},
        {"since": 15},
        {"since": "0s"},
        {"zone": "Mars/Base"},
        {"encoding": "klingon"},
        {"matches": {"a": "("}},
        {"where": "("},
        {"timestamp": {"pattern": "x", "format": "%Y"}},
        {"timestamp": {"pattern": "(x)", "format": "%b %d"}},
        {"timestamp": {"pattern": "(x)"}},
    ],
)
def test_a_log_that_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    """Durations without unit, unknown zones, broken patterns and times without a year are faults of the checklist."""
    with pytest.raises(ValidationError):
        probes.kind("log").model_validate({"path": "x", **fields})


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A small database."""
    path = tmp_path / "ledger.db"
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE trades (id INTEGER, exchange_id TEXT, qty REAL, fee NUMERIC, at TEXT, raw BLOB)")
        rows = [(1, "e1", 0.1, 0.30000000000000004, "2026-11-21T09:00:00Z", b"\x01"), (2, None, -1.0, 0, None, None)]
        base.executemany("INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?)", rows)
    base.close()
    return path


def _sql(look: Any, query: str, **fields: Any) -> Any:
    return look("sql", url="sqlite:///ledger.db", query=query, **fields)


def test_rows_are_told_exactly(look: Any, ledger: Path) -> None:
    """Numbers come as Decimal of what is stored, text as text, null as null, bytes as hexadecimal."""
    facts = _sql(look, "SELECT * FROM trades ORDER BY id")
    assert facts["rows"] == [
        {
            "id": 1,
            "exchange_id": "e1",
            "qty": Decimal("0.1"),
            "fee": Decimal("0.30000000000000004"),
            "at": "2026-11-21T09:00:00Z",
            "raw": "01",
        },
        {"id": 2, "exchange_id": None, "qty": Decimal("-1.0"), "fee": 0, "at": None, "raw": None},
    ]
    assert facts["columns"] == ["id", "exchange_id", "qty", "fee", "at", "raw"]
    assert (facts["count"], facts["truncated"], facts["first"], facts["database"]) == (2, False, facts["rows"][0], str(ledger))


def test_no_row_is_a_fact(look: Any, ledger: Path) -> None:
    """An empty answer is told as count 0, without a first row."""
    facts = _sql(look, "SELECT id FROM trades WHERE id = :id", params={"id": 9})
    assert (facts["count"], facts["rows"]) == (0, [])
    assert "first" not in facts


def test_more_rows_than_the_limit_are_told(look: Any, ledger: Path) -> None:
    """What was left out by the limit is told."""
    facts = _sql(look, "SELECT id FROM trades", limit=1)
    assert (facts["count"], facts["truncated"]) == (1, True)


def test_a_missing_database_is_an_error_and_is_not_made(look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a database that is not there does not create an empty one."""
    with pytest.raises(ProbeError, match=r"the database .*ledger\.db does not exist"):
        _sql(look, "SELECT 1")
    assert not (tmp_path / "ledger.db").exists()
    monkeypatch.setattr(sql_kind, "found", lambda path: True)
    with pytest.raises(ProbeError, match="unable to open"):
        _sql(look, "SELECT 1")
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT no_such FROM trades", "no such column"),
        ("SELECT 1 FROM gone", "no such table"),
        ("SELECT :missing", "missing"),
        ("SELECT a.id, b.id FROM trades a, trades b", "two columns are called id"),
        ("SELECT 9e999", "Infinity"),
    ],
)
def test_a_query_that_fails_is_an_error(look: Any, ledger: Path, query: str, words: str) -> None:
    """A query against another schema is told in one line, without the driver's essay."""
    with pytest.raises(ProbeError, match=words) as caught:
        _sql(look, query)
    assert "sqlalche.me" not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM trades",
        "UPDATE trades SET qty = 0",
        "SELECT 1; DELETE FROM trades",
        "WITH x AS (SELECT 1) DELETE FROM trades",
        "SELECT 1 /* ; */; SELECT 2",
        "/* SELECT */ DROP TABLE trades",
        "PRAGMA query_only = OFF",
        "SELECT * INTO other FROM trades",
        "",
    ],
)
def test_a_query_that_could_change_something_is_refused(query: str) -> None:
    """Only one SELECT or WITH that reads is accepted, comments and strings looked through."""
    with pytest.raises(ValidationError, match=r"must|empty"):
        probes.kind("sql").model_validate({"url": "sqlite:///x", "query": query})


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'a; DELETE' AS t",
        'SELECT "update" FROM t;',
        "SELECT replace('a', 'b', 'c')",
        "SELECT 1 -- drop it",
        "WITH x AS (SELECT 1) SELECT * FROM x",
    ],
)
def test_a_query_that_only_reads_is_accepted(query: str) -> None:
    """Words in strings, names and comments change nothing."""
    assert probes.kind("sql").model_validate({"url": "sqlite:///x", "query": query})


def test_the_database_itself_refuses_to_be_changed(look: Any, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a query that got past the words cannot write."""
    probe = probes.kind("sql").model_construct(
        url="sqlite:///ledger.db", url_env=None, query="DELETE FROM trades RETURNING id", params={}, limit=5
    )
    with pytest.raises(ProbeError, match=r"readonly|read-only"):
        probes.observe(probe, look.context(), look.redactor)
    assert _sql(look, "SELECT id FROM trades")["count"] == 2


def test_a_query_without_end_times_out(look: Any, ledger: Path) -> None:
    """A query that never ends is ended at the deadline."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(ProbeError, match=r"timed out after 0\.5 s"):
        look("sql", 0.5, url="sqlite:///ledger.db", query=endless)


def test_a_locked_database_is_an_error_in_time(look: Any, ledger: Path) -> None:
    """A writer that holds the database for ever does not hold the gate."""
    with sqlite3.connect(ledger, isolation_level=None) as base:
        base.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ProbeError, match=r"timed out|locked"):
            look("sql", 0.5, url="sqlite:///ledger.db", query="SELECT id FROM trades")
    base.close()


def test_the_address_may_come_from_a_variable(look: Any, ledger: Path) -> None:
    """url_env names the variable; one that is not set is an error."""
    look.environ["LEDGER_DSN"] = "sqlite:///ledger.db"
    assert look("sql", url_env="LEDGER_DSN", query="SELECT id FROM trades")["count"] == 2
    with pytest.raises(ProbeError, match="the variable GONE is not set"):
        look("sql", url_env="GONE", query="SELECT 1")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_proves_nothing(look: Any, url: str) -> None:
    """A database that is empty by nature is an error."""
    with pytest.raises(ProbeError, match="always empty"):
        look("sql", url=url, query="SELECT 1")


def test_an_address_that_is_none_is_an_error_without_its_password(look: Any) -> None:
    """A broken address or a missing driver is told, and the password in it is not."""
    for url in ("nonsense", "mystery://u:pw-123456-x@h/d", "mysql+mysqldb://u:pw-123456-x@h/d"):
        with pytest.raises(ProbeError, match=r"not the address|not installed") as caught:
            look("sql", url=url, query="SELECT 1")
        assert "pw-123456-x" not in str(caught.value)


def test_without_sqlalchemy_the_install_line_is_told(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing client library is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingExtra) as caught:
        look("sql", url="sqlite:///ledger.db", query="SELECT 1")
    assert caught.value.hint == "pip install 'pytest-golive[sql]'"


def test_exactly_one_address_is_needed() -> None:
    """Neither none nor two addresses are accepted."""
    for fields in ({}, {"url": "sqlite:///x", "url_env": "Y"}):
        with pytest.raises(ValidationError, match="exactly one"):
            probes.kind("sql").model_validate({"query": "SELECT 1", **fields})
