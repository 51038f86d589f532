"""command and python: programs that lie by their exit status, hang, fork, flood, read, or are stubs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_golive import probes
from pytest_golive.errors import ProbeError

Program = Callable[[str], list[str]]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Writes a Python program into the root and gives the words that run it."""

    def write(code: str) -> list[str]:
        path = tmp_path / f"program-{len(list(tmp_path.iterdir()))}.py"
        path.write_text(textwrap.dedent(code))
        return [sys.executable, "-I", str(path)]

    return write


def _gone(pid: int) -> bool:
    """Whether the process has ended, waited for with a deadline."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def _gate(root: Path, word: str, fields: dict[str, Any], code: str) -> list[str]:
    """The words that run some code with a probe and its context in a process of its own."""
    head = f"""
        import datetime, pathlib, time
        from pytest_golive import probes
        from pytest_golive.model import Context
        root = pathlib.Path({str(root)!r})
        context = Context(root=root, environ={{}}, now=datetime.datetime.now, deadline=time.monotonic() + 50)
        probe = probes.kind({word!r}).model_validate({fields!r})
    """
    return [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code)]


def test_failures_behind_exit_0_are_seen(look: Any, program: Program) -> None:
    """An audit that prints failures and exits 0 is told by the lines that were forbidden and by its counts."""
    audit = program("""
        for n in range(8): print(f"FAIL check {n}")
        print("audit complete, failed: 8, ratio: 0.50")
    """)
    facts = look(
        "command",
        run=audit,
        require=["^audit complete", "^never said"],
        forbid=["^FAIL", "Traceback"],
        counts={"failed": r"failed: (\d+)", "ratio": r"ratio: ([\d.]+)", "skipped": r"skipped: (\d+)"},
    )
    assert facts["exit"] == 0
    assert facts["forbidden"] == [{"pattern": "^FAIL", "lines": 8}, {"pattern": "Traceback", "lines": 0}]
    assert facts["forbidden_found"] == ["^FAIL"]
    assert facts["required_missing"] == ["^never said"]
    assert facts["counts"] == {"failed": 8, "ratio": Decimal("0.50")}
    assert facts["lines"] == 9


def test_patterns_are_searched_in_both_outputs(look: Any, program: Program) -> None:
    """What is written to standard error counts as said."""
    facts = look("command", run=program("import sys; print('ERROR x', file=sys.stderr)"), forbid=["ERROR"])
    assert facts["forbidden_found"] == ["ERROR"]
    assert facts["stderr"] == "ERROR x\n"
    assert facts["lines"] == 0


def test_the_last_count_stands(look: Any, program: Program) -> None:
    """Of several lines that match, the last is the count."""
    facts = look("command", run=program("print('n=1'); print('n=2')"), counts={"n": "n=(.*)"})
    assert facts["counts"] == {"n": 2}


def test_a_count_that_is_no_number_is_an_error(look: Any, program: Program) -> None:
    """A count that matched something else is told, not left out."""
    with pytest.raises(ProbeError, match="'n' is 'many', which is no number"):
        look("command", run=program("print('n=many')"), counts={"n": "n=(.*)"})


def test_colours_and_broken_text_do_not_hide_words(look: Any, program: Program) -> None:
    """Escape sequences are taken out before patterns are searched; invalid UTF-8 is told."""
    code = r"import os; os.write(1, b'\x1b[31mFA\x1b[0mIL\xff\r\n\x1b]0;title\x07done\n')"
    facts = look("command", run=program(code), forbid=["FAIL"], as_="lines")
    assert facts["forbidden_found"] == ["FAIL"]
    assert facts["output"] == ["FAIL�", "done"]
    assert facts["undecodable"] is True


def test_a_signal_is_told(look: Any, program: Program) -> None:
    """A program that dies by a signal has a negative exit and the signal's name."""
    facts = look("command", run=program("import os; os.kill(os.getpid(), 11)"))
    assert (facts["exit"], facts["signal"]) == (-11, "SIGSEGV")
    assert look("command", run=program("import os; os.kill(os.getpid(), 35)"))["signal"] == "SIG35"


def test_a_count_of_thousands_of_digits_is_no_number(look: Any, program: Program) -> None:
    """A number that Python will not read is an error of the count, not of the gate."""
    with pytest.raises(ProbeError, match=r"the count 'n' is .* no number"):
        look("command", run=program("print('n: ' + '1' * 5000)"), counts={"n": "n: ([0-9]+)"})


def test_json_is_read_strictly(look: Any, program: Program) -> None:
    """JSON output is exact; a log line in front of it is an error."""
    facts = look("command", run=program("""print('{"a": 0.10}')"""), as_="json")
    assert facts["json"] == {"a": Decimal("0.10")}
    for code in ("print('INFO start'); print('{}')", "print('{\"a\": NaN}')", 'print(\'{"a": 1, "a": 2}\')', ""):
        with pytest.raises(ProbeError, match=r"\(exit 0\) is not JSON"):
            look("command", run=program(code), as_="json")


def test_a_reader_of_input_does_not_hang(look: Any, program: Program) -> None:
    """A program that asks gets the end of input at once."""
    reader = program("import sys; print(repr(sys.stdin.read()))")
    assert look("command", run=reader)["stdout"] == "''\n"
    gate = _gate(look.root, "command", {"run": reader}, "print(probe.look(context)['stdout'])")
    ran = subprocess.run(gate, input="typed by somebody", capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "''"


def test_a_flood_does_not_block_and_is_told(look: Any, program: Program) -> None:
    """Megabytes on both outputs are read, kept up to the limit, and told as cut; judged by patterns they are an error."""
    flood = program("""
        import os
        for _ in range(200):
            os.write(1, b"o" * 9999 + b"\\n"); os.write(2, b"e" * 9999 + b"\\n")
        print("FAIL at the end")
    """)
    facts = look("command", run=flood, max_output=100_000)
    assert facts["truncated"] is True
    assert "characters left out" in facts["stdout"]
    with pytest.raises(ProbeError, match="cannot be judged"):
        look("command", run=flood, max_output=100_000, forbid=["FAIL"])
    assert look("command", run=flood, max_output=3_000_000, forbid=["FAIL"])["forbidden_found"] == ["FAIL"]


def test_the_environment_is_small(look: Any, program: Program) -> None:
    """Only PATH, HOME, LANG, what is named and what is written reach the program; PYTHONPATH does not."""
    look.environ |= {"HOME": "/h", "SECRET": "x", "PYTHONPATH": "/target", "WANTED": "w"}
    show = program("import os; print(sorted(os.environ))")
    facts = look("command", run=show, env={"OWN": "1"}, pass_env=["WANTED", "NOT_SET"], as_="lines")
    named = set(eval(facts["output"][0])) - {"LC_CTYPE"}
    assert named == {"PATH", "HOME", "OWN", "WANTED"}


def test_a_secret_that_was_passed_does_not_come_back(look: Any, program: Program) -> None:
    """A token handed to a program is redacted in what it prints."""
    look.environ["DESK_TOKEN"] = "tok-88-ab-cd"
    facts = look("command", run=program("import os; print(os.environ['DESK_TOKEN'])"), pass_env=["DESK_TOKEN"])
    assert "tok-88" not in repr(facts)


def test_it_runs_where_it_was_told(look: Any, program: Program, tmp_path: Path) -> None:
    """The working directory is the root of the run, or cwd within it."""
    (tmp_path / "sub").mkdir()
    show = program("import os; print(os.getcwd())")
    assert look("command", run=show)["stdout"].strip() == str(tmp_path)
    assert look("command", run=show, cwd="sub")["stdout"].strip() == str(tmp_path / "sub")
    with pytest.raises(ProbeError, match=r"folder .*gone does not exist"):
        look("command", run=show, cwd="gone")


def test_a_program_that_cannot_be_started_is_an_error(look: Any, tmp_path: Path) -> None:
    """Not found, not executable and not a program are told apart."""
    (tmp_path / "plain").write_text("hello")
    (tmp_path / "odd").write_bytes(b"\x00\x01")
    (tmp_path / "odd").chmod(0o755)
    for name, words in (("no-such-program", "was not found"), ("./plain", "may not be executed"), ("./odd", "cannot be started")):
        with pytest.raises(ProbeError, match=words):
            look("command", run=[name])


@pytest.mark.parametrize(
    "fields",
    [
        {"run": "echo hi"},
        {"run": []},
        {"run": [" "]},
        {"run": ["a", "b\x00"]},
        {"run": ["a", 1]},
        {"run": ["a"], "require": ["("]},
        {"run": ["a"], "counts": {"n": "no group"}},
        {"run": ["a"], "counts": {"n": "(a)(b)"}},
        {"run": ["a"], "shell": True},
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    """A line for a shell, an empty list and a pattern that is none are faults of the checklist."""
    with pytest.raises(ValidationError):
        probes.kind("command").model_validate(fields)


STUBBORN = """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if not child:
        time.sleep(60); os._exit(0)
    open("pids", "w").write(f"{os.getpid()} {child}")
    print("up", flush=True)
    time.sleep(60)
"""


def test_a_program_that_hangs_is_ended_with_all_it_started(look: Any, program: Program, tmp_path: Path) -> None:
    """At the deadline the group is asked, then killed: the program that ignores the asking and its child are gone."""
    with pytest.raises(ProbeError, match="timed out after 1 s; it did not end when asked and was killed"):
        look("command", 1.0, run=program(STUBBORN))
    for pid in (tmp_path / "pids").read_text().split():
        assert _gone(int(pid))


def test_a_program_that_ends_when_asked_is_only_asked(look: Any, program: Program) -> None:
    """A program that ends on SIGTERM is told as timed out, and not as killed."""
    with pytest.raises(ProbeError) as caught:
        look("command", 0.5, run=program("import time; time.sleep(60)"))
    assert caught.value.message.endswith("timed out after 0.5 s")


def test_what_it_left_behind_does_not_hold_up_the_gate(look: Any, program: Program, tmp_path: Path) -> None:
    """A child that keeps the output open after the program ended is told and killed, long before the deadline."""
    code = """
        import os, time
        child = os.fork()
        if not child:
            time.sleep(60); os._exit(0)
        open("pids", "w").write(str(child))
        print("done", flush=True)
    """
    started = time.monotonic()
    facts = look("command", run=program(code))
    assert time.monotonic() - started < 15
    assert (facts["exit"], facts["stdout"], facts["left_behind"]) == (0, "done\n", True)
    assert _gone(int((tmp_path / "pids").read_text()))


def test_a_program_does_not_outlive_the_gate(look: Any, program: Program, tmp_path: Path) -> None:
    """When the gate ends while a program still runs in a daemon thread, the program is ended too."""
    hangs = program("""
        import os, time
        with open("pid.part", "w") as f: f.write(str(os.getpid()))
        os.rename("pid.part", "pid")
        time.sleep(60)
    """)
    code = """
        import threading
        threading.Thread(target=probe.look, args=(context,), daemon=True).start()
        while not (root / "pid").exists(): time.sleep(0.02)
    """
    subprocess.run(_gate(tmp_path, "command", {"run": hangs}, code), check=False, timeout=30, stderr=subprocess.DEVNULL)
    assert _gone(int((tmp_path / "pid").read_text()))


def test_no_pidfd_no_difference(look: Any, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system without process descriptors a program that closed its output is still waited for."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    facts = look("command", run=program("import os, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(3)"))
    assert (facts["exit"], facts["left_behind"]) == (3, False)


@pytest.fixture
def behaviour(tmp_path: Path) -> Callable[[str], str]:
    """Writes a module `checks` into the root's checklists folder and gives the folder."""

    def write(code: str) -> str:
        folder = tmp_path / "checklists"
        folder.mkdir(exist_ok=True)
        (folder / "checks.py").write_text(textwrap.dedent(code))
        return str(folder)

    return write


Behaviour = Callable[[str], str]


def test_a_function_returns_facts(look: Any, behaviour: Behaviour) -> None:
    """What the function returned are the facts, exactly; what it printed is told beside them."""
    behaviour("""
        from decimal import Decimal
        from datetime import datetime, timezone
        import sys
        def check(symbol, limit):
            print("asked", symbol)
            print("warned", file=sys.stderr)
            at = datetime(2026, 1, 1, tzinfo=timezone.utc)
            return {"limit": limit * 2, "n": 1, "list": (True, None), "at": at, "m": {"ä": symbol}}
    """)
    facts = look("python", call="checks:check", args={"symbol": "BTC", "limit": Decimal("0.10")})
    assert facts == {
        "limit": Decimal("0.20"),
        "n": 1,
        "list": [True, None],
        "at": "2026-01-01T00:00:00+00:00",
        "m": {"ä": "BTC"},
        "printed": "asked BTC\nwarned\n",
    }


def test_the_context_is_handed_in_where_it_is_wanted(look: Any, behaviour: Behaviour, tmp_path: Path) -> None:
    """A parameter `context` gives root, environment and the time that is left."""
    look.environ |= {"DESK_URL": "http://x", "PYTHONPATH": "/target"}
    behaviour("""
        def check(*, context):
            return {"root": str(context.root), "url": context.environ["DESK_URL"], "path": context.environ.get("PYTHONPATH"),
                    "time": 5 < context.remaining() <= 20}
    """)
    assert look("python", call="checks:check") == {"root": str(tmp_path), "url": "http://x", "path": None, "time": True}


def test_a_decorated_function_gets_its_context_too(look: Any, behaviour: Behaviour) -> None:
    """A wrapper does not hide the parameters of what it wraps."""
    behaviour("""
        import functools
        def twice(f):
            @functools.wraps(f)
            def wrapper(*a, **k): return f(*a, **k)
            return wrapper
        @twice
        def check(context): return {"has": context is not None}
    """)
    assert look("python", call="checks:check") == {"has": True}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("pass", "returned nothing"),
        ("return {}", "returned no facts"),
        ("return [1]", "returned list, not a mapping"),
        ("return True", "returned bool, not a mapping"),
        ("return {'a': {'b': 0.1}}", "'a.b' is a float"),
        ("return {'a': object()}", "'a' is a object"),
        ("return {1: 'a'}", "name that is not text"),
        ("return {'a': __import__('decimal').Decimal('NaN')}", "NaN"),
        ("raise NotImplementedError", "check is not implemented"),
        ("raise NotImplementedError('soon')", "is not implemented: soon"),
        ("import no_such_package", "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"),
        ("from os import no_such_name", "cannot be imported: ImportError"),
        ("assert 1 == 2, 'unequal'", r"raised AssertionError: unequal at checklists/checks\.py:2"),
        ("raise ValueError('bad\\nthing')", r"raised ValueError: bad\nthing at checklists/checks\.py:2"),
        ("raise SystemExit(0)", "raised SystemExit"),
        ("import os; os._exit(0)", r"ended without a result \(exit 0\)"),
        ("import os; os.kill(os.getpid(), 9)", r"ended without a result \(exit -9\)"),
        ("import atexit, os; atexit.register(os._exit, 3); return {'a': 1}", "its process ended with 3"),
        ("print('x'); return {'printed': 1}", "a fact called 'printed'"),
        ("return {'a': 'x' * 2_000_000}", "returned more than"),
        ("import time; time.sleep(60)", "timed out after"),
        ("async def f(): return {}\n    return f()", "returned coroutine"),
    ],
)
def test_what_proves_nothing_is_an_error(look: Any, behaviour: Behaviour, body: str, words: str) -> None:
    """A stub, an empty answer, an exception, a failed import, an early end and a hang are errors in one sentence."""
    behaviour(f"def check():\n    {body}\n")
    with pytest.raises(ProbeError, match=words) as caught:
        look("python", 1.5 if "sleep" in body else 20.0, call="checks:check")
    assert "Traceback" not in caught.value.message


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("no_such_module:check", "no_such_module cannot be imported"),
        ("checks:gone", "checks has no gone"),
        ("checks:number", "is not a function"),
        ("checks:takes_x", "cannot be called so: .*missing 1 required"),
        ("broken:check", r"cannot be imported: SyntaxError"),
        ("failing:check", r"cannot be imported: ZeroDivisionError: division by zero at checklists/failing\.py:1"),
    ],
)
def test_a_function_that_cannot_be_called_is_an_error(look: Any, behaviour: Behaviour, call: str, words: str) -> None:
    """A missing module, a missing name, wrong arguments and a module that fails are told as such."""
    folder = Path(behaviour("number = 1\ndef takes_x(x): return {'x': x}\n"))
    (folder / "broken.py").write_text("def check(:\n")
    (folder / "failing.py").write_text("1 / 0\n")
    with pytest.raises(ProbeError, match=words):
        look("python", call=call)


def test_a_type_error_inside_is_the_functions_own(look: Any, behaviour: Behaviour) -> None:
    """A TypeError that the function raises is not taken for a wrong call."""
    behaviour("def check(): return {'a': len(5)}\n")
    with pytest.raises(ProbeError, match=r"raised TypeError: .*checks\.py:1"):
        look("python", call="checks:check")


def test_a_drill_is_undone_at_its_deadline(look: Any, behaviour: Behaviour, tmp_path: Path) -> None:
    """A function that hangs gets SystemExit, so that its finally block puts back what it changed."""
    behaviour("""
        import time, pathlib
        def check(context):
            stop = context.root / "STOP"
            stop.write_text("drill")
            try:
                time.sleep(60)
            finally:
                stop.unlink()
    """)
    with pytest.raises(ProbeError) as caught:
        look("python", 1.5, call="checks:check")
    assert caught.value.message == "checks:check timed out after 1.5 s"
    assert not (tmp_path / "STOP").exists()


def test_a_drill_is_undone_when_the_gate_dies(look: Any, behaviour: Behaviour, tmp_path: Path) -> None:
    """When the process that asked is killed, the function gets SystemExit as at its deadline."""
    behaviour("""
        import time
        def check(context):
            try:
                (context.root / "up").write_text("")
                time.sleep(60)
            finally:
                (context.root / "undone").write_text("")
    """)
    gate = subprocess.Popen(_gate(tmp_path, "python", {"call": "checks:check"}, "probe.look(context)"))
    try:
        assert _appears(tmp_path / "up")
    finally:
        gate.send_signal(signal.SIGKILL)
        gate.wait()
    assert _appears(tmp_path / "undone")


def test_a_drill_is_undone_when_the_gate_ends(look: Any, behaviour: Behaviour, tmp_path: Path) -> None:
    """When the gate's process ends while a function still runs in a daemon thread, the function is asked to end first."""
    behaviour("""
        import time
        def check(context):
            try:
                (context.root / "up").write_text("")
                time.sleep(60)
            finally:
                (context.root / "undone").write_text("")
    """)
    code = """
        import threading
        threading.Thread(target=probe.look, args=(context,), daemon=True).start()
        while not (root / "up").exists(): time.sleep(0.02)
    """
    gate = _gate(tmp_path, "python", {"call": "checks:check"}, code)
    subprocess.run(gate, check=False, timeout=30, stderr=subprocess.DEVNULL)
    assert (tmp_path / "undone").exists()


def _appears(path: Path) -> bool:
    until = time.monotonic() + 15
    while not path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_what_it_prints_is_never_a_fact(look: Any, behaviour: Behaviour) -> None:
    """JSON on standard output does not become a fact."""
    behaviour("""
        def check():
            print('{"facts": {"ok": true}}')
            return {"ok": False}
    """)
    facts = look("python", call="checks:check")
    assert facts["ok"] is False
    assert facts["printed"] == '{"facts": {"ok": true}}\n'


def test_the_module_comes_from_the_folder_that_was_named(look: Any, tmp_path: Path) -> None:
    """`path` is where the module is looked for, and nowhere else."""
    (tmp_path / "drills").mkdir()
    (tmp_path / "drills" / "one.py").write_text("def check(): return {'from': __file__}\n")
    assert look("python", call="one:check", path="drills") == {"from": str(tmp_path / "drills" / "one.py")}
    with pytest.raises(ProbeError, match="cannot be imported"):
        look("python", call="one:check")
    with pytest.raises(ProbeError, match=r"folder .* does not exist"):
        look("python", call="one:check", path="gone")


def test_large_arguments_arrive(look: Any, behaviour: Behaviour) -> None:
    """Arguments larger than a pipe's buffer reach the function."""
    behaviour("def check(text): return {'length': len(text)}\n")
    assert look("python", call="checks:check", args={"text": "x" * 300_000}) == {"length": 300_000}


@pytest.mark.parametrize("call", ["checks", "checks.check", "checks:check()", "os:system;", ":x", "a/b:c"])
def test_a_call_that_names_no_function_is_refused(call: str) -> None:
    """Only module:function is a call."""
    with pytest.raises(ValidationError, match="module:function"):
        probes.kind("python").model_validate({"call": call})


def test_the_called_process_starts_lean(look: Any, behaviour: Behaviour) -> None:
    """The function's process holds neither this package nor pytest, yaml, requests or pydantic."""
    behaviour("""
        import sys
        def check():
            heavy = ("pytest_golive", "pytest", "yaml", "requests", "pydantic", "inspect")
            return {"heavy": [module for module in heavy if module in sys.modules]}
    """)
    assert look("python", call="checks:check") == {"heavy": []}
