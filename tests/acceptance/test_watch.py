"""The watch: a red flag takes the marker back by itself, blindness does so after a while, and people are told of both."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_golive.journal import Journal
from tests.acceptance.conftest import OPEN, item

FLAG = item(
    "flag-daily-loss",
    phase="monitoring",
    probe="file: {path: loss.json, format: json}",
    expect='expect: {value.day: {le: "500"}}',
    fix="close the positions",
)
LOSS = '{{"day": {}}}\n'


@pytest.fixture
def idle(project: Any) -> Any:
    """A project that is not activated, and loses little so far."""
    project.settings(OPEN)
    project.checklist(item("one"), FLAG)
    project.write("loss.json", LOSS.format(20))
    return project


@pytest.fixture
def live(idle: Any) -> Any:
    """The same, activated."""
    project = idle
    assert project.gate().word == "GO"
    assert project.marker.exists()
    return project


def watch(project: Any, *more: str, rounds: int = 1) -> Any:
    return project.golive("watch", "--rounds", str(rounds), "--every", "1s", *more)


def events_of(project: Any) -> list[str]:
    return [entry.event for entry in Journal(project.root / "reports/journal.jsonl").entries()]


def test_while_all_is_well_nothing_changes(live: Any) -> None:
    """A clear round leaves the marker, ends with 0 and says what the guard says."""
    done = watch(live)
    assert done.status == 0, done.text
    assert "Watching 1 items every 1 s; 1 of them take the marker back" in done.text
    assert "Real orders are PERMITTED" in done.text
    assert live.marker.exists()
    assert "deactivated" not in events_of(live)


def test_a_red_flag_takes_the_marker_back(live: Any) -> None:
    """The round that sees it red removes the marker, journals why, and the same file put back does not revive it."""
    kept = live.marker.read_bytes()
    live.write("loss.json", LOSS.format(700))
    done = watch(live)
    assert done.status == 1
    assert "RED   Item flag-daily-loss  [flag-daily-loss]" in done.text
    assert "fix:   close the positions" in done.text
    assert f"REVOKED {live.marker}" in done.text
    assert not live.marker.exists()
    newest = list(Journal(live.root / "reports/journal.jsonl").entries())[-1]
    assert (newest.event, newest.detail["operator"]) == ("deactivated", "golive watch")
    assert newest.detail["reason"].startswith("flag-daily-loss failed: value.day: wanted at most 500, found 700")
    live.marker.write_bytes(kept)
    live.marker.chmod(0o644)
    assert live.golive("guard").status == 1
    told = json.loads((live.root / "reports/watch.json").read_text())
    assert [each["id"] for each in told["red"]] == ["flag-daily-loss"]


def test_a_red_flag_does_not_wait_for_the_slowest_look(live: Any) -> None:
    """What is red takes the marker back while another item of the round is still being looked at."""
    waits = "until [ ! -e go_live.active ]; do sleep 0.05; done"
    slow = item(
        "slow",
        phase="monitoring",
        probe=f'command: {{run: [sh, -c, "{waits}"]}}',
        expect="expect: {exit: 0}",
        extra="timeout: 30s",
    )
    live.checklist(item("one"), slow, FLAG)
    live.write("loss.json", LOSS.format(700))
    done = watch(live)
    assert "RED   Item flag-daily-loss" in done.text
    assert "Item slow" not in done.text
    assert not live.marker.exists()


def test_blindness_revokes_after_some_rounds(live: Any) -> None:
    """An item that cannot be checked is borne twice; the third round in a row takes the marker back, and the journal has the
    guard's change of mind.
    """
    (live.root / "loss.json").write_text("not json")
    done = watch(live, rounds=2)
    assert "BLIND Item flag-daily-loss" in done.text
    assert live.marker.exists()
    assert watch(live, rounds=3).status == 1
    assert not live.marker.exists()
    revoked, refused = list(Journal(live.root / "reports/journal.jsonl").entries())[-2:]
    assert "could not be checked 3 times in a row" in revoked.detail["reason"]
    assert (refused.event, refused.detail["permitted"]) == ("refusal-changed", False)


def test_a_warning_is_told_and_nothing_more(live: Any) -> None:
    """What is no critical item never revokes."""
    live.checklist(
        item("one"), FLAG, FLAG.replace("flag-daily-loss", "flag-small").replace("critical", "warning").replace("500", "10")
    )
    done = watch(live)
    assert "WARN  Item flag-small" in done.text
    assert live.marker.exists()


def test_the_circuit_breaker_stops_as_well(live: Any) -> None:
    """A failure that stops_on names makes the stop file, which stays when the marker is made anew."""
    live.settings(OPEN + "watch: {stops_on: [flag-*]}\n")
    live.write("loss.json", LOSS.format(700))
    done = watch(live)
    assert "STOPPED because flag-daily-loss failed" in done.text
    assert (live.root / "EMERGENCY_STOP").exists()
    assert not live.marker.exists()
    assert events_of(live)[-2:] == ["stopped", "deactivated"]


def test_a_watch_that_could_revoke_nothing_is_refused(idle: Any) -> None:
    """Patterns that match no critical item are a mistake, not a quiet watch."""
    idle.settings(OPEN + "watch: {items: [no-such-*]}\n")
    done = watch(idle)
    assert done.status == 1
    assert "this watch could revoke nothing" in done.text


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--rounds", "0"), "at least one round"), (("--every", "30"), "is not a duration"), (("--every", "10ms"), "never rests")],
)
def test_words_that_make_no_watch_are_refused(idle: Any, words: tuple[str, ...], told: str) -> None:
    """A rest without a unit, none at all, and no round are told in one line."""
    done = idle.golive("watch", *words)
    assert done.status == 1
    assert told in done.text


def test_an_activation_that_ends_soon_is_announced_once(idle: Any) -> None:
    """Within `announce` of its end it is said and journalled, and not again in the next round or by the next watch."""
    live = idle
    live.settings(OPEN + "watch: {announce: 13h}\n")
    assert live.gate().word == "GO"
    assert watch(live, rounds=2).text.count("EXPIRES at") == 1
    assert "EXPIRES" not in watch(live).text
    assert events_of(live).count("expiring") == 1


@pytest.fixture
def background() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts watches that go on until the end of the test."""
    running: list[subprocess.Popen[str]] = []

    def start(project: Any, out: int = subprocess.PIPE) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pytest_golive.cli", "watch", "--every", "1s", "--rounds", "20"]
        running.append(
            subprocess.Popen(
                command,
                cwd=project.root,
                env=project.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def until(process: subprocess.Popen[str], words: str) -> str:
    """The next line with these words; the lines of a watch end with its rounds."""
    assert process.stdout is not None
    return next(line for line in process.stdout if words in line)


def test_a_watch_follows_settings_and_lists(live: Any, background: Any) -> None:
    """Lines come out at once; another marker and a lower limit count from the next round on, without a new watch."""
    process = background(live)
    until(process, "Real orders are PERMITTED")
    assert process.poll() is None
    other = live.root / "other.active"
    live.settings(OPEN + "activation: {marker: other.active}\n")
    until(process, "golive.yaml or a checklist changed: 1 items are watched now")
    live.marker.rename(other)
    live.checklist(item("one"), FLAG.replace("500", "10"))
    assert str(other) in until(process, "REVOKED")
    assert process.poll() is None
    assert not other.exists()


def test_a_list_that_breaks_under_a_watch_blinds_it(live: Any, background: Any) -> None:
    """A list that cannot be read any more is told, and the third such round takes the marker back."""
    process = background(live)
    until(process, "Real orders are PERMITTED")
    live.write("checklists/main.yaml", "items: [\n")
    until(process, "the round could not be had")
    assert str(live.marker) in until(process, "REVOKED")
    assert not live.marker.exists()


def test_a_watch_outlives_its_terminal(live: Any, background: Any) -> None:
    """Nobody reads any more, and the watch goes on after it had something to tell: the flag that turns red then revokes."""
    process = background(live)
    until(process, "Real orders are PERMITTED")
    process.stdout.close()
    live.write("loss.json", "not json")
    assert soon(lambda: bool(json.loads((live.root / "reports/watch.json").read_text())["red"]))
    live.write("loss.json", LOSS.format(20))
    assert soon(lambda: not json.loads((live.root / "reports/watch.json").read_text())["red"])
    live.write("loss.json", LOSS.format(700))
    assert soon(lambda: not live.marker.exists())


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so within fifteen seconds."""
    end = time.monotonic() + 15
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return is_so()


WATCHED = FLAG.replace("flag-daily-loss", "flag-first-day") + "  window: 24h\n"


def test_a_window_begins_with_the_marker_that_stands(live: Any) -> None:
    """A red flag of the first 24 hours revokes although the journal was lost, or tells of another environment by now."""
    live.checklist(item("one"), WATCHED)
    live.write("loss.json", LOSS.format(700))
    (live.root / "reports/journal.jsonl").unlink()
    done = watch(live)
    assert f"REVOKED {live.marker}" in done.text
    assert not live.marker.exists()


def test_a_journal_that_is_locked_or_altered_hides_no_red_flag(live: Any) -> None:
    """The round that sees it red takes the marker back within seconds, whatever keeps it from being written down."""
    live.write("loss.json", LOSS.format(700))
    journal = live.root / "reports/journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"alice"', b'"mally"'))
    with journal.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = watch(live)
    assert "RED   Item flag-daily-loss" in done.text
    assert "REVOKED, but" in done.text
    assert not live.marker.exists()


def test_a_journal_that_stays_unreadable_is_blindness(live: Any) -> None:
    """Where all looks are green and the journal was altered, the third round in a row takes the marker back."""
    journal = live.root / "reports/journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"alice"', b'"mally"'))
    assert watch(live, rounds=2).status == 1
    assert live.marker.exists()
    done = watch(live, rounds=3)
    assert "was altered" in done.text
    assert not live.marker.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_watch_ends_when_it_is_told_to_and_not_before_it_has_revoked(live: Any, background: Any, number: int) -> None:
    """A signal while the marker is being taken back waits for that; the signal is never lost, and the exit status is 130."""
    live.settings(OPEN + "watch: {stops_on: [flag-*]}\non_stop: {cancel: [./slow.sh]}\n")
    script = live.write("slow.sh", "#!/bin/sh\ntouch begun\nsleep 2\ntouch ended\n")
    script.chmod(0o755)
    live.write("loss.json", LOSS.format(700))
    process = background(live)
    assert soon(lambda: (live.root / "begun").exists())
    process.send_signal(number)
    assert process.wait(15) == 130
    assert (live.root / "ended").exists()
    assert not live.marker.exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("watch: {stops_on: [flag-*, no-such-*]}\n", "no critical item that is watched matches no-such-*"),
        ("stops: []\nwatch: {stops_on: [flag-*]}\n", "no stop file is named"),
    ],
)
def test_a_circuit_breaker_that_could_stop_nothing_is_refused(idle: Any, settings: str, told: str) -> None:
    """A misspelt pattern, or a breaker without a stop file, is a mistake and not a quiet watch."""
    idle.settings(OPEN + settings)
    done = watch(idle)
    assert done.status == 1
    assert told in done.text
