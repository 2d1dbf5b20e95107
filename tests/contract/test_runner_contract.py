"""What agent frameworks expect of whoever runs their commands: one sentence of that contract, one test.

Knows: the sentences.  Must not know: any framework, any platform.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import sidewall
from sidewall import AsyncSandbox, Sandbox


def test_start_and_run_take_what_frameworks_pass() -> None:
    """start(argv, *, cwd, env, stdin, tty); run(..., input, timeout, output_limit); the same asynchronously."""
    for sandbox in (Sandbox, AsyncSandbox):
        assert {"cwd", "env", "stdin", "tty"} <= set(inspect.signature(sandbox.start).parameters)
        assert {"cwd", "env", "stdin", "input", "timeout", "output_limit"} <= set(
            inspect.signature(sandbox.run).parameters)
        for name in ("read_bytes", "write_bytes", "stat", "list", "remove", "mkdir", "exists", "realpath", "describe",
                     "close"):
            assert callable(getattr(sandbox, name))


def test_it_describes_itself(sandbox: Sandbox, workspace: Path) -> None:
    told = sandbox.describe()
    assert told["workspace"] == str(workspace.resolve()) and told["network"] == "off" and told["tier"]
    assert told["guarantees"]["write-outside"] in ("enforced", "partial", "open")
    assert json.loads(json.dumps(told)) == told


def test_argv_is_literal(sandbox: Sandbox) -> None:
    words = [" literal $() `quoted`; && ", "$HOME", "*", "", "a\nb", "-n", "%s", "\\"]
    script = 'for word; do printf "<%s>" "$word"; done'
    done = sandbox.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True)
    assert done.stdout == "".join(f"<{word}>" for word in words)


def test_a_shell_is_explicit(sandbox: Sandbox) -> None:
    assert sandbox.run("printf '%s' $((6 * 7))", shell=True, stdout=-1).stdout == b"42"
    with pytest.raises(FileNotFoundError):
        sandbox.run("printf '%s' $((6 * 7))")


def test_standard_input_is_at_its_end_by_default(sandbox: Sandbox) -> None:
    done = sandbox.run(["sh", "-c", "read value || printf eof"], stdout=-1, timeout=30)
    assert done.stdout == b"eof"
    process = sandbox.start(["sh", "-c", "read value || printf eof"])
    assert process.communicate(timeout=30)[0] == b"eof"


def test_bytes_inside_and_replacement_characters_at_the_door(sandbox: Sandbox) -> None:
    script = ["sh", "-c", "printf 'a\\377'; printf '\\376' >&2"]
    raw, text = sandbox.run(script, capture_output=True), sandbox.run(script, capture_output=True, text=True)
    assert (raw.stdout, raw.stderr) == (b"a\xff", b"\xfe")
    assert (text.stdout, text.stderr) == ("a\ufffd", "\ufffd")


def test_non_zero_is_a_result(sandbox: Sandbox) -> None:
    done = sandbox.run(["sh", "-c", "printf out; printf err >&2; exit 7"], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out", b"err")


def test_the_codes_124_and_128_plus_a_signal(sandbox: Sandbox) -> None:
    with pytest.raises(sidewall.TimeoutExpired) as late:
        sandbox.run(["sleep", "600"], timeout=0.1)
    assert late.value.exit_code == 124
    done = sandbox.run(["sh", "-c", "kill -SEGV $$"])
    assert (done.returncode, done.exit_code) == (-signal.SIGSEGV, 128 + signal.SIGSEGV)
    with pytest.raises(sidewall.CalledProcessError) as wrong:
        done.check_returncode()
    assert wrong.value.exit_code == 128 + signal.SIGSEGV


def test_the_codes_126_and_127_are_errors_by_their_names(sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError):
        sandbox.run(["a-program-that-is-not-there"])
    with pytest.raises(PermissionError):
        sandbox.run(["/etc/passwd"])


def test_a_time_out_kills_the_tree_and_keeps_partial_output(sandbox: Sandbox, survivor: Any) -> None:
    script = (f"printf partial; printf err >&2; {survivor.script} & "
              f"setsid sh -c '{survivor.script}' 2> /dev/null & exec sleep 600")
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        sandbox.run(["sh", "-c", script], timeout=0.4, capture_output=True)
    assert (caught.value.stdout, caught.value.stderr) == (b"partial", b"err")
    assert not survivor.survives()


def test_cancellation_kills_the_tree(make_async: Callable[..., AsyncSandbox], survivor: Any) -> None:
    async def main() -> None:
        async with make_async() as sandbox:
            await sandbox.open()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(sandbox.run(["sh", "-c", f"{survivor.script} & sleep 600"]), 0.4)
            assert not survivor.survives()

    asyncio.run(main())


def test_the_call_returns_when_the_direct_child_ends(sandbox: Sandbox) -> None:
    done = sandbox.run(["sh", "-c", "sleep 600 & printf done"], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"done")


def test_a_background_process_lives_on_until_the_session_ends(sandbox: Sandbox, workspace: Path) -> None:
    sandbox.run(["sh", "-c", "(while [ ! -e go ]; do sleep 0.02; done; touch done) &"], capture_output=True)
    sandbox.run(["touch", "go"])
    for _ in range(500):
        if (workspace / "done").exists():
            break
        time.sleep(0.02)
    assert (workspace / "done").exists()


def test_output_caps_come_with_a_flag(sandbox: Sandbox) -> None:
    done = sandbox.run(["sh", "-c", "printf 123456; printf abc >&2"], capture_output=True, output_limit=4)
    assert (done.stdout, done.stderr, done.truncated) == (b"1234", b"abc", True)
    done = sandbox.run(["printf", "1234"], capture_output=True, output_limit=4)
    assert (done.stdout, done.truncated) == (b"1234", False)


def test_no_io_in_constructors() -> None:
    """Seen from outside: nothing but asking for the current directory happens between two marks."""
    code = ("import os, sys, sidewall; from sidewall import Sandbox, AsyncSandbox\n"
            "seen = []\n"
            "sys.addaudithook(lambda name, args: seen.append(name))\n"
            "Sandbox(workspace='/none', write=['/x']), AsyncSandbox('none.toml'), Sandbox(':strict')\n"
            "seen = [n for n in seen if n.split('.')[0] in ('open', 'os', 'socket', 'subprocess', 'ctypes')]\n"
            "sys.exit(str(seen) if seen else 0)\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_concurrent_first_use_makes_one_sandbox(make: Callable[..., Sandbox]) -> None:
    sandbox = make()
    gate = threading.Barrier(6)

    def first(_: int) -> str:
        gate.wait()
        return sandbox.run(["true"]).session_id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(first, range(6)))) == 1


def test_close_is_idempotent(sandbox: Sandbox) -> None:
    sandbox.run(["true"])
    for _ in range(3):
        sandbox.close()
    with pytest.raises(sidewall.CellGone):
        sandbox.run(["true"])


def test_file_operations_are_checked_by_the_policy_and_carry_the_rule(sandbox: Sandbox, place: Path) -> None:
    sandbox.write_bytes("dir/file", b"data")
    assert sandbox.run(["cat", "dir/file"], stdout=-1).stdout == b"data"
    with pytest.raises(sidewall.AccessDenied) as caught:
        sandbox.write_bytes(place / "outside", b"x")
    error: Any = caught.value
    assert isinstance(error, sidewall.SidewallError) and isinstance(error, PermissionError)
    assert error.decision is not None and error.decision.reason in str(error)
    assert not (place / "outside").exists()


@pytest.mark.parametrize("kind", ["machine"], indirect=True)  # what confines nothing does not die with its owner
def test_nothing_is_left_behind_after_kill_9(how: dict[str, Any], workspace: Path) -> None:
    code = ("import sys, sidewall\n"
            f"s = sidewall.Sandbox(workspace={os.fspath(workspace)!r}, require=())\n"
            "s.run(['sh', '-c', 'sleep 600 & (while :; do echo x >> alive; sleep 0.05; done) & '\n"
            "       'until [ -e alive ]; do sleep 0.02; done'])\n"
            "print('up', flush=True); s.run(['sleep', '600'])\n")
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert owner.stdout is not None and owner.stdout.readline() == b"up\n"
    finally:
        owner.kill()
        owner.communicate(timeout=30)
    size = -1
    for _ in range(100):
        before, size = size, (workspace / "alive").stat().st_size
        if before == size:
            break
        time.sleep(0.2)
    assert before == size
