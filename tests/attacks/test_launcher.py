"""L-133, L-134, A-17 to A-24, LX-24, LX-25: attacks on the launcher itself, the one process that is not confined.

Knows: how interpreters and shells find what they run.  Must not know: how the launcher is built.  Follows
`docs/attacks.md`, groups L8 and A.  A marker lies where only an unsandboxed process can write.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .guards import NAMESPACE, Guard, Outcome, environment, guards
from .outside import survivors
from .probes import PYTHON
from .world import World, git, tree

HELD = guards("write-outside", control=False)


def host(world: World, argv: list[str], timeout: float = 60, **more: object) -> Outcome:
    """Run a host program in the workspace."""
    settings: dict[str, Any] = {"env": environment(world), "cwd": world.workspace, "stdin": subprocess.DEVNULL, **more}
    done = subprocess.run(argv, capture_output=True, timeout=timeout, check=False, **settings)
    return Outcome(world.nonce, done.stdout, done.stderr, done.returncode)


@HELD
def test_L133_metacharacters(guard: Guard, world: World) -> None:
    touch = f"touch {world.marker()}"
    nasty = [f"$({touch})", f"`{touch}`", f"; {touch} ;", f"' ; {touch} ; '", f'" ; {touch} ; "', f"\n{touch}\n"]
    nasty += [f"|{touch}", f"&& {touch}", "*", "~", "$HOME", "%s%n", "\\", "", " ", "--", "-c", "{}", "\u202e"]
    nasty += [f"$'\\n{touch}'", "\udcff"]
    script = "import os, sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
    outcome = guard.run(world, [PYTHON, "-I", "-S", "-c", script, *nasty])
    assert outcome.stdout == b"\0".join(os.fsencode(word) for word in nasty), str(outcome)
    assert world.fired() == []


PLANTED_MODULES = (
    "sitecustomize", "usercustomize", "sidewall", "ctypes", "json", "os", "subprocess", "socket", "typing", "msgspec",
    "encodings", "site", "_socket", "struct", "signal", "tomllib", "dataclasses", "argparse", "re", "enum", "rich",
)  # fmt: skip
PLANTED_PROGRAMS = (
    "git", "python", "python3", "sh", "bash", "env", "mount", "umount", "unshare", "newuidmap", "newgidmap", "bwrap",
    "cat", "id", "uname", "true", "ldconfig", "gcc", "cc", "ld", "objdump", "stty", "tput", "systemd-run", "rg",
)  # fmt: skip


def plant(world: World) -> None:
    """What run 1 could have left in the workspace: modules, programs and configuration that leave a marker."""
    body = f"open({str(world.marker('module'))!r}, 'w')\n"
    for name in PLANTED_MODULES:
        (world.workspace / f"{name}.py").write_text(body)
    for folder in (world.workspace, world.workspace / "bin", world.workspace / "node_modules/.bin"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in PLANTED_PROGRAMS:
            path = folder / name
            path.write_text(f"#!/bin/sh\necho >> {world.marker('program')}\n")
            path.chmod(0o755)
    (world.workspace / "pyvenv.cfg").write_text(f"home = {world.workspace}/bin\n")
    (world.workspace / "sidewall").mkdir(exist_ok=True)
    (world.workspace / "sidewall/__init__.py").write_text(body)
    (world.workspace / "sidewall/__main__.py").write_text(body)
    (world.workspace / "evil.pth").write_text(f"import os; {body}")


@pytest.mark.parametrize("guard", [NAMESPACE], indirect=True)
@pytest.mark.parametrize("path", ["", ".:", "bin:", "node_modules/.bin:"], ids=["plain", "dot", "bin", "npm"])
@pytest.mark.parametrize("row", ["L-134", "A-19 A-20"])
def test_hijack_of_the_launcher(guard: Guard, world: World, row: str, path: str) -> None:
    """Nothing in the workspace may be loaded or run by the launcher, though PATH names the workspace first."""
    plant(world)
    prefix = path if row == "L-134" else "".join(f"{world.workspace}/{part}:" for part in path.split(":") if part)
    settings = {"env": {"PATH": prefix + environment(world)["PATH"]}}
    outcome = guard.run(world, [PYTHON, "-I", "-S", "-c", f"print('ATTACK-START {world.nonce}')"], **settings)
    assert outcome.started, str(outcome)
    assert world.fired() == [], str(outcome)


def test_L134_control(world: World) -> None:
    """What is planted does run where an interpreter or a shell looks into the current directory."""
    plant(world)
    host(world, [sys.executable, "-m", "sidewall", "--version"])
    assert world.fired() == [world.marker("module").name]
    host(world, ["sh", "-c", "PATH=bin:$PATH; git status"])
    assert len(world.fired()) == 2


def test_L134_as_an_installed_program(world: World) -> None:
    """The console script, which the user types; Python does not put the current directory first there either."""
    script = Path(sys.executable).with_name("sidewall")
    if not script.exists():
        pytest.skip("sidewall is not installed as a program beside this interpreter")
    plant(world)
    outcome = host(world, [str(script), "run", "--", PYTHON, "-I", "-c", f"print('ATTACK-START {world.nonce}')"])
    assert outcome.started, str(outcome)
    assert world.fired() == [], str(outcome)


HOSTILE_API = """
import os, subprocess, sys, sidewall
with sidewall.Sandbox() as box:
    box.run(["true"])
    env = dict(os.environ, **dict(pair.split("=", 1) for pair in sys.argv[1:]))
    box.run(["sh", "-c", "true"], env=env)
    box.run(["bash", "-c", "true"], env=env)
    print(box.run(["git", "status"], env=env, capture_output=True).returncode)
print("DONE")
"""


def build_library(world: World) -> Path | None:
    """A shared library whose constructor leaves a marker; None without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        return None
    act = f'fopen("{world.marker("so")}", "w");'
    code = f"#include <stdio.h>\n__attribute__((constructor)) static void go(void) {{ {act} }}\n"
    path = world.workspace / "evil.so"
    argv = [compiler, "-shared", "-fPIC", "-x", "c", "-o", path, "-"]
    subprocess.run(argv, input=code.encode(), check=True, timeout=60)
    return path


def test_A18_environment_of_the_command(world: World) -> None:
    """What a caller gives for the command reaches the command only, never our helpers outside or before the filters."""
    library = build_library(world)
    evil = world.workspace / "evil.py"
    evil.write_text(f"open({str(world.marker('python'))!r}, 'w')\n")
    (world.workspace / "sitecustomize.py").write_text(evil.read_text())
    (world.workspace / "evil.sh").write_text(f"touch {world.marker('sh')}\n")
    pairs = [f"PYTHONSTARTUP={evil}", f"PYTHONPATH={world.workspace}", f"PYTHONHOME={world.workspace}"]
    pairs += [f"BASH_ENV={world.workspace}/evil.sh", f"ENV={world.workspace}/evil.sh", "GIT_CONFIG_COUNT=1"]
    pairs += ["GIT_CONFIG_KEY_0=core.fsmonitor", f"GIT_CONFIG_VALUE_0=touch {world.marker('git')}; :"]
    pairs += [f"LD_PRELOAD={library}", f"LD_AUDIT={library}"] if library else []
    outcome = host(world, [sys.executable, "-P", "-c", HOSTILE_API, *pairs])
    assert "DONE" in outcome.text, str(outcome)
    assert world.fired() == []


@guards("write-outside", only=(NAMESPACE,))
def test_A18_control_of_the_environment(guard: Guard, world: World) -> None:
    """The same library and start-up file do leave their markers when nothing confines them."""
    library = build_library(world)
    if library is None:
        pytest.skip("no C compiler")
    (world.workspace / "evil.sh").write_text(f"touch {world.marker('sh')}\n")
    inner = ["env", f"LD_PRELOAD={library}", f"BASH_ENV={world.workspace}/evil.sh"]
    outcome = guard.run(world, [*inner, "bash", "-c", f"echo ATTACK-START {world.nonce}"])
    guard.judge(outcome, world.fired())


@HELD
def test_A17_long_and_odd_commands(guard: Guard, world: World) -> None:
    """Multi-line commands, here-documents and 120 KiB of text arrive unchanged."""
    text = "x" * 120_000
    script = f"cat <<'END'\nfirst \"line\" $HOME\n\nthird\nEND\nprintf %s '{text}' | wc -c"
    outcome = guard.run(world, ["sh", "-c", script])
    assert outcome.text.split() == ["first", '"line"', "$HOME", "third", "120000"], str(outcome)[:2000]


TOO_LONG = """
import sidewall
for argv in (["printf", "x" * 300_000], ["a\\0b"], []):
    try:
        sidewall.run(argv)
        print("ran")
    except (OSError, ValueError, sidewall.SidewallError, IndexError) as error:
        print("refused", type(error).__name__, str(error)[:60])
"""


def test_A17_too_long_a_command(world: World) -> None:
    """An argument the kernel cannot carry, a NUL, an empty command: a clear error, nothing runs."""
    outcome = host(world, [sys.executable, "-P", "-c", TOO_LONG])
    assert outcome.text.count("refused") == 3, str(outcome)


@guards("write-outside", only=(NAMESPACE,))
@pytest.mark.parametrize("code", [1, 124, 125, 126, 127, 137, 255])
def test_A23_imitated_status(guard: Guard, world: World, code: int) -> None:
    """A command may end with our codes and print our words: the status file tells the truth."""
    status = world.base / "status.json"
    options = () if guard.is_control else ("--status-file", str(status))
    script = f"echo 'sidewall: error: the sandbox could not be made' >&2; exit {code}"
    outcome = guard.run(world, ["sh", "-c", script], options=options)
    assert outcome.returncode == code, str(outcome)
    if not guard.is_control:
        import json

        said = json.loads(status.read_text())
        assert said.get("exit_code", said.get("returncode")) == code, said
        assert str(said).count("the sandbox could not be made") == 0


@HELD
def test_A23_death_by_signal(guard: Guard, world: World) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
        assert guard.run(world, ["sh", "-c", f"kill -{int(number)} $$"]).returncode == 128 + number


@HELD
def test_A24_time_out_of_a_forking_and_stopped_tree(guard: Guard, world: World) -> None:
    script = f"echo ATTACK-START {world.nonce}; for n in 1 2 3; do (while :; do sh -c ': {world.nonce}'; done) & done; "
    script += f"sh -c 'kill -STOP $$; : {world.nonce}' & setsid sh -c 'sleep 99; : {world.nonce}' & kill -STOP $$"
    outcome = guard.run(world, ["sh", "-c", script], options=("--timeout", "1"), timeout=20)
    assert outcome.returncode == 124, str(outcome)
    if guard.name == NAMESPACE:
        assert survivors(world.nonce) == []


@HELD
def test_A24_time_out_of_what_stops_its_own_sandbox(guard: Guard, world: World) -> None:
    """Without a pid namespace a command may signal the process that would end it, again and again."""
    script = f"echo ATTACK-START {world.nonce}; (setsid sh -c 'while kill -STOP '$PPID'; do :; done' &) ; sleep 60"
    outcome = guard.run(world, ["sh", "-c", script], options=("--timeout", "1"), timeout=20)
    assert outcome.started and outcome.returncode == 124, str(outcome)


SESSION = """
import sys, sidewall
with sidewall.Sandbox(workspace=".", tier=sys.argv[1]) as box:
    box.run(["sh", "-c", "kill -STOP $PPID"])
    try:
        box.run(["sleep", "60"], timeout=1)
    except sidewall.TimeoutExpired:
        print(box.run(["echo", sys.argv[2]], capture_output=True, text=True, timeout=10).stdout)
"""


@HELD
def test_A24_a_sandbox_that_was_stopped_goes_on(guard: Guard, world: World) -> None:
    here = [sys.executable, "-P", "-c", SESSION, guard.name, world.nonce]
    done = subprocess.run(here, cwd=world.workspace, env=environment(world), capture_output=True, timeout=30)
    assert world.nonce in done.stdout.decode(), done


def mounts() -> list[str]:
    """The mount table, as far as it does not change by itself."""
    return sorted(" ".join(line.split()[3:]) for line in Path("/proc/self/mountinfo").read_text().splitlines())


@guards("survivors", control=False)
def test_LX24_killed_at_any_time(guard: Guard, world: World) -> None:
    """Kill the launcher in set-up and in the run: the project is as it was, at the latest after the next start."""
    before = {name: seen[:3] for name, seen in tree(world.workspace, (world.workspace / ".git",)).items()}
    table, temporary = mounts(), set(os.listdir("/tmp"))
    choice = random.Random(5)
    for _ in range(12):
        running = guard.start(world, ["sh", "-c", f"sleep 30; : {world.nonce}"])
        time.sleep(choice.uniform(0.005, 0.35))
        running.process.send_signal(signal.SIGKILL)
        running.finish(timeout=10)
    assert survivors(world.nonce) == []
    assert mounts() == table
    assert guard.run(world, ["true"]).returncode == 0
    after = {name: seen[:3] for name, seen in tree(world.workspace, (world.workspace / ".git",)).items()}
    assert after == before
    assert git(world.workspace, "status", "--short", home=world.home) == ""
    others = ("attacks", "verify", "visitor")  # tests that run at the same time
    left = {name for name in set(os.listdir("/tmp")) - temporary
            if "sidewall" in name and not any(other in name for other in others)}
    assert not left


@HELD
def test_LX25_many_at_once(guard: Guard, world: World) -> None:
    def one(number: int) -> Outcome:
        script = f"echo {number} > file-{number}; echo x > /tmp/same; sleep 0.2"
        return guard.run(world, ["sh", "-c", script])

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(one, range(20)))
    assert [str(outcome) for outcome in outcomes if outcome.returncode] == []
    assert [(world.workspace / f"file-{number}").read_text() for number in range(20)] == [f"{n}\n" for n in range(20)]
    assert not Path("/tmp/same").exists() or guard.name != NAMESPACE


