"""``Sandbox.run`` beside ``subprocess.run``: the same calls, the same results, the same errors.

Knows: what ``subprocess`` does.  Must not know: how a cell is made.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sidewall
from sidewall import Sandbox

PY = sys.executable
CALLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "success": (["true"], {}),
    "failure": (["false"], {}),
    "code": (["sh", "-c", "exit 7"], {}),
    "signal": (["sh", "-c", "kill -TERM $$"], {}),
    "a name alone": ("true", {}),
    "a shell line": ("echo $((20 + 3)); exit 4", {"shell": True, "capture_output": True}),
    "a shell and arguments": (["echo $0 $1", "a", "b c"], {"shell": True, "capture_output": True}),
    "both streams": (["sh", "-c", "echo out; echo err >&2"], {"capture_output": True}),
    "one stream": (["sh", "-c", "echo out; echo err >&2"], {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}),
    "joined": (["sh", "-c", "echo out; echo err >&2"], {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}),
    "text": (["printf", "a\\r\\nb\\rc\\n"], {"capture_output": True, "text": True}),
    "latin": (["printf", "\\351"], {"capture_output": True, "encoding": "latin-1"}),
    "bytes in": (["cat"], {"input": b"\0\xff\n", "capture_output": True}),
    "text in": (["cat"], {"input": "é\n", "capture_output": True, "text": True}),
    "nothing in": (["cat"], {"input": b"", "capture_output": True}),
    "input not wanted": (["true"], {"input": b"x" * 1_000_000, "capture_output": True}),
    "much in and out": (["cat"], {"input": b"y" * 3_000_000, "capture_output": True}),
    "bytes as arguments": ([b"printf", b"%s", b"\xff\xfe"], {"capture_output": True}),
    "literal": (["printf", "%s|", "$HOME", "`id`", "a b", "", "*", "\n"], {"capture_output": True}),
    "a path as program": ([Path("/bin/echo"), Path("x")], {"capture_output": True}),
    "an environment": (["env"], {"env": {"PATH": os.environ["PATH"], "ONE": "1"}, "capture_output": True}),
    "a directory": (["pwd", "-P"], {"cwd": "/usr", "capture_output": True}),
    "no program": (["no-such-program"], {}),
    "no program by path": (["./no-such-program"], {}),
    "not executable": (["/etc/passwd"], {}),
    "no directory": (["true"], {"cwd": "/no/such/directory"}),
    "a file as directory": (["true"], {"cwd": "/etc/passwd"}),
    "a directory as program": (["/usr"], {}),
    "NUL": (["echo", "a\0b"], {}),
    "a wrong environment": (["true"], {"env": {"A=B": "c"}}),
    "NUL in the environment": (["true"], {"env": {"A": "b\0"}}),
    "a number": (["echo", 3], {}),
    "input and stdin": (["cat"], {"input": b"", "stdin": subprocess.PIPE}),
    "capture and stdout": (["cat"], {"capture_output": True, "stdout": subprocess.PIPE}),
    "check": (["sh", "-c", "echo out; exit 3"], {"check": True, "capture_output": True}),
    "check a signal": (["sh", "-c", "kill -9 $$"], {"check": True}),
    "check success": (["true"], {"check": True}),
}


def outcome(run: Callable[..., Any], args: Any, given: dict[str, Any]) -> tuple[Any, ...]:
    """What a call comes to, in a form that two implementations can be compared in."""
    try:
        done = run(args, timeout=60, **given)
    except subprocess.CalledProcessError as error:
        return ("check", error.returncode, error.cmd, error.stdout, error.stderr)
    except OSError as error:
        return (type(error), error.errno, os.fspath(error.filename))
    except (ValueError, TypeError) as error:
        return (type(error),)
    return (done.args, done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("descriptors")
def test_as_subprocess_does(name: str, sandbox: Sandbox, workspace: Path) -> None:
    args, given = CALLS[name]
    bare = outcome(subprocess.run, args, {"cwd": workspace, **({} if "input" in given else {"stdin": -3}), **given})
    sandboxed = outcome(sandbox.run, args, given)
    sandbox.close()
    assert sandboxed == bare


def test_a_result_is_a_completed_process(sandbox: Sandbox) -> None:
    done = sandbox.run(["sh", "-c", "echo hello"], capture_output=True, text=True)
    assert isinstance(done, subprocess.CompletedProcess)
    assert (done.stdout, done.returncode, done.timed_out) == ("hello\n", 0, False)
    assert (done.truncated, done.denials) == (False, ())
    assert {line.name for line in done.guarantees} >= {"write-outside", "network-egress"}
    assert done.session_id == sandbox.session_id != ""
    assert done.usage.max_rss_bytes > 0 and done.duration > 0
    copy = pickle.loads(pickle.dumps(done))
    assert vars(copy) == vars(done)
    with pytest.raises(subprocess.CalledProcessError):
        sandbox.run(["false"]).check_returncode()


def test_exit_codes_as_a_shell_shows_them(sandbox: Sandbox) -> None:
    assert sandbox.run(["sh", "-c", "exit 9"]).exit_code == 9
    assert sandbox.run(["sh", "-c", "kill -INT $$"]).exit_code == 128 + signal.SIGINT


def test_a_time_out_keeps_the_output_and_kills_the_tree(sandbox: Sandbox, workspace: Path) -> None:
    loop = "(while :; do echo x >> alive; sleep 0.05; done) 2> /dev/null"
    script = f"echo before; echo error >&2; {loop} & exec sleep 600"
    with pytest.raises(sidewall.TimeoutExpired) as caught:
        sandbox.run(["sh", "-c", script], timeout=1, capture_output=True, text=True)
    error = caught.value
    assert isinstance(error, subprocess.TimeoutExpired)
    assert (error.stdout, error.stderr, error.timeout, error.cmd[0]) == ("before\n", "error\n", 1, "sh")
    assert error.completed is not None and error.completed.timed_out and error.completed.exit_code == 124
    before = (workspace / "alive").stat().st_size
    sandbox.run(["sleep", "0.3"])
    assert (workspace / "alive").stat().st_size == before


def test_a_time_out_without_pipes(sandbox: Sandbox) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        sandbox.run(["sleep", "600"], timeout=0.2)
    assert caught.value.output is None
    with pytest.raises(subprocess.TimeoutExpired):
        sandbox.run(["sleep", "600"], timeout=0)


def test_the_policys_wall_time_gives_a_result(make: Callable[..., Sandbox]) -> None:
    sandbox = make(limits=sidewall.Limits(wall_seconds=0.5))
    done = sandbox.run(["sh", "-c", "echo early; sleep 600"], capture_output=True)
    assert (done.timed_out, done.returncode, done.stdout, done.exit_code) == (True, -9, b"early\n", 124)
    with pytest.raises(subprocess.TimeoutExpired):
        sandbox.run(["sleep", "600"], timeout=0.1)


def test_ctrl_c_kills_the_tree(sandbox: Sandbox, survivor: Any) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.7)
        with pytest.raises(KeyboardInterrupt):
            sandbox.run(["sh", "-c", f"{survivor.script} & sleep 600"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert sandbox.run(["true"]).returncode == 0
    assert not survivor.survives()


def test_standard_input_is_empty_unless_given(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("from a file\n")
    assert sandbox.run(["cat"], stdout=-1).stdout == b""
    assert sandbox.run(["cat"], stdin=sidewall.PIPE, stdout=-1).stdout == b""
    with open(tmp_path / "input") as file:
        assert sandbox.run(["cat"], stdin=file, stdout=-1).stdout == b"from a file\n"
        os.lseek(file.fileno(), 0, 0)
        assert sandbox.run(["cat"], stdin=file.fileno(), stdout=-1).stdout == b"from a file\n"


def test_output_goes_where_the_caller_says(sandbox: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open(tmp_path / "out", "wb") as file:
        assert sandbox.run(["echo", "to a file"], stdout=file).stdout is None
    assert (tmp_path / "out").read_text() == "to a file\n"
    sandbox.run(["sh", "-c", "echo plain; echo wrong >&2"])
    assert capfd.readouterr() == ("plain\n", "wrong\n")
    sandbox.run(["echo", "gone"], stdout=sidewall.DEVNULL)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValueError):
        sandbox.run(["true"], stdout=-7)
    with pytest.raises(TypeError):
        sandbox.run(["true"], stdout="a name")


def test_a_caller_without_standard_streams(workspace: Path) -> None:
    """A daemon has closed 0, 1 and 2: the command gets the null device there, and not some other open file."""
    script = (
        "import os, sys, sidewall\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from bare_cell import opener\n"
        "[os.close(fd) for fd in (0, 1, 2)]\n"
        f"with sidewall.Sandbox(workspace={str(workspace)!r}, opener=opener) as s:\n"
        "    s.run(['sh', '-c', 'for n in 0 1 2; do readlink /proc/$$/fd/$n; done >> seen'], check=True)\n"
        "    print('into nothing', file=open(2, 'w', closefd=False))\n"
        "    s.run(['sh', '-c', 'for n in 0 1 2; do readlink /proc/$$/fd/$n; done >> seen'], input=b'', check=True)\n"
        "assert len(os.listdir('/proc/self/fd')) == 1\n"
    )
    assert subprocess.run([PY, "-c", script], timeout=60).returncode == 0
    first, second = (workspace / "seen").read_text().split("\n")[:3], (workspace / "seen").read_text().split("\n")[3:6]
    assert first == ["/dev/null", str(workspace.resolve() / "seen"), "/dev/null"]
    assert second[0].startswith("pipe:") and second[1:] == first[1:]


def test_relative_directories_count_from_the_workspace(sandbox: Sandbox, workspace: Path) -> None:
    (workspace / "sub").mkdir()
    done = sandbox.run(["pwd", "-P"], cwd="sub", stdout=-1, text=True)
    assert done.stdout.strip() == str(workspace.resolve() / "sub")
    assert sandbox.run(["pwd", "-P"], stdout=-1, text=True).stdout.strip() == str(workspace.resolve())


def test_the_environment_is_filtered(make: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("LC_TEST", "kept")
    sandbox = make(environ={"ADDED": "here"})
    seen = dict(line.split("=", 1) for line in sandbox.run(["env"], stdout=-1, text=True).stdout.splitlines())
    assert "secret" not in seen.values()
    assert (seen["ADDED"], seen["LC_TEST"], seen["PATH"]) == ("here", "kept", os.environ["PATH"])
    assert seen["TMPDIR"] == sandbox.environment["TMPDIR"] != ""
    exact = sandbox.run(["env"], env={"PATH": os.environ["PATH"], "GITHUB_TOKEN": "given"}, stdout=-1, text=True)
    assert sorted(exact.stdout.split()) == sorted([f"PATH={os.environ['PATH']}", "GITHUB_TOKEN=given"])
    with_more = sandbox.run(["sh", "-c", "echo $ADDED $MORE"], env={**sandbox.environment, "MORE": "x"}, stdout=-1)
    assert with_more.stdout == b"here x\n"
