"""`golive waive`, and the runs that read what was signed: a failure is accepted until a day, and nothing else is."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.signing import dsse, waiver
from pytest_golive.signing.roster import parse
from tests.acceptance.conftest import OPEN, item
from tests.signing.people import Hand, hand, person, roster

QUORUM = "[quorum.production]\npersons = 1\nroles = {risk = 1}\n"
BROKEN = {"READY": "no"}
ASKED = item(
    "signed",
    phase="sign-off",
    probe='attestation: {role: risk, look_at: "it was read", valid_for: 30d}',
    expect="expect: {count: {ge: 1}}",
)


@pytest.fixture
def carol(project: Any, tmp_path: Path) -> Hand:
    """Carol of risk may waive; Alice, who runs the gate, and Bob of QA are on the roster too. Item one fails if READY is no."""
    made = {name: hand(tmp_path, name) for name in ("alice", "bob", "carol")}
    project.settings(OPEN.replace("activation_enabled: true", "activation_enabled: false"))
    project.checklist(item("one"), item("other", probe="env: {name: HOME}", expect="expect: {value: {contains: '/'}}"))
    persons = (
        person("alice", ["risk"], made["alice"].line),
        person("bob", ["qa"], made["bob"].line),
        person("carol", ["risk"], made["carol"].line),
    )
    project.write("golive.roster.toml", roster(*persons, more=QUORUM))
    return made["carol"]


def waive(project: Any, key: Hand, *more: str, until: str = "7d", reason: str = "TICKET-42: mended on Monday") -> Any:
    asked = more if more and not more[0].startswith("-") else ("one", *more)
    return project.golive("waive", *asked, "--reason", reason, "--until", until, "--key", str(key.path), "--yes")


def idle(project: Any) -> list[str]:
    return [f"{one['item']}: {one['why']}" for one in json.loads((project.root / "summary.json").read_text())["idle_waivers"]]


def statement(project: Any) -> dict[str, Any]:
    """The signed statement of the newest page."""
    from pytest_golive import report

    page = max(project.reports(), key=lambda path: path.stat().st_mtime_ns)
    body: dict[str, Any] = json.loads(dsse.strict_base64(json.loads(report.extract(page.read_bytes()).envelope)["payload"]))
    return body["predicate"]["golive"]


def forge(project: Any, key: Hand, **changes: Any) -> Path:
    """The waiver in the folder, signed anew by the same person with other words."""
    (path,) = (project.root / "waivers").iterdir()
    roll = parse((project.root / "golive.roster.toml").read_bytes(), "roster")
    from dataclasses import replace

    waived, _ = waiver.open_waiver(path.read_bytes(), roll)
    path.write_text(dsse.sign(waiver.build(replace(waived, **changes)), key.key))
    return path


def test_a_waived_failure_is_told_and_does_not_block(project: Any, carol: Hand) -> None:
    """NO-GO before, GO WITH WARNINGS after; exit status 0; the page, the terminal and the statement name who, why, until when."""
    assert project.gate(env=BROKEN).word == "NO-GO"
    done = waive(project, carol)
    assert done.status == 0, done.text
    for words in (
        "Item one  [one]",
        "it matters",
        "failed, in the report of",
        "wanted",
        "Carol Example (carol), as risk",
        "TICKET-42",
        "production",
    ):
        assert words in done.out, words
    run = project.gate(env=BROKEN)
    assert (run.word, run.status) == ("GO WITH WARNINGS", 0), run.text
    assert "1 waived" in " ".join(run.summary["reasons"])
    assert re.search(r"WAIVED\s+Item one", run.out)
    assert "waived by Carol Example until" in run.out
    told = next(one for one in statement(project)["items"] if one["id"] == "one")
    assert (told["outcome"], told["verdict"]) == ("failed", "waived")
    assert (told["waiver"]["approved_by"], told["waiver"]["role"]) == (["Carol Example"], "risk")
    assert re.fullmatch("[0-9a-f]{64}", told["waiver"]["statement"])
    assert statement(project)["idle_waivers"] == []
    page = next(page for page in project.reports() if page.parent.name.endswith("-go-with-warnings"))
    read = project.golive("verify", str(page)).out
    assert "Waived: Item one  [one] until" in read
    assert f"although {told['reason']}\n" in read


def test_the_waiver_is_one_file_and_one_record(project: Any, carol: Hand) -> None:
    """The envelope is whole and alone in its folder; the journal names item, person, reason, end and digest."""
    assert waive(project, carol).status == 0
    (file,) = (project.root / "waivers").iterdir()
    assert file.name == "one.carol.json"
    entry = json.loads((project.root / "reports" / "journal.jsonl").read_text().splitlines()[-1])
    assert entry["event"] == "waived"
    assert {"item": "one", "person": "carol", "role": "risk", "environment": "production"}.items() <= entry["detail"].items()
    assert entry["detail"]["statement"] == dsse.payload_digest(file.read_bytes())


def test_a_waiver_covers_no_error(project: Any, carol: Hand) -> None:
    """The same item that cannot be checked still says NO-GO, and the waiver is told to waive nothing."""
    assert waive(project, carol).status == 0
    run = _unset(project)
    assert (run.word, run.outcome("one")) == ("NO-GO", "error")
    assert idle(project) == ["one: waives nothing: the item is error, and only a failure can be waived"]


def _unset(project: Any) -> Any:
    environ = {name: value for name, value in project.environ.items() if name != "READY"}
    from dataclasses import replace

    return replace(project, environ=environ).gate()


def test_a_waiver_that_has_expired_excuses_nothing(project: Any, carol: Hand) -> None:
    """At its end the failure blocks again, and the expired waiver is told."""
    assert waive(project, carol).status == 0
    then = datetime.now(UTC).replace(microsecond=0)
    forge(project, carol, signed_at=then - timedelta(days=8), until=then - timedelta(days=1))
    run = project.gate(env=BROKEN)
    assert run.word == "NO-GO"
    assert idle(project)[0].startswith("one: expired at ")
    assert "WAIVER  one (Carol Example): expired" in run.out


def test_an_altered_waiver_is_told_and_waives_nothing(project: Any, carol: Hand) -> None:
    """One changed character of the payload, and the waiver is not believed."""
    assert waive(project, carol).status == 0
    path = project.root / "waivers" / "one.carol.json"
    envelope = json.loads(path.read_text())
    letter = envelope["payload"][80]
    envelope["payload"] = envelope["payload"][:80] + ("A" if letter != "A" else "B") + envelope["payload"][81:]
    path.write_text(json.dumps(envelope))
    run = project.gate(env=BROKEN)
    assert run.word == "NO-GO"
    assert idle(project) == ["one: not believed: its signature does not verify: it was altered after it was signed"]
    assert "WAIVER  one: not believed" in run.out
    assert run.summary["trouble"] == ""
    assert "not believed: its signature does not verify" in project.reports()[-1].read_text()


def test_a_key_that_left_the_roster_waives_nothing(project: Any, carol: Hand) -> None:
    """Taken off the roster, a person's waivers end."""
    assert waive(project, carol).status == 0
    text = (project.root / "golive.roster.toml").read_text()
    alone = hand(project.root.parent, "dave")
    project.write("golive.roster.toml", text.replace(carol.line, alone.line))
    run = project.gate(env=BROKEN)
    assert run.word == "NO-GO"
    assert "is not on the roster" in idle(project)[0]


def test_what_the_item_demands_must_be_what_was_waived(project: Any, carol: Hand) -> None:
    """Another expectation under the same id is not covered."""
    assert waive(project, carol).status == 0
    project.checklist(
        item("one", expect="expect: {value: 'surely'}"),
        item("other", probe="env: {name: HOME}", expect="expect: {value: {ne: x}}"),
    )
    run = project.gate(env=BROKEN)
    assert run.word == "NO-GO"
    assert idle(project) == ["one: not believed: what the item demands has changed since it was signed"]


def test_unused_and_unmatched_waivers_are_told(project: Any, carol: Hand) -> None:
    """A waiver of an item that passes, and one of an item that is gone, change nothing and are named."""
    assert waive(project, carol).status == 0
    run = project.gate()
    assert run.word == "GO"
    assert idle(project) == ["one: unused: the item is passed; take the waiver away"]
    assert statement(project)["idle_waivers"][0]["approved_by"] == ["Carol Example"]
    project.checklist(item("won"))
    assert project.gate().word == "GO"
    assert idle(project) == ["one: unmatched: no list declares this item - did you mean 'won'?"]


def test_who_runs_the_gate_does_not_waive_for_their_own_run(project: Any, carol: Hand) -> None:
    """Alice's waiver counts in another person's run and not in her own."""
    alice = Hand(carol.path.with_name("alice"), carol.key)
    assert waive(project, alice).status == 0
    assert project.gate(env=BROKEN).word == "NO-GO"
    assert "their own run" in idle(project)[0]
    assert project.gate(env={**BROKEN, "GOLIVE_OPERATOR": "dora"}).word == "GO WITH WARNINGS"


def test_renewing_does_not_prolong_beyond_the_cap(project: Any, carol: Hand) -> None:
    """A second waiver by anybody counts from the first: beyond the longest row it is refused, with the last possible end."""
    assert waive(project, carol, until="20d").status == 0
    now = datetime.now(UTC).replace(microsecond=0)
    forge(project, carol, signed_at=now - timedelta(days=15), until=now + timedelta(days=5))
    alice = Hand(carol.path.with_name("alice"), carol.key)
    over = waive(project, alice, until="16d")
    assert over.status == 1
    assert "longer than 30 days" in over.err
    assert f"until {(now + timedelta(days=15)).isoformat()[:13]}" in over.err
    assert waive(project, alice, until="14d").status == 0


def test_a_waiver_of_another_environment_is_not_overwritten(project: Any, carol: Hand) -> None:
    """What a person accepted in production is not lost because they accept the same in staging from the same folder."""
    assert waive(project, carol).status == 0
    before = (project.root / "waivers" / "one.carol.json").read_bytes()
    text = (project.root / "golive.yaml").read_text()
    project.write("staging.yaml", f"environment: staging\nsignoff: {{waiver_roles: [risk]}}\n{text}")
    done = waive(project, carol, "one", "--config", "staging.yaml")
    assert done.status == 1, done.text
    assert "accepted in production, and it would be lost" in done.err
    assert (project.root / "waivers" / "one.carol.json").read_bytes() == before
    project.write("staging.yaml", f"environment: staging\nwaivers: other\nsignoff: {{waiver_roles: [risk]}}\n{text}")
    assert waive(project, carol, "one", "--config", "staging.yaml").status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("on",), "no list declares the item 'on' - did you mean 'one'"),
        (("many",), r"once for each of: many\[a\], many\[b\]"),
        (("signed",), "nobody can waive that somebody else does .golive attest signed"),
        (("back",), "phase rollback, which does not gate"),
        (("one", "--role", "qa"), "may not waive here; who may: risk"),
        (("one", "--key", "nowhere"), "nowhere"),
        (("one", "--until", "31d"), "longer than the 30 days"),
        (("one", "--until", "2027-01-01"), "has no time zone"),
        (("one", "--until", "2020-01-01T00:00:00Z"), "expired"),
        (("one", "--until", "soon"), "neither a length nor a time"),
        (("one", "--reason", " "), "needs a reason"),
        (("one", "--reason", "\x1b[2J"), "no control characters"),
        (("one", "--reason", "x" * 3000), "at most 2000"),
    ],
    ids=str,
)
def test_what_would_not_hold_is_not_written(project: Any, carol: Hand, arguments: tuple[str, ...], words: str) -> None:
    """One clear line, exit status 1, and no file."""
    project.checklist(
        item("one"),
        ASKED,
        item("many", extra="for_each: {x: [a, b]}", probe="env: {name: '${x}'}"),
        item("back", phase="rollback"),
    )
    defaults = {"--reason": "why", "--until": "7d", "--key": str(carol.path)}
    more = [part for name, value in defaults.items() if name not in arguments for part in (name, value)]
    done = project.golive("waive", *arguments, *more, "--yes")
    assert done.status == 1, done.text
    assert re.search(words, done.err), done.err
    assert "Traceback" not in done.text
    assert not (project.root / "waivers").exists()


def test_an_instance_is_waived_by_its_id(project: Any, carol: Hand) -> None:
    """One instance of a for_each is waived, and the others still block."""
    project.checklist(item("many", extra="for_each: {x: [A1, B1]}", probe="env: {name: '${x}'}"))
    assert waive(project, carol, "many[A1]").status == 0
    run = project.gate(env={"A1": "no", "B1": "no"})
    assert run.word == "NO-GO"
    assert [one["verdict"] for one in run.summary["items"]] == ["waived", "blocking"]
    assert project.gate("--html=page.html", env={"A1": "no", "B1": "yes"}).word == "GO WITH WARNINGS"
    assert "waived: failed" in (project.root / "page.html").read_text()


def test_without_a_yes_nothing_is_signed(project: Any, carol: Hand) -> None:
    """Without a terminal and without --yes there is nobody who could have said yes."""
    done = project.golive("waive", "one", "--reason", "why", "--until", "7d", "--key", str(carol.path))
    assert (done.status, "--yes" in done.err) == (1, True)
    assert not (project.root / "waivers").exists()


@pytest.mark.parametrize(("answer", "status"), [("yes", 0), ("y", 1), ("", 1)])
def test_a_person_at_a_terminal_is_asked_once(project: Any, carol: Hand, answer: str, status: int) -> None:
    """Only the whole word signs; anything else leaves nothing behind."""
    ours, theirs = os.openpty()
    words = ["waive", "one", "--reason", "why", "--until", "7d", "--key", str(carol.path)]
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "pytest_golive.cli", *words],
            cwd=project.root, env=project.environ, stdin=theirs, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == status, done.stderr
    assert "and answer for it?" in done.stdout
    assert (project.root / "waivers").exists() is (status == 0)


def test_without_a_quorum_nobody_may_waive(project: Any, carol: Hand) -> None:
    """A roster that names no quorum lets nobody waive, unless the settings name roles; a stranger never may."""
    text = (project.root / "golive.roster.toml").read_text().replace(QUORUM, "")
    project.write("golive.roster.toml", text)
    assert "nobody may waive here" in waive(project, carol).err
    project.settings("signoff: {waiver_roles: [qa]}\n")
    assert "you hold none of the roles that may waive: qa" in waive(project, carol).err
    assert waive(project, Hand(carol.path.with_name("bob"), carol.key)).status == 0
    assert project.gate(env=BROKEN).word == "GO WITH WARNINGS"
    assert "is not on the roster" in waive(project, hand(project.root.parent, "eve")).err


def test_what_rests_on_a_waived_item_stays_blocked(project: Any, carol: Hand) -> None:
    """A waiver makes nothing pass: the item that requires it is blocked, the run says NO-GO, and the command says so before."""
    project.checklist(item("one"), item("later", extra="requires: [one]"))
    done = waive(project, carol)
    assert "these rest on it and stay as they are: later" in done.out
    run = project.gate(env=BROKEN)
    assert (run.word, run.outcome("later")) == ("NO-GO", "blocked")


def test_a_secret_in_a_reason_is_signed_by_nobody(project: Any, carol: Hand) -> None:
    """What is secret in this environment is taken out of the reason before it is shown and signed."""
    secret = "hunter2-correct-horse"
    done = project.golive(
        "waive",
        "one",
        "--reason",
        f"use {secret}",
        "--until",
        "7d",
        "--key",
        str(carol.path),
        "--yes",
        env={"API_SECRET": secret},
    )
    assert done.status == 0, done.text
    assert secret not in done.text
    assert secret.encode() not in dsse.strict_base64(
        json.loads((project.root / "waivers" / "one.carol.json").read_text())["payload"]
    )


def test_the_workers_of_xdist_tell_a_waived_item_alike(project: Any, carol: Hand) -> None:
    """With two workers the decision and the exit status are those of one process."""
    pytest.importorskip("xdist")
    assert waive(project, carol).status == 0
    run = project.gate("-n", "2", env=BROKEN)
    assert (run.word, run.status) == ("GO WITH WARNINGS", 0), run.text


def test_a_page_does_not_activate_without_the_waivers_it_rests_on(project: Any, carol: Hand) -> None:
    """A waiver that was taken away since the run denies the activation, and the journal says so; with it, the quorum is next."""
    project.settings(OPEN)
    assert waive(project, carol).status == 0
    assert project.gate("--golive-no-marker", env=BROKEN).word == "GO WITH WARNINGS"
    page = str(project.reports()[-1])
    assert "quorum" in project.golive("activate", page, "--yes", env=BROKEN).text
    (project.root / "waivers" / "one.carol.json").unlink()
    done = project.golive("activate", page, "--yes", env=BROKEN)
    assert done.status == 1
    assert "rested on a waiver that does not hold now: one: it is gone" in done.text
    entry = json.loads((project.root / "reports" / "journal.jsonl").read_text().splitlines()[-1])
    assert (entry["event"], entry["detail"]["check"]) == ("activation-denied", "waivers")


def test_status_tells_the_waivers(project: Any, carol: Hand) -> None:
    """What lies in the folder is told with who, until when and why, without a run."""
    assert waive(project, carol).status == 0
    out = project.golive("status").out
    assert re.search(r"Waiver: one, until .* by Carol Example: TICKET-42", out), out
    (project.root / "waivers" / "two.json").write_text("{}")
    assert re.search(r"Waiver: two: not believed", project.golive("status").out)


def test_the_next_report_says_what_changed(project: Any, carol: Hand) -> None:
    """The second run is compared with the first: since when, what is fixed, and one line on the terminal; a lost page is said."""
    first = project.gate(env=BROKEN).summary
    assert (first["previous"], first["changes"]) == (None, None)
    second = project.gate(env=BROKEN)
    assert second.summary["changes"]["still_failing"][0]["since"] == first["at"]
    assert "Since the last report (NO-GO, " in second.out
    third = project.gate()
    assert [one["id"] for one in third.summary["changes"]["fixed"]] == ["one"]
    assert "0 new failures, 1 fixed, 0 still failing" in third.out
    for page in project.reports():
        page.unlink()
    fourth = project.gate()
    assert fourth.summary["changes"] is None
    assert "is gone" in fourth.summary["previous"]["lost"]
    assert "Not compared with the last report (GO, " in fourth.out


def test_pytest_html_shows_a_waived_failure_as_waived(project: Any, carol: Hand) -> None:
    """In the page of pytest-html a waived failure is an expected one that says so, with what to do still beside it."""
    pytest.importorskip("pytest_html")
    waive(project, carol)
    assert project.gate("--html=plain.html", env=BROKEN).word == "GO WITH WARNINGS"
    text = html.unescape((project.root / "plain.html").read_text(encoding="utf-8"))
    cells = text[text.index("main.yaml::one") :]
    assert cells.index("waived: failed") < cells.index("set READY=yes") < cells.index("main.yaml::other")
    assert "XFailed" in text
    assert "blocking" not in text
