"""``sidewall`` as a real process on Windows: exit codes, streams, time-outs, control events, what it imports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

DEADLINE = 90.0
TOKEN = ("run", "--tier", "token", "--require", "none")


class Cli:
    """``sidewall`` in a workspace, with a home of its own."""

    def __init__(self, base: Path) -> None:
        self.workspace = base / "work space"
        self.home = base / "home"
        for path in (self.workspace, self.home / "Local", self.home / "Roaming"):
            path.mkdir(parents=True)

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-X", f"pycache_prefix={sys.pycache_prefix}", "-P", "-m", "sidewall"]

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIDEWALL")}
        return {**kept, "USERPROFILE": str(self.home), "LOCALAPPDATA": str(self.home / "Local"),
                "APPDATA": str(self.home / "Roaming"), **extra}

    def __call__(self, *words: str, stdin: bytes = b"", **extra: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self.argv, *words], input=stdin, capture_output=True, timeout=DEADLINE,
                              cwd=self.workspace, env=self.environment(**extra))

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return self(*TOKEN, "--", *words, stdin=stdin)


@pytest.fixture
def sidewall(tmp_path: Path) -> Cli:
    return Cli(tmp_path.resolve())


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-I", "-c", code, *words]


class Survivor:
    """A command that starts another process; ``lives`` tells whether that one is still there to do as it is told."""

    def __init__(self, workspace: Path) -> None:
        self._go, self._done = workspace / "go", workspace / "done"
        waits = (f"import os, time\nwhile not os.path.exists({str(self._go)!r}): time.sleep(.02)\n"
                 f"open({str(self._done)!r}, 'w')")
        self.command = python(f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {waits!r}]);"
                              "print('begun', flush=True); time.sleep(60)")

    def lives(self) -> bool:
        self._go.touch()
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and not self._done.exists():
            time.sleep(0.02)
        self._go.unlink()
        return self._done.exists()


def test_the_exit_code_is_the_commands_and_what_does_not_hold_is_named(sidewall: Cli) -> None:
    done = sidewall.run("cmd", "/c", "exit 7")
    assert done.returncode == 7
    told = done.stderr.decode()
    explained = json.loads(sidewall("explain", "--tier", "token", "--require", "none", "--json").stdout)
    levels = {line["name"]: line["level"] for line in explained["guarantees"]}
    assert {"write-outside", "network-egress", "read-secrets"} <= {name for name, level in levels.items()
                                                                   if level != "enforced"}
    for name, level in levels.items():
        assert (f"sidewall: warning: {name} is {level}" in told) == (level != "enforced"), name


def test_what_is_required_and_does_not_hold_stops_it(sidewall: Cli) -> None:
    done = sidewall("run", "--tier", "token", "--", *python("open('ran', 'w')"))
    assert done.returncode == 125 and not (sidewall.workspace / "ran").exists()
    assert b"sidewall: error:" in done.stderr and b"network-egress" in done.stderr


@pytest.mark.parametrize("code", [124, 0xC0000005])
def test_codes_of_32_bits(sidewall: Cli, code: int) -> None:
    done = sidewall.run(*python(f"import ctypes; ctypes.windll.kernel32.ExitProcess({code})"))
    assert done.returncode & 0xFFFFFFFF == code


def test_what_cannot_be_started(sidewall: Cli) -> None:
    assert sidewall.run("no-such-program-anywhere").returncode == 127
    (sidewall.workspace / "text.exe").write_text("this is no program")
    assert sidewall.run(".\\text.exe").returncode == 126
    assert sidewall("run", "--nonsense").returncode == 2
    assert sidewall("run", "--tier", "landlock", "--", "cmd").returncode == 2


def test_pipes_carry_all_bytes(sidewall: Cli) -> None:
    data = bytes(range(256)) * 2000
    code = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d * 2)"
    done = sidewall.run(*python(code), stdin=data)
    assert done.stdout == data * 2


def test_files_are_relayed_in_order(sidewall: Cli) -> None:
    """... and the command gets no handle of theirs."""
    source, target = sidewall.workspace / "in", sidewall.workspace / "out"
    source.write_bytes(b"typed\n" * 20000)
    code = ("import sys, msvcrt, ctypes; k = ctypes.windll.kernel32; k.GetFileType.argtypes = [ctypes.c_void_p];"
            "kinds = [k.GetFileType(msvcrt.get_osfhandle(n)) for n in (0, 1, 2)]; d = sys.stdin.buffer.read();"
            "o, e = sys.stdout.buffer, sys.stderr.buffer;"
            "[(o.write(b'o%d' % n), o.flush(), e.write(b'e%d ' % n), e.flush()) for n in range(50)];"
            "o.write(b'%d %r' % (len(d), kinds))")
    with source.open("rb") as given, target.open("wb") as taken:
        done = subprocess.run([*sidewall.argv, *TOKEN, "--", *python(code)], stdin=given, stdout=taken,
                              stderr=subprocess.STDOUT, timeout=DEADLINE, cwd=sidewall.workspace,
                              env=sidewall.environment())
    assert done.returncode == 0
    told = target.read_bytes()
    mixed = b"".join(b"o%de%d " % (n, n) for n in range(50))
    assert told.endswith(mixed + b"120000 [3, 3, 3]")


def test_both_outputs_in_one_pipe_keep_their_order(sidewall: Cli) -> None:
    code = ("import sys; o, e = sys.stdout.buffer, sys.stderr.buffer;"
            "[(o.write(b'o%d' % n), o.flush(), e.write(b'e%d ' % n), e.flush()) for n in range(200)]")
    done = subprocess.run([*sidewall.argv, *TOKEN, "--", *python(code)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE, cwd=sidewall.workspace,
                          env=sidewall.environment())
    assert done.stdout.endswith(b"".join(b"o%de%d " % (n, n) for n in range(200)))


def test_a_time_out_kills_the_tree(sidewall: Cli) -> None:
    left = Survivor(sidewall.workspace)
    status = sidewall.workspace / "status.json"
    done = sidewall(*TOKEN, "--timeout", "3", "--status-file", "status.json", "--", *left.command)
    assert done.returncode == 124 and done.stdout.split() == [b"begun"]
    told = json.loads(status.read_text())
    assert told["exit_code"] == 124 and told["timed_out"] and told["tier"] == "token"
    assert sorted(os.listdir(sidewall.workspace)) == ["status.json"]
    assert not left.lives()


def test_a_status_file_takes_the_place_of_what_is_there(sidewall: Cli) -> None:
    other = sidewall.home / "mine"
    other.write_text("mine")
    os.link(other, sidewall.workspace / "status.json")
    assert sidewall(*TOKEN, "--status-file", "status.json", "--", "cmd", "/c", "exit 3").returncode == 3
    assert json.loads((sidewall.workspace / "status.json").read_text())["exit_code"] == 3
    assert other.read_text() == "mine"
    assert sidewall(*TOKEN, "--status-file", "none/status.json", "--", "cmd").returncode == 2


def test_a_line_of_the_shell(sidewall: Cli) -> None:
    done = sidewall(*TOKEN, "-c", 'echo "one two"& exit 9')
    assert done.returncode == 9 and done.stdout.split() == [b'"one', b'two"']


def test_variables(sidewall: Cli) -> None:
    code = ("import os; print(os.environ.get('GIVEN'), os.environ.get('MY_TOKEN'), os.path.isdir(os.environ['TEMP']),"
            "os.environ['SIDEWALL'])")
    done = sidewall(*TOKEN, "--env", "GIVEN=yes", "--", *python(code), MY_TOKEN="secret")
    assert done.stdout.split() == [b"yes", b"None", b"True", b"1"]


CONTROL = """
import ctypes, signal, subprocess, sys, time
kernel = ctypes.windll.kernel32
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGBREAK, lambda *_: None)
process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
assert process.stdout.readline().split() == [b"begun"]
assert kernel.GenerateConsoleCtrlEvent(int(sys.argv[1]), 0)
print(process.wait(60) & 0xFFFFFFFF)
"""


@pytest.mark.parametrize("event", [0, 1], ids=["Ctrl-C", "Ctrl-Break"])
def test_control_events_end_the_tree(sidewall: Cli, event: int) -> None:
    left = Survivor(sidewall.workspace)
    done = subprocess.run([sys.executable, "-c", CONTROL, str(event), *sidewall.argv, *TOKEN, "--", *left.command],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, cwd=sidewall.workspace,
                          env=sidewall.environment(), creationflags=subprocess.CREATE_NO_WINDOW)
    if event == 1 and not done.stdout:
        pytest.skip("this system ends all processes of a console on Ctrl-Break, whatever handlers they have")
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) == 0xC000013A if event == 0 else int(done.stdout) not in (0, 125)
    assert not left.lives()


def test_the_command_does_not_outlive_the_thread_that_waits_for_it(sidewall: Cli) -> None:
    """The program that is started ends it; see there.  This system does so itself on Ctrl-Break."""
    left, word = Survivor(sidewall.workspace), sidewall.home / "now"
    program = os.path.join(os.path.dirname(__file__), "at_lost.py")
    process = subprocess.Popen([sys.executable, program, str(word), *TOKEN, "--", *left.command],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               cwd=sidewall.workspace, env=sidewall.environment(PYTHONPATH=os.pathsep.join(sys.path)))
    watchdog = threading.Timer(DEADLINE, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None and process.stdout.readline().split() == [b"begun"]
        word.touch()
        assert process.wait(DEADLINE) == 125
        assert not left.lives()
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def test_the_commands_console_is_not_ours(sidewall: Cli) -> None:
    """What it types goes into a console of its own."""
    code = ("import ctypes; k = ctypes.windll.kernel32; ids = (ctypes.c_uint32 * 64)();"
            "n = k.GetConsoleProcessList(ids, 64); print(*ids[:n])")
    outer = ("import ctypes, subprocess, sys; k = ctypes.windll.kernel32; ids = (ctypes.c_uint32 * 64)();"
             "done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, timeout=60);"
             "n = k.GetConsoleProcessList(ids, 64); print(*ids[:n]); print(done.stdout.decode())")
    done = subprocess.run([sys.executable, "-c", outer, *sidewall.argv, *TOKEN, "--", *python(code)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, cwd=sidewall.workspace,
                          env=sidewall.environment(), creationflags=subprocess.CREATE_NO_WINDOW)
    assert done.returncode == 0, done.stderr.decode()
    ours, theirs = (set(line.split()) for line in done.stdout.splitlines()[:2])
    assert ours and not ours & theirs


def test_at_a_console_the_command_gets_one_of_its_own(sidewall: Cli) -> None:
    """The program that is started plays the user; see there."""
    result = sidewall.home / "result.json"
    program = os.path.join(os.path.dirname(__file__), "at_console.py")
    done = subprocess.run([sys.executable, program, str(sidewall.workspace), str(result)], timeout=DEADLINE,
                          env=sidewall.environment(PYTHONPATH=os.pathsep.join(sys.path)), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(result.read_text("utf-8"))
    shown = " ".join(ESCAPES.sub(" ", told["shown"]).split())
    assert told["code"] == 5, shown
    assert "AT True True" in shown
    assert "hello 한" in shown and "GOT 'hello \\ud55c'" in shown


ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


@pytest.mark.parametrize("words", [("doctor",), ("check", "C:\\Windows\\x"), ("explain", "--require", "none"),
                                   ("profile", "list"), ("profile", "schema"), ("trust", "--list"), ("log",),
                                   ("log", "--verify"), ("--version",), ("completion", "powershell"), ("--help",)],
                         ids=" ".join)
def test_verbs(sidewall: Cli, words: tuple[str, ...]) -> None:
    done = sidewall(*words)
    assert done.returncode in (0, 1), done.stderr.decode()
    assert done.stdout or words in (("log",), ("trust", "--list"))  # of which there is nothing yet
    assert b"Traceback" not in done.stderr and b"internal error" not in done.stderr


def test_the_doctor_says_which_tier_and_why_no_better_one(sidewall: Cli) -> None:
    found = json.loads(sidewall("doctor", "--json").stdout)
    named = {finding["name"]: finding for finding in found["findings"]}
    assert found["tier"] in ("token", "token-strict", "account")
    assert named[f"tier {found['tier']}"]["state"] == "ok"
    if found["tier"] != "account":
        assert named["tier account"]["state"] == "warn" and named["tier account"]["text"]


def test_trust_is_kept_and_withdrawn(sidewall: Cli) -> None:
    (sidewall.workspace / "sidewall.toml").write_text('network = { mode = "on" }\n')
    assert b"trusted, as it is now" in sidewall("trust").stdout
    assert str(sidewall.workspace / "sidewall.toml") in sidewall("trust", "--list", "--json").stdout.decode().replace(
        "\\\\", "\\")
    assert b"no longer trusted" in sidewall("trust", "--remove").stdout
    assert sidewall("trust", "--list").stdout == b""


def test_the_log_tells_of_a_run(sidewall: Cli) -> None:
    sidewall.run("cmd", "/c", "exit 7")
    assert b"exit  code 7" in sidewall("log").stdout
    assert sidewall("log", "--verify").returncode == 0


ALLOWED = {
    "__future__", "_ctypes", "_sha256", "_struct", "ctypes", "ctypes._endian", "encodings.utf_16_le", "errno", "gc",
    "marshal", "msvcrt", "_winapi", "nt", "runpy", "struct", "time", "winreg",
}
"""All that a run may import beyond what a bare interpreter has: C modules, and the few that cost next to nothing."""
CLOSED = ("sidewall.config", "sidewall.session.sandbox", "sidewall.session.denials", "sidewall.cli.console",
          "sidewall.cli.parser", "sidewall.cli.verbs", "sidewall.cli.status", "sidewall.platforms.linux",
          "sidewall.platforms.windows.fwpuclnt", "sidewall.platforms.windows.crypt32",
          "sidewall.platforms.windows.shell32")
"""netapi32 is not among them: whether the sandbox's accounts are there is a fact that every plan wants."""


def test_a_run_imports_what_is_on_the_list_and_nothing_else(sidewall: Cli) -> None:
    def log(argv: list[str]) -> list[str]:
        done = subprocess.run(argv, cwd=sidewall.workspace, env=sidewall.environment(PYTHONPROFILEIMPORTTIME="1"),
                              timeout=DEADLINE, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines()
                if line.startswith("import time:") and not line.endswith("imported package")]

    bare = set(log([sys.executable, "-P", "-c", "import runpy"]))
    names = [name for name in log([*sidewall.argv, *TOKEN, "--", "cmd", "/c", "exit 0"]) if name not in bare]
    assert "sidewall.cli.control" in names and "sidewall.platforms.windows.cell" in names
    assert {name for name in names if name.partition(".")[0] != "sidewall"} <= ALLOWED
    assert not [name for name in names if name.startswith(CLOSED)]
