"""The process: it starts, ends in every way it may have to, and gives everything back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from examples.desk import home as homes
from examples.desk.errors import DeskError
from examples.desk.launch import home_of, launch
from examples.desk.settings import ROOT, load, read_dotenv
from examples.desk.tour import tour


def _listens(address: str) -> bool:
    host, _, port = (urlsplit(address).netloc or address).rpartition(":")
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, int(port))) == 0


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_new_desk_is_ready_and_healthy(shared: Any) -> None:
    """launch() returns a desk that answers, is healthy, and has traded on the testnet."""
    assert shared.get("/health")["state"] == "healthy"
    assert shared.get("/threads")["alive"] == 5
    closed = [trade for trade in shared.get("/trades")["trades"] if trade["environment"] == "testnet"]
    assert len(closed) >= 4
    assert len({trade["exit_order_id"] for trade in closed}) == len(closed)
    assert int((shared.desk.home / "desk.pid").read_text()) == shared.desk.pid


def test_a_stopped_desk_gives_back_its_ports_and_files(start: Any) -> None:
    """After stop() nothing listens any more, no process is left, and a new desk can begin on the same home folder."""
    desk = start().desk
    assert all(_listens(address) for address in desk.urls.values())
    desk.stop()
    assert not any(_listens(address) for address in desk.urls.values())
    assert not (desk.home / "desk.pid").exists()
    assert desk.process.returncode == 0
    desk.stop()
    assert start().get("/health")["state"] == "healthy"


def test_a_killed_desk_takes_its_exchanges_along(start: Any, eventually: Any) -> None:
    """When the desk is killed outright, the process of the exchanges ends by itself."""
    desk = start().desk
    desk.process.kill()
    desk.process.wait()
    eventually(lambda: not any(_listens(address) for address in desk.urls.values()))


def test_a_desk_ends_when_the_one_that_started_it_is_gone(tmp_path: Path, eventually: Any) -> None:
    """A caller that is killed without a word leaves no desk behind."""
    code = (
        "import sys, pathlib, time; from examples.desk.launch import launch\n"
        "desk = launch(pathlib.Path(sys.argv[1])); print(desk.pid, desk.urls['api'], flush=True); time.sleep(600)"
    )
    caller = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "home")], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert caller.stdout is not None
        pid, url = caller.stdout.readline().split()
        assert _runs(int(pid))
    finally:
        caller.kill()
        caller.communicate()
    eventually(lambda: not _runs(int(pid)) and not _listens(url))


def test_an_interrupt_of_the_caller_does_not_reach_the_desk(start: Any) -> None:
    """The desk has a session of its own, so that Ctrl-C ends the caller first, and the caller the desk."""
    desk = start()
    assert os.getsid(desk.desk.pid) == desk.desk.pid != os.getsid(0)


def test_a_desk_ends_at_the_signals_that_it_is_told(start: Any, tmp_path: Path) -> None:
    """SIGTERM ends a desk, and means nothing to one whose DESK_ENDS_AT leaves it out."""

    def ignores(pid: int) -> bool:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        (mask,) = [line.split()[1] for line in lines if line.startswith("SigIgn:")]
        return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)

    homes.prepare(tmp_path / "deaf")
    with (tmp_path / "deaf" / ".env").open("a") as dotenv:
        dotenv.write("DESK_ENDS_AT=INT\n")
    assert ignores(start(home=tmp_path / "deaf").desk.pid)
    assert not ignores(start().desk.pid)


def test_looking_around_ends_with_an_interrupt(tmp_path: Path, eventually: Any) -> None:
    """`python -m examples.desk` prints where everything is, and Ctrl-C stops it cleanly."""
    looking = subprocess.Popen(
        [sys.executable, "-m", "examples.desk", "--home", str(tmp_path / "home")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert looking.stdout is not None
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = looking.stdout.readline()
            assert line, "it ended before it was ready"
            lines.append(line)
        api = next(line.split()[-1] for line in lines if line.strip().startswith("api "))
        assert _listens(api)
        looking.send_signal(signal.SIGINT)
        output, errors = looking.communicate(timeout=20)
    finally:
        looking.kill()
        looking.wait()
    assert (looking.returncode, errors) == (0, "")
    assert "stopped" in output
    assert not _listens(api)


def test_a_desk_that_is_not_ready_in_time_is_told_and_taken_away(tmp_path: Path, start: Any) -> None:
    """A desk that does not answer before the deadline is an error, and the home folder is free again."""
    with pytest.raises(DeskError, match="was not ready after"):
        launch(tmp_path / "home", {"PATH": os.environ["PATH"]}, deadline=0.0)
    assert start().get("/health")["state"] == "healthy"


def test_one_home_has_one_desk(start: Any) -> None:
    """A second desk on the same home folder is refused with the first one's pid, and leaves it alone."""
    first = start()
    with pytest.raises(DeskError, match=f"another desk runs on .*pid {first.desk.pid}"):
        start()
    assert first.get("/health")["state"] == "healthy"


def test_a_home_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    """A path below a file is no home folder, and the error says what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(DeskError, match="cannot be used") as error:
        launch(tmp_path / "file" / "home", {"PATH": os.environ["PATH"]})
    assert error.value.hint


def test_a_setting_that_cannot_be_meant_is_told_in_one_line(start: Any) -> None:
    """A buffer of 20 instead of 0.20 does not start a desk."""
    with pytest.raises(DeskError, match=r"DESK_CAPITAL_BUFFER=20 is not between"):
        start(environ={"DESK_CAPITAL_BUFFER": "20"})


def test_a_variable_that_stands_twice_in_dotenv_is_refused(tmp_path: Path) -> None:
    """No line of a .env silently wins over another, and no comment becomes part of a value."""
    for text in ("DRY_RUN_MODE=false\nDRY_RUN_MODE=true\n", "DRY_RUN_MODE=false # off\n"):
        (tmp_path / ".env").write_text(text)
        with pytest.raises(DeskError):
            read_dotenv(tmp_path / ".env")


def test_dotenv_of_the_home_counts_and_the_environment_goes_before_it(start: Any) -> None:
    """The switch in .env makes the mode; a variable of the caller overrules it."""
    desk = start()
    desk.desk.stop()
    dotenv = desk.desk.home / ".env"
    dotenv.write_text(dotenv.read_text().replace("DRY_RUN_MODE=false", "DRY_RUN_MODE=true"))
    again = start()
    assert again.get("/mode")["mode"] == "DRY_RUN"
    again.desk.stop()
    assert start(environ={"DRY_RUN_MODE": "false"}).get("/mode")["mode"] == "LIVE"


def test_a_desk_without_switches_trades_with_nothing_real(tmp_path: Path) -> None:
    """Where no switch is set at all, the mode is DRY_RUN."""
    assert load(tmp_path, {}).mode == "DRY_RUN"


def test_real_credentials_of_the_user_never_reach_the_demo(start: Any) -> None:
    """A broker's key in the caller's environment is not handed on; the demo makes up its own, anew for each start."""
    desk = start(environ={"KRAKEN_API_KEY": "a-real-key-of-a-real-person", "OTHER_TOKEN": "secret"})
    environ = Path(f"/proc/{desk.desk.pid}/environ").read_bytes()
    assert b"a-real-key" not in environ
    assert b"OTHER_TOKEN" not in environ
    made_up = desk.desk.secrets["KRAKEN_API_KEY"]
    assert made_up.encode() in environ
    desk.desk.stop()
    assert start().desk.secrets["KRAKEN_API_KEY"] != made_up


def test_the_home_is_a_repository_whose_settings_are_off_at_head(tmp_path: Path) -> None:
    """Committed is activation_enabled: false; the working copy differs from that in this one line."""
    assert homes.prepare(tmp_path / "home") == ()
    shown = subprocess.run(
        ["git", "-C", str(tmp_path / "home"), "show", "HEAD:golive.yaml"], capture_output=True, text=True, check=True
    ).stdout
    working = (tmp_path / "home" / "golive.yaml").read_text()
    assert "activation_enabled: false" in shown
    assert working == shown.replace("activation_enabled: false", "activation_enabled: true")


def test_without_git_the_desk_says_so_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git gets a home without history, and a note about it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (note,) = homes.prepare(tmp_path / "home")
    assert "git is not installed" in note
    assert (tmp_path / "home" / "golive.yaml").exists()


def test_what_the_operator_edited_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New shipped settings replace old shipped ones, and never an edited file."""
    source = tmp_path / "shipped"
    source.mkdir()
    for name in ("golive.yaml", "desk.env"):
        (source / name).write_text((ROOT / "examples" / "desk" / name).read_text())
    monkeypatch.setattr(homes, "_HERE", source)
    home = tmp_path / "home"
    homes.prepare(home)
    (source / "golive.yaml").write_text((source / "golive.yaml").read_text() + "# newer\n")
    homes.prepare(home)
    assert (home / "golive.yaml").read_text().endswith("# newer\n")
    (home / "golive.yaml").write_text((home / "golive.yaml").read_text() + "# by hand\n")
    (source / "golive.yaml").write_text((source / "golive.yaml").read_text() + "# newest\n")
    (note,) = homes.prepare(home)
    assert "was edited and stays" in note
    assert (home / "golive.yaml").read_text().endswith("# by hand\n")


def test_the_home_folder_is_named_by_argument_or_variable_or_default(tmp_path: Path) -> None:
    """The argument goes before GOLIVE_DESK_HOME, and that before reports/desk of the checkout."""
    assert home_of({"GOLIVE_DESK_HOME": "/elsewhere"}, tmp_path) == tmp_path
    assert home_of({"GOLIVE_DESK_HOME": "/elsewhere"}) == Path("/elsewhere")
    assert home_of({}) == ROOT / "reports" / "desk"


def test_the_tour_walks_the_whole_way(start: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With a marker the tour ends well: one order accepted, two refused, and the log line shown."""
    desk = start()
    desk.activate()
    desk.desk.stop()
    assert tour(desk.desk.home, {"PATH": os.environ["PATH"]}) == 0
    told = capsys.readouterr().out
    assert "accepted by coinbase: order CB-" in told
    assert told.count("[ORDER_SKIPPED] BUY BTCUSDT qty=0.001 - GO-LIVE not activated") == 2
    assert "burned" in told


def test_the_tour_does_not_begin_without_a_marker(tmp_path: Path) -> None:
    """Without a valid marker the tour sends no order at all, and says what to do."""
    told = subprocess.run(
        [sys.executable, "-m", "examples.desk", "--home", str(tmp_path / "home"), "tour"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert told.returncode == 1
    assert told.stderr.startswith("desk: real trading is not activated: marker not found")
    assert len(told.stderr.splitlines()) == 1
    assert "pytest --golive" in told.stderr


def test_the_tour_fails_if_the_marker_cannot_stop_the_desk(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an order goes although its marker was removed, the tour says so instead of ending well."""
    desk = start()
    desk.activate()
    desk.desk.stop()
    monkeypatch.setattr("examples.desk.tour.os.rename", lambda old, new: None)
    with pytest.raises(DeskError, match="was not skipped by the guard"):
        tour(desk.desk.home, {"PATH": os.environ["PATH"]})
