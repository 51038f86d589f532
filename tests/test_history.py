"""The history of activations is a view of the journal: nothing left out, nothing told that did not happen."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pytest_golive import history
from pytest_golive.journal import Journal

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def activated(journal: Journal, name: str, operator: str, minutes: float) -> None:
    at = NOW + timedelta(minutes=minutes)
    detail = {"activation_id": name, "operator": operator, "environment": "production", "allowed_profiles": ["micro"]}
    journal.append("activated", {**detail, "expires": at + 12 * HOUR}, at)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Denied, activated, deactivated, activated, overtaken: four attempts, and a run between them."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("activation-denied", {"check": "preflight", "reason": "too old", "operator": "ann"}, NOW)
    activated(journal, "a", "ann", 0)
    journal.append("deactivated", {"operator": "bob", "reason": "enough"}, NOW + timedelta(minutes=10))
    journal.append("run", {"word": "GO"}, NOW + timedelta(minutes=15))
    activated(journal, "b", "bob", 20)
    activated(journal, "c", "bob", 30)
    return journal


def test_each_attempt_stands_once(journal: Journal) -> None:
    """Outcome, operator, end and duration of each attempt follow from the records."""
    found = history.attempts(journal.entries(), NOW + HOUR)
    assert [(row.outcome, row.operator, row.ended, row.seconds) for row in found] == [
        ("denied", "ann", "", None),
        ("activated", "ann", "deactivated", 600),
        ("activated", "bob", "overtaken", 600),
        ("activated", "bob", "", None),
    ]
    assert found[0].reason
    assert len({row.seq for row in found}) == 4


def test_an_activation_that_ran_out_has_expired(journal: Journal) -> None:
    """What nobody ended ends by itself when its time is over."""
    last = history.attempts(journal.entries(), NOW + timedelta(days=30))[-1]
    assert last.ended == "expired"
    assert last.ended_at == last.expires


def test_an_activation_without_a_marker_has_failed(journal: Journal) -> None:
    """A marker that could not be written is one attempt, failed, with the reason."""
    activated(journal, "d", "ann", 40)
    journal.append("activation-failed", {"activation_id": "d", "reason": "the disk is full"}, NOW + timedelta(minutes=40))
    last = history.attempts(journal.entries(), NOW + HOUR)[-1]
    assert (last.activation_id, last.outcome, last.reason, last.ended) == ("d", "failed", "the disk is full", "")
    assert len(history.attempts(journal.entries(), NOW + HOUR)) == 5


def test_the_analysis_counts_what_is_there(journal: Journal) -> None:
    """Sums by outcome, operator and end, and the time in all."""
    told = history.analysis(history.attempts(journal.entries(), NOW + HOUR))
    assert told["attempts"] == 4
    assert told["outcomes"] == {"activated": 3, "denied": 1}
    assert told["operators"] == {"ann": 2, "bob": 2}
    assert told["ends"] == {"deactivated": 1, "overtaken": 1, "standing": 1}
    assert told["seconds_active"] == 1200


def test_the_csv_has_as_many_rows_as_the_journal_attempts(journal: Journal) -> None:
    """A reader of comma-separated values gets every field back."""
    found = history.attempts(journal.entries(), NOW + HOUR)
    rows = list(csv.DictReader(io.StringIO(history.as_csv(found))))
    assert [row["operator"] for row in rows] == [row.operator for row in found]
    assert {row["outcome"] for row in rows} == {"denied", "activated"}


def test_an_empty_journal_has_no_attempts(tmp_path: Path) -> None:
    """Nothing happened, so nothing is told, and the analysis divides by nothing."""
    found = history.attempts(Journal(tmp_path / "journal.jsonl").entries(), NOW)
    assert found == []
    assert history.analysis(found)["longest_seconds"] == 0


def test_the_command_writes_it_for_other_programs(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """`golive history --as json` and `--as csv` tell every attempt of the journal that golive.yaml names."""
    from pytest_golive.cli import main

    settings = journal.path.parent / "golive.yaml"
    settings.write_text("version: 1\njournal: journal.jsonl\n")
    assert main(["history", "--config", str(settings), "--as", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["attempts"]) == 4
    assert main(["history", "--config", str(settings), "--as", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert main(["history", "--config", str(settings)]) == 0
    assert "4 attempts" in capsys.readouterr().out


def ran(journal: Journal, word: str, hours: float, *blocking: str, decides: bool = True) -> None:
    at = NOW + timedelta(hours=hours)
    counts = {"blocking": len(blocking), "clear": 5}
    journal.append("run", {"word": word, "operator": "ann", "decides": decides, "blocking": list(blocking), "counts": counts}, at)


def rate(told: history.Chronicle, name: str) -> history.Rate:
    return next(one for one in told.rates if one.name.startswith(name))


def read(journal: Journal, hours: float, since: float | None = None) -> history.Chronicle:
    return history.chronicle(list(journal.entries()), NOW + hours * HOUR, None if since is None else NOW + since * HOUR)


@pytest.mark.parametrize(("bad", "percent", "alert"), [(0, "100.0", False), (1, "90.0", False), (2, "80.0", True)])
def test_the_pass_rate_alerts_below_ninety_percent(tmp_path: Path, bad: int, percent: str, alert: bool) -> None:
    """Exactly 90 % of ten whole runs raise no alert (document 001, line 516); runs of a part count for nothing."""
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(10):
        ran(journal, "INCOMPLETE" if number < bad else "GO WITH WARNINGS" if number % 2 else "GO", number)
        ran(journal, "NO-GO", number, "one", decides=False)
    told = read(journal, 20)
    found = rate(told, "Pre-flight")
    assert (str(found.percent), found.of, found.alert) == (percent, 10, alert)
    assert told.partial == 10
    assert told.blockers == ()


@pytest.mark.parametrize(("denied", "percent", "alert"), [(0, "100.0", False), (1, "95.0", False), (2, "90.0", True)])
def test_the_activation_rate_alerts_below_ninety_five_percent(tmp_path: Path, denied: int, percent: str, alert: bool) -> None:
    """Exactly 95 % of twenty attempts raise no alert (document 001, line 515)."""
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(20):
        if number < denied:
            journal.append("activation-denied", {"reason": "no", "operator": "ann"}, NOW)
        else:
            activated(journal, str(number), "ann", number)
    found = rate(read(journal, 1), "Activation success")
    assert (str(found.percent), found.of, found.alert) == (percent, 20, alert)


def test_a_rate_of_nothing_is_no_rate(tmp_path: Path) -> None:
    """Where nothing was counted nothing reads 100 %, and nothing alerts."""
    told = read(Journal(tmp_path / "journal.jsonl"), 1)
    assert [(one.percent, one.of, one.alert) for one in told.rates] == [(None, 0, False)] * 3
    assert told.median_to_go is None


def test_a_rate_is_never_rounded_up_to_whole(tmp_path: Path) -> None:
    """One failure in two thousand runs does not read 100 %."""
    journal = Journal(tmp_path / "journal.jsonl")
    ran(journal, "NO-GO", 0, "one")
    entries = list(journal.entries())
    good = [
        type(entries[0])(
            **{**{n: getattr(entries[0], n) for n in entries[0].__slots__}, "detail": {"word": "GO", "decides": True}}
        )
    ]
    assert str(rate(history.chronicle(entries + good * 1999, NOW + HOUR), "Pre-flight").percent) == "99.9"


def test_uptime_counts_each_second_once(tmp_path: Path) -> None:
    """An activation that overtakes another adds no time twice, and any gap is downtime (document 001, line 518)."""
    journal = Journal(tmp_path / "journal.jsonl")
    activated(journal, "a", "ann", 0)
    activated(journal, "b", "ann", 30)
    whole = rate(read(journal, 1), "Activation uptime")
    assert (whole.good, whole.of, whole.alert) == (3600, 3600, False)
    journal.append("deactivated", {"reason": "enough"}, NOW + HOUR)
    gap = rate(read(journal, 2), "Activation uptime")
    assert (gap.good, gap.of, gap.alert) == (3600, 7200, True)
    activated(journal, "c", "ann", 120)
    again = rate(read(journal, 4), "Activation uptime")
    assert (again.good, again.of, str(again.percent)) == (10800, 14400, "75.0")
    expired = rate(read(journal, 24), "Activation uptime")
    assert (expired.good, expired.of) == (13 * 3600, 24 * 3600)


def test_parts_of_seconds_are_no_downtime(tmp_path: Path) -> None:
    """Activations that follow each other without a gap are no downtime, whatever the parts of seconds at which they begin."""
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(7):
        activated(journal, str(number), "ann", number / 7)
    found = rate(read(journal, 1), "Activation uptime")
    assert (found.good, found.alert) == (3600, False)


def test_a_broken_glass_is_no_success_of_the_gate(tmp_path: Path) -> None:
    """An activation on the word of two persons is listed with its reason, is in no rate of success, and was uptime."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("activation-denied", {"reason": "no"}, NOW)
    journal.append("break-glass", {"activation_id": "g", "reason": "outage"}, NOW)
    activated(journal, "g", "ann", 0)
    told = read(journal, 1)
    assert [(row.outcome, row.reason) for row in told.attempts] == [("denied", "no"), ("glass", "outage")]
    assert (rate(told, "Activation success").good, rate(told, "Activation success").of) == (0, 1)
    assert rate(told, "Activation uptime").good == 3600


def test_the_time_to_go_is_that_from_the_first_no_to_the_next_yes(tmp_path: Path) -> None:
    """Several noes in a row are one time without GO, and one that has not ended is told as such, not as zero."""
    journal = Journal(tmp_path / "journal.jsonl")
    for word, hours in (
        ("GO", 0),
        ("NO-GO", 1),
        ("INCOMPLETE", 2),
        ("GO", 4),
        ("NO-GO", 5),
        ("GO", 6),
        ("NO-GO", 8),
        ("NO-GO", 9),
    ):
        ran(journal, word, hours)
    told = read(journal, 10)
    assert [(red.seconds, red.runs, red.ended is None) for red in told.reds] == [
        (10800, 2, False),
        (3600, 1, False),
        (7200, 2, True),
    ]
    assert told.median_to_go == 7200


def test_what_blocked_most_often_stands_first(tmp_path: Path) -> None:
    """Items are counted by the deciding runs in which they blocked, and say whether they still do."""
    journal = Journal(tmp_path / "journal.jsonl")
    ran(journal, "NO-GO", 1, "b", "a")
    ran(journal, "NO-GO", 2, "b", "c", "c")
    ran(journal, "NO-GO", 3, "c")
    told = read(journal, 4)
    assert [(one.id, one.runs, one.stands) for one in told.blockers] == [("c", 2, True), ("b", 2, False), ("a", 1, False)]
    ran(journal, "GO", 4)
    assert not any(one.stands for one in read(journal, 5).blockers)


def test_what_the_journal_does_not_name_is_counted(tmp_path: Path) -> None:
    """Records that name fewer items than they count, and those of an older version that name none, are not passed over."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("run", {"word": "NO-GO", "decides": True}, NOW)
    journal.append("run", {"word": "NO-GO", "decides": True, "blocking": ["a"], "counts": {"blocking": 7}}, NOW)
    assert read(journal, 1).unnamed == 7


def test_a_span_is_judged_by_itself(tmp_path: Path) -> None:
    """With a first moment, older runs and attempts are in no rate; the head is still that of the journal."""
    journal = Journal(tmp_path / "journal.jsonl")
    ran(journal, "NO-GO", 0, "old")
    journal.append("activation-denied", {"reason": "no"}, NOW)
    ran(journal, "GO", 10)
    told = read(journal, 11, since=5)
    assert (told.records, len(told.runs), told.attempts, told.blockers) == (1, 1, (), ())
    assert not told.alerts
    assert told.head == journal.head()[1]


@pytest.fixture
def busy(journal: Journal) -> Path:
    """The settings of a project whose journal holds everything that the history tells, and text that means harm."""
    ran(journal, "NO-GO", 1, "nija-broker-health[kraken]", "x" * 200, "<img src=x onerror=alert(1)>")
    ran(journal, "NO-GO", 2, "y" * 60, *(f"item-{number}" for number in range(30)))
    evil = "\x1b[2J\u202e</style><script>alert(1)</script>" + "z" * 300
    journal.append("activation-denied", {"reason": evil, "operator": evil, "environment": "<b>"}, NOW + 3 * HOUR)
    for word in ("stopped", "resumed", "rolled-back", "break-glass"):
        journal.append(word, {"reason": evil}, NOW + 4 * HOUR)
    journal.append("run", {"word": "INCOMPLETE", "decides": False, "operator": evil}, NOW - 9 * HOUR)
    settings = journal.path.parent / "golive.yaml"
    settings.write_text('version: 1\njournal: journal.jsonl\ntarget: {name: "<i>Desk</i>"}\n')
    return settings


def told_as(settings: Path, form: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    from pytest_golive.cli import main

    assert main(["history", "--config", str(settings), "--as", form, *more]) == 0
    return capsys.readouterr().out


def test_the_text_fits_a_terminal(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No line is longer than 80 columns, and nothing that people wrote reaches the terminal as a command."""
    text = told_as(busy, "text", capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    for words in (
        "! Pre-flight pass rate",
        "under 90 %",
        "! Activation uptime",
        "WHAT BLOCKED",
        "still",
        "No GO since",
        "stopped",
        "clock",
    ):
        assert words in text


def test_the_page_obeys_the_rules_of_the_sign_off_page(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One ASCII file without scripts or addresses, its style allowed by its digest, and everything escaped."""
    import base64
    import hashlib
    import re

    page = told_as(busy, "html", capsys)
    assert page.isascii()
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    for never in ("<script", "<img", "<i>", "style=", "http:", "https:", "\x1b", "onerror=alert(1)>"):
        assert never not in page
    assert "&lt;script&gt;" in page
    assert "\\u202e" in page
    assert page.count("<svg") == 3 + 34


def test_the_same_history_gives_the_same_page(busy: Path) -> None:
    """The page is a function of the records and the moment."""
    entries = list(Journal(busy.parent / "journal.jsonl").entries())
    pages = {
        history.as_html(history.chronicle(entries, NOW + 5 * HOUR), (), target="desk", environment="production") for _ in range(2)
    }
    assert len(pages) == 1


def test_every_form_tells_the_same(busy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has the rates, blockers and alerts that the page shows, and exact amounts are text."""
    told = json.loads(told_as(busy, "json", capsys))
    page = told_as(busy, "html", capsys)
    assert told["alerts"] == [one["name"] for one in told["rates"] if one["alert"]]
    for one in told["rates"]:
        assert f"<h3>{one['name']}</h3>" in page
        assert isinstance(one["percent"], str)
        assert one["name"] == "Activation uptime" or f"{one['percent']} %" in page
    assert told["also"]["stopped"]
    assert {one["id"] for one in told["blockers"]} >= {"nija-broker-health[kraken]", "item-29"}
    assert told["remarks"]


@pytest.mark.parametrize("form", ["text", "json", "csv", "html"])
def test_no_secret_stands_in_a_history(
    journal: Journal, form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that became known after it was recorded stands in no form of the history."""
    canary = "cnry-8f3a77c1e9b2"
    journal.append("activation-denied", {"reason": f"key {canary}", "operator": canary}, NOW)
    ran(journal, "NO-GO", 2, f"item-{canary}")
    settings = journal.path.parent / "golive.yaml"
    settings.write_text("version: 1\njournal: journal.jsonl\n")
    monkeypatch.setenv("BROKER_TOKEN", canary)
    text = told_as(settings, form, capsys)
    assert canary[:8] not in text
    assert "redacted" in text


def test_a_journal_that_was_altered_has_no_history(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is told from a broken chain."""
    from pytest_golive.cli import main

    journal.path.write_bytes(journal.path.read_bytes().replace(b"ann", b"eve", 1))
    settings = journal.path.parent / "golive.yaml"
    settings.write_text("version: 1\njournal: journal.jsonl\n")
    assert main(["history", "--config", str(settings)]) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert "line 1" in out.err
