"""The office: alerts, the operational log, the schedule, the lookout, reviews, anomalies, promotion; each on its own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from examples.desk.ledger import Ledger
from examples.desk.office import promotion, work
from examples.desk.office.alerts import ATTEMPTS, Alerts
from examples.desk.office.anomalies import Anomalies
from examples.desk.office.diary import Diary
from examples.desk.office.jobs import Entry, Job, Jobs
from examples.desk.office.lookout import Lookout
from examples.desk.office.rollback import AutomaticRollback
from examples.desk.office.samples import SAMPLE, Samples

NOW = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)


@dataclass
class Watch:
    """A clock that is set by hand."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def later(self, **how: float) -> None:
        self.at += timedelta(**how)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


@dataclass
class Pigeon:
    """A channel that loses the first `lost` messages."""

    lost: int = 0
    name: str = "pigeon"

    def __post_init__(self) -> None:
        self.sent: list[str] = []

    def send(self, subject: str, text: str) -> None:
        if self.lost:
            self.lost -= 1
            raise OSError("the pigeon did not come back")
        self.sent.append(f"{subject}: {text}")


def test_an_alert_is_written_first_and_sent_later(ledger: Ledger, watch: Watch) -> None:
    """What is raised stands in the ledger undelivered, and delivered once the channel took it."""
    pigeon = Pigeon()
    alerts = Alerts(ledger, pigeon, now=watch)
    alerts.send("risk", "critical", "drawdown")
    assert [(one["delivered"], one["sent_at"]) for one in alerts.all()] == [(False, None)]
    alerts.deliver()
    assert pigeon.sent == ["[desk] CRITICAL risk: drawdown"]
    assert alerts.all()[0]["delivered"] is True
    alerts.deliver()
    assert len(pigeon.sent) == 1


def test_a_channel_that_fails_is_recorded_and_tried_again(ledger: Ledger, watch: Watch) -> None:
    """A failure raises nothing, stands beside its alert, and ends after a few attempts."""
    alerts = Alerts(ledger, Pigeon(lost=1), now=watch)
    alerts.send("risk", "critical", "drawdown")
    alerts.deliver()
    assert "pigeon" in alerts.all()[0]["error"]
    alerts.deliver()
    assert (alerts.all()[0]["delivered"], alerts.all()[0]["error"]) == (True, "")
    never = Alerts(ledger, Pigeon(lost=99), now=watch)
    number = never.send("risk", "critical", "again")
    for _ in range(ATTEMPTS + 2):
        never.deliver()
    row = next(one for one in never.all() if one["id"] == number)
    assert (row["delivered"], row["attempts"]) == (False, ATTEMPTS)


def test_each_day_has_one_page(tmp_path: Path, watch: Watch) -> None:
    """A page is begun once, entries go to the page of today, and a new day begins a new one."""
    diary = Diary(tmp_path / "log.md")
    assert diary.open_day(watch(), "desk")
    assert not diary.open_day(watch(), "desk")
    diary.enter(watch(), "trade", "bought\nsomething", "ann")
    watch.later(days=1)
    diary.enter(watch(), "trade", "sold", "ann")
    assert diary.days() == [date(2026, 11, 21), date(2026, 11, 22)]
    lines = diary.path.read_text().splitlines()
    assert "- 10:07:00 UTC [trade] bought something (ann)" in lines
    assert lines.index("## 2026-11-22") < lines.index("- 10:07:00 UTC [trade] sold (ann)")


@pytest.mark.parametrize(
    ("times", "latest"),
    [
        ("*/30 * * * *", "2026-11-21T10:00"),
        ("15 0 * * *", "2026-11-21T00:15"),
        ("5 22 * * *", "2026-11-20T22:05"),
        ("7,8 10 * * 6", "2026-11-21T10:07"),
        ("0 9 1 1 *", None),
    ],
)
def test_when_a_line_was_last_due(times: str, latest: str | None) -> None:
    """The last due minute within a day; none if there is none."""
    found = Entry(times=times, job="x").latest(NOW)
    assert (found.isoformat(timespec="minutes")[:16] if found else None) == latest


@pytest.fixture
def jobs(tmp_path: Path, watch: Watch) -> tuple[Jobs, list[str]]:
    done: list[str] = []

    def job(name: str, late: bool = True) -> Job:
        return Job(work=lambda: done.append(name) or name, late=late)  # type: ignore[func-returns-value]

    def fail() -> str:
        done.append("rotate-logs")
        raise OSError("no room")

    work_of = {
        "preflight": job("preflight", late=False),
        "monitoring": job("monitoring"),
        "daily-report": job("daily-report"),
        "rotate-logs": Job(work=fail),
    }
    return Jobs(tmp_path / "crontab", tmp_path / "records", work_of, now=watch), done


def test_what_was_missed_is_made_up_for_once(jobs: tuple[Jobs, list[str]], watch: Watch) -> None:
    """At the start every missed job that may be late runs once; then each runs at its time, also one that may not be late."""
    schedule, done = jobs
    schedule.turn()
    assert sorted(done) == ["daily-report", "monitoring", "rotate-logs"]
    done.clear()
    watch.later(minutes=10)
    schedule.turn()
    assert done == []
    watch.later(minutes=13)
    schedule.turn()
    assert done == ["monitoring"]
    done.clear()
    watch.at = NOW.replace(day=22, hour=5, minute=30)
    schedule.turn()
    assert "preflight" in done


def test_a_run_is_recorded_with_how_it_ended(jobs: tuple[Jobs, list[str]], tmp_path: Path) -> None:
    """Exit 0 with what was told, exit 1 with what went wrong; the next job still runs."""
    schedule, _ = jobs
    schedule.turn()
    good, bad = (json.loads((tmp_path / "records" / f"{name}.jsonl").read_text()) for name in ("daily-report", "rotate-logs"))
    assert (good["exit"], good["told"]) == (0, "daily-report")
    assert (bad["exit"], bad["told"]) == (1, "OSError: no room")


def test_a_paused_line_does_not_run(jobs: tuple[Jobs, list[str]], tmp_path: Path) -> None:
    """A line that a person has commented is not done, and a line of somebody else's is left alone."""
    schedule, done = jobs
    crontab = tmp_path / "crontab"
    crontab.write_text("# */30 * * * * office monitoring\n0 0 * * * backup.sh\n")
    schedule.turn()
    assert done == []
    assert schedule.entries() == []


@dataclass
class Word:
    """What a guard answers."""

    allowed: bool
    reason: str = ""
    activation: str = ""


def test_the_lookout_tells_each_change_once(ledger: Ledger, watch: Watch, tmp_path: Path) -> None:
    """Activated, held up by a stop file, resumed, taken away: four events, dated by when trading was last permitted."""
    marker, heard, answer = tmp_path / "go_live.active", [], Word(False, "marker not found: x")
    lookout = Lookout(
        ledger, ask=lambda: answer, marker=marker, tell=lambda event, which, why: heard.append((event, which)), now=watch
    )
    lookout.turn()
    assert heard == []
    marker.touch()
    answer.allowed, answer.activation = True, "a"
    lookout.turn()
    lookout.turn()
    permitted = watch()
    watch.later(seconds=30)
    answer.allowed, answer.reason = False, "stop file present: x"
    lookout.turn()
    answer.allowed = True
    lookout.turn()
    answer.allowed, answer.reason = False, "marker not found: x"
    marker.unlink()
    lookout.turn()
    assert heard == [("activated", "a"), ("suspended", "a"), ("resumed", "a"), ("deactivated", "a")]
    assert lookout.events()[1]["at"] == permitted.isoformat(timespec="milliseconds")


def test_the_lookout_remembers_over_a_restart(ledger: Ledger, watch: Watch, tmp_path: Path) -> None:
    """An activation that was told before the desk went down is not told again, and one that went meanwhile is."""
    heard: list[str] = []

    def lookout(answer: Word) -> Lookout:
        return Lookout(
            ledger, ask=lambda: answer, marker=tmp_path / "m", tell=lambda event, which, why: heard.append(event), now=watch
        )

    lookout(Word(True, "", "a")).turn()
    lookout(Word(True, "", "a")).turn()
    lookout(Word(False, "marker not found", "")).turn()
    assert heard == ["activated", "deactivated"]


def test_an_activation_between_two_looks_is_told_by_its_orders(ledger: Ledger, watch: Watch, tmp_path: Path) -> None:
    """Who activates, trades and deactivates before anybody looks is told all the same: once activated, once deactivated."""
    heard: list[tuple[str, str]] = []
    ledger.write(
        "INSERT INTO orders(idempotency_key, account, environment, symbol, side, quantity, state, activation, created_at,"
        " updated_at) VALUES ('k', 'alpha', 'live', 'BTCUSDT', 'BUY', '1', 'filled', 'short', ?, ?)",
        "2026-11-21T10:06:00.000+00:00", "2026-11-21T10:06:01.000+00:00",
    )  # fmt: skip
    lookout = Lookout(
        ledger, ask=lambda: Word(False, "marker not found"), marker=tmp_path / "m", now=watch,
        tell=lambda event, which, why: heard.append((event, which)),
    )  # fmt: skip
    lookout.turn()
    lookout.turn()
    assert heard == [("activated", "short"), ("deactivated", "short")]
    assert [row["at"] for row in lookout.events()] == ["2026-11-21T10:06:00.000+00:00", "2026-11-21T10:06:01.000+00:00"]


def test_an_anomaly_is_open_until_somebody_looked(ledger: Ledger, watch: Watch) -> None:
    """The same thing is kept once while it is open, and again after it was looked at."""
    anomalies = Anomalies(ledger, now=watch)
    anomalies.note("risk", "CRITICAL")
    anomalies.note("risk", "CRITICAL")
    (first,) = anomalies.open()
    assert anomalies.review(first["id"], "ann")
    assert not anomalies.review(first["id"], "ann")
    anomalies.note("risk", "CRITICAL")
    assert len(anomalies.all()) == 2
    watch.later(minutes=1)
    since = watch().isoformat()
    anomalies.note("drill", "broken on purpose")
    anomalies.review_since(since, "drill")
    assert [one["source"] for one in anomalies.open()] == ["risk"]


@pytest.mark.parametrize(("open_", "gone"), [((), False), (("a",), False), (("a", "b"), True)])
def test_several_breakers_at_once_take_the_marker_back(tmp_path: Path, watch: Watch, open_: tuple[str, ...], gone: bool) -> None:
    """One account in quarantine leaves real trading on; two take it back, tell it once, and write it into the journal."""
    marker, told = tmp_path / "go_live.active", []
    marker.touch()
    rollback = AutomaticRollback(
        quarantined=lambda: open_,
        limit=2,
        marker=marker,
        state=tmp_path / "guard.state",
        journal=tmp_path / "journal.jsonl",
        told=told.append,
        now=watch,
    )
    rollback.turn()
    rollback.turn()
    assert marker.exists() is not gone
    assert len(told) == gone
    assert (tmp_path / "journal.jsonl").exists() is gone


def test_samples_are_due_again_after_a_while(tmp_path: Path, watch: Watch) -> None:
    """A sample is due at once and then every few seconds; each is one line with its time."""
    samples = Samples(tmp_path / "samples.jsonl", now=watch)
    assert samples.due()
    samples.write(SAMPLE, {"ess": "inactive"})
    assert not samples.due()
    watch.later(seconds=10)
    assert samples.due()
    assert json.loads(samples.path.read_text())["ess"] == "inactive"


def test_a_long_log_is_packed_and_goes_on(tmp_path: Path) -> None:
    """The lines of a long log are in its archive, and the file that its writer holds open begins anew."""
    log = tmp_path / "execution.log"
    with log.open("a") as stream:
        stream.write("line\n" * 100)
        stream.flush()
        assert work.rotate(tmp_path, at_most=100) == "rotated execution.log"
        stream.write("after\n")
    assert log.read_text() == "after\n"
    assert gzip.decompress((tmp_path / "execution.log.1.gz").read_bytes()).decode() == "line\n" * 100
    assert work.rotate(tmp_path, at_most=100) == "nothing to rotate"


def test_a_backup_is_a_ledger(ledger: Ledger, tmp_path: Path, watch: Watch) -> None:
    """What was in the ledger is in its copy."""
    ledger.write("INSERT INTO high_water VALUES ('*', '100', 'now')")
    work.backup(tmp_path / "ledger.sqlite", tmp_path / "backups", now=watch)
    (copy,) = (tmp_path / "backups").glob("*.sqlite")
    again = Ledger(copy)
    assert again.row("SELECT equity FROM high_water") == {"equity": "100"}
    again.close()


def trades(count: int, *, days: int, profit: Callable[[int], str]) -> list[dict[str, str]]:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        {"profit": profit(n), "closed_at": (first + timedelta(days=days) * n / max(1, count - 1)).isoformat()}
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("found", "failing"),
    [
        (trades(30, days=14, profit=lambda n: "1"), set()),
        (trades(29, days=14, profit=lambda n: "1"), {"trades"}),
        (trades(30, days=13, profit=lambda n: "1"), {"days"}),
        (trades(30, days=14, profit=lambda n: "1" if n % 2 else "-1"), {"win_rate"}),
        (trades(30, days=14, profit=lambda n: "-101" if n == 5 else "1"), {"drawdown"}),
        ([], {"trades", "days", "win_rate"}),
    ],
)
def test_a_promotion_is_proposed_only_if_all_criteria_hold(found: list[dict[str, str]], failing: set[str]) -> None:
    """Each criterion alone is enough to refuse, and none over no trades is met by nothing."""
    told = promotion.judged("micro", found, capital=Decimal(1000))
    assert {row["name"] for row in told["criteria"] if not row["met"]} == failing
    assert told["proposed"] is (not failing)
    assert told["next"] == "small"


def test_two_persons_carry_a_promotion_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One name, or the same twice, changes nothing; two add the profile; without the criteria nobody does."""
    settings = tmp_path / "golive.yaml"
    settings.write_text("allowed_profiles: [micro]\n")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    call = ["--home", str(tmp_path)]
    assert promotion.main([*call, "--approve", "ann", "--approve", "bob"]) == 1
    for number, row in enumerate(trades(30, days=14, profit=lambda n: "1")):
        ledger.write(
            "INSERT INTO trades VALUES (NULL,'alpha','live','BTCUSDT','1',?,?,'1','2','0',?,'closed',?,?)",
            f"e{number}", f"x{number}", row["profit"], row["closed_at"], row["closed_at"],
        )  # fmt: skip
    ledger.close()
    assert promotion.main(call) == 0
    assert promotion.main([*call, "--approve", "ann"]) == 2
    assert promotion.main([*call, "--approve", "ann", "--approve", "Ann "]) == 2
    assert settings.read_text() == "allowed_profiles: [micro]\n"
    assert promotion.main([*call, "--approve", "ann", "--approve", "bob"]) == 0
    assert settings.read_text() == "allowed_profiles: [micro, small]\n"
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["carried_out"] is True
