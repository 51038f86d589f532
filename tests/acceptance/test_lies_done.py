"""How targets lie by what they do, and what the kinds make of it: rules 6 to 14 of what a gate must do.

In each test the same item is put to a target that lies, where it must not pass, and to one that tells the truth, where it must.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_golive.errors import ChecklistError
from pytest_golive.signing import attestation, dsse
from tests.acceptance.lying import ERROR, FAILED, NOT_RUN, NOW, PASSED, Bench, Liar, at
from tests.signing.people import hand, person, roster

Serve = Callable[..., Liar]
CHECKLISTS = Path(__file__).parents[2] / "checklists"


def gone(pid: int) -> bool:
    """Whether the process has ended; the kernel is given ten seconds to say so."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


# Rule 6: a check that changes the world

DRILL = """\
import time
def hold(context):
    stop = context.root / "STOP"
    stop.write_text("drill")
    try:
        (context.root / "started").touch()
        time.sleep({seconds})
        return {{"stopped": stop.exists()}}
    finally:
        stop.unlink()
"""


def test_a_check_that_acts_does_nothing_where_it_may_not(bench: Bench) -> None:
    """Against a target that allows no acting the item was not run, which is no pass, and nothing was touched."""
    bench.write("checklists/drill.py", DRILL.format(seconds=0))
    probe = {"python": {"call": "drill:hold"}, "acts": True}
    found = bench.finding(probe, {"stopped": True})
    assert found.outcome == NOT_RUN
    assert "allow_acting" in found.reason
    assert not (bench.root / "started").exists()
    bench.allow_acting = True
    assert bench.outcome(probe, {"stopped": True}) == PASSED
    assert not (bench.root / "STOP").exists()


def test_a_drill_is_undone_when_the_gate_is_interrupted(project: Any, make_item: Callable[..., str]) -> None:
    """Ctrl-C in the middle of a drill: what it changed is put back, and the run decides nothing."""
    project.settings("activation_enabled: true\ntarget: {allow_acting: true}\n")
    project.write("checklists/drill.py", DRILL.format(seconds=60))
    acting = make_item(
        "drill", probe="python: {call: 'drill:hold'}\n  acts: true\n  timeout: 90s", expect="expect: {stopped: true}"
    )
    project.checklist(make_item("one"), acting)
    run = project.interrupted_gate(project.root / "started")
    assert (run.status, project.marker.exists()) == (2, False)
    assert "INCOMPLETE" in run.out
    assert not (project.root / "STOP").exists()


def test_a_drill_is_undone_at_its_deadline(bench: Bench) -> None:
    """A drill that takes too long is an error, and what it changed is put back."""
    bench.allow_acting = True
    bench.write("checklists/drill.py", DRILL.format(seconds=60))
    found = bench.finding({"python": {"call": "drill:hold"}, "acts": True}, {"stopped": True}, timeout="700ms")
    assert found.outcome == ERROR
    assert "timed out" in found.reason
    assert not (bench.root / "STOP").exists()


def test_somebody_elses_stop_is_left_alone(bench: Bench) -> None:
    """The drill of the stop file neither removes nor overwrites a stop that it did not set, and proves nothing then."""
    bench.allow_acting = True
    stop = bench.write("EMERGENCY_STOP", "set by the operator")
    arguments = {"api": "http://127.0.0.1:1", "home": str(bench.root), "exchanges": {}}
    probe = {"python": {"call": "behaviours.stops:stop_file", "args": arguments, "path": str(CHECKLISTS)}, "acts": True}
    expect = {"before.stop_present": False, "stopped.state": "skipped", "after.stop_present": False}
    assert bench.outcome(probe, expect) == ERROR
    assert stop.read_text() == "set by the operator"


# Rule 7: absolute paths


def test_a_stop_file_is_looked_for_in_one_place_and_that_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop written relative to a working directory is not where the service reads; the path looked at is told whole."""
    elsewhere = bench.root / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    program = bench.script("stop.sh", "touch EMERGENCY_STOP; echo stopped")
    assert bench.outcome({"command": {"run": [program], "cwd": "elsewhere"}}, {"exit": 0, "stdout": "stopped\n"}) == PASSED
    found = bench.finding({"file": {"path": "EMERGENCY_STOP"}}, {"exists": True})
    assert found.outcome == FAILED
    assert found.evidence is not None
    assert found.evidence.facts["path"] == str(bench.root / "EMERGENCY_STOP")
    assert bench.outcome({"command": {"run": [program]}}, {"exit": 0}) == PASSED
    assert bench.outcome({"file": {"path": "EMERGENCY_STOP"}}, {"exists": True}) == PASSED


def test_a_delete_that_succeeds_while_the_file_stays_is_seen(bench: Bench, serve: Serve) -> None:
    """Deleted by the answer, and still there by the file: the two do not agree."""
    bench.write("EMERGENCY_STOP", "")
    server = serve(lambda *_: (200, {"deleted": True, "stop": "inactive"}))
    sources = {
        "service": {"http": {"url": server.url}, "value": "body.stop"},
        "file": {"file": {"path": "EMERGENCY_STOP"}, "value": "exists", "map": {"true": "active", "false": "inactive"}},
    }
    agree = {"agree": {"sources": sources}}
    assert bench.outcome(agree, {"distinct": 1, "values.file": "inactive"}) == FAILED
    (bench.root / "EMERGENCY_STOP").unlink()
    assert bench.outcome(agree, {"distinct": 1, "values.file": "inactive"}) == PASSED


# Rule 8: ledgers, and paper told as live

HEAD = "id,at,symbol,side,quantity,price,fee,order,mode,state"
GOOD = [
    f"1,{at(hours=3)},BTCUSDT,buy,0.5,60000,30,OAX7-1,live,filled",
    f"2,{at(hours=2)},BTCUSDT,sell,0.5,61000,30,OAX7-2,live,filled",
    f"3,{at(hours=1)},BTCUSDT,buy,0.1,61000,0,OAX7-3,live,rejected",
]
SOUND = {
    "count": {"ge": 2},
    "flaws": {"len": 0},
    "duplicates": {"len": 0},
    "unmatched": {"len": 0},
    "paper_ids": {"len": 0},
    "fees": {"gt": 0},
    "fill_rate": {"gt": "0.5", "lt": 1},
}


@pytest.mark.parametrize(
    ("row", "line", "outcome"),
    [
        (1, GOOD[1], PASSED),
        (1, GOOD[1].replace("OAX7-2", "OAX7-1"), FAILED),
        (1, GOOD[1].replace("2,2026", "1,2026"), FAILED),
        (1, GOOD[1].replace(",0.5,", ",-0.5,"), FAILED),
        (1, GOOD[1].replace(",0.5,", ",0,"), FAILED),
        (1, GOOD[1].replace(",0.5,", ",,"), FAILED),
        (1, GOOD[1].replace(",61000,", ",null,"), FAILED),
        (1, GOOD[1].replace(",30,", ",,"), FAILED),
        (1, GOOD[1].replace(at(hours=2), at(hours=-1)), FAILED),
        (1, GOOD[1].replace(",0.5,", ",0.6,"), FAILED),
        (1, GOOD[1].replace("OAX7-2", "paper_17"), FAILED),
        (1, GOOD[1].replace("OAX7-2", "SIM-17"), FAILED),
        (2, GOOD[2].replace("rejected", "filled"), FAILED),
        (2, GOOD[2].replace(",live,rejected", ""), ERROR),
    ],
)
def test_a_ledger_is_sound_row_by_row(bench: Bench, row: int, line: str, outcome: str) -> None:
    """Ids that repeat, signs, zeros, nulls, times ahead, missing fees, paper ids and a perfect fill rate do not pass."""
    rows = [line if number == row else good for number, good in enumerate(GOOD)]
    bench.write("trades.csv", "\n".join([HEAD, *rows, ""]))
    columns = {name: name for name in ("id", "at", "symbol", "side", "quantity", "price", "fee", "mode", "state")}
    found = bench.finding({"ledger": {"csv": "trades.csv", "columns": {**columns, "order_id": "order"}}}, SOUND)
    assert found.outcome == outcome or (outcome == FAILED and found.outcome == ERROR and _unmet(found))


def _unmet(found: Any) -> bool:
    """Whether a check was seen to fail, beside figures that a flawed ledger does not tell."""
    return any(check.met is False for check in found.checks)


def test_an_empty_ledger_is_never_sound(bench: Bench) -> None:
    """Of a ledger without rows nothing is sound, whatever is asked."""
    bench.write("trades.csv", HEAD + "\n")
    columns = {name: name for name in ("id", "at", "symbol", "side", "quantity", "price", "fee", "mode", "state")}
    for path, wanted in SOUND.items():
        if path in ("flaws", "duplicates", "unmatched", "paper_ids"):
            continue  # none of nothing: that is why the count stands beside them
        assert bench.outcome({"ledger": {"csv": "trades.csv", "columns": columns}}, {path: wanted}) != PASSED, path
    assert (
        bench.outcome({"ledger": {"csv": "trades.csv", "columns": columns}}, {"flaws": {"len": 0}, "count": {"ge": 2}}) == FAILED
    )


# Credentials: a key that anybody could have, and one that may do too much


def venue(checks: bool, permissions: list[str]) -> Callable[[str, str, Mapping[str, str]], tuple[int, Any]]:
    """VALR's answer about a key, by a server that checks the signature or takes any."""

    def answer(method: str, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        text = f"{headers['X-VALR-TIMESTAMP']}{method}{path}"
        right = hmac.new(b"s" * 64, text.encode(), hashlib.sha512).hexdigest()
        if checks and headers["X-VALR-SIGNATURE"] != right:
            return 401, {"code": -11, "message": "API key or secret is invalid"}
        return 200, {"label": "bot", "permissions": permissions, "allowedIpAddressCidr": "10.0.0.1/32"}

    return answer


@pytest.mark.parametrize(
    ("checks", "permissions", "outcome"),
    [
        (True, ["View access", "Trade"], PASSED),
        (False, ["View access", "Trade"], FAILED),
        (True, ["View access", "Trade", "Withdraw"], FAILED),
        (True, ["View access", "Trade", "Transfer to anybody"], ERROR),
        (True, ["View access"], FAILED),
        (True, [], FAILED),
    ],
)
def test_a_key_is_judged_by_what_the_exchange_lets_it_do(
    bench: Bench, serve: Serve, checks: bool, permissions: list[str], outcome: str
) -> None:
    """A key that passes whatever its secret is, that may withdraw, or may something unknown, is not accepted."""
    server = serve(venue(checks, permissions))
    bench.environ |= {"VALR_KEY": "k" * 64, "VALR_SECRET": "s" * 64}
    probe = {"venue": "valr", "url": server.url, "ask": "permissions", "key_env": "VALR_KEY", "secret_env": "VALR_SECRET"}
    expect = {"can_read": True, "can_trade": True, "can_withdraw": False, "wrong_secret_refused": True}
    assert bench.outcome({"exchange": {**probe, "try_wrong_secret": True}}, expect) == outcome


def test_a_confirmation_that_every_clone_has_confirms_nothing(bench: Bench) -> None:
    """A confirmation file that is tracked in git is told as not ignored: every clone of it is confirmed."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=bench.root, env=env, check=True)

    bench.write(".gitignore", "LIVE_CONFIRMED\n")
    git("init", "-q")
    git("add", ".gitignore")
    git("commit", "-qm", "begin")
    bench.write("LIVE_CONFIRMED", "yes")
    probe = {"git": {"path": ".", "ignored": ["LIVE_CONFIRMED"]}}
    assert bench.outcome(probe, {"not_ignored": {"len": 0}}) == PASSED
    git("add", "-f", "LIVE_CONFIRMED")
    git("commit", "-qm", "confirm for everybody")
    assert bench.outcome(probe, {"not_ignored": {"len": 0}}) == FAILED


# Rule 10: bounded in time, no input, and the whole group ended


def test_a_process_that_lives_is_not_a_service_that_answers(bench: Bench) -> None:
    """The process runs by its pid file, and its port is closed: the second is what is asked."""
    bench.write("bot.pid", str(os.getpid()))
    assert bench.outcome({"env": {"name": "PATH", "pid_file": "bot.pid"}}, {"set": True}) == PASSED
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert bench.outcome({"tcp": {"host": "127.0.0.1", "port": port}}, {"connected": True}) == PASSED
    assert bench.outcome({"tcp": {"host": "127.0.0.1", "port": port}}, {"connected": True}) == FAILED
    assert bench.outcome({"http": {"url": f"http://127.0.0.1:{port}"}}, {"status": 200}) == ERROR


def test_everything_hangs_behind_one_blocked_call(bench: Bench) -> None:
    """A service that takes connections and answers none is an error of each item, the emergency stop's too, in bounded time."""
    with socket.create_server(("127.0.0.1", 0)) as blocked:
        url = f"http://127.0.0.1:{blocked.getsockname()[1]}"
        paths = ("health", "mode", "emergency-stop", "metrics")
        found = bench.findings(
            *({"http": {"url": f"{url}/{path}"}, "expect": {"status": 200}, "timeout": "300ms"} for path in paths)
        )
    assert [one.outcome for one in found] == [ERROR] * 4
    assert all("timed out" in one.reason for one in found)


def test_a_program_that_asks_gets_no_answer_and_leaves_nobody_behind(bench: Bench) -> None:
    """Standard input is closed, and at the deadline the program and what it started are gone."""
    asking = bench.script("asks.sh", "read -r answer && echo confirmed\necho asked")
    assert bench.outcome({"command": {"run": [asking]}}, {"stdout": "asked\n"}) == PASSED
    hangs = bench.script("hangs.sh", "trap '' TERM\nsleep 600 &\necho $! > child\nwait")
    found = bench.finding({"command": {"run": [hangs]}}, {"exit": 0}, timeout="400ms")
    assert found.outcome == ERROR
    assert "timed out" in found.reason
    assert gone(int((bench.root / "child").read_text()))


# Rule 11: the target is never imported

TRAP = "import os\nopen(os.environ.get('TRAP', {trap!r}), 'a').write(__name__ + '\\n')\n"
NAMES = ("sitecustomize", "usercustomize", "main", "yaml", "requests", "json")


def test_no_probe_imports_the_target(bench: Bench) -> None:
    """A target whose modules act when they are imported, on PYTHONPATH and in the root, is imported by no kind."""
    trap = bench.root / "trapped"
    for name in NAMES:
        bench.write(f"{name}.py", TRAP.format(trap=str(trap)))
    bench.environ |= {"PYTHONPATH": str(bench.root), "HOME": str(bench.root)}
    bench.write("checklists/honest.py", "import json, requests\ndef look(): return {'n': 1}")
    suite = {"run": ["suite"], "cwd": "suites", "env": {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}}
    bench.write("suites/pytest.ini", "[pytest]\n")
    bench.write("suites/suite/test_it.py", "def test_a(): pass\n")
    found = bench.findings(
        {"python": {"call": "honest:look"}, "expect": {"n": 1}},
        {"command": {"run": [sys.executable, "-c", "print(1)"]}, "expect": {"stdout": "1\n"}},
        {"pytest": suite, "expect": {"passed": 1}, "timeout": "60s"},
        {"tool": {"package": "pytest"}, "expect": {"installed": True}},
    )
    assert [one.outcome for one in found] == [PASSED] * 4, [one.reason for one in found]
    assert not trap.exists()


def test_a_whole_run_in_the_targets_folder_imports_none_of_it(project: Any) -> None:
    """The gate that is run where the target lies takes no module of it for one of its own."""
    trap = project.root / "trapped"
    for name in NAMES:
        project.write(f"{name}.py", TRAP.format(trap=str(trap)))
    program = Path(sys.executable).with_name("pytest")
    done = subprocess.run(
        [str(program), "-p", "no:cacheprovider", "--golive"],
        cwd=project.root,
        env=project.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert not trap.exists()


# Rule 12: secrets in what the target writes itself


def test_a_secret_in_the_targets_own_log_goes_nowhere(project: Any, make_item: Callable[..., str]) -> None:
    """Whole, six characters of either end, encoded, in an address, and under a name: nothing of it is in any output."""
    canary = f"{secrets.token_hex(4)}x{secrets.token_hex(16)}y{secrets.token_hex(4)}"
    unknown = secrets.token_hex(20)
    encoded = base64.b64encode(canary.encode()).decode()
    project.write(
        "bot.log",
        f"2026-11-21T10:00:00Z ERROR key {canary} refused\n"
        f"2026-11-21T10:00:01Z ERROR key {canary[:6]}… refused, ends in …{canary[-6:]}\n"
        f"2026-11-21T10:00:02Z ERROR GET https://exchange.example/api?symbol=X&signature={unknown}&timestamp=1\n"
        f"2026-11-21T10:00:03Z ERROR Authorization: Basic {encoded}\n",
    )
    looks = {"refused": "key", "ends": "ends in", "get": "GET", "auth": "Authorization"}
    project.checklist(
        make_item("log", probe=f"log: {{path: bot.log, matches: {json.dumps(looks)}}}", expect="expect: {last.refused: none}"),
        make_item("file", probe="file: {path: bot.log, format: text}", expect="expect: {text: none}"),
        make_item("command", probe="command: {run: [cat, bot.log], as: lines}", expect="expect: {output: []}"),
    )
    run = project.gate("-vv", "--junitxml=junit.xml", env={"EXCHANGE_API_SECRET": canary})
    assert run.word == "NO-GO"
    files = [path for path in project.root.rglob("*") if path.suffix in (".xml", ".json", ".jsonl", ".html")]
    outputs = {str(path): path.read_text(encoding="utf-8") for path in files} | {"terminal": run.text}
    page = next(text for name, text in outputs.items() if name.endswith("report.html"))
    line = page.split('id="golive-evidence">')[1].split("</script>")[0]
    outputs["statement"] = base64.b64decode(json.loads(line)["payload"]).decode()
    assert "refused, ends in" in outputs["statement"]
    for name, text in outputs.items():
        for leak in (canary[:6], canary[-6:], unknown[:8], encoded[:12]):
            assert leak not in text, (name, leak)


# Rule 13: what only people can say


def test_the_word_pass_in_a_file_is_no_evidence(bench: Bench) -> None:
    """A file that says PASS is not a signature: nobody has signed. Only a dated statement of a person on the roster counts."""
    bench.write("SIGNOFF.md", "Operations: PASS\nSigned: Alice Example\n")
    alice = hand(bench.root, "alice.key")
    bench.write("golive.roster.toml", roster(person("alice", ["operations"], alice.line)))
    (bench.root / "attestations").mkdir()
    fields = {"role": "operations", "look_at": "the plan was walked through", "subjects": ["SIGNOFF.md"], "valid_for": "30d"}
    probe, expect = {"attestation": fields}, {"count": {"ge": 1}, "changed": []}
    found = bench.finding(probe, {"count": {"ge": 1}})
    assert (found.outcome, found.evidence and found.evidence.facts["count"]) == (FAILED, 0)
    assert bench.outcome(probe, expect) == ERROR
    for lie in ("PASS", '{"count": 1, "person": "alice", "role": "operations"}'):
        statement = bench.write("attestations/lie-0.json", lie)
        assert bench.outcome(probe, expect) == ERROR, lie
    signed = attestation.Attested(
        item="lie-0",
        environment="production",
        look_at=fields["look_at"],
        role="operations",
        person="alice",
        signed_at=NOW - timedelta(hours=1),
        expires=NOW + timedelta(days=7),
        subjects={"SIGNOFF.md": {"sha256": hashlib.sha256((bench.root / "SIGNOFF.md").read_bytes()).hexdigest()}},
    )
    statement.write_text(dsse.sign(attestation.build(signed), alice.key))
    assert bench.outcome(probe, expect) == PASSED
    bench.write("SIGNOFF.md", "Operations: PASS\nand one line more\n")
    assert bench.outcome(probe, expect) == FAILED


# Rule 14: a list in half an hour, without Python


def test_slips_of_a_list_are_told_all_at_once_where_they_stand(bench: Bench) -> None:
    """Somebody who knows only the target's documents is told each slip with its line and the word that was meant."""
    good = {"http": {"url": "http://127.0.0.1/health"}, "expect": {"status": 200}}
    slips = [
        {**good, "severity": "criticl"},
        {"htpp": good["http"], "expect": good["expect"]},
        {"http": good["http"], "expect": {"status": {"equals": 200}}},
        {"http": {"adress": "x"}, "expect": {}},
    ]
    with pytest.raises(ChecklistError) as caught:
        bench.items(*slips)
    told = str(caught.value)
    for word in ("'critical' or 'warning'", "htpp", "equals", "adress", "expect"):
        assert word in told
    assert len(caught.value.faults) >= len(slips)
    assert all(fault.line >= 1 and fault.column >= 1 for fault in caught.value.faults)
    assert len(bench.items(good)) == 1
